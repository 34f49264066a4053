//! [`Setup`]: where the scores come from, and how they become weights.

use rankscope::claim::Draw;
use serde::{Deserialize, Serialize};

use super::mechanism::{Mechanism, Scores};
use super::state::{MOST_HEAD_SIZE, MOST_LOGIT, MOST_POSITIONS, MOST_SCALE, MOST_SEED};
use crate::labs::logits::Logits;
use crate::labs::within;

/// How many logits can be set by hand.
const MOST_LOGITS: usize = 4096;

/// Where the scores come from, and how they become weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// n, the positions.
    pub n: usize,
    /// D.
    pub head_size: usize,
    /// The factor on the logits after 1/√D.
    pub scale: f64,
    /// The seed of the normally distributed Q and K.
    pub seed: u64,
    /// α in K = α·Q + √(1 − α²)·noise.
    pub alignment: f64,
    /// Logits that were changed by hand.
    pub logits: Logits,
    /// The mechanism that turns scores into weights.
    pub mechanism: Mechanism,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            n: 32,
            head_size: 8,
            scale: 1.0,
            seed: 7,
            alignment: 0.0,
            logits: Logits::default(),
            mechanism: Mechanism::Softmax,
        }
    }
}

impl Setup {
    /// Queries, keys and scores.
    pub fn scores(&self) -> Scores {
        let draw = Draw::aligned(self.n, self.head_size, self.alignment, self.seed);
        let second = Draw::of_layer(self.n, self.head_size, self.seed, 1);
        let mut scores = Scores::new(draw, &second, self.scale);
        self.logits.over(&mut scores.values);
        scores
    }

    /// Whether every number is in its range.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> std::result::Result<(), String> {
        within("n", self.n, 2, MOST_POSITIONS)?;
        within("head size", self.head_size, 1, MOST_HEAD_SIZE)?;
        within("scale", self.scale, 0.0, MOST_SCALE)?;
        within("seed", self.seed, 0, MOST_SEED)?;
        within("alignment", self.alignment, 0.0, 1.0)?;
        within("number of changed logits", self.logits.len(), 0, MOST_LOGITS)?;
        for (query, key, logit) in self.logits.iter() {
            within(&format!("logit ({query}, {key})"), logit, -MOST_LOGIT, MOST_LOGIT)?;
            within("position of a changed logit", query.max(key), 0, MOST_POSITIONS - 1)?;
        }
        match self.mechanism {
            Mechanism::Sink { logit } => within("logit of the sink", logit, -MOST_LOGIT, MOST_LOGIT),
            Mechanism::Differential { lambda } => within("λ", lambda, 0.0, 2.0),
            _ => Ok(()),
        }
    }
}
