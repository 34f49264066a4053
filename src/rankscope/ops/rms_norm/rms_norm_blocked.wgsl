// y[r, c] = gain[c] · x[r, c] / √(mean of the squares of row r + ε)
//
// Layout: rows of C values, C a multiple of 4.
//
// What changes from tiled: values are loaded and stored as vectors of four, a quarter of the memory
// instructions; one invocation takes every 64th vector of the row.
//
// Dispatch: one workgroup of 64 a row.

const LANES = 64u;

struct Params {
    rows: u32,
    width: u32,
    epsilon: f32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [rows, C], in fours
@group(0) @binding(2) var<storage, read> gain: array<vec4<f32>>;     // [C], in fours
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;  // [rows, C], in fours

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
    let quads = params.width / 4u;
    let first = row * quads;

    var squares = 0.0;
    for (var c = lane; c < quads; c += LANES) { squares += dot(x[first + c], x[first + c]); }
    let factor = 1.0 / sqrt(sum_of_all(lane, squares) / f32(params.width) + params.epsilon);
    for (var c = lane; c < quads; c += LANES) {
        y[first + c] = x[first + c] * factor * gain[c];
    }
}
