//! Trained models in claims: which models are used, the texts that they read, and the measurements of their heads.

use std::fs;
use std::path::Path;

use ndarray::ArrayView2;

use super::Allowed::{Integer, Text};
use super::at_hand::at_hand;
use super::parameter::set;
use super::verdict::sentence;
use super::{Evidence, Parameter, Sample, Settings, Trained};
use crate::Tensor;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::store::{Entry, Store};
use crate::model::{self, Input, MaskChoice, Model, Tokenizer};
use crate::probe::Trace;
use crate::rank;
use crate::run::Run;

pub(super) const MODELS: Parameter = set(
    "models",
    "trained models by name or folder, with commas between; `here`: all that are here, but for those that rankscope trained; empty: none",
    Text,
    ["here"; 2],
);
pub(super) const LARGEST: Parameter = set(
    "largest",
    "where all models are taken: millions of parameters at most",
    Integer(1, 100_000),
    ["40", "1000"],
);
pub(super) const TEXTS_FILE: Parameter = set(
    "texts",
    "a file with a text on every line for the trained models; empty: three short built-in texts",
    Text,
    [""; 2],
);
pub(super) const TOKENS: Parameter =
    set("tokens", "tokens of each text that the trained models read", Integer(2, 1024), ["64", "128"]);

/// Short texts written for this purpose: a tale, an explanation, a dialogue.
const TEXTS: &str = include_str!("texts.txt");

/// The texts of the experiment: the lines of the file that `texts` names, or the built-in texts.
fn texts(settings: &Settings) -> Result<Vec<String>> {
    let path = settings.text("texts")?;
    let content = match path {
        "" => TEXTS.to_owned(),
        path => fs::read_to_string(path).map_err(|error| Error::io(path, error))?,
    };
    let texts: Vec<String> =
        content.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    match texts.len() {
        1..=MOST_TEXTS => Ok(texts),
        count => {
            Err(Error::invalid("texts", format!("{count} lines"), format!("1 to {MOST_TEXTS}, a text each")))
        }
    }
}

const MOST_TEXTS: usize = 1000;

/// A model with the texts cut to n of its tokens.
pub(super) struct Subject {
    pub name: String,
    pub model: Box<dyn Model>,
    inputs: Vec<Input>,
}

/// The result of `look` for each model that the settings name; `load` makes the model from its name and folder. The
/// evidence notes every installed model that is left out.
///
/// A model that was named and cannot be loaded is an error; if all installed models are used, it is left out.
pub(super) fn models<S, T>(
    evidence: &mut Evidence,
    settings: &Settings,
    run: &Run,
    load: impl Fn(&str, &Path) -> Result<S>,
    look: impl Fn(&S) -> Result<std::result::Result<T, &'static str>>,
) -> Result<Vec<T>> {
    let is_named = settings.text(MODELS.name)?.trim() != "here";
    let (names, notes) = names(settings)?;
    notes.into_iter().for_each(|note| evidence.note(note));
    let mut found = Vec::new();
    for name in names {
        run.check()?;
        let model = match Store::open()?.find(&name).and_then(|folder| load(&name, &folder)) {
            Err(error) if !is_named => {
                evidence.note(format!("left out: {name} ({error})"));
                continue;
            }
            model => model?,
        };
        match look(&model)? {
            Ok(seen) => found.push(seen),
            Err(reason) => evidence.note(format!("left out: {name} ({reason})")),
        }
    }
    Ok(found)
}

/// The result of `look` for each of [`models`] with the texts of the settings.
pub(super) fn each<T>(
    evidence: &mut Evidence,
    settings: &Settings,
    run: &Run,
    look: impl Fn(&Subject) -> Result<T>,
) -> Result<Vec<T>> {
    each_under(None, evidence, settings, run, look)
}

