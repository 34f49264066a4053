//! What was measured, in names and sentences, with what theory and a reference say.

use super::masks;
use super::nets::Sizes;
use super::order::Order;
use crate::claim::{Evidence, Sample};
use crate::error::Result;
use crate::numbers::short;

/// All draws under one mask.
#[derive(Default)]
pub struct Draws {
    /// One a draw.
    pub orders: Vec<Order>,
    /// Per draw, R² at every depth.
    pub r_squared: Vec<Vec<f64>>,
}

/// What [`Order`] holds, by its name in measurements.
type Quantity = (&'static str, fn(&Order) -> &[f64]);
const QUANTITIES: [Quantity; 5] = [
    ("permutation_error", |order| &order.permutation),
    ("earlier_change", |order| &order.earlier),
    ("identical_difference", |order| &order.identical),
    ("started_difference", |order| &order.started),
    ("started_relative", |order| &order.started_relative),
];

/// Every number, over draws.
pub fn record(evidence: &mut Evidence, sizes: &Sizes, draws: [Draws; 2]) -> Result<()> {
    for ((mask, _), draws) in masks().iter().zip(&draws) {
        for (index, depth) in sizes.depths.iter().enumerate() {
            for (name, of) in QUANTITIES {
                let sample: Sample = draws.orders.iter().map(|order| of(order)[index]).collect();
                evidence.measure_sample(format!("{name}_{mask}_depth{depth}"), sample, "");
            }
            let sample: Sample = draws.r_squared.iter().map(|r_squared| r_squared[index]).collect();
            evidence.measure_sample(format!("probe_r2_{mask}_depth{depth}"), sample, "");
        }
    }
    Ok(())
}

/// One draw of another network, at n = 32.
const OTHERS: [(&str, [(usize, f64); 3]); 4] = [
    ("permutation_error_causal", [(1, 0.577), (2, 0.667), (4, 0.796)]),
    ("earlier_change_causal", [(1, 0.0), (2, 0.131), (4, 0.363)]),
    ("started_difference_causal", [(1, 5.2), (2, 7.9), (4, 12.2)]),
    ("probe_r2_causal", [(1, 0.134), (2, 0.195), (4, 0.299)]),
];
const REFERENCE: &str = "one draw of another random network, whose width, heads and scale of weights are not \
                         stated (tolerance: four standard deviations of the difference, by the spread of our draws)";

/// What must be 0, and what another network gave.
pub fn expectations(evidence: &mut Evidence, sizes: &Sizes) -> Result<()> {
    let rounding = evidence.value("rounding").unwrap_or(f64::NAN);
    for depth in &sizes.depths {
        let mut zero = |name: &str, source| {
            evidence.expect(format!("{name}_depth{depth}"), 0.0, rounding, source);
        };
        zero("permutation_error_bidirectional", "equivariance");
        zero("started_relative_bidirectional", "equivariance");
        zero("identical_difference_bidirectional", "every row is the same sum");
        zero("identical_difference_causal", "every row is the same sum");
        if *depth == 1 {
            zero("earlier_change_causal", "one layer sums over a set");
        }
    }
    if (sizes.n, sizes.width, sizes.heads) != (32, 64, 4) {
        return Ok(());
    }
    for (name, values) in OTHERS {
        // What is 0 is expected above, to rounding.
        for (depth, value) in values.into_iter().filter(|(_, value)| *value > 0.0) {
            if sizes.depths.contains(&depth) {
                let name = format!("{name}_depth{depth}");
                let ours = evidence.sample(&name)?;
                // Its own spread is not stated: one draw of it spreads as one of ours does.
                let tolerance = 4.0 * ours.sd() * (1.0 / ours.count() as f64 + 1.0).sqrt();
                evidence.expect(name, value, tolerance, REFERENCE);
            }
        }
    }
    Ok(())
}

/// The depths that were measured, as they stand in names, from the shallowest.
pub fn depths(evidence: &Evidence) -> Vec<String> {
    let names = evidence.measured().iter().map(|measured| measured.name.as_str());
    names.filter_map(|name| name.strip_prefix("probe_r2_causal_depth")).map(str::to_owned).collect()
}

/// Held-out R² below this is no position worth speaking of.
const WORTH: f64 = 0.02;

/// Whether the probe tells the position: in the mean more than [`WORTH`], and more than four standard errors.
pub fn tells(evidence: &Evidence, mask: &str, depth: &str) -> Result<bool> {
    let r_squared = evidence.sample(&format!("probe_r2_{mask}_depth{depth}"))?;
    Ok(r_squared.mean() > WORTH.max(4.0 * r_squared.standard_error()))
}

/// What the mask alone does not carry.
pub fn limits(evidence: &Evidence, depths: &[String]) -> Result<Vec<String>> {
    let rounding = evidence.value("rounding")?;
    let mut limits = Vec::new();
    let mut all_same = true;
    for depth in depths {
        all_same &= evidence.value(&format!("identical_difference_causal_depth{depth}"))? < rounding;
    }
    if all_same {
        limits.push("tokens that are all the same stay the same, so something must break the tie".to_owned());
    }
    for depth in depths {
        if evidence.value(&format!("earlier_change_causal_depth{depth}"))? < rounding {
            limits.push(format!(
                "the last row after {depth} layer does not know the order of the earlier tokens"
            ));
        }
    }
    Ok(limits)
}

/// The values of `name` at every depth, in a list.
fn over_depths(evidence: &Evidence, sizes: &Sizes, name: &str) -> Result<String> {
    let values = sizes
        .depths
        .iter()
        .map(|depth| evidence.sample(&format!("{name}_depth{depth}")).map(|sample| sample.to_string()));
    Ok(values.collect::<Result<Vec<_>>>()?.join(", "))
}

/// The largest over the depths of the means of `name`.
fn largest(evidence: &Evidence, sizes: &Sizes, name: &str) -> Result<f64> {
    let mut largest = f64::NEG_INFINITY;
    for depth in &sizes.depths {
        largest = largest.max(evidence.value(&format!("{name}_depth{depth}"))?);
    }
    Ok(largest)
}

/// For and against.
pub fn sentences(evidence: &mut Evidence, sizes: &Sizes) -> Result<()> {
    let rounding = evidence.value("rounding")?;
    let layers: Vec<_> = sizes.depths.iter().map(usize::to_string).collect();
    let layers = layers.join(", ");
    let depths = depths(evidence);
    let at = |name: &str| over_depths(evidence, sizes, name);

    let equivariant = largest(evidence, sizes, "permutation_error_bidirectional")?;
    let broken = at("permutation_error_causal")?;
    let permuted = format!(
        "permuted tokens: ‖f(PX) − P·f(X)‖ / ‖f(X)‖ is {broken} under the causal mask after {layers} layers, and \
         at most {} bidirectional, which is rounding",
        short(equivariant)
    );
    let breaks = equivariant < rounding
        && sizes.depths.iter().all(|depth| {
            evidence.value(&format!("permutation_error_causal_depth{depth}")).is_ok_and(|error| error > 0.01)
        });

    let told = format!(
        "a linear probe for the position on held-out sequences (a start token, then random ones; random weights) \
         has R² {} under the causal mask after {layers} layers, and {} bidirectional",
        at("probe_r2_causal")?,
        at("probe_r2_bidirectional")?
    );
    let mut probe_tells = true;
    for depth in &depths {
        probe_tells &= tells(evidence, "causal", depth)? && !tells(evidence, "bidirectional", depth)?;
    }

    let earlier = at("earlier_change_causal")?;
    let changes = format!(
        "permuting the tokens before the last changes the last row of a causal network by {earlier} after {layers} \
         layers"
    );
    let order_known = sizes.depths.iter().all(|depth| {
        evidence.value(&format!("earlier_change_causal_depth{depth}")).is_ok_and(|change| change > rounding)
    });

    let identical = largest(evidence, sizes, "identical_difference_causal")?;
    let same = format!(
        "where all tokens are the same, so are all rows of a causal network after {layers} layers, up to {}",
        short(identical)
    );

    let started = format!(
        "with a start token before them, the first and the last of the same tokens differ by {} under the \
         causal mask after {layers} layers, and by {} bidirectional",
        at("started_difference_causal")?,
        at("started_difference_bidirectional")?
    );
    let start_tells = largest(evidence, sizes, "started_relative_bidirectional")? < rounding
        && largest(evidence, sizes, "started_relative_causal")? > 0.01;

    evidence.weigh(breaks, permuted);
    evidence.weigh(probe_tells, told);
    evidence.weigh(start_tells, started);
    evidence.weigh(order_known, changes);
    evidence.weigh(identical > rounding, same);
    Ok(())
}
