//! [`Paired`]: the differences of two variants, seed by seed, and [`Verdict`]: the conclusion from them.

use std::fmt;

use crate::error::{Error, Result};
use crate::numbers::short;
use crate::statistics::Sample;

/// The share of experiments whose interval contains the true mean difference.
const CONFIDENCE: f64 = 0.95;

/// A metric of two variants that saw the same batches in the same order from the same initial weights, seed by seed: the
/// differences, and an interval for their mean.
///
/// dᵢ = aᵢ − bᵢ; d̄ ± t(0.975, m − 1) · sd(d) / √m over m seeds.
///
/// ```
/// use rankscope::train::twin::{Paired, Verdict};
/// let paired = Paired::new(&[2.9, 3.0, 3.1], &[2.4, 2.4, 2.7])?; // 0.5, 0.6, 0.4
/// assert_eq!(paired.verdict(0.05)?, Verdict::Larger);
/// assert_eq!(paired.to_string(), "0.500 ± 0.248");
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// The differences.
    pub differences: Sample,
    /// The lower and upper end of the interval.
    pub interval: (f64, f64),
}

/// The conclusion from an interval of the difference, given the smallest difference that matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The interval is above 0 and reaches the smallest difference that matters.
    Larger,
    /// The interval is below 0 and reaches the smallest difference that matters.
    Smaller,
    /// The interval is between −x and x, with or without 0 in it.
    NoDifferenceAbove(f64),
    /// The interval contains 0 and x, or 0 and −x.
    NotResolved,
}

impl Paired {
    /// a − b, seed by seed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two seeds, samples of different sizes, or a number that is not finite.
    pub fn new(a: &[f64], b: &[f64]) -> Result<Self> {
        if a.len() != b.len() {
            let expected = format!("{}, as of the other", a.len());
            return Err(Error::invalid("number of seeds of a variant", b.len(), expected));
        }
        if let Some(bad) = a.iter().chain(b).find(|value| !value.is_finite()) {
            return Err(Error::invalid("metric of a seed", bad, "a finite number"));
        }
        let differences = Sample::new(a.iter().zip(b).map(|(a, b)| a - b));
        let interval = differences.interval(CONFIDENCE).ok_or_else(|| {
            Error::invalid("number of seeds", a.len(), "at least 2: an interval comes from a spread")
        })?;
        Ok(Paired { differences, interval })
    }

    /// The verdict, where `smallest` is the smallest difference that matters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a smallest effect that is not above 0.
    pub fn verdict(&self, smallest: f64) -> Result<Verdict> {
        expect_smallest(smallest)?;
        let (low, high) = self.interval;
        Ok(if -smallest < low && high < smallest {
            Verdict::NoDifferenceAbove(smallest)
        } else if low > 0.0 {
            Verdict::Larger
        } else if high < 0.0 {
            Verdict::Smaller
        } else {
            Verdict::NotResolved
        })
    }
}

/// An error unless `smallest` can be a smallest effect.
pub(super) fn expect_smallest(smallest: f64) -> Result<()> {
    match smallest > 0.0 && smallest.is_finite() {
        true => Ok(()),
        false => Err(Error::invalid("smallest effect that matters", smallest, "a number above 0")),
    }
}

impl fmt::Display for Paired {
    /// Mean ± half of the interval.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval;
        write!(f, "{} ± {}", short(self.differences.mean()), short((high - low) / 2.0))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Larger => f.write_str("larger"),
            Verdict::Smaller => f.write_str("smaller"),
            Verdict::NoDifferenceAbove(smallest) => write!(f, "no difference above {smallest}"),
            Verdict::NotResolved => f.write_str("not resolved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::normals;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Quantiles of a printed table (Abramowitz & Stegun, table 26.10), to its digits.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, quantile) in
            [(1.0, 12.706), (2.0, 4.303), (4.0, 2.776), (9.0, 2.262), (29.0, 2.045), (120.0, 1.980)]
        {
            let found = crate::statistics::student(0.975, freedom).unwrap();
            assert!((found - quantile).abs() < 6e-4, "{freedom}: {found}");
        }
        for (p, freedom) in [(0.0, 3.0), (1.0, 3.0), (0.5, -1.0), (f64::NAN, 3.0)] {
            assert_eq!(crate::statistics::student(p, freedom), None, "{p}, {freedom}");
        }
    }

