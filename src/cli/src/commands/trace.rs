//! `rankscope trace`: every intermediate of a forward pass, written to a file, and the gradients of a batch.

mod batch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rankscope::figure::save;
use rankscope::model::{Description, MaskChoice, Model, TaskHead};
use rankscope::probe::{Selection, Trace};
use rankscope::{Axis, Device, Run, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use crate::args::{SubjectArgs, mask_help};
use crate::output::say;
use crate::subject::Subject;
use rankscope::numbers::{scaled, short};

const USAGE: &str = "\
rankscope trace --model <NAME|DIR> <--text <TEXT>|--ids <IDS>|--batch <FILE>>
                       --out <FILE.safetensors> [OPTIONS]";

const EXAMPLES: &str = "\
The file holds one f32 tensor for each probe point, without the batch axis:
  decoder.3.self_attention.weights    [H, T, S] heads, queries, keys
  logits                              [T, V] queries, vocabulary
  last_hidden_state                   [T, C] of a model without an output head
  classifier.output                   [N] labels of the text, or [T, N] of tokens,
                                      where the checkpoint has a trained head
Its metadata hold version, model, mask, device, dtype, ids, pieces, and as JSON
the mask of every tensor of attention weights and the axes of every tensor; where
a token is unknown to the tokenizer, also what stood in the text there (originals).

A batch is a safetensors file with whole numbers [B, T]: input_ids and labels (-100 is
none), and where they are needed attention_mask, token_type_ids, decoder_input_ids. The
file then holds the loss and tensors with their batch axis. With --gradients it holds
  loss                                [] the mean cross-entropy of the labels, in nats
  gradient.lm_head.weight             as every tensor of the checkpoint, by its name
  decoder.3.output.gradient           [B, T, C] of an intermediate, where --only selects it

Examples:
  rankscope trace --model glass-en --text \"the cat sat\" --out t.safetensors
  rankscope trace --model glass-en --ids 5,9 --mask prefix:2 --out t.safetensors
  rankscope trace --model glass-en --text - --out t.safetensors < text.txt
  rankscope trace --model glass-en --batch b.safetensors --gradients --out g.safetensors
  rankscope trace --model glass-en --text \"the cat\" --only 'decoder.*.self_attention.weights' --out w.safetensors";

#[derive(Args)]
#[command(
    override_usage = USAGE,
    after_help = EXAMPLES,
    mut_arg("model", |arg| arg.required(true)),
    mut_arg("text", |arg| arg.required_unless_present_any(["ids", "batch"])),
)]
pub struct TraceArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    #[arg(long, default_value = "as-trained", help = mask_help())]
    mask: String,

    /// A batch with its labels, in place of a text
    #[arg(long, value_name = "FILE.safetensors", conflicts_with_all = ["text", "ids", "target_ids"])]
    batch: Option<PathBuf>,

    /// Write the loss of the batch and its gradient for every tensor of the checkpoint
    #[arg(long, requires = "batch")]
    gradients: bool,

    /// Which tensors to write, as in `decoder.*.self_attention.weights` or `decoder.3.**.gradient` [default: all]
    #[arg(long, value_name = "NAMES")]
    only: Option<String>,

    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

pub fn execute(args: &TraceArgs, run: &Run) -> Result<()> {
    let mask: MaskChoice = args.mask.parse()?;
    let only: Option<Selection> = args.only.as_deref().map(str::parse).transpose()?;
    if let Some(batch) = &args.batch {
        return batch::execute(args, batch, &mask, only, run);
    }
    let subject = Subject::load(&args.subject)?;
    let mut trace = only.clone().map_or_else(Trace::all, Trace::selected);
    let output = subject.model.forward(&subject.input, &mask, &mut trace, run)?;
    let mut tensors = trace.into_vec();
    let is_wanted = |name| only.as_ref().is_none_or(|only| only.has(name));
    if output.logits.is_none() && is_wanted("last_hidden_state") {
        tensors.push(("last_hidden_state".to_owned(), output.hidden));
    }
    let plain = |(name, tensor): (String, Tensor)| Ok((name, plain(&tensor)?));
    let tensors: Vec<_> = tensors.into_iter().map(plain).collect::<Result<_>>()?;
    let mut metadata = metadata(&subject.name, &*subject.model, &mask, &tensors);
    metadata.extend(of_input(&subject));
    write(&args.out, &tensors, metadata)?;
    for (head, said) in subject.model.record().heads().iter().zip(&output.heads) {
        scores(head, said)?.iter().for_each(|line| say(line));
    }
    if let Some(note) = mask.note(subject.model.description()) {
        say(&format!("note: {note}"));
    }
    Ok(())
}

