//! Where every named tensor lies in the flat parameter vector.

use super::config::{Config, Family, Norm, Positions};
use crate::error::{Error, Result};
use std::ops::Range;

/// How a tensor's file form differs from its rows in the flat vector, which are always `out × in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// As in the file.
    Plain,
    /// The file holds `in × out` (GPT-2's `Conv1D`).
    Transposed,
    /// The file's rows go head by head, q, k and v of a head together (GPT-NeoX); ours go q of all heads, k, v.
    HeadByHead,
}

/// What a tensor is, for initialisation and weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An embedding or a linear map's matrix.
    Matrix,
    /// A matrix that writes into the residual stream; GPT-2 starts it smaller.
    ResidualMatrix,
    /// A norm's scale; starts at one.
    Scale,
    /// A bias or shift; starts at zero.
    Bias,
}

/// A named tensor's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in a Hugging Face checkpoint.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Where it lies in the flat vector.
    pub range: Range<usize>,
    /// How the file's form differs.
    pub storage: Storage,
    /// What it is.
    pub role: Role,
}

/// A norm's scale and shift; the shift is empty if there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct NormSpan {
    pub(crate) scale: Range<usize>,
    pub(crate) shift: Range<usize>,
}

/// A linear map's matrix and bias; the bias is empty if there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinearSpan {
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
}

/// One block's parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerSpan {
    pub(crate) attention_norm: NormSpan,
    /// q, k, v rows one after the other.
    pub(crate) qkv: LinearSpan,
    pub(crate) query_norm: Range<usize>,
    pub(crate) key_norm: Range<usize>,
    pub(crate) out: LinearSpan,
    pub(crate) inner_norm: NormSpan,
    /// Gate rows, then up rows, for `SwiGLU`.
    pub(crate) up: LinearSpan,
    pub(crate) down: LinearSpan,
}

/// The table of tensors of a config, in the order of the flat vector.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Every tensor.
    pub tensors: Vec<Tensor>,
    pub(crate) tokens: Range<usize>,
    pub(crate) positions: Range<usize>,
    pub(crate) layers: Vec<LayerSpan>,
    pub(crate) norm: NormSpan,
    /// The output matrix; the token embedding if tied.
    pub(crate) head: Range<usize>,
    pub(crate) scores: Vec<LinearSpan>,
}

/// Hands out consecutive ranges.
struct Builder {
    tensors: Vec<Tensor>,
    at: usize,
}

impl Builder {
    fn push(&mut self, name: String, shape: &[usize], storage: Storage, role: Role) -> Range<usize> {
        let range = self.at..self.at + shape.iter().product::<usize>();
        self.at = range.end;
        self.tensors.push(Tensor { name, shape: shape.to_vec(), range: range.clone(), storage, role });
        range
    }

    fn norm(&mut self, name: &str, width: usize, norm: Norm) -> NormSpan {
        let scale = self.push(format!("{name}.weight"), &[width], Storage::Plain, Role::Scale);
        let shift = match norm {
            Norm::Layer { bias: true } => self.push(format!("{name}.bias"), &[width], Storage::Plain, Role::Bias),
            Norm::Layer { bias: false } | Norm::Rms => 0..0,
        };
        NormSpan { scale, shift }
    }

    /// One linear map under one name, or several whose rows follow each other: all matrices, then all biases.
    fn linear(&mut self, parts: &[(String, usize)], inputs: usize, bias: bool, form: (Storage, Role)) -> LinearSpan {
        let start = self.at;
        for (name, outputs) in parts {
            let shape = if form.0 == Storage::Transposed { [inputs, *outputs] } else { [*outputs, inputs] };
            self.push(format!("{name}.weight"), &shape, form.0, form.1);
        }
        let weight = start..self.at;
        let start = self.at;
        if bias {
            let storage = if form.0 == Storage::Transposed { Storage::Plain } else { form.0 };
            for (name, outputs) in parts {
                self.push(format!("{name}.bias"), &[*outputs], storage, Role::Bias);
            }
        }
        LinearSpan { weight, bias: start..self.at }
    }
}

/// The names of a family's tensors.
struct Names {
    tokens: &'static str,
    positions: &'static str,
    block: &'static str,
    attention_norm: &'static str,
    qkv: &'static [&'static str],
    out: &'static str,
    inner_norm: &'static str,
    up: &'static [&'static str],
    down: &'static str,
    norm: &'static str,
    head: &'static str,
}

const GPT2: Names = Names {
    tokens: "transformer.wte.weight",
    positions: "transformer.wpe.weight",
    block: "transformer.h",
    attention_norm: "ln_1",
    qkv: &["attn.c_attn"],
    out: "attn.c_proj",
    inner_norm: "ln_2",
    up: &["mlp.c_fc"],
    down: "mlp.c_proj",
    norm: "transformer.ln_f",
    head: "lm_head.weight",
};

