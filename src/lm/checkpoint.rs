//! Everything that a training run needs to go on where it was killed, in one safetensors file.

use super::config::Config;
use super::layout::Layout;
use super::optimizer::AdamW;
use super::weights::{Stored, read_weights, write_stored};
use crate::error::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

const FIRST: &str = "optimizer.first_moment";
const SECOND: &str = "optimizer.second_moment";
const REFERENCE: &str = "reference";
const ADAPTERS: &str = "adapters";
const STATE: &str = "training_state";

/// Weights, the optimiser's moments and step counter, the caller's cursor, and the weights of other models that training holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What is trained, flat: the weights, or low-rank adapters of weights that the caller has.
    pub params: Vec<f32>,
    /// The optimiser.
    pub optimizer: AdamW,
    /// Whatever names the place in the run: the step, the place in the data, the state of random streams.
    pub cursor: String,
    /// The weights of references, flat, one set after the other; empty for none.
    pub reference: Vec<f32>,
}

/// What is not a tensor, as JSON; f64 values survive it exactly.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    config: Config,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    steps: u64,
    cursor: String,
}

impl Checkpoint {
    /// Writes the file, under a temporary name first. Weights have their Hugging Face names, so other readers find them.
    ///
    /// # Errors
    /// Weights or moments that do not fit the config; a path that cannot be written.
    pub fn save(&self, path: &Path, config: &Config) -> Result<()> {
        let layout = Layout::new(config)?;
        let optimizer = &self.optimizer;
        Error::check_shape("moments", self.params.len(), optimizer.first.len())?;
        let state = State {
            config: config.clone(),
            beta1: optimizer.beta1,
            beta2: optimizer.beta2,
            epsilon: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
            steps: optimizer.steps,
            cursor: self.cursor.clone(),
        };
        let state = serde_json::to_vec(&state).map_err(|e| Error::content(path, STATE, e.to_string()))?;
        let mut tensors = if self.params.len() == layout.len() {
            Stored::weights(config, &layout, &self.params)
        } else {
            vec![(ADAPTERS.into(), Stored::numbers(&self.params))]
        };
        for (name, values) in [(FIRST, &optimizer.first), (SECOND, &optimizer.second), (REFERENCE, &self.reference)] {
            if !values.is_empty() {
                tensors.push((name.into(), Stored::numbers(values)));
            }
        }
        tensors.push((STATE.into(), Stored::bytes(&state)));
        write_stored(path, tensors)
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// An unreadable or malformed file; one of another config.
    pub fn load(path: &Path, config: &Config) -> Result<Self> {
        let layout = Layout::new(config)?;
        let content = fs::read(path).map_err(|e| Error::io(path, e))?;
        let wrong = |place: &str, message: String| Error::content(path, place, message);
        let file = SafeTensors::deserialize(&content).map_err(|e| wrong("header", e.to_string()))?;
        let tensor = |name: &str| file.tensor(name).map_err(|e| wrong(name, e.to_string()));
        let state: State = serde_json::from_slice(tensor(STATE)?.data()).map_err(|e| wrong(STATE, e.to_string()))?;
        if state.config != *config {
            return Err(wrong(STATE, "the config differs from the run's".into()));
        }
        let has = |name: &str| file.names().contains(&name);
        let flat = |name: &str, fits: &dyn Fn(usize) -> bool, expected: &str| {
            let view = tensor(name)?;
            let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            if view.dtype() == Dtype::F32 && fits(values.len()) {
                Ok(values)
            } else {
                Err(wrong(name, format!("{:?} × {}, expected F32 × {expected}", view.dtype(), values.len())))
            }
        };
        let params = if has(ADAPTERS) {
            flat(ADAPTERS, &|_| true, "any")?
        } else {
            let mut params = vec![0.0; layout.len()];
            read_weights(&[path.to_path_buf()], config, &layout, &mut params)?;
            params
        };
        let moments = |name: &str| flat(name, &|len| len == params.len(), &params.len().to_string());
        let optimizer = AdamW {
            beta1: state.beta1,
            beta2: state.beta2,
            epsilon: state.epsilon,
            weight_decay: state.weight_decay,
            first: moments(FIRST)?,
            second: moments(SECOND)?,
            steps: state.steps,
        };
        let whole = |len: usize| len.is_multiple_of(layout.len()) || len.is_multiple_of(params.len().max(1));
        let expected = format!("a multiple of {}", layout.len());
        let reference = if has(REFERENCE) { flat(REFERENCE, &whole, &expected)? } else { Vec::new() };
        Ok(Self { params, optimizer, cursor: state.cursor, reference })
    }
}
