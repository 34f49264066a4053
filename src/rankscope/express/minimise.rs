//! Minimising a smooth function of many numbers: L-BFGS with a line search for the weak Wolfe conditions.
//!
//! Written here because the digits of values near 1e-15 matter: the search ends when the value no longer falls
//! *relative to itself*, and every evaluation checks for cancellation.
//!
//! **Source**: Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4 and 7.5; the line search by
//! doubling and halving of Lewis & Overton 2013.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::run::Run;

/// The number of pairs of steps and gradient changes that are kept.
const MEMORY: usize = 20;
/// The share of the predicted decrease that a step must reach (c₁ of the Wolfe conditions).
const DECREASE: f64 = 1e-4;
/// The share of the slope that may be left after a step (c₂ of the Wolfe conditions).
const SLOPE: f64 = 0.9;
/// The most lengths that are tried along one direction.
const TRIALS: usize = 40;
/// A search ends when this many steps lower the value by less than [`LITTLE`] of itself.
const PATIENCE: u64 = 50;
const LITTLE: f64 = 1e-6;

/// A smooth function.
pub(crate) trait Objective {
    /// Its value and its gradient at `x`.
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>);
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most steps.
    pub steps: u64,
    /// The value at or below which the search ends.
    pub enough: f64,
}

/// The result of a minimisation.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    /// The point.
    pub x: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// Steps taken.
    pub steps: u64,
}

/// A local minimum of `objective` downhill from `start`; the value never rises during the search.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::Numeric`] if the value at the start is not a number.
pub(crate) fn minimise(
    objective: &dyn Objective,
    start: Vec<f64>,
    limits: Limits,
    run: &Run,
) -> Result<Minimum> {
    let mut here = Point::new(objective, start);
    if !here.value.is_finite() {
        let problem = format!("starts at {}", here.value);
        return Err(Error::Numeric { what: "minimisation".into(), problem });
    }
    let mut history = History::default();
    let mut mark = (0, here.value);
    let mut steps = 0;
    while steps < limits.steps && here.value > limits.enough {
        let mut next = line_search(objective, &here, &history.direction(&here.gradient), run)?;
        if next.is_none() && !history.pairs.is_empty() {
            // The kept pairs may be rounding noise, so the search tries once more along the gradient.
            history = History::default();
            next = line_search(objective, &here, &history.direction(&here.gradient), run)?;
        }
        let Some(next) = next else { break };
        history.keep(&here, &next);
        here = next;
        steps += 1;
        if here.value < mark.1 * (1.0 - LITTLE) {
            mark = (steps, here.value);
        } else if steps - mark.0 >= PATIENCE {
            break;
        }
    }
    Ok(Minimum { x: here.x, value: here.value, steps })
}

struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

impl Point {
    fn new(objective: &dyn Objective, x: Vec<f64>) -> Self {
        let (value, gradient) = objective.evaluate(&x);
        Point { x, value, gradient }
    }
}

/// The next point along `direction`, or `None` if no length lowers the value.
fn line_search(
    objective: &dyn Objective,
    here: &Point,
    direction: &[f64],
    run: &Run,
) -> Result<Option<Point>> {
    let slope = dot(&here.gradient, direction);
    if slope.is_nan() || slope >= 0.0 {
        return Ok(None);
    }
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    let mut lower = None;
    for _ in 0..TRIALS {
        run.check()?;
        let x = here.x.iter().zip(direction).map(|(x, d)| x + length * d).collect();
        let next = Point::new(objective, x);
        // A NaN counts as too high.
        let falls = next.value <= here.value + DECREASE * length * slope && next.value < here.value;
        if !falls {
            high = length;
        } else if dot(&next.gradient, direction) < SLOPE * slope {
            low = length;
            lower = Some(next);
        } else {
            return Ok(Some(next));
        }
        length = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
    }
    Ok(lower)
}

/// Steps, and the change of the gradient over each of them, the latest last.
#[derive(Default)]
struct History {
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl History {
    fn keep(&mut self, here: &Point, next: &Point) {
        let step = minus(&next.x, &here.x);
        let change = minus(&next.gradient, &here.gradient);
        // The weak Wolfe conditions make this positive, up to rounding.
        if dot(&step, &change) > f64::EPSILON * dot(&change, &change) {
            if self.pairs.len() == MEMORY {
                self.pairs.pop_front();
            }
            self.pairs.push_back((step, change));
        }
    }

    /// −H·g, with H the inverse Hessian estimated from the pairs; without pairs, a step of length 1.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let Some((step, change)) = self.pairs.back() else {
            let norm = dot(gradient, gradient).sqrt();
            direction.iter_mut().for_each(|d| *d /= norm.max(f64::MIN_POSITIVE));
            return direction;
        };
        let scale = dot(step, change) / dot(change, change);
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (step, change) in self.pairs.iter().rev() {
            let share = dot(step, &direction) / dot(step, change);
            add(&mut direction, change, -share);
            shares.push(share);
        }
        direction.iter_mut().for_each(|d| *d *= scale);
        for ((step, change), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let other = dot(change, &direction) / dot(step, change);
            add(&mut direction, step, share - other);
        }
        direction
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(to: &mut [f64], what: &[f64], factor: f64) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley in pairs, with its minimum of 0 at (1, 1, …).
    struct Valley;

    impl Objective for Valley {
        fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
            let mut value = 0.0;
            let mut gradient = Vec::new();
            for pair in x.chunks_exact(2) {
                let (across, along) = (pair[1] - pair[0] * pair[0], 1.0 - pair[0]);
                value += 100.0 * across * across + along * along;
                gradient.extend([-400.0 * pair[0] * across - 2.0 * along, 200.0 * across]);
            }
            (value, gradient)
        }
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end_to_full_precision() {
        let limits = Limits { steps: 500, enough: 1e-25 };
        let end = minimise(&Valley, vec![-1.2, 1.0, 3.0, -2.0, 0.0, 0.5], limits, &Run::default()).unwrap();
        assert!(end.value <= 1e-25 && end.steps < 200, "{end:?}");
        assert!(end.x.iter().all(|x| (x - 1.0).abs() < 1e-10));
    }

    struct Constant;

    impl Objective for Constant {
        fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
            (2.0 + x[0] * 0.0, vec![0.0])
        }
    }

    #[test]
    fn where_nothing_falls_the_search_ends_and_a_start_without_a_value_is_an_error() {
        let limits = Limits { steps: 500, enough: 0.0 };
        let end = minimise(&Constant, vec![1.0], limits, &Run::default()).unwrap();
        assert_eq!((end.value, end.steps), (2.0, 0));
        let error = minimise(&Constant, vec![f64::NAN], limits, &Run::default()).unwrap_err();
        assert_eq!(error.to_string(), "minimisation: starts at NaN");
    }
}
