//! `rankscope claims check`: stored results against new ones.

use anyhow::{Result, bail};
use clap::Args;
use rankscope::claim::{self, Claim, Effort, RunsAt, Sample, Settings, Trial};
use rankscope::numbers::short;
use rankscope::{Device, Run};

use super::chosen;
use crate::output::{columns, emit};

#[derive(Args)]
pub struct CheckArgs {
    /// Claims that are tried by training; all of them if none is named
    ids: Vec<String>,
    /// The first of other seeds, in place of those of the stored results
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub fn execute(args: &CheckArgs, run: &Run) -> Result<()> {
    let claims = chosen(&args.ids, Claim::is_trained)?;
    let mut outside = Vec::new();
    for claim in claims {
        let id = claim.about().id;
        if !claim.is_trained() {
            bail!("{id} trains nothing; `rankscope claims run {id}` tries it");
        }
        let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu)?;
        if claim::missing(&settings)? > 0 {
            bail!("the results of {id} are not among the assets; RANKSCOPE_ASSETS names their folder");
        }
        let stored = claim::run(claim, &settings, run)?;
        settings.keep_runs(RunsAt { shipped: false, folder: None });
        if let Some(seed) = args.seed {
            settings.set("seed", &seed.to_string())?;
        }
        let (rows, count) = compare(&stored, &claim::run(claim, &settings, run)?);
        emit(&format!("{id}\n{}\n", columns(&["", "stored", "again", ""], rows)))?;
        outside.extend((count > 0).then(|| format!("{id}: {count}")));
    }
    if outside.is_empty() { Ok(()) } else { bail!("outside the intervals: {}", outside.join(", ")) }
}

/// A row for each verdict and each number over seeds, and how many numbers are outside.
fn compare(stored: &Trial, again: &Trial) -> (Vec<Vec<String>>, usize) {
    let mut rows = Vec::new();
    for ((arena, word, _), (_, now, _)) in stored.verdict.opinions().zip(again.verdict.opinions()) {
        let same = if word == now { "same" } else { "another word" };
        rows.push([&format!("in {arena}"), word, now, same].map(str::to_owned).to_vec());
    }
    let mut outside = 0;
    for measured in stored.evidence.measured() {
        let Some(was) = &measured.spread else { continue };
        let word = match again.evidence.sample(&measured.name) {
            Ok(now) if now == was => "same",
            Ok(now) if is_within(was, now) => "within",
            _ => {
                outside += 1;
                "OUTSIDE"
            }
        };
        let now = again.evidence.value(&measured.name).map_or_else(|_| "–".into(), short);
        rows.push(vec![measured.name.clone(), short(measured.value), now, word.to_owned()]);
    }
    (rows, outside)
}

/// Whether the 95 % intervals of two means overlap.
fn is_within(was: &Sample, now: &Sample) -> bool {
    let (Some(was), Some(now)) = (was.interval(0.95), now.interval(0.95)) else { return false };
    was.0 <= now.1 && now.0 <= was.1
}
