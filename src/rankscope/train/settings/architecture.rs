//! Makes the model's `config.json` from settings.

use serde_json::{Map, Value, json};

use super::{LayersOf, Settings};
use crate::error::{Error, Result};
use crate::model::{Config, FAMILIES};
use crate::train::{Vocabulary, named};

impl Settings {
    /// The configuration of a new model that reads up to `context` tokens of `vocabulary`, in the fields of its family.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming a family that is not known, or a setting that does not apply to it.
    pub fn model_config(&self, vocabulary: Vocabulary, context: usize) -> Result<Config> {
        let name = &self.family;
        let family = named(FAMILIES, |family| family.name, name, "setting family", format!("{name:?}"))?;
        let mut fields = self.sizes(vocabulary, context)?;
        let common = json!({
            "model_type": self.family, "vocab_size": vocabulary.size(), "tie_word_embeddings": true,
            "pad_token_id": vocabulary.padding(), "bos_token_id": vocabulary.start(),
            "eos_token_id": vocabulary.end(),
        });
        extend(&mut fields, common);
        if family.is_pair {
            extend(&mut fields, json!({"decoder_start_token_id": vocabulary.start()}));
        }
        for (key, value) in
            [("positions", &self.positions), ("attention", &self.attention), ("directions", &self.directions)]
        {
            if let Some(value) = value {
                fields.insert(key.to_owned(), value.clone().into());
            }
        }
        let is_prefix =
            self.mask == "prefix(given)" || (self.mask == "usual" && self.objective == "prefix-lm");
        if is_prefix && matches!(self.family.as_str(), "decllm" | "unilm") {
            // The model is trained with prefixes of any length. A short one is the default for uses that state no
            // length, because their texts are short.
            fields.insert("prefix_length".to_owned(), (self.length / 16).max(1).into());
        }
        self.add_heads(&mut fields, vocabulary);
        fields.extend(self.config.iter().map(|(key, value)| (key.clone(), value.clone())));
        Config::from_value("settings", Value::Object(fields))
    }

    /// The sizes, by their names in the family.
    fn sizes(&self, vocabulary: Vocabulary, context: usize) -> Result<Map<String, Value>> {
        let (c, h, l) = (self.width, self.heads, self.layers);
        let f = self.feed_forward.unwrap_or(4 * c);
        let mut fields = Map::new();
        // D, for families that state it only if it is not C/H.
        let own = |name: &str| self.head_size.map(|size| (name.to_owned(), size.into()));
        match self.family.as_str() {
            "openai-gpt" | "gpt2" => {
                let class = if self.family == "gpt2" { "GPT2LMHeadModel" } else { "OpenAIGPTLMHeadModel" };
                let names = json!({"architectures": [class], "n_embd": c, "n_head": h, "n_layer": l,
                                   "n_positions": context, "layer_norm_epsilon": 1e-5});
                extend(&mut fields, names);
                match self.family.as_str() {
                    "gpt2" => extend(&mut fields, json!({"n_inner": f, "activation_function": "gelu_new"})),
                    _ if f != 4 * c => {
                        let expected = format!("{}: four times the width of an openai-gpt", 4 * c);
                        return Err(Error::invalid("setting feed_forward", f, expected));
                    }
                    _ => extend(&mut fields, json!({"afn": "gelu"})),
                }
                fields.extend(own("head_size"));
            }
            "bert" | "unilm" | "roberta" => {
                let class = if self.family == "roberta" { "RobertaForMaskedLM" } else { "BertForMaskedLM" };
                let names = json!({"architectures": [class], "hidden_size": c, "num_attention_heads": h,
                                   "num_hidden_layers": l, "intermediate_size": f, "hidden_act": "gelu",
                                   "type_vocab_size": 2, "layer_norm_eps": 1e-12});
                extend(&mut fields, names);
                // RoBERTa's first position is the padding's id plus 1.
                let first = if self.family == "roberta" { vocabulary.padding() as usize + 1 } else { 0 };
                fields.insert("max_position_embeddings".to_owned(), (first + context).into());
                fields.extend(own("head_size"));
            }
            "distilbert" => {
                let names = json!({"architectures": ["DistilBertForMaskedLM"], "dim": c, "n_heads": h,
                                   "n_layers": l, "hidden_dim": f, "activation": "gelu",
                                   "max_position_embeddings": context});
                extend(&mut fields, names);
                fields.extend(own("head_size"));
            }
            "t5" => {
                let [encoder, decoder] = self.stacks()?;
                let names = json!({"architectures": ["T5ForConditionalGeneration"], "d_model": c,
                                   "d_kv": self.head_size.unwrap_or(c / h), "num_heads": h, "d_ff": f,
                                   "num_layers": encoder, "num_decoder_layers": decoder,
                                   "feed_forward_proj": "relu", "layer_norm_epsilon": 1e-6,
                                   "is_encoder_decoder": true});
                extend(&mut fields, names);
            }
            family => {
                let class = match family {
                    "llama" => "LlamaForCausalLM",
                    "mistral" => "MistralForCausalLM",
                    "qwen2" => "Qwen2ForCausalLM",
                    "mixtral" => "MixtralForCausalLM",
                    "decllm" => "DecLLMForCausalLM",
                    _ => "RedLLMForConditionalGeneration",
                };
                let names = json!({"architectures": [class], "hidden_size": c, "num_attention_heads": h,
                                   "num_key_value_heads": h, "num_hidden_layers": l, "intermediate_size": f,
                                   "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
                                   "max_position_embeddings": context});
                extend(&mut fields, names);
                fields.extend(own("head_dim"));
                match family {
                    "redllm" => {
                        let [encoder, decoder] = self.stacks()?;
                        fields.remove("num_hidden_layers");
                        extend(
                            &mut fields,
                            json!({"num_encoder_layers": encoder, "num_decoder_layers": decoder}),
                        );
                    }
                    "mixtral" => {
                        extend(&mut fields, json!({"num_local_experts": 4, "num_experts_per_tok": 2}))
                    }
                    "mistral" | "qwen2" => extend(&mut fields, json!({"sliding_window": null})),
                    _ => (),
                }
            }
        }
        Ok(fields)
    }

    /// Adds the class if the objective needs a head beside the output layer.
    fn add_heads(&self, fields: &mut Map<String, Value>, vocabulary: Vocabulary) {
        let Some(Value::Array(classes)) = fields.get_mut("architectures") else { return };
        let Some(class) = classes.first().and_then(Value::as_str).map(str::to_owned) else { return };
        match self.objective.as_str() {
            "classification" => {
                let body = ["LMHeadModel", "ForCausalLM"].iter().find_map(|end| class.strip_suffix(end));
                classes.extend(body.map(|body| format!("{body}ForSequenceClassification").into()));
                fields.insert("num_labels".to_owned(), vocabulary.symbols.into());
            }
            "next-sentence" if class == "BertForMaskedLM" => classes[0] = "BertForPreTraining".into(),
            _ => (),
        }
    }

    /// The layers of encoder and decoder.
    fn stacks(&self) -> Result<[usize; 2]> {
        match self.layers_of {
            LayersOf::EachStack => Ok([self.layers; 2]),
            LayersOf::BothStacks if self.layers >= 2 => Ok([self.layers - self.layers / 2, self.layers / 2]),
            LayersOf::BothStacks => {
                let expected = "2 or more, since layers_of is both-stacks and each of them needs one";
                Err(Error::invalid("setting layers", self.layers, expected))
            }
        }
    }
}

fn extend(fields: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
}
