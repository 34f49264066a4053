//! [`Builder`]: moves a model's tensors from a [`Source`] to the device, and keeps a record of them.

use std::collections::HashSet;

use super::block::Norm;
use super::{Checkpoint, Config, Fresh, Record, Source, task_head};
use crate::attention::Linear;
use crate::axis::{Axis, Shape};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::{slice, transpose};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// An axis and its size.
pub(super) type NamedSize = (Axis, usize);

/// Takes the tensors that a family asks for, by the names that they have in a checkpoint.
///
/// **Conventions**: in a new model, matrices are N(0, 1/in) (tables of embeddings with `in` the width, so that
/// a row has a length of about 1), gains 1 and biases 0. Logits of a normed state then have a variance of about 1, and
/// the loss of a new model is about ln V + ½ (ln V in T5, which scales its states down). T5 has no factor 1/√D in its
/// scores; instead its queries are smaller.
///
/// **Source**: LeCun, Bottou, Orr & Müller 1998, *Efficient BackProp*, section 4.6. Published models mostly draw all
/// matrices from N(0, 0.02²), which is about the same at a width of 2500 and too little at the small ones of this
/// workbench.
pub struct Builder<'a> {
    config: &'a Config,
    source: &'a mut dyn Source,
    device: &'a Device,
    taken: Vec<(String, Weight)>,
    /// Names of checkpoint tensors that are allowed but not needed.
    known: Vec<String>,
}

impl<'a> Builder<'a> {
    /// A builder for a model of `config` on `device`.
    pub fn new(config: &'a Config, source: &'a mut dyn Source, device: &'a Device) -> Self {
        Builder { config, source, device, taken: Vec::new(), known: Vec::new() }
    }

