//! From a state to its results: opens models, runs them, computes ranks. Each result is told as soon as it is there.

mod brought;
mod change;
mod depth;
mod next;
mod open;
mod pass;
mod reports;

use std::sync::Arc;

use rankscope::model::Tokens;
use rankscope::{Device, Result, Run, Tensor};

use super::answer::{Depth, News, Pass, Piece};
use super::state::{Attention, Explorer, Measure, Reading, Side};
use open::Open;
use pass::Work;

/// Models, and passes as trained, that are kept: one for each reading.
const KEPT: usize = 2;

/// The memory of the thread: open models, and the last results.
pub struct Engine {
    device: Device,
    window: wgpu::Device,
    models: Vec<Open>,
    trained: Vec<(Basis, Ran)>,
    sides: [Memory; 2],
}

/// The memory of one reading.
#[derive(Default)]
struct Memory {
    /// The results of it that were told, without the prediction.
    told: Option<(Wanted, Vec<Piece>)>,
    /// The hidden states from which the prediction is computed.
    read: Option<Read>,
    /// The tokens that a model wrote.
    written: Option<(Reading, Vec<u32>)>,
}

/// The hidden states from which a prediction is computed.
struct Read {
    /// The last hidden states as asked for.
    hidden: Tensor,
    /// The last hidden states as trained, if that is another pass.
    trained: Option<Tensor>,
    /// The tokens that predict.
    pieces: Vec<String>,
}

/// The settings that decide the pieces of one reading.
#[derive(Clone, PartialEq)]
struct Wanted {
    reading: Reading,
    attention: Attention,
    measure: Measure,
    budget: usize,
    held: usize,
}

/// The settings that decide a pass as trained.
#[derive(Clone, PartialEq)]
struct Basis {
    model: String,
    tokens: Arc<Vec<u32>>,
    written: Vec<u32>,
    attention: Attention,
    measure: Measure,
    budget: usize,
    held: usize,
}

/// A pass, its last hidden states and its residual stream.
#[derive(Clone)]
struct Ran {
    pass: Arc<Pass>,
    hidden: Tensor,
    states: Vec<Tensor>,
}

/// Tells a piece of one reading.
type Tell<'a> = dyn FnMut(Piece) + 'a;

impl Engine {
    /// An engine that computes on `device` and draws on `window`.
    pub fn new(device: Device, window: wgpu::Device) -> Self {
        Engine { device, window, models: Vec::new(), trained: Vec::new(), sides: Default::default() }
    }

