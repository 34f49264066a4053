//! Linear attention, its rank, and mixed directions.

use super::Mutation;
use crate::mutate::suite::Suite::{self, Lib, Test};

const CONFORMANCE: Suite = Test("conformance");
const CONTEXT: &[&str] = &["linear::every_way_to_the_context_agrees_with_the_double_sum"];
const STEPS: &[&str] = &["linear_state::steps_of_any_length_equal_the_causal_form"];
const REFERENCE: &[&str] = &["linear_attention_rank::tests::the_reference_is_met_at_its_settings"];
const BY_HAND: &[&str] = &["linear_attention_rank::tests::weights_by_hand"];
const MIXED: &[&str] = &["mixed_directions::tests::the_reference_is_met_at_its_settings"];
const UNIFORM: &[&str] = &["mixed_directions::tests::uniform_attention_is_the_extreme"];

pub(super) const CLAIMS_LINEAR: &[Mutation] = &[
    Mutation {
        name: "claims.linear-causal-is-bidirectional",
        file: "claim/linear_attention_rank/causal.rs",
        old: "linear_weights(&draw.q, &draw.k, map, &Mask::causal(), device)",
        new: "linear_weights(&draw.q, &draw.k, map, &Mask::bidirectional(), device)",
        suite: Lib,
        tests: &["linear_attention_rank::tests::ranks_are_those_of_the_theory"],
    },
    Mutation {
        name: "claims.linear-tolerance-of-the-wrong-dtype",
        file: "claim/linear_attention_rank/mod.rs",
        old: "Device::Cpu { Tolerance::F64 }",
        new: "Device::Cpu { Tolerance::F32 }",
        suite: Lib,
        tests: REFERENCE,
    },
    Mutation {
        name: "claims.linear-block-on-the-diagonal",
        file: "claim/linear_attention_rank/causal.rs",
        old: "s![half.., ..half]",
        new: "s![..half, ..half]",
        suite: Lib,
        tests: REFERENCE,
    },
    Mutation {
        name: "claims.linear-rows-without-division",
        file: "ops/masked_normalise/cpu.rs",
        old: "*value = *value / sum;",
        new: "*value = *value + F::zero() * sum;",
        suite: Lib,
        tests: BY_HAND,
    },
    Mutation {
        name: "claims.linear-elu-without-one",
        file: "ops/feature_map/cpu.rs",
        old: "x + one",
        new: "x + zero * one",
        suite: Lib,
        tests: BY_HAND,
    },
    Mutation {
        name: "claims.linear-relu-is-identity",
        file: "ops/feature_map/cpu.rs",
        old: "if x < zero {",
        new: "if x < -one / zero {",
        suite: CONFORMANCE,
        tests: &[
            "linear::the_linear_path_and_the_matrix_agree_and_any_mask_has_one",
            "linear::features_over_their_range",
        ],
    },
    Mutation {
        name: "claims.linear-normaliser-forgets",
        file: "ops/linear_attention/cpu.rs",
        old: "row[self.size] = row[self.size] + feature;",
        new: "row[self.size] = feature;",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-step-without-itself",
        file: "ops/linear_attention/cpu.rs",
        old: "            sums.push(&k[row(kv)], &v[row(kv)]);\n            for matrix in kv * group..(kv + 1) * group {\n                sums.context(&q[row(matrix)], &mut context[row(matrix)]);\n            }\n",
        new: "            for matrix in kv * group..(kv + 1) * group {\n                sums.context(&q[row(matrix)], &mut context[row(matrix)]);\n            }\n            sums.push(&k[row(kv)], &v[row(kv)]);\n",
        suite: CONFORMANCE,
        tests: STEPS,
    },
    Mutation {
        name: "claims.linear-causal-reach-is-strict",
        file: "mask/reach.rs",
        old: "prefix.max(query + 1)",
        new: "prefix.max(query)",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-recurrent-padding-ignored",
        file: "ops/linear_attention/linear_recurrent.wgsl",
        old: "            if !is_token(sequence, s) { continue; }\n",
        new: "",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-states-without-normaliser",
        file: "ops/linear_attention/linear_states.wgsl",
        old: "var value = 1.0;",
        new: "var value = 0.0;",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-scan-without-a-beginning",
        file: "ops/linear_attention/linear_scan.wgsl",
        old: "    if params.has_initial == 1u { sum = initial[i]; }\n",
        new: "",
        suite: CONFORMANCE,
        tests: STEPS,
    },
    Mutation {
        name: "claims.linear-chunked-groups-in-turn",
        file: "ops/linear_attention/linear_chunked.wgsl",
        old: "head / (params.heads / params.kv_heads);",
        new: "head % params.kv_heads;",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-chunked-one-chunk-too-many",
        file: "ops/linear_attention/linear_chunked.wgsl",
        old: "select(end / CHUNK, chunks, end == params.keys)",
        new: "chunks",
        suite: CONFORMANCE,
        tests: CONTEXT,
    },
    Mutation {
        name: "claims.linear-tiled-sum-of-one-lane",
        file: "ops/masked_normalise/normalise_tiled.wgsl",
        old: "    sum = sum_of_all(lane, sum);\n",
        new: "",
        suite: CONFORMANCE,
        tests: &["linear::normalised_rows_around_words_and_workgroups"],
    },
    Mutation {
        name: "claims.mixed-both-forward",
        file: "claim/mixed_directions/pair.rs",
        old: "weights(&second, Mask::anti_causal())?",
        new: "weights(&second, Mask::causal())?",
        suite: Lib,
        tests: MIXED,
    },
    Mutation {
        name: "claims.mixed-scale-dropped",
        file: "claim/mixed_directions/pair.rs",
        old: "head.weights(scale, &mask, device)",
        new: "head.weights(1.0, &mask, device)",
        suite: Lib,
        tests: UNIFORM,
    },
    Mutation {
        name: "claims.mixed-layers-in-the-wrong-order",
        file: "claim/mixed_directions/pair.rs",
        old: "upper.dot(&lower)",
        new: "lower.dot(&lower)",
        suite: Lib,
        tests: UNIFORM,
    },
    Mutation {
        name: "claims.mixed-without-the-root",
        file: "claim/draw.rs",
        old: "    let scores = q.dot(&k.t()) * (scale / (head_size as f64).sqrt());",
        new: "    let scores = q.dot(&k.t()) * (scale / (head_size as f64));",
        suite: Lib,
        tests: MIXED,
    },
    Mutation {
        name: "claims.mixed-layer-takes-queries-for-keys",
        file: "claim/mixed_directions/multi_head.rs",
        old: "cut(heads, width, 2 * head_size)?",
        new: "cut(heads, width, 0)?",
        suite: Lib,
        tests: &["mixed_directions::tests::the_gain_depends_on_head_size_and_scale"],
    },
];
