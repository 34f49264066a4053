//! What the worker does for a job: loads the model, tokenizes the text, runs it, and computes the ranks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rankscope::mask::{Allowed, Positions};
use rankscope::model::heads::{head_report, layer_reports_with};
use rankscope::model::store::Store;
use rankscope::model::{self, Description, Input, MaskChoice, Model, Tokenizer, Tokens};
use rankscope::numbers::scaled;
use rankscope::probe::Trace;
use rankscope::run::Cancel;
use rankscope::{Axis, Device, Error, Mask, Result, Run, Tensor};

use super::{Event, Job, Opened, Pass, Tell, brought};
use crate::heatmap::{Buffers, upload};
use crate::layout::Head;

/// The thread's state: the open model, and the attention as trained for the text at hand.
pub struct Engine {
    device: Device,
    window: wgpu::Device,
    open: Option<Open>,
    trained: Option<(String, Arc<Pass>)>,
}

struct Open {
    name: String,
    model: Box<dyn Model>,
    tokenizer: Tokenizer,
}

/// What every pass of one job shares.
struct Work<'a> {
    open: &'a Open,
    window: &'a wgpu::Device,
    tokens: &'a Arc<Tokens>,
    first: Head,
    run: &'a Run,
}

impl Engine {
    /// Computes on `device`, draws on `window`.
    pub fn new(device: Device, window: wgpu::Device) -> Self {
        Engine { device, window, open: None, trained: None }
    }

    /// Computes `job`, and sends each result as soon as it is there.
    ///
    /// # Errors
    /// Any error of the model, the text or the mask; `Cancelled` once a newer job is there.
    pub fn serve(&mut self, job: &Job, cancel: &Cancel, tell: &Tell) -> Result<()> {
        let start = Instant::now();
        let watcher = tell.clone();
        let run = Run::default().with_cancel(cancel.clone());
        let run = run.with_progress(move |progress| watcher(Event::Progress(progress)));
        if let Some(brought) = &job.brought {
            brought::show(brought, job.first, &self.window, tell, &run)?;
            tell(Event::Done(start.elapsed()));
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|open| open.name != job.model) {
            (self.open, self.trained) = (None, None);
            run.step("opening the model", 0, 1)?;
            self.open = Some(Open::named(&job.model, &self.device)?);
        }
        let Some(open) = &self.open else { return Ok(()) };
        tell(Event::Model(open.opened()));
        let tokens = open.tokens(&job.text)?;
        tell(Event::Tokens(tokens.clone()));
        let known = self.trained.as_ref().filter(|(text, _)| *text == job.text).map(|(_, pass)| pass.clone());
        let work = Work { open, window: &self.window, tokens: &tokens, first: job.first, run: &run };
        let trained = work.both(&job.mask, known, tell)?;
        self.trained = Some((job.text.clone(), trained));
        tell(Event::Done(start.elapsed()));
        Ok(())
    }
}

impl Open {
    fn named(name: &str, device: &Device) -> Result<Self> {
        let folder: PathBuf = Store::open()?.find(name)?;
        let (model, tokenizer) = (model::load(&folder, device)?, Tokenizer::load(&folder)?);
        Ok(Open { name: name.to_owned(), model, tokenizer })
    }

    fn opened(&self) -> Arc<Opened> {
        let (name, d) = (self.name.clone(), self.shown());
        let about = format!(
            "{}, {} layers × {} heads, {} parameters in {:?}, context {}",
            d.family,
            d.layers,
            d.heads,
            scaled(d.parameters as f64, ""),
            d.dtype,
            d.context
        );
        let (layers, heads) = (d.layers, d.heads);
        Arc::new(Opened { name, layers, heads, sequences: 1, about, description: Some(d) })
    }

    /// What the window shows of the model: of an encoder-decoder, the encoder, which reads the text.
    fn shown(&self) -> Description {
        let description = self.model.description().clone();
        match description.encoder.clone() {
            Some(encoder) => Description {
                layers: encoder.layers,
                trained_mask: encoder.trained_mask,
                encoder: None,
                ..description
            },
            None => description,
        }
    }

    /// The text as ids; an error that counts the tokens where there are too many.
    fn tokens(&self, text: &str) -> Result<Arc<Tokens>> {
        let tokens = self.tokenizer.encode(text)?;
        let Description { context, is_limited, .. } = *self.model.description();
        let count = tokens.ids.len();
        if is_limited && count > context {
            let expected = format!("at most {context}, the context of {}: shorten the text", self.name);
            return Err(Error::invalid("number of tokens", count, expected));
        }
        Ok(Arc::new(tokens))
    }
}

