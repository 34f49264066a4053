//! `rankscope tokenizer`: makes a tokenizer of bytes, of characters, or of pairs learned from a text.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rankscope::model::Tokenizer;
use serde_json::json;

use crate::output::{columns, emit, emit_json, say};

const EXAMPLES: &str = "\
Writes tokenizer.json into the folder OUT, and makes the folder if there is none. A model with the same vocabulary
reads texts with this file in its folder.

Examples:
  rankscope tokenizer bpe --from stories.txt --vocab 512 --special '<|endoftext|>' --out my-model
  rankscope tokenizer characters --from stories.txt --out my-model
  rankscope tokenizer bytes --out my-model --try 'Aé' ";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct TokenizerArgs {
    /// What a token is
    kind: Kind,

    /// The text to learn from, in UTF-8 (bpe, characters)
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// Tokens in all, with the 256 bytes and the special ones (bpe) [default: 512]
    #[arg(long, value_name = "V")]
    vocab: Option<usize>,

    /// A token that stands for no text; may be given several times (bpe)
    #[arg(long, value_name = "TOKEN")]
    special: Vec<String>,

    /// The folder to write tokenizer.json into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Replace a tokenizer.json that is there
    #[arg(long)]
    force: bool,

    /// Cut a text with the new tokenizer, and show the tokens
    #[arg(long = "try", value_name = "TEXT", allow_hyphen_values = true)]
    sample: Option<String>,

    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// Every byte
    Bytes,
    /// Every character of the text
    Characters,
    /// Byte pairs, the most frequent of the text first
    Bpe,
}

pub fn execute(args: &TokenizerArgs) -> Result<()> {
    let tokenizer = make(args)?;
    let sample = args.sample.as_deref().map(|text| tokenizer.encode(text)).transpose()?;
    let file = args.out.join("tokenizer.json");
    if file.exists() && !args.force {
        bail!("{} is there already; --force replaces it", file.display());
    }
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    tokenizer.save(&args.out)?;
    say(&format!("wrote {}: {} tokens", file.display(), tokenizer.vocab_size()));
    let tokens = sample.iter().flat_map(|sample| sample.ids.iter().zip(&sample.pieces));
    if args.json {
        let tokens: Vec<_> = tokens.map(|(id, piece)| json!({ "id": id, "piece": piece })).collect();
        return emit_json(&json!({ "file": file, "vocab": tokenizer.vocab_size(), "tokens": tokens }));
    }
    match sample {
        None => Ok(()),
        Some(_) => emit(&columns(
            &["token", "id"],
            tokens.map(|(id, piece)| vec![format!("{piece:?}"), id.to_string()]).collect(),
        )),
    }
}

fn make(args: &TokenizerArgs) -> Result<Tokenizer> {
    if args.kind != Kind::Bpe && !args.special.is_empty() {
        bail!("--special is for bpe: tokenizers of bytes and of characters have none");
    }
    if args.kind != Kind::Bpe && args.vocab.is_some() {
        bail!("--vocab is for bpe: there are 256 bytes, and as many characters as the text has");
    }
    Ok(match (args.kind, &args.from) {
        (Kind::Bytes, None) => Tokenizer::bytes()?,
        (Kind::Bytes, Some(_)) => bail!("--from is for bpe and characters: bytes are known without a text"),
        (_, None) => bail!("no text to learn from; give one with --from FILE"),
        (Kind::Characters, Some(file)) => Tokenizer::characters(&read(file)?)?,
        (Kind::Bpe, Some(file)) => {
            let special: Vec<&str> = args.special.iter().map(String::as_str).collect();
            let text = read(file)?;
            let vocab = args.vocab.unwrap_or(512);
            let tokenizer = Tokenizer::train(text.split_inclusive('\n'), vocab, &special)?;
            let made = tokenizer.vocab_size();
            if made < vocab {
                say(&format!("note: the text has pairs for {made} tokens only, not for {vocab}"));
            }
            tokenizer
        }
    })
}

fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(bytes);
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{}: invalid UTF-8 at byte {at}", file.display())
    })
}
