//! Whole models in time and memory, as `cargo xtask bench` compares them: a JSON object.
//!
//! `model_time FOLDER` times a forward pass over 128 tokens and, where the model keeps a cache, decoding with it;
//! `model_time gpu FOLDER` counts the GPU work of passes; `model_time attention FIGURE` times softmax and linear
//! attention over the number of positions, with the exponents fitted to both, and draws them.

use std::path::Path;
use std::time::Instant;

use rankscope::attention::{Attention, LinearAttention, ScaledDotProduct, Visibility};
use rankscope::claim;
use rankscope::device::DeviceRequest;
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Curve, Figure, Lines, PlotAxis, Reference, save};
use rankscope::model::generate::{Settings, generate};
use rankscope::model::{self, Input, MaskChoice, Model};
use rankscope::ops::FeatureMap;
use rankscope::prelude::*;
use serde_json::{Value, json};

type AnyError = Box<dyn std::error::Error>;

/// The number of tokens of the forward pass, and of the prompt.
const PROMPT: usize = 128;
/// The number of tokens that are decoded.
const WRITTEN: usize = 64;
const RUNS: usize = 5;

fn main() -> std::result::Result<(), AnyError> {
    let result = match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [folder] => whole_model(Path::new(folder))?,
        [what, folder] if what == "gpu" => gpu_passes(Path::new(folder))?,
        [what, figure] if what == "attention" => attention(Path::new(figure))?,
        _ => return Err("usage: model_time FOLDER | gpu FOLDER | attention FIGURE.svg".into()),
    };
    println!("{result}");
    Ok(())
}

