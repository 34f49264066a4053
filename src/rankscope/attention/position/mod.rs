//! Schemes by which attention knows the order of tokens.
//!
//! Attention itself is a sum over keys, so it does not see their order. A scheme adds the order at one of three places:
//! the hidden states (learned and sinusoidal positions), queries and keys (rotary), or the scores (ALiBi, the buckets
//! of T5).

mod alibi;
mod buckets;
mod sinusoidal;

pub use alibi::{Alibi, slopes};
pub use buckets::{RelativeBias, RelativeBuckets};
pub use sinusoidal::sinusoidal;

use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Positions;
use crate::ops::{RotaryTable, add_bias, gather};
use crate::tensor::Tensor;
use crate::weight::Weight;

/// A scheme by which attention knows the positions of tokens.
#[derive(Clone, Debug)]
pub enum PositionScheme {
    /// No scheme: only the mask can carry the order.
    None,
    /// A learned vector for every position, added to the hidden state, `[P, C]`.
    ///
    /// **Source**: Gehring et al. 2017 (arXiv 1705.03122), section 3.1; GPT and BERT.
    Learned(Weight),
    /// Sines and cosines added to the hidden state; see [`sinusoidal`].
    Sinusoidal,
    /// Queries and keys rotated by their positions; see [`rotary`](crate::ops::rotary).
    Rotary {
        /// The angle for each position falls from 1 to almost 1/base over the pairs of coordinates.
        base: f64,
    },
    /// Scores that fall with the distance, with a slope for each head.
    Alibi(Alibi),
    /// Scores with a learned bias for every bucket of distances.
    Relative(RelativeBias),
}

impl PositionScheme {
    /// x with its positions added, if the scheme adds to hidden states; otherwise x itself.
    ///
    /// **Shapes**: x `[B, T, C]`, its first token at position `first`; result `[B, T, C]`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for positions beyond a learned table; errors of shapes and device.
    pub fn embed(&self, x: &Tensor, first: usize) -> Result<Tensor> {
        let [batch, length, width] =
            x.shape().expect("embed", "x", [Axis::Batch, Axis::Query, Axis::Width])?;
        let added = match self {
            PositionScheme::Learned(table) => {
                let most = table.shape().sizes()[0];
                let end = first.saturating_add(length);
                if end > most {
                    let expected = format!("at most {most}, the length of the learned table");
                    return Err(Error::invalid("number of positions", end, expected));
                }
                let ids: Vec<u32> = (first..first + length).map(|position| position as u32).collect();
                gather(table, &ids, 1)? // [1, T, C]
            }
            PositionScheme::Sinusoidal => {
                sinusoidal(first, length, width)?.to_device_as_constant(&x.device())?
            }
            _ => return Ok(x.clone()),
        };
        // A sequence is a row, and the positions are added to every row.
        let flat = (Axis::Column, length * width);
        let rows = x.reshape([(Axis::Batch, batch), flat])?;
        add_bias(&rows, &added.reshape([flat])?)?.reshape(x.shape().axes())
    }

    /// The rotation of `count` positions from `first` on, if the scheme rotates queries and keys.
    ///
    /// # Errors
    /// As [`RotaryTable::new`].
    pub fn rotation(
        &self,
        first: usize,
        count: usize,
        head_size: usize,
        device: &Device,
    ) -> Result<Option<RotaryTable>> {
        match self {
            PositionScheme::Rotary { base } => {
                RotaryTable::new(first, count, head_size, *base, device).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The bias of every head and pair, `[H, T, S]`, if the scheme adds to scores.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of heads than the bias was learned for; errors of the device.
    pub fn bias(
        &self,
        heads: usize,
        queries: usize,
        keys: usize,
        at: Positions,
        device: &Device,
    ) -> Result<Option<Tensor>> {
        match self {
            PositionScheme::Alibi(alibi) => alibi.bias(heads, queries, keys, at, device).map(Some),
            PositionScheme::Relative(relative) if relative.heads() != heads => {
                let expected = format!("{heads}, the heads of the attention");
                Err(Error::invalid("heads of the relative position bias", relative.heads(), expected))
            }
            PositionScheme::Relative(relative) => relative.bias(queries, keys, at, device).map(Some),
            _ => Ok(None),
        }
    }
}

/// `[H, T, S]` from `of(head, distance)`, where the distance is the key's position minus the query's.
fn by_distance(
    heads: usize,
    queries: usize,
    keys: usize,
    at: Positions,
    device: &Device,
    of: impl Fn(usize, i64) -> f32,
) -> Result<Tensor> {
    let count = distances(queries, keys, at).len();
    let pairs =
        (0..heads).flat_map(|head| distances(queries, keys, at).map(move |distance| (head, distance)));
    let values = pairs.map(|(head, distance)| of(head, distance)).collect();
    let bias = Tensor::new([(Axis::Head, heads), (Axis::Position, count)], values)?;
    crate::ops::spread_by_distance(&bias.to_device_as_constant(device)?, queries, keys)
}

/// The T + S − 1 distances of keys from queries, as [`spread_by_distance`](crate::ops::spread_by_distance) orders them:
/// entry p is for s − t = p − (T − 1), and query t stands at `first_query` + t.
fn distances(queries: usize, keys: usize, at: Positions) -> impl ExactSizeIterator<Item = i64> {
    let first = 1 - queries as i64 - at.first_query as i64;
    (0..(queries + keys).saturating_sub(1)).map(move |p| first + p as i64)
}
