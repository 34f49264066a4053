//! Buffers, recorded work and counters of the GPU itself.

use rankscope::ops::{KERNELS, scale, silu};
use rankscope::{Axis, Tensor};

use crate::support::{gpu, inner, own, random};

#[test]
fn upload_and_readback_of_any_size() {
    let Some(device) = gpu() else { return };
    for count in [0, 1, 3, 4, 5, 1001] {
        let x = random(&[(Axis::Row, count)], count as u64);
        let there = x.to_device(&device).unwrap();
        assert_eq!(there.gpu_buffer().unwrap().size_bytes(), 4 * count);
        assert_eq!(there.to_vec().unwrap(), x.to_vec().unwrap());
    }
    let odd = inner(&device).upload("three halves", &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!((odd.size_bytes(), odd.buffer().size()), (6, 16));
}

#[test]
fn selecting_copies_on_the_gpu() {
    let Some(device) = gpu() else { return };
    let x = random(&[(Axis::Head, 3), (Axis::Query, 5), (Axis::Key, 7)], 1);
    let there = scale(x.to_device(&device).unwrap(), 2.0).unwrap(); // recorded, not yet computed
    let head = there.select(Axis::Head, 2).unwrap();
    let want: Vec<f32> = x.select(Axis::Head, 2).unwrap().to_vec().unwrap().iter().map(|x| 2.0 * x).collect();
    assert_eq!(head.to_vec().unwrap(), want);
}

#[test]
fn more_dispatches_than_one_submission_holds() {
    let Some((gpu, own)) = own() else { return };
    let mut x = Tensor::new([(Axis::Row, 5)], vec![1.0; 5]).unwrap().to_device(&own).unwrap();
    for i in 0..600 {
        x = scale(&x, if i % 2 == 0 { 2.0 } else { 0.5 }).unwrap();
    }
    x = scale(&x, 3.0).unwrap();
    assert_eq!(x.to_vec().unwrap(), [3.0; 5]);
    let counts = gpu.counts();
    assert_eq!((counts.dispatches, counts.readbacks), (601, 1));
    assert_eq!(counts.submissions, 3);
}

#[test]
fn more_workgroups_than_one_dimension_holds() {
    let Some(device) = gpu() else { return };
    // A workgroup of permute moves 64 elements, so this many elements need more than 65535 workgroups.
    let (queries, heads) = (2, 65535 * 32 + 70);
    let x: Vec<f32> = (0..queries * heads).map(|i| i as f32).collect();
    let axes = [(Axis::Batch, 1), (Axis::Query, queries), (Axis::HeadWidth, heads)];
    let x = Tensor::new(axes, x).unwrap().to_device(&device).unwrap();
    let y = rankscope::ops::split_heads(&x, heads).unwrap().to_vec().unwrap();
    for (at, &value) in y.iter().enumerate() {
        assert_eq!(value, (at % queries * heads + at / queries) as f32);
    }
}

#[test]
fn flush_submits_without_reading_back() {
    let Some((gpu, own)) = own() else { return };
    let x = random(&[(Axis::Row, 9)], 1).to_device(&own).unwrap();
    let y = silu(&x).unwrap();
    gpu.flush().unwrap();
    gpu.flush().unwrap(); // nothing left to submit
    assert_eq!((gpu.counts().submissions, gpu.counts().readbacks), (1, 0));
    assert_eq!(y.to_vec().unwrap().len(), 9);
}

#[test]
fn threads_may_share_a_gpu() {
    let Some(device) = gpu() else { return };
    std::thread::scope(|scope| {
        for factor in 1..=6 {
            let device = device.clone();
            scope.spawn(move || {
                for count in [3, 70, 500] {
                    let x = Tensor::new([(Axis::Row, count)], vec![2.0; count]).unwrap();
                    let y = scale(x.to_device(&device).unwrap(), factor as f32).unwrap();
                    assert_eq!(y.to_vec().unwrap(), vec![2.0 * factor as f32; count]);
                }
            });
        }
    });
}

#[test]
fn kernels_fit_the_smallest_limits() {
    // The limits that WebGPU guarantees on every device.
    for kernel in KERNELS {
        let reflection = kernel.reflect().unwrap();
        assert!(reflection.workgroup_size.iter().product::<u32>() <= 256, "{}", kernel.name);
        assert!(reflection.bindings.len() <= 8 + 1, "{}", kernel.name);
    }
}
