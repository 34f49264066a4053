//! Files that are kept between pulls, processes that wait for each other, and models of several
//! files.

use super::*;

#[test]
fn what_an_unfinished_pull_left_can_be_removed() {
    let (_root, store) = store();
    fs::create_dir_all(store.workshop().join("downloads/small/blobs")).unwrap();
    assert!(store.list().unwrap().iter().all(|entry| entry.origin == Origin::Available));
    store.remove("small", &Run::default()).unwrap();
    assert!(left_in(&store).is_empty());
    assert!(message(store.remove("small", &Run::default())).contains("not installed"));
}

#[test]
fn a_held_model_makes_others_wait_and_a_dead_ones_folder_is_swept() {
    let (_root, store) = store();
    let (alive, dead) =
        (store.hold("alive", &Run::default()).unwrap(), store.workshop().join("incoming/dead"));
    alive.incoming("model").unwrap();
    fs::create_dir_all(&dead).unwrap();
    fs::write(store.workshop().join("locks/dead"), "").unwrap();
    let stages = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let base = Run::default();
    let (cancel, seen) = (base.cancel_flag(), stages.clone());
    let run = base.with_progress(move |progress| {
        seen.lock().unwrap().push(progress.stage);
        cancel.cancel();
    });
    assert_eq!(message(store.add(&tiny("bert"), Some("alive"), &run)), "cancelled");
    assert_eq!(*stages.lock().unwrap(), ["waiting for another process that is installing or removing alive"]);
    store.add(&tiny("bert"), Some("other"), &Run::default()).unwrap();
    assert_eq!(left_in(&store), ["other", "alive"]);
    drop(alive);
    store.add(&tiny("bert"), Some("alive"), &Run::default()).unwrap();
    assert!(!dead.exists());
}

#[test]
fn a_sharded_model_is_added_with_all_its_files() {
    let (root, store) = store();
    let source = root.path().join("parts");
    fs::create_dir(&source).unwrap();
    fs::copy(tiny("llama").join("config.json"), source.join("config.json")).unwrap();
    assert!(message(store.add(&source, None, &Run::default())).contains("no model.safetensors there"));
    let bytes = fs::read(tiny("llama").join("model.safetensors")).unwrap();
    let whole = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let file = |name: &str| if name.starts_with("lm_head") { "b.safetensors" } else { "a.safetensors" };
    for part in ["a.safetensors", "b.safetensors"] {
        let views: Vec<_> = whole.tensors().into_iter().filter(|(name, _)| file(name) == part).collect();
        fs::write(source.join(part), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    let map: serde_json::Map<_, _> =
        whole.names().iter().map(|name| (name.to_string(), file(name).into())).collect();
    let index = serde_json::json!({"weight_map": map});
    fs::write(source.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::write(source.join("optimizer.safetensors"), "not of the model").unwrap();
    let path = store.add(&source, None, &Run::default()).unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 4);
    let entry = store.list().unwrap().remove(0);
    assert_eq!((entry.parameters, entry.note), (Some(29430), None));
    crate::model::load(&store.find("parts").unwrap(), &crate::Device::Cpu).unwrap();
}
