// y = share · m + f · g, with f = clip[0]; y = m where f is 0.
//
// Layout: vectors of four values, the last one padded, as all buffers are.
// One invocation makes one vector; one workgroup makes 64 of them.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
    share: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> m: array<vec4<f32>>;         // [⌈elements/4⌉]
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;  // [⌈elements/4⌉]
@group(0) @binding(3) var<storage, read> clip: array<f32>;            // [2 + tensors]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;   // [⌈elements/4⌉]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    if clip[0] == 0.0 {
        y[i] = m[i];
    } else {
        y[i] = params.share * m[i] + clip[0] * gradient[i];
    }
}
