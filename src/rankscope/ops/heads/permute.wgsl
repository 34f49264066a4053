// y[i, k, j, d] = x[i, j, k, d]: swaps the two middle axes, which splits or merges heads.
//
// Layout: x is [outer, J, K, D] and y is [outer, K, J, D]; to split heads J is T and K is H, to merge them
// the other way round.
//
// One invocation moves one value; one workgroup moves 64 of them.
//
// Dispatch: ⌈values/64⌉ workgroups.

struct Params {
    values: u32,
    j: u32,
    k: u32,
    d: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [outer, J, K, D]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [outer, K, J, D]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let to = (group.y * groups.x + group.x) * 64u + lane;
    if to >= params.values { return; }
    let d = to % params.d;
    let j = to / params.d % params.j;
    let k = to / (params.d * params.j) % params.k;
    let i = to / (params.d * params.j * params.k);
    y[to] = x[((i * params.j + j) * params.k + k) * params.d + d];
}
