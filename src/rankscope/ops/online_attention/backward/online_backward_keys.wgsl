// ∂v[b, g, s] = Σ w[t]·∂y[b, h, t] and ∂k[b, g, s] = factor · Σ ∂x[t]·q[b, h, t] over the query heads h of key/value head
// g = h div (H/G) and the queries t that may attend to key s, with w[t] = e^(x[t] − lse[b, h, t]), x[t] = factor · q[b, h, t]·k[b, g, s],
// and ∂x[t] = w[t] · (∂y[b, h, t]·v[b, g, s] − d[b, h, t]).
//
// Layout: rows of D values, D at most 128; a row of `passed` has lse and d behind D values that are not read, and one
// value more; a row of the output is ∂k and then ∂v. `rules` begins with the place of each head's mask program and then
// the number of that program. From word `tiles_at` on it has two bits for each program, 64 queries and 32 keys: 0 none
// may attend, 1 all may, 2 run the program; and from word `padding_at` on a bit for each key.
//
// Weights are never written. A workgroup brings 16 queries and the gradients of their contexts at a time into workgroup
// memory; 32 keys, one an invocation, walk over them. Inner loops process eight vectors at a time: llvmpipe allows an
// invocation no more than 65535 turns in all.
//
// Constants, parameters and functions that both kernels need are in online_backward_tiles.wgsl.
//
// Dispatch: B·G·⌈S/32⌉ workgroups of 32.

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;        // [B, H, T, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;        // [B, G, S, D]
@group(0) @binding(4) var<storage, read> dy: array<f32>;       // [B, H, T, D]
@group(0) @binding(5) var<storage, read> rules: array<u32>;    // [2·H + programs + tiles + padding]
@group(0) @binding(6) var<storage, read> passed: array<f32>;   // [B, H, T, D + 3]
@group(0) @binding(7) var<storage, read_write> y: array<f32>;  // [B, G, S, 2·D]

var<workgroup> rows: array<vec4<f32>, 2 * STAGED * QUADS>;  // [2, STAGED, ⌈D/32⌉·8], q and then ∂y

/// Four values of a row of q, 0 beyond its end.
fn q_quad(row: u32, d: u32) -> vec4<f32> {
    let i = row * params.size;
    let last = params.size - 1u;
    let values = vec4(q[i + min(d, last)], q[i + min(d + 1u, last)], q[i + min(d + 2u, last)], q[i + min(d + 3u, last)]);
    return select(vec4(0.0), values, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(params.size));
}

/// Four values of a row of ∂y, 0 beyond its end.
fn dy_quad(row: u32, d: u32) -> vec4<f32> {
    let i = row * params.size;
    let last = params.size - 1u;
    let values = vec4(dy[i + min(d, last)], dy[i + min(d + 1u, last)], dy[i + min(d + 2u, last)], dy[i + min(d + 3u, last)]);
    return select(vec4(0.0), values, vec4(d) + vec4(0u, 1u, 2u, 3u) < vec4(params.size));
}

/// Brings `count` rows of q and of ∂y into workgroup memory, from `row` on.
fn stage(row: u32, count: u32, lane: u32) {
    for (var slot = lane; slot < count * quads(); slot += KEYS) {
        let d = 4u * (slot % quads());
        rows[slot] = q_quad(row + slot / quads(), d);
        rows[STAGED * QUADS + slot] = dy_quad(row + slot / quads(), d);
    }
}

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let key_tiles = (params.keys + KEYS - 1u) / KEYS;
    let tile = params.first_group + group.y * groups.x + group.x;
    let kv = tile / key_tiles;
    let shared_by = params.heads / params.kv_heads;
    if kv >= params.matrices / shared_by { return; }
    let key_tile = tile % key_tiles;
    let key = key_tile * KEYS + lane;
    let sequence = kv / params.kv_heads;
    let first = (kv * params.keys + key) * params.size;
    let is_key = key < params.keys;

    var k_mine: array<vec4<f32>, QUADS>;  // [⌈D/32⌉·8], factor · k
    var v_mine: array<vec4<f32>, QUADS>;  // [⌈D/32⌉·8]
    var dk: array<vec4<f32>, QUADS>;      // [⌈D/32⌉·8]
    var dv: array<vec4<f32>, QUADS>;      // [⌈D/32⌉·8]
    var is_seen = false;
    if is_key {
        is_seen = is_token(sequence, key);
        for (var d = 0u; d < params.size; d += 1u) {
            k_mine[d / 4u][d % 4u] = params.factor * k[first + d];
            v_mine[d / 4u][d % 4u] = v[first + d];
        }
    }
    for (var i = 0u; i < shared_by; i += 1u) {
        let head = kv % params.kv_heads * shared_by + i;
        let matrix = sequence * params.heads + head;
        let program = rules[head];
        let number = rules[params.heads + head];
        for (var start = 0u; start < params.queries; start += STAGED) {
            let state = tile_state(number, start / QUERIES, key_tile);
            if state == EMPTY { continue; }
            let count = min(STAGED, params.queries - start);
            stage(matrix * params.queries + start, count, lane);
            workgroupBarrier();
            for (var t = 0u; t < count; t += 1u) {
                if !is_seen { continue; }
                if state == MIXED && !may_attend(program, params.first_query + start + t, key) { continue; }
                let sums = (matrix * params.queries + start + t) * (params.size + 3u) + params.size;
                let weight = exp(product(&k_mine, t * quads()) - passed[sums]);
                add_row(&dv, weight, STAGED * QUADS + t * quads());
                let dx = weight * (product(&v_mine, STAGED * QUADS + t * quads()) - passed[sums + 1u]);
                add_row(&dk, dx, t * quads());
            }
            workgroupBarrier();
        }
    }
    if !is_key { return; }
    for (var d = 0u; d < params.size; d += 1u) {
        y[2u * first + d] = params.factor * dk[d / 4u][d % 4u];
        y[2u * first + params.size + d] = dv[d / 4u][d % 4u];
    }
}
