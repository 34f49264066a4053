//! The gradients of attention without the n × n matrix, in memory linear in T and S.

pub(super) mod cpu;
pub(in crate::ops) mod gpu;

use super::cpu::Visible;
use super::{AttentionSizes, inputs, values};
use crate::error::Result;
use crate::mask::{Mask, Padding};
use crate::run::Run;
use crate::tensor::Tensor;

/// The tensors that the gradients need from the forward pass.
pub(super) struct Kept {
    /// q, k and v.
    pub(super) inputs: [Tensor; 3],
    pub(super) sinks: Option<Tensor>,
    pub(super) context: Tensor,
    /// The log sums that [`attend`](super::cpu::attend) returns; a GPU computes them again.
    pub(super) log_sums: Vec<f32>,
    pub(super) factor: f32,
    pub(super) sizes: AttentionSizes,
    pub(super) masks: Vec<Mask>,
    pub(super) first_query: usize,
    pub(super) padding: Option<Padding>,
    pub(super) run: Run,
}

impl Kept {
    /// The gradients of q, k, v and, where there are any, sinks; see [`cpu::online_attention`].
    pub(super) fn gradients(self, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let visible =
            Visible { masks: self.masks, first_query: self.first_query, padding: self.padding.as_ref() };
        let [q, k, v] = self.inputs.each_ref();
        let sinks = self.sinks.as_ref();
        if dy.device().is_gpu() {
            let call = gpu::Call { context: &self.context, factor: self.factor, sinks, dy };
            return gpu::online_attention([q, k, v], &self.sizes, &visible, &call, &self.run);
        }
        let past = cpu::Past {
            inputs: &inputs([q, k, v], self.factor, sinks, &self.sizes, &visible),
            context: values(&self.context),
            log_sums: &self.log_sums,
            dy: values(dy),
        };
        let found = cpu::online_attention(&past, &self.run)?;
        let arguments = [q, k, v].into_iter().chain(sinks);
        let gradients = [found.q, found.k, found.v, found.sinks];
        Ok(arguments.zip(gradients).map(|(x, dx)| Some(Tensor::on_cpu(x.shape().clone(), dx))).collect())
    }
}
