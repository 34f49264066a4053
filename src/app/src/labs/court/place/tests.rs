use std::collections::BTreeMap;

use rankscope::claim::Allowed::{Integer, Integers, Number, Numbers, Text, Word};
use rankscope::claim::{self, CLAIMS, Claim, Finding};
use rankscope::rank::{RankReport, Tolerance};
use rankscope::{Device, Run as Computation};
use serde::de::DeserializeOwned;

use super::*;
use crate::headless;
use crate::lab::{Machine, State, answered};
use crate::labs::cache::state::Cache;
use crate::labs::collapse::state::Collapse;
use crate::labs::mask::state::MaskLab;
use crate::labs::theorem::state::TheoremLab;

fn usual(claim: &'static Claim, effort: claim::Effort) -> Settings {
    Settings::new(claim, effort, Device::Cpu).unwrap()
}

/// With the settings of a quick run, of a full one, and at the ends of every range, a claim has a lab that takes its
/// state, or one line says why not.
#[test]
fn every_claim_opens_a_lab_in_a_state_that_it_takes() {
    let nowhere = Map::new();
    for claim in CLAIMS {
        let id = claim.about().id;
        for effort in [claim::Effort::Quick, claim::Effort::Full] {
            of(id, &usual(claim, effort), &nowhere).unwrap_or_else(|why| panic!("{id}: {why}"));
        }
        for end in [0, 1] {
            let mut settings = usual(claim, claim::Effort::Quick);
            for parameter in claim.parameters() {
                let text = match parameter.allowed {
                    Integer(low, high) | Integers(low, high) => [low, high][end].to_string(),
                    Number(low, high) | Numbers(low, high) => [low, high][end].to_string(),
                    Word(_) | Text => continue,
                };
                settings.set(parameter.name, &text).unwrap();
            }
            if let Err(why) = of(id, &settings, &nowhere) {
                assert!(why.contains("expected") && !why.contains('\n'), "{id}: {why}");
            }
        }
    }
}

/// A trial of a few small matrices.
fn small(claim: &'static Claim) -> Trial {
    let mut settings = usual(claim, claim::Effort::Quick);
    if !claim.is_trained() {
        for (name, text) in [
            ("seeds", "2"),
            ("lu_draws", "2"),
            ("rate_seeds", "2"),
            ("models", "glass-en"),
            ("tokens", "12"),
            ("sizes", "12,24"),
            ("exact_sizes", "4,6"),
            ("distinct", "16"),
            ("powers_n", "16"),
            ("lengths", "12,24"),
            ("contexts", "16,32"),
            ("repeats", "2"),
            ("train", "8"),
            ("held_out", "8"),
        ] {
            if settings.has(name) && !(name == "tokens" && settings.has("prompts")) {
                settings.set(name, text).unwrap();
            }
        }
        if settings.integer("n").is_ok_and(|n| n > 32) {
            settings.set("n", "24").unwrap();
        }
    }
    claim::run(claim, &settings, &Computation::default()).unwrap()
}

/// Why no lab shows a finding.
const HIDDEN: [&str; 6] =
    ["quoted", "a stored draw", "another width", "a sink in every layer", "feature map relu", "expected"];

/// Every finding of every claim opens a lab with the settings of its own, or says why not; and where the lab shows its
/// number, the number is the same.
#[test]
fn every_finding_opens_the_state_that_shows_it() {
    let machine = headless::machine();
    let mut shown = vec![0; SHOWN.len()];
    for claim in CLAIMS {
        let (id, trial) = (claim.about().id, small(claim));
        let places = Places::of(&trial);
        assert!(matches!(places.trial, Some(Ok(_))), "{id}");
        let pairs: Vec<(&Finding, &Result<Place, String>)> =
            trial.evidence.findings().iter().zip(&places.findings).collect();
        let all = |finding: &Finding| -> BTreeMap<String, Value> {
            let settings = trial.settings.values().map(|(name, value)| (name.to_owned(), json!(value)));
            settings.chain(finding.at.clone()).collect()
        };
        for (index, (finding, place)) in pairs.iter().enumerate() {
            let place = match place {
                Ok(place) => place,
                Err(why) => {
                    let is_said = HIDDEN.iter().any(|hidden| why.contains(hidden)) && !why.contains('\n');
                    assert!(is_said, "{id}: {why}: {}", finding.text);
                    continue;
                }
            };
            for (other, place_of_other) in &pairs[..index] {
                let is_elsewhere = place_of_other.as_ref().is_ok_and(|other| other != place);
                // A finding about several points may open at one of them.
                let is_wider = !finding.at.keys().eq(other.at.keys());
                let is_alike = is_wider || all(finding) == all(other) || place_of_other.is_err();
                assert!(is_elsewhere || is_alike, "{id}: {} and {} open one state", finding.text, other.text);
            }
            let of_finding =
                |(of, part, ..): &(&str, &str, &str, Shows)| *of == id && finding.text.contains(part);
            for (count, row) in shown.iter_mut().zip(SHOWN).filter(|(_, row)| of_finding(row)) {
                let ((_, _, name, number), evidence) = (row, &trial.evidence);
                let name = filled(name, &finding.at);
                let first_draw = evidence.sample(&name).map(|sample| sample.values()[0]);
                if let Ok(wanted) = first_draw.or(evidence.value(&name)) {
                    let got = number.of(place, &machine);
                    let error = (got - wanted).abs() / wanted.abs().max(1.0);
                    assert!(error < 1e-6, "{name}: {got} in the lab, {wanted} found: {}", finding.text);
                    *count += 1;
                }
            }
        }
    }
    for (count, (id, _, name, _)) in shown.into_iter().zip(SHOWN) {
        assert!(count > 0, "{id}: no finding has {name}");
    }
}

