//! The registry of kernels: the list that tests go through, and that a window may compile in advance.

use super::pointwise::table::{backward_kernels, kernels};
use super::{
    adamw, clip, concat, cross_entropy, descent, dropout, elementwise, gather, heads, layer_norm,
    linear_attention, masked_normalise, masked_sigmoid, matmul, online_attention, position_bias, rms_norm,
    rotary, slice, softmax, state_space,
};
use crate::device::gpu::Kernel;

/// All kernels: one for each WGSL file, and one for each function of the pointwise table.
pub static KERNELS: &[&Kernel] = &[
    &adamw::gpu::ADAMW,
    &clip::gpu::SQUARES,
    &clip::gpu::CLIP,
    &concat::gpu::CONCAT,
    &cross_entropy::gpu::FORWARD,
    &cross_entropy::gpu::BACKWARD,
    &descent::gpu::MOMENTUM,
    &descent::gpu::DESCEND,
    &dropout::gpu::DROPOUT,
    &elementwise::gpu::ADD,
    &elementwise::gpu::ADD_BIAS,
    &elementwise::gpu::MULTIPLY,
    &elementwise::gpu::SCALE,
    &elementwise::gpu::DIFFERENCE,
    &gather::gpu::GATHER,
    &gather::backward::SCATTER,
    &heads::gpu::PERMUTE,
    &layer_norm::gpu::NAIVE,
    &layer_norm::gpu::TILED,
    &layer_norm::gpu::BLOCKED,
    &layer_norm::gpu::SUBGROUPS,
    &layer_norm::backward::BACKWARD,
    &linear_attention::gpu::RECURRENT,
    &linear_attention::gpu::STATES,
    &linear_attention::gpu::SCAN,
    &linear_attention::gpu::CHUNKED,
    &linear_attention::backward::gpu::SUMS,
    &linear_attention::backward::gpu::SHARES,
    &masked_normalise::gpu::NAIVE,
    &masked_normalise::gpu::TILED,
    &masked_normalise::backward::BACKWARD,
    &masked_sigmoid::gpu::SIGMOID,
    &matmul::gpu::NAIVE,
    &matmul::gpu::TILED,
    &matmul::gpu::BLOCKED,
    &matmul::gpu::STAGED,
    &online_attention::gpu::NAIVE,
    &online_attention::gpu::TILED,
    &online_attention::backward::gpu::OF_QUERIES,
    &online_attention::backward::gpu::OF_KEYS,
    &kernels::GeluExact,
    &kernels::GeluTanh,
    &kernels::Silu,
    &kernels::Sigmoid,
    &kernels::Tanh,
    &kernels::Relu,
    &kernels::EluPlusOne,
    &backward_kernels::GeluExact,
    &backward_kernels::GeluTanh,
    &backward_kernels::Silu,
    &backward_kernels::Sigmoid,
    &backward_kernels::Tanh,
    &backward_kernels::Relu,
    &backward_kernels::EluPlusOne,
    &position_bias::gpu::SPREAD,
    &position_bias::gpu::GATHER,
    &rms_norm::gpu::NAIVE,
    &rms_norm::gpu::TILED,
    &rms_norm::gpu::BLOCKED,
    &rms_norm::gpu::SUBGROUPS,
    &rms_norm::backward::BACKWARD,
    &rotary::gpu::ROTARY,
    &slice::gpu::SLICE,
    &softmax::gpu::NAIVE,
    &softmax::gpu::TILED,
    &softmax::gpu::BLOCKED,
    &softmax::gpu::SUBGROUPS,
    &softmax::backward::BACKWARD,
    &state_space::gpu::DECAYS,
    &state_space::gpu::SCORES,
    &state_space::backward::OF_DECAYS,
    &state_space::backward::BEYOND,
    &state_space::gpu::WALK,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::KERNELS;
    use crate::device::gpu::BindingKind;
    use crate::ops::Pointwise;

    fn wgsl_files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                wgsl_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "wgsl") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_shader_file_is_a_kernel_and_names_are_unique() {
        let mut files = Vec::new();
        wgsl_files(Path::new(env!("CARGO_MANIFEST_DIR")), &mut files);
        for file in &files {
            let source = std::fs::read_to_string(file).unwrap();
            let is_used = KERNELS.iter().any(|kernel| kernel.source.contains(&source));
            assert!(is_used, "{} is no kernel", file.display());
        }
        let names: BTreeSet<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
        assert_eq!(names.len(), KERNELS.len());
        // Three files are parts of several kernels, and two files serve all pointwise functions and all their gradients.
        assert_eq!(files.len(), KERNELS.len() + 3 - 2 * (Pointwise::ALL.len() - 1));
        let is_listed = |wanted| KERNELS.iter().any(|&kernel| std::ptr::eq(kernel, wanted));
        assert!(Pointwise::ALL.iter().all(|f| is_listed(f.kernel()) && is_listed(f.backward_kernel())));
    }

    #[test]
    fn every_shader_is_valid_without_a_gpu() {
        use naga::valid::{Capabilities, ValidationFlags, Validator};
        let capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::SUBGROUP;
        for kernel in KERNELS {
            let module = naga::front::wgsl::parse_str(kernel.source)
                .unwrap_or_else(|error| panic!("{}", error.emit_to_string(kernel.source)));
            let outcome = Validator::new(ValidationFlags::all(), capabilities).validate(&module);
            outcome.unwrap_or_else(|error| panic!("{}", error.emit_to_string(kernel.source)));
        }
    }

    #[test]
    fn host_and_shader_agree_on_every_parameter() {
        for kernel in KERNELS {
            assert_eq!(kernel.reflect().unwrap().params, kernel.params, "{}", kernel.name);
        }
    }

    #[test]
    fn bindings_are_params_then_inputs_then_outputs() {
        for kernel in KERNELS {
            let mut bindings = kernel.reflect().unwrap().bindings;
            bindings.sort_by_key(|binding| binding.slot);
            let outputs =
                bindings.iter().rev().take_while(|last| last.kind == BindingKind::ReadWrite).count();
            let (inputs, outputs) = bindings.split_at(bindings.len() - outputs);
            let ([params, inputs @ ..], [.., output]) = (inputs, outputs) else { panic!("{}", kernel.name) };
            assert_eq!((params.name.as_str(), params.kind), ("params", BindingKind::Uniform));
            assert_eq!((output.name.as_str(), output.kind), ("y", BindingKind::ReadWrite), "{}", kernel.name);
            assert!(inputs.iter().all(|input| input.kind == BindingKind::Read), "{}", kernel.name);
            assert!(bindings.iter().enumerate().all(|(slot, binding)| binding.slot as usize == slot));
        }
    }

    #[test]
    fn every_binding_line_ends_in_its_shape() {
        for kernel in KERNELS {
            for line in kernel.source.lines().filter(|line| line.contains("var<storage")) {
                assert!(line.contains("// ["), "{}: {line}", kernel.name);
            }
        }
    }
}
