//! Rows of values cut into blocks that fit a core's cache, one block for each task.

use std::sync::{Mutex, PoisonError};

use crate::buffer::any_values;
use crate::ops::Real;
use crate::tensor::Tensor;

/// The most values of a block: 1 MiB of f32.
const BLOCK: usize = 256 * 1024;
/// The fewest values of a block: smaller blocks cost more to distribute than to compute.
const SMALLEST_BLOCK: usize = 1024;
/// Values of a piece, which is copied and computed on before the next piece is copied: together with another operand it
/// stays in a first-level cache of 32 KiB.
const PIECE: usize = 4 * 1024;
/// Work of fewer additions than this, about 12 µs, stays on one thread: waking a second thread takes longer than it
/// saves.
const ALONE: usize = 128 * 1024;

/// The time that a value takes, in additions of 0.1 ns: measured with AVX-512 on values in a second-level cache.
pub(super) const ADDITION: usize = 1;
/// For a norm: two sums over the row, and one write of the row.
pub(super) const NORM: usize = 2;
/// For a sigmoid: an exponential and a division.
pub(super) const SIGMOID: usize = 3;
/// For a softmax: a maximum, an exponential, a sum and a factor.
pub(super) const SOFTMAX: usize = 5;

/// Calls `work` with blocks of whole rows of `width` values and the number of each block's first row; in parallel where
/// `cost` additions for each value are work enough.
pub(super) fn for_each_block<F: Send>(
    values: &mut [F],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [F]) + Send + Sync,
) {
    if values.is_empty() || width == 0 {
        return;
    }
    if values.len() * cost <= ALONE {
        return work(0, values);
    }
    // Several blocks for each thread, since some threads start late.
    let fair = values.len() / (4 * rayon::current_num_threads());
    let rows = (fair.clamp(SMALLEST_BLOCK, BLOCK) / width).max(1);
    share(values.chunks_mut(rows * width).enumerate(), |(block, values)| work(block * rows, values));
}

/// As [`share_with`], without a state.
pub(super) fn share<J>(
    jobs: impl ExactSizeIterator<Item = J> + DoubleEndedIterator + Send,
    work: impl Fn(J) + Sync,
) {
    share_with(jobs, || (), |(), job| work(job));
}

/// Distributes `jobs` to all threads; each thread makes one state and passes it to all of its jobs. The calling thread works
/// too, because it can do many jobs before another thread has woken up. It starts with the first job and the others with
/// the last, so that in the next operation each thread finds its values still in its cache.
pub(super) fn share_with<J, S>(
    jobs: impl ExactSizeIterator<Item = J> + DoubleEndedIterator + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) + Sync,
) {
    let threads = rayon::current_num_threads().min(jobs.len());
    let jobs = Mutex::new(jobs);
    let jobs = || jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let all = |next: &dyn Fn() -> Option<J>| {
        let mut state = state();
        std::iter::from_fn(next).for_each(|job| work(&mut state, job));
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| all(&|| jobs().next_back()));
        }
        all(&|| jobs().next());
    });
}

/// Values of a block of rows that are summed: a batch of a small model, 1024 rows of 64 values, has four such blocks.
const SUMMED_BLOCK: usize = 16 * 1024;

/// The number of rows of `width` values in a block for [`summed`]; it does not depend on the number of threads.
pub(super) fn summed_rows(width: usize) -> usize {
    (SUMMED_BLOCK / width.max(1)).max(1)
}

/// Sums of `length` numbers over all `jobs`, in parallel: `work` adds the part of each job to zeros. The sums are added
/// in the order of the jobs, so that they do not depend on the number of threads if the jobs do not.
pub(super) fn summed<F: Real, J: Send>(
    jobs: Vec<J>,
    length: usize,
    work: impl Fn(J, &mut [F]) + Sync,
) -> Vec<F> {
    let mut sums = vec![F::zero(); jobs.len().max(1) * length];
    if length == 0 {
        return sums;
    }
    share(jobs.into_iter().zip(sums.chunks_exact_mut(length)), |(job, sums)| work(job, sums));
    let (total, others) = sums.split_at_mut(length);
    for part in others.chunks_exact(length) {
        total.iter_mut().zip(part).for_each(|(sum, &x)| *sum = *sum + x);
    }
    total.to_vec()
}

