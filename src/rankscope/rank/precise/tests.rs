//! Multi-precision against numbers that are known from other methods.

use ndarray::{Array2, array};

use super::*;
use crate::mask::Mask;
use crate::rank::Spectrum;
use crate::rank::tests::claims::stored_draw;
use crate::run::{Cancel, Run};

fn run() -> Run {
    Run::default()
}

#[test]
fn the_stored_draw_has_the_reference_determinant_and_smallest_singular_value() {
    let [q, k] = stored_draw();
    let weights = |digits| attention_weights(q.view(), k.view(), 1.0, &Mask::causal(), digits, &run());
    let triangular = Triangular::new(weights, &run()).unwrap();
    let (log_det, sigma) = (triangular.log_det(), triangular.sigma_min().unwrap());
    assert!((log_det + 527.758_266_268_504_7).abs() < 1e-10, "{log_det}");
    // The reference's bracket, computed with 120 digits: 1/‖A⁻¹‖_F and √n times that.
    assert!((10f64.powf(sigma.log10_at_least) / 9.17563e-27 - 1.0).abs() < 1e-5, "{sigma:?}");
    assert!((10f64.powf(sigma.log10_at_most) / 1.0381e-25 - 1.0).abs() < 1e-4, "{sigma:?}");
    assert!(sigma.log10_at_least <= sigma.log10 && sigma.log10 <= sigma.log10_at_most);
    // Twice as many digits as the bound needs change nothing.
    let finer = Triangular::new(|digits| weights(2 * digits), &run()).unwrap().sigma_min().unwrap();
    assert!((sigma.log10 - finer.log10).abs() < 1e-13, "{sigma:?} {finer:?}");
}

#[test]
fn the_true_singular_values_multiply_to_the_determinant() {
    let [q, k] = stored_draw();
    let weights = |digits| attention_weights(q.view(), k.view(), 1.0, &Mask::causal(), digits, &run());
    let triangular = Triangular::new(weights, &run()).unwrap();
    let values = triangular.log10_singular_values().unwrap();
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    assert!(known.len() == 128 && known.is_sorted_by(|a, b| a >= b), "{values:?}");
    let log_det = known.iter().sum::<f64>() * std::f64::consts::LN_10;
    assert!((log_det - triangular.log_det()).abs() < 0.01, "{log_det}");
    // The attention of the first 20 tokens is the leading block.
    let block = triangular.matrix().to_f64().slice(ndarray::s![..20, ..20]).to_owned();
    let sigma = triangular.leading_sigma_min(20).unwrap();
    assert!((sigma.value() / Spectrum::of(block.view()).unwrap().sigma_min().unwrap() - 1.0).abs() < 1e-8);
    assert!(triangular.leading_sigma_min(129).is_err() && triangular.leading_sigma_min(0).is_err());
}

/// 1 on the diagonal, −1 below: the inverse holds 2^(i − j − 1), which f64 represents exactly.
#[test]
fn an_exponentially_small_singular_value_is_found_to_fourteen_digits() {
    let n = 150;
    let unit_triangular = |below: fn(i32) -> f64| {
        Array2::from_shape_fn((n, n), |(row, col)| match row.cmp(&col) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => below((row - col) as i32),
        })
    };
    let (matrix, inverse) = (unit_triangular(|_| -1.0), unit_triangular(|apart| 2f64.powi(apart - 1)));
    let precise = Precise::of(matrix.view(), 60).unwrap();
    assert_eq!(triangular_inverse(&precise, &run()).unwrap().to_f64(), inverse);
    let triangular = Triangular::new(|digits| Precise::of(matrix.view(), digits), &run()).unwrap();
    let sigma = triangular.sigma_min().unwrap();
    let expected = -Spectrum::of(inverse.view()).unwrap().sigma_max().unwrap().log10();
    assert!((sigma.log10 - expected).abs() < 1e-13 && triangular.digits() > 60, "{sigma:?} {expected}");
    // LAPACK returns its own rounding error instead.
    assert!(Spectrum::of(matrix.view()).unwrap().sigma_min().unwrap() > 1e-25);
}

#[test]
fn weights_agree_with_f64_to_its_last_digits_and_respect_the_mask() {
    let [q, k] = stored_draw();
    let (q, k) = (q.slice(ndarray::s![..37, ..]).to_owned(), k.slice(ndarray::s![..37, ..]).to_owned());
    for mask in [Mask::causal(), Mask::bidirectional(), Mask::prefix(11)] {
        let precise = attention_weights(q.view(), k.view(), 1.7, &mask, 30, &run()).unwrap().to_f64();
        let plain = crate::claim::attention_weights(&q, &k, 1.7, &mask, &crate::Device::Cpu).unwrap();
        for (&a, &b) in precise.iter().zip(&plain) {
            assert!((a - b).abs() <= 1e-13 * b, "{mask}: {a} {b}");
        }
    }
}

