//! Samples on disk as they come, so that a run that was cut off goes on from them.
//!
//! The first line holds the settings, every other line a sample. The order of samples follows from the settings alone, so that a run that goes
//! on takes them in their order instead of sampling, and then samples: the result is that of a run that was not cut off.

use super::sampler::Written;
use crate::error::{Error, Result};
use crate::record::sha256;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Samples that are there, and a place for more.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Those of an earlier run that were not taken yet.
    left: VecDeque<Written>,
}

/// How many bytes at each end of a model's files tell it from another.
const ENDS: u64 = 1 << 16;

/// The journal's name in the folder of the results.
pub(super) const NAME: &str = "samples.partial.jsonl";

impl Journal {
    /// Opens the folder's journal, a new one unless `resume`.
    ///
    /// # Errors
    /// A journal that is there although neither `resume` nor `force` is given; one of other settings; lines that are none.
    pub(super) fn open(folder: &Path, settings: &Value, resume: bool, force: bool) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let path = folder.join(NAME);
        let io = |e| Error::io(&path, e);
        if !path.exists() || (force && !resume) {
            let mut file = File::create(&path).map_err(io)?;
            file.write_all(format!("{settings}\n").as_bytes()).map_err(io)?;
            return Ok(Self { path, file, left: VecDeque::new() });
        }
        if !resume {
            let path = path.display();
            let message =
                format!("{path} is there: a run was cut off. Give --resume to go on with it, --force to begin anew");
            return Err(Error::Usage(message));
        }
        let text = fs::read_to_string(&path).map_err(io)?;
        // what was being written when the run was cut off is sampled again
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].lines();
        let wrong = |line: usize, message: String| Error::content(&path, format!("line {line}"), message);
        let earlier: Value = serde_json::from_str(lines.next().unwrap_or("{}")).map_err(|e| wrong(1, e.to_string()))?;
        if let Some(name) = differing(&earlier, settings) {
            let (old, new) = (&earlier[&name], &settings[&name]);
            return Err(wrong(1, format!("the earlier run had {name} = {old}, this has {new}: --force begins anew")));
        }
        let mut left = VecDeque::new();
        for (i, line) in lines.enumerate() {
            left.push_back(serde_json::from_str(line).map_err(|e| wrong(i + 2, e.to_string()))?);
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
        file.set_len(whole as u64).map_err(io)?;
        Ok(Self { path, file, left })
    }

    /// How many samples of an earlier run are left.
    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    /// The next samples, if the earlier run has them all: one of each of these prompts.
    ///
    /// # Errors
    /// They are of other prompts.
    pub(super) fn take(&mut self, asked: &[usize]) -> Result<Option<Vec<Written>>> {
        if self.left.len() < asked.len() {
            // a part of a batch: it is sampled again, with those that follow
            if !self.left.is_empty() {
                let kept = self.left.len();
                self.left.clear();
                self.cut(kept)?;
            }
            return Ok(None);
        }
        let taken: Vec<Written> = self.left.drain(..asked.len()).collect();
        match taken.iter().zip(asked).find(|(w, x)| w.prompt != **x) {
            None => Ok(Some(taken)),
            Some((w, x)) => {
                let message = format!("a sample of prompt {} where one of prompt {x} should be", w.prompt);
                Err(Error::content(&self.path, "samples", message))
            }
        }
    }

    /// Takes the last `lines` lines out of the file.
    fn cut(&mut self, lines: usize) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let text = fs::read_to_string(&self.path).map_err(io)?;
        let kept = text.lines().count() - lines;
        let length: usize = text.split_inclusive('\n').take(kept).map(str::len).sum();
        self.file.set_len(length as u64).map_err(io)
    }

    /// Writes samples down.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn append(&mut self, new: &[Written]) -> Result<()> {
        let io = |e: std::io::Error| Error::io(&self.path, e);
        let mut text = String::new();
        for written in new {
            text += &serde_json::to_string(written).map_err(|e| io(e.into()))?;
            text.push('\n');
        }
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).map_err(io)
    }

    /// The results are there: the journal goes.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn finish(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| Error::io(&self.path, e))
    }
}

