// y[i, m, n] = factor · Σₖ a[i, m, k] · b[i div group, n, k], for any order of the axes in memory.
//
// Layout: as in matmul_naive.wgsl, but seen as vectors of four values.
//
// What changes from tiled: registers take the place of workgroup memory. One invocation makes 4 × 16
// outputs, kept in four 4 × 4 matrices. In steps of four along K it loads one 4 × 4 block of `a` and four
// of `b`, each as four vectors, so that 20 loads feed 256 multiply-adds, and no barrier is needed. A block
// of an operand that lies the other way round in memory is loaded as it lies and transposed in registers.
// Where rows are no multiple of four values long, vectors would straddle them, and single values are read.
//
// Each way of lying in memory has a loop of its own, of which one runs; within it there is no condition.
// That matters on software adapters, which execute both sides of a condition and keep one. Rows and columns
// beyond the ends are read as the last ones, and not stored.
//
// One workgroup of 4 × 16 invocations makes 64 × 64 outputs.
//
// Dispatch: ⌈M/64⌉ · ⌈N/64⌉ · batch workgroups, columns of tiles fastest.

const TILE = 64u;

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
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;  // [batch, M, K] or [batch, K, M]
@group(0) @binding(2) var<storage, read> b: array<vec4<u32>>;  // [batch / group, K, N] or [batch / group, N, K]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [batch, M, N], rows y_row apart

fn a_at(first: u32, row: u32, k: u32) -> f32 {
    if row >= params.m || k >= params.k { return 0.0; }
    let i = first + row * params.a_row + k * params.a_step;
    return a[i / 4u][i % 4u];
}

/// Four rows times four k of `a`, value by value; vector i is row + i.
fn a_block_any(first: u32, row: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(
        a_at(first, row, k), a_at(first, row, k + 1u), a_at(first, row, k + 2u), a_at(first, row, k + 3u),
        a_at(first, row + 1u, k), a_at(first, row + 1u, k + 1u), a_at(first, row + 1u, k + 2u), a_at(first, row + 1u, k + 3u),
        a_at(first, row + 2u, k), a_at(first, row + 2u, k + 1u), a_at(first, row + 2u, k + 2u), a_at(first, row + 2u, k + 3u),
        a_at(first, row + 3u, k), a_at(first, row + 3u, k + 1u), a_at(first, row + 3u, k + 2u), a_at(first, row + 3u, k + 3u));
}

fn b_at(first: u32, column: u32, k: u32) -> f32 {
    if column >= params.n || k >= params.k { return 0.0; }
    let i = first + column * params.b_column + k * params.b_step;
    if params.b_dtype == 0u { return bitcast<f32>(b[i / 4u][i % 4u]); }
    let word = b[i / 8u][i / 2u % 4u];
    if params.b_dtype == 1u { return unpack2x16float(word)[i % 2u]; }
    return bitcast<f32>((word >> (16u * (i % 2u))) << 16u);
}

/// Four k times four columns of `b`, value by value; vector i is k + i.
fn b_block_any(first: u32, column: u32, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        b_at(first, column, k), b_at(first, column, k + 1u), b_at(first, column, k + 2u), b_at(first, column, k + 3u),
        b_at(first, column + 1u, k), b_at(first, column + 1u, k + 1u), b_at(first, column + 1u, k + 2u), b_at(first, column + 1u, k + 3u),
        b_at(first, column + 2u, k), b_at(first, column + 2u, k + 1u), b_at(first, column + 2u, k + 2u), b_at(first, column + 2u, k + 3u),
        b_at(first, column + 3u, k), b_at(first, column + 3u, k + 1u), b_at(first, column + 3u, k + 2u), b_at(first, column + 3u, k + 3u)));
}

/// The vector of `b` that begins at value i, a multiple of 4, for b of f32.
fn b_quad(i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(b[i / 4u]);
}

/// The same for b of f16 or bf16, widened.
fn b_half_quad(i: u32) -> vec4<f32> {
    let words = b[i / 8u];
    let pair = select(words.xy, words.zw, i % 8u == 4u);
    let f16s = vec4(unpack2x16float(pair.x), unpack2x16float(pair.y));
    let bf16s = bitcast<vec4<f32>>(vec4(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
    return select(bf16s, f16s, params.b_dtype == 1u);
}

/// Four k times four columns of `b`, whose columns lie along k, from value i of its first column on.
fn b_block_along_k(i: u32, column: u32, end: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        b_quad(i + min(column, end) * params.k), b_quad(i + min(column + 1u, end) * params.k),
        b_quad(i + min(column + 2u, end) * params.k), b_quad(i + min(column + 3u, end) * params.k)));
}

/// Four k times four columns of `b`, whose columns lie along k, from value i of its first column on.
fn b_half_block_along_k(i: u32, column: u32, end: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        b_half_quad(i + min(column, end) * params.k), b_half_quad(i + min(column + 1u, end) * params.k),
        b_half_quad(i + min(column + 2u, end) * params.k), b_half_quad(i + min(column + 3u, end) * params.k)));
}

