// y[b, h, t, e] = Σₛ (q[b, h, t]·k[b, g, s]) v[b, g, s, e] / Σₛ q[b, h, t]·k[b, g, s] over the keys s that query t
// sees; 0 where the denominator is 0.
//
// Layout: rows of D values; head h uses key/value head g = h div (H/G). `reach` has a word for each head: FROM,
// where a query sees itself and the keys after it, or the number of first keys that every query sees beside
// itself and those before it (0: causal, S: bidirectional). `before` and `after` hold the sums
// A[d, e] = Σₛ k[s, d]·v[s, e], with Σₛ k[s, d] as their last column, over the chunks of 64 keys before and
// from each place between two chunks.
//
// What changes from the recurrent rung: queries do not wait for each other. The whole chunks that a query sees
// come as sums, which takes D multiply-adds a column; the keys of the chunk that it sees in part, at most 63,
// are walked over one by one. One invocation makes 32 columns of one query, in registers.
//
// Dispatch: B·H·⌈T/64⌉·⌈D/32⌉ workgroups of 64.

const CHUNK = 64u;
const COLUMNS = 32u;
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
@group(0) @binding(4) var<storage, read> before: array<f32>;   // [⌈S/64⌉ + 1, B, G, D, D + 1]
@group(0) @binding(5) var<storage, read> after: array<f32>;    // [⌈S/64⌉ + 1, B, G, D, D + 1]
@group(0) @binding(6) var<storage, read> reach: array<u32>;    // [H]
@group(0) @binding(7) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(8) var<storage, read_write> y: array<f32>;  // [B, H, T, D]

fn is_token(sequence: u32, key: u32) -> bool {
    if params.padding_words == 0u { return true; }
    return ((padding[sequence * params.padding_words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

fn sums(at: u32, is_after: bool) -> f32 {
    if is_after { return after[at]; }
    return before[at];
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column_tiles = (params.size + COLUMNS - 1u) / COLUMNS;
    let query_tiles = (params.queries + 63u) / 64u;
    let tile = params.first_group + group.y * groups.x + group.x;
    let first_column = tile % column_tiles * COLUMNS;
    let t = tile / column_tiles % query_tiles * 64u + lane;
    let matrix = tile / column_tiles / query_tiles;
    if matrix >= params.matrices || t >= params.queries { return; }
    let sequence = matrix / params.heads;
    let head = matrix % params.heads;
    let kv = sequence * params.kv_heads + head / (params.heads / params.kv_heads);
    let first = (matrix * params.queries + t) * params.size;
    let columns = min(COLUMNS, params.size - first_column);

    // The place up to which (or from which) whole chunks are seen, and the keys that are left.
    let is_from = reach[head] == FROM;
    let position = params.first_query + t;
    let chunks = (params.keys + CHUNK - 1u) / CHUNK;
    var place: u32;
    var start: u32;
    var end: u32;
    if is_from {
        start = min(position, params.keys);
        place = (start + CHUNK - 1u) / CHUNK;
        end = min(place * CHUNK, params.keys);
    } else {
        end = min(max(reach[head], position + 1u), params.keys);
        place = select(end / CHUNK, chunks, end == params.keys);
        start = min(place * CHUNK, end);
    }

    var context: array<f32, COLUMNS>;
    var total = 0.0;
    let kv_heads_in_all = params.matrices / (params.heads / params.kv_heads);
    let state = (place * kv_heads_in_all + kv) * params.size * (params.size + 1u);
    for (var d = 0u; d < params.size; d += 1u) {
        let feature = q[first + d];
        let row = state + d * (params.size + 1u);
        for (var e = 0u; e < columns; e += 1u) { context[e] += feature * sums(row + first_column + e, is_from); }
        total += feature * sums(row + params.size, is_from);
    }
    for (var s = start; s < end; s += 1u) {
        if !is_token(sequence, s) { continue; }
        let row = (kv * params.keys + s) * params.size;
        var score = 0.0;
        for (var d = 0u; d < params.size; d += 1u) { score += q[first + d] * k[row + d]; }
        for (var e = 0u; e < columns; e += 1u) { context[e] += score * v[row + first_column + e]; }
        total += score;
    }
    for (var e = 0u; e < columns; e += 1u) {
        // A NaN denominator must give a NaN result.
        y[first + first_column + e] = select(context[e] / total, 0.0, total == 0.0);
    }
}
