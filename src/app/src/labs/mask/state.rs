//! The state of the mask lab, and every edit of it.

use ndarray::Array2;
use rankscope::figure::style::Kind;
use rankscope::{Mask, Result, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Answer, News};
use super::compute::Memory;
use super::export;
use super::mechanism::Mechanism;
use super::paint::{Cell, Painted, Stroke};
use super::rule::{Compose, moved};
use super::setup::Setup;
use crate::lab::{self, Export, Machine, Stamp};
use crate::labs::logits::Logits;
use crate::labs::within;

/// The most positions: beyond it, a frame would have to wait for its spectra.
pub const MOST_POSITIONS: usize = 512;
/// The largest head.
pub const MOST_HEAD_SIZE: usize = 128;
/// The largest factor on the logits: beyond it, weights are 0 or 1.
pub const MOST_SCALE: f64 = 8.0;
/// The largest seed.
pub const MOST_SEED: u64 = 9999;
/// The largest logit that can be set by hand.
pub const MOST_LOGIT: f64 = 50.0;
/// The smallest tolerance: below it, f64 has only rounding.
pub const LEAST_TOLERANCE: f64 = 1e-16;

/// The lab's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskLab {
    /// Where the scores come from, and how they become weights.
    pub setup: Setup,
    /// The reader's own mask before it was painted, in the mask language.
    pub rule: String,
    /// What was painted over it.
    pub painted: Painted,
    /// The length of the prefix mask that it is compared with.
    pub prefix: usize,
    /// The mask whose weights are shown large.
    pub shown: Which,
    /// Masks that are left out of spectrum and rank card.
    pub hidden: Vec<Which>,
    /// The block that is probed; if `None`, the lower left quarter.
    pub block: Option<Block>,
    /// Whether the singular values are also computed with as many digits as they need.
    pub exact: bool,
    /// The reader's own tolerance, relative to the largest singular value.
    pub tolerance: f64,
    /// Whether the panels that answer a lesson's question wait for a prediction.
    pub veiled: bool,
}

impl Default for MaskLab {
    fn default() -> Self {
        MaskLab {
            setup: Setup::default(),
            rule: "prefix(8) & two-sided-window(20)".to_owned(),
            painted: Painted::default(),
            prefix: 16,
            shown: Which::Mine,
            hidden: Vec::new(),
            block: None,
            exact: false,
            tolerance: 1e-3,
            veiled: false,
        }
    }
}

/// One of the four masks on the same scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// `causal`.
    Causal,
    /// `prefix(p)`.
    Prefix,
    /// `bidirectional`.
    Bidirectional,
    /// The reader's own mask.
    Mine,
}

impl Which {
    /// All four.
    pub const ALL: [Which; 4] = [Which::Causal, Which::Prefix, Which::Bidirectional, Which::Mine];

    /// Colour and marker.
    pub fn kind(self) -> Kind {
        match self {
            Which::Causal => Kind::Causal,
            Which::Prefix => Kind::Prefix,
            Which::Bidirectional => Kind::Bidirectional,
            Which::Mine => Kind::Custom,
        }
    }
}

/// A block of the weights: the first query and key, and the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// First and last query.
    pub queries: (usize, usize),
    /// First and last key.
    pub keys: (usize, usize),
}

impl Block {
    /// Between two corners.
    pub fn between(a: Cell, b: Cell) -> Self {
        Block { queries: (a.0.min(b.0), a.0.max(b.0)), keys: (a.1.min(b.1), a.1.max(b.1)) }
    }

    fn check(&self) -> std::result::Result<(), String> {
        let ok = |(first, last): (usize, usize)| first <= last && last < MOST_POSITIONS;
        if ok(self.queries) && ok(self.keys) {
            return Ok(());
        }
        let Block { queries, keys } = self;
        Err(format!("block is queries {queries:?}, keys {keys:?}, expected first ≤ last < {MOST_POSITIONS}"))
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
    /// Factor on the logits.
    Scale(f64),
    /// Seed.
    Seed(u64),
    /// Alignment of keys with queries.
    Alignment(f64),
    /// One logit.
    Logit(usize, usize, f64),
    /// All logits as they were drawn.
    DrawnLogits,
    /// The mechanism that turns scores into weights.
    Mechanism(Mechanism),
    /// The length of the compared prefix.
    Prefix(usize),
    /// The rule of "mine".
    Rule(String),
    /// A handle of the rule: which one, and its number.
    Handle(usize, usize),
    /// Another mask, combined with the rule.
    Compose(Compose, String),
    /// A stroke over "mine".
    Paint(Stroke),
    /// Removes the paint.
    Unpaint,
    /// The mask that is shown large.
    Show(Which),
    /// Whether a mask is shown in spectrum and rank card.
    Compare(Which, bool),
    /// The block that is probed.
    Block(Option<Block>),
    /// Singular values with as many digits as they need.
    Exact(bool),
    /// The reader's own tolerance.
    Tolerance(f64),
    /// Shows the panels that wait for a prediction, or hides them.
    Veil(bool),
    /// A point of the phase map: head size and scale.
    Point(usize, f64),
}

/// A mask of one head.
pub fn parse(rule: &str) -> std::result::Result<Mask, String> {
    let mask = Mask::parse(rule).map_err(|error| error.to_string())?;
    if mask.to_string().contains("heads(") {
        return Err("the lab has one head, so heads(…) has no meaning here; name one of its masks".to_owned());
    }
    Ok(mask)
}

impl MaskLab {
    /// The rule as a mask; the causal one if it cannot be read, which [`check`](lab::State::check) refuses.
    pub fn rule_mask(&self) -> Mask {
        parse(&self.rule).unwrap_or_else(|_| Mask::causal())
    }

