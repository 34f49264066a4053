//! The state of an optimiser, in memory and in a file.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{Optimiser, Rule};
use crate::error::{Error, Result};
use crate::file::save_with;
use crate::ops::Moments;
use crate::tensor::Tensor;
use crate::train::Parameters;

/// The name of the tensor with the number of steps in a file.
const STEPS: &str = "steps";

/// The state for one parameter, from its earlier gradients.
pub(super) enum State {
    Adam(Moments),
    /// The running sum of gradients.
    Momentum(Tensor),
}

impl State {
    /// The state before the first gradient of `w`.
    pub(super) fn before(rule: Rule, w: &Tensor) -> Result<Self> {
        let zeros = Moments::before(w)?;
        Ok(match rule {
            Rule::AdamW => State::Adam(zeros),
            Rule::Momentum | Rule::Muon => State::Momentum(zeros.mean),
        })
    }

    /// The tensors of the state, each with the ending of its name.
    fn tensors(&self) -> Vec<(&'static str, &Tensor)> {
        match self {
            State::Adam(Moments { mean, square }) => vec![("mean", mean), ("square", square)],
            State::Momentum(momentum) => vec![("momentum", momentum)],
        }
    }

    /// As [`tensors`](Self::tensors), but mutable.
    fn tensors_mut(&mut self) -> Vec<(&'static str, &mut Tensor)> {
        match self {
            State::Adam(Moments { mean, square }) => vec![("mean", mean), ("square", square)],
            State::Momentum(momentum) => vec![("momentum", momentum)],
        }
    }
}

impl Optimiser {
    /// Writes the state to a safetensors file: `NAME.mean` and `NAME.square`, or `NAME.momentum`, for each parameter
    /// that has had a gradient, the number of `steps`, and in the metadata the optimiser's name.
    ///
    /// **Conventions**: the file is written under a temporary name and then renamed.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; [`Error::Gpu`] if a readback fails.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        for ((name, _), state) in parameters.iter().zip(&self.states) {
            for (ending, tensor) in state.iter().flat_map(State::tensors) {
                tensors.push((format!("{name}.{ending}"), tensor.shape().sizes(), tensor.to_vec()?));
            }
        }
        let view = |name: &str, dtype, sizes: &[usize], bytes| {
            let view = TensorView::new(dtype, sizes.to_vec(), bytes);
            Ok((name.to_owned(), view.map_err(|error| Error::format(path, error))?))
        };
        let steps = self.steps.to_le_bytes();
        let mut views = vec![view(STEPS, Dtype::U64, &[], &steps)?];
        for (name, sizes, values) in &tensors {
            views.push(view(name, Dtype::F32, sizes, bytemuck::cast_slice(values))?);
        }
        let metadata = HashMap::from([("optimiser".to_owned(), self.kind.name.to_owned())]);
        save_with(path, |file| {
            safetensors::serialize_to_file(views, Some(metadata), file).map_err(std::io::Error::other)
        })
    }

    /// Restores the state that [`save`](Self::save) wrote: the next step gives the same bits as without an
    /// interruption.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Format`] naming the file and the part of it that belongs to
    /// another optimiser or to other parameters: then nothing has changed.
    pub fn load(&mut self, parameters: &Parameters, path: &Path) -> Result<()> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let wrong = |problem: String| Error::format(path, problem);
        let not_ours = |problem: String| wrong(format!("{problem}; expected what an optimiser saved"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| not_ours(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| not_ours(error.to_string()))?;
        let kind = header.metadata().as_ref().and_then(|metadata| metadata.get("optimiser"));
        let kind = kind.ok_or_else(|| not_ours("names no optimiser".to_owned()))?;
        if kind != self.kind.name {
            return Err(wrong(format!("state of the optimiser {kind}, expected one of {}", self.kind.name)));
        }
        let steps =
            file.tensor(STEPS).ok().and_then(|steps| steps.data().try_into().ok().map(u64::from_le_bytes));
        let steps = steps.ok_or_else(|| not_ours("has no number of steps".to_owned()))?;
        let (mut states, mut taken) = (Vec::new(), 1);
        for (name, w) in parameters.iter() {
            let mut state = State::before((self.kind.rule)(w.shape()), w)?;
            let mut found = 0;
            for (ending, tensor) in state.tensors_mut() {
                let name = format!("{name}.{ending}");
                let Ok(view) = file.tensor(&name) else { continue };
                if view.dtype() != Dtype::F32 || view.shape() != w.shape().sizes() {
                    let (dtype, shape, expected) = (view.dtype(), view.shape(), w.shape().sizes());
                    return Err(wrong(format!("{name} is {dtype:?} {shape:?}, expected F32 {expected:?}")));
                }
                let values =
                    view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
                *tensor = Tensor::new(w.shape().axes(), values)?.to_device(&w.device())?;
                found += 1;
            }
            if found > 0 && found < state.tensors().len() {
                return Err(wrong(format!(
                    "only a part of the state of {name} is there, expected all of it"
                )));
            }
            taken += found;
            states.push((found > 0).then_some(state));
        }
        if taken < file.len() {
            let has = |name: &str| {
                parameters.iter().any(|(known, _)| name.rsplit_once('.').is_some_and(|(of, _)| of == known))
            };
            let other = file.names().into_iter().find(|name| !has(name)).unwrap_or("a tensor").to_owned();
            return Err(wrong(format!(
                "{other} is of another model, expected one of this model's parameters"
            )));
        }
        (self.states, self.steps) = (states, steps);
        Ok(())
    }
}
