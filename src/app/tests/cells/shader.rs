{
use rankscope::{Device, Run, device::DeviceRequest};
use rankscope::ops::{bench, ladder::ladder};
let device = Device::choose(DeviceRequest::Gpu)?.device;
bench::trial(&device, "matmul", "tiled", 128, &Run::default())?
}
