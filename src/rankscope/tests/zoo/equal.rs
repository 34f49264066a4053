//! Models that are special cases of others give the same results.

use rankscope::model::{Builder, Fresh, Seeded, Source};

use crate::support::*;

fn with(name: &str, fields: Value) -> Box<dyn Model> {
    entry(name).with(fields).model()
}

fn logits(model: &dyn Model) -> Vec<Vec<f32>> {
    rows(model, &Input::new(ids(8)), &MaskChoice::AsTrained)
}

type Ask = dyn Fn(&mut Seeded, &str, Shape, Fresh) -> Result<Weight>;

/// A seeded source that gives what a function makes of it; `is_fused` if the experts of a mixture are in one tensor.
struct Asking<'a> {
    seeded: Seeded,
    ask: &'a Ask,
    is_fused: bool,
}

impl Source for Asking<'_> {
    fn tensor(&mut self, name: &str, shape: Shape, fresh: Fresh) -> Result<Weight> {
        (self.ask)(&mut self.seeded, name, shape, fresh)
    }

    fn name(&self) -> String {
        "a test".to_owned()
    }

    fn has(&self, name: &str) -> Option<bool> {
        name.ends_with("experts.gate_up_proj").then_some(self.is_fused)
    }
}

pub fn asking(entry: &Entry, device: &Device, is_fused: bool, ask: &Ask) -> Box<dyn Model> {
    model::build(&entry.config(), &mut Asking { seeded: Seeded::new(7), ask, is_fused }, device).unwrap()
}

#[test]
fn grouped_queries_are_repeated_keys_and_values() {
    let grouped = entry("llama").model();
    assert_eq!((grouped.description().heads, grouped.description().kv_heads), (8, 4));
    let entry = entry("llama").with(json!({"num_key_value_heads": 8}));
    // The rows of key/value head g are repeated for the query heads 2g and 2g + 1: D = 10 rows each.
    let full = asking(&entry, &Device::Cpu, false, &|seeded, name, shape, fresh| {
        if !(name.contains("k_proj") || name.contains("v_proj")) {
            return seeded.tensor(name, shape, fresh);
        }
        let (mut half, row) = (shape.axes().to_vec(), shape.len() / 80);
        half[0].1 /= 2;
        let half = seeded.tensor(name, Shape::new(half), fresh)?.to_f32().unwrap();
        let heads = half.chunks(10 * row).flat_map(|head| [head, head].concat());
        Weight::new(name, shape.axes(), Dtype::F32, &heads.collect::<Vec<_>>())
    });
    assert!(far(&logits(&*grouped), &logits(&*full)) < 1e-5);
}

#[test]
fn as_many_key_heads_as_query_heads_is_multi_head_attention() {
    let [stated, absent] =
        [json!(8), json!(null)].map(|heads| with("llama", json!({"num_key_value_heads": heads})));
    assert_eq!(stated.description().kv_heads, 8);
    assert_eq!(logits(&*stated), logits(&*absent));
    assert!(far(&logits(&*stated), &logits(&*entry("llama").model())) > 1e-2);
}

#[test]
fn a_head_size_of_the_width_over_the_heads_is_the_usual_one() {
    for family in ["bert", "gpt2"] {
        let usual = entry(family).model();
        let fixed = with(family, json!({"head_size": 10}));
        assert_eq!(usual.description().parameters, fixed.description().parameters);
        assert_eq!(logits(&*usual), logits(&*fixed), "{family}");
        // 4 heads of 13 on a width of 40: for each layer 4·40·12 more numbers in the matrices, and 3·12 in the biases.
        let large = entry(&format!("{family} with large heads")).model();
        let more = large.description().parameters - usual.description().parameters;
        assert_eq!((large.description().head_size, more), (13, 3 * (4 * 40 * 12 + 3 * 12)), "{family}");
    }
}

