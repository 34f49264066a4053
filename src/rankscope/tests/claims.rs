//! Every claim on the registry, on both devices at small settings: the verdict does not depend on the device.

#[path = "support/devices.rs"]
mod devices;

use rankscope::claim::{self, CLAIMS, Claim, Effort, Settings, Trial};
use rankscope::{Device, Run};

/// The expected results of runs, whose `small` lines are the settings here too.
const CASES: &str = include_str!("../claim/cases.txt");

/// Claims of which a GPU leaves a part to the CPU.
const MIXED: &str = "causal-full-rank softmax-raises-rank softmax-rank rank-is-information positive-determinant \
                     learned-sink last-token-memory";

/// Edges that the devices must agree on too: a singular matrix, and a sink that takes nearly all weight.
const EDGES: [(&str, &str, &str); 2] =
    [("positive-determinant", "lambdas", "0.3,0.9,1"), ("learned-sink", "sinks", "0,2,8")];

/// A claim's trial at small settings, with a trained model where it reads some; where it is tried by training, from the
/// shipped results, as in all interfaces.
fn trial(claim: &'static Claim, device: &Device) -> Trial {
    let id = claim.about().id;
    let mut settings = Settings::new(claim, Effort::Quick, device.clone()).unwrap();
    if claim.is_trained() {
        assert_eq!(claim::missing(&settings).unwrap(), 0, "{id}");
    } else {
        let mut lines = CASES.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let small = lines.find(|words| words.starts_with(&["small", id]));
        for pair in &small.unwrap_or_else(|| panic!("{id} needs a `small` line in cases.txt"))[2..] {
            let (name, value) = pair.split_once('=').unwrap();
            settings.set(name, value).unwrap();
        }
        let has = |name: &str| claim.parameters().iter().any(|parameter| parameter.name == name);
        for (name, value) in [("models", "glass-en"), ("tokens", "20")] {
            if has("models") && has(name) {
                settings.set(name, value).unwrap();
            }
        }
        for (_, name, value) in EDGES.into_iter().filter(|(claim, ..)| *claim == id) {
            settings.set(name, value).unwrap();
        }
    }
    claim::run(claim, &settings, &Run::default()).unwrap_or_else(|error| panic!("{id} on {device}: {error}"))
}

#[test]
fn a_verdict_is_the_same_on_the_cpu_and_on_the_gpu() {
    let Some(gpu) = devices::gpu() else { return };
    for claim in CLAIMS.iter().filter(|claim| !claim.is_trained()) {
        let [on_cpu, on_gpu] = [&Device::Cpu, &gpu].map(|device| trial(claim, device));
        let words = |trial: &Trial| trial.verdict.rows().map(|row| row.map(|(ruling, _)| ruling));
        let (id, because) = (on_cpu.about.id, (&on_cpu.verdict, &on_gpu.verdict));
        assert_eq!(words(&on_cpu), words(&on_gpu), "{id}: {because:#?}");
        let of_cpu = |trial: &Trial| trial.evidence.notes().iter().any(|note| note.contains("by the CPU"));
        let is_mixed = MIXED.split_whitespace().any(|mixed| mixed == id);
        assert!(!of_cpu(&on_cpu) && of_cpu(&on_gpu) == is_mixed, "{id}");
    }
}

#[test]
fn the_same_settings_give_the_same_numbers_and_another_seed_others() {
    // Claims without timings, and with draws.
    for id in ["bidirectional-low-rank", "mixed-directions", "mask-carries-position"] {
        let claim = claim::find(id).unwrap();
        let first = trial(claim, &Device::Cpu);
        let again = claim::run(claim, &first.settings, &Run::default()).unwrap();
        assert_eq!(first.to_json()["measured"], again.to_json()["measured"], "{id}");
        let mut other = first.settings.clone();
        other.set("seed", "77").unwrap();
        let other = claim::run(claim, &other, &Run::default()).unwrap();
        assert_ne!(first.to_json()["measured"], other.to_json()["measured"], "{id}");
    }
}

#[test]
fn every_trial_has_evidence_figures_and_a_finite_number_under_each_name() {
    for claim in CLAIMS {
        let trial = trial(claim, &Device::Cpu);
        let (id, evidence) = (trial.about.id, &trial.evidence);
        // A claim tried by training may have no finding that its seeds resolve.
        let has_findings = !evidence.findings().is_empty() || claim.is_trained();
        assert!(has_findings && !evidence.illustrations().is_empty(), "{id}");
        assert!(trial.verdict.opinions().count() > 0, "{id}");
        for (arena, _, because) in trial.verdict.opinions() {
            assert!(!because.contains("NaN") && !because.contains("  "), "{id}, {arena}: {because}");
        }
        for (index, measured) in evidence.measured().iter().enumerate() {
            let is_new = evidence.measured()[..index].iter().all(|other| other.name != measured.name);
            assert!(is_new, "{id}: {} is measured twice", measured.name);
            assert!(measured.value.is_finite(), "{id}: {} is {}", measured.name, measured.value);
        }
        for illustration in evidence.illustrations() {
            let svg = illustration.figure.to_svg(Default::default()).unwrap();
            assert!(svg.contains(&format!("\"claim\":\"{id}\"")), "{id}: {}", illustration.name);
            assert!(illustration.caption.ends_with('.'), "{id}: {}", illustration.caption);
        }
    }
}
