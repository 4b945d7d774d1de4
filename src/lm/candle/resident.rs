//! A model that lives on a device: its weights, their gradient and the optimiser's moments stay there.

use super::adamw::Learned;
use super::core::Core;
use super::ops::{Adapter, Linear, host, wide};
use super::weights::{Model, Take, upload, variable, whole};
use super::{DType, Device};
use crate::error::{Error, Result};
use crate::lm::batch::{Batch, Choices, Side};
use crate::lm::config::Config;
use crate::lm::device::Placement;
use crate::lm::layout::Layout;
use crate::lm::lora::Lora;
use crate::lm::optimizer::AdamW;
use crate::lm::sampling::{Sample, Sampling};
use crate::lm::transformer::{Keep, Signal};
use crate::lm::weights::Precision;
use crate::rng::Stream;
use candle_core::{Tensor, Var};
use std::ops::Range;

/// Numbers that the optimiser takes together: enough to keep a GPU busy, few enough that the copies in between are small.
const TOGETHER: usize = 1 << 26;

/// Tensors with their places in a flat vector, in its order and without gaps.
type Placed = Vec<(Range<usize>, Tensor)>;

/// A model on a device, and what trains it. What is learned is held in 32 bits; the model computes with a copy in its own type. With
/// low-rank adapters the base is held in that type alone, and the adapters stay apart: y = x Wᵀ + s (x Aᵀ) Bᵀ.
#[derive(Debug)]
pub struct Resident {
    core: Core,
    model: Model,
    /// What the model computes with of what is learned.
    vars: Placed,
    learned: Learned,
    /// One for every variable, in at least 32 bits.
    gradients: Vec<Option<Tensor>>,
    base: Option<Base>,
}

/// What does not learn where adapters do.
#[derive(Clone, Debug)]
struct Base {
    model: Model,
    tensors: Placed,
    lora: Lora,
}

/// A model as it was at some time, on its device.
#[derive(Clone, Debug)]
pub struct Frozen {
    model: Model,
    /// What was learned.
    tensors: Placed,
}

impl Frozen {
    /// What was learned, rounded to the model's type.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn values(&self) -> Result<Vec<f32>> {
        flat(&self.tensors)
    }
}

impl Resident {
    /// Copies weights to a device. The model computes in `dtype`, f32 or bf16; with `checkpointing` a backward pass keeps every block's
    /// input only and computes the rest again.
    ///
    /// # Errors
    /// A config that has no layout; weights that do not fit it; another type; whatever the device refuses.
    pub fn new(config: &Config, params: &[f32], device: &Device, dtype: DType, checkpointing: bool) -> Result<Self> {
        if !matches!(dtype, DType::F32 | DType::BF16) {
            return Err(Error::parameter("dtype", dtype.as_str(), "f32 or bf16"));
        }
        let mut core = Core::new(config, device, dtype, Side::Right)?;
        core.checkpointing = checkpointing;
        Error::check_shape("parameters", core.layout.len(), params.len())?;
        let mut vars = Placed::new();
        let model = whole(
            config,
            &core.layout,
            &mut placing(&mut vars, &|range, shape| variable(&params[range.clone()], shape, device, dtype)),
        )?;
        let (learned, gradients) = (Learned::new(params, device)?, vec![None; vars.len()]);
        Ok(Self { core, model, vars, learned, gradients, base: None })
    }

