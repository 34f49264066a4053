// y[n, e] = ∂context[n, e] / s[n] for e < D, and y[n, D] = −Σₑ ∂context[n, e]·context[n, e] / s[n]; 0 where s[n] is 0.
//
// Layout: rows of D values in, of D + 1 values out. One invocation makes one row.
//
// Dispatch: ⌈rows/64⌉ workgroups of 64.

struct Params {
    rows: u32,  // B·H·T
    size: u32,  // D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;         // [B, H, T, D]: ∂context
@group(0) @binding(2) var<storage, read> y_forward: array<f32>;  // [B, H, T, D]: context
@group(0) @binding(3) var<storage, read> totals: array<f32>;     // [B, H, T]: s
@group(0) @binding(4) var<storage, read_write> y: array<f32>;    // [B, H, T, D + 1]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (group.y * groups.x + group.x) * 64u + lane;
    if row >= params.rows { return; }
    let total = totals[row];
    var product = 0.0;
    for (var e = 0u; e < params.size; e += 1u) {
        let gradient = dy[row * params.size + e];
        product += gradient * y_forward[row * params.size + e];
        y[row * (params.size + 1u) + e] = select(gradient / total, 0.0, total == 0.0);
    }
    y[row * (params.size + 1u) + params.size] = select(-product / total, 0.0, total == 0.0);
}
