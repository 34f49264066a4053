// ∂x = r · (g − mean(g) − x̂ · mean(g · x̂)) with x̂ = r · (x − mean(x)), r = 1 / √(var(x) + ε), and g = gain · ∂y, row by row.
//
// One workgroup of 64 invocations makes one row of C values; one invocation takes every 64th.
// Sums over the invocations are in reductions.wgsl.
//
// Dispatch: as many workgroups as rows.

const LANES = 64u;

struct Params {
    rows: u32,
    width: u32,
    epsilon: f32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // […, C]
@group(0) @binding(2) var<storage, read> gain: array<f32>;     // [C]
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // […, C]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // […, C]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = params.first_group + group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let first = row * params.width;
    let width = f32(params.width);
    var mean = 0.0;
    for (var c = lane; c < params.width; c += LANES) { mean += x[first + c]; }
    mean = sum_of_all(lane, mean) / width;
    var square = 0.0;
    for (var c = lane; c < params.width; c += LANES) {
        let centred = (x[first + c] - mean);
        square += centred * centred;
    }
    let r = inverseSqrt(sum_of_all(lane, square) / width + params.epsilon);
    var mean_gradient = 0.0;
    for (var c = lane; c < params.width; c += LANES) { mean_gradient += dy[first + c] * gain[c]; }
    mean_gradient = sum_of_all(lane, mean_gradient) / width;
    var product = 0.0;
    for (var c = lane; c < params.width; c += LANES) { product += dy[first + c] * gain[c] * (x[first + c] - mean) * r; }
    product = sum_of_all(lane, product) / width;
    for (var c = lane; c < params.width; c += LANES) {
        y[first + c] = r * (dy[first + c] * gain[c] - mean_gradient - (x[first + c] - mean) * r * product);
    }
}
