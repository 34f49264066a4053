//! From a state to its numbers: what is edited first, what takes long last.

use std::sync::Arc;

use ndarray::{Array2, s};
use rankscope::claim::{PhaseGrid, Phases, phase_map};
use rankscope::rank::precise::{Precise, Triangular};
use rankscope::rank::{self, Lens, RankReport, Spectrum, lu_determinant, spectrum_in_f32};
use rankscope::{Device, Result, Run};

use super::answer::{BlockRank, ExactSight, MechanismRank, News, Sight, Weighed};
use super::mechanism::{Mechanism, Scores};
use super::setup::Setup;
use super::state::{Block, MaskLab, Which};
use crate::heatmap::Matrix;

/// Up to this many positions the singular values are also computed in multi-precision: beyond it that takes minutes.
pub const MOST_EXACT: usize = 192;
/// The phase map is drawn for this many positions at most.
pub const MOST_MAPPED: usize = 128;

/// What is known from earlier states.
#[derive(Default)]
pub struct Memory {
    scores: Option<(Setup, Arc<Scores>, Arc<Matrix>)>,
    weighed: [Option<(Array2<bool>, Weighed)>; 4],
    mechanisms: Option<(Array2<bool>, Vec<MechanismRank>)>,
    exact: Option<(Arc<Matrix>, ExactSight)>,
    phases: Option<Arc<Phases>>,
}

impl Memory {
    /// Computes the answer of `state`; see [`State::compute`](crate::lab::State::compute).
    ///
    /// # Errors
    /// Errors of the library.
    pub fn compute(&mut self, state: &MaskLab, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        let (scores, matrix) = self.scores(&state.setup);
        tell(News::Scores(matrix));
        let patterns = Which::ALL.map(|which| state.pattern(which));
        let shown = &patterns[state.shown as usize];
        // As a picture, before their ranks.
        tell(News::Weights(self.shown(state, &scores, shown)?));
        self.weigh(state, &scores, &patterns, run, tell)?;
        let weighed = |which: Which| self.weighed[which as usize].as_ref().map(|(_, weighed)| weighed);
        let Some(large) = weighed(state.shown).cloned() else { return Ok(()) };
        tell(News::Blocks(blocks(state.probed(), weighed)?));
        run.check()?;
        tell(News::Sight(Box::new(sight(&large)?)));
        tell(News::Mechanisms(self.mechanisms(state, &scores, shown, run)?));
        tell(News::Exact(self.exact(state, &large.matrix, run)?));
        tell(News::Phases(self.phases(&state.setup, run)?));
        Ok(())
    }

    fn scores(&mut self, setup: &Setup) -> (Arc<Scores>, Arc<Matrix>) {
        let of_scores = |setup: &Setup| Setup { mechanism: Mechanism::Softmax, ..setup.clone() };
        let is_known = self.scores.as_ref().is_some_and(|(known, ..)| of_scores(known) == of_scores(setup));
        if !is_known {
            let scores = Arc::new(setup.scores());
            let matrix = Arc::new(Matrix::new(scores.values.clone()));
            self.scores = Some((setup.clone(), scores, matrix));
            self.forget();
        }
        let (known, scores, matrix) = self.scores.as_mut().expect("just computed");
        let (found, is_same) = ((scores.clone(), matrix.clone()), known.mechanism == setup.mechanism);
        *known = setup.clone();
        if !is_same {
            self.forget();
        }
        found
    }

    fn forget(&mut self) {
        (self.weighed, self.mechanisms) = (Default::default(), None);
    }

    fn shown(&self, state: &MaskLab, scores: &Scores, pattern: &Array2<bool>) -> Result<Arc<Matrix>> {
        match &self.weighed[state.shown as usize] {
            Some((known, weighed)) if known == pattern => Ok(weighed.matrix.clone()),
            _ => Ok(Arc::new(weights(state.setup.mechanism, scores, pattern)?)),
        }
    }

    /// Weights and ranks of the four masks: known ones at once, then the one that is shown or edited, then the others.
    fn weigh(
        &mut self,
        state: &MaskLab,
        scores: &Scores,
        patterns: &[Array2<bool>; 4],
        run: &Run,
        tell: &mut dyn FnMut(News),
    ) -> Result<()> {
        let mut missing = Vec::new();
        for which in Which::ALL {
            match &self.weighed[which as usize] {
                Some((known, weighed)) if *known == patterns[which as usize] => {
                    tell(News::Weighed(which, weighed.clone()));
                }
                _ => missing.push(which),
            }
        }
        missing.sort_by_key(|&which| (which != Which::Mine, which != state.shown));
        let (first, rest) = missing.split_at(missing.len().min(1));
        for group in [first, rest] {
            let one = |&which: &Which| weigh(state, scores, &patterns[which as usize]);
            let found = rank::many(group, "singular values", run, one)?;
            for (&which, weighed) in group.iter().zip(found) {
                tell(News::Weighed(which, weighed.clone()));
                self.weighed[which as usize] = Some((patterns[which as usize].clone(), weighed));
            }
        }
        Ok(())
    }

