//! Claim: decoupling the head size from the width removes the bottleneck.

mod budget;
mod layers;
mod picture;
mod quoted;
mod strict;
#[cfg(test)]
mod tests;

use super::untyped::Untyped;
use super::{About, Allowed, Evidence, Floating, Opinion, Parameter, Settings};
use crate::error::Result;
use crate::numbers::short;
use crate::run::Run;

/// See the module.
pub struct FixedHeadSize;

static ABOUT: About = About {
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

static PARAMETERS: &[Parameter] = &[
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

impl Untyped for FixedHeadSize {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn run(&self, settings: &Settings, run: &Run) -> Result<Evidence> {
        let mut evidence = Evidence::new();
        let plan = budget::Plan::new(settings)?;
        layers::containment(&mut evidence, settings, &plan, run)?;
        budget::compare(&mut evidence, settings, &plan, run)?;
        strict::strictness(&mut evidence, settings, run)?;
        quoted::beside(&mut evidence, settings)?;
        Ok(evidence)
    }

    fn verdict(&self, evidence: &Evidence) -> Result<Opinion<Floating>> {
        let usual = evidence.value("kl_standard_most_heads")?;
        let equal = evidence.value("kl_equal_budget_most_heads")?;
        let fixed = evidence.value("kl_fixed")?;
        let (tolerance, cost) = (evidence.value("tolerance")?, evidence.value("cost_of_fixed")?);
        let because = format!(
            "with the most heads the usual rule stays {} nats from a drawn pattern; the fixed head size stays {} \
             away for {} times the parameters, and at equal parameters on a narrower width {}",
            short(usual),
            short(fixed),
            short(cost),
            short(equal)
        );
        let ruling = if usual <= tolerance {
            Floating::NotResolved // nothing to remove
        } else if fixed >= usual {
            Floating::Nowhere
        } else if fixed <= tolerance && equal <= tolerance {
            Floating::Everywhere
        } else {
            Floating::InOneRegion
        };
        Ok(Opinion::new(ruling, because))
    }
}
