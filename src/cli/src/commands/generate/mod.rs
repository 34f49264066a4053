//! `rankscope generate`: a model continues a text.

mod reuse;
mod speech;

use anyhow::{Context, Result, bail};
use clap::Args;
use rankscope::Run;
use rankscope::model::Tokenizer;
use rankscope::model::generate::{End, Ends, Generated, Sampling, Settings, generate};
use rankscope::model::store::Store;
use rankscope::numbers::short;
use serde_json::json;

use crate::args::{SubjectArgs, ids, mask_help};
use crate::output::{emit_json, say};
use crate::subject::Subject;
use speech::Speech;

const EXAMPLES: &str = "\
The text goes to stdout token by token, the speed to stderr. Filters are applied in this order: temperature, top-k,
top-p. With --reuse the text is the first turn of a dialogue: the model answers, --next is appended, and the command
prints how much the cached states of the first turn change under four ways of reading both turns. For an
encoder-decoder it prints how much the encoder's states of the prompt change when the encoder reads the whole dialogue.
A mask that lets a position see later ones needs --no-cache.

Examples:
  rankscope generate --model glass-en --text \"Once upon a time\"
  rankscope generate --model smollm2-135m --text \"The sea\" --tokens 100 --temperature 0.8 --top-p 0.95 --seed 7
  rankscope generate --model glass-en --text \"Once\" --no-cache --json
  rankscope generate --model glass-en --text \"Tell me a story.\" --reuse --next \" And then?\"";

#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("model", |arg| arg.required(true)),
    mut_arg("text", |arg| arg.required_unless_present("ids")),
)]
pub struct GenerateArgs {
    #[command(flatten)]
    subject: SubjectArgs,

    /// Tokens to write at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    tokens: usize,

    /// 0: always the likeliest token; 1: the model's own distribution
    #[arg(long, value_name = "T", default_value_t = 0.0, allow_hyphen_values = true)]
    temperature: f64,

    /// Draw among the K likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Draw among the fewest likeliest tokens that hold this share of the probability
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    top_p: Option<f64>,

    /// The same seed draws the same text
    #[arg(long, default_value_t = 0)]
    seed: u64,

    #[arg(long, default_value = "as-trained", help = mask_help())]
    mask: String,

    /// Compute the whole text again for every token, instead of keeping keys and values
    #[arg(long)]
    no_cache: bool,

    /// Ids that end the text [default: eos_token_id of generation_config.json, or of config.json without one]
    #[arg(long, value_name = "IDS")]
    stop: Option<String>,

    /// Continue after a token that ends the text
    #[arg(long, conflicts_with = "stop")]
    no_stop: bool,

    /// Compare the cached states of the first turn with a fresh pass over both turns
    #[arg(long, requires = "next", conflicts_with_all = ["no_cache", "mask"])]
    reuse: bool,

    /// The second turn of --reuse
    #[arg(long, value_name = "TEXT", requires = "reuse", allow_hyphen_values = true)]
    next: Option<String>,

    /// Print an object
    #[arg(long)]
    json: bool,
}

