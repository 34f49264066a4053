//! Trained models as claims try them: which there are, what they read, and what their heads do with it.

use std::fs;

use ndarray::ArrayView2;

use super::at_hand::{AtHand, at_hand};
use super::{Allowed, Parameter, Sample, Settings};
use crate::Tensor;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::model::store::{Entry, Store};
use crate::model::{self, Input, MaskChoice, Model, Tokenizer};
use crate::probe::Trace;
use crate::rank;
use crate::run::Run;

pub(super) const MODELS: Parameter = Parameter {
    name: "models",
    summary: "trained models by name or folder, with commas between; `here`: all that are here; empty: none",
    allowed: Allowed::Text,
    quick: "here",
    full: "here",
};

pub(super) const LARGEST: Parameter = Parameter {
    name: "largest",
    summary: "where all models are taken: millions of parameters at most",
    allowed: Allowed::Integer(1, 100_000),
    quick: "40",
    full: "1000",
};

pub(super) const TEXTS_FILE: Parameter = Parameter {
    name: "texts",
    summary: "a file with a text on every line for the trained models; empty: three short built-in texts",
    allowed: Allowed::Text,
    quick: "",
    full: "",
};

pub(super) const TOKENS: Parameter = Parameter {
    name: "tokens",
    summary: "tokens of each text that the trained models read",
    allowed: Allowed::Integer(2, 1024),
    quick: "64",
    full: "128",
};

/// Short texts written for this purpose: a tale, an explanation, a dialogue.
const TEXTS: [&str; 3] = [
    "The lighthouse stood at the end of the long grey pier, and every evening the keeper climbed its stairs \
     with a lamp in one hand and a book in the other. Nobody in the village knew what he was reading. Some \
     said it was an old map of the sea, others said it was a letter from his brother, who had sailed away \
     many years ago and had never come home. One night a girl followed him up the stairs. She counted the \
     steps, because she was afraid of the dark, and when she reached the top she saw that the pages of the \
     book were empty. The keeper smiled and gave her a pencil. From then on they wrote it together, one line \
     for every ship that passed.",
    "Bread begins as flour, water and salt, and it would stay a dull paste without yeast. Yeast is alive. It \
     eats the sugar in the flour and gives off a gas, and the gas is caught in the dough, because the baker \
     has worked it until it stretches like a thin skin. The warmer the room, the faster the dough rises, but \
     a slow rise in a cold place gives a better taste. In the oven the gas grows once more, the water turns \
     to steam, and the crust becomes hard and brown. When the loaf is done it sounds hollow if you knock on \
     its base. Let it cool before you cut it, for the crumb is still setting, and warm bread tears more \
     easily than it slices.",
    "Where did you put the key? I left it on the table, next to the blue cup. There is no blue cup on the \
     table. Then my sister must have taken it, she drinks tea at four. Could she have taken the key as well? \
     Why would she want the key, she has one of her own. Perhaps she lost hers again. That is true, she lost \
     it in the garden last week, and the week before it was in the pocket of a coat that she had given away. \
     We should look in the garden first. It is raining, and it will be dark soon. Then bring the lamp and the \
     big umbrella, and I will ask the neighbours whether they have seen anything. Please ask them about the \
     blue cup too.",
];

