//! [`Mixture`]: a feed-forward network of several experts, of which each token visits a few.
//!
//! y = Σₑ wₑ · FFNₑ(x), with w the softmax of the router's scores over all experts, of which the largest k are
//! kept and divided by their sum; the others are 0, and their experts do not process the token.
//!
//! **Source**: Shazeer et al. 2017 (arXiv 1701.06538), section 2; Jiang et al. 2024 (arXiv 2401.04088), section 2.1.
//! Softmax first and then division by the sum of the largest k is the order of `transformers`; taking the largest k
//! first and then their softmax is the same function.

use super::feed_forward::Network;
use crate::axis::Axis;
use crate::error::Result;
use crate::mask::Allowed;
use crate::ops::{concat_all, gather_rows, linear, masked_softmax, matmul, scale};
use crate::probe::Probe;
use crate::tensor::Tensor;
use crate::weight::Weight;

/// The experts and the router.
///
/// **Probe points**: `router.scores` `[B, T, E]`, `router.weights` `[B, T, E]` with zeros for the experts that are
/// not visited, `feed_forward.experts` `[N, E, C]` with N the tokens of all sequences and E the experts that each
/// visits, and `feed_forward.output` `[B, T, C]`. An expert is visited where its weight, also an edited one, is not
/// 0.
///
/// **Conventions**: the CPU assigns rows to experts, so on a GPU each layer waits for the router's scores. Among equal
/// scores, the earlier expert comes first.
pub(super) struct Mixture {
    pub(super) router: Weight, // [E, C]
    pub(super) experts: Vec<Network>,
    /// k.
    pub(super) visited: usize,
}

impl Mixture {
    /// The update of the residual stream, `[B, T, C]`.
    pub(super) fn forward(&self, x: &Tensor, probe: &mut dyn Probe) -> Result<Tensor> {
        let scores = probe.visit("router.scores", linear(x, &self.router)?)?; // [B, T, E]
        let kept = kept(&scores.detach().to_vec()?, self.experts.len(), self.visited);
        let weights = probe.visit("router.weights", weights(&scores, &kept)?)?; // [B, T, E]
        // Only a probe can give a weight to an expert that was not kept, or remove the weight of a kept expert.
        let shares = if probe.watches("router.weights") { weights.detach().to_vec()? } else { kept };
        let visits = Visits::new(&shares, self.experts.len());
        let update = match self.outputs(x, &visits)? {
            None => scale(x, 0.0)?,
            Some(outputs) => {
                let (tokens, width) = (visits.tokens, (Axis::Width, self.width()));
                let outputs = gather_rows(&outputs, &visits.rows)?; // [N·k, C]
                let outputs = outputs.reshape([(Axis::Row, tokens), (Axis::Expert, visits.most), width])?;
                let outputs = probe.visit("feed_forward.experts", outputs)?; // [N, k, C]
                let all = weights.reshape([(Axis::Row, weights.shape().len()), (Axis::Column, 1)])?;
                let axes = [(Axis::Row, tokens), (Axis::Query, 1), (Axis::Expert, visits.most)];
                let weights = gather_rows(&all, &visits.weights)?.reshape(axes)?; // [N, 1, k]
                matmul(&weights, &outputs, Axis::Expert, 1.0)?.reshape(x.shape().axes())? // [B, T, C]
            }
        };
        probe.visit("feed_forward.output", update)
    }
}

impl Mixture {
    fn width(&self) -> usize {
        self.router.shape().size(Axis::Width).unwrap_or(0)
    }

    /// The outputs of the experts for the tokens that visit them, expert by expert; `None` without visits.
    fn outputs(&self, x: &Tensor, visits: &Visits) -> Result<Option<Tensor>> {
        let visited = self.experts.iter().zip(&visits.of_expert).filter(|(_, tokens)| !tokens.is_empty());
        let output = |(expert, tokens): (&Network, &Vec<u32>)| {
            expert.down.forward(&expert.hidden(&gather_rows(x, tokens)?)?) // [N, C]
        };
        let outputs = visited.map(output).collect::<Result<Vec<_>>>()?;
        if outputs.is_empty() {
            return Ok(None);
        }
        concat_all(&outputs.iter().collect::<Vec<_>>(), Axis::Row).map(Some)
    }
}

/// The weights of the experts, token by token: the softmax of the scores that are `kept`, 0 for the others.
fn weights(scores: &Tensor, kept: &[f32]) -> Result<Tensor> {
    let axes = scores.shape().axes().to_vec();
    let experts = axes.last().map_or(1, |&(_, experts)| experts);
    let [rows, keys] = [(Axis::Query, kept.len() / experts), (Axis::Key, experts)];
    let allowed = Allowed::from_tensor(&Tensor::new([rows, keys], kept.to_vec())?)?;
    masked_softmax(scores.reshape([(Axis::Batch, 1), (Axis::Head, 1), rows, keys])?, &allowed)?.reshape(axes)
}

