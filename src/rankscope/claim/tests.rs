//! Properties of every claim on the registry.

use super::*;
use crate::Device;

#[test]
fn ids_are_distinct_and_every_text_is_there() {
    for (index, claim) in CLAIMS.iter().enumerate() {
        let &About { id, statement, source, exact, reconsider, .. } = claim.about();
        assert!(CLAIMS[..index].iter().all(|other| other.about().id != id), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        for text in [statement, source, exact, reconsider] {
            let is_one_line = !text.is_empty() && !text.contains("  ") && !text.contains('\n');
            assert!(is_one_line, "{id}: {text:?}");
        }
        assert!([statement, exact, reconsider].iter().all(|text| text.ends_with('.')), "{id}");
        assert!(std::ptr::eq(find(id).unwrap().about(), claim.about()));
    }
    assert!(find("no-such").err().unwrap().to_string().contains("mixed-directions"));
}

#[test]
fn defaults_lie_within_their_own_ranges_and_come_back_from_their_text() {
    for claim in CLAIMS {
        for effort in [Effort::Quick, Effort::Full] {
            let settings = Settings::new(claim, effort, Device::Cpu).unwrap();
            let mut again = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
            for (name, value) in settings.values() {
                again.set(name, &value.to_string()).unwrap();
            }
            assert_eq!(again.record(), settings.record());
        }
    }
}

#[test]
fn bad_settings_are_named_with_what_is_allowed() {
    for claim in CLAIMS {
        let mut settings = Settings::new(claim, Effort::Quick, Device::Cpu).unwrap();
        for parameter in claim.parameters() {
            let bad: &[&str] = match parameter.allowed {
                Allowed::Integer(..) | Allowed::Integers(..) => {
                    &["-1", "1.5", "x", "", "99999999999999", "1,,2"]
                }
                Allowed::Number(..) | Allowed::Numbers(..) => &["NaN", "inf", "x", "", "-1e300", "1,,2"],
                Allowed::Word(_) => &["", "no such word"],
                Allowed::Text => &[],
            };
            for text in bad {
                let message = settings.set(parameter.name, text).unwrap_err().to_string();
                assert!(message.starts_with(parameter.name), "{message}");
                assert!(message.ends_with(&parameter.allowed.in_words()), "{message}");
            }
        }
        let message = settings.set("no_such", "1").unwrap_err().to_string();
        assert!(message.contains("no_such") && message.contains("seed"), "{message}");
    }
}

#[test]
fn an_expectation_that_is_missed_disagrees_and_so_does_no_number() {
    let mut evidence = Evidence::default();
    for (name, value) in [("near", 1.05), ("far", 2.0), ("nan", f64::NAN)] {
        evidence.measure(name, value, "").expect(1.0, 0.1, "by hand");
    }
    evidence.measure("free", f64::NAN, "");
    let names: Vec<_> = evidence.disagreements().map(|measured| measured.name.as_str()).collect();
    assert_eq!(names, ["far", "nan"]);
    assert_eq!(evidence.expected().len(), 3);
}

/// The quantiles of Student's t that are exceeded, on both sides together, with the probability of 4 standard deviations,
/// 6.334e-5, are 4.4813 at 39 degrees of freedom and 6.9986 at 9, by integrals of the density (mpmath).
#[test]
fn a_mean_may_differ_from_its_reference_by_what_its_draws_allow() {
    let tolerance = |draws: usize, sd: f64| {
        let mut evidence = Evidence::default();
        let measured = evidence.measure_sample("x", Sample::new([1.0, 2.0, 3.0, 4.0]), "");
        let known = Known { mean: 3.0, sd, draws };
        measured.expect_mean(known, "by hand").expected.clone().unwrap().tolerance
    };
    let error = |draws: f64| (0.25 + 1.0 / draws).sqrt();
    assert!((tolerance(40, 0.5) / (0.5 * error(40.0)) - 4.4813).abs() < 1e-3);
    assert!((tolerance(10, 2.0) / (2.0 * error(10.0)) - 6.9986).abs() < 1e-3);
}

#[test]
fn a_count_that_was_always_the_same_may_differ_in_three_of_its_draws() {
    let mut evidence = Evidence::default();
    let measured = evidence.measure_sample("x", Sample::new([1.0, 0.0]), "");
    measured.expect_mean_count(Known { mean: 0.0, sd: 0.0, draws: 40 }, "by hand");
    assert!(measured.agrees());
}

/// The expected results of runs; the file describes its format.
const CASES: &str = include_str!("cases.txt");

/// The lines of one kind about this claim, without the kind and the claim's id.
fn of<'a>(kind: &'a str, id: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    let lines =
        CASES.lines().filter_map(move |line| line.strip_prefix(kind)?.strip_prefix(' ')?.strip_prefix(id));
    lines.filter(|rest| rest.is_empty() || rest.starts_with(' ')).map(str::trim_start)
}

