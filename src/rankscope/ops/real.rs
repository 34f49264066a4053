//! The numbers that the CPU operations compute in, and the loops over them that a compiler turns into vectors.

/// The number type of the CPU operations: f32 or f64.
///
/// The functions in f32 have no branches, so that loops of them become vectors; `FMA` says whether the processor has an
/// instruction for a·b + c.
pub trait Real: ndarray::LinalgScalar + num_traits::Float + num_traits::FromPrimitive + Send + Sync {
    /// eˣ; in f32 to within one unit in the last place.
    fn exp_fast<const FMA: bool>(self) -> Self;

    /// 1 + eˣ, which is faster to compute than eˣ; in f32 it is infinite from x = 88.4 up, and eˣ from x = 88.8 up.
    fn one_plus_exp_fast<const FMA: bool>(self) -> Self;

    /// z = |x|, but at most a limit from which on the tail is 0, and the tail Φ(−|x|) = ½ erfc(|x|/√2) of the normal
    /// distribution; two NaNs for a NaN. In f32 the tail has a relative error of at most 10⁻⁵ wherever it is a normal number.
    fn normal_tail_fast<const FMA: bool>(self) -> (Self, Self);

    /// tanh(x); in f32 with a relative error of at most 2.5·10⁻⁷.
    fn tanh_fast<const FMA: bool>(self) -> Self;

    /// self · a + b, rounded once or twice.
    #[inline(always)]
    fn times_plus<const FMA: bool>(self, a: Self, b: Self) -> Self {
        if FMA { self.mul_add(a, b) } else { self * a + b }
    }

    /// A constant, rounded to this type.
    fn constant(value: f64) -> Self;

    /// `length` arbitrary values, which the caller overwrites. In f32 they reuse the memory of a dropped tensor.
    fn any_values(length: usize) -> Vec<Self>;
}

/// c₀ xⁿ + c₁ xⁿ⁻¹ + … + cₙ, by Horner's rule.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    // Not the array's `reduce`: in a build with assertions its checks prevent vector instructions.
    for &coefficient in &coefficients[1..] {
        sum = sum.times_plus::<FMA>(x, coefficient);
    }
    sum
}

/// As [`polynomial`], for an even number of coefficients, by Horner's rule in x² with pairs of them.
#[inline(always)]
fn pairs<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let square = x * x;
    let pair = |i: usize| coefficients[i].times_plus::<FMA>(x, coefficients[i + 1]);
    let mut sum = pair(0);
    for i in 1..N / 2 {
        sum = sum.times_plus::<FMA>(square, pair(2 * i));
    }
    sum
}

/// 1.5 · 2²³: added to a number, it leaves the nearest integer in the last bits.
const SHIFT: f32 = 12_582_912.0;

