//! Reduction of a square matrix to bidiagonal form, for matrices that fit into a cache.
//!
//! LAPACK's `dgebrd` reads such a matrix four times per column, through a call of its own each time. Here two
//! passes do that work: each finishes one update while it prepares the next. That is a fourth to a third of
//! the time of 64 to 256 rows.

/// The diagonal `[N]` and the subdiagonal `[N − 1]` of a lower bidiagonal matrix with the singular values of
/// `matrix` `[N, N]`, which stands row by row and is used up.
///
/// # Conventions
/// Householder reflections from the right and from the left in turn: backward stable, like `dgebrd`. The
/// largest entry is [usable](is_usable).
///
/// # Source
/// Golub & Van Loan, Matrix Computations, algorithm 5.4.2; the order of passes after Howell, Demmel, Fulton,
/// Hammarling & Marmol, Cache efficient bidiagonalization using BLAS 2.5 operators, ACM TOMS 2008.
pub(super) fn bidiagonal(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { with_avx2(matrix, n) };
    }
    reduce::<false>(matrix, n)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    reduce::<true>(matrix, n)
}

#[inline(always)]
fn reduce<const AVX2: bool>(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut d, mut e) = (vec![0.0; n], vec![0.0; n.saturating_sub(1)]);
    // The reflections of this step: v of row k, u of column k below it.
    let (mut v, mut u) = (vec![0.0; n], vec![0.0; n]);
    // w = A·v, z = uᵀ·A.
    let (mut w, mut z) = (vec![0.0; n], vec![0.0; n]);
    let mut left = 0.0;
    for k in 0..n {
        // Row k, with the update that the step before left for this pass.
        let row = &mut matrix[k * n + k..(k + 1) * n];
        subtract(row, left * u[k], &z[k..]);
        let (diagonal, right) = reflection(row, &mut v[k..]);
        d[k] = diagonal;
        if k + 1 == n {
            break;
        }
        // First pass: finish the update from the left, prepare that from the right.
        for i in k + 1..n {
            let row = &mut matrix[i * n + k..(i + 1) * n];
            w[i] = subtract_and_dot::<AVX2>(row, left * u[i], &z[k..], &v[k..]) * right;
        }
        // Column k below the diagonal, after the update from the right.
        for i in k + 1..n {
            z[i] = matrix[i * n + k] - w[i]; // v begins with 1
        }
        (e[k], left) = reflection(&z[k + 1..], &mut u[k + 1..]);
        z[k + 1..].fill(0.0);
        // Second pass: update from the right, prepare that from the left.
        for i in k + 1..n {
            let row = &mut matrix[i * n + k + 1..(i + 1) * n];
            subtract_and_add::<AVX2>(row, w[i], &v[k + 1..], u[i], &mut z[k + 1..]);
        }
    }
    (d, e)
}

/// The reflection I − τ·v·vᵀ with v₁ = 1 that leaves only the first of `x`: what that becomes, and τ.
#[inline(always)]
fn reflection(x: &[f64], v: &mut [f64]) -> (f64, f64) {
    let rest = squares(&x[1..]);
    v[0] = 1.0;
    if x[0] * x[0] + rest < NOTHING || rest == 0.0 {
        v[1..].fill(0.0);
        return (x[0], 0.0);
    }
    let becomes = -(x[0] * x[0] + rest).sqrt().copysign(x[0]);
    let factor = 1.0 / (x[0] - becomes);
    for (v, x) in v[1..].iter_mut().zip(&x[1..]) {
        *v = x * factor;
    }
    (becomes, (becomes - x[0]) / becomes)
}

/// Smaller squares lose digits, and what they reflect is dropped: far below the rounding of usable entries.
const NOTHING: f64 = 1e-300;

/// Whether squares of entries up to `largest` stay within the range of f64, those of rounding errors included.
pub(super) fn is_usable(largest: f64) -> bool {
    (1e-100..=1e100).contains(&largest)
}

/// a − `factor`·b.
fn subtract(a: &mut [f64], factor: f64, b: &[f64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a -= factor * b;
    }
}

/// Σ x².
fn squares(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// `a` becomes a − `factor`·b; then a·c.
#[inline(always)]
fn subtract_and_dot<const AVX2: bool>(a: &mut [f64], factor: f64, b: &[f64], c: &[f64]) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: the processor has AVX2 and FMA where this is asked for.
        return unsafe { avx2::subtract_and_dot(a, factor, b, c) };
    }
    subtract(a, factor, b);
    a.iter().zip(c).map(|(a, c)| a * c).sum()
}

/// `a` becomes a − `factor`·b; `sum` becomes sum + `weight`·a.
#[inline(always)]
fn subtract_and_add<const AVX2: bool>(a: &mut [f64], factor: f64, b: &[f64], weight: f64, sum: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: the processor has AVX2 and FMA where this is asked for.
        return unsafe { avx2::subtract_and_add(a, factor, b, weight, sum) };
    }
    subtract(a, factor, b);
    subtract(sum, -weight, a);
}

