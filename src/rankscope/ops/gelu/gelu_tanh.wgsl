// y = ½ x (1 + tanh(u)) = x / (1 + e^(−2u)), u = √(2/π) (x + 0.044715 x³), element by element.
//
// The second form needs no tanh, whose precision and range differ from driver to driver.
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

fn gelu(x: vec4<f32>) -> vec4<f32> {
    // From 10 on the quotient is 1 and from -10 down it is 0, in f32; further out e^(−2u) would overflow.
    // Not clamp, which may turn a NaN into an end.
    let below = select(x, vec4(-10.0), x < vec4(-10.0));
    let c = select(below, vec4(10.0), below > vec4(10.0));
    let twice_u = 1.5957691 * (c + 0.044715 * c * c * c);
    return below / (1.0 + exp(-twice_u));
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
