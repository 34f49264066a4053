//! The next token: its distribution, and writing one token after the other.

use rankscope::model::generate::Sampling;
use rankscope::model::{Model, Tokenizer};
use rankscope::ops::slice;
use rankscope::probe::Unobserved;
use rankscope::{Axis, Error, Result, Tensor};

use crate::labs::model::answer::{Guess, Next};

/// The number of tokens that are listed.
const LISTED: usize = 10;

/// The scores of every token at one position of hidden states `[1, T, C]`; `None` for a model without an output layer.
pub fn logits(model: &dyn Model, hidden: &Tensor, position: usize) -> Result<Option<Vec<f32>>> {
    let one = slice(hidden, Axis::Query, position..position + 1)?;
    let logits = model.logits(&one, &mut Unobserved)?;
    logits.map(|logits| logits.to_vec()).transpose()
}

/// The likeliest tokens by `chosen`, with their probabilities by `trained`.
pub fn prediction(
    chosen: &[f32],
    trained: Option<&[f32]>,
    (position, piece, follows): (usize, String, bool),
    tokenizer: &Tokenizer,
) -> Result<Next> {
    let p = probabilities(chosen)?;
    let q = trained.map(probabilities).transpose()?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]).then(a.cmp(&b)));
    let guess = |&id: &usize| Guess {
        piece: tokenizer.piece(id as u32),
        probability: p[id],
        trained: q.as_ref().map(|q| q[id]),
    };
    let guesses = order.iter().take(LISTED).map(guess).collect();
    let divergence = q.as_ref().map(|trained| divergence(trained, &p));
    Ok(Next { position, piece, follows, guesses, divergence })
}

/// The likeliest token.
pub fn likeliest(logits: &[f32]) -> Result<u32> {
    let greedy = Sampling::greedy().distribution(logits)?;
    let expected = "at least one token";
    greedy.first().map(|(id, _)| *id).ok_or_else(|| Error::invalid("vocabulary", "empty", expected))
}

/// Softmax in f64, token by token.
fn probabilities(logits: &[f32]) -> Result<Vec<f64>> {
    let mut all = vec![0.0; logits.len()];
    for (id, probability) in Sampling::default().distribution(logits)? {
        all[id as usize] = probability;
    }
    Ok(all)
}

/// Σ p ln (p / q); infinite if q is 0 for a token for which p is not.
fn divergence(p: &[f64], q: &[f64]) -> f64 {
    let term = |(&p, &q): (&f64, &f64)| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    p.iter().zip(q).map(term).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_0_of_the_same_and_by_hand_of_another() {
        let p = probabilities(&[0.0, 0.0]).unwrap();
        let q = probabilities(&[0.0, 3f32.ln()]).unwrap();
        assert_eq!(divergence(&p, &p), 0.0);
        // ½ ln(½ / ¼) + ½ ln(½ / ¾)
        let expected = 0.5 * (2f64.ln() + (2.0f64 / 3.0).ln());
        assert!((divergence(&p, &q) - expected).abs() < 1e-7);
        assert_eq!(divergence(&[1.0, 0.0], &[0.0, 1.0]), f64::INFINITY);
    }

    #[test]
    fn the_likeliest_token_wins_and_nan_is_named() {
        assert_eq!(likeliest(&[0.5, 2.0, -1.0]).unwrap(), 1);
        assert!(likeliest(&[f32::NAN]).is_err());
    }
}
