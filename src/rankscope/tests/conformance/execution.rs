//! How the GPU is driven: reuse of buffers, slices, parts of large weights, loss and a new start.

use rankscope::device::Gpu;
use rankscope::device::gpu::Counts;
use rankscope::ops::{gather, linear, matmul, scale};
use rankscope::{Axis, Device, Dtype, Tensor, Weight};

use crate::support::{adapter, assert_close, gpu, inner, noise, own, random, said, separate, wide_of};

/// A separate device that binds at most 32 KiB of a buffer.
#[track_caller]
fn narrow() -> Option<Device> {
    gpu()?;
    let adapter = adapter();
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 32 << 10, ..adapter.limits() };
    let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Some(Device::Gpu(Gpu::from_wgpu(device, queue)))
}

#[test]
fn freed_buffers_are_used_again_and_shown_ones_are_not() {
    let Some((gpu, own)) = own() else { return };
    let x = random(&[(Axis::Row, 1000)], 1).to_device(&own).unwrap();
    let live = gpu.memory().live_bytes;
    let mut y = scale(&x, 2.0).unwrap();
    for _ in 0..10 {
        y = scale(&y, 1.0).unwrap();
    }
    let memory = gpu.memory();
    assert!(memory.peak_bytes <= live + 2 * 4096 + 1024, "{memory:?}");
    assert!(memory.idle_bytes > 0 && memory.idle_bytes <= 2 * 4096, "{memory:?}");
    assert_eq!(y.to_vec().unwrap(), x.to_vec().unwrap().iter().map(|x| 2.0 * x).collect::<Vec<_>>());
    // A renderer may still draw from this buffer.
    let shown = y.gpu_buffer().unwrap().buffer().clone();
    let idle = gpu.memory().idle_bytes;
    drop(y);
    assert_eq!(gpu.memory().idle_bytes, idle);
    for factor in 0..4 {
        let z = scale(&x, factor as f32).unwrap();
        assert_ne!(z.gpu_buffer().unwrap().buffer(), &shown);
    }
}

#[test]
fn a_large_dispatch_is_cut_and_still_right() {
    let Some((gpu, own)) = own() else { return };
    let a = random(&[(Axis::Row, 330), (Axis::Width, 250)], 1);
    let b = random(&[(Axis::Width, 250), (Axis::Column, 262)], 2);
    let want = wide_of(&matmul(&a, &b, Axis::Width, 1.0).unwrap());
    let (a, b) = (a.to_device(&own).unwrap(), b.to_device(&own).unwrap());
    let got = matmul(&a, &b, Axis::Width, 1.0).unwrap();
    let counts = gpu.counts();
    // 21.6 million multiply-adds take more than 5 ms on a software adapter, which is assumed to be slow.
    let expected = if gpu.is_software() { 2.. } else { 1.. };
    assert!(expected.contains(&counts.dispatches), "{counts:?}");
    assert_eq!(counts.readbacks, 0);
    assert_close("cut", &own, &got, &want, 250.0 * f64::from(f32::EPSILON));
}

#[test]
fn work_is_timed_by_the_gpu_where_it_can() {
    let Some(device) = gpu() else { return };
    let gpu = inner(&device);
    let x = random(&[(Axis::Row, 300), (Axis::Width, 300)], 1).to_device(&device).unwrap();
    let y = x.rename(Axis::Row, Axis::Column).unwrap();
    let (_, timing) = gpu.measure(|| matmul(&x, &y, Axis::Width, 1.0)).unwrap();
    assert_eq!(timing.by_gpu, gpu.features().contains(wgpu::Features::TIMESTAMP_QUERY));
    assert!(timing.micros > 1.0 && timing.micros < 6e7, "{timing:?}");
}

#[test]
fn weights_beyond_one_binding_are_seen_in_parts() {
    let Some(device) = narrow() else { return };
    let (rows, width) = (1003, 37);
    for dtype in [Dtype::F32, Dtype::F16] {
        let values = noise(rows * width, 5);
        let w = Weight::new("lm_head", [(Axis::Vocab, rows), (Axis::Width, width)], dtype, &values).unwrap();
        let x = random(&[(Axis::Query, 5), (Axis::Width, width)], 6);
        let ids: Vec<u32> = (0..24).map(|i| i * 43 % rows as u32).collect();
        let want = [wide_of(&linear(&x, &w).unwrap()), wide_of(&gather(&w, &ids, 2).unwrap())];
        let (x, w) = (x.to_device(&device).unwrap(), w.to_device(&device).unwrap());
        assert!(w.shape().len() * dtype.size_bytes() > 64 << 10);
        assert_close("linear in parts", &device, &linear(&x, &w).unwrap(), &want[0], 1e-5);
        assert_close("gather in parts", &device, &gather(&w, &ids, 2).unwrap(), &want[1], 0.0);
    }
    // Rows of which 128, the least number, do not fit one binding, or a tensor that must be bound as a whole, are
    // errors.
    let w = Weight::new("wide", [(Axis::Vocab, 130), (Axis::Width, 99)], Dtype::F32, &noise(130 * 99, 7))
        .unwrap();
    let x = random(&[(Axis::Query, 1), (Axis::Width, 99)], 6).to_device(&device).unwrap();
    let error = said(linear(&x, &w.to_device(&device).unwrap()));
    assert!(error.contains("wide: 128 rows of 396 bytes") && error.contains("32768"), "{error}");
    let error = said(Tensor::zeros([(Axis::Row, 8193)]).to_device(&device));
    assert!(error.contains("tensor: 32772 bytes") && error.contains("32768"), "{error}");
}

