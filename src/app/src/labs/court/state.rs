//! The state of the courtroom: a claim, its settings, and whether it is run.

use std::collections::BTreeMap;

use rankscope::claim::{self, Claim, Parameter, Settings};
use rankscope::{Device, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compute::{Answer, Memory, News};
use super::{compute, export};
use crate::lab::{Export, Machine, Stamp, State};

/// How much time an experiment may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Seconds.
    #[default]
    Quick,
    /// Minutes: more draws, larger matrices.
    Full,
}

impl From<Effort> for claim::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Quick => claim::Effort::Quick,
            Effort::Full => claim::Effort::Full,
        }
    }
}

/// A claim with settings: what can be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Case {
    /// The claim's id.
    pub claim: String,
    /// The effort whose values are used where nothing else is set.
    pub effort: Effort,
    /// Settings that are not the effort's own, as text.
    pub settings: BTreeMap<String, String>,
}

impl Default for Case {
    fn default() -> Self {
        Case::of(claim::CLAIMS[0].about().id)
    }
}

impl Case {
    /// A claim with the settings of a quick run.
    pub fn of(id: &str) -> Self {
        Case { claim: id.to_owned(), effort: Effort::Quick, settings: BTreeMap::new() }
    }

    /// The claim.
    ///
    /// # Errors
    /// Where there is no such claim.
    pub fn find(&self) -> Result<&'static Claim> {
        claim::find(&self.claim)
    }

    /// All settings.
    ///
    /// # Errors
    /// [`Error::Invalid`](rankscope::Error::Invalid) naming a setting and what it may be.
    pub fn all_settings(&self, device: &Device) -> Result<Settings> {
        let mut settings = Settings::new(self.find()?, self.effort.into(), device.clone())?;
        for (name, text) in &self.settings {
            settings.set(name, text)?;
        }
        Ok(settings)
    }

    /// The usual value of a parameter.
    pub fn usual(&self, parameter: &Parameter) -> &'static str {
        match self.effort {
            Effort::Quick => parameter.quick,
            Effort::Full => parameter.full,
        }
    }

    /// The value of a parameter.
    pub fn value(&self, parameter: &Parameter) -> &str {
        self.settings.get(parameter.name).map_or(self.usual(parameter), String::as_str)
    }

    fn set(&mut self, name: &str, text: String) -> Result<(), String> {
        let found = self.find().map_err(|error| error.to_string())?;
        let settings =
            Settings::new(found, self.effort.into(), Device::Cpu).map_err(|error| error.to_string())?;
        let usual = settings.values().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        match usual {
            Some(usual) if usual == text => drop(self.settings.remove(name)),
            _ => drop(self.settings.insert(name.to_owned(), text)),
        }
        Ok(())
    }
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Court {
    /// What the controls show.
    pub case: Case,
    /// The case that was run last.
    pub run: Case,
    /// The number of times that it was run again.
    pub times: u32,
    /// Which figure is in front.
    pub figure: usize,
    /// Whether every other claim is tried too, quickly.
    pub all: bool,
    /// Whether verdict and evidence wait for a prediction.
    pub veiled: bool,
}

/// Every edit of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Calls a claim, and runs it with its usual settings.
    Call(String),
    /// Sets a parameter, as text.
    Set(String, String),
    /// Takes the usual values of an effort.
    Effort(Effort),
    /// Runs the experiment, once more if nothing has changed.
    Run,
    /// Shows a figure.
    Figure(usize),
    /// Tries every claim, or not.
    All(bool),
    /// Hides verdict and evidence until there is a prediction, or shows them.
    Veil(bool),
}

impl Court {
    /// The courtroom with a claim called.
    pub fn of(id: &str) -> Self {
        Court { case: Case::of(id), run: Case::of(id), ..Court::default() }
    }

    /// Whether the controls show other settings than those that were run.
    pub fn is_changed(&self) -> bool {
        self.case != self.run
    }
}

impl State for Court {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(machine: &Machine) -> Memory {
        Memory::new(machine.device.clone())
    }

    fn check(&self) -> Result<(), String> {
        for case in [&self.case, &self.run] {
            case.all_settings(&Device::Cpu).map_err(|error| error.to_string())?;
        }
        if self.case.claim != self.run.claim {
            let (case, run) = (&self.case.claim, &self.run.claim);
            return Err(format!("the claim is {case:?} and that of the run {run:?}, expected one"));
        }
        Ok(())
    }

