// ∂x[s] = m[s] · (∂w[s] − Σᵤ w[u] · ∂w[u]) / Σᵤ m[u] · x[u], row by row, for the weights w = m · x / Σ m · x of a row of
// S keys; 0 in a row whose sum is 0.
//
// Layout: one row is S scores and ⌈S/32⌉ mask words, as in normalise_naive.wgsl.
//
// One workgroup of 64 invocations makes one row; one invocation takes every 64th key.
// Sums over the invocations are in reductions.wgsl.
//
// Dispatch: B·H·T workgroups.

const LANES = 64u;

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
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // [B, H, T, S]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [B, H, T, S]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = params.first_group + group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let query = row % params.queries;
    let matrix = row / params.queries;
    let mask = (matrix / params.heads) * params.mask_batch + (matrix % params.heads) * params.mask_head;
    let words = mask + query * ((params.keys + 31u) / 32u);
    let first = row * params.keys;

    var sum = 0.0;
    var products = 0.0;
    for (var s = lane; s < params.keys; s += LANES) {
        if is_allowed(words, s) {
            sum += scores[first + s];
            products += scores[first + s] * dy[first + s];
        }
    }
    sum = sum_of_all(lane, sum);
    products = sum_of_all(lane, products);
    for (var s = lane; s < params.keys; s += LANES) {
        var gradient = 0.0;
        if is_allowed(words, s) && sum != 0.0 { gradient = (dy[first + s] - products / sum) / sum; }
        y[first + s] = gradient;
    }
}

fn is_allowed(words: u32, key: u32) -> bool {
    return ((allowed[words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}
