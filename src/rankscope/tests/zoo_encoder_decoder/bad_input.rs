//! Bad input gets one line that names what was wrong and what would be right.

use rankscope::model::{self, Config, Input, MaskChoice, Model};
use rankscope::prelude::*;
use serde_json::{Value, json};

use crate::support::{SOURCE, TARGET, both_sides, dec, fixtures, red, seeded, tiny};

fn said(model: &dyn Model, input: &Input, mask: &MaskChoice) -> String {
    let result = model.hidden(input, mask, &mut Unobserved, &Run::default());
    let said = result.map(drop).unwrap_err().to_string();
    assert!(!said.contains('\n'), "{said}");
    said
}

#[test]
fn input_that_does_not_fit_is_named() {
    let trained = MaskChoice::AsTrained;
    let t5 = tiny("t5", &Device::Cpu);
    let source = || Input::new(SOURCE.to_vec());
    let cases = [
        (source().with_decoder(vec![]), "number of decoder tokens is 0, expected at least one token"),
        (source().with_decoder(vec![1, 89]), "decoder token id at position 1 is 89, expected less than 89"),
        (Input::new(vec![]).with_decoder(vec![1]), "number of tokens is 0, expected at least one token"),
        (Input::new(vec![90]), "token id at position 0 is 90, expected less than 89"),
        (
            Input::batch(vec![1, 2, 3, 4], 2).unwrap().with_decoder(vec![0, 5, 6]),
            "number of decoder ids is 3, expected a multiple of the batch size 2",
        ),
        (source().with_decoder(vec![1; 513]), "number of decoder tokens is 513, expected at most 512"),
        (source().with_padding(Padding::new(vec![true, false], 2).unwrap()), "padding S is 2, expected"),
    ];
    for (input, expected) in cases {
        let said = said(&*t5, &input, &trained);
        assert!(said.contains(expected), "{said:?} should contain {expected:?}");
    }
    let long = MaskChoice::Decoder(Mask::prefix(6));
    let error = said(&*t5, &both_sides(), &long);
    assert_eq!(error, "prefix is 6, expected at most the sequence length, 5");
    let red = seeded(red(), &Device::Cpu);
    let error = said(&*red, &source(), &trained);
    assert_eq!(
        error,
        "decoder ids is missing, expected some: the configuration states no decoder_start_token_id to begin with"
    );
    let error = said(&*red, &source().with_decoder(vec![1; 20]), &trained);
    let expected = "number of tokens of both sides is 26, expected at most 25, the model's context, which both sides share";
    assert_eq!(error, expected);
    let real = [true, true, true, true, false, false, true, true, true, true, true, true];
    let uneven = Input::batch([SOURCE, SOURCE].concat(), 2).unwrap().with_decoder([TARGET, TARGET].concat());
    let uneven = uneven.with_padding(Padding::new(real.to_vec(), 6).unwrap());
    let error = said(&*red, &uneven, &trained);
    assert!(
        error.starts_with("lengths of the encoder's sequences in one batch is 4 and 6, expected one"),
        "{error}"
    );
    let error = said(&*seeded(dec(), &Device::Cpu), &both_sides(), &trained);
    assert_eq!(
        error,
        "decoder ids is given, expected none: decllm is one stack, not an encoder and a decoder"
    );
}

#[test]
fn contradictory_configurations_name_the_field() {
    let t5: Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("tiny/t5/config.json")).unwrap()).unwrap();
    let cases = [
        (
            &t5,
            json!({"feed_forward_proj": "mish"}),
            "feed_forward_proj is \"mish\", expected \"relu\", \"gelu\"",
        ),
        (
            &t5,
            json!({"is_encoder_decoder": false}),
            "is_encoder_decoder is false, expected true, since architectures is",
        ),
        (&t5, json!({"layer_norm_epsilon": -1}), "layer_norm_epsilon is -1, expected a number from 0 on"),
        (&t5, json!({"directions": "mixed"}), "directions is \"mixed\", expected absent: t5 has no variants"),
        (
            &t5,
            json!({"relative_attention_num_buckets": 3}),
            "relative_attention_num_buckets is 3, expected at least 4",
        ),
        (
            &t5,
            json!({"relative_attention_max_distance": 2}),
            "relative_attention_max_distance is 2, expected more than 2",
        ),
        (&t5, json!({"num_layers": 0}), "num_layers is 0, expected a whole number from 1 to 10000"),
        (&t5, json!({"d_kv": 0}), "d_kv is 0, expected a whole number from 1"),
        (&t5, json!({"d_model": null}), "d_model is missing, expected a whole number"),
        (
            &red(),
            json!({"num_key_value_heads": 4}),
            "num_key_value_heads is 4, expected a divisor of num_attention_heads = 18",
        ),
        (
            &red(),
            json!({"head_dim": null}),
            "hidden_size is 20, expected a multiple of num_attention_heads = 18",
        ),
        (&red(), json!({"head_dim": 7}), "head_dim is 7, expected an even number"),
        (&red(), json!({"hidden_act": "gelu"}), "hidden_act is \"gelu\", expected \"silu\""),
        (&red(), json!({"num_decoder_layers": null}), "num_decoder_layers is missing"),
        (&dec(), json!({"num_hidden_layers": 0}), "num_hidden_layers is 0, expected a whole number"),
    ];
    for (base, fields, expected) in cases {
        let mut config = base.clone();
        config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let config = Config::from_value("toy.json", config).unwrap();
        let said = model::seeded(&config, 7, &Device::Cpu).map(drop).unwrap_err().to_string();
        assert!(
            said.starts_with("toy.json: ") && said.contains(expected),
            "{said:?} should contain {expected:?}"
        );
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_its_configuration_names_the_tensor_and_both_shapes() {
    let spoiled = |name: &str, edit: fn(&mut Value)| {
        let folder = tempfile::tempdir().unwrap();
        let from = fixtures().join("tiny").join(name);
        std::fs::copy(from.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
        let mut config = serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
        edit(&mut config);
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        model::load(folder.path(), &Device::Cpu).map(drop).unwrap_err().to_string()
    };
    let error = spoiled("t5", |config| config["d_ff"] = 41.into());
    let expected =
        "tensor encoder.block.0.layer.1.DenseReluDense.wi.weight has shape [40, 24], expected [F=41, C=24]";
    assert!(error.ends_with(expected), "{error}");
    let error = spoiled("t5", |config| config["num_layers"] = 3.into());
    assert!(error.contains("tensor encoder.block.2.layer.0.layer_norm.weight is missing"), "{error}");
    let error = spoiled("t5", |config| config["num_decoder_layers"] = 3.into());
    assert!(
        error.contains("tensor decoder.block.3.") && error.contains("is not part of this model"),
        "{error}"
    );
    let error = spoiled("t5-gated", |config| config["is_gated_act"] = false.into());
    assert!(error.contains("tensor encoder.block.0.layer.1.DenseReluDense.wi.weight is missing"), "{error}");
    let error = spoiled("t5", |config| config["tie_word_embeddings"] = false.into());
    assert!(error.contains("tensor lm_head.weight is missing, expected [V=89, C=24]"), "{error}");
    let error = spoiled("t5", |config| config["relative_attention_num_buckets"] = 12.into());
    assert!(
        error.contains("relative_attention_bias.weight has shape [10, 3], expected [N=12, H=3]"),
        "{error}"
    );
}
