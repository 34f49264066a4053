//! Verdicts of claims from invented results, and from very short runs.

use std::path::Path;

use super::super::{RunsAt, find};
use super::*;
use crate::claim::Effort;
use crate::train::twin::{Outcome as Found, Twin};
use crate::train::{self, Trainer};

/// The quick settings of a claim with three seeds, its runs kept in `folder`.
fn settings(id: &str, folder: &Path) -> Settings {
    let mut settings = Settings::new(find(id).unwrap(), Effort::Quick, Device::Cpu).unwrap();
    settings.set("seeds", "3").unwrap();
    settings.keep_runs(RunsAt { shipped: false, folder: Some(folder.to_owned()) });
    settings
}

/// The ruling and the reason of a claim if the last run of each course has the loss that `world` returns. The part that
/// all runs of a seed share cancels; the rest besides `world` is of the order of 1e-4, or of `noise`.
fn word(id: &str, noise: f64, world: impl Fn(&[train::Settings]) -> f64) -> (&'static str, String) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(id, folder.path());
    let mut kept = Kept::default().in_folder(folder.path()).unwrap();
    for course in runs_of(&settings).unwrap() {
        let stages = course.stages();
        let hash = u64::from_str_radix(&course.hash(&Device::Cpu), 16).unwrap();
        let own = noise * ((hash % 1000) as f64 / 500.0 - 1.0);
        let loss = 1.0 + stages[0].seed as f64 / 10.0 + own + world(stages);
        let metrics = [
            ("loss", loss),
            ("loss_at_128", loss),
            ("loss_at_256", loss),
            ("accuracy", 1.0 - loss / 4.0),
            ("error_over_variance", loss / 4.0),
            ("effective_rank", 30.0 - 10.0 * loss),
        ];
        let found = Found {
            metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(),
            curve: (0..5).map(|at| (100 * at, loss + (4 - at) as f64)).collect(),
            ranks: vec![(0, 9.0 + loss), (400, 30.0 - 10.0 * loss)],
        };
        kept.add(&course, &Device::Cpu, vec![found; stages.len()]).unwrap();
    }
    assert_eq!(missing(&settings).unwrap(), 0);
    let trial = crate::claim::run(find(id).unwrap(), &settings, &Run::default()).unwrap();
    let opinions: Vec<_> = trial.verdict.opinions().collect();
    assert_eq!((opinions.len(), opinions[0].0), (1, "training"), "{id}");
    assert!(trial.evidence.notes().iter().any(|note| note.starts_with("published: ")), "{id}");
    assert!(trial.evidence.illustrations().len() >= 2, "{id}");
    (opinions[0].1, opinions[0].2.to_owned())
}

const SMALL: f64 = 1e-4;

/// `by` where it is so, otherwise 0.
fn when(is_so: bool, by: f64) -> f64 {
    if is_so { by } else { 0.0 }
}

fn both_ways(run: &[train::Settings]) -> bool {
    run[0].mask == "prefix(given)" || run[0].family == "redllm"
}

fn small_heads(run: &[train::Settings]) -> f64 {
    6.0 / run[0].head_size.unwrap() as f64
}

