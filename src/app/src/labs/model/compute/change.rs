//! The probe that changes heads: sets their output to zero, or keeps the top singular components of their weights.

use rankscope::rank::{many, truncated};
use rankscope::{Axis, Device, Probe, Result, Run, Tensor};

use crate::labs::model::state::{Attention, Reading};
use crate::layout::Head;

/// Changes the heads of one attention as a reading says, and passes the result on to another probe.
pub struct Change<'a> {
    /// Which heads, and how.
    pub reading: &'a Reading,
    /// The attention whose heads are changed.
    pub attention: Attention,
    /// Whether the model is an encoder-decoder.
    pub is_pair: bool,
    /// The probe that sees the result.
    pub inner: &'a mut dyn Probe,
    /// The run, which may be cancelled.
    pub run: &'a Run,
}

impl Change<'_> {
    /// The layer of an intermediate that may be changed: weights where some are cut, the output of heads where some are
    /// ablated.
    fn layer(&self, name: &str) -> Option<usize> {
        let is_of = self.attention.has(name, self.is_pair);
        let layer = name.split('.').find_map(|part| part.parse().ok())?;
        let changes = match name.rsplit('.').next() {
            Some("weights") => {
                self.reading.cut.is_some_and(|cut| cut.head.is_none_or(|head| head.layer == layer))
            }
            Some("context") => self.reading.ablated.iter().any(|head| head.layer == layer),
            _ => false,
        };
        (is_of && changes).then_some(layer)
    }

    /// Weights `[1, H, T, S]` with the top components of each head that is cut.
    fn cut(&self, layer: usize, weights: &Tensor) -> Result<Tensor> {
        let cut = self.reading.cut.map_or(0, |cut| cut.components);
        let heads = weights.shape().size(Axis::Head).unwrap_or(0);
        let heads: Vec<usize> = (0..heads).collect();
        let parts = many(&heads, "singular components", self.run, |&head| {
            let matrix = weights.matrix(head).map(|matrix| matrix.to_owned()).unwrap_or_default();
            match self.reading.cuts(Head { layer, head }) {
                false => Ok(matrix),
                true => Ok(truncated(matrix.mapv(f64::from).view(), cut)?.mapv(|entry| entry as f32)),
            }
        })?;
        Tensor::new(weights.shape().axes(), parts.iter().flatten().copied().collect())
    }

    /// The output of heads `[1, H, T, D]`, zero where they are ablated.
    fn ablated(&self, layer: usize, context: &Tensor) -> Result<Tensor> {
        let heads = context.shape().size(Axis::Head).unwrap_or(1);
        let mut values = context.to_vec()?;
        let size = values.len() / heads.max(1);
        for (head, part) in values.chunks_mut(size.max(1)).enumerate() {
            if self.reading.ablated.contains(&Head { layer, head }) {
                part.fill(0.0);
            }
        }
        Tensor::new(context.shape().axes(), values)
    }
}

impl Probe for Change<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = match self.layer(name) {
            None => value,
            Some(layer) => {
                let (device, value) = (value.device(), value.to_device(&Device::Cpu)?);
                let changed = match name.ends_with("weights") {
                    true => self.cut(layer, &value)?,
                    false => self.ablated(layer, &value)?,
                };
                changed.to_device(&device)?
            }
        };
        self.inner.visit(name, value)
    }

    fn watches(&self, name: &str) -> bool {
        self.layer(name).is_some() || self.inner.watches(name)
    }
}
