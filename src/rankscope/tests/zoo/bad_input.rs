//! Bad input gives an error of one line with the wrong value and the expected one.

use rankscope::model::generate::{Settings, generate};
use rankscope::model::loss::prefix_lm;

use crate::edited::Edited;
use crate::support::*;

#[test]
fn a_folder_without_config_says_what_a_model_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    fails(model::load(folder.path(), &Device::Cpu), "no config.json there; expected a model folder");
}

/// A model, fields of its configuration, and the expected error.
const FIELDS: &str = r#"
llama | {"model_type": "mamba"} | model_type is "mamba", expected one of openai-gpt, gpt2, bert
llama | {"hidden_size": 0} | hidden_size is 0, expected a whole number from 1 to
llama | {"hidden_size": "big"} | hidden_size is "big", expected a whole number
llama | {"num_key_value_heads": 3} | num_key_value_heads is 3, expected a divisor of num_attention_heads = 8
llama | {"hidden_act": "prelu"} | hidden_act is "prelu", expected one of "gelu", 
llama | {"rope_parameters": {"rope_type": "su"}} | rope_parameters is of type "su"
llama | {"architectures": ["MistralForCausalLM"]} | architectures is "MistralForCausalLM", expected a class of Llama…, since model_type is "llama"
llama | {"architectures": "LlamaModel"} | architectures is "LlamaModel", expected a list of texts
llama | {"num_attention_heads": 12, "head_dim": null} | hidden_size is 32, expected a multiple of
llama | {"attention": "linear"} | attention is "linear", expected absent: llama has no variants, as bert and gpt2 have
mixtral | {"num_experts_per_tok": 14} | num_experts_per_tok is 14, expected at most num_local_experts = 13
llama | {"attention_sinks": true} | attention_sinks is true, expected absent: llama has no variants
llama | {"positions": "none"} | positions is "none", expected absent: llama has no variants
mixtral | {"head_size": 7} | head_size is 7, expected absent
mistral | {"sliding_window": 0} | sliding_window is 0, expected at least 1, which is the position itself, or null for no window
qwen2 | {"num_key_value_heads": 3} | num_key_value_heads is 3, expected a divisor of
qwen2 | {"layer_types": ["full_attention", "full_attention"]} | layer_types is a list of 2, expected 3, one for each of num_hidden_layers
qwen2 | {"layer_types": ["full_attention", "sliding_attention", "full_attention"]} | layer_types is "sliding_attention" in a layer, expected "full_attention": there is no window
qwen2 | {"layer_types": ["full_attention", "full_attention", "linear_attention"]} | layer_types is "linear_attention" in a layer, expected "full_attention" or "sliding_attention"
qwen2 | {"rms_norm_eps": -1.0} | rms_norm_eps is -1, expected a number from 0 on
gpt2 | {"n_head": 3} | n_embd is 40, expected a multiple of n_head = 3 (or head_size beside it)
gpt2 | {"activation_function": "mish"} | activation_function is "mish", expected one of "gelu", 
gpt2 | {"layer_norm_epsilon": -0.5} | layer_norm_epsilon is -0.5, expected a number from
gpt2 | {"n_layer": 0} | n_layer is 0, expected a whole number from 1 to 10000
gpt2 | {"directions": "mixed"} | directions is "mixed", expected absent
gpt2 | {"positions": "sinusoidal"} | positions is "sinusoidal", expected "learned", "none", "rotary", "alibi" or "relative"
gpt2 | {"positions": "alibi", "attention": "linear"} | positions is "alibi", expected others, since attention makes no scores
gpt2 | {"positions": "relative", "relative_attention_num_buckets": 1} | relative_attention_num_buckets is 1, expected at least 2
gpt2 | {"add_cross_attention": true} | add_cross_attention is true, expected false
gpt2 | {"attention": "linear", "scale_attn_weights": false} | scale_attn_weights is false, expected true: only softmax attention takes another scale
openai-gpt | {"n_head": 3} | n_embd is 40, expected a multiple of n_head = 3
openai-gpt | {"afn": "tanh"} | afn is "tanh", expected "gelu", 
bert | {"num_attention_heads": 3} | hidden_size is 40, expected a multiple of num_attention_heads
bert | {"layer_norm_eps": -1} | layer_norm_eps is -1, expected a number from 0 on
bert | {"directions": "up"} | directions is "up", expected "mixed" or "alternating"
bert | {"directions": "mixed", "num_attention_heads": 5} | num_attention_heads is 5, expected an even number
bert | {"attention": "cosine"} | attention is "cosine", expected "softmax", "linear", "differential", "sigmoid" or
bert | {"attention": "sigmoid", "attention_sinks": true} | attention_sinks is true, expected absent, since attention is not "softmax"
bert | {"attention": "differential", "head_size": 5} | head_size is 5, expected even heads, since attention is "differential"
bert | {"positions": "rotary", "attention": "differential"} | positions is "rotary", expected others, since attention is "differential"
bert | {"positions": "rotary", "head_size": 13} | head_size is 13, expected an even number, since positions is "rotary"
bert | {"positions": "relative", "relative_attention_max_distance": 8} | relative_attention_max_distance is 8, expected more than 8
bert | {"attention_gate": "yes"} | attention_gate is "yes", expected
bert | {"feature_map": "relu"} | feature_map is "relu", expected absent
bert | {"attention": "linear", "feature_map": "exp"} | feature_map is "exp", expected "elu+1" or "relu"
bert | {"add_cross_attention": true} | add_cross_attention is true, expected false
bert | {"architectures": ["GPT2LMHeadModel"]} | architectures is "GPT2LMHeadModel", expected a class
unilm | {"directions": "mixed"} | prefix_length is 3, expected absent
distilbert | {"n_heads": 3} | dim is 40, expected a multiple of n_heads = 3
roberta | {"max_position_embeddings": 2} | max_position_embeddings is 2, expected more than 2
t5 | {"feed_forward_proj": "mish"} | feed_forward_proj is "mish", expected "relu", "gelu"
t5 | {"is_encoder_decoder": false} | is_encoder_decoder is false, expected true, since architectures is
t5 | {"layer_norm_epsilon": -1} | layer_norm_epsilon is -1, expected a number from 0 on
t5 | {"directions": "mixed"} | directions is "mixed", expected absent: t5 has no variants
t5 | {"relative_attention_num_buckets": 3} | relative_attention_num_buckets is 3, expected at least 4
t5 | {"relative_attention_max_distance": 2} | relative_attention_max_distance is 2, expected more than 2
t5 | {"num_layers": 0} | num_layers is 0, expected a whole number from 1 to 10000
t5 | {"d_kv": 0} | d_kv is 0, expected a whole number from 1
redllm | {"hidden_size": null} | hidden_size is missing, expected a whole number
redllm | {"rms_norm_eps": null} | rms_norm_eps is missing, expected a number
redllm | {"num_key_value_heads": 4} | num_key_value_heads is 4, expected a divisor of num_attention_heads = 18
redllm | {"head_dim": null} | hidden_size is 20, expected a multiple of num_attention_heads = 18
redllm | {"head_dim": 7} | head_dim is 7, expected an even number
redllm | {"hidden_act": "gelu"} | hidden_act is "gelu", expected "silu"
redllm | {"num_decoder_layers": null} | num_decoder_layers is missing
redllm | {"tie_word_embeddings": false} | tie_word_embeddings is false, expected true
decllm | {"tie_word_embeddings": false} | tie_word_embeddings is false, expected true
decllm | {"num_hidden_layers": 0} | num_hidden_layers is 0, expected a whole number
"#;