/// n of a sum n + [`SHIFT`]; arbitrary for a NaN.
#[inline(always)]
fn shifted_integer(sum: f32) -> i32 {
    (sum.to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// y and n with eˣ = y · 2ⁿ and y between 1/√2 and √2, for |x| up to 104.
///
/// **Source**: the reduction is Cody & Waite's, the polynomial that of `expf` in Moshier's Cephes library.
#[inline(always)]
fn exp_in_parts<const FMA: bool>(x: f32) -> (f32, i32) {
    /// ln 2 in two parts, so that a multiple of the first is exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    const P: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let shifted = x.times_plus::<FMA>(std::f32::consts::LOG2_E, SHIFT);
    let n = shifted - SHIFT;
    let r = n.times_plus::<FMA>(-LN_2[1], n.times_plus::<FMA>(-LN_2[0], x)); // x = n ln 2 + r, |r| ≤ ½ ln 2
    let y = polynomial::<FMA, 6>(r, P).times_plus::<FMA>(r * r, r) + 1.0;
    (y, shifted_integer(shifted))
}

/// 2ⁿ for n from −126 to 127; 0 for −127 and ∞ for 128.
#[inline(always)]
fn power_of_2(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

impl Real for f32 {
    #[inline(always)]
    fn constant(value: f64) -> f32 {
        value as f32
    }

    fn any_values(length: usize) -> Vec<f32> {
        crate::buffer::any_values(length)
    }

    #[inline(always)] // a call in a loop would prevent vector instructions
    fn exp_fast<const FMA: bool>(self) -> f32 {
        /// From here down the result is 0, and from 89 up it is infinite.
        const LEAST: f32 = -104.0;
        let (y, n) = exp_in_parts::<FMA>(self.clamp(LEAST, 89.0));
        // 2ⁿ in two factors: neither overflows where the product does not, and small results lose bits one by one.
        let rest = power_of_2(n.wrapping_sub(n >> 1));
        // Multiply by 0 here: a product that underflows is slow on most processors, and all masked scores are −∞.
        let rest = if self < LEAST { 0.0 } else { rest };
        y * power_of_2(n >> 1) * rest
    }

    #[inline(always)]
    fn one_plus_exp_fast<const FMA: bool>(self) -> f32 {
        let (y, n) = exp_in_parts::<FMA>(self.clamp(-87.0, 89.0)); // n from −126 to 128
        y.times_plus::<FMA>(power_of_2(n), 1.0)
    }

    /// e^(−x²/2) times a polynomial in 1 / (1 + z/2), z = |x|/√2, which was fitted to ½ e^(z²) erfc(z) from 0 to 9.5 for the
    /// least relative error, 4.4·10⁻⁷. e^(−x²/2) is computed as 2ⁿ⁺ᶠ, with a polynomial for 2ᶠ whose relative error is at most
    /// 1.6·10⁻⁷. Both polynomials are summed in pairs, which do not wait for each other as in Horner's rule.
    #[inline(always)]
    fn normal_tail_fast<const FMA: bool>(self) -> (f32, f32) {
        const P: [f32; 8] = [
            0.048_835_9,
            -0.196_110_07,
            0.221_705_51,
            -0.002_790_198,
            0.150_592_83,
            0.136_287_4,
            0.141_496_3,
            -1.748_137_8e-5,
        ];
        const POWER: [f32; 6] =
            [1.327_647_1e-3, 9.675_541e-3, 5.550_713e-2, 0.240_221_2, 0.693_146_94, 1.000_000_1];
        /// Here n is −127, and 2ⁿ is computed as 0.
        const LIMIT: f32 = 13.25;
        let z = if self.abs() > LIMIT { LIMIT } else { self.abs() }; // not `min`, which would replace a NaN
        let t = 1.0 / z.times_plus::<FMA>(0.5 * std::f32::consts::FRAC_1_SQRT_2, 1.0);
        let exponent = (-0.5 * std::f32::consts::LOG2_E * z) * z;
        let shifted = exponent + SHIFT;
        let f = exponent - (shifted - SHIFT); // exponent = n + f, |f| ≤ ½
        let power = pairs::<FMA, 6>(f, POWER) * power_of_2(shifted_integer(shifted));
        (z, pairs::<FMA, 8>(t, P) * power)
    }

    /// **Source**: `tanhf` in Moshier's Cephes library: a polynomial near 0, where the quotient would lose digits to a
    /// difference.
    #[inline(always)]
    fn tanh_fast<const FMA: bool>(self) -> f32 {
        const P: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8];
        let z = self * self;
        let near = (polynomial::<FMA, 5>(z, P) * z).times_plus::<FMA>(self, self);
        let far = (1.0 - 2.0 / (2.0 * self.abs()).one_plus_exp_fast::<FMA>()).copysign(self);
        if z < 0.390_625 { near } else { far }
    }
}

/// In f64 every digit matters, and the standard library's functions are accurate to the last digit.
impl Real for f64 {
    #[inline(always)]
    fn constant(value: f64) -> f64 {
        value
    }

    fn any_values(length: usize) -> Vec<f64> {
        vec![0.0; length]
    }

    #[inline(always)]
    fn exp_fast<const FMA: bool>(self) -> f64 {
        self.exp()
    }

    #[inline(always)]
    fn one_plus_exp_fast<const FMA: bool>(self) -> f64 {
        1.0 + self.exp()
    }

    #[inline(always)]
    fn normal_tail_fast<const FMA: bool>(self) -> (f64, f64) {
        const LIMIT: f64 = 40.0;
        let z = if self.abs() > LIMIT { LIMIT } else { self.abs() };
        (z, 0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2))
    }

    #[inline(always)]
    fn tanh_fast<const FMA: bool>(self) -> f64 {
        self.tanh()
    }
}

/// How many sums or maxima are computed in parallel lanes: a vector of AVX-512, two of AVX2, four of SSE.
const LANES: usize = 16;

/// Σ f(x), as several partial sums: faster and more accurate than a single sum.
#[inline(always)]
pub(super) fn sum_of<F: Real>(values: &[F], f: impl Fn(F) -> F) -> F {
    let add = |sums: &mut [F; LANES], chunk: &[F; LANES]| {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum = *sum + f(x);
        }
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (pairs, odd) = chunks.as_chunks::<2>();
    // Two vectors of sums: while an addition to one of them is in progress, the next goes to the other.
    let [mut sums, mut others] = [[F::zero(); LANES]; 2];
    for [chunk, other] in pairs {
        add(&mut sums, chunk);
        add(&mut others, other);
    }
    odd.iter().for_each(|chunk| add(&mut sums, chunk));
    let last = rest.iter().fold(F::zero(), |sum, &x| sum + f(x));
    // One after the other: the processor begins the next loop over the row before this sum is ready, so it takes no
    // extra time.
    sums.iter().zip(others).fold(last, |sum, (&a, b)| sum + (a + b))
}

/// Σ f(xᵢ, yᵢ), as several partial sums.
#[inline(always)]
pub(super) fn sum_of_pairs<F: Real>(x: &[F], y: &[F], f: impl Fn(F, F) -> F) -> F {
    let mut sums = [F::zero(); LANES];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = *sum + f(x, y);
        }
    }
    let last = x_rest.iter().zip(y_rest).fold(F::zero(), |sum, (&x, &y)| sum + f(x, y));
    sums.into_iter().fold(last, |a, b| a + b)
}

