//! Properties of all mechanisms, or of one kind.

use rankscope::attention::{
    AttentionLayer, LayerSizes, MECHANISMS, MechanismKind, OnlineSoftmax, PositionScheme, attention_sinks,
    slopes,
};
use rankscope::prelude::*;

use super::{BATCH, FROM_ZERO, QUERIES, SIZES, attend, far, forward, hidden, layer, named, out, traced};
use crate::support::{padding, refused, said};

#[test]
fn the_last_queries_alone_are_the_last_rows_of_a_full_pass() {
    let x = hidden(QUERIES, 1);
    for kind in MECHANISMS {
        let layer = layer(kind);
        if layer.is_cross {
            continue;
        }
        let full = out(&layer);
        let last = rankscope::ops::slice(&x, Axis::Query, 5..QUERIES).unwrap();
        let at = Positions::suffix(QUERIES - 5, QUERIES).unwrap();
        let got = layer.forward(&last, Some(&x), at, None, &mut Unobserved, &Run::default()).unwrap();
        let rows = |b: usize| &full[(b * QUERIES + 5) * SIZES.width..(b + 1) * QUERIES * SIZES.width];
        let far = far(&got.to_vec().unwrap(), &[rows(0), rows(1)].concat());
        assert!(far < 1e-5, "{}: {far:e}", kind.name);
    }
}

#[test]
fn only_a_position_scheme_knows_the_order_under_a_bidirectional_mask() {
    let x = hidden(QUERIES, 1);
    let order = [3, 0, 8, 5, 1, 7, 4, 2, 6];
    let permuted = |x: &Tensor| {
        let values = x.to_vec().unwrap();
        let row = |b: usize, t: usize| &values[(b * QUERIES + t) * SIZES.width..][..SIZES.width];
        let rows = (0..BATCH).flat_map(|b| order.iter().flat_map(move |&t| row(b, t).to_vec()));
        Tensor::new(x.shape().axes(), rows.collect()).unwrap()
    };
    let mut kinds = 0;
    for kind in MECHANISMS {
        let layer = layer(kind);
        if layer.is_cross || layer.mask != Mask::bidirectional() {
            continue;
        }
        let run = |x: &Tensor| forward(&layer, x, &Device::Cpu, &mut Unobserved);
        let far = far(&permuted(&run(&x)).to_vec().unwrap(), &run(&permuted(&x)).to_vec().unwrap());
        match layer.positions {
            PositionScheme::None => assert!(far < 1e-5, "{}: {far:e}", kind.name),
            _ => assert!(far > 1e-2, "{}: {far:e}", kind.name),
        }
        kinds += 1;
    }
    assert!(kinds >= 8);
}

#[test]
fn neither_the_future_nor_padding_matters() {
    let x = hidden(QUERIES, 1);
    let mut changed = x.to_vec().unwrap();
    for b in 0..BATCH {
        let end = (b + 1) * QUERIES * SIZES.width;
        changed[end - 2 * SIZES.width..end].iter_mut().for_each(|value| *value = 0.5 - 2.0 * *value);
    }
    let changed = Tensor::new(x.shape().axes(), changed).unwrap();
    let padding = padding(BATCH, QUERIES, |_, s| s < QUERIES - 2);
    let (mut causal, mut all) = (0, 0);
    for kind in MECHANISMS {
        let layer = layer(kind);
        if layer.is_cross {
            continue;
        }
        let first = |x: &Tensor, padding: Option<&Padding>| {
            let out = layer.forward(x, None, FROM_ZERO, padding, &mut Unobserved, &Run::default()).unwrap();
            rankscope::ops::slice(&out, Axis::Query, 0..QUERIES - 2).unwrap().to_vec().unwrap()
        };
        if [Mask::causal(), Mask::window(4).unwrap()].contains(&layer.mask) {
            assert!(far(&first(&x, None), &first(&changed, None)) < 1e-6, "{}: the future", kind.name);
            causal += 1;
        } else {
            assert!(far(&first(&x, None), &first(&changed, None)) > 1e-3, "{}: both sides", kind.name);
        }
        assert!(far(&first(&x, Some(&padding)), &first(&changed, Some(&padding))) < 1e-6, "{}", kind.name);
        all += 1;
    }
    assert!(causal >= 9 && all > causal);
}

