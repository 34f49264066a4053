//! The encoder as a model of its own: one bidirectional stack, which predicts no tokens.

use super::T5Fields;
use super::parts::{encoder_block, relative};
use crate::error::Result;
use crate::mask::Mask;
use crate::model::Config;
use crate::model::builder::Builder;
use crate::model::embeddings::{Embeddings, Order};
use crate::model::transformer::{Body, Transformer};

/// Builds the encoder.
pub(super) fn build(
    fields: &T5Fields,
    prefix: &str,
    config: &Config,
    builder: &mut Builder<'_>,
) -> Result<Transformer> {
    let layers = config.layers("num_layers")?;
    let names = ["shared", "encoder.embed_tokens"].map(|name| format!("{prefix}{name}.weight"));
    let name = builder.one_of(&names.each_ref().map(String::as_str))?;
    let stack = format!("{prefix}encoder");
    let body = Body {
        is_decoder: false,
        embeddings: Embeddings::of_words(builder.matrix(name, [fields.vocab(), fields.width()])?),
        order: Order::Relative(relative(fields, config, builder, &stack)?),
        blocks: (0..layers)
            .map(|block| encoder_block(fields, builder, &stack, block))
            .collect::<Result<_>>()?,
        final_norm: Some(fields.norm(builder, &format!("{stack}.final_layer_norm"))?),
        head: None,
        pooler: None,
    };
    Transformer::new(fields.trained(config, Mask::bidirectional())?, body, builder, &[])
}
