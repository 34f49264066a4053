//! [`KvCache`]: the keys and values that a stack of attention layers has computed, kept so that later
//! positions can attend to them.
//!
//! Under a mask by which no earlier position sees a later one, a position's keys and values never change
//! when the text continues, so each is computed once. A mask that lets earlier positions see the new ones is refused:
//! the cache would then not hold what a full pass computes.

use std::sync::Arc;

use super::CrossCache;
use crate::attention::{Inputs, MultiHead, Visibility};
use crate::axis::Axis;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::{RotaryTable, concat, slice};
use crate::probe::{Probe, Scope};
use crate::run::Run;
use crate::tensor::Tensor;

/// The sizes of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLayout {
    /// L.
    pub layers: usize,
    /// B.
    pub batch: usize,
    /// G.
    pub kv_heads: usize,
    /// D.
    pub head_size: usize,
}

impl CacheLayout {
    /// Bytes of one position of one sequence, 2 · L · G · D · (bytes of a number): keys and values.
    ///
    /// ```
    /// use rankscope::model::CacheLayout;
    /// let llama_7b = CacheLayout { layers: 32, batch: 1, kv_heads: 32, head_size: 128 };
    /// assert_eq!(llama_7b.bytes_per_token(2), 524_288); // in f16
    /// ```
    pub fn bytes_per_token(&self, bytes_of_a_number: usize) -> usize {
        2 * self.layers * self.kv_heads * self.head_size * bytes_of_a_number
    }
}

/// Keys and values of every layer, `[B, G, S, D]` each, the keys after their rotation.
///
/// **Conventions**: f32 on either device. Clones share the data. A pass that fails leaves its cache unchanged.
///
/// ```
/// use rankscope::model::{CacheLayout, KvCache};
/// use rankscope::{Axis, Device, Tensor};
/// let layout = CacheLayout { layers: 1, batch: 1, kv_heads: 1, head_size: 2 };
/// let mut cache = KvCache::new("toy", layout, &Device::Cpu)?;
/// let axes = [(Axis::Batch, 1), (Axis::KvHead, 1), (Axis::Key, 3), (Axis::HeadSize, 2)];
/// let (keys, _) = cache.layer_mut(0)?.append(Tensor::zeros(axes), Tensor::zeros(axes))?;
/// assert_eq!((keys.shape().size(Axis::Key), cache.len(), cache.bytes()), (Some(3), 3, 48));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KvCache {
    /// The model that it belongs to.
    owner: Arc<str>,
    layout: CacheLayout,
    device: Device,
    layers: Vec<LayerCache>,
    /// The masks that the cached positions were computed under, layer by layer; empty until they are set.
    masks: Vec<Mask>,
    /// The keys and values of cross-attention.
    cross: Option<Arc<CrossCache>>,
}

/// The keys and values of one layer.
#[derive(Clone, Debug)]
pub struct LayerCache {
    keys: Tensor,   // [B, G, S, D]
    values: Tensor, // [B, G, S, D]
}

impl LayerCache {
    /// K, `[B, G, S, D]`.
    pub fn keys(&self) -> &Tensor {
        &self.keys
    }

    /// V, `[B, G, S, D]`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// S.
    fn len(&self) -> usize {
        self.keys.shape().size(Axis::Key).unwrap_or(0)
    }

    /// Appends the keys and values of the next T positions to the cached ones, and returns all.
    ///
    /// **Shapes**: k and v `[B, G, T, D]` with T called S; results `[B, G, S + T, D]`.
    ///
    /// # Errors
    /// [`Error::Axes`], [`Error::Size`] or [`Error::Placement`] naming what does not fit the cache.
    pub fn append(&mut self, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        if v.shape() != k.shape() {
            let (expected, got) = (k.shape().to_string(), v.shape().to_string());
            return Err(Error::Axes { op: "cache", argument: "v", expected, got });
        }
        let keys = concat(&self.keys, &k, Axis::Key)?;
        self.values = concat(&self.values, &v, Axis::Key)?;
        self.keys = keys;
        Ok((self.keys.clone(), self.values.clone()))
    }
}

