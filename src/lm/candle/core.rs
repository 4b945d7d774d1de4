//! What both engines of this module compute with: a forward pass and a backward pass of a model whose tensors are on a device.
//!
//! A pass goes block by block. Every block starts from a detached copy of what came before and leaves a record of its own operations; the
//! backward pass takes the blocks from the last to the first, each with the gradient of its result, and lets go of its record. With
//! checkpointing the records are not kept but made again, from the same inputs by the same operations: memory of one block instead of
//! all, for a forward pass more.

use super::head::Head;
use super::padded::Padded;
use super::weights::{Block, Model};
use super::{DType, Device};
use crate::error::{Error, Result};
use crate::lm::batch::{Batch, Side};
use crate::lm::config::{Config, Positions};
use crate::lm::layout::Layout;
use crate::lm::parts::parts;
use crate::lm::transformer::{Keep, Signal, check_batch, check_signal};
use candle_core::{Tensor, TensorId, Var};

/// Logits held at a time on the CPU: 64 MB in 32 bits, a few times that in the backward pass.
const CHUNK_ON_CPU: usize = 1 << 24;
/// Logits held at a time on a GPU: 256 MB.
const CHUNK_ON_GPU: usize = 1 << 26;
/// Tokens that go through the blocks at a time where only the final states are kept.
const TOKENS_ON_CPU: usize = 1 << 12;
const TOKENS_ON_GPU: usize = 1 << 15;

/// A config on a device, and the last pass.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) layout: Layout,
    pub(super) device: Device,
    pub(super) dtype: DType,
    pub(super) padding: Side,
    /// Most logits held at a time.
    pub(super) chunk: usize,
    /// Most tokens of a part of a batch that is only scored.
    pub(super) most: usize,
    /// Whether the backward pass makes the blocks' records again.
    pub(super) checkpointing: bool,
    /// Cosines and sines, context × half; none without rotary positions.
    pub(super) rotary: Option<(Tensor, Tensor)>,
    pub(super) batch: Batch,
    /// What the last forward pass left; none of an empty batch.
    pub(super) pass: Option<Pass>,
    pub(super) head: Head,
}

/// What a forward pass leaves.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) model: Model,
    /// Where every row of the batch lies among `hidden`.
    pub(super) places: Vec<u32>,
    /// The final normalised states, padded rows × width; without a record.
    pub(super) hidden: Tensor,
    /// What a backward pass needs.
    record: Option<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    input: Padded,
    blocks: Vec<Step>,
    /// What the final norm was taken of.
    last: Tensor,
}

/// One block's input, and its result with the record that leads back to it.
#[derive(Clone, Debug)]
struct Step {
    input: Tensor,
    result: Option<Tensor>,
}

/// Takes a gradient, and the variable's identity; the same may come twice, to be added.
pub(super) type Sink<'a> = dyn FnMut(TensorId, Tensor) -> Result<()> + 'a;

