//! The loss of a prefix-LM: the mean cross-entropy of the tokens after a prefix.
//!
//! L = −1/N · Σ_{t ≥ k} ln p(x_t | x_0 … x_{t−1}), over the N tokens after the first k. With k = 1 on a decoder it is
//! the loss of a causal language model; under a mask `prefix(k)` the same decoder reads its input in both directions;
//! in an encoder-decoder the encoder reads the prefix, and the decoder the tokens after it.

use rayon::prelude::*;
use serde::Serialize;

use super::mask_choice::first_look_ahead;
use super::{Description, Input, MaskChoice, Model, expect_predicts};
use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::mask::Mask;
use crate::ops::slice;
use crate::probe::Unobserved;
use crate::run::Run;

/// How many positions' logits are computed at a time: with a vocabulary of 50,000, 13 MB.
const ROWS: usize = 64;

/// The cross-entropies of the tokens that the model had to predict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// Position in the sequence of the first token that is predicted; the others follow it.
    pub first: usize,
    /// −ln p of each, in nats.
    pub each: Vec<f64>,
}

impl Loss {
    /// L, in nats per token.
    pub fn mean(&self) -> f64 {
        self.each.iter().sum::<f64>() / self.each.len() as f64
    }

    /// e^L: a uniform choice among that many tokens has the same loss.
    pub fn perplexity(&self) -> f64 {
        self.mean().exp()
    }
}

/// The loss of `model` on the tokens of `ids` after the first `prefix`.
///
/// **Shapes**: ids `[n]`, one sequence; the result has n − k tokens. A decoder predicts x_t from its position t − 1.
/// An encoder-decoder's encoder reads the prefix and its decoder the start token and the tokens after the prefix; where
/// the configuration names no start token, the first token after the prefix is given and not predicted, so n − k − 1
/// tokens remain.
///
/// **Conventions**: logarithms and sums in f64. A mask is refused if a position sees the token that it predicts,
/// because the loss would then mean nothing.
///
/// **Source**: the objective of prefix language modelling in Raffel et al. 2020 (T5, section 3.2.1) and in
/// Encoder-Decoder or Decoder-Only? (arXiv 2510.26622, section 3).
///
/// # Errors
/// [`Error::Invalid`] naming a prefix that is empty or has no tokens after it, a family that predicts no next token, or
/// the position that sees the token that it must predict; as [`Model::hidden`].
///
/// ```no_run
/// use rankscope::model::{self, MaskChoice, loss::prefix_lm};
/// use rankscope::{Device, Mask, Run};
/// let model = model::load("checkpoint".as_ref(), &Device::Cpu)?;
/// let ids = [5, 9, 13, 2, 8, 4];
/// let trained = prefix_lm(&*model, &ids, 3, &MaskChoice::AsTrained, &Run::default())?;
/// let both_ways = prefix_lm(&*model, &ids, 3, &MaskChoice::Override(Mask::prefix(3)), &Run::default())?;
/// println!("{} and {} nats a token", trained.mean(), both_ways.mean());
/// # Ok::<(), rankscope::Error>(())
/// ```
pub fn prefix_lm(
    model: &dyn Model,
    ids: &[u32],
    prefix: usize,
    mask: &MaskChoice,
    run: &Run,
) -> Result<Loss> {
    let description = model.description();
    expect_predicts(model, "with a prefix-LM loss")?;
    let Reading { input, row, first } = Reading::of(description, ids, prefix)?;
    let read = row + ids.len() - first;
    expect_no_answers(mask, description, row, read)?;
    let hidden = model.hidden(&input, mask, &mut Unobserved, run)?; // [1, T, C]
    let mut each = Vec::with_capacity(ids.len() - first);
    for targets in ids[first..].chunks(ROWS) {
        run.check()?;
        let start = row + each.len();
        let hidden = slice(&hidden, Axis::Query, start..start + targets.len())?;
        let logits = model.logits(&hidden, &mut Unobserved)?;
        let logits = logits.ok_or_else(|| Error::invalid("logits of the model", "none", "an output head"))?;
        let vocab = logits.shape().size(Axis::Vocab).unwrap_or(1);
        let logits = model.record().finite("logits", &logits)?;
        each.extend(cross_entropies(&logits, vocab, targets)?);
    }
    Ok(Loss { first, each })
}

/// How a sequence is read: row `row` of the last stack predicts token `first`, the next row the next token, and so on.
struct Reading {
    input: Input,
    row: usize,
    first: usize,
}