    fn mechanisms(
        &mut self,
        state: &MaskLab,
        scores: &Scores,
        pattern: &Array2<bool>,
        run: &Run,
    ) -> Result<Vec<MechanismRank>> {
        if let Some((known, ranks)) = &self.mechanisms
            && known == pattern
        {
            return Ok(ranks.clone());
        }
        let set = state.setup.mechanism;
        let all = Mechanism::all().map(|each| if each.is_like(set) { set } else { each });
        let ranks = rank::many(&all, "mechanisms", run, |&mechanism| {
            let weights = scores.weights(mechanism, pattern)?;
            let theorem = mechanism.theorem(pattern, state.setup.head_size);
            let report = RankReport::of(weights.view(), Some(&theorem))?;
            let smallest_diagonal =
                weights.diag().iter().fold(f64::INFINITY, |least, entry| least.min(entry.abs()));
            Ok(MechanismRank { mechanism, theorem, report, smallest_diagonal })
        })?;
        self.mechanisms = Some((pattern.clone(), ranks.clone()));
        Ok(ranks)
    }

    fn exact(&mut self, state: &MaskLab, weights: &Arc<Matrix>, run: &Run) -> Result<ExactSight> {
        if !state.exact {
            return Ok(ExactSight::Off);
        }
        let known = self.exact.as_ref().filter(|(matrix, _)| Arc::ptr_eq(matrix, weights));
        let found = match known {
            Some((_, found)) => found.clone(),
            None => exact(&weights.values, run)?,
        };
        self.exact = Some((weights.clone(), found.clone()));
        Ok(found)
    }

    fn phases(&mut self, setup: &Setup, run: &Run) -> Result<Arc<Phases>> {
        let grid = PhaseGrid {
            n: setup.n.min(MOST_MAPPED),
            head_sizes: vec![1, 2, 4, 8, 16, 32, 64, 128],
            scales: vec![0.1, 0.25, 0.5, 1.0, 2.0, 4.0],
            alignment: setup.alignment,
            seed: setup.seed,
            seeds: 2,
        };
        let phases = match self.phases.take().filter(|phases| *phases.grid() == grid) {
            Some(phases) => phases,
            None => Arc::new(phase_map(&grid, &Device::Cpu, run)?),
        };
        self.phases = Some(phases.clone());
        Ok(phases)
    }
}

fn weights(mechanism: Mechanism, scores: &Scores, pattern: &Array2<bool>) -> Result<Matrix> {
    Ok(Matrix::masked(scores.weights(mechanism, pattern)?, pattern.clone()))
}

fn weigh(state: &MaskLab, scores: &Scores, pattern: &Array2<bool>) -> Result<Weighed> {
    let Setup { mechanism, head_size, .. } = state.setup;
    let matrix = weights(mechanism, scores, pattern)?;
    let theorem = mechanism.theorem(pattern, head_size);
    let report = RankReport::of(matrix.values.view(), Some(&theorem))?;
    Ok(Weighed { matrix: Arc::new(matrix), report: Arc::new(report) })
}

fn blocks<'a>(block: Block, weighed: impl Fn(Which) -> Option<&'a Weighed>) -> Result<Vec<BlockRank>> {
    let Block { queries: (top, bottom), keys: (left, right) } = block;
    let of = |which: Which| {
        let weights = &weighed(which)?.matrix.values;
        let part = weights.slice(s![top..=bottom, left..=right]);
        let squares = |values: &mut dyn Iterator<Item = &f64>| values.map(|value| value * value).sum::<f64>();
        let share = squares(&mut part.iter()) / squares(&mut weights.iter()).max(f64::MIN_POSITIVE);
        Some(RankReport::of(part, None).map(|report| BlockRank { which, report, share }))
    };
    Which::ALL.into_iter().filter_map(of).collect()
}

fn sight(weighed: &Weighed) -> Result<Sight> {
    let weights = weighed.matrix.values.view();
    let report = &weighed.report;
    let is_triangular = triangle(&weighed.matrix.values).is_some();
    let sign = |entry: &f64| if *entry == 0.0 { 0 } else { entry.signum() as i8 };
    Ok(Sight {
        f16: Spectrum::of(Lens::F16.round(weights).view())?,
        f32: spectrum_in_f32(weights)?,
        f64: report.spectrum.clone(),
        lu: lu_determinant(weights)?,
        log_det: report.log_abs_det,
        is_triangular,
        sign: is_triangular.then(|| weights.diag().iter().map(sign).product()),
    })
}

/// The matrix as a lower triangular one: itself or its transpose; `None` for others.
fn triangle(weights: &Array2<f64>) -> Option<Array2<f64>> {
    let is_lower = |m: ndarray::ArrayView2<f64>| m.indexed_iter().all(|((t, s), &a)| s <= t || a == 0.0);
    if is_lower(weights.view()) {
        return Some(weights.clone());
    }
    is_lower(weights.t()).then(|| weights.t().to_owned())
}

fn exact(weights: &Array2<f64>, run: &Run) -> Result<ExactSight> {
    let not = |why: &str| Ok(ExactSight::Not(why.to_owned()));
    let Some(triangle) = triangle(weights) else {
        return not("exact singular values are computed for triangular masks, such as causal or a window");
    };
    if triangle.nrows() > MOST_EXACT {
        return not(&format!("exact singular values take minutes beyond n = {MOST_EXACT}"));
    }
    if triangle.diag().iter().any(|&entry| entry == 0.0) {
        return not("a weight on the diagonal is 0, so the matrix is singular exactly");
    }
    run.step("exact singular values", 0, 1)?;
    let found = Triangular::new(|digits| Precise::of(triangle.view(), digits), run)?;
    Ok(ExactSight::Found(found.log10_singular_values()?, found.digits()))
}
