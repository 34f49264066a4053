//! y = x·Wᵀ for few rows of x, as in decoding token by token: every weight is read once and used once or a few
//! times, so that the speed is that of memory. Weights in half precision are widened in registers, which
//! halves the traffic.

use half::{bf16, f16};

use crate::ops::blocks::share;
use crate::weight::Dtype;

/// The most rows of x for which this is faster than a matrix product over widened panels of the weight.
pub(super) const MOST_ROWS: usize = 4;

/// Bytes of weights in one task.
const TASK_BYTES: usize = 64 * 1024;
/// Up to this many bytes of weights, about 20 µs, the work stays on one thread: waking a second thread takes longer
/// than it saves.
const ALONE_BYTES: usize = 256 * 1024;

/// y = x·Wᵀ for `rows` rows of x; `w` holds the rows of W, in `dtype`: as many as a row of y has numbers.
pub(super) fn linear(x: &[f32], rows: usize, w: &[u8], dtype: Dtype, y: &mut [f32]) {
    let inner = x.len() / rows;
    let row_bytes = inner * dtype.size_bytes();
    let dot = kernel(dtype);
    let per_task = (TASK_BYTES / row_bytes.max(1)).max(1);
    // The output features from feature `first` on, `[out, T]`.
    let some = |first: usize, y: &mut [f32]| {
        for (feature, y) in (first..).zip(y.chunks_mut(rows)) {
            let w = &w[feature * row_bytes..(feature + 1) * row_bytes];
            for (y, x) in y.iter_mut().zip(x.chunks_exact(inner.max(1))) {
                *y = dot(x, w);
            }
        }
    };
    let all = |y: &mut [f32]| match w.len() <= ALONE_BYTES {
        true => some(0, y),
        false => {
            let tasks = y.chunks_mut(per_task * rows).enumerate();
            share(tasks, |(task, y)| some(task * per_task, y));
        }
    };
    if rows == 1 {
        return all(y);
    }
    let mut turned = vec![0.0; y.len()]; // [out, T]
    all(&mut turned);
    let out = y.len() / rows;
    for (row, y) in y.chunks_mut(out.max(1)).enumerate() {
        for (y, of_feature) in y.iter_mut().zip(turned.chunks_exact(rows)) {
            *y = of_feature[row]; // [T, out]
        }
    }
}

/// Σ xᵢ·wᵢ of x and as many numbers w, given as bytes.
type Dot = fn(&[f32], &[u8]) -> f32;

/// The fastest kernel of this processor.
fn kernel(dtype: Dtype) -> Dot {
    #[cfg(target_arch = "x86_64")]
    if let Some(dot) = x86::kernel(dtype) {
        return dot;
    }
    portable(dtype)
}

