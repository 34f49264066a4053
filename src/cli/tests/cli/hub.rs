//! `rankscope models pull ORG/NAME` against a hub on this machine.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::hub_server::HubServer;
use crate::support::{Home, error_of, is_clean, text_of, tiny};

const PULL: [&str; 3] = ["models", "pull", "lab/tiny"];
const WEIGHTS: &str = "model.safetensors";

fn command(home: &Home, address: &str, args: &[&str]) -> Command {
    let mut command = home.online(args);
    command.env("HF_ENDPOINT", address).env("HF_HOME", home.path("hf"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn pull(home: &Home, server: &HubServer) -> Output {
    command(home, server.address(), &PULL).output().unwrap()
}

fn spawn(home: &Home, server: &HubServer) -> Child {
    command(home, server.address(), &PULL).spawn().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn files(home: &Home, model: &str) -> Vec<String> {
    let files = fs::read_dir(home.path("models").join(model)).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

/// The names that `models list` shows as installed.
fn installed(home: &Home) -> Vec<String> {
    let list = home.json(&["models", "list", "--json"]);
    let list = list.as_array().unwrap().iter().filter(|entry| entry["origin"] == "installed");
    list.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pull_brings_what_is_needed_and_says_where_from() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    server.put("pytorch_model.bin", b"pickle");
    server.put(
        "tokenizer.json",
        br#"{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#,
    );
    let output = pull(&home, &server);
    assert!(output.status.success(), "{}", said(&output));
    let folder = home.path("models/lab--tiny");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), text_of(&folder));
    assert_eq!(files(&home, "lab--tiny"), ["SOURCE.json", "config.json", WEIGHTS, "tokenizer.json"]);
    assert!(server.starts("pytorch_model.bin").is_empty());
    let source: Value = serde_json::from_slice(&fs::read(folder.join("SOURCE.json")).unwrap()).unwrap();
    let expected = serde_json::json!({"repository": "lab/tiny", "revision": "c0ffee5", "licence": "mit"});
    assert_eq!(source, expected);
    let by_either = ["lab/tiny", "lab--tiny"]
        .map(|name| home.stdout(&["rank", "--model", name, "--ids", "1,2,3", "--csv"]));
    assert_eq!(by_either[0], by_either[1]);
    assert!(said(&pull(&home, &server)).contains("already here"));
    assert_eq!(server.starts(WEIGHTS), [0]);
    assert!(is_clean(&home));
}

#[test]
fn a_sharded_repository_comes_whole_under_the_name_asked_for() {
    let home = Home::new();
    let source = home.path("parts");
    fs::create_dir(&source).unwrap();
    fs::copy(tiny("llama").join("config.json"), source.join("config.json")).unwrap();
    let bytes = fs::read(tiny("llama").join(WEIGHTS)).unwrap();
    let whole = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for (number, file) in ["one.safetensors", "two.safetensors"].into_iter().enumerate() {
        let mine = whole.tensors().into_iter().enumerate().filter(|(at, _)| at % 2 == number);
        let views: Vec<_> = mine.map(|(_, view)| view).collect();
        map.extend(views.iter().map(|(name, _)| (name.clone(), file.into())));
        fs::write(source.join(file), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    let index = |map: &serde_json::Map<_, _>| serde_json::json!({"weight_map": map}).to_string();
    fs::write(source.join("model.safetensors.index.json"), index(&map)).unwrap();
    let server = HubServer::of(&source);
    let named = [&PULL[..], &["--name", "short"]].concat();
    let output = command(&home, server.address(), &named).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let expected =
        ["SOURCE.json", "config.json", "model.safetensors.index.json", "one.safetensors", "two.safetensors"];
    assert_eq!(files(&home, "short"), expected);
    home.stdout(&["rank", "--model", "short", "--ids", "1,2,3"]);
    map.insert("trick".to_owned(), "../../../outside.safetensors".into());
    server.put("model.safetensors.index.json", index(&map).as_bytes());
    let said = error_of(&PULL, &pull(&home, &server), 1);
    assert!(said.contains("tensor trick is mapped to \"../../../outside.safetensors\""), "{said}");
    assert_eq!(installed(&home), ["short"]);
}

#[test]
fn killed_in_the_middle_it_shows_nothing_and_goes_on_where_it_stopped() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    server.slow(true);
    let mut child = spawn(&home, &server);
    server.wait_for(40_000);
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(installed(&home).is_empty());
    assert!(home.error(&["rank", "--model", "lab/tiny", "--ids", "1"]).contains("no model or folder"));
    server.slow(false);
    let output = pull(&home, &server);
    assert!(output.status.success(), "{}", said(&output));
    let starts = server.starts(WEIGHTS);
    assert!(starts.len() == 2 && starts[0] == 0 && starts[1] > 10_000, "{starts:?}");
    assert_eq!(server.starts("config.json"), [0]);
    let same = |file: &str| {
        fs::read(home.path("models/lab--tiny").join(file)).unwrap()
            == fs::read(tiny("llama").join(file)).unwrap()
    };
    assert!(same(WEIGHTS) && same("config.json"));
    assert!(is_clean(&home));
}

#[test]
fn a_part_that_only_lacked_its_name_is_fetched_anew() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    let downloads = home.path("models/.rankscope/downloads/lab--tiny");
    fs::create_dir_all(&downloads).unwrap();
    fs::copy(tiny("llama").join(WEIGHTS), downloads.join(format!("{}.part", server.id(WEIGHTS)))).unwrap();
    let output = pull(&home, &server);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(server.starts(WEIGHTS), [0]);
}

#[test]
fn a_file_with_another_checksum_is_not_installed_and_not_kept() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("bert")));
    server.corrupt(true); // the configuration is not in LFS, so only its content shows that it is corrupt
    let spoilt = error_of(&PULL, &pull(&home, &server), 1);
    assert!(spoilt.contains("config.json: not a JSON object"), "{spoilt}");
    server.corrupt(false);
    let downloads = home.path("models/.rankscope/downloads/lab--tiny");
    fs::create_dir_all(&downloads).unwrap();
    fs::write(downloads.join(format!("{}.part", server.id(WEIGHTS))), [7; 999]).unwrap();
    let said = error_of(&PULL, &pull(&home, &server), 1);
    let expected = format!("expected {}; nothing was installed", server.id(WEIGHTS));
    assert!(said.contains("sha256 is") && said.ends_with(&expected), "{said}");
    assert!(pull(&home, &server).status.success());
    assert_eq!(installed(&home), ["lab--tiny"]);
}