#[test]
fn special_cases_are_the_mechanisms_they_are_cases_of() {
    let out = |name: &str, sizes| out(&(MechanismKind::of(name).unwrap().make)(sizes, 5).unwrap());
    let standard = LayerSizes { kv_heads: 6, head_size: 2, ..SIZES };
    assert_eq!(out("fixed-multi-head", standard), out("multi-head", SIZES), "D = C/H");
    assert_eq!(out("grouped-query", standard), out("causal-multi-head", SIZES), "G = H");
    let one = LayerSizes { kv_heads: 1, ..SIZES };
    assert_eq!(out("grouped-query", one), out("multi-query", SIZES), "G = 1");
    let single = LayerSizes { heads: 1, kv_heads: 1, head_size: 12, ..SIZES };
    assert_eq!(out("fixed-multi-head", single), out("single-head", SIZES), "H = 1");
    assert!(far(&out("online-softmax", SIZES), &out("grouped-query", SIZES)) < 1e-6);
    assert!(far(&out("multi-head", SIZES), &out("causal-multi-head", SIZES)) > 1e-2);
}

#[test]
fn normalised_scores_are_bounded_whatever_the_weights() {
    let x = hidden(QUERIES, 1);
    let limit = (SIZES.head_size as f32).sqrt() * 1.00001;
    let largest = |layer: &AttentionLayer| {
        let mut trace = Trace::of(["scores"]);
        let out = forward(layer, &x, &Device::Cpu, &mut trace).to_vec().unwrap();
        let scores = trace.get("scores").unwrap().to_vec().unwrap();
        (scores.into_iter().fold(0.0f32, |largest, score| largest.max(score.abs())), out)
    };
    let scaled = |kind: &MechanismKind, factor: f32| {
        let mut layer = layer(kind);
        let weight = &layer.attention.query.weight;
        let values: Vec<f32> = weight.to_f32().unwrap().into_iter().map(|value| factor * value).collect();
        layer.attention.query.weight =
            Weight::new("query", weight.shape().axes(), Dtype::F32, &values).unwrap();
        layer
    };
    for kind in MECHANISMS.iter().filter(|kind| kind.name.ends_with("-norm")) {
        let ((small, one), (large, other)) = (largest(&layer(kind)), largest(&scaled(kind, 100.0)));
        assert!(small <= limit && large <= limit, "{}: {small} {large}", kind.name);
        assert!(far(&one, &other) < 1e-3, "{}: the size of queries does not matter", kind.name);
    }
    let rotary = MechanismKind::of("rotary").unwrap();
    assert!(largest(&scaled(rotary, 100.0)).0 > limit, "without a norm it does");
}

#[test]
fn sinks_are_seen_where_a_bias_puts_them() {
    let sinks = |name: &str| attention_sinks(&traced(&named(name), &Device::Cpu, "weights")).unwrap();
    let causal = sinks("causal-multi-head");
    let harmonic = (1..=QUERIES).map(|t| 1.0 / t as f64).sum::<f64>() / QUERIES as f64;
    assert!(causal.iter().all(|sink| (sink.uniform - harmonic).abs() < 1e-6));
    // The bias of ALiBi's first head falls fastest, so this head gives the first key the least weight.
    let alibi = sinks("alibi");
    let steepest = slopes(SIZES.heads).unwrap().iter().copied().fold(0.0, f64::max);
    let head = slopes(SIZES.heads).unwrap().iter().position(|&slope| slope == steepest).unwrap();
    assert!(alibi[head].weight < harmonic && alibi[head].uniform == causal[0].uniform);
}

#[test]
fn names_are_unique_and_what_cannot_be_is_named() {
    let mut names: Vec<_> = MECHANISMS.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MECHANISMS.len());
    assert!(MECHANISMS.iter().all(|kind| !kind.summary.is_empty() && !kind.source.is_empty()));
    let make = |name: &str, sizes| MechanismKind::of(name).and_then(|kind| (kind.make)(sizes, 0));
    let sizes = LayerSizes { heads: 5, ..SIZES };
    refused(make("multi-head", sizes), "heads is 5, expected a divisor of the width 12");
    let sizes = LayerSizes { kv_heads: 4, ..SIZES };
    refused(make("grouped-query", sizes), "kv_heads is 4, expected a divisor of heads = 6");
    let sizes = LayerSizes { head_size: 0, ..SIZES };
    refused(make("linear", sizes), "head_size is 0, expected at least 1");
    let expected = "attention mechanism is flash, expected one of single-head, multi-head";
    assert!(said(make("flash", SIZES)).starts_with(expected));
    let error = said(attend(&named("cross-attention"), 3));
    assert!(error.ends_with("expected one: this is cross-attention"));
    // Where a bias cannot be added, it must be an error and not be left out silently.
    let mut alibi = named("alibi");
    alibi.attention.mechanism = OnlineSoftmax::new(SIZES.head_size).into();
    assert!(said(attend(&alibi, 3)).starts_with("position bias is given, expected none: this mechanism"));
    let expected = "number of positions is 14, expected at most 13, the length of the learned table";
    refused(attend(&named("learned-positions"), 14), expected);
}
