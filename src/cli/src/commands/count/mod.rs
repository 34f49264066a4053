//! `rankscope count`: parameters, operations and bytes, from sizes alone.

mod compare;
mod curve;
mod subject;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rankscope::Dtype;
use rankscope::model::count::{Load, ModelSizes};
use rankscope::model::preset::presets;
use serde_json::json;

use crate::output::{emit, emit_json, facts};
use subject::Subject;

const USAGE: &str = "\
rankscope count <NAME|config.json> [OPTIONS]
       rankscope count --compare <NAMES> [OPTIONS]
       rankscope count --list [--json]";

const EXAMPLES: &str = "\
A name is a published size (see --list), a config.json, a model folder, or an installed model. A published size
is counted as its paper does: BERT with its pooler and no other head, T5 with its tied head. A config.json is
counted with what its class (\"architectures\") puts on top of the body, a folder with what its checkpoint holds:
output layer and heads have lines of their own below the body. The assumptions are printed last.

Examples:
  rankscope count gpt2-xl
  rankscope count t5-3b --context 1024 --batch 8 --json
  rankscope count --compare llama-7b,redllm-8b,mixtral-8x7b
  rankscope count llama3-8b --curve --figure decoding.svg
  rankscope count ./my-checkpoint/config.json --dtype f32";

#[derive(Args)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct CountArgs {
    /// A published size such as gpt2-xl, a config.json, a model folder, or an installed model
    #[arg(value_name = "NAME|config.json", required_unless_present_any = ["compare", "list"])]
    model: Option<String>,

    /// Several side by side, separated by commas, as in `llama-7b,redllm-8b`
    #[arg(long, value_name = "NAMES", conflicts_with = "model")]
    compare: Option<String>,

    /// List the published sizes, with their sources
    #[arg(long, conflicts_with_all = ["model", "compare", "context", "batch", "source", "curve", "figure"])]
    list: bool,

    /// Tokens of a sequence, both sides of an encoder-decoder together [default: as many as the model takes; 1024 where
    /// it sets no limit; with --compare, the smallest of these]
    #[arg(long, value_name = "N")]
    context: Option<usize>,

    /// Sequences
    #[arg(long, value_name = "B", default_value_t = 1)]
    batch: usize,

    /// Tokens that an encoder-decoder's encoder reads [default: half of the context]
    #[arg(long, value_name = "N", conflicts_with = "compare")]
    source: Option<usize>,

    /// How weights, cache and scores are stored
    #[arg(long, default_value = "f16", value_parser = ["f16", "bf16", "f32"])]
    dtype: String,

    /// The cost of each next token, with a cache of keys and values and without one
    #[arg(long, conflicts_with = "compare")]
    curve: bool,

    /// Also draw the curve
    #[arg(long, value_name = "FILE.svg", requires = "curve")]
    figure: Option<PathBuf>,

    /// Print JSON: an object, or an array of them for --compare and --list
    #[arg(long)]
    json: bool,
}

impl CountArgs {
    fn dtype(&self) -> Dtype {
        match self.dtype.as_str() {
            "f32" => Dtype::F32,
            "bf16" => Dtype::Bf16,
            _ => Dtype::F16,
        }
    }

    /// The load that the options ask for, on a model of these sizes.
    fn load(&self, sizes: &ModelSizes) -> rankscope::Result<Load> {
        Load::new(sizes, self.context.unwrap_or_else(|| Load::longest(sizes)), self.batch, self.source)
    }
}

pub fn execute(args: &CountArgs) -> Result<()> {
    if args.list {
        return list(args.json);
    }
    if let Some(names) = &args.compare {
        return compare::print(args, names);
    }
    let Some(name) = &args.model else { bail!("no model; name one, such as gpt2-xl") };
    let subject = Subject::find(name)?;
    if args.curve {
        return curve::print(args, &subject);
    }
    let count = subject.count(|sizes| args.load(sizes), args.dtype())?;
    if args.json { emit_json(&count) } else { emit(&table::of_one(&count)) }
}

fn list(as_json: bool) -> Result<()> {
    if as_json {
        let all = presets()
            .map(|preset| json!({ "name": preset.name, "source": preset.source, "stated": preset.stated }));
        return emit_json(&all.collect::<Vec<_>>());
    }
    let rows: Vec<_> = presets().map(|preset| (preset.name, preset.source.to_owned())).collect();
    emit(&facts(&rows))
}
