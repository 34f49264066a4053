use super::*;
use crate::train::event::StepReport;

fn about_a_run() -> About {
    let settings = Settings::default();
    About { settings, preset: None, name: String::new(), version: "1".into(), device: "CPU".into() }
}

fn step(step: usize) -> Event {
    Event::Step(StepReport { step, loss: 2.5, norm: 0.1, rate: 1e-3, tokens: 64, seconds: 0.25 })
}

#[test]
fn a_folder_holds_one_run_and_forgets_what_is_behind_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunFolder::create(&path, about_a_run()).unwrap();
    (1..=12).for_each(|at| run.write(&step(at)).unwrap());
    let error = RunFolder::go_on(&path, 10).unwrap_err().to_string();
    assert!(error.contains("another process trains"), "{error}");
    drop(run);
    let error = RunFolder::create(&path, about_a_run()).unwrap_err().to_string();
    assert!(error.contains("--resume"), "{error}");
    let run = RunFolder::go_on(&path, 10).unwrap();
    assert_eq!(run.about(), &about_a_run());
    run.write(&step(11)).unwrap();
    let rows = table(&path, Table::Steps).unwrap();
    let steps: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(steps, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
    assert_eq!(rows[10], ["11", "2.5", "0.1", "0.001", "64", "0.2500"]);
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("diary.txt"), "dear").unwrap();
    let error = RunFolder::create(folder.path(), about_a_run()).unwrap_err().to_string();
    assert!(error.contains("a new or an empty folder"), "{error}");
    let error = about(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expected the folder of a training run"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
