//! The graphics adapters of this machine, as listed by `rankscope devices`.

use serde::Serialize;

/// One graphics adapter, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adapter {
    /// The adapter's name.
    pub name: String,
    /// Its kind: discrete, integrated, virtual, software or other.
    pub kind: AdapterKind,
    /// The graphics interface: vulkan, metal or dx12.
    pub backend: String,
    /// The driver's name.
    pub driver: String,
    /// The driver's version and further remarks.
    pub driver_info: String,
    /// Whether it is a software adapter, which computes on the CPU: lavapipe, SwiftShader or WARP.
    pub is_software: bool,
    /// Its limits.
    pub limits: AdapterLimits,
    /// Its optional features.
    pub features: AdapterFeatures,
}

/// The kinds of adapters, from the least to the most preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// Software, which computes on the CPU.
    Software,
    /// An adapter of unknown kind.
    Other,
    /// Part of a GPU, assigned to a virtual machine.
    Virtual,
    /// On the processor's die; it shares the processor's memory.
    Integrated,
    /// A card with memory of its own.
    Discrete,
}

/// The limits of sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// The largest tensor that a kernel can bind.
    pub max_storage_binding_bytes: u64,
    /// The largest buffer.
    pub max_buffer_bytes: u64,
    /// Memory shared by one workgroup.
    pub max_workgroup_storage_bytes: u32,
    /// Invocations in one workgroup.
    pub max_workgroup_invocations: u32,
    /// Workgroups along one dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
}

/// The features that are relevant for computing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterFeatures {
    /// Kernels can be timed.
    pub timestamps: bool,
    /// Invocations of a subgroup can exchange values.
    pub subgroups: bool,
    /// Shaders can compute in f16.
    pub f16: bool,
}

impl Adapter {
    /// As the driver of `adapter` describes it.
    pub fn describe(adapter: &wgpu::Adapter) -> Self {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let is_software = is_software(&info);
        Adapter {
            kind: kind(&info, is_software),
            backend: info.backend.to_str().to_owned(),
            name: info.name,
            driver: info.driver,
            driver_info: info.driver_info,
            is_software,
            limits: AdapterLimits {
                max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
                max_buffer_bytes: limits.max_buffer_size,
                max_workgroup_storage_bytes: limits.max_compute_workgroup_storage_size,
                max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
                max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            },
            features: AdapterFeatures {
                timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
                subgroups: features.contains(wgpu::Features::SUBGROUP),
                f16: features.contains(wgpu::Features::SHADER_F16),
            },
        }
    }
}

pub(super) fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
        || is_software_name(&info.name)
        || is_software_name(&info.driver)
}

/// Whether a name is that of a software adapter.
fn is_software_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    name.contains("microsoft basic render driver")
        || words.any(|word| ["llvmpipe", "lavapipe", "swiftshader", "warp"].contains(&word))
}

fn kind(info: &wgpu::AdapterInfo, is_software: bool) -> AdapterKind {
    match info.device_type {
        _ if is_software => AdapterKind::Software,
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::Other => AdapterKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_is_known_by_name() {
        for name in ["llvmpipe (LLVM 19.1.7, 256 bits)", "SwiftShader Device (Subzero)", "WARP"] {
            assert!(is_software_name(name), "{name}");
        }
        assert!(is_software_name("Microsoft Basic Render Driver"));
        for name in ["NVIDIA GeForce RTX 4090", "Warpdrive 9000", "Apple M2", "radv", ""] {
            assert!(!is_software_name(name), "{name}");
        }
    }

    #[test]
    fn the_best_kind_is_the_largest() {
        use AdapterKind::*;
        assert!(Software < Other && Other < Virtual && Virtual < Integrated && Integrated < Discrete);
    }
}
