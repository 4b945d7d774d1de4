//! What of a model's tensors learns, and how adapters change its linear maps.

use super::ops::{Adapter, Linear, Norm};
use super::weights::{Block, Model};
use candle_core::{Result, Tensor};

impl Norm {
    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        std::iter::once(&self.scale).chain(&self.shift).collect()
    }

    fn detached(&self) -> Self {
        Self { scale: self.scale.detach(), shift: self.shift.as_ref().map(Tensor::detach), ..*self }
    }
}

impl Linear {
    fn tensors(&self) -> Vec<&Tensor> {
        let factors = self.adapters.iter().flat_map(|a| [&a.down, &a.up]);
        std::iter::once(&self.weight).chain(&self.bias).chain(factors).collect()
    }

    fn detached(&self) -> Self {
        let adapter = |a: &Adapter| Adapter { down: a.down.detach(), up: a.up.detach(), ..a.clone() };
        Self {
            weight: self.weight.detach(),
            bias: self.bias.as_ref().map(Tensor::detach),
            adapters: self.adapters.iter().map(adapter).collect(),
        }
    }

    /// The same map as one matrix.
    fn merged(&self) -> Result<Self> {
        let plain = self.detached();
        if plain.adapters.is_empty() {
            return Ok(plain);
        }
        let (mut pieces, mut at) = (Vec::new(), 0);
        for adapter in &plain.adapters {
            if adapter.rows.start > at {
                pieces.push(plain.weight.narrow(0, at, adapter.rows.start - at)?);
            }
            let own = plain.weight.narrow(0, adapter.rows.start, adapter.rows.len())?;
            pieces.push((own + (adapter.up.matmul(&adapter.down)? * adapter.scale)?)?);
            at = adapter.rows.end;
        }
        let outputs = plain.weight.dim(0)?;
        if at < outputs {
            pieces.push(plain.weight.narrow(0, at, outputs - at)?);
        }
        Ok(Self { weight: Tensor::cat(&pieces, 0)?, adapters: Vec::new(), ..plain })
    }
}

impl Block {
    /// Every tensor.
    pub(super) fn tensors(&self) -> Vec<&Tensor> {
        let norms =
            [Some(&self.attention_norm), self.query_norm.as_ref(), self.key_norm.as_ref(), Some(&self.inner_norm)];
        let of_norms = norms.into_iter().flatten().flat_map(Norm::tensors);
        of_norms.chain(self.linear().into_iter().flat_map(Linear::tensors)).collect()
    }

    /// Whether anything in it learns.
    pub(super) fn learns(&self) -> bool {
        self.tensors().iter().any(|t| t.is_variable())
    }

    fn linear(&self) -> [&Linear; 4] {
        [&self.qkv, &self.out, &self.up, &self.down]
    }

    /// The same tensors without a record of what is done with them.
    pub(super) fn detached(&self) -> Self {
        self.with(|linear| Ok(linear.detached())).expect("nothing is computed")
    }

    fn with(&self, of: impl Fn(&Linear) -> Result<Linear>) -> Result<Self> {
        Ok(Self {
            attention_norm: self.attention_norm.detached(),
            qkv: of(&self.qkv)?,
            query_norm: self.query_norm.as_ref().map(Norm::detached),
            key_norm: self.key_norm.as_ref().map(Norm::detached),
            out: of(&self.out)?,
            inner_norm: self.inner_norm.detached(),
            up: of(&self.up)?,
            down: of(&self.down)?,
        })
    }
}

impl Model {
    /// The same tensors without a record of what is done with them.
    pub(super) fn detached(&self) -> Self {
        self.with(self.blocks.iter().map(Block::detached).collect())
    }

    /// The same without adapters: their products are in the matrices. For many small steps that is faster.
    pub(super) fn merged(&self) -> Result<Self> {
        let blocks = self.blocks.iter().map(|b| b.with(Linear::merged)).collect::<Result<_>>()?;
        Ok(self.with(blocks))
    }

    fn with(&self, blocks: Vec<Block>) -> Self {
        Self {
            tokens: self.tokens.detach(),
            positions: self.positions.as_ref().map(Tensor::detach),
            blocks,
            norm: self.norm.detached(),
            head: self.head.detach(),
            scores: self.scores.iter().map(Linear::detached).collect(),
        }
    }
}
