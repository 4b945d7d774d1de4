//! What a decoder transformer is made of, and the five public families as presets.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Far above every published model, and low enough that a config file cannot ask for a table that does not fit in memory.
const MOST_LAYERS: usize = 1 << 12;
/// 2^46: lengths in bytes stay far from overflow.
const MOST_PARAMETERS: f64 = (1_u64 << 46) as f64;

/// Whose names and file conventions the weights follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// GPT-2: learned positions, weights of linear maps stored `in × out`.
    Gpt2,
    /// GPT-NeoX (Pythia): partial rotary positions, parallel residual, q, k, v interleaved per head.
    GptNeox,
    /// Llama (`SmolLM2`).
    Llama,
    /// Qwen2: Llama with biases on q, k, v.
    Qwen2,
    /// Qwen3: Llama with norms on every head's q and k.
    Qwen3,
}

/// How a residual row is normalised before a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Mean subtracted, divided by √(variance + ε), scaled; shifted if `bias`.
    Layer {
        /// Whether a shift is learned.
        bias: bool,
    },
    /// Divided by √(mean square + ε), scaled.
    Rms,
}

/// How a token knows its position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A learned vector per position, added to the token's embedding.
    Learned,
    /// The first `width` coordinates of every head's q and k are rotated, half-split pairs (i, i + width/2), by
    /// position · base^(−2i/width).
    Rotary {
        /// The base of the wavelengths.
        base: f64,
        /// How many coordinates of a head turn; even, at most the head's width.
        width: usize,
    },
}

/// The non-linearity of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Φ(x).
    GeluExact,
    /// The tanh approximation of x Φ(x) (GPT-2's).
    GeluTanh,
    /// silu(gate) · up, from two projections.
    SwiGlu,
}

/// A linear map from the final hidden state to scores: a value, reward, verifier or classifier head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreHead {
    /// The tensors are `<name>.weight` and `<name>.bias`.
    pub name: String,
    /// Scores per position.
    pub outputs: usize,
}

/// A decoder transformer.
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own in the models' config files")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Names and file conventions.
    pub family: Family,
    /// Number of tokens.
    pub vocab: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Width of the feed-forward block.
    pub inner: usize,
    /// Longest sequence.
    pub context: usize,
    /// Normalisation before attention, before feed-forward and before the output.
    pub norm: Norm,
    /// The norm's ε.
    pub epsilon: f32,
    /// How positions enter.
    pub positions: Positions,
    /// The feed-forward non-linearity.
    pub activation: Activation,
    /// Attention and feed-forward both read the block's input (GPT-NeoX) instead of one after the other.
    pub parallel_residual: bool,
    /// Biases on q, k, v.
    pub qkv_bias: bool,
    /// Bias on attention's output.
    pub output_bias: bool,
    /// Biases in the feed-forward block.
    pub inner_bias: bool,
    /// RMS norm over every head's q and k, before rotation (Qwen3).
    pub query_key_norm: bool,
    /// The output matrix is the token embedding.
    pub tied: bool,
    /// Heads beside the next-token distribution.
    #[serde(default)]
    pub scores: Vec<ScoreHead>,
}

/// The sizes that a preset leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of tokens.
    pub vocab: usize,
    /// Width of the residual stream; `heads` divides it.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Longest sequence.
    pub context: usize,
}

impl Config {
    /// GPT-2: `LayerNorm`, learned positions, GELU (tanh), biases, tied.
    pub fn gpt2(size: Size) -> Self {
        Self {
            family: Family::Gpt2,
            vocab: size.vocab,
            width: size.width,
            layers: size.layers,
            heads: size.heads,
            kv_heads: size.heads,
            head_width: size.width / size.heads.max(1),
            inner: 4 * size.width,
            context: size.context,
            norm: Norm::Layer { bias: true },
            epsilon: 1e-5,
            positions: Positions::Learned,
            activation: Activation::GeluTanh,
            parallel_residual: false,
            qkv_bias: true,
            output_bias: true,
            inner_bias: true,
            query_key_norm: false,
            tied: true,
            scores: Vec::new(),
        }
    }