    fn update(&mut self, edit: Edit) -> Result<(), String> {
        match edit {
            Edit::Call(id) => {
                let all = self.all;
                *self = Court { all, ..Court::of(&id) };
            }
            Edit::Set(name, text) => self.case.set(&name, text)?,
            Edit::Effort(effort) => self.case = Case { effort, ..Case::of(&self.case.claim) },
            Edit::Run if self.is_changed() => self.run = self.case.clone(),
            Edit::Run => self.times += 1,
            Edit::Figure(figure) => self.figure = figure,
            Edit::All(all) => self.all = all,
            Edit::Veil(veiled) => self.veiled = veiled,
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        self.run == sent.run && self.times == sent.times && (self.all == sent.all || !self.all)
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        compute::compute(self, memory, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        answer.take(news, stamp);
    }

    fn about(&self, _: &Answer) -> String {
        self.run.claim.clone()
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::exports(answer, lesson)
    }

    fn cell(&self) -> String {
        export::cell(&self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::answered;
    use crate::labs;

    fn edited(edits: &[Edit]) -> Result<Court, String> {
        labs::edited(Court::default(), edits.iter().cloned())
    }

    fn set(name: &str, text: &str) -> Edit {
        Edit::Set(name.into(), text.into())
    }

    #[test]
    fn every_claim_can_be_called_and_its_usual_settings_stand() {
        for claim in claim::CLAIMS {
            let state = edited(&[Edit::Call(claim.about().id.into())]).unwrap();
            assert!(!state.is_changed() && state.case.settings.is_empty());
            for parameter in claim.parameters() {
                assert_eq!(state.case.value(parameter), parameter.quick);
            }
        }
        assert!(edited(&[Edit::Call("no-such".into())]).unwrap_err().contains("one of causal-full-rank"));
    }

    #[test]
    fn settings_change_the_case_and_run_makes_them_count() {
        let call = Edit::Call("mixed-directions".into());
        let changed = edited(&[call.clone(), set("n", "24")]).unwrap();
        assert!(
            changed.is_changed() && changed.is_answered_by(&edited(std::slice::from_ref(&call)).unwrap())
        );
        assert!(!edited(&[call.clone(), set("n", "24"), set("n", "256")]).unwrap().is_changed());
        let run = edited(&[call.clone(), set("n", "24"), Edit::Run]).unwrap();
        assert!(!run.is_changed() && run.times == 0 && !run.is_answered_by(&changed));
        let again = edited(&[call.clone(), set("n", "24"), Edit::Run, Edit::Run]).unwrap();
        assert!(again.times == 1 && !again.is_answered_by(&run));
        let full = edited(&[call.clone(), set("n", "24"), Edit::Effort(Effort::Full)]).unwrap();
        assert!(full.case.settings.is_empty() && full.is_changed());
        for (edit, part) in [
            (set("n", "1"), "a whole number from 2 to 2048"),
            (set("nn", "1"), "one of n, head_sizes"),
            (set("scales", "0.1,x"), "with commas between"),
        ] {
            let error = edited(&[call.clone(), edit]).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_trial_is_told_kept_and_run_again() {
        let state =
            edited(&[Edit::Call("mixed-directions".into()), set("n", "24"), set("seeds", "2"), Edit::Run])
                .unwrap();
        let mut memory = Memory::new(Device::Cpu);
        let answer = answered(&state, &mut memory).unwrap();
        let trial = answer.trial.get().unwrap();
        assert_eq!(trial.settings.integer("n").unwrap(), 24);
        assert_eq!(answer.pictures.get().unwrap().len(), trial.evidence.illustrations().len());
        let docket = &answer.dockets["mixed-directions"];
        assert_eq!(docket.words, trial.verdict.rows().map(|row| row.map(|row| row.0)));
        let once_more = answered(&state, &mut memory).unwrap();
        assert!(std::sync::Arc::ptr_eq(once_more.trial.get().unwrap(), trial), "kept");
        let again = Court { times: 1, ..state };
        assert!(!std::sync::Arc::ptr_eq(answered(&again, &mut memory).unwrap().trial.get().unwrap(), trial));
    }

    /// Lesson 9: the order of the earlier tokens changes nothing after one causal layer, and something after two.
    #[test]
    fn order_without_positions() {
        let lesson = crate::labs::lesson::<crate::labs::court::view::View>("09", "court");
        assert!(lesson.veiled);
        let answer = answered(&lesson, &mut Memory::new(Device::Cpu)).unwrap();
        let evidence = &answer.trial.get().unwrap().evidence;
        let change = |depth: usize| evidence.value(&format!("earlier_change_causal_depth{depth}")).unwrap();
        assert!(change(1) < 1e-12 && change(2) > 0.02, "{} {}", change(1), change(2));
    }
}