/// A fixture, fields that its checkpoint does not fit, and the expected error.
const SHAPES: &str = r#"
llama | {"intermediate_size": 45} | tensor model.layers.0.mlp.gate_proj.weight has shape [44, 30], expected [F=45, C=30]
llama | {"num_hidden_layers": 4} | tensor model.layers.3.input_layernorm.weight is missing
t5 | {"d_ff": 41} | tensor encoder.block.0.layer.1.DenseReluDense.wi.weight has shape [40, 24], expected [F=41, C=24]
t5 | {"num_layers": 3} | tensor encoder.block.2.layer.0.layer_norm.weight is missing
t5 | {"num_decoder_layers": 3} | tensor decoder.block.3.layer.0.SelfAttention.k.weight (and 12 others) is not part of this model
t5-gated | {"is_gated_act": false} | tensor encoder.block.0.layer.1.DenseReluDense.wi.weight is missing
t5 | {"tie_word_embeddings": false} | tensor lm_head.weight is missing, expected [V=89, C=24]
t5 | {"relative_attention_num_buckets": 12} | relative_attention_bias.weight has shape [10, 3], expected [N=12, H=3]
"#;

#[test]
fn contradictory_configurations_name_the_field() {
    for (family, fields, expected) in cases(FIELDS) {
        let said = said(model::seeded(&entry(family).with(fields).config(), 7, &Device::Cpu));
        let is_named = said.starts_with(&format!("{family}: ")) && said.contains(expected);
        assert!(is_named, "{said:?} should contain {expected:?}");
    }
    let error = said(Config::from_value("list.json", json!([1])));
    assert_eq!(error, "list.json: [1] is not a JSON object");
}

