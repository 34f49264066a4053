// y = [f, ‖g‖, Σ g₀², Σ g₁², …] with ‖g‖ = √Σᵢ Σ gᵢ² and f = min(1, most / ‖g‖), or f = 0 where ‖g‖ is not finite.
//
// Layout: 64 sums of squares for each tensor, one tensor after the other.
// One workgroup makes everything: each of its 64 invocations takes every 64-th tensor.
//
// Dispatch: 1 workgroup.

struct Params {
    tensors: u32,
    most: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;    // [tensors · 64]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [2 + tensors]

const PARTS: u32 = 64u;
const LANES: u32 = 64u;

var<workgroup> sums: array<f32, LANES>;

// Tested by its bits: a shader compiler may assume that no number is infinite or NaN.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    for (var tensor = lane; tensor < params.tensors; tensor += LANES) {
        var square = 0.0;
        for (var part = 0u; part < PARTS; part++) {
            square += parts[tensor * PARTS + part];
        }
        if group.x == 0u { y[2u + tensor] = square; }
        sum += square;
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane > 0u || group.x > 0u { return; }
    let norm = sqrt(sums[0]);
    y[1] = norm;
    if is_finite(sums[0]) {
        y[0] = select(1.0, params.most / norm, norm > params.most);
    } else {
        y[0] = 0.0;
    }
}
