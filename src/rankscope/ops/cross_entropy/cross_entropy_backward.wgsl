// ∂x[n, v] = ∂y[n] · (softmax(x[n])[v] − (1 − ε) [v = target[n]] − ε/V); 0 where there is no target.
//
// One workgroup of 64 invocations makes one row; one invocation takes every 64th logit.
// Sums and maxima over the invocations are in reductions.wgsl.
//
// Dispatch: N workgroups.

const LANES = 64u;
const IGNORED = 0xffffffffu;

struct Params {
    rows: u32,
    width: u32,
    smoothing: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;   // [N, V]
@group(0) @binding(2) var<storage, read> targets: array<u32>;  // [N]
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // [N]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [N, V]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows { return; }
    let first = row * params.width;
    let target_id = targets[row];

    var largest = logits[first];
    for (var v = lane; v < params.width; v += LANES) { largest = max(largest, logits[first + v]); }
    largest = largest_of_all(lane, largest);
    var sum = 0.0;
    for (var v = lane; v < params.width; v += LANES) { sum += exp(logits[first + v] - largest); }
    sum = sum_of_all(lane, sum);
    let factor = select(dy[row], 0.0, target_id == IGNORED);
    let per_entry = params.smoothing / f32(params.width);
    for (var v = lane; v < params.width; v += LANES) {
        let wanted = per_entry + select(0.0, 1.0 - params.smoothing, v == target_id);
        y[first + v] = factor * (exp(logits[first + v] - largest) / sum - wanted);
    }
}