    /// Computes the results of a state.
    ///
    /// # Errors
    /// Any error of a model, a text, a mask or a file; `Cancelled` once a newer state is there.
    pub fn serve(&mut self, state: &Explorer, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        for side in Side::BOTH {
            match state.reading(side) {
                None => self.sides[side as usize] = Memory::default(),
                Some(reading) => {
                    self.read(state, side, reading, run, &mut |piece| tell(News { side, piece }))?;
                }
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        state: &Explorer,
        side: Side,
        reading: &Reading,
        run: &Run,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let (attention, measure) = (state.attention, state.measure);
        let wanted =
            Wanted { reading: reading.clone(), attention, measure, budget: state.budget, held: state.held };
        let memory = &mut self.sides[side as usize];
        if let Some((_, pieces)) = memory.told.as_ref().filter(|(told, _)| *told == wanted) {
            pieces.iter().cloned().for_each(&mut *tell);
            if reading.file.is_none() {
                self.next(state, side, reading)?.into_iter().for_each(tell);
            }
            return Ok(());
        }
        (memory.told, memory.read) = (None, None);
        let mut pieces = Vec::new();
        let mut keep = |piece: Piece| {
            pieces.retain(|old| std::mem::discriminant(old) != std::mem::discriminant(&piece));
            pieces.push(piece.clone());
            tell(piece);
        };
        match &reading.file {
            Some(file) => brought::show(file, state.selected, &self.window, run, &mut keep)?,
            None => self.run(state, side, reading, run, &mut keep)?,
        }
        pieces.retain(|piece| !matches!(piece, Piece::Next(_)));
        self.sides[side as usize].told = Some((wanted, pieces));
        Ok(())
    }

    /// The results of a model.
    fn run(
        &mut self,
        state: &Explorer,
        side: Side,
        reading: &Reading,
        run: &Run,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        self.open(&reading.model, run)?;
        let open = &self.models[0];
        tell(Piece::Model(open.opened(state.attention)));
        let tokens = open.tokens(&reading.text)?;
        let written =
            open.written(&tokens, reading, state.attention, &mut self.sides[side as usize].written, run)?;
        let (keys, queries) = open.sides(&tokens, &written, state.attention)?;
        tell(Piece::Tokens(queries.clone()));
        let basis = Basis {
            model: reading.model.clone(),
            tokens: Arc::new(tokens.ids.clone()),
            written: written.clone(),
            attention: state.attention,
            measure: state.measure,
            budget: state.budget,
            held: state.held,
        };
        let known = self.trained.iter().find(|(known, _)| *known == basis).map(|(_, ran)| ran.clone());
        let (window, tokens, written) = (&self.window, &tokens, &written[..]);
        let work = Work { open, window, state, tokens, written, keys, queries, run };
        let mask = "as-trained".to_owned();
        let plain = Reading { mask, ablated: Default::default(), cut: None, ..reading.clone() };
        let is_trained = work.is_as_trained(reading)?;
        if let (Some(known), false) = (&known, is_trained) {
            tell(Piece::Trained(known.pass.clone()));
        }
        let mut chosen = match &known {
            Some(known) if is_trained => known.clone(),
            _ => work.first(reading)?,
        };
        tell(Piece::Chosen(chosen.pass.clone()));
        let mut trained = match known {
            Some(known) => known,
            None if is_trained => chosen.clone(),
            None => work.first(&plain)?,
        };
        let (_, predicting) = open.sides(tokens, written, Attention::Decoder)?;
        self.sides[side as usize].read = Some(Read {
            hidden: chosen.hidden.clone(),
            trained: (!is_trained).then(|| trained.hidden.clone()),
            pieces: predicting.pieces.clone(),
        });
        self.next(state, side, reading)?.into_iter().for_each(&mut *tell);
        work.complete(reading, &mut chosen)?;
        tell(Piece::Chosen(chosen.pass.clone()));
        match is_trained {
            true => trained = chosen.clone(),
            false => work.complete(&plain, &mut trained)?,
        }
        tell(Piece::Trained(trained.pass.clone()));
        let levels = |ran: &Ran| depth::levels(&ran.states, run);
        let behind = (!is_trained).then(|| levels(&trained)).transpose()?;
        tell(Piece::Depth(Arc::new(Depth { chosen: levels(&chosen)?, trained: behind })));
        self.trained.retain(|(known, _)| *known != basis);
        self.trained.insert(0, (basis, trained));
        self.trained.truncate(KEPT);
        Ok(())
    }

    /// Opens a model, unless it is open; then it is the first of the models.
    fn open(&mut self, name: &str, run: &Run) -> Result<()> {
        let at = self.models.iter().position(|open| open.name == name);
        let open = match at {
            Some(at) => self.models.remove(at),
            None => {
                run.step("opening the model", 0, 1)?;
                Open::named(name, &self.device)?
            }
        };
        self.models.insert(0, open);
        self.models.truncate(KEPT);
        Ok(())
    }

    /// The prediction, from the hidden states that are kept.
    fn next(&self, state: &Explorer, side: Side, reading: &Reading) -> Result<Option<Piece>> {
        let open = self.models.iter().find(|open| open.name == reading.model);
        let (Some(open), Some(read)) = (open, &self.sides[side as usize].read) else { return Ok(None) };
        open.next(read, state.position).map(|next| next.map(|next| Piece::Next(Arc::new(next))))
    }
}

/// The tokens of a text, followed by those that a model wrote.
fn longer(tokens: &Tokens, written: impl IntoIterator<Item = (u32, String)>) -> Tokens {
    let mut longer = tokens.clone();
    for (id, piece) in written {
        longer.ids.push(id);
        longer.token_types.push(0);
        longer.pieces.push(piece);
        longer.originals.push(None);
    }
    longer
}
