//! The tensors of a batch with labels: its loss, and its gradients.

use std::path::Path;

use anyhow::{Context, Result};
use rankscope::gradient::gradients_with;
use rankscope::model::store::Store;
use rankscope::model::{self, MaskChoice, Model};
use rankscope::probe::{Probe, Selection, Trace};
use rankscope::tape::Tape;
use rankscope::train::{Batch, Parameters};
use rankscope::{Device, Run, Tensor};

use super::{TraceArgs, metadata, write};

/// The ending of the gradients of intermediates.
const GRADIENT: &str = ".gradient";

pub fn execute(
    args: &TraceArgs,
    batch: &Path,
    mask: &MaskChoice,
    only: Option<Selection>,
    run: &Run,
) -> Result<()> {
    let name = args.subject.model.as_deref().context("no model; give one with --model")?;
    let folder = Store::open()?.find(name)?;
    let model = model::load(&folder, &Device::choose(args.subject.device.request()?)?.device)?;
    let batch = Batch { mask: mask.clone(), ..Batch::open(batch, &*model)? };
    let tensors = match args.gradients {
        true => gradients_of(&*model, &batch, only.as_ref(), run)?,
        false => intermediates(&*model, &batch, only, run)?,
    };
    let on_cpu = |(name, tensor): (String, Tensor)| Ok((name, tensor.to_device(&Device::Cpu)?));
    let tensors: Vec<_> = tensors.into_iter().map(on_cpu).collect::<Result<_>>()?;
    write(&args.out, &tensors, metadata(name, &*model, mask, &tensors))
}

/// The intermediates of the pass, and the loss.
fn intermediates(
    model: &dyn Model,
    batch: &Batch,
    only: Option<Selection>,
    run: &Run,
) -> Result<Vec<(String, Tensor)>> {
    let has_loss = only.as_ref().is_none_or(|only| only.has("loss"));
    let mut trace = only.map_or_else(Trace::all, Trace::selected);
    let loss = batch.loss(model, &mut trace, run)?.total;
    let loss = has_loss.then(|| ("loss".to_owned(), loss));
    Ok(loss.into_iter().chain(trace.into_vec()).collect())
}

/// The loss and its gradients: of every tensor of the checkpoint, and of the intermediates that are selected.
fn gradients_of(
    model: &dyn Model,
    batch: &Batch,
    only: Option<&Selection>,
    run: &Run,
) -> Result<Vec<(String, Tensor)>> {
    let (parameters, tape) = (Parameters::of(model)?, Tape::new());
    let traced = parameters.trace(&tape)?;
    let mut kept = Kept { only, kept: Vec::new() };
    let loss = batch.loss(&*traced.model, &mut kept, run)?.total;
    let also: Vec<&Tensor> = kept.kept.iter().map(|(_, tensor)| tensor).collect();
    let found = gradients_with(&loss, &also)?;
    let mut tensors = vec![("loss".to_owned(), loss.detach())];
    for ((name, parameter), (_, gradient)) in parameters.iter().zip(traced.gradients(&found)) {
        // A tensor that the loss does not depend on has the gradient 0.
        let gradient = gradient.cloned().unwrap_or_else(|| Tensor::zeros(parameter.shape().axes()));
        tensors.push((format!("gradient.{name}"), gradient));
    }
    for (name, tensor) in &kept.kept {
        if let Some(gradient) = found.of(tensor) {
            tensors.push((format!("{name}{GRADIENT}"), gradient.clone()));
        }
    }
    tensors.retain(|(name, _)| only.is_none_or(|only| only.has(name)));
    Ok(tensors)
}

/// Keeps the intermediates whose gradients are selected.
struct Kept<'a> {
    only: Option<&'a Selection>,
    kept: Vec<(String, Tensor)>,
}

impl Probe for Kept<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> rankscope::Result<Tensor> {
        if self.watches(name) && value.is_tracked() {
            self.kept.push((name.to_owned(), value.clone()));
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        self.only.is_some_and(|only| only.has(&format!("{name}{GRADIENT}")))
    }
}