fn store(matrix: u32, row: u32, column: u32, values: vec4<f32>) {
    if row >= params.m { return; }
    let i = params.y_first + (matrix * params.m + row) * params.y_row + column;
    if column < params.n { y[i] = params.factor * values.x; }
    if column + 1u < params.n { y[i + 1u] = params.factor * values.y; }
    if column + 2u < params.n { y[i + 2u] = params.factor * values.z; }
    if column + 3u < params.n { y[i + 3u] = params.factor * values.w; }
}

fn store_block(matrix: u32, row: u32, column: u32, block: mat4x4<f32>) {
    store(matrix, row, column, block[0]);
    store(matrix, row + 1u, column, block[1]);
    store(matrix, row + 2u, column, block[2]);
    store(matrix, row + 3u, column, block[3]);
}

@compute @workgroup_size(4, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let columns = (params.n + TILE - 1u) / TILE;
    let rows = (params.m + TILE - 1u) / TILE;
    let tile = params.first_group + group.y * groups.x + group.x;
    let matrix = tile / (columns * rows);
    let row = (tile / columns) % rows * TILE + 4u * local.y;
    let column = tile % columns * TILE + 16u * local.x;
    if matrix >= params.batch || row >= params.m || column >= params.n { return; }
    let a_first = matrix * params.m * params.k;
    let b_first = matrix / params.group * params.k * params.n;

    // Which loop runs.
    let a_along_k = params.a_step == 1u && params.k % 4u == 0u;
    let is_f32 = params.b_dtype == 0u;
    let along_n = a_along_k && is_f32 && params.b_column == 1u && params.n % 4u == 0u;
    let along_k = a_along_k && is_f32 && !along_n && params.b_step == 1u;
    let half_along_k = a_along_k && !is_f32 && params.b_step == 1u;
    let any = !(along_n || along_k || half_along_k);

    let last = params.m - 1u;
    let a0 = (a_first + row * params.a_row) / 4u;
    let a1 = (a_first + min(row + 1u, last) * params.a_row) / 4u;
    let a2 = (a_first + min(row + 2u, last) * params.a_row) / 4u;
    let a3 = (a_first + min(row + 3u, last) * params.a_row) / 4u;

    // Vectors of `left` are rows; WGSL's product then sums over k and leaves rows as vectors.
    var y0 = mat4x4<f32>();
    var y1 = mat4x4<f32>();
    var y2 = mat4x4<f32>();
    var y3 = mat4x4<f32>();
    let end = params.n - select(1u, 4u, along_n);
    let c0 = b_first + min(column, end) * params.b_column;
    let c1 = b_first + min(column + 4u, end) * params.b_column;
    let c2 = b_first + min(column + 8u, end) * params.b_column;
    let c3 = b_first + min(column + 12u, end) * params.b_column;
    for (var k = 0u; k < select(0u, params.k, along_n); k += 4u) {
        let left = mat4x4(a[a0 + k / 4u], a[a1 + k / 4u], a[a2 + k / 4u], a[a3 + k / 4u]);
        let i = k * params.n;
        let n = params.n;
        y0 += mat4x4(b_quad(c0 + i), b_quad(c0 + i + n), b_quad(c0 + i + 2u * n), b_quad(c0 + i + 3u * n)) * left;
        y1 += mat4x4(b_quad(c1 + i), b_quad(c1 + i + n), b_quad(c1 + i + 2u * n), b_quad(c1 + i + 3u * n)) * left;
        y2 += mat4x4(b_quad(c2 + i), b_quad(c2 + i + n), b_quad(c2 + i + 2u * n), b_quad(c2 + i + 3u * n)) * left;
        y3 += mat4x4(b_quad(c3 + i), b_quad(c3 + i + n), b_quad(c3 + i + 2u * n), b_quad(c3 + i + 3u * n)) * left;
    }
    for (var k = 0u; k < select(0u, params.k, along_k); k += 4u) {
        let left = mat4x4(a[a0 + k / 4u], a[a1 + k / 4u], a[a2 + k / 4u], a[a3 + k / 4u]);
        y0 += b_block_along_k(b_first + k, column, end) * left;
        y1 += b_block_along_k(b_first + k, column + 4u, end) * left;
        y2 += b_block_along_k(b_first + k, column + 8u, end) * left;
        y3 += b_block_along_k(b_first + k, column + 12u, end) * left;
    }
    for (var k = 0u; k < select(0u, params.k, half_along_k); k += 4u) {
        let left = mat4x4(a[a0 + k / 4u], a[a1 + k / 4u], a[a2 + k / 4u], a[a3 + k / 4u]);
        y0 += b_half_block_along_k(b_first + k, column, end) * left;
        y1 += b_half_block_along_k(b_first + k, column + 4u, end) * left;
        y2 += b_half_block_along_k(b_first + k, column + 8u, end) * left;
        y3 += b_half_block_along_k(b_first + k, column + 12u, end) * left;
    }
    for (var k = 0u; k < select(0u, params.k, any); k += 4u) {
        let left = a_block_any(a_first, row, k);
        y0 += b_block_any(b_first, column, k) * left;
        y1 += b_block_any(b_first, column + 4u, k) * left;
        y2 += b_block_any(b_first, column + 8u, k) * left;
        y3 += b_block_any(b_first, column + 12u, k) * left;
    }
    store_block(matrix, row, column, y0);
    store_block(matrix, row, column + 4u, y1);
    store_block(matrix, row, column + 8u, y2);
    store_block(matrix, row, column + 12u, y3);
}
