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

/// The vector of `a` that begins at row and k, both inside; four values along the operand's own rows.
fn a_quad(first: u32, row: u32, k: u32) -> vec4<f32> {
    if row >= params.m || k >= params.k { return vec4<f32>(); }
    return a[(first + row * params.a_row + k * params.a_step) / 4u];
}

/// Four rows times four k of `a`; vector i is row + i.
fn a_block(first: u32, row: u32, k: u32) -> mat4x4<f32> {
    if params.a_step == 1u && params.k % 4u == 0u {
        return mat4x4(
            a_quad(first, row, k), a_quad(first, row + 1u, k), a_quad(first, row + 2u, k), a_quad(first, row + 3u, k));
    }
    if params.a_row == 1u && params.m % 4u == 0u {
        return transpose(mat4x4(
            a_quad(first, row, k), a_quad(first, row, k + 1u), a_quad(first, row, k + 2u), a_quad(first, row, k + 3u)));
    }
    var block = mat4x4<f32>();
    for (var i = 0u; i < 4u; i += 1u) {
        block[i] = vec4(
            a_at(first, row + i, k), a_at(first, row + i, k + 1u), a_at(first, row + i, k + 2u), a_at(first, row + i, k + 3u));
    }
    return block;
}

fn b_at(first: u32, column: u32, k: u32) -> f32 {
    if column >= params.n || k >= params.k { return 0.0; }
    let i = first + column * params.b_column + k * params.b_step;
    if params.b_dtype == 0u { return bitcast<f32>(b[i / 4u][i % 4u]); }
    let word = b[i / 8u][i / 2u % 4u];
    if params.b_dtype == 1u { return unpack2x16float(word)[i % 2u]; }
    return bitcast<f32>((word >> (16u * (i % 2u))) << 16u);
}

/// As `a_quad`, widened.
fn b_quad(first: u32, column: u32, k: u32) -> vec4<f32> {
    if column >= params.n || k >= params.k { return vec4<f32>(); }
    let i = first + column * params.b_column + k * params.b_step;
    if params.b_dtype == 0u { return bitcast<vec4<f32>>(b[i / 4u]); }
    let words = b[i / 8u];
    let pair = select(words.xy, words.zw, i % 8u == 4u);
    if params.b_dtype == 1u { return vec4(unpack2x16float(pair.x), unpack2x16float(pair.y)); }
    return bitcast<vec4<f32>>(vec4(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
}

/// Four k times four columns of `b`; vector i is k + i.
fn b_block(first: u32, column: u32, k: u32) -> mat4x4<f32> {
    if params.b_step == 1u && params.k % 4u == 0u {
        return transpose(mat4x4(
            b_quad(first, column, k), b_quad(first, column + 1u, k),
            b_quad(first, column + 2u, k), b_quad(first, column + 3u, k)));
    }
    if params.b_column == 1u && params.n % 4u == 0u {
        return mat4x4(
            b_quad(first, column, k), b_quad(first, column, k + 1u),
            b_quad(first, column, k + 2u), b_quad(first, column, k + 3u));
    }
    var block = mat4x4<f32>();
    for (var i = 0u; i < 4u; i += 1u) {
        block[i] = vec4(
            b_at(first, column, k + i), b_at(first, column + 1u, k + i),
            b_at(first, column + 2u, k + i), b_at(first, column + 3u, k + i));
    }
    return block;
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

    var y0 = mat4x4<f32>();
    var y1 = mat4x4<f32>();
    var y2 = mat4x4<f32>();
    var y3 = mat4x4<f32>();
    for (var k = 0u; k < params.k; k += 4u) {
        // Vectors of `left` are rows; WGSL's product then sums over k and leaves rows as vectors.
        let left = a_block(a_first, row, k);
        y0 += b_block(b_first, column, k) * left;
        y1 += b_block(b_first, column + 4u, k) * left;
        y2 += b_block(b_first, column + 8u, k) * left;
        y3 += b_block(b_first, column + 12u, k) * left;
    }
    store_block(matrix, row, column, y0);
    store_block(matrix, row, column + 4u, y1);
    store_block(matrix, row, column + 8u, y2);
    store_block(matrix, row, column + 12u, y3);
}