    /// Who may attend to whom under a mask, `[n, n]`.
    pub fn pattern(&self, which: Which) -> Array2<bool> {
        let n = self.setup.n;
        match which {
            Which::Causal => Mask::causal().pattern(n),
            Which::Prefix => Mask::prefix(self.prefix).pattern(n),
            Which::Bidirectional => Mask::bidirectional().pattern(n),
            Which::Mine => self.painted.over(self.rule_mask().pattern(n)),
        }
    }

    /// The name of a mask.
    pub fn name(&self, which: Which) -> String {
        match which {
            Which::Causal => "causal".to_owned(),
            Which::Prefix => format!("prefix({})", self.prefix),
            Which::Bidirectional => "bidirectional".to_owned(),
            Which::Mine => "mine".to_owned(),
        }
    }

    /// The masks in spectrum and rank card.
    pub fn compared(&self) -> impl Iterator<Item = Which> {
        Which::ALL.into_iter().filter(|which| !self.hidden.contains(which))
    }

    /// The block that is probed, inside the matrix; the lower left quarter at first.
    pub fn probed(&self) -> Block {
        let last = self.setup.n - 1;
        let half = self.setup.n / 2;
        let block = self.block.unwrap_or(Block { queries: (half, last), keys: (0, half - 1) });
        let inside = |(a, b): (usize, usize)| (a.min(last), b.min(last));
        Block { queries: inside(block.queries), keys: inside(block.keys) }
    }
}

impl lab::State for MaskLab {
    type Edit = Edit;
    type Answer = Answer;
    type News = News;
    type Memory = Memory;

    fn memory(_machine: &Machine) -> Memory {
        Memory::default()
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.setup.check()?;
        within("prefix", self.prefix, 0, MOST_POSITIONS)?;
        within("tolerance", self.tolerance, LEAST_TOLERANCE, 1.0)?;
        self.block.map_or(Ok(()), |block| block.check())?;
        parse(&self.rule).map(|_| ())
    }

    fn update(&mut self, edit: Edit) -> std::result::Result<(), String> {
        match edit {
            Edit::N(n) => self.setup.n = n,
            Edit::HeadSize(size) => self.setup.head_size = size,
            Edit::Scale(scale) => self.setup.scale = scale,
            Edit::Seed(seed) => self.setup.seed = seed,
            Edit::Alignment(alignment) => self.setup.alignment = alignment,
            Edit::Logit(query, key, logit) => self.setup.logits.set(query, key, logit),
            Edit::DrawnLogits => self.setup.logits = Logits::default(),
            Edit::Mechanism(mechanism) => self.setup.mechanism = mechanism,
            Edit::Prefix(prefix) => self.prefix = prefix,
            Edit::Rule(rule) => self.rule = rule,
            Edit::Handle(index, value) => {
                let moved = moved(&self.rule, index, value);
                self.rule = moved.ok_or_else(|| format!("rule {:?} has no edge {index}", self.rule))?;
            }
            Edit::Compose(how, other) => {
                self.rule = how.of(self.rule_mask(), parse(&other)?).to_string();
                if how == Compose::Instead {
                    self.painted = Painted::default();
                }
            }
            Edit::Paint(stroke) => {
                let pattern = self.pattern(Which::Mine);
                self.painted.paint(&stroke, &pattern);
            }
            Edit::Unpaint => self.painted = Painted::default(),
            Edit::Show(which) => self.shown = which,
            Edit::Compare(which, is_compared) => {
                self.hidden.retain(|hidden| *hidden != which);
                if !is_compared {
                    self.hidden.push(which);
                }
            }
            Edit::Block(block) => self.block = block,
            Edit::Exact(exact) => self.exact = exact,
            Edit::Tolerance(tolerance) => self.tolerance = tolerance,
            Edit::Veil(veiled) => self.veiled = veiled,
            Edit::Point(head_size, scale) => {
                (self.setup.head_size, self.setup.scale) = (head_size, scale);
            }
        }
        Ok(())
    }

    fn is_answered_by(&self, sent: &Self) -> bool {
        let MaskLab { hidden, tolerance, veiled, .. } = sent.clone();
        MaskLab { hidden, tolerance, veiled, ..self.clone() } == *sent
    }

    fn compute(&self, memory: &mut Memory, run: &Run, tell: &mut dyn FnMut(News)) -> Result<()> {
        memory.compute(self, run, tell)
    }

    fn take(answer: &mut Answer, news: News, stamp: Stamp) {
        match news {
            News::Scores(scores) => answer.scores.put(scores, stamp),
            News::Weights(weights) => answer.weights.put(weights, stamp),
            News::Weighed(which, weighed) => answer.weighed[which as usize].put(weighed, stamp),
            News::Sight(sight) => answer.sight.put(*sight, stamp),
            News::Exact(exact) => answer.exact.put(exact, stamp),
            News::Blocks(blocks) => answer.blocks.put(blocks, stamp),
            News::Mechanisms(mechanisms) => answer.mechanisms.put(mechanisms, stamp),
            News::Phases(phases) => answer.phases.put(phases, stamp),
        }
    }

    fn about(&self, _answer: &Answer) -> String {
        let Setup { n, head_size, scale, seed, .. } = &self.setup;
        format!("n = {n}, D = {head_size}, scale {scale}, seed {seed}; f64 on the CPU")
    }

    fn exports(&self, answer: &Answer, lesson: &Value) -> Vec<Export> {
        export::exports(self, answer, lesson)
    }

    fn cell(&self) -> String {
        export::cell(self)
    }
}
