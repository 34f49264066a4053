//! [`Balance`]: the loss that keeps a mixture of experts from sending all tokens to the same few.

use crate::axis::Axis;
use crate::error::Result;
use crate::mask::{Allowed, Mask, Padding, Positions};
use crate::model::{Model, kept_experts};
use crate::ops::{add, masked_softmax, matmul, scale};
use crate::probe::Probe;
use crate::tensor::Tensor;

/// The load-balancing loss of the routers: a probe that keeps their scores and passes everything to another probe
/// first.
///
/// loss = E · Σₑ fₑ · Pₑ with, over all tokens of all layers together, fₑ the visits of expert e divided by the number
/// of tokens (the fₑ sum to k, the number of experts that a token visits), and Pₑ the mean of its probability in the
/// router's softmax over all E experts. The loss is k where all probabilities are equal. fₑ counts choices and has no
/// gradient; Pₑ has one.
///
/// **Conventions**: as in `transformers`, it is added where the configuration states `output_router_logits: true`,
/// times `router_aux_loss_coef` (0.001 where absent). Padding counts for neither f nor P.
///
/// **Source**: Fedus, Zoph & Shazeer 2021 (arXiv 2101.03961), section 2.2; over k visits and all layers at once:
/// `load_balancing_loss_func` of `transformers`.
pub struct Balance<'a> {
    /// The factor of the loss; 0 if the configuration does not ask for it.
    coefficient: f32,
    /// k.
    visited: usize,
    scores: Vec<Tensor>, // [B, T, E] each
    inner: &'a mut dyn Probe,
}

impl<'a> Balance<'a> {
    /// For a pass of `model`, of any family; `inner` visits everything first, and the scores that it returns are used.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) naming the field of the configuration that is not a number.
    pub fn new(model: &dyn Model, inner: &'a mut dyn Probe) -> Result<Self> {
        let config = model.record().config();
        let is_wanted = config.optional("output_router_logits")?.unwrap_or(false);
        let has_experts = config.optional_size("num_local_experts")?.is_some();
        let (coefficient, visited) = match is_wanted && has_experts {
            true => (
                config.optional("router_aux_loss_coef")?.unwrap_or(0.001),
                config.size("num_experts_per_tok")?,
            ),
            false => (0.0, 0),
        };
        Ok(Balance { coefficient, visited, scores: Vec::new(), inner })
    }

    /// `loss` of the pass plus `share` times the load-balancing loss, if the configuration asks for it. The share is
    /// 1/n for each of n passes of a step.
    ///
    /// # Errors
    /// Errors of the operations.
    pub fn add_to(self, loss: Tensor, share: f32, padding: Option<&Padding>) -> Result<Tensor> {
        if self.scores.is_empty() {
            return Ok(loss);
        }
        let balance = load_balancing(&self.scores, self.visited, padding)?;
        add(loss, scale(balance, share * self.coefficient)?)
    }
}

impl Probe for Balance<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = self.inner.visit(name, value)?;
        if self.coefficient != 0.0 && name.ends_with("router.scores") {
            self.scores.push(value.clone());
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        (self.coefficient != 0.0 && name.ends_with("router.scores")) || self.inner.watches(name)
    }

    fn is_idle(&self) -> bool {
        self.coefficient == 0.0 && self.inner.is_idle()
    }
}

