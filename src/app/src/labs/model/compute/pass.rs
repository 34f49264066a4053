//! A forward pass that is watched: weights of one attention, values, the residual stream.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rankscope::mask::{Allowed, Positions};
use rankscope::model::{MaskChoice, Tokens};
use rankscope::{Axis, Device, Error, Mask, Probe, Result, Run, Tensor};

use super::Ran;
use super::change::Change;
use super::open::Open;
use super::reports::{Heads, details};
use crate::heatmap::{Buffers, upload};
use crate::labs::model::answer::Pass;
use crate::labs::model::state::{Attention, Explorer, Measure, Reading};
use crate::layout::Head;

/// The inputs that every pass over one text shares.
pub struct Work<'a> {
    /// The model.
    pub open: &'a Open,
    /// The device on which pictures are drawn.
    pub window: &'a wgpu::Device,
    /// The state that asks for it.
    pub state: &'a Explorer,
    /// The text.
    pub tokens: &'a Tokens,
    /// The tokens that the model wrote after it.
    pub written: &'a [u32],
    /// The keys.
    pub keys: Arc<Tokens>,
    /// The queries.
    pub queries: Arc<Tokens>,
    /// The run, which may be cancelled.
    pub run: &'a Run,
}

/// Keeps the intermediates that the lab shows.
struct Watch {
    attention: Attention,
    is_pair: bool,
    held: Range<usize>,
    weights: BTreeMap<usize, (String, Tensor)>,
    values: BTreeMap<usize, Tensor>,
    states: Vec<Tensor>,
}

/// The use of an intermediate in the lab.
enum Kind {
    Weights(usize),
    Value(usize),
    State,
    Other,
}

impl Watch {
    fn kind(&self, name: &str) -> Kind {
        let parts: Vec<&str> = name.split('.').collect();
        let layer = parts.iter().find_map(|part| part.parse().ok());
        let is_of = self.attention.has(name, self.is_pair);
        let stack = if self.attention == Attention::Encoder { "encoder" } else { "decoder" };
        let is_of_stack = !self.is_pair || parts[0] == stack;
        match (parts.last().copied(), layer) {
            (Some("weights"), Some(layer)) if is_of => Kind::Weights(layer),
            (Some("value"), Some(layer)) if is_of => Kind::Value(layer),
            (Some("output"), Some(_)) if is_of_stack && parts.len() == 3 => Kind::State,
            (Some("embeddings"), _) if is_of_stack => Kind::State,
            _ => Kind::Other,
        }
    }
}

impl Probe for Watch {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        match self.kind(name) {
            Kind::Weights(layer) if self.held.contains(&layer) => {
                self.weights.insert(layer, (name.to_owned(), without_batch(&value)?));
            }
            Kind::Value(layer) => {
                self.values.insert(layer, without_batch(&value)?);
            }
            Kind::State => self.states.push(value.clone()),
            _ => {}
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        match self.kind(name) {
            Kind::Weights(layer) => self.held.contains(&layer),
            Kind::Value(_) | Kind::State => true,
            Kind::Other => false,
        }
    }
}

/// Reports on weights that the memory has no room to keep.
struct Rest<'a> {
    watch: Watch,
    work: &'a Work<'a>,
    pass: &'a mut Pass,
}

impl Probe for Rest<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if let Kind::Weights(layer) = self.watch.kind(name)
            && !self.pass.held.contains(&layer)
        {
            let weights = self.work.measured(&without_batch(&value)?, self.pass.norms.get(layer))?;
            self.work.report(self.pass, layer, &weights.to_device(&Device::Cpu)?)?;
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        matches!(self.watch.kind(name), Kind::Weights(layer) if !self.pass.held.contains(&layer))
    }
}