/// `n=40 models=` as pairs.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace().filter_map(|pair| pair.split_once('='))
}

/// Small settings of a claim, with some changes.
pub(super) fn settings(id: &str, changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(find(id).unwrap(), Effort::Quick, Device::Cpu).unwrap();
    let mut set = |(name, value): (&str, &str)| settings.set(name, value).unwrap();
    of("small", id).flat_map(pairs).for_each(&mut set);
    changes.iter().copied().for_each(set);
    settings
}

fn trial(id: &str, changes: &[(&str, &str)]) -> Result<Trial> {
    run(find(id)?, &settings(id, changes), &Run::default())
}

/// Every run of this claim in the file.
fn check(id: &str) {
    let mut count = 0;
    for part in CASES.split("\n\n").map(|part| part.trim_start_matches('\n')) {
        let lines = part.lines().skip_while(|line| line.starts_with('#'));
        let (head, lines) = (lines.clone().next().unwrap_or(""), lines.skip(1));
        let Some(set) = head.strip_prefix("run ").and_then(|rest| rest.strip_prefix(id)) else { continue };
        if !set.is_empty() && !set.starts_with(' ') {
            continue;
        }
        count += 1;
        let set: Vec<_> = pairs(set).collect();
        let trial = trial(id, &set).unwrap_or_else(|error| panic!("{head}: {error}"));
        lines.for_each(|line| found(&trial, line, head));
        let missed: Vec<_> = trial.evidence.disagreements().collect();
        assert!(missed.is_empty(), "{head}: {missed:?}");
    }
    assert!(count > 0, "{id} is not in the file");
}

/// Whether a run has the result that one line states.
fn found(Trial { evidence, verdict, .. }: &Trial, line: &str, head: &str) {
    let reasons: Vec<&str> = verdict.opinions().map(|(_, _, because)| because).collect();
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    match kind {
        "words" => {
            for (word, row) in rest.split(" | ").zip(verdict.rows()) {
                let found = row.map_or("–", |row| row.0);
                assert!(word == "*" || word == found, "{head}: {found}, expected {word}: {reasons:?}");
            }
        }
        "says" => assert!(reasons.iter().any(|reason| reason.contains(rest)), "{head}: {rest}: {reasons:?}"),
        "value" => {
            let [name, low, high] = rest.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let value = evidence.value(name).unwrap();
            let within = low.parse().unwrap()..=high.parse().unwrap();
            assert!(within.contains(&value), "{head}: {name} is {value}");
        }
        "expected" => {
            let count = evidence.expected().len();
            assert!(count >= rest.parse().unwrap(), "{head}: {count}");
        }
        _ => panic!("{head}: {line}"),
    }
}

macro_rules! checks {
    ($($id:ident)*) => {
        $(#[test]
        fn $id() {
            check(&stringify!($id).replace('_', "-"));
        })*

        #[test]
        fn every_claim_is_checked() {
            let ids: Vec<_> = CLAIMS.iter().map(|claim| claim.about.id).collect();
            assert_eq!(ids, [$(stringify!($id).replace('_', "-")),*]);
        }
    };
}

