// y[b, h, t, s] = m · e^(−|L[t] − L[s]|) · x[b, h, t, s], with m the mask bit as 0 or 1 and L the cumulative sum of the
// log decays of key/value head h div (H/G).
//
// Layout: one row is S scores and ⌈S/32⌉ mask words, key s being bit s mod 32 of word s div 32. The mask of head h of
// sequence b starts at word b·mask_batch + h·mask_head; either step is 0 where all share it.
//
// The formula as it stands, one invocation a row: from the key at the query's position it walks to the first key, then
// to the last, and adds up the decays that it passes. Masked scores are never looked at. Neighbouring invocations
// read values a whole row apart.
//
// Dispatch: ⌈B·H·T/64⌉ workgroups of 64.

struct Params {
    rows: u32,
    heads: u32,
    queries: u32,
    keys: u32,
    group: u32,        // H/G
    first_query: u32,
    mask_batch: u32,
    mask_head: u32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;      // [B, H, T, S]
@group(0) @binding(2) var<storage, read> log_decays: array<f32>;  // [B, G, S]
@group(0) @binding(3) var<storage, read> allowed: array<u32>;     // [B or 1, H or 1, T, ⌈S/32⌉]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;     // [B, H, T, S]

fn write_weight(row: u32, words: u32, s: u32, log_factor: f32) {
    var weight = 0.0;
    if ((allowed[words + s / 32u] >> (s % 32u)) & 1u) == 1u {
        weight = exp(log_factor) * scores[row * params.keys + s];
    }
    y[row * params.keys + s] = weight;
}

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
    let decays = matrix / params.group * params.keys;
    let t = params.first_query + query;

    var sum = 0.0;
    for (var s = t; s > 0u; s -= 1u) {
        write_weight(row, words, s, sum);
        sum += log_decays[decays + s];
    }
    write_weight(row, words, 0u, sum);
    sum = 0.0;
    for (var s = t + 1u; s < params.keys; s += 1u) {
        sum += log_decays[decays + s];
        write_weight(row, words, s, sum);
    }
}
