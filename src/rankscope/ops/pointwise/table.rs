//! The table of functions: for each its name, its formula, its derivative, and both as the CPU and the GPU compute them.

use std::f64::consts::{FRAC_2_PI, PI};

use crate::device::gpu::Kernel;
use crate::ops::Real;
use crate::ops::launch::Quads;
use crate::ops::vectorised::vectorised;

/// Makes the enum, its kernels and its loops from the rows of the table. `cost` is that of [`crate::ops::blocks`].
macro_rules! functions {
    ($($(#[$about:meta])* $name:ident {
        name: $label:literal,
        formula: $formula:literal,
        derivative: $derivative:literal,
        cost: $cost:literal,
        f: |$x:ident| $value:expr,
        slope: |$at:ident| $slope:expr,
        wgsl: $wgsl:literal,
        wgsl_slope: $wgsl_slope:literal,
    })*) => {
        /// A function of one number, which [`pointwise`](super::pointwise) applies to every element.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Pointwise {
            $($(#[$about])* #[doc = concat!("\n\n**Formula**: ", $formula, "\n\n**Derivative**: ", $derivative)] $name,)*
        }

        /// The kernels, one for each function.
        #[allow(non_upper_case_globals)] // the kernels have the names of the functions
        pub(in crate::ops) mod kernels {
            use super::{Kernel, Quads};

            $(pub(in crate::ops) static $name: Kernel = Kernel {
                name: $label,
                source: concat!(
                    include_str!("pointwise.wgsl"),
                    "\n// ", $formula, "\nfn f(x: vec4<f32>) -> vec4<f32> {\n    ", $wgsl, "\n}\n",
                ),
                params: Quads::FIELDS,
            };)*
        }

        /// The kernels of the gradients, one for each function.
        #[allow(non_upper_case_globals)] // the kernels have the names of the functions
        pub(in crate::ops) mod backward_kernels {
            use super::{Kernel, Quads};

            $(pub(in crate::ops) static $name: Kernel = Kernel {
                name: concat!($label, "_backward"),
                source: concat!(
                    include_str!("pointwise_backward.wgsl"),
                    "\n// ", $derivative, "\nfn slope(x: vec4<f32>) -> vec4<f32> {\n    ", $wgsl_slope, "\n}\n",
                ),
                params: Quads::FIELDS,
            };)*
        }

        impl Pointwise {
            /// All functions of the table.
            pub const ALL: &'static [Pointwise] = &[$(Pointwise::$name),*];

            /// The name of its kernel.
            pub fn name(self) -> &'static str {
                self.kernel().name
            }

            /// f(x).
            pub fn formula(self) -> &'static str {
                match self { $(Pointwise::$name => $formula),* }
            }

            /// f′(x).
            pub fn derivative(self) -> &'static str {
                match self { $(Pointwise::$name => $derivative),* }
            }

            /// The time that a value takes, in additions.
            pub(super) fn cost(self) -> usize {
                match self { $(Pointwise::$name => $cost),* }
            }

            pub(in crate::ops) fn kernel(self) -> &'static Kernel {
                match self { $(Pointwise::$name => &kernels::$name),* }
            }

            pub(in crate::ops) fn backward_kernel(self) -> &'static Kernel {
                match self { $(Pointwise::$name => &backward_kernels::$name),* }
            }

            /// Replaces every value x by f(x).
            pub(super) fn apply<F: Real>(self, values: &mut [F]) {
                match self { $(Pointwise::$name => {
                    vectorised! {
                        fn all[F: Real](values: &mut [F]) {
                            for value in values {
                                let $x = *value;
                                *value = $value;
                            }
                        }
                    }
                    all(values);
                })* }
            }

            /// y = f(x).
            pub(super) fn apply_to<F: Real>(self, x: &[F], y: &mut [F]) {
                match self { $(Pointwise::$name => {
                    vectorised! {
                        fn all[F: Real](x: &[F], y: &mut [F]) {
                            for (y, &$x) in y.iter_mut().zip(x) {
                                *y = $value;
                            }
                        }
                    }
                    all(x, y);
                })* }
            }

            /// Replaces every gradient of a result by that of its argument: ∂x = f′(x) ∂y.
            pub(super) fn apply_backward<F: Real>(self, x: &[F], gradient: &mut [F]) {
                match self { $(Pointwise::$name => {
                    vectorised! {
                        fn all[F: Real](x: &[F], gradient: &mut [F]) {
                            for (gradient, &$at) in gradient.iter_mut().zip(x) {
                                *gradient = *gradient * $slope;
                            }
                        }
                    }
                    all(x, gradient);
                })* }
            }
        }
    };
}

