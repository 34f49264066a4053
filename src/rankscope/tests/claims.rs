//! Every claim on the registry, on both devices at small settings: the verdict does not depend on the device.

#[path = "support/devices.rs"]
mod devices;

use rankscope::claim::{self, CLAIMS, Claim, Effort, Settings, Trial};
use rankscope::{Device, Run};

/// A claim's settings that differ from its defaults.
type Small = (&'static str, &'static [(&'static str, &'static str)]);

const SMALL: &[Small] = &[
    (
        "causal-full-rank",
        &[
            ("n", "40"),
            ("sizes", "16,64"),
            ("scales", "0.1,8"),
            ("seeds", "3"),
            ("lu_draws", "5"),
            ("tokens", "20"),
            ("models", "glass-en"),
        ],
    ),
    (
        "bidirectional-low-rank",
        &[
            ("n", "40"),
            ("head_sizes", "2,24"),
            ("scales", "0.1,2"),
            ("sizes", "12,30"),
            ("tokens", "20"),
            ("models", "glass-en"),
        ],
    ),
    (
        "softmax-raises-rank",
        &[
            ("n", "36"),
            ("head_sizes", "1,5"),
            ("scales", "0.1,1"),
            ("powers_n", "50"),
            ("tokens", "20"),
            ("models", "glass-en"),
        ],
    ),
    (
        "softmax-rank",
        &[
            ("n", "60"),
            ("head_sizes", "1,8"),
            ("scales", "0.1,1"),
            ("exact_sizes", "4,9"),
            ("tokens", "20"),
            ("models", "glass-en"),
        ],
    ),
    ("head-size-bottleneck", &[("n", "6"), ("seeds", "1"), ("starts", "2"), ("permutation_n", "7,16")]),
    ("fixed-head-size", &[("n", "5"), ("width", "8"), ("heads", "1,4"), ("narrow", "4"), ("head_size", "6")]),
    ("depth-collapse", &[("n", "11"), ("width", "24"), ("heads", "3"), ("layers", "7"), ("seeds", "3")]),
    ("linear-attention-rank", &[("lengths", "10,33"), ("head_sizes", "3,7"), ("seeds", "3")]),
    ("linear-attention-causal-rank", &[("lengths", "10,33"), ("head_sizes", "3,7"), ("seeds", "3")]),
    (
        "mixed-directions",
        &[("n", "36"), ("head_sizes", "2,28"), ("seeds", "4"), ("models", "glass-en"), ("tokens", "20")],
    ),
    (
        "mask-carries-position",
        &[("n", "13"), ("width", "24"), ("heads", "3"), ("seeds", "3"), ("train", "60"), ("held_out", "30")],
    ),
    ("mask-tells-order", &[("n", "13"), ("width", "24"), ("heads", "3"), ("seeds", "3")]),
    (
        "rank-is-information",
        &[("n", "90"), ("head_sizes", "4,16"), ("scales", "0.1,1"), ("tokens", "20"), ("models", "glass-en")],
    ),
    ("cache-reuse", &[("contexts", "5,12,20"), ("repeats", "1")]),
    ("only-causal-reuse", &[]),
    (
        "encoder-decoder-cost",
        &[
            ("width", "12"),
            ("heads", "2"),
            ("head_size", "6"),
            ("feed_forward", "48"),
            ("tokens", "30"),
            ("prompts", "4,15,27"),
            ("repeats", "2"),
        ],
    ),
    ("trained-low-rank", &[("models", "glass-en"), ("n", "32")]),
    ("block-rank", &[("n", "24"), ("head_sizes", "3,7"), ("step", "5"), ("seeds", "3")]),
    ("positive-determinant", &[("n", "10"), ("head_size", "3"), ("lambdas", "0.4,0.9,1"), ("seeds", "8")]),
    (
        "learned-sink",
        &[
            ("n", "20"),
            ("width", "12"),
            ("heads", "2"),
            ("layers", "4"),
            ("seeds", "4"),
            ("tokens", "20"),
            ("models", "glass-en"),
        ],
    ),
    (
        "first-token-drift",
        &[("n", "24"), ("depths", "1,2,5"), ("seeds", "8"), ("tokens", "20"), ("models", "glass-en")],
    ),
    (
        "last-token-memory",
        &[
            ("lengths", "1,16"),
            ("width", "12"),
            ("heads", "2"),
            ("layers", "2"),
            ("seeds", "3"),
            ("models", "glass-en"),
        ],
    ),
];

/// The trial of a claim that is tried by training, from the shipped results, as in all interfaces.
fn stored(claim: &'static Claim) -> Trial {
    let settings = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
    assert_eq!(claim::missing(&settings).unwrap(), 0, "{}", claim.about().id);
    claim::run(claim, &settings, &Run::default()).unwrap()
}

fn trial(claim: &'static Claim, device: &Device) -> Trial {
    let id = claim.about().id;
    if claim.is_trained() {
        return stored(claim);
    }
    let known = SMALL.iter().find(|(name, _)| *name == id);
    let (_, small) = known.unwrap_or_else(|| panic!("{id} needs small settings in this test"));
    let mut settings = Settings::new(claim, Effort::Quick, device.clone()).unwrap();
    for (name, value) in *small {
        settings.set(name, value).unwrap();
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
        let is_mixed = [
            "causal-full-rank",
            "softmax-raises-rank",
            "softmax-rank",
            "rank-is-information",
            "positive-determinant",
            "learned-sink",
            "last-token-memory",
        ]
        .contains(&on_gpu.about.id);
        assert!(!of_cpu(&on_cpu) && of_cpu(&on_gpu) == is_mixed, "{}", on_gpu.about.id);
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
