// ∂q[b, h, t] = factor · Σₛ ∂x[s]·k[b, g, s] over the keys s that query t may attend to, with ∂x[s] = w[s] · (∂y[b, h, t]·v[b, g, s] − d),
// w[s] = e^(x[s] − lse), x[s] = factor · q[b, h, t]·k[b, g, s], lse = ln(e^sink[h] + Σₛ e^x[s]), and d = ∂y[b, h, t]·context[b, h, t].
//
// Layout: rows of D values, D at most 128; head h uses key/value head g = h div (H/G). A row of the output is D values
// of ∂q, then lse and d, which the gradients of the keys need, and −e^(sink[h] − lse) · d, the query's part of ∂sink[h].
// `rules` begins with the place of each head's mask program and then the number of that program. From word `tiles_at` on
// it has two bits for each program, 64 queries and 32 keys: 0 none may attend, 1 all may, 2 run the program; and
// from word `padding_at` on a bit for each key.
//
// Weights are never written. A workgroup brings 16 keys and their values at a time into workgroup memory; 64 queries, one
// an invocation, walk over them twice: for lse, with the sum in units of e^(largest score so far), and for ∂q. Inner
// loops take eight vectors at a time: llvmpipe allows an invocation no more than 65535 turns in all.
//
// Constants, parameters and functions that both kernels need are in online_backward_tiles.wgsl.
//
// Dispatch: B·H·⌈T/64⌉ workgroups of 64.

// The lowest finite number: a sum begun with it is 0 times something, where −∞ would make NaN of it.
const LOWEST = -0x1.fffffep+127f;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [B, H, T, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;        // [B, G, S, D]
@group(0) @binding(4) var<storage, read> dy: array<f32>;       // [B, H, T, D]
@group(0) @binding(5) var<storage, read> rules: array<u32>;    // [2·H + programs + tiles + padding]
@group(0) @binding(6) var<storage, read> context: array<f32>;  // [B, H, T, D]
@group(0) @binding(7) var<storage, read> sinks: array<f32>;    // [H], −∞ for none
@group(0) @binding(8) var<storage, read_write> y: array<f32>;  // [B, H, T, D + 3]

var<workgroup> rows: array<vec4<f32>, 2 * STAGED * QUADS>;  // [2, STAGED, ⌈D/32⌉·8], keys and then values

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

/// Brings `count` rows of k and of v into workgroup memory, from `row` on.
fn stage(row: u32, count: u32, lane: u32) {
    for (var slot = lane; slot < count * quads(); slot += QUERIES) {
        let d = 4u * (slot % quads());
        rows[slot] = k_quad(row + slot / quads(), d);
        rows[STAGED * QUADS + slot] = v_quad(row + slot / quads(), d);
    }
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
    let is_query = query < params.queries;

    var mine: array<vec4<f32>, QUADS>;      // [⌈D/32⌉·8], factor · q
    var dy_mine: array<vec4<f32>, QUADS>;   // [⌈D/32⌉·8]
    var gradient: array<vec4<f32>, QUADS>;  // [⌈D/32⌉·8]
    var d_sum = 0.0;
    if is_query {
        for (var d = 0u; d < params.size; d += 1u) {
            mine[d / 4u][d % 4u] = params.factor * q[first + d];
            dy_mine[d / 4u][d % 4u] = dy[first + d];
            d_sum += dy[first + d] * context[first + d];
        }
    }

    var largest = max(sinks[head], LOWEST);
    var sum = exp(sinks[head] - largest);
    for (var start = 0u; start < params.keys; start += STAGED) {
        let state = tile_state(number, query_tile, start / KEYS);
        if state == EMPTY { continue; }
        let count = min(STAGED, params.keys - start);
        stage(kv * params.keys + start, count, lane);
        workgroupBarrier();
        for (var s = 0u; s < count; s += 1u) {
            if !is_query || !is_token(sequence, start + s) { continue; }
            if state == MIXED && !may_attend(program, params.first_query + query, start + s) { continue; }
            let score = product(&mine, s * quads());
            // Only when needed: e^0 need not be exactly 1 on a GPU, and errors would add up over the keys.
            if score > largest {
                sum *= exp(largest - score);
                largest = score;
            }
            sum += exp(score - largest);
        }
        workgroupBarrier();
    }
    // A query without keys and sink has no weights, and its logarithm is not used.
    let log_sum = select(largest + log(sum), 0.0, sum == 0.0);

    for (var start = 0u; start < params.keys; start += STAGED) {
        let state = tile_state(number, query_tile, start / KEYS);
        if state == EMPTY { continue; }
        let count = min(STAGED, params.keys - start);
        stage(kv * params.keys + start, count, lane);
        workgroupBarrier();
        for (var s = 0u; s < count; s += 1u) {
            if !is_query || !is_token(sequence, start + s) { continue; }
            if state == MIXED && !may_attend(program, params.first_query + query, start + s) { continue; }
            let weight = exp(product(&mine, s * quads()) - log_sum);
            let dx = weight * (product(&dy_mine, STAGED * QUADS + s * quads()) - d_sum);
            add_row(&gradient, dx, s * quads());
        }
        workgroupBarrier();
    }
    if !is_query { return; }
    let out = (matrix * params.queries + query) * (params.size + 3u);
    for (var d = 0u; d < params.size; d += 1u) { y[out + d] = params.factor * gradient[d / 4u][d % 4u]; }
    y[out + params.size] = log_sum;
    y[out + params.size + 1u] = d_sum;
    y[out + params.size + 2u] = -exp(sinks[head] - log_sum) * d_sum;
}
