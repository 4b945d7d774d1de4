//! The folder that an import makes.

use super::{Imported, Part, Shares, provenance};
use crate::error::{Error, Result};
use crate::record::{sha256, write_atomically};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Train, validation, test.
    pub lines: [usize; 3],
}

const PROVENANCE: &str = "provenance.json";

/// Writes the parts and provenance.json into `folder`. A new folder appears whole or not at all: it is made under another name and renamed.
/// In a folder that is there, `force` replaces these four files one by one, the provenance last, and leaves all others.
///
/// # Errors
/// Illegal shares; nothing to write; a folder that is there, without `force`; what cannot be written.
pub fn write(imported: &Imported, shares: &Shares, folder: &Path, force: bool) -> Result<Written> {
    shares.validate()?;
    if imported.items.is_empty() {
        return Err(Error::Usage(format!("none of {} examples is left", imported.seen)));
    }
    let there = check_free(folder, force)?;
    let mut files = Vec::new();
    let mut listed = Vec::new();
    let parts = shares.split(&imported.items);
    for (part, lines) in Part::ALL.into_iter().zip(&parts) {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line).map_err(|e| Error::io(folder, e.into()))?;
            bytes.push(b'\n');
        }
        listed.push((part.file().to_owned(), lines.len(), sha256(&bytes)));
        files.push((part.file(), bytes));
    }
    let provenance = provenance::provenance(imported, shares, &listed);
    let mut text = serde_json::to_vec_pretty(&provenance).map_err(|e| Error::io(folder, e.into()))?;
    text.push(b'\n');
    files.push((PROVENANCE, text));
    if there {
        // without it a half replaced folder says nothing wrong of itself
        let old = folder.join(PROVENANCE);
        if old.exists() {
            fs::remove_file(&old).map_err(|e| Error::io(&old, e))?;
        }
        files.iter().try_for_each(|(name, bytes)| write_atomically(&folder.join(name), bytes))?;
    } else {
        let partial = partial(folder);
        let made = files
            .iter()
            .try_for_each(|(name, bytes)| write_atomically(&partial.join(name), bytes))
            .and_then(|()| fs::rename(&partial, folder).map_err(|e| Error::io(folder, e)));
        if made.is_err() {
            let _ = fs::remove_dir_all(&partial);
        }
        made?;
    }
    Ok(Written { lines: parts.each_ref().map(Vec::len) })
}

/// Whether something is there that is to be replaced. To be asked before the work, too.
///
/// # Errors
/// Something is there, and `force` is not given, or it is no folder.
pub(crate) fn check_free(folder: &Path, force: bool) -> Result<bool> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        // renaming onto an empty folder works
        Ok(true) => Ok(false),
        Ok(false) if force => Ok(true),
        Ok(false) => {
            let folder = folder.display();
            Err(Error::Usage(format!("{folder} is there already: give --force to replace its data, or another --out")))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io(folder, e)),
    }
}

/// A name beside the folder.
fn partial(folder: &Path) -> PathBuf {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    folder.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}
