//! A wheel of the Python package index, found on the index's page of the package.
//!
//! **Source**: the simple repository API of PEP 503, which every mirror supports.

use std::path::{Path, PathBuf};

use url::Url;

use super::super::Pullable;
use super::{Client, Remote};
use crate::error::{Error, Result};
use crate::run::Run;

/// The path in `folder` of the wheel of `pullable`, downloaded if it is not there, and checked.
pub(crate) fn fetch(index: &str, pullable: &Pullable, folder: &Path, run: &Run) -> Result<PathBuf> {
    let failure = |what: &str, error: ureq::Error| {
        let hint = "try again online, set PIP_INDEX_URL to an index that can be reached, or bring the model's folder \
                    and say: rankscope models add PATH";
        let problem = match error {
            ureq::Error::StatusCode(_) => "the package index does not give us",
            _ => "the package index cannot be reached for",
        };
        Error::Model(format!("{problem} {what} ({}); {hint}", error.to_string().replace('\n', " ")))
    };
    let mut remote = Remote {
        name: pullable.wheel.to_owned(),
        url: String::new(),
        id: pullable.sha256.to_owned(),
        size_bytes: Some(pullable.size_bytes),
        sha256: Some(pullable.sha256.to_owned()),
    };
    if let Some(kept) = remote.kept(folder, run)? {
        return Ok(kept); // this also works without a network
    }
    let client = Client::new(None, &failure);
    let page = format!("{}/{}/", index.trim_end_matches('/'), pullable.package);
    let text = client.text(pullable.package, &page, run)?;
    let missing = || Error::Model(format!("the package index has no {}", pullable.wheel));
    remote.url = link(&text, &page, pullable.wheel).ok_or_else(missing)?;
    client.file(&remote, folder, run)
}

/// The URL of the link to `file` on a page; links may be relative to it.
fn link(text: &str, page: &str, file: &str) -> Option<String> {
    let targets = text.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split([quote, '#']).next()
    });
    let target = targets.into_iter().find(|target| target.rsplit('/').next() == Some(file))?;
    Some(Url::parse(page).ok()?.join(target).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_absolute_or_relative_to_the_page() {
        let page = "https://mirror.example/root/simple/pkg/";
        for (target, url) in [
            ("https://files.example/a/pkg-1.whl#sha256=0", "https://files.example/a/pkg-1.whl"),
            ("../../files/pkg-1.whl", "https://mirror.example/root/files/pkg-1.whl"),
            ("/files/pkg-1.whl#sha256=0", "https://mirror.example/files/pkg-1.whl"),
            ("pkg-1.whl", "https://mirror.example/root/simple/pkg/pkg-1.whl"),
        ] {
            for quote in ['"', '\''] {
                let text = format!("<a href=\"pkg-1.tar.gz\">…</a>\n<a href={quote}{target}{quote}>…</a>");
                assert_eq!(link(&text, page, "pkg-1.whl").as_deref(), Some(url));
            }
        }
        assert_eq!(link("<a href=\"other-1.whl\">pkg-1.whl</a> href=", page, "pkg-1.whl"), None);
    }
}
