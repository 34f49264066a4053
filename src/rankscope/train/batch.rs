//! [`Batch`]: inputs and targets, and their loss.

use std::iter::Sum;
use std::ops::Add;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Padding;
use crate::model::{Input, MaskChoice, Model};
use crate::ops::{add, cross_entropy, gather_rows, scale};
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Inputs of a model, with targets for all or some rows of its logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The input that the model reads.
    pub input: Input,
    /// For each row of logits, `[B, T]`, the token that it should predict; `None` where there is no target.
    pub targets: Vec<Option<u32>>,
    /// The mask of self-attention.
    pub mask: MaskChoice,
    /// The targets of a head for classes, if one is trained.
    pub labels: Option<Labels>,
    /// ε: the part of a target's probability that is spread evenly over all tokens (label smoothing).
    pub smoothing: f32,
}

/// The targets of a head for classes, for each sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The head's name on [`Record::heads`](crate::model::Record::heads).
    pub head: &'static str,
    /// The class of each sequence, `[B]`; `None` where there is no target.
    pub classes: Vec<Option<u32>>,
    /// The weight of the tokens' loss when it is added to the classes' loss.
    pub tokens_weight: f32,
}

/// The number of predictions over which a loss is the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens that are targets.
    pub tokens: usize,
    /// Sequences with a class.
    pub classes: usize,
}

impl Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts { tokens: self.tokens + other.tokens, classes: self.classes + other.classes }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), Add::add)
    }
}

/// The loss of a batch.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The number that is differentiated.
    pub total: Tensor,
    /// Its parts by name, without their weights and not tracked: `tokens`, and the name of the head for classes.
    pub parts: Vec<(&'static str, Tensor)>,
}

impl Batch {
    /// The least tokens of a part of a batch whose gradients are computed alone: with fewer, products are too small to
    /// be efficient.
    pub const PART_TOKENS: usize = 512;

    /// A batch without classes and smoothing.
    pub fn new(input: Input, targets: Vec<Option<u32>>, mask: MaskChoice) -> Self {
        Batch { input, targets, mask, labels: None, smoothing: 0.0 }
    }

    /// The numbers of predictions.
    pub fn counts(&self) -> Counts {
        let count = |targets: &[Option<u32>]| targets.iter().flatten().count();
        Counts {
            tokens: count(&self.targets),
            classes: self.labels.as_ref().map_or(0, |labels| count(&labels.classes)),
        }
    }

    /// The batch in parts of whole sequences and at least `tokens` tokens; as one part, if a part would have nothing to
    /// predict.
    pub fn parts(&self, tokens: usize) -> Vec<Batch> {
        let all = self.input.batch_size();
        let read = self.input.ids().len() + self.input.decoder_ids().map_or(0, <[u32]>::len);
        let count = (read / tokens.max(1)).clamp(1, all);
        let rows = self.targets.len() / all;
        let part = |index: usize| {
            let sequences = index * all / count..(index + 1) * all / count;
            let labels = self.labels.as_ref();
            Batch {
                targets: self.targets[sequences.start * rows..sequences.end * rows].to_vec(),
                labels: labels.map(|labels| Labels {
                    classes: labels.classes[sequences.clone()].to_vec(),
                    ..labels.clone()
                }),
                input: self.input.part(sequences),
                mask: self.mask.clone(),
                smoothing: self.smoothing,
            }
        };
        let parts: Vec<Batch> = (0..count).map(part).collect();
        let predicts = |part: &Batch| {
            let Counts { tokens, classes } = part.counts();
            tokens > 0 && (part.labels.is_none() || classes > 0)
        };
        if parts.iter().all(predicts) { parts } else { vec![self.clone()] }
    }

