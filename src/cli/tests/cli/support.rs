//! Running the command, and making models that are wrong in one way.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array, Dimension};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;
use tempfile::TempDir;

/// A text of about sixteen tokens.
pub const TEXT: &str = "the cat sat on the mat and looked at the moon";

/// A home of its own for one test: no models but the bundled ones, no cache, the CPU.
pub struct Home {
    pub folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Home { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rankscope"));
        command.args(args).current_dir(self.folder.path());
        command.env_remove("RANKSCOPE_ASSETS").env("RANKSCOPE_DEVICE", "cpu");
        command.env("RANKSCOPE_MODELS", self.path("models")).env("HF_HUB_CACHE", self.path("hub"));
        command.env("HOME", self.folder.path()).env("XDG_DATA_HOME", self.path("data"));
        command
    }

    /// A command that talks to a server on this machine, past any proxy.
    pub fn online(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The stdout of a command that must succeed.
    pub fn stdout(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.stdout(args)).unwrap()
    }

    /// The one line that a command that must fail prints, without its `error: `.
    pub fn error(&self, args: &[&str]) -> String {
        error_of(args, &self.run(args), 1)
    }

    /// A copy of a tiny model, for a test to corrupt.
    pub fn copy_of(&self, family: &str, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(tiny(family).join(file), folder.join(file)).unwrap();
        }
        folder
    }
}

/// The one line on stderr of a command that must have failed with `code`.
pub fn error_of(args: &[&str], output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?} printed {}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    said.strip_prefix("error: ").unwrap_or_else(|| panic!("{args:?}: {said}")).trim_end().to_owned()
}

/// A tiny checkpoint of the library's fixtures.
pub fn tiny(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rankscope/tests/fixtures/tiny").join(family)
}

/// Whether nothing unfinished is in the store, except the empty files that stand for locks.
pub fn is_clean(home: &Home) -> bool {
    let hidden = ["incoming", "downloads"].map(|part| home.path("models/.rankscope").join(part));
    let whole = |folder: &PathBuf| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    hidden.iter().all(whole)
}

/// Checks that a text holds all of `parts`.
#[track_caller]
pub fn holds(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text}"));
}

pub fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes the checkpoint in `folder` again, with only the tensors and the bytes that `edit` keeps.
pub fn edit_tensors(folder: &Path, mut edit: impl FnMut(&str, &mut Vec<u8>) -> bool) {
    let path = folder.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut kept = HashMap::new();
    for (name, view) in tensors.tensors() {
        let mut data = view.data().to_vec();
        if edit(&name, &mut data) {
            kept.insert(name, (view.dtype(), view.shape().to_vec(), data));
        }
    }
    let views = kept.iter().map(|(name, (dtype, shape, data))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    fs::write(&path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
}

/// A checkpoint in the test's folder whose layer 0 sees back to the first token and whose layer 1 sees three.
pub fn with_a_window(home: &Home) -> PathBuf {
    let folder = home.copy_of("qwen2", "windowed");
    edit_config(&folder, "use_sliding_window", true.into());
    edit_config(&folder, "sliding_window", 3.into());
    edit_config(&folder, "layer_types", vec!["full_attention", "sliding_attention"].into());
    folder
}

/// Changes one field of the configuration in `folder`.
pub fn edit_config(folder: &Path, field: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[field] = value;
    fs::write(&path, config.to_string()).unwrap();
}

/// A number as numpy writes it.
pub trait Entry: Copy {
    /// Its type in a header.
    const DESCR: &'static str;
    /// Its bytes, the smallest first.
    fn bytes(self) -> Vec<u8>;
}

macro_rules! entries {
    ($($number:ty, $descr:literal);*) => { $(
        impl Entry for $number {
            const DESCR: &'static str = $descr;
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        }
    )* };
}

entries!(f64, "<f8"; f32, "<f4"; i64, "<i8");

/// An array as numpy saves it: a header, and the numbers in the order in which they lie in memory.
pub fn write_npy<A: Entry, D: Dimension>(path: impl AsRef<Path>, array: &Array<A, D>) {
    let by_columns = !array.is_standard_layout();
    let order = if by_columns { "True" } else { "False" };
    let shape: String = array.shape().iter().map(|size| format!("{size}, ")).collect();
    let text = format!("{{'descr': '{}', 'fortran_order': {order}, 'shape': ({shape})}}", A::DESCR);
    let text = format!("{text:<117}\n");
    let mut file =
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    file.extend(array.as_slice_memory_order().expect("one block").iter().flat_map(|entry| entry.bytes()));
    fs::write(path, file).unwrap();
}
