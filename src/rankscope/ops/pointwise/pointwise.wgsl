// y = f(x), element by element, for the functions of one number. After this file comes f: `fn f(x: vec4<f32>)`, from
// the row of the table of functions that the kernel is for.
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

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    y[i] = f(x[i]);
}