impl Work<'_> {
    /// The chosen pass, then the one as trained unless it is `known`; returns the latter.
    fn both(&self, mask: &MaskChoice, known: Option<Arc<Pass>>, tell: &Tell) -> Result<Arc<Pass>> {
        let description = self.open.shown();
        let (trained, chosen) = (MaskChoice::AsTrained.of_layers(&description), mask.of_layers(&description));
        let is_trained =
            trained.iter().zip(&chosen).all(|(trained, chosen)| chosen.is_same(trained, description.heads));
        if !is_trained {
            if let Some(known) = &known {
                tell(Event::Trained(known.clone()));
            }
            self.pass(mask, &|pass| tell(Event::Chosen(pass)))?;
        }
        let show = |pass: Arc<Pass>| {
            tell(Event::Trained(pass.clone()));
            if is_trained {
                tell(Event::Chosen(pass));
            }
        };
        match known {
            None => self.pass(&MaskChoice::AsTrained, &show),
            Some(known) => {
                show(known.clone());
                Ok(known)
            }
        }
    }

    /// One forward pass: shown as soon as the weights are there, again with the first head's report, and
    /// again with all reports.
    fn pass(&self, mask: &MaskChoice, show: &dyn Fn(Arc<Pass>)) -> Result<Arc<Pass>> {
        let description = self.open.shown();
        let (heads, masks) = (description.heads, mask.of_layers(&description));
        let allowed = self.allowed(&masks, heads)?;
        let input = Input::new(self.tokens.ids.clone()).with_token_types(self.tokens.token_types.clone());
        let mut trace = Trace::of(["attention.weights"]);
        let (choice, stack) = match (&self.open.model.description().encoder, mask) {
            (Some(_), MaskChoice::AsTrained) => (MaskChoice::AsTrained, "encoder."),
            (Some(_), other) => (MaskChoice::Encoder(other.resolve(&description)), "encoder."),
            (None, _) => (mask.clone(), ""),
        };
        self.open.model.hidden(&input, &choice, &mut trace, self.run)?;
        if let Device::Gpu(gpu) = self.open.model.device() {
            gpu.flush()?; // what is drawn must have been submitted before the frame
        }
        let traced = trace.into_vec().into_iter().filter(|(name, _)| name.starts_with(stack)).collect();
        let (mut pass, weights) = self.drawn(masks, allowed, traced)?;
        show(Arc::new(pass.clone()));
        let first = Head {
            layer: self.first.layer.min(pass.layers().saturating_sub(1)),
            head: self.first.head.min(pass.heads().saturating_sub(1)),
        };
        // The selected head first.
        let layer = (pass.names[first.layer].clone(), weights[first.layer].to_device(&Device::Cpu)?);
        let known = head_report(&layer, first.head, pass.mask(first.layer))?;
        pass.reports[first.layer * heads + first.head] = Some(Arc::new(known.report.clone()));
        pass.weights[first.layer] = Some(layer.1);
        show(Arc::new(pass.clone()));
        let mut layers = Vec::new();
        for ((name, slot), weights) in pass.names.iter().zip(&mut pass.weights).zip(&weights) {
            let weights = slot.take().map_or_else(|| weights.to_device(&Device::Cpu), Ok)?;
            *slot = Some(weights.clone());
            layers.push((name.clone(), weights));
        }
        let reports = layer_reports_with(known, &layers, &pass.masks, self.run)?;
        pass.reports = reports.into_iter().map(|head| Some(Arc::new(head.report))).collect();
        let pass = Arc::new(pass);
        show(pass.clone());
        Ok(pass)
    }

    /// Who may attend to whom, layer by layer, as the shader reads it; layers of one mask share a buffer.
    fn allowed(&self, masks: &[Mask], heads: usize) -> Result<Vec<wgpu::Buffer>> {
        let count = self.tokens.ids.len();
        let at = Positions::suffix(count, count)?;
        let mut buffers: Vec<wgpu::Buffer> = Vec::with_capacity(masks.len());
        for (layer, mask) in masks.iter().enumerate() {
            let buffer = match masks[..layer].iter().position(|known| known == mask) {
                Some(known) => buffers[known].clone(),
                None => {
                    let allowed = Allowed::new(mask, heads, count, count, at, None)?;
                    upload(self.window, "allowed", bytemuck::cast_slice(allowed.words()))
                }
            };
            buffers.push(buffer);
        }
        Ok(buffers)
    }

    /// A pass without reports, its weights where the shader reads them.
    fn drawn(
        &self,
        masks: Vec<Mask>,
        allowed: Vec<wgpu::Buffer>,
        traced: Vec<(String, Tensor)>,
    ) -> Result<(Pass, Vec<Tensor>)> {
        let (names, weights): (Vec<String>, Vec<Tensor>) = traced.into_iter().unzip();
        let weights = weights.iter().map(without_batch).collect::<Result<Vec<_>>>()?; // [H, T, S] each
        let heads = weights.first().and_then(|layer| layer.shape().size(Axis::Head)).unwrap_or(0);
        let layers = weights.iter().map(|layer| self.buffer(layer)).collect::<Result<Vec<_>>>()?;
        let length = self.tokens.ids.len();
        let buffers = Buffers { layers, allowed, heads, queries: length, keys: length };
        let reports = vec![None; names.len() * heads];
        let tokens = self.tokens.clone();
        let pass = Pass {
            masks: masks.into(),
            queries: tokens.clone(),
            tokens,
            buffers: Arc::new(buffers),
            weights: vec![None; names.len()],
            names: names.into(),
            reports,
        };
        Ok((pass, weights))
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

/// `[1, H, T, S]` as `[H, T, S]`.
fn without_batch(weights: &Tensor) -> Result<Tensor> {
    match weights.shape().axes() {
        [(Axis::Batch, 1), rest @ ..] => weights.reshape(rest),
        _ => Ok(weights.clone()),
    }
}