    /// The differences of the experiments in science K: numbers that were computed by hand there.
    #[test]
    fn intervals_of_three_seeds() {
        let cases = [
            ([3.111, 3.107, 3.102], [2.865, 2.902, 2.842], 0.237, 0.07, Verdict::Larger),
            ([2.552, 2.558, 2.565], [2.548, 2.555, 2.560], 0.004, 0.0025, Verdict::NoDifferenceAbove(0.02)),
            ([2.754, 2.719, 2.775], [2.709, 2.733, 2.764], 0.014, 0.074, Verdict::NotResolved),
        ];
        for (a, b, mean, half, verdict) in cases {
            let paired = Paired::new(&a, &b).unwrap();
            let (low, high) = paired.interval;
            assert!((paired.differences.mean() - mean).abs() < 5e-4, "{paired}");
            assert!(((high - low) / 2.0 - half).abs() < 0.005, "{paired}");
            assert_eq!(paired.verdict(0.02).unwrap(), verdict, "{paired}");
        }
    }

    #[test]
    fn every_word_is_reached() {
        let verdict = |interval: (f64, f64)| {
            Paired { differences: Sample::new([0.0, 0.0]), interval }.verdict(0.1).unwrap().to_string()
        };
        let cases = [
            ((0.05, 0.3), "larger"),
            ((0.2, 0.3), "larger"),
            ((-0.3, -0.05), "smaller"),
            ((-0.09, 0.09), "no difference above 0.1"),
            ((0.01, 0.02), "no difference above 0.1"),
            ((0.0, 0.0), "no difference above 0.1"),
            ((-0.09, 0.1), "not resolved"),
            ((-0.3, 0.01), "not resolved"),
            ((-1.0, 1.0), "not resolved"),
            ((0.0, 0.2), "not resolved"),
        ];
        for (interval, word) in cases {
            assert_eq!(verdict(interval), word, "{interval:?}");
        }
    }

    /// Of 4000 experiments of 5 seeds, the interval contains the true difference in 95 %, and where the true difference
    /// is 0, the verdict is `larger` or `smaller` in no more than the remaining 5 %.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_promise() {
        let mut normal = normals(ChaCha8Rng::seed_from_u64(11));
        let (mut held, mut wrong) = (0, 0);
        const EXPERIMENTS: usize = 4000;
        for experiment in 0..EXPERIMENTS {
            let truth = if experiment % 2 == 0 { 0.0 } else { 0.7 };
            let shared: Vec<f64> = (0..5).map(|_| 3.0 * normal()).collect();
            let a: Vec<f64> = shared.iter().map(|seed| seed + truth + 0.5 * normal()).collect();
            let b: Vec<f64> = shared.iter().map(|seed| seed + 0.5 * normal()).collect();
            let paired = Paired::new(&a, &b).unwrap();
            let (low, high) = paired.interval;
            held += usize::from(low < truth && truth < high);
            let word = paired.verdict(1e-9).unwrap();
            wrong += usize::from(truth == 0.0 && matches!(word, Verdict::Larger | Verdict::Smaller));
        }
        // 4 standard deviations of √(n · 0.95 · 0.05).
        assert!((3800.0 - held as f64).abs() < 4.0 * 13.8, "{held} of {EXPERIMENTS}");
        assert!((100.0 - wrong as f64).abs() < 4.0 * 9.75, "{wrong} of {}", EXPERIMENTS / 2);
    }

    #[test]
    fn what_is_no_pair_is_named() {
        let message = |a: &[f64], b: &[f64]| Paired::new(a, b).unwrap_err().to_string();
        let expected = "number of seeds is 1, expected at least 2: an interval comes from a spread";
        assert_eq!(message(&[1.0], &[2.0]), expected);
        assert!(message(&[1.0, 2.0], &[1.0]).contains("number of seeds of a variant is 1"));
        assert!(message(&[1.0, f64::NAN], &[1.0, 2.0]).contains("metric of a seed is NaN"));
        let paired = Paired::new(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        assert_eq!(paired.interval, (0.0, 0.0));
        for smallest in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(paired.verdict(smallest).is_err(), "{smallest}");
        }
    }
}
