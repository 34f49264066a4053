// y[b, h, t] = Σₛ e^(x[s] − c)·v[s] / (e^(sink[h] − c) + Σₛ e^(x[s] − c)), x[s] = factor · q[b, h, t]·k[b, g, s] over
// the keys s that query t may attend to, c the largest of the sink and of them; 0 where there are no keys.
//
// Layout: rows of D values, D at most 128; head h uses key/value head g = h div (H/G). `rules` begins with
// the place of each head's mask program and then the number of that program; `tiles` has two bits for each
// program, 64 queries and 32 keys: 0 none may attend, 1 all may, 2 run the program.
//
// What changes from naive: a workgroup brings 32 keys at a time into workgroup memory, as vectors of four,
// and then, in their place, their values; 64 queries share what one load brought. The scores of a tile are
// found first, so that context and sum are rescaled once a tile instead of once a key. Inner loops take
// eight vectors at a time: fewer turns, and llvmpipe allows an invocation no more than 65535 in all.
//
// Dispatch: B·H·⌈T/64⌉ workgroups of 64, one invocation a query.

const QUERIES = 64u;
const KEYS = 32u;
const QUADS = 32u;  // vectors of four in the longest row, 128 values
const STEP = 8u;    // vectors that are taken at once; rows are filled up to a multiple with zeros
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

var<workgroup> rows: array<vec4<f32>, KEYS * QUADS>;  // [KEYS, ⌈D/32⌉·8]

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

/// Four values of a row of k, 0 beyond its end.
fn k_quad(row: u32, d: u32) -> vec4<f32> {
    let i = row * params.size;
    let last = params.size - 1u;
    let values = vec4(k[i + min(d, last)], k[i + min(d + 1u, last)], k[i + min(d + 2u, last)], k[i + min(d + 3u, last)]);
    return select(vec4(0.0), values, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(params.size));
}

/// Four values of a row of v, 0 beyond its end.
fn v_quad(row: u32, d: u32) -> vec4<f32> {
    let i = row * params.size;
    let last = params.size - 1u;
    let values = vec4(v[i + min(d, last)], v[i + min(d + 1u, last)], v[i + min(d + 2u, last)], v[i + min(d + 3u, last)]);
    return select(vec4(0.0), values, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(params.size));
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
    let sequence = matrix / params.heads;
    let head = matrix % params.heads;
    let program = rules[head];
    let number = rules[params.heads + head];
    let kv = sequence * params.kv_heads + head / (params.heads / params.kv_heads);
    let first = (matrix * params.queries + query) * params.size;
    let quads = (params.size + 31u) / 32u * STEP;
    let is_query = query < params.queries;

    var mine: array<vec4<f32>, QUADS>;     // [⌈D/32⌉·8], the query
    var context: array<vec4<f32>, QUADS>;  // [⌈D/32⌉·8]
    if is_query {
        for (var d = 0u; d < params.size; d += 1u) { mine[d / 4u][d % 4u] = params.factor * q[first + d]; }
    }
    var largest = max(sinks[head], LOWEST);
    var sum = exp(sinks[head] - largest);
    for (var key_tile = 0u; key_tile * KEYS < params.keys; key_tile += 1u) {
        let state = tile_state(number, query_tile, key_tile);
        if state == EMPTY { continue; }
        let start = key_tile * KEYS;
        let count = min(KEYS, params.keys - start);
        for (var slot = lane; slot < count * quads; slot += QUERIES) {
            rows[slot] = k_quad(kv * params.keys + start + slot / quads, 4u * (slot % quads));
        }
        workgroupBarrier();
        var scores: array<f32, KEYS>;
        var visible = 0u;  // a bit for each key
        var larger = largest;
        for (var s = 0u; s < count; s += 1u) {
            var may = is_query && is_token(sequence, start + s);
            if may && state == MIXED { may = may_attend(program, params.first_query + query, start + s); }
            if !may { continue; }
            visible |= 1u << s;
            var score = vec4<f32>();
            for (var j = 0u; j < quads; j += STEP) {
                let i = s * quads + j;
                score += mine[j] * rows[i] + mine[j + 1u] * rows[i + 1u]
                    + mine[j + 2u] * rows[i + 2u] + mine[j + 3u] * rows[i + 3u]
                    + mine[j + 4u] * rows[i + 4u] + mine[j + 5u] * rows[i + 5u]
                    + mine[j + 6u] * rows[i + 6u] + mine[j + 7u] * rows[i + 7u];
            }
            scores[s] = dot(score, vec4(1.0));
            larger = max(larger, scores[s]);
        }
        workgroupBarrier();
        for (var slot = lane; slot < count * quads; slot += QUERIES) {
            rows[slot] = v_quad(kv * params.keys + start + slot / quads, 4u * (slot % quads));
        }
        workgroupBarrier();
        // e^0 need not be exactly 1 on a GPU, and errors would add up over the tiles.
        let shrink = select(exp(largest - larger), 1.0, larger == largest);
        largest = larger;
        sum *= shrink;
        for (var j = 0u; j < quads; j += 1u) { context[j] *= shrink; }
        for (var s = 0u; s < count; s += 1u) {
            if ((visible >> s) & 1u) == 0u { continue; }
            let weight = exp(scores[s] - largest);
            sum += weight;
            for (var j = 0u; j < quads; j += STEP) {
                let i = s * quads + j;
                context[j] += weight * rows[i];
                context[j + 1u] += weight * rows[i + 1u];
                context[j + 2u] += weight * rows[i + 2u];
                context[j + 3u] += weight * rows[i + 3u];
                context[j + 4u] += weight * rows[i + 4u];
                context[j + 5u] += weight * rows[i + 5u];
                context[j + 6u] += weight * rows[i + 6u];
                context[j + 7u] += weight * rows[i + 7u];
            }
        }
        workgroupBarrier();
    }
    if !is_query { return; }
    // A NaN sum must give a NaN result.
    let scale = select(1.0 / sum, 0.0, sum == 0.0);
    for (var d = 0u; d < params.size; d += 1u) { y[first + d] = context[d / 4u][d % 4u] * scale; }
}