/// Every claim in a world in which it is true, and in others.
#[test]
fn a_verdict_follows_from_what_runs_found() {
    type World = fn(&[train::Settings]) -> f64;
    let depends = "depends on the comparison";
    let worlds: &[(&str, World, &str)] = &[
        ("bidirectional-input", |_| 0.0, "supported"),
        ("bidirectional-input", |run| when(both_ways(run), 0.4), "supported"),
        ("bidirectional-input", |run| when(both_ways(run), -0.4), "contradicted"),
        ("bidirectional-input", |run| when(both_ways(run) && run[0].data.contains("before"), -0.4), depends),
        ("mixed-heads", |run| when(run[0].directions.is_some(), -0.4), "supported"),
        ("mixed-heads", |run| when(run[0].directions.is_some(), 0.4), "contradicted"),
        ("mixed-heads", |_| 0.0, "no difference that matters"),
        ("linear-causal", |run| linear(run, [0.1, 0.5]), "supported"),
        ("linear-causal", |run| linear(run, [0.5, 0.1]), "contradicted"),
        ("linear-causal", |run| linear(run, [0.5, 0.5]), "no difference that matters"),
        ("head-size-in-training", small_heads, "supported"),
        ("head-size-in-training", |_| 0.0, "no difference that matters"),
        ("head-size-in-training", |run| when(run[0].data.contains("mixing"), small_heads(run)), depends),
        ("causal-objective", |run| when(run[0].objective != "causal-lm", 0.4), "supported"),
        ("causal-objective", |run| when(run[0].objective == "causal-lm", 0.4), "contradicted"),
        ("doubled-parameters", |run| stacks(run, [-0.4, 0.0]), "supported"),
        ("doubled-parameters", |run| stacks(run, [-0.4, -0.4]), depends),
        ("doubled-parameters", |run| stacks(run, [0.4, 0.4]), depends),
        ("doubled-parameters", |run| stacks(run, [0.4, -0.4]), "contradicted"),
        ("in-context", |run| when(both_ways(run), 0.4), "supported"),
        ("in-context", |run| when(both_ways(run), -0.4), "contradicted"),
        ("no-positions", |_| 0.0, "supported"),
        ("no-positions", |run| positions(run, &["rotary", "alibi", "relative"]), "contradicted"),
        ("no-positions", |run| positions(run, &["alibi"]), depends),
        // Ranks fall when losses fall: see `word`.
        ("rank-explains", |run| everything(run, 0.4), "supported"),
        ("repeated-data", |run| repeated(run, -0.4, 0.0), "supported"),
        ("repeated-data", |run| repeated(run, 0.4, 0.0), "contradicted"),
        ("repeated-data", |run| repeated(run, -0.4, -0.4), depends),
    ];
    for &(id, world, expected) in worlds {
        let (word, because) = word(id, SMALL, world);
        assert_eq!(word, expected, "{id}: {because}");
        assert!(!because.contains("NaN"), "{id}: {because}");
    }
    for (id, _) in EXPERIMENTS {
        assert!(worlds.iter().any(|world| world.0 == id && world.2 == "supported"), "{id}");
    }
}

/// The additional loss of linear attention, causal and under masked LM.
fn linear(run: &[train::Settings], [causal, masked]: [f64; 2]) -> f64 {
    match (run[0].attention.as_deref(), run[0].objective.as_str()) {
        (Some("linear"), "masked-lm") => masked,
        (Some("linear"), _) => causal,
        _ => 0.0,
    }
}

/// The additional loss of an encoder-decoder, at equal operations and at equal parameters.
fn stacks(run: &[train::Settings], [operations, parameters]: [f64; 2]) -> f64 {
    match (run[0].family.as_str(), run[0].layers_of) {
        ("redllm", train::LayersOf::EachStack) => operations,
        ("redllm", train::LayersOf::BothStacks) => parameters,
        _ => 0.0,
    }
}

fn positions(run: &[train::Settings], ahead: &[&str]) -> f64 {
    when(run[0].positions.as_deref().is_some_and(|kind| ahead.contains(&kind)), -0.4)
}

fn repeated(run: &[train::Settings], little: f64, all: f64) -> f64 {
    match (run[0].objective.as_str(), run[0].data.as_str()) {
        ("masked-lm", "english") => all,
        ("masked-lm", _) => little,
        _ => 0.0,
    }
}

/// Every change of a variant makes it worse, or better, so that rank and loss change together.
fn everything(run: &[train::Settings], by: f64) -> f64 {
    let first = &run[0];
    let is_linear = first.attention.as_deref() == Some("linear");
    // The effect has another size in each kind of run, so that the twins have an order.
    let size = (first.data.len() + first.positions.as_ref().map_or(0, String::len)) as f64;
    when(both_ways(run) || first.directions.is_some() || is_linear, by * size / 10.0)
}

#[test]
fn seeds_that_do_not_agree_resolve_nothing() {
    let (word_of_noise, because) = word("mixed-heads", 0.4, |_| 0.0);
    assert_eq!(word_of_noise, "not resolved", "{because}");
    let (partly, because) = word("mixed-heads", 0.1, |run| match &run[0] {
        run if run.directions.is_none() => 0.0,
        run if run.positions.as_deref() == Some("alibi") => -0.01,
        _ => -2.0,
    });
    assert_eq!(partly, "supported in part", "{because}");
    assert!(because.contains("As the claim says: ") && because.contains("Not told: ALiBi"), "{because}");
}

