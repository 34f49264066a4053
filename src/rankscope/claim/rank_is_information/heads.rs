//! Whether among the heads of a trained model more rank goes with more flow.

use ndarray::{ArrayView2, s};

use super::examples::flow;
use crate::claim::trained::{self, Subject, over_texts};
use crate::claim::{Evidence, Settings};
use crate::error::Result;
use crate::numbers::short;
use crate::rank::Spectrum;
use crate::run::Run;

/// One head on one text.
pub(super) struct Head {
    rank: f64,
    /// The effective rank of what the later half of the tokens receives from the earlier one.
    block: f64,
    flow: f64,
}

pub(super) fn look(weights: ArrayView2<f64>) -> Result<Head> {
    let middle = weights.nrows() / 2;
    let block = Spectrum::of(weights.slice(s![middle.., ..middle]))?.effective_rank();
    Ok(Head { rank: Spectrum::of(weights)?.effective_rank(), block, flow: flow(weights) })
}

/// The heads of one model.
pub(super) struct Heads {
    name: String,
    count: usize,
    /// Kendall's τ of the effective rank with that of the block, over heads.
    pub with_block: f64,
    /// Kendall's τ of the effective rank with the share of the weight that leaves its own token.
    with_flow: f64,
}

impl Heads {
    /// From what [`look`] found, text by text and head by head.
    pub fn new(name: impl Into<String>, texts: &[Vec<Head>]) -> Self {
        let mean = |of: fn(&Head) -> f64| -> Vec<f64> {
            over_texts(texts, of).iter().map(|sample| sample.mean()).collect()
        };
        let (rank, block, flow) = (mean(|head| head.rank), mean(|head| head.block), mean(|head| head.flow));
        let (with_block, with_flow) = (kendall(&rank, &block), kendall(&rank, &flow));
        Heads { name: name.into(), count: rank.len(), with_block, with_flow }
    }

    /// Whether more rank goes with more flow between the halves; `None` where τ is within two of its standard
    /// deviations for independent orders, √(2(2m + 5) / 9m(m − 1)).
    pub fn is_together(&self) -> Option<bool> {
        let m = self.count as f64;
        let clear = 2.0 * (2.0 * (2.0 * m + 5.0) / (9.0 * m * (m - 1.0))).sqrt();
        (self.with_block.abs() > clear).then_some(self.with_block > 0.0)
    }

    pub fn in_words(&self) -> String {
        let share = |tau: f64| format!("{:.0} %", 50.0 * (1.0 + tau));
        format!(
            "of two heads of {}, the one of higher effective rank carries more from the earlier to the later half of a \
             text in {} of the pairs, and sends more of its weight to other tokens in {}",
            self.name,
            share(self.with_block),
            share(self.with_flow)
        )
    }
}

/// Kendall's τ: concordant minus discordant pairs, over all pairs.
pub(super) fn kendall(x: &[f64], y: &[f64]) -> f64 {
    let pairs = || (0..x.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    let order = |(j, i): (usize, usize)| {
        let product = (x[i] - x[j]) * (y[i] - y[j]);
        if product == 0.0 { 0.0 } else { product.signum() }
    };
    pairs().map(order).sum::<f64>() / pairs().count() as f64
}

pub(super) fn measure(settings: &Settings, run: &Run) -> Result<(Vec<Heads>, Vec<String>)> {
    let of =
        |subject: &Subject| Ok(Heads::new(&subject.name, &subject.heads(subject.trained_mask(), run, look)?));
    trained::each(settings, trained::TOKENS.name, run, |_| None, of)
}

pub(super) fn report(evidence: &mut Evidence, models: &[Heads]) {
    for model in models {
        let name = trained::plain(&model.name);
        let text =
            format!("{}; τ = {} and {}", model.in_words(), short(model.with_block), short(model.with_flow));
        evidence.weigh(model.is_together() == Some(true), text);
        evidence.measure(format!("kendall_rank_block_{name}"), model.with_block, "");
        evidence.measure(format!("kendall_rank_flow_{name}"), model.with_flow, "");
    }
}