pub fn execute(args: &GenerateArgs, run: &Run) -> Result<()> {
    let settings = settings(args)?;
    let mut subject = Subject::load(&args.subject)?;
    let folder = Store::open()?.find(&subject.name)?;
    // Without a tokenizer only ids can be printed.
    let is_needed = args.subject.text.is_some() || Tokenizer::is_in(&folder);
    let tokenizer = is_needed.then(|| Tokenizer::load(&folder)).transpose()?;
    // Checked before the first token is printed.
    let next = match (&args.next, &tokenizer) {
        (None, _) => None,
        (Some(_), None) => bail!("--reuse needs a model with a tokenizer, such as tokenizer.json"),
        (Some(next), Some(tokenizer)) => Some(tokenizer.encode_behind(next).context("--next")?),
    };
    let ends = Ends::of(subject.model.as_ref(), &folder)?;
    let settings = match &args.stop {
        Some(list) => Settings { stop: ids("--stop", list)?, first: ends.first, ..settings },
        None if args.no_stop => Settings { first: ends.first, ..settings },
        None => Settings { stop: ends.stop, first: ends.first, last: ends.last, ..settings },
    };
    if let (Some(_), None, Some(start)) =
        (&subject.model.description().encoder, subject.input.decoder_ids(), ends.start)
    {
        subject.input = subject.input.with_decoder(vec![start]);
    }
    let is_quiet = args.json || args.reuse;
    let mut speech = Speech::new(tokenizer.as_ref(), written_before(&subject), !is_quiet);
    let run = run.clone().with_seed(args.seed);
    let text =
        speech.listen(|show| generate(subject.model.as_ref(), &subject.input, &settings, show, &run))?;
    let said = speech.finish()?;
    say(&speed(&text, &subject));
    if let Some(note) = settings.mask.note(subject.model.description()) {
        say(&format!("note: {note}"));
    }
    if let Some(next) = next {
        return reuse::print(&subject, &text, &next, args.json, &run);
    }
    if args.json { emit_json(&as_json(args, &subject, &settings, &text, &said)) } else { Ok(()) }
}

/// The tokens before the generated ones: the prompt, or the decoder's input in an encoder-decoder.
fn written_before(subject: &Subject) -> &[u32] {
    match subject.model.description().encoder {
        Some(_) => subject.input.decoder_ids().unwrap_or_default(),
        None => subject.input.ids(),
    }
}

fn settings(args: &GenerateArgs) -> Result<Settings> {
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p };
    sampling.check()?;
    if args.temperature == 0.0 && (args.top_k.is_some() || args.top_p.is_some()) {
        bail!(
            "--top-k and --top-p choose among tokens to draw, and --temperature 0 draws none; give one above 0"
        );
    }
    let mask = args.mask.parse()?;
    Ok(Settings { tokens: args.tokens, sampling, use_cache: !args.no_cache, mask, ..Settings::default() })
}

/// One line with the speed, and why the text ends.
fn speed(text: &Generated, subject: &Subject) -> String {
    let seconds = |time: std::time::Duration| format!("{} s", short(time.as_secs_f64()));
    let cache = if text.used_cache { "with a cache" } else { "without a cache" };
    let rate = text.tokens_per_second().map(|rate| format!("{} tokens/s, ", short(rate))).unwrap_or_default();
    let end = match text.end {
        End::Length => "as many as asked for",
        End::Stop => "the text ended",
        End::Context => "the context is full",
    };
    format!(
        "{} tokens {cache} on {}: {rate}{} after {} for the prompt of {}; {end}",
        text.tokens.len(),
        subject.model.device(),
        seconds(text.writing),
        seconds(text.reading),
        subject.input.len(),
    )
}

fn as_json(
    args: &GenerateArgs,
    subject: &Subject,
    settings: &Settings,
    text: &Generated,
    said: &Option<String>,
) -> serde_json::Value {
    json!({
        "model": subject.name,
        "text": said,
        "prompt_ids": subject.input.ids(),
        "ids": text.ids(),
        "probabilities": text.tokens.iter().map(|token| token.probability).collect::<Vec<_>>(),
        "end": text.end,
        "used_cache": text.used_cache,
        "tokens_per_second": text.tokens_per_second(),
        "seconds_reading": text.reading.as_secs_f64(),
        "seconds_writing": text.writing.as_secs_f64(),
        "mask": settings.mask.in_words(subject.model.description()),
        "mask_note": settings.mask.note(subject.model.description()),
        "temperature": args.temperature,
        "top_k": args.top_k,
        "top_p": args.top_p,
        "seed": args.seed,
        "stop": settings.stop,
        "device": subject.model.device().to_string(),
        "version": rankscope::VERSION,
    })
}