    /// The mean cross-entropy of the targets, in nats; where there are classes, the mean cross-entropy of the classes,
    /// plus that of the tokens times its weight.
    ///
    /// **Conventions**: logits are computed where there is a target, `[1, N, V]`; for all positions, `[B, T, V]`, where
    /// most have a target or the probe watches `logits` or `head_norm`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a model without an output head, or without the head for classes; as [`Model::forward`] and
    /// [`cross_entropy`].
    pub fn loss(&self, model: &dyn Model, probe: &mut dyn Probe, run: &Run) -> Result<Losses> {
        self.loss_among(self.counts(), model, probe, run)
    }

    /// The share of this batch in the loss of several batches: the shares of batches whose counts sum to `all` add up
    /// to the loss of one batch with all predictions. So gradients accumulate without a bias, for any division of the
    /// predictions.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn loss_among(
        &self,
        all: Counts,
        model: &dyn Model,
        probe: &mut dyn Probe,
        run: &Run,
    ) -> Result<Losses> {
        let own = self.counts();
        let hidden = model.hidden(&self.input, &self.mask, probe, run)?; // [B, T, C]
        let (logits, targets) = self.predictions(model, &hidden, probe)?;
        let tokens = cross_entropy(&logits, &targets, self.smoothing)?;
        let tokens = share(tokens, own.tokens, all.tokens)?;
        let mut parts = vec![("tokens", tokens.detach())];
        let Some(labels) = &self.labels else { return Ok(Losses { total: tokens, parts }) };
        let scores = self.scores(labels.head, model, &hidden, probe)?;
        let classes = share(cross_entropy(&scores, &labels.classes, 0.0)?, own.classes, all.classes)?;
        parts.push((labels.head, classes.detach()));
        Ok(Losses { total: add(scale(tokens, labels.tokens_weight)?, classes)?, parts })
    }

    /// The logits of the rows that have a target, with their targets; or all rows, if that is not more work.
    pub(super) fn predictions(
        &self,
        model: &dyn Model,
        hidden: &Tensor,
        probe: &mut dyn Probe,
    ) -> Result<(Tensor, Vec<Option<u32>>)> {
        /// Rows are selected, which copies them, where at most this share of them have a target.
        const MOST: f64 = 0.9;
        let rows = self.predicting_rows();
        let is_watched = probe.watches("logits") || probe.watches("head_norm");
        if is_watched || rows.len() as f64 > MOST * self.targets.len() as f64 {
            return Ok((logits(model, hidden, probe)?, self.targets.clone()));
        }
        let targets = rows.iter().map(|&row| self.targets[row as usize]).collect();
        Ok((logits(model, &select(hidden, &rows)?, probe)?, targets))
    }

    /// The rows of `[B, T]` that have a target.
    pub(super) fn predicting_rows(&self) -> Vec<u32> {
        (0..).zip(&self.targets).filter_map(|(row, target)| target.map(|_| row)).collect()
    }

    /// The scores of the head called `name`, `[B, N]`.
    pub(super) fn scores(
        &self,
        name: &str,
        model: &dyn Model,
        hidden: &Tensor,
        probe: &mut dyn Probe,
    ) -> Result<Tensor> {
        let heads = model.record().heads();
        let Some(index) = heads.iter().position(|head| head.name() == name) else {
            let names: Vec<_> = heads.iter().map(|head| head.name()).collect();
            let got = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let expected = format!("{name}, which is to learn classes");
            return Err(Error::invalid("heads of the model", got, expected));
        };
        Ok(model.heads(hidden, &self.input, probe)?.swap_remove(index))
    }

    /// The batch in a safetensors file: `input_ids`, and, where given, `attention_mask` (1 is a token),
    /// `token_type_ids`, `decoder_input_ids` and `labels` (−100 is no target), whole numbers `[B, T]` each.
    ///
    /// **Conventions**: labels as in `transformers` for `model`: in a model of one causal stack the label of a position
    /// is its own token, which the position before it predicts.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file and the tensor that is missing or of a wrong type.
    pub fn open(path: &Path, model: &dyn Model) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| {
            Error::format(path, format!("{error}; expected a safetensors file with input_ids and labels"))
        })?;
        let numbers = |name: &str| whole(&file, name).map_err(|problem| Error::format(path, problem));
        let (ids, batch) =
            numbers("input_ids")?.ok_or_else(|| Error::format(path, "input_ids is missing"))?;
        let mut input = Input::batch(tokens(path, "input_ids", &ids)?, batch)?;
        if let Some((types, _)) = numbers("token_type_ids")? {
            input = input.with_token_types(tokens(path, "token_type_ids", &types)?);
        }
        if let Some((mask, _)) = numbers("attention_mask")? {
            let real = mask.iter().map(|&value| value != 0).collect();
            input = input.with_padding(Padding::new(real, ids.len() / batch)?);
        }
        if let Some((ids, _)) = numbers("decoder_input_ids")? {
            input = input.with_decoder(tokens(path, "decoder_input_ids", &ids)?);
        }
        let (labels, _) = numbers("labels")?.ok_or_else(|| Error::format(path, "labels is missing"))?;
        let read = input.decoder_ids().map_or(input.ids().len(), <[u32]>::len);
        if labels.len() != read {
            let problem =
                format!("labels holds {} numbers, expected {read}, one for each token", labels.len());
            return Err(Error::format(path, problem));
        }
        let target = |&label: &i64| match label {
            -100 => Ok(None),
            label => u32::try_from(label).map(Some).map_err(|_| {
                Error::format(path, format!("labels holds {label}, expected ids of tokens, or -100 for none"))
            }),
        };
        let mut targets: Vec<Option<u32>> = labels.iter().map(target).collect::<Result<_>>()?;
        if model.sizes().generates() && input.decoder_ids().is_none() {
            let length = input.len();
            for row in targets.chunks_mut(length) {
                row.rotate_left(1);
                row[length - 1] = None;
            }
        }
        Ok(Batch::new(input, targets, MaskChoice::AsTrained))
    }
}

