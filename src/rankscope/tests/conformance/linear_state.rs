//! The recurrent state of linear attention equals its causal form; and properties of every linear attention.

use rankscope::attention::{Linear, LinearAttention, LinearState, Mechanism, MultiHead, Visibility};
use rankscope::ops::FeatureMap;
use rankscope::prelude::*;

use crate::compare::far;
use crate::support::{
    B, D, EPSILON, G, S, T, assert_close, devices, noise, qkv, random, refused, whole, wide_of,
};

/// Rows `rows` of the third axis.
pub fn rows(x: &Tensor, rows: std::ops::Range<usize>) -> Tensor {
    let mut axes = x.shape().axes().to_vec();
    let (length, size) = (axes[2].1, axes[3].1);
    axes[2].1 = rows.len();
    let values = x.to_vec().unwrap();
    let parts = values.chunks(length * size).flat_map(|matrix| &matrix[rows.start * size..rows.end * size]);
    Tensor::new(axes, parts.copied().collect()).unwrap()
}

fn context([q, k, v]: &[Tensor; 3], mask: &Mask, first_query: usize) -> Tensor {
    let visibility = Visibility { mask, at: Positions { first_query }, padding: None };
    let attention = LinearAttention::new(FeatureMap::EluPlusOne);
    attention.forward(q, k, v, visibility, &mut Unobserved, &Run::default()).unwrap()
}

#[test]
fn steps_of_any_length_equal_the_causal_form() {
    let sizes @ [batch, _, kv_heads, length, _, size] = [2, 6, 3, 137, 137, 5];
    let inputs = qkv(sizes);
    let want = context(&inputs, &Mask::causal(), 0);
    for device in devices() {
        for lengths in [vec![length], vec![1; 9], vec![3, 65, 1, 68]] {
            let mut state = LinearState::new(FeatureMap::EluPlusOne, batch, kv_heads, size, &device).unwrap();
            for steps in lengths {
                let range = state.tokens()..state.tokens() + steps;
                let [q, k, v] = inputs.each_ref().map(|x| rows(x, range.clone()).to_device(&device).unwrap());
                let got = state.step(&q, &k, &v, &Run::default()).unwrap();
                let want = wide_of(&rows(&want, range.clone()));
                assert_close(&format!("tokens {range:?}"), &device, &got, &want, 64.0 * EPSILON);
            }
        }
    }
}

#[test]
fn a_state_is_a_value() {
    let inputs = qkv([1, 2, 1, 4, 4, 3]);
    for device in devices() {
        let token = |t: usize| inputs.each_ref().map(|x| rows(x, t..t + 1).to_device(&device).unwrap());
        let run = Run::default();
        let mut state = LinearState::new(FeatureMap::Relu, 1, 1, 3, &device).unwrap();
        let [q, k, v] = token(0);
        state.step(&q, &k, &v, &run).unwrap();
        let kept = state.clone();
        let step = |state: &mut LinearState, t| {
            let [q, k, v] = token(t);
            state.step(&q, &k, &v, &run).unwrap().to_vec().unwrap()
        };
        let once = step(&mut state, 1);
        step(&mut state, 2);
        let mut again = kept.clone();
        assert_eq!(step(&mut again, 1), once, "{device}");
        assert_eq!((kept.tokens(), again.tokens(), state.tokens()), (1, 2, 3));
        assert_eq!(kept.sums().shape().to_string(), "[B=1, G=1, D=3, M=4]");
        // After an error the state is unchanged.
        let wide = random(&[(B, 1), (G, 1), (S, 1), (D, 4)], 5);
        assert!(again.step(&q, &wide.to_device(&device).unwrap(), &v, &run).is_err());
        assert_eq!(again.tokens(), 2);
    }
    let mut state = LinearState::new(FeatureMap::Relu, 2, 1, 3, &Device::Cpu).unwrap();
    let [q, k, v] = &inputs;
    let expected = "linear_step: sums has axes [B=2, G=1, D=3, M=4], expected [B=1, G=1, D=3, M=4]";
    refused(state.step(q, k, v, &Run::default()), expected);
}

#[test]
fn the_last_queries_of_a_pass_are_the_queries_at_its_end() {
    let inputs = qkv([2, 4, 2, 11, 11, 3]);
    let full = context(&inputs, &Mask::causal(), 0);
    let [q, k, v] = &inputs;
    let last = [rows(q, 7..11), k.clone(), v.clone()];
    for device in devices() {
        let last = last.each_ref().map(|x| x.to_device(&device).unwrap());
        let got = context(&last, &Mask::causal(), 7);
        assert_close("the last four", &device, &got, &wide_of(&rows(&full, 7..11)), 64.0 * EPSILON);
    }
}

