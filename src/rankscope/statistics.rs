//! [`Sample`]: one number over several draws, and what it says about the mean of all draws.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::numbers::short;

/// The quantile of Student's t distribution with `freedom` degrees of freedom at the probability `p`; `None` for a p
/// that is not between 0 and 1, or a `freedom` that is not positive.
///
/// ```
/// use rankscope::statistics::student;
/// assert!((student(0.975, 4.0).unwrap() - 2.776445105).abs() < 1e-8);
/// assert_eq!(student(0.975, 0.0), None);
/// ```
pub fn student(p: f64, freedom: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    (0.0 < p && p < 1.0).then(|| t.inverse_cdf(p))
}

/// b of the straight line y = a + b·x through `points` (x, y), by least squares.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x_mean, y_mean) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let products: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let squares: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    products / squares
}

/// A quantity measured once per draw.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// A sample with one value per draw.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        Sample(values.into_iter().collect())
    }

    /// The values, in the order of the draws.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// How many draws.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The mean; NaN without draws.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The median, for an even count the mean of the two in the middle; NaN without draws.
    ///
    /// ```
    /// use rankscope::statistics::Sample;
    /// assert_eq!(Sample::new([3.0, 1.0, 900.0]).median(), 3.0);
    /// assert_eq!(Sample::new([4.0, 1.0, 2.0, 900.0]).median(), 3.0);
    /// ```
    pub fn median(&self) -> f64 {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => f64::NAN,
            count => (values[(count - 1) / 2] + values[count / 2]) / 2.0,
        }
    }

    /// The standard deviation over draws, √(Σ(x − x̄)² / (m − 1)); 0 for a single draw.
    pub fn sd(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|x| (x - mean).powi(2)).sum();
        if self.0.len() < 2 { 0.0 } else { (squares / (self.0.len() - 1) as f64).sqrt() }
    }

    /// The standard error of the mean, sd / √m.
    pub fn standard_error(&self) -> f64 {
        self.sd() / (self.0.len() as f64).sqrt()
    }

    /// The mean ± t · sd / √m: where draws are normal, this interval contains the mean of all possible draws in a share
    /// `confidence` of all experiments. `None` for fewer than two draws, or a share that is not between 0 and 1.
    ///
    /// **Source**: Student 1908, *The probable error of a mean*.
    ///
    /// ```
    /// use rankscope::statistics::Sample;
    /// let (low, high) = Sample::new([1.0, 2.0, 3.0]).interval(0.95).unwrap();
    /// assert!((high - (2.0 + 4.302653 / 3f64.sqrt())).abs() < 1e-5 && (low + high - 4.0).abs() < 1e-12);
    /// ```
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        let freedom = self.count().checked_sub(1)?;
        let half = student((1.0 + confidence) / 2.0, freedom as f64)? * self.standard_error();
        Some((self.mean() - half, self.mean() + half))
    }

    /// The smallest and the largest value; NaN without draws.
    pub fn extremes(&self) -> (f64, f64) {
        self.0.iter().fold((f64::NAN, f64::NAN), |(low, high), &x| (low.min(x), high.max(x)))
    }

    /// `value` ± the standard deviation as text; `value` alone where there are fewer than two draws.
    pub(crate) fn around(&self, value: f64) -> String {
        match self.count() {
            0 | 1 => short(value),
            _ => format!("{} ± {}", short(value), short(self.sd())),
        }
    }

    /// How many values satisfy `test`.
    pub fn count_where(&self, test: impl Fn(f64) -> bool) -> usize {
        self.0.iter().filter(|&&value| test(value)).count()
    }

    /// Draw by draw, this minus `other`.
    pub fn minus(&self, other: &Sample) -> Sample {
        Sample::new(self.0.iter().zip(&other.0).map(|(a, b)| a - b))
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Sample::new(values)
    }
}

impl fmt::Display for Sample {
    /// Mean ± standard deviation, to three digits of the mean.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.around(self.mean()))
    }
}