/// As [`each`], only for models that were trained under this mask.
pub(super) fn each_under<T>(
    mask: Option<&Mask>,
    evidence: &mut Evidence,
    settings: &Settings,
    run: &Run,
    look: impl Fn(&Subject) -> Result<T>,
) -> Result<Vec<T>> {
    // Only the claim about trained attention calls its number of tokens n.
    let tokens = if settings.has(TOKENS.name) { TOKENS.name } else { "n" };
    let texts = if settings.text(MODELS.name)?.is_empty() { Vec::new() } else { texts(settings)? };
    let load = |name: &str, folder: &Path| Subject::load(name, folder, &texts, tokens, settings);
    models(evidence, settings, run, load, |subject| {
        let is_other = mask.is_some_and(|mask| subject.trained_mask() != mask);
        Ok(if is_other { Err("not trained under the mask on trial") } else { Ok(look(subject)?) })
    })
}

/// The models that the settings name, and notes on those that are left out.
fn names(settings: &Settings) -> Result<(Vec<String>, Vec<String>)> {
    let list = settings.text(MODELS.name)?.trim();
    if list != "here" {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        return Ok((names.map(str::to_owned).collect(), Vec::new()));
    }
    let largest = settings.integer(LARGEST.name)?;
    let refuse = |entry: &Entry| match entry.parameters {
        Some(parameters) if parameters <= largest * 1_000_000 => None,
        Some(_) => Some(format!("above largest = {largest} million parameters")),
        None => Some(entry.note.clone().unwrap_or_else(|| "its size is not known".to_owned())),
    };
    let (mut names, notes) = at_hand(Store::open()?.list()?, refuse);
    names.sort();
    Ok((names, notes))
}

impl Subject {
    /// Loads a model onto the device of the settings, with `texts` cut to n tokens.
    fn load(
        name: &str,
        folder: &Path,
        texts: &[String],
        tokens: &'static str,
        settings: &Settings,
    ) -> Result<Self> {
        let model = model::load(folder, settings.device())?;
        model.description().expect_one_stack(name)?;
        model.description().expect_one_mask(name)?;
        let (n, context) = (settings.integer(tokens)?, model.description().context);
        if n > context {
            return Err(Error::invalid(tokens, n, format!("at most {context}, the context of {name}")));
        }
        let tokenizer = Tokenizer::load(folder)?;
        let inputs = texts.iter().enumerate().map(|(index, text)| {
            let ids = tokenizer.encode(text)?.ids;
            if ids.len() < n {
                let what = format!("tokens of text {} in {name}", index + 1);
                return Err(Error::invalid(what, ids.len(), format!("at least {tokens} = {n}")));
            }
            // A token that ends every text, such as [SEP], also ends the cut text.
            let last = ids[ids.len() - 1];
            let is_end = tokenizer.decode(&[last])?.is_empty();
            let mut cut = ids[..n].to_vec();
            if is_end {
                cut[n - 1] = last;
            }
            Ok(Input::new(cut))
        });
        let inputs = inputs.collect::<Result<_>>()?;
        Ok(Subject { name: name.to_owned(), model, inputs })
    }

    /// The mask under which it was trained.
    pub fn trained_mask(&self) -> &Mask {
        &self.model.description().trained_mask
    }

    /// The result of `of` for every head's attention weights `[T, T]` under `mask`.
    pub fn heads<R: Send>(
        &self,
        mask: &Mask,
        run: &Run,
        of: impl Fn(ArrayView2<f64>) -> Result<R> + Sync,
    ) -> Result<Heads<R>> {
        let description = self.model.description();
        let mut heads: Vec<Vec<R>> = Vec::new();
        for input in &self.inputs {
            let layers = self.layers_of(input, mask, run)?;
            let of_layer = |weights| (0..description.heads).map(move |head| (weights, head));
            let all: Vec<(&Tensor, usize)> = layers.iter().flat_map(of_layer).collect();
            let found = rank::many(&all, &format!("{} under {mask}", self.name), run, |(weights, head)| {
                let matrix = weights.matrix(*head).expect("a head of weights on the CPU").mapv(f64::from);
                of(matrix.view())
            })?;
            heads.resize_with(found.len(), Vec::new);
            heads.iter_mut().zip(found).for_each(|(head, found)| head.push(found));
        }
        Ok(Heads {
            name: self.name.clone(),
            trained: self.trained_mask().clone(),
            head_size: description.head_size,
            per_layer: description.heads,
            tokens: self.inputs.first().map_or(0, Input::len),
            heads,
        })
    }

