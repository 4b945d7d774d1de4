//! Hugging Face's `config.json`, in the spellings of Transformers 4 and 5.

use super::config::{Activation, Config, Family, Norm, Positions};
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// The fields of a config file, with errors that name file, field and value.
struct Fields<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn wrong(&self, key: &str, expected: &str) -> Error {
        let value = self.map.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
        Error::content(self.path, key, format!("{value}, expected {expected}"))
    }

    /// A field that is there and not null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    fn size(&self, key: &str) -> Result<usize> {
        self.get(key).and_then(Value::as_u64).map(|v| v as usize).ok_or_else(|| self.wrong(key, "a whole number"))
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        if self.get(key).is_some() { self.size(key) } else { Ok(default) }
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| self.wrong(key, "a number")))
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |v| v.as_bool().ok_or_else(|| self.wrong(key, "true or false")))
    }

    /// Fails unless the field is absent or has the value that the engine knows.
    fn only(&self, key: &str, value: bool) -> Result<()> {
        if self.flag_or(key, value)? == value {
            Ok(())
        } else {
            Err(self.wrong(key, &format!("{value}: the engine knows nothing else")))
        }
    }

    fn gelu(&self, key: &str, default: &str) -> Result<Activation> {
        match self.get(key).map_or(Some(default), Value::as_str) {
            Some("gelu") => Ok(Activation::GeluExact),
            Some("gelu_new" | "gelu_fast" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            _ => Err(self.wrong(key, "gelu, gelu_new, gelu_fast or gelu_pytorch_tanh")),
        }
    }

    /// (base, share of the head that turns): `rope_parameters` in version 5; `rope_theta` or `rotary_emb_base`,
    /// `rotary_pct` or `partial_rotary_factor`, and `rope_scaling` in version 4.
    fn rotary(&self, share: f64) -> Result<(f64, f64)> {
        let nested = self.get("rope_parameters").or_else(|| self.get("rope_scaling"));
        let nested = match nested {
            None => None,
            Some(v) => Some(v.as_object().ok_or_else(|| self.wrong("rope_parameters", "an object"))?),
        };
        if let Some(map) = nested {
            let kind = map.get("rope_type").or_else(|| map.get("type")).and_then(Value::as_str).unwrap_or("default");
            if kind != "default" {
                let message = format!("\"{kind}\", expected \"default\": scaled rotary positions are not known");
                return Err(Error::content(self.path, "rope_type", message));
            }
        }
        let inside = |key: &str| nested.and_then(|m| m.get(key)).and_then(Value::as_f64);
        let base = inside("rope_theta").map_or_else(|| self.number_or("rotary_emb_base", 10_000.0), Ok)?;
        let base = if inside("rope_theta").is_none() { self.number_or("rope_theta", base)? } else { base };
        let share = inside("partial_rotary_factor").map_or_else(|| self.number_or("rotary_pct", share), Ok)?;
        Ok((base, share))
    }
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// An unreadable file; a model type or option that the engine does not have; sizes that do not fit together.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::from_hf(path, &text)
    }

    /// Reads the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_hf(path: &Path, text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text).map_err(|e| Error::content(path, "JSON", e.to_string()))?;
        let map = json.as_object().ok_or_else(|| Error::content(path, "JSON", "expected an object"))?;
        let f = Fields { path, map };
        let config = match f.get("model_type").and_then(Value::as_str) {
            Some("gpt2") => gpt2(&f)?,
            Some("gpt_neox") => gpt_neox(&f)?,
            Some("llama") => llama(&f, Family::Llama)?,
            Some("mistral") => mistral(&f)?,
            Some("qwen2") => llama(&f, Family::Qwen2)?,
            Some("qwen3") => llama(&f, Family::Qwen3)?,
            _ => return Err(f.wrong("model_type", "gpt2, gpt_neox, llama, mistral, qwen2 or qwen3")),
        };
        config.validate().map_err(|e| Error::content(path, "config", e.to_string()))?;
        Ok(config)
    }

    /// The `config.json` of this config, in the spelling of Transformers 5 with version 4's beside it.
    ///
    /// # Errors
    /// An option that the family's models do not have.
    pub fn to_hf(&self) -> Result<Value> {
        let json = match self.family {
            Family::Gpt2 => json!({
                "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": self.vocab,
                "n_embd": self.width, "n_layer": self.layers, "n_head": self.heads, "n_positions": self.context,
                "n_inner": self.inner, "activation_function": gelu_name(self.activation),
                "layer_norm_epsilon": shortest(self.epsilon), "tie_word_embeddings": self.tied,
            }),
            Family::GptNeox => {
                let (base, width) = rotary_of(self);
                let share = width as f64 / self.head_width as f64;
                json!({
                    "model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": self.vocab,
                    "hidden_size": self.width, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
                    "intermediate_size": self.inner, "max_position_embeddings": self.context,
                    "hidden_act": gelu_name(self.activation), "layer_norm_eps": shortest(self.epsilon),
                    "use_parallel_residual": self.parallel_residual, "attention_bias": self.qkv_bias,
                    "tie_word_embeddings": self.tied, "rotary_pct": share, "rotary_emb_base": base,
                    "rope_parameters": {"rope_type": "default", "rope_theta": base, "partial_rotary_factor": share},
                })
            }
            Family::Llama | Family::Qwen2 | Family::Qwen3 => self.llama_to_hf(),
        };
        let back = Self::from_hf(Path::new("config.json"), &json.to_string())?;
        if (Self { scores: Vec::new(), ..self.clone() }) == back {
            Ok(json)
        } else {
            Err(Error::Usage(format!("a {:?} config file cannot say all options of this model", self.family)))
        }
    }

    fn llama_to_hf(&self) -> Value {
        let (kind, class) = match self.family {
            Family::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
            Family::Qwen3 => ("qwen3", "Qwen3ForCausalLM"),
            _ => ("llama", "LlamaForCausalLM"),
        };
        let base = rotary_of(self).0;
        json!({
            "model_type": kind, "architectures": [class], "vocab_size": self.vocab, "hidden_size": self.width,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "head_dim": self.head_width, "intermediate_size": self.inner,
            "max_position_embeddings": self.context, "hidden_act": "silu", "rms_norm_eps": shortest(self.epsilon),
            "attention_bias": self.output_bias, "mlp_bias": self.inner_bias, "tie_word_embeddings": self.tied,
            "rope_theta": base, "rope_parameters": {"rope_type": "default", "rope_theta": base},
        })
    }
}