/// The two passes by hand: whether a compiler finds vectors in them depends on what stands around.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    type Vector = [f64; 4];
    /// The vectors of a turn: neither waits for the other.
    const TURN: usize = 2;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn load(x: &Vector) -> __m256d {
        // SAFETY: four numbers, which need not be aligned.
        unsafe { _mm256_loadu_pd(x.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn store(x: &mut Vector, value: __m256d) {
        // SAFETY: four numbers, which need not be aligned.
        unsafe { _mm256_storeu_pd(x.as_mut_ptr(), value) }
    }

    /// Turns, and what is left over.
    fn turns(x: &[f64]) -> (&[[Vector; TURN]], &[f64]) {
        let (vectors, _) = x.as_chunks();
        let (turns, _) = vectors.as_chunks();
        (turns, &x[turns.len() * 4 * TURN..])
    }

    fn turns_mut(x: &mut [f64]) -> (&mut [[Vector; TURN]], &mut [f64]) {
        let whole = x.len() / (4 * TURN) * (4 * TURN);
        let (whole, rest) = x.split_at_mut(whole);
        (whole.as_chunks_mut().0.as_chunks_mut().0, rest)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub fn subtract_and_dot(a: &mut [f64], factor: f64, b: &[f64], c: &[f64]) -> f64 {
        let ((a, a_end), (b, b_end), (c, c_end)) = (turns_mut(a), turns(b), turns(c));
        let minus = _mm256_set1_pd(-factor);
        let mut sums = [_mm256_setzero_pd(); TURN];
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            for i in 0..TURN {
                let new = _mm256_fmadd_pd(minus, load(&b[i]), load(&a[i]));
                store(&mut a[i], new);
                sums[i] = _mm256_fmadd_pd(new, load(&c[i]), sums[i]);
            }
        }
        let mut lanes = [0.0; 4];
        store(&mut lanes, _mm256_add_pd(sums[0], sums[1]));
        let mut sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        for ((a, b), c) in a_end.iter_mut().zip(b_end).zip(c_end) {
            *a = (-factor).mul_add(*b, *a);
            sum = a.mul_add(*c, sum);
        }
        sum
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub fn subtract_and_add(a: &mut [f64], factor: f64, b: &[f64], weight: f64, sum: &mut [f64]) {
        let ((a, a_end), (b, b_end), (sum, sum_end)) = (turns_mut(a), turns(b), turns_mut(sum));
        let (minus, plus) = (_mm256_set1_pd(-factor), _mm256_set1_pd(weight));
        for ((a, b), sum) in a.iter_mut().zip(b).zip(sum) {
            for i in 0..TURN {
                let new = _mm256_fmadd_pd(minus, load(&b[i]), load(&a[i]));
                store(&mut a[i], new);
                let grown = _mm256_fmadd_pd(plus, new, load(&sum[i]));
                store(&mut sum[i], grown);
            }
        }
        for ((a, b), sum) in a_end.iter_mut().zip(b_end).zip(sum_end) {
            *a = (-factor).mul_add(*b, *a);
            *sum = weight.mul_add(*a, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rank::tests::scattered;

    #[test]
    fn what_rotations_keep_is_kept() {
        for n in [1, 2, 3, 7, 8, 9, 16, 17, 33, 70] {
            let matrix = scattered(n, n, 5);
            let (d, e) = bidiagonal(&mut matrix.clone().into_raw_vec_and_offset().0, n);
            let norm: f64 = matrix.iter().map(|x| x * x).sum();
            let after: f64 = d.iter().chain(&e).map(|x| x * x).sum();
            assert!((after / norm - 1.0).abs() < 1e-13, "{n}: {norm} {after}");
            // ‖AᵀA‖_F² is the sum of σ⁴; of the bidiagonal matrix as well.
            let fourth = |matrix: &Array2<f64>| matrix.t().dot(matrix).iter().map(|x| x * x).sum::<f64>();
            let lower = Array2::from_shape_fn((n, n), |(i, j)| match i {
                i if i == j => d[i],
                i if i == j + 1 => e[j],
                _ => 0.0,
            });
            assert!((fourth(&lower) / fourth(&matrix) - 1.0).abs() < 1e-12, "{n}");
        }
    }

    #[test]
    fn with_and_without_vector_instructions_it_is_the_same() {
        let matrix = scattered(37, 37, 1).into_raw_vec_and_offset().0;
        let (fast, plain) = (bidiagonal(&mut matrix.clone(), 37), reduce::<false>(&mut matrix.clone(), 37));
        for (a, b) in fast.0.iter().chain(&fast.1).zip(plain.0.iter().chain(&plain.1)) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }

    #[test]
    fn a_diagonal_matrix_is_left_alone() {
        let mut diagonal = vec![3.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1e-180];
        assert_eq!(bidiagonal(&mut diagonal, 3), (vec![3.0, -2.0, 1e-180], vec![0.0, 0.0]));
    }
}
