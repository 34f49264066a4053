//! Theorems about the weights of the newer mechanisms, and mechanisms for which they do not hold.

use rankscope::attention::{
    AttentionLayer, Differential, LayerSizes, Linear, MECHANISMS, Mechanism, MechanismKind, OnlineSoftmax,
    PositionScheme,
};
use rankscope::mask::Allowed;
use rankscope::ops::cpu;
use rankscope::prelude::*;
use rankscope::rank::{Spectrum, Tolerance};

use super::{BATCH, FROM_ZERO, QUERIES, SIZES, attend, far, forward, hidden, layer, named, out, traced};
use crate::support::{devices, noise, refused, said, wide, wide_of};

fn for_each_head(value: f32) -> Tensor {
    Tensor::new([(Axis::Head, SIZES.heads)], vec![value; SIZES.heads]).unwrap()
}

/// The weights of all sequences and heads on `device`, each T × S.
fn matrices(layer: &AttentionLayer, device: &Device) -> Vec<Vec<f64>> {
    let weights = wide(&traced(layer, device, "weights").to_vec().unwrap());
    weights.chunks(QUERIES * QUERIES).map(<[f64]>::to_vec).collect()
}

fn spectrum(matrix: &[f64]) -> Spectrum {
    Spectrum::of(ndarray::ArrayView2::from_shape((QUERIES, QUERIES), matrix).unwrap()).unwrap()
}

#[test]
fn a_difference_with_lambda_one_leaves_the_first_query_nothing() {
    let mut differential = named("differential");
    let with = |lambda| Differential::new(SIZES.head_size, for_each_head(lambda), 0.2).unwrap().into();
    for device in devices() {
        differential.attention.mechanism = with(1.0);
        for matrix in matrices(&differential, &device) {
            assert!(matrix[..QUERIES].iter().all(|&weight| weight == 0.0), "{device}: {matrix:?}");
            assert!(spectrum(&matrix).numerical_rank(Tolerance::F32) < QUERIES, "{device}");
            for row in matrix.chunks(QUERIES) {
                assert!(row.iter().sum::<f64>().abs() < 1e-6, "{device}: {row:?}");
            }
        }
        // With any other λ, the first query has the weight 1 − λ.
        differential.attention.mechanism = with(0.75);
        let matrices = matrices(&differential, &device);
        assert!(matrices.iter().all(|matrix| matrix[0] == 0.25), "{device}");
        let rank = |matrix: &Vec<f64>| spectrum(matrix).numerical_rank(Tolerance::F64);
        assert!(matrices.iter().all(|matrix| rank(matrix) == QUERIES), "{device}");
    }
    // In f64, without the rounding of a device.
    let allowed = Allowed::new(&Mask::causal(), 3, 8, 8, FROM_ZERO, None).unwrap();
    let [mut first, mut second] = [1, 2].map(|seed| wide(&noise(3 * 64, seed)));
    cpu::masked_softmax(&mut first, [1, 3, 8, 8], &allowed);
    cpu::masked_softmax(&mut second, [1, 3, 8, 8], &allowed);
    cpu::weighted_difference(&mut first, &second, [1, 3, 8, 8], &[1.0, 0.0, 0.5]);
    assert!(first[..8].iter().all(|&weight| weight == 0.0));
    assert_eq!([first[64], first[128]], [1.0, 0.5]);
}

#[test]
fn only_differences_have_a_diagonal_that_is_not_positive() {
    for device in devices() {
        for (name, is_positive) in [("learned-sink", true), ("sigmoid", true), ("differential", false)] {
            let mut layer = named(name);
            if name == "differential" {
                let lambdas = for_each_head(0.8);
                layer.attention.mechanism = Differential::new(SIZES.head_size, lambdas, 0.2).unwrap().into();
            }
            let diagonals = matrices(&layer, &device);
            let mut diagonal =
                diagonals.iter().flat_map(|matrix| (0..QUERIES).map(|t| matrix[t * (QUERIES + 1)]));
            assert_eq!(diagonal.all(|weight| weight > 0.0), is_positive, "{name} on {device}");
            assert_eq!(layer.attention.mechanism.is_positive(), is_positive, "{name}");
        }
    }
}

#[test]
fn a_sink_takes_the_same_share_from_every_key() {
    let layer = named("learned-sink");
    let plain = named("grouped-query"); // the same projections
    let Mechanism::ScaledDotProduct(softmax) = &layer.attention.mechanism else { panic!("no softmax") };
    let sinks = wide_of(softmax.sinks().unwrap());
    let scores = wide_of(&traced(&layer, &Device::Cpu, "scores"));
    for device in devices() {
        let (with, without) = (matrices(&layer, &device), matrices(&plain, &device));
        for row in 0..BATCH * SIZES.heads * QUERIES {
            let (matrix, t) = (row / QUERIES, row % QUERIES);
            let [with, without] = [&with, &without].map(|all| &all[matrix][t * QUERIES..][..=t]);
            let sum: f64 = with.iter().sum();
            let powers: f64 = scores[row * QUERIES..][..=t].iter().map(|score| score.exp()).sum();
            let left = powers / (powers + sinks[matrix % SIZES.heads].exp());
            assert!(sum < 1.0 && (sum - left).abs() < 1e-6, "{device}: row {t}: {sum}, expected {left}");
            let close = |(with, without): (&f64, &f64)| (with - left * without).abs() < 1e-6;
            assert!(with.iter().zip(without).all(close), "{device}: row {t}");
        }
    }
}