impl KvCache {
    /// An empty cache for the model `owner`.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the GPU fails.
    pub fn new(owner: &str, layout: CacheLayout, device: &Device) -> Result<Self> {
        let CacheLayout { layers, batch, kv_heads, head_size } = layout;
        let axes =
            [(Axis::Batch, batch), (Axis::KvHead, kv_heads), (Axis::Key, 0), (Axis::HeadSize, head_size)];
        let empty = Tensor::zeros(axes).to_device(device)?;
        let layer = LayerCache { keys: empty.clone(), values: empty };
        let (device, layers) = (device.clone(), vec![layer; layers]);
        Ok(KvCache { owner: owner.into(), layout, device, layers, masks: Vec::new(), cross: None })
    }

    /// S, the number of positions that every layer holds.
    pub fn len(&self) -> usize {
        self.layers.iter().map(LayerCache::len).min().unwrap_or(0)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its sizes.
    pub fn layout(&self) -> CacheLayout {
        self.layout
    }

    /// Bytes of the keys and values that it holds, those of cross-attention included.
    pub fn bytes(&self) -> usize {
        let numbers = |layer: &LayerCache| layer.keys.shape().len() + layer.values.shape().len();
        let own = self.layers.iter().map(numbers).sum::<usize>() * size_of::<f32>();
        own + self.cross().map_or(0, |cross| cross.keys_and_values().bytes())
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[LayerCache] {
        &self.layers
    }

    /// One layer, to append to.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such layer.
    pub fn layer_mut(&mut self, layer: usize) -> Result<&mut LayerCache> {
        let expected = format!("less than {}", self.layers.len());
        self.layers.get_mut(layer).ok_or_else(|| Error::invalid("layer of the cache", layer, expected))
    }

    /// Drops all but the first `length` positions.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are fewer, or if a remaining position has attended to a dropped one.
    pub fn truncate(&mut self, length: usize) -> Result<()> {
        let held = self.len();
        if length > held {
            return Err(Error::invalid("length to cut the cache to", length, format!("at most {held}")));
        }
        let mut masks: Vec<&Mask> = self.masks.iter().collect();
        masks.dedup();
        let torn = |mask| Some((mask, first_to_see(mask, length, held)?));
        if let Some((mask, query)) = masks.into_iter().find_map(torn) {
            let what = format!("length to cut the cache to, made under the mask {mask},");
            let expected = format!("one by which position {query} sees nothing that goes");
            return Err(Error::invalid(what, length, expected));
        }
        for layer in &mut self.layers {
            layer.keys = slice(&layer.keys, Axis::Key, 0..length)?;
            layer.values = slice(&layer.values, Axis::Key, 0..length)?;
        }
        Ok(())
    }

    /// An error unless the cache is the model `owner`'s, of these sizes, on `device`.
    ///
    /// # Errors
    /// [`Error::Invalid`] or [`Error::Placement`] naming what differs.
    pub fn expect(&self, owner: &str, layout: CacheLayout, device: &Device) -> Result<()> {
        if *self.owner != *owner {
            return Err(Error::invalid("cache", format!("one of {}", self.owner), format!("one of {owner}")));
        }
        let CacheLayout { layers, batch, kv_heads, head_size } = layout;
        let sizes = [
            ("layers of the cache", self.layout.layers, layers),
            ("sequences in the cache, B,", self.layout.batch, batch),
            ("key/value heads of the cache, G,", self.layout.kv_heads, kv_heads),
            ("head size of the cache, D,", self.layout.head_size, head_size),
        ];
        if let Some((what, got, expected)) = sizes.into_iter().find(|(_, got, expected)| got != expected) {
            return Err(Error::invalid(what, got, expected));
        }
        if self.device != *device {
            let (expected, got) = (device.to_string(), self.device.to_string());
            return Err(Error::Placement { op: "cached pass", argument: "cache", expected, got });
        }
        Ok(())
    }

    /// An error unless `new` positions can be added under the `masks` of the layers without changing the cached
    /// ones: no cached position may see a new one, and between cached positions the masks must be the same as before.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the mask and the first position that would change.
    pub fn expect_masks(&self, masks: &[Mask], new: usize) -> Result<()> {
        let held = self.len();
        let mut checked: Vec<(&Mask, Option<&Mask>)> = Vec::new();
        for (layer, mask) in masks.iter().enumerate() {
            let known = self.masks.get(layer).filter(|known| !self.is_empty() && *known != mask);
            if !checked.contains(&(mask, known)) {
                expect_unchanged(mask, known, held, new)?;
                checked.push((mask, known));
            }
        }
        Ok(())
    }

    /// The keys and values of cross-attention, if the encoder has already read a text.
    pub fn cross(&self) -> Option<&CrossCache> {
        self.cross.as_deref()
    }

    /// As [`cross`](Self::cross), but shared: they do not change while the cache grows.
    pub(super) fn shared_cross(&self) -> Option<Arc<CrossCache>> {
        self.cross.clone()
    }

    /// Keeps the keys and values of cross-attention.
    pub(super) fn set_cross(&mut self, cross: Arc<CrossCache>) {
        self.cross = Some(cross);
    }

    /// Keeps the masks that the positions were computed under, layer by layer.
    pub(super) fn set_masks(&mut self, masks: Vec<Mask>) {
        self.masks = masks;
    }
}

/// How attention knows positions: by a rotation, by a bias, or (with learned positions) by neither.
#[derive(Default)]
pub(super) struct Places {
    /// The rotation of queries and keys.
    pub(super) rotation: Option<RotaryTable>,
    /// Biases of self-attention's scores, `[H, T, S]`.
    pub(super) bias: Option<Tensor>,
}

/// Attention of the positions of x to the cached positions and to themselves, `[B, T, C]`. The keys and values of x
/// are added to the cache.
pub(super) fn attend(
    attention: &MultiHead,
    x: &Tensor,
    places: &Places,
    visibility: Visibility<'_>,
    cache: Option<&mut LayerCache>,
    probe: &mut dyn Probe,
    run: &Run,
) -> Result<Tensor> {
    let (rotation, mut scope) = (places.rotation.as_ref(), Scope::new("self_attention", probe));
    let q = attention.query(x, rotation, &mut scope)?; // [B, H, T, D]
    let (k, v) = attention.keys_and_values(x, rotation, &mut scope)?; // [B, G, T, D]
    let (k, v) = match cache {
        Some(cache) => cache.append(k, v)?, // [B, G, S + T, D]
        None => (k, v),
    };
    let inputs = Inputs { q: &q, k: &k, v: &v, bias: places.bias.as_ref(), visibility };
    attention.attend(x, inputs, &mut scope, run) // [B, T, C]
}

/// An error unless the `held` positions stay the same under `mask` when `new` ones follow. `known` is the mask that
/// they were computed under, if that is a different mask.
fn expect_unchanged(mask: &Mask, known: Option<&Mask>, held: usize, new: usize) -> Result<()> {
    mask.check(held + new)?;
    if let Some(query) = first_to_see(mask, held, held + new) {
        let expected = format!("one under which the cached position {query} sees none of the new ones");
        return Err(Error::invalid("mask of a cached pass", mask, expected));
    }
    let sees_the_same = |known: &Mask| {
        let groups = (known.clone() & mask.clone()).head_groups();
        let pattern = |mask: &Mask, group| mask.for_head(group, groups).pattern(held);
        (0..groups).all(|group| pattern(known, group) == pattern(mask, group))
    };
    match known {
        Some(known) if !sees_the_same(known) => {
            let expected = format!("one that agrees with {known} over the {held} cached positions");
            Err(Error::invalid("mask of a cached pass", mask, expected))
        }
        _ => Ok(()),
    }
}

/// The first of the `held` positions that may attend to a later one.
fn first_to_see(mask: &Mask, held: usize, keys: usize) -> Option<usize> {
    (0..held).find(|&query| (held..keys).any(|key| mask.may_attend(query, key)))
}
