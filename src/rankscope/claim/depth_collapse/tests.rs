//! The verdict at small settings, and what theory and the reference say.

use super::*;
use crate::claim::{self, Effort};

fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::new(&DepthCollapse, Effort::Quick, Device::Cpu).unwrap();
    for (name, value) in [("checkpoints", "")].iter().chain(changes) {
        settings.set(name, value).unwrap();
    }
    settings
}

fn small() -> Settings {
    settings(&[("n", "11"), ("width", "24"), ("heads", "3"), ("layers", "7"), ("seeds", "3")])
}

#[test]
fn pure_attention_collapses_doubly_exponentially_where_all_tokens_see_the_same() {
    let trial = claim::run(&DepthCollapse, &small(), &Run::default()).unwrap();
    assert_eq!(trial.verdict.only().ruling, Floating::InOneRegion, "{:?}", trial.verdict);
    assert!(
        trial.verdict.only().because.contains("under: bidirectional;"),
        "{}",
        trial.verdict.only().because
    );
    for name in ["order_bidirectional", "order_causal", "order_prefix", "order_window"] {
        let expected = if name == "order_bidirectional" { 3.0 } else { 1.0 };
        assert!((trial.evidence.value(name).unwrap() - expected).abs() < 0.02, "{name}");
    }
    let (bound, res) = ("near_log10_bound_layer1", "near_log10_res_layer1");
    assert!(trial.evidence.value(res).unwrap() < trial.evidence.value(bound).unwrap());
    for mask in ["bidirectional", "causal"] {
        assert!(trial.evidence.value(&format!("paths_{mask}_error")).unwrap() < 1e-10);
        assert_eq!(trial.evidence.value(&format!("paths_{mask}_count_length2")).unwrap(), 15.0 * 9.0);
    }
}

#[test]
fn causal_attention_halves_the_residual_a_layer() {
    let sizes = Sizes { n: 24, width: 48, heads: 4, layers: 4 };
    let seeds: Vec<u64> = (0..16).collect();
    let slope = rates::slopes(&sizes, &Mask::causal(), rates::CAUSAL, &seeds, &Run::default()).unwrap();
    assert!((slope.mean() - 0.5f64.log10()).abs() < 4.0 * slope.standard_error(), "{slope}");
    assert!(slope.standard_error() < 0.01, "{slope}");
}

#[test]
fn the_table_is_that_of_the_reference() {
    let sizes = Sizes { n: 32, width: 64, heads: 4, layers: 12 };
    let seeds: Vec<u64> = (0..4).collect();
    let curves = curves::measure(&sizes, &seeds, &Run::default()).unwrap();
    let at = |name: &str, layer: usize| {
        let curve = curves.iter().find(|curve| curve.name() == name).unwrap();
        10f64.powf(curve.at(layer).mean())
    };
    let near = |name: &str, layer: usize, expected: f64, factor: f64| {
        let got = at(name, layer);
        assert!(got > expected / factor && got < expected * factor, "{name} at {layer}: {got}");
    };
    near("san_bidirectional", 2, 2.5e-2, 3.0);
    near("san_bidirectional", 3, 3.1e-7, 100.0);
    near("san_post_ln_bidirectional", 3, 5.3e-3, 3.0);
    near("san_causal", 4, 0.29, 1.5);
    near("san_causal", 12, 3.0e-3, 3.0);
    near("san_prefix", 8, 6.3e-6, 10.0);
    near("san_window", 12, 0.62, 1.3);
    near("san_skip_bidirectional", 4, 0.73, 1.3);
    near("san_skip_causal", 12, 0.26, 1.4);
    near("pre_ln_causal", 6, 0.53, 1.3);
    assert!(at("san_bidirectional", 4) < sizes.floor());
    // To the first token's row and no further: the input itself is far from equal rows.
    near("san_causal", 0, 1.0, 1.1);
}

#[test]
fn the_verdict_can_come_out_otherwise() {
    let evidence = |reached: [Option<f64>; 4], growth: f64, order: f64| {
        let mut evidence = Evidence::new();
        for (mask, reached) in ["bidirectional", "causal", "prefix", "window"].iter().zip(reached) {
            if let Some(layer) = reached {
                evidence.measure(format!("floor_layer_san_{mask}"), layer, "layers");
            }
            evidence.measure(format!("growth_san_{mask}"), growth, "");
        }
        evidence.measure("causal_slope_log10_per_layer", -0.3, "");
        evidence.measure("order_bidirectional", order, "");
        evidence.measure("ratio_left_with_skips", 0.2, "");
        evidence
    };
    let all = [4.0, 5.0, 5.0, 6.0].map(Some);
    let cases = [
        (all, 3.0, 3.0, Floating::Everywhere),
        ([Some(4.0), None, None, None], 3.0, 3.0, Floating::InOneRegion),
        (all, 1.0, 1.0, Floating::Nowhere),
        ([None; 4], 3.0, 1.0, Floating::Nowhere),
        ([None; 4], 3.0, 3.0, Floating::NotResolved),
    ];
    for (reached, growth, order, ruling) in cases {
        let verdict = DepthCollapse.verdict(&evidence(reached, growth, order)).unwrap();
        assert_eq!(verdict.ruling, ruling, "{reached:?} {growth} {order}");
    }
}

#[test]
fn what_cannot_be_run_is_named() {
    let message = |changes: &[(&str, &str)]| {
        DepthCollapse.run(&settings(changes), &Run::default()).unwrap_err().to_string()
    };
    assert_eq!(message(&[("heads", "5")]), "heads is 5, expected a divisor of width = 64");
    assert!(message(&[("checkpoints", "no-such")]).starts_with("no model or folder \"no-such\""));
    let run = Run::default();
    run.cancel_flag().cancel();
    assert_eq!(DepthCollapse.run(&small(), &run).unwrap_err().to_string(), "cancelled");
}
