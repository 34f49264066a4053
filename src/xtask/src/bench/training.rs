//! A step of training, tokens a second and memory over widths, beside PyTorch.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Args, command, has_modules, median, number, printed, script};
use crate::process;

/// The sizes that are trained: width, layers, positions; and how many times as fast as PyTorch at its best it should
/// be, where there is such a bar.
const SIZES: &[([u32; 3], Option<f64>)] =
    &[([32, 2, 64], None), ([64, 2, 64], Some(1.5)), ([128, 4, 128], Some(1.0)), ([256, 4, 128], None)];
/// Sequences of a batch.
const BATCH: u32 = 16;
/// The largest accepted share of PyTorch's memory.
const MEMORY: f64 = 0.25;

/// The table. The sides take turns; each number is the median over the runs of each run's fastest step.
pub fn table(args: &Args) -> Result<String> {
    let executables = process::build(&["--example=train_time"])?;
    let program = executables.get("train_time").context("cargo built no train_time")?;
    let has_torch = has_modules(&args.python, "torch");
    let mut table = format!(
        "## A step of training\n\nA GPT-2 on bytes with heads of 32 and {BATCH} sequences of n positions, in f32 on the CPU: \
         forward, backward, clipping, AdamW. PyTorch: scaled dot-product attention, fused AdamW, eager and compiled; the \
         ratio is to the faster one, the memory is that of the whole process.\n\n\
         | width | layers | n | tokens/s | eager | compiled | ratio | bar | memory | PyTorch | ratio | bar |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    );
    for &(sizes, bar) in SIZES {
        table.push_str(&row(args, program, has_torch, sizes, bar)?);
    }
    Ok(table)
}

/// Tokens a second and memory of one side, run by run.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    peaks: Vec<f64>,
}

impl Side {
    fn add(&mut self, measured: &Value, tokens: f64) -> Result<()> {
        let field = |name: &str| measured[name].as_f64().with_context(|| format!("the answer has no {name}"));
        self.rates.push(1e3 * tokens / field("fastest_millis")?);
        self.peaks.extend(measured["peak_mib"].as_f64());
        Ok(())
    }

    fn rate(&self) -> Option<f64> {
        median(self.rates.iter().copied())
    }

    fn peak(&self) -> Option<f64> {
        median(self.peaks.iter().copied())
    }
}

fn row(
    args: &Args,
    program: &Path,
    has_torch: bool,
    [width, layers, length]: [u32; 3],
    bar: Option<f64>,
) -> Result<String> {
    let sizes = [width, layers, length, BATCH].map(|size| size.to_string());
    let tokens = f64::from(length * BATCH);
    let [mut ours, mut eager, mut compiled] = [Side::default(), Side::default(), Side::default()];
    for _ in 0..args.runs {
        ours.add(&printed(command(program).args(&sizes))?, tokens)?;
        for (way, side) in [("eager", &mut eager), ("compiled", &mut compiled)] {
            if has_torch {
                let cost = printed(command(&args.python).arg(script("train.py")).args(&sizes).arg(way))?;
                side.add(&cost, tokens)?;
            }
        }
    }
    let best = if compiled.rate() > eager.rate() { &compiled } else { &eager };
    let shown = |value: Option<f64>| value.map_or_else(String::new, number);
    let ratio =
        |a: Option<f64>, b: Option<f64>| a.zip(b).map_or_else(String::new, |(a, b)| format!("{:.2}", a / b));
    let rates = [ours.rate(), eager.rate(), compiled.rate()].map(shown).join(" | ");
    let peaks = [ours.peak(), best.peak()].map(shown).join(" | ");
    Ok(format!(
        "| {width} | {layers} | {length} | {rates} | {} | {} | {peaks} | {} | {MEMORY} |\n",
        ratio(ours.rate(), best.rate()),
        bar.map_or_else(String::new, |bar| format!("≥ {bar}")),
        ratio(ours.peak(), best.peak()),
    ))
}
