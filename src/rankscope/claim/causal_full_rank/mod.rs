//! Claim: causal attention is always of full rank.
//!
//! A theorem in exact arithmetic, and a matter of settings in any other: the experiment puts the exact
//! determinant and smallest singular value beside what f64, f32 and f16 make of the same matrices.

mod determinant;
mod heads;
mod sizes;
mod smallest;
mod stored;
#[cfg(test)]
mod tests;
mod theorem;

use super::verdict::sentence;
use super::{
    About, Allowed, Evidence, Exact, Experiment, Floating, Parameter, Settings, Trained, Verdict, trained,
};
use crate::blas;
use crate::error::Result;
use crate::mask::Mask;
use crate::numbers::short;
use crate::run::Run;
use heads::Heads;
use sizes::{AtScale, AtSize, Lost};
use theorem::Theorem;

/// See the module.
pub struct CausalFullRank;

const ABOUT: About = About {
    id: "causal-full-rank",
    statement: "Causal attention is always of full rank.",
    source: "As commonly cited after Su Jianlin, kexue.fm 9529 (2023): a lower triangular matrix with a positive \
             diagonal has a positive determinant",
    exact: "Causal weights are lower triangular with a positive diagonal, so det A = Π aᵢᵢ > 0: full rank, for \
            every input. The same holds for every mask inside the causal one that keeps the diagonal. How far \
            the matrix is from a singular one is another question, and σ_min answers it.",
    reconsider: "A logit scale at which the diagonal dominates, or arithmetic with more digits than f64.",
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "mask",
        summary: "the mask on trial, in place of the causal one",
        allowed: Allowed::Text,
        quick: "causal",
        full: "causal",
    },
    Parameter {
        name: "n",
        summary: "positions of the matrices that multi-precision and LU look at",
        allowed: Allowed::Integer(2, 256),
        quick: "128",
        full: "128",
    },
    Parameter {
        name: "sizes",
        summary: "positions n of the sweep of numerical ranks",
        allowed: Allowed::Integers(2, 2048),
        quick: "16,32,64,128,256,512",
        full: "16,32,64,128,256,512,1024",
    },
    Parameter {
        name: "head_size",
        summary: "head size D",
        allowed: Allowed::Integer(1, 1024),
        quick: "16",
        full: "16",
    },
    Parameter {
        name: "scale",
        summary: "factor on the logits after 1/√D",
        // At 8 and n = 256, σ_min is near 10⁻⁶⁵⁰ and takes multi-precision many seconds.
        allowed: Allowed::Number(0.0, 8.0),
        quick: "1",
        full: "1",
    },
    Parameter {
        name: "scales",
        summary: "further factors, for the numerical rank at n",
        allowed: Allowed::Numbers(0.0, 16.0),
        quick: "0,0.1,1,8",
        full: "0,0.1,0.5,1,2,4,8",
    },
    Parameter { name: "seeds", summary: "draws", allowed: Allowed::Integer(2, 1000), quick: "6", full: "20" },
    Parameter {
        name: "lu_draws",
        summary: "draws whose determinant is also computed by LU",
        allowed: Allowed::Integer(2, 1000),
        quick: "40",
        full: "400",
    },
    trained::MODELS,
    trained::LARGEST,
    trained::TEXTS_FILE,
    trained::TOKENS,
];

/// What another device would compute otherwise, or not at all.
const ON_CPU: &str = "in multi-precision the exact determinants and singular values, in f64 the weights and spectra \
                      of all ranks but those of f32, of LU and of the stored draw; the device computes the weights \
                      behind lost_f32_causal and lost_f32_bidirectional";

/// Draws of this size and scale are known from outside.
const NUMPY: &str = "numpy, other draws at D = 16";

/// What the experiment finds.
pub struct Measured {
    n: usize,
    mask: Mask,
    theorem: Theorem,
    sizes: Vec<AtSize>,
    scales: Vec<AtScale>,
    /// What is measured of causal matrices alone.
    causal: Option<Causal>,
    models: Vec<Heads>,
    notes: Vec<String>,
}

struct Causal {
    smallest: smallest::Smallest,
    lu: determinant::ByLu,
    underflow: determinant::Underflow,
    stored: stored::Stored,
}

