// y[b, h, t, s] = m · e^(x[b, h, t, s] − c) / (e^(sink[h] − c) + Σᵤ m · e^(x[b, h, t, u] − c)), with m the mask bit as
// 0 or 1 and c the largest of the sink and the allowed scores of the row; a row without allowed keys is 0.
//
// Layout: as in softmax_naive.wgsl, S a multiple of 4.
//
// What changes from blocked: the invocations of a subgroup compare and add in registers, and only one
// number of each subgroup goes through workgroup memory: two barriers a reduction in place of seven.
//
// The device has to be opened with subgroups; WGSL's `enable subgroups;` is missing because naga does not
// accept it yet.
//
// Dispatch: B·H·T workgroups of 64.

const LANES = 64u;

// The lowest finite number: a sum begun with it is 0 times something, where −∞ would make NaN of it.
const LOWEST = -0x1.fffffep+127f;

struct Params {
    rows: u32,
    heads: u32,
    queries: u32,
    keys: u32,
    mask_batch: u32,
    mask_head: u32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<vec4<f32>>;   // [B, H, T, S], in fours
@group(0) @binding(2) var<storage, read> allowed: array<u32>;        // [B or 1, H or 1, T, ⌈S/32⌉]
@group(0) @binding(3) var<storage, read> sinks: array<f32>;          // [H], −∞ for none
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [B, H, T, S], in fours

var<workgroup> partial: array<f32, LANES>;

/// The place of an invocation among the workgroup's subgroups.
struct Lane {
    index: u32,
    subgroup: u32,
    subgroups: u32,
    first: bool,
}

/// The largest value that any invocation passes.
fn largest_of_all(lane: Lane, value: f32) -> f32 {
    let largest = subgroupMax(value);
    if lane.first { partial[lane.subgroup] = largest; }
    workgroupBarrier();
    var total = LOWEST;
    for (var i = 0u; i < lane.subgroups; i += 1u) { total = max(total, partial[i]); }
    workgroupBarrier();  // before the next reduction overwrites what others still read
    return total;
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
    let query = row % params.queries;
    let matrix = row / params.queries;
    let mask = (matrix / params.heads) * params.mask_batch + (matrix % params.heads) * params.mask_head;
    let words = mask + query * ((params.keys + 31u) / 32u);
    let quads = params.keys / 4u;
    let first = row * quads;

    // The sum so far is in units of e^largest; a larger score rescales it.
    var largest = LOWEST;
    var sum = 0.0;
    for (var q = index; q < quads; q += LANES) {
        let bits = allowed_bits(words, q);
        let x = scores[first + q];
        var step = largest;
        for (var i = 0u; i < 4u; i += 1u) {
            if bits[i] { step = max(step, x[i]); }
        }
        // e^0 need not be exactly 1 on a GPU, and errors would add up along the row.
        sum = sum * select(exp(largest - step), 1.0, step == largest) + dot(select(vec4(0.0), exp(x - step), bits), vec4(1.0));
        largest = step;
    }
    let sink = sinks[matrix % params.heads];
    let largest_of_row = max(sink, largest_of_all(lane, largest));
    let sum_of_row = exp(sink - largest_of_row) + sum_of_all(lane, sum * exp(largest - largest_of_row));
    for (var q = index; q < quads; q += LANES) {
        y[first + q] = select(vec4(0.0), exp(scores[first + q] - largest_of_row) / sum_of_row, allowed_bits(words, q));
    }
}

/// The mask bits of the four keys of quad `q`.
fn allowed_bits(words: u32, q: u32) -> vec4<bool> {
    let word = allowed[words + q / 8u] >> (4u * (q % 8u));
    return (vec4(word) & vec4(1u, 2u, 4u, 8u)) != vec4(0u);
}