/// The f64 with the f32's shortest decimal form: 1e-5, not 9.99999974…e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn gelu_name(activation: Activation) -> &'static str {
    if activation == Activation::GeluTanh { "gelu_new" } else { "gelu" }
}

/// Base and width of rotary positions; (0, 0) for learned ones.
fn rotary_of(config: &Config) -> (f64, usize) {
    match config.positions {
        Positions::Rotary { base, width } => (base, width),
        Positions::Learned => (0.0, 0),
    }
}

fn gpt2(f: &Fields) -> Result<Config> {
    f.only("scale_attn_weights", true)?;
    f.only("scale_attn_by_inverse_layer_idx", false)?;
    f.only("add_cross_attention", false)?;
    let (width, heads) = (f.size("n_embd")?, f.size("n_head")?);
    Ok(Config {
        family: Family::Gpt2,
        vocab: f.size("vocab_size")?,
        width,
        layers: f.size("n_layer")?,
        heads,
        kv_heads: heads,
        head_width: divided(f, "n_embd", width, heads)?,
        inner: f.size_or("n_inner", 4 * width)?,
        context: f.size("n_positions")?,
        norm: Norm::Layer { bias: true },
        epsilon: f.number_or("layer_norm_epsilon", 1e-5)? as f32,
        positions: Positions::Learned,
        activation: f.gelu("activation_function", "gelu_new")?,
        parallel_residual: false,
        qkv_bias: true,
        output_bias: true,
        inner_bias: true,
        query_key_norm: false,
        tied: f.flag_or("tie_word_embeddings", true)?,
        scores: Vec::new(),
    })
}

