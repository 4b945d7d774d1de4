//! Configs and weights of GGUF files.

use super::{Gguf, TensorInfo};
use crate::error::{Error, Result};
use crate::lm::config::{Activation, Config, Family, Norm, Positions};
use crate::lm::layout::{Layout, Storage, Tensor};
use std::collections::BTreeSet;
use std::fs::File;

const ARCHITECTURE: &str = "general.architecture";
const SUPPORTED: &str = "llama, qwen2, qwen3, gpt2 or gptneox";

/// The values under one architecture's prefix.
struct Fields<'a> {
    file: &'a Gguf,
    prefix: &'static str,
}

impl Fields<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn size(&self, name: &str) -> Result<usize> {
        let key = self.key(name);
        self.file.size(&key)?.ok_or_else(|| self.file.wrong(&key, "a whole number"))
    }

    fn size_or(&self, name: &str, default: usize) -> Result<usize> {
        Ok(self.file.size(&self.key(name))?.unwrap_or(default))
    }

    fn number_or(&self, name: &str, default: f64) -> Result<f64> {
        Ok(self.file.number(&self.key(name))?.unwrap_or(default))
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        self.file.wrong(&self.key(name), expected)
    }

    /// Fails on options that no engine has.
    fn check_options(&self, context: usize) -> Result<()> {
        if self.size_or("expert_count", 0)? > 0 {
            return Err(self.wrong("expert_count", "0: mixtures of experts are not known"));
        }
        if self.size_or("attention.sliding_window", 0)?.wrapping_sub(1) < context.saturating_sub(1) {
            let expected = format!("none, or at least the context of {context}: sliding windows are not known");
            return Err(self.wrong("attention.sliding_window", &expected));
        }
        let scaling = self.file.text(&self.key("rope.scaling.type"))?.unwrap_or("none");
        let factor = self.number_or("rope.scale_linear", 1.0)?;
        if scaling != "none" {
            return Err(self.wrong("rope.scaling.type", "none: scaled rotary positions are not known"));
        }
        if factor != 1.0 {
            return Err(self.wrong("rope.scale_linear", "1: scaled rotary positions are not known"));
        }
        Ok(())
    }
}

impl Gguf {
    /// The config that the metadata and the table of tensors describe.
    ///
    /// # Errors
    /// Another architecture than llama, qwen2, qwen3, gpt2, gptneox; an option that the engines do not have (experts,
    /// sliding windows, scaled rotary positions); a missing or malformed key.
    pub fn config(&self) -> Result<Config> {
        let (family, prefix) = match self.text(ARCHITECTURE)? {
            Some("llama") => (Family::Llama, "llama"),
            Some("qwen2") => (Family::Qwen2, "qwen2"),
            Some("qwen3") => (Family::Qwen3, "qwen3"),
            Some("gpt2") => (Family::Gpt2, "gpt2"),
            Some("gptneox") => (Family::GptNeox, "gptneox"),
            _ => return Err(self.wrong(ARCHITECTURE, SUPPORTED)),
        };
        let f = Fields { file: self, prefix };
        let config = f.config(family)?;
        config.validate().map_err(|e| Error::content(&self.path, ARCHITECTURE, e.to_string()))?;
        Ok(config)
    }

