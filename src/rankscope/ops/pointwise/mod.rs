//! Functions of one number, element by element: the activation functions between two linear layers, and the feature
//! maps of linear attention. One [`table`] has them all.

pub(crate) mod cpu;
pub(super) mod table;

use std::fmt;

use crate::error::Result;
use crate::ops::blocks::{rewrite, rewrite_or_write};
use crate::ops::launch::{buffer, launch, quads};
use crate::tape;
use crate::tensor::Tensor;

pub use table::Pointwise;

/// f(x), element by element.
///
/// **Shapes**: any; the result as x.
///
/// **Conventions**: a NaN stays NaN. In f32, results have a relative error of at most 10⁻⁵.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{Pointwise, pointwise}};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 200.])?;
/// assert_eq!(pointwise(&x, Pointwise::Sigmoid)?.to_vec()?, [0., 0.5, 1.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn pointwise(x: impl Into<Tensor>, f: Pointwise) -> Result<Tensor> {
    let (tape, [x]) = tape::begin(f.name(), [x.into()])?;
    let kept = tape.as_ref().map(|_| x.clone());
    let y = if x.as_slice().is_some() {
        rewrite_or_write(x, 1, f.cost(), |_, x| f.apply(x), |_, x, y| f.apply_to(x, y))
    } else {
        let kernel = f.kernel();
        let (params, workgroups) = quads(kernel, &x)?;
        launch(kernel, params, &[("x", buffer(kernel, &x)?)], x.shape().clone(), workgroups)?
    };
    Ok(tape::record_in_place(tape, y, move |dy| {
        Ok(vec![Some(backward(kept.expect("kept where there is a tape"), dy, f)?)])
    }))
}

/// ∂x = f′(x) · ∂y, element by element.
fn backward(x: Tensor, dy: Tensor, f: Pointwise) -> Result<Tensor> {
    if let Some(x) = x.as_slice() {
        return Ok(rewrite(dy, 1, f.cost(), |first, dy| f.apply_backward(&x[first..first + dy.len()], dy)));
    }
    let kernel = f.backward_kernel();
    let (params, workgroups) = quads(kernel, &x)?;
    let inputs = [("x", buffer(kernel, &x)?), ("dy", buffer(kernel, &dy)?)];
    launch(kernel, params, &inputs, x.shape().clone(), workgroups)
}

/// Which formula computes GELU; they differ by at most 4.74·10⁻⁴.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeluForm {
    /// x · Φ(x), with Φ the normal distribution function, ½ (1 + erf(x/√2)): BERT.
    Exact,
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))): GPT-1, GPT-2, T5 1.1.
    Tanh,
}

impl From<GeluForm> for Pointwise {
    fn from(form: GeluForm) -> Self {
        match form {
            GeluForm::Exact => Pointwise::GeluExact,
            GeluForm::Tanh => Pointwise::GeluTanh,
        }
    }
}

/// The Gaussian error linear unit: [`pointwise`] with the function of `form`.
///
/// # Errors
/// As [`pointwise`].
///
/// **Source**: Hendrycks & Gimpel 2016 (arXiv 1606.08415), section 2.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{GeluForm, gelu}};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-20., 0., 20.])?;
/// assert_eq!(gelu(&x, GeluForm::Exact)?.to_vec()?, [0., 0., 20.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn gelu(x: impl Into<Tensor>, form: GeluForm) -> Result<Tensor> {
    pointwise(x, form.into())
}

/// The sigmoid linear unit, [`Pointwise::Silu`].
///
/// With [`multiply`](super::multiply) it makes SwiGLU: SiLU(x·W₁ᵀ) · (x·W₃ᵀ).
///
/// # Errors
/// As [`pointwise`].
///
/// **Source**: Elfwing, Uchibe & Doya 2017 (arXiv 1702.03118), equation 9.
///
/// ```
/// use rankscope::{Axis, Tensor, ops::silu};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 200.])?;
/// assert_eq!(silu(&x)?.to_vec()?, [0., 0., 200.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn silu(x: impl Into<Tensor>) -> Result<Tensor> {
    pointwise(x, Pointwise::Silu)
}

/// The hyperbolic tangent, [`Pointwise::Tanh`].
///
/// # Errors
/// As [`pointwise`].
///
/// ```
/// use rankscope::{Axis, Tensor, ops::tanh};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 200.])?;
/// assert_eq!(tanh(&x)?.to_vec()?, [-1., 0., 1.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn tanh(x: impl Into<Tensor>) -> Result<Tensor> {
    pointwise(x, Pointwise::Tanh)
}

/// The function φ that turns queries and keys into non-negative features; their number stays D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureMap {
    /// elu(x) + 1: x + 1 for x > 0, eˣ otherwise. Always positive, so that every query gives every key some weight.
    EluPlusOne,
    /// max(x, 0). A query and a key without a common positive feature have the score 0.
    Relu,
}

impl FeatureMap {
    /// Both feature maps, in the order in which the book explains them.
    pub const ALL: [FeatureMap; 2] = [FeatureMap::EluPlusOne, FeatureMap::Relu];

    /// Its name in settings.
    pub fn label(self) -> &'static str {
        match self {
            FeatureMap::EluPlusOne => "elu+1",
            FeatureMap::Relu => "relu",
        }
    }
}

impl fmt::Display for FeatureMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl From<FeatureMap> for Pointwise {
    fn from(map: FeatureMap) -> Self {
        match map {
            FeatureMap::EluPlusOne => Pointwise::EluPlusOne,
            FeatureMap::Relu => Pointwise::Relu,
        }
    }
}

/// φ(x): [`pointwise`] with a feature map.
///
/// **Conventions**: elu(x) + 1 is positive in exact arithmetic; in f32 it is 0 below x ≈ −104, and it may be 0 below x
/// ≈ −87 on a GPU, because a GPU may round subnormal numbers to 0.
///
/// # Errors
/// As [`pointwise`].
///
/// **Source**: Katharopoulos et al. 2020 (arXiv 2006.16236), equation 7 (elu + 1).
///
/// ```
/// use rankscope::{Axis, Tensor, ops::{FeatureMap, feature_map}};
/// let x = Tensor::new([(Axis::Width, 3)], vec![-200., 0., 2.])?;
/// assert_eq!(feature_map(&x, FeatureMap::EluPlusOne)?.to_vec()?, [0., 1., 3.]);
/// assert_eq!(feature_map(&x, FeatureMap::Relu)?.to_vec()?, [0., 0., 2.]);
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn feature_map(x: impl Into<Tensor>, map: FeatureMap) -> Result<Tensor> {
    pointwise(x, map.into())
}
