//! Counting, generation, tokenizers, products with few rows.

use super::Mutation;
use crate::mutate::suite::Suite::Lib;

const COUNT: &[&str] = &["model::count", "model::preset"];
const SAMPLING: &[&str] = &["model::generate"];
const TOKENIZERS: &[&str] = &["model::tokenizer"];
const FEW_ROWS: &[&str] = &["ops::matmul::few_rows"];

pub(super) const ZOO_COUNT: &[Mutation] = &[
    count(
        "zoo.count-query-heads-in-the-cache",
        "model/count/memory.rs",
        "attention => of(attention.kv_heads,",
        "attention => of(attention.heads,",
    ),
    count(
        "zoo.count-keys-without-values",
        "model/count/memory.rs",
        "2 * product([stack.layers, kv_heads, head_size])",
        "product([stack.layers, kv_heads, head_size])",
    ),
    count(
        "zoo.count-window-does-not-cap-the-cache",
        "model/count/memory.rs",
        "Sees::Window(window) => window.min(tokens),",
        "Sees::Window(_) => tokens,",
    ),
    count(
        "zoo.count-output-bias-missing",
        "model/count/plan.rs",
        "width as u128 * u128::from(self.has_output_bias)",
        "0 * u128::from(self.has_output_bias)",
    ),
    count(
        "zoo.count-keys-and-values-once-in-the-biases",
        "model/count/plan.rs",
        "self.heads + 2 * self.kv_heads, self.head_size",
        "self.heads + self.kv_heads, self.head_size",
    ),
    count(
        "zoo.count-gate-without-bias",
        "model/count/plan.rs",
        "product([self.matrices - 1, self.width])",
        "product([1, self.width])",
    ),
    count(
        "zoo.count-router-of-a-single-network",
        "model/count/plan.rs",
        "if self.experts > 1 {",
        "if self.experts > 0 {",
    ),
    count(
        "zoo.count-all-experts-active",
        "model/count/parameters.rs",
        "active: of_networks(network.active)",
        "active: of_networks(network.experts)",
    ),
    count(
        "zoo.count-no-final-norm",
        "model/count/parameters.rs",
        "stack.layers * stack.norms + usize::from(stack.has_final_norm)",
        "stack.layers * stack.norms",
    ),
    count(
        "zoo.count-tied-output-twice",
        "model/count/parameters.rs",
        "if self.output == Output::Own {",
        "if self.output != Output::None {",
    ),
    count(
        "zoo.count-gpt1-ends-with-a-norm",
        "model/count/read/decoder.rs",
        "has_final_norm: false, feed_forward, ..stack",
        "has_final_norm: true, feed_forward, ..stack",
    ),
    count(
        "zoo.count-cross-attention-without-its-norm",
        "model/count/read/encoder_decoder.rs",
        "cross_attention, norms: 3,",
        "cross_attention, norms: 2,",
    ),
    count(
        "zoo.count-biases-of-positions-in-every-layer",
        "model/count/read/encoder_decoder.rs",
        "config.size(\"relative_attention_num_buckets\")? * heads,",
        "config.size(\"relative_attention_num_buckets\")? * heads * 2,",
    ),
    count(
        "zoo.count-masked-pairs-counted",
        "model/count/operations.rs",
        "(Sees::Past, Pairs::Allowed) => n * (n + 1) / 2,",
        "(Sees::Past, Pairs::Allowed) => n * n,",
    ),
    count(
        "zoo.count-a-position-does-not-see-itself",
        "model/count/operations.rs",
        "_ => past + 1,",
        "_ => past,",
    ),
    count(
        "zoo.count-window-too-wide",
        "model/count/operations.rs",
        "Sees::Window(window) => window.min(past + 1),",
        "Sees::Window(window) => (window + 1).min(past + 1),",
    ),
    count(
        "zoo.count-cross-attention-reads-the-target",
        "model/count/operations.rs",
        "product([tokens, source])",
        "product([tokens, tokens])",
    ),
    count(
        "zoo.count-source-read-in-every-step",
        "model/count/operations.rs",
        "Operations { layers: self.visits(stack), attention, ..self.of_logits(1) }",
        "Operations { layers: self.visits(stack), attention, ..self.of_logits(1) }.plus(self.read_source(stack, source))",
    ),
    count(
        "zoo.count-backward-as-dear-as-forward",
        "model/count/operations.rs",
        "self.forward(load, pairs).times(3)",
        "self.forward(load, pairs).times(2)",
    ),
    count(
        "zoo.count-step-behind-one-too-many",
        "model/count/decode.rs",
        "self.cached_step(stack, tokens - 1, source)",
        "self.cached_step(stack, tokens, source)",
    ),
    count(
        "zoo.count-every-position-predicted-again",
        "model/count/decode.rs",
        "self.pass(again, 1, Pairs::Allowed)",
        "self.pass(again, tokens, Pairs::Allowed)",
    ),
    generate(
        "zoo.generate-temperature-multiplied",
        "model/generate/sampling.rs",
        "(f64::from(logit) - top) / self.temperature",
        "(f64::from(logit) - top) * self.temperature",
    ),
    generate(
        "zoo.generate-no-renormalisation",
        "model/generate/sampling.rs",
        "(id, weight / total)",
        "(id, weight)",
    ),
    generate(
        "zoo.generate-top-p-of-all-that-there-was",
        "model/generate/sampling.rs",
        "        total = kept.iter().map(|candidate| candidate.weight).sum();\n",
        "",
    ),
    generate(
        "zoo.generate-top-p-of-weights-and-not-of-shares",
        "model/generate/sampling.rs",
        "reached < share * total",
        "reached < share",
    ),
    generate("zoo.generate-top-k-one-more", "model/generate/sampling.rs", ".take(k));", ".take(k + 1));"),
    generate(
        "zoo.generate-last-of-equal-ones",
        "model/generate/sampling.rs",
        "logit > logits[known]",
        "logit >= logits[known]",
    ),
    generate(
        "zoo.generate-seed-ignored",
        "model/generate/mod.rs",
        "ChaCha8Rng::seed_from_u64(run.seed())",
        "ChaCha8Rng::seed_from_u64(0)",
    ),
    generate(
        "zoo.generate-stop-token-ignored",
        "model/generate/mod.rs",
        "settings.stop.contains(&id)",
        "settings.stop.contains(&id) && tokens.is_empty()",
    ),
    generate(
        "zoo.generate-context-off-by-one",
        "model/generate/writer.rs",
        "self.ids.len() < self.room",
        "self.ids.len() + 1 < self.room",
    ),
    generate(
        "zoo.generate-half-characters-said",
        "model/generate/stream.rs",
        "new.is_empty() || new.ends_with(char::REPLACEMENT_CHARACTER)",
        "new.is_empty()",
    ),
    generate(
        "zoo.generate-broken-bytes-lose-text",
        "model/generate/stream.rs",
        "if self.tokenizer.may_change(&self.ids) {",
        "if false {",
    ),
    generate(
        "zoo.generate-stripped-spaces-lost",
        "model/generate/stream.rs",
        "if !self.tokenizer.decode(&self.ids[self.said..])?.is_empty() {",
        "{",
    ),
    generate(
        "zoo.generate-last-token-free",
        "model/generate/mod.rs",
        "written + 1 == self.tokens",
        "written == self.tokens",
    ),
    generate(
        "zoo.generate-spaces-lost",
        "model/generate/stream.rs",
        "        self.start = self.said;\n",
        "        self.start = self.ids.len();\n",
    ),
    tokenizer("zoo.tokenizer-ids-from-one", "(0u32..).zip(&letters)", "(1u32..).zip(&letters)"),
    tokenizer("zoo.tokenizer-line-breaks-lost", "(?s).", "."),
    tokenizer("zoo.tokenizer-space-in-front", "\"add_prefix_space\": false", "\"add_prefix_space\": true"),
    tokenizer("zoo.tokenizer-room-for-bytes-alone", "let least = 256 + special.len();", "let least = 256;"),
    few_rows("zoo.few-rows-a-sum-left-out", "_mm256_add_ps(s2, s3)", "_mm256_add_ps(s2, s2)"),
    few_rows(
        "zoo.few-rows-bf16-shifted-too-little",
        "_mm256_slli_epi32::<16>(halves)",
        "_mm256_slli_epi32::<15>(halves)",
    ),
    few_rows(
        "zoo.few-rows-rest-forgotten",
        "sums.iter().sum::<f32>() + rest",
        "sums.iter().sum::<f32>() + 0.0 * rest",
    ),
    few_rows(
        "zoo.few-rows-first-task-again",
        "let first = (task * per_task + feature) * row_bytes;",
        "let first = (feature + 0 * task) * row_bytes;",
    ),
    few_rows(
        "zoo.few-rows-not-turned",
        "turned.iter().skip(row).step_by(rows)",
        "turned.iter().skip(row * out).take(out)",
    ),
];

/// One in what is counted.
const fn count(name: &'static str, file: &'static str, old: &'static str, new: &'static str) -> Mutation {
    Mutation { name, file, old, new, suite: Lib, tests: COUNT }
}

/// One in what is written.
const fn generate(name: &'static str, file: &'static str, old: &'static str, new: &'static str) -> Mutation {
    Mutation { name, file, old, new, suite: Lib, tests: SAMPLING }
}

const fn tokenizer(name: &'static str, old: &'static str, new: &'static str) -> Mutation {
    Mutation { name, file: "model/tokenizer/make.rs", old, new, suite: Lib, tests: TOKENIZERS }
}

const fn few_rows(name: &'static str, old: &'static str, new: &'static str) -> Mutation {
    Mutation { name, file: "ops/matmul/few_rows.rs", old, new, suite: Lib, tests: FEW_ROWS }
}
