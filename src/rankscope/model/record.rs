//! [`Record`]: the tensors and the configuration that a model was built from. It serves to count the model, to name a
//! bad weight, and to save the model.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype as FileDtype;
use safetensors::tensor::TensorView;

use super::checkpoint::SINGLE;
use super::task_head::{Reads, TaskHead};
use super::{Checkpoint, Config};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::file::{save, save_with};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// The tensors that a model was built from, as they are stored, with its configuration.
///
/// For a checkpoint it holds the names and shapes of the tensors, and reads the numbers again when they are saved; the
/// numbers of a new model are held on the CPU.
#[derive(Clone, Debug)]
pub struct Record {
    name: String,
    config: Config,
    checkpoint: Option<Checkpoint>,
    tensors: Vec<(String, Weight)>,
    heads: Vec<TaskHead>,
    left_out: Vec<String>,
}

impl Record {
    pub(super) fn new(
        name: String,
        config: &Config,
        checkpoint: Option<&Checkpoint>,
        tensors: Vec<(String, Weight)>,
    ) -> Self {
        let (config, checkpoint) = (config.clone(), checkpoint.cloned());
        Record { name, config, checkpoint, tensors, heads: Vec::new(), left_out: Vec::new() }
    }

    /// With the heads that were built on the body, and the names of the checkpoint's tensors that were not used.
    pub(super) fn with_heads(self, heads: Vec<TaskHead>, left_out: Vec<String>) -> Self {
        Record { heads, left_out, ..self }
    }

    /// The heads of the checkpoint that are computed: classifiers, rewards.
    pub fn heads(&self) -> &[TaskHead] {
        &self.heads
    }

    /// The tensors of the checkpoint that belong to heads which are not computed here, by name.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Notes about the heads: which heads are computed, and which tensors are left out.
    pub fn notes(&self) -> Vec<String> {
        let of = |head: &TaskHead| {
            let state = match head.reads() {
                Reads::Pooled => "the pooled state",
                Reads::First => "the first token",
                Reads::Last => "the last token",
                Reads::Each => "each token",
            };
            let (name, size) = (head.name(), head.labels().len());
            format!("the head {name} gives {size} scores for {state}: {name}.output in a trace")
        };
        let mut notes: Vec<_> = self.heads.iter().map(of).collect();
        let mut stems: Vec<(&str, usize)> = Vec::new();
        for name in &self.left_out {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            match stems.last_mut() {
                Some((last, count)) if *last == stem => *count += 1,
                _ => stems.push((stem, 1)),
            }
        }
        if !stems.is_empty() {
            const MOST: usize = 4;
            let shown = stems.iter().take(MOST).map(|(stem, count)| format!("{stem} ({count})"));
            let more = if stems.len() > MOST {
                format!(" and {} others", stems.len() - MOST)
            } else {
                String::new()
            };
            let shown: Vec<_> = shown.collect();
            notes.push(format!(
                "left out, no part of the body that is computed (numbers of tensors in brackets): {}{more}",
                shown.join(", ")
            ));
        }
        notes
    }

    /// The name of these weights: a path or a seed. A cache belongs to the model with this name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every tensor by its name in the checkpoint, in the order of building, each tied tensor once; the tensors of a
    /// checkpoint come without their numbers.
    pub fn tensors(&self) -> &[(String, Weight)] {
        &self.tensors
    }

    /// How many numbers all tensors have, tied tensors counted once.
    pub fn parameters(&self) -> usize {
        // A configuration may state more numbers than a `usize` can count; no such model exists, but it must not cause
        // a panic.
        let numbers = self.tensors.iter().map(|(_, weight)| weight.shape().len());
        numbers.fold(0, usize::saturating_add)
    }

    /// The numbers of `values` that the model returned, read back from a GPU, if all are finite. On the CPU the model
    /// has already checked them.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first weight that is not finite, or saying that all are and the
    /// computation overflowed; [`Error::Gpu`] if the readback fails.
    pub fn finite(&self, what: &str, values: &Tensor) -> Result<Vec<f32>> {
        let values = values.detach();
        let numbers = values.to_vec()?;
        if values.as_slice().is_none() {
            self.expect_finite(what, &numbers)?;
        }
        Ok(numbers)
    }

