//! The package's files: one file, a zip archive (a wheel is one), or a folder.

use super::Source;
use crate::error::{Error, Result};
use crate::record::sha256;
use flate2::read::MultiGzDecoder;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// The largest unpacked file that is read: an archive may claim anything.
const LARGEST: u64 = 1 << 30;
/// How deep folders are followed.
const DEEPEST: usize = 16;

/// A file of the package.
#[derive(Debug)]
pub(super) struct File {
    /// As messages name it.
    pub(super) path: PathBuf,
    /// Its path within the package, `/` between the parts.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl File {
    /// The content as text.
    ///
    /// # Errors
    /// It is not UTF-8: the line is named.
    pub(super) fn text(&self) -> Result<&str> {
        let text = std::str::from_utf8(&self.bytes).map_err(|e| {
            let line = self.bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            Error::content(&self.path, format!("line {line}"), "not UTF-8")
        })?;
        Ok(text.trim_start_matches('\u{feff}'))
    }
}

/// Reads the files whose path within the package is `wanted`, in the order of their paths; a single file is read whatever its name. A single
/// gzipped file is unpacked.
///
/// # Errors
/// What is not there or cannot be read; a damaged archive; a package without a wanted file (`what` names them).
pub(super) fn open(path: &Path, what: &str, wanted: impl Fn(&str) -> bool) -> Result<(Source, Vec<File>)> {
    let name = path.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let name = name.unwrap_or_else(|| path.display().to_string());
    let (mut source, files) = if path.is_dir() {
        let mut found = Vec::new();
        walk(path, "", 0, &wanted, &mut found)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let listed: Vec<String> = found.iter().map(|f| format!("{}  {}\n", sha256(&f.bytes), f.name)).collect();
        let bytes = found.iter().map(|f| f.bytes.len() as u64).sum();
        (Source { name, files: 0, bytes, sha256: sha256(listed.concat().as_bytes()) }, found)
    } else {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let source = Source { name: name.clone(), files: 0, bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        let files = if bytes.starts_with(b"PK") {
            unzip(path, &bytes, &wanted)?
        } else if bytes.starts_with(&[0x1f, 0x8b]) {
            let wrong = |e: std::io::Error| Error::content(path, "gzip stream", e.to_string());
            let bytes = limited(MultiGzDecoder::new(bytes.as_slice())).map_err(wrong)?;
            vec![File { path: path.to_path_buf(), name: name.trim_end_matches(".gz").to_owned(), bytes }]
        } else {
            vec![File { path: path.to_path_buf(), name, bytes }]
        };
        (source, files)
    };
    if files.is_empty() {
        return Err(Error::content(path, "its files", format!("none of them is {what}")));
    }
    source.files = files.len();
    Ok((source, files))
}

fn walk(
    folder: &Path,
    within: &str,
    depth: usize,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Vec<File>,
) -> Result<()> {
    let io = |e| Error::io(folder, e);
    if depth > DEEPEST {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            walk(&path, &format!("{name}/"), depth + 1, wanted, found)?;
        } else if wanted(&name) {
            let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
            found.push(File { path, name, bytes });
        }
    }
    Ok(())
}

fn unzip(path: &Path, bytes: &[u8], wanted: &impl Fn(&str) -> bool) -> Result<Vec<File>> {
    let wrong = |place: &str, message: String| Error::content(path, place, message.replace('\n', " "));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| wrong("zip archive", e.to_string()))?;
    let names = archive.file_names().collect::<std::result::Result<Vec<_>, _>>();
    let names = names.map_err(|e| wrong("zip archive", e.to_string()))?;
    let mut names: Vec<String> = names.into_iter().filter(|n| wanted(n)).map(std::borrow::Cow::into_owned).collect();
    names.sort();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let entry = archive.by_name(&name).map_err(|e| wrong(&name, e.to_string()))?;
        let bytes = limited(entry).map_err(|e| wrong(&name, e.to_string()))?;
        files.push(File { path: path.join(&name), name, bytes });
    }
    Ok(files)
}

fn limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("more than {LARGEST} bytes unpacked")));
    }
    Ok(bytes)
}
