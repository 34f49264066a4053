//! What the next token costs as the context grows.

use std::path::Path;

use anyhow::Result;
use rankscope::figure::style::{Kind, Theme};
use rankscope::figure::{Curve, Figure, Lines, PlotAxis, save};
use rankscope::model::count::{Decoding, Load, Step};
use rankscope::numbers::{scaled, short};
use serde::Serialize;
use serde_json::json;

use super::CountArgs;
use super::subject::Subject;
use crate::args::expect_svg;
use crate::output::{bars, columns, emit, emit_json, facts, say};

#[derive(Serialize)]
struct Printed<'a> {
    name: &'a str,
    context: usize,
    #[serde(flatten)]
    decoding: &'a Decoding,
}

pub fn print(args: &CountArgs, subject: &Subject) -> Result<()> {
    expect_svg("--figure", args.figure.as_deref())?;
    let sizes = subject.sizes()?;
    let load = Load::new(&sizes, args.context.unwrap_or_else(|| Load::longest(&sizes)), 1, args.source)?;
    let decoding = sizes.decoding(load)?;
    if let Some(path) = &args.figure {
        draw(subject.name(), load, &decoding, path)?;
        say(&format!("wrote {}", path.display()));
    }
    if args.json {
        return emit_json(&Printed { name: subject.name(), context: load.tokens, decoding: &decoding });
    }
    emit(&text(subject.name(), &decoding))
}

fn text(name: &str, decoding: &Decoding) -> String {
    let flops = |operations: u128| scaled(operations as f64, "FLOP");
    let row = |step: &Step| {
        let ratio = step.without_cache as f64 / step.with_cache as f64;
        vec![step.tokens.to_string(), flops(step.with_cache), flops(step.without_cache), short(ratio)]
    };
    let rows = decoding.steps.iter().map(row).collect();
    let (with, without) = (decoding.total_with_cache, decoding.total_without_cache);
    let last = decoding.steps.last().map_or(0, |step| step.tokens);
    let mut notes = vec![("model", format!("{name}, one sequence"))];
    if decoding.source > 0 {
        let read = format!("{} tokens, read once with the cache and in every step without", decoding.source);
        notes.push(("source", read));
    }
    notes.extend(sparks(&decoding.steps));
    let total = format!("{} with the cache, {} without", flops(with), flops(without));
    let below = [
        ("all steps", format!("1 to {last}: {total}, {} times as much", short(without as f64 / with as f64))),
        (
            "assumed",
            "2 operations for every weight and token, 4·H·D for every query, key and layer; pairs that the mask \
             forbids are skipped; norms, softmax, activations and lookups left out"
                .to_owned(),
        ),
    ];
    let header = ["context", "with cache", "without", "ratio"];
    format!("{}\n{}\n{}", facts(&notes), columns(&header, rows), facts(&below))
}

/// Both columns as rows of bars, on one logarithmic scale.
fn sparks(steps: &[Step]) -> [(&'static str, String); 2] {
    let logs =
        |of: fn(&Step) -> u128| -> Vec<f64> { steps.iter().map(|step| (of(step) as f64).ln()).collect() };
    let [with, without] = bars([&logs(|step| step.with_cache), &logs(|step| step.without_cache)]);
    [("with cache", with), ("without", without)]
}

fn draw(name: &str, load: Load, decoding: &Decoding, path: &Path) -> Result<()> {
    let curve = |label: &str, kind: Kind, of: fn(&Step) -> u128| {
        Curve::new(label, kind, decoding.steps.iter().map(|step| (step.tokens as f64, of(step) as f64 / 1e9)))
    };
    let figure = Lines {
        title: format!("Operations of the next token of {name}"),
        x: PlotAxis::log("context T / tokens"),
        y: PlotAxis::log("operations / GFLOP"),
        curves: vec![
            curve("with cache", Kind::Causal, |step| step.with_cache),
            curve("without cache", Kind::Plain, |step| step.without_cache),
        ],
        references: Vec::new(),
        settings: json!({
            "version": rankscope::VERSION, "model": name, "context": load.tokens, "source": load.source,
        }),
    };
    Ok(save(path, figure.to_svg(Theme::Light)?)?)
}
