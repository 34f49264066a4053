// y[b, h, t, j] = Σ products[b, h, t, s] over the keys s that query t reaches through token j: s < j where j is at the
// query's position or before it, s ≥ j where j is behind it.
//
// Layout: rows of S values.
//
// One invocation a row: from the first key to the query's, then from the last key back to it. Neighbouring invocations
// read values a whole row apart.
//
// Dispatch: ⌈B·H·T/64⌉ workgroups of 64.

struct Params {
    rows: u32,
    queries: u32,
    keys: u32,
    first_query: u32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> products: array<f32>;  // [B, H, T, S]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;   // [B, H, T, S]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (params.first_group + group.y * groups.x + group.x) * 64u + lane;
    if row >= params.rows { return; }
    let first = row * params.keys;
    let t = params.first_query + row % params.queries;

    var sum = 0.0;
    for (var j = 0u; j <= t; j += 1u) {
        y[first + j] = sum;
        sum += products[first + j];
    }
    sum = 0.0;
    for (var j = params.keys - 1u; j > t; j -= 1u) {
        sum += products[first + j];
        y[first + j] = sum;
    }
}