/// Joins all lanes into one number, each time one half with the other: joining them one after the other would take as
/// long as the softmax of a short row.
#[inline(always)]
fn joined<F: Real>(mut lanes: [F; LANES], join: impl Fn(F, F) -> F) -> F {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[half + i]);
        }
        half /= 2;
    }
    lanes[0]
}

/// The largest value that is not NaN; −∞ if there is none.
#[inline(always)]
pub(super) fn largest<F: Real>(values: &[F]) -> F {
    let larger = |a: F, b: F| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [F::neg_infinity(); LANES];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, x);
        }
    }
    rest.iter().fold(joined(lanes, larger), |a, &b| larger(a, b))
}

/// Replaces every x by e^(x − largest) and returns the sum.
#[inline(always)]
pub(super) fn exponentials<const FMA: bool, F: Real>(values: &mut [F], largest: F) -> F {
    let mut sums = [F::zero(); LANES];
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = (*x - largest).exp_fast::<FMA>();
            *sum = *sum + *x;
        }
    }
    let mut last = F::zero();
    for x in rest {
        *x = (*x - largest).exp_fast::<FMA>();
        last = last + *x;
    }
    last + joined(sums, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spacing of f32 numbers around `x`.
    fn spacing(x: f64) -> f64 {
        let x = (x as f32).abs().max(f32::MIN_POSITIVE);
        f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
    }

    #[test]
    fn exponentials_are_within_one_unit_in_the_last_place() {
        // A prime step, so that all exponents and all kinds of mantissas occur: four million numbers.
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            for got in [x.exp_fast::<false>(), x.exp_fast::<true>()] {
                let (got, want) = (f64::from(got), f64::from(x).exp());
                let right = match want {
                    _ if x.is_nan() => got.is_nan(),
                    want if want > f64::from(f32::MAX) => got == f64::INFINITY,
                    want => (got - want).abs() <= spacing(want),
                };
                assert!(right, "e^{x}: {got} is not {want}");
            }
        }
        assert_eq!([0.0, -0.0, f32::NEG_INFINITY].map(f32::exp_fast::<true>), [1.0, 1.0, 0.0]);
        assert_eq!([0.0, -0.0, f32::NEG_INFINITY].map(f32::exp_fast::<false>), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn hyperbolic_tangents_keep_their_digits() {
        // From 0.625 on, 2/(e^2x + 1) is at most 0.45, and its error comes from a power that is off by one unit, a sum
        // and a quotient; with the difference from 1, which is at least 0.55, that is 2.5e-7 of the result.
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            for got in [x.tanh_fast::<false>(), x.tanh_fast::<true>()] {
                let (got, want) = (f64::from(got), libm::tanh(f64::from(x)));
                let right = if x.is_nan() { got.is_nan() } else { (got - want).abs() <= 2.5e-7 * want.abs() };
                assert!(right, "tanh({x}): {got} is not {want}");
            }
        }
    }

    #[test]
    fn the_tail_of_the_normal_distribution_keeps_its_digits() {
        let both = |x: f32| [x.normal_tail_fast::<false>(), x.normal_tail_fast::<true>()];
        for i in 0..12_700 {
            let x = i as f32 / 1000.0; // Φ(−12.7) = 3e-37
            for (z, got) in both(-x) {
                let (got, want) = (f64::from(got), 0.5 * libm::erfc(f64::from(x) / 2f64.sqrt()));
                assert!(z == x && (got - want).abs() <= 1e-5 * want, "Φ(−{x}): {got} is not {want}");
            }
        }
        for x in [13.25, 40.0, f32::MAX, f32::INFINITY] {
            assert_eq!(both(x), [(13.25, 0.0); 2]);
        }
        assert!(both(f32::NAN).iter().all(|(z, tail)| z.is_nan() && tail.is_nan()));
    }

    #[test]
    fn sums_and_maxima_of_any_length() {
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 65, 100] {
            let values: Vec<f32> = (0..length).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum_of(&values, |x| 2.0 * x), values.iter().map(|x| 2.0 * x).sum::<f32>());
            let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&values), most, "{length}");
            let mut powers = values.clone();
            let sum = f64::from(exponentials::<true, f32>(&mut powers, most));
            let want: Vec<f64> = values.iter().map(|&x| f64::from(x - most).exp()).collect();
            assert!((sum - want.iter().sum::<f64>()).abs() <= 1e-6 * sum, "{length}");
            let close = |(got, want): (&f32, &f64)| (f64::from(*got) - want).abs() <= spacing(*want);
            assert!(powers.iter().zip(&want).all(close), "{length}");
        }
        for at in [3, 20, 39] {
            let mut values = [1.0f32; 40];
            values[at] = f32::NAN;
            assert!(largest(&values) == 1.0 && sum_of(&values, |x| x).is_nan(), "{at}");
            assert!(exponentials::<false, f32>(&mut values, 1.0).is_nan(), "{at}");
        }
    }
}
