//! [`Logits`]: logits that were set by hand.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Logits that were set by hand: `[query, key, logit]` in a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(usize, usize, f64)>", into = "Vec<(usize, usize, f64)>")]
pub struct Logits(BTreeMap<(usize, usize), f64>);

impl From<Vec<(usize, usize, f64)>> for Logits {
    fn from(logits: Vec<(usize, usize, f64)>) -> Self {
        Logits(logits.into_iter().map(|(query, key, logit)| ((query, key), logit)).collect())
    }
}

impl From<Logits> for Vec<(usize, usize, f64)> {
    fn from(logits: Logits) -> Self {
        logits.iter().collect()
    }
}

impl Logits {
    /// Sets one.
    pub fn set(&mut self, query: usize, key: usize, logit: f64) {
        self.0.insert((query, key), logit);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Query, key and logit of each.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        self.0.iter().map(|(&(query, key), &logit)| (query, key, logit))
    }

    /// Writes them over `matrix`, as far as it has their places.
    pub fn over(&self, matrix: &mut Array2<f64>) {
        for (query, key, logit) in self.iter() {
            if let Some(place) = matrix.get_mut((query, key)) {
                *place = logit;
            }
        }
    }
}
