//! The subject of a command: a model, its input, and the device.

use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rankscope::Device;
use rankscope::label::visible;
use rankscope::model::store::Store;
use rankscope::model::{self, Input, MaskChoice, Model, Tokenizer, Tokens};

use crate::args::{SubjectArgs, ids};
use crate::output::say;

/// The longest text read from stdin: longer than any context, and small beside the memory.
const MOST_TEXT_BYTES: u64 = 1 << 22;

/// A loaded model with its input.
pub struct Subject {
    /// The name or folder that the user gave.
    pub name: String,
    pub model: Box<dyn Model>,
    pub input: Input,
    /// The tokens of the text; `None` if ids were given.
    pub tokens: Option<Tokens>,
    /// Why this device was chosen.
    pub why: String,
}

impl Subject {
    pub fn load(args: &SubjectArgs) -> Result<Self> {
        let name = args.model.clone().context("no model; give one with --model")?;
        let folder = Store::open()?.find(&name)?;
        let choice = Device::choose(args.device.request()?)?;
        let model = model::load(&folder, &choice.device)?;
        let family = model.description().family;
        model.record().notes().iter().for_each(|note| say(&format!("note: {note}")));
        if args.target_ids.is_some() && model.description().encoder.is_none() {
            bail!(
                "--target-ids is for encoder-decoder models; {name} is of family {family}, which has no targets"
            );
        }
        if args.token_type_ids.is_some() && family != "bert" {
            bail!(
                "--token-type-ids is for the bert family; {name} is of family {family}, which has no segments"
            );
        }
        let (mut input, tokens) = read_input(args, &folder)?;
        if let Some(list) = &args.target_ids {
            input = input.with_decoder(ids("--target-ids", list)?);
        }
        Ok(Subject { name, model, input, tokens, why: choice.why })
    }

    /// The mask in words: `causal, as trained`, or the mask and a note on it.
    pub fn mask_in_words(&self, choice: &MaskChoice) -> String {
        let description = self.model.description();
        let trained = match &description.encoder {
            Some(encoder) => {
                let (encoder, decoder) = (&encoder.trained_mask, &description.trained_mask);
                format!("{encoder} in the encoder, {decoder} in the decoder")
            }
            None => MaskChoice::AsTrained.in_words(description),
        };
        choice.note(description).map_or_else(
            || format!("{trained}, as trained"),
            |note| note.strip_prefix("mask ").unwrap_or(&note).to_owned(),
        )
    }

    /// One line on the model.
    pub fn model_in_words(&self) -> String {
        let d = self.model.description();
        let layers = match &d.encoder {
            Some(encoder) => format!("{} + {}", encoder.layers, d.layers),
            None => d.layers.to_string(),
        };
        format!("{}: {}, {layers} layers of {} heads, weights in {}", self.name, d.family, d.heads, d.dtype)
    }

    /// One line on the tokens.
    pub fn tokens_in_words(&self) -> String {
        let count = self.input.len();
        let target = match (self.input.decoder_ids(), &self.model.description().encoder) {
            (Some(ids), _) => format!("; {} ids for the decoder", ids.len()),
            (None, Some(_)) => "; the start token for the decoder".to_owned(),
            (None, None) => String::new(),
        };
        let Some(tokens) = &self.tokens else { return format!("{count} ids{target}") };
        let pieces = tokens.pieces.iter().zip(&tokens.originals);
        let pieces = pieces.map(|(piece, original)| in_words(piece, original.as_deref()));
        format!("{count}: {}{target}", pieces_in_words(pieces))
    }
}

/// The first two dozen pieces.
pub fn pieces_in_words(pieces: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 24;
    let more = if pieces.len() > SHOWN { " …" } else { "" };
    format!("{}{more}", pieces.take(SHOWN).collect::<Vec<_>>().join(" "))
}

/// A piece on one line with visible blanks; an unknown token is followed by the text that it replaces.
fn in_words(piece: &str, original: Option<&str>) -> String {
    match original {
        Some(original) => format!("{}({})", visible(piece), visible(original)),
        None => visible(piece),
    }
}

fn read_input(args: &SubjectArgs, folder: &Path) -> Result<(Input, Option<Tokens>)> {
    if let Some(list) = &args.ids {
        let input = Input::new(ids("--ids", list)?);
        let types = args.token_type_ids.as_deref().map(|list| ids("--token-type-ids", list)).transpose()?;
        return Ok((types.into_iter().fold(input, Input::with_token_types), None));
    }
    let text = match args.text.as_deref() {
        Some("-") => read_stdin()?,
        Some(text) => text.to_owned(),
        None => bail!("no input; give --text \"…\" or --ids 3,5,7"),
    };
    let tokens = Tokenizer::load(folder)?.encode(&text)?;
    let input = Input::new(tokens.ids.clone()).with_token_types(tokens.token_types.clone());
    Ok((input, Some(tokens)))
}

/// All of stdin without its last line end.
fn read_stdin() -> Result<String> {
    let mut text = String::new();
    let read = stdin().lock().take(MOST_TEXT_BYTES + 1).read_to_string(&mut text);
    read.context("stdin cannot be read as UTF-8 text")?;
    if text.len() as u64 > MOST_TEXT_BYTES {
        bail!(
            "the text on stdin is longer than {MOST_TEXT_BYTES} bytes, expected a text within the model's context"
        );
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
