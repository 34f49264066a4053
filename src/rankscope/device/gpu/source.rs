//! Another source for a kernel, on one device: a user can change a shader and see what happens.

use std::error::Error as _;
use std::sync::Arc;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{SourceLocation, front::wgsl};

use super::kernel::{Binding, Kernel, Reflection};
use super::{Gpu, lock};
use crate::error::Result;

/// A problem in a source, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceProblem {
    /// The line, from 1; `None` if the problem concerns the whole source.
    pub line: Option<usize>,
    /// The place in the line, from 1, in bytes.
    pub column: usize,
    /// The description of the problem.
    pub message: String,
}

impl SourceProblem {
    /// The problem in one line, with the line of `source` that has it.
    pub(super) fn in_words(&self, source: &str) -> String {
        let text = self.line.and_then(|line| source.lines().nth(line.saturating_sub(1)));
        match (self.line, text) {
            (Some(line), Some(text)) => format!("line {line}: {} (in `{}`)", self.message, text.trim()),
            _ => self.message.clone(),
        }
    }
}

/// The module of a valid source.
pub(super) fn module(source: &str) -> Result<naga::Module, SourceProblem> {
    let at = |location: Option<SourceLocation>, message: String| SourceProblem {
        line: location.map(|at| at.line_number as usize),
        column: location.map_or(1, |at| at.line_position as usize),
        message,
    };
    let module = wgsl::parse_str(source).map_err(|error| {
        let notes: Vec<&str> = error.labels().map(|(_, label)| label).filter(|l| !l.is_empty()).collect();
        let message = match notes.is_empty() {
            true => error.message().to_owned(),
            false => format!("{}: {}", error.message(), notes.join(", ")),
        };
        at(error.location(source), message)
    })?;
    Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).map_err(|error| {
        // The causes are more precise than the error itself.
        let mut message = error.as_inner().to_string();
        let mut cause = error.as_inner().source();
        while let Some(inner) = cause {
            message += &format!(": {inner}");
            cause = inner.source();
        }
        at(error.location(source), message)
    })?;
    Ok(module)
}

impl Kernel {
    /// Checks whether `source` can replace this kernel's own: it is valid WGSL, and has the same buffers and
    /// parameters, which the host binds by name.
    ///
    /// # Errors
    /// The first problem that is found.
    ///
    /// ```
    /// use rankscope::ops::ladder::ladder;
    /// let kernel = ladder("matmul")?.variants[0].kernel.unwrap();
    /// assert!(kernel.check(kernel.source).is_ok());
    /// let problem = kernel.check(&kernel.source.replacen("let", "lett", 1)).unwrap_err();
    /// assert!(problem.line.is_some());
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn check(&self, source: &str) -> Result<(), SourceProblem> {
        module(source)?;
        let whole = |message: String| SourceProblem { line: None, column: 1, message };
        let there = self.read(source).map_err(|error| whole(error.to_string()))?;
        let own = self.reflect().map_err(|error| whole(error.to_string()))?;
        fits(&own, &there).map_err(whole)
    }
}

/// Checks whether the host can bind `there` like `own`.
fn fits(own: &Reflection, there: &Reflection) -> Result<(), String> {
    let words =
        |binding: &Binding| format!("{} at binding {}, {:?}", binding.name, binding.slot, binding.kind);
    let buffers = |all: &Reflection| {
        let mut words: Vec<String> = all.bindings.iter().map(words).collect();
        words.sort();
        words.join("; ")
    };
    if buffers(own) != buffers(there) {
        return Err(format!("its buffers are {}, expected {}", buffers(there), buffers(own)));
    }
    if own.params != there.params {
        let fields = |all: &Reflection| {
            let words = all.params.iter().map(|field| format!("{}: {}", field.name, field.kind));
            words.collect::<Vec<_>>().join(", ")
        };
        return Err(format!("its parameters are {}, expected {}", fields(there), fields(own)));
    }
    Ok(())
}

impl Gpu {
    /// Computes with `source` in place of the kernel's own from now on, on this device.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) naming the kernel if `source` cannot replace its own, or the driver refuses
    /// it.
    pub fn replace(&self, kernel: &'static Kernel, source: &str) -> Result<()> {
        kernel.check(source).map_err(|problem| kernel.error(problem.in_words(source)))?;
        let pipeline = Arc::new(self.compile(kernel, source)?);
        lock(&self.pipelines).insert(kernel.key(), pipeline);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::ladder::LADDERS;

    #[test]
    fn every_kernel_can_stand_in_its_own_place_and_a_mistake_is_named_where_it_is() {
        for kernel in LADDERS.iter().flat_map(|ladder| ladder.variants).filter_map(|variant| variant.kernel) {
            assert_eq!(kernel.check(kernel.source), Ok(()), "{}", kernel.name);
            let line = kernel.source.lines().position(|line| line.starts_with("fn main(")).unwrap();
            let wrong = kernel.source.replacen("fn main(", "fn main((", 1);
            let problem = kernel.check(&wrong).unwrap_err();
            assert_eq!(problem.line, Some(line + 1), "{}: {}", kernel.name, problem.message);
            // A type that does not fit is found by the validation, or before it, at its line.
            let start = kernel.source.find("fn main(").unwrap();
            let body = start + kernel.source[start..].find("{\n").unwrap() + 2;
            let mut wrong = kernel.source.to_owned();
            wrong.insert_str(body, "    let wrong: f32 = 1u;\n");
            let line = kernel.source[..body].lines().count() + 1;
            let problem = kernel.check(&wrong).unwrap_err();
            assert_eq!(problem.line, Some(line), "{}: {}", kernel.name, problem.message);
            assert!(kernel.check("").unwrap_err().message.contains("main"));
        }
    }

    /// `source` with `from` replaced by `to`, wherever it is a whole word.
    fn renamed(source: &str, from: &str, to: &str) -> String {
        let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
        let word = |piece: &str| match piece.trim_end_matches(|c| !is_in_word(c)) == from {
            true => piece.replacen(from, to, 1),
            false => piece.to_owned(),
        };
        source.split_inclusive(|c| !is_in_word(c)).map(word).collect()
    }

    #[test]
    fn other_buffers_and_parameters_are_named() {
        let kernel = LADDERS[0].variants[0].kernel.unwrap();
        let binding = &kernel.reflect().unwrap().bindings[1].name;
        let problem = kernel.check(&renamed(kernel.source, binding, "another_buffer")).unwrap_err();
        let message = &problem.message;
        assert!(message.starts_with("its buffers are ") && message.contains("another_buffer"), "{message}");
        let field = &kernel.params[0].name;
        let problem = kernel.check(&renamed(kernel.source, field, "another_field")).unwrap_err();
        assert!(problem.message.starts_with("its parameters are another_field"), "{}", problem.message);
        assert_eq!(problem.line, None);
    }
}