impl Core {
    pub(super) fn new(config: &Config, device: &Device, dtype: DType, padding: Side) -> Result<Self> {
        let layout = Layout::new(config)?;
        if !matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            return Err(Error::parameter("dtype", dtype.as_str(), "f64, f32, f16 or bf16"));
        }
        let rotary = match config.positions {
            Positions::Rotary { base, width } if width > 0 => {
                Some(rotary_table(base, width, config.context, device, dtype)?)
            }
            _ => None,
        };
        let (chunk, most) = if device.is_cpu() { (CHUNK_ON_CPU, TOKENS_ON_CPU) } else { (CHUNK_ON_GPU, TOKENS_ON_GPU) };
        Ok(Self {
            layout,
            device: device.clone(),
            dtype,
            padding,
            chunk,
            most,
            checkpointing: false,
            rotary,
            batch: Batch::default(),
            pass: None,
            head: Head::default(),
            config: config.clone(),
        })
    }

    /// The last pass's memory is free before the next one asks for more.
    pub(super) fn forget(&mut self) {
        self.head = Head::default();
        self.pass = None;
    }

    /// Runs the blocks over a batch.
    pub(super) fn forward(&mut self, model: Model, batch: &Batch, keep: Keep) -> Result<()> {
        self.forget();
        check_batch(&self.config, batch)?;
        self.batch.clone_from(batch);
        if !batch.tokens().is_empty() {
            self.pass =
                Some(if keep == Keep::All { self.recorded(model, batch)? } else { self.unrecorded(&model, batch)? });
        }
        Ok(())
    }

    fn recorded(&self, model: Model, batch: &Batch) -> Result<Pass> {
        let input = Padded::new(batch, self.padding, &self.device, self.dtype)?;
        let angles = self.angles(&input)?;
        let mut blocks = Vec::with_capacity(model.blocks.len());
        let mut x = Self::embed(&model, &input)?.detach();
        for block in &model.blocks {
            let (from, result) = if self.checkpointing {
                let plain = block.detached();
                (x.clone(), self.block(&plain, &input, &x, angles.as_ref(), None)?)
            } else {
                let from = Var::from_tensor(&x)?.into_inner();
                let result = self.block(block, &input, &from, angles.as_ref(), None)?;
                (from, result)
            };
            x = result.detach();
            blocks.push(Step { input: from, result: (!self.checkpointing).then_some(result) });
        }
        let hidden = model.norm.forward(&x)?.detach();
        let places = input.places.clone();
        Ok(Pass { model, places, hidden, record: Some(Record { input, blocks, last: x }) })
    }

    /// Part by part: the memory is that of one part's block.
    fn unrecorded(&self, model: &Model, batch: &Batch) -> Result<Pass> {
        let model = model.detached();
        let (mut hidden, mut places, mut before) = (Vec::new(), Vec::with_capacity(batch.tokens().len()), 0);
        let mut own = Batch::default();
        for part in parts(batch.all_rows().map(|r| r.len()), self.most) {
            own.clone_from_part(batch, part);
            if own.tokens().is_empty() {
                continue;
            }
            let input = Padded::new(&own, self.padding, &self.device, self.dtype)?;
            hidden.push(self.run(&model, &input, None)?);
            places.extend(input.places.iter().map(|p| before + p));
            before += (input.sequences * input.length) as u32;
        }
        let hidden = if hidden.len() == 1 { hidden.remove(0) } else { Tensor::cat(&hidden, 0)? };
        Ok(Pass { model, places, hidden, record: None })
    }

    /// The gradient of what `signal` weighs, variable by variable; nothing where no weight reaches one.
    pub(super) fn backward(&mut self, signal: &Signal, sink: &mut Sink) -> Result<()> {
        check_signal(&self.layout, self.config.vocab, &self.batch, self.head.choices.len(), signal)?;
        if self.batch.tokens().is_empty() {
            return Ok(());
        }
        let record = self.pass.as_mut().and_then(|p| p.record.take());
        let record =
            record.ok_or_else(|| Error::Usage("backward needs a forward pass with Keep::All before it".into()))?;
        let pass = self.pass.as_ref().expect("it had a record");
        if let Some(pull) = self.pull(pass, signal, sink)? {
            self.descend(&pass.model, record, &pull, sink)?;
        }
        Ok(())
    }

    /// From the gradient by the final states down to the embeddings.
    fn descend(&self, model: &Model, record: Record, pull: &Tensor, sink: &mut Sink) -> Result<()> {
        let Record { input, mut blocks, last } = record;
        let angles = self.angles(&input)?;
        // below the first of these there is nothing to learn
        let embedded = model.tokens.is_variable() || model.positions.as_ref().is_some_and(Tensor::is_variable);
        let lowest = if embedded { 0 } else { model.blocks.iter().position(Block::learns).unwrap_or(blocks.len()) };
        let last = Var::from_tensor(&last)?;
        let result = model.norm.forward(&last)?;
        let mut pull = Self::through(&result, &last, pull, &model.norm.tensors(), sink)?;
        while blocks.len() > lowest {
            let Some(Step { input: from, result }) = blocks.pop() else { break };
            let block = &model.blocks[blocks.len()];
            let (from, result) = if let Some(result) = result {
                (from, result)
            } else {
                let from = Var::from_tensor(&from)?.into_inner();
                let result = self.block(block, &input, &from, angles.as_ref(), None)?;
                (from, result)
            };
            pull = Self::through(&result, &from, &pull, &block.tensors(), sink)?;
        }
        if embedded {
            self.pull_embeddings(model, &input, &pull, sink)?;
        }
        Ok(())
    }

    /// One step of the chain rule: hands out the gradients of `learned`, returns that by `from`.
    fn through(result: &Tensor, from: &Tensor, pull: &Tensor, learned: &[&Tensor], sink: &mut Sink) -> Result<Tensor> {
        // the gradient of this sum by `result` is `pull`
        let mut store = (result * pull.to_dtype(result.dtype())?)?.backward()?;
        for tensor in learned.iter().filter(|t| t.is_variable()) {
            if let Some(gradient) = store.remove(tensor) {
                sink(tensor.id(), gradient.detach())?;
            }
        }
        let missing = || Error::Device("no gradient reached a block's input".into());
        Ok(store.remove(from).ok_or_else(missing)?.detach())
    }

    /// Sums over all places of a token, in at least 32 bits.
    fn pull_embeddings(&self, model: &Model, input: &Padded, pull: &Tensor, sink: &mut Sink) -> Result<()> {
        let pull = super::ops::wide(pull)?;
        let mut scatter = |table: &Tensor, at: &Tensor| -> Result<()> {
            let zeros = Tensor::zeros(table.shape(), pull.dtype(), &self.device)?;
            sink(table.id(), zeros.index_add(at, &pull, 0)?)
        };
        if model.tokens.is_variable() {
            scatter(&model.tokens, &input.tokens)?;
        }
        match &model.positions {
            Some(positions) if positions.is_variable() => scatter(positions, &input.positions),
            _ => Ok(()),
        }
    }
}

/// # Formula
/// cos and sin of p · base^(−2i/width), i < width / 2; frequencies and angles rounded to f32 as in Transformers.
fn rotary_table(base: f64, width: usize, context: usize, device: &Device, dtype: DType) -> Result<(Tensor, Tensor)> {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half).map(|i| base.powf(-(2.0 * i as f64) / width as f64) as f32).collect();
    let angles = || (0..context).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
    let table = |f: fn(f64) -> f64| -> Result<Tensor> {
        let values: Vec<f64> = angles().map(f).collect();
        Ok(Tensor::from_vec(values, (context, half), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
    };
    Ok((table(f64::cos)?, table(f64::sin)?))
}