    /// GPT-NeoX (Pythia): `LayerNorm`, rotary on a quarter of each head, exact GELU, parallel residual, untied.
    pub fn gpt_neox(size: Size) -> Self {
        let gpt2 = Self::gpt2(size);
        Self {
            family: Family::GptNeox,
            positions: Positions::Rotary { base: 10_000.0, width: gpt2.head_width / 4 / 2 * 2 },
            activation: Activation::GeluExact,
            parallel_residual: true,
            tied: false,
            ..gpt2
        }
    }

    /// Llama: RMS norm, rotary, `SwiGLU` of 8/3 the width rounded up to whole eights, no biases, untied.
    pub fn llama(size: Size) -> Self {
        let gpt2 = Self::gpt2(size);
        Self {
            family: Family::Llama,
            inner: (8 * size.width).div_ceil(3).next_multiple_of(8),
            norm: Norm::Rms,
            positions: Positions::Rotary { base: 10_000.0, width: gpt2.head_width },
            activation: Activation::SwiGlu,
            qkv_bias: false,
            output_bias: false,
            inner_bias: false,
            tied: false,
            ..gpt2
        }
    }

    /// Qwen2: [`Config::llama`] with biases on q, k, v; tied, ε 1e-6.
    pub fn qwen2(size: Size) -> Self {
        Self { family: Family::Qwen2, qkv_bias: true, tied: true, epsilon: 1e-6, ..Self::llama(size) }
    }

    /// Qwen3: [`Config::llama`] with norms on q and k; tied, ε 1e-6.
    pub fn qwen3(size: Size) -> Self {
        Self { family: Family::Qwen3, query_key_norm: true, tied: true, epsilon: 1e-6, ..Self::llama(size) }
    }

    /// Columns of q: all heads side by side.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Columns of k, and of v.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Columns of q, k and v side by side.
    pub(crate) fn qkv_width(&self) -> usize {
        self.query_width() + 2 * self.kv_width()
    }

    /// Columns of the first feed-forward projection: gate and up side by side for `SwiGLU`.
    pub(crate) fn up_width(&self) -> usize {
        if self.activation == Activation::SwiGlu { 2 * self.inner } else { self.inner }
    }

    /// Fails unless every size and option is legal and they fit together.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is not.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("vocab", self.vocab),
            ("width", self.width),
            ("layers", self.layers),
            ("heads", self.heads),
            ("kv_heads", self.kv_heads),
            ("head_width", self.head_width),
            ("inner", self.inner),
            ("context", self.context),
        ];
        for (name, value) in sizes {
            if value == 0 || value > 1 << 30 {
                return Err(Error::parameter(name, value, "at least 1 and at most 2^30"));
            }
        }
        if self.layers > MOST_LAYERS {
            return Err(Error::parameter("layers", self.layers, format!("at most {MOST_LAYERS}")));
        }
        let block = self.width as f64 * (self.query_width() + self.qkv_width() + 3 * self.inner) as f64;
        let total = (self.vocab + self.context) as f64 * 2.0 * self.width as f64 + self.layers as f64 * block;
        if total > MOST_PARAMETERS {
            return Err(Error::Usage(format!("a config of about {total:.1e} parameters; at most 2^46 are possible")));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::parameter("kv_heads", self.kv_heads, format!("a divisor of heads = {}", self.heads)));
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(Error::parameter("epsilon", self.epsilon, "positive and finite"));
        }
        if let Positions::Rotary { base, width } = self.positions {
            if !(base > 0.0 && base.is_finite()) {
                return Err(Error::parameter("positions.base", base, "positive and finite"));
            }
            if width % 2 == 1 || width > self.head_width {
                let legal = format!("even and at most head_width = {}", self.head_width);
                return Err(Error::parameter("positions.width", width, legal));
            }
        }
        for (i, head) in self.scores.iter().enumerate() {
            if head.outputs == 0 {
                return Err(Error::parameter(format!("scores.{}", head.name), 0, "at least 1 output"));
            }
            if head.name.is_empty() || self.scores[..i].iter().any(|h| h.name == head.name) {
                return Err(Error::parameter("scores", &head.name, "heads with different, non-empty names"));
            }
        }
        Ok(())
    }
}
