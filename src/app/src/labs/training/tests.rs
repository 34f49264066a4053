//! Plans and sentences as plain values; runs in processes of their own.

use rankscope::run::Cancel;
use rankscope::train::folder;
use rankscope::{Device, Error, Run};

use super::figures;
use super::plan::{Beside, FIRST, Plan};
use super::recording::differences;
use super::running::Memory;
use super::sentence::{Choices, Piece, Word, choices, sentence};
use super::state::{Answer, Edit, News, Training};
use crate::lab::{Stamp, State, answered};

fn text(plan: &Plan) -> String {
    let piece = |piece: Piece| match piece {
        Piece::Text(text) => text,
        Piece::Word(_, word) => format!("*{word}*"),
    };
    sentence(plan).into_iter().map(piece).collect::<Vec<_>>().join(" ")
}

fn words(plan: &Plan) -> Vec<(Word, String)> {
    let word = |piece| match piece {
        Piece::Word(word, shown) => Some((word, shown)),
        Piece::Text(_) => None,
    };
    sentence(plan).into_iter().filter_map(word).collect()
}

fn setting(key: &str) -> Word {
    Word::Setting(key.to_owned())
}

/// A plan that takes a moment: two masks, two seeds.
fn quick() -> Training {
    let mut state = Training::default();
    for (key, value) in
        [("steps", "6"), ("width", "16"), ("heads", "2"), ("batch", "4"), ("feed_forward", "32")]
    {
        state.update(Edit::Set(key.into(), value.into())).unwrap();
    }
    state.update(Edit::Word(Word::Option("items".into()), "3".into())).unwrap();
    state.update(Edit::Word(Word::Seeds, "2".into())).unwrap();
    for (key, value) in [("evaluate_every", "3"), ("record_every", "3"), ("evaluation_batches", "1")] {
        state.update(Edit::Set(key.into(), value.into())).unwrap();
    }
    state.check().unwrap();
    state
}

fn memory(folder: &tempfile::TempDir) -> Memory {
    Memory::new(Device::Cpu, Ok(folder.path().to_owned()))
}

#[test]
fn a_plan_reads_as_a_sentence() {
    let plan = Plan::default();
    assert_eq!(
        text(&plan),
        "Learn the task *reverse* with *8* items, *10* symbols by the objective *outputs* with a model of *2* layers in \
         the style of *decllm* with *4* heads and width *64* under the mask *causal* beside one whose *mask* is \
         *prefix(given)* for *400* steps with *3* seeds each. Compare *loss* at the end; the smallest difference \
         that matters is *0.02*"
    );
    let alone = Plan::of("english-bert").unwrap();
    let alone = text(&alone);
    assert!(alone.starts_with("Learn the text *english* by the objective *masked-lm*"), "{alone}");
    assert!(alone.contains("beside it *nothing* for *1500* steps with *1* seed."));
    let positions = Plan::of("linear-causal").unwrap();
    assert!(text(&positions).contains("with attention *softmax* beside one whose *attention* is *linear*"));
}

#[test]
fn every_preset_is_sound_and_every_word_of_it_has_choices() {
    for (name, about) in Plan::presets() {
        assert!(!about.is_empty());
        let plan = Plan::of(name).unwrap();
        plan.check().unwrap_or_else(|problem| panic!("{name}: {problem}"));
        for (word, shown) in words(&plan) {
            match choices(&plan, &word) {
                Choices::Number(low, high) => {
                    let value: usize = shown.parse().unwrap();
                    assert!((low..=high).contains(&value), "{name}: {word:?} {shown}");
                }
                Choices::Real => assert!(shown.parse::<f64>().unwrap() > 0.0),
                Choices::Words(words) => assert!(words.len() > 1, "{name}: {word:?}"),
            }
        }
    }
    assert!(Plan::of("nonsense").unwrap_err().contains(FIRST));
}

#[test]
fn every_choice_of_every_word_is_taken_or_refused_in_a_sentence() {
    let mut taken = 0;
    for (word, shown) in words(&Plan::default()) {
        let values = match choices(&Plan::default(), &word) {
            Choices::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            Choices::Number(low, high) => vec![low.to_string(), high.to_string()],
            Choices::Real => vec!["0.5".to_owned()],
        };
        for value in values.into_iter().chain(["?!".to_owned()]) {
            let mut state = Training { is_going: true, step: Some(3), ..Training::default() };
            let is_new = value != shown;
            match state.update(Edit::Word(word.clone(), value.clone())).and_then(|()| state.check()) {
                Ok(()) => {
                    taken += 1;
                    let is_changed = state.plan != Plan::default();
                    assert_eq!(is_changed, is_new, "{word:?} {value}");
                    assert_eq!((state.is_going, state.step.is_some()), (!is_changed, !is_changed));
                }
                Err(problem) => {
                    let is_said = problem.contains("expected") || problem.contains("twice");
                    assert!(is_said, "{word:?} {value}: {problem}");
                }
            }
        }
    }
    assert!(taken > 40, "{taken}");
}

