//! Joining and cutting along an axis.

use rankscope::ops::{concat, concat_all, slice};
use rankscope::{Axis, Device, Tensor};

use crate::support::{assert_close, devices, on, random, wide_of};

const SIZES: [(usize, usize, usize, usize); 6] =
    [(1, 1, 1, 1), (3, 2, 5, 7), (2, 0, 3, 4), (5, 4, 0, 3), (1, 63, 2, 1), (4, 9, 16, 33)];

#[test]
fn a_join_has_the_first_then_the_second() {
    for device in devices() {
        for (outer, first, second, inner) in SIZES {
            let axes = |size| [(Axis::KvHead, outer), (Axis::Key, size), (Axis::HeadSize, inner)];
            let (a, b) = (random(&axes(first), 1), random(&axes(second), 2));
            let (wide_a, wide_b) = (wide_of(&a), wide_of(&b));
            let want: Vec<f64> = (0..outer)
                .flat_map(|o| {
                    let part = |wide: &[f64], size: usize| wide[o * size * inner..][..size * inner].to_vec();
                    [part(&wide_a, first), part(&wide_b, second)].concat()
                })
                .collect();
            let got = on(&device, [&a, &b], |[a, b]| concat(&a, &b, Axis::Key));
            let case = format!("{outer} x ({first} + {second}) x {inner}");
            assert_eq!(got.shape().size(Axis::Key), Some(first + second), "{case}");
            assert_close(&case, &device, &got, &want, 0.0);
            // Three parts joined with one part give the same as two by two.
            let three = on(&device, [&a, &b], |[a, b]| concat_all(&[&a, &b, &a], Axis::Key));
            let pairs = on(&device, [&got, &a], |[ab, a]| concat(&ab, &a, Axis::Key));
            assert_eq!(three.to_vec().unwrap(), pairs.to_vec().unwrap(), "{case} on {device}");
            let one = on(&device, [&a], |[a]| concat_all(&[&a], Axis::Key));
            assert_eq!(one.to_vec().unwrap(), a.to_vec().unwrap(), "{case} on {device}");
        }
    }
}

#[test]
fn a_cut_is_the_range_and_undoes_a_join() {
    for device in devices() {
        let x = random(&[(Axis::KvHead, 3), (Axis::Key, 11), (Axis::HeadSize, 5)], 4);
        let wide = wide_of(&x);
        for range in [0..11, 0..4, 4..11, 10..11, 6..6, 2..9] {
            let got = on(&device, [&x], |[x]| slice(&x, Axis::Key, range.clone()));
            let want: Vec<f64> = (0..3)
                .flat_map(|o| wide[(o * 11 + range.start) * 5..(o * 11 + range.end) * 5].to_vec())
                .collect();
            assert_close(&format!("{range:?}"), &device, &got, &want, 0.0);
            let whole = on(&device, [&x], |[x]| {
                let (head, tail) =
                    (slice(&x, Axis::Key, 0..range.start)?, slice(&x, Axis::Key, range.start..11)?);
                concat(&head, &tail, Axis::Key)
            });
            assert_close("cut and joined", &device, &whole, &wide, 0.0);
        }
        let innermost = on(&device, [&x], |[x]| slice(&x, Axis::HeadSize, 1..3));
        let want: Vec<f64> = wide.chunks(5).flat_map(|row| row[1..3].to_vec()).collect();
        assert_close("innermost", &device, &innermost, &want, 0.0);
    }
}

#[test]
fn joins_and_cuts_that_do_not_fit_are_named() {
    let x = Tensor::zeros([(Axis::KvHead, 2), (Axis::Key, 3)]);
    let said = |result: rankscope::Result<Tensor>| result.unwrap_err().to_string();
    let taller = Tensor::zeros([(Axis::KvHead, 4), (Axis::Key, 3)]);
    assert_eq!(said(concat(&x, &taller, Axis::Key)), "concat: b has KvHead (G) = 4, expected 2");
    let turned = Tensor::zeros([(Axis::Key, 3), (Axis::KvHead, 2)]);
    assert_eq!(said(concat(&x, &turned, Axis::Key)), "concat: b has axes [S, G], expected [G, S]");
    assert_eq!(said(concat_all(&[], Axis::Key)), "number of tensors to join is 0, expected at least 1");
    assert_eq!(said(concat(&x, &x, Axis::Width)), "concat: a has axes [G, S], expected C among them");
    assert_eq!(said(slice(&x, Axis::Width, 0..1)), "slice: x has axes [G, S], expected C among them");
    assert_eq!(said(slice(&x, Axis::Key, 2..4)), "range of S is 2..4, expected within 0..3");
    assert_eq!(x.device(), Device::Cpu);
}