functions! {
    /// The Gaussian error linear unit of BERT. On a GPU erf is approximation 7.1.26 of Abramowitz & Stegun, off by at most
    /// 1.5·10⁻⁷.
    GeluExact {
        name: "gelu_exact",
        formula: "x · Φ(x), with Φ(x) = ½ (1 + erf(x/√2)) the distribution function of the normal distribution",
        derivative: "Φ(x) + x · e^(−x²/2) / √(2π)",
        cost: 4,
        // x · Φ(x) = max(x, 0) − |x| · Φ(−|x|), which below 0 does not subtract.
        f: |x| {
            let (z, tail) = x.normal_tail_fast::<FMA>();
            z.times_plus::<FMA>(-tail, if x < F::zero() { F::zero() } else { x })
        },
        slope: |x| {
            let z = limited(x, 40.0); // beyond, e^(−x²/2) is 0 also in f64
            normal::<FMA, F>(x) + z * (F::constant(-0.5) * z * z).exp_fast::<FMA>() * F::constant(1.0 / (2.0 * PI).sqrt())
        },
        wgsl: "// erfc(z) ≈ (a₁t + a₂t² + a₃t³ + a₄t⁴ + a₅t⁵) e^(−z²), t = 1/(1 + pz), z ≥ 0. Beyond 15, e^(−z²) is 0 in f32,
    // and z² could overflow.
    let z = min(abs(x) * 0.70710678, vec4(15.0));
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    // Negative x use erfc itself, so that a small result is not computed as a difference of numbers near 1.
    let tail = 0.5 * sum * exp(-z * z);
    return x * select(1.0 - tail, tail, x < vec4(0.0));",
        wgsl_slope: "// Not clamp, which may turn a NaN into an end.
    let low = select(x, vec4(-20.0), x < vec4(-20.0));
    let c = select(low, vec4(20.0), low > vec4(20.0));
    // Φ(c) as in gelu_exact; beyond 20 the second term is 0.
    let z = abs(c) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let tail = 0.5 * sum * exp(-z * z);
    return select(1.0 - tail, tail, c < vec4(0.0)) + c * exp(-0.5 * c * c) * 0.39894228;",
    }

    /// The approximation of the Gaussian error linear unit in GPT-1, GPT-2 and T5 1.1. Written as x / (1 + e^(−2u)), it needs
    /// no tanh, whose precision and range differ from driver to driver.
    GeluTanh {
        name: "gelu_tanh",
        formula: "½ x (1 + tanh(u)) with u = √(2/π) (x + 0.044715 x³)",
        derivative: "s + x · s (1 − s) · 2 √(2/π) (1 + 3 · 0.044715 x²) with s = ½ (1 + tanh(u))",
        cost: 3,
        f: |x| x * gelu_gate::<FMA, F>(x),
        slope: |x| {
            let (gate, x) = (gelu_gate::<FMA, F>(x), limited(x, 40.0)); // beyond, the gate is 0 or 1
            let inner = F::constant(2.0 * FRAC_2_PI.sqrt()) * (F::one() + F::constant(3.0 * 0.044715) * x * x);
            gate + x * gate * (F::one() - gate) * inner
        },
        wgsl: "// From 10 on the quotient is 1 and from -10 down it is 0, in f32; further out e^(−2u) would overflow.
    // Not clamp, which may turn a NaN into one of the limits.
    let below = select(x, vec4(-10.0), x < vec4(-10.0));
    let c = select(below, vec4(10.0), below > vec4(10.0));
    let twice_u = 1.5957691 * (c + 0.044715 * c * c * c);
    return below / (1.0 + exp(-twice_u));",
        wgsl_slope: "// Not clamp, which may turn a NaN into an end.
    let low = select(x, vec4(-10.0), x < vec4(-10.0));
    let c = select(low, vec4(10.0), low > vec4(10.0));
    let gate = 1.0 / (1.0 + exp(-1.5957691 * (c + 0.044715 * c * c * c)));
    return gate + c * gate * (1.0 - gate) * 1.5957691 * (1.0 + 0.134145 * c * c);",
    }

    /// The sigmoid linear unit.
    Silu {
        name: "silu",
        formula: "x · σ(x) = x / (1 + e^(−x))",
        derivative: "σ(x) (1 + x (1 − σ(x)))",
        cost: 3,
        f: |x| x / (-x).one_plus_exp_fast::<FMA>(),
        slope: |x| logistic::<FMA, F>(x) * (F::one() + limited(x, 1e3) * logistic::<FMA, F>(-x)),
        wgsl: "// e^88 is the last that f32 holds; from there down the quotient is 0 for all that matters. A NaN is no less and stays.
    let c = select(x, vec4(-88.0), x < vec4(-88.0));
    return c / (1.0 + exp(-c));",
        wgsl_slope: "// Not clamp, which may turn a NaN into an end.
    let low = select(x, vec4(-88.0), x < vec4(-88.0));
    let c = select(low, vec4(88.0), low > vec4(88.0));
    let gate = 1.0 / (1.0 + exp(-c));
    return gate * (1.0 + c / (1.0 + exp(c)));",
    }

    /// The logistic function.
    Sigmoid {
        name: "sigmoid",
        formula: "σ(x) = 1 / (1 + e^(−x))",
        derivative: "σ(x) (1 − σ(x))",
        cost: 3,
        f: |x| logistic::<FMA, F>(x),
        slope: |x| logistic::<FMA, F>(x) * logistic::<FMA, F>(-x),
        wgsl: "// As in silu.
    let c = select(x, vec4(-88.0), x < vec4(-88.0));
    return 1.0 / (1.0 + exp(-c));",
        wgsl_slope: "// Not clamp, which may turn a NaN into an end.
    let low = select(x, vec4(-88.0), x < vec4(-88.0));
    let c = select(low, vec4(88.0), low > vec4(88.0));
    return 1.0 / ((1.0 + exp(-c)) * (1.0 + exp(c)));",
    }

    /// The hyperbolic tangent.
    Tanh {
        name: "tanh",
        formula: "tanh(x) = (e^x − e^(−x)) / (e^x + e^(−x))",
        derivative: "1 − tanh²(x) = 4 σ(2x) σ(−2x)",
        cost: 3,
        f: |x| x.tanh_fast::<FMA>(),
        slope: |x| F::constant(4.0) * logistic::<FMA, F>(x + x) * logistic::<FMA, F>(-(x + x)),
        wgsl: "// Beyond 10 the result is ±1 to the last bit, and some built-in functions overflow on their way there. Not clamp,
    // which may turn a NaN into an end.
    let c = select(x, vec4(-10.0), x < vec4(-10.0));
    return tanh(select(c, vec4(10.0), c > vec4(10.0)));",
        wgsl_slope: "// Not clamp, which may turn a NaN into an end.
    let low = select(x, vec4(-44.0), x < vec4(-44.0));
    let c = select(low, vec4(44.0), low > vec4(44.0));
    return 4.0 / ((1.0 + exp(-2.0 * c)) * (1.0 + exp(2.0 * c)));",
    }

    /// The rectified linear unit. Its derivative at 0, where it has none, is taken as 0.
    Relu {
        name: "relu",
        formula: "max(x, 0)",
        derivative: "1 for x > 0, otherwise 0",
        cost: 1,
        f: |x| if x < F::zero() { F::zero() } else { x }, // so that a NaN stays one
        slope: |x| if x > F::zero() { F::one() } else if x.is_nan() { x } else { F::zero() },
        wgsl: "return select(x, vec4(0.0), x < vec4(0.0)); // not max, which may turn a NaN into 0",
        wgsl_slope: "return select(select(vec4(0.0), vec4(1.0), x > vec4(0.0)), x, x != x);",
    }

    /// elu(x) + 1, always positive.
    EluPlusOne {
        name: "elu_plus_one",
        formula: "x + 1 for x > 0, otherwise e^x",
        derivative: "1 for x > 0, otherwise e^x",
        cost: 3,
        f: |x| if x > F::zero() { x + F::one() } else { x.exp_fast::<FMA>() },
        slope: |x| if x > F::zero() { F::one() } else { x.exp_fast::<FMA>() },
        wgsl: "// The exponent is 0 where the line is taken, so that it cannot overflow; a NaN takes the exponential.
    return select(exp(x - max(x, vec4(0.0))), x + 1.0, x > vec4(0.0));",
        wgsl_slope: "return select(exp(x - max(x, vec4(0.0))), vec4(1.0), x > vec4(0.0));",
    }
}