/// The logits of hidden states.
///
/// # Errors
/// [`Error::Invalid`] for a model without an output head; as [`Model::logits`].
pub(super) fn logits(model: &dyn Model, hidden: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
    let logits = model.logits(hidden, probe)?;
    logits.ok_or_else(|| Error::invalid("logits of the model", "none", "an output head"))
}

/// Some rows of hidden states `[B, T, C]`, as one sequence, `[1, N, C]`.
pub(super) fn select(hidden: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let width = hidden.shape().size(Axis::Width).unwrap_or(1);
    gather_rows(hidden, rows)?.reshape([(Axis::Batch, 1), (Axis::Query, rows.len()), (Axis::Width, width)])
}

/// A mean over `own` predictions, scaled to its share in the mean over `all`.
fn share(mean: Tensor, own: usize, all: usize) -> Result<Tensor> {
    match own == all {
        true => Ok(mean),
        false => scale(mean, (own as f64 / all as f64) as f32),
    }
}

/// A matrix of whole numbers and its number of rows; `None` if there is no such tensor.
fn whole(file: &SafeTensors<'_>, name: &str) -> std::result::Result<Option<(Vec<i64>, usize)>, String> {
    let Ok(view) = file.tensor(name) else { return Ok(None) };
    let values = match view.dtype() {
        Dtype::I64 => view.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
        Dtype::I32 => {
            view.data().as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes).into()).collect()
        }
        other => return Err(format!("{name} is of dtype {other:?}, expected I64 or I32")),
    };
    match view.shape() {
        &[rows, columns] if rows * columns > 0 => Ok(Some((values, rows))),
        shape => Err(format!("{name} has the shape {shape:?}, expected [B, T]")),
    }
}

fn tokens(path: &Path, name: &str, values: &[i64]) -> Result<Vec<u32>> {
    let token = |&value: &i64| {
        u32::try_from(value).map_err(|_| {
            Error::format(path, format!("{name} holds {value}, expected ids of tokens, from 0 on"))
        })
    };
    values.iter().map(token).collect()
}
