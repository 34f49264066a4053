//! Host side of `elu_plus_one.wgsl` and `relu.wgsl`.

use super::FeatureMap;
use crate::device::gpu::Kernel;
use crate::error::Result;
use crate::ops::launch::{Quads, buffer, launch, quads};
use crate::tensor::Tensor;

pub(in crate::ops) static ELU_PLUS_ONE: Kernel =
    Kernel { name: "feature_elu_plus_one", source: include_str!("elu_plus_one.wgsl"), params: Quads::FIELDS };

pub(in crate::ops) static RELU: Kernel =
    Kernel { name: "feature_relu", source: include_str!("relu.wgsl"), params: Quads::FIELDS };

pub(super) fn feature_map(x: &Tensor, map: FeatureMap) -> Result<Tensor> {
    let kernel = match map {
        FeatureMap::EluPlusOne => &ELU_PLUS_ONE,
        FeatureMap::Relu => &RELU,
    };
    let (params, workgroups) = quads(kernel, x)?;
    launch(kernel, params, &[("x", buffer(kernel, x)?)], x.shape().clone(), workgroups)
}
