//! The heads of each class: compared with `num_parameters` of `transformers` 5.24, with the built model, and with
//! checkpoints.

use serde_json::{Value, json};

use super::fixtures;
use crate::device::Device;
use crate::model::count::{ModelSizes, Output, Part, body, total};
use crate::model::{self, Config, Seeded, preset};

fn sizes(config: Value) -> ModelSizes {
    ModelSizes::of(&Config::from_value("here", config).unwrap()).unwrap()
}

/// The configuration of a preset, with `fields` on top.
fn with(name: &str, fields: Value) -> Value {
    let mut config = preset::find(name).unwrap().config().unwrap().to_json();
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    config
}

#[test]
fn classes_have_as_many_parameters_as_in_transformers() {
    let of_three = json!({"architectures": ["BertForSequenceClassification"],
                          "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}});
    let roberta = json!({"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "vocab_size": 50_265,
                         "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1});
    let nemo = json!({"model_type": "mistral", "architectures": ["MistralForCausalLM"], "vocab_size": 131_072,
                      "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 32, "head_dim": 128,
                      "intermediate_size": 14_336});
    let qwen = json!({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": 896,
                      "intermediate_size": 4864, "num_attention_heads": 14, "num_hidden_layers": 24,
                      "num_key_value_heads": 2, "tie_word_embeddings": true});
    let xl = json!({"architectures": ["T5ForConditionalGeneration"], "d_ff": 5120, "d_model": 2048, "num_heads": 32,
                    "num_layers": 24, "num_decoder_layers": 24, "feed_forward_proj": "gated-gelu",
                    "tie_word_embeddings": false});
    let bare = json!({"model_type": "llama", "architectures": ["LlamaModel"], "hidden_size": 512,
                      "intermediate_size": 1000, "num_attention_heads": 8, "num_hidden_layers": 3});
    let distilled = json!({"model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"]});
    for (config, expected) in [
        (with("bert-large", json!({"architectures": ["BertForMaskedLM"]})), 335_174_458),
        (with("bert-base", of_three), 109_484_547),
        (with("bert-base", roberta), 124_697_433),
        (distilled, 66_985_530),
        (with("gpt2-medium", json!({"architectures": ["GPT2LMHeadModel"]})), 354_823_168),
        (with("gpt1", json!({"architectures": ["OpenAIGPTLMHeadModel"]})), 116_534_784),
        (with("t5-11b", json!({"architectures": ["T5ForConditionalGeneration"]})), 11_307_321_344),
        (with("t5-small", xl), 2_849_757_184),
        (with("llama3-8b", json!({"architectures": ["LlamaForCausalLM"]})), 8_030_261_248),
        (with("mixtral-8x7b", json!({"architectures": ["MixtralForCausalLM"]})), 46_702_792_704),
        (nemo, 12_247_782_400),
        (qwen, 494_032_768),
        (bare, 24_141_312),
    ] {
        assert_eq!(total(&sizes(config.clone()).parts()), expected, "{config}");
    }
}

#[test]
fn heads_stand_below_the_body_and_what_is_left_out_apart() {
    let config = with("bert-base", json!({"architectures": ["BertForPreTraining"]}));
    let parts = sizes(config).parts();
    let heads: Vec<_> = parts.iter().filter(|part| part.is_head).map(|part| part.name.as_str()).collect();
    assert_eq!(heads, ["masked_language_model_head", "next_sentence_head"]);
    assert_eq!(body(&parts), 109_482_240);
    let llama = sizes(with("llama-7b", json!({}))).parts();
    assert_eq!(total(&llama) - body(&llama), 32_000 * 4096);
    let unknown = sizes(with("llama-7b", json!({"architectures": ["LlamaForSomething"]})));
    assert_eq!((unknown.output, unknown.apart.len()), (Output::None, 1));
    assert_eq!(unknown.apart[0].name, "the head of LlamaForSomething");
    let bare = sizes(with("bert-base", json!({"architectures": ["BertModel"]})));
    assert!(bare.apart.is_empty() && bare.parts().iter().all(|part| !part.is_head));
}

/// Every class that is built: its formula, the model of that class, and its saved checkpoint.
#[test]
fn a_class_is_counted_as_it_is_built_and_as_it_is_saved() {
    let bert = "BertModel BertForMaskedLM BertForPreTraining BertForNextSentencePrediction \
                BertForSequenceClassification BertForTokenClassification BertForQuestionAnswering \
                BertForMultipleChoice";
    let roberta = "RobertaModel RobertaForMaskedLM RobertaForSequenceClassification \
                   RobertaForTokenClassification RobertaForQuestionAnswering RobertaForMultipleChoice";
    let distilbert = "DistilBertModel DistilBertForMaskedLM DistilBertForSequenceClassification \
                      DistilBertForTokenClassification DistilBertForMultipleChoice";
    let llama = "LlamaModel LlamaForCausalLM LlamaForSequenceClassification LlamaForTokenClassification";
    for (family, classes) in [
        ("bert", bert),
        ("roberta", roberta),
        ("distilbert", distilbert),
        ("gpt2", "GPT2Model GPT2LMHeadModel GPT2ForSequenceClassification GPT2DoubleHeadsModel"),
        ("llama", llama),
        ("llama-mha", "LlamaModel LlamaForCausalLM LlamaForQuestionAnswering"),
        ("t5", "T5EncoderModel T5ForConditionalGeneration"),
        ("t5-gated", "T5EncoderModel T5ForConditionalGeneration"),
    ] {
        let tiny = Config::open(&fixtures().join("tiny").join(family)).unwrap().to_json();
        for class in classes.split_whitespace() {
            let mut config = tiny.clone();
            config["architectures"] = json!([class]);
            if class == "T5EncoderModel" {
                config["is_encoder_decoder"] = false.into();
            }
            let config = Config::from_value(class, config).unwrap();
            let counted = ModelSizes::of(&config).unwrap();
            let built = model::build(&config, &mut Seeded::new(5), &Device::Cpu).unwrap();
            assert_eq!(total(&counted.parts()), built.record().parameters() as u128, "{class}");
            let folder = tempfile::tempdir().unwrap();
            built.record().save(folder.path()).unwrap();
            let held = ModelSizes::of_folder(folder.path()).unwrap();
            assert_eq!(held.parts(), counted.parts(), "{class}");
            assert_eq!(held.output, counted.output, "{class}");
        }
    }
}

/// For a folder the stored tensors are counted, whatever the configuration says.
#[test]
fn a_folder_counts_what_its_checkpoint_holds() {
    let tied = fixtures().join("tiny/llama-mha");
    let mut config = Config::open(&tied).unwrap().to_json();
    let of_config = ModelSizes::of(&Config::from_value("tied", config.clone()).unwrap()).unwrap();
    assert_eq!(of_config.output, Output::Tied);
    // Both matrices are stored and differ: neither the loader nor the count ties them.
    config["tie_word_embeddings"] = false.into();
    let untied =
        model::seeded(&Config::from_value("untied", config.clone()).unwrap(), 3, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    untied.record().save(folder.path()).unwrap();
    config["tie_word_embeddings"] = true.into();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let held = ModelSizes::of_folder(folder.path()).unwrap();
    assert_eq!(held.output, Output::Own);
    assert_eq!(total(&held.parts()), total(&of_config.parts()) + (of_config.vocab * of_config.width) as u128);
    // A head that no class states.
    let mut parts = of_config.parts();
    let held = with_stray_head(&tied);
    parts.push(Part::head("reward_model", 2 * 7));
    assert_eq!(held.parts(), parts);
    // Without a checkpoint only the configuration counts.
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert_eq!(ModelSizes::of_folder(folder.path()).unwrap().output, Output::Tied);
}

/// A T5 whose configuration names no class, and whose checkpoint has the encoder only.
#[test]
fn half_of_a_pair_is_counted_as_the_half_that_it_is() {
    let tiny = fixtures().join("tiny/t5");
    let mut config = Config::open(&tiny).unwrap().to_json();
    config["architectures"] = Value::Null;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let bytes = std::fs::read(tiny.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let views: Vec<_> =
        tensors.tensors().into_iter().filter(|(name, _)| !name.starts_with("decoder.")).collect();
    let numbers: usize = views.iter().map(|(_, view)| view.shape().iter().product::<usize>()).sum();
    let bytes = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let held = ModelSizes::of_folder(folder.path()).unwrap();
    assert_eq!((total(&held.parts()), held.output), (numbers as u128, Output::None));
    assert!(held.decoder.is_none() && held.encoder.is_some());
}

/// The checkpoint in `from` with a tensor `[2, 7]` beside the body.
fn with_stray_head(from: &std::path::Path) -> ModelSizes {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
    let bytes = std::fs::read(from.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let numbers = [0u8; 4 * 14];
    let head = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 7], &numbers).unwrap();
    let views = tensors.tensors().into_iter().chain([("reward_model.weight".to_owned(), head)]);
    let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    ModelSizes::of_folder(folder.path()).unwrap()
}
