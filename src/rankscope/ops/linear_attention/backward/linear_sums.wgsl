// y[b, h, i, p] = Σⱼ (q[i]·k[j]) v[j, p] over the rows j that row i sees: linear attention without its division, in either
// direction. Of queries: i is a query of head h and j a key that it sees. Of keys: i is a key, j a query of head h
// that sees it.
//
// Layout: rows of E values in q and k, of P in v and y. Head h shares key/value head g = h div (H/G): of queries, k and v
// have matrices [B, G] and q has [B, H]; of keys it is the other way round. `reach` and the sums of chunks of 64 rows j,
// `before` and `after`, are as in linear_chunked.wgsl.
//
// As there, whole chunks come as sums, and the rows of the chunk that is seen in part are walked over one by one.
// One invocation makes 32 columns of one row, in registers.
//
// Dispatch: B·H·⌈I/64⌉·⌈P/32⌉ workgroups of 64.

const CHUNK = 64u;
const COLUMNS = 32u;
const FROM = 0xffffffffu;

struct Params {
    matrices: u32,       // B·H
    heads: u32,          // H
    group: u32,          // H/G
    rows: u32,           // I: T, or S of keys
    others: u32,         // J: S, or T of keys
    inner: u32,          // E
    columns: u32,        // P
    first_query: u32,
    is_of_keys: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [B, H, T, E] or [B, G, S, E]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [B, G, S, E] or [B, H, T, E]
@group(0) @binding(3) var<storage, read> v: array<f32>;        // [B, G, S, P] or [B, H, T, P]
@group(0) @binding(4) var<storage, read> before: array<f32>;   // [⌈J/64⌉ + 1, B, G or H, E, P]
@group(0) @binding(5) var<storage, read> after: array<f32>;    // [⌈J/64⌉ + 1, B, G or H, E, P]
@group(0) @binding(6) var<storage, read> reach: array<u32>;    // [H]
@group(0) @binding(7) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(8) var<storage, read_write> y: array<f32>;  // [B, H, I, P]

fn is_token(sequence: u32, key: u32) -> bool {
    if params.padding_words == 0u { return true; }
    return ((padding[sequence * params.padding_words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

fn sums(at: u32, is_after: bool) -> f32 {
    if is_after { return after[at]; }
    return before[at];
}

// Up to which row j (or, where `is_from`, from which on) row i sees.
fn border(i: u32, sees: u32) -> u32 {
    let first = params.first_query;
    if params.is_of_keys == 1u {
        if sees == FROM { return min(max(i + 1u, first) - first, params.others); }
        return select(min(max(i, first) - first, params.others), 0u, i < sees);
    }
    if sees == FROM { return min(first + i, params.others); }
    return min(max(sees, first + i + 1u), params.others);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column_tiles = (params.columns + COLUMNS - 1u) / COLUMNS;
    let row_tiles = (params.rows + 63u) / 64u;
    let tile = params.first_group + group.y * groups.x + group.x;
    let first_column = tile % column_tiles * COLUMNS;
    let i = tile / column_tiles % row_tiles * 64u + lane;
    let matrix = tile / column_tiles / row_tiles;
    if matrix >= params.matrices || i >= params.rows { return; }
    let is_of_keys = params.is_of_keys == 1u;
    let sequence = matrix / params.heads;
    let own = select(matrix, matrix / params.group, is_of_keys);    // of q
    let other = select(matrix / params.group, matrix, is_of_keys);  // of k and v
    let first = (own * params.rows + i) * params.inner;
    let columns = min(COLUMNS, params.columns - first_column);

    // The place up to which (or from which) whole chunks are seen, and the rows that are left.
    let sees = reach[matrix % params.heads];
    let is_from = (sees == FROM) != is_of_keys;
    let edge = border(i, sees);
    let chunks = (params.others + CHUNK - 1u) / CHUNK;
    var place: u32;
    var start: u32;
    var end: u32;
    if is_from {
        start = edge;
        place = (start + CHUNK - 1u) / CHUNK;
        end = min(place * CHUNK, params.others);
    } else {
        end = edge;
        place = select(end / CHUNK, chunks, end == params.others);
        start = min(place * CHUNK, end);
    }

    var sum: array<f32, COLUMNS>;
    if !is_of_keys || is_token(sequence, i) {
        let all = select(params.matrices / params.group, params.matrices, is_of_keys);
        let state = (place * all + other) * params.inner * params.columns + first_column;
        for (var d = 0u; d < params.inner; d += 1u) {
            let feature = q[first + d];
            let row = state + d * params.columns;
            for (var p = 0u; p < columns; p += 1u) { sum[p] += feature * sums(row + p, is_from); }
        }
        for (var j = start; j < end; j += 1u) {
            if !is_of_keys && !is_token(sequence, j) { continue; }
            let row = other * params.others + j;
            var score = 0.0;
            for (var d = 0u; d < params.inner; d += 1u) { score += q[first + d] * k[row * params.inner + d]; }
            for (var p = 0u; p < columns; p += 1u) { sum[p] += score * v[row * params.columns + first_column + p]; }
        }
    }
    let y_row = (matrix * params.rows + i) * params.columns + first_column;
    for (var p = 0u; p < columns; p += 1u) { y[y_row + p] = sum[p]; }
}
