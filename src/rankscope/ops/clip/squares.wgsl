// Σ x² of one tensor in 64 sums: y[first + i] = Σ x[j]² over the j that workgroup i is given.
//
// Layout: x in its order; the sums of a tensor stand one after the other, from `first` on.
// One workgroup makes one sum: its 64 invocations take every 64 · 64-th number each, and join their sums.
//
// Dispatch: 64 workgroups.

struct Params {
    numbers: u32,
    first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [numbers]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [tensors · 64]

const PARTS: u32 = 64u;
const LANES: u32 = 64u;

var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    for (var i = group.x * LANES + lane; i < params.numbers; i += PARTS * LANES) {
        sum += x[i] * x[i];
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u && group.x < PARTS { y[params.first + group.x] = sums[0]; }
}
