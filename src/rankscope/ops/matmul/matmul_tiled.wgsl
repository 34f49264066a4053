// y[i, m, n] = factor · Σₖ a[i, m, k] · b[i div group, n, k], for any order of the axes in memory.
//
// Layout: as in matmul_naive.wgsl.
//
// What changes from naive: a workgroup of 16 × 16 invocations makes 16 × 16 outputs together. In steps
// of 16 along K each invocation brings one number of `a` and one of `b` into workgroup memory, where all
// find them: every number is read from memory 16 times less often. Each invocation still makes one
// output and reads two numbers, now near ones, for each multiply-add.
//
// On hardware that is a large step. On a software adapter workgroup memory is ordinary memory and
// barriers cost, so this rung is slower than the one before.
//
// Dispatch: ⌈M/16⌉ · ⌈N/16⌉ · batch workgroups, columns of tiles fastest.

const TILE = 16u;

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

var<workgroup> a_tile: array<array<f32, TILE>, TILE>;  // [row, k]
var<workgroup> b_tile: array<array<f32, TILE>, TILE>;  // [k, column]

fn a_at(first: u32, row: u32, k: u32) -> f32 {
    if row >= params.m || k >= params.k { return 0.0; }
    return a[first + row * params.a_row + k * params.a_step];
}

fn b_at(first: u32, column: u32, k: u32) -> f32 {
    if column >= params.n || k >= params.k { return 0.0; }
    let i = first + column * params.b_column + k * params.b_step;
    switch params.b_dtype {
        case 1u: { return unpack2x16float(b[i / 2u])[i % 2u]; }
        case 2u: { return bitcast<f32>((b[i / 2u] >> (16u * (i % 2u))) << 16u); }
        default: { return bitcast<f32>(b[i]); }
    }
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (params.n + TILE - 1u) / TILE;
    let rows = (params.m + TILE - 1u) / TILE;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / (columns * rows);
    if matrix >= params.batch { return; }
    let row = (tile / columns) % rows * TILE;
    let column = tile % columns * TILE;
    let a_first = matrix * params.m * params.k;
    let b_first = matrix / params.group * params.k * params.n;

    var sum = 0.0;
    for (var k0 = 0u; k0 < params.k; k0 += TILE) {
        a_tile[local.y][local.x] = a_at(a_first, row + local.y, k0 + local.x);
        // Adjacent invocations read adjacent values: along k where that is how `b` lies, along the columns otherwise.
        if params.b_step == 1u {
            b_tile[local.x][local.y] = b_at(b_first, column + local.y, k0 + local.x);
        } else {
            b_tile[local.y][local.x] = b_at(b_first, column + local.x, k0 + local.y);
        }
        workgroupBarrier();
        for (var k = 0u; k < TILE; k += 1u) { sum += a_tile[local.y][k] * b_tile[k][local.x]; }
        workgroupBarrier();
    }
    let r = row + local.y;
    let c = column + local.x;
    if r < params.m && c < params.n {
        y[params.y_first + (matrix * params.m + r) * params.y_row + c] = params.factor * sum;
    }
}
