// Attention weights as colour, read straight from the storage buffer that the model wrote.
//
//   colour(t, s) = map(scale(max of weights[head, t', s'] over the entries that this pixel covers))
//
// A pixel that covers only masked entries is hatched instead: no weight looks like that. NaN and infinity are stored as
// 1e30 and have a colour of their own.
// Layout: weights [H, T, S] row-major, one layer a buffer; allowed [T, ceil(S/32)] words (or [H, …]), bit s mod 32 of
//   word s div 32 is key s; colours: 256 linear steps of the map, packed RGBA8, red lowest.
// One instance draws one head as a quad (6 vertices); instance = place * H + head, places run along rows of `columns`
//   cells. One fragment invocation colours one pixel. Draw: 6 vertices, one instance for each head.

struct Parameters {
    viewport: vec2f,    // pixels of the whole picture
    cell: vec2f,        // pixels of one head
    pitch: vec2f,       // pixels from one head to the next
    heads: u32,         // H
    queries: u32,       // T
    keys: u32,          // S
    single: u32,        // 1: one head fills the picture
    scale: u32,         // 0 linear, 1 square root, 2 logarithmic over four decades
    fade: f32,          // 0 … 1: how far a stale picture is faded into the background
    hatch: vec4f,       // colour between the lines of the hatch
    lines: vec4f,       // colour of the lines
    background: vec4f,  // colour that stale pictures fade into
    wrong: vec4f,       // colour of NaN and infinity
    period: f32,        // pixels from one line of the hatch to the next
    columns: u32,       // cells in a row of the wall
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> weights: array<f32>;  // [H, T, S]
@group(0) @binding(2) var<storage, read> allowed: array<u32>;  // [T, ceil(S/32)] or [H, T, ceil(S/32)]
@group(0) @binding(3) var<storage, read> colours: array<u32>;  // [256]

struct Corner {
    @builtin(position) position: vec4f,
    @location(0) part: vec2f,                       // 0 … 1 across and down the head
    @location(1) @interpolate(flat) head: u32,
}

@vertex
fn corner(@builtin(vertex_index) vertex: u32, @builtin(instance_index) instance: u32) -> Corner {
    let unit = vec2f(f32(vertex == 1u || vertex == 2u || vertex == 4u), f32(vertex == 2u || vertex >= 4u));
    let slot = instance / parameters.heads;
    var place = vec2f(f32(slot % parameters.columns), f32(slot / parameters.columns));
    if (parameters.single == 1u) {
        place = vec2f(0.0);
    }
    let pixels = place * parameters.pitch + unit * parameters.cell;
    let clip = pixels / parameters.viewport * 2.0 - 1.0;
    return Corner(vec4f(clip.x, -clip.y, 0.0, 1.0), unit, instance % parameters.heads);
}

fn may_attend(head: u32, query: u32, key: u32) -> bool {
    let words = (parameters.keys + 31u) / 32u;
    let rows = arrayLength(&allowed) / words;  // T, or H * T where each head has rows of its own
    let row = (head * parameters.queries + query) % rows;
    return ((allowed[row * words + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

fn scaled(weight: f32) -> f32 {
    let w = clamp(weight, 0.0, 1.0);
    if (parameters.scale == 1u) {
        return sqrt(w);
    }
    if (parameters.scale == 2u) {
        return clamp(1.0 + log2(max(w, 1e-30)) * 0.07525749892, 0.0, 1.0); // 1 + log10(w) / 4
    }
    return w;
}

// first and last entry of `count` that the pixel from `low` to `low + width` covers, at most 16 of them
fn covered(low: f32, width: f32, count: u32) -> vec2u {
    let first = u32(clamp(low * f32(count), 0.0, f32(count) - 1.0));
    let last = u32(clamp(ceil((low + width) * f32(count)) - 1.0, f32(first), f32(count) - 1.0));
    if (width * f32(count) <= 1.0) {
        return vec2u(first, first);
    }
    return vec2u(first, min(last, first + 15u));
}

@fragment
fn colour(in: Corner) -> @location(0) vec4f {
    let width = 1.0 / parameters.cell;
    let across = covered(in.part.x - 0.5 * width.x, width.x, parameters.keys);
    let down = covered(in.part.y - 0.5 * width.y, width.y, parameters.queries);
    // Where a pixel covers at most one entry, the entry at its middle is drawn.
    let middle = vec2u(clamp(in.part, vec2f(0.0), vec2f(0.999999)) * vec2f(f32(parameters.keys), f32(parameters.queries)));
    let keys = select(across, vec2u(middle.x, middle.x), width.x * f32(parameters.keys) <= 1.0);
    let queries = select(down, vec2u(middle.y, middle.y), width.y * f32(parameters.queries) <= 1.0);
    var largest = -1e30; // below every weight, also below the negative ones of a truncated matrix
    for (var query = queries.x; query <= queries.y; query++) {
        for (var key = keys.x; key <= keys.y; key++) {
            if (may_attend(in.head, query, key)) {
                let at = (in.head * parameters.queries + query) * parameters.keys + key;
                largest = max(largest, weights[at]);
            }
        }
    }
    var shown = parameters.hatch;
    if (largest > 1e29) {
        shown = parameters.wrong;
    } else if (largest > -1e29) {
        shown = unpack4x8unorm(colours[u32(round(scaled(largest) * 255.0))]);
    } else {
        let along = in.position.x + in.position.y;
        if (along - floor(along / parameters.period) * parameters.period < 1.0) {
            shown = parameters.lines;
        }
    }
    return vec4f(mix(shown.rgb, parameters.background.rgb, parameters.fade), 1.0);
}