#[test]
fn a_task_gets_the_length_and_the_objective_that_it_needs() {
    let mut state = Training::default();
    state.update(Edit::Word(Word::Option("items".into()), "11".into())).unwrap();
    let settings = &state.plan.settings;
    assert_eq!((settings.data.as_str(), settings.length), ("reverse(items=11, symbols=10)", 23));
    state.update(Edit::Word(Word::Data, "english".into())).unwrap();
    assert_eq!((state.plan.settings.objective.as_str(), state.plan.settings.length), ("causal-lm", 64));
    state.update(Edit::Word(Word::Data, "sort".into())).unwrap();
    assert_eq!((state.plan.settings.objective.as_str(), state.plan.settings.length), ("outputs", 17));
    state.update(Edit::Word(setting("steps"), "40".into())).unwrap();
    assert_eq!((state.plan.settings.record_every, state.plan.settings.warmup), (2, 10));
}

#[test]
fn runs_differ_in_one_setting_and_keep_their_folder_in_other_plans() {
    let plan = Plan::default();
    let runs = plan.runs().unwrap();
    let folders: std::collections::BTreeSet<_> =
        runs.iter().map(|(_, settings)| plan.folder(settings)).collect();
    assert_eq!((runs.len(), folders.len()), (6, 6));
    let alone = Plan { beside: None, seeds: 1, ..plan.clone() };
    assert_eq!(alone.folder(&alone.runs().unwrap()[0].1), plan.folder(&runs[0].1));
    let again = Plan { take: 2, ..plan.clone() };
    assert_ne!(again.folder(&runs[0].1), plan.folder(&runs[0].1));
    let mut state = Training::default();
    state.update(Edit::More).unwrap();
    state.check().unwrap();
    assert_eq!(state.names(), ["causal", "prefix(given)", "bidirectional"]);
    state.update(Edit::Word(Word::Key, "layers".into())).unwrap();
    state.update(Edit::More).unwrap();
    state.check().unwrap();
    assert_eq!(state.names(), ["layers 2", "layers 4", "layers 8"]);
    state.update(Edit::Fewer).unwrap();
    state.update(Edit::Fewer).unwrap();
    assert_eq!((state.plan.beside.clone(), state.update(Edit::More).is_err()), (None, true));
    for (metric, part) in [("loss_at_256", "metric is"), ("foo", "metric is")] {
        let beside = Beside { metric: metric.into(), ..plan.beside.clone().unwrap() };
        let wrong = Plan { beside: Some(beside), ..plan.clone() };
        assert!(wrong.check().unwrap_err().contains(part));
    }
}

#[test]
fn a_state_is_saved_without_its_training_under_way() {
    let state = Training { is_going: true, step: Some(40), head: 3, ..quick() };
    let saved = serde_json::to_value(&state).unwrap();
    let read: Training = serde_json::from_value(saved).unwrap();
    assert_eq!(read, Training { is_going: false, ..state });
    let wrong = Training { metric: "rank".into(), ..Training::default() };
    assert!(wrong.check().unwrap_err().contains("effective_rank"));
    let wrong = Training { curve: "rank".into(), ..Training::default() };
    assert!(wrong.check().unwrap_err().contains("accuracy"));
}

/// Trained in processes of their own: every run, its movie, the difference; a second look reads them from the disk.
#[test]
fn twins_are_trained_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let state = Training { is_going: true, ..quick() };
    let answer = answered(&state, &mut memory(&folder)).unwrap();
    let runs = answer.runs.get().unwrap();
    assert_eq!(runs.iter().map(|run| run.step()).collect::<Vec<_>>(), [6; 4]);
    assert!(runs.iter().all(|run| run.is_over() && run.failure.is_none()));
    let frames: Vec<Vec<usize>> =
        runs.iter().map(|run| run.frames.iter().map(|frame| frame.step).collect()).collect();
    assert_eq!(frames, [vec![0, 3, 6], vec![0, 3, 6], vec![], vec![]]);
    let frame = runs[0].frame(Some(5)).unwrap();
    assert_eq!((frame.step, frame.layers.len(), frame.tokens.len()), (3, 2, 6));
    let (matrix, report) = state.head_in(frame).unwrap();
    assert!(matrix.values.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6));
    assert!(matrix.values[(0, 5)] == 0.0 && report.numerical_rank_f32 == 6, "causal, and of full rank");

    let found = differences(runs, 1, "loss");
    let losses = |at: usize| runs[at].history.evaluations.last().unwrap().1.loss;
    let last = found.last().unwrap();
    assert_eq!(last.step, 6);
    assert_eq!(last.values, [losses(1) - losses(0), losses(3) - losses(2)]);
    assert!(last.paired.is_some() && last.values.iter().all(|value| *value != 0.0));
    for figure in [figures::losses(&state, runs), figures::heads(&state, runs), figures::paired(&state, runs)]
    {
        rankscope::figure::Figure::to_svg(&figure, rankscope::figure::style::Theme::Dark).unwrap();
    }
    let exports = state.exports(&answer, &serde_json::json!({}));
    let panels: Vec<&str> = exports.iter().map(|export| export.panel).collect();
    assert_eq!(panels, ["loss", "heads", "twins", "head", "head"]);
    for export in exports {
        export.figure.unwrap().to_svg(rankscope::figure::style::Theme::Light).unwrap();
    }

    let again = answered(&Training { is_going: false, ..state }, &mut memory(&folder)).unwrap();
    assert_eq!(again.runs.get().unwrap()[3].history, runs[3].history);
}