/// The loss of routers whose scores are `[B, T, E]` each, without its coefficient: one number.
fn load_balancing(scores: &[Tensor], visited: usize, padding: Option<&Padding>) -> Result<Tensor> {
    let device = scores[0].device();
    let [batch, length, experts] =
        scores[0].shape().expect("load_balancing", "scores", [Axis::Batch, Axis::Query, Axis::Expert])?;
    let tokens = (Axis::Query, batch * length);
    let is_real = |b: usize, t: usize| padding.is_none_or(|padding| padding.is_real(b, t));
    let real = (0..batch).flat_map(|b| (0..length).map(move |t| if is_real(b, t) { 1.0 } else { 0.0 }));
    let real = Tensor::new([(Axis::Column, 1), tokens], real.collect())?;
    let count = scores.len() as f32 * real.to_vec()?.iter().sum::<f32>(); // N
    let mut visits = Vec::new();
    for scores in scores {
        visits.extend(kept_experts(&scores.detach().to_vec()?, experts, visited));
    }
    let visits = Tensor::new([(Axis::Batch, scores.len()), tokens, (Axis::Key, experts)], visits)?;
    let (real, visits) = (real.to_device(&device)?, visits.to_device(&device)?);
    let all = Allowed::new(&Mask::bidirectional(), 1, tokens.1, experts, Positions { first_query: 0 }, None)?;
    let rows = [(Axis::Batch, 1), (Axis::Head, 1), tokens, (Axis::Key, experts)];
    let (mut sums, mut probabilities) = (Vec::new(), Vec::new());
    for (layer, scores) in scores.iter().enumerate() {
        let of_tokens = masked_softmax(scores.reshape(rows)?, &all)?.reshape(&rows[2..])?; // [N, E]
        probabilities.push(matmul(&real, &of_tokens, Axis::Query, 1.0)?); // [1, E]
        sums.push(matmul(&real, &visits.select(Axis::Batch, layer)?, Axis::Query, 1.0)?); // [1, E]
    }
    let total = |parts: Vec<Tensor>| parts.into_iter().map(Ok).reduce(|a, b| add(a?, b?)).expect("a router");
    let visits = total(sums)?.rename(Axis::Column, Axis::Row)?;
    // E · Σₑ (visits / N) · (probabilities / N)
    matmul(&total(probabilities)?, &visits, Axis::Key, experts as f32 / (count * count))?.reshape([])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: Vec<f32>, batch: usize, experts: usize) -> Tensor {
        let length = values.len() / batch / experts;
        Tensor::new([(Axis::Batch, batch), (Axis::Query, length), (Axis::Expert, experts)], values).unwrap()
    }

    fn loss(scores: &[Tensor], visited: usize, padding: Option<&Padding>) -> f32 {
        load_balancing(scores, visited, padding).unwrap().to_vec().unwrap()[0]
    }

    #[test]
    fn a_loss_by_hand() {
        // Two tokens and 2 experts, each visited once: f = 1/2, 1/2; P = (3/4 + 1/4)/2 = 1/2.
        let (a, b) = (3f32.ln(), 0.0);
        let balanced = scores(vec![a, b, b, a], 1, 2);
        assert!((loss(std::slice::from_ref(&balanced), 1, None) - 1.0).abs() < 1e-6);
        // Both tokens visit the first expert: f = 1, 0; P = 3/4, 1/4: 2 · 3/4. If all tokens visit both experts, f = 1,
        // 1: 2 · 1.
        let crowded = scores(vec![a, b, a, b], 1, 2);
        assert!((loss(std::slice::from_ref(&crowded), 1, None) - 1.5).abs() < 1e-6);
        assert!((loss(std::slice::from_ref(&crowded), 2, None) - 2.0).abs() < 1e-6);
        // Two layers count as one: f = 3/4, 1/4; P = 5/8, 3/8: 2 · (15 + 3)/32.
        assert!((loss(&[balanced, crowded], 1, None) - 1.125).abs() < 1e-6);
        // Padding of two sequences is left out: its scores do not matter.
        let padding = Padding::new(vec![true, true, true, false], 2).unwrap();
        let with = |last: [f32; 2]| scores(vec![a, b, b, a, a, b, last[0], last[1]], 2, 2);
        let [one, other] = [[9.0, 1.0], [-3.0, 4.0]].map(|last| loss(&[with(last)], 1, Some(&padding)));
        // f = 2/3, 1/3; P = (3/4 + 1/4 + 3/4)/3 = 7/12, 5/12: 2 · (14 + 5)/36.
        assert!((one - 38.0 / 36.0).abs() < 1e-6 && one == other, "{one} {other}");
    }
}