// A test for every claim, called by the claim's id.
checks! {
    causal_full_rank bidirectional_low_rank softmax_raises_rank softmax_rank head_size_bottleneck
    fixed_head_size depth_collapse linear_attention_rank linear_attention_causal_rank mixed_directions
    mask_carries_position mask_tells_order rank_is_information cache_reuse only_causal_reuse
    encoder_decoder_cost trained_low_rank block_rank positive_determinant learned_sink first_token_drift
    last_token_memory bidirectional_input mixed_heads linear_causal head_size_in_training causal_objective
    doubled_parameters in_context no_positions rank_explains repeated_data
}

#[test]
fn a_model_under_another_mask_is_left_out_with_a_note() {
    let set = [("models", "glass-en"), ("mask", "window(3)"), ("sizes", "16"), ("scales", "1")];
    let trial = trial("causal-full-rank", &set).unwrap();
    assert_eq!(trial.verdict.trained_models.unwrap().ruling, Trained::NoModel);
    assert!(trial.evidence.notes().iter().any(|note| note.contains("glass-en")));
}

/// A logit scale at which three draws do not decide which mask is ahead, for D = 16 and n = 32.
#[test]
fn the_border_of_the_phase_map_is_not_resolved() {
    let scales: Vec<f64> = (40..100).map(|percent| f64::from(percent) / 100.0).collect();
    let grid =
        PhaseGrid { n: 32, head_sizes: vec![16], scales: scales.clone(), alignment: 0.0, seed: 0, seeds: 3 };
    let map = phase_map(&grid, &Device::Cpu, &Run::default()).unwrap();
    let place = map.points().iter().position(|point| point.ahead() == Ahead::Neither);
    let border = scales[place.expect("a point between both regions")].to_string();
    for (head_sizes, word) in [("16", "not resolved"), ("2,16", "holds in one region")] {
        let set = [("n", "32"), ("sizes", "12"), ("head_sizes", head_sizes), ("scales", &border)];
        let trial = trial("bidirectional-low-rank", &set).unwrap();
        assert_eq!(trial.verdict.rows()[1].unwrap().0, word);
    }
}

/// A threshold between the numerical ranks of two heads.
#[test]
fn the_threshold_decides_which_trained_heads_count() {
    let evidence = trial("trained-low-rank", &[]).unwrap().evidence;
    let value = |name: &str| evidence.value(&format!("{name}_glass_en_causal")).unwrap();
    let (least, mean) = (value("smallest_numerical_rank_f32"), value("numerical_rank_f32"));
    let threshold = ((least + mean) / 2.0 / 32.0).to_string();
    let trial = trial("trained-low-rank", &[("threshold", &threshold)]).unwrap();
    assert_eq!(trial.verdict.rows()[1].unwrap().0, "holds in one region");
    assert!(value("smallest_effective_rank") < value("effective_rank"));
    assert_ne!(value("effective_rank"), evidence.value("effective_rank_glass_en_bidirectional").unwrap());
}

/// Expectations that are not a range of one number.
#[test]
fn numbers_and_findings_are_on_their_sides() {
    let depth = trial("depth-collapse", &[("models", "glass-en")]).unwrap();
    let value = |name: &str| depth.evidence.value(name).unwrap();
    assert!(value("near_log10_res_layer1") < value("near_log10_bound_layer1"));
    assert_eq!(value("glass_en_ratio_as_is_layer0"), value("glass_en_ratio_no_skip_no_mlp_layer0"));
    assert_ne!(depth.verdict.trained_models.unwrap().ruling, Trained::NoModel);
    assert!(!depth.verdict.floating_point.unwrap().because.contains("before (causal)"));
    let reuse = trial("cache-reuse", &[]).unwrap().evidence;
    assert!(reuse.value("turn_1_tokens").unwrap() > reuse.value("prompt_tokens").unwrap());
    for (id, supports, part) in [
        ("head-size-bottleneck", true, "by construction"),
        ("head-size-bottleneck", true, "width 1"),
        ("head-size-bottleneck", true, "stays"),
        ("head-size-bottleneck", false, "less than n"),
        ("head-size-bottleneck", false, "about the embedding"),
        ("head-size-bottleneck", false, "permutation"),
        // Outputs of nearly uniform attention differ more under the causal mask.
        ("rank-is-information", true, "A·V"),
        ("rank-is-information", false, "block"),
        ("linear-attention-causal-rank", false, "relu"),
        ("causal-full-rank", true, "positive"),
        ("causal-full-rank", false, "lost to f64"),
    ] {
        let evidence = trial(id, &[]).unwrap().evidence;
        let is_it = |found: &Finding| found.supports == supports && found.text.contains(part);
        assert!(evidence.findings().iter().any(is_it), "{id}: {part}");
    }
}

