//! [`AdamW`] on a device: the values that are learned, in 32 bits, and their moments, each one flat vector.

use super::ops::host;
use crate::error::{Error, Result};
use crate::lm::optimizer::AdamW;
use candle_core::{Device, Tensor};

/// Rows that squares are summed in on the device; the sums of rows are added in f64.
const ROW: usize = 1024;

/// Values and moments.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) values: Tensor,
    /// Both moments, from the first step on: a model that only speaks needs none.
    moments: Option<[Tensor; 2]>,
    /// Settings and steps; its own moments are empty.
    settings: AdamW,
}

impl Learned {
    /// With fresh moments.
    pub(super) fn new(values: &[f32], device: &Device) -> Result<Self> {
        let values = Tensor::from_slice(values, values.len(), device)?;
        Ok(Self { values, moments: None, settings: AdamW::new(0, 0.0)? })
    }

    /// All of it once more.
    pub(super) fn twin(&self) -> Result<Self> {
        let moments = match &self.moments {
            Some([first, second]) => Some([first.copy()?, second.copy()?]),
            None => None,
        };
        Ok(Self { values: self.values.copy()?, moments, settings: self.settings.clone() })
    }

    pub(super) fn optimizer(&self) -> Result<AdamW> {
        let (first, second) = match &self.moments {
            Some([first, second]) => (host(first)?, host(second)?),
            None => (vec![0.0; self.values.elem_count()], vec![0.0; self.values.elem_count()]),
        };
        Ok(AdamW { first, second, ..self.settings.clone() })
    }

    pub(super) fn set_optimizer(&mut self, optimizer: AdamW) -> Result<()> {
        let AdamW { first, second, .. } = &optimizer;
        Error::check_shape("moments", self.values.elem_count(), first.len())?;
        let device = self.values.device();
        let [first, second] = [first, second].map(|m| Tensor::from_slice(m, m.len(), device));
        self.moments = Some([first?, second?]);
        self.settings = AdamW { first: Vec::new(), second: Vec::new(), ..optimizer };
        Ok(())
    }

    /// Goes down a gradient that comes in consecutive pieces, scaled down to the norm `clip`; returns its norm before.
    ///
    /// # Errors
    /// A norm that is not finite: nothing has moved.
    pub(super) fn step(&mut self, pieces: &[Tensor], clip: f64, learning_rate: f64) -> Result<f64> {
        let mut squares = 0.0;
        for piece in pieces {
            squares += sum_of_squares(piece)?;
        }
        let norm = squares.sqrt();
        if !norm.is_finite() {
            return Err(Error::NotFinite { what: "gradient norm (training diverged)".into(), value: norm });
        }
        let scale = if norm > clip { clip / norm } else { 1.0 };
        self.settings.steps += 1;
        let moments = match self.moments.take() {
            Some(moments) => moments,
            None => [self.values.zeros_like()?, self.values.zeros_like()?],
        };
        let moments = self.moments.insert(moments).clone();
        let mut start = 0;
        for piece in pieces {
            self.move_piece((start, piece), &moments, scale, learning_rate)?;
            start += piece.elem_count();
        }
        Ok(norm)
    }

    fn move_piece(
        &self,
        (start, grad): (usize, &Tensor),
        [of_first, of_second]: &[Tensor; 2],
        scale: f64,
        learning_rate: f64,
    ) -> candle_core::Result<()> {
        let AdamW { beta1, beta2, epsilon, weight_decay, steps, .. } = self.settings;
        let t = i32::try_from(steps).unwrap_or(i32::MAX);
        let at = |of: &Tensor| of.narrow(0, start, grad.elem_count());
        let grad = if scale < 1.0 { (grad * scale)? } else { grad.clone() };
        let first = ((at(of_first)? * beta1)? + (&grad * (1.0 - beta1))?)?;
        of_first.slice_set(&first, 0, start)?;
        let second = ((at(of_second)? * beta2)? + (grad.sqr()? * (1.0 - beta2))?)?;
        of_second.slice_set(&second, 0, start)?;
        let root = second.sqrt()?.affine(1.0 / (1.0 - beta2.powi(t)).sqrt(), epsilon)?;
        let step = ((first / root)? * (learning_rate / (1.0 - beta1.powi(t))))?;
        let kept = if weight_decay > 0.0 {
            (at(&self.values)? * (1.0 - learning_rate * weight_decay))?
        } else {
            at(&self.values)?
        };
        self.values.slice_set(&(kept - step)?, 0, start)
    }
}

/// In rows on the device: one sum of all would be one thread block's work.
fn sum_of_squares(piece: &Tensor) -> candle_core::Result<f64> {
    let count = piece.elem_count();
    let (rows, tail) = (count / ROW, count % ROW);
    let mut sums: Vec<f64> = Vec::new();
    if rows > 0 {
        let whole = piece.narrow(0, 0, rows * ROW)?.reshape((rows, ROW))?.sqr()?.sum(1)?;
        sums.extend(whole.to_vec1::<f32>()?.into_iter().map(f64::from));
    }
    if tail > 0 {
        sums.push(f64::from(piece.narrow(0, rows * ROW, tail)?.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    Ok(sums.iter().sum())
}
