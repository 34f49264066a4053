//! [`Parameters`]: the named tensors of a model that is trained.

use std::collections::HashMap;
use std::path::Path;

use crate::axis::Shape;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::gradient::Gradients;
use crate::model::{self, Config, Fresh, Model, Source};
use crate::tape::Tape;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The tensors of a model by the names and in the layout of its file, in f32. The same tensors are used to compute, are
/// trained, and are saved.
///
/// A model is built from them for every step, which costs little, since tensors are shared and not copied; so no number
/// of the model is stored twice.
#[derive(Clone)]
pub struct Parameters {
    config: Config,
    device: Device,
    tensors: Vec<(String, Tensor)>,
}

/// A model that is built from tracked parameters.
pub struct Traced {
    /// The model.
    pub model: Box<dyn Model>,
    tracked: Vec<(String, Tensor)>,
}

impl Parameters {
    /// The parameters of a model, widened to f32, on its device.
    ///
    /// # Errors
    /// [`Error::Io`] if a checkpoint cannot be read again; [`Error::Gpu`] if the upload fails.
    pub fn of(model: &dyn Model) -> Result<Self> {
        let (record, device) = (model.record(), model.device().clone());
        let widened = |(name, weight): (String, Weight)| -> Result<(String, Tensor)> {
            let values = weight.to_f32().ok_or_else(|| {
                Error::invalid(format!("tensor {name}"), "a shape without numbers", "numbers to train")
            })?;
            Ok((name, Tensor::new(weight.shape().axes(), values)?.to_device(&device)?))
        };
        let tensors = record.weights()?.into_iter().map(widened).collect::<Result<_>>()?;
        Ok(Parameters { config: record.config().clone(), device, tensors })
    }

    /// The device of the tensors.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The tensors with their names, in the order of building.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensors with their names, mutable.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Tensor)> {
        self.tensors.iter_mut().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many numbers all tensors have.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(|(_, tensor)| tensor.shape().len()).sum()
    }

    /// The model of these parameters.
    ///
    /// # Errors
    /// As [`model::build`].
    pub fn model(&self) -> Result<Box<dyn Model>> {
        model::build(&self.config, &mut Table::of(&self.tensors), &self.device)
    }

    /// The model of these parameters, tracked on `tape`.
    ///
    /// # Errors
    /// As [`model::build`].
    pub fn trace(&self, tape: &Tape) -> Result<Traced> {
        let tracked = self.tensors.iter().map(|(name, tensor)| (name.clone(), tape.track(tensor)));
        let tracked: Vec<_> = tracked.collect();
        let model = model::build(&self.config, &mut Table::of(&tracked), &self.device)?;
        Ok(Traced { model, tracked })
    }

    /// Writes them as a checkpoint, as [`Record::save`](model::Record::save) does.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written; [`Error::Gpu`] if the readback fails.
    pub fn save(&self, directory: &Path) -> Result<()> {
        self.model()?.record().save(directory)
    }
}

impl Traced {
    /// The gradient of every parameter by its name, in the order of [`Parameters::iter`]; `None` for a parameter that
    /// the differentiated number does not depend on.
    pub fn gradients<'a>(
        &'a self,
        gradients: &'a Gradients,
    ) -> impl ExactSizeIterator<Item = (&'a str, Option<&'a Tensor>)> {
        self.tracked.iter().map(|(name, tensor)| (name.as_str(), gradients.of(tensor)))
    }
}

/// The tensors as the [`Source`](model::Source) of a model.
struct Table<'a>(HashMap<&'a str, &'a Tensor>);

impl<'a> Table<'a> {
    fn of(tensors: &'a [(String, Tensor)]) -> Self {
        Table(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect())
    }
}

impl Source for Table<'_> {
    fn tensor(&mut self, name: &str, shape: Shape, _: Fresh) -> Result<Weight> {
        let tensor = self.0.get(name);
        let tensor = tensor.ok_or_else(|| Error::invalid("parameter", name, "one of those of the model"))?;
        Ok(Weight::from_tensor(name, tensor.reshape(shape.axes())?))
    }

    fn name(&self) -> String {
        "parameters in training".to_owned()
    }

    fn has(&self, name: &str) -> Option<bool> {
        Some(self.0.contains_key(name))
    }
}
