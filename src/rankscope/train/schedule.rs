//! [`Schedule`]: how the learning rate changes from step to step.

use std::f64::consts::PI;

use super::named;
use crate::error::Result;

/// A schedule on the registry: warm-up, then its own decay.
pub struct Schedule {
    /// Its name in settings.
    pub name: &'static str,
    /// A description of the learning rate after the warm-up.
    pub summary: &'static str,
    /// The learning rate as a fraction of the peak; the argument goes from 0 at the end of the warm-up to 1 at the last
    /// step.
    course: fn(f64) -> f64,
}

/// Every schedule.
pub static SCHEDULES: &[Schedule] = &[
    Schedule { name: "constant", summary: "the peak, to the end", course: |_| 1.0 },
    Schedule { name: "linear", summary: "falls evenly to 0", course: |x| 1.0 - x },
    Schedule {
        name: "cosine",
        summary: "falls to 0 as half a wave of a cosine: slowly, fast, slowly (Loshchilov & Hutter 2016, arXiv 1608.03983)",
        course: |x| 0.5 * (1.0 + (PI * x).cos()),
    },
];

impl Schedule {
    /// The schedule with this `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) listing the names of all schedules.
    pub fn find(name: &str) -> Result<&'static Schedule> {
        named(SCHEDULES, |schedule| schedule.name, name, "schedule", name)
    }

    /// The learning rate of a step, counted from 0, of `steps` in all.
    ///
    /// In the first w steps, `warmup`, it rises: peak · (step + 1) / w. After that it is
    /// peak · course((step − w) / (steps − w)).
    ///
    /// **Conventions**: every step from `steps` on has the rate peak · course(1). The same arguments give the same
    /// bits.
    ///
    /// ```
    /// use rankscope::train::Schedule;
    /// let linear = Schedule::find("linear")?;
    /// let rates: Vec<f32> = (0..6).map(|step| linear.rate(step, 6, 2, 0.5)).collect();
    /// assert_eq!(rates, [0.25, 0.5, 0.5, 0.375, 0.25, 0.125]);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn rate(&self, step: u64, steps: u64, warmup: u64, peak: f32) -> f32 {
        let part = match step.checked_sub(warmup) {
            None => (step + 1) as f64 / warmup as f64,
            Some(_) if step >= steps => (self.course)(1.0),
            Some(after) => (self.course)(after as f64 / (steps - warmup) as f64),
        };
        (f64::from(peak) * part) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_warms_up_to_its_peak_and_then_takes_its_course() {
        // The peak is 8, the warm-up 4 of 12 steps: half of the steps after the warm-up are over at step 8.
        let rates = |name: &str| {
            [0, 3, 4, 8, 12, 99].map(|step| Schedule::find(name).unwrap().rate(step, 12, 4, 8.0))
        };
        assert_eq!(rates("constant"), [2.0, 8.0, 8.0, 8.0, 8.0, 8.0]);
        assert_eq!(rates("linear"), [2.0, 8.0, 8.0, 4.0, 0.0, 0.0]);
        assert_eq!(rates("cosine"), [2.0, 8.0, 8.0, 4.0, 0.0, 0.0]);
        let quarter = Schedule::find("cosine").unwrap().rate(6, 12, 4, 8.0);
        assert!((quarter - 4.0 * (1.0 + 0.5f32.sqrt())).abs() < 1e-6, "{quarter}");
    }

    #[test]
    fn no_warm_up_and_a_warm_up_to_the_end_are_no_special_cases() {
        let linear = Schedule::find("linear").unwrap();
        assert_eq!([0, 1, 2].map(|step| linear.rate(step, 2, 0, 1.0)), [1.0, 0.5, 0.0]);
        assert_eq!([0, 1, 2, 3].map(|step| linear.rate(step, 2, 2, 1.0)), [0.5, 1.0, 0.0, 0.0]);
        assert_eq!([0, 1, 4].map(|step| linear.rate(step, 2, 5, 1.0)), [0.2, 0.4, 1.0]);
    }

    #[test]
    fn an_unknown_name_is_told_the_names() {
        let error = Schedule::find("cosin").err().unwrap().to_string();
        assert_eq!(error, "schedule is cosin, expected one of constant, linear, cosine");
    }
}
