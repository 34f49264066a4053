//! Real numbers as tokens.

/// Bins of equal width over [−3, 3]; a token stands for the middle of its bin.
///
/// **Conventions**: a number outside falls into the outermost bin (0.27 % of a standard normal one). Inside, a number
/// and its token's value differ by at most half a width; the mean square of the difference is width²/12 for evenly
/// distributed numbers.
pub(super) struct Bins {
    values: Vec<f64>,
}

/// The upper end of the range of all bins.
const END: f64 = 3.0;

impl Bins {
    pub(super) fn new(count: usize) -> Self {
        let width = 2.0 * END / count as f64;
        Bins { values: (0..count).map(|bin| -END + (bin as f64 + 0.5) * width).collect() }
    }

    /// The number that each token stands for.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The token of a number.
    pub(super) fn token(&self, number: f64) -> u32 {
        let count = self.values.len();
        let bin = (number + END) / (2.0 * END) * count as f64;
        (bin.max(0.0) as usize).min(count - 1) as u32
    }

    /// The number of a token.
    pub(super) fn value(&self, token: u32) -> f64 {
        self.values[token as usize]
    }

    pub(super) fn pieces(&self) -> Vec<String> {
        self.values.iter().map(|value| format!("{value:+.3}")).collect()
    }
}
