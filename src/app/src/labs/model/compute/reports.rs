//! The rank reports of the heads of one layer, and their strongest weights.

use std::sync::Arc;

use rankscope::mask::Mask;
use rankscope::ndarray::{ArrayView1, ArrayView2, Axis};
use rankscope::rank::{ExactRank, RankReport, many};
use rankscope::{Result, Run, Tensor};

use crate::labs::model::answer::{Details, Link};

/// Weights that are drawn as arcs are at least `STRONG`; a head has at most `ARCS` arcs.
const STRONG: f32 = 0.1;
const ARCS: usize = 400;

/// Facts about the heads of one layer that are known without their weights.
pub struct Heads {
    /// The layer.
    pub layer: usize,
    /// The mask, where it decides the exact rank: of square matrices whose allowed entries are positive.
    pub mask: Option<Mask>,
    /// D, of linear attention, where a head without a mask has no higher rank.
    pub features: Option<usize>,
    /// Heads of which only some singular components are left: no theorem holds for them.
    pub cut: Vec<bool>,
}

impl Heads {
    /// Reports on one head of weights `[H, T, S]`, or on all that have no report yet.
    ///
    /// # Errors
    /// As [`RankReport::of`]; `Cancelled`.
    pub fn put(
        &self,
        weights: &Tensor,
        only: Option<usize>,
        reports: &mut [Option<Arc<RankReport>>],
        run: &Run,
    ) -> Result<()> {
        let count = self.cut.len();
        let own = &mut reports[self.layer * count..(self.layer + 1) * count];
        let missing = |&head: &usize| own[head].is_none() && only.is_none_or(|only| only == head);
        let heads: Vec<usize> = (0..count).filter(missing).collect();
        let mut theorems: Vec<(Mask, ExactRank)> = Vec::new();
        let mut jobs = Vec::new();
        for &head in &heads {
            jobs.push((head, self.theorem(head, weights, &mut theorems)));
        }
        let done = many(&jobs, "rank", run, |(head, theorem)| {
            let matrix = weights.matrix(*head).map(|matrix| matrix.mapv(f64::from)).unwrap_or_default();
            RankReport::of(matrix.view(), theorem.as_ref())
        })?;
        for (head, report) in heads.into_iter().zip(done) {
            own[head] = Some(Arc::new(report));
        }
        Ok(())
    }

    /// The theorem on a head's rank; worked out once for each mask.
    fn theorem(
        &self,
        head: usize,
        weights: &Tensor,
        known: &mut Vec<(Mask, ExactRank)>,
    ) -> Option<ExactRank> {
        if self.cut[head] {
            let reason = "no theorem: only some of its singular components are left".to_owned();
            return Some(ExactRank { rank: None, reason });
        }
        let mask = self.mask.as_ref()?.for_head(head, self.cut.len());
        let keys = weights.shape().sizes().last().copied().unwrap_or(0);
        if let Some(features) = self.features.filter(|&features| features < keys)
            && mask == Mask::bidirectional()
        {
            let reason =
                format!("no theorem: at most {features}, as a product of so many features with scaled rows");
            return Some(ExactRank { rank: None, reason });
        }
        if let Some((_, theorem)) = known.iter().find(|(known, _)| *known == mask) {
            return Some(theorem.clone());
        }
        let theorem = mask.exact_rank(keys);
        known.push((mask, theorem.clone()));
        Some(theorem)
    }
}

/// What is drawn beside a head `[T, S]`.
pub fn details(matrix: ArrayView2<'_, f32>) -> Details {
    let received = matrix.mean_axis(Axis(0)).map(|mean| mean.to_vec()).unwrap_or_default();
    Details { links: links(matrix), received, spread: matrix.rows().into_iter().map(spread).collect() }
}

fn spread(row: ArrayView1<'_, f32>) -> f32 {
    let total: f32 = row.iter().map(|weight| weight.max(0.0)).sum();
    let part = |weight: &f32| if *weight > 0.0 { -(weight / total) * (weight / total).ln() } else { 0.0 };
    row.iter().map(part).sum::<f32>().exp()
}

/// The strongest weights, the weakest first.
fn links(matrix: ArrayView2<'_, f32>) -> Vec<Link> {
    let strong = matrix.indexed_iter().filter(|(_, weight)| **weight >= STRONG);
    let link = |((query, key), &weight): ((usize, usize), &f32)| Link {
        query: query as u16,
        key: key as u16,
        weight,
    };
    let mut links: Vec<Link> = strong.map(link).collect();
    links.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    links.drain(..links.len().saturating_sub(ARCS));
    links
}

#[cfg(test)]
mod tests {
    use rankscope::Axis as Letter;
    use rankscope::ndarray::array;

    use super::*;

    fn heads(features: Option<usize>, cut: bool) -> RankReport {
        let axes = [(Letter::Head, 1), (Letter::Query, 2), (Letter::Key, 2)];
        let weights = Tensor::new(axes, vec![0.5, 0.5, 0.25, 0.75]).unwrap();
        let mut reports = vec![None];
        let heads = Heads { layer: 0, mask: Some(Mask::bidirectional()), features, cut: vec![cut] };
        heads.put(&weights, None, &mut reports, &Run::default()).unwrap();
        (**reports[0].as_ref().unwrap()).clone()
    }

    #[test]
    fn no_theorem_is_claimed_of_a_cut_head_nor_of_linear_attention_without_a_mask() {
        assert!(heads(None, true).exact_rank_reason.contains("singular components"));
        assert!(heads(Some(1), false).exact_rank_reason.contains("at most 1"));
        assert_eq!(heads(None, false).numerical_rank_f64, 2);
    }

    #[test]
    fn details_are_the_strong_weights_and_the_marginals() {
        let Details { links, received, spread } = details(array![[0.95, 0.05], [0.4, 0.6]].view());
        assert!((received[0] - 0.675).abs() < 1e-6 && (received[1] - 0.325).abs() < 1e-6);
        assert!((1.0..1.3).contains(&spread[0]) && (1.9..2.0).contains(&spread[1]), "{spread:?}");
        assert!((super::spread(array![0.25, 0.25, 0.25, 0.25].view()) - 4.0).abs() < 1e-5);
        let places: Vec<_> = links.iter().map(|link| (link.query, link.key, link.weight)).collect();
        assert_eq!(places, [(1, 0, 0.4), (1, 1, 0.6), (0, 0, 0.95)]);
    }
}
