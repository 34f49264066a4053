// y[c] = start + Σ states[c'] over the chunks c' < c; backward, over the chunks c' ≥ c. Number by number, for
// the N + 1 places c before, between and after N chunks.
//
// Layout: `cells` numbers for each chunk and for each place, those of place c from c·cells on.
//
// The second part of the chunked rung: what lies before (or from) each chunk, one invocation for each number. The
// sums begin with `initial` where tokens came before these, otherwise with 0.
//
// Dispatch: ⌈cells/64⌉ workgroups of 64.

struct Params {
    cells: u32,        // B·G·D·M
    chunks: u32,
    is_backward: u32,
    has_initial: u32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> states: array<f32>;   // [N, B, G, D, M]
@group(0) @binding(2) var<storage, read> initial: array<f32>;  // [B, G, D, M], or anything
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [N + 1, B, G, D, M]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (params.first_group + group.y * groups.x + group.x) * 64u + lane;
    if i >= params.cells { return; }
    var sum = 0.0;
    if params.has_initial == 1u { sum = initial[i]; }
    if params.is_backward == 1u {
        y[params.chunks * params.cells + i] = sum;
        for (var c = params.chunks; c > 0u; c -= 1u) {
            sum += states[(c - 1u) * params.cells + i];
            y[(c - 1u) * params.cells + i] = sum;
        }
        return;
    }
    y[i] = sum;
    for (var c = 0u; c < params.chunks; c += 1u) {
        sum += states[c * params.cells + i];
        y[(c + 1u) * params.cells + i] = sum;
    }
}
