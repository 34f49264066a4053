//! Dropout: the same numbers on every device.

use rankscope::gradient::gradients;
use rankscope::ops::dropout;
use rankscope::tape::Tape;
use rankscope::{Axis, Tensor};

use crate::gradients::{check, weighted_sum};
use crate::support::{devices, on, random, said, wide_of};

#[test]
fn every_device_leaves_out_the_same_numbers() {
    // Counts near the sizes of the generator's pairs, of vectors of four and of the workgroup, and a count for several
    // threads.
    for count in [1, 2, 3, 5, 255, 256, 257, 1030, 100_003] {
        let x = random(&[(Axis::Row, count)], 1);
        for (rate, seed) in [(0.1, 7), (0.5, u64::MAX), (0.9, 1 << 40)] {
            let want = on(&devices()[0], [&x], |[x]| dropout(x, rate, seed)).to_vec().unwrap();
            let kept = want.iter().filter(|&&y| y != 0.0).count() as f64;
            let expected = f64::from(1.0 - rate) * count as f64;
            assert!((kept - expected).abs() < 4.0 * (count as f64).sqrt(), "{kept} of {count}");
            for device in devices() {
                let got = on(&device, [&x], |[x]| dropout(x, rate, seed)).to_vec().unwrap();
                assert_eq!(got, want, "{count} at {rate} on {device}, bit for bit");
            }
        }
        let same = dropout(&x, 0.0, 3).unwrap();
        assert_eq!(same.to_vec().unwrap(), x.to_vec().unwrap());
    }
    for rate in [-0.1, 1.0, f32::NAN] {
        let error = said(dropout(random(&[(Axis::Row, 3)], 1), rate, 0));
        assert!(error.ends_with("expected a number from 0 on and below 1"), "{error}");
    }
}

#[test]
fn a_gradient_goes_through_what_was_kept() {
    let x = random(&[(Axis::Query, 3), (Axis::Width, 7)], 2);
    // A tensor of ones shows which numbers are kept.
    let ones = Tensor::new(x.shape().axes(), vec![1.0; 21]).unwrap();
    let kept = wide_of(&dropout(ones, 0.4, 11).unwrap());
    assert!(kept.contains(&0.0) && kept.iter().any(|&y| (y - 1.0 / 0.6).abs() < 1e-6));
    let by_hand = |[x]: [&[f64]; 1]| x.iter().zip(&kept).map(|(x, kept)| x * kept).collect();
    check("dropout", [&x], |[x]| dropout(x, 0.4, 11), by_hand);
    // At rate 0 nothing is written on the tape.
    let tape = Tape::new();
    let tracked = tape.track(&x);
    let y = dropout(&tracked, 0.0, 11).unwrap();
    assert_eq!(tape.len(), 1);
    let found = gradients(&weighted_sum(&y, &[1.0; 21], &rankscope::Device::Cpu)).unwrap();
    assert_eq!(found.of(&tracked).unwrap().to_vec().unwrap(), [1.0; 21]);
}