/// The name of a measurement, with the finding's settings in it.
fn filled(name: &str, at: &Map<String, Value>) -> String {
    at.iter().fold(name.to_owned(), |name, (setting, value)| {
        let word = || value.as_str().unwrap_or("").to_owned();
        let text = value.as_f64().map_or_else(word, |number| number.to_string());
        name.replace(&format!("{{{setting}}}"), &text)
    })
}

/// A number that a lab shows.
enum Shows {
    /// A number of the report on the weights that the mask lab shows.
    Mask(fn(&RankReport) -> f64),
    /// KL of the head of the theorem lab.
    Kl,
    /// log₁₀ of the residual ratio of the first draw after the last layer, under the first mask of the tower.
    Ratio,
    /// The weight of the first token under this mask, after the last layer of the tower.
    Pull(&'static str),
    /// The share of positions that must be computed again, in this way of the cache lab.
    Changed(usize),
}

use Shows::{Changed, Kl, Mask, Pull, Ratio};

/// Claim, part of a finding, its measurement, and the number of the lab that it opens.
const SHOWN: &[(&str, &str, &str, Shows)] = &[
    ("causal-full-rank", "lost", "lost_f64_causal_n{n}", Mask(lost)),
    ("causal-full-rank", "logit scale", "lost_f64_causal_scale_{scale}", Mask(lost)),
    ("bidirectional-low-rank", "numerical rank in f64", "rank_f64_bidirectional_n{n}", Mask(rank)),
    ("softmax-raises-rank", "", "rank_weights_d{head_size}_scale_{scale}", Mask(rank)),
    ("softmax-rank", "the series allows", "effective_rank_d{head_size}_scale_{scale}", Mask(effective)),
    ("linear-attention-rank", "", "rank_bidirectional_n{n}_d{head_size}", Mask(rank)),
    ("linear-attention-causal-rank", "", "rank_causal_n{n}_d{head_size}", Mask(rank)),
    ("mixed-directions", "", "rank_causal_alone_scale{scale}_d{head_size}", Mask(effective)),
    ("rank-is-information", "", "rank_causal_d{head_size}_scale_{scale}", Mask(effective)),
    ("block-rank", "", "numerical_rank_linear_d{head_size}", Mask(rank)),
    ("positive-determinant", "", "effective_rank_{mechanism}", Mask(effective)),
    ("positive-determinant", "", "effective_rank_lambda{lambda}", Mask(effective)),
    ("learned-sink", "", "effective_rank_sink{sink}_scale{scale}", Mask(effective)),
    ("head-size-bottleneck", "stays", "kl_{mask}_d{head_size}", Kl),
    ("depth-collapse", "pure attention after", "log10_ratio_san_bidirectional_layer12", Ratio),
    ("first-token-drift", "", "first_token_weight_equal_scores_k{depth}", Pull("causal")),
    ("cache-reuse", "first token of turn 2", "changed_by_edit_at_turn_2_causal", Changed(0)),
];

fn lost(report: &RankReport) -> f64 {
    report.spectrum.rows() as f64 - rank(report)
}

fn rank(report: &RankReport) -> f64 {
    report.spectrum.numerical_rank(Tolerance::F64) as f64
}

fn effective(report: &RankReport) -> f64 {
    report.spectrum.effective_rank()
}

impl Shows {
    fn of(&self, place: &Place, machine: &Machine) -> f64 {
        match self {
            Mask(number) => {
                let (state, answer) = opened::<MaskLab>(place, machine);
                number(&answer.of(state.shown).unwrap().report)
            }
            Kl => opened::<TheoremLab>(place, machine).1.reached.get().unwrap().kl,
            Ratio => {
                let (_, answer) = opened::<Collapse>(place, machine);
                answer.falls.get().unwrap()[0].layers.last().unwrap().values()[0]
            }
            Pull(mask) => {
                let (_, answer) = opened::<Collapse>(place, machine);
                let pulls = answer.pulls.get().unwrap();
                let pull = pulls.iter().find(|pull| pull.mask == *mask).unwrap();
                pull.equal.last().unwrap()[0]
            }
            Changed(way) => {
                let (_, answer) = opened::<Cache>(place, machine);
                let stale = &answer.ways.get().unwrap()[*way].stale;
                let last = stale.rows().into_iter().next_back().unwrap();
                last.iter().filter(|&&is| is).count() as f64 / last.len() as f64
            }
        }
    }
}

/// The lab in the state of a place, with its answer.
fn opened<S: State + DeserializeOwned>(place: &Place, machine: &Machine) -> (S, S::Answer) {
    let state: S = serde_json::from_value(place.state.clone()).unwrap();
    let answer = answered(&state, &mut S::memory(machine)).unwrap();
    (state, answer)
}
