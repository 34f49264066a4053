// Whether a query may attend to a key, by the program of a mask (program.rs makes it).
//
// Layout: instructions of three words, [op, x, y], from word `program` of `rules` on, up to op 0. Rules
// push a bit; 14 and 15 combine the two top bits, 16 inverts the top bit. The y of rules with a
// table is its offset from the program's first word.
//
// A part of the kernels that evaluate masks, which declare `rules`.

/// A pseudo-random number from 0 to 99: two rounds of Murmur3's finaliser.
fn draw(seed: u32, query: u32, key: u32) -> u32 {
    return mix_bits(mix_bits(seed ^ (query * 0x9e3779b9u)) ^ key) % 100u;
}

fn mix_bits(word: u32) -> u32 {
    var x = (word ^ (word >> 16u)) * 0x85ebca6bu;
    x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
    return x ^ (x >> 16u);
}

/// Whether both positions lie before the first end that is beyond either: in the same block.
fn in_one_block(ends: u32, count: u32, query: u32, key: u32) -> bool {
    for (var i = 0u; i < count; i += 1u) {
        let end = rules[ends + i];
        if query < end || key < end { return query < end && key < end; }
    }
    return false;
}

/// A bit of a table of `rows` rows, whose first word is the number of columns.
fn in_table(table: u32, rows: u32, query: u32, key: u32) -> bool {
    let columns = rules[table];
    if query >= rows || key >= columns { return false; }
    return ((rules[table + 1u + query * ((columns + 31u) / 32u) + key / 32u] >> (key % 32u)) & 1u) == 1u;
}

fn may_attend(program: u32, query: u32, key: u32) -> bool {
    let distance = max(query, key) - min(query, key);
    let is_past = key <= query;
    var stack = 0u;
    for (var at = program; rules[at] != 0u; at += 3u) {
        let x = rules[at + 1u];
        let y = rules[at + 2u];
        var bit = false;
        switch rules[at] {
            case 1u: { bit = true; }
            case 2u: { bit = is_past; }
            case 3u: { bit = key >= query; }
            case 4u: { bit = is_past || key < x; }
            case 5u: { bit = is_past && distance < x; }
            case 6u: { bit = distance < x; }
            case 7u: { bit = distance % y == 0u && distance / y <= x; }
            case 8u: { bit = is_past && (distance < x || distance % x == 0u); }
            case 9u: { bit = query < x || key < x; }
            case 10u: { bit = query == key || draw(y, query, key) < x; }
            case 11u: { bit = key < x; }
            case 12u: { bit = in_one_block(program + y, x, query, key); }
            case 13u: { bit = in_table(program + y, x, query, key); }
            default: {}
        }
        switch rules[at] {
            case 14u: { stack = (stack >> 1u) & (0xfffffffeu | stack); }
            case 15u: { stack = (stack >> 1u) | (stack & 1u); }
            case 16u: { stack = stack ^ 1u; }
            default: { stack = (stack << 1u) | u32(bit); }
        }
    }
    return (stack & 1u) == 1u;
}