/// Values that are copied at a time, 2 KiB of f32. The C library copies 4 KiB and more by one instruction (`rep movsb`), which
/// takes several times as long on some processors (AMD Zen 3) where both places are close to equal modulo 4 KiB.
const COPIED: usize = 512;

/// Copies `from` to `to`, of the same length.
pub(super) fn copy<F: Copy>(from: &[F], to: &mut [F]) {
    assert_eq!(from.len(), to.len(), "as many values as there are places");
    to.chunks_mut(COPIED).zip(from.chunks(COPIED)).for_each(|(to, from)| to.copy_from_slice(from));
}

/// Where [`rewrite`] and [`rewrite_or_write`] cannot work in place, results of at least so many values, 8 MiB, are written
/// past the cache.
const PAST_CACHE: usize = 2 * 1024 * 1024;

/// As [`copy`], but past the caches, which would first read from memory what is overwritten anyway.
#[cfg(target_arch = "x86_64")]
fn copy_past_cache(from: &[f32], to: &mut [f32]) {
    use std::arch::x86_64::{__m128, _mm_loadu_ps, _mm_sfence, _mm_stream_ps};
    assert_eq!(from.len(), to.len(), "as many values as there are places");
    // SAFETY: a vector is four values, of any bits.
    let (start, vectors, end) = unsafe { to.align_to_mut::<__m128>() };
    let (from_start, from) = from.split_at(start.len());
    let (from_vectors, from_end) = from.as_chunks::<4>();
    start.copy_from_slice(from_start);
    for (to, from) in vectors.iter_mut().zip(from_vectors) {
        // SAFETY: `to` is aligned, and `from` has four values.
        unsafe { _mm_stream_ps(std::ptr::from_mut(to).cast(), _mm_loadu_ps(from.as_ptr())) };
    }
    end.copy_from_slice(from_end);
    // SAFETY: always allowed. Other threads see the vectors before what this thread writes next.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
use copy as copy_past_cache;

/// A tensor on the CPU after `work` on its blocks, as in [`for_each_block`]: in place where no clone shares its values,
/// and otherwise on a copy, which is made piece by piece.
pub(super) fn rewrite(
    x: Tensor,
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [f32]) + Send + Sync,
) -> Tensor {
    rewrite_or_write(x, width, cost, &work, |row, x, y| {
        copy(x, y);
        work(row, y);
    })
}

/// As [`rewrite`], with sums of `length` numbers, to which `work` adds the part of each block; see [`summed`].
pub(super) fn rewrite_and_sum(
    x: Tensor,
    width: usize,
    length: usize,
    work: impl Fn(usize, &mut [f32], &mut [f32]) + Send + Sync,
) -> (Tensor, Vec<f32>) {
    let (shape, rows) = (x.shape().clone(), summed_rows(width));
    let (mut values, source) = match x.into_values() {
        Ok(values) => (values, None),
        Err(shared) => (any_values(shape.len()), Some(shared)),
    };
    let source = source.as_ref().and_then(Tensor::as_slice);
    let blocks = values.chunks_mut((rows * width).max(1)).enumerate().collect();
    let sums = summed(blocks, length, |(block, values), sums| {
        if let Some(source) = source {
            copy(&source[block * rows * width..][..values.len()], values);
        }
        work(block * rows, values, sums);
    });
    (Tensor::on_cpu(shape, values), sums)
}

