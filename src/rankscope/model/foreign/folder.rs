//! Folders that are no model: recognised by the names in them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::PICKLE;
use crate::error::{Error, excerpt};
use crate::model::checkpoint::{INDEX, SINGLE};

/// The name of the configuration's file.
const CONFIG: &str = "config.json";

/// The error about a folder without `config.json`.
pub(crate) fn no_config(folder: &Path) -> Error {
    let content = Content::of(folder);
    let expected = format!("expected a model folder with {CONFIG} and {SINGLE}");
    let what = content.adapter().or_else(|| content.inner()).or_else(|| content.gone(CONFIG));
    let what = what.or_else(|| content.elsewhere().filter(|_| !content.has_weights()));
    content.error(&format!("no {CONFIG} there"), &what.unwrap_or(expected))
}

/// The error about a folder with neither `model.safetensors` nor the index of its shards.
pub(crate) fn no_weights(folder: &Path) -> Error {
    let content = Content::of(folder);
    let alone = || {
        let hint = "download the weights too; for the configuration alone there is: rankscope count";
        format!("the folder holds no weights; {hint}")
    };
    let what = content.adapter().or_else(|| content.gone(SINGLE)).or_else(|| content.inner());
    content.error(&format!("no {SINGLE} there"), &what.or_else(|| content.elsewhere()).unwrap_or_else(alone))
}

/// The names in a folder, in order.
struct Content<'a> {
    folder: &'a Path,
    names: Vec<String>,
}

impl<'a> Content<'a> {
    fn of(folder: &'a Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Content { folder, names }
    }

    fn error(&self, missing: &str, what: &str) -> Error {
        Error::Model(format!("{}: {missing}; {what}", self.folder.display()))
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    fn has_weights(&self) -> bool {
        self.has(SINGLE) || self.has(INDEX)
    }

    /// The first name with one of these endings that is not a side file of training.
    fn ending(&self, ends: &[&str]) -> Option<&str> {
        const BESIDE: [&str; 4] = ["training_args", "optimizer", "scheduler", "rng_state"];
        let is_beside = |name: &str| BESIDE.iter().any(|start| name.starts_with(start));
        let is_one = |name: &&String| ends.iter().any(|end| name.to_lowercase().ends_with(end));
        self.names.iter().filter(is_one).map(String::as_str).find(|name| !is_beside(name))
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Describes an adapter: the small matrices that peft saves.
    fn adapter(&self) -> Option<String> {
        if self.has_weights() || !self.names.iter().any(|name| name.starts_with("adapter_")) {
            return None;
        }
        let config = self.json("adapter_config.json");
        let kind = config["peft_type"].as_str().unwrap_or("LoRA");
        let base = config["base_model_name_or_path"].as_str().map_or("its base model".to_owned(), excerpt);
        Some(format!(
            "it is an adapter ({}) for {base}, not a model; merge the two with peft (merge_and_unload), save the \
             result and give its folder",
            excerpt(kind)
        ))
    }

    /// Describes a name that is a broken link or a folder.
    fn gone(&self, name: &str) -> Option<String> {
        let path = self.folder.join(name);
        let kind = fs::symlink_metadata(&path).ok()?;
        match kind.is_symlink() {
            true if !path.exists() => {
                Some(format!("{name} is a link to a file that is gone; download the model again"))
            }
            _ => path.is_dir().then(|| format!("{name} is a folder, expected a file")),
        }
    }

    /// Describes a folder inside this one that holds the model.
    fn inner(&self) -> Option<String> {
        let is_model = |name: &&String| {
            let folder = self.folder.join(name);
            folder.join(CONFIG).is_file() && (folder.join(SINGLE).is_file() || folder.join(INDEX).is_file())
        };
        let name = self.names.iter().find(is_model)?;
        Some(format!(
            "the model is in the folder {name} inside it: give {}",
            self.folder.join(name).display()
        ))
    }

    /// Describes weights in another format, or under another name.
    fn elsewhere(&self) -> Option<String> {
        if let Some(name) = self.ending(&[".safetensors"]) {
            return Some(match name {
                _ if name.contains("-of-") => {
                    format!("{name} is a shard, and {INDEX} is missing: download it too")
                }
                _ if name.starts_with("consolidated") => {
                    format!("{name} has its maker's own names of tensors; take the files for transformers")
                }
                _ => format!("{name} is there: if it is the model, call it {SINGLE}"),
            });
        }
        if let Some(name) = self.ending(&[".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl"]) {
            return Some(format!("{name} is {PICKLE}; {}", self.conversion()));
        }
        let others = [
            (
                &[".gguf", ".ggml"][..],
                "is quantised for llama.cpp and not read here; take the original repository",
            ),
            (
                &[".h5", ".keras"],
                "holds weights of TensorFlow or Keras; take the repository's model.safetensors",
            ),
            (&[".msgpack"], "holds weights of Flax; take the repository's model.safetensors"),
            (&[".onnx", ".tflite", ".mlmodel", ".ot"], "is made for another runtime; take model.safetensors"),
            (&[".npz", ".npy"], "holds arrays of numpy; save them as model.safetensors"),
            (
                &[".part", ".incomplete", ".crdownload", ".aria2", ".download", ".tmp"],
                "is an unfinished download",
            ),
            (&[".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".xz", ".zst"], "is packed; unpack it first"),
        ];
        others.iter().find_map(|(ends, what)| self.ending(ends).map(|name| format!("{name} {what}")))
    }

    /// The lines of Python that convert a pickle into a model folder.
    fn conversion(&self) -> String {
        let config = self.json(CONFIG);
        let class =
            config["architectures"][0].as_str().filter(|class| class.chars().all(char::is_alphanumeric));
        format!(
            "make a folder that can be read with: python -c \"import transformers as t; \
             t.{}.from_pretrained('{}').save_pretrained('NEW')\"",
            class.unwrap_or("AutoModel"),
            self.folder.display()
        )
    }
}
