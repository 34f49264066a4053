//! The accuracy of decays over many tokens.

use rankscope::mask::Allowed;
use rankscope::ops::{decayed_scores, decayed_walk, log_decays, no_tokens};
use rankscope::prelude::*;

use crate::support::{
    B, D, EPSILON, FROM_ZERO, G, H, S, T, assert_within, devices, every_way, noise, on, pairs, wide_of,
};

#[test]
fn log_decays_keep_their_digits_from_the_slowest_to_the_fastest() {
    let mut values: Vec<f32> = (-80..=80).map(|x| x as f32).collect();
    values.extend(noise(200, 6).into_iter().map(|x| 4.0 * x));
    values.extend([0.0, 1e-4, -1e-4, 1e4]);
    let k = Tensor::new([(B, 1), (G, 1), (S, values.len()), (D, 1)], values).unwrap();
    let weight = Tensor::new([(G, 1), (D, 1)], vec![1.0]).unwrap();
    let bias = Tensor::zeros([(G, 1)]);
    let x = wide_of(&k);
    // The other form of the formula, −ln(1 + eˣ): its second term is computed by libm for small e⁻ˣ.
    let formula = |&x: &f64| if x > 0.0 { -x - (-x).exp().ln_1p() } else { -x.exp().ln_1p() };
    let want: Vec<f64> = x.iter().map(formula).collect();
    for device in devices() {
        let got = on(&device, [&k, &weight, &bias], |[k, weight, bias]| log_decays(&k, &weight, &bias, None));
        assert_eq!(got.shape().to_string(), "[B=1, G=1, S=365]");
        // WGSL allows an error of eˣ of 3 + 2|x| units in the last place.
        let bound = |i: usize| (8.0 + 2.0 * x[i].abs()) * EPSILON * want[i].abs();
        assert_within("log decays", &device, &got, &want, bound);
    }
}

const KEYS: usize = 1000;

/// Log decays of two heads: different fast decays with a cumulative sum of about 700, and a slow constant decay.
fn decays() -> Tensor {
    let fast = noise(KEYS, 7).into_iter().map(|x| -0.7 - 0.6 * x);
    let values = fast.chain(std::iter::repeat_n(-0.001, KEYS)).collect();
    Tensor::new([(B, 1), (G, 2), (S, KEYS)], values).unwrap()
}

/// The cumulative sums of each head's log decays, in their precision.
fn cumulative<F: Copy + std::ops::AddAssign>(mut sums: Vec<F>) -> Vec<F> {
    for s in (0..sums.len()).filter(|s| s % KEYS > 0) {
        let before = sums[s - 1];
        sums[s] += before;
    }
    sums
}

#[test]
fn a_thousand_tokens_cost_no_digits() {
    let decays = decays();
    let sums = cumulative(wide_of(&decays));
    // 500 queries at the end, in two query heads for each of the two key/value heads.
    let (heads, queries, at) = (4, 500, Positions { first_query: 500 });
    let ones = Tensor::new(pairs([1, heads, queries, KEYS]), vec![1.0; heads * queries * KEYS]).unwrap();
    let allowed = Allowed::new(&Mask::bidirectional(), heads, queries, KEYS, at, None).unwrap();
    let place = |i: usize| (i / KEYS / queries / 2 * KEYS, 500 + i / KEYS % queries, i % KEYS);
    let distance = |i| {
        let (head, t, s) = place(i);
        (sums[head + t] - sums[head + s]).abs()
    };
    let want: Vec<f64> = (0..heads * queries * KEYS).map(|i| (-distance(i)).exp()).collect();
    // The error in the documentation, 2 units for the exponential, and 2 for each unit of its argument.
    let bound = |i: usize| {
        let (_, t, s) = place(i);
        (0.18 * t.abs_diff(s) as f64 + 2.0) * EPSILON + 2.0 * distance(i) * EPSILON * want[i]
    };
    for device in devices() {
        let call = |[scores, decays]: [&Tensor; 2]| decayed_scores(scores, decays, at, &allowed);
        for (way, got) in every_way(&device, "decayed_scores", [&ones, &decays], call) {
            assert_within(&format!("decayed scores, {way}"), &device, &got, &want, bound);
        }
    }
    // Differences of cumulative sums in f32 have a larger error.
    let short = cumulative(decays.to_vec().unwrap());
    let by_difference = |i: usize| {
        let (head, t, s) = place(i);
        f64::from(-(short[head + t] - short[head + s]).abs()).exp()
    };
    assert!((0..want.len()).any(|i| (by_difference(i) - want[i]).abs() > 10.0 * bound(i)));
}

#[test]
fn a_thousand_steps_of_the_recurrence_stay_within_its_bound() {
    let decays = decays();
    let sums = cumulative(wide_of(&decays));
    // With D = 1 and q = k = v = 1 the context is the sum of the weights.
    let ones = |heads, length| {
        Tensor::new([(B, 1), (heads, 2), (length, KEYS), (D, 1)], vec![1.0; 2 * KEYS]).unwrap()
    };
    let (q, k) = (ones(H, T), ones(G, S));
    let (mut want, mut bounds) = (Vec::new(), Vec::new());
    for head in sums.chunks(KEYS) {
        for t in 0..KEYS {
            let weight = |s: usize| (-(head[t] - head[s]).abs()).exp();
            want.push((0..=t).map(weight).sum::<f64>());
            bounds.push((0..=t).map(|s| (2.0 * (t - s) as f64 + 1.0) * EPSILON * weight(s)).sum::<f64>());
        }
    }
    for device in devices() {
        let [q, k, decays] = [&q, &k, &decays].map(|x| x.to_device(&device).unwrap());
        let none = no_tokens(1, 2, 1, 1, &device).unwrap();
        let (got, _) = decayed_walk(&none, &q, &k, &k, &decays, FROM_ZERO, None, &Run::default()).unwrap();
        assert_within("recurrence", &device, &got, &want, |i| bounds[i]);
    }
}
