//! What theory and the reference say, and every word of the verdicts.

use ndarray::Array2;

use super::*;
use crate::claim::{self, Effort, Exact, Trial};
use crate::mask::Mask;
use crate::model::stack::Stack;
use crate::rank::{EPSILON_F32, residual_ratio};

const SMALL: [(&str, &str); 6] =
    [("n", "11"), ("width", "24"), ("heads", "3"), ("layers", "7"), ("seeds", "3"), ("rate_seeds", "3")];

fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&DepthCollapse, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in [("checkpoints", "")].iter().chain(changes) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn trial(changes: &[(&str, &str)]) -> Trial {
    claim::run(&DepthCollapse, &settings(changes), &Run::default()).unwrap()
}

#[test]
fn pure_attention_collapses_doubly_exponentially_where_all_tokens_see_the_same() {
    let Trial { evidence, verdict, .. } = trial(&SMALL);
    assert_eq!(verdict.exact_arithmetic.unwrap().ruling, Exact::Refuted);
    let floating = verdict.floating_point.unwrap();
    assert_eq!(floating.ruling, Floating::InOneRegion, "{}", floating.because);
    assert!(floating.because.contains("times the one before (bidirectional);"), "{}", floating.because);
    assert!(!floating.because.contains("before (causal)"), "{}", floating.because);
    assert_eq!(verdict.trained_models.unwrap().ruling, Trained::NoModel);
    for name in ["order_bidirectional", "order_causal", "order_prefix", "order_window"] {
        let expected = if name == "order_bidirectional" { 3.0 } else { 1.0 };
        assert!((evidence.value(name).unwrap() - expected).abs() < 0.02, "{name}");
    }
    let (bound, res) = ("near_log10_bound_layer1", "near_log10_res_layer1");
    assert!(evidence.value(res).unwrap() < evidence.value(bound).unwrap());
    for mask in ["bidirectional", "causal"] {
        assert!(evidence.value(&format!("paths_{mask}_error")).unwrap() < 1e-10);
        assert_eq!(evidence.value(&format!("paths_{mask}_count_length2")).unwrap(), 15.0 * 9.0);
    }
}

#[test]
fn at_its_own_size_the_table_is_that_of_the_reference() {
    let Trial { evidence, .. } = trial(&[("seeds", "4"), ("rate_seeds", "8")]);
    let missed: Vec<_> = evidence.disagreements().collect();
    assert!(missed.is_empty(), "{missed:?}");
    // 19 of the table, 4 orders, a rate, 3 of one head, 2 sums over paths.
    assert!(evidence.expected().len() >= 27, "{}", evidence.expected().len());
    let log = |name: &str| evidence.value(&format!("log10_ratio_{name}")).unwrap();
    assert!(log("san_bidirectional_layer4") < -14.0);
    assert!(log("san_skip_bidirectional_layer12") > -1.0 && log("san_skip_causal_layer12") > -1.0);
}

/// Other masks and numbers of layers take the place of the claim's.
#[test]
fn every_word_in_floating_point_is_reached() {
    let ruling = |masks: &[Mask], layers: usize| {
        let sizes = Sizes { n: 11, width: 24, heads: 3, layers };
        let masks: Vec<Masked> = masks.iter().map(|mask| ("mask", mask.clone())).collect();
        let measured = measure(&sizes, &masks, &settings(&SMALL), &Run::default()).unwrap();
        DepthCollapse.judge(&measured).floating_point.unwrap().ruling
    };
    let (both, causal) = (Mask::bidirectional(), Mask::causal());
    assert_eq!(ruling(std::slice::from_ref(&both), 6), Floating::Everywhere);
    assert_eq!(ruling(&[both.clone(), causal.clone()], 6), Floating::InOneRegion);
    assert_eq!(ruling(&[causal, Mask::window(4).unwrap()], 6), Floating::Nowhere);
    // Of third order, and not yet down.
    assert_eq!(ruling(&[both], 2), Floating::NotResolved);
}

/// Stacks of attention go the way of trained models whose other parts are off, down to the floor of f32.
#[test]
fn every_word_about_trained_models_is_reached() {
    let sizes = Sizes { n: 32, width: 64, heads: 4, layers: 6 };
    let floor = 64.0 * EPSILON_F32;
    let model = |mask: Mask, input: Array2<f64>| {
        let stack = Stack::new(sizes.pure(), 3).unwrap();
        let states = stack.hidden_states(&input, &mask, &Run::default()).unwrap();
        let ratios: Vec<f64> = states.iter().map(|x| residual_ratio(x.view()).max(floor / 2.0)).collect();
        let ratios = [ratios.clone(), ratios.clone(), ratios.clone(), ratios];
        Checkpoint { name: "by hand".into(), mask: mask.to_string(), tokens: sizes.n, floor, ratios }
    };
    let (both, causal) = (Mask::bidirectional(), Mask::causal());
    let down = || model(both.clone(), sizes.input(3));
    let slow = || model(causal.clone(), sizes.input(3));
    // Tokens that are nearly equal from the start are down after one layer, and show no two drops.
    let at_once = || model(both.clone(), sizes.input(3) * 1e-3 + 1.0);
    let over = |models: &[Checkpoint]| {
        Trained::over(models.iter().map(|model| model.attention_alone().is_doubly_exponential()))
    };
    assert_eq!(over(&[down()]), Trained::InAll);
    assert_eq!(over(&[down(), slow()]), Trained::InSome);
    assert_eq!(over(&[slow(), at_once()]), Trained::InNone);
    assert_eq!(over(&[at_once()]), Trained::NotResolved);
    assert_eq!(over(&[]), Trained::NoModel);
}

#[test]
fn the_shipped_model_is_tried_whole_and_in_parts() {
    let Trial { evidence, verdict, .. } = trial(&[SMALL.as_slice(), &[("checkpoints", "glass-en")]].concat());
    let opinion = verdict.trained_models.unwrap();
    assert_ne!(opinion.ruling, Trained::NoModel);
    assert!(opinion.because.contains("glass-en (trained causal): "), "{}", opinion.because);
    let first = |name: &str| evidence.value(&format!("glass_en_ratio_{name}_layer0")).unwrap();
    assert_eq!(first("as_is"), first("no_skip_no_mlp"));
}

#[test]
fn what_cannot_be_run_is_named() {
    let message = |changes: &[(&str, &str)]| {
        claim::run(&DepthCollapse, &settings(changes), &Run::default()).unwrap_err().to_string()
    };
    assert_eq!(message(&[("heads", "5")]), "heads is 5, expected a divisor of width = 64");
    assert!(message(&[("checkpoints", "no-such")]).starts_with("no model or folder \"no-such\""));
    let run = Run::default();
    run.cancel_flag().cancel();
    assert_eq!(claim::run(&DepthCollapse, &settings(&SMALL), &run).unwrap_err().to_string(), "cancelled");
}