    /// For each text, the result of `of` for the attention weights of all layers under `mask`, each `[1, H, T, S]`.
    pub fn layers<R>(&self, mask: &Mask, run: &Run, of: impl Fn(Vec<Tensor>) -> Result<R>) -> Result<Vec<R>> {
        let read = |(done, input): (usize, &Input)| {
            let found = of(self.layers_of(input, mask, run)?)?;
            run.step(&format!("{} under {mask}", self.name), done + 1, self.inputs.len())?;
            Ok(found)
        };
        self.inputs.iter().enumerate().map(read).collect()
    }

    fn layers_of(&self, input: &Input, mask: &Mask, run: &Run) -> Result<Vec<Tensor>> {
        let mut trace = Trace::of(["self_attention.weights"]);
        self.model.hidden(input, &MaskChoice::Override(mask.clone()), &mut trace, &run.quiet())?;
        trace.into_vec().into_iter().map(|(_, weights)| weights.to_device(&Device::Cpu)).collect()
    }
}

/// The results for the heads of one model.
pub(super) struct Heads<R> {
    pub name: String,
    /// The mask under which the model was trained.
    pub trained: Mask,
    pub head_size: usize,
    /// The number of heads of a layer.
    pub per_layer: usize,
    /// The number of tokens of each text.
    pub tokens: usize,
    /// The results of each head, in the order of layers and heads, for each text.
    pub heads: Vec<Vec<R>>,
}

impl<R> Heads<R> {
    /// For each head, a number over the texts.
    pub fn over(&self, of: impl Fn(&R) -> f64) -> Vec<Sample> {
        self.heads.iter().map(|texts| texts.iter().map(&of).collect()).collect()
    }

    /// A sample over the heads of the mean over the texts.
    pub fn means(&self, of: impl Fn(&R) -> f64) -> Sample {
        self.over(of).iter().map(Sample::mean).collect()
    }

    /// The same model with other results for its heads.
    pub fn with<S>(self, heads: Vec<Vec<S>>) -> Heads<S> {
        let Heads { name, trained, head_size, per_layer, tokens, .. } = self;
        Heads { name, trained, head_size, per_layer, tokens, heads }
    }

    /// "glass-en (trained causal, D = 16)".
    pub fn in_words(&self) -> String {
        format!("{} (trained {}, D = {})", self.name, self.trained, self.head_size)
    }

    /// The name of a measurement of this model.
    pub fn measure(&self, what: &str) -> String {
        format!("{what}_{}", plain(&self.name))
    }
}

/// The ruling over `cases`, with `lead` and the sentence on each model as its reason.
pub(super) fn in_models<T>(
    models: &[T],
    cases: impl IntoIterator<Item = Option<bool>>,
    lead: &str,
    words: impl Fn(&T) -> String,
) -> (Trained, String) {
    let because = match models {
        [] => "None was named or is installed.".to_owned(),
        _ => sentence(&format!("{lead}{}", models.iter().map(words).collect::<Vec<_>>().join("; "))),
    };
    (Trained::over(cases), because)
}

/// The name of a model in measurements and file names.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// Heads that were made by hand, on one text or more.
#[cfg(test)]
pub(super) fn by_hand<R>(tokens: usize, heads: Vec<Vec<R>>) -> Vec<Heads<R>> {
    if heads.is_empty() {
        return Vec::new();
    }
    let name = "by hand".to_owned();
    vec![Heads { name, trained: Mask::causal(), head_size: 2, per_layer: 2, tokens, heads }]
}