const GPT_NEOX: Names = Names {
    tokens: "gpt_neox.embed_in.weight",
    positions: "gpt_neox.embed_positions.weight",
    block: "gpt_neox.layers",
    attention_norm: "input_layernorm",
    qkv: &["attention.query_key_value"],
    out: "attention.dense",
    inner_norm: "post_attention_layernorm",
    up: &["mlp.dense_h_to_4h"],
    down: "mlp.dense_4h_to_h",
    norm: "gpt_neox.final_layer_norm",
    head: "embed_out.weight",
};

const LLAMA: Names = Names {
    tokens: "model.embed_tokens.weight",
    positions: "model.embed_positions.weight",
    block: "model.layers",
    attention_norm: "input_layernorm",
    qkv: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    out: "self_attn.o_proj",
    inner_norm: "post_attention_layernorm",
    up: &["mlp.gate_proj", "mlp.up_proj"],
    down: "mlp.down_proj",
    norm: "model.norm",
    head: "lm_head.weight",
};

impl Layout {
    /// The table of a config.
    ///
    /// # Errors
    /// A config that [`Config::validate`] refuses, or one that its family has no names for: a fused q, k, v matrix
    /// (GPT-2, GPT-NeoX) has equally many key-value heads; `SwiGLU` needs a gate's name.
    pub fn new(config: &Config) -> Result<Self> {
        config.validate()?;
        let (names, storage, fused) = match config.family {
            Family::Gpt2 => (&GPT2, Storage::Transposed, Storage::Transposed),
            Family::GptNeox => (&GPT_NEOX, Storage::Plain, Storage::HeadByHead),
            Family::Llama | Family::Qwen2 | Family::Qwen3 => (&LLAMA, Storage::Plain, Storage::Plain),
        };
        if names.qkv.len() == 1 && config.kv_heads != config.heads {
            return Err(Error::parameter("kv_heads", config.kv_heads, "as many as heads in GPT-2 and GPT-NeoX"));
        }
        let mut b = Builder { tensors: Vec::new(), at: 0 };
        let width = config.width;
        let tokens = b.push(names.tokens.into(), &[config.vocab, width], Storage::Plain, Role::Matrix);
        let positions = match config.positions {
            Positions::Learned => {
                b.push(names.positions.into(), &[config.context, width], Storage::Plain, Role::Matrix)
            }
            Positions::Rotary { .. } => 0..0,
        };
        let layers = (0..config.layers).map(|l| layer(&mut b, config, names, l, storage, fused)).collect();
        let norm = b.norm(names.norm, width, config.norm);
        let head = if config.tied {
            tokens.clone()
        } else {
            b.push(names.head.into(), &[config.vocab, width], Storage::Plain, Role::Matrix)
        };
        let form = (Storage::Plain, Role::Matrix);
        let scores =
            config.scores.iter().map(|h| b.linear(&[(h.name.clone(), h.outputs)], width, true, form)).collect();
        Ok(Self { tensors: b.tensors, tokens, positions, layers, norm, head, scores })
    }

    /// Length of the flat vector.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.range.end)
    }

    /// Never: a layout has at least the token embedding.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`], with the nearest name.
    pub fn tensor(&self, name: &str) -> Result<&Tensor> {
        let names = || self.tensors.iter().map(|t| t.name.as_str());
        self.tensors.iter().find(|t| t.name == name).ok_or_else(|| Error::unknown("tensor", name, names()))
    }
}

fn layer(b: &mut Builder, config: &Config, names: &Names, l: usize, storage: Storage, fused: Storage) -> LayerSpan {
    let width = config.width;
    let name = |part: &str| format!("{}.{l}.{part}", names.block);
    let single = |part: &str, outputs: usize| [(name(part), outputs)];
    let attention_norm = b.norm(&name(names.attention_norm), width, config.norm);
    let columns = [config.query_width(), config.kv_width(), config.kv_width()];
    let qkv_parts: Vec<_> = match names.qkv {
        [one] => single(one, config.qkv_width()).to_vec(),
        three => three.iter().zip(columns).map(|(part, columns)| (name(part), columns)).collect(),
    };
    let qkv = b.linear(&qkv_parts, width, config.qkv_bias, (fused, Role::Matrix));
    let head_norm = |b: &mut Builder, part: &str| {
        if config.query_key_norm { b.push(name(part), &[config.head_width], Storage::Plain, Role::Scale) } else { 0..0 }
    };
    let query_norm = head_norm(b, "self_attn.q_norm.weight");
    let key_norm = head_norm(b, "self_attn.k_norm.weight");
    let writes = (storage, Role::ResidualMatrix);
    let out = b.linear(&single(names.out, width), config.query_width(), config.output_bias, writes);
    let inner_norm = b.norm(&name(names.inner_norm), width, config.norm);
    let up_parts: Vec<_> = if config.up_width() == config.inner {
        single(names.up.last().expect("a name"), config.inner).to_vec()
    } else {
        let gate = ["mlp.gate_proj", "mlp.up_proj"];
        gate.iter().map(|part| (name(part), config.inner)).collect()
    };
    let up = b.linear(&up_parts, width, config.inner_bias, (storage, Role::Matrix));
    let down = b.linear(&single(names.down, width), config.inner, config.inner_bias, writes);
    LayerSpan { attention_norm, qkv, query_norm, key_norm, out, inner_norm, up, down }
}
