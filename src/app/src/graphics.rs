//! How the window's graphics device is opened: a hardware adapter first, with all of its limits.

use std::sync::Arc;

use egui_wgpu::{WgpuConfiguration, WgpuError, WgpuSetup, WgpuSetupCreateNew};

/// The advice if there is no driver.
pub const NO_ADAPTER: &str = "no graphics adapter: install a Vulkan driver \
    (on Debian and Ubuntu: apt install mesa-vulkan-drivers)";

/// The configuration for a window and for pictures alike.
///
/// The window's device also computes. The limits that egui asks for are far below what adapters have: a
/// storage buffer of at most 128 MiB, say.
pub fn configuration() -> WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.instance_descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
    setup.instance_descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    setup.native_adapter_selector = Some(Arc::new(|adapters, surface| {
        let mut usable: Vec<_> = adapters
            .iter()
            .filter(|adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface)))
            .collect();
        usable.sort_by_key(|adapter| preference(adapter.get_info().device_type));
        usable.first().map(|adapter| (*adapter).clone()).ok_or_else(|| NO_ADAPTER.to_owned())
    }));
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("rankscope window"),
        required_limits: adapter.limits(),
        required_features: adapter.features() & rankscope::device::Gpu::FEATURES,
        ..Default::default()
    });
    WgpuConfiguration { wgpu_setup: WgpuSetup::CreateNew(setup), ..Default::default() }
}

fn preference(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// A texture to draw into, of `[width, height]` pixels.
pub fn target(
    device: &wgpu::Device,
    label: &str,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: usage | wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// One line about an adapter or device that cannot be opened.
pub fn explain(error: &WgpuError) -> String {
    match error {
        WgpuError::CustomNativeAdapterSelectionError(text) => text.clone(),
        WgpuError::RequestAdapterError(_) => NO_ADAPTER.to_owned(),
        other => format!("the graphics device cannot be opened: {}", one_line(&other.to_string())),
    }
}

/// `text` without its line breaks and indents.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