/// Writes tensors that lie on the CPU, and says so.
fn write(out: &Path, tensors: &[(String, Tensor)], metadata: HashMap<String, String>) -> Result<()> {
    if tensors.is_empty() {
        bail!("--only selects nothing, expected a name such as decoder.0.self_attention.weights");
    }
    for (name, tensor) in tensors {
        if tensor.as_slice().is_some_and(|values| values.iter().any(|value| !value.is_finite())) {
            bail!("{name} holds NaN or infinity, expected finite numbers");
        }
    }
    let bytes = serialize(tensors, metadata)?;
    save(out, &bytes)?;
    say(&format!("wrote {}: {} tensors, {}", out.display(), tensors.len(), scaled(bytes.len() as f64, "B")));
    Ok(())
}

/// The scores of a classification head for the whole text, by label; `None` if it scores every token.
fn scores(head: &TaskHead, said: &Tensor) -> Result<Option<String>> {
    let [(Axis::Batch, 1), (_, _)] = said.shape().axes() else { return Ok(None) };
    let scores = head.labels().iter().zip(said.to_vec()?);
    let scores: Vec<_> =
        scores.map(|(label, score)| format!("{label} {}", short(f64::from(score)))).collect();
    Ok(Some(format!("{}: {}", head.name(), scores.join(", "))))
}

/// The tensor on the CPU, without a batch axis of size 1.
fn plain(tensor: &Tensor) -> Result<Tensor> {
    let tensor = tensor.to_device(&Device::Cpu)?;
    Ok(match tensor.shape().axes() {
        [(Axis::Batch, 1), rest @ ..] => tensor.reshape(rest)?,
        _ => tensor,
    })
}

fn serialize(tensors: &[(String, Tensor)], metadata: HashMap<String, String>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values = tensor.as_slice().context("a tensor is not on the CPU")?;
        if bytes.iter().any(|(other, _, _)| other == name) {
            bail!("two probe points are called {name}");
        }
        let little: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        bytes.push((name.clone(), tensor.shape().sizes(), little));
    }
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    Ok(safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))?)
}

fn metadata(
    name: &str,
    model: &dyn Model,
    mask: &MaskChoice,
    tensors: &[(String, Tensor)],
) -> HashMap<String, String> {
    let description: &Description = model.description();
    let axes: Map<_, _> =
        tensors.iter().map(|(name, tensor)| (name.clone(), json!(letters(tensor)))).collect();
    let metadata = [
        ("version", rankscope::VERSION.to_owned()),
        ("model", name.to_owned()),
        ("family", description.family.to_owned()),
        ("mask", mask.in_words(description)),
        ("trained_mask", MaskChoice::AsTrained.in_words(description)),
        ("masks", masks(description, mask, tensors).to_string()),
        ("device", model.device().to_string()),
        ("dtype", "f32".to_owned()),
        ("weights_dtype", description.dtype.to_string()),
        ("axes", json!(axes).to_string()),
    ];
    metadata.map(|(key, value)| (key.to_owned(), value)).into()
}

/// The metadata of a single input.
fn of_input(subject: &Subject) -> impl Iterator<Item = (String, String)> {
    let mut metadata = vec![("ids", json!(subject.input.ids()).to_string())];
    if let Some(types) = subject.input.token_types() {
        metadata.push(("token_type_ids", json!(types).to_string()));
    }
    if let Some(ids) = subject.input.decoder_ids() {
        metadata.push(("target_ids", json!(ids).to_string()));
    }
    if let Some(tokens) = &subject.tokens {
        metadata.push(("pieces", json!(tokens.pieces).to_string()));
        if tokens.originals.iter().any(Option::is_some) {
            metadata.push(("originals", json!(tokens.originals).to_string()));
        }
    }
    metadata.into_iter().map(|(key, value)| (key.to_owned(), value))
}

/// The mask that each tensor of attention weights was computed under, by the tensor's name.
fn masks(description: &Description, choice: &MaskChoice, tensors: &[(String, Tensor)]) -> Value {
    let weights = tensors.iter().map(|(name, _)| name).filter(|name| name.ends_with("attention.weights"));
    weights.map(|name| (name.clone(), json!(choice.of_weights(name, description).to_string()))).collect()
}

fn letters(tensor: &Tensor) -> Vec<&'static str> {
    tensor.shape().axes().iter().map(|(axis, _)| axis.letter()).collect()
}