#[test]
fn a_checkpoint_that_does_not_fit_its_configuration_names_the_tensor_and_both_shapes() {
    for (family, fields, expected) in cases(SHAPES) {
        fails(Edited::of(format!("tiny/{family}")).with(&fields).load(), expected);
    }
}

#[test]
fn missing_extra_and_wrongly_shaped_tensors_are_named() {
    let saved = |name: &str| Edited::saved(&entry(name));
    let missing = saved("gpt2").tensors(|all| drop(all.remove("transformer.h.1.mlp.c_fc.bias"))).said();
    let expected = "tensor transformer.h.1.mlp.c_fc.bias is missing, expected [F=33]";
    assert!(missing.ends_with(expected), "{missing}");
    let wrong = saved("gpt2").added("transformer.h.0.attn.c_attn.weight", &[120, 40]).said();
    let expected = "tensor transformer.h.0.attn.c_attn.weight has shape [120, 40], expected [C=40, M=120]";
    assert!(wrong.ends_with(expected), "{wrong}");
    let layer = "bert.encoder.layer.3.output.dense";
    let extra = saved("bert").added(&format!("{layer}.bias"), &[40]);
    let extra = extra.added(&format!("{layer}.weight"), &[40, 33]).said();
    let expected = "tensor bert.encoder.layer.3.output.dense.bias (and another) is not part of this model";
    assert!(extra.contains(expected) && extra.contains("model.safetensors: "), "{extra}");
    let expert = saved("mixtral").added("model.layers.0.block_sparse_moe.experts.13.w1.weight", &[41, 32]);
    fails(expert.load(), "experts.13.w1.weight is not part of this model");
}

#[test]
fn what_checkpoints_carry_along_is_no_error() {
    let cases: [(&str, &str, &[usize]); 6] = [
        ("gpt2", "transformer.h.0.attn.bias", &[1, 1, 23, 23]),
        ("gpt2", "transformer.h.1.attn.masked_bias", &[]),
        ("openai-gpt", "transformer.h.0.attn.bias", &[1, 1, 23, 23]),
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", &[5]),
        ("bert", "bert.embeddings.position_ids", &[1, 23]),
        ("bert", "cls.seq_relationship.weight", &[2, 40]),
    ];
    for (family, name, shape) in cases {
        Edited::saved(&entry(family)).added(name, shape).model();
    }
}

#[test]
fn names_without_their_prefix_and_the_oldest_norms_load() {
    for family in ["gpt2", "openai-gpt"] {
        Edited::saved(&entry(family)).renamed(|name| vec![name.replace("transformer.", "")]).model();
    }
    let old = |name: &str| name.replace("LayerNorm.weight", "LayerNorm.gamma");
    let old = |name: &str| vec![old(name).replace("LayerNorm.bias", "LayerNorm.beta")];
    Edited::saved(&entry("bert")).renamed(old).model();
}

