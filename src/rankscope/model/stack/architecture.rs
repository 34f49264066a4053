//! [`Architecture`]: the sizes and switches of a stack, without its weights.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where layer norm is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormPlace {
    /// Nowhere.
    #[default]
    None,
    /// After each sum, as in BERT: x ← norm(x + f(x)).
    After,
    /// Before each update, as in GPT-2 and LLaMA, and once more after the last layer: x ← x +
    /// f(norm(x)).
    Before,
}

/// Sizes and switches of a [`Stack`](super::Stack).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Architecture {
    /// L.
    pub layers: usize,
    /// H.
    pub heads: usize,
    /// D.
    pub head_size: usize,
    /// C.
    pub width: usize,
    /// F; `None` for layers of attention only.
    pub feed_forward: Option<usize>,
    /// Whether an update is added to its input (a skip); otherwise it replaces it.
    pub skip: bool,
    /// Where layer norm is applied.
    pub norm: NormPlace,
}

impl Architecture {
    /// Pure attention: no skip, no feed-forward network, no norm.
    pub fn attention_only(layers: usize, heads: usize, head_size: usize, width: usize) -> Self {
        let (feed_forward, skip, norm) = (None, false, NormPlace::None);
        Architecture { layers, heads, head_size, width, feed_forward, skip, norm }
    }

    /// With a skip around every update.
    pub fn with_skip(self) -> Self {
        Architecture { skip: true, ..self }
    }

    /// With a feed-forward network of F = `size` after every attention.
    pub fn with_feed_forward(self, size: usize) -> Self {
        Architecture { feed_forward: Some(size), ..self }
    }

    /// With layer norm.
    pub fn with_norm(self, norm: NormPlace) -> Self {
        Architecture { norm, ..self }
    }

    pub(super) fn check(&self) -> Result<()> {
        let sizes = [
            ("number of layers", self.layers),
            ("number of heads", self.heads),
            ("head size", self.head_size),
            ("width", self.width),
            ("feed-forward width", self.feed_forward.unwrap_or(1)),
        ];
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some((what, size)) => Err(Error::invalid(*what, size, "at least 1")),
            None => Ok(()),
        }
    }
}