/// 1 for the largest `visited` scores of every token and 0 for the others. All scores of a token are kept if one is NaN,
/// which makes all weights of the token NaN, as it does in a softmax.
pub(crate) fn kept(scores: &[f32], experts: usize, visited: usize) -> Vec<f32> {
    let mut kept = vec![0.0; scores.len()];
    for (scores, kept) in scores.chunks(experts).zip(kept.chunks_mut(experts)) {
        if scores.iter().any(|score| score.is_nan()) {
            kept.fill(1.0);
            continue;
        }
        let mut order: Vec<usize> = (0..experts).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])); // stable: of equals, the earlier one first
        order[..visited].iter().for_each(|&expert| kept[expert] = 1.0);
    }
    kept
}

/// Which token visits which expert.
struct Visits {
    tokens: usize,
    /// The tokens that visit each expert.
    of_expert: Vec<Vec<u32>>,
    /// The largest number of experts that a token visits.
    most: usize,
    /// For every token, the rows of its experts' outputs in the list of all outputs, expert by expert, `[N, most]`. A
    /// token that visits fewer experts gets an arbitrary row instead, with the weight 0.
    rows: Vec<u32>,
    /// The places of these weights among the weights of all tokens and experts, `[N, most]`.
    weights: Vec<u32>,
}

impl Visits {
    fn new(weights: &[f32], experts: usize) -> Self {
        let rows: Vec<&[f32]> = weights.chunks(experts).collect();
        let visitors = |expert: usize| -> Vec<u32> {
            (0..rows.len()).filter(|&token| rows[token][expert] != 0.0).map(|token| token as u32).collect()
        };
        let of_expert: Vec<Vec<u32>> = (0..experts).map(visitors).collect();
        let most = rows.iter().map(|row| row.iter().filter(|&&weight| weight != 0.0).count()).max();
        let most = most.unwrap_or(0);
        let mut places = vec![Vec::with_capacity(most); rows.len()];
        let visits = of_expert.iter().enumerate().flat_map(|(e, tokens)| tokens.iter().map(move |&t| (e, t)));
        for (row, (expert, token)) in visits.enumerate() {
            places[token as usize].push((row as u32, token * experts as u32 + expert as u32));
        }
        for (token, places) in places.iter_mut().enumerate() {
            let idle = rows[token].iter().position(|&weight| weight == 0.0).unwrap_or(0);
            places.resize(most, (0, (token * experts + idle) as u32));
        }
        let (all, weights) = places.into_iter().flatten().unzip();
        Visits { tokens: rows.len(), of_expert, most, rows: all, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights that these scores lead to.
    fn route(scores: &[f32], experts: usize, visited: usize) -> Vec<f32> {
        let axes = [(Axis::Batch, 1), (Axis::Query, scores.len() / experts), (Axis::Expert, experts)];
        let kept = kept(scores, experts, visited);
        weights(&Tensor::new(axes, scores.to_vec()).unwrap(), &kept).unwrap().to_vec().unwrap()
    }

    #[test]
    fn the_largest_two_are_kept_and_divided_by_their_sum() {
        // e^0, e^ln 3, e^ln 2, e^ln 3 = 1, 3, 2, 3: the two equal largest are both kept, and 6 is their sum.
        let scores = [0.0, 3f32.ln(), 2f32.ln(), 3f32.ln(), 5.0, 5.0, 5.0, 1e4];
        let weights = route(&scores, 4, 2);
        let expected = [0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0];
        assert!(weights.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6), "{weights:?}");
        assert_eq!(weights[4..].iter().filter(|&&weight| weight == 0.0).count(), 3);
        assert_eq!(route(&[2.0, 2.0, 2.0], 3, 1), [1.0, 0.0, 0.0], "of equals, the earlier one");
        assert_eq!(route(&[-7.0, 9.0], 1, 1), [1.0, 1.0], "a single expert has all the weight");
        for nan in [f32::NAN, -f32::NAN] {
            let weights = route(&[1.0, nan, 3.0, 1.0, 2.0, 3.0], 3, 1);
            assert!(weights[..3].iter().all(|weight| weight.is_nan()), "{weights:?}");
            assert_eq!(weights[3..], [0.0, 0.0, 1.0]);
        }
    }

    #[test]
    fn every_visit_has_its_row_and_its_weight() {
        // Token 0 visits expert 2, token 1 visits 0 and 2, token 2 no expert.
        let weights = [0.0, 0.0, 1.0, 0.25, 0.0, 0.75, 0.0, 0.0, 0.0];
        let visits = Visits::new(&weights, 3);
        assert_eq!(visits.of_expert, [vec![1], vec![], vec![0, 1]]);
        assert_eq!((visits.tokens, visits.most), (3, 2));
        assert_eq!(visits.rows, [1, 0, 0, 2, 0, 0]);
        let of_visits: Vec<f32> = visits.weights.iter().map(|&place| weights[place as usize]).collect();
        assert_eq!(of_visits, [1.0, 0.0, 0.25, 0.75, 0.0, 0.0]);
    }
}
