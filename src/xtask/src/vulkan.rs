//! Vulkan drivers, found as the Vulkan loader finds them: by their JSON manifests.

use std::path::{Path, PathBuf};

use crate::check::{Libraries, State};
use crate::machine::Machine;

/// Whether some manifest names a driver library that exists.
///
/// `VK_DRIVER_FILES` (or its older name `VK_ICD_FILENAMES`) replaces the standard folders, so if it is set
/// and names no driver, installing one would not help.
pub fn driver(machine: &dyn Machine, libraries: &Libraries) -> State {
    let mut names = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter();
    let forced = names.find_map(|name| Some((name, machine.var(name)?)));
    let places = match &forced {
        Some((_, value)) => std::env::split_paths(value).collect(),
        None => standard_places(machine),
    };
    let mut manifests = places.iter().flat_map(|place| manifests_at(machine, place));
    match (manifests.any(|manifest| is_usable(machine, libraries, &manifest)), forced) {
        (true, _) => State::Present,
        (false, None) => State::Missing("no driver that can be loaded".into()),
        (false, Some((name, value))) => {
            State::Blocked(format!("{name} is set to {value:?}, which names no driver: unset or correct it"))
        }
    }
}

/// The folders and files that the loader looks at by itself.
fn standard_places(machine: &dyn Machine) -> Vec<PathBuf> {
    let home = machine.var("HOME").unwrap_or_default();
    let var = |name: &str, otherwise: String| machine.var(name).unwrap_or(otherwise);
    let lists = [
        var("XDG_CONFIG_HOME", format!("{home}/.config")),
        var("XDG_CONFIG_DIRS", "/etc/xdg".into()),
        "/usr/local/etc:/etc".into(),
        var("XDG_DATA_HOME", format!("{home}/.local/share")),
        var("XDG_DATA_DIRS", "/usr/local/share:/usr/share".into()),
        // The loader's own data folder counts even where XDG_DATA_DIRS leaves it out.
        "/usr/share".into(),
    ];
    let added = machine.var("VK_ADD_DRIVER_FILES").unwrap_or_default();
    let added: Vec<_> = std::env::split_paths(&added).collect();
    let roots = lists.iter().flat_map(|list| std::env::split_paths(list));
    added.into_iter().chain(roots.map(|root| root.join("vulkan/icd.d"))).collect()
}

/// The manifests at a place: the place itself, if it is a file, or the manifests in the folder.
fn manifests_at(machine: &dyn Machine, place: &Path) -> Vec<PathBuf> {
    let is_json = |file: &Path| file.extension().is_some_and(|extension| extension == "json");
    if is_json(place) {
        return vec![place.to_owned()];
    }
    machine.list(place).into_iter().filter(|file| is_json(file)).collect()
}

/// Whether the library that a manifest names exists: a plain name is looked up as the dynamic loader does,
/// a path with folders is relative to the manifest.
fn is_usable(machine: &dyn Machine, libraries: &Libraries, manifest: &Path) -> bool {
    let Some(text) = machine.read(manifest) else { return false };
    let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) else { return false };
    let Some(library) = json["ICD"]["library_path"].as_str() else { return false };
    match library.contains('/') {
        true => machine.exists(&manifest.with_file_name("").join(library)),
        false => libraries.has(machine, library),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Os;
    use crate::machine::fake::Fake;

    fn find(machine: &Fake) -> State {
        driver(machine, &Libraries::of(machine))
    }

    fn manifest(library: &str) -> String {
        format!(r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}"}}}}"#)
    }

    fn missing() -> State {
        State::Missing("no driver that can be loaded".into())
    }

    #[test]
    fn a_manifest_counts_only_with_its_library() {
        let absolute = || {
            let text = manifest("/usr/lib/libvulkan_lvp.so");
            Fake::new(Os::Linux).with_file("/usr/share/vulkan/icd.d/lvp.json", &text)
        };
        assert_eq!(find(&Fake::new(Os::Linux)), missing());
        assert_eq!(find(&absolute()), missing());
        assert_eq!(find(&absolute().with_file("/usr/lib/libvulkan_lvp.so", "")), State::Present);
    }

    #[test]
    fn relative_paths_and_plain_names_are_found() {
        let file = "/etc/vulkan/icd.d/a.json";
        let relative = Fake::new(Os::Linux).with_file(file, &manifest("./lib/gpu.so"));
        assert_eq!(find(&relative.with_file("/etc/vulkan/icd.d/lib/gpu.so", "")), State::Present);
        let plain = || Fake::new(Os::Linux).with_file(file, &manifest("libGPU.so.0"));
        assert_eq!(find(&plain()), missing());
        assert_eq!(find(&plain().with_file("/usr/lib/libGPU.so.0", "")), State::Present);
    }

    #[test]
    fn broken_manifests_and_other_files_are_passed_over() {
        let machine = Fake::new(Os::Linux)
            .with_file("/usr/share/vulkan/icd.d/a.json", "{ not json")
            .with_file("/usr/share/vulkan/icd.d/b.json", r#"{"ICD": 3}"#)
            .with_file("/usr/share/vulkan/icd.d/c.txt", &manifest("/lib/gpu.so"))
            .with_file("/lib/gpu.so", "");
        assert_eq!(find(&machine), missing());
    }

    #[test]
    fn a_variable_replaces_the_folders_and_no_package_would_mend_it() {
        let machine = Fake::new(Os::Linux)
            .with_file("/usr/share/vulkan/icd.d/lvp.json", &manifest("/lib/lvp.so"))
            .with_file("/lib/lvp.so", "")
            .with_var("VK_ICD_FILENAMES", "/opt/gpu.json:/opt/more");
        let reason = r#"VK_ICD_FILENAMES is set to "/opt/gpu.json:/opt/more", which names no driver: unset or correct it"#;
        assert_eq!(find(&machine), State::Blocked(reason.into()));
        let machine = machine.with_file("/opt/more/b.json", &manifest("/lib/lvp.so"));
        assert_eq!(find(&machine), State::Present);
    }

    #[test]
    fn drivers_may_be_added_and_kept_at_home() {
        let added = Fake::new(Os::Linux).with_var("VK_ADD_DRIVER_FILES", "/opt/gpu.json");
        let added = added.with_file("/opt/gpu.json", &manifest("gpu.so")).with_file("/opt/gpu.so", "");
        assert_eq!(find(&added), missing(), "a plain name is not relative to its manifest");
        let home = Fake::new(Os::Linux).with_var("HOME", "/home/ada");
        let home = home
            .with_file("/home/ada/.local/share/vulkan/icd.d/gpu.json", &manifest("/opt/gpu.so"))
            .with_file("/opt/gpu.so", "");
        assert_eq!(find(&home), State::Present);
    }
}
