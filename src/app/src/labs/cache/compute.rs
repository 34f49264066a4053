//! The states of a dialogue before and after, and how long it takes to bring them up to date.

use ndarray::Array2;
use rankscope::axis::Axis;
use rankscope::claim::{Cost, Task, costs};
use rankscope::mask::Mask;
use rankscope::model::reuse::{Reading, joined_tokens, moved_states};
use rankscope::model::store::{Origin, Store};
use rankscope::model::{self, FAMILIES, Input, KvCache, MaskChoice, Model, Tokenizer};
use rankscope::probe::Unobserved;
use rankscope::{Device, Error, Result, Run};

use super::state::{Cache, Event, Way};
use crate::lab::Part;

/// The answer.
#[derive(Default)]
pub struct Answer {
    /// Models to choose from.
    pub models: Part<Vec<String>>,
    /// The tokens.
    pub dialogue: Part<Dialogue>,
    /// One for each way to read it.
    pub ways: Part<Vec<Read>>,
    /// What bringing the states up to date costs in each.
    pub costs: Part<Vec<Cost>>,
}

/// A piece of the answer.
pub enum News {
    /// Models to choose from.
    Models(Vec<String>),
    /// The tokens.
    Dialogue(Dialogue),
    /// The states, one for each way.
    Ways(Vec<Read>),
    /// The costs, one for each way.
    Costs(Vec<Cost>),
}

/// The tokens of a dialogue, after what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialogue {
    /// Each token's text.
    pub pieces: Vec<String>,
    /// Where each turn ends.
    pub ends: Vec<usize>,
    /// The number of tokens that were there before.
    pub stored: usize,
    /// L.
    pub layers: usize,
    /// The edited token: its place, and its text before.
    pub edited: Option<(usize, String)>,
}

/// The dialogue read in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The way.
    pub way: Way,
    /// The masks before and after, as text.
    pub masks: [String; 2],
    /// Which stored states have to be computed again, whatever the weights: the embeddings first, `[L + 1, S]`.
    pub stale: Array2<bool>,
    /// How far each of them moved: ‖after − before‖ / ‖before‖.
    pub moved: Array2<f64>,
    /// The number of tokens at the start that keep all their states, so that their cache stays valid.
    pub kept: usize,
}

impl Read {
    /// How many stored states have to be computed again.
    pub fn again(&self) -> usize {
        self.stale.iter().filter(|stale| **stale).count()
    }
}

/// A model that stays open.
struct Opened {
    name: String,
    model: Box<dyn Model>,
    tokenizer: Tokenizer,
}

/// The device, and the last model.
pub struct Memory {
    device: Device,
    opened: Option<Opened>,
}

impl Memory {
    /// No model yet.
    pub fn new(device: Device) -> Self {
        Memory { device, opened: None }
    }

    fn open(&mut self, name: &str) -> Result<&Opened> {
        if self.opened.as_ref().is_none_or(|opened| opened.name != name) {
            let folder = Store::open()?.find(name)?;
            let model = model::load(&folder, &self.device)?;
            model.description().expect_one_stack(name)?;
            model.cache(1)?;
            let tokenizer = Tokenizer::load(&folder)?;
            self.opened = Some(Opened { name: name.to_owned(), model, tokenizer });
        }
        Ok(self.opened.as_ref().expect("opened above"))
    }
}

/// Names of the models that are here and have one stack; whether a model has a cache is known once it is opened.
fn models() -> Result<Vec<String>> {
    let entries = Store::open()?.list()?.into_iter().filter(|entry| entry.origin != Origin::Available);
    let decodes = |family: &str| {
        FAMILIES.iter().any(|known| known.name == family && !known.is_pair) && family != "bert"
    };
    let usable = entries.filter(|entry| entry.family.as_deref().is_some_and(decodes));
    let mut names: Vec<String> = usable.map(|entry| entry.name).collect();
    names.dedup();
    Ok(names)
}

