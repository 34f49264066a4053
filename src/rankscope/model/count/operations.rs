//! Floating-point operations of a pass, and of a step of decoding.

use serde::Serialize;

use super::sizes::{AttentionSizes, ModelSizes, Output, Sees, StackSizes, product};
use crate::error::{Error, Result};

/// Operations, a multiplication and an addition counted as two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// 2 for every pair of a layer's weight and a token that uses it.
    pub layers: u128,
    /// 4·H·D for every (query, key) pair and layer: a score and its part of the context. Linear and state-space
    /// attention take 4·H·D·D for every position instead: one half to update the running sums, the other to read them.
    pub attention: u128,
    /// 2·V·C for every position that is predicted.
    pub logits: u128,
}

impl Operations {
    /// The sum of all operations.
    pub fn total(self) -> u128 {
        self.layers + self.attention + self.logits
    }

    fn times(self, factor: u128) -> Self {
        let Operations { layers, attention, logits } = self;
        Operations { layers: factor * layers, attention: factor * attention, logits: factor * logits }
    }

    fn plus(self, other: Self) -> Self {
        Operations {
            layers: self.layers + other.layers,
            attention: self.attention + other.attention,
            logits: self.logits + other.logits,
        }
    }
}

/// Which (query, key) pairs of masked self-attention are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// All T·S pairs, as computed by an attention that stores its scores.
    All,
    /// The pairs that the mask allows, as computed by a kernel that skips the others.
    Allowed,
}

/// The tokens that go through a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Load {
    /// B, sequences.
    pub batch: usize,
    /// Tokens of a sequence; for an encoder-decoder, those of both sides together.
    pub tokens: usize,
    /// How many of these the encoder reads; 0 for a decoder-only model, all for an encoder-only model.
    pub source: usize,
}

impl Load {
    /// `batch` sequences of `tokens`, of which an encoder-decoder reads `source` (half, unless told
    /// otherwise) in its encoder.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a size that is 0 or too large, or a source for a model without both sides.
    pub fn new(sizes: &ModelSizes, tokens: usize, batch: usize, source: Option<usize>) -> Result<Self> {
        /// The largest size that a configuration may state.
        const MOST: usize = 1 << 24;
        for (what, size) in [("context", tokens), ("batch", batch)] {
            if !(1..=MOST).contains(&size) {
                return Err(Error::invalid(what, size, format!("a whole number from 1 to {MOST}")));
            }
        }
        if let Some(most) = sizes.context.filter(|&most| tokens > most) {
            let expected = format!("at most {most}, the context of this {}", sizes.family);
            return Err(Error::invalid("context", tokens, expected));
        }
        let has_both = sizes.encoder.is_some() && sizes.decoder.is_some();
        let source = match source {
            Some(source) if !has_both => {
                let expected = format!("none: a {} has not both an encoder and a decoder", sizes.family);
                return Err(Error::invalid("source", source, expected));
            }
            None if has_both && tokens < 2 => {
                return Err(Error::invalid("context", tokens, "at least 2: a token for either side"));
            }
            Some(source) if source == 0 || source >= tokens => {
                return Err(Error::invalid("source", source, format!("from 1 to {}", tokens.max(2) - 1)));
            }
            Some(source) => source,
            None if has_both => tokens / 2,
            None if sizes.encoder.is_some() => tokens,
            None => 0,
        };
        Ok(Load { batch, tokens, source })
    }

    /// The tokens of the longest sequence that the model takes; 512 for each side if it has no limit.
    pub fn longest(sizes: &ModelSizes) -> usize {
        sizes.context.unwrap_or(1024)
    }

    /// Tokens that go through the decoder.
    pub(crate) fn target(&self) -> usize {
        self.tokens - self.source
    }
}

impl ModelSizes {
    /// Operations of a forward pass in training: every position of the decoder is predicted.
    ///
    /// **Conventions**: norms, softmax, gates, positions and lookups are left out, as usual: they are linear
    /// in the number of activations. An encoder-decoder's cross-attention computes the keys and values of the source
    /// once. `pairs` says whether masked pairs count. A pooler is left out.
    ///
    /// **Source**: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1.
    pub fn forward(&self, load: Load, pairs: Pairs) -> Operations {
        let predicted = if self.decoder.is_some() { load.target() } else { 0 };
        self.pass(load, predicted, pairs).times(load.batch as u128)
    }

