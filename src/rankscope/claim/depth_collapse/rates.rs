//! How fast: the order of one layer, and what a layer costs once the tokens are close.

use super::curves::log_ratio;
use super::nets::{Masked, Sizes, window};
use crate::claim::{Evidence, Known, Sample, Settings};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::numbers::short;
use crate::rank::{self, one_infinity_norm, residual, residual_ratio};
use crate::run::Run;

/// The layers between which the rate under the causal mask is fitted.
const CAUSAL: (usize, usize) = (20, 40);
/// Those for a window, which is slower to settle.
const WINDOW: (usize, usize) = (40, 60);

/// How fast pure attention falls.
pub struct Rates {
    /// Per mask, the order of one layer; one value a draw.
    pub orders: Vec<(&'static str, Sample)>,
    /// log₁₀ of the ratio per layer under the causal mask, once the tokens are close.
    pub causal: Sample,
    /// The same for the window, where the settings ask for it.
    window: Option<Sample>,
}

/// The orders under `masks`, and the rates.
pub fn measure(
    sizes: &Sizes,
    masks: &[Masked],
    seeds: &[u64],
    settings: &Settings,
    run: &Run,
) -> Result<Rates> {
    let rate_seeds = settings.seeds("rate_seeds")?;
    let orders = masks.iter().map(|(name, mask)| Ok((*name, orders(sizes, mask, seeds, run)?)));
    let is_window_wanted = settings.text("window_rate")? == "yes";
    let window = || slopes(sizes, &window()?, WINDOW, &rate_seeds, run);
    Ok(Rates {
        orders: orders.collect::<Result<_>>()?,
        causal: slopes(sizes, &Mask::causal(), CAUSAL, &rate_seeds, run)?,
        window: is_window_wanted.then(window).transpose()?,
    })
}

/// Above this order, one layer takes nearly equal tokens to more than the square of their residual.
pub const HIGH: f64 = 2.0;

/// Standard deviations of both slopes by numpy over 40 draws at n = 32, C = 64, H = 4; and the mean of the window's.
const CAUSAL_SD: f64 = 0.0122;
const WINDOW_REFERENCE: Known = Known::new(-0.2933, 0.0112, 40);

impl Rates {
    /// Orders and rates, with what theory and numpy say.
    pub fn report(&self, evidence: &mut Evidence, sizes: &Sizes) {
        for (name, order) in &self.orders {
            let expected = if *name == "bidirectional" { 3.0 } else { 1.0 };
            let measured = evidence.measure_sample(format!("order_{name}"), order.clone(), "");
            measured.expect(expected, 0.05, "expansion of softmax around equal tokens");
        }
        let (high, low): (Vec<_>, Vec<_>) =
            self.orders.iter().partition::<Vec<_>, _>(|(_, order)| order.mean() > HIGH);
        for (supports, orders, what) in
            [(true, high, "a doubly exponential"), (false, low, "at most a plain exponential")]
        {
            let orders: Vec<_> =
                orders.iter().map(|(name, order)| format!("{} ({name})", short(order.mean()))).collect();
            if !orders.is_empty() {
                let text = format!(
                    "one layer of pure attention takes the residual r of nearly equal tokens to about r^p with p = \
                     {}: over depth, {what}",
                    orders.join(", ")
                );
                evidence.weigh(supports, text);
            }
        }
        let text = format!(
            "pure causal attention falls by {} decades a layer over layers {} to {}, the same at every depth \
             (log₁₀ ½ = -0.301): plain exponential, towards the first token, although every attention matrix is \
             of full rank",
            self.causal, CAUSAL.0, CAUSAL.1
        );
        evidence.weigh(false, text);
        let causal =
            evidence.measure_sample("causal_slope_log10_per_layer", self.causal.clone(), "per layer");
        if sizes.are_the_references() {
            let known = Known::new(0.5f64.log10(), CAUSAL_SD, 40);
            causal.expect_mean(
                known,
                "the second eigenvalue, 1/2, of uniform causal attention; spread by numpy",
            );
        }
        let Some(window) = &self.window else { return };
        let text = format!(
            "pure attention in a causal window of 4 falls by {window} decades a layer over layers {} to {}",
            WINDOW.0, WINDOW.1
        );
        evidence.weigh(false, text);
        let window = evidence.measure_sample("window_slope_log10_per_layer", window.clone(), "per layer");
        if sizes.are_the_references() {
            window.expect_mean(WINDOW_REFERENCE, "numpy, 40 other draws");
        }
    }
}

/// The slope of log₁₀ of the residual ratio of pure attention over some layers: per layer, one value a
/// draw.
///
/// Points that are not ten times above the rounding floor are left out; NaN where fewer than three are left.
fn slopes(
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
fn orders(sizes: &Sizes, mask: &Mask, seeds: &[u64], run: &Run) -> Result<Sample> {
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
    fn causal_attention_halves_the_residual_a_layer() {
        let sizes = Sizes { n: 24, width: 48, heads: 4, layers: 4 };
        let seeds: Vec<u64> = (0..16).collect();
        let slope = slopes(&sizes, &Mask::causal(), CAUSAL, &seeds, &Run::default()).unwrap();
        // Four standard errors, by the spread that numpy finds at a similar size.
        assert!((slope.mean() - 0.5f64.log10()).abs() < 4.0 * CAUSAL_SD / 4.0, "{slope}");
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let line: Vec<_> = (3..9).map(|x| (f64::from(x), 2.0 - 0.25 * f64::from(x))).collect();
        assert!((slope(&line) + 0.25).abs() < 1e-14);
        assert!(slope(&line[..2]).is_nan());
    }
}
