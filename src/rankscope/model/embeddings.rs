//! The two ends of a stack: [`Embeddings`], [`LanguageHead`], and how tokens know their positions, [`Order`].

use super::Input;
use super::block::Norm;
use super::cache::Places;
use super::feed_forward::Activation;
use super::rope::Rotation;
use crate::attention::{Alibi, Linear, RelativeBias};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Positions;
use crate::ops::{add, gather, scale};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// Tables of vectors for tokens and, where the family has them, for positions and segments, and a norm of their sum.
pub(super) struct Embeddings {
    pub(super) words: Weight, // [V, C]
    /// `[P, C]`, of a family with learned positions.
    pub(super) positions: Option<Weight>,
    /// `[segments, C]` (BERT).
    pub(super) segments: Option<Weight>,
    pub(super) norm: Option<Norm>,
    /// The id of padding, in a family whose first position is this id plus 1 (RoBERTa).
    pub(super) padding_id: Option<u32>,
}

impl Embeddings {
    /// Embeddings of words only.
    pub(super) fn of_words(words: Weight) -> Self {
        Embeddings { words, positions: None, segments: None, norm: None, padding_id: None }
    }

    /// The input of the first layer, `[B, T, C]`, of tokens at the positions from `first` on.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a segment that the family does not have; errors of the operations.
    pub(super) fn forward(&self, input: &Input, first: usize) -> Result<Tensor> {
        let batch = input.batch_size();
        let mut sum = gather(&self.words, input.ids(), batch)?;
        let segments = self.segments_of(input)?;
        if let Some(table) = &self.segments {
            sum = add(sum, gather(table, &segments, batch)?)?;
        }
        if let Some(table) = &self.positions {
            sum = add(sum, gather(table, &self.positions_of(input, first), batch)?)?;
        }
        match &self.norm {
            Some(norm) => norm.forward(sum),
            None => Ok(sum),
        }
    }

    /// The segment of every token: 0 where none is given.
    fn segments_of(&self, input: &Input) -> Result<Vec<u32>> {
        let count = self.segments.as_ref().map_or(1, |table| table.shape().sizes()[0]);
        let segments = input.token_types().map_or_else(|| vec![0; input.ids().len()], <[u32]>::to_vec);
        match segments.iter().find(|&&segment| segment as usize >= count) {
            Some(got) => Err(Error::invalid("token type id", got, format!("less than {count}"))),
            None => Ok(segments),
        }
    }

    /// The row of the table of positions for every token: its position, or, in RoBERTa, its position among the tokens
    /// that are not padding, counted from the padding's id plus 1.
    fn positions_of(&self, input: &Input, first: usize) -> Vec<u32> {
        let sequences = input.ids().chunks(input.len());
        let Some(padding) = self.padding_id else {
            let first = first as u32;
            return sequences.flat_map(|_| first..first + input.len() as u32).collect();
        };
        let count = |ids: &[u32]| -> Vec<u32> {
            let mut last = padding;
            let place = |&id: &u32| {
                last += u32::from(id != padding);
                if id == padding { padding } else { last }
            };
            ids.iter().map(place).collect()
        };
        sequences.flat_map(count).collect()
    }
}

/// How the attention of a stack knows positions.
pub(super) enum Order {
    /// Positions are in the embeddings only.
    Embedded,
    /// Queries and keys are rotated.
    Rotary(Rotation),
    /// A learned bias by distance on the scores of self-attention, the same in all layers.
    Relative(RelativeBias),
    /// A fixed bias by distance on the scores of all heads, the same in all layers.
    Alibi {
        /// H.
        heads: usize,
    },
}

impl Order {
    /// The rotation or bias of `length` positions from `first` on, for self-attention of `stack`.
    ///
    /// **Probe points**: `{stack}.position_bias` `[H, T, S]` where there is one.
    pub(super) fn places(
        &self,
        stack: &str,
        first: usize,
        length: usize,
        device: &Device,
        probe: &mut dyn Probe,
    ) -> Result<Places> {
        let (keys, at) = (first + length, Positions { first_query: first });
        let bias = match self {
            Order::Embedded => return Ok(Places::default()),
            Order::Rotary(rotation) => {
                return Ok(Places { rotation: Some(rotation.table(first, length, device)?), bias: None });
            }
            Order::Relative(bias) => bias.bias(length, keys, at, device)?, // [H, T, S]
            // For keys before the query both forms are the same, and the symmetric form is also defined for keys after
            // it.
            Order::Alibi { heads } => Alibi::Symmetric.bias(*heads, length, keys, at, device)?, // [H, T, S]
        };
        let bias = probe.visit(&format!("{stack}.position_bias"), bias)?;
        Ok(Places { rotation: None, bias: Some(bias) })
    }
}

/// Turns hidden states into scores of the vocabulary.
pub(super) struct LanguageHead {
    /// A dense layer, a function and a norm before the output layer (BERT).
    pub(super) transform: Option<(Linear, Activation, Norm)>,
    /// The factor of the hidden states (T5).
    pub(super) scale: Option<f32>,
    /// `[V, C]`, the embedding itself where they are tied.
    pub(super) output: Linear,
}

impl LanguageHead {
    /// A head that is only an output layer.
    pub(super) fn of_words(output: Weight) -> Self {
        LanguageHead { transform: None, scale: None, output: Linear { weight: output, bias: None } }
    }

    /// Scores of every vocabulary entry, `[B, T, V]`, of hidden states `[B, T, C]`.
    pub(super) fn forward(&self, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        if let Some((dense, activation, norm)) = &self.transform {
            let x = norm.forward(activation.of(dense.forward(hidden)?)?)?; // [B, T, C]
            return self.output.forward(&probe.visit("head_norm", x)?);
        }
        match self.scale {
            Some(factor) => self.output.forward(&scale(hidden, factor)?),
            None => self.output.forward(hidden),
        }
    }
}
