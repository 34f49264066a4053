//! The phase map, the claim about bidirectional attention, the pictures of both, and the reduction below.

use super::Mutation;
use crate::mutate::suite::Suite::Lib;

const CLAIM: &[&str] = &["claim::bidirectional_low_rank::tests"];
const MAP: &[&str] = &["claim::phase_map::tests"];

pub(super) const CLAIMS_PHASE: &[Mutation] = &[
    Mutation {
        name: "claims.phase-masks-swapped",
        file: "claim/phase_map.rs",
        old: "Ok([of(Mask::causal())?, of(Mask::bidirectional())?])",
        new: "Ok([of(Mask::bidirectional())?, of(Mask::causal())?])",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-stable-rank",
        file: "claim/phase_map.rs",
        old: ".view())?.effective_rank()",
        new: ".view())?.stable_rank()",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-same-draw",
        file: "claim/phase_map.rs",
        old: "(head_size, scale, grid.seed + k)",
        new: "(head_size, scale, grid.seed + 0 * k)",
        suite: Lib,
        tests: &["claim::bidirectional_low_rank::tests", "claim::phase_map::tests"],
    },
    Mutation {
        name: "claims.phase-axes-swapped",
        file: "claim/phase_map.rs",
        old: "let shape = (self.grid.scales.len(), self.grid.head_sizes.len());",
        new: "let shape = (self.grid.head_sizes.len(), self.grid.scales.len());",
        suite: Lib,
        tests: MAP,
    },
    Mutation {
        name: "claims.phase-border-at-the-grid",
        file: "claim/phase_map.rs",
        old: "pair[0].scale + t * (pair[1].scale - pair[0].scale)",
        new: "pair[0].scale",
        suite: Lib,
        tests: MAP,
    },
    Mutation {
        name: "claims.phase-any-difference-is-clear",
        file: "claim/phase_map.rs",
        old: "mean if mean > clear => Ahead::Causal,",
        new: "mean if mean >= 0.0 => Ahead::Causal,",
        suite: Lib,
        tests: MAP,
    },
    Mutation {
        name: "claims.phase-alignment-dropped",
        file: "claim/bidirectional_low_rank/alignment.rs",
        old: "            alignment,\n            seed: settings",
        new: "            alignment: 0.0 * alignment,\n            seed: settings",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-coarse-tolerance",
        file: "claim/bidirectional_low_rank/numerical.rs",
        old: "Tolerance::relative(1e-3)?",
        new: "Tolerance::relative(1e-2)?",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-f64-epsilon-for-f32",
        file: "claim/bidirectional_low_rank/numerical.rs",
        old: "let f32 = sample(pairs, mask, |spectrum| spectrum.numerical_rank(Tolerance::F32) as f64);",
        new: "let f32 = sample(pairs, mask, |spectrum| spectrum.numerical_rank(Tolerance::F64) as f64);",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-nearly-uniform",
        file: "claim/bidirectional_low_rank/uniform.rs",
        old: "draw.weights(0.0, &mask, &Device::Cpu)",
        new: "draw.weights(0.01, &mask, &Device::Cpu)",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "claims.phase-verdict-turned",
        file: "claim/bidirectional_low_rank/mod.rs",
        old: "(true, false) => Ruling::Holds,",
        new: "(true, false) => Ruling::Fails,",
        suite: Lib,
        tests: CLAIM,
    },
    Mutation {
        name: "figure.map-upside-down",
        file: "figure/phase_map.rs",
        old: "self.values[(rows - 1 - row, col)]",
        new: "self.values[(row, col)]",
        suite: Lib,
        tests: &["figure::tests"],
    },
    Mutation {
        name: "figure.border-anywhere",
        file: "figure/contour.rs",
        old: "let t = low / (low - high);",
        new: "let t = 0.5;",
        suite: Lib,
        tests: &["figure::contour::tests"],
    },
    Mutation {
        name: "figure.whiskers-of-half-the-length",
        file: "figure/lines.rs",
        old: "[(x, y - spread), (x, y + spread)]",
        new: "[(x, y - spread / 2.0), (x, y + spread / 2.0)]",
        suite: Lib,
        tests: &["figure::tests::plots::values_go_up_and_whiskers_reach_as_far_as_the_spread"],
    },
];