#[test]
fn two_models_that_guess_say_nothing_of_a_task() {
    let guessing = |run: &[train::Settings]| when(run[0].data.starts_with("reverse"), 1.5);
    let (word, because) = word("bidirectional-input", SMALL, guessing);
    assert_eq!(word, "supported in part");
    assert!(because.contains("Not told: reverse: ") && because.contains("neither is better than guessing"));
}

/// Trains the runs.
fn trained(twin: &Twin) -> train::twin::Comparison {
    let train = |settings: &train::Settings, run: &Run| Trainer::outcome(settings, &Device::Cpu, run);
    twin.run(Share::WHOLE, None, &Run::default(), train).unwrap().comparisons().unwrap().remove(0)
}

/// An encoder without positions has the same output for every order of its input, as if the positions were shuffled
/// each time.
#[test]
fn a_planted_difference_is_found_and_none_is_exactly_0() {
    let mut base = train::Settings::default();
    let changes = "family=bert,data=permutation(items=5),objective=labelling,length=11,layers=1,heads=2,width=16,batch=16,\
                   steps=120,warmup=10,rate=0.01,evaluate_every=120,evaluation_batches=4";
    base.set_all(changes).unwrap();
    let twin = |key: &str, values: [&str; 2]| {
        Twin::vary(&base, key, &values.map(str::to_owned), 3, "accuracy", 0.05).unwrap()
    };
    let planted = trained(&twin("positions", ["learned", "none"]));
    assert_eq!(planted.verdict.to_string(), "smaller", "{}", planted.paired);
    let same = trained(&twin("mask", ["usual", "bidirectional"]));
    assert_eq!(same.paired.differences.values(), [0.0; 3]);
    assert_eq!(same.verdict.to_string(), "no difference above 0.05");
}

#[test]
fn every_experiment_is_a_claim_and_its_runs_can_be_made() {
    let trained: Vec<_> = crate::claim::CLAIMS.iter().filter(|claim| claim.is_trained()).collect();
    assert_eq!(trained.len(), EXPERIMENTS.len());
    for (claim, (id, experiment)) in trained.iter().zip(EXPERIMENTS) {
        assert_eq!(claim.about().id, id);
        assert!(!experiment.published.is_empty(), "{id}");
        for effort in [Effort::Quick, Effort::Full] {
            let settings = Settings::new(claim, effort, Device::Cpu).unwrap();
            let courses = runs_of(&settings).unwrap();
            assert!(!courses.is_empty(), "{id}");
            for settings in courses.iter().flat_map(Course::stages).filter(|settings| settings.seed == 0) {
                Trainer::new(settings.clone(), &Device::Cpu).unwrap_or_else(|error| panic!("{id}: {error}"));
            }
        }
    }
}

#[test]
fn parts_of_claims_together_are_the_whole_and_shared_runs_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let claims = ["mixed-heads", "rank-explains"].map(|id| {
        let mut settings = settings(id, &folder.path().join("whole"));
        for (name, value) in [("seeds", "2"), ("steps", "1"), ("set", TINY)] {
            settings.set(name, value).unwrap();
        }
        settings
    });
    let whole = train(&claims, Share::WHOLE, &Run::default()).unwrap();
    // 16 runs of mixed heads; the other claim adds 4 runs of its own, 20 of the input claim and 8 of linear attention.
    assert_eq!(whole, 48);
    let mut count = 0;
    for index in ["1/2", "2/2"] {
        let mut parts = claims.clone();
        let runs = RunsAt { shipped: false, folder: Some(folder.path().join(index.replace('/', "-"))) };
        parts.iter_mut().for_each(|settings| settings.keep_runs(runs.clone()));
        count += train(&parts, index.parse().unwrap(), &Run::default()).unwrap();
    }
    assert_eq!(count, whole);
    let path = |name: &str| folder.path().join(name);
    Kept::merge(&[path("2-2"), path("1-2")], &path("merged")).unwrap();
    let mut merged = claims[1].clone();
    merged.keep_runs(RunsAt { shipped: false, folder: Some(path("merged")) });
    assert_eq!(missing(&merged).unwrap(), 0);
    let json = |settings: &Settings| {
        let trial = crate::claim::run(find("rank-explains").unwrap(), settings, &Run::default()).unwrap();
        trial.to_json()["measured"].to_string()
    };
    assert_eq!(json(&merged), json(&claims[1]));
}

/// Settings of very short runs.
const TINY: &str = "width=16,batch=2,evaluation_batches=1,feed_forward=32";