impl Reading {
    fn of(model: &Description, ids: &[u32], prefix: usize) -> Result<Self> {
        let start = model.encoder.as_ref().map(|encoder| encoder.start);
        let given = prefix + usize::from(start == Some(None));
        let least = 2 + given - prefix;
        if ids.len() < least {
            let expected = format!("at least {least}, one of them to predict");
            return Err(Error::invalid("number of tokens", ids.len(), expected));
        }
        if prefix == 0 || given >= ids.len() {
            let most = ids.len() + 1 - least;
            let expected =
                format!("from 1 to {most}, so that of the {} tokens some are predicted", ids.len());
            return Err(Error::invalid("length of the prefix", prefix, expected));
        }
        // The last token is only predicted, not read.
        let (source, target) = ids[..ids.len() - 1].split_at(prefix);
        Ok(match start {
            None => Reading { input: Input::new([source, target].concat()), row: prefix - 1, first: prefix },
            Some(start) => {
                let read: Vec<u32> = start.into_iter().chain(target.iter().copied()).collect();
                Reading { input: Input::new(source.to_vec()).with_decoder(read), row: 0, first: given }
            }
        })
    }
}

/// An error if, in a layer of the (last) stack, one of the `length` positions sees a token that a position from `row`
/// on has to predict.
///
/// # Errors
/// [`Error::Invalid`] naming the mask, the position and the token that it sees, and the position that must predict it.
pub(crate) fn expect_no_answers(
    mask: &MaskChoice,
    model: &Description,
    row: usize,
    length: usize,
) -> Result<()> {
    let mut masks = mask.of_layers(model);
    masks.dedup();
    masks.iter().try_for_each(|mask| hides_answers(mask, row, length))
}

fn hides_answers(mask: &Mask, row: usize, length: usize) -> Result<()> {
    mask.check(length)?;
    if *mask == Mask::causal() {
        return Ok(());
    }
    match first_look_ahead(mask, row + 1, length) {
        None => Ok(()),
        Some((query, key)) => {
            let before = key - 1;
            let expected = format!(
                "one under which the positions up to {before} do not see position {key}, as {query} does: \
                 {before} is to predict it"
            );
            Err(Error::invalid("mask of a loss", mask, expected))
        }
    }
}

