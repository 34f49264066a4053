// ∂x[i] = f′(x[i]) · ∂y[i]; f′ is defined below.
//
// Layout: vectors of four, whatever the axes; the last one may reach into the buffer's padding, which is never read.
//
// One invocation makes one vector; one workgroup makes 64 of them.
//
// Dispatch: ⌈quads/64⌉ workgroups.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [⌈values/4⌉]
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;       // [⌈values/4⌉]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;  // [⌈values/4⌉]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    y[i] = slope(x[i]) * dy[i];
}
