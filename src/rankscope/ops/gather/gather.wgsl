// y[i, c] = table[ids[i], c], widened to f32.
//
// Layout: rows of C values; the table's numbers are f32, f16 or bf16, read from words of 32 bits as they
// lie in a checkpoint, so with an odd C a row may start in the middle of a word.
//
// One invocation makes one value; one workgroup makes 64 of them.
//
// Dispatch: ⌈values/64⌉ workgroups.

struct Params {
    values: u32,
    width: u32,
    dtype: u32,  // 0: f32, 1: f16, 2: bf16
    first: u32,  // the entry that the table begins with
    entries: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;    // [entries, C], in words
@group(0) @binding(2) var<storage, read> ids: array<u32>;      // [B, T]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [B, T, C]

fn table_at(i: u32) -> f32 {
    switch params.dtype {
        case 1u: { return unpack2x16float(table[i / 2u])[i % 2u]; }
        case 2u: { return bitcast<f32>((table[i / 2u] >> (16u * (i % 2u))) << 16u); }
        default: { return bitcast<f32>(table[i]); }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= params.values { return; }
    // A table too large for one binding is bound in parts; for an id below a part the difference wraps around.
    let entry = ids[i / params.width] - params.first;
    if entry < params.entries { y[i] = table_at(entry * params.width + i % params.width); }
}