    /// The configuration of the model.
    pub(super) fn config(&self) -> &'a Config {
        self.config
    }

    /// The sizes of a tensor that the checkpoint holds.
    pub(super) fn stored_shape(&self, name: &str) -> Option<&[usize]> {
        self.source.checkpoint()?.shape(name)
    }

    /// The device on which the model will be.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Whether the checkpoint holds a tensor of that name; `fresh` for a new model.
    pub fn has(&self, name: &str, fresh: bool) -> bool {
        self.source.has(name).unwrap_or(fresh)
    }

    /// Marks `name` as not needed: it is no error if the checkpoint holds it.
    pub fn ignore(&mut self, name: &str) {
        self.known.push(name.to_owned());
    }

    /// The tensor `name` as it is stored, on the CPU; it is added to the record.
    ///
    /// # Errors
    /// As [`Source::tensor`].
    pub fn stored(&mut self, name: &str, shape: Shape, fresh: Fresh) -> Result<Weight> {
        let weight = self.source.tensor(name, shape, fresh)?;
        // A file can be read again when its numbers are needed, so a model on a GPU keeps no copy on the CPU.
        let known = match self.source.checkpoint() {
            Some(_) => Weight::absent(name, weight.shape().clone(), weight.dtype()),
            None => weight.clone(),
        };
        self.taken.push((name.to_owned(), known));
        Ok(weight)
    }

    /// The matrix `name`, `[out, in]`: a table of embeddings, or a weight without a bias.
    ///
    /// # Errors
    /// As [`Source::tensor`]; errors of the device.
    pub fn matrix(&mut self, name: &str, axes: [NamedSize; 2]) -> Result<Weight> {
        let fresh = fresh(axes);
        self.stored(name, Shape::new(axes), fresh)?.to_device(self.device)
    }

    /// The gain `name` of a norm, ones in a new model.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn gain(&mut self, name: &str, axis: NamedSize) -> Result<Tensor> {
        self.vector(name, axis, Fresh::Constant(1.0))
    }

    /// The bias `name`, zeros in a new model.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn bias(&mut self, name: &str, axis: NamedSize) -> Result<Tensor> {
        self.vector(name, axis, Fresh::Constant(0.0))
    }

    /// The vector `name`; in a new model all its numbers are `value`.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub(super) fn constants(&mut self, name: &str, axis: NamedSize, value: f32) -> Result<Tensor> {
        self.vector(name, axis, Fresh::Constant(value))
    }

    fn vector(&mut self, name: &str, axis: NamedSize, fresh: Fresh) -> Result<Tensor> {
        let weight = self.stored(name, Shape::new([axis]), fresh)?;
        self.on_device(weight)
    }

    /// A vector or a small matrix, widened to f32.
    pub(super) fn on_device(&self, vector: Weight) -> Result<Tensor> {
        let axes = vector.shape().axes();
        if vector.is_absent() {
            return Ok(Tensor::zeros(axes)); // the model has shapes only
        }
        if let Some(tensor) = vector.as_tensor() {
            return tensor.to_device(self.device);
        }
        let values = vector.to_f32().ok_or_else(|| vector.not_on_the_cpu("widen"))?;
        Tensor::new(axes, values)?.to_device(self.device)
    }

    /// The linear layer of `name.weight`, `[out, in]`, and, if it is `biased`, of `name.bias`.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn linear(&mut self, name: &str, out: NamedSize, inner: NamedSize, biased: bool) -> Result<Linear> {
        let weight = self.matrix(&format!("{name}.weight"), [out, inner])?;
        let bias = biased.then(|| self.bias(&format!("{name}.bias"), out)).transpose()?;
        Ok(Linear { weight, bias })
    }

    /// The layer norm of `name.weight` and `name.bias`, which the oldest checkpoints call `gamma` and `beta`.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub(super) fn layer_norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
        let is_old = !self.has(&format!("{name}.weight"), true) && self.has(&format!("{name}.gamma"), false);
        let (gain, bias) = if is_old { ("gamma", "beta") } else { ("weight", "bias") };
        let width = (Axis::Width, width);
        let gain = self.gain(&format!("{name}.{gain}"), width)?;
        Ok(Norm::Layer { gain, bias: self.bias(&format!("{name}.{bias}"), width)?, epsilon })
    }

    /// The RMS norm of `name.weight`.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub(super) fn rms_norm(&mut self, name: &str, width: usize, epsilon: f32) -> Result<Norm> {
        Ok(Norm::Rms { gain: self.gain(&format!("{name}.weight"), (Axis::Width, width))?, epsilon })
    }

    /// Linear layers side by side in one matrix `name.weight` that is stored `[in, out]`, and their biases.
    ///
    /// **Conventions**: the matrix is transposed once, in its file's dtype: half precision stays half precision, and
    /// kernels need one layout only.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn conv1d<const N: usize>(
        &mut self,
        name: &str,
        inner: NamedSize,
        outs: [NamedSize; N],
    ) -> Result<[Linear; N]> {
        let all = match outs.as_slice() {
            [out] => *out,
            _ => (Axis::Column, outs.iter().map(|out| out.1).sum()),
        };
        let fresh = fresh([all, inner]);
        let stored = self.stored(&format!("{name}.weight"), Shape::new([inner, all]), fresh)?;
        let bias = self.stored(&format!("{name}.bias"), Shape::new([all]), Fresh::Constant(0.0))?;
        if let (Some(weight), Some(bias)) = (stored.as_tensor(), bias.as_tensor()) {
            return parts(stored.name(), weight, bias, outs);
        }
        let weight = stored.transposed()?;
        let mut first = 0;
        let mut linears = Vec::with_capacity(N);
        for out in outs {
            let weight = weight.part(first * inner.1, Shape::new([out, inner]))?.to_device(self.device)?;
            let bias = Some(self.on_device(bias.part(first, Shape::new([out]))?)?);
            linears.push(Linear { weight, bias });
            first += out.1;
        }
        Ok(linears.try_into().unwrap_or_else(|_| unreachable!("one for each of N")))
    }

    /// The matrices called `names`: where they are tied, both are one shared weight, uploaded once.
    ///
    /// **Conventions**: as `transformers` 5 does it (`PreTrainedModel.tie_weights`, checked against 5.23).
    /// Where the configuration ties (`wanted`) and the checkpoint stores either of the two names, both uses share it.
    /// Where it stores both with the same bits, they are shared too. Where it stores both and they *differ*, they are
    /// not tied: the stored numbers override the configuration. (Version 4 used the embedding for both.)
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), for a name that is missing and not tied to one that the checkpoint holds.
    pub fn tied(&mut self, names: [&str; 2], axes: [NamedSize; 2], wanted: bool) -> Result<[Weight; 2]> {
        let [first, second] = names;
        let shared = match (self.has(first, true), self.has(second, false)) {
            _ if !wanted => None,
            (true, true) => self.source.same(first, second)?.then_some(first),
            (false, true) => Some(second),
            _ => Some(first),
        };
        match shared {
            Some(name) => {
                self.ignore(second);
                let weight = self.matrix(name, axes)?;
                Ok([weight.clone(), weight])
            }
            None => Ok([self.matrix(first, axes)?, self.matrix(second, axes)?]),
        }
    }

    /// The first of several names of one matrix that the checkpoint holds; the first of all for a new model.
    ///
    /// # Errors
    /// [`Error::Format`] naming two of them that the checkpoint holds with different numbers.
    pub(super) fn one_of<'n>(&mut self, names: &[&'n str]) -> Result<&'n str> {
        let held: Vec<_> = names.iter().copied().filter(|name| self.has(name, false)).collect();
        let Some((&first, others)) = held.split_first() else { return Ok(names[0]) };
        for other in others {
            if !self.source.same(first, other)? {
                let path = self.source.checkpoint().map_or(self.config.path(), Checkpoint::path);
                let problem =
                    format!("tensors {first} and {other} differ, expected the same numbers in both");
                return Err(Error::format(path, problem));
            }
            self.ignore(other);
        }
        Ok(first)
    }

    /// The record of all tensors that were taken; to be called when the body is complete. Known heads of the
    /// checkpoint are taken as well.
    ///
    /// `harmless` are name endings of buffers that checkpoints of this family contain but no model needs.
    ///
    /// **Conventions**: a tensor whose name begins with a word that the body does not use belongs to a head. It is left
    /// out if the head is not known. An unknown tensor of the body is an error.
    ///
    /// # Errors
    /// [`Error::Format`] naming a tensor of the body that the model does not know.
    pub fn finish(&mut self, harmless: &[&str]) -> Result<Record> {
        let has_pooler = self.taken.iter().any(|(name, _)| name.ends_with("pooler.dense.weight"));
        let width = self.taken.iter().find_map(|(_, weight)| weight.shape().size(Axis::Width));
        let body: HashSet<String> = self.taken.iter().map(|(name, _)| root(name).to_owned()).collect();
        let heads = task_head::take(self, width.unwrap_or(0), has_pooler)?;
        let checkpoint = self.source.checkpoint();
        let left_out = checkpoint.map_or(Ok(Vec::new()), |held| self.left_out(held, &body, harmless))?;
        let name = format!("{} ({})", self.config.path().display(), self.source.name());
        let tensors = std::mem::take(&mut self.taken);
        Ok(Record::new(name, self.config, self.source.checkpoint(), tensors).with_heads(heads, left_out))
    }

    /// The tensors of heads that were not taken, in order; an error if a tensor of the body was not taken.
    fn left_out(
        &self,
        checkpoint: &Checkpoint,
        body: &HashSet<String>,
        harmless: &[&str],
    ) -> Result<Vec<String>> {
        let taken = self.taken.iter().map(|(name, _)| name.as_str());
        let known: HashSet<&str> = taken.chain(self.known.iter().map(String::as_str)).collect();
        let is_known = |name: &str| {
            known.contains(name) || is_buffer(name) || harmless.iter().any(|end| name.ends_with(end))
        };
        let mut unknown = checkpoint.names();
        unknown.retain(|name| !is_known(name));
        unknown.sort();
        let is_head = |name: &String| !body.contains(root(name)) || task_head::is_of_a_head(name);
        let (heads, unknown): (Vec<_>, Vec<_>) = unknown.into_iter().partition(is_head);
        let others = match unknown.len() {
            0 => return Ok(heads),
            1 => String::new(),
            2 => " (and another)".to_owned(),
            count => format!(" (and {} others)", count - 1),
        };
        let (first, config) = (&unknown[0], self.config.path().display());
        let problem = format!(
            "tensor {first}{others} is not part of this model, expected only what {config} describes"
        );
        Err(Error::format(checkpoint.path(), problem))
    }
}

