// ∂z[b, g, s] = −∂y[b, g, s] / (1 + e^−z[b, g, s]) with z = w[g]·k[b, g, s] + β[g], the argument of y = −softplus(z); 0 for
// a key that is padding.
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
@group(0) @binding(5) var<storage, read> dy: array<f32>;       // [B, G, S]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;  // [B, G, S]

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
    y[row] = -dy[row] / (1.0 + exp(-(sum + bias[head])));
}
