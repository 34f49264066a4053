// y[r, c] = gain[c] · x[r, c] / √(mean of the squares of row r + ε)
//
// Layout: rows of C values.
//
// What changes from naive: one workgroup of 64 invocations makes one row, so that neighbours read
// neighbouring values and few long rows keep a GPU busy; one invocation takes every 64th value, and the 64 sums
// are joined in shared memory.
//
// Dispatch: one workgroup a row.

const LANES = 64u;

struct Params {
    rows: u32,
    width: u32,
    epsilon: f32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, C]
@group(0) @binding(2) var<storage, read> gain: array<f32>;     // [C]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [rows, C]

var<workgroup> partial: array<f32, LANES>;

/// The sum of the values that the invocations pass.
fn sum_of_all(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half { partial[lane] += partial[lane + half]; }
    }
    return workgroupUniformLoad(&partial[0]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = params.first_group + group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let first = row * params.width;

    var squares = 0.0;
    for (var c = lane; c < params.width; c += LANES) { squares += x[first + c] * x[first + c]; }
    let factor = 1.0 / sqrt(sum_of_all(lane, squares) / f32(params.width) + params.epsilon);
    for (var c = lane; c < params.width; c += LANES) {
        y[first + c] = x[first + c] * factor * gain[c];
    }
}
