//! [`Record`]: what a model was built from, to count it, to blame a weight and to save it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype as FileDtype;
use safetensors::tensor::TensorView;

use super::checkpoint::SINGLE;
use super::{Checkpoint, Config};
use crate::error::{Error, Result};
use crate::file::{save, save_with};
use crate::tensor::Tensor;
use crate::weight::{Dtype, Weight};

/// The tensors that a model was built from, as they are stored, with its configuration.
///
/// Of a checkpoint's tensors it has the names and shapes, and reads the numbers again where they are saved; those of
/// a new model are held on the CPU.
#[derive(Clone, Debug)]
pub struct Record {
    name: String,
    config: Config,
    checkpoint: Option<Checkpoint>,
    tensors: Vec<(String, Weight)>,
}

impl Record {
    pub(super) fn new(
        name: String,
        config: &Config,
        checkpoint: Option<&Checkpoint>,
        tensors: Vec<(String, Weight)>,
    ) -> Self {
        Record { name, config: config.clone(), checkpoint: checkpoint.cloned(), tensors }
    }

    /// Which weights these are: a path or a seed. A cache belongs to them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every tensor by its name in the checkpoint, in the order of building, each tied one once.
    pub fn tensors(&self) -> &[(String, Weight)] {
        &self.tensors
    }

    /// Numbers in all tensors, tied ones counted once.
    pub fn parameters(&self) -> usize {
        // A configuration may ask for more than can be counted; there is no such model, but also no panic.
        let numbers = self.tensors.iter().map(|(_, weight)| weight.shape().len());
        numbers.fold(0, usize::saturating_add)
    }

    /// The numbers of `values`, read back from a GPU, if all are finite.
    ///
    /// # Errors
    /// [`Error::Format`] naming the first weight that is not finite, or saying that all are and the
    /// computation overflowed; [`Error::Gpu`] if the readback fails.
    pub fn finite(&self, what: &str, values: &Tensor) -> Result<Vec<f32>> {
        let numbers = values.to_vec()?;
        self.expect_finite(what, &numbers)?;
        Ok(numbers)
    }

    /// `values` themselves, after a look for NaN on the CPU, where that is free. On a GPU it would be a readback: there
    /// whoever reads them looks, by [`finite`](Self::finite).
    ///
    /// # Errors
    /// As [`finite`](Self::finite).
    pub(super) fn finite_on_the_cpu(&self, what: &str, values: Tensor) -> Result<Tensor> {
        values.as_slice().map_or(Ok(()), |numbers| self.expect_finite(what, numbers))?;
        Ok(values)
    }

    fn expect_finite(&self, what: &str, numbers: &[f32]) -> Result<()> {
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.expect_finite(what, numbers),
            None if numbers.iter().any(|value| !value.is_finite()) => {
                let problem = format!("{what} is not finite: the computation overflowed f32");
                Err(Error::format(self.config.path(), problem))
            }
            None => Ok(()),
        }
    }

    /// Writes `config.json` and `model.safetensors` into `directory`, in the format of the Hugging Face hub:
    /// the names, layouts and dtypes that the model was built from, each tied matrix once.
    ///
    /// **Conventions**: the folder is made if it is not there; each file is written aside and then renamed.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
        let weights: Vec<_> = self.tensors.iter().map(|known| self.read(known)).collect::<Result<_>>()?;
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

    /// A tensor with its numbers.
    fn read(&self, (name, weight): &(String, Weight)) -> Result<(String, Weight)> {
        let weight = match &self.checkpoint {
            Some(checkpoint) => checkpoint.weight(name, weight.shape().axes())?,
            None => weight.clone(),
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
        return Err(Error::invalid(format!("tensor {name}"), "a shape without numbers", "numbers to save"));
    };
    let view = TensorView::new(dtype, weight.shape().sizes(), bytes);
    view.map(|view| (name, view)).map_err(|error| Error::format(name, error))
}
