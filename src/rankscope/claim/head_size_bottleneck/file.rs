//! A pattern of one's own, from a file.

use std::path::Path;

use super::super::{Evidence, Settings};
use super::{fitting, head_sizes, masks, picture};
use crate::error::{Error, Result};
use crate::express::{self, BestFit, Target};
use crate::numbers::short;
use crate::run::Run;

/// The most positions of a pattern that a claim fits, in minutes at worst.
const MOST: usize = 64;

/// A pattern, and whether it is causal.
pub(super) struct Drawn {
    pub target: Target,
    is_causal: bool,
}

/// The pattern that the settings name, if any.
pub(super) fn load(settings: &Settings) -> Result<Option<Drawn>> {
    let path = settings.text("target")?;
    if path.is_empty() {
        return Ok(None);
    }
    let (target, is_causal) = Target::load_either(Path::new(path))?;
    let n = target.positions();
    if !(2..=MOST).contains(&n) {
        return Err(Error::invalid("positions of target", n, format!("from 2 to {MOST}")));
    }
    Ok(Some(Drawn { target, is_causal }))
}

/// Constructs the pattern, and fits smaller heads to it.
pub(super) fn fit(evidence: &mut Evidence, settings: &Settings, drawn: Drawn, run: &Run) -> Result<()> {
    let Drawn { target, is_causal } = drawn;
    let n = target.positions();
    let error = express::represent(&target, &ndarray::Array2::eye(n), n)?.max_error;
    evidence.measure("target_construction_error", error, "");
    let (name, _, theory, _) = masks(n)[usize::from(is_causal)].clone();
    let (fitting, run) = (fitting(settings)?, run.clone().with_seed(settings.seed()?));
    let sizes = head_sizes(theory);
    let mut fits: Vec<BestFit> = Vec::new();
    for (done, &size) in sizes.iter().enumerate() {
        run.step("fits to the file", done, sizes.len())?;
        let fit = fitting.best_fit(&target, size, &run)?;
        evidence.measure(format!("target_kl_d{size}"), fit.kl, "nats");
        evidence.measure(format!("target_max_error_d{size}"), fit.max_error, "");
        fits.push(fit);
    }
    let tolerance = settings.number("tolerance")?;
    let reached = sizes.iter().zip(&fits).find(|(_, fit)| fit.kl < tolerance).map(|(size, _)| *size);
    let text = match reached {
        Some(size) => format!("a head of size {size} reaches it"),
        None => format!("no head up to size {theory} reaches it within {} nats", short(tolerance)),
    };
    evidence.weigh(
        reached.is_none_or(|size| size >= n),
        format!(
            "the pattern of the file, {n} positions, {name}: {text}; construction error {}",
            short(error)
        ),
    );
    if let Some(size) = reached {
        evidence.measure("target_threshold", size as f64, "");
    }
    picture::fit(evidence, settings, ("file", &target), (sizes[0], &fits[0]));
    Ok(())
}
