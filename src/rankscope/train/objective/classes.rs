//! Classification: the output is a class.

use rand_chacha::ChaCha8Rng;

use super::Request;
use super::sequences::whole;
use crate::error::Result;
use crate::model::loss::expect_no_answers;
use crate::train::{Batch, Labels};

/// λ, the weight of the language model's loss when it is added to the classes' loss.
const LANGUAGE: f32 = 0.5;

/// L = −ln p(output | input) + λ · L of the causal LM, over `<start>` input `<end>`.
///
/// **Conventions**: the head reads the state of `<end>`; the class is the id of the output, so a head has as many scores as
/// the data has symbols. The language model's loss is a mean, as in all objectives here; in the source it is a sum.
pub(super) fn classification(request: &Request<'_>, _: &mut ChaCha8Rng) -> Result<Vec<Batch>> {
    request.expect_one_stack("the objective outputs")?;
    let [start, end] = [request.vocabulary.start(), request.vocabulary.end()];
    let (mut read, mut targets, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for example in request.unpadded() {
        let class = match *example.output() {
            [class] => class,
            [class, last] if last == end => class,
            ref output => {
                let expected = "an output of one token, the class";
                return Err(request.unfit(format!("one with an output of {} tokens", output.len()), expected));
            }
        };
        let tokens = [&[start], example.input(), &[end]].concat();
        targets.push(tokens[1..].iter().copied().map(Some).collect());
        read.push(tokens);
        classes.push(Some(class));
    }
    let batch = whole(request, &read, &targets)?;
    expect_no_answers(&batch.mask, request.model, 0, batch.input.len())?;
    Ok(vec![Batch { labels: Some(Labels { head: "score", classes, tokens_weight: LANGUAGE }), ..batch }])
}
