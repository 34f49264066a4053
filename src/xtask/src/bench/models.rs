//! Whole models beside PyTorch, and attention over the number of positions.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Args, Bar, Programs, Row, command, has_modules, median, model_folder, number, printed, script};

/// MiniLM is a small encoder in f32. smollm2's weights are 270 MB in half precision, the largest model that the book's
/// reference tells how to get.
const MODELS: [&str; 2] = ["minilm-l6", "smollm2-135m"];

/// Forward pass, decoding and memory of each model that is installed.
pub fn rows(args: &Args, programs: &Programs) -> Result<Vec<Row>> {
    let rows = MODELS.iter().map(|name| model(args, programs, name)).collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

fn model(args: &Args, programs: &Programs, name: &str) -> Result<Vec<Row>> {
    let Some(folder) = model_folder(&programs.cli, name)? else {
        eprintln!("left out: {name} in time (not installed; the book's reference says how to get it)");
        return Ok(Vec::new());
    };
    let mut theirs = has_modules(&args.python, "torch, transformers").then(|| command(&args.python));
    if let Some(theirs) = &mut theirs {
        theirs.arg(script("model.py")).arg(&folder).env("HF_HUB_OFFLINE", "1");
    }
    let (mut our_costs, mut their_costs) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        our_costs.push(printed(command(&programs.model_time).arg(&folder))?);
        their_costs.extend(theirs.as_mut().map(printed).transpose()?);
    }
    let of = |costs: &[Value], field: &str| median(costs.iter().filter_map(|cost| cost[field].as_f64()));
    let row = |what: &str, unit, field: &str, bar| {
        let (ours, theirs) = (of(&our_costs, field)?, of(&their_costs, field));
        let theirs = theirs.filter(|_| matches!(bar, Bar::Ratio(_)));
        Some(Row { what: format!("{name}: {what}"), unit, ours, theirs, bar })
    };
    Ok([
        row("forward pass, 128 tokens", "ms", "forward_millis", Bar::Ratio(0.8)),
        row("a token with a cache", "ms", "token_millis", Bar::Ratio(0.25)),
        row("peak memory", "MiB", "peak_mib", Bar::Absolute(700.0)),
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// How softmax and linear attention grow with the number of positions; the curves go to `attention.svg` in `folder`.
pub fn growth(programs: &Programs, folder: &Path) -> Result<String> {
    let figure = folder.join("attention.svg");
    let measured = printed(command(&programs.model_time).arg("attention").arg(&figure))?;
    eprintln!("curves        {}", figure.display());
    let mut table = format!(
        "\n## Attention over the number of positions\n\nBidirectional, {} heads of {}, on the CPU, the fastest of some runs; the \
         exponent is the slope of a straight line through the logarithms.\n\n",
        measured["heads"], measured["head_size"]
    );
    let curves = measured["curves"].as_object().context("curves")?;
    for (index, (name, curve)) in curves.iter().enumerate() {
        let points = curve["points"].as_array().context("points")?;
        if index == 0 {
            let lengths: Vec<_> = points.iter().map(|point| format!(" n = {} |", point[0])).collect();
            table.push_str(&format!("| attention |{} exponent |\n", lengths.concat()));
            table.push_str(&format!("|---|{}---:|\n", "---:|".repeat(points.len())));
        }
        let times =
            points.iter().map(|point| point[1].as_f64().map(|time| format!(" {} ms |", number(time))));
        let times: Option<Vec<_>> = times.collect();
        let exponent = curve["exponent"].as_f64().context("an exponent")?;
        table.push_str(&format!("| {name} |{} {exponent:.2} |\n", times.context("times")?.concat()));
    }
    Ok(table)
}

/// The GPU's work for a pass of the model that comes with the repository: the first pass, and the later ones.
pub fn gpu_passes(programs: &Programs) -> Result<String> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/checkpoints/glass-en");
    let measured = match printed(command(&programs.model_time).arg("gpu").arg(model)) {
        Ok(measured) => measured,
        Err(error) => {
            eprintln!("left out: a pass on the GPU ({error:#})");
            return Ok(String::new());
        }
    };
    let counts = [
        ("kernels", "dispatches"),
        ("submissions", "submissions"),
        ("bind groups made", "bind_groups"),
        ("bytes uploaded", "uploaded_bytes"),
        ("bytes read back", "read_bytes"),
    ];
    let mut table = format!(
        "\n## A pass on the GPU\n\nglass-en, {} tokens, {}.\n\n| | first pass | later ones |\n|---|---:|---:|\n",
        measured["tokens"], measured["device"]
    );
    for (what, field) in counts {
        let [first, later] = ["first", "later"].map(|pass| &measured[pass]["counts"][field]);
        table.push_str(&format!("| {what} | {first} | {later} |\n"));
    }
    let [first, later] = ["first", "later"].map(|pass| measured[pass]["millis"].as_f64());
    let (first, later) = (first.context("a time")?, later.context("a time")?);
    table.push_str(&format!("| time / ms | {} | {} |\n", number(first), number(later)));
    Ok(table)
}