    /// Operations of a training step: the backward pass computes two products for each product of the forward pass.
    pub fn training(&self, load: Load, pairs: Pairs) -> Operations {
        self.forward(load, pairs).times(3)
    }

    /// One sequence through both stacks, with the logits of `predicted` positions.
    pub(crate) fn pass(&self, load: Load, predicted: usize, pairs: Pairs) -> Operations {
        let (source, target) = (load.source, load.target());
        let encoder = self.encoder.as_ref().map(|stack| self.through(stack, source, source, 0, pairs));
        let decoder = self.decoder.as_ref().map(|stack| {
            let read = self.read_source(stack, source);
            self.through(stack, target, target, source, pairs).plus(read)
        });
        let layers = [encoder, decoder].into_iter().flatten().fold(Operations::default(), Operations::plus);
        layers.plus(self.of_logits(predicted))
    }

    /// One more token after `past` others, whose keys and values are in the cache.
    pub(super) fn cached_step(&self, stack: &StackSizes, past: usize, source: usize) -> Operations {
        let attention = stack.self_attention;
        let seen = match attention.is_linear() {
            true => product([stack.layers, attention.head_size]),
            false => stack.over_layers(|sees| sees.keys_of(past) as u128),
        };
        let cross = if stack.cross_attention.is_some() { source } else { 0 };
        let attention = self.of_pairs(stack, seen, cross as u128);
        Operations { layers: self.visits(stack), attention, ..self.of_logits(1) }
    }

    /// `tokens` positions through all layers of a stack, cross-attention to `source` included.
    fn through(
        &self,
        stack: &StackSizes,
        tokens: usize,
        keys: usize,
        source: usize,
        pairs: Pairs,
    ) -> Operations {
        let attention = stack.self_attention;
        let own = match attention.is_linear() {
            true => product([stack.layers, tokens, attention.head_size]),
            false => stack.over_layers(|sees| sees.pairs(tokens, keys, pairs)),
        };
        let attention = self.of_pairs(stack, own, product([tokens, source]));
        Operations { layers: self.visits(stack) * tokens as u128, attention, logits: 0 }
    }

    /// 2 for every weight that one position uses in a stack.
    fn visits(&self, stack: &StackSizes) -> u128 {
        let (width, network) = (self.width, &stack.feed_forward);
        let cross = stack.cross_attention.map_or(0, |attention| 2 * attention.query_matrix(width));
        let feed_forward = network.active as u128 * network.network(width) + network.router(width);
        2 * stack.layers as u128 * (stack.self_attention.matrices(width) + cross + feed_forward)
    }

    /// The operations for the keys and values that cross-attention computes from the source.
    pub(super) fn read_source(&self, stack: &StackSizes, source: usize) -> Operations {
        let keys = stack.cross_attention.map_or(0, |attention| 2 * attention.key_matrix(self.width));
        Operations { layers: 2 * (stack.layers * source) as u128 * keys, ..Operations::default() }
    }

    /// `own` pairs of self-attention in all layers together, and `cross` pairs of cross-attention in each layer.
    fn of_pairs(&self, stack: &StackSizes, own: u128, cross: u128) -> u128 {
        let per_pair = |attention: AttentionSizes| 4 * product([attention.heads, attention.head_size]);
        let cross_pair = stack.cross_attention.map_or(0, per_pair) * stack.layers as u128;
        per_pair(stack.self_attention) * own + cross_pair * cross
    }

    fn of_logits(&self, predicted: usize) -> Operations {
        let has_logits = self.output != Output::None;
        let logits = 2 * product([self.vocab, self.width, predicted]) * u128::from(has_logits);
        Operations { logits, ..Operations::default() }
    }
}

impl Sees {
    /// The number of keys that position `past`, counted from 0, may attend to, including itself.
    fn keys_of(self, past: usize) -> usize {
        match self {
            Sees::Window(window) => window.min(past + 1),
            _ => past + 1,
        }
    }

    /// (query, key) pairs of `tokens` queries and `keys` keys.
    fn pairs(self, tokens: usize, keys: usize, pairs: Pairs) -> u128 {
        let n = tokens as u128;
        match (self, pairs) {
            (Sees::All, _) | (_, Pairs::All) => product([tokens, keys]),
            (Sees::Past, Pairs::Allowed) => n * (n + 1) / 2,
            (Sees::Window(window), Pairs::Allowed) => {
                // The first w queries see 1, 2, …, w keys, and all others see w.
                let w = window.min(tokens) as u128;
                w * (w + 1) / 2 + (n - w) * w
            }
        }
    }
}
