//! What the models read, and which models there are.

use std::fs;

use crate::claim::at_hand::{AtHand, at_hand};
use crate::claim::{Evidence, Settings};
use crate::error::{Error, Result};
use crate::model::store::{Entry, Store};
use crate::model::{self, Input, Model, Tokenizer};

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
pub(super) fn texts(settings: &Settings) -> Result<Vec<String>> {
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
    pub inputs: Vec<Input>,
}

/// The names of the models to look at: those that `models` names, or all that are here up to a size, with a
/// note on the others.
pub(super) fn names(evidence: &mut Evidence, settings: &Settings) -> Result<Vec<String>> {
    let list = settings.text("models")?;
    if !list.trim().is_empty() {
        return Ok(list.split(',').map(|name| name.trim().to_owned()).collect());
    }
    let largest = settings.integer("largest")?;
    let refuse = |entry: &Entry| match entry.parameters {
        Some(parameters) if parameters <= largest * 1_000_000 => None,
        Some(_) => Some(format!("above largest = {largest} million parameters")),
        None => Some(entry.note.clone().unwrap_or_else(|| "its size is not known".to_owned())),
    };
    let AtHand { taken, notes } = at_hand(Store::open()?.list()?, refuse);
    let mut names: Vec<String> = taken.into_iter().map(|entry| entry.name).collect();
    names.sort();
    if names.is_empty() {
        let mut found = vec!["empty, and no model is here that can be taken".to_owned()];
        found.extend(notes);
        let expected = "one that is installed or bundled, such as glass-en, or its folder";
        return Err(Error::invalid("models", found.join("; "), expected));
    }
    notes.into_iter().for_each(|note| evidence.note(note));
    Ok(names)
}

impl Subject {
    /// Loads a model onto the device of the settings, with `texts` cut to n tokens.
    pub fn load(name: &str, texts: &[String], settings: &Settings) -> Result<Self> {
        let folder = Store::open()?.find(name)?;
        let model = model::load(&folder, settings.device())?;
        model.description().expect_one_stack(name)?;
        model.description().expect_one_mask(name)?;
        let (n, context) = (settings.integer("n")?, model.description().context);
        if n > context {
            return Err(Error::invalid("n", n, format!("at most {context}, the context of {name}")));
        }
        let tokenizer = Tokenizer::load(&folder)?;
        let inputs = texts.iter().enumerate().map(|(index, text)| {
            let ids = tokenizer.encode(text)?.ids;
            if ids.len() < n {
                let what = format!("tokens of text {} in {name}", index + 1);
                return Err(Error::invalid(what, ids.len(), format!("at least n = {n}")));
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
}