impl Work<'_> {
    fn layers(&self) -> usize {
        let description = self.open.model.description();
        match (&description.encoder, self.state.attention) {
            (Some(encoder), Attention::Encoder) => encoder.layers,
            _ => description.layers,
        }
    }

    /// Whether a reading has the same pass as one without changes under the mask of training.
    pub fn is_as_trained(&self, reading: &Reading) -> Result<bool> {
        if reading.has_changes() {
            return Ok(false);
        }
        let (attention, is_pair) = (self.state.attention, self.open.is_pair());
        let choice = reading.mask_of(attention, is_pair)?;
        let names = self.names("");
        let [chosen, trained] =
            [&choice, &MaskChoice::AsTrained].map(|choice| self.open.masks(choice, &names));
        let heads = self.open.model.description().heads;
        Ok(chosen.iter().zip(&trained).all(|(chosen, trained)| chosen.is_same(trained, heads)))
    }

    /// The names of the weights of all layers, like the name `like`; if that is empty, as in an encoder-decoder.
    fn names(&self, like: &str) -> Vec<String> {
        let like = match (like, self.state.attention) {
            ("", Attention::Encoder) => "encoder.0.self_attention.weights",
            ("", Attention::Decoder) => "decoder.0.self_attention.weights",
            ("", Attention::Cross) => "decoder.0.cross_attention.weights",
            (like, _) => like,
        };
        let named = |layer: usize| {
            let part =
                |part: &str| if part.parse::<usize>().is_ok() { layer.to_string() } else { part.to_owned() };
            like.split('.').map(part).collect::<Vec<_>>().join(".")
        };
        (0..self.layers()).map(named).collect()
    }

    /// The layers whose weights are kept: all, or those around the held layer that fit into the budget.
    fn held(&self) -> Range<usize> {
        let (layers, heads) = (self.layers(), self.open.model.description().heads);
        let bytes = heads * self.queries.pieces.len() * self.keys.pieces.len() * size_of::<f32>();
        let count = ((self.state.budget << 20) / bytes.max(1)).clamp(1, layers.max(1));
        let first = self.state.held.saturating_sub(count / 2).min(layers - count.min(layers));
        first..(first + count).min(layers)
    }

    fn watch(&self, held: Range<usize>) -> Watch {
        Watch {
            attention: self.state.attention,
            is_pair: self.open.is_pair(),
            held,
            weights: BTreeMap::new(),
            values: BTreeMap::new(),
            states: Vec::new(),
        }
    }

    /// Runs the model, its heads changed as the reading says.
    fn forward(&self, reading: &Reading, inner: &mut dyn Probe) -> Result<Tensor> {
        let (attention, is_pair) = (self.state.attention, self.open.is_pair());
        let mask = reading.mask_of(attention, is_pair)?;
        let input = self.open.input(self.tokens, self.written)?;
        let mut probe = Change { reading, attention, is_pair, inner, run: self.run };
        let hidden = self.open.model.hidden(&input, &mask, &mut probe, self.run)?;
        if let Device::Gpu(gpu) = self.open.model.device() {
            gpu.flush()?; // what is drawn must have been submitted before the frame
        }
        Ok(hidden)
    }

    /// A pass with the report of the selected head.
    pub fn first(&self, reading: &Reading) -> Result<Ran> {
        let mut watch = self.watch(self.held());
        let hidden = self.forward(reading, &mut watch)?;
        let states = std::mem::take(&mut watch.states);
        let mut pass = self.drawn(reading, watch)?;
        let selected = self.state.selected.moved(0, 0, pass.layers(), pass.heads());
        let layer = if pass.held.contains(&selected.layer) { selected.layer } else { pass.held.start };
        if let Some(weights) = pass.weights[layer].clone() {
            self.heads(&pass, layer).put(&weights, Some(selected.head), &mut pass.reports, self.run)?;
        }
        Ok(Ran { pass: Arc::new(pass), hidden, states })
    }

    /// The reports of all other heads.
    pub fn complete(&self, reading: &Reading, ran: &mut Ran) -> Result<()> {
        if ran.pass.details.iter().all(Option::is_some) {
            return Ok(());
        }
        let mut pass = (*ran.pass).clone();
        for layer in pass.held.clone() {
            if let Some(weights) = pass.weights[layer].clone() {
                self.report(&mut pass, layer, &weights)?;
            }
        }
        if pass.held.len() < pass.layers() {
            self.forward(reading, &mut Rest { watch: self.watch(0..0), work: self, pass: &mut pass })?;
        }
        ran.pass = Arc::new(pass);
        Ok(())
    }

    /// The reports and details of a layer.
    fn report(&self, pass: &mut Pass, layer: usize, weights: &Tensor) -> Result<()> {
        let heads = self.heads(pass, layer);
        heads.put(weights, None, &mut pass.reports, self.run)?;
        for head in 0..pass.heads() {
            let at = pass.index(Head { layer, head });
            pass.details[at] = weights.matrix(head).map(|matrix| Arc::new(details(matrix)));
        }
        Ok(())
    }

    /// How the heads of a layer are reported on.
    fn heads(&self, pass: &Pass, layer: usize) -> Heads {
        let model = &self.open.model;
        let is_square = pass.buffers.queries == pass.buffers.keys;
        Heads {
            layer,
            mask: (model.has_positive_weights() && is_square).then(|| pass.mask(layer).clone()),
            // A product of D features of each query and key, its rows scaled.
            features: model.has_product_weights().then(|| model.description().head_size),
            cut: (0..pass.heads()).map(|head| pass.is_cut(Head { layer, head })).collect(),
        }
    }

    /// A pass without reports, its weights where the shader reads them and on the CPU.
    fn drawn(&self, reading: &Reading, watch: Watch) -> Result<Pass> {
        let (queries, keys) = (self.queries.pieces.len(), self.keys.pieces.len());
        let first = watch.weights.values().next();
        let heads = first.and_then(|(_, weights)| weights.shape().size(Axis::Head));
        let (Some((name, _)), Some(heads)) = (first, heads) else {
            let expected = "a model whose attention has weights for every pair of tokens";
            return Err(Error::invalid("model", &self.open.name, expected));
        };
        let names = self.names(name);
        let choice = reading.mask_of(self.state.attention, self.open.is_pair())?;
        let masks = self.open.masks(&choice, &names);
        let norms: Arc<[Vec<f32>]> =
            (0..names.len()).map(|layer| norms(watch.values.get(&layer), heads)).collect::<Result<_>>()?;
        let every = (0..names.len()).flat_map(|layer| (0..heads).map(move |head| Head { layer, head }));
        let cut: Arc<[bool]> = every.clone().map(|at| reading.cuts(at)).collect();
        let ablated: Arc<[bool]> = every.map(|at| reading.ablated.contains(&at)).collect();
        let allowed = self.allowed(&masks, &cut, heads)?;
        let nothing = upload(self.window, "no weights", bytemuck::cast_slice(&[0f32]));
        let (mut layers, mut weights) = (Vec::new(), Vec::new());
        for layer in 0..names.len() {
            let Some((_, traced)) = watch.weights.get(&layer) else {
                layers.push(nothing.clone());
                weights.push(None);
                continue;
            };
            let measured = self.measured(traced, norms.get(layer))?;
            layers.push(self.buffer(&measured)?);
            weights.push(Some(measured.to_device(&Device::Cpu)?));
        }
        let count = names.len() * heads;
        Ok(Pass {
            masks: masks.into(),
            tokens: self.keys.clone(),
            queries: self.queries.clone(),
            buffers: Arc::new(Buffers { layers, allowed, heads, queries, keys }),
            held: watch.held,
            weights,
            norms,
            names: names.into(),
            reports: vec![None; count],
            unranked: Arc::default(),
            details: vec![None; count],
            ablated,
            cut,
        })
    }

    /// The weights, or αₜₛ‖vₛ‖ as shares of their rows.
    fn measured(&self, weights: &Tensor, norms: Option<&Vec<f32>>) -> Result<Tensor> {
        match (self.state.measure, norms) {
            (Measure::ValueWeighted, Some(norms)) if !norms.is_empty() => weighted(weights, norms),
            _ => Ok(weights.clone()),
        }
    }

    /// Who may attend to whom, layer by layer, as the shader reads it; layers of one mask share a buffer. A head that
    /// was cut attends everywhere.
    fn allowed(&self, masks: &[Mask], cut: &[bool], heads: usize) -> Result<Vec<wgpu::Buffer>> {
        let (queries, keys) = (self.queries.pieces.len(), self.keys.pieces.len());
        let at = match queries <= keys {
            true => Positions::suffix(queries, keys)?,
            false => Positions { first_query: 0 },
        };
        let mut buffers: Vec<wgpu::Buffer> = Vec::with_capacity(masks.len());
        for (layer, mask) in masks.iter().enumerate() {
            let own = &cut[layer * heads..(layer + 1) * heads];
            let is_same =
                |other: &usize| masks[*other] == *mask && cut[other * heads..(other + 1) * heads] == *own;
            let buffer = match (0..layer).find(is_same) {
                Some(known) => buffers[known].clone(),
                None => {
                    let [allowed, all] = [mask, &Mask::bidirectional()]
                        .map(|mask| Allowed::new(mask, heads, queries, keys, at, None));
                    let words = words(&allowed?, &all?, own);
                    upload(self.window, "allowed", bytemuck::cast_slice(&words))
                }
            };
            buffers.push(buffer);
        }
        Ok(buffers)
    }

    /// The weights' own buffer where they were computed on the window's device; otherwise one upload.
    fn buffer(&self, weights: &Tensor) -> Result<wgpu::Buffer> {
        match (weights.gpu_buffer(), weights.as_slice()) {
            (Some(buffer), _) => Ok(buffer.buffer().clone()),
            (None, Some(values)) => Ok(upload(self.window, "weights", bytemuck::cast_slice(values))),
            (None, None) => Ok(upload(self.window, "weights", bytemuck::cast_slice(&weights.to_vec()?))),
        }
    }
}

