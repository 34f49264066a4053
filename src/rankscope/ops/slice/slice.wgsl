// y[o, j, i] = x[o, first + j, i]: a range of one axis.
//
// Layout: x is [outer, X, inner] and y is [outer, Y, inner]; the sizes of the parameters are X·inner,
// Y·inner and first·inner, one stretch of memory each.
//
// One invocation moves one value; one workgroup moves 64 of them.
//
// Dispatch: ⌈values/64⌉ workgroups.

struct Params {
    values: u32,
    x_stretch: u32,  // X·inner
    y_stretch: u32,  // Y·inner
    offset: u32,     // first·inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [outer, X, inner]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [outer, Y, inner]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let to = (group.y * groups.x + group.x) * 64u + lane;
    if to >= params.values { return; }
    y[to] = x[to / params.y_stretch * params.x_stretch + params.offset + to % params.y_stretch];
}
