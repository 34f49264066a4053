//! What these tests share: fixtures, goldens and devices as in the tests of other models, and small new models.

#[path = "../support/compare.rs"]
mod compare;
#[allow(dead_code)] // of one-stack models
#[path = "../models/support.rs"]
mod models;

pub use compare::far;
pub use models::{Golden, devices, difference, fixtures, installed, magnitude, skipped};

use rankscope::model::{self, Config, Input, MaskChoice, Model};
use rankscope::prelude::*;
use serde_json::{Value, json};

/// Ids of the two sides.
pub const SOURCE: [u32; 6] = [11, 48, 3, 17, 52, 60];
pub const TARGET: [u32; 5] = [0, 29, 7, 44, 12];

/// The tiny checkpoint of that name.
pub fn tiny(name: &str, device: &Device) -> Box<dyn Model> {
    model::load(&fixtures().join("tiny").join(name), device).expect("the fixture loads")
}

/// RedLLM's configuration: every size differs from the others and from those of the inputs.
pub fn red() -> Value {
    json!({
        "model_type": "redllm", "vocab_size": 67, "hidden_size": 20, "intermediate_size": 44,
        "num_encoder_layers": 3, "num_decoder_layers": 4, "num_attention_heads": 18, "num_key_value_heads": 9,
        "head_dim": 10, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 500.0,
        "max_position_embeddings": 25,
    })
}

/// DecLLM's of the same sizes.
pub fn dec() -> Value {
    let mut config = red();
    let fields = config.as_object_mut().unwrap();
    fields.remove("num_encoder_layers");
    fields.remove("num_decoder_layers");
    fields.insert("model_type".into(), "decllm".into());
    fields.insert("num_hidden_layers".into(), 4.into());
    config
}

pub fn seeded(config: Value, device: &Device) -> Box<dyn Model> {
    let config = Config::from_value("toy", config).unwrap();
    model::seeded(&config, 7, device).unwrap_or_else(|error| panic!("{error}"))
}

/// Every encoder-decoder that there is a small one of, by name.
pub fn pairs(device: &Device) -> Vec<(&'static str, Box<dyn Model>)> {
    vec![
        ("t5", tiny("t5", device)),
        ("t5-gated", tiny("t5-gated", device)),
        ("redllm", seeded(red(), device)),
    ]
}

pub fn both_sides() -> Input {
    Input::new(SOURCE.to_vec()).with_decoder(TARGET.to_vec())
}

pub fn hidden(model: &dyn Model, input: &Input, mask: &MaskChoice, probe: &mut dyn Probe) -> Vec<f32> {
    model.hidden(input, mask, probe, &Run::default()).unwrap().to_vec().unwrap()
}

/// Two probes, one behind the other.
pub struct Both<'a>(pub &'a mut dyn Probe, pub &'a mut dyn Probe);

impl Probe for Both<'_> {
    fn visit(&mut self, name: &str, value: Tensor) -> Result<Tensor> {
        let value = self.0.visit(name, value)?;
        self.1.visit(name, value)
    }
}
