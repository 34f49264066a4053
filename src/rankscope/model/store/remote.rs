//! Fetching a model's files from the Hugging Face hub, through the `hf-hub` crate.
//!
//! **Conventions**: `hf-hub` keeps a cache in its own layout, here in the model's folder of downloads: a
//! file is fetched into `blobs/ETAG.part`, goes on from its length when asked for again, and is renamed to
//! `blobs/ETAG` when complete. Large files (and whatever else the hub keeps in LFS) have their SHA-256 as
//! ETAG and are checked against it; of small ones the hub states a git id only, and their length is checked.
//! The hub's address, a mirror's (`HF_ENDPOINT`) and the user's token are the crate's to know.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde_json::{Value, json};

use super::held::{Held, is_full};
use super::watched::{Counter, watched};
use super::{CONFIG, INDEX, SINGLE, checksum, is_plain};
use crate::error::{Error, Result};
use crate::model::{Config, Family, TEXT_FILES, checkpoint::index};
use crate::run::Run;

/// Fetches what a model needs into `folder`; returns what is to be said of its source.
pub(super) fn fetch(repository: &str, held: &Held, folder: &Path, run: &Run) -> Result<Value> {
    let hub = Hub::open(repository, held.downloads()?)?;
    let about = hub.about(run)?;
    let hub = hub.at(&about.revision);
    let mut names = vec![CONFIG.to_owned()];
    about.expect(CONFIG, repository)?;
    let folder_of = |path: &Path| path.parent().unwrap_or(Path::new(".")).to_owned();
    hub.read(CONFIG, run, |path| Family::of(&Config::open(&folder_of(path))?))?; // before gigabytes come
    names.extend(TEXT_FILES.iter().filter(|file| about.has(file)).map(|file| (*file).to_owned()));
    if about.has(SINGLE) || !about.has(INDEX) {
        about.expect(SINGLE, repository)?;
        names.push(SINGLE.to_owned());
    } else {
        let shards = hub.read(INDEX, run, index::shard_names)?;
        shards.iter().try_for_each(|shard| about.expect(shard, repository))?;
        names.push(INDEX.to_owned());
        names.extend(shards);
    }
    let files = names.iter().map(|name| hub.file(name, run)).collect::<Result<Vec<_>>>()?;
    for (name, file) in names.iter().zip(files) {
        let (blob, target) = (blob(&file)?, folder.join(name));
        // The cache keeps its own name for the file until the model is installed: were the file taken out of
        // it, whatever fails from here on would leave a link there that the next download stumbles over.
        let linked = fs::hard_link(&blob, &target).or_else(|_| fs::copy(&blob, &target).map(drop));
        linked.map_err(|error| Error::io(&target, error))?;
    }
    Ok(json!({"repository": repository, "revision": about.revision, "licence": about.licence}))
}

/// What the hub says of a repository.
struct About {
    revision: String,
    licence: Option<String>,
    files: Vec<String>,
}

impl About {
    fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    fn expect(&self, name: &str, repository: &str) -> Result<()> {
        if self.has(name) {
            return Ok(());
        }
        let expected = "expected config.json, and model.safetensors or its index with every shard";
        Err(Error::Model(format!("{repository} on the Hugging Face hub has no {name}; {expected}")))
    }

    /// Reads the hub's description of a repository.
    fn read(text: &str) -> Option<Self> {
        let about: Value = serde_json::from_str(text).ok()?;
        let revision = about["sha"].as_str().filter(|revision| is_plain(revision))?.to_owned();
        let files = about["siblings"].as_array()?.iter();
        let files = files.filter_map(|file| Some(file["rfilename"].as_str()?.to_owned())).collect();
        let card = about["cardData"]["license"].as_str();
        let mut tags = about["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let licence = card.or_else(|| tags.find_map(|tag| tag.strip_prefix("license:"))).map(str::to_owned);
        Some(About { revision, licence, files })
    }
}

/// One repository at one revision, and where its files go.
struct Hub {
    repository: String,
    revision: String,
    cache: PathBuf,
    api: Api,
}

impl Hub {
    fn open(repository: &str, cache: PathBuf) -> Result<Self> {
        let api = ApiBuilder::from_env().with_cache_dir(cache.clone()).build();
        let api = api.map_err(|error| Error::Model(format!("the Hugging Face hub: {error}")))?;
        Ok(Hub { repository: repository.to_owned(), revision: "main".to_owned(), cache, api })
    }

    fn at(self, revision: &str) -> Self {
        Hub { revision: revision.to_owned(), ..self }
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.repository.clone(), RepoType::Model, self.revision.clone())
    }

