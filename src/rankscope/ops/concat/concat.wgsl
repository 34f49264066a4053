// y[o, j, i] = a[o, j, i] for j < A, b[o, j - A, i] from there on: two tensors joined along one axis.
//
// Layout: a is [outer, A, inner], b is [outer, B, inner] and y is [outer, A + B, inner]; the sizes of the
// parameters are A·inner and (A + B)·inner, one stretch of memory each.
//
// One invocation moves one value; one workgroup moves 64 of them.
//
// Dispatch: ⌈values/64⌉ workgroups.

struct Params {
    values: u32,
    a_stretch: u32,  // A·inner
    y_stretch: u32,  // (A + B)·inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [outer, A, inner]
@group(0) @binding(2) var<storage, read> b: array<f32>;        // [outer, B, inner]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [outer, A + B, inner]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let to = (group.y * groups.x + group.x) * 64u + lane;
    if to >= params.values { return; }
    let outer = to / params.y_stretch;
    let within = to % params.y_stretch;
    if within < params.a_stretch {
        y[to] = a[outer * params.a_stretch + within];
    } else {
        y[to] = b[outer * (params.y_stretch - params.a_stretch) + within - params.a_stretch];
    }
}
