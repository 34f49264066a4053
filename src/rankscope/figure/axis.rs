//! Ticks, and labels that are thinned until no two of them touch.

/// Round numbers from `low` to `high`, at most `most` of them, in steps of 1, 2 or 5 · 10ᵏ.
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let span = high - low;
    // Also false for NaN.
    if !(span > 0.0 && span.is_finite()) || most == 0 {
        return vec![low];
    }
    let rough = span / most as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|&step| step >= rough);
    let step = step.unwrap_or(10.0 * magnitude);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The smallest k for which every k-th label can be shown: labels of length `size` at steps of
/// `pitch`, with space between them.
pub(super) fn thinning(size: f64, pitch: f64) -> usize {
    (size * 1.2 / pitch).ceil().max(1.0) as usize
}

/// Whole decades from `high` down to `low` in equal steps, about `most` of them; `high` is always
/// among them.
pub(super) fn decades(low: i32, high: i32, most: usize) -> Vec<i32> {
    let stride = ((high - low) as f64 / most as f64).ceil().max(1.0) as usize;
    (low..=high).rev().step_by(stride).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(1.0, 128.0, 8), [20.0, 40.0, 60.0, 80.0, 100.0, 120.0]);
        assert_eq!(ticks(3.0, 3.0, 8), [3.0]);
        assert_eq!(ticks(0.0, f64::NAN, 8), [0.0]);
    }

    #[test]
    fn labels_are_thinned_to_the_pitch() {
        assert_eq!((thinning(15.0, 20.0), thinning(15.0, 15.0), thinning(15.0, 4.0)), (1, 2, 5));
    }

    #[test]
    fn decades_start_at_the_top() {
        assert_eq!(decades(-17, 0, 9), [0, -2, -4, -6, -8, -10, -12, -14, -16]);
        assert_eq!(decades(-2, 0, 9), [0, -1, -2]);
    }
}