/// The times of several runs in milliseconds, the fastest first, after one run that is not timed.
fn millis(mut once: impl FnMut() -> Result<()>) -> Result<[f64; RUNS]> {
    once()?;
    let mut times = [0.0; RUNS];
    for time in &mut times {
        let start = Instant::now();
        once()?;
        *time = start.elapsed().as_secs_f64() * 1e3;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn whole_model(folder: &Path) -> std::result::Result<Value, AnyError> {
    let model = model::load(folder, &Device::Cpu)?;
    let run = Run::default();
    let ids: Vec<u32> =
        (0..PROMPT as u32).map(|i| (i * 7919 + 11) % model.description().vocab as u32).collect();
    let input = Input::new(ids.clone());
    let forward = millis(|| model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &run).map(drop))?;
    let caches = model.cache(1).is_ok();
    let prompt = Input::new(ids[..8].to_vec());
    let tokens = (0..if caches { RUNS } else { 0 }).map(|_| token_millis(&*model, &prompt, &run));
    let fastest = tokens.collect::<Result<Vec<_>>>()?.into_iter().reduce(f64::min);
    Ok(json!({
        "forward_millis": forward[0], "token_millis": fastest, "peak_mib": peak_mib(),
        "prompt": PROMPT, "written": WRITTEN, "weights": model.description().dtype.to_string(),
    }))
}

/// The GPU work of the first pass over some tokens and of the next passes.
fn gpu_passes(folder: &Path) -> std::result::Result<Value, AnyError> {
    const TOKENS: usize = 16;
    let device = Device::choose(DeviceRequest::Gpu)?.device;
    let Device::Gpu(gpu) = &device else { return Err("a GPU was asked for".into()) };
    let model = model::load(folder, &device)?;
    let input = Input::new((1..=TOKENS as u32).collect());
    let pass = || -> Result<Value> {
        let (before, start) = (gpu.counts(), Instant::now());
        let output = model.forward(&input, &MaskChoice::AsTrained, &mut Unobserved, &Run::default())?;
        output.logits.map(|logits| logits.to_vec()).transpose()?;
        let millis = start.elapsed().as_secs_f64() * 1e3;
        Ok(json!({ "counts": gpu.counts() - before, "millis": millis }))
    };
    // The second pass still gets free buffers in another order than later passes do.
    let (first, _, later) = (pass()?, pass()?, pass()?);
    Ok(json!({ "device": device.to_string(), "tokens": TOKENS, "first": first, "later": later }))
}

/// The time of a token in decoding with a cache.
fn token_millis(model: &dyn Model, prompt: &Input, run: &Run) -> Result<f64> {
    let settings = Settings { tokens: WRITTEN, ..Settings::default() };
    let text = generate(model, prompt, &settings, &mut |_| Ok(()), run)?;
    Ok(text.tokens_per_second().map_or(f64::INFINITY, |rate| 1e3 / rate))
}

/// The largest resident memory of this process so far, if the system reports it.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// Bidirectional softmax and linear attention over the number of positions: the fastest run of each, since other work
/// of the machine would distort the curve.
fn attention(figure: &Path) -> std::result::Result<Value, AnyError> {
    const HEADS: usize = 4;
    const SIZE: usize = 64;
    let lengths = [512, 1024, 2048, 4096];
    let (softmax, linear) = (ScaledDotProduct::new(SIZE), LinearAttention::new(FeatureMap::EluPlusOne));
    let mechanisms: [(&'static str, &dyn Attention); 2] = [("softmax", &softmax), ("linear", &linear)];
    let (mut curves, mut measured) = (serde_json::Map::new(), Vec::new());
    for (name, mechanism) in mechanisms {
        let points = lengths.iter().map(|&n| {
            let [q, k, v] = [Axis::Query, Axis::Key, Axis::Key].map(|length| {
                let heads = if length == Axis::Query { Axis::Head } else { Axis::KvHead };
                let axes = [(Axis::Batch, 1), (heads, HEADS), (length, n), (Axis::HeadSize, SIZE)];
                let value = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
                Tensor::new(axes, (0..HEADS * n * SIZE).map(value).collect())
            });
            let (q, k, v) = (q?, k?, v?);
            let (mask, run) = (Mask::bidirectional(), Run::default());
            let visibility = Visibility { mask: &mask, at: Positions::suffix(n, n)?, padding: None };
            let once = || mechanism.forward(&q, &k, &v, visibility, &mut Unobserved, &run).map(drop);
            Ok((n, millis(once)?[0]))
        });
        let points = points.collect::<Result<Vec<_>>>()?;
        let exponent = claim::growth(&points.iter().map(|&(n, time)| (n as f64, time)).collect::<Vec<_>>());
        curves.insert(name.to_owned(), json!({ "points": points, "exponent": exponent }));
        measured.push(Growth { name, points, exponent });
    }
    save(figure, growth(&measured, HEADS, SIZE).to_svg(Theme::Light)?)?;
    Ok(json!({ "heads": HEADS, "head_size": SIZE, "curves": curves }))
}

/// The growth of a mechanism's time.
struct Growth {
    name: &'static str,
    points: Vec<(usize, f64)>,
    exponent: f64,
}

/// Both curves, with linear and quadratic reference curves.
fn growth(measured: &[Growth], heads: usize, size: usize) -> Lines {
    let curve = |Growth { name, points, exponent }: &Growth| {
        let points = points.iter().map(|&(n, time)| (n as f64, time));
        Curve::new(format!("{name}: time ∝ n^{exponent:.2}"), Kind::Plain, points)
    };
    // Each reference goes through the last point of its curve.
    let reference = |(name, power): (&str, i32)| {
        let points = &measured.iter().find(|growth| growth.name == name)?.points;
        let (last, time) = *points.last()?;
        let at = |&(n, _): &(usize, f64)| (n as f64, time * (n as f64 / last as f64).powi(power));
        Some(Reference::curve(if power == 1 { "∝ n" } else { "∝ n²" }, points.iter().map(at)))
    };
    Lines {
        title: "Attention over the number of positions, bidirectional, on the CPU".to_owned(),
        x: PlotAxis::log("positions n"),
        y: PlotAxis::log("time / ms"),
        curves: measured.iter().map(curve).collect(),
        references: [("softmax", 2), ("linear", 1)].into_iter().filter_map(reference).collect(),
        settings: json!({ "version": rankscope::VERSION, "heads": heads, "head_size": size, "device": "cpu" }),
    }
}
