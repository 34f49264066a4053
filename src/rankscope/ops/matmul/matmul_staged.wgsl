// y[i, m, n] = factor · Σₖ a[i, m, k] · b[i div group, n, k], for any order of the axes in memory.
//
// Layout: as in matmul_naive.wgsl.
//
// What changes from blocked: workgroup memory and registers together. What 64 invocations need is loaded
// once for all of them, with neighbours reading neighbouring values for any order in memory, and
// memory sees an eighth of the loads. On hardware, where memory is the bottleneck, this is the fastest
// rung; a software adapter has no memory that is nearer than another and pays for the detour.
//
// One workgroup, 8 × 8 invocations, makes 64 × 64 outputs of one matrix. In steps of 16 along K it
// brings a piece of both operands into shared memory, as vectors of four rows of `a` or four columns of
// `b`, zeros beyond the ends. One invocation makes 8 × 8 outputs in registers, in four blocks of 4 × 4:
// rows 4·y … and 32 + 4·y …, columns 4·x … and 32 + 4·x …, so that neighbours read neighbouring vectors.
// Each pair of loads of a step feeds 64 multiply-adds.
//
// Dispatch: ⌈M/64⌉ · ⌈N/64⌉ · batch workgroups, columns of tiles fastest.

const TILE = 64u;
const STEP = 16u;
const QUADS = 16u;  // vectors of four in a tile's side
const ROW = 17u;    // one more, so that writing along k meets different memory banks
const LANES = 64u;

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

var<workgroup> a_tile: array<vec4<f32>, STEP * ROW>;  // [STEP, QUADS + 1] of four rows
var<workgroup> b_tile: array<vec4<f32>, STEP * ROW>;  // [STEP, QUADS + 1] of four columns

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

/// Which step and which vector of four a slot of a tile is, such that consecutive slots lie side by side
/// in the operand.
fn place(slot: u32, step: u32) -> vec2<u32> {
    if step == 1u { return vec2(slot % STEP, slot / STEP); }
    return vec2(slot / QUADS, slot % QUADS);
}

/// The block plus every row's value times every column's.
fn add_products(block: mat4x4<f32>, rows: vec4<f32>, columns: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(
        fma(vec4(rows.x), columns, block[0]),
        fma(vec4(rows.y), columns, block[1]),
        fma(vec4(rows.z), columns, block[2]),
        fma(vec4(rows.w), columns, block[3]),
    );
}

fn store(first: u32, row: u32, column: u32, values: vec4<f32>) {
    if row >= params.m { return; }
    let i = first + row * params.y_row + column;
    if column < params.n { y[i] = params.factor * values.x; }
    if column + 1u < params.n { y[i + 1u] = params.factor * values.y; }
    if column + 2u < params.n { y[i + 2u] = params.factor * values.z; }
    if column + 3u < params.n { y[i + 3u] = params.factor * values.w; }
}

fn store_block(first: u32, row: u32, column: u32, block: mat4x4<f32>) {
    store(first, row, column, block[0]);
    store(first, row + 1u, column, block[1]);
    store(first, row + 2u, column, block[2]);
    store(first, row + 3u, column, block[3]);
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
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

    // Four blocks: upper and lower rows times left and right columns; one vector is one row.
    var upper_left = mat4x4<f32>();
    var upper_right = mat4x4<f32>();
    var lower_left = mat4x4<f32>();
    var lower_right = mat4x4<f32>();
    for (var k0 = 0u; k0 < params.k; k0 += STEP) {
        for (var slot = lane; slot < STEP * QUADS; slot += LANES) {
            let p = place(slot, params.a_step);
            let k = k0 + p.x;
            let r = row + 4u * p.y;
            a_tile[p.x * ROW + p.y] =
                vec4(a_at(a_first, r, k), a_at(a_first, r + 1u, k), a_at(a_first, r + 2u, k), a_at(a_first, r + 3u, k));
        }
        for (var slot = lane; slot < STEP * QUADS; slot += LANES) {
            let p = place(slot, params.b_step);
            let k = k0 + p.x;
            let c = column + 4u * p.y;
            b_tile[p.x * ROW + p.y] =
                vec4(b_at(b_first, c, k), b_at(b_first, c + 1u, k), b_at(b_first, c + 2u, k), b_at(b_first, c + 3u, k));
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k += 1u) {
            let upper = a_tile[k * ROW + local.y];
            let lower = a_tile[k * ROW + local.y + 8u];
            let left = b_tile[k * ROW + local.x];
            let right = b_tile[k * ROW + local.x + 8u];
            upper_left = add_products(upper_left, upper, left);
            upper_right = add_products(upper_right, upper, right);
            lower_left = add_products(lower_left, lower, left);
            lower_right = add_products(lower_right, lower, right);
        }
        workgroupBarrier();
    }
    let y_first = params.y_first + matrix * params.m * params.y_row;
    let top = row + 4u * local.y;
    let side = column + 4u * local.x;
    store_block(y_first, top, side, upper_left);
    store_block(y_first, top, side + 32u, upper_right);
    store_block(y_first, top + 32u, side, lower_left);
    store_block(y_first, top + 32u, side + 32u, lower_right);
}
