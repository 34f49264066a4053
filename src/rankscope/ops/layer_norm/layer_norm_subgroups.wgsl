// y[r, c] = gain[c] · (x[r, c] − mean) / √(var + ε) + bias[c], mean and variance over the row r.
//
// Layout: rows of C values, C a multiple of 4.
//
// What changes from blocked: the invocations of a subgroup add up in registers, and only one sum of each
// subgroup goes through workgroup memory: two barriers a sum in place of seven.
//
// The device has to be opened with subgroups; WGSL's `enable subgroups;` is missing because naga does not
// accept it yet.
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
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;     // [C], in fours
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [rows, C], in fours

var<workgroup> partial: array<f32, LANES>;

/// The place of an invocation among the workgroup's subgroups.
struct Lane {
    index: u32,
    subgroup: u32,
    subgroups: u32,
    first: bool,
}

/// The sum of the values that the invocations pass.
fn sum_of_all(lane: Lane, value: f32) -> f32 {
    let sum = subgroupAdd(value);
    if lane.first { partial[lane.subgroup] = sum; }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < lane.subgroups; i += 1u) { total += partial[i]; }
    workgroupBarrier();  // before the next sum overwrites what others still read
    return total;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
    @builtin(subgroup_invocation_id) within: u32,
) {
    let lane = Lane(index, subgroup, subgroups, within == 0u);
    let row = params.first_group + group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let quads = params.width / 4u;
    let first = row * quads;
    let width = f32(params.width);

    var sum = 0.0;
    for (var c = index; c < quads; c += LANES) { sum += dot(x[first + c], vec4(1.0)); }
    let mean = sum_of_all(lane, sum) / width;
    var squares = 0.0;
    for (var c = index; c < quads; c += LANES) {
        let centred = x[first + c] - mean;
        squares += dot(centred, centred);
    }
    let factor = 1.0 / sqrt(sum_of_all(lane, squares) / width + params.epsilon);
    for (var c = index; c < quads; c += LANES) {
        y[first + c] = (x[first + c] - mean) * factor * gain[c] + bias[c];
    }
}