/// The rows of `allowed`, and of `all` for each head that was cut.
fn words(allowed: &Allowed, all: &Allowed, cut: &[bool]) -> Vec<u32> {
    if !cut.contains(&true) {
        return allowed.words().to_vec();
    }
    let rows = cut.iter().enumerate().flat_map(|(head, &is_cut)| {
        let from = if is_cut { all } else { allowed };
        (0..allowed.queries()).flat_map(move |query| from.row(0, head, query).iter().copied())
    });
    rows.collect()
}

/// `[1, H, T, S]` as `[H, T, S]`.
fn without_batch(tensor: &Tensor) -> Result<Tensor> {
    match tensor.shape().axes() {
        [(Axis::Batch, 1), rest @ ..] => tensor.reshape(rest),
        _ => Ok(tensor.clone()),
    }
}

/// ‖vₛ‖ for each head, `[H, S]`, of values `[G, S, D]`; empty without values.
fn norms(values: Option<&Tensor>, heads: usize) -> Result<Vec<f32>> {
    let Some(values) = values else { return Ok(Vec::new()) };
    let [groups, keys, size] = values.shape().sizes()[..] else { return Ok(Vec::new()) };
    let all = values.to_vec()?;
    let norm = |row: &[f32]| row.iter().map(|entry| entry * entry).sum::<f32>().sqrt();
    let norms: Vec<f32> = all.chunks(size.max(1)).map(norm).collect();
    let group = |head: usize| &norms[head * groups / heads * keys..][..keys];
    Ok((0..heads).flat_map(group).copied().collect())
}

