//! Solutions as a model of steps sees them: what is active in each step.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Solutions of several steps, each a set of active features (indices of ones; all else is zero), one after the other in flat arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solutions {
    features: usize,
    active: Vec<u32>,
    /// Where each step's features end.
    step_ends: Vec<usize>,
    /// Steps of each solution.
    lengths: Vec<usize>,
    /// Where each solution's steps begin.
    starts: Vec<usize>,
}

impl Solutions {
    /// None yet, over `features` features.
    pub fn new(features: usize) -> Self {
        Self { features, ..Self::default() }
    }

    /// Adds a solution.
    ///
    /// # Errors
    /// A feature that does not exist. Then nothing is added.
    pub fn push<S: AsRef<[u32]>>(&mut self, steps: impl IntoIterator<Item = S>) -> Result<()> {
        let (active, ends) = (self.active.len(), self.step_ends.len());
        for step in steps {
            if let Some(wrong) = step.as_ref().iter().find(|f| **f as usize >= self.features) {
                let wrong = *wrong;
                self.active.truncate(active);
                self.step_ends.truncate(ends);
                return Err(Error::parameter("feature", wrong, format!("below {}", self.features)));
            }
            self.active.extend_from_slice(step.as_ref());
            self.step_ends.push(self.active.len());
        }
        self.starts.push(ends);
        self.lengths.push(self.step_ends.len() - ends);
        Ok(())
    }

    /// Some of the solutions, in the order asked for; one may come more than once.
    ///
    /// # Panics
    /// If there is no such solution.
    #[must_use]
    pub fn select(&self, which: impl IntoIterator<Item = usize>) -> Self {
        let mut out = Self::new(self.features);
        for i in which {
            out.starts.push(out.step_ends.len());
            for t in self.steps_of(i) {
                out.active.extend_from_slice(self.active(t));
                out.step_ends.push(out.active.len());
            }
            out.lengths.push(self.lengths[i]);
        }
        out
    }

    /// Adds all solutions of another.
    ///
    /// # Errors
    /// Other features.
    pub fn extend(&mut self, other: &Self) -> Result<()> {
        Error::check_shape("features", self.features, other.features)?;
        let (steps, active) = (self.step_ends.len(), self.active.len());
        self.active.extend_from_slice(&other.active);
        self.step_ends.extend(other.step_ends.iter().map(|e| e + active));
        self.starts.extend(other.starts.iter().map(|s| s + steps));
        self.lengths.extend_from_slice(&other.lengths);
        Ok(())
    }

    /// How many features there are.
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many solutions.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Steps of all solutions together.
    pub fn steps(&self) -> usize {
        self.step_ends.len()
    }

    /// Steps of each solution.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The steps of solution `i` among all steps.
    pub fn steps_of(&self, i: usize) -> Range<usize> {
        self.starts[i]..self.starts[i] + self.lengths[i]
    }

    /// What is active in a step, counted over all solutions.
    pub fn active(&self, step: usize) -> &[u32] {
        let start = if step == 0 { 0 } else { self.step_ends[step - 1] };
        &self.active[start..self.step_ends[step]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_place() {
        let mut all = Solutions::new(5);
        all.push([vec![0, 3], vec![], vec![4]]).expect("legal");
        all.push(Vec::<Vec<u32>>::new()).expect("no step at all");
        all.push([[1, 2]]).expect("legal");
        // a step in front of the bad one must not stay behind
        assert!(all.push([vec![1], vec![5]]).is_err());
        assert_eq!((all.len(), all.steps(), all.lengths()), (3, 4, &[3, 0, 1][..]));
        assert_eq!(
            (all.active(0), all.active(1), all.active(2), all.active(3)),
            (&[0, 3][..], &[][..], &[4][..], &[1, 2][..])
        );
        assert_eq!((all.steps_of(0), all.steps_of(1), all.steps_of(2)), (0..3, 3..3, 3..4));
        let some = all.select([2, 0]);
        assert_eq!((some.lengths(), some.active(0), some.active(3)), (&[1, 3][..], &[1, 2][..], &[4][..]));
        let mut twice = all.clone();
        twice.extend(&all).expect("same features");
        assert_eq!(twice, all.select([0, 1, 2, 0, 1, 2]));
        assert!(twice.extend(&Solutions::new(4)).is_err());
    }
}