/// −ln softmax(logits)\[target\] of every row, for logits `[1, T, V]`.
///
/// # Errors
/// [`Error::Invalid`] naming a target that is out of range.
pub(crate) fn cross_entropies(logits: &[f32], vocab: usize, targets: &[u32]) -> Result<Vec<f64>> {
    let entropy = |(logits, &target): (&[f32], &u32)| {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        sum.ln() - f64::from(logits[target as usize] - largest)
    };
    if let Some(&target) = targets.iter().find(|&&target| target as usize >= vocab) {
        let expected = format!("less than {vocab}, the size of the vocabulary");
        return Err(Error::invalid("token id to predict", target, expected));
    }
    Ok(logits.par_chunks_exact(vocab).zip(targets).map(entropy).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::model::{self, Config};

    fn tiny(family: &str) -> Box<dyn Model> {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny");
        model::load(&std::path::Path::new(fixtures).join(family), &Device::Cpu).unwrap()
    }

    fn loss(model: &dyn Model, ids: &[u32], prefix: usize, mask: &str) -> Result<Loss> {
        prefix_lm(model, ids, prefix, &mask.parse().unwrap(), &Run::default())
    }

    fn assert_close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
        }
    }

    fn small(family: &str) -> Config {
        let config = serde_json::json!({
            "model_type": family, "vocab_size": 23, "hidden_size": 12, "intermediate_size": 20,
            "num_hidden_layers": 2, "num_encoder_layers": 1, "num_decoder_layers": 3, "num_attention_heads": 6,
            "num_key_value_heads": 3, "hidden_act": "silu", "rms_norm_eps": 1e-6, "max_position_embeddings": 29,
        });
        Config::from_value("small", config).unwrap()
    }

    const IDS: [u32; 7] = [5, 9, 2, 13, 8, 4, 11];

    /// −ln p of the targets by the definition, from the logits of a separate pass.
    fn by_definition(model: &dyn Model, input: &Input, mask: &str, row: usize, targets: &[u32]) -> Vec<f64> {
        let output = model.forward(input, &mask.parse().unwrap(), &mut Unobserved, &Run::default()).unwrap();
        let logits = output.logits.unwrap().to_vec().unwrap();
        let vocab = model.description().vocab;
        let of = |(at, &target): (usize, &u32)| {
            let row = &logits[(row + at) * vocab..][..vocab];
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            -(f64::from(row[target as usize]).exp() / sum).ln()
        };
        targets.iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_decoder_predicts_each_token_from_the_one_before_it() {
        for family in ["gpt2", "llama", "mixtral"] {
            let model = tiny(family);
            let all = loss(&*model, &IDS, 1, "as-trained").unwrap();
            let expected = by_definition(&*model, &Input::new(IDS.to_vec()), "as-trained", 0, &IDS[1..]);
            assert_close(&all.each, &expected);
            // Tokens of the prefix are read and not counted.
            let behind = loss(&*model, &IDS, 4, "as-trained").unwrap();
            assert_eq!((all.first, behind.first), (1, 4));
            assert_close(&behind.each, &expected[3..]);
            assert!((behind.mean() - expected[3..].iter().sum::<f64>() / 3.0).abs() < 1e-5);
            assert!((behind.perplexity().ln() - behind.mean()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_decoder_reads_its_prefix_both_ways_where_the_mask_says_so() {
        let model = tiny("llama");
        let causal = loss(&*model, &IDS, 4, "causal").unwrap();
        let both_ways = loss(&*model, &IDS, 4, "prefix(4)").unwrap();
        let expected = by_definition(&*model, &Input::new(IDS.to_vec()), "prefix(4)", 3, &IDS[4..]);
        assert_close(&both_ways.each, &expected);
        assert_ne!(causal.each, both_ways.each);
        assert_eq!(causal.each, loss(&*model, &IDS, 4, "prefix(1)").unwrap().each);
    }

    #[test]
    fn an_encoder_decoder_reads_the_prefix_in_its_encoder() {
        let model = tiny("t5");
        let start = model.description().encoder.as_ref().unwrap().start.unwrap();
        let got = loss(&*model, &IDS, 3, "as-trained").unwrap();
        let input = Input::new(IDS[..3].to_vec()).with_decoder(vec![start, IDS[3], IDS[4], IDS[5]]);
        assert_eq!(got.first, 3);
        assert_close(&got.each, &by_definition(&*model, &input, "as-trained", 0, &IDS[3..]));
    }

    #[test]
    fn redllm_and_decllm_have_the_loss_that_they_are_trained_on() {
        for (family, first) in [("decllm", 2), ("redllm", 3)] {
            let model = model::seeded(&small(family), 5, &Device::Cpu).unwrap();
            let got = loss(&*model, &IDS, 2, "as-trained").unwrap();
            let input = match family {
                "decllm" => Input::new(IDS.to_vec()),
                // Without a start token the first token after the prefix is given.
                _ => Input::split(&IDS, 2).unwrap(),
            };
            let row = if family == "decllm" { 1 } else { 0 };
            assert_eq!(got.first, first, "{family}");
            assert_close(&got.each, &by_definition(&*model, &input, "as-trained", row, &IDS[first..]));
        }
    }

    #[test]
    fn a_mask_that_shows_the_answer_is_refused() {
        let model = tiny("gpt2");
        let refused = |prefix, mask: &str| loss(&*model, &IDS, prefix, mask).unwrap_err().to_string();
        let error = refused(4, "bidirectional");
        assert_eq!(
            error,
            "mask of a loss is bidirectional, expected one under which the positions up to 3 do not see position 4, \
             as 0 does: 3 is to predict it"
        );
        // Position 3 itself sees no later token, but position 0 does, and position 3 sees position 0.
        assert!(refused(4, "causal | prefix(5)").contains("do not see position 4"));
        assert!(loss(&*model, &IDS, 6, "bidirectional").is_ok(), "the last token alone is never read");
        assert!(loss(&*model, &IDS, 5, "prefix(5)").is_ok());
    }

    #[test]
    fn what_cannot_be_predicted_is_named() {
        let model = tiny("gpt2");
        for (prefix, part) in [(0, "length of the prefix is 0, expected from 1 to 6"), (7, "is 7, expected")]
        {
            let error = loss(&*model, &IDS, prefix, "as-trained").unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = loss(&*model, &[5], 1, "as-trained").unwrap_err().to_string();
        assert_eq!(error, "number of tokens is 1, expected at least 2, one of them to predict");
        let error = loss(&*model, &[5, 99_999], 1, "as-trained").unwrap_err().to_string();
        assert!(error.starts_with("token id to predict is 99999, expected less than"), "{error}");
        let error = loss(&*tiny("bert"), &IDS, 3, "as-trained").unwrap_err().to_string();
        assert!(error.starts_with("family of a model with a prefix-LM loss is bert"), "{error}");
    }
}