/// αₜₛ‖vₛ‖ / Σₛ αₜₛ‖vₛ‖ of weights `[H, T, S]`; a row of zeros stays one.
fn weighted(weights: &Tensor, norms: &[f32]) -> Result<Tensor> {
    let [_, queries, keys] = weights.shape().sizes()[..] else { return Ok(weights.clone()) };
    let mut values = weights.to_vec()?;
    for (index, row) in values.chunks_mut(keys.max(1)).enumerate() {
        let head = index / queries.max(1);
        row.iter_mut().zip(&norms[head * keys..]).for_each(|(weight, norm)| *weight *= norm);
        let total: f32 = row.iter().sum();
        if total != 0.0 {
            row.iter_mut().for_each(|weight| *weight /= total);
        }
    }
    Tensor::new(weights.shape().axes(), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_weigh_the_weights_and_rows_still_sum_to_1() {
        let axes = [(Axis::Head, 2), (Axis::Query, 1), (Axis::Key, 2)];
        let weights = Tensor::new(axes, vec![0.5, 0.5, 0.25, 0.75]).unwrap();
        let values = [(Axis::KvHead, 1), (Axis::Key, 2), (Axis::HeadSize, 2)];
        let values = Tensor::new(values, vec![3.0, 4.0, 0.0, 1.0]).unwrap(); // norms 5 and 1, for both heads
        let norms = norms(Some(&values), 2).unwrap();
        assert_eq!(norms, [5.0, 1.0, 5.0, 1.0]);
        let shares = weighted(&weights, &norms).unwrap().to_vec().unwrap();
        let expected = [5.0 / 6.0, 1.0 / 6.0, 1.25 / 2.0, 0.75 / 2.0];
        assert!(
            shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 1e-6),
            "{shares:?}"
        );
    }

    #[test]
    fn a_head_that_was_cut_attends_everywhere_and_the_others_do_not() {
        let at = Positions { first_query: 0 };
        let [causal, all] = [Mask::causal(), Mask::bidirectional()]
            .map(|mask| Allowed::new(&mask, 2, 3, 3, at, None).unwrap());
        assert_eq!(words(&causal, &all, &[false, false]), [0b001, 0b011, 0b111]);
        assert_eq!(words(&causal, &all, &[false, true]), [0b001, 0b011, 0b111, 0b111, 0b111, 0b111]);
    }
}
