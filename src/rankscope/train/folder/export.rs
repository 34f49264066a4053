//! Exports a run's checkpoint as a model to share: half the size, with a card that says how it was trained.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::runs::summary;
use super::{SAMPLES, Table, table};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::file::save;
use crate::model;
use crate::numbers::{grouped, short};
use crate::train::Settings;
use crate::weight::Dtype;

/// Files of a checkpoint that belong to its tokenizer.
const TOKENIZER: [&str; 3] = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];

/// Writes the checkpoint of the run in `run` into the folder `out`, in f16, with its tokenizer, a `SOURCE.json` and a card,
/// `README.md`: a description of the model, its data, settings, seed, command, metrics and a sample.
///
/// # Errors
/// [`Error::Invalid`] for a folder that already exists; [`Error::Format`] for a run without a checkpoint; [`Error::Io`]
/// if a file cannot be read or written.
pub fn export(run: &Path, out: &Path) -> Result<()> {
    let checkpoint = run.join("checkpoint");
    if !checkpoint.is_dir() {
        return Err(Error::format(run, "no checkpoint yet: expected a run that has been saved"));
    }
    if out.exists() {
        return Err(Error::invalid("folder to export to", out.display(), "one that is not there yet"));
    }
    let card = card(run)?;
    model::load(&checkpoint, &Device::Cpu)?.record().save_as(out, Dtype::F16)?;
    for name in TOKENIZER {
        let from = checkpoint.join(name);
        if from.is_file() {
            fs::copy(&from, out.join(name)).map_err(|error| Error::io(&from, error))?;
        }
    }
    let summary = summary(run)?;
    let source = json!({
        "trained_by": "rankscope",
        "version": summary.about.version,
        "licence": "MIT OR Apache-2.0",
        "note": format!("{}, {} on {}", summary.about.settings.family, summary.about.settings.objective, summary.about.settings.data),
    });
    save(out.join("SOURCE.json"), format!("{source:#}\n"))?;
    save(out.join("README.md"), card)
}

/// The text of the card.
fn card(run: &Path) -> Result<String> {
    let summary = summary(run)?;
    let (settings, preset) = (&summary.about.settings, summary.about.preset.as_deref());
    let model = model::load(&run.join("checkpoint"), &Device::Cpu)?;
    let about = model.description();
    let steps = table(run, Table::Steps)?;
    let total =
        |column: usize| steps.iter().filter_map(|row| row.get(column)?.parse::<f64>().ok()).sum::<f64>();
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let evaluation = table(run, Table::Evaluation)?;
    let last = evaluation.last().cloned().unwrap_or_default();
    let metric = |column: usize| {
        last.get(column).and_then(|field| field.parse::<f64>().ok()).map_or("–".into(), short)
    };
    let changed = settings.differences(&Settings::default());
    let set: Vec<_> = changed.iter().map(|(key, value, _)| format!("`{key}` {value}")).collect();
    let samples = fs::read_to_string(run.join(SAMPLES)).unwrap_or_default();
    let sample = samples.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let sample = sample.split_once('\n').map_or(sample, |(_, text)| text);
    let layers = match &about.encoder {
        Some(encoder) => format!("{} + {} layers", encoder.layers, about.layers),
        None => format!("{} layers", about.layers),
    };
    Ok(format!(
        "# {name}

{family}: {parameters} parameters, {layers} of {heads} heads, width {width}, {vocab} tokens, context {context}; stored in f16.
Trained by rankscope {version} on {device}.

| | |
|---|---|
| data | {data} |
| objective | {objective} |
| settings, where not the default | {set} |
| seed | {seed} |
| steps | {made}, {tokens} tokens, {minutes} min |
| loss on held-out data | {loss} nats a token, {accuracy} of the tokens right |

```sh
{command}
```

What it made of a held-out example:

```text
{sample}
```
",
        family = about.family,
        parameters = grouped(about.parameters as u128),
        heads = about.heads,
        width = about.width,
        vocab = about.vocab,
        context = about.context,
        version = summary.about.version,
        device = summary.about.device,
        data = settings.data,
        objective = settings.objective,
        set = if set.is_empty() { "–".to_owned() } else { set.join(", ") },
        seed = settings.seed,
        made = summary.step,
        tokens = grouped(total(4) as u128),
        minutes = short(total(5) / 60.0),
        loss = metric(1),
        accuracy = metric(2),
        command = command(settings, preset)?,
    ))
}

/// The command that repeats the training.
fn command(settings: &Settings, preset: Option<&str>) -> Result<String> {
    let base = match preset {
        Some(name) => crate::train::TrainingPreset::find(name)?.settings(),
        None => Settings::default(),
    };
    let set =
        settings.differences(&base).into_iter().map(|(key, value, _)| format!(" --set '{key}={value}'"));
    Ok(format!(
        "rankscope train{}{}",
        preset.map(|name| format!(" {name}")).unwrap_or_default(),
        set.collect::<String>()
    ))
}
