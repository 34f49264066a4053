// y[b, h, t, s] = m · x[b, h, t, s] / Σᵤ m · x[b, h, t, u], with m the mask bit as 0 or 1; a row whose sum is
// 0 is 0.
//
// Layout: one row is S scores and ⌈S/32⌉ mask words, key s being bit s mod 32 of word s div 32. The mask
// of head h of sequence b starts at word b·mask_batch + h·mask_head; either step is 0 where all share it.
//
// The first rung: the formula as it stands, one invocation a row, two walks over it. Masked scores are
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
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, H, T, S]

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

    var sum = 0.0;
    for (var s = 0u; s < params.keys; s += 1u) {
        if is_allowed(words, s) { sum += scores[first + s]; }
    }
    for (var s = 0u; s < params.keys; s += 1u) {
        var weight = 0.0;
        // Written so that a NaN sum is not hidden.
        if is_allowed(words, s) && !(sum == 0.0) { weight = scores[first + s] / sum; }
        y[first + s] = weight;
    }
}

fn is_allowed(words: u32, key: u32) -> bool {
    return ((allowed[words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}