/// A cancelled process writes its checkpoint, and the run continues from there.
#[test]
fn a_paused_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = Training { is_going: true, ..quick() };
    state.plan.beside = None;
    state.plan.seeds = 1;
    // Far more than a fast machine makes between two looks at the folder.
    state.plan.settings.steps = 4000;
    (state.plan.settings.evaluate_every, state.plan.settings.record_every) = (2000, 2000);
    let mut memory = memory(&folder);
    let cancel = Cancel::default();
    let run = Run::default().with_cancel(cancel.clone());
    let mut answer = Answer::default();
    let ended = state.compute(&mut memory, &run, &mut |news| {
        if let News::Run(_, run) = &news
            && run.step() > 20
        {
            cancel.cancel();
        }
        Training::take(&mut answer, news, Stamp::default());
    });
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    let paused = answered(&Training { is_going: false, ..state.clone() }, &mut memory).unwrap();
    let run = paused.runs.get().unwrap()[0].clone();
    assert!((20..4000).contains(&run.step()), "{}", run.step());
    assert!(run.folder.as_ref().unwrap().join("checkpoint").is_dir());
    let done = answered(&state, &mut memory).unwrap();
    let run = &done.runs.get().unwrap()[0];
    let steps: Vec<usize> = run.history.steps.iter().map(|report| report.step).collect();
    assert_eq!(steps, (1..=4000).collect::<Vec<_>>());
    assert_eq!(state.loses(&done), None);
    assert!(state.loses(&paused).unwrap().contains("of 4000"));
}

/// A rate that is far too large: the step at which it broke is kept, and the other runs go on.
#[test]
fn a_training_that_breaks_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = Training { is_going: true, ..quick() };
    state.plan.settings.set("warmup=0").unwrap();
    state.plan.seeds = 1;
    state.plan.beside =
        Some(Beside { key: "rate".into(), values: vec!["1e9".into()], metric: "loss".into(), smallest: 0.1 });
    let answer = answered(&state, &mut memory(&folder)).unwrap();
    let runs = answer.runs.get().unwrap();
    let [sound, broken] = &runs[..] else { panic!("{}", runs.len()) };
    assert!(sound.failure.is_none() && sound.step() == 6);
    let failure = broken.failure.as_ref().unwrap();
    let step = broken.step() + 1;
    assert!(failure.contains(&format!("at step {step}")), "{failure}");
    assert!(broken.is_over() && step < 6);
    let reference = &figures::losses(&state, runs).references[0];
    assert_eq!(reference.name(), format!("rate 1e9, seed 0 broke at step {step}"));
    assert_eq!(folder::failure(broken.folder.as_ref().unwrap()).unwrap().as_ref(), Some(failure));
}

#[test]
fn what_cannot_be_trained_is_said_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = Training { is_going: true, ..quick() };
    state.plan.settings.set("heads=3").unwrap();
    let answer = answered(&state, &mut memory(&folder)).unwrap();
    let problem = answer.models.get().unwrap().as_ref().unwrap_err();
    assert!(problem.contains("head"), "{problem}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The lab opens with runs that come with the program: those of its first plan, at their end.
#[test]
fn the_first_plan_is_trained_already() {
    let folder = tempfile::tempdir().unwrap();
    let state = Training::default();
    let answer = answered(&state, &mut memory(&folder)).unwrap();
    let runs = answer.runs.get().unwrap();
    let is_done = runs.iter().all(|run| run.step() == 400 && run.failure.is_none());
    assert!(is_done, "assets/runs/README.md says how to make them");
    assert_eq!(runs.iter().map(|run| run.frames.len()).collect::<Vec<_>>(), [21, 21, 0, 0, 0, 0]);
    let masked = |run: usize| runs[run].frames[0].layers[0].heads[0].0.clone();
    assert_eq!([0, 1].map(|run| masked(run).is_there((0, 8))), [false, true]);
    assert_eq!([0, 1].map(|run| masked(run).is_there((0, 9))), [false, false]);
    let last = differences(runs, 1, "loss").pop().unwrap();
    let is_easier = last.values.iter().all(|value| *value < 0.0);
    assert!(is_easier, "a prefix read in both directions is easier to reverse");
    let verdict = last.paired.unwrap().verdict(0.02).unwrap();
    assert_eq!(verdict, rankscope::train::twin::Verdict::NotResolved, "three seeds are too few to be sure");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
