//! Minibatches, epoch by epoch in random order.

use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// The order in which a run goes through its data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Epochs {
    /// What is left of the epoch; the next is at the end.
    order: Vec<usize>,
    rng: Stream,
}

impl Epochs {
    pub(super) fn new(rng: Stream) -> Self {
        Self { order: Vec::new(), rng }
    }

    /// The next `size` of `count` places, at most all of them; a batch may end one epoch and begin the next.
    pub(super) fn batch(&mut self, size: usize, count: usize) -> Vec<usize> {
        let next = |_| {
            self.order.pop().unwrap_or_else(|| {
                self.order = self.rng.permutation(count);
                self.order.pop().unwrap_or(0)
            })
        };
        (0..size.min(count)).map(next).collect()
    }

    pub(super) fn into_rng(self) -> Stream {
        self.rng
    }
}