#[test]
fn a_sink_that_takes_nothing_and_a_gate_that_is_open_change_nothing() {
    let plain = named("grouped-query");
    let mut sunk = named("learned-sink");
    for sink in [f32::NEG_INFINITY, -1e30] {
        let softmax = ScaledDotProduct::new(SIZES.head_size).with_sinks(for_each_head(sink));
        sunk.attention.mechanism = softmax.into();
        assert_eq!(out(&sunk), out(&plain), "{sink}");
        let online = OnlineSoftmax::new(SIZES.head_size).with_sinks(for_each_head(sink));
        sunk.attention.mechanism = online.into();
        assert_eq!(out(&sunk), out(&named("online-softmax")), "{sink}, online");
    }
    let mut gated = named("gated");
    assert!(far(&out(&gated), &out(&plain)) > 1e-2);
    let gate = gated.attention.gate.as_mut().unwrap();
    let inner = SIZES.heads * SIZES.head_size;
    gate.bias = Some(Tensor::new([(Axis::HeadWidth, inner)], vec![100.0; inner]).unwrap());
    assert_eq!(out(&gated), out(&plain), "every gate is 1");
    gated.attention.gate = None;
    assert_eq!(out(&gated), out(&plain));
}

#[test]
fn the_online_softmax_has_the_same_sinks_on_every_device() {
    let mut layer = named("learned-sink");
    let Mechanism::ScaledDotProduct(softmax) = &layer.attention.mechanism else { panic!("no softmax") };
    let (want, sinks) = (out(&layer), softmax.sinks().unwrap().clone());
    layer.attention.mechanism = OnlineSoftmax::new(SIZES.head_size).with_sinks(sinks).into();
    for device in devices() {
        let got = forward(&layer, &hidden(QUERIES, 1), &device, &mut Unobserved).to_vec().unwrap();
        assert!(far(&got, &want) < 1e-5, "{device}");
    }
}

#[test]
fn every_intermediate_can_be_replaced() {
    let x = hidden(QUERIES, 1);
    for kind in MECHANISMS {
        let layer = layer(kind);
        let mut trace = Trace::all();
        let plain = forward(&layer, &x, &Device::Cpu, &mut trace).to_vec().unwrap();
        for (name, _) in trace.iter() {
            // Half of the values become 0, also in a mask.
            let halved = |value: Tensor| {
                let values = value.to_vec()?.into_iter().enumerate();
                let values = values.map(|(i, value)| if i % 2 == 0 { value } else { 0.0 }).collect();
                Tensor::new(value.shape().axes(), values)
            };
            let mut probe = Replace::new(name, halved);
            let replaced = forward(&layer, &x, &Device::Cpu, &mut probe).to_vec().unwrap();
            assert_eq!(probe.hits, 1, "{}: {name}", kind.name);
            assert!(far(&replaced, &plain) > 1e-3, "{}: {name}", kind.name);
        }
    }
}

#[test]
fn a_layer_counts_what_its_mechanism_and_gate_learn() {
    let count = |name: &str| named(name).attention.parameter_count();
    let plain = count("grouped-query");
    assert_eq!(plain, 2 * 12 * 24 + 2 * 12 * 12);
    assert_eq!([count("learned-sink"), count("differential")], [plain + 6; 2]);
    assert_eq!([count("sigmoid"), count("gated")], [plain, plain + 12 * 24]);
}

#[test]
fn what_differences_sinks_and_gates_cannot_be_is_named() {
    let fails = |layer: &AttentionLayer, expected| refused(attend(layer, QUERIES), expected);
    let make = MechanismKind::of("differential").unwrap().make;
    refused(
        make(LayerSizes { head_size: 5, ..SIZES }, 0),
        "differential attention: head size D is 5, expected an even number: queries and keys hold two halves",
    );
    let rotated = AttentionLayer { positions: PositionScheme::Rotary { base: 1e4 }, ..named("differential") };
    fails(
        &rotated,
        "rotation by position is given, expected none: differential attention keeps the two halves of a head \
         apart, and a rotation pairs numbers across them",
    );
    let mut other = named("differential");
    other.attention.mechanism = Differential::new(6, for_each_head(0.5), 0.2).unwrap().into();
    fails(&other, "differential attention: q has HeadSize (D) = 4, expected 6");
    let five = || Tensor::zeros([(Axis::Head, 5)]);
    other.attention.mechanism = Differential::new(4, five(), 0.2).unwrap().into();
    fails(&other, "weighted_difference: factors has Head (H) = 5, expected 6");
    other.attention.mechanism = ScaledDotProduct::new(4).with_sinks(five()).into();
    fails(&other, "masked_softmax_with_sinks: sinks has Head (H) = 5, expected 6");
    other.attention.mechanism = OnlineSoftmax::new(4).with_sinks(five()).into();
    fails(&other, "online_attention: sinks has Head (H) = 5, expected 6");
    assert!(Differential::new(4, Tensor::zeros([(Axis::Width, 6)]), 0.2).is_err());
    let narrow = Weight::new("gate", [(Axis::HeadWidth, 7), (Axis::Width, 12)], Dtype::F32, &[0.0; 84]);
    other = named("gated");
    other.attention.gate = Some(Linear { weight: narrow.unwrap(), bias: None });
    let error = said(attend(&other, QUERIES));
    assert!(error.starts_with("multiply: y has axes"), "{error}");
}

#[test]
fn lambda_begins_at_the_papers_values() {
    for (layer, want) in [(0, 0.2), (1, 0.355_509), (5, 0.666_122), (100, 0.8)] {
        assert!((Differential::initial(layer) - want).abs() < 1e-6, "layer {layer}");
    }
}
