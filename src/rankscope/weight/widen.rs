//! Numbers of a weight as f32: eight at a time where the processor can.

use half::{bf16, f16};

use super::Dtype;

/// The numbers of `bytes`, which may begin anywhere, as f32 in `y`.
///
/// # Panics
/// If `bytes` does not hold as many numbers as `y` has.
pub(super) fn widen(bytes: &[u8], dtype: Dtype, y: &mut [f32]) {
    assert_eq!(bytes.len(), y.len() * dtype.size_bytes());
    #[cfg(target_arch = "x86_64")]
    if x86::is_there() {
        // SAFETY: the processor has the instructions.
        return unsafe { x86::widen(bytes, dtype, y) };
    }
    one_by_one(bytes, dtype, y);
}

fn one_by_one(bytes: &[u8], dtype: Dtype, y: &mut [f32]) {
    fn each<const SIZE: usize>(bytes: &[u8], y: &mut [f32], widen: impl Fn([u8; SIZE]) -> f32) {
        y.iter_mut().zip(bytes.as_chunks().0).for_each(|(y, bytes)| *y = widen(*bytes));
    }
    match dtype {
        Dtype::F32 => each(bytes, y, f32::from_ne_bytes),
        Dtype::F16 => each(bytes, y, |bytes| f16::from_ne_bytes(bytes).to_f32()),
        Dtype::Bf16 => each(bytes, y, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
    }
}

/// With AVX2, FMA and F16C, which every x86 processor of the last ten years has.
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use std::arch::x86_64::*;

    use crate::weight::Dtype;

    /// The number of the dtype f32, as a const parameter of the functions here.
    pub const F32: u8 = 0;
    /// The number of f16.
    pub const F16: u8 = 1;
    /// The number of bf16.
    pub const BF16: u8 = 2;

    /// Whether this processor has the instructions. The standard library remembers the answer.
    pub fn is_there() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn widen(bytes: &[u8], dtype: Dtype, y: &mut [f32]) {
        match dtype {
            Dtype::F32 => all::<F32>(bytes, dtype, y),
            Dtype::F16 => all::<F16>(bytes, dtype, y),
            Dtype::Bf16 => all::<BF16>(bytes, dtype, y),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn all<const KIND: u8>(bytes: &[u8], dtype: Dtype, y: &mut [f32]) {
        let size = dtype.size_bytes();
        let (eights, rest) = y.as_chunks_mut::<8>();
        let (first, last) = bytes.split_at(eights.len() * 8 * size);
        for (y, bytes) in eights.iter_mut().zip(first.chunks_exact(8 * size)) {
            // SAFETY: eight numbers can be read, and eight written.
            unsafe { _mm256_storeu_ps(y.as_mut_ptr(), eight::<KIND>(bytes.as_ptr())) };
        }
        super::one_by_one(last, dtype, rest);
    }

    /// Eight numbers of the dtype `KIND`, widened to f32.
    ///
    /// # Safety
    /// Eight numbers of this dtype can be read from `at`.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub unsafe fn eight<const KIND: u8>(at: *const u8) -> __m256 {
        // SAFETY: the caller's promise; no load asks for alignment.
        unsafe {
            match KIND {
                F32 => _mm256_loadu_ps(at.cast()),
                F16 => _mm256_cvtph_ps(_mm_loadu_si128(at.cast())),
                _ => {
                    let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast()));
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of 16 bits, at an address that is not aligned for vectors, and also fewer than
    /// eight numbers.
    #[test]
    fn every_half_is_the_same_number() {
        let mut bytes = vec![0];
        bytes.extend((0..=u16::MAX).flat_map(u16::to_ne_bytes));
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        for count in [1 << 16, 13, 7, 0] {
            for (dtype, number) in [
                (Dtype::F16, (|bits| f16::from_bits(bits).to_f32()) as fn(u16) -> f32),
                (Dtype::Bf16, |bits| f32::from_bits(u32::from(bits) << 16)),
            ] {
                let mut y = vec![f32::NAN; count];
                widen(&bytes[1..][..2 * count], dtype, &mut y);
                for (bits, &y) in (0..=u16::MAX).zip(&y) {
                    assert!(same(y, number(bits)), "{dtype} {bits:#x}: {y}");
                }
            }
        }
    }

    #[test]
    fn single_precision_is_copied() {
        let values: Vec<f32> = (0..21).map(|i| i as f32 / 3.0).collect();
        let mut y = vec![f32::NAN; values.len()];
        widen(bytemuck::cast_slice(&values), Dtype::F32, &mut y);
        assert_eq!(y, values);
    }
}
