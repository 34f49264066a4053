//! The values that `transformers` uses for fields that a configuration leaves out, and the other names of fields.
//!
//! **Source**: the configuration classes of `transformers` 5.24: their defaults and their `attribute_map`.

use serde_json::Value;

/// The family's default value of a `field`.
pub(super) fn usual(family: &str, field: &str) -> Option<Value> {
    Some(match family {
        "openai-gpt" | "gpt2" => gpt(family, field)?,
        "bert" | "unilm" | "roberta" => bert(family, field)?,
        "distilbert" => distilbert(field)?,
        "t5" => t5(field)?,
        "llama" | "mistral" | "mixtral" | "qwen2" => llama(family, field)?,
        _ => return None,
    })
}

/// An alias of the family's `field`.
pub(super) fn other_name(family: &str, field: &str) -> Option<&'static str> {
    Some(match (family, field) {
        ("openai-gpt" | "gpt2", "n_embd") | ("distilbert", "dim") | ("t5", "d_model") => "hidden_size",
        ("openai-gpt" | "gpt2", "n_layer") | ("distilbert", "n_layers") | ("t5", "num_layers") => {
            "num_hidden_layers"
        }
        ("openai-gpt" | "gpt2", "n_head") | ("distilbert", "n_heads") | ("t5", "num_heads") => {
            "num_attention_heads"
        }
        ("openai-gpt" | "gpt2", "n_positions") => "max_position_embeddings",
        ("t5", "d_kv") => "head_dim",
        ("mixtral", "num_local_experts") => "num_experts",
        _ => return None,
    })
}

fn gpt(family: &str, field: &str) -> Option<Value> {
    Some(match (family, field) {
        ("gpt2", "vocab_size") => 50_257.into(),
        ("gpt2", "n_positions") => 1024.into(),
        ("gpt2", "activation_function") => "gelu_new".into(),
        (_, "vocab_size") => 40_478.into(),
        (_, "n_positions") => 512.into(),
        ("openai-gpt", "afn") => "gelu".into(),
        (_, "n_embd") => 768.into(),
        (_, "n_layer" | "n_head") => 12.into(),
        (_, "layer_norm_epsilon") => 1e-5.into(),
        _ => return None,
    })
}

fn bert(family: &str, field: &str) -> Option<Value> {
    Some(match field {
        "vocab_size" if family == "roberta" => 50_265.into(),
        "vocab_size" => 30_522.into(),
        "hidden_size" => 768.into(),
        "num_hidden_layers" | "num_attention_heads" => 12.into(),
        "intermediate_size" => 3072.into(),
        "max_position_embeddings" => 512.into(),
        "type_vocab_size" => 2.into(),
        "hidden_act" => "gelu".into(),
        "layer_norm_eps" => 1e-12.into(),
        _ => return None,
    })
}

fn distilbert(field: &str) -> Option<Value> {
    Some(match field {
        "vocab_size" => 30_522.into(),
        "dim" => 768.into(),
        "n_layers" => 6.into(),
        "n_heads" => 12.into(),
        "hidden_dim" => 3072.into(),
        "max_position_embeddings" => 512.into(),
        "activation" => "gelu".into(),
        _ => return None,
    })
}

fn t5(field: &str) -> Option<Value> {
    Some(match field {
        "vocab_size" => 32_128.into(),
        "d_model" => 512.into(),
        "d_kv" => 64.into(),
        "d_ff" => 2048.into(),
        "num_layers" => 6.into(),
        "num_heads" => 8.into(),
        "relative_attention_num_buckets" => 32.into(),
        "relative_attention_max_distance" => 128.into(),
        "layer_norm_epsilon" => 1e-6.into(),
        "feed_forward_proj" => "relu".into(),
        _ => return None,
    })
}

/// LLaMA's `num_key_value_heads` is its number of heads, where it is not stated.
fn llama(family: &str, field: &str) -> Option<Value> {
    Some(match (family, field) {
        ("llama", "intermediate_size") => 11_008.into(),
        ("llama", "max_position_embeddings") => 2048.into(),
        ("qwen2", "vocab_size") => 151_936.into(),
        ("qwen2", "intermediate_size") => 22_016.into(),
        ("qwen2", "max_position_embeddings") => 32_768.into(),
        ("qwen2", "num_key_value_heads") => 32.into(),
        ("qwen2", "max_window_layers") => 28.into(),
        ("mistral" | "qwen2", "sliding_window") => 4096.into(),
        ("mixtral", "rms_norm_eps") => 1e-5.into(),
        ("mixtral", "rope_theta") => 1e6.into(),
        ("mixtral", "num_local_experts") => 8.into(),
        ("mixtral", "num_experts_per_tok") => 2.into(),
        ("mistral" | "mixtral", "num_key_value_heads") => 8.into(),
        ("mistral" | "mixtral", "intermediate_size") => 14_336.into(),
        ("mistral" | "mixtral", "max_position_embeddings") => 131_072.into(),
        (_, "vocab_size") => 32_000.into(),
        (_, "hidden_size") => 4096.into(),
        (_, "num_hidden_layers" | "num_attention_heads") => 32.into(),
        (_, "hidden_act") => "silu".into(),
        (_, "rms_norm_eps") => 1e-6.into(),
        _ => return None,
    })
}
