//! [`Batch`]: inputs and what is to be predicted.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::mask::Padding;
use crate::model::{Input, MaskChoice, Model};
use crate::ops::cross_entropy;
use crate::probe::Probe;
use crate::run::Run;
use crate::tensor::Tensor;

/// Inputs of a model, and a target for each of its logits or for some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// What the model reads.
    pub input: Input,
    /// For each row of logits the token that it should predict, `[B, T]`; `None` where it does not matter.
    pub targets: Vec<Option<u32>>,
    /// The mask of self-attention.
    pub mask: MaskChoice,
}

impl Batch {
    /// The mean cross-entropy of the targets, in nats: one number.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a model without an output head; as [`Model::forward`] and [`cross_entropy`].
    pub fn loss(&self, model: &dyn Model, probe: &mut dyn Probe, run: &Run) -> Result<Tensor> {
        let hidden = model.hidden(&self.input, &self.mask, probe, run)?; // [B, T, C]
        let logits = model.logits(&hidden, probe)?; // [B, T, V]
        let logits = logits.ok_or_else(|| Error::invalid("logits of the model", "none", "an output head"))?;
        cross_entropy(&logits, &self.targets, 0.0)
    }

    /// The batch in a safetensors file: `input_ids`, and where given `attention_mask` (1 is a token), `token_type_ids`,
    /// `decoder_input_ids` and `labels` (−100 is no target), whole numbers `[B, T]` each.
    ///
    /// **Conventions**: labels as `transformers` reads them for `model`: in a model of one causal stack the label of a
    /// position is its own token, and the position before it predicts it.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`] naming the file and the tensor that is missing or of another kind.
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
        Ok(Batch { input, targets, mask: MaskChoice::AsTrained })
    }
}

/// A matrix of whole numbers and how many rows it has; `None` if there is no such tensor.
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
