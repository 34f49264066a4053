// y[e, c] = Σ dy[i, c] over the i with ids[i] = e: the gradient of a table from which rows were gathered.
//
// Layout: rows of C values. The places i that took entry e stand in `places` from starts[e] to starts[e + 1], so each
// sum has one order, for any order of execution.
//
// One invocation makes one value; one workgroup makes 64 of them.
//
// Dispatch: ⌈entries·C/64⌉ workgroups.

struct Params {
    values: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;       // [N, C]
@group(0) @binding(2) var<storage, read> starts: array<u32>;   // [entries + 1]
@group(0) @binding(3) var<storage, read> places: array<u32>;   // [N]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [entries, C]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.values { return; }
    let entry = i / params.width;
    var sum = 0.0;
    for (var place = starts[entry]; place < starts[entry + 1u]; place += 1u) {
        sum += dy[places[place] * params.width + i % params.width];
    }
    y[i] = sum;
}
