//! Properties of every matrix.

use ndarray::Array2;
use proptest::prelude::*;

use crate::rank::*;

/// Matrices up to 9 × 9, with entries between −1 and 1 and about a third of them zero.
fn matrix() -> impl Strategy<Value = Array2<f64>> {
    (1usize..10, 1usize..10).prop_flat_map(|(rows, cols)| {
        let entry = prop_oneof![1 => Just(0.0), 2 => -1.0f64..1.0];
        proptest::collection::vec(entry, rows * cols)
            .prop_map(move |entries| Array2::from_shape_vec((rows, cols), entries).unwrap())
    })
}

/// I − 2vvᵀ / vᵀv.
fn reflection(size: usize) -> Array2<f64> {
    let v = Array2::from_shape_fn((size, 1), |(i, _)| 1.0 + (i * i % 5) as f64);
    let squared: f64 = v.iter().map(|x| x * x).sum();
    Array2::eye(size) - v.dot(&v.t()) * (2.0 / squared)
}

fn shape_numbers(spectrum: &Spectrum) -> [f64; 3] {
    [spectrum.effective_rank(), spectrum.stable_rank(), spectrum.participation_ratio()]
}

fn same(a: &Spectrum, b: &Spectrum) -> Result<(), TestCaseError> {
    for (a, b) in shape_numbers(a).iter().zip(shape_numbers(b)) {
        prop_assert!((a - b).abs() < 1e-9 * (1.0 + b), "{a} against {b}");
    }
    Ok(())
}

proptest! {
    // A failure prints its input; no file of past failures is left in the tree.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn transposing_changes_nothing(matrix in matrix()) {
        let (a, b) = (Spectrum::of(matrix.view()).unwrap(), Spectrum::of(matrix.t()).unwrap());
        same(&a, &b)?;
        prop_assert_eq!(a.rounding_floor() > 0.0, b.rounding_floor() > 0.0);
        let pattern = matrix.mapv(|x| x != 0.0);
        prop_assert_eq!(exact_rank(pattern.view()).rank, exact_rank(pattern.t()).rank);
    }

    #[test]
    fn reflecting_changes_nothing(matrix in matrix()) {
        let reflected = reflection(matrix.nrows()).dot(&matrix).dot(&reflection(matrix.ncols()));
        let (a, b) = (Spectrum::of(matrix.view()).unwrap(), Spectrum::of(reflected.view()).unwrap());
        for (a, b) in a.values().iter().zip(b.values()) {
            prop_assert!((a - b).abs() < 1e-13);
        }
        same(&a, &b)?;
    }

    #[test]
    fn scaling_changes_only_sigma(matrix in matrix(), exponent in -40i32..40) {
        let scaled = &matrix * 2f64.powi(exponent);
        let a = RankReport::of(matrix.view(), None).unwrap();
        let b = RankReport::of(scaled.view(), None).unwrap();
        same(&a.spectrum, &b.spectrum)?;
        prop_assert_eq!(a.columns_90, b.columns_90);
        prop_assert_eq!(a.exact_rank, b.exact_rank);
        prop_assert_eq!(a.sigma_max.unwrap() * 2f64.powi(exponent), b.sigma_max.unwrap());
    }

    #[test]
    fn ranks_are_ordered(matrix in matrix()) {
        let report = RankReport::of(matrix.view(), None).unwrap();
        let count = report.spectrum.values().iter().filter(|&&sigma| sigma > 0.0).count();
        prop_assert!(report.numerical_rank_f32 <= report.numerical_rank_f64);
        prop_assert!(report.numerical_rank_f64 <= count);
        prop_assert!(report.energy_rank_90 <= report.energy_rank_99);
        if count > 0 {
            let slack = 1.0 + 1e-12;
            prop_assert!(1.0 <= report.stable_rank);
            // Σq ≥ Σq² where the largest q is 1, so (Σq)²/Σq² ≥ Σq.
            prop_assert!(report.stable_rank <= report.participation_ratio * slack);
            // Rényi entropies fall with their order, and σ² is more concentrated than σ.
            prop_assert!(report.participation_ratio <= report.effective_rank * slack);
            prop_assert!(report.effective_rank <= count as f64 * slack);
        }
    }

    #[test]
    fn a_theorem_agrees_with_the_arithmetic(matrix in matrix()) {
        // With entries away from 0, the singular values of these small matrices are far from the
        // tolerance.
        let matrix = matrix.mapv(|x| if x == 0.0 { 0.0 } else { x.signum() * (0.5 + x.abs()) });
        let report = RankReport::of(matrix.view(), None).unwrap();
        if let Some(rank) = report.exact_rank {
            prop_assert_eq!(rank, report.numerical_rank_f64);
        }
        if let Some(log_abs_det) = report.log_abs_det {
            let sum: f64 = report.spectrum.values().iter().map(|sigma| sigma.ln()).sum();
            prop_assert!(report.sigma_min_below_floor || (log_abs_det - sum).abs() < 1e-6);
        }
    }
}