#[test]
fn a_mixture_of_one_expert_is_the_dense_network() {
    let dense = with("llama", json!({"attention_bias": false, "mlp_bias": false}));
    let entry = entry("mixtral").with(json!({"num_local_experts": 1, "num_experts_per_tok": 1}));
    let mixture = asking(&entry, &Device::Cpu, false, &|seeded, name, shape, fresh| {
        let parts = [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")];
        let (mut name, at) = (name.to_owned(), "block_sparse_moe.experts.0.");
        for (part, of_dense) in parts {
            name = name.replace(&format!("{at}{part}"), &format!("mlp.{of_dense}"));
        }
        seeded.tensor(&name, shape, fresh)
    });
    assert_eq!(far(&logits(&*mixture), &logits(&*dense)), 0.0);
}

#[test]
fn experts_in_one_tensor_are_those_in_many() {
    let many = entry("mixtral").model();
    // The same numbers in the layout of `transformers` 5: gate above up, expert above expert.
    let fused = asking(&entry("mixtral"), &Device::Cpu, true, &|seeded, name, shape, fresh| {
        let Some((layer, part)) = name.split_once(".mlp.") else { return seeded.tensor(name, shape, fresh) };
        let (block, axes) = (format!("{layer}.block_sparse_moe"), shape.axes());
        let parts: &[&str] = match part {
            "experts.gate_up_proj" => &["w1", "w3"],
            "experts.down_proj" => &["w2"],
            _ => return seeded.tensor(&format!("{block}.{part}"), shape, fresh),
        };
        let matrix = Shape::new([(Axis::Row, axes[1].1 / parts.len()), axes[2]]);
        let mut values = Vec::new();
        for expert in 0..axes[0].1 {
            for part in parts {
                let name = format!("{block}.experts.{expert}.{part}.weight");
                values.extend(seeded.tensor(&name, matrix.clone(), fresh)?.to_f32().unwrap());
            }
        }
        Weight::new(name, axes, Dtype::F32, &values)
    });
    assert!(fused.record().tensors().iter().any(|(name, _)| name.ends_with("mlp.experts.gate_up_proj")));
    assert_eq!(many.description().parameters, fused.description().parameters);
    assert_eq!(logits(&*many), logits(&*fused));
}

#[test]
fn a_builder_takes_the_same_numbers_in_any_order() {
    let config = Config::from_value("toy", json!({})).unwrap();
    let table = |builder: &mut Builder<'_>, name: &str| {
        builder.matrix(name, [(Axis::Vocab, 5), (Axis::Width, 3)]).unwrap().to_f32().unwrap()
    };
    let (mut one, mut other) = (Seeded::new(3), Seeded::new(3));
    let mut builder = Builder::new(&config, &mut one, &Device::Cpu);
    let first = [table(&mut builder, "a"), table(&mut builder, "b")];
    let mut builder = Builder::new(&config, &mut other, &Device::Cpu);
    let second = [table(&mut builder, "b"), table(&mut builder, "a")];
    assert_eq!(first, [second[1].clone(), second[0].clone()]);
    assert_ne!(first[0], first[1]);
}

#[test]
fn a_roberta_counts_positions_from_behind_the_padding() {
    // Under a bidirectional mask only positions carry the order of tokens; padding is not counted as a position, so
    // padding in front changes nothing for the tokens after it.
    let model = entry("roberta").model();
    let plain = entry("roberta").rows(ids(5), &MaskChoice::AsTrained);
    let real = [false].into_iter().chain([true; 5]).collect();
    let led = Input::new([vec![1], ids(5)].concat()).with_padding(Padding::new(real, 6).unwrap());
    assert!(far(&plain, &rows(&*model, &led, &MaskChoice::AsTrained)[1..]) < 1e-4);
    assert_eq!(model.description().context, 23, "25 positions, of which 0 and 1 are no token's");
}

#[test]
fn a_prefix_in_the_configuration_is_the_prefix_mask_over_the_same_weights() {
    let decllm = entry("decllm").with(json!({"prefix_length": 6}));
    for (prefixed, plain, length, prefix) in [(entry("unilm"), "bert", 8, 3), (decllm, "decllm", 11, 6)] {
        assert_eq!(prefixed.model().description().trained_mask, Mask::prefix(prefix), "{plain}");
        let run = |mask| entry(plain).rows(ids(length), &mask);
        let trained = prefixed.rows(ids(length), &MaskChoice::AsTrained);
        assert_eq!(trained, run(MaskChoice::Override(Mask::prefix(prefix))), "{plain}");
        assert!(far(&trained, &run(MaskChoice::AsTrained)) > 1e-2, "{plain}");
    }
}

#[test]
fn another_seed_is_another_model() {
    let config = entry("gpt2").config();
    let [one, again, other] = [1, 1, 2].map(|seed| model::seeded(&config, seed, &Device::Cpu).unwrap());
    assert_eq!(logits(&*one), logits(&*again));
    assert!(far(&logits(&*one), &logits(&*other)) > 1e-2);
}