/// The first setting that differs.
fn differing(a: &Value, b: &Value) -> Option<String> {
    let names = a.as_object().into_iter().chain(b.as_object()).flat_map(|o| o.keys());
    names.into_iter().find(|name| a[name.as_str()] != b[name.as_str()]).cloned()
}

/// What tells a model's file or folder from another: each file's size, and a hash of its first and last bytes, where settings and the
/// last weights stand.
///
/// # Errors
/// What cannot be read.
pub(super) fn content(model: &Path) -> Result<String> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |e| Error::io(&path, e)
    };
    let mut files = vec![model.to_path_buf()];
    if model.is_dir() {
        let entries = fs::read_dir(model).map_err(io(model))?;
        files = entries.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>().map_err(io(model))?;
        files.retain(|path| path.is_file());
        files.sort();
    }
    let mut lines = Vec::new();
    for path in files {
        let mut file = File::open(&path).map_err(io(&path))?;
        let size = file.metadata().map_err(io(&path))?.len();
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(ENDS).read_to_end(&mut bytes).map_err(io(&path))?;
        file.seek(SeekFrom::Start(size.saturating_sub(ENDS).max(ENDS.min(size)))).map_err(io(&path))?;
        file.read_to_end(&mut bytes).map_err(io(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        lines.push(format!("{name} {size} {}", sha256(&bytes)));
    }
    Ok(sha256(lines.join("\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(prompt: usize) -> Written {
        Written {
            prompt,
            temperature: 1.0,
            trained: None,
            control: false,
            completion: "a\nb".into(),
            reward: 0.1 + 0.2,
        }
    }

    #[test]
    fn samples_survive_a_cut_in_any_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = json!({"seed": 1, "model": "m"});
        let open = |resume, force| Journal::open(folder.path(), &settings, resume, force);
        let mut journal = open(false, false).expect("new");
        assert_eq!(journal.take(&[0]).expect("nothing wrong").map(|w| w.len()), None);
        journal.append(&[written(0), written(1)]).expect("written");
        journal.append(&[written(2), written(3)]).expect("written");
        drop(journal);
        assert!(open(false, false).err().expect("cut off").to_string().contains("--resume"));
        let other = Journal::open(folder.path(), &json!({"seed": 2, "model": "m"}), true, false);
        assert!(other.err().expect("other settings").to_string().contains("seed = 1, this has 2"));
        let path = folder.path().join(NAME);
        let whole = fs::read(&path).expect("there");
        for end in settings.to_string().len() + 1..=whole.len() {
            fs::write(&path, &whole[..end]).expect("written");
            let mut journal = open(true, false).expect("the same settings");
            for pair in [[0, 1], [2, 3]] {
                if journal.take(&pair).expect("in order").is_none() {
                    journal.append(&pair.map(written)).expect("written");
                }
            }
            assert_eq!(fs::read(&path).expect("there"), whole, "cut at {end}");
        }
        let mut journal = open(true, false).expect("the same settings");
        assert!(journal.take(&[1, 0]).is_err());
        assert!(open(false, true).expect("anew").left() == 0);
    }

    /// A folder is known by its files, not by when they were written: weights of the same size with other numbers are another model.
    #[test]
    fn a_model_is_known_by_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |weights: &[u8]| {
            fs::write(folder.path().join("config.json"), "{}").expect("written");
            fs::write(folder.path().join("model.safetensors"), weights).expect("written");
            content(folder.path()).expect("readable")
        };
        let long = vec![7; 200_000];
        let mut tuned = long.clone();
        tuned[199_999] = 8;
        assert_eq!(of(&long), of(&long));
        assert!(of(&long) != of(&tuned) && of(&[1, 2]) != of(&[1, 3]) && of(&[1]) != of(&[1, 1]));
        assert!(content(&folder.path().join("none")).is_err());
    }
}
