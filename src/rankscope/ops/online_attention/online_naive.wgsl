// y[b, h, t] = Σₛ e^(x[s] − c)·v[s] / (e^(sink[h] − c) + Σₛ e^(x[s] − c)), x[s] = factor · q[b, h, t]·k[b, g, s] over
// the keys s that query t may attend to, c the largest of the sink and of them; 0 where there are no keys.
//
// Layout: rows of D values, D at most 128; head h uses key/value head g = h div (H/G). `rules` begins with
// the place of each head's mask program and then the number of that program; `tiles` has two bits for each
// program, 64 queries and 32 keys: 0 none may attend, 1 all may, 2 run the program.
//
// What changes from the materialised path: scores and weights are never written. One invocation takes one
// query and walks over the keys; the sum and the context so far are in units of e^(largest score so far),
// and a larger score rescales them. Memory beyond inputs and output is linear in T and S.
//
// Dispatch: B·H·⌈T/64⌉ workgroups of 64.

const QUERIES = 64u;
const KEYS = 32u;
const MAX_SIZE = 128u;
const EMPTY = 0u;
const MIXED = 2u;

// The lowest finite number: a sum begun with it is 0 times something, where −∞ would make NaN of it.
const LOWEST = -0x1.fffffep+127f;

struct Params {
    matrices: u32,
    heads: u32,
    kv_heads: u32,
    queries: u32,
    keys: u32,
    size: u32,
    first_query: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    factor: f32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [B, H, T, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;        // [B, G, S, D]
@group(0) @binding(4) var<storage, read> rules: array<u32>;    // [2·H + words of the programs]
@group(0) @binding(5) var<storage, read> tiles: array<u32>;    // [⌈programs · ⌈T/64⌉ · ⌈S/32⌉ / 16⌉]
@group(0) @binding(6) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(7) var<storage, read> sinks: array<f32>;    // [H], −∞ for none
@group(0) @binding(8) var<storage, read_write> y: array<f32>;  // [B, H, T, D]

/// The state of a tile of a program: EMPTY, FULL or MIXED.
fn tile_state(program: u32, query_tile: u32, key_tile: u32) -> u32 {
    let query_tiles = (params.queries + QUERIES - 1u) / QUERIES;
    let key_tiles = (params.keys + KEYS - 1u) / KEYS;
    let i = (program * query_tiles + query_tile) * key_tiles + key_tile;
    return (tiles[i / 16u] >> (2u * (i % 16u))) & 3u;
}

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
    let query_tiles = (params.queries + QUERIES - 1u) / QUERIES;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / query_tiles;
    if matrix >= params.matrices { return; }
    let query_tile = tile % query_tiles;
    let query = query_tile * QUERIES + lane;
    if query >= params.queries { return; }
    let sequence = matrix / params.heads;
    let head = matrix % params.heads;
    let program = rules[head];
    let number = rules[params.heads + head];
    let kv = sequence * params.kv_heads + head / (params.heads / params.kv_heads);
    let first = (matrix * params.queries + query) * params.size;

    var context: array<f32, MAX_SIZE>;  // [D]
    var largest = max(sinks[head], LOWEST);
    var sum = exp(sinks[head] - largest);
    for (var key_tile = 0u; key_tile * KEYS < params.keys; key_tile += 1u) {
        let state = tile_state(number, query_tile, key_tile);
        if state == EMPTY { continue; }
        let end = min((key_tile + 1u) * KEYS, params.keys);
        for (var s = key_tile * KEYS; s < end; s += 1u) {
            if !is_token(sequence, s) { continue; }
            if state == MIXED && !may_attend(program, params.first_query + query, s) { continue; }
            let row = (kv * params.keys + s) * params.size;
            var score = 0.0;
            for (var d = 0u; d < params.size; d += 1u) { score += q[first + d] * k[row + d]; }
            score *= params.factor;
            // Only when needed: e^0 need not be exactly 1 on a GPU, and errors would add up over the keys.
            if score > largest {
                let shrink = exp(largest - score);
                largest = score;
                sum *= shrink;
                for (var d = 0u; d < params.size; d += 1u) { context[d] *= shrink; }
            }
            let weight = exp(score - largest);
            sum += weight;
            for (var d = 0u; d < params.size; d += 1u) { context[d] += weight * v[row + d]; }
        }
    }
    // A NaN sum must give a NaN result.
    let scale = select(1.0 / sum, 0.0, sum == 0.0);
    for (var d = 0u; d < params.size; d += 1u) { y[first + d] = context[d] * scale; }
}
