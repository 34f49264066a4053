//! [`Memory`]: what a decoder keeps of its encoder.

use super::{Input, KvCache};
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding};

/// The keys and values that cross-attention made of the encoder's output, one layer for each of the decoder's.
///
/// They are computed once for a text, however much is decoded: the encoder does not see the decoder. When the
/// text itself grows, every one of its positions may change, so the encoder reads all of it again.
#[derive(Clone, Debug)]
pub struct Memory {
    /// What the encoder read.
    ids: Vec<u32>,
    padding: Option<Padding>,
    /// What its self-attention ran under.
    mask: Mask,
    cache: KvCache,
}

impl Memory {
    pub(super) fn new(input: &Input, mask: Mask, cache: KvCache) -> Self {
        Memory { ids: input.ids().to_vec(), padding: input.padding().cloned(), mask, cache }
    }

    /// Keys and values, `[B, G, S, D]` each, with S the encoder's positions.
    pub fn keys_and_values(&self) -> &KvCache {
        &self.cache
    }

    /// Which of the encoder's positions are tokens, where some are not.
    pub fn padding(&self) -> Option<&Padding> {
        self.padding.as_ref()
    }

    /// An error unless it was made of this input's encoder side under `mask`.
    pub(super) fn expect(&self, input: &Input, mask: &Mask) -> Result<()> {
        if self.ids != input.ids() || self.padding.as_ref() != input.padding() {
            let expected = "those that the cache was made with: the encoder reads a changed text again, with a \
                            cache of its own";
            return Err(Error::invalid("the encoder's ids", "others", expected));
        }
        if self.mask != *mask {
            let expected = format!("{}, which the cache was made under", self.mask);
            return Err(Error::invalid("mask of the encoder", mask, expected));
        }
        Ok(())
    }
}
