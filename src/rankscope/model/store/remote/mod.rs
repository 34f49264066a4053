//! Files over HTTPS: with progress, immediate cancelling and checks, and continued where an earlier try stopped.
//!
//! **Conventions**: certificates are those that the system trusts, including those of `SSL_CERT_FILE`; proxies come
//! from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. A file is written to `ID.part`, where ID names its
//! content, and renamed to `ID` when it is complete and checked, so that a part of another version is never continued.

mod checksum;
mod hugging_face;
mod package_index;
mod watched;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::StatusCode;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, http};

pub(super) use hugging_face::fetch as repository;
pub(super) use package_index::fetch as wheel;

use super::held::is_full;
use crate::error::{Error, Result};
use crate::run::Run;
use watched::{Counter, watched};

/// A connection on which no bytes arrive for this time is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// One file of a server.
struct Remote {
    /// Its name in messages.
    name: String,
    url: String,
    /// A name of its content, in characters that a file name can have.
    id: String,
    size_bytes: Option<u64>,
    sha256: Option<String>,
}

/// Sends requests to one server.
struct Client<'a> {
    agent: Agent,
    /// Sent only to that server, and not to servers that it redirects to.
    token: Option<String>,
    /// Makes the error for a request for a file that failed.
    failure: &'a dyn Fn(&str, ureq::Error) -> Error,
}

impl<'a> Client<'a> {
    fn new(token: Option<String>, failure: &'a dyn Fn(&str, ureq::Error) -> Error) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder().tls_config(tls).timeout_per_read(Some(SILENCE));
        let config = config.timeout_connect(Some(SILENCE)).build();
        Client { agent: config.new_agent(), token, failure }
    }

    /// The text at a URL; `what` is its name in messages.
    fn text(&self, what: &str, url: &str, run: &Run) -> Result<String> {
        let request = self.request(url, 0);
        let text = watched("asking which files there are", run, move |_| {
            request.send()?.into_body().read_to_string()
        });
        text?.map_err(|error| (self.failure)(what, error))
    }

    /// The path in `folder` of a file that is complete and has the right size and checksum, downloaded if it is not
    /// there.
    fn file(&self, remote: &Remote, folder: &Path, run: &Run) -> Result<PathBuf> {
        if let Some(kept) = remote.kept(folder, run)? {
            return Ok(kept);
        }
        let part = folder.join(format!("{}.part", remote.id));
        let mut result = self.attempt(remote, &part, run)?;
        if matches!(result, Err(ureq::Error::StatusCode(416))) {
            // The part is already as long as the file, or longer, so it cannot be continued.
            fs::remove_file(&part).map_err(|error| Error::io(&part, error))?;
            result = self.attempt(remote, &part, run)?;
        }
        result.map_err(|error| match error {
            ureq::Error::Io(error) if is_full(&error) => Error::io(&part, error),
            error => (self.failure)(&remote.name, error),
        })?;
        remote.check(&part, run)?;
        let kept = folder.join(&remote.id);
        fs::rename(&part, &kept).map_err(|error| Error::io(&kept, error))?;
        Ok(kept)
    }

    fn attempt(&self, remote: &Remote, part: &Path, run: &Run) -> Result<Result<(), ureq::Error>> {
        let held = part.metadata().map_or(0, |part| part.len());
        let (request, part) = (self.request(&remote.url, held), part.to_owned());
        let stage = format!("downloading {}", remote.name);
        watched(&stage, run, move |counter| receive(request.send()?, held, &part, counter))
    }

    /// A request for the content of a URL from byte `first` on.
    fn request(&self, url: &str, first: u64) -> Request {
        let mut headers = Vec::new();
        headers.extend(self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}"))));
        headers.extend((first > 0).then(|| ("range", format!("bytes={first}-"))));
        Request { agent: self.agent.clone(), url: url.to_owned(), headers }
    }
}

/// A request that another thread may send.
struct Request {
    agent: Agent,
    url: String,
    headers: Vec<(&'static str, String)>,
}

impl Request {
    fn send(self) -> Result<http::Response<Body>, ureq::Error> {
        let request = self.agent.get(self.url);
        self.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).call()
    }
}

/// Appends the received bytes to the `held` bytes of `part`, or writes `part` again from its beginning if the server
/// sends the whole file.
fn receive(
    response: http::Response<Body>,
    held: u64,
    part: &Path,
    counter: &Counter,
) -> Result<(), ureq::Error> {
    let held = if response.status() == StatusCode::PARTIAL_CONTENT { held } else { 0 };
    let mut file =
        File::options().create(true).write(true).truncate(held == 0).append(held > 0).open(part)?;
    let body = response.into_body();
    counter.start(held, held + body.content_length().unwrap_or(0));
    let (mut body, mut buffer) = (body.into_reader(), vec![0; 1 << 16]);
    while !counter.is_stopped() {
        let read = body.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read])?;
        counter.add(read);
    }
    Ok(())
}

impl Remote {
    /// The path in `folder` of the file that an earlier pull downloaded; `None` if there is none, or if it is damaged,
    /// in which case it is deleted.
    fn kept(&self, folder: &Path, run: &Run) -> Result<Option<PathBuf>> {
        let kept = folder.join(&self.id);
        if !kept.is_file() {
            return Ok(None);
        }
        match self.check(&kept, run) {
            Err(Error::Format { .. }) => Ok(None),
            checked => checked.map(|()| Some(kept)),
        }
    }

    /// Checks size and checksum, as far as the server states them, and deletes a file that differs.
    fn check(&self, path: &Path, run: &Run) -> Result<()> {
        let length = path.metadata().map_err(|error| Error::io(path, error))?.len();
        if self.sha256.is_none() && self.size_bytes.is_some_and(|size| size != length) {
            let expected = self.size_bytes.unwrap_or_default();
            fs::remove_file(path).map_err(|error| Error::io(path, error))?;
            let problem = format!("{length} bytes came, expected {expected}; nothing was installed");
            return Err(Error::format(&self.name, problem));
        }
        self.sha256.as_ref().map_or(Ok(()), |sha256| checksum::expect(path, &self.name, sha256, run))
    }
}
