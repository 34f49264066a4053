// y[n] = ln Σᵥ e^x[n, v] − (1 − ε) x[n, target[n]] − ε/V · Σᵥ x[n, v]: cross-entropies of rows of V logits, in nats; 0 where
// there is no target.
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
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [N]

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
    var shifted = 0.0;
    for (var v = lane; v < params.width; v += LANES) { shifted += logits[first + v] - largest; }
    shifted = sum_of_all(lane, shifted);
    if lane == 0u {
        var loss = 0.0;
        if target_id != IGNORED {
            let hit = logits[first + target_id] - largest;
            loss = log(sum) - (1.0 - params.smoothing) * hit - params.smoothing / f32(params.width) * shifted;
        }
        y[row] = loss;
    }
}