impl Experiment for CausalFullRank {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let mask = Mask::parse(settings.text("mask")?)?;
        let n = settings.integer("n")?;
        // With BLAS's own threads the last digits depend on how many there are.
        blas::single_threaded(|| {
            let theorem = theorem::check(&mask, n)?;
            let (models, notes) = heads::measure(settings, &mask, run)?;
            let causal = || -> Result<Causal> {
                Ok(Causal {
                    smallest: smallest::measure(settings, run)?,
                    lu: determinant::by_lu(settings, run)?,
                    underflow: determinant::underflow(settings, run)?,
                    stored: stored::measure(run)?,
                })
            };
            Ok(Measured {
                n,
                theorem,
                sizes: sizes::over_sizes(settings, &mask, run)?,
                scales: sizes::over_scales(settings, &mask, run)?,
                causal: if mask == Mask::causal() { Some(causal()?) } else { None },
                mask,
                models,
                notes,
            })
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let verdict = in_exact_arithmetic(Verdict::new(), measured);
        in_trained_models(in_floating_point(verdict, measured), measured)
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        let is_sized = settings.integer("head_size")? == 16 && measured.causal.is_some();
        let is_reference = is_sized && settings.number("scale")? == 1.0;
        match &measured.theorem {
            Theorem::AlwaysFull(reason) => {
                let text =
                    format!("every matrix of {} tokens under {} is {reason}", measured.n, measured.mask);
                evidence.weigh(true, text);
            }
            Theorem::Counterexample(text) => evidence.weigh(false, text),
            Theorem::Neither => {}
        }
        let mask = measured.mask.to_string();
        if let Some(Causal { smallest, lu, underflow, stored }) = measured.causal {
            smallest.report(&mut evidence, settings, is_reference && measured.n == 128)?;
            lu.report(&mut evidence, settings)?;
            underflow.report(&mut evidence, settings)?;
            stored.report(&mut evidence, settings)?;
        }
        sizes::report(&mut evidence, settings, (measured.sizes, &mask), is_reference);
        let scales = (measured.n, measured.scales);
        sizes::report_scales(&mut evidence, scales, &mask, is_sized && measured.n == 128);
        heads::report(&mut evidence, measured.models);
        measured.notes.into_iter().for_each(|note| evidence.note(note));
        evidence.note_cpu(settings, ON_CPU);
        Ok(evidence)
    }
}

fn in_exact_arithmetic(verdict: Verdict, measured: &Measured) -> Verdict {
    let Measured { mask, n, .. } = measured;
    match &measured.theorem {
        Theorem::AlwaysFull(reason) => {
            let how_far = measured.causal.as_ref().map_or(String::new(), |causal| {
                let sigma = causal.smallest.log10_true.mean();
                format!(" It may still be close to singular: σ_min is near 10^{sigma:.0} at n = {n}.")
            });
            let because = format!(
                "Under the mask {mask} every matrix of weights is {reason}, so its determinant is a product of \
                 positive numbers.{how_far}"
            );
            verdict.exact(Exact::Proved, because)
        }
        Theorem::Counterexample(text) => verdict.exact(Exact::Refuted, sentence(text)),
        Theorem::Neither => {
            let because = format!(
                "The mask {mask} decides nothing by its pattern alone, and equal scores are no counterexample at \
                 n = {n}."
            );
            verdict.exact(Exact::Open, because)
        }
    }
}

fn in_floating_point(verdict: Verdict, measured: &Measured) -> Verdict {
    let Measured { n, sizes, scales, .. } = measured;
    let points = sizes.iter().map(|at| &at.masked).chain(scales.iter().map(|at| &at.lost));
    let ruling = Floating::over(points.map(Lost::outcome));
    let lost = |lost: &Lost| short(lost.f64.mean());
    let by_size: Vec<_> = sizes.iter().map(|at| format!("{} of {}", lost(&at.masked), at.n)).collect();
    let by_scale: Vec<_> =
        scales.iter().map(|at| format!("{} at scale {}", lost(&at.lost), at.scale)).collect();
    let mut because = format!(
        "f64 loses {} directions to rounding, and at n = {n} {}.",
        by_size.join(", "),
        by_scale.join(", ")
    );
    if measured.mask != Mask::bidirectional() {
        let most = sizes.iter().map(|at| at.bidirectional.f64.extremes().1).fold(0.0, f64::max);
        let most = if most == 0.0 { "none".to_owned() } else { format!("up to {most}") };
        because += &format!(" Bidirectional attention of the same draws loses {most}.");
    }
    verdict.floating(ruling, because)
}

fn in_trained_models(verdict: Verdict, measured: &Measured) -> Verdict {
    let heads = measured.models.iter().flat_map(|model| &model.lost);
    let ruling = Trained::over(heads.map(|lost| Some(heads::is_full(lost))));
    if ruling == Trained::NoModel {
        let because = format!("None that was looked at was trained under {}.", measured.mask);
        return verdict.trained(ruling, because);
    }
    let model = |model: &Heads| {
        let lost = model.lost.iter().map(|lost| lost.mean()).fold(0.0, f64::max);
        let exactly = match model.zeros {
            0 => "no weight on a diagonal is 0, so exactly all are full".to_owned(),
            zeros => format!("{zeros} weights on diagonals are 0 in f32"),
        };
        format!(
            "{} of {} heads of {} keep full rank at f32's tolerance on every text, and a head loses up to {} \
             directions; {exactly}",
            model.full(),
            model.lost.len(),
            model.name,
            short(lost)
        )
    };
    let models: Vec<_> = measured.models.iter().map(model).collect();
    verdict.trained(ruling, format!("{}.", models.join("; ")))
}
