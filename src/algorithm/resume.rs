//! Training that goes on where it was killed, bit for bit.

use super::trainee::Trainee;
use crate::error::{Error, Result};
use crate::lm::Checkpoint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::path::Path;

/// A loop between two of its steps or rounds: settings, random stream, place in the data, controllers. With the trainee's
/// weights and moments that is all that the next one depends on, so that a run that is saved, killed and loaded ends in
/// the bits of one that was not.
pub trait Resume: Serialize + DeserializeOwned {
    /// Names the loop in the file.
    const LOOP: &'static str;

    /// How many models beside the trained one the loop holds: references, checkpoints, behaviour policies.
    const REFERENCES: usize = 0;

    /// What training would move to make them, one after the other.
    ///
    /// # Errors
    /// A device that fails.
    fn reference(&self) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(&[]))
    }

    /// Takes them from a file, for the model that they are of.
    ///
    /// # Errors
    /// A device that has no room for them.
    fn set_reference(&mut self, _trainee: &Trainee, _values: Vec<f32>) -> Result<()> {
        Ok(())
    }

    /// Writes one file, under a temporary name first: a process killed at any moment leaves the old one or the new one.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn save(&self, trainee: &Trainee, path: &Path) -> Result<()> {
        let state = postcard::to_stdvec(self).map_err(|e| Error::content(path, "cursor", e.to_string()))?;
        let cursor = format!("{} {}", Self::LOOP, STANDARD.encode(state));
        trainee.checkpoint(cursor, self.reference()?.into_owned())?.save(path, trainee.config())
    }

    /// Reads a file back into a trainee of the same config and gradient clip.
    ///
    /// # Errors
    /// A file that cannot be read, or one of another config or loop; the trainee stays as it was.
    fn load(trainee: &mut Trainee, path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load(path, trainee.config())?;
        let wrong = |message: String| Error::content(path, "cursor", message);
        let (name, state) = checkpoint.cursor.split_once(' ').unwrap_or_default();
        if name != Self::LOOP {
            return Err(wrong(format!("a run of `{name}`, expected `{}`", Self::LOOP)));
        }
        let state = STANDARD.decode(state).map_err(|e| wrong(e.to_string()))?;
        let mut run: Self = postcard::from_bytes(&state).map_err(|e| wrong(e.to_string()))?;
        let trained = trainee.trained_len();
        Error::check_shape("trained parameters", trained, checkpoint.params.len())?;
        Error::check_shape("reference weights", Self::REFERENCES * trained, checkpoint.reference.len())?;
        let reference = trainee.restore(checkpoint)?;
        run.set_reference(trainee, reference)?;
        Ok(run)
    }
}
