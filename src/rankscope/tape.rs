//! [`Tape`]: the operations of a computation in the order in which they were made, so that gradients can go back
//! through them.
//!
//! A tensor that is tracked carries its place on a tape. An operation with a tracked argument computes as always, and
//! appends an entry to the tape: its arguments' places, and how the gradient of its result becomes those of its
//! arguments. Without a tracked argument nothing is written, and the operation costs no more.
//!
//! No gradient is lost silently. Reading the numbers of a tracked tensor marks its entry, because a result computed
//! from plain numbers is not on the tape; [`gradients`](crate::gradient::gradients) refuses a tape with such a mark.
//! [`Tensor::detach`] says that no gradient is meant to flow further.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Turns the gradient of a result into those of the arguments; `None` for an argument that is not tracked.
pub(crate) type Backward = Box<dyn FnOnce(Tensor) -> Result<Vec<Option<Tensor>>> + Send>;

/// The operations of one computation. Clones share the tape.
///
/// ```
/// use rankscope::{Axis, Tensor, gradient::gradients, ops, tape::Tape};
/// let tape = Tape::new();
/// let x = tape.track(&Tensor::new([(Axis::Column, 1)], vec![3.])?);
/// let y = ops::multiply(&x, &x)?; // x²
/// let gradients = gradients(&y)?;
/// assert_eq!(gradients.of(&x).unwrap().to_vec()?, [6.]); // 2x
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<Entry>>>);

/// One operation.
pub(crate) struct Entry {
    /// Its name; empty for a tensor that [`Tape::track`] put on the tape.
    pub(crate) op: &'static str,
    /// The places of the arguments; `None` for an argument that is not tracked.
    pub(crate) inputs: Vec<Option<usize>>,
    /// `None` for a tensor that [`Tape::track`] put on the tape, and once a gradient has gone through.
    pub(crate) backward: Option<Backward>,
    /// Whether somebody has read the numbers of its result.
    pub(crate) was_read: bool,
}

/// A place on a tape.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) tape: Tape,
    pub(crate) index: usize,
}

impl Place {
    /// Marks that the numbers were read.
    pub(crate) fn mark_read(&self) {
        self.tape.entries()[self.index].was_read = true;
    }
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Tape::default()
    }

    /// The same numbers, tracked: [`gradients`](crate::gradient::gradients) computes the gradient with respect to them.
    pub fn track(&self, x: &Tensor) -> Tensor {
        self.push(x.detach(), Entry { op: "", inputs: Vec::new(), backward: None, was_read: false })
    }

    /// How many entries it holds: operations, and tensors that [`Tape::track`] put on it.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is(&self, other: &Tape) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn push(&self, y: Tensor, entry: Entry) -> Tensor {
        let mut entries = self.entries();
        entries.push(entry);
        y.at_place(Place { tape: self.clone(), index: entries.len() - 1 })
    }
}

/// Writes the entry of an operation with tracked arguments.
pub(crate) struct Recorder {
    op: &'static str,
    tape: Tape,
    inputs: Vec<Option<usize>>,
}

/// The arguments of `op` to compute with, and, where one of them is tracked, a recorder for the result.
///
/// # Errors
/// [`Error::Invalid`] if they are on different tapes.
pub(crate) fn begin<const N: usize>(
    op: &'static str,
    arguments: [Tensor; N],
) -> Result<(Option<Recorder>, [Tensor; N])> {
    let recorder = recorder(op, arguments.each_ref().map(Tensor::place))?;
    Ok((recorder, arguments.map(Tensor::into_detached)))
}

/// [`begin`] for an operation of any number of arguments.
///
/// # Errors
/// As [`begin`].
pub(crate) fn begin_all(op: &'static str, arguments: &[&Tensor]) -> Result<(Option<Recorder>, Vec<Tensor>)> {
    let arguments: Vec<Tensor> = arguments.iter().map(|&x| x.clone()).collect();
    let recorder = recorder(op, arguments.iter().map(Tensor::place))?;
    Ok((recorder, arguments.into_iter().map(Tensor::into_detached).collect()))
}

/// The recorder for the result of `op`, if one of its arguments has a place on a tape.
///
/// # Errors
/// As [`begin`].
pub(crate) fn recorder<'a>(
    op: &'static str,
    places: impl IntoIterator<Item = Option<&'a Place>> + Clone,
) -> Result<Option<Recorder>> {
    let Some(tape) = places.clone().into_iter().flatten().next().map(|place| &place.tape) else {
        return Ok(None);
    };
    if places.clone().into_iter().flatten().any(|place| !place.tape.is(tape)) {
        let what = format!("{op}: an argument");
        return Err(Error::invalid(what, "on another tape", "on the tape of the others"));
    }
    let inputs = places.into_iter().map(|place| Some(place?.index)).collect();
    Ok(Some(Recorder { op, tape: tape.clone(), inputs }))
}

/// The recorder for the result of `op`, whose one argument is at `place`.
pub(crate) fn recorder_of_one(op: &'static str, place: Place) -> Recorder {
    Recorder { op, tape: place.tape, inputs: vec![Some(place.index)] }
}

/// Which of the N arguments need a gradient.
pub(crate) fn wants<const N: usize>(recorder: &Option<Recorder>) -> [bool; N] {
    std::array::from_fn(|index| recorder.as_ref().is_some_and(|recorder| recorder.inputs[index].is_some()))
}

/// `y` as the result of the operation that began with `recorder`. `backward` turns the gradient of y into those of the
/// arguments, in their order; it may leave out gradients that are not wanted.
pub(crate) fn record<const N: usize>(
    recorder: Option<Recorder>,
    y: Tensor,
    backward: impl FnOnce(&Tensor) -> Result<[Option<Tensor>; N]> + Send + 'static,
) -> Tensor {
    record_all(recorder, y, |dy| backward(dy).map(Vec::from))
}

/// [`record_all`] for a backward pass that may overwrite the gradient of the result.
pub(crate) fn record_in_place(
    recorder: Option<Recorder>,
    y: Tensor,
    backward: impl FnOnce(Tensor) -> Result<Vec<Option<Tensor>>> + Send + 'static,
) -> Tensor {
    let Some(Recorder { op, tape, inputs }) = recorder else { return y };
    tape.push(y, Entry { op, inputs, backward: Some(Box::new(backward)), was_read: false })
}

/// [`record`] for an operation of any number of arguments.
pub(crate) fn record_all(
    recorder: Option<Recorder>,
    y: Tensor,
    backward: impl FnOnce(&Tensor) -> Result<Vec<Option<Tensor>>> + Send + 'static,
) -> Tensor {
    record_in_place(recorder, y, |dy| backward(&dy))
}
