// y[b, h, t, s] = m / (1 + e^(−x[b, h, t, s] − bias)), with m the mask bit as 0 or 1.
//
// Layout: one row is S scores and ⌈S/32⌉ mask words, key s being bit s mod 32 of word s div 32. The mask
// of head h of sequence b starts at word b·mask_batch + h·mask_head; either step is 0 where all share it.
//
// One invocation makes one value; one workgroup makes 64 of them. Masked scores are never looked at.
//
// Dispatch: ⌈B·H·T·S/64⌉ workgroups.

struct Params {
    values: u32,
    heads: u32,
    queries: u32,
    keys: u32,
    mask_batch: u32,
    mask_head: u32,
    bias: f32,
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
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.values { return; }
    let key = i % params.keys;
    let row = i / params.keys;
    let query = row % params.queries;
    let matrix = row / params.queries;
    let mask = (matrix / params.heads) * params.mask_batch + (matrix % params.heads) * params.mask_head;
    let word = allowed[mask + query * ((params.keys + 31u) / 32u) + key / 32u];
    var weight = 0.0;
    if ((word >> (key % 32u)) & 1u) == 1u {
        let x = scores[i] + params.bias;
        // e^88 is the last that f32 holds; from there down the quotient is 0 for all that matters. A NaN is no less and
        // stays.
        weight = 1.0 / (1.0 + exp(-select(x, -88.0, x < -88.0)));
    }
    y[i] = weight;
}
