//! [`CrossCache`]: the keys and values of cross-attention.

use super::{Input, KvCache};
use crate::error::{Error, Result};
use crate::mask::{Mask, Padding};

/// The keys and values that cross-attention makes of the encoder's output: one layer for each layer of the decoder.
///
/// They are computed once for each text, for any number of decoded tokens, because the encoder does not see the
/// decoder. When the text grows, the output at every position may change, so the encoder reads the whole text again.
#[derive(Clone, Debug)]
pub struct CrossCache {
    /// The ids that the encoder read.
    ids: Vec<u32>,
    padding: Option<Padding>,
    /// The mask of the encoder's self-attention.
    mask: Mask,
    cache: KvCache,
}

impl CrossCache {
    pub(super) fn new(input: &Input, mask: Mask, cache: KvCache) -> Self {
        CrossCache { ids: input.ids().to_vec(), padding: input.padding().cloned(), mask, cache }
    }

    /// Keys and values, `[B, G, S, D]` each, with S the encoder's positions.
    pub fn keys_and_values(&self) -> &KvCache {
        &self.cache
    }

    /// Which of the encoder's positions are tokens, where some are not.
    pub fn padding(&self) -> Option<&Padding> {
        self.padding.as_ref()
    }

    /// An error unless the cache was computed from the same encoder ids, padding and mask.
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