/// The kernel that runs on every processor.
fn portable(dtype: Dtype) -> Dot {
    match dtype {
        Dtype::F32 => |x, w| sum(x, w.as_chunks().0, f32::from_ne_bytes),
        Dtype::F16 => |x, w| sum(x, w.as_chunks().0, |bytes| f16::from_ne_bytes(bytes).to_f32()),
        Dtype::Bf16 => |x, w| sum(x, w.as_chunks().0, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
    }
}

/// Σ xᵢ·wᵢ in eight sums side by side, which a compiler turns into vectors.
fn sum<const SIZE: usize>(x: &[f32], w: &[[u8; SIZE]], widen: impl Fn([u8; SIZE]) -> f32) -> f32 {
    let (x_lanes, x_rest) = x.as_chunks::<8>();
    let (w_lanes, w_rest) = w.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, w) in x_lanes.iter().zip(w_lanes) {
        for lane in 0..8 {
            sums[lane] += x[lane] * widen(w[lane]);
        }
    }
    let rest: f32 = x_rest.iter().zip(w_rest).map(|(x, w)| x * widen(*w)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Eight numbers at a time with AVX2, FMA and F16C, which every x86 processor of the last ten years has.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Dot, portable};
    use crate::weight::Dtype;
    use crate::weight::widen::x86::{BF16, F16, F32, eight, is_there};

    /// Numbers of one iteration: four vectors, each added to a sum of its own, so that no addition waits for another.
    const STRIDE: usize = 32;
    /// Bytes between what is computed on and what is asked from memory: the processor itself looks no further ahead than the
    /// end of a page of 4 KiB.
    const AHEAD: usize = 4096;
    /// Bytes of a line of the cache.
    const LINE: usize = 64;

    /// The kernel, if this processor has the instructions.
    pub(super) fn kernel(dtype: Dtype) -> Option<Dot> {
        // SAFETY: the processor has the instructions.
        is_there().then_some(match dtype {
            Dtype::F32 => |x, w| unsafe { dot::<F32>(x, w) },
            Dtype::F16 => |x, w| unsafe { dot::<F16>(x, w) },
            Dtype::Bf16 => |x, w| unsafe { dot::<BF16>(x, w) },
        })
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn dot<const KIND: u8>(x: &[f32], w: &[u8]) -> f32 {
        let (size, dtype) = match KIND {
            F32 => (4, Dtype::F32),
            F16 => (2, Dtype::F16),
            _ => (2, Dtype::Bf16),
        };
        assert_eq!(w.len(), x.len() * size);
        let whole = x.len() / STRIDE * STRIDE;
        // Four variables and not an array, which a build without optimisation would keep in memory.
        let zero = _mm256_setzero_ps();
        let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
        let mut at = 0;
        while at < whole {
            for line in (0..STRIDE * size).step_by(LINE) {
                _mm_prefetch::<_MM_HINT_T0>(w.as_ptr().wrapping_add(at * size + AHEAD + line).cast());
            }
            // SAFETY: at + 32 ≤ whole, which is at most the length of x and of w.
            unsafe {
                let (x, w) = (x.as_ptr().add(at), w.as_ptr().add(at * size));
                s0 = more::<KIND>(s0, x, w);
                s1 = more::<KIND>(s1, x.add(8), w.add(8 * size));
                s2 = more::<KIND>(s2, x.add(16), w.add(16 * size));
                s3 = more::<KIND>(s3, x.add(24), w.add(24 * size));
            }
            at += STRIDE;
        }
        let sum = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
        let mut lanes = [0.0f32; 8];
        // SAFETY: `lanes` holds eight numbers.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sum) };
        lanes.iter().sum::<f32>() + portable(dtype)(&x[whole..], &w[whole * size..])
    }

    /// sum + x·w of eight numbers each.
    ///
    /// # Safety
    /// Eight numbers can be read from `x` and eight numbers of the dtype `KIND` from `w`.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn more<const KIND: u8>(sum: __m256, x: *const f32, w: *const u8) -> __m256 {
        // SAFETY: the caller's promise; no load asks for alignment.
        unsafe { _mm256_fmadd_ps(_mm256_loadu_ps(x), eight::<KIND>(w), sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;
    use crate::weight::Weight;

    const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    fn weight(dtype: Dtype, out: usize, inner: usize) -> Weight {
        let values = values(out * inner, 2);
        Weight::new("w", [(Axis::FeedForward, out), (Axis::Width, inner)], dtype, &values).unwrap()
    }

    fn by_definition(x: &[f32], rows: usize, w: &Weight, out: usize) -> Vec<f64> {
        let (inner, w) = (x.len() / rows, w.to_f32().unwrap());
        let dot = |row: usize, feature: usize| -> f64 {
            let (x, w) = (&x[row * inner..][..inner], &w[feature * inner..][..inner]);
            x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum()
        };
        (0..rows * out).map(|i| dot(i / out, i % out)).collect()
    }

    #[test]
    fn every_kernel_is_the_definition() {
        // Lengths below, at and above the stride, with a rest; more rows of weights than one task takes.
        for (rows, out, inner) in
            [(1, 3, 31), (1, 700, 64), (2, 5, 97), (3, 900, 33), (4, 2, 1), (1, 1, 1025)]
        {
            let x = values(rows * inner, 1);
            for dtype in DTYPES {
                let w = weight(dtype, out, inner);
                let mut got = vec![f32::NAN; rows * out];
                linear(&x, rows, w.bytes().unwrap(), dtype, &mut got);
                let expected = by_definition(&x, rows, &w, out);
                assert_eq!(got.len(), expected.len());
                for (got, expected) in got.iter().zip(&expected) {
                    let error = (f64::from(*got) - expected).abs();
                    assert!(error < 1e-6 * inner as f64, "{dtype} {rows} x {out} x {inner}: {error:e}");
                }
            }
        }
    }

    #[test]
    fn the_portable_kernel_and_the_fastest_agree() {
        for inner in [1, 8, 31, 32, 33, 95, 576] {
            let x = values(inner, 3);
            for dtype in DTYPES {
                let w = weight(dtype, 1, inner);
                let bytes = w.bytes().unwrap();
                let (fast, slow) = (kernel(dtype)(&x, bytes), portable(dtype)(&x, bytes));
                assert!((fast - slow).abs() < 1e-6 * inner as f32, "{dtype} {inner}: {fast} {slow}");
            }
        }
    }

    #[test]
    fn weights_need_no_alignment() {
        let (inner, x) = (40, values(40, 4));
        for dtype in DTYPES {
            let w = weight(dtype, 1, inner);
            let mut moved = vec![0u8];
            moved.extend(w.bytes().unwrap());
            assert_eq!(kernel(dtype)(&x, &moved[1..]), kernel(dtype)(&x, w.bytes().unwrap()), "{dtype}");
        }
    }

    #[test]
    fn nothing_times_something_is_nothing() {
        let w = weight(Dtype::F16, 0, 5);
        linear(&values(5, 1), 1, w.bytes().unwrap(), Dtype::F16, &mut []);
    }
}
