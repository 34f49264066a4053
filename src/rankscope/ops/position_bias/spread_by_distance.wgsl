// y[h, t, s] = bias[h, s − t + T − 1]: a bias for every distance becomes one for every pair.
//
// Layout: bias is [H, P] with P = T + S − 1, distances rising; y is [H, T, S].
//
// One invocation makes one value; one workgroup makes 64 of them. Adjacent invocations read adjacent values.
//
// Dispatch: ⌈H·T·S/64⌉ workgroups.

struct Params {
    values: u32,
    queries: u32,
    keys: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> bias: array<f32>;     // [H, P]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [H, T, S]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let to = (group.y * groups.x + group.x) * 64u + lane;
    if to >= params.values { return; }
    let s = to % params.keys;
    let t = to / params.keys % params.queries;
    let h = to / (params.keys * params.queries);
    let distances = params.queries + params.keys - 1u;
    y[to] = bias[h * distances + s + params.queries - 1u - t];
}