    fn about(&self, run: &Run) -> Result<About> {
        let repo = self.api.repo(self.repo());
        let ask = move |_: Counter| -> Result<String, ApiError> {
            let mut response = repo.info_request().call().map_err(Box::new)?;
            Ok(response.body_mut().read_to_string().map_err(Box::new)?)
        };
        let text = watched("asking the hub", run, ask)?.map_err(|error| self.failure("such model", error))?;
        let unclear =
            || Error::Model(format!("the Hugging Face hub described {} in no known way", self.repository));
        About::read(&text).ok_or_else(unclear)
    }

    /// The path of a file in the cache, fetched if it was not there, and checked.
    fn file(&self, name: &str, run: &Run) -> Result<PathBuf> {
        let cached = Cache::new(self.cache.clone()).repo(self.repo()).get(name);
        let path = cached.map_or_else(|| self.download(name, run), Ok)?;
        let blob = blob(&path)?;
        let etag = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_sha256 = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_sha256 && let Err(error) = checksum::expect(&blob, name, &etag, run) {
            // The link to it must go with the blob, or the next download stumbles over it.
            if matches!(error, Error::Format { .. }) {
                fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            }
            return Err(error);
        }
        Ok(path)
    }

    /// What a small file says; one that says nothing sensible is not kept.
    fn read<T>(&self, name: &str, run: &Run, read: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let path = self.file(name, run)?;
        match read(&path) {
            Ok(read) => Ok(read),
            Err(error) => forget(&path).and(Err(error)),
        }
    }

    fn download(&self, name: &str, run: &Run) -> Result<PathBuf> {
        let mut result = self.attempt(name, run)?;
        if result.as_ref().is_err_and(goes_past_the_end) {
            self.forget_parts()?;
            result = self.attempt(name, run)?;
        }
        let (path, total) = result.map_err(|error| self.failure(name, error))?;
        let length = fs::metadata(&path).map_err(|error| Error::io(&path, error))?.len();
        if length == total as u64 {
            return Ok(path);
        }
        forget(&path)?;
        Err(Error::format(name, format!("{length} bytes came, expected {total}; nothing was installed")))
    }

    /// One try; the path of the file, and its length as the hub states it.
    fn attempt(&self, name: &str, run: &Run) -> Result<Result<(PathBuf, usize), ApiError>> {
        let (repo, file): (ApiRepo, _) = (self.api.repo(self.repo()), name.to_owned());
        watched(&format!("downloading {name}"), run, move |counter| {
            let path = repo.download_with_progress(&file, counter.clone())?;
            Ok((path, counter.total()))
        })
    }

    /// Deletes unfinished files, which are longer than the finished ones, or as long but not renamed.
    fn forget_parts(&self) -> Result<()> {
        let blobs = Cache::new(self.cache.clone()).repo(self.repo()).blob_path("any");
        let blobs = blobs.parent().unwrap_or(Path::new("."));
        let parts = fs::read_dir(blobs).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut parts = parts.filter(|path| path.extension().is_some_and(|extension| extension == "part"));
        parts.try_for_each(|part| fs::remove_file(&part).map_err(|error| Error::io(&part, error)))
    }

    fn failure(&self, what: &str, error: ApiError) -> Error {
        let repository = &self.repository;
        match error {
            ApiError::IoError(error) if is_full(&error) => Error::io(&self.cache, error),
            ApiError::RequestError(error) if matches!(*error, ureq::Error::StatusCode(401 | 403 | 404)) => {
                let hint =
                    "see to its spelling; a private or gated one needs your token and its owner's consent";
                Error::Model(format!(
                    "the Hugging Face hub shows us no {what} ({error}) for {repository:?}; {hint}"
                ))
            }
            error => {
                let error = error.to_string().replace('\n', " ");
                let hint = "pull again online to go on where it stopped, or bring the model's folder and say: \
                            rankscope models add PATH";
                Error::Model(format!(
                    "the Hugging Face hub cannot be reached for {repository} ({error}); {hint}"
                ))
            }
        }
    }
}

/// Whether a kept part is as long as the file or longer, so that there is nothing to go on with.
fn goes_past_the_end(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResume => true,
        ApiError::RequestError(error) => matches!(**error, ureq::Error::StatusCode(416)),
        _ => false,
    }
}

/// Deletes a file of the cache and the link to it.
fn forget(path: &Path) -> Result<()> {
    let blob = blob(path)?;
    fs::remove_file(&blob).map_err(|error| Error::io(&blob, error))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()), // where there are no links, the file was the blob itself
    }
}

/// The file behind a link of the cache.
fn blob(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Error::io(path, error))
}
