use super::*;
use crate::device::{AdapterFeatures, AdapterKind, AdapterLimits};

fn adapter(name: &str, kind: AdapterKind) -> Adapter {
    Adapter {
        name: name.to_owned(),
        kind,
        backend: "vulkan".to_owned(),
        driver: String::new(),
        driver_info: String::new(),
        is_software: kind == AdapterKind::Software,
        limits: AdapterLimits {
            max_storage_binding_bytes: 1 << 27,
            max_buffer_bytes: 1 << 28,
            max_workgroup_storage_bytes: 1 << 14,
            max_workgroup_invocations: 256,
            max_workgroups_per_dimension: 65535,
        },
        features: AdapterFeatures { timestamps: true, subgroups: false, f16: false },
    }
}

#[test]
fn requests_are_read_and_unknown_ones_named() {
    for request in DeviceRequest::ALL {
        assert_eq!(request.to_string().parse::<DeviceRequest>().unwrap(), request);
    }
    assert_eq!("".parse::<DeviceRequest>().unwrap(), DeviceRequest::Auto);
    let error = DeviceRequest::parse("RANKSCOPE_DEVICE", "cuda").unwrap_err();
    assert_eq!(error.to_string(), "RANKSCOPE_DEVICE is \"cuda\", expected cpu, gpu or auto");
}

#[test]
fn auto_without_a_device_node_opens_no_driver() {
    let choice = plan(DeviceRequest::Auto, false, || panic!("the drivers were opened")).unwrap();
    assert_eq!((choice.adapter, choice.why.as_str()), (None, "no GPU device node under /dev"));
}

#[test]
fn cpu_opens_no_driver() {
    let choice = plan(DeviceRequest::Cpu, true, || panic!("the drivers were opened")).unwrap();
    assert_eq!(choice.adapter, None);
}

#[test]
fn auto_never_takes_software() {
    let software = adapter("llvmpipe", AdapterKind::Software);
    let choice = plan(DeviceRequest::Auto, true, || vec![software.clone()]).unwrap();
    assert_eq!(choice.adapter, None);
    assert!(choice.why.contains("llvmpipe, is software"), "{}", choice.why);
    let hardware = adapter("Arc", AdapterKind::Integrated);
    let choice = plan(DeviceRequest::Auto, true, || vec![software, hardware]).unwrap();
    assert_eq!(choice.adapter, Some(1));
}

#[test]
fn gpu_takes_the_best_hardware_then_software() {
    let [software, integrated, discrete] = [
        ("llvmpipe", AdapterKind::Software),
        ("iGPU", AdapterKind::Integrated),
        ("card", AdapterKind::Discrete),
    ]
    .map(|(name, kind)| adapter(name, kind));
    let all = || vec![software.clone(), integrated.clone(), discrete.clone(), discrete.clone()];
    assert_eq!(plan(DeviceRequest::Gpu, true, all).unwrap().adapter, Some(2));
    let choice = plan(DeviceRequest::Gpu, false, || vec![software]).unwrap();
    assert_eq!(choice.adapter, Some(0));
    assert!(choice.why.contains("llvmpipe is software, far slower than the CPU"), "{}", choice.why);
}

#[test]
fn gpu_without_adapters_says_what_to_do() {
    let error = plan(DeviceRequest::Gpu, true, Vec::new).unwrap_err().to_string();
    assert!(error.contains("mesa-vulkan-drivers") && error.contains("RANKSCOPE_DEVICE=cpu"), "{error}");
    assert_eq!(plan(DeviceRequest::Auto, true, Vec::new).unwrap().adapter, None);
}

#[test]
fn device_nodes_are_recognised() {
    let dev = tempfile::tempdir().unwrap();
    let touch = |name: &str| std::fs::write(dev.path().join(name), "").unwrap();
    std::fs::create_dir(dev.path().join("dri")).unwrap();
    for name in ["null", "nvidiactl", "nvidia-uvm", "nvme0", "dri/card0"] {
        touch(name);
        assert_eq!(device_node(dev.path()), None, "{name}");
    }
    for name in ["nvidia0", "dxg", "kgsl-3d0", "mali0", "nvhost-gpu", "nvgpu0", "dri/renderD128"] {
        touch(name);
        assert_eq!(device_node(dev.path()), Some(dev.path().join(name)));
        std::fs::remove_file(dev.path().join(name)).unwrap();
    }
}