#[test]
fn errors_do_not_repeat_all_that_a_file_holds() {
    // Two cases found by fuzzing: a text where an object is expected, and an extremely long name of a shard.
    let long = "o".repeat(100_000);
    let text = Edited::of("tiny/llama").written(&format!("{long:?}")).said();
    assert!(text.contains("not a JSON object") && text.len() < 2000, "{} bytes: {text}", text.len());
    let index = json!({ "weight_map": { "w": format!("{long}}}.\u{7f}") } }).to_string();
    let folder = Edited::of("tiny/llama");
    std::fs::remove_file(folder.file("model.safetensors")).unwrap();
    std::fs::write(folder.file("model.safetensors.index.json"), index).unwrap();
    let text = folder.said();
    assert!(text.contains("tensor w is mapped to") && text.len() < 2000, "{} bytes: {text}", text.len());
    assert!(text.ends_with("expected the name of a .safetensors file beside the index"), "{text}");
}

#[test]
fn hostile_checkpoint_headers_are_refused() {
    let whole = std::fs::read(fixtures().join("tiny/llama/model.safetensors")).unwrap();
    let huge_header = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    let overflow = br#"{"a":{"dtype":"F32","shape":[18446744073709551615,8],"data_offsets":[0,4]}}"#;
    let overflow = [&(overflow.len() as u64).to_le_bytes()[..], overflow, &[0; 4]].concat();
    let cases: [&[u8]; 6] =
        [b"", b"short", &whole[..whole.len() / 2], &huge_header, &overflow, b"\x04\0\0\0\0\0\0\0{}{}"];
    for bytes in cases {
        let folder = Edited::of("tiny/llama");
        std::fs::write(folder.file("model.safetensors"), bytes).unwrap();
        assert!(folder.said().contains("model.safetensors"), "{}", folder.said());
    }
}

/// The tiny LLaMA with the first `count` numbers of a tensor replaced.
fn with_numbers(name: &str, count: usize, number: f32) -> Edited {
    Edited::of("tiny/llama").tensors(|tensors| {
        let (_, _, bytes) = tensors.get_mut(name).unwrap();
        bytes[..4 * count].copy_from_slice(&number.to_le_bytes().repeat(count));
    })
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let name = "model.layers.1.mlp.up_proj.weight";
    let model = with_numbers(name, 1, f32::NAN).model();
    let result = states(&*model, &Input::new(ids(3)), &MaskChoice::AsTrained);
    fails(result, &format!("tensor {name} holds NaN or infinity"));
}

#[test]
fn a_computation_that_overflows_is_an_error_on_every_device() {
    let folder = with_numbers("model.norm.weight", 30, 3e38);
    for device in devices() {
        let model = model::load(folder.path(), &device).unwrap();
        let (input, run) = (Input::new(ids(3)), Run::default());
        let expected = "is not finite although every weight is: the computation overflowed f32";
        let written = generate(&*model, &input, &Settings::default(), &mut |_| Ok(()), &run);
        let loss = prefix_lm(&*model, &ids(5), 2, &MaskChoice::AsTrained, &run);
        for text in [said(written), said(loss)] {
            assert!(text.contains(expected), "{device}: {text}");
        }
    }
}