/// Tells the tokens, then the states, then the costs.
pub fn compute(state: &Cache, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
    tell(News::Models(models()?));
    let Opened { model, tokenizer, .. } = memory.open(&state.model)?;
    let d = model.description();
    let names: Vec<String> = (1..=state.turns.len()).map(|turn| format!("turn {turn}")).collect();
    let parts: Vec<(&str, &str)> =
        names.iter().zip(&state.turns).map(|(name, turn)| (name.as_str(), turn.as_str())).collect();
    let (tokens, ends) = joined_tokens(tokenizer, &parts)?;
    let (mut pieces, mut after) = (tokens.pieces, tokens.ids);
    let count = after.len();
    if count > d.context {
        let expected = format!("at most {}, the context of {}", d.context, state.model);
        return Err(Error::invalid("tokens of the dialogue", count, expected));
    }
    let mut before = after.clone();
    let edited = match state.event {
        Event::Append => {
            before.truncate(ends[ends.len() - 2]);
            None
        }
        Event::Edit(at) if at < count => {
            after[at] = (after[at] + 1) % d.vocab as u32;
            let new = tokenizer.piece(after[at]);
            Some((at, std::mem::replace(&mut pieces[at], new)))
        }
        Event::Edit(at) => {
            return Err(Error::invalid("edited token", at, format!("one of the {count}, counted from 0")));
        }
    };
    let (stored, place) = (before.len(), edited.as_ref().map(|(at, _)| *at));
    tell(News::Dialogue(Dialogue { pieces, ends: ends.clone(), stored, layers: d.layers, edited }));
    let (mut ways, mut masks) = (Vec::new(), Vec::new());
    for (done, way) in Way::ALL.into_iter().enumerate() {
        run.step("states", done, Way::ALL.len())?;
        let reading = state.reading(way, &ends)?;
        let read = read(way, &reading, (&before, &after), place, &**model, run)?;
        masks.push(reading.after);
        ways.push(read);
    }
    let kept: Vec<usize> = ways.iter().map(|way| way.kept).collect();
    tell(News::Ways(ways));
    let mut tasks = Vec::new();
    for (mask, kept) in masks.into_iter().zip(kept) {
        tasks.push(update(&**model, &after, mask, kept, run)?);
    }
    let tasks: [Task<'_>; Way::ALL.len()] =
        tasks.try_into().map_err(|_| Error::invalid("ways", "fewer", "all of them"))?;
    tell(News::Costs(costs(tasks, state.repeats, "timing", run)?.into()));
    Ok(())
}

fn read(
    way: Way,
    reading: &Reading,
    (before, after): (&[u32], &[u32]),
    edited: Option<usize>,
    model: &dyn Model,
    run: &Run,
) -> Result<Read> {
    let stale = reading.stale(before.len(), after.len(), edited, model.description().layers);
    let moved = moved_states(model, (before, &reading.before), (after, &reading.after), run)?;
    let untouched = |at: usize| stale.column(at).iter().all(|stale| !stale);
    let fresh = (0..before.len()).take_while(|&at| untouched(at)).count();
    // A cache holds positions that see no later position.
    let sees_on = |length: usize| {
        (0..length).any(|query| (length..after.len()).any(|key| reading.after.may_attend(query, key)))
    };
    let kept = (0..=fresh).rev().find(|&length| !sees_on(length)).unwrap_or(0);
    let masks = [&reading.before, &reading.after].map(Mask::to_string);
    Ok(Read { way, masks, stale, moved, kept })
}

/// Brings the states up to date: those after the first `kept` tokens, by a cache of these tokens, or all of them.
fn update<'a>(
    model: &'a dyn Model,
    ids: &'a [u32],
    mask: Mask,
    kept: usize,
    run: &'a Run,
) -> Result<Task<'a>> {
    let (choice, quiet) = (MaskChoice::Override(mask), run.quiet());
    let (past, rest) = ids.split_at(kept.min(ids.len() - 1));
    let mut cache = None;
    if !past.is_empty() {
        let mut filled: KvCache = model.cache(1)?;
        model.hidden_after(&mut filled, &Input::new(past.to_vec()), &choice, &mut Unobserved, run)?;
        cache = Some(filled);
    }
    let input = Input::new(rest.to_vec());
    Ok(Box::new(move || {
        let hidden = match &cache {
            Some(cache) => {
                model.hidden_after(&mut cache.clone(), &input, &choice, &mut Unobserved, &quiet)?
            }
            None => model.hidden(&input, &choice, &mut Unobserved, &quiet)?,
        };
        debug_assert_eq!(hidden.shape().size(Axis::Query), Some(rest.len()));
        hidden.to_vec().map(drop) // so that a GPU has done its work
    }))
}
