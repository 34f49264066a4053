//! Differences of numbers.

/// The largest difference of two lists of one length; NaN if a difference is.
pub fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.fold(
        0.0,
        |far: f32, (a, b)| if (a - b).is_nan() || far.is_nan() { f32::NAN } else { far.max((a - b).abs()) },
    )
}
