//! The operations of a training step: norms of gradients, momentum, AdamW.

use rankscope::ops::{AdamStep, AdamTensor, Moments, adamw, clip, descend, momentum};
use rankscope::{Axis, Tensor};

use crate::support::{EPSILON, assert_within, devices, random, wide_of};

/// Sizes of less than a vector, a block with a rest, and several blocks.
const SIZES: [usize; 5] = [1, 3, 67, 4099, 100_003];

fn noise(seed: u64) -> Vec<Tensor> {
    (seed..).zip(SIZES).map(|(seed, size)| random(&[(Axis::Row, size)], seed)).collect()
}

#[test]
fn norms_of_gradients_and_their_factor() {
    let gradients = noise(1);
    let squares: Vec<f64> = gradients.iter().map(|g| wide_of(g).iter().map(|g| g * g).sum()).collect();
    let norm = squares.iter().sum::<f64>().sqrt();
    for device in devices() {
        let there: Vec<_> = gradients.iter().map(|g| g.to_device(&device).unwrap()).collect();
        let there: Vec<_> = there.iter().collect();
        for (most, factor) in [(None, 1.0), (Some(5.0), 5.0 / norm), (Some(1e4), 1.0)] {
            let got = clip(&there, most).unwrap();
            let want: Vec<f64> = [factor, norm].into_iter().chain(squares.iter().copied()).collect();
            // Numbers are squared and added in f32, some hundred one after the other.
            assert_within("clip", &device, &got, &want, |i| 100.0 * EPSILON * want[i]);
        }
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            let bad = Tensor::new([(Axis::Row, 2)], vec![1.0, bad]).unwrap().to_device(&device).unwrap();
            let got = clip(&[there[0], &bad, there[1]], Some(1.0)).unwrap().to_vec().unwrap();
            let is_finite: Vec<bool> = got.iter().map(|x| x.is_finite()).collect();
            assert_eq!((got[0], &is_finite[1..]), (0.0, &[false, true, false, true][..]), "{device}");
        }
        for (gradients, most, expected) in [
            (vec![], None, "number of gradients is 0, expected at least 1"),
            (vec![there[0]], Some(0.0), "largest norm of gradients is 0, expected more than 0"),
        ] {
            assert_eq!(clip(&gradients, most).unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn steps_of_every_size() {
    let [w, gradients] = [noise(10), noise(20)];
    for device in devices() {
        let on = |x: &Tensor| x.to_device(&device).unwrap();
        let there: Vec<_> = gradients.iter().map(on).collect();
        let clip = clip(&there.iter().collect::<Vec<_>>(), Some(3.0)).unwrap();
        let factor = f64::from(clip.to_vec().unwrap()[0]);
        let mut moved: Vec<_> = w.iter().map(on).collect();
        let mut moments: Vec<_> = moved.iter().map(|w| Moments::before(w).unwrap()).collect();
        for step in 1..=2 {
            let tensors = moved.iter_mut().zip(&mut moments).zip(&there).enumerate();
            let tensors = tensors.map(|(index, ((w, moments), gradient))| {
                let decay = 0.1 * index as f32;
                AdamTensor { w, moments, gradient, decay }
            });
            let step = AdamStep { rate: 0.25, beta1: 0.75, beta2: 0.875, epsilon: 1e-3, step };
            adamw(tensors.collect(), &clip, step).unwrap();
        }
        for (index, ((w, gradient), moved)) in w.iter().zip(&gradients).zip(&moved).enumerate() {
            let [w, gradient] = [w, gradient].map(wide_of);
            let want = w.iter().zip(&gradient).map(|(&w, &g)| {
                let (mut w, mut m, mut v) = (w, 0.0, 0.0);
                for step in 1..=2 {
                    let g = factor * g;
                    (m, v) = (0.75 * m + 0.25 * g, 0.875 * v + 0.125 * g * g);
                    let (m, v) = (m / (1.0 - 0.75f64.powi(step)), v / (1.0 - 0.875f64.powi(step)));
                    w -= 0.25 * (m / (v.sqrt() + f64::from(1e-3f32)) + f64::from(0.1 * index as f32) * w);
                }
                w
            });
            let want: Vec<f64> = want.collect();
            // The step is an average of two gradients divided by the root of another average, each with a few
            // roundings.
            assert_within("adamw", &device, moved, &want, |i| 20.0 * EPSILON * want[i].abs().max(1.0));

            let halves = Tensor::new([(Axis::Row, w.len())], vec![0.5; w.len()]).unwrap();
            let m = momentum(on(&halves), &there[index], 0.75, &clip).unwrap();
            let want: Vec<f64> = gradient.iter().map(|g| 0.375 + factor * g).collect();
            assert_within("momentum", &device, &m, &want, |i| 4.0 * EPSILON * want[i].abs().max(1.0));
            let moved = descend(&there[index], &m, 0.5, 0.25, &clip).unwrap();
            let want: Vec<f64> = gradient.iter().map(|g| 0.875 * g - 0.5 * (0.375 + factor * g)).collect();
            assert_within("descend", &device, &moved, &want, |i| 4.0 * EPSILON * want[i].abs().max(1.0));
        }
    }
}