/// Φ(x) = ½ (1 + erf(x/√2)), computed below 0 from erfc = 1 − erf, so that a small result is not a difference of
/// numbers near 1.
#[inline(always)]
fn normal<const FMA: bool, F: Real>(x: F) -> F {
    let (_, tail) = x.normal_tail_fast::<FMA>();
    if x < F::zero() { tail } else { F::one() - tail }
}

/// ½ (1 + tanh u) = 1 / (1 + e^(−2u)), which needs one exponential and no subtraction.
#[inline(always)]
fn gelu_gate<const FMA: bool, F: Real>(x: F) -> F {
    let u = F::constant(FRAC_2_PI.sqrt()) * (x + F::constant(0.044715) * x * x * x);
    F::one() / (-(u + u)).one_plus_exp_fast::<FMA>()
}

/// σ(x) = 1 / (1 + e^(−x)).
#[inline(always)]
pub(in crate::ops) fn logistic<const FMA: bool, F: Real>(x: F) -> F {
    F::one() / (-x).one_plus_exp_fast::<FMA>()
}

/// x limited to the range −limit … limit; a NaN stays a NaN.
#[inline(always)]
fn limited<F: Real>(x: F, limit: f64) -> F {
    let limit = F::constant(limit);
    let x = if x > limit { limit } else { x };
    if x < -limit { -limit } else { x }
}