    /// The same where and how a placement says; the device `cpu` is candle's here.
    ///
    /// # Errors
    /// Those of [`Resident::new`]; a device that is not there or was not built in.
    pub fn on(placement: &Placement, config: &Config, params: &[f32]) -> Result<Self> {
        let dtype = match placement.precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        };
        Self::new(config, params, &placement.device.open()?, dtype, placement.checkpointing)
    }

    /// Learns low-rank adapters of the present weights, and score heads, from here on, with fresh moments.
    ///
    /// # Errors
    /// Adapters of another config; whatever the device refuses.
    pub fn with_adapters(self, lora: Lora, values: &[f32]) -> Result<Self> {
        Error::check_shape("adapter", lora.len(), values.len())?;
        let Self { core, model, vars, .. } = match &self.base {
            // what was learned before becomes part of the weights
            Some(_) => {
                Self::new(self.config(), &self.params()?, &self.core.device, self.core.dtype, self.core.checkpointing)?
            }
            None => self,
        };
        let tensors = vars.into_iter().map(|(range, tensor)| (range, tensor.detach())).collect();
        let base = Base { model: model.detached(), tensors, lora };
        let mut vars = Placed::new();
        let model = base.assemble(
            &core.layout,
            &mut placing(&mut vars, &|range, shape| variable(&values[range.clone()], shape, &core.device, core.dtype)),
        )?;
        let (learned, gradients) = (Learned::new(values, &core.device)?, vec![None; vars.len()]);
        Ok(Self { core, model, vars, learned, gradients, base: Some(base) })
    }

    /// The same weights and moments once more.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn twin(&self) -> Result<Self> {
        let mut vars = Placed::new();
        let mut own = self.vars.iter();
        let model = self.assemble(&mut |range, _| {
            let (_, tensor) = own.next().expect("as many");
            let copy = Var::from_tensor(&tensor.detach())?.into_inner();
            vars.push((range.clone(), copy.clone()));
            Ok(copy)
        })?;
        let mut core = self.core.clone();
        core.forget();
        let gradients = vec![None; vars.len()];
        Ok(Self { core, model, vars, learned: self.learned.twin()?, gradients, base: self.base.clone() })
    }

    /// A model of this base, or of no base, from what `take` gives for everything that is learned, in its order.
    fn assemble(&self, take: &mut Take) -> Result<Model> {
        match &self.base {
            Some(base) => base.assemble(&self.core.layout, take),
            None => whole(&self.core.config, &self.core.layout, take),
        }
    }

    /// Whether backward passes compute activations again.
    pub fn is_checkpointing(&self) -> bool {
        self.core.checkpointing
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// The table of tensors.
    pub fn layout(&self) -> &Layout {
        &self.core.layout
    }

    /// The adapters' table, if they are what is learned.
    pub fn adapters(&self) -> Option<&Lora> {
        self.base.as_ref().map(|b| &b.lora)
    }

    /// What is learned.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn trained(&self) -> Result<Vec<f32>> {
        Ok(host(&self.learned.values)?)
    }

    /// The whole model's weights, adapters merged.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn params(&self) -> Result<Vec<f32>> {
        let Some(base) = &self.base else { return self.trained() };
        let weights = flat(&base.tensors)?;
        let mut merged = vec![0.0; weights.len()];
        base.lora.merge(&weights, &self.trained()?, &mut merged)?;
        Ok(merged)
    }

    /// Other values of what is learned; the moments stay.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn put(&mut self, trained: &[f32]) -> Result<()> {
        Error::check_shape("trained parameters", self.learned.values.elem_count(), trained.len())?;
        self.learned.values = Tensor::from_slice(trained, trained.len(), &self.core.device)?;
        self.refresh()
    }

    /// Makes what the model computes with that which is learned.
    fn refresh(&self) -> Result<()> {
        for (range, var) in &self.vars {
            let value = self.learned.values.narrow(0, range.start, range.len())?;
            let value = value.reshape(var.shape())?.to_dtype(var.dtype())?;
            Var::from_tensor(var)?.set(&value)?;
        }
        Ok(())
    }

    /// The optimiser with its moments.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn optimizer(&self) -> Result<AdamW> {
        self.learned.optimizer()
    }

    /// Another optimiser's settings and moments.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn set_optimizer(&mut self, optimizer: AdamW) -> Result<()> {
        self.learned.set_optimizer(optimizer)
    }

    /// The model as it is now, or with other values of what is learned. Of adapters only they are copied, and those that change nothing
    /// are left out.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn freeze(&self, trained: Option<&[f32]>) -> Result<Frozen> {
        if let Some(trained) = trained {
            Error::check_shape("trained parameters", self.learned.values.elem_count(), trained.len())?;
        }
        let mut tensors = Placed::new();
        let mut own = self.vars.iter();
        let mut model = self.assemble(&mut |range, shape| {
            let (_, var) = own.next().expect("as many");
            let tensor = match trained {
                Some(values) => upload(&values[range.clone()], shape, &self.core.device, self.core.dtype)?,
                None => var.detach().copy()?,
            };
            tensors.push((range.clone(), tensor.clone()));
            Ok(tensor)
        })?;
        for linear in model.blocks.iter_mut().flat_map(|b| [&mut b.qkv, &mut b.out, &mut b.up, &mut b.down]) {
            let mut kept = Vec::new();
            for adapter in linear.adapters.drain(..) {
                if host::<f32>(&adapter.up)?.iter().any(|b| *b != 0.0) {
                    kept.push(adapter);
                }
            }
            linear.adapters = kept;
        }
        Ok(Frozen { model, tensors })
    }

    /// Runs the blocks over a batch.
    ///
    /// # Errors
    /// A token outside the vocabulary, a sequence longer than the context; whatever the device refuses.
    pub fn forward(&mut self, batch: &Batch, keep: Keep) -> Result<()> {
        self.core.forward(self.model.clone(), batch, keep)
    }

    /// The same of a frozen model, for scoring.
    ///
    /// # Errors
    /// As [`Resident::forward`].
    pub fn forward_under(&mut self, frozen: &Frozen, batch: &Batch) -> Result<()> {
        self.core.forward(frozen.model.clone(), batch, Keep::Final)
    }

    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Errors
    /// A row or token that does not exist; whatever the device refuses.
    pub fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]> {
        self.core.log_probs(choices)
    }

    /// The entropy of every choice's distribution, in nats, for the choices of the last [`Resident::log_probs`].
    pub fn entropies(&self) -> &[f64] {
        self.core.head.entropies()
    }

    /// Writes the log-probability of every token for the choices of the last [`Resident::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn distributions(&self, out: &mut [f32]) -> Result<()> {
        self.core.distributions_into(out)
    }

    /// What score head number `head` says at some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A head or row that does not exist; whatever the device refuses.
    pub fn scores(&self, head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        self.core.scores(head, rows)
    }

    /// The final normalised hidden states at some rows of the last batch.
    ///
    /// # Shapes
    /// rows × width.
    ///
    /// # Errors
    /// A row that does not exist; whatever the device refuses.
    pub fn hidden(&self, rows: &[usize]) -> Result<Vec<f64>> {
        self.core.hidden(rows)
    }

    /// Forgets the gradient.
    pub fn clear_gradient(&mut self) {
        self.gradients.fill(None);
    }

    /// Adds the gradient of Σ weight · quantity over what the last forward pass with [`Keep::All`] gave.
    ///
    /// # Errors
    /// No such pass, or one that was used up; a signal that does not fit it; whatever the device refuses.
    pub fn pull(&mut self, signal: &Signal) -> Result<()> {
        let (vars, gradients) = (&self.vars, &mut self.gradients);
        self.core.backward(signal, &mut |id, gradient| {
            let Some(at) = vars.iter().position(|(_, var)| var.id() == id) else { return Ok(()) };
            let gradient = wide(&gradient)?;
            gradients[at] = Some(match gradients[at].take() {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            });
            Ok(())
        })
    }

    /// The gradient so far, by what is learned.
    ///
    /// # Errors
    /// Whatever the device refuses.
    pub fn gradient(&self) -> Result<Vec<f32>> {
        let mut all = vec![0.0; self.learned.values.elem_count()];
        for ((range, _), gradient) in self.vars.iter().zip(&self.gradients) {
            if let Some(gradient) = gradient {
                all[range.clone()].copy_from_slice(&host::<f32>(gradient)?);
            }
        }
        Ok(all)
    }

    /// Moves what is learned down the gradient, scaled down to the norm `clip`, and forgets the gradient; returns its norm before.
    ///
    /// # Errors
    /// A gradient that is not finite (training diverged): nothing has moved.
    pub fn step(&mut self, clip: f64, learning_rate: f64) -> Result<f64> {
        let mut pieces = Vec::new();
        let (mut piece, mut length) = (Vec::new(), 0);
        for ((range, _), gradient) in self.vars.iter().zip(&mut self.gradients) {
            piece.push(match gradient.take() {
                Some(gradient) => gradient.flatten_all()?,
                None => Tensor::zeros(range.len(), DType::F32, &self.core.device)?,
            });
            length += range.len();
            if length >= TOGETHER {
                pieces.push(Tensor::cat(&std::mem::take(&mut piece), 0)?);
                length = 0;
            }
        }
        if !piece.is_empty() {
            pieces.push(Tensor::cat(&piece, 0)?);
        }
        let norm = self.learned.step(&pieces, clip, learning_rate)?;
        self.refresh()?;
        Ok(norm)
    }

    /// A completion of every prompt, as [`Engine::sample`](super::Engine::sample) draws them; adapters are merged for it.
    ///
    /// # Errors
    /// As of [`Engine::sample`](super::Engine::sample).
    pub fn sample<P: AsRef<[u32]>>(
        &mut self,
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        self.core.forget();
        self.core.sample(&self.model.merged()?, prompts, sampling, streams)
    }
}