/// The texts of the experiment: a line each of the file that `texts` names, or the built-in ones.
fn texts(settings: &Settings) -> Result<Vec<String>> {
    let path = settings.text("texts")?;
    if path.is_empty() {
        return Ok(TEXTS.map(str::to_owned).into());
    }
    let content = fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
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

/// What `look` finds in each model that the settings name, with the number of tokens of the setting `tokens`;
/// and a note on every installed model that is left out. `refuse` gives the reason for leaving out models that
/// were trained under a mask; a model that was named is an error where it cannot be taken, one of all that are
/// here is left out.
pub(super) fn each<T>(
    settings: &Settings,
    tokens: &'static str,
    run: &Run,
    refuse: impl Fn(&Mask) -> Option<&'static str>,
    look: impl Fn(&Subject) -> Result<T>,
) -> Result<(Vec<T>, Vec<String>)> {
    let is_named = settings.text(MODELS.name)?.trim() != "here";
    let (names, mut notes) = names(settings)?;
    let texts = if names.is_empty() { Vec::new() } else { texts(settings)? };
    let mut found = Vec::new();
    for name in names {
        run.check()?;
        let subject = match Subject::load(&name, &texts, tokens, settings) {
            Err(error) if !is_named => {
                notes.push(format!("left out: {name} ({error})"));
                continue;
            }
            subject => subject?,
        };
        match refuse(subject.trained_mask()) {
            None => found.push(look(&subject)?),
            Some(reason) => notes.push(format!("left out: {name} ({reason})")),
        }
    }
    Ok((found, notes))
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
    let AtHand { taken, notes } = at_hand(Store::open()?.list()?, refuse);
    let mut names: Vec<String> = taken.into_iter().map(|entry| entry.name).collect();
    names.sort();
    Ok((names, notes))
}

impl Subject {
    /// Loads a model onto the device of the settings, with `texts` cut to n tokens.
    fn load(name: &str, texts: &[String], tokens: &'static str, settings: &Settings) -> Result<Self> {
        let folder = Store::open()?.find(name)?;
        let model = model::load(&folder, settings.device())?;
        model.description().expect_one_stack(name)?;
        model.description().expect_one_mask(name)?;
        let (n, context) = (settings.integer(tokens)?, model.description().context);
        if n > context {
            return Err(Error::invalid(tokens, n, format!("at most {context}, the context of {name}")));
        }
        let tokenizer = Tokenizer::load(&folder)?;
        let inputs = texts.iter().enumerate().map(|(index, text)| {
            let ids = tokenizer.encode(text)?.ids;
            if ids.len() < n {
                let what = format!("tokens of text {} in {name}", index + 1);
                return Err(Error::invalid(what, ids.len(), format!("at least {tokens} = {n}")));
            }
            // A token that ends every text, such as [SEP], ends the cut one too.
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

    /// What `of` makes of every head's attention weights `[T, T]` under `mask`: text by text, layer by layer.
    pub fn heads<R: Send>(
        &self,
        mask: &Mask,
        run: &Run,
        of: impl Fn(ArrayView2<f64>) -> Result<R> + Sync,
    ) -> Result<Vec<Vec<R>>> {
        self.inputs.iter().map(|input| self.heads_of(input, mask, run, &of)).collect()
    }

    fn heads_of<R: Send>(
        &self,
        input: &Input,
        mask: &Mask,
        run: &Run,
        of: &(impl Fn(ArrayView2<f64>) -> Result<R> + Sync),
    ) -> Result<Vec<R>> {
        let mut trace = Trace::of(["self_attention.weights"]);
        self.model.hidden(input, &MaskChoice::Override(mask.clone()), &mut trace, &run.quiet())?;
        let mut matrices: Vec<(Tensor, usize)> = Vec::new();
        for (_, weights) in trace.into_vec() {
            let weights = weights.to_device(&Device::Cpu)?; // [1, H, T, S]
            matrices.extend((0..self.model.description().heads).map(|head| (weights.clone(), head)));
        }
        rank::many(&matrices, &format!("{} under {mask}", self.name), run, |(weights, head)| {
            let matrix = weights.matrix(*head).expect("a head of weights on the CPU").mapv(f64::from);
            of(matrix.view())
        })
    }
}

/// Head by head, a sample over texts of what [`Subject::heads`] found.
pub(super) fn over_texts<R>(texts: &[Vec<R>], of: impl Fn(&R) -> f64) -> Vec<Sample> {
    let heads = texts.first().map_or(0, Vec::len);
    (0..heads).map(|head| texts.iter().map(|heads| of(&heads[head])).collect()).collect()
}

/// The name of a model as measurements and files have it.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}
