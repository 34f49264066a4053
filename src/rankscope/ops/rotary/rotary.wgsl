// y[i] = x[i] cos θ − x[i + D/2] sin θ and y[i + D/2] = x[i + D/2] cos θ + x[i] sin θ for i < D/2, with
// θ the angle of the row's position and i.
//
// Layout: rows of D values, positions fastest, so row r is at position r mod T. The cosines and sines come
// from the host: a shader's own are too coarse.
//
// One invocation rotates one pair; one workgroup rotates 64 of them.
//
// Dispatch: ⌈pairs/64⌉ workgroups.

struct Params {
    pairs: u32,
    queries: u32,
    half: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [B, H or G, T, D]
@group(0) @binding(2) var<storage, read> cosines: array<f32>;    // [T, D/2]
@group(0) @binding(3) var<storage, read> sines: array<f32>;      // [T, D/2]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;    // [B, H or G, T, D]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pair = (group.y * groups.x + group.x) * 64u + lane;
    if pair >= params.pairs { return; }
    let row = pair / params.half;
    let i = pair % params.half;
    let angle = row % params.queries * params.half + i;
    let first = row * 2u * params.half + i;
    let second = first + params.half;
    y[first] = x[first] * cosines[angle] - x[second] * sines[angle];
    y[second] = x[second] * cosines[angle] + x[first] * sines[angle];
}