/// As [`rewrite`], but where a clone shares the values, `write` computes each piece of the result from the piece of x.
pub(super) fn rewrite_or_write(
    x: Tensor,
    width: usize,
    cost: usize,
    rewrite: impl Fn(usize, &mut [f32]) + Send + Sync,
    write: impl Fn(usize, &[f32], &mut [f32]) + Send + Sync,
) -> Tensor {
    let shape = x.shape().clone();
    let shared = match x.into_values() {
        Ok(mut values) => {
            for_each_block(&mut values, width, cost, rewrite);
            return Tensor::on_cpu(shape, values);
        }
        Err(shared) => shared,
    };
    let x = shared.as_slice().expect("x is on the CPU");
    let mut y = any_values(x.len());
    let past_cache = cfg!(target_arch = "x86_64") && y.len() >= PAST_CACHE;
    let piece = (PIECE / width.max(1)).max(1) * width;
    for_each_block(&mut y, width, cost + ADDITION, |first, y| {
        let pieces = x[first * width..].chunks(piece).zip(y.chunks_mut(piece));
        let mut written = vec![0.0; if past_cache { piece } else { 0 }];
        for (row, (x, y)) in (first..).step_by(piece / width).zip(pieces) {
            let x = &x[..y.len()];
            if past_cache {
                let written = &mut written[..y.len()];
                write(row, x, written);
                copy_past_cache(written, y);
            } else {
                write(row, x, y);
            }
        }
    });
    Tensor::on_cpu(shape, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;

    #[test]
    fn every_row_is_met_once_and_knows_its_number() {
        for (rows, width, cost) in [(1, 1, 1), (7, 3, 1), (5000, 33, 1), (3, 100_000, 50), (40_000, 1, 50)] {
            let mut values = vec![0usize; rows * width];
            for_each_block(&mut values, width, cost, |first, block| {
                assert_eq!(block.len() % width, 0);
                for (i, value) in block.iter_mut().enumerate() {
                    *value += first + i / width + 1;
                }
            });
            assert!(values.iter().enumerate().all(|(i, value)| *value == i / width + 1), "{rows} x {width}");
        }
    }

    #[test]
    fn sums_over_blocks_do_not_depend_on_who_holds_the_rows() {
        for (rows, width) in [(1, 1), (3, 7), (5000, 33), (3, 40_000)] {
            let values: Vec<f32> = (0..rows * width).map(|i| (i % 13) as f32).collect();
            let x = Tensor::new([(Axis::Row, rows), (Axis::Column, width)], values.clone()).unwrap();
            let double = |first: usize, block: &mut [f32], sums: &mut [f32]| {
                assert_eq!(values[first * width], block[0]);
                sums[1] += block.iter().sum::<f32>();
                block.iter_mut().for_each(|x| *x *= 2.0);
            };
            for x in [x.clone(), x] {
                let (y, sums) = rewrite_and_sum(x, width, 2, double);
                assert_eq!(sums, [0.0, values.iter().sum()], "{rows} x {width}");
                assert!(y.as_slice().unwrap().iter().zip(&values).all(|(y, x)| *y == 2.0 * x));
            }
        }
    }

    #[test]
    fn a_copy_past_the_cache_is_a_copy() {
        let from: Vec<f32> = (0..100).map(|i| i as f32).collect();
        for (first, length) in (0..8).flat_map(|first| [0, 1, 4, 17, 64, 92].map(|length| (first, length))) {
            let mut to = vec![-1.0; 100];
            copy_past_cache(&from[first..][..length], &mut to[first..][..length]);
            for (i, &value) in to.iter().enumerate() {
                assert_eq!(value, if (first..first + length).contains(&i) { i as f32 } else { -1.0 });
            }
        }
    }

    #[test]
    fn every_piece_of_a_copy_is_at_its_place() {
        for (rows, width) in
            [(3, 33), (400, 33), (3, PIECE + 904), (PAST_CACHE / 33 + 2, 33), (450, PIECE + 904)]
        {
            let values: Vec<f32> = (0..rows * width).map(|i| (i % 8191) as f32).collect();
            let x = Tensor::new([(Axis::Row, rows), (Axis::Column, width)], values.clone()).unwrap();
            let y = rewrite(x.clone(), width, 1, |first, block| {
                assert_eq!(block.len() % width, 0);
                for (i, value) in block.iter_mut().enumerate() {
                    *value += (first + i / width) as f32;
                }
            });
            let want = |i: usize| values[i] + (i / width) as f32;
            assert!(y.as_slice().unwrap().iter().enumerate().all(|(i, &y)| y == want(i)), "{rows} x {width}");
            assert_eq!(x.as_slice().unwrap(), values);
        }
    }

    #[test]
    fn a_tensor_that_somebody_holds_stays_as_it_is() {
        for count in [5, 300_000, PAST_CACHE + 5] {
            let x = Tensor::new([(Axis::Row, count)], vec![1.0; count]).unwrap();
            let double = |_: usize, block: &mut [f32]| block.iter_mut().for_each(|x| *x *= 2.0);
            let y = rewrite(x.clone(), 1, 1, double);
            assert_eq!((x.as_slice().unwrap()[count - 1], y.as_slice().unwrap()[count - 1]), (1.0, 2.0));
            let place = y.as_slice().unwrap().as_ptr();
            let z = rewrite(y, 1, 1, double);
            assert_eq!(z.as_slice().unwrap().as_ptr(), place, "nobody else held it");
            assert!(z.as_slice().unwrap().iter().all(|&z| z == 4.0));
        }
    }
}
