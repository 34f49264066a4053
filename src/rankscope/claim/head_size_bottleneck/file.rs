//! A pattern of one's own, from a file.

use std::path::Path;

use super::fitting;
use super::sweep::{picture_fit, sides};
use crate::claim::{Evidence, Settings};
use crate::error::{Error, Result};
use crate::express::{self, BestFit, Target};
use crate::numbers::short;
use crate::run::Run;

/// The most positions of a pattern that a claim fits, in minutes at worst.
const MOST: usize = 64;

/// A pattern, and whether it is causal.
pub(super) struct Pattern {
    target: Target,
    is_causal: bool,
}

/// The pattern with the heads that were fitted to it.
pub(super) struct Fitted {
    pattern: Pattern,
    construction_error: f64,
    fits: Vec<(usize, BestFit)>,
}

/// The pattern that the settings name, if any.
pub(super) fn load(settings: &Settings) -> Result<Option<Pattern>> {
    let path = settings.text("target")?;
    if path.is_empty() {
        return Ok(None);
    }
    let (target, is_causal) = Target::load_either(Path::new(path))?;
    let n = target.positions();
    if !(2..=MOST).contains(&n) {
        return Err(Error::invalid("positions of target", n, format!("from 2 to {MOST}")));
    }
    Ok(Some(Pattern { target, is_causal }))
}

/// The head sizes at which to fit: all up to the threshold, or, for a long sequence, powers of two and the
/// two around the threshold.
fn head_sizes(threshold: usize) -> impl Iterator<Item = usize> {
    (1..=threshold).filter(move |&size| threshold <= 16 || size.is_power_of_two() || size + 1 >= threshold)
}

/// Constructs the pattern, and fits smaller heads to it.
pub(super) fn fit(settings: &Settings, pattern: Pattern, run: &Run) -> Result<Fitted> {
    let Pattern { target, is_causal } = &pattern;
    let n = target.positions();
    let construction_error = express::represent(target, &ndarray::Array2::eye(n), n)?.max_error;
    let (fitting, run) = (fitting(settings)?, run.clone().with_seed(settings.seed()?));
    let sizes: Vec<usize> = head_sizes(sides(n)[usize::from(*is_causal)].theory).collect();
    let mut fits = Vec::new();
    for (done, &size) in sizes.iter().enumerate() {
        run.step("fits to the file", done, sizes.len())?;
        fits.push((size, fitting.best_fit(target, size, &run)?));
    }
    Ok(Fitted { pattern, construction_error, fits })
}

pub(super) fn report(evidence: &mut Evidence, settings: &Settings, fitted: &Fitted) -> Result<()> {
    let Fitted { pattern: Pattern { target, is_causal }, construction_error, fits } = fitted;
    let (n, tolerance) = (target.positions(), settings.number("tolerance")?);
    evidence.measure("target_construction_error", *construction_error, "");
    for (size, fit) in fits {
        evidence.measure(format!("target_kl_d{size}"), fit.kl, "nats");
        evidence.measure(format!("target_max_error_d{size}"), fit.max_error, "");
    }
    let reached = fits.iter().find(|(_, fit)| fit.kl < tolerance).map(|(size, _)| *size);
    let (theory, name) = (fits.last().map_or(0, |(size, _)| *size), sides(n)[usize::from(*is_causal)].name);
    let text = match reached {
        Some(size) => format!("a head of size {size} reaches it"),
        None => format!("no head up to size {theory} reaches it within {} nats", short(tolerance)),
    };
    evidence.weigh(
        reached.is_none_or(|size| size > 1),
        format!(
            "the pattern of the file, {n} positions, {name}: {text}; construction error {}",
            short(*construction_error)
        ),
    );
    if let Some(size) = reached {
        evidence.measure("target_threshold", size as f64, "");
    }
    if let Some((size, fit)) = fits.first() {
        picture_fit(evidence, settings, ("file", target), (*size, fit));
    }
    Ok(())
}
