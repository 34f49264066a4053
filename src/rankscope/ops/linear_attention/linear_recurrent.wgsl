// y[b, h, t, e] = Σ_d q[b, h, t, d]·A[d, e] / Σ_d q[b, h, t, d]·z[d], with A[d, e] = Σₛ k[b, g, s, d]·v[b, g, s, e]
// and z[d] = Σₛ k[b, g, s, d] over the keys s that query t sees; 0 where the denominator is 0.
//
// Layout: rows of D values, D at most 128; head h uses key/value head g = h div (H/G). `reach` has a word for
// each head: FROM, where a query sees itself and the keys after it, or the number of first keys that every
// query sees beside itself and those before it (0: causal, S: bidirectional).
//
// What changes from the materialised path: no weights. One invocation keeps column e of A, and z, and walks
// over the queries in the order in which they see more and more keys: B·H·D invocations, work linear in T
// and S. Memory beyond inputs and output: none.
//
// Dispatch: B·H·⌈D/64⌉ workgroups of 64.

const MAX_SIZE = 128u;
const FROM = 0xffffffffu;

struct Params {
    matrices: u32,
    heads: u32,
    kv_heads: u32,
    queries: u32,
    keys: u32,
    size: u32,
    first_query: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [B, H, T, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;        // [B, G, S, D]
@group(0) @binding(4) var<storage, read> reach: array<u32>;    // [H]
@group(0) @binding(5) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;  // [B, H, T, D]

fn is_token(sequence: u32, key: u32) -> bool {
    if params.padding_words == 0u { return true; }
    return ((padding[sequence * params.padding_words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = (params.size + 63u) / 64u;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / tiles;
    let e = (tile % tiles) * 64u + lane;
    if matrix >= params.matrices || e >= params.size { return; }
    let sequence = matrix / params.heads;
    let head = matrix % params.heads;
    let kv = sequence * params.kv_heads + head / (params.heads / params.kv_heads);
    let sees = reach[head];

    var column: array<f32, MAX_SIZE>;  // [D]: A[d, e]
    var total: array<f32, MAX_SIZE>;   // [D]: z[d]
    var done = 0u;                     // keys added so far, from the first on or from the last on
    for (var step = 0u; step < params.queries; step += 1u) {
        let t = select(step, params.queries - 1u - step, sees == FROM);
        let position = params.first_query + t;
        let before = min(max(sees, position + 1u), params.keys);
        let after = params.keys - min(position, params.keys);
        let goal = select(before, after, sees == FROM);
        for (; done < goal; done += 1u) {
            let s = select(done, params.keys - 1u - done, sees == FROM);
            if !is_token(sequence, s) { continue; }
            let row = (kv * params.keys + s) * params.size;
            let value = v[row + e];
            for (var d = 0u; d < params.size; d += 1u) {
                column[d] += k[row + d] * value;
                total[d] += k[row + d];
            }
        }
        let first = (matrix * params.queries + t) * params.size;
        var above = 0.0;
        var below = 0.0;
        for (var d = 0u; d < params.size; d += 1u) {
            above += q[first + d] * column[d];
            below += q[first + d] * total[d];
        }
        // A NaN denominator must give a NaN result.
        y[first + e] = select(above / below, 0.0, below == 0.0);
    }
}