    fn has(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    /// Number of tokens: the rows of the token embedding.
    fn vocab(&self) -> Result<usize> {
        const NAME: &str = "token_embd.weight";
        let wrong = |message: String| Error::content(&self.path, NAME, message);
        match self.tensors.get(NAME).map(|t| t.shape.as_slice()) {
            Some([vocab, _]) => Ok(*vocab),
            Some(shape) => Err(wrong(format!("shape {shape:?}, expected 2 dimensions"))),
            None => Err(wrong("tensor is missing".into())),
        }
    }

    /// The weights, flat, in the order of the config's [`Layout`]. One tensor's part is in memory beside them at a time.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape, holds a value that is not finite, or that this config has no use for;
    /// score heads, which GGUF has no names for.
    pub fn read_weights(&self, config: &Config) -> Result<Vec<f32>> {
        let layout = Layout::new(config)?;
        let mut unused: BTreeSet<&str> = self.tensors.keys().map(String::as_str).collect();
        let mut places = Vec::with_capacity(layout.tensors.len());
        for tensor in &layout.tensors {
            let (name, info) = self.find(config, tensor)?;
            unused.remove(name);
            places.push((tensor, info));
        }
        if let Some(name) = unused.first() {
            let message = format!("a tensor that the engine's {:?} models do not have", config.family);
            return Err(Error::content(&self.path, *name, message));
        }
        // only now, when the file is known to hold all of it
        let mut params = vec![0.0; layout.len()];
        let mut file = File::open(&self.path).map_err(|e| Error::io(&self.path, e))?;
        for (tensor, info) in places {
            let values = &mut params[tensor.range.clone()];
            self.fill(&mut file, info, values)?;
            if let Some(heads) = interleaved_heads(config, &tensor.name) {
                half_split(values, heads, config.head_width);
            }
            check_finite(&self.path, &tensor.name, values)?;
        }
        Ok(params)
    }

    /// Where a tensor of the layout lies.
    fn find(&self, config: &Config, tensor: &Tensor) -> Result<(&str, &TensorInfo)> {
        let name = gguf_name(config.family, &tensor.name)
            .ok_or_else(|| Error::content(&self.path, &*tensor.name, "a tensor that GGUF has no name for"))?;
        let wrong = |message: String| Error::content(&self.path, &*name, message);
        let (key, info) = self.tensors.get_key_value(&name).ok_or_else(|| wrong("tensor is missing".into()))?;
        // linear maps are out × in here, whatever the family's own files do
        let mut shape = tensor.shape.clone();
        if tensor.storage == Storage::Transposed {
            shape.reverse();
        }
        if info.shape != shape {
            return Err(wrong(format!("shape {:?}, expected {shape:?}", info.shape)));
        }
        Ok((key, info))
    }
}

/// Fails if a weight is not finite.
pub(in crate::lm) fn check_finite(path: &std::path::Path, name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::content(path, name, format!("number {i} is {}, expected finite weights", values[i]))),
    }
}

impl Fields<'_> {
    fn config(&self, family: Family) -> Result<Config> {
        let file = self.file;
        let rms = !matches!(family, Family::Gpt2 | Family::GptNeox);
        let (width, heads) = (self.size("embedding_length")?, self.size("attention.head_count")?);
        if heads == 0 || width == 0 {
            return Err(self.wrong(if heads == 0 { "attention.head_count" } else { "embedding_length" }, "at least 1"));
        }
        let context = self.size("context_length")?;
        self.check_options(context)?;
        let head_width = self.size_or("attention.key_length", width / heads)?;
        if self.size_or("attention.value_length", head_width)? != head_width {
            return Err(self.wrong("attention.value_length", &format!("{head_width}, as wide as keys")));
        }
        let turning = self.size_or("rope.dimension_count", head_width)?;
        if rms && turning != head_width {
            return Err(self.wrong("rope.dimension_count", &format!("{head_width}, all of a head")));
        }
        let vocab = file.vocab()?;
        if self.size_or("vocab_size", vocab)? != vocab {
            return Err(self.wrong("vocab_size", &format!("{vocab}, the rows of the token embedding")));
        }
        let epsilon = if rms { "attention.layer_norm_rms_epsilon" } else { "attention.layer_norm_epsilon" };
        let bias = |part: &str| !rms || file.has(&format!("blk.0.{part}.bias"));
        Ok(Config {
            family,
            vocab,
            width,
            layers: self.size("block_count")?,
            heads,
            kv_heads: self.size_or("attention.head_count_kv", heads)?,
            head_width,
            inner: self.size("feed_forward_length")?,
            context,
            norm: if rms { Norm::Rms } else { Norm::Layer { bias: true } },
            epsilon: self.number_or(epsilon, if family == Family::Llama || !rms { 1e-5 } else { 1e-6 })? as f32,
            positions: match family {
                Family::Gpt2 => Positions::Learned,
                _ => Positions::Rotary { base: self.number_or("rope.freq_base", 10_000.0)?, width: turning },
            },
            activation: match family {
                Family::Gpt2 => Activation::GeluTanh,
                Family::GptNeox => Activation::GeluExact,
                _ => Activation::SwiGlu,
            },
            parallel_residual: family == Family::GptNeox
                && file.flag(&self.key("use_parallel_residual"))?.unwrap_or(true),
            qkv_bias: family == Family::Qwen2 || if rms { bias("attn_q") } else { bias("attn_qkv") },
            output_bias: bias("attn_output"),
            inner_bias: bias("ffn_down"),
            query_key_norm: family == Family::Qwen3,
            tied: !file.has("output.weight"),
            scores: Vec::new(),
        })
    }
}

