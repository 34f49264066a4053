// y[b, h, t, s] = x[b, h, t, s] − factors[h] · z[b, h, t, s]
//
// Layout: the tensors as vectors of four values, the last one padded, as all buffers are; `matrix` is T·S.
// One invocation makes one vector; one workgroup makes 64 of them.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
    heads: u32,
    matrix: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [⌈B·H·T·S/4⌉]
@group(0) @binding(2) var<storage, read> z: array<vec4<f32>>;        // [⌈B·H·T·S/4⌉]
@group(0) @binding(3) var<storage, read> factors: array<f32>;        // [H]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [⌈B·H·T·S/4⌉]

/// The factors of the four values from flat index i on; they may cross the end of a matrix.
fn factors_from(i: u32) -> vec4<f32> {
    let h = (vec4(i) + vec4(0u, 1u, 2u, 3u)) / params.matrix % params.heads;
    return vec4(factors[h.x], factors[h.y], factors[h.z], factors[h.w]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    y[i] = x[i] - factors_from(4u * i) * z[i];
}
