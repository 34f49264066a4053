// y[b, g, s] = −softplus(w[g]·k[b, g, s] + β[g]) with softplus(x) = ln(1 + eˣ); 0 for a key that is padding.
//
// Layout: rows of D values.
//
// One invocation makes one value; one workgroup makes 64 of them.
//
// Dispatch: ⌈B·G·S/64⌉ workgroups.

struct Params {
    rows: u32,           // B·G·S
    kv_heads: u32,
    keys: u32,
    size: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(2) var<storage, read> weight: array<f32>;   // [G, D]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [G]
@group(0) @binding(4) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [B, G, S]

fn is_token(sequence: u32, key: u32) -> bool {
    if params.padding_words == 0u { return true; }
    return ((padding[sequence * params.padding_words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

/// ln(1 + eˣ). A shader's log may be off by 5e-7 near 1: more than the whole result where the decay is slow. So
/// ln(1 + u) is 2 artanh(r) with r = u / (2 + u), by its series: r is 1/3 at most, and the terms that are left out
/// are below 1e-8 of it.
fn softplus(x: f32) -> f32 {
    let u = exp(-abs(x));
    let r = u / (2.0 + u);
    let z = r * r;
    var sum = 1.0 / 15.0;
    for (var n = 6; n >= 0; n -= 1) { sum = sum * z + 1.0 / f32(2 * n + 1); }
    return max(x, 0.0) + 2.0 * r * sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * 64u + lane;
    if row >= params.rows { return; }
    let matrix = row / params.keys;
    let head = matrix % params.kv_heads;
    if !is_token(matrix / params.kv_heads, row % params.keys) {
        y[row] = 0.0;
        return;
    }
    var sum = 0.0;
    for (var d = 0u; d < params.size; d += 1u) {
        sum += weight[head * params.size + d] * k[row * params.size + d];
    }
    y[row] = -softplus(sum + bias[head]);
}
