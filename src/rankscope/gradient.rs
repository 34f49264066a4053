//! Gradients of a number with respect to all tensors that are tracked on its tape.

use crate::error::{Error, Result};
use crate::ops::add;
use crate::tape::Tape;
use crate::tensor::Tensor;

/// The gradients that [`gradients`] found.
pub struct Gradients {
    tape: Tape,
    /// The gradients by place on the tape; those of intermediates only where the caller asked for them.
    found: Vec<Option<Tensor>>,
}

impl Gradients {
    /// The gradient with respect to the tracked tensor `x`, in its shape; `None` if the number does not depend on it.
    pub fn of(&self, x: &Tensor) -> Option<&Tensor> {
        let place = x.place().filter(|place| place.tape.is(&self.tape))?;
        self.found.get(place.index)?.as_ref()
    }
}

/// ∂y/∂x for every tensor x that [`Tape::track`] put on the tape of y.
///
/// **Shapes**: y is one number, of any number of axes; the gradient of x has the shape of x.
///
/// **Conventions**: reverse accumulation, in the order of the tape from its end: deterministic. Each operation frees
/// the tensors that it kept as soon as the gradient has gone through it, so a tape can be used once.
///
/// # Errors
/// [`Error::Invalid`] if y is not one number or is not tracked, if an operation on the way has no backward pass, if the
/// numbers of a tensor were read that stands on the tape before y (their gradient would be lost; [`Tensor::detach`]
/// says that this is intended), or if the tape was used already; errors of the operations.
///
/// **Source**: Griewank & Walther 2008, *Evaluating Derivatives*, section 3.2.
pub fn gradients(y: &Tensor) -> Result<Gradients> {
    gradients_with(y, &[])
}

/// As [`gradients`], and also keeps the gradients of the intermediates `also`.
///
/// # Errors
/// As [`gradients`].
pub fn gradients_with(y: &Tensor, also: &[&Tensor]) -> Result<Gradients> {
    if y.shape().len() != 1 {
        return Err(Error::invalid("shape to differentiate", y.shape(), "one number"));
    }
    let place =
        y.place().ok_or_else(|| Error::invalid("number to differentiate", "not tracked", "one on a tape"))?;
    let (tape, last) = (place.tape.clone(), place.index);
    let wanted: Vec<usize> = also.iter().filter_map(|x| x.place()).map(|place| place.index).collect();
    let mut found: Vec<Option<Tensor>> = vec![None; last + 1];
    let one = Tensor::new(y.shape().axes(), vec![1.0])?;
    found[last] = Some(one.to_device(&y.device())?);
    if let Some(entry) = tape.entries()[..last].iter().find(|entry| entry.was_read) {
        return Err(read(entry.op));
    }
    for index in (0..=last).rev() {
        if found[index].is_none() {
            tape.entries()[index].backward = None; // nobody needs the tensors that it keeps
            continue;
        }
        let (op, inputs, backward) = {
            let entry = &mut tape.entries()[index];
            (entry.op, std::mem::take(&mut entry.inputs), entry.backward.take())
        };
        let Some(backward) = backward else {
            if op.is_empty() {
                continue; // tracked from outside
            }
            return Err(Error::invalid("tape", "used before", "one that no gradient has gone through"));
        };
        let dy = if wanted.contains(&index) { found[index].clone() } else { found[index].take() };
        let parts = backward(dy.expect("looked at above"))?;
        for (input, part) in inputs.into_iter().zip(parts) {
            let (Some(input), Some(part)) = (input, part) else { continue };
            found[input] = Some(match found[input].take() {
                Some(sum) => add(sum, part)?,
                None => part,
            });
        }
    }
    Ok(Gradients { tape, found })
}

fn read(op: &'static str) -> Error {
    let what = if op.is_empty() { "a tracked tensor".to_owned() } else { format!("the result of {op}") };
    let expected = "used by operations alone; `detach` says that no gradient is meant to go on";
    Error::invalid(format!("gradient through {what}, which"), "read as plain numbers", expected)
}
