//! Claim: pure attention loses rank doubly exponentially with depth.

mod checkpoints;
mod curves;
mod exact;
mod nets;
mod pictures;
mod rates;
#[cfg(test)]
mod tests;
mod theorem;

use super::{
    About, Allowed, Evidence, Experiment, Floating, Outcome, Parameter, Sample, Settings, Trained, Verdict,
};
use crate::device::Device;
use crate::error::Result;
use crate::numbers::short;
use crate::run::Run;
use checkpoints::Checkpoint;
use curves::{Curve, OnDevice};
use exact::Opposites;
use nets::{Masked, Sizes};
use rates::Rates;
use theorem::{Bounds, Paths, SingleHead};

/// See the module.
pub struct DepthCollapse;

const ABOUT: About = About {
    id: "depth-collapse",
    statement: "Pure attention loses rank doubly exponentially with depth.",
    source: "Dong, Cordonnier & Loukas 2021 (arXiv 2103.03404), theorems 2.2 and 2.3; taken up by the popular \
             account as evidence that a small head keeps the attention matrix from full rank",
    exact: "What tends to rank 1 is the hidden state, whose rows (tokens) become one; the attention weights \
            themselves may all be of full rank, and heads may be as large as the sequence. L layers of H heads \
            take ‖res(X)‖ to at most (4γβH/√D)^((3^L − 1)/2) · ‖res(X)‖^(3^L), with β from the weights and γ \
            from the entries of the attention matrices (its value is not established here). The bound falls with \
            depth only where 4γβH/√D · ‖res(X)‖² < 1; there are larger weights that never collapse, and with skips \
            there are such weights of any size.",
    reconsider: "Weights that keep attention sharp although tokens are close, or masks under which all \
                 tokens see the same keys.",
};

const TEXT: &str = "Once upon a time there was a little girl who lived in a house near the forest. Every \
                    morning she walked to the river with her dog and looked for stones that were round and \
                    smooth. One day she found a small green bottle with a letter inside. She could not read \
                    it, so she ran home and asked her mother what it said.";

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "n", summary: "tokens", allowed: Allowed::Integer(4, 128), quick: "32", full: "32" },
    Parameter {
        name: "width",
        summary: "width C of the stacks",
        allowed: Allowed::Integer(8, 256),
        quick: "64",
        full: "64",
    },
    Parameter {
        name: "heads",
        summary: "heads H, a divisor of the width; D = C / H",
        allowed: Allowed::Integer(1, 32),
        quick: "4",
        full: "4",
    },
    Parameter {
        name: "layers",
        summary: "layers L of the table",
        allowed: Allowed::Integer(4, 48),
        quick: "12",
        full: "12",
    },
    Parameter {
        name: "seeds",
        summary: "draws of every stack",
        allowed: Allowed::Integer(2, 200),
        quick: "8",
        full: "40",
    },
    Parameter {
        name: "rate_seeds",
        summary: "draws for the rates over layers 20 to 40 (causal) and 40 to 60 (window)",
        allowed: Allowed::Integer(2, 1000),
        quick: "64",
        full: "400",
    },
    Parameter {
        name: "window_rate",
        summary: "whether the window's rate is measured",
        allowed: Allowed::Word(&["no", "yes"]),
        quick: "no",
        full: "yes",
    },
    Parameter {
        name: "checkpoints",
        summary: "trained models, by name or folder with commas between; `here` for the bundled and the pulled ones, empty for none",
        allowed: Allowed::Text,
        quick: "here",
        full: "here",
    },
    Parameter {
        name: "text",
        summary: "what the trained models read",
        allowed: Allowed::Text,
        quick: TEXT,
        full: TEXT,
    },
];

/// What the experiment finds.
pub struct Measured {
    sizes: Sizes,
    opposites: Opposites,
    curves: Vec<Curve>,
    rates: Rates,
    single_head: SingleHead,
    bounds: Bounds,
    paths: Paths,
    checkpoints: Vec<Checkpoint>,
    notes: Vec<String>,
    on_device: Option<OnDevice>,
}