#[test]
fn results_beyond_one_binding_are_refused_by_name() {
    let Some(device) = narrow() else { return };
    let on = |axes: &[(Axis, usize)]| random(axes, 1).to_device(&device).unwrap();
    let (a, b) = (on(&[(Axis::Row, 91), (Axis::Width, 3)]), on(&[(Axis::Width, 3), (Axis::Column, 97)]));
    let values = noise(303, 2);
    let table = Weight::new("table", [(Axis::Vocab, 101), (Axis::Width, 3)], Dtype::F32, &values).unwrap();
    let table = table.to_device(&device).unwrap();
    let ids = vec![7; 2740];
    let refusals = [
        (matmul(&a, &b, Axis::Width, 1.0), "result of matmul: 35308 bytes"),
        (linear(&a, &table), "result of linear: 36764 bytes"),
        (gather(&table, &ids, 2), "result of gather: 32880 bytes"),
    ];
    for (result, start) in refusals {
        let error = said(result);
        assert!(error.contains(start) && error.contains("max_storage_buffer_binding_size, 32768"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    // Sizes that just fit are computed, and the device still works.
    let y = gather(&table, &ids[..2730], 2).unwrap();
    assert_eq!(y.to_vec().unwrap()[..3], values[21..24]);
}

#[test]
fn after_a_loss_the_work_is_done_again_on_a_new_device() {
    // The process's device is shared with other tests, so a separately opened device is lost here.
    let Some(gpu) = separate() else { return };
    let x = random(&[(Axis::Row, 9)], 1);
    let there = x.to_device(&Device::Gpu(gpu.clone())).unwrap();
    let y = scale(&there, 3.0).unwrap();
    gpu.destroy();
    assert!(gpu.is_lost());
    for error in [said(y.to_vec()), said(scale(&there, 2.0))] {
        assert!(error.contains("device lost: it was destroyed"), "{error}");
    }
    let again = Gpu::open(&adapter()).unwrap();
    let y = scale(x.to_device(&Device::Gpu(again)).unwrap(), 3.0).unwrap();
    assert_eq!(y.to_vec().unwrap(), x.to_vec().unwrap().iter().map(|x| 3.0 * x).collect::<Vec<_>>());
}

/// A forward pass records its work and reads nothing back until a result is requested. Later passes of the same length
/// make almost no new bind groups, and copy only their tokens to the GPU.
#[test]
fn a_pass_costs_what_its_kernels_cost() {
    use rankscope::model::{Input, MaskChoice, load};
    use rankscope::prelude::{Run, Trace};
    let Some(gpu) = separate() else { return };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny/llama");
    let model = load(&folder, &Device::Gpu(gpu.clone())).unwrap();
    let input = Input::new((0..7).collect());
    let pass = || {
        let mut trace = Trace::of(["attention.weights"]);
        let before = gpu.counts();
        let output = model.forward(&input, &MaskChoice::AsTrained, &mut trace, &Run::default()).unwrap();
        let recorded = gpu.counts() - before;
        assert_eq!((recorded.readbacks, recorded.submissions), (0, 0));
        assert_eq!(output.logits.unwrap().to_vec().unwrap().len(), 7 * 97);
        gpu.counts() - before
    };
    let (first, _, third) = (pass(), pass(), pass());
    // Three layers of about 21 kernels, in one submission.
    assert!(first.dispatches > 50 && first.bind_groups > 0, "{first:?}");
    assert!(first.uploaded_bytes > third.uploaded_bytes, "{first:?} {third:?}");
    let expected = Counts {
        dispatches: first.dispatches,
        submissions: 1,
        readbacks: 1,
        // The bind group of the tokens' embeddings, because the tokens are in a new buffer.
        bind_groups: 1,
        uploaded_bytes: 7 * 4,
        read_bytes: 7 * 97 * 4,
    };
    assert_eq!(third, expected);
}

/// Freed memory is kept up to the peak of earlier use, and returned to the driver if it is needed elsewhere.
#[test]
fn idle_buffers_stay_below_the_peak() {
    let Some(gpu) = separate() else { return };
    let mebibyte = 1 << 20;
    let buffers = |count: usize, size: usize| -> Vec<_> {
        (0..count).map(|_| gpu.alloc("x", size * mebibyte).unwrap()).collect()
    };
    drop(buffers(96, 1));
    assert_eq!((gpu.memory().idle_bytes, gpu.memory().live_bytes), (96 << 20, 0));
    let used = buffers(96, 1);
    assert_eq!((gpu.memory().idle_bytes, gpu.memory().peak_bytes), (0, 96 << 20));
    drop(used);
    // Buffers of other sizes: those that were idle for the longest time are dropped.
    drop(buffers(5, 10));
    let memory = gpu.memory();
    assert!(memory.idle_bytes <= 96 << 20 && memory.idle_bytes > 80 << 20, "{memory:?}");
    let before = gpu.memory().idle_bytes;
    drop(buffers(5, 10));
    assert_eq!(gpu.memory().idle_bytes, before);
    gpu.destroy();
    assert_eq!(gpu.memory().idle_bytes, 0);
}
