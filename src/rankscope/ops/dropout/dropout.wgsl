// y[i] = 0 where word i of a generator is below p·2³², otherwise x[i] · 1/(1 − p).
//
// Layout: the tensor as vectors of four values, the last one padded, as all buffers are. The generator, Threefry-2x32 with
// 20 rounds (Salmon et al. 2011), makes words 2c and 2c + 1 of counter c, and needs nothing but sums, rotations and xor of
// 32 bits: every device gets the same bits. One invocation makes one vector, of two counters; one workgroup makes 64.
//
// Dispatch: ⌈elements/256⌉ workgroups.

struct Params {
    quads: u32,
    seed_low: u32,
    seed_high: u32,
    threshold: u32,  // p·2³²
    factor: f32,     // 1/(1 − p)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;        // [⌈elements/4⌉]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;  // [⌈elements/4⌉]

// Four rounds, which rotate by so many bits, and the next keys.
fn rounds(start: vec2<u32>, bits: vec4<u32>, keys: vec2<u32>) -> vec2<u32> {
    var words = start;
    for (var i = 0u; i < 4u; i += 1u) {
        words.x += words.y;
        words.y = ((words.y << bits[i]) | (words.y >> (32u - bits[i]))) ^ words.x;
    }
    return words + keys;
}

fn threefry(counter: u32) -> vec2<u32> {
    let even = vec4<u32>(13u, 15u, 26u, 6u);
    let odd = vec4<u32>(17u, 29u, 16u, 24u);
    let a = params.seed_low;
    let b = params.seed_high;
    let c = 0x1bd11bdau ^ a ^ b;
    var words = vec2<u32>(counter + a, b);
    words = rounds(words, even, vec2<u32>(b, c + 1u));
    words = rounds(words, odd, vec2<u32>(c, a + 2u));
    words = rounds(words, even, vec2<u32>(a, b + 3u));
    words = rounds(words, odd, vec2<u32>(b, c + 4u));
    return rounds(words, even, vec2<u32>(c, a + 5u));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.quads { return; }
    let words = vec4<u32>(threefry(2u * i), threefry(2u * i + 1u));
    y[i] = select(params.factor * x[i], vec4<f32>(0.0), words < vec4<u32>(params.threshold));
}