impl Base {
    /// The base with adapters and score heads from what `take` gives for them.
    fn assemble(&self, layout: &Layout, take: &mut Take) -> Result<Model> {
        let mut model = self.model.clone();
        let scale = self.lora.scale();
        for adapted in self.lora.adapted() {
            let outputs = adapted.matrix.len() / adapted.inputs;
            let down = take(&adapted.down.range, &[self.lora.settings().rank, adapted.inputs])?;
            let up = take(&adapted.up.range, &[outputs, self.lora.settings().rank])?;
            for (block, span) in model.blocks.iter_mut().zip(&layout.layers) {
                let linear: [(&mut Linear, &Range<usize>); 4] = [
                    (&mut block.qkv, &span.qkv.weight),
                    (&mut block.out, &span.out.weight),
                    (&mut block.up, &span.up.weight),
                    (&mut block.down, &span.down.weight),
                ];
                for (linear, place) in linear.into_iter().filter(|(_, place)| place.contains(&adapted.matrix.start)) {
                    let first = (adapted.matrix.start - place.start) / adapted.inputs;
                    let (down, up) = (down.clone(), up.clone());
                    linear.adapters.push(Adapter { rows: first..first + outputs, down, up, scale: f64::from(scale) });
                }
            }
        }
        for (head, span) in model.scores.iter_mut().zip(&layout.scores) {
            let place = |of: &Range<usize>| self.lora.place_of_head(of);
            head.weight = take(&place(&span.weight), head.weight.dims())?;
            head.bias = head.bias.as_ref().map(|b| take(&place(&span.bias), b.dims())).transpose()?;
        }
        Ok(model)
    }
}

/// A [`Take`] that keeps what it gives.
fn placing<'a>(
    placed: &'a mut Placed,
    make: &'a dyn Fn(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> impl FnMut(&Range<usize>, &[usize]) -> Result<Tensor> + 'a {
    move |range, shape| {
        let tensor = make(range, shape)?;
        placed.push((range.clone(), tensor.clone()));
        Ok(tensor)
    }
}

/// Placed tensors as the flat vector.
fn flat(placed: &Placed) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(placed.last().map_or(0, |(range, _)| range.end));
    for (_, tensor) in placed {
        all.extend(host::<f32>(tensor)?);
    }
    Ok(all)
}
