//! Shared work, computed once per run and kept under a hash of everything that it depends on.

use crate::error::{Error, Result};
use crate::record::{sha256, write_atomically};
use crate::rng::Stream;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

type Slot = Arc<Mutex<Option<Arc<dyn Any + Send + Sync>>>>;

/// Stages by content hash, in memory. All experiments of a run have the same.
pub(crate) type StageMemory = Arc<Mutex<HashMap<String, Slot>>>;

/// Stages by content hash, in memory and (when a folder is given) on disk, so that a resumed run finds them.
#[derive(Debug, Default)]
pub struct StageStore {
    folder: Option<PathBuf>,
    memory: StageMemory,
}

impl StageStore {
    /// A store that also writes to `folder`.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, memory: StageMemory::default() }
    }

    /// Remembers with others what any of them computed; the disk stays its own.
    pub(crate) fn share(&mut self, memory: &StageMemory) {
        self.memory = memory.clone();
    }

    /// The stage's value: from memory, from disk, or computed. `owner` is an experiment's id or, where several have the
    /// stage in common, a name of theirs. Threads that ask for the same stage wait for the one
    /// that computes it; other stages go on.
    pub(crate) fn get<K: Serialize, T: Serialize + DeserializeOwned + Send + Sync + 'static>(
        &self,
        owner: &str,
        name: &str,
        key: &K,
        seed: u64,
        compute: impl FnOnce(&mut Stream) -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = serde_json::to_string(key).map_err(|e| Error::Numeric(format!("stage {name}: {e}")))?;
        let seed = seed.to_string();
        let id = [owner, "stage", name, &key, &seed];
        let hash = sha256(id.join("\n").as_bytes());
        let slot = {
            let mut slots = self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            slots.entry(hash.clone()).or_default().clone()
        };
        let mut value = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = value.as_ref().and_then(|v| v.clone().downcast::<T>().ok()) {
            return Ok(known);
        }
        let path = self.folder.as_ref().map(|f| f.join(format!("{name}-{}.bin", &hash[..16])));
        let fresh: Arc<T> = if let Some(loaded) = path.as_ref().and_then(|p| load(p)) {
            Arc::new(loaded)
        } else {
            let computed = compute(&mut Stream::named(&id))?;
            if let Some(path) = &path {
                save(path, &computed)?;
            }
            Arc::new(computed)
        };
        *value = Some(fresh.clone());
        Ok(fresh)
    }
}

/// A stage file is a SHA-256 of the content, then the content; anything else is not there.
fn load<T: DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    let (sum, body) = bytes.split_at_checked(32)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    postcard::from_bytes(body).ok()
}

fn save<T: Serialize>(path: &std::path::Path, value: &T) -> Result<()> {
    let body = postcard::to_stdvec(value).map_err(|e| Error::Numeric(format!("{}: {e}", path.display())))?;
    let mut bytes = Sha256::digest(&body).to_vec();
    bytes.extend_from_slice(&body);
    write_atomically(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one experiment computed another one of the run finds, under a common owner and the same key only.
    #[test]
    fn experiments_of_a_run_share_what_has_one_owner() {
        let memory = StageMemory::default();
        let [mut one, mut two] = [StageStore::default(), StageStore::default()];
        one.share(&memory);
        two.share(&memory);
        let draw = |store: &StageStore, owner: &str, key: u64| {
            let mut computed = false;
            let value = store.get(owner, "model", &key, 0, |rng| {
                computed = true;
                Ok(rng.uniform().to_bits())
            });
            (*value.expect("computed"), computed)
        };
        let (value, computed) = draw(&one, "family", 1);
        assert!(computed);
        assert_eq!(draw(&two, "family", 1), (value, false));
        assert!(draw(&two, "family", 2).1 && draw(&two, "another", 1).1);
        // alone it comes to the same bits
        assert_eq!(draw(&StageStore::default(), "family", 1), (value, true));
    }
}
