// y[r, c] = x[r, c] + bias[c]
//
// Layout: the tensor as vectors of four values, the last one padded, as all buffers are.
// One invocation makes one vector; one workgroup makes 64 of them.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [⌈rows·C/4⌉]
@group(0) @binding(2) var<storage, read> bias: array<f32>;           // [C]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;  // [⌈rows·C/4⌉]

/// The biases of the four values from flat index i on; they may cross the end of a row.
fn biases(i: u32) -> vec4<f32> {
    let c = (vec4(i) + vec4(0u, 1u, 2u, 3u)) % params.width;
    return vec4(bias[c.x], bias[c.y], bias[c.z], bias[c.w]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    y[i] = x[i] + biases(4u * i);
}
