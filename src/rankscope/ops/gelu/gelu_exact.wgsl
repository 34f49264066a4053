// y = x · Φ(x) = ½ x (1 + erf(x/√2)), element by element.
//
// erf is the rational approximation 7.1.26 of Abramowitz & Stegun, "Handbook of Mathematical Functions",
// off by at most 1.5·10⁻⁷: erfc(z) ≈ (a₁t + a₂t² + a₃t³ + a₄t⁴ + a₅t⁵) e^(−z²), t = 1/(1 + pz), z ≥ 0.
// Negative x use erfc itself, so that small results are not differences of numbers near 1.
//
// Layout: the tensor as vectors of four values, the last one padded, as all buffers are.
// One invocation makes one vector; one workgroup makes 64 of them.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [⌈elements/4⌉]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;  // [⌈elements/4⌉]

fn erfc(z: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sum * exp(-z * z);
}

fn gelu(x: vec4<f32>) -> vec4<f32> {
    // Beyond 15, e^(−z²) is 0 in f32, and z² could overflow.
    let tail = 0.5 * erfc(min(abs(x) * 0.70710678, vec4(15.0)));
    return x * select(1.0 - tail, tail, x < vec4(0.0));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    y[i] = gelu(x[i]);
}