/// (family's name, GGUF's name) of the parts of a block.
const LLAMA: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("self_attn.o_proj", "attn_output"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];
const GPT2: [(&str, &str); 6] = [
    ("ln_1", "attn_norm"),
    ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"),
    ("ln_2", "ffn_norm"),
    ("mlp.c_fc", "ffn_up"),
    ("mlp.c_proj", "ffn_down"),
];
const GPT_NEOX: [(&str, &str); 6] = [
    ("input_layernorm", "attn_norm"),
    ("attention.query_key_value", "attn_qkv"),
    ("attention.dense", "attn_output"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.dense_h_to_4h", "ffn_up"),
    ("mlp.dense_4h_to_h", "ffn_down"),
];

/// The name in a GGUF file of a tensor with this name in a Hugging Face checkpoint.
fn gguf_name(family: Family, name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (block, parts): (&str, &[(&str, &str)]) = match family {
        Family::Gpt2 => ("transformer.h.", &GPT2),
        Family::GptNeox => ("gpt_neox.layers.", &GPT_NEOX),
        Family::Llama | Family::Qwen2 | Family::Qwen3 => ("model.layers.", &LLAMA),
    };
    if let Some(rest) = stem.strip_prefix(block) {
        let (layer, part) = rest.split_once('.')?;
        let (_, ours) = parts.iter().find(|(theirs, _)| *theirs == part)?;
        return Some(format!("blk.{layer}.{ours}.{kind}"));
    }
    let stem = match stem {
        "model.embed_tokens" | "transformer.wte" | "gpt_neox.embed_in" => "token_embd",
        "transformer.wpe" => "position_embd",
        "model.norm" | "transformer.ln_f" | "gpt_neox.final_layer_norm" => "output_norm",
        "lm_head" | "embed_out" => "output",
        _ => return None,
    };
    Some(format!("{stem}.{kind}"))
}

/// How many heads a llama tensor has whose rows the file holds pair by pair; none for other tensors.
fn interleaved_heads(config: &Config, name: &str) -> Option<usize> {
    match config.family {
        Family::Llama if name.contains(".q_proj.") => Some(config.heads),
        Family::Llama if name.contains(".k_proj.") => Some(config.kv_heads),
        _ => None,
    }
}

/// Reorders every head's rows from (0, half, 1, half + 1, …), the pairs that llama.cpp rotates, to (0, 1, 2, …).
fn half_split(values: &mut [f32], heads: usize, head_width: usize) {
    let columns = values.len() / (heads * head_width);
    let mut copy = vec![0.0; head_width * columns];
    for head in values.chunks_exact_mut(head_width * columns) {
        copy.copy_from_slice(head);
        for (row, ours) in head.chunks_exact_mut(columns).enumerate() {
            let half = head_width / 2;
            let theirs = row % half * 2 + row / half;
            ours.copy_from_slice(&copy[theirs * columns..][..columns]);
        }
    }
}