/// A model, what it reads, and the expected error.
const INPUTS: &str = r#"
tiny/bert | {"ids": []} | number of tokens is 0, expected at least one token
tiny/bert | {"ids": "38 x 3"} | number of tokens is 38, expected at most 37, the model's context
tiny/bert | {"ids": [3, 101]} | token id at position 1 is 101, expected less than 101
tiny/bert | {"ids": [13, 50, 28, 6], "segments": [0, 1]} | number of token type ids is 2, expected 4
tiny/bert | {"ids": [13, 50], "segments": [0, 3]} | token type id is 3, expected less than 3
llama | {"ids": [13, 50], "segments": [0, 1]} | token type id is 1, expected less than 1
tiny/bert | {"ids": [13, 50, 28, 6], "mask": "prefix(5)"} | prefix is 5, expected at most the sequence length, 4
tiny/bert | {"ids": [13, 50, 28, 6], "mask": "blocks(2, 3)"} | sum of the block lengths is 5, expected the sequence length, 4
tiny/t5 | {"decoder": []} | number of decoder tokens is 0, expected at least one token
tiny/t5 | {"decoder": [1, 89]} | decoder token id at position 1 is 89, expected less than 89
tiny/t5 | {"ids": [], "decoder": [1]} | number of tokens is 0, expected at least one token
tiny/t5 | {"ids": [90]} | token id at position 0 is 90, expected less than 89
tiny/t5 | {"batch": 2, "ids": [1, 2, 3, 4], "decoder": [0, 5, 6]} | number of decoder ids is 3, expected a multiple of the batch size 2
tiny/t5 | {"decoder": "513 x 1"} | number of decoder tokens is 513, expected at most 512
tiny/t5 | {"decoder": [13, 50, 28, 6, 43], "padding": [1, 0]} | padding S is 2, expected
tiny/t5 | {"decoder": [13, 50, 28, 6, 43], "mask": "decoder:prefix(6)"} | prefix is 6, expected at most the sequence length, 5
redllm | {} | decoder ids is missing, expected some: the configuration states no decoder_start_token_id to begin with
redllm | {"decoder": "20 x 1"} | number of tokens of both sides is 26, expected at most 25, the model's context, which both sides share
redllm | {"batch": 2, "decoder": [13, 50, 28, 6, 43, 21, 58, 36, 14, 51], "padding": [1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]} | lengths of the encoder's sequences in one batch is 4 and 6, expected one
decllm | {"decoder": [13, 50, 28, 6, 43]} | decoder ids is given, expected none: decllm is one stack, not an encoder and a decoder
"#;

/// An input and its mask; "38 x 3" is 38 times the id 3, and without `ids` it reads [`SOURCE`].
fn described(fields: &Value) -> (Input, MaskChoice) {
    let list = |name: &str| -> Option<Vec<u32>> {
        let ids = fields.get(name)?;
        Some(match ids.as_str().and_then(|text| text.split_once(" x ")) {
            Some((count, id)) => vec![id.parse().unwrap(); count.parse().unwrap()],
            None => serde_json::from_value(ids.clone()).unwrap(),
        })
    };
    let batch = fields["batch"].as_u64().unwrap_or(1) as usize;
    let mut input = Input::batch(list("ids").unwrap_or(SOURCE.repeat(batch)), batch).unwrap();
    if let Some(segments) = list("segments") {
        input = input.with_token_types(segments);
    }
    if let Some(ids) = list("decoder") {
        input = input.with_decoder(ids);
    }
    if let Some(real) = list("padding") {
        let length = real.len() / batch;
        input =
            input.with_padding(Padding::new(real.iter().map(|&real| real == 1).collect(), length).unwrap());
    }
    (input, fields["mask"].as_str().unwrap_or("as-trained").parse().unwrap())
}

#[test]
fn input_errors_name_the_input() {
    for (name, fields, expected) in cases(INPUTS) {
        let (input, mask) = described(&fields);
        fails(states(&*entry(name).model(), &input, &mask), expected);
    }
    let custom = MaskChoice::Override(Mask::custom(Mask::causal().pattern(3)));
    let result = states(&*entry("tiny/bert").model(), &Input::new(ids(4)), &custom);
    fails(result, "custom mask size is 3 x 3, expected 4 x 4");
}

#[test]
fn a_text_without_tokens_and_a_folder_without_tokenizer_are_errors() {
    let tokenizer = Tokenizer::load(&glass_en()).unwrap();
    assert_eq!(said(tokenizer.encode("")), "text is empty, expected at least one word");
    assert_eq!(said(tokenizer.encode(" \n")), "text is blank, expected at least one word");
    let text = said(Tokenizer::load(&fixtures().join("tiny/bert")));
    assert!(text.contains(": no tokenizer.json (nor vocab.txt, "), "{text}");
    assert!(text.ends_with("or give token ids instead of a text"), "{text}");
}
