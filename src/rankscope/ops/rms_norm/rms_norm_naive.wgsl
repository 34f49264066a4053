// y[r, c] = gain[c] · x[r, c] / √(mean of the squares of row r + ε)
//
// Layout: rows of C values.
//
// The first rung: the formula as it stands, one invocation a row.
// Neighbouring invocations read values a whole row apart, and few rows leave most of a GPU idle.
//
// Dispatch: ⌈rows/64⌉ workgroups of 64.

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

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (params.first_group + group.y * groups.x + group.x) * 64u + lane;
    if row >= params.rows { return; }
    let first = row * params.width;

    var squares = 0.0;
    for (var c = 0u; c < params.width; c += 1u) { squares += x[first + c] * x[first + c]; }
    let factor = 1.0 / sqrt(squares / f32(params.width) + params.epsilon);
    for (var c = 0u; c < params.width; c += 1u) {
        y[first + c] = x[first + c] * factor * gain[c];
    }
}
