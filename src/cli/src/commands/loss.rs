//! `rankscope loss`: how well a model predicts what follows a prefix.

use anyhow::{Result, bail};
use clap::Args;
use rankscope::Run;
use rankscope::model::MaskChoice;
use rankscope::model::loss::{Loss, prefix_lm};
use rankscope::numbers::short;
use serde_json::{Value, json};

use crate::args::{SubjectArgs, mask_choices, mask_help};
use crate::output::{columns, emit, emit_json, say};
use crate::subject::Subject;

const EXAMPLES: &str = "\
The loss is the mean of -ln p, in nats, over the tokens after the prefix. For a decoder with --prefix 1 it is the loss
of a causal language model; under the mask prefix(K) the same weights read the first K tokens in both directions. In an
encoder-decoder, the encoder reads the prefix. A mask under which a position sees the token that it must predict is an
error.

Examples:
  rankscope loss --model glass-en --text \"Once upon a time there was a little girl\"
  rankscope loss --model glass-en --text \"Once upon a time there was a little girl\" --prefix 6 \\
      --compare 'as-trained,prefix(6)'
      the same weights, with the prefix read causally and in both directions
  rankscope loss --model glass-en --text \"Once upon a time\" --json
      with the loss of every token";

#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("model", |arg| arg.required(true)),
    mut_arg("text", |arg| arg.required_unless_present("ids")),
    mut_arg("target_ids", |arg| arg.hide(true)),
    mut_arg("token_type_ids", |arg| arg.hide(true)),
)]
pub struct LossArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// Tokens that are read and not predicted
    #[arg(long, value_name = "K", default_value_t = 1)]
    prefix: usize,

    #[arg(long, default_value = "as-trained", help = mask_help())]
    mask: String,

    /// Several masks side by side, as in `as-trained,prefix(4)`
    #[arg(long, value_name = "MASKS", conflicts_with = "mask")]
    compare: Option<String>,

    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &LossArgs, run: &Run) -> Result<()> {
    let choices = mask_choices(&args.mask, args.compare.as_deref())?;
    for (option, given) in
        [("--target-ids", &args.subject.target_ids), ("--token-type-ids", &args.subject.token_type_ids)]
    {
        if given.is_some() {
            bail!("{option} is for other commands; here the tokens after --prefix are the target");
        }
    }
    let subject = Subject::load(&args.subject)?;
    let losses: Vec<Loss> = choices
        .iter()
        .map(|mask| prefix_lm(subject.model.as_ref(), subject.input.ids(), args.prefix, mask, run))
        .collect::<Result<_, _>>()?;
    if args.json {
        let rows = choices.iter().zip(&losses).map(|(mask, loss)| as_json(args, &subject, mask, loss));
        return emit_json(&rows.collect::<Vec<_>>());
    }
    say(&format!("{}\n{}", subject.model_in_words(), subject.tokens_in_words()));
    emit(&table(&subject, &choices, &losses))?;
    for note in choices.iter().filter_map(|mask| mask.note(subject.model.description())) {
        say(&format!("note: {note}"));
    }
    Ok(())
}

fn table(subject: &Subject, choices: &[MaskChoice], losses: &[Loss]) -> String {
    let row = |(mask, loss): (&MaskChoice, &Loss)| {
        let mask = match mask {
            MaskChoice::AsTrained => subject.mask_in_words(mask),
            mask => mask.to_string(),
        };
        let count = loss.each.len().to_string();
        vec![mask, short(loss.mean()), short(loss.perplexity()), count, loss.first.to_string()]
    };
    let header = ["mask", "nats a token", "perplexity", "tokens", "from position"];
    columns(&header, choices.iter().zip(losses).map(row).collect())
}

fn as_json(args: &LossArgs, subject: &Subject, mask: &MaskChoice, loss: &Loss) -> Value {
    let token = |(at, nats): (usize, &f64)| {
        let piece = subject.tokens.as_ref().and_then(|tokens| tokens.pieces.get(at));
        let original = subject.tokens.as_ref().and_then(|tokens| tokens.originals.get(at)?.as_ref());
        let mut token =
            json!({ "position": at, "id": subject.input.ids()[at], "piece": piece, "nats": nats });
        if let Some(original) = original {
            token["original"] = json!(original);
        }
        token
    };
    let description = subject.model.description();
    json!({
        "model": subject.name,
        "mask": mask.to_string(),
        "mask_note": mask.note(description),
        "prefix": args.prefix,
        "nats_a_token": loss.mean(),
        "perplexity": loss.perplexity(),
        "tokens": (loss.first..).zip(&loss.each).map(token).collect::<Vec<_>>(),
        "device": subject.model.device().to_string(),
        "version": rankscope::VERSION,
    })
}
