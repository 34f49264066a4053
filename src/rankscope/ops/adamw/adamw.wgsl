// m′ = β₁ m + (1 − β₁) g, v′ = β₂ v + (1 − β₂) g², y = w − η (m̂ / (√v̂ + ε) + λ w), with m̂ = m′ / (1 − β₁ᵗ),
// v̂ = v′ / (1 − β₂ᵗ) and g the gradient times clip[0]; where that is 0, nothing changes.
//
// Layout: vectors of four values, the last one padded, as all buffers are.
// One invocation makes one vector of each result; one workgroup makes 64 of them.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decay: f32,
    mean_correction: f32,    // 1 / (1 − β₁ᵗ)
    square_correction: f32,  // 1 / (1 − β₂ᵗ)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;                 // [⌈elements/4⌉]
@group(0) @binding(2) var<storage, read> mean: array<vec4<f32>>;              // [⌈elements/4⌉]
@group(0) @binding(3) var<storage, read> square: array<vec4<f32>>;            // [⌈elements/4⌉]
@group(0) @binding(4) var<storage, read> gradient: array<vec4<f32>>;          // [⌈elements/4⌉]
@group(0) @binding(5) var<storage, read> clip: array<f32>;                    // [2 + tensors]
@group(0) @binding(6) var<storage, read_write> new_mean: array<vec4<f32>>;    // [⌈elements/4⌉]
@group(0) @binding(7) var<storage, read_write> new_square: array<vec4<f32>>;  // [⌈elements/4⌉]
@group(0) @binding(8) var<storage, read_write> y: array<vec4<f32>>;           // [⌈elements/4⌉]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    if clip[0] == 0.0 {
        new_mean[i] = mean[i];
        new_square[i] = square[i];
        y[i] = w[i];
        return;
    }
    let g = clip[0] * gradient[i];
    let m = params.beta1 * mean[i] + (1.0 - params.beta1) * g;
    let v = params.beta2 * square[i] + (1.0 - params.beta2) * g * g;
    let update = m * params.mean_correction / (sqrt(v * params.square_correction) + params.epsilon);
    new_mean[i] = m;
    new_square[i] = v;
    y[i] = w[i] - params.rate * (update + params.decay * w[i]);
}
