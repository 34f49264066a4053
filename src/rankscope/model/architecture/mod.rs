//! A decoder-only model and an encoder-decoder of the same parts, with random weights: to count and to time
//! what an architecture costs.
//!
//! Both are stacks of RMS pre-norm blocks with rotary positions and SwiGLU; a decoder layer of the
//! encoder-decoder has a cross-attention between, x ← x + attention(norm(x), encoder's output), whose queries
//! come from the decoder and whose keys and values come from the encoder. Positions of the decoder continue
//! those of the encoder, and one table of embeddings serves both ends of both models.
//!
//! **Source**: the shapes of DecLLM and RedLLM (arXiv 2510.26622); their additional norms of
//! queries, keys, values and attention outputs, which have no parameters, are left out.

mod count;
mod decoder_only;
mod encoder_decoder;
mod parts;
#[cfg(test)]
mod tests;

pub use count::{Count, Pairs};
pub use decoder_only::DecoderOnly;
pub use encoder_decoder::EncoderDecoder;

use super::cache::CacheLayout;
use crate::error::{Error, Result};

/// What all layers of an architecture share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// C.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
    /// F.
    pub feed_forward: usize,
    /// V.
    pub vocab: usize,
}

impl Sizes {
    /// An error unless every size is there, G divides H, and D is even for rotary positions.
    fn check(&self) -> Result<()> {
        let Sizes { width, heads, kv_heads, head_size, feed_forward, vocab } = *self;
        let sizes = [
            ("width", width),
            ("heads", heads),
            ("kv_heads", kv_heads),
            ("head_size", head_size),
            ("feed_forward", feed_forward),
            ("vocab", vocab),
        ];
        if let Some((what, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(Error::invalid(what, 0, "at least 1"));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(Error::invalid("kv_heads", kv_heads, format!("a divisor of heads = {heads}")));
        }
        if !head_size.is_multiple_of(2) {
            return Err(Error::invalid("head_size", head_size, "an even number for rotary positions"));
        }
        Ok(())
    }

    fn cache(&self, layers: usize) -> CacheLayout {
        CacheLayout { layers, batch: 1, kv_heads: self.kv_heads, head_size: self.head_size }
    }
}
