//! Claim: decoupling the head size from the width removes the bottleneck.

mod budget;
mod layers;
mod quoted;
mod strict;
#[cfg(test)]
mod tests;

use super::{About, Allowed, Evidence, Exact, Experiment, Floating, Parameter, Sample, Settings, Verdict};
use crate::error::Result;
use crate::numbers::short;
use crate::run::Run;
use budget::{Exactly, Plan, Row};

/// See the module.
pub struct FixedHeadSize;

const ABOUT: About = About {
    id: "fixed-head-size",
    statement: "Choosing the head size freely, instead of width / heads, removes the bottleneck of many heads.",
    source: "Bhojanapalli et al. 2020 (arXiv 2002.07028), Theorem 2 and Tables 1 and 2",
    exact: "A layer with heads of size D costs 4·C·H·D parameters, 4·C² under the usual rule D = C/H. With \
            D at least C/H it can compute all that the usual layer can, and more where D is larger. A head \
            reaches almost every pattern of n positions from D = n − 1 on (width at least n); at equal \
            parameters and equal width, larger heads only means fewer.",
    reconsider: "Trained layers at equal parameters instead of fitted patterns, with enough runs to tell the \
                 size of the head from the size of the layer.",
};

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "n",
        summary: "positions of the patterns",
        allowed: Allowed::Integer(3, 24),
        quick: "8",
        full: "12",
    },
    Parameter {
        name: "mask",
        summary: "who may attend to whom in the patterns",
        allowed: Allowed::Word(&["bidirectional", "causal"]),
        quick: "bidirectional",
        full: "bidirectional",
    },
    Parameter {
        name: "width",
        summary: "width C of the usual layer",
        allowed: Allowed::Integer(2, 64),
        quick: "16",
        full: "24",
    },
    Parameter {
        name: "heads",
        summary: "heads H; each a divisor of the width",
        allowed: Allowed::Integers(1, 64),
        quick: "1,2,4,8",
        full: "1,2,4,8",
    },
    Parameter {
        name: "narrow",
        summary: "width of the decoupled layer with the parameters of the usual one",
        allowed: Allowed::Integer(1, 64),
        quick: "8",
        full: "12",
    },
    Parameter {
        name: "head_size",
        summary: "fixed head size D of the decoupled layer at full width",
        allowed: Allowed::Integer(1, 64),
        quick: "7",
        full: "11",
    },
    Parameter {
        name: "scale",
        summary: "standard deviation of the logits that patterns are drawn from",
        allowed: Allowed::Number(0.1, 5.0),
        quick: "2",
        full: "2",
    },
    Parameter {
        name: "tolerance",
        summary: "nats below which a pattern counts as reached",
        allowed: Allowed::Number(1e-13, 1e-3),
        quick: "1e-9",
        full: "1e-9",
    },
    Parameter {
        name: "starts",
        summary: "descents of each fit",
        allowed: Allowed::Integer(1, 50),
        quick: "3",
        full: "6",
    },
    Parameter {
        name: "seeds",
        summary: "patterns",
        allowed: Allowed::Integer(2, 100),
        quick: "6",
        full: "12",
    },
];

/// What the experiment finds.
pub struct Measured {
    plan: Plan,
    exactly: Exactly,
    rows: Vec<Row>,
    /// What a large head on a width of half the sequence misses.
    narrow_embedding: Sample,
    /// Of the largest output, what a usual layer and the larger one that holds it differ by.
    containment: f64,
    imitations: strict::Imitations,
}

impl Experiment for FixedHeadSize {
    type Measured = Measured;

    const ABOUT: About = ABOUT;
    const PARAMETERS: &'static [Parameter] = PARAMETERS;

    fn measure(&self, settings: &Settings, run: &Run) -> Result<Measured> {
        let plan = Plan::new(settings)?;
        let containment = layers::containment(settings, &plan, run)?;
        let fits = budget::Fits::new(settings, &plan, run)?;
        Ok(Measured {
            exactly: fits.exactly()?,
            rows: fits.rows()?,
            narrow_embedding: fits.narrow_embedding()?,
            containment,
            imitations: strict::measure(settings, run)?,
            plan,
        })
    }

    fn judge(&self, measured: &Measured) -> Verdict {
        let (exact, because) = in_exact_arithmetic(measured);
        let (plan, rows) = (&measured.plan, &measured.rows);
        let points = rows.iter().flat_map(|row| row.outcomes(plan.tolerance));
        Verdict::new().exact(exact, because).floating(Floating::over(points), in_floating_point(plan, rows))
    }

    fn report(&self, measured: Measured, settings: &Settings) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        layers::report(&mut evidence, &measured.plan, measured.containment);
        measured.exactly.report(&mut evidence);
        budget::report(&mut evidence, settings, &measured.plan, &measured.rows)?;
        budget::report_narrow(&mut evidence, &measured.plan, measured.narrow_embedding);
        measured.imitations.report(&mut evidence);
        quoted::beside(&mut evidence, settings)?;
        Ok(evidence)
    }
}

fn in_exact_arithmetic(measured: &Measured) -> (Exact, String) {
    let Measured { plan, exactly, .. } = measured;
    let (n, layer) = (plan.n, plan.most().fixed);
    let (size, width) = (layer.head_size(), layer.width());
    if let Some(error) = exactly.reached {
        let because = format!(
            "A head reaches every pattern of {n} positions from size n − 1 = {} on, on a width of n or more, and {size} on \
             {width} are enough, however many heads there are (built: largest error {}). It costs {} times the \
             parameters of the usual rule at {} heads.",
            n - 1,
            short(error),
            short(plan.most().cost()),
            layer.heads()
        );
        return (Exact::Proved, because);
    }
    match exactly.least.iter().flatten().find(|&&least| least > size.min(width)) {
        Some(least) => {
            let because = format!(
                "A drawn pattern of {n} positions needs a head of {least} at least, certified by a \
                 determinant, and the free head size is {size} on a width of {width}."
            );
            (Exact::Refuted, because)
        }
        None => {
            let because = format!(
                "Heads of {size} on a width of {width} are neither known to reach every pattern of {n} positions under \
                 this mask, nor known not to."
            );
            (Exact::Open, because)
        }
    }
}

fn in_floating_point(plan: &Plan, rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .filter(|row| row.is_bottleneck(plan.tolerance))
        .map(|row| row.in_words(plan.tolerance))
        .collect();
    if rows.is_empty() {
        return format!(
            "Nothing to remove: heads of the usual size reach every drawn pattern of {} positions.",
            plan.n
        );
    }
    format!("Best fits of one head to drawn patterns of {} positions. {}.", plan.n, rows.join(". "))
}
