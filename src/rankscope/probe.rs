//! [`Probe`]: named intermediates of a forward pass, observed or replaced.
//!
//! A model calls [`Probe::visit`] at every named stage and goes on with what the probe returns.
//! A probe that returns its argument observes; one that returns something else intervenes: switching
//! off a skip, ablating a head, keeping the top singular components, transplanting weights of
//! attention are all probes. [`Trace`] is the probe that keeps what it sees.
//!
//! Names read like paths and are the same everywhere: `decoder.3.self_attention.weights`.

use std::str::FromStr;

use crate::error::{Error, Result};
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

    /// Whether `name` is of interest. An attention need not compute an intermediate that no probe watches.
    fn watches(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// Whether no intermediate is of interest, so that the names need not be made.
    fn is_idle(&self) -> bool {
        false
    }
}

/// The probe that observes nothing and replaces nothing.
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

/// Keeps every intermediate whose name ends in one of the given suffixes, in order of computation; for attention
/// weights it keeps their mask too.
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
    wanted: Wanted,
    kept: Vec<(String, Tensor)>,
    /// The masks of the kept weights, except masks whose own names are wanted.
    masks: Vec<(String, Tensor)>,
}

/// Which intermediates a trace keeps.
#[derive(Clone, Debug, Default)]
enum Wanted {
    #[default]
    All,
    Endings(Vec<String>),
    Selection(Selection),
}

impl Trace {
    /// Keeps everything.
    pub fn all() -> Self {
        Trace::default()
    }

    /// Keeps the names that end in one of `suffixes`.
    pub fn of<S: Into<String>>(suffixes: impl IntoIterator<Item = S>) -> Self {
        let wanted = Wanted::Endings(suffixes.into_iter().map(Into::into).collect());
        Trace { wanted, ..Trace::default() }
    }

    /// Keeps the names that are selected.
    pub fn selected(selection: Selection) -> Self {
        Trace { wanted: Wanted::Selection(selection), ..Trace::default() }
    }

    /// The kept tensors with their names, in order of computation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.kept.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The kept tensor of that exact name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.kept.iter().find(|(kept, _)| kept == name).map(|(_, tensor)| tensor)
    }

    /// The mask of the kept weights called `weights`: 1 where a query may attend, `[B, H, T, S]` without B and H where
    /// all sequences or heads share it; `None` where the weights came without a mask, as from a program that does not
    /// record masks.
    ///
    /// ```
    /// use rankscope::{attention::{Attention, ScaledDotProduct, Visibility}, mask::Positions, prelude::*, probe::Trace};
    /// let [q, k, v] = [(Axis::Head, Axis::Query), (Axis::KvHead, Axis::Key), (Axis::KvHead, Axis::Key)]
    ///     .map(|(head, length)| Tensor::zeros([(Axis::Batch, 1), (head, 1), (length, 2), (Axis::HeadSize, 1)]));
    /// let visibility = Visibility { mask: &Mask::causal(), at: Positions::suffix(2, 2)?, padding: None };
    /// let mut trace = Trace::of(["weights"]);
    /// ScaledDotProduct::new(1).forward(&q, &k, &v, visibility, &mut trace, &Run::default())?;
    /// assert_eq!(trace.get("weights").unwrap().to_vec()?, [1., 0., 0.5, 0.5]);
    /// assert_eq!(trace.mask_of("weights").unwrap().to_vec()?, [1., 0., 1., 1.]);
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn mask_of(&self, weights: &str) -> Option<&Tensor> {
        let name = format!("{}mask", weights.strip_suffix("weights")?);
        self.kept.iter().chain(&self.masks).find(|(kept, _)| *kept == name).map(|(_, mask)| mask)
    }

    /// The kept tensors with their names, without a copy.
    pub fn into_vec(self) -> Vec<(String, Tensor)> {
        self.kept
    }

    fn wants(&self, name: &str) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Endings(endings) => endings.iter().any(|ending| name.ends_with(ending.as_str())),
            Wanted::Selection(selection) => selection.has(name),
        }
    }

    fn wants_as_mask(&self, name: &str) -> bool {
        name.strip_suffix("mask").is_some_and(|layer| self.wants(&format!("{layer}weights")))
    }
}

impl Probe for Trace {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        if self.wants(name) {
            self.kept.push((name.to_owned(), value.clone()));
        } else if self.wants_as_mask(name) {
            self.masks.push((name.to_owned(), value.clone()));
        }
        Ok(value)
    }

    fn watches(&self, name: &str) -> bool {
        self.wants(name) || self.wants_as_mask(name)
    }
}

/// Replaces one intermediate by a function of it, and observes nothing else.
pub struct Replace<F> {
    name: String,
    with: F,
    /// How often an intermediate had this name: 0 after a pass means that the probe did nothing.
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

/// Patterns that select intermediates by name, as in `decoder.*.self_attention.weights, logits`: `*` is any one part
/// between dots, `**` any number of parts, also none. A name is selected if it fits one of the patterns.
///
/// ```
/// use rankscope::probe::Selection;
/// let selection: Selection = "decoder.*.self_attention.weights, **.gradient".parse()?;
/// assert!(selection.has("decoder.3.self_attention.weights"));
/// assert!(!selection.has("decoder.3.cross_attention.weights"));
/// assert!(selection.has("decoder.0.output.gradient"));
/// # Ok::<(), rankscope::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Vec<Vec<String>>);

impl Selection {
    /// Whether `name` is selected.
    pub fn has(&self, name: &str) -> bool {
        let name: Vec<&str> = name.split('.').collect();
        self.0.iter().any(|pattern| fits(pattern, &name))
    }
}

fn fits(pattern: &[String], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], name) => name.is_empty(),
        ([any, rest @ ..], _) if any == "**" => (0..=name.len()).any(|skipped| fits(rest, &name[skipped..])),
        ([part, rest @ ..], [first, others @ ..]) => (part == "*" || part == first) && fits(rest, others),
        _ => false,
    }
}

impl FromStr for Selection {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let patterns = text.split(',').map(|pattern| pattern.trim().split('.').map(str::to_owned).collect());
        let patterns: Vec<Vec<String>> = patterns.collect();
        match patterns.iter().flatten().any(String::is_empty) {
            true => Err(Error::invalid(
                "selection of names",
                format!("{text:?}"),
                "names with dots between their parts, where * means one part and ** means several",
            )),
            false => Ok(Selection(patterns)),
        }
    }
}
