//! What a unit of work is given: its name, its random streams, the shared stages.

use super::stage::StageStore;
use crate::error::Result;
use crate::rng::Stream;
use serde::{Serialize, de::DeserializeOwned};
use std::ops::Deref;
use std::sync::Arc;

/// A row as the CSV holds it: the unit that measured it, and the experiment's own columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<R> {
    /// The name of the cell.
    pub cell: String,
    /// The seed.
    pub seed: u64,
    /// The experiment's own columns.
    pub row: R,
}

impl<R> Deref for Record<R> {
    type Target = R;
    fn deref(&self) -> &R {
        &self.row
    }
}

/// The surroundings of one (cell, seed).
#[derive(Debug)]
pub struct Context<'a> {
    experiment: &'static str,
    cell: &'a str,
    seed: u64,
    stages: &'a StageStore,
}

impl<'a> Context<'a> {
    pub(crate) fn new(experiment: &'static str, cell: &'a str, seed: u64, stages: &'a StageStore) -> Self {
        Self { experiment, cell, seed, stages }
    }

    /// The seed of this unit.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A stream of this cell and seed alone.
    pub fn stream(&self, purpose: &str) -> Stream {
        Stream::named(&[self.experiment, self.cell, &self.seed.to_string(), purpose])
    }

    /// A stream that all cells of the experiment share at this seed: worlds and initial weights that conditions are
    /// compared on.
    pub fn shared_stream(&self, purpose: &str) -> Stream {
        Stream::named(&[self.experiment, "*", &self.seed.to_string(), purpose])
    }

    /// Work that several cells need at this seed (a pretrained model, a data set): a pure function of `key` and the
    /// seed, computed once per run, kept in memory and on disk, the same bits however it was reached. `compute` gets
    /// a stream named by the stage, its key and the seed.
    ///
    /// # Errors
    /// Those of `compute`, and a stage folder that cannot be read or written.
    pub fn stage<K, T>(&self, name: &str, key: &K, compute: impl FnOnce(&mut Stream) -> Result<T>) -> Result<Arc<T>>
    where
        K: Serialize,
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.stages.get(self.experiment, name, key, self.seed, compute)
    }

    /// The same for work that several experiments have in common: `owner` names them in the place of this experiment.
    ///
    /// # Errors
    /// As [`Context::stage`].
    pub fn common_stage<K, T>(
        &self,
        owner: &str,
        name: &str,
        key: &K,
        compute: impl FnOnce(&mut Stream) -> Result<T>,
    ) -> Result<Arc<T>>
    where
        K: Serialize,
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.stages.get(owner, name, key, self.seed, compute)
    }
}