fn gpt_neox(f: &Fields) -> Result<Config> {
    let (width, heads) = (f.size("hidden_size")?, f.size("num_attention_heads")?);
    let head_width = divided(f, "hidden_size", width, heads)?;
    let (base, share) = f.rotary(0.25)?;
    let bias = f.flag_or("attention_bias", true)?;
    Ok(Config {
        family: Family::GptNeox,
        vocab: f.size("vocab_size")?,
        width,
        layers: f.size("num_hidden_layers")?,
        heads,
        kv_heads: heads,
        head_width,
        inner: f.size("intermediate_size")?,
        context: f.size("max_position_embeddings")?,
        norm: Norm::Layer { bias: true },
        epsilon: f.number_or("layer_norm_eps", 1e-5)? as f32,
        positions: Positions::Rotary { base, width: (head_width as f64 * share) as usize },
        activation: f.gelu("hidden_act", "gelu")?,
        parallel_residual: f.flag_or("use_parallel_residual", true)?,
        qkv_bias: bias,
        output_bias: bias,
        inner_bias: true,
        query_key_norm: false,
        tied: f.flag_or("tie_word_embeddings", false)?,
        scores: Vec::new(),
    })
}

/// Llama with other defaults, as long as its window holds the whole context.
fn mistral(f: &Fields) -> Result<Config> {
    let config = llama(f, Family::Llama)?;
    // the key is absent where the file's writer left Transformers' default out
    let window = if f.map.contains_key("sliding_window") { f.size_or("sliding_window", config.context)? } else { 4096 };
    if window < config.context {
        let expected = format!(
            "null or at least max_position_embeddings = {}: sliding windows are not known, a shorter context is",
            config.context
        );
        return Err(Error::content(f.path, "sliding_window", format!("{window}, expected {expected}")));
    }
    Ok(Config { kv_heads: f.size_or("num_key_value_heads", 8)?, ..config })
}

fn llama(f: &Fields, family: Family) -> Result<Config> {
    f.only("use_sliding_window", false)?;
    let kinds = f.get("layer_types").and_then(Value::as_array);
    if let Some(kind) = kinds.and_then(|all| all.iter().find(|kind| **kind != "full_attention")) {
        return Err(Error::content(
            f.path,
            "layer_types",
            format!("{kind}, expected \"full_attention\" in every layer"),
        ));
    }
    if f.get("hidden_act").is_some_and(|v| v != "silu") {
        return Err(f.wrong("hidden_act", "silu"));
    }
    let (width, heads) = (f.size("hidden_size")?, f.size("num_attention_heads")?);
    let head_width = match f.get("head_dim") {
        Some(_) => f.size("head_dim")?,
        None if family == Family::Qwen3 => 128,
        None => divided(f, "hidden_size", width, heads)?,
    };
    let (base, _) = f.rotary(1.0)?;
    let bias = family != Family::Qwen2 && f.flag_or("attention_bias", false)?;
    Ok(Config {
        family,
        vocab: f.size("vocab_size")?,
        width,
        layers: f.size("num_hidden_layers")?,
        heads,
        kv_heads: f.size_or("num_key_value_heads", heads)?,
        head_width,
        inner: f.size("intermediate_size")?,
        context: f.size("max_position_embeddings")?,
        norm: Norm::Rms,
        epsilon: f.number_or("rms_norm_eps", 1e-6)? as f32,
        positions: Positions::Rotary { base, width: head_width },
        activation: Activation::SwiGlu,
        parallel_residual: false,
        qkv_bias: bias || family == Family::Qwen2,
        output_bias: bias,
        inner_bias: family == Family::Llama && f.flag_or("mlp_bias", false)?,
        query_key_norm: family == Family::Qwen3,
        tied: f.flag_or("tie_word_embeddings", false)?,
        scores: Vec::new(),
    })
}

fn divided(f: &Fields, key: &str, width: usize, heads: usize) -> Result<usize> {
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(f.wrong(key, &format!("a multiple of the {heads} heads")));
    }
    Ok(width / heads)
}
