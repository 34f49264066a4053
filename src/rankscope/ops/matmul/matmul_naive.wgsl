// y[i, m, n] = factor · Σₖ a[i, m, k] · b[i div group, n, k], for any order of the axes in memory.
//
// Layout: one matrix of `a` is M·K values, element (m, k) at m·a_row + k·a_step; one of `b` is K·N
// values, element (k, n) at n·b_column + k·b_step. With b_step = 1 that is a weight [N, K]. The numbers
// of `b` are f32, f16 or bf16, read from words of 32 bits as they lie in a checkpoint.
//
// The first rung: the formula as it stands. One invocation makes one output and reads two numbers from
// memory for each multiply-add; every number of `a` is read N times, every number of `b` M times.
//
// Dispatch: ⌈M/8⌉ · ⌈N/8⌉ · batch workgroups of 8 × 8 invocations, columns of tiles fastest.

const TILE = 8u;

struct Params {
    batch: u32,
    group: u32,
    m: u32,
    n: u32,
    k: u32,
    a_row: u32,
    a_step: u32,
    b_column: u32,
    b_step: u32,
    b_dtype: u32,  // 0: f32, 1: f16, 2: bf16
    factor: f32,
    y_row: u32,
    y_first: u32,
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [batch, M, K] or [batch, K, M]
@group(0) @binding(2) var<storage, read> b: array<u32>;        // [batch / group, K, N] or [batch / group, N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [batch, M, N], rows y_row apart

fn b_at(i: u32) -> f32 {
    switch params.b_dtype {
        case 1u: { return unpack2x16float(b[i / 2u])[i % 2u]; }
        case 2u: { return bitcast<f32>((b[i / 2u] >> (16u * (i % 2u))) << 16u); }
        default: { return bitcast<f32>(b[i]); }
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (params.n + TILE - 1u) / TILE;
    let rows = (params.m + TILE - 1u) / TILE;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / (columns * rows);
    let row = (tile / columns) % rows * TILE + local.y;
    let column = tile % columns * TILE + local.x;
    if matrix >= params.batch || row >= params.m || column >= params.n { return; }

    let a_first = matrix * params.m * params.k + row * params.a_row;
    let b_first = matrix / params.group * params.k * params.n + column * params.b_column;
    var sum = 0.0;
    for (var k = 0u; k < params.k; k += 1u) {
        sum += a[a_first + k * params.a_step] * b_at(b_first + k * params.b_step);
    }
    y[params.y_first + (matrix * params.m + row) * params.y_row + column] = params.factor * sum;
}
