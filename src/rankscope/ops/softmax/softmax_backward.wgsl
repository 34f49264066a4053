// ∂x[s] = w[s] · (∂w[s] − Σᵤ w[u] · ∂w[u]), row by row, for the weights w = softmax(x) of a row of S keys.
//
// A masked key has the weight 0 and so the gradient 0; the mask itself is not needed.
//
// One workgroup of 64 invocations makes one row; one invocation takes every 64th key.
// Sums over the invocations are in reductions.wgsl.
//
// Dispatch: B·H·T workgroups.

const LANES = 64u;

struct Params {
    rows: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;  // [B, H, T, S]
@group(0) @binding(2) var<storage, read> dy: array<f32>;       // [B, H, T, S]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, H, T, S]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let first = row * params.width;
    var sum = 0.0;
    for (var s = lane; s < params.width; s += LANES) { sum += weights[first + s] * dy[first + s]; }
    sum = sum_of_all(lane, sum);
    for (var s = lane; s < params.width; s += LANES) {
        y[first + s] = weights[first + s] * (dy[first + s] - sum);
    }
}
