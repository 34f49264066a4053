// S ← a[b, g, s]·S + k[b, g, s] v[b, g, s]ᵀ over the tokens s from `start` to `end`, and y = factor · q[b, h, t]·S
// after the token at query t's position, `first_query` + t. Padding leaves S as it is.
//
// Layout: rows of D values; head h uses key/value head g = h div (H/G). For each (b, g) the output has the rows of
// the context, [H/G, N], for the N queries at positions from `start` to `end`, and below them S after the last
// token, [D, D].
//
// One invocation keeps column e of S, in place in the output, and walks over the tokens: B·G·D invocations, whose
// adjacent invocations read and write adjacent values. Memory beyond inputs and output: none.
//
// Dispatch: B·G·⌈D/64⌉ workgroups of 64.

struct Params {
    matrices: u32,       // B·G
    kv_heads: u32,
    group: u32,          // H/G
    queries: u32,
    keys: u32,
    size: u32,
    first_query: u32,
    start: u32,
    end: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    factor: f32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> state: array<f32>;       // [B, G, D, D]
@group(0) @binding(2) var<storage, read> q: array<f32>;           // [B, H, T, D]
@group(0) @binding(3) var<storage, read> k: array<f32>;           // [B, G, S, D]
@group(0) @binding(4) var<storage, read> v: array<f32>;           // [B, G, S, D]
@group(0) @binding(5) var<storage, read> log_decays: array<f32>;  // [B, G, S]
@group(0) @binding(6) var<storage, read> padding: array<u32>;     // [B, ⌈S/32⌉] or [1]
@group(0) @binding(7) var<storage, read_write> y: array<f32>;     // [B, G, (H/G)·N + D, D]

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
    let size = params.size;
    let tiles = (size + 63u) / 64u;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / tiles;
    let e = (tile % tiles) * 64u + lane;
    if matrix >= params.matrices || e >= size { return; }

    let from_query = max(params.start, params.first_query);
    let here = max(params.end, params.first_query) - from_query;
    let context = matrix * (params.group * here + size) * size + e;
    let column = context + params.group * here * size;  // of S, D apart
    for (var d = 0u; d < size; d += 1u) { y[column + d * size] = state[(matrix * size + d) * size + e]; }

    for (var s = params.start; s < params.end; s += 1u) {
        if is_token(matrix / params.kv_heads, s) {
            let decay = exp(log_decays[matrix * params.keys + s]);
            let key = (matrix * params.keys + s) * size;
            let value = v[key + e];
            for (var d = 0u; d < size; d += 1u) {
                y[column + d * size] = decay * y[column + d * size] + k[key + d] * value;
            }
        }
        if s < params.first_query { continue; }
        for (var h = 0u; h < params.group; h += 1u) {
            let query = ((matrix * params.group + h) * params.queries + s - params.first_query) * size;
            var sum = 0.0;
            for (var d = 0u; d < size; d += 1u) { sum += q[query + d] * y[column + d * size]; }
            y[context + (h * here + s - from_query) * size] = params.factor * sum;
        }
    }
}
