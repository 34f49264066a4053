//! The encoder alone: one stack that reads in both directions and predicts nothing.

use super::Sizes;
use super::parts::{encoder_block, relative};
use crate::attention::RelativeBias;
use crate::device::Device;
use crate::error::Result;
use crate::mask::Positions;
use crate::model::builder::Builder;
use crate::model::cache::{LayerCache, Places};
use crate::model::encoder_decoder::{self, Block};
use crate::model::transformer::{Body, Pass, Transformer};
use crate::model::{Config, Input};
use crate::ops::{gather, rms_norm};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// Embedding, blocks and norm.
pub(in crate::model) struct Encoder {
    embedding: Weight, // [V, C]
    blocks: Vec<Block>,
    norm: Tensor, // [C]
    bias: RelativeBias,
    epsilon: f32,
}

/// Builds it.
pub(super) fn build(
    sizes: &Sizes,
    prefix: &str,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<Transformer<Encoder>> {
    let layers = config.layers("num_layers")?;
    let names = ["shared", "encoder.embed_tokens"].map(|name| format!("{prefix}{name}.weight"));
    let name = builder.one_of(&names.each_ref().map(String::as_str))?;
    let stack = format!("{prefix}encoder");
    let body = Encoder {
        embedding: builder.matrix(name, [sizes.vocab(), sizes.width()])?,
        bias: relative(sizes, config, builder, &stack)?,
        blocks: (0..layers)
            .map(|block| encoder_block(sizes, builder, &stack, block))
            .collect::<Result<_>>()?,
        norm: builder.gain(&format!("{stack}.final_layer_norm.weight"), sizes.width())?,
        epsilon: sizes.epsilon,
    };
    let record = builder.finish(&[])?;
    let description = sizes.description(config, layers, record.parameters(), body.embedding.dtype())?;
    Ok(Transformer { description, device: builder.device().clone(), record, body })
}

impl Body for Encoder {
    const STACK: &'static str = "encoder";
    const CACHES: bool = false;

    fn places(&self, first: usize, length: usize, device: &Device) -> Result<Places> {
        let bias = self.bias.bias(length, first + length, Positions { first_query: first }, device)?;
        Ok(Places { rotation: None, bias: Some(bias) })
    }

    fn embed(&self, input: &Input, _first: usize) -> Result<Tensor> {
        gather(&self.embedding, input.ids(), input.batch_size())
    }

    fn layer(
        &self,
        index: usize,
        x: &Tensor,
        pass: Pass<'_>,
        cache: Option<&mut LayerCache>,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let Pass { places, visibility, run } = pass;
        let pass = encoder_decoder::Pass { epsilon: self.epsilon, places, visibility, run };
        self.blocks[index].forward(x, pass, cache, probe)
    }

    fn finish(&self, x: Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        probe.visit("final_norm", rms_norm(x, &self.norm, self.epsilon)?)
    }

    fn logits(&self, _hidden: &Tensor, _probe: &mut dyn Probe) -> Result<Option<Tensor>> {
        Ok(None)
    }
}
