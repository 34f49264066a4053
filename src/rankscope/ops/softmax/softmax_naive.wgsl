// y[b, h, t, s] = m · e^(x[b, h, t, s] − c) / (e^(sink[h] − c) + Σᵤ m · e^(x[b, h, t, u] − c)), with m the mask bit as
// 0 or 1 and c the largest of the sink and the allowed scores of the row; a row without allowed keys is 0.
//
// Layout: one row is S scores and ⌈S/32⌉ mask words, key s being bit s mod 32 of word s div 32. The mask
// of head h of sequence b starts at word b·mask_batch + h·mask_head; either step is 0 where all share it.
//
// The first rung: the formula as it stands, one invocation a row, three walks over it. Masked scores are
// never looked at. Neighbouring invocations read values a whole row apart.
//
// Dispatch: ⌈B·H·T/64⌉ workgroups of 64.

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
@group(0) @binding(1) var<storage, read> scores: array<f32>;   // [B, H, T, S]
@group(0) @binding(2) var<storage, read> allowed: array<u32>;  // [B or 1, H or 1, T, ⌈S/32⌉]
@group(0) @binding(3) var<storage, read> sinks: array<f32>;    // [H], −∞ for none
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, H, T, S]
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (params.first_group + group.y * groups.x + group.x) * 64u + lane;
    if row >= params.rows { return; }
    let query = row % params.queries;
    let matrix = row / params.queries;
    let mask = (matrix / params.heads) * params.mask_batch + (matrix % params.heads) * params.mask_head;
    let words = mask + query * ((params.keys + 31u) / 32u);
    let first = row * params.keys;

    let sink = sinks[matrix % params.heads];
    var largest = sink;
    for (var s = 0u; s < params.keys; s += 1u) {
        if is_allowed(words, s) { largest = max(largest, scores[first + s]); }
    }
    var sum = exp(sink - largest);
    for (var s = 0u; s < params.keys; s += 1u) {
        if is_allowed(words, s) { sum += exp(scores[first + s] - largest); }
    }
    for (var s = 0u; s < params.keys; s += 1u) {
        var weight = 0.0;
        if is_allowed(words, s) { weight = exp(scores[first + s] - largest) / sum; }
        y[first + s] = weight;
    }
}

fn is_allowed(words: u32, key: u32) -> bool {
    return ((allowed[words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}
