//! A training step in time and memory, as `cargo xtask bench --training` compares it: a JSON object.
//!
//! `train_time WIDTH LAYERS LENGTH BATCH` trains a GPT-2 with heads of 32 on bytes: forward, backward, a step of AdamW.

use std::time::Instant;

use rankscope::model::{self, Config, Input, MaskChoice};
use rankscope::prelude::*;
use rankscope::train::{Batch, LossGradients, Optimiser, OptimiserSettings, Parameters};
use serde_json::{Value, json};

type AnyError = Box<dyn std::error::Error>;

/// The size of the vocabulary: bytes, and the special tokens.
const VOCAB: u32 = 293;
/// How long steps are timed, in seconds.
const SECONDS: f64 = 3.0;

fn main() -> std::result::Result<(), AnyError> {
    let sizes: Vec<usize> =
        std::env::args().skip(1).map(|size| size.parse()).collect::<std::result::Result<_, _>>()?;
    let [width, layers, length, batch] = sizes[..] else {
        return Err("usage: train_time WIDTH LAYERS LENGTH BATCH".into());
    };
    println!("{}", train(width, layers, length, batch)?);
    Ok(())
}

/// The times of the fastest and the median step, and the memory of the process.
fn train(width: usize, layers: usize, length: usize, batch: usize) -> std::result::Result<Value, AnyError> {
    let config = json!({
        "model_type": "gpt2", "n_embd": width, "n_head": width.div_ceil(32), "n_layer": layers,
        "n_positions": length, "vocab_size": VOCAB, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
    });
    let model = model::seeded(&Config::from_value("train_time", config)?, 7, &Device::Cpu)?;
    let mut parameters = Parameters::of(&*model)?;
    let mut optimiser = Optimiser::new(&OptimiserSettings::default())?;
    let tokens = batch * length;
    let mut step = |index: usize| -> Result<f32> {
        let token = |i: usize| ((i * 7919 + index * 104_729) % 65_537) as u32 % VOCAB;
        let ids: Vec<u32> = (0..tokens).map(token).collect();
        let targets = ids.iter().map(|&id| Some((id * 7 + 3) % VOCAB)).collect();
        let batch = Batch::new(Input::batch(ids, batch)?, targets, MaskChoice::AsTrained);
        let followed =
            LossGradients::of_parts(&parameters, &batch.parts(Batch::PART_TOKENS), |model, _, part| {
                Ok(part.loss_among(batch.counts(), model, &mut Unobserved, &Run::default())?.total)
            })?;
        Ok(optimiser.step(&mut parameters, &followed, 1e-3)?.loss)
    };
    step(0)?;
    step(1)?;
    let after_two = memory_mib("VmRSS:");
    let (start, mut times, mut loss) = (Instant::now(), Vec::new(), f32::NAN);
    while start.elapsed().as_secs_f64() < SECONDS || times.len() < 3 {
        let start = Instant::now();
        loss = step(times.len() + 2)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    Ok(json!({
        "steps": times.len(), "tokens_per_second": tokens as f64 / median, "fastest_millis": 1e3 * times[0],
        "median_millis": 1e3 * median, "peak_mib": memory_mib("VmHWM:"), "after_two_mib": after_two,
        "resident_mib": memory_mib("VmRSS:"), "loss": loss,
    }))
}

/// A field of the system's report about this process, in MiB, if there is one.
fn memory_mib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
