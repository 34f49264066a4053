//! Joining and cutting along an axis.

use rankscope::ops::{concat, concat_all, slice};
use rankscope::{Device, Tensor};

use crate::support::{C, D, G, S, assert_close, devices, on, random, refused, wide_of};

const SIZES: [(usize, usize, usize, usize); 6] =
    [(1, 1, 1, 1), (3, 2, 5, 7), (2, 0, 3, 4), (5, 4, 0, 3), (1, 63, 2, 1), (4, 9, 16, 33)];

#[test]
fn a_join_has_the_first_then_the_second() {
    for device in devices() {
        for (outer, first, second, inner) in SIZES {
            let axes = |size| [(G, outer), (S, size), (D, inner)];
            let (a, b) = (random(&axes(first), 1), random(&axes(second), 2));
            let (wide_a, wide_b) = (wide_of(&a), wide_of(&b));
            let part = |x: &[f64], o: usize, size: usize| x[o * size * inner..][..size * inner].to_vec();
            let both = |o| [part(&wide_a, o, first), part(&wide_b, o, second)].concat();
            let want: Vec<f64> = (0..outer).flat_map(both).collect();
            let got = on(&device, [&a, &b], |[a, b]| concat(&a, &b, S));
            let case = format!("{outer} x ({first} + {second}) x {inner}");
            assert_eq!(got.shape().size(S), Some(first + second), "{case}");
            assert_close(&case, &device, &got, &want, 0.0);
            // Three parts joined with one part give the same as two by two.
            let three = on(&device, [&a, &b], |[a, b]| concat_all(&[&a, &b, &a], S));
            let pairs = on(&device, [&got, &a], |[ab, a]| concat(&ab, &a, S));
            assert_eq!(three.to_vec().unwrap(), pairs.to_vec().unwrap(), "{case} on {device}");
            let one = on(&device, [&a], |[a]| concat_all(&[&a], S));
            assert_eq!(one.to_vec().unwrap(), a.to_vec().unwrap(), "{case} on {device}");
        }
    }
}

#[test]
fn a_cut_is_the_range_and_undoes_a_join() {
    for device in devices() {
        let x = random(&[(G, 3), (S, 11), (D, 5)], 4);
        let wide = wide_of(&x);
        for range in [0..11, 0..4, 4..11, 10..11, 6..6, 2..9] {
            let got = on(&device, [&x], |[x]| slice(&x, S, range.clone()));
            let part = |head: &[f64]| head[range.start * 5..range.end * 5].to_vec();
            let want: Vec<f64> = wide.chunks(11 * 5).flat_map(part).collect();
            assert_close(&format!("{range:?}"), &device, &got, &want, 0.0);
            let whole = on(&device, [&x], |[x]| {
                concat(&slice(&x, S, 0..range.start)?, &slice(&x, S, range.start..11)?, S)
            });
            assert_close("cut and joined", &device, &whole, &wide, 0.0);
        }
        let innermost = on(&device, [&x], |[x]| slice(&x, D, 1..3));
        let want: Vec<f64> = wide.chunks(5).flat_map(|row| row[1..3].to_vec()).collect();
        assert_close("innermost", &device, &innermost, &want, 0.0);
    }
}

#[test]
fn joins_and_cuts_that_do_not_fit_are_named() {
    let x = Tensor::zeros([(G, 2), (S, 3)]);
    let taller = Tensor::zeros([(G, 4), (S, 3)]);
    refused(concat(&x, &taller, S), "concat: b has KvHead (G) = 4, expected 2");
    let turned = Tensor::zeros([(S, 3), (G, 2)]);
    refused(concat(&x, &turned, S), "concat: b has axes [S, G], expected [G, S]");
    refused(concat_all(&[], S), "number of tensors to join is 0, expected at least 1");
    refused(concat(&x, &x, C), "concat: a has axes [G, S], expected C among them");
    refused(slice(&x, C, 0..1), "slice: x has axes [G, S], expected C among them");
    refused(slice(&x, S, 2..4), "range of S is 2..4, expected within 0..3");
    assert_eq!(x.device(), Device::Cpu);
}
