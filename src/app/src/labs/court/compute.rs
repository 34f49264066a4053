//! Trials: run once, and kept until they are run again.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::RgbaImage;
use rankscope::claim::{self, ARENAS, CLAIMS, Trial};
use rankscope::figure::style::Theme;
use rankscope::{Device, Error, Result, Run};

use super::place::Places;
use super::state::{Case, Court};
use crate::lab::{Part, Stamp};

/// Trials that are kept.
const KEPT: usize = 40;

/// The answer.
#[derive(Default)]
pub struct Answer {
    /// The claim that was run.
    pub trial: Part<Arc<Trial>>,
    /// Where the trial can be seen.
    pub places: Places,
    /// Its figures that are no curves, as pictures.
    pub pictures: Part<Arc<Pictures>>,
    /// What is known of every claim, by its id.
    pub dockets: BTreeMap<&'static str, Docket>,
}

/// For every figure its picture in both themes, the light one first; `None` for curves, which the window draws itself.
pub type Pictures = Vec<Option<[Arc<RgbaImage>; 2]>>;

/// The outcome of the last trial of a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Docket {
    /// The ruling in each arena; `None` where it was not tried.
    pub words: [Option<&'static str>; ARENAS.len()],
    /// How long it took; `None` if it failed.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub problem: Option<String>,
}

/// A piece of an answer.
pub enum News {
    /// A trial is over.
    Trial(Arc<Trial>),
    /// Its pictures.
    Pictures(Arc<Pictures>),
    /// The outcome of another claim.
    Docket(&'static str, Docket),
}

impl Answer {
    /// Puts a piece in its place.
    pub fn take(&mut self, news: News, stamp: Stamp) {
        match news {
            News::Trial(trial) => {
                self.dockets.insert(trial.about.id, docket(&trial));
                self.pictures = Part::default();
                self.places = Places::of(&trial);
                self.trial.put(trial, stamp);
            }
            News::Pictures(pictures) => self.pictures.put(pictures, stamp),
            News::Docket(id, docket) => drop(self.dockets.insert(id, docket)),
        }
    }
}

fn docket(trial: &Trial) -> Docket {
    let words = trial.verdict.rows().map(|row| row.map(|row| row.0));
    Docket { words, seconds: Some(trial.seconds), problem: None }
}

/// Trials that were run before.
pub struct Memory {
    device: Device,
    /// The newest at the end.
    trials: Vec<Kept>,
}

/// A case, how often it was run again, its trial and its pictures.
type Kept = ((Case, u32), Arc<Trial>, Arc<Pictures>);

impl Memory {
    /// Without trials; they compute on `device`.
    pub fn new(device: Device) -> Self {
        Memory { device, trials: Vec::new() }
    }

    fn find(&self, case: &Case, times: u32) -> Option<(Arc<Trial>, Arc<Pictures>)> {
        let found = self.trials.iter().find(|((known, again), ..)| known == case && *again == times);
        found.map(|(_, trial, pictures)| (trial.clone(), pictures.clone()))
    }

    fn keep(&mut self, case: &Case, times: u32, trial: Arc<Trial>, pictures: Arc<Pictures>) {
        if self.trials.len() == KEPT {
            self.trials.remove(0);
        }
        self.trials.push(((case.clone(), times), trial, pictures));
    }
}

/// Tells the trial, then its pictures, then the outcomes of trained claims whose results are kept, and of all other
/// claims if they are asked for.
pub fn compute(state: &Court, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
    let (trial, pictures) = match memory.find(&state.run, state.times) {
        Some((trial, pictures)) => {
            tell(News::Trial(trial.clone()));
            (trial, pictures)
        }
        None => {
            let settings = state.run.all_settings(&memory.device)?;
            let trial = Arc::new(claim::run(state.run.find()?, &settings, run)?);
            tell(News::Trial(trial.clone()));
            let pictures = Arc::new(draw(&trial, run)?);
            memory.keep(&state.run, state.times, trial.clone(), pictures.clone());
            (trial, pictures)
        }
    };
    tell(News::Pictures(pictures));
    for (done, claim) in CLAIMS.iter().enumerate() {
        let id = claim.about().id;
        run.step(id, done, CLAIMS.len())?;
        let is_shown = if claim.is_trained() { is_at_hand(id, memory)? } else { state.all };
        if is_shown && id != trial.about.id {
            tell(News::Docket(id, quickly(id, memory, run)?));
        }
    }
    Ok(())
}

/// Whether all runs of a trained claim are kept, so that its trial takes a moment; other trained claims are tried only
/// when they are called.
fn is_at_hand(id: &'static str, memory: &Memory) -> Result<bool> {
    let case = Case::of(id);
    Ok(memory.find(&case, 0).is_some() || claim::missing(&case.all_settings(&memory.device)?)? == 0)
}

/// The outcome of a claim with its usual settings. An error of this claim does not end the session.
fn quickly(id: &'static str, memory: &mut Memory, run: &Run) -> Result<Docket> {
    let case = Case::of(id);
    if let Some((trial, _)) = memory.find(&case, 0) {
        return Ok(docket(&trial));
    }
    let tried = case
        .all_settings(&memory.device)
        .and_then(|settings| claim::run(case.find()?, &settings, &run.quiet()));
    match tried {
        Ok(trial) => {
            let trial = Arc::new(trial);
            let pictures = Arc::new(draw(&trial, run)?);
            memory.keep(&case, 0, trial.clone(), pictures);
            Ok(docket(&trial))
        }
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Err(error) => {
            Ok(Docket { words: [None; ARENAS.len()], seconds: None, problem: Some(error.to_string()) })
        }
    }
}

/// The figures that are no curves.
fn draw(trial: &Trial, run: &Run) -> Result<Pictures> {
    let draw = |theme: Theme, figure: &dyn rankscope::figure::Figure| {
        let png = figure.to_png(theme)?;
        let failed = |error: image::ImageError| Error::Numeric {
            what: "picture".to_owned(),
            problem: error.to_string(),
        };
        Ok(Arc::new(image::load_from_memory(&png).map_err(failed)?.to_rgba8()))
    };
    let figures = trial.evidence.illustrations().iter().map(|shown| {
        run.check()?;
        match shown.figure.as_lines() {
            Some(_) => Ok(None),
            None => Ok(Some([draw(Theme::Light, &*shown.figure)?, draw(Theme::Dark, &*shown.figure)?])),
        }
    });
    figures.collect()
}