#[test]
fn two_pulls_at_once_fetch_once_and_the_second_waits() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    server.slow(true);
    let first = spawn(&home, &server);
    server.wait_for(10_000);
    let second = spawn(&home, &server);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(installed(&home).is_empty());
    server.slow(false);
    let outputs = [first, second].map(|child| child.wait_with_output().unwrap());
    assert!(outputs.iter().all(|output| output.status.success()), "{outputs:?}");
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    let waiting = "waiting for another process that is installing or removing lab--tiny";
    assert!(said(&outputs[1]).contains(waiting) && !said(&outputs[0]).contains(waiting), "{outputs:?}");
    assert_eq!(server.starts(WEIGHTS), [0]);
    assert!(is_clean(&home));
}

#[test]
fn an_interrupted_pull_ends_at_once_and_keeps_its_part() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    server.slow(true);
    let child = spawn(&home, &server);
    server.wait_for(30_000);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(error_of(&PULL, &child.wait_with_output().unwrap(), 130), "cancelled");
    server.slow(false);
    assert!(pull(&home, &server).status.success());
    assert!(server.starts(WEIGHTS)[1] > 10_000);
}

#[test]
fn what_cannot_be_fetched_is_named_with_what_to_do_instead() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    let error = |address: &str, name: &str| {
        let args = ["models", "pull", name];
        error_of(&args, &command(&home, address, &args).output().unwrap(), 1)
    };
    let unreachable = error("http://127.0.0.1:9", "lab/tiny");
    assert!(unreachable.contains("lab/tiny") && unreachable.contains("cannot be reached"), "{unreachable}");
    assert!(unreachable.contains("rankscope models add PATH"), "{unreachable}");
    let unknown = error(server.address(), "lab/nonesuch");
    assert!(unknown.contains("\"lab/nonesuch\"") && unknown.contains("404"), "{unknown}");
    for odd in ["lab/../tiny", "/tiny", "lab/", "a/b/c", "https://hub/a"] {
        assert!(error(server.address(), odd).contains("to pull: minilm-l6, or ORG/NAME"), "{odd}");
    }
    server.put("config.json", br#"{"model_type": "mamba"}"#);
    let family = error(server.address(), "lab/tiny");
    assert!(family.contains("model_type is \"mamba\", expected one of openai-gpt, gpt2, bert"), "{family}");
    assert!(server.starts(WEIGHTS).is_empty() && installed(&home).is_empty());
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let (home, server) = (Home::new(), HubServer::of(&tiny("llama")));
    home.stdout(&["models", "add", text_of(&tiny("bert")), "--name", "before"]);
    // No file may grow past 20 KiB: the kernel refuses the write, as it does on a full disk.
    let limited = |args: &[&str]| {
        let shell = command(&home, server.address(), args);
        let script = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
        let program = shell.get_program().to_owned();
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(program).args(args).current_dir(home.folder.path());
        for (key, value) in shell.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command.output().unwrap()
    };
    let folder = tiny("llama");
    for args in [&PULL[..], &["models", "add", text_of(&folder), "--name", "after"]] {
        let said = error_of(args, &limited(args), 1);
        assert!(said.contains("File too large") && said.contains("models/.rankscope"), "{said}");
        assert_eq!(installed(&home), ["before"]);
        assert!(is_clean(&home));
    }
    assert!(pull(&home, &server).status.success());
}

#[test]
fn two_adds_of_one_name_install_one() {
    let home = Home::new();
    let (bert, llama) = (tiny("bert"), tiny("llama"));
    for round in 0..5 {
        let name = format!("m{round}");
        let add =
            |from| command(&home, "", &["models", "add", text_of(from), "--name", &name]).spawn().unwrap();
        let outputs = [add(&bert), add(&llama)].map(|child| child.wait_with_output().unwrap());
        let (done, refused): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.status.success());
        assert_eq!((done.len(), refused.len()), (1, 1), "{outputs:?}");
        assert!(said(refused[0]).contains("already installed"), "{outputs:?}");
        home.stdout(&["rank", "--model", &name, "--ids", "1,2,3"]);
    }
    assert!(is_clean(&home));
}
