//! The data of training: texts by name or path, tasks by their text form.

mod files;
mod references;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

pub use references::References;
pub use text::Text;

use super::task::{TASKS, Task};
use super::{Examples, Vocabulary};
use crate::assets;
use crate::error::{Error, Result};
use crate::file::save;
use crate::model::Tokenizer;

/// A text that is shipped with the program, in the assets as `texts/NAME.txt`.
pub struct ShippedText {
    /// Its name.
    pub name: &'static str,
    /// A description of it.
    pub summary: &'static str,
}

/// Every text that is shipped with the program.
pub static TEXTS: &[ShippedText] = &[
    ShippedText { name: "english", summary: "a novel: Botchan by Natsume Sōseki, in English, 255 kB" },
    ShippedText { name: "chinese", summary: "three classics: 论语, 诗经, 楚辞, in Chinese, 277 kB" },
];

/// Opens the data that `data` names: a task such as `recall(pairs=8)`, a text of [`TEXTS`], a file or a folder; texts
/// are cut by the tokenizer in the folder `tokenizer`, or by a shipped tokenizer of that name (`english`), and
/// otherwise into bytes.
///
/// # Errors
/// [`Error::Invalid`] if there is nothing of that name, or for a task with a tokenizer; as [`Task::parse`] and
/// [`Text::open`].
pub fn open(data: &str, tokenizer: Option<&Path>) -> Result<Box<dyn Examples>> {
    if Task::is_named(data) {
        if let Some(folder) = tokenizer {
            return Err(Error::invalid("tokenizer", folder.display(), format!("none for the task {data}")));
        }
        return Ok(Box::new(Task::parse(data)?));
    }
    let tokenizer = tokenizer.map(|folder| Tokenizer::load(&found(folder))).transpose()?;
    Ok(Box::new(Text::open(data, tokenizer)?))
}

/// The folder of a tokenizer: the given folder, or the one of that name in the assets.
fn found(folder: &Path) -> PathBuf {
    let shipped = assets::folder("tokenizers").map(|tokenizers| tokenizers.join(folder));
    match shipped.filter(|shipped| !folder.is_dir() && shipped.is_dir()) {
        Some(shipped) => shipped,
        None => folder.to_owned(),
    }
}

/// The error for data that is neither a text nor a task.
fn unknown(data: &str) -> Error {
    let texts: Vec<_> = TEXTS.iter().map(|text| text.name).collect();
    let tasks: Vec<_> = TASKS.iter().map(|kind| kind.name).collect();
    let expected =
        format!("a file, a folder, a text ({}) or a task ({})", texts.join(", "), tasks.join(", "));
    Error::invalid("data", format!("{data:?}"), expected)
}

/// The file of a shipped text; `None` for another name.
///
/// # Errors
/// [`Error::Invalid`] if the assets are not found.
fn shipped(name: &str) -> Result<Option<PathBuf>> {
    if !TEXTS.iter().any(|text| text.name == name) {
        return Ok(None);
    }
    let file = assets::folder("texts").map(|folder| folder.join(format!("{name}.txt")));
    let expected = "a text in the assets; RANKSCOPE_ASSETS names their folder";
    file.filter(|file| file.is_file())
        .map(Some)
        .ok_or_else(|| Error::invalid("data", format!("{name:?}"), expected))
}

/// Writes `tokenizer.json` and `tokenizer_config.json` beside a checkpoint, so that a model that was trained on `data`
/// can read texts here and in `transformers`.
///
/// # Errors
/// As [`save`].
pub fn save_tokenizer(data: &dyn Examples, folder: &Path) -> Result<()> {
    let (tokenizer, vocabulary) = (data.tokenizer()?, data.vocabulary());
    let sentinels =
        (0..Vocabulary::SENTINELS).map(|index| vocabulary.sentinel(index).map(|id| tokenizer.piece(id)));
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": false,
        "pad_token": tokenizer.piece(vocabulary.padding()),
        "bos_token": tokenizer.piece(vocabulary.start()),
        "sep_token": tokenizer.piece(vocabulary.separator()),
        "eos_token": tokenizer.piece(vocabulary.end()),
        "mask_token": tokenizer.piece(vocabulary.mask()),
        "additional_special_tokens": sentinels.collect::<Result<Vec<_>>>()?,
    });
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    tokenizer.save(folder)?;
    save(folder.join("tokenizer_config.json"), format!("{config:#}\n"))
}
