use super::*;
use crate::error::Error;

/// Settings of a very short run.
fn quick(objective: &str, seed: u64) -> Settings {
    let mut settings = Settings { family: "decllm".into(), seed, ..Settings::default() };
    let changes = "data=copy(items=3),length=8,layers=1,width=16,heads=2,feed_forward=32,batch=2,steps=2,warmup=1,\
                   evaluate_every=1,evaluation_batches=1";
    settings.set_all(changes).unwrap();
    settings.set(&format!("objective={objective}")).unwrap();
    settings
}

fn courses() -> Vec<Course> {
    let two = Course::of(quick("causal-lm", 1)).then(quick("outputs", 1));
    vec![Course::of(quick("causal-lm", 0)), Course::of(quick("outputs", 1)), two]
}

fn folder_of(kept: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_second_run_goes_on_from_the_weights_of_the_first() {
    let run = Run::default();
    let [first, second] = <[Outcome; 2]>::try_from(courses()[2].train(&Device::Cpu, &run).unwrap()).unwrap();
    let alone = courses()[1].train(&Device::Cpu, &run).unwrap().remove(0);
    assert_eq!(first, Trainer::outcome(&quick("causal-lm", 1), &Device::Cpu, &run).unwrap());
    assert_ne!(second.curve[0], alone.curve[0], "the weights before the first step are others");
    let mut resumed = Trainer::new(quick("causal-lm", 1), &Device::Cpu).unwrap();
    resumed.history(&run).unwrap();
    let folder = tempfile::tempdir().unwrap();
    resumed.save(&folder.path().join("m")).unwrap();
    let settings = Settings { from: Some(folder.path().join("m")), ..quick("outputs", 1) };
    assert_eq!(second, Trainer::outcome(&settings, &Device::Cpu, &run).unwrap());
}

#[test]
fn what_is_kept_is_not_trained_again_and_parts_together_are_the_whole() {
    let (all, device, run) = (courses(), Device::Cpu, Run::default());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut whole = Kept::default().in_folder(&path("whole")).unwrap();
    whole.complete(&all, &device, &run).unwrap();
    assert_eq!((whole.count(), folder_of(&path("whole")).len()), (3, 3));
    // The outcomes are read back to the last digit, and nothing is trained, since a cancelled run
    // cannot train.
    let mut again = Kept::default().in_folder(&path("whole")).unwrap();
    assert_eq!(again, whole);
    let stopped = Run::default();
    stopped.cancel_flag().cancel();
    assert!(matches!(Kept::default().complete(&all, &device, &stopped), Err(Error::Cancelled)));
    again.complete(&all, &device, &run).unwrap();
    assert_eq!(again, whole);
    for (name, part) in [("a", &all[..1]), ("b", &all[1..])] {
        Kept::default().in_folder(&path(name)).unwrap().complete(part, &device, &run).unwrap();
    }
    Kept::merge(&[path("b"), path("a")], &path("merged")).unwrap();
    Kept::merge(&[path("whole")], &path("one")).unwrap();
    let bytes = |name: &str| fs::read(path(name).join(MERGED)).unwrap();
    assert_eq!(bytes("merged"), bytes("one"));
    let merged = Kept::default().in_folder(&path("merged")).unwrap();
    assert_eq!(merged.courses, whole.courses);
    let expected = whole.find(&all[2], &device).unwrap().unwrap();
    assert_eq!(merged.find(&all[2], &device).unwrap().unwrap(), expected);
    assert_eq!(merged.find(&Course::of(quick("outputs", 7)), &device).unwrap(), None);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let course = &courses()[0];
    for (path, loss) in [(&one, 1.0), (&other, 2.0)] {
        let outcome = Outcome { metrics: [("loss".to_owned(), loss)].into(), ..Outcome::default() };
        let mut kept = Kept::default().in_folder(path).unwrap();
        kept.add(course, &Device::Cpu, vec![outcome]).unwrap();
    }
    let refused = Kept::merge(&[one.clone(), other], &folder.path().join("m")).unwrap_err().to_string();
    assert!(refused.contains("there twice with different numbers"), "{refused}");
    // The file has another run under this run's hash.
    let path = one.join(format!("{}.json", course.hash(&Device::Cpu)));
    let text = fs::read_to_string(&path).unwrap().replace("\"items=3\"", "").replace("copy", "sort");
    fs::write(&path, text).unwrap();
    let kept = Kept::default().in_folder(&one).unwrap();
    assert!(kept.find(course, &Device::Cpu).unwrap_err().to_string().contains("kept with other settings"));
    fs::write(&path, "[]").unwrap();
    assert!(Kept::default().in_folder(&one).unwrap_err().to_string().contains("no results of runs"));
    let hashes: Vec<String> = courses().iter().map(|course| course.hash(&Device::Cpu)).collect();
    assert!(hashes.iter().all(|hash| hash.len() == 16) && hashes[0] != hashes[1] && hashes[1] != hashes[2]);
}
