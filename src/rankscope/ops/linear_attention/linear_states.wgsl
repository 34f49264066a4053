// y[c, b, g, d, e] = Σₛ k[b, g, s, d]·v[b, g, s, e] over the keys s of chunk c, and for e = E, where there is such a
// column, Σₛ k[b, g, s, d]: what the chunk adds to the sums of linear attention.
//
// Layout: rows of D values in k and of E in v; chunk c holds keys 64c to 64c + 63, the last one those that are left. In
// the forward pass E = D and there are D + 1 columns; in the backward pass as many columns as v has.
//
// The first part of the chunked rung: chunks are independent of each other, so that all of them are
// summed side by side. One invocation makes one number.
//
// Dispatch: ⌈N·B·G·D·M/64⌉ workgroups of 64, with N the number of chunks and M that of columns.

const CHUNK = 64u;

struct Params {
    chunks: u32,
    matrices: u32,       // B·G
    kv_heads: u32,
    keys: u32,
    size: u32,           // D
    values: u32,         // E
    columns: u32,        // M: E, or E + 1
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<f32>;        // [B, G, S, D]
@group(0) @binding(2) var<storage, read> v: array<f32>;        // [B, G, S, E]
@group(0) @binding(3) var<storage, read> padding: array<u32>;  // [B, ⌈S/32⌉] or [1]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [N, B, G, D, M]

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
    let i = (params.first_group + group.y * groups.x + group.x) * 64u + lane;
    let e = i % params.columns;
    let d = i / params.columns % params.size;
    let matrix = i / params.columns / params.size % params.matrices;
    let chunk = i / params.columns / params.size / params.matrices;
    if chunk >= params.chunks { return; }
    let sequence = matrix / params.kv_heads;
    let end = min((chunk + 1u) * CHUNK, params.keys);

    var sum = 0.0;
    for (var s = chunk * CHUNK; s < end; s += 1u) {
        if !is_token(sequence, s) { continue; }
        let row = matrix * params.keys + s;
        var value = 1.0;
        if e < params.values { value = v[row * params.values + e]; }
        sum += k[row * params.size + d] * value;
    }
    y[i] = sum;
}
