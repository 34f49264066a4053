//! Minimising a smooth function of many numbers: L-BFGS with the line search of Moré and Thuente.

use std::cell::RefCell;

use argmin::core::{CostFunction, Error as Stop, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;

use crate::error::{Error, Result};
use crate::run::Run;

/// Steps that the quasi-Newton matrix remembers.
const MEMORY: usize = 20;

/// A smooth function.
pub(crate) trait Objective {
    /// Its value and its gradient at `x`.
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>);
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Steps at most.
    pub steps: u64,
    /// A value that is low enough.
    pub enough: f64,
}

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    /// The best point seen.
    pub x: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// Steps taken.
    pub steps: u64,
}

/// A local minimum of `objective` downhill from `start`.
///
/// The search also ends where the line search finds nothing lower: that is where rounding starts.
///
/// # Errors
/// [`Error::Cancelled`], asked for at every evaluation; [`Error::Numeric`] where the start has no value.
pub(crate) fn minimise(
    objective: &dyn Objective,
    start: Vec<f64>,
    limits: Limits,
    run: &Run,
) -> Result<Minimum> {
    let failed = |error: Stop| Error::Numeric { what: "minimisation".into(), problem: error.to_string() };
    let seen = RefCell::new(Seen { last: Default::default(), best: Default::default() });
    let watched = Watched { objective, run, seen: &seen };
    let (first, _) = watched.at(&start).map_err(|_| Error::Cancelled)?;
    if !first.is_finite() {
        return Err(Error::Numeric { what: "minimisation".into(), problem: format!("starts at {first}") });
    }
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
        .with_tolerance_grad(1e-13)
        .and_then(|solver| solver.with_tolerance_cost(0.0))
        .map_err(failed)?;
    let outcome = Executor::new(watched, solver)
        .configure(|state| state.param(start).max_iters(limits.steps).target_cost(limits.enough))
        .timer(false)
        .run();
    // The solver ends in an error where its line search does; what was reached stands all the same.
    run.check()?;
    let steps = outcome.map_or(0, |outcome| outcome.state.get_iter());
    let (x, value) = seen.into_inner().best;
    Ok(Minimum { x, value, steps })
}

/// The last evaluation, since the solver asks for value and gradient one after the other, and the best.
struct Seen {
    last: (Vec<f64>, f64, Vec<f64>),
    best: (Vec<f64>, f64),
}

struct Watched<'a> {
    objective: &'a dyn Objective,
    run: &'a Run,
    seen: &'a RefCell<Seen>,
}

impl Watched<'_> {
    fn at(&self, x: &[f64]) -> Result<(f64, Vec<f64>), Stop> {
        let mut seen = self.seen.borrow_mut();
        if seen.last.0 != x {
            self.run.check()?;
            let (value, gradient) = self.objective.evaluate(x);
            if seen.best.0.is_empty() || value < seen.best.1 {
                seen.best = (x.to_vec(), value);
            }
            seen.last = (x.to_vec(), value, gradient);
        }
        Ok((seen.last.1, seen.last.2.clone()))
    }
}

impl CostFunction for Watched<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, Stop> {
        self.at(x).map(|(value, _)| value)
    }
}

impl Gradient for Watched<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, Stop> {
        self.at(x).map(|(_, gradient)| gradient)
    }
}
