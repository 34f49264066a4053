//! The times of tasks, and how fast they grow.

use std::time::Instant;

use super::{Evidence, Sample};
use crate::error::Result;
use crate::ops::work::{self, Work};
use crate::run::Run;
use crate::statistics::slope;

/// One task to time; it returns when its numbers are computed.
pub type Task<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// The cost of one task.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its operations.
    pub work: Work,
    /// The seconds of each of its runs.
    pub seconds: Sample,
}

impl Cost {
    /// Operations.
    pub fn flops(&self) -> f64 {
        self.work.total() as f64
    }

    /// Records operations, which are known, and seconds under `name`.
    pub(super) fn report(&self, evidence: &mut Evidence, name: &str, known: f64, source: &'static str) {
        evidence.measure(format!("flops_{name}"), self.flops(), "FLOP").expect(known, 0.5, source);
        evidence.measure(format!("median_seconds_{name}"), self.seconds.median(), "s");
        evidence.measure_sample(format!("seconds_{name}"), self.seconds.clone(), "s");
    }
}

/// Operations of each of `tasks`, and the seconds that they take when they are run in turn `repeats` times, after one
/// round that is not timed.
///
/// # Errors
/// The first error of a task; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn costs<const N: usize>(
    mut tasks: [Task<'_>; N],
    repeats: usize,
    stage: &str,
    run: &Run,
) -> Result<[Cost; N]> {
    let mut counted = Vec::new();
    for task in &mut tasks {
        let (done, work) = work::count(&mut *task);
        done?;
        counted.push(work);
    }
    let mut all = counted.into_iter().zip(in_turn(&mut tasks, repeats, stage, run)?);
    Ok(std::array::from_fn(|_| {
        let (work, seconds) = all.next().expect("one for each task");
        Cost { work, seconds }
    }))
}

/// Seconds of each of `tasks`, run in turn `repeats` times, after one round that is not timed. They are run in turn so
/// that a disturbance of the machine affects all of them.
fn in_turn(tasks: &mut [Task<'_>], repeats: usize, stage: &str, run: &Run) -> Result<Vec<Sample>> {
    let mut seconds = vec![Vec::with_capacity(repeats); tasks.len()];
    for round in 0..=repeats {
        for (task, seconds) in tasks.iter_mut().zip(&mut seconds) {
            run.check()?;
            let started = Instant::now();
            task()?;
            if round > 0 {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
        run.step(stage, round, repeats)?;
    }
    Ok(seconds.into_iter().map(Sample::new).collect())
}

/// b of the least-squares fit ln y = a + b ln x: 1 for y ~ x, 2 for y ~ x².
pub fn growth(points: &[(f64, f64)]) -> f64 {
    slope(&points.iter().map(|&(x, y)| (x.ln(), y.ln())).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_has_its_exponent() {
        let points: Vec<_> = [2.0f64, 3.0, 7.0, 20.0].map(|x| (x, 5.0 * x.powf(1.75))).into();
        assert!((growth(&points) - 1.75).abs() < 1e-12);
    }

    #[test]
    fn tasks_take_turns_and_the_first_round_is_not_counted() {
        let order = std::cell::RefCell::new(String::new());
        let task = |name: char| -> Task<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                Ok(())
            })
        };
        let samples = in_turn(&mut [task('a'), task('b')], 2, "timing", &Run::default()).unwrap();
        assert_eq!(samples.iter().map(Sample::count).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(order.into_inner(), "ababab");
    }
}
