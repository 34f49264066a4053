use super::*;
use crate::device::Device;
use crate::recorded::Recorded;
use crate::run::Run;
use crate::train::event::StepReport;
use crate::train::{History, Trainer};

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

/// The events of a run are read back from its folder to the last bit, except seconds; and a run that continues from a
/// checkpoint drops later events.
#[test]
fn a_run_is_read_back_as_it_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut settings =
        Settings { data: "reverse(items=3)".into(), objective: "outputs".into(), ..Settings::default() };
    settings.set_all("length=8,layers=2,width=16,heads=2,batch=2,steps=6,warmup=2").unwrap();
    (settings.evaluate_every, settings.record_every, settings.evaluation_batches) = (3, 2, 1);
    let mut trainer = Trainer::new(settings.clone(), &Device::Cpu).unwrap();
    let run = RunFolder::create(&path, About { settings: settings.clone(), ..about_a_run() }).unwrap();
    let (mut told, mut pictures) = (History::new(settings), Vec::new());
    let watch = &mut |event: &Event| {
        told.keep(event);
        if let Event::Attention { step, tokens, layers } = event {
            pictures.push((*step, Frame { tokens: tokens.clone(), layers: layers.clone() }));
        }
        run.write(event)
    };
    trainer.train(None, &Run::default(), watch).unwrap();
    let mut read = history(&path).unwrap();
    for (read, told) in read.steps.iter_mut().zip(&told.steps) {
        assert!((read.seconds - told.seconds).abs() < 1e-4);
        read.seconds = told.seconds;
    }
    assert_eq!(read, told);
    let files = movie(&path).unwrap();
    let found = files.iter().map(|(step, file)| (*step, Frame::open(file).unwrap())).collect::<Vec<_>>();
    assert_eq!(found, pictures);
    let (steps, first): (Vec<_>, _) = (found.iter().map(|(step, _)| *step).collect(), &found[0].1);
    assert_eq!(steps, [0, 2, 4, 6]);
    assert_eq!((first.tokens.len(), first.layers[1].weights.dim()), (6, (2, 6, 6)));
    assert!(first.layers[0].weights.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6));
    let mask = first.layers[0].mask.as_ref().expect("the mask is known");
    let is_masked =
        |((_, t, s), &weight): ((usize, usize, usize), &f32)| (weight == 0.0) != mask.may_attend(t, s);
    assert!(first.layers[0].weights.indexed_iter().all(is_masked), "{mask}");
    // The frames are files of recorded attention like any other.
    let recorded = Recorded::open(&files[3].1, None, None).unwrap();
    assert_eq!((recorded.layers(), recorded.labels(0).keys), (2, Some(first.tokens.clone())));

    run.fail(&Error::invalid("learning rate", "too large", "a smaller one")).unwrap();
    assert_eq!(failure(&path).unwrap().unwrap(), "learning rate is too large, expected a smaller one");
    drop(run);
    drop(RunFolder::go_on(&path, 3).unwrap());
    let read = history(&path).unwrap();
    assert_eq!((read.steps.len(), read.ranks.len(), movie(&path).unwrap().len()), (3, 2, 2));
    assert_eq!(failure(&path).unwrap(), None);
    assert_eq!(read.samples.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn half_a_row_at_the_end_is_left_out_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunFolder::create(&path, about_a_run()).unwrap();
    (1..=3).for_each(|at| run.write(&step(at)).unwrap());
    run.append(STEPS, "4,2.").unwrap();
    assert_eq!(history(&path).unwrap().steps.len(), 3);
    run.append(STEPS, "\n5,2.5,0.1,0.001,64,0.25\n").unwrap();
    let error = history(&path).unwrap_err().to_string();
    assert!(error.contains("steps.csv: row 4 is damaged"), "{error}");
}
