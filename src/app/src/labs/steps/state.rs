//! The state of the step-by-step lab, and every edit of it.

use ndarray::Array2;
use rankscope::random::gaussian;
use rankscope::{Mask, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chain::{Chain, Step};
use crate::lab::{self, Export, Machine, Part, Stamp};
use crate::labs::exports::table;
use crate::labs::within;

/// The most positions: their numbers still fit on the screen.
pub const MOST_POSITIONS: usize = 8;
/// The largest head.
pub const MOST_HEAD_SIZE: usize = 4;
/// The largest seed.
pub const MOST_SEED: u64 = 9999;
/// The largest number in Q, K and V.
pub const MOST_NUMBER: f64 = 9.9;

/// The lab's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepsLab {
    /// n, the positions.
    pub n: usize,
    /// D.
    pub head_size: usize,
    /// The seed of the numbers in Q, K and V, which are drawn with one decimal.
    pub seed: u64,
    /// Numbers that were changed: 0 for Q, 1 for K, 2 for V; row, column, number.
    pub changed: Vec<(usize, usize, usize, f64)>,
    /// The mask, in the mask language.
    pub mask: String,
    /// Which step is shown.
    pub step: Step,
    /// The row and column whose arithmetic is written out.
    pub cell: (usize, usize),
    /// The rank that was predicted.
    pub guess: Option<usize>,
    /// Whether the spectrum is shown.
    pub revealed: bool,
}

impl Default for StepsLab {
    fn default() -> Self {
        StepsLab {
            n: 4,
            head_size: 2,
            seed: 7,
            changed: Vec::new(),
            mask: "causal".to_owned(),
            step: Step::Inputs,
            cell: (2, 1),
            guess: None,
            revealed: false,
        }
    }
}

/// Every edit of the lab's state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Positions.
    N(usize),
    /// Head size.
    HeadSize(usize),
    /// Seed.
    Seed(u64),
    /// One number: 0 for Q, 1 for K, 2 for V; row, column, number.
    Number(usize, usize, usize, f64),
    /// All numbers as they were drawn.
    Drawn,
    /// The mask.
    Mask(String),
    /// The step that is shown.
    Step(Step),
    /// The entry whose arithmetic is written out.
    Cell(usize, usize),
    /// A prediction of the rank.
    Guess(usize),
    /// Whether the spectrum is shown.
    Reveal(bool),
}

impl StepsLab {
    /// Q, K and V `[n, D]`, with one decimal.
    pub fn inputs(&self) -> [Array2<f64>; 3] {
        let drawn = |stream: u64| {
            gaussian(self.n, self.head_size, self.seed, stream).mapv(|number| (number * 10.0).round() / 10.0)
        };
        let mut inputs = [drawn(0), drawn(1), drawn(2)];
        for &(which, row, column, number) in &self.changed {
            if let Some(place) = inputs.get_mut(which).and_then(|matrix| matrix.get_mut((row, column))) {
                *place = number;
            }
        }
        inputs
    }

    /// Who may attend to whom; [`check`](lab::State::check) refuses a text that is no mask.
    pub fn pattern(&self) -> Array2<bool> {
        self.mask.parse().unwrap_or_else(|_| Mask::causal()).pattern(self.n)
    }
}

impl lab::State for StepsLab {
    type Edit = Edit;
    type Answer = Part<Chain>;
    type News = Chain;
    type Memory = ();

    fn memory(_machine: &Machine) {}

    fn check(&self) -> std::result::Result<(), String> {
        within("n", self.n, 2, MOST_POSITIONS)?;
        within("head size", self.head_size, 1, MOST_HEAD_SIZE)?;
        within("seed", self.seed, 0, MOST_SEED)?;
        for &(which, row, column, number) in &self.changed {
            within("matrix of a changed number", which, 0, 2)?;
            within("row of a changed number", row, 0, MOST_POSITIONS - 1)?;
            within("column of a changed number", column, 0, MOST_HEAD_SIZE - 1)?;
            within("changed number", number, -MOST_NUMBER, MOST_NUMBER)?;
        }
        within("row of the entry", self.cell.0, 0, MOST_POSITIONS - 1)?;
        within("column of the entry", self.cell.1, 0, MOST_POSITIONS - 1)?;
        within("predicted rank", self.guess.unwrap_or(0), 0, MOST_POSITIONS)?;
        Mask::parse(&self.mask).map(drop).map_err(|error| error.to_string())
    }

    fn update(&mut self, edit: Edit) -> std::result::Result<(), String> {
        if !matches!(edit, Edit::Step(_) | Edit::Cell(..) | Edit::Guess(_) | Edit::Reveal(_)) {
            // A prediction belongs to one matrix, so a change of the matrix drops it.
            (self.guess, self.revealed) = (None, false);
        }
        match edit {
            Edit::N(n) => self.n = n,
            Edit::HeadSize(size) => self.head_size = size,
            Edit::Seed(seed) => self.seed = seed,
            Edit::Number(which, row, column, number) => {
                self.changed.retain(|&(a, b, c, _)| (a, b, c) != (which, row, column));
                self.changed.push((which, row, column, number));
            }
            Edit::Drawn => self.changed.clear(),
            Edit::Mask(mask) => self.mask = mask,
            Edit::Step(step) => self.step = step,
            Edit::Cell(row, column) => self.cell = (row, column),
            Edit::Guess(rank) => self.guess = Some(rank),
            Edit::Reveal(revealed) => {
                if revealed && self.guess.is_none() {
                    return Err("predict the rank first, then reveal it".to_owned());
                }
                self.revealed = revealed;
            }
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        let numbers = |state: &Self| StepsLab {
            step: Step::Inputs,
            cell: (0, 0),
            guess: None,
            revealed: false,
            ..state.clone()
        };
        numbers(self) == numbers(sent)
    }

    fn compute(&self, (): &mut (), run: &Run, tell: &mut dyn FnMut(Chain)) -> Result<()> {
        run.check()?;
        tell(Chain::of(self.inputs(), self.pattern())?);
        Ok(())
    }

    fn take(answer: &mut Part<Chain>, news: Chain, stamp: Stamp) {
        answer.put(news, stamp);
    }

    fn about(&self, _answer: &Part<Chain>) -> String {
        format!("n = {}, D = {}, mask {}; f64 on the CPU", self.n, self.head_size, self.mask)
    }

    fn exports(&self, answer: &Part<Chain>, _lesson: &Value) -> Vec<Export> {
        let Some(chain) = answer.get() else { return Vec::new() };
        let table = |step: Step| table("numbers", step.title(), chain.result(step).values.clone());
        Step::ALL.into_iter().filter(|step| *step != Step::Rank).map(table).collect()
    }

    fn cell(&self) -> String {
        let [q, k, _] = self.inputs();
        let numbers = |matrix: &Array2<f64>| {
            let rows = matrix.rows().into_iter().map(|row| format!("{:?}", row.to_vec()));
            format!("rankscope::ndarray::array![{}]", rows.collect::<Vec<_>>().join(", "))
        };
        format!(
            "use rankscope::claim::attention_weights;\n\
             use rankscope::rank::RankReport;\n\
             let q = {};\nlet k = {};\n\
             let mask: Mask = {:?}.parse()?;\n\
             let weights = attention_weights(&q, &k, 1.0, &mask, &Device::Cpu)?;\n\
             println!(\"{{weights:.3}}\");\n\
             RankReport::of(weights.view(), Some(&mask.exact_rank({})))?",
            numbers(&q),
            numbers(&k),
            self.mask,
            self.n
        )
    }
}
