//! The site's folder: whole or as it was, and never in the place of anything else.

use super::Page;
use crate::error::{Error, Result};
use crate::record::write_atomically;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lists the site's files; by it a later run knows what it may replace.
const MARK: &str = ".rewardlab-site";

/// Whether a site may be written there: nothing is, or a site of ours and nothing else.
///
/// # Errors
/// A file, a folder that is not a site of ours, a site with files that are not its own.
pub fn check(out: &Path) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    if !out.is_dir() {
        return Err(Error::Usage(format!("{}: not a folder; give --site another name", out.display())));
    }
    let found = files(out)?;
    if found.is_empty() {
        return Ok(());
    }
    let Ok(mark) = fs::read_to_string(out.join(MARK)) else {
        return Err(Error::Usage(format!(
            "{}: holds files, and is not a site that rewardlab made; give --site a new folder",
            out.display()
        )));
    };
    let own: BTreeSet<&str> = mark.lines().chain([MARK]).collect();
    match found.iter().find(|f| !own.contains(f.as_str())) {
        Some(foreign) => Err(Error::Usage(format!(
            "{}: `{foreign}` is not of the site, and would be lost; move it away or give --site a new folder",
            out.display()
        ))),
        None => Ok(()),
    }
}

/// Writes the site beside its place, then puts it there: a reader finds the old one or the new one.
///
/// # Errors
/// As [`check`]; a folder that cannot be written. What was there before is then still there.
pub fn write(out: &Path, pages: &[Page]) -> Result<()> {
    check(out)?;
    let place = place(out)?;
    let beside = |what: &str| {
        let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        place.with_file_name(format!(".{name}.{what}-{}", std::process::id()))
    };
    let (fresh, old) = (beside("new"), beside("old"));
    let written = fill(&fresh, pages).and_then(|()| swap(&place, &fresh, &old));
    if written.is_err() {
        let _ = fs::remove_dir_all(&fresh);
    }
    written
}

/// Where the folder really is, links followed, so that what is renamed is the folder.
fn place(out: &Path) -> Result<PathBuf> {
    if out.exists() {
        return fs::canonicalize(out).map_err(|e| Error::io(out, e));
    }
    let name = out.file_name().ok_or_else(|| Error::Usage(format!("{}: not a name for a folder", out.display())))?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
    Ok(fs::canonicalize(parent).map_err(|e| Error::io(parent, e))?.join(name))
}

fn fill(folder: &Path, pages: &[Page]) -> Result<()> {
    for (path, content) in pages {
        write_atomically(&folder.join(path), content)?;
    }
    let mark: String = pages.iter().flat_map(|(path, _)| [path.as_str(), "\n"]).collect();
    write_atomically(&folder.join(MARK), mark.as_bytes())
}

fn swap(place: &Path, fresh: &Path, old: &Path) -> Result<()> {
    let was_there = place.exists();
    if was_there {
        fs::rename(place, old).map_err(|e| Error::io(place, e))?;
    }
    if let Err(e) = fs::rename(fresh, place) {
        if was_there {
            let _ = fs::rename(old, place);
        }
        return Err(Error::io(place, e));
    }
    if was_there { fs::remove_dir_all(old).map_err(|e| Error::io(old, e)) } else { Ok(()) }
}

/// Every file below a folder, by its path from there, with `/`; a folder without files counts as one.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        let mut is_empty = true;
        for entry in fs::read_dir(&path).map_err(|e| Error::io(&path, e))? {
            let entry = entry.map_err(|e| Error::io(&path, e))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            is_empty = false;
            // a link is foreign whatever it leads to
            if entry.file_type().map_err(|e| Error::io(entry.path(), e))?.is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else {
                found.push(name);
            }
        }
        if is_empty && !prefix.is_empty() {
            found.push(prefix);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(names: &[&str]) -> Vec<Page> {
        names.iter().map(|n| ((*n).to_owned(), n.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_site_replaces_a_site_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let out = folder.path().join("a/site");
        write(&out, &pages(&["index.html", "p/old.html"])).expect("a new folder");
        write(&out, &pages(&["index.html", "p/new.html"])).expect("a site of ours");
        assert_eq!(files(&out).expect("read"), [MARK, "index.html", "p/new.html"]);
        assert_eq!(files(folder.path()).expect("read").len(), 3, "nothing is left beside it");

        fs::write(out.join("p/CNAME"), "x").expect("written");
        let refused = write(&out, &pages(&["index.html"])).expect_err("a file of somebody else").to_string();
        assert!(refused.contains("`p/CNAME`"), "{refused}");
        assert_eq!(fs::read(out.join("p/new.html")).expect("still there"), b"p/new.html");
        fs::remove_file(out.join("p/CNAME")).expect("removed");
        fs::create_dir(out.join("empty")).expect("made");
        assert!(check(&out).is_err(), "an empty folder is somebody's too");
    }

    #[test]
    fn foreign_folders_and_files_are_refused_and_empty_ones_are_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        check(folder.path()).expect("empty");
        write(folder.path(), &pages(&["index.html"])).expect("empty");
        let foreign = tempfile::tempdir().expect("temporary folder");
        let file = foreign.path().join("thesis.tex");
        fs::write(&file, "x").expect("written");
        assert!(write(foreign.path(), &pages(&["index.html"])).is_err());
        assert!(write(&file, &pages(&["index.html"])).is_err());
        assert_eq!(files(foreign.path()).expect("read"), ["thesis.tex"]);
    }

    #[test]
    fn a_site_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let out = folder.path().join("site");
        write(&out, &pages(&["index.html"])).expect("written");
        // a page under another page's name cannot be
        assert!(write(&out, &pages(&["a", "a/b"])).is_err());
        assert_eq!(files(folder.path()).expect("read"), ["site/.rewardlab-site", "site/index.html"]);
    }
}
