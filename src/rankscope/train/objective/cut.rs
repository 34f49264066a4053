//! Objectives that cut a sequence in two and predict the second part.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Request;
use super::sequences::{predict_outputs, whole};
use crate::error::Result;
use crate::train::{Batch, Example};

/// L = −Σ ln p(x\[t\] | x\[..t\]) over all tokens except the first.
pub(super) fn causal(request: &Request<'_>, _: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    request.expect_one_stack("prefix-lm or span-corruption for both")?;
    predict_outputs(request, cut_at(request, 0))
}

/// L = −Σ ln p(x\[t\] | x\[..t\]) over t ≥ p, with p the same in the whole batch and uniform from 1 to n − 1, n being the
/// length of the shortest sequence.
pub(super) fn prefix(request: &Request<'_>, random: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    let shortest = request.unpadded().map(|example| example.tokens.len()).min().unwrap_or(0);
    if shortest < 2 {
        return Err(request.unfit(format!("{shortest} tokens"), "at least 2, so that it can be split"));
    }
    predict_outputs(request, cut_at(request, random.random_range(1..shortest)))
}

/// L = −Σ ln p(output\[t\] | input, output\[..t\]).
pub(super) fn outputs(request: &Request<'_>, _: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    predict_outputs(request, request.unpadded().collect())
}

/// L = −Σ ln p(output\[t\] | input), where position t of the input predicts token t of the output: sequence labelling.
pub(super) fn labelling(request: &Request<'_>, _: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    request.expect_one_stack("outputs for both")?;
    let separator = request.vocabulary.separator();
    let (mut read, mut targets) = (Vec::new(), Vec::new());
    for example in request.unpadded() {
        let (input, output) = (example.input(), example.output());
        let input = input.strip_suffix(&[separator]).unwrap_or(input);
        if input.is_empty() || input.len() != output.len() {
            let got = format!("one with {} tokens of input and {} of output", input.len(), output.len());
            return Err(request.unfit(got, "as many of both, one label for each token"));
        }
        read.push(input.to_vec());
        targets.push(output.iter().copied().map(Some).collect());
    }
    Ok(vec![whole(request, &read, &targets)?])
}

/// The sequences, with the first `given` tokens given.
fn cut_at(request: &Request<'_>, given: usize) -> Vec<Example> {
    request.unpadded().map(|example| Example { given, ..example }).collect()
}