    /// `values` themselves, checked for NaN and infinity if they are on the CPU. On a GPU this would be a readback, so
    /// there they are checked where they are read, by [`finite`](Self::finite).
    ///
    /// # Errors
    /// As [`finite`](Self::finite).
    pub(super) fn finite_on_the_cpu(&self, what: &str, values: Tensor) -> Result<Tensor> {
        values.detach().as_slice().map_or(Ok(()), |numbers| self.expect_finite(what, numbers))?;
        Ok(values)
    }

    fn expect_finite(&self, what: &str, numbers: &[f32]) -> Result<()> {
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.expect_finite(what, numbers),
            // In chunks without an early exit, so that the compiler can use vectors.
            None if numbers
                .chunks(1024)
                .any(|part| part.iter().fold(false, |bad, x| bad | !x.is_finite())) =>
            {
                let problem = format!("{what} is not finite: the computation overflowed f32");
                Err(Error::format(self.config.path(), problem))
            }
            None => Ok(()),
        }
    }

    /// Writes `config.json` and `model.safetensors` into `directory`, in the format of the Hugging Face hub:
    /// with the names, layouts and dtypes that the model was built from, and each tied matrix once.
    ///
    /// **Conventions**: the folder is created if it does not exist; each file is written under a temporary name and
    /// then renamed.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        self.write(directory, self.weights()?)
    }

    /// As [`save`](Self::save), with all tensors stored as `dtype`.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_as(&self, directory: &Path, dtype: Dtype) -> Result<()> {
        let convert = |(name, weight): (String, Weight)| {
            let values = weight.to_f32().ok_or_else(|| without_numbers(&name))?;
            let weight = Weight::new(&name, weight.shape().axes(), dtype, &values)?;
            Ok((name, weight))
        };
        self.write(directory, self.weights()?.into_iter().map(convert).collect::<Result<_>>()?)
    }

    fn write(&self, directory: &Path, weights: Vec<(String, Weight)>) -> Result<()> {
        fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
        let views: Result<Vec<_>> = weights.iter().map(|(name, weight)| view(name, weight)).collect();
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let text = serde_json::to_string_pretty(&self.config.to_json())
            .map_err(|error| Error::format(directory.join("config.json"), error))?;
        let views = views?;
        save_with(&directory.join(SINGLE), |path| {
            safetensors::serialize_to_file(views, Some(metadata), path).map_err(std::io::Error::other)
        })?;
        save(directory.join("config.json"), text + "\n")
    }

    /// Every tensor with its numbers, on the CPU.
    ///
    /// # Errors
    /// [`Error::Io`] if the checkpoint cannot be read; [`Error::Gpu`] if a readback fails.
    pub(crate) fn weights(&self) -> Result<Vec<(String, Weight)>> {
        self.tensors.iter().map(|known| self.read(known)).collect()
    }

    /// A tensor with its numbers.
    fn read(&self, (name, weight): &(String, Weight)) -> Result<(String, Weight)> {
        let weight = match &self.checkpoint {
            Some(checkpoint) => checkpoint.weight(name, weight.shape().axes())?,
            None if weight.is_absent() => weight.clone(),
            None => weight.to_device(&Device::Cpu)?,
        };
        Ok((name.clone(), weight))
    }
}

fn view<'a>(name: &'a str, weight: &'a Weight) -> Result<(&'a str, TensorView<'a>)> {
    let dtype = match weight.dtype() {
        Dtype::F32 => FileDtype::F32,
        Dtype::F16 => FileDtype::F16,
        Dtype::Bf16 => FileDtype::BF16,
    };
    let Some(bytes) = weight.bytes() else {
        return Err(without_numbers(name));
    };
    let view = TensorView::new(dtype, weight.shape().sizes(), bytes);
    view.map(|view| (name, view)).map_err(|error| Error::format(name, error))
}

fn without_numbers(name: &str) -> Error {
    Error::invalid(format!("tensor {name}"), "a shape without numbers", "numbers to save")
}
