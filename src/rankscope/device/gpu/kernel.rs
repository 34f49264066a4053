//! Kernels: WGSL sources, their bindings, and their pipelines.

use std::collections::HashMap;
use std::sync::Arc;

use super::source::module;
use super::{Gpu, lock};
use crate::error::{Error, Result};

/// A compute shader: one WGSL file, whose entry point is called `main`.
#[derive(Debug)]
pub struct Kernel {
    /// A name that no other kernel has, for errors and labels.
    pub name: &'static str,
    /// The WGSL source.
    pub source: &'static str,
    /// The fields of the host's parameter struct, bound to the uniform called `params`.
    pub params: &'static [ParamField],
}

/// One field of a parameter struct, on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamField {
    /// The field's name.
    pub name: std::borrow::Cow<'static, str>,
    /// `u32` or `f32`.
    pub kind: &'static str,
    /// Offset in bytes.
    pub offset: usize,
}

/// Declares a parameter struct of u32 and f32 fields, with the list of its fields as `FIELDS`.
macro_rules! params {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident { $($field:ident: $kind:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        $visibility struct $name { $($visibility $field: $kind),+ }

        impl $name {
            $visibility const FIELDS: &'static [$crate::device::gpu::ParamField] = &[$(
                $crate::device::gpu::ParamField {
                    name: std::borrow::Cow::Borrowed(stringify!($field)),
                    kind: stringify!($kind),
                    offset: std::mem::offset_of!($name, $field),
                }
            ),+];
        }
    };
}
pub(crate) use params;

/// The declarations in a kernel's source.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// The buffers, all in group 0.
    pub bindings: Vec<Binding>,
    /// The fields of the uniform structs.
    pub params: Vec<ParamField>,
    /// Invocations in a workgroup along x, y and z.
    pub workgroup_size: [u32; 3],
}

/// One buffer that a kernel binds.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The variable's name.
    pub name: String,
    /// `@binding(slot)`.
    pub slot: u32,
    /// How the kernel uses it.
    pub kind: BindingKind,
    /// The smallest size of the buffer, in bytes.
    pub min_size: u64,
}

/// How a kernel uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// Parameters.
    Uniform,
    /// Input.
    Read,
    /// Output.
    ReadWrite,
}

impl Kernel {
    /// Reads the bindings and parameters from the source.
    ///
    /// # Errors
    /// [`Error::Gpu`] naming the kernel, and the line, if the source is not valid WGSL; or if it binds anything other
    /// than buffers.
    pub fn reflect(&self) -> Result<Reflection> {
        self.read(self.source)
    }

    /// As [`reflect`](Self::reflect), from another source.
    pub(super) fn read(&self, source: &str) -> Result<Reflection> {
        let module = module(source).map_err(|problem| self.error(problem.in_words(source)))?;
        let entry = module.entry_points.iter().find(|entry| entry.name == "main");
        let workgroup_size = entry.ok_or_else(|| self.error("there is no entry point main"))?.workgroup_size;
        let globals = module.global_variables.iter().map(|(_, variable)| variable);
        let bound = globals.filter(|variable| variable.binding.is_some());
        let bindings = bound.map(|variable| self.binding(&module, variable)).collect::<Result<_>>()?;
        Ok(Reflection { bindings, params: uniform_fields(&module), workgroup_size })
    }

    fn binding(&self, module: &naga::Module, variable: &naga::GlobalVariable) -> Result<Binding> {
        let name = variable.name.clone().unwrap_or_default();
        let kind = match variable.space {
            naga::AddressSpace::Uniform => BindingKind::Uniform,
            naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                BindingKind::ReadWrite
            }
            naga::AddressSpace::Storage { .. } => BindingKind::Read,
            space => return Err(self.error(format!("{name} is in {space:?}, not a buffer"))),
        };
        let Some(naga::ResourceBinding { group: 0, binding: slot }) = variable.binding else {
            return Err(self.error(format!("{name} is not in group 0")));
        };
        let min_size = u64::from(module.types[variable.ty].inner.size(module.to_ctx()));
        Ok(Binding { name, slot, kind, min_size })
    }

    /// The key of a compiled kernel: the address of its source. A kernel that was edited in a notebook has another key,
    /// although its name is the same.
    pub(super) fn key(&self) -> SourceKey {
        (self.source.as_ptr() as usize, self.source.len())
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> Error {
        Error::Gpu { what: format!("kernel {}", self.name), problem: problem.into() }
    }
}

fn uniform_fields(module: &naga::Module) -> Vec<ParamField> {
    let globals = module.global_variables.iter().map(|(_, variable)| variable);
    let uniforms = globals.filter(|variable| variable.space == naga::AddressSpace::Uniform);
    let members = uniforms.flat_map(|variable| match &module.types[variable.ty].inner {
        naga::TypeInner::Struct { members, .. } => members.as_slice(),
        _ => &[],
    });
    let field = |member: &naga::StructMember| ParamField {
        name: member.name.clone().unwrap_or_default().into(),
        kind: match module.types[member.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
            naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
            _ => "neither u32 nor f32",
        },
        offset: member.offset as usize,
    };
    members.map(field).collect()
}

/// A compiled kernel.
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: Vec<Binding>,
}

/// See [`Kernel::key`]; sources are static, so an address always has the same source.
pub(super) type SourceKey = (usize, usize);

/// The compiled kernels.
pub(super) type Pipelines = HashMap<SourceKey, Arc<Pipeline>>;

impl Gpu {
    /// The compiled kernel, from the cache if it has been used before.
    pub(super) fn pipeline(&self, kernel: &'static Kernel) -> Result<Arc<Pipeline>> {
        // Compiled under the lock: two threads that need the same kernel would otherwise both compile it.
        let mut pipelines = lock(&self.pipelines);
        if let Some(pipeline) = pipelines.get(&kernel.key()) {
            return Ok(pipeline.clone());
        }
        let pipeline = Arc::new(self.compile(kernel, kernel.source)?);
        pipelines.insert(kernel.key(), pipeline.clone());
        Ok(pipeline)
    }

    /// Compiles `source` as the kernel's source.
    pub(super) fn compile(&self, kernel: &Kernel, source: &str) -> Result<Pipeline> {
        let Reflection { bindings, .. } = kernel.read(source)?;
        let entries: Vec<_> = bindings.iter().map(layout_entry).collect();
        let (device, label) = (self.device(), Some(kernel.name));
        self.checked(format_args!("kernel {}", kernel.name), || {
            let source = wgpu::ShaderSource::Wgsl(source.into());
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
            let layout = device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: Default::default(),
                cache: None,
            });
            Pipeline { pipeline, layout, bindings }
        })
    }
}

fn layout_entry(binding: &Binding) -> wgpu::BindGroupLayoutEntry {
    let ty = match binding.kind {
        BindingKind::Uniform => wgpu::BufferBindingType::Uniform,
        BindingKind::Read => wgpu::BufferBindingType::Storage { read_only: true },
        BindingKind::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    // The parameters of each dispatch are at another offset of one buffer, so that the bind group can be reused.
    let has_dynamic_offset = binding.kind == BindingKind::Uniform;
    let min_binding_size = wgpu::BufferSize::new(binding.min_size);
    wgpu::BindGroupLayoutEntry {
        binding: binding.slot,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size },
        count: None,
    }
}
