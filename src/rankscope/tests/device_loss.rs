//! The process's own GPU is lost, and the next choice opens a new one. This is a separate program, since all other
//! tests share that GPU.

#[path = "support/devices.rs"]
mod devices;

use rankscope::device::DeviceRequest;
use rankscope::ops::scale;
use rankscope::{Axis, Device, Result, Tensor};

/// The steps of a caller from the beginning: choose the device, move there, compute, read back.
fn work(device: &Device) -> Result<Vec<f32>> {
    let x = Tensor::new([(Axis::Row, 5)], vec![1.0, 2.0, 3.0, 4.0, 5.0])?;
    scale(&x.to_device(device)?, 2.0)?.to_vec()
}

#[test]
fn the_next_choice_after_a_loss_is_a_new_device_that_does_the_work_again() {
    if devices::gpu().is_none() {
        return;
    }
    let choose = || Device::choose(DeviceRequest::Gpu).unwrap().device;
    let first = choose();
    assert_eq!(first, choose(), "the open device is used again");
    assert_eq!(work(&first).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0]);

    let Device::Gpu(gpu) = &first else { panic!("{first} is no GPU") };
    gpu.destroy();
    let error = work(&first).unwrap_err().to_string();
    assert!(error.contains("device lost") && !error.contains('\n'), "{error}");

    let second = choose();
    assert_ne!(second, first, "the lost device is dropped");
    assert_eq!(work(&second).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(second, choose());

    // A loss that the driver reports, and that no call here has caused.
    let Device::Gpu(gpu) = &second else { panic!("{second} is no GPU") };
    gpu.device().destroy();
    let error = work(&second).unwrap_err().to_string();
    assert!(error.contains("device lost"), "{error}");
    let third = choose();
    assert!(third != second && third != first);
    assert_eq!(work(&third).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0]);
}
