//! Dropout on plain slices, in place.

use crate::ops::Real;
use crate::ops::blocks::{SOFTMAX, for_each_block};
use crate::ops::vectorised::vectorised;

/// The rule by which numbers are left out, and the factor of the others.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Rule {
    /// The seed, its low half first.
    pub(in crate::ops) key: [u32; 2],
    /// p·2³²: a number is left out where its random word is below this.
    pub(in crate::ops) threshold: u32,
    /// 1 / (1 − p).
    pub(in crate::ops) factor: f64,
}

impl Rule {
    /// For a rate below 1.
    pub(in crate::ops) fn new(rate: f64, seed: u64) -> Self {
        let threshold = (rate * 2f64.powi(32)).round() as u32;
        Rule { key: [seed as u32, (seed >> 32) as u32], threshold, factor: 1.0 / (1.0 - rate) }
    }
}

/// Numbers are left out, and the others divided by 1 − `rate`; see [`dropout`](crate::ops::dropout).
pub fn dropout<F: Real>(values: &mut [F], rate: f64, seed: u64) {
    let rule = Rule::new(rate, seed);
    for_each_block(values, 2, SOFTMAX, |first, values| leave_out(values, first, rule));
}

vectorised! {
    /// [`dropout`] for the part of all values that begins with pair `first`.
    pub(super) fn leave_out[F: Real](values: &mut [F], first: usize, rule: Rule) {
        let factor = F::from(rule.factor).unwrap_or_else(F::one);
        let of = |x: F, word: u32| if word < rule.threshold { F::zero() } else { x * factor };
        let (pairs, rest) = values.as_chunks_mut::<2>();
        let end = first + pairs.len();
        for (counter, [x, y]) in (first as u64..).zip(pairs) {
            let words = threefry(counter, rule.key);
            (*x, *y) = (of(*x, words[0]), of(*y, words[1]));
        }
        if let [x] = rest {
            *x = of(*x, threefry(end as u64, rule.key)[0]);
        }
    }
}

/// Threefry-2x32-20: two pseudo-random words from a counter and a key.
///
/// **Source**: Salmon et al. 2011; the constants are those of the authors' code, Random123.
#[inline(always)]
fn threefry(counter: u64, key: [u32; 2]) -> [u32; 2] {
    const TURNS: [u32; 8] = [13, 15, 26, 6, 17, 29, 16, 24];
    let keys = [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]];
    let mut x = (counter as u32).wrapping_add(keys[0]);
    let mut y = ((counter >> 32) as u32).wrapping_add(keys[1]);
    for group in 0..5 {
        for round in 0..4 {
            x = x.wrapping_add(y);
            y = y.rotate_left(TURNS[group % 2 * 4 + round]) ^ x;
        }
        x = x.wrapping_add(keys[(group + 1) % 3]);
        y = y.wrapping_add(keys[(group + 2) % 3]).wrapping_add(group as u32 + 1);
    }
    [x, y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The known answers for 20 rounds that come with Random123 (kat_vectors).
        assert_eq!(threefry(0, [0, 0]), [0x6b20_0159, 0x99ba_4efe]);
        assert_eq!(threefry(u64::MAX, [u32::MAX; 2]), [0x1cb9_96fc, 0xbb00_2be7]);
        let pi = threefry(0x85a3_08d3_243f_6a88, [0x1319_8a2e, 0x0370_7344]);
        assert_eq!(pi, [0xc492_3a9c, 0x483d_f7a0]);
    }

    #[test]
    fn a_number_is_left_out_by_its_place_alone() {
        let dropped = |count: usize, seed| {
            let mut values = vec![1.0f64; count];
            dropout(&mut values, 0.3, seed);
            values
        };
        // Blocks on all threads give the same as one block after the other, and as each pair alone.
        let (long, rule) = (dropped(300_001, 5), Rule::new(0.3, 5));
        let mut short = vec![1.0; 300_001];
        short.chunks_mut(2).enumerate().for_each(|(first, pair)| leave_out(pair, first, rule));
        assert_eq!(long, short);
        assert_eq!(dropped(1001, 5), long[..1001]);
        assert_ne!(dropped(1001, 6), long[..1001]);
        assert_ne!(dropped(1001, 5 + (1 << 32)), long[..1001]);
        // A share of 0.3 is left out, to within three standard deviations √(0.3 · 0.7 · n); the mean stays 1.
        let (zeros, n) = (long.iter().filter(|&&x| x == 0.0).count() as f64, long.len() as f64);
        assert!((zeros - 0.3 * n).abs() < 3.0 * (0.21 * n).sqrt(), "{zeros}");
        assert!(long.iter().all(|&x| x == 0.0 || x == 1.0 / (1.0 - 0.3)));
        // Neighbours are left out independently of each other, also the two words of one counter.
        for (distance, skipped) in [(1, 0), (1, 1), (2, 0)] {
            let both = (skipped..long.len() - distance).step_by(2);
            let both = both.filter(|&i| long[i] == 0.0 && long[i + distance] == 0.0).count() as f64;
            assert!((both - 0.09 * n / 2.0).abs() < 3.0 * (0.09 * 0.91 * n / 2.0).sqrt(), "{both}");
        }
    }
}
