//! Attention: the factor, the softmax, heads and groups.

use super::Mutation;
use crate::mutate::suite::Suite::Test;

const MODELS: &[&str] = &["tiny_checkpoints_agree_with_transformers_on_every_device"];

pub(super) const ATTENTION: &[Mutation] = &[
    Mutation {
        name: "attention.without-the-factor",
        file: "attention/scaled_dot_product.rs",
        old: "factor: (1.0 / (head_size as f64).sqrt()) as f32",
        new: "factor: { let _ = head_size; 1.0 }",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.factor-of-width-not-root",
        file: "attention/scaled_dot_product.rs",
        old: "(1.0 / (head_size as f64).sqrt())",
        new: "(1.0 / (head_size as f64))",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.softmax-polarity",
        file: "ops/softmax/cpu.rs",
        old: "row[key / 32] >> (key % 32) & 1 == 1;",
        new: "row[key / 32] >> (key % 32) & 1 == 0;",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.softmax-over-queries",
        file: "ops/softmax/cpu.rs",
        old: "softmax_row(values, allowed.row(matrix / heads, matrix % heads, query));\n    });",
        new: "softmax_row(values, allowed.row(matrix / heads, matrix % heads, query));\n    });\n    for head in values.chunks_mut(queries * keys) {\n        for key in 0..keys {\n            let sum = (0..queries).fold(F::zero(), |sum, query| sum + head[query * keys + key]);\n            (0..queries).for_each(|query| head[query * keys + key] = head[query * keys + key] / sum);\n        }\n    }",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.softmax-without-maximum",
        file: "ops/softmax/cpu.rs",
        old: "(*value - largest).exp()",
        new: "value.exp()",
        suite: Test("conformance"),
        tests: &["softmax::large_offsets_and_equal_rows"],
    },
    Mutation {
        name: "attention.masked-maximum",
        file: "ops/softmax/cpu.rs",
        old: "if is_allowed(key) && (value > largest || value.is_nan()) {",
        new: "if value > largest || value.is_nan() {",
        suite: Test("conformance"),
        tests: &["softmax::fully_masked_rows_are_zero_and_masked_scores_do_not_matter"],
    },
    Mutation {
        name: "attention.groups-in-turn",
        file: "ops/matmul/cpu.rs",
        old: "let j = i / group;",
        new: "let j = i % (batch / group);",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.heads-transposed",
        file: "ops/heads/cpu.rs",
        old: "let start = ((i * first + j) * second + k) * inner;",
        new: "let start = ((i * second + k) * first + j) * inner;",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.keys-not-rotated",
        file: "attention/multi_head.rs",
        old: "let k = turned(split_heads(&self.key.forward(y)?, self.kv_heads)?, rotation)?;",
        new: "let k = split_heads(&self.key.forward(y)?, self.kv_heads)?;",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.bias-forgotten",
        file: "attention/multi_head.rs",
        old: "Some(bias) => add_bias(&y, bias),",
        new: "Some(bias) => add_bias(&y, bias).map(|_| y),",
        suite: Test("models"),
        tests: MODELS,
    },
    Mutation {
        name: "attention.online-sum-not-rescaled",
        file: "ops/online_attention/cpu.rs",
        old: "*sum = *sum * shrink + added;",
        new: "*sum = *sum + added;",
        suite: Test("attention"),
        tests: &["online_softmax_agrees_with_materialised_weights_under_every_mask"],
    },
    Mutation {
        name: "attention.online-context-not-rescaled",
        file: "ops/online_attention/cpu.rs",
        old: "context.row_mut(row).mapv_inplace(|c| c * shrink);",
        new: "context.row_mut(row).mapv_inplace(|c| c);",
        suite: Test("attention"),
        tests: &["online_softmax_agrees_with_materialised_weights_under_every_mask"],
    },
    Mutation {
        name: "attention.online-full-despite-padding",
        file: "ops/online_attention/cpu.rs",
        old: "if tile == Tile::Full && !self.padding.is_none_or(all_real) { Tile::Mixed } else { tile }",
        new: "if tile == Tile::Full && !self.padding.is_none_or(all_real) { Tile::Full } else { tile }",
        suite: Test("attention"),
        tests: &["online_softmax_agrees_with_materialised_weights_under_every_mask"],
    },
];
