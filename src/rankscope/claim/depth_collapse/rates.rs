//! How fast: the order of one layer, and what a layer costs once the tokens are close.

use super::curves::log_ratio;
use super::nets::Sizes;
use crate::claim::Sample;
use crate::error::Result;
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::rank::{self, one_infinity_norm, residual, residual_ratio};
use crate::run::Run;

/// The layers between which the rate under the causal mask is fitted.
pub const CAUSAL: (usize, usize) = (20, 40);
/// Those for a window, which is slower to settle.
pub const WINDOW: (usize, usize) = (40, 60);

/// The slope of log₁₀ of the residual ratio of pure attention over some layers: per layer, one value a
/// draw.
///
/// Points that are not ten times above the rounding floor are left out; NaN where fewer than three are left.
pub fn slopes(
    sizes: &Sizes,
    mask: &Mask,
    (from, to): (usize, usize),
    seeds: &[u64],
    run: &Run,
) -> Result<Sample> {
    let deep = Sizes { layers: to, ..*sizes };
    let slopes = rank::many(seeds, "rates", run, |&seed| {
        let stack = Stack::new(deep.pure(), seed)?;
        let states = stack.hidden_states(&deep.input(seed), mask, run)?;
        let points = (from..=to).map(|layer| (layer as f64, log_ratio(residual_ratio(states[layer].view()))));
        let above = (10.0 * sizes.floor()).log10();
        Ok(slope(&points.filter(|&(_, y)| y > above).collect::<Vec<_>>()))
    })?;
    Ok(Sample::new(slopes))
}

/// The slope of the line of least squares; NaN for fewer than three points.
fn slope(points: &[(f64, f64)]) -> f64 {
    if points.len() < 3 {
        return f64::NAN;
    }
    let count = points.len() as f64;
    let (x_mean, y_mean) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let products: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let squares: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    products / squares
}

/// Factors on the input between which the order is measured: small, so that the leading term is all there
/// is, and well above rounding.
const NEAR: [f64; 2] = [0.03, 0.003];

/// The order of one layer of pure attention: p in ‖res(layer(s·X))‖ ∝ sᵖ as s → 0, one value a draw.
///
/// Three where all tokens see the same keys: logits are of second order, and what is common to all
/// rows of the weights moves all tokens alike. One where they see different keys.
pub fn orders(sizes: &Sizes, mask: &Mask, seeds: &[u64], run: &Run) -> Result<Sample> {
    let single = Sizes { layers: 1, ..*sizes };
    let orders = rank::many(seeds, "orders", run, |&seed| {
        let stack = Stack::new(single.pure(), seed)?;
        let left = |factor: f64| {
            let states = stack.hidden_states(&(single.input(seed) * factor), mask, run)?;
            Ok(one_infinity_norm(residual(states[1].view()).view()))
        };
        Ok((left(NEAR[0])? / left(NEAR[1])?).log10() / (NEAR[0] / NEAR[1]).log10())
    })?;
    Ok(Sample::new(orders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let line: Vec<_> = (3..9).map(|x| (f64::from(x), 2.0 - 0.25 * f64::from(x))).collect();
        assert!((slope(&line) + 0.25).abs() < 1e-14);
        assert!(slope(&line[..2]).is_nan());
    }
}
