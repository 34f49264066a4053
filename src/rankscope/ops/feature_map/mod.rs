//! The feature maps of linear attention.

pub(crate) mod cpu;
pub(super) mod gpu;

use std::fmt;

use crate::error::Result;
use crate::tensor::Tensor;

/// Which φ turns queries and keys into non-negative features; both keep their number, D.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureMap {
    /// elu(x) + 1: x + 1 for x > 0, eˣ otherwise. Always positive, so that no two tokens are strangers.
    EluPlusOne,
    /// max(x, 0). A query and a key without a common positive feature do not see each other.
    Relu,
}

impl FeatureMap {
    /// Both, in the order in which they are taught.
    pub const ALL: [FeatureMap; 2] = [FeatureMap::EluPlusOne, FeatureMap::Relu];

    /// As it is written in settings.
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

/// φ(x), element by element.
///
/// **Shapes**: any; the result as x.
///
/// **Conventions**: elu(x) + 1 is positive in exact arithmetic; in f32 it is 0 below x ≈ −104, and it may
/// be 0 below x ≈ −87 on a GPU, which need not keep subnormal numbers. A NaN stays NaN.
///
/// # Errors
/// [`Error::Gpu`](crate::Error::Gpu) if the GPU fails.
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
pub fn feature_map(x: &Tensor, map: FeatureMap) -> Result<Tensor> {
    match x.as_slice() {
        Some(values) => {
            let mut y = values.to_vec();
            cpu::feature_map(&mut y, map);
            Ok(Tensor::on_cpu(x.shape().clone(), y))
        }
        None => gpu::feature_map(x, map),
    }
}
