//! Every error is one line that names the kernel or tensor.

use rankscope::device::gpu::{Bind, Kernel};
use rankscope::device::{Device, DeviceRequest};
use rankscope::ops::{add, linear};
use rankscope::{Axis, Dtype, Error, Weight};

use crate::support::{gpu, inner, own, random, separate};

#[track_caller]
fn expect(error: Error, parts: &[&str]) {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn an_unknown_device_is_named() {
    let error = "tpu".parse::<DeviceRequest>().unwrap_err();
    expect(error, &["device is \"tpu\"", "expected cpu, gpu or auto"]);
}

#[test]
fn repeated_choices_give_the_same_device() {
    let Some(device) = gpu() else { return };
    assert_eq!(Device::choose(DeviceRequest::Gpu).unwrap().device, device);
    let choice = Device::choose(DeviceRequest::Gpu).unwrap();
    assert_eq!(choice.why.contains("software"), inner(&device).is_software(), "{}", choice.why);
    assert_eq!(Device::choose(DeviceRequest::Auto).unwrap().device.is_gpu(), !inner(&device).is_software());
}

#[test]
fn a_buffer_beyond_the_limit_is_refused() {
    let Some(device) = gpu() else { return };
    let gpu = inner(&device);
    let limit = gpu.limits().max_buffer_size.min(gpu.limits().max_storage_buffer_binding_size);
    let size = limit as usize + 1;
    let error = gpu.alloc("lm_head.weight", size).unwrap_err();
    expect(error, &["lm_head.weight", &size.to_string(), &limit.to_string()]);
    expect(gpu.alloc("w", usize::MAX).unwrap_err(), &["w: ", &usize::MAX.to_string()]);
}

#[test]
fn arguments_on_two_devices_are_refused() {
    let Some(device) = gpu() else { return };
    let x = random(&[(Axis::Query, 2), (Axis::Width, 3)], 1);
    let there = x.to_device(&device).unwrap();
    expect(add(&x, &there).unwrap_err(), &["add: y is on gpu", "are on cpu"]);
    expect(add(&there, &x).unwrap_err(), &["add: y is on cpu", "are on gpu"]);
    let w = Weight::new("w", [(Axis::Vocab, 5), (Axis::Width, 3)], Dtype::F16, &[0.0; 15]).unwrap();
    expect(linear(&there, &w).unwrap_err(), &["linear: x is on gpu", "are on cpu"]);
}

const fn kernel(name: &'static str, source: &'static str) -> Kernel {
    Kernel { name, source, params: &[] }
}

static DOUBLE: Kernel = kernel(
    "double",
    "@group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(1) fn main() { y[0] = 2.0 * x[0]; }",
);

static BROKEN: Kernel = kernel(
    "broken",
    "@group(0) @binding(0) var<storage, read> x: array<f32>;
    @compute @workgroup_size(1) fn main() { let y: u32 = x[0]; }",
);

/// A kernel with valid source, but with a workgroup larger than any device allows.
static HUGE: Kernel = kernel(
    "huge",
    "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(4096, 16) fn main() { y[0] = 1.0; }",
);

/// A kernel as after an edit in a notebook: the same name, another source.
static DOUBLE_EDITED: Kernel = kernel(
    "double",
    "@group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(1) fn main() { y[0] = 3.0 * x[0]; }",
);

#[test]
fn an_edited_kernel_is_compiled_again_though_its_name_is_the_same() {
    let Some(device) = gpu() else { return };
    let gpu = inner(&device);
    let [x, y] = [1.5f32, 0.0].map(|value| gpu.upload("x", bytemuck::bytes_of(&value)).unwrap());
    let binds = [("x", Bind::Buffer(&x)), ("y", Bind::Buffer(&y))];
    for (kernel, expected) in [(&DOUBLE, 3.0), (&DOUBLE_EDITED, 4.5), (&DOUBLE, 3.0)] {
        gpu.dispatch(kernel, &binds, 1).unwrap();
        assert_eq!(y.read_f32(1).unwrap(), [expected]);
    }
}

#[test]
fn kernels_that_do_not_fit_are_named() {
    let Some(device) = gpu() else { return };
    let gpu = inner(&device);
    let [x, y] = [1.0f32, 0.0].map(|value| gpu.upload("x", bytemuck::bytes_of(&value)).unwrap());
    let error = gpu.dispatch(&DOUBLE, &[("x", Bind::Buffer(&x))], 1).unwrap_err();
    expect(error, &["kernel double", "y"]);
    let binds = [("x", Bind::Buffer(&x)), ("y", Bind::Buffer(&y)), ("z", Bind::Buffer(&y))];
    expect(gpu.dispatch(&DOUBLE, &binds, 1).unwrap_err(), &["kernel double", "z is bound but not declared"]);
    let error = gpu.dispatch(&BROKEN, &[("x", Bind::Buffer(&x))], 1).unwrap_err();
    expect(error, &["kernel broken: line 2: ", "let y: u32 = x[0]"]);
    expect(gpu.dispatch(&HUGE, &[("y", Bind::Buffer(&y))], 1).unwrap_err(), &["kernel huge"]);
    // The GPU still works.
    gpu.dispatch(&DOUBLE, &binds[..2], 1).unwrap();
    assert_eq!(y.read_f32(1).unwrap(), [2.0]);
}

#[test]
fn one_buffer_as_input_and_output_is_refused_and_named() {
    let Some((gpu, _)) = own() else { return };
    let x = gpu.upload("x", bytemuck::bytes_of(&1.0f32)).unwrap();
    let recorded = gpu.dispatch(&DOUBLE, &[("x", Bind::Buffer(&x)), ("y", Bind::Buffer(&x))], 1);
    let error = recorded.and_then(|()| gpu.flush()).unwrap_err();
    expect(error, &["double"]);
    // The buffers that this work should have written must never be read, so the Gpu cannot be used from here on.
    expect(x.read_f32(1).unwrap_err(), &["device", "work was not done", "double"]);
    assert!(gpu.is_lost());
}

#[test]
fn a_readback_beyond_the_end_is_refused() {
    let Some(device) = gpu() else { return };
    let buffer = inner(&device).upload("x", &[0; 12]).unwrap();
    expect(buffer.read_f32(4).unwrap_err(), &["readback", "4 values", "12 bytes"]);
    expect(buffer.copy_f32(2..4).unwrap_err(), &["copy", "2..4", "12 bytes"]);
}

#[test]
fn an_error_that_nobody_caught_is_told_at_the_next_call_once() {
    let Some(gpu) = separate() else { return };
    let _invalid = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("a renderer's"),
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    expect(gpu.upload("x", &[0; 4]).unwrap_err(), &["earlier work", "a renderer's"]);
    assert_eq!(gpu.upload("x", &[0; 4]).unwrap().read_f32(1).unwrap(), [0.0]);
}

#[test]
fn a_lost_device_is_an_error_from_then_on() {
    let Some(gpu) = separate() else { return };
    let x = gpu.upload("x", &[0; 4]).unwrap();
    gpu.device().destroy();
    for _ in 0..2 {
        expect(x.read_f32(1).unwrap_err(), &["device lost"]);
        expect(gpu.upload("y", &[0; 4]).unwrap_err(), &["device lost"]);
    }
    assert!(gpu.is_lost());
}
