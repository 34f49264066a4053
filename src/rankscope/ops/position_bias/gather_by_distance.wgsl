// y[h, p] = Σ dy[h, t, s] over the pairs with s − t = p − (T − 1): the gradient of a bias for every distance.
//
// One invocation makes one value; one workgroup makes 64 of them.
//
// Dispatch: ⌈H·(T + S − 1)/64⌉ workgroups.

struct Params {
    values: u32,
    queries: u32,
    keys: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;       // [H, T, S]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [H, T + S − 1]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.values { return; }
    let distances = params.queries + params.keys - 1u;
    let head = i / distances;
    let p = i % distances;
    // s = p + t − (T − 1) from 0 to S − 1.
    let last = params.queries - 1u;
    let first = select(0u, last - p, p < last);
    let end = min(params.queries, distances - p);
    var sum = 0.0;
    for (var t = first; t < end; t += 1u) {
        sum += dy[(head * params.queries + t) * params.keys + p + t - last];
    }
    y[i] = sum;
}
