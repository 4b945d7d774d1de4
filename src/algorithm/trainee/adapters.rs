//! A trainee that learns low-rank adapters of its weights.

use super::Trainee;
use crate::error::Result;
use crate::lm::{AdamW, Lora};

/// Low-rank adapters in training: the trainee's weights are θ(φ).
#[derive(Clone, Debug)]
pub(super) struct Adapters {
    pub(super) lora: Lora,
    /// θ₀.
    pub(super) base: Vec<f32>,
    /// φ.
    pub(super) values: Vec<f32>,
    pub(super) grad: Vec<f32>,
}

impl Trainee {
    /// Trains low-rank adapters of the present weights, and score heads, instead of all weights; with fresh moments.
    ///
    /// # Errors
    /// Adapters of another config.
    pub fn with_adapters(self, lora: Lora, values: Vec<f32>) -> Result<Self> {
        let (base, grad, optimizer) = (self.params.clone(), vec![0.0; values.len()], AdamW::new(values.len(), 0.0)?);
        let mut trainee = Self { optimizer, adapters: Some(Adapters { lora, base, values, grad }), ..self };
        trainee.merge()?;
        Ok(trainee)
    }

    /// The adapters' table and φ, if they are what is trained.
    pub fn adapters(&self) -> Option<(&Lora, &[f32])> {
        self.adapters.as_ref().map(|a| (&a.lora, a.values.as_slice()))
    }

    /// Makes the weights those of the adapters.
    pub(super) fn merge(&mut self) -> Result<()> {
        self.adapters.as_ref().map_or(Ok(()), |a| a.lora.merge(&a.base, &a.values, &mut self.params))
    }

    /// What training moves, and what brings it back: the weights, or the adapters that make them.
    pub fn trained(&self) -> &[f32] {
        self.adapters.as_ref().map_or(&self.params, |a| &a.values)
    }

    /// The weights that some values of what is trained make.
    pub(in crate::algorithm) fn weights_of(&self, trained: &[f32]) -> Result<Vec<f32>> {
        let Some(adapters) = &self.adapters else { return Ok(trained.to_vec()) };
        let mut weights = vec![0.0; self.params.len()];
        adapters.lora.merge(&adapters.base, trained, &mut weights)?;
        Ok(weights)
    }

    /// Other values of what is trained; the moments stay.
    pub(in crate::algorithm) fn put(&mut self, trained: &[f32]) -> Result<()> {
        match &mut self.adapters {
            None => self.params.copy_from_slice(trained),
            Some(adapters) => adapters.values.copy_from_slice(trained),
        }
        self.merge()
    }
}