/// exp(qᵢ kⱼ) with ascending q and k has a positive determinant; swapping two rows changes the sign.
#[test]
fn one_dimensional_scores_give_a_certain_determinant_of_the_predicted_sign() {
    let n = 16;
    let q = Array2::from_shape_fn((n, 1), |(row, _)| -1.5 + 0.19 * row as f64);
    let k = Array2::from_shape_fn((n, 1), |(row, _)| -1.2 + 0.17 * row as f64);
    let at = |q: &Array2<f64>, digits| {
        let weights = attention_weights(q.view(), k.view(), 1.0, &Mask::bidirectional(), digits, &run());
        determinant(&weights.unwrap(), &run()).unwrap()
    };
    let (rough, fine, finer) = (at(&q, 17), at(&q, 250), at(&q, 500));
    assert!(!rough.is_certain(), "{rough:?}");
    assert!(fine.is_certain() && fine.sign == 1 && fine.error < 1e-50, "{fine:?}");
    assert!((fine.log - finer.log).abs() < 1e-10 * fine.log.abs());
    let mut swapped = q.clone();
    swapped.swap((3, 0), (9, 0));
    let swapped = at(&swapped, 250);
    assert!(swapped.is_certain() && swapped.sign == -1 && (swapped.log - fine.log).abs() < 1e-10);
}

/// Pascal's matrix C(i + j, i) has determinant 1 and a condition number near 10²⁰ at n = 18.
#[test]
fn the_determinant_of_pascals_matrix_is_one() {
    let n = 18;
    let mut pascal = Array2::<f64>::ones((n, n));
    for row in 1..n {
        for col in 1..n {
            pascal[(row, col)] = pascal[(row - 1, col)] + pascal[(row, col - 1)];
        }
    }
    let det = determinant(&Precise::of(pascal.view(), 60).unwrap(), &run()).unwrap();
    assert!(det.sign == 1 && det.is_certain() && det.log.abs() < 1e-15, "{det:?}");
    // Two equal rows: no number of digits certifies a sign.
    let row = pascal.row(4).to_owned();
    pascal.row_mut(7).assign(&row);
    let det = determinant(&Precise::of(pascal.view(), 200).unwrap(), &run()).unwrap();
    assert!(!det.is_certain(), "{det:?}");
}

#[test]
fn what_cannot_be_computed_is_named() {
    let message = |result: Result<Triangular>| result.unwrap_err().to_string();
    let of =
        |matrix: Array2<f64>| message(Triangular::new(|digits| Precise::of(matrix.view(), digits), &run()));
    let zero = "diagonal entry (1, 1) is 0, expected a number other than 0";
    assert_eq!(of(array![[1.0, 0.0], [0.5, 0.0]]), zero);
    assert_eq!(of(array![[1.0, 0.0]]), "matrix is 1 × 2, expected a square one with one row or more");
    assert!(of(array![[f64::NAN]]).starts_with("matrix entry (0, 0) is NaN"));
    let digits = Precise::of(array![[1.0]].view(), 16).unwrap_err().to_string();
    assert_eq!(digits, "decimal digits is 16, expected 17 to 20000");
    let cancel = Cancel::default();
    cancel.cancel();
    let run = Run::default().with_cancel(cancel);
    let weights = |digits| {
        attention_weights(array![[1.0]].view(), array![[1.0]].view(), 1.0, &Mask::causal(), digits, &run)
    };
    assert_eq!(message(Triangular::new(weights, &run)), "cancelled");
}

/// A difference of two softmaxes has the sign that LU certifies, and cancellation costs digits.
#[test]
fn the_sign_of_a_difference_is_certain_while_its_digits_last() {
    let [q, k] = stored_draw();
    let part = |at: usize| [&q, &k].map(|x| x.slice(ndarray::s![at..at + 20, ..]).to_owned());
    let weights = |[q, k]: &[Array2<f64>; 2]| {
        attention_weights(q.view(), k.view(), 1.0, &Mask::causal(), 40, &run()).unwrap()
    };
    let (first, second) = (weights(&part(0)), weights(&part(50)));
    let mut signs = [0; 2];
    for lambda in [0.3, 0.5, 0.7, 0.8, 0.9] {
        let difference = first.minus(lambda, &second).unwrap();
        let lu = determinant(&difference, &run()).unwrap();
        assert_eq!(difference.diagonal_sign().filter(|_| lu.is_certain()), Some(lu.sign), "{lambda}");
        assert!((difference.log_diagonal() - lu.log).abs() < 1e-9);
        signs[usize::from(lu.sign > 0)] += 1;
    }
    assert!(signs.iter().all(|&count| count > 0), "{signs:?}");
    // Row 0 of both is (1, 0, …): their difference is 0, and no sign is certain.
    let singular = first.minus(1.0, &second).unwrap();
    assert!(singular.diagonal_sign().is_none() && singular.to_f64()[(0, 0)] == 0.0);
    // A relative error of n + 8 units in 133 bits, and a difference that is 2^−140 of its terms.
    let scaled = first.minus(1.0 - 2f64.powi(-50), &first).unwrap();
    assert_eq!(scaled.diagonal_sign(), Some(1));
    let gone = (0..3).fold(scaled, |rest, _| rest.minus(1.0 - 2f64.powi(-50), &rest).unwrap());
    assert_eq!(gone.diagonal_sign(), None);
    let other = Precise::of(array![[1.0]].view(), 40).unwrap();
    let message = first.minus(0.5, &other).unwrap_err().to_string();
    assert_eq!(message, "second matrix is 1 × 1, expected 20 × 20, as the first");
    assert!(other.minus(f64::NAN, &other).unwrap_err().to_string().starts_with("factor is NaN"));
}
