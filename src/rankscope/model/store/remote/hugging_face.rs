//! Downloads a model's files from the Hugging Face hub.
//!
//! **Conventions**: the hub is at `HF_ENDPOINT`, or huggingface.co. The user's token is `HF_TOKEN`, or what
//! `hf auth login` wrote into `$HF_HOME` or `~/.cache/huggingface`. Large files (and whatever else the hub keeps in
//! LFS) are checked against their SHA-256; for small files the hub states only a git id, and their length is checked.
//!
//! **Source**: the requests of `huggingface_hub`: `GET /api/models/ORG/NAME/revision/main?blobs=true` describes a
//! repository, `GET /ORG/NAME/resolve/REVISION/FILE` is a file.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::held::Held;
use super::super::{CONFIG, INDEX, SINGLE, is_plain};
use super::{Client, Remote};
use crate::error::{Error, Result};
use crate::model::{Config, Family, TEXT_FILES, checkpoint::index};
use crate::run::Run;

/// Downloads the files that a model needs into `folder`, and returns the description of their source.
pub(crate) fn fetch(name: &str, held: &Held, folder: &Path, run: &Run) -> Result<Value> {
    let failure = |what: &str, error| failure(name, what, error);
    let client = Client::new(token(), &failure);
    let hub = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
    let hub = hub.trim_end_matches('/');
    let text =
        client.text("such model", &format!("{hub}/api/models/{name}/revision/main?blobs=true"), run)?;
    let about = About::read(&text)
        .ok_or_else(|| Error::Model(format!("the Hugging Face hub described {name} in no known way")))?;
    let files = format!("{hub}/{name}/resolve/{}", about.revision);
    let repository = Repository { name, about, client, files, folder, downloads: held.downloads()? };
    repository.read(CONFIG, run, |_| Family::of(&Config::open(folder)?))?; // before gigabytes are downloaded
    for name in TEXT_FILES.iter().filter(|name| repository.about.file(name).is_some()) {
        repository.bring(name, run)?;
    }
    if repository.about.file(SINGLE).is_none() && repository.about.file(INDEX).is_some() {
        let shards = repository.read(INDEX, run, index::shard_names)?;
        shards.iter().try_for_each(|shard| repository.expect(shard).map(drop))?;
        shards.iter().try_for_each(|shard| repository.bring(shard, run).map(drop))?;
    } else {
        repository.bring(SINGLE, run)?;
    }
    let About { revision, licence, .. } = &repository.about;
    Ok(json!({"repository": name, "revision": revision, "licence": licence}))
}

/// The hub's description of a repository.
struct About {
    revision: String,
    licence: Option<String>,
    files: Vec<Value>,
}

impl About {
    fn read(text: &str) -> Option<Self> {
        let about: Value = serde_json::from_str(text).ok()?;
        let revision = about["sha"].as_str().filter(|revision| is_plain(revision))?.to_owned();
        let card = about["cardData"]["license"].as_str();
        let mut tags = about["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let licence = card.or_else(|| tags.find_map(|tag| tag.strip_prefix("license:"))).map(str::to_owned);
        Some(About { revision, licence, files: about["siblings"].as_array()?.clone() })
    }

    fn file(&self, name: &str) -> Option<&Value> {
        self.files.iter().find(|file| file["rfilename"] == name)
    }
}

/// One repository, and where its files go.
struct Repository<'a> {
    name: &'a str,
    about: About,
    client: Client<'a>,
    /// The URL below which the files are.
    files: String,
    /// The model's folder.
    folder: &'a Path,
    /// The folder of downloads, which stays if a pull ends early.
    downloads: PathBuf,
}

impl Repository<'_> {
    /// The hub's description of a file that a model needs.
    fn expect(&self, name: &str) -> Result<&Value> {
        self.about.file(name).ok_or_else(|| {
            let expected = "expected config.json, and model.safetensors or its index with every shard";
            Error::Model(format!("{} on the Hugging Face hub has no {name}; {expected}", self.name))
        })
    }

    /// Downloads a file into the model's folder, and returns the path where a copy is kept until the model is
    /// installed.
    fn bring(&self, name: &str, run: &Run) -> Result<PathBuf> {
        let stated = self.expect(name)?;
        let text = |value: &Value| value.as_str().filter(|text| is_plain(text)).map(str::to_owned);
        let sha256 = text(&stated["lfs"]["sha256"]);
        let id = sha256.clone().or_else(|| text(&stated["blobId"]));
        let remote = Remote {
            name: name.to_owned(),
            url: format!("{}/{name}", self.files),
            id: id.unwrap_or_else(|| format!("{}-{name}", self.about.revision)),
            size_bytes: stated["size"].as_u64(),
            sha256,
        };
        let (kept, target) = (self.client.file(&remote, &self.downloads, run)?, self.folder.join(name));
        // The file is also kept in the downloads until the model is installed, so that a later failure does not cost
        // another download.
        let linked = fs::hard_link(&kept, &target).or_else(|_| fs::copy(&kept, &target).map(drop));
        linked.map_err(|error| Error::io(&target, error))?;
        Ok(kept)
    }

    /// Reads a small file; a file that cannot be read is deleted.
    fn read<T>(&self, name: &str, run: &Run, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let kept = self.bring(name, run)?;
        read(&self.folder.join(name)).or_else(|problem| {
            fs::remove_file(&kept).map_err(|error| Error::io(&kept, error))?;
            Err(problem)
        })
    }
}

/// The environment variable, if it is set and not empty.
fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The user's token, if there is one.
fn token() -> Option<String> {
    let file = || {
        let home = set("HF_HOME").map(PathBuf::from);
        let home = home.or_else(|| dirs::home_dir().map(|home| home.join(".cache/huggingface")))?;
        fs::read_to_string(home.join("token")).ok()
    };
    set("HF_TOKEN").or_else(file).map(|token| token.trim().to_owned()).filter(|token| !token.is_empty())
}

fn failure(repository: &str, what: &str, error: ureq::Error) -> Error {
    let hub = "the Hugging Face hub";
    if matches!(error, ureq::Error::StatusCode(401 | 403 | 404)) {
        let hint = "check its spelling; a private or gated one needs your token and its owner's consent";
        return Error::Model(format!("{hub} returns no {what} ({error}) for {repository:?}; {hint}"));
    }
    let error = error.to_string().replace('\n', " ");
    let hint = "pull again online to go on where it stopped, or bring the model's folder and say: rankscope models \
                add PATH";
    Error::Model(format!("{hub} cannot be reached for {repository} ({error}); {hint}"))
}