impl Experiment for DepthCollapse {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let sizes = Sizes::read(settings)?;
        measure(&sizes, &sizes.masks()?, settings, run)
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = measured.opposites.ruling();
        let floating = Floating::over(measured.pure().map(|(curve, order)| measured.outcome(curve, order)));
        let alone = measured.checkpoints.iter().map(|model| model.attention_alone().is_doubly_exponential());
        Verdict::new()
            .exact(exact, because)
            .floating(floating, measured.in_floating_point())
            .trained(Trained::over(alone), in_trained_models(&measured.checkpoints))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let Measured { sizes, curves, checkpoints, .. } = &measured;
        let mut evidence = Evidence::new();
        measured.opposites.report(&mut evidence);
        curves::report(&mut evidence, sizes, curves);
        measured.rates.report(&mut evidence, sizes);
        measured.single_head.report(&mut evidence);
        measured.bounds.report(&mut evidence);
        measured.paths.report(&mut evidence);
        evidence.measure("checkpoints", checkpoints.len() as f64, "models");
        checkpoints.iter().for_each(|model| model.report(&mut evidence));
        if let Some(on_device) = &measured.on_device {
            on_device.report(&mut evidence);
        }
        pictures::show(&mut evidence, settings, sizes, curves, checkpoints);
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        Ok(evidence)
    }
}

/// The experiment under these masks.
fn measure(sizes: &Sizes, masks: &[Masked], settings: &Settings, run: &Run) -> Result<Measured> {
    let seeds = settings.seeds("seeds")?;
    // First what is quickly wrong: a model that is not there.
    let (checkpoints, notes) = checkpoints::measure(settings, run)?;
    let is_cpu = *settings.device() == Device::Cpu;
    Ok(Measured {
        opposites: Opposites::new(2.0)?,
        curves: curves::measure(sizes, masks, &seeds, run)?,
        rates: rates::measure(sizes, masks, &seeds, settings, run)?,
        single_head: theorem::third_power(&seeds, run)?,
        bounds: theorem::bounds(sizes, &seeds, run)?,
        paths: theorem::paths(sizes, &seeds, run)?,
        on_device: (!is_cpu).then(|| curves::on_device(sizes, masks, settings, run)).transpose()?,
        checkpoints,
        notes,
        sizes: *sizes,
    })
}

impl Measured {
    /// Pure attention under each mask, with the order of one layer.
    fn pure(&self) -> impl Iterator<Item = (&Curve, &Sample)> {
        let pure = self.curves.iter().filter(|curve| curve.net.is_pure(&self.sizes));
        pure.zip(self.rates.orders.iter().map(|(_, order)| order))
    }

    /// A residual that is not yet down where one layer is of high order leaves the question open.
    fn outcome(&self, curve: &Curve, order: &Sample) -> Outcome {
        let fall = curve.fall(self.sizes.floor());
        match fall.is_doubly_exponential() {
            Some(true) => Outcome::Holds,
            Some(false) if fall.reached.is_some() || order.mean() <= rates::HIGH => Outcome::Fails,
            _ => Outcome::Unclear,
        }
    }

    fn in_floating_point(&self) -> String {
        let masks = self.pure().map(|(curve, _)| {
            let fall = curve.fall(self.sizes.floor()).in_words(curve.left());
            format!("{fall} ({})", curve.mask)
        });
        format!(
            "{} layers of pure attention of drawn weights leave of ‖res(X)‖ / ‖X‖: {}. Once tokens are close, causal \
             attention takes {} decades a layer; with skips, {} or more is left.",
            self.sizes.layers,
            masks.collect::<Vec<_>>().join("; "),
            short(-self.rates.causal.mean()),
            short(curves::left_with_skips(&self.sizes, &self.curves))
        )
    }
}

fn in_trained_models(models: &[Checkpoint]) -> String {
    if models.is_empty() {
        return "None was named or is installed.".to_owned();
    }
    let models: Vec<_> = models.iter().map(Checkpoint::in_words).collect();
    format!(
        "‖res(X)‖ / ‖X‖ after the last layer of trained attention alone, without skips and MLPs: {}.",
        models.join("; ")
    )
}
