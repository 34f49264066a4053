//! [`Probe`]: named intermediates of a forward pass, observed or replaced.
//!
//! A model calls [`Probe::visit`] at every named stage and goes on with what the probe returns.
//! A probe that returns its argument observes; one that returns something else intervenes: switching
//! off a skip, ablating a head, keeping the top singular components, transplanting weights of
//! attention are all probes. [`Trace`] is the probe that keeps what it sees.
//!
//! Names read like paths and are the same everywhere: `decoder.3.self_attention.weights`.

use crate::error::Result;
use crate::tensor::Tensor;

/// Observes or replaces the named intermediates of a forward pass.
pub trait Probe {
    /// Called with each intermediate; the computation goes on with the returned tensor.
    ///
    /// **Shapes**: the returned tensor must have the axes, sizes and device of `value`.
    ///
    /// # Errors
    /// An error ends the forward pass and is returned from it.
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let _ = name;
        Ok(value)
    }

    /// Whether `name` is of interest. An attention may skip making what nobody watches.
    fn watches(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// Whether nothing at all is of interest, so that no name need be written.
    fn is_idle(&self) -> bool {
        false
    }
}

/// The probe that looks at nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Probe for Unobserved {
    fn watches(&self, _name: &str) -> bool {
        false
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// A probe under a path: `visit("weights")` becomes `visit("decoder.3.self_attention.weights")`.
pub struct Scope<'a> {
    path: String,
    inner: &'a mut dyn Probe,
}

impl<'a> Scope<'a> {
    /// Everything visited through the scope is named `path.…`.
    pub fn new(path: impl Into<String>, inner: &'a mut dyn Probe) -> Self {
        Scope { path: path.into(), inner }
    }
}

impl Probe for Scope<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        match self.is_idle() {
            true => Ok(value),
            false => self.inner.visit(&format!("{}.{name}", self.path), value),
        }
    }

    fn watches(&self, name: &str) -> bool {
        !self.is_idle() && self.inner.watches(&format!("{}.{name}", self.path))
    }

    fn is_idle(&self) -> bool {
        self.inner.is_idle()
    }
}

/// Keeps every intermediate whose name ends in one of the given suffixes, in order of computation.
///
/// ```
/// use rankscope::{Axis, Tensor, probe::{Probe, Trace}};
/// let mut trace = Trace::of(["attention.weights"]);
/// trace.visit("decoder.0.self_attention.weights", Tensor::zeros([(Axis::Query, 1)]))?;
/// trace.visit("decoder.0.output", Tensor::zeros([(Axis::Query, 1)]))?;
/// let names: Vec<_> = trace.iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["decoder.0.self_attention.weights"]);
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    suffixes: Option<Vec<String>>,
    kept: Vec<(String, Tensor)>,
}

impl Trace {
    /// Keeps everything.
    pub fn all() -> Self {
        Trace::default()
    }

    /// Keeps the names that end in one of `suffixes`.
    pub fn of<S: Into<String>>(suffixes: impl IntoIterator<Item = S>) -> Self {
        Trace { suffixes: Some(suffixes.into_iter().map(Into::into).collect()), kept: Vec::new() }
    }

    /// The kept tensors with their names, in order of computation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.kept.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The kept tensor of that exact name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.kept.iter().find(|(kept, _)| kept == name).map(|(_, tensor)| tensor)
    }

    /// The kept tensors with their names, by value.
    pub fn into_vec(self) -> Vec<(String, Tensor)> {
        self.kept
    }
}

impl Probe for Trace {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if self.watches(name) {
            self.kept.push((name.to_owned(), value.clone()));
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        self.suffixes
            .as_ref()
            .is_none_or(|suffixes| suffixes.iter().any(|suffix| name.ends_with(suffix.as_str())))
    }
}

/// Replaces one intermediate by a function of it, and observes nothing else.
pub struct Replace<F> {
    name: String,
    with: F,
    /// How often the name was met: 0 after a pass means that the probe did nothing.
    pub hits: usize,
}

impl<F: FnMut(Tensor) -> Result<Tensor>> Replace<F> {
    /// The intermediate called exactly `name` becomes `with(value)`.
    pub fn new(name: impl Into<String>, with: F) -> Self {
        Replace { name: name.into(), with, hits: 0 }
    }
}

impl<F: FnMut(Tensor) -> Result<Tensor>> Probe for Replace<F> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if name != self.name {
            return Ok(value);
        }
        self.hits += 1;
        (self.with)(value)
    }

    fn watches(&self, name: &str) -> bool {
        name == self.name
    }
}