/// The initial numbers of the matrix `[out, in]` of a new model. A product that starts from heads or from a
/// feed-forward network's inner width leads back to the residual stream.
fn fresh([(out, _), (inner, inputs)]: [NamedSize; 2]) -> Fresh {
    match (out, inner) {
        (Axis::Width, Axis::HeadWidth | Axis::FeedForward) => Fresh::update(inputs),
        _ => Fresh::normal(inputs),
    }
}

/// The first part of a tensor's name.
fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether `name` is that of a buffer (positions, rotary frequencies) that older versions of `transformers` wrote
/// together with the parameters.
pub(super) fn is_buffer(name: &str) -> bool {
    ["embeddings.position_ids", "rotary_emb.inv_freq"].iter().any(|end| name.ends_with(end))
}

/// Splits linear layers that are side by side in a matrix `[in, out]`, by operations that gradients can go through.
fn parts<const N: usize>(
    name: &str,
    weight: &Tensor,
    bias: &Tensor,
    outs: [NamedSize; N],
) -> Result<[Linear; N]> {
    let weight = transpose(weight)?; // [out, in]
    let [(all, _), inner] = *weight.shape().axes() else { unreachable!("a matrix") };
    let mut first = 0;
    let part = |out: NamedSize| {
        let range = first..first + out.1;
        first = range.end;
        let weight = slice(&weight, all, range.clone())?.reshape([out, inner])?;
        let bias = slice(bias, all, range)?.reshape([out])?;
        Ok(Linear { weight: Weight::from_tensor(name, weight), bias: Some(bias) })
    };
    let linears: Vec<Linear> = outs.into_iter().map(part).collect::<Result<_>>()?;
    Ok(linears.try_into().unwrap_or_else(|_| unreachable!("one for each of N")))
}