#[test]
fn a_pattern_of_ones_own_is_constructed_and_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.csv");
    let of = |text: &str| {
        std::fs::write(&path, text).unwrap();
        trial("head-size-bottleneck", &[("target", path.to_str().unwrap())])
    };
    let error = of("0.2,0.3,0.5\n0.5,0.25,0.25\n").unwrap_err().to_string();
    assert_eq!(error, "target is 2 × 3, expected as many rows as columns");
    let error = of("0.5,0.25,0.25\n0.5,0.5,0.0\n0.1,0.1,0.8\n").unwrap_err().to_string();
    assert!(error.starts_with("target entry (1, 2) is 0, expected a number above 0"), "{error}");
    // Rank one after centring: log P = u·vᵀ, so a head of size 1 is enough.
    let trial = of("0.5,0.25,0.25\n0.8,0.1,0.1\n0.1,0.45,0.45\n").unwrap();
    assert_eq!(trial.evidence.value("target_threshold").unwrap(), 1.0);
    assert!(trial.evidence.value("target_construction_error").unwrap() < 1e-12);
    let trial = of("1,0,0,0\n0.5,0.5,0,0\n0.1,0.2,0.7,0\n0.4,0.3,0.2,0.1\n").unwrap();
    assert_eq!(trial.evidence.value("target_threshold").unwrap(), 2.0);
    assert!(trial.evidence.value("target_kl_d1").unwrap() > 1e-6);
}

#[test]
fn what_cannot_be_run_is_named() {
    let said = |id: &str, set: &[(&str, &str)]| trial(id, set).unwrap_err().to_string();
    for id in CLAIMS.iter().map(|claim| claim.about.id) {
        for line in of("refused", id) {
            let [setting, start, part] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let (name, value) = setting.split_once('=').unwrap();
            let message = said(id, &[(name, if value.is_empty() { " " } else { value })]);
            assert!(message.starts_with(start) && message.contains(part), "{id}: {message}");
        }
        for (name, value) in of("outside", id).flat_map(pairs) {
            let message = settings(id, &[]).set(name, value).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name} is \"{value}\", expected")), "{message}");
            assert!(message.contains(" from "), "{message}");
        }
    }
    let message = said("bidirectional-low-rank", &[("n", "1024"), ("seeds", "100")]);
    assert!(message.starts_with("work of the settings is 2 · seeds"), "{message}");
    assert!(message.ends_with("at most 4.00e12"), "{message}");
    let long = "a long story ".repeat(60);
    let message = said("cache-reuse", &[("next", &long)]);
    assert!(message.contains("expected at most 128, the context of glass-en"), "{message}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let message = said("trained-low-rank", &[("texts", path)]);
    assert_eq!(message, "texts is 0 lines, expected 1 to 1000, a text each");
    std::fs::write(path, "too short\n").unwrap();
    let message = said("trained-low-rank", &[("texts", path)]);
    assert!(message.starts_with("tokens of text 1 in glass-en is"), "{message}");
    assert!(message.ends_with("at least n = 32"), "{message}");
}

#[test]
fn an_interrupt_ends_every_experiment() {
    for claim in CLAIMS {
        let (id, stopped) = (claim.about().id, Run::default());
        let flag = stopped.cancel_flag();
        let stopped = stopped.with_progress(move |_| flag.cancel());
        let trial = run(claim, &settings(id, &[]), &stopped);
        // This is the only claim whose run has no steps.
        assert!(id == "only-causal-reuse" || matches!(trial, Err(Error::Cancelled)), "{id}");
        let stopped = Run::default();
        stopped.cancel_flag().cancel();
        assert!(matches!(run(claim, &settings(id, &[]), &stopped), Err(Error::Cancelled)), "{id}");
    }
}
