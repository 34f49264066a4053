// Tiles of 64 queries and 32 keys, and rows of D values in vectors of four: the part that the gradients of queries and of keys
// have in common. The kernels declare `params`, `rules` and, in workgroup memory, `rows`.

const QUERIES = 64u;
const KEYS = 32u;
const STAGED = 16u;
const QUADS = 32u;  // vectors of four in the longest row, 128 values
const STEP = 8u;    // vectors that are taken at once; rows are filled up to a multiple with zeros
const EMPTY = 0u;
const MIXED = 2u;

struct Params {
    matrices: u32,
    heads: u32,
    kv_heads: u32,
    queries: u32,
    keys: u32,
    size: u32,
    first_query: u32,
    tiles_at: u32,
    padding_at: u32,
    padding_words: u32,  // ⌈S/32⌉, or 0 where every key is a token
    factor: f32,
    first_group: u32,
}

/// The state of a tile of a program: EMPTY, FULL or MIXED.
fn tile_state(program: u32, query_tile: u32, key_tile: u32) -> u32 {
    let query_tiles = (params.queries + QUERIES - 1u) / QUERIES;
    let key_tiles = (params.keys + KEYS - 1u) / KEYS;
    let i = (program * query_tiles + query_tile) * key_tiles + key_tile;
    return (rules[params.tiles_at + i / 16u] >> (2u * (i % 16u))) & 3u;
}

fn is_token(sequence: u32, key: u32) -> bool {
    if params.padding_words == 0u { return true; }
    return ((rules[params.padding_at + sequence * params.padding_words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

fn quads() -> u32 { return (params.size + 31u) / 32u * STEP; }

/// The product of an invocation's row with the one that begins at `rows[first]`.
fn product(mine: ptr<function, array<vec4<f32>, QUADS>>, first: u32) -> f32 {
    var sum = vec4<f32>();
    for (var j = 0u; j < quads(); j += STEP) {
        let i = first + j;
        sum += (*mine)[j] * rows[i] + (*mine)[j + 1u] * rows[i + 1u]
            + (*mine)[j + 2u] * rows[i + 2u] + (*mine)[j + 3u] * rows[i + 3u]
            + (*mine)[j + 4u] * rows[i + 4u] + (*mine)[j + 5u] * rows[i + 5u]
            + (*mine)[j + 6u] * rows[i + 6u] + (*mine)[j + 7u] * rows[i + 7u];
    }
    return dot(sum, vec4(1.0));
}

/// Adds `factor` times the row that begins at `rows[first]`.
fn add_row(sum: ptr<function, array<vec4<f32>, QUADS>>, factor: f32, first: u32) {
    for (var j = 0u; j < quads(); j += STEP) {
        let i = first + j;
        (*sum)[j] += factor * rows[i];
        (*sum)[j + 1u] += factor * rows[i + 1u];
        (*sum)[j + 2u] += factor * rows[i + 2u];
        (*sum)[j + 3u] += factor * rows[i + 3u];
        (*sum)[j + 4u] += factor * rows[i + 4u];
        (*sum)[j + 5u] += factor * rows[i + 5u];
        (*sum)[j + 6u] += factor * rows[i + 6u];
        (*sum)[j + 7u] += factor * rows[i + 7u];
    }
}
