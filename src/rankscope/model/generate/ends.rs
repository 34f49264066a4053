//! [`Ends`]: the tokens that begin and end the texts of a checkpoint.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::model::{Config, Model};

/// The tokens that begin and end a text, as a checkpoint states them.
///
/// **Conventions**: as in `transformers`: where there is a `generation_config.json`, only this file counts, and without
/// `eos_token_id` in it no token ends a text; otherwise `config.json` counts. An id outside the vocabulary cannot be
/// written, so it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// `eos_token_id`: one or several; each ends a text.
    pub stop: Vec<u32>,
    /// `decoder_start_token_id`, otherwise `bos_token_id`: the first token of a decoder whose encoder reads the prompt.
    pub start: Option<u32>,
    /// `forced_bos_token_id`: the id that always follows the first token.
    pub first: Option<u32>,
    /// `forced_eos_token_id`: one or several ids; the last token of a text of full length is always one of them.
    pub last: Vec<u32>,
}

impl Ends {
    /// Reads these tokens for a model that was loaded from `folder`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) or [`Error::Format`](crate::Error::Format) naming the file and the field.
    pub fn of(model: &dyn Model, folder: &Path) -> Result<Self> {
        let path = folder.join("generation_config.json");
        let vocab = model.description().vocab;
        match path.is_file() {
            true => Ends::read(&Config::read(path)?, vocab),
            false => Ends::read(model.record().config(), vocab),
        }
    }

    /// Reads these tokens from a configuration, for a vocabulary of `vocab` ids.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) naming a field that is neither an id nor a list of ids.
    ///
    /// ```
    /// use rankscope::model::{Config, generate::Ends};
    /// let config = Config::from_value("here", serde_json::json!({ "eos_token_id": [2, 7], "bos_token_id": 1 }))?;
    /// let ends = Ends::read(&config, 50)?;
    /// assert_eq!((ends.stop, ends.start), (vec![2, 7], Some(1)));
    /// # Ok::<(), rankscope::Error>(())
    /// ```
    pub fn read(config: &Config, vocab: usize) -> Result<Self> {
        let several = |field: &str| ids(config, field, vocab);
        let one = |field: &str| -> Result<Option<u32>> {
            match several(field)?[..] {
                [] => Ok(None),
                [id] => Ok(Some(id)),
                ref list => Err(config.wrong(field, &format!("{list:?}"), "one id")),
            }
        };
        let start = match one("decoder_start_token_id")? {
            None => one("bos_token_id")?,
            start => start,
        };
        Ok(Ends {
            stop: several("eos_token_id")?,
            start,
            first: one("forced_bos_token_id")?,
            last: several("forced_eos_token_id")?,
        })
    }
}

/// The ids of a field, one or several, without those that are not in the vocabulary.
fn ids(config: &Config, field: &str, vocab: usize) -> Result<Vec<u32>> {
    let Some(value) = config.optional::<Value>(field)? else { return Ok(Vec::new()) };
    let list = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
    let ids: Option<Vec<i64>> = list.iter().map(Value::as_i64).collect();
    let ids = ids.ok_or_else(|| config.wrong(field, &value.to_string(), "an id or a list of ids"))?;
    Ok(ids.into_iter().filter_map(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < vocab).collect())
}