#[test]
fn the_future_does_not_matter_and_reversed_causal_is_anti_causal() {
    let sizes @ [.., length, size] = [1, 2, 1, 70, 70, 4];
    let [q, k, v] = qkv(sizes);
    let reversed = |x: &Tensor| {
        let values = x.to_vec().unwrap();
        let matrices = values.chunks(length * size).flat_map(|matrix| matrix.chunks(size).rev().flatten());
        Tensor::new(x.shape().axes(), matrices.copied().collect()).unwrap()
    };
    for device in devices() {
        let on = |x: &Tensor| x.to_device(&device).unwrap();
        let want = context(&[on(&q), on(&k), on(&v)], &Mask::causal(), 0).to_device(&Device::Cpu).unwrap();
        let turned = [on(&reversed(&q)), on(&reversed(&k)), on(&reversed(&v))];
        let got = context(&turned, &Mask::anti_causal(), 0);
        assert_close("reversed", &device, &got, &wide_of(&reversed(&want)), 64.0 * EPSILON);
        // The first tokens do not depend on the last five.
        let mut values = k.to_vec().unwrap();
        values[(length - 5) * size..].fill(3.0);
        let changed = Tensor::new(k.shape().axes(), values).unwrap();
        let got =
            context(&[on(&q), on(&changed), on(&v)], &Mask::causal(), 0).to_device(&Device::Cpu).unwrap();
        let first = |x: &Tensor| rows(x, 0..length - 5).to_vec().unwrap();
        assert_eq!(first(&got), first(&want), "{device}");
        assert_ne!(got.to_vec().unwrap(), want.to_vec().unwrap());
    }
}

#[test]
fn bidirectional_is_permutation_equivariant() {
    let size = 3;
    let order = [3, 0, 5, 1, 4, 2];
    let permuted = |x: &Tensor| {
        let values = x.to_vec().unwrap();
        let rows = order.iter().flat_map(|&row| values[row * size..(row + 1) * size].to_vec()).collect();
        Tensor::new(x.shape().axes(), rows).unwrap()
    };
    let inputs = qkv([1, 1, 1, 6, 6, size]);
    let turned = inputs.each_ref().map(permuted);
    let largest = |mask: &Mask| {
        let want = permuted(&context(&inputs, mask, 0)).to_vec().unwrap();
        far(&context(&turned, mask, 0).to_vec().unwrap(), &want)
    };
    assert!(largest(&Mask::bidirectional()) < 1e-6);
    assert!(largest(&Mask::causal()) > 0.01);
}

#[test]
fn multi_head_attention_takes_any_mechanism() {
    let (batch, length, heads, size, width) = (2, 7, 4, 3, 5);
    let weight = |seed, out: (Axis, usize), inner: (Axis, usize)| Linear {
        weight: Weight::new("w", [out, inner], Dtype::F32, &noise(out.1 * inner.1, seed)).unwrap(),
        bias: None,
    };
    let (c, hd, gd) = ((Axis::Width, width), (Axis::HeadWidth, heads * size), (Axis::KvWidth, 2 * size));
    let mut layer = MultiHead {
        heads,
        kv_heads: 2,
        query: weight(1, hd, c),
        key: weight(2, gd, c),
        value: weight(3, gd, c),
        output: weight(4, c, hd),
        gate: None,
        mechanism: Mechanism::from(LinearAttention::new(FeatureMap::EluPlusOne)),
    };
    let x = random(&[(B, batch), (T, length), c], 5);
    let mask = Mask::mixed_direction();
    let (visibility, run) = (whole(&mask), Run::default());
    let mut trace = Trace::of(["weights"]);
    let want = layer.forward(&x, &x, None, visibility, &mut trace, &run).unwrap();
    assert_eq!(trace.get("weights").unwrap().shape().to_string(), "[B=2, H=4, T=7, S=7]");
    for device in devices() {
        let x = x.to_device(&device).unwrap();
        let there = layer.to_device(&device).unwrap();
        let got = there.forward(&x, &x, None, visibility, &mut Unobserved, &run).unwrap();
        assert_close("linear", &device, &got, &wide_of(&want), 1e-5);
    }
    // Another mechanism in the same layer gives other results.
    layer.mechanism = ScaledDotProduct::new(size).into();
    let softmax = layer.forward(&x, &x, None, visibility, &mut Unobserved, &run).unwrap();
    assert!(far(&softmax.to_vec().unwrap(), &want.to_vec().unwrap()) > 0.01);
    layer.mechanism = rankscope::attention::OnlineSoftmax::new(size).into();
    let online = layer.forward(&x, &x, None, visibility, &mut Unobserved, &run).unwrap();
    assert_close("online", &Device::Cpu, &online, &wide_of(&softmax), 1e-5);
}
