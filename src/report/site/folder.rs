//! The site's folder: whole or as it was, and never in the place of anything else.

use super::Page;
use crate::error::{Error, Result};
use crate::record::write_atomically;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Lists the site's files; by it a later run knows what it may replace.
const MARK: &str = ".rewardlab-site";

/// Whether a site may be written there: nothing is, or an empty folder, or a site of ours and nothing else. What a killed
/// run left beside it (see [`write()`]) is put back or removed. Asked before the long work, so it also tries to make a folder there.
///
/// # Errors
/// A place that cannot be replaced by a folder (a file, a link to nothing, the current folder, a mount point, a place where
/// nothing can be made), one inside `results` or another site, a folder with files that are not a site's of ours.
pub fn check(out: &Path, results: &Path) -> Result<()> {
    let target = Target::of(out)?;
    target.check_surroundings(results)?;
    target.recover()?;
    target.check_content()?;
    target.try_out()
}

/// Writes the site beside its place, then puts it there by renaming: a reader finds the old one or the new one. Beside
/// `site` are meanwhile `.site.new` and `.site.old`; a run that was killed leaves them to the next one, which puts the old
/// site back where there is none and removes the rest. Two runs may not write one site at once.
///
/// # Errors
/// As [`check`]; a folder that cannot be written. What was there before is then still there.
pub fn write(out: &Path, results: &Path, pages: &[Page]) -> Result<()> {
    check(out, results)?;
    let target = Target::of(out)?;
    let written = target.fill(pages).and_then(|()| target.swap());
    if written.is_err() {
        let _ = discard(&target.fresh());
    }
    written
}

/// Where the site goes, links followed, so that what is renamed is the folder itself.
#[derive(Debug)]
struct Target {
    /// As it was asked for.
    shown: String,
    folder: PathBuf,
    /// The folder itself, or the nearest one around it that is there.
    there: PathBuf,
}

impl Target {
    fn of(out: &Path) -> Result<Self> {
        let shown = out.display().to_string();
        let refuse = |why: &str| Err(Error::Usage(format!("{shown}: {why}; give --site another name")));
        let (mut there, mut missing) = (out, Vec::new());
        while !there.as_os_str().is_empty() && !there.exists() {
            if there.symlink_metadata().is_ok() {
                return refuse("a link to nothing");
            }
            let Some(name) = there.file_name() else { return refuse("not a name for a folder") };
            missing.push(name);
            there = there.parent().unwrap_or(Path::new(""));
        }
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        if !there.is_dir() {
            return refuse(if missing.is_empty() { "not a folder" } else { "lies in what is not a folder" });
        }
        let there = fs::canonicalize(there).map_err(|e| Error::io(there, e))?;
        let folder = missing.iter().rev().fold(there.clone(), |path, name| path.join(name));
        if folder.file_name().is_none() {
            return refuse("the root of the file system");
        }
        Ok(Self { shown, folder, there })
    }

    fn refuse<T>(&self, why: &str) -> Result<T> {
        Err(Error::Usage(format!("{}: {why}", self.shown)))
    }

    /// `.site.new`: the folder in the making.
    fn fresh(&self) -> PathBuf {
        self.beside("new")
    }

    /// `.site.old`: what is replaced.
    fn old(&self) -> PathBuf {
        self.beside("old")
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.folder.file_name().unwrap_or_default());
        name.push(format!(".{what}"));
        self.folder.with_file_name(name)
    }

    fn check_surroundings(&self, results: &Path) -> Result<()> {
        let here = std::env::current_dir().and_then(fs::canonicalize);
        if here.is_ok_and(|here| here.starts_with(&self.folder)) {
            return self.refuse("the current folder is there, and a site replaces its folder; give --site another");
        }
        let results = fs::canonicalize(results).map_err(|e| Error::io(results, e))?;
        if self.folder != results && self.folder.starts_with(&results) {
            return self.refuse("lies inside the results; give --site a folder beside them");
        }
        match self.folder.ancestors().skip(1).find(|a| a.join(MARK).exists()) {
            Some(site) => {
                self.refuse(&format!("lies inside the site {}; give --site a folder beside it", site.display()))
            }
            None => Ok(()),
        }
    }

    /// Puts back or removes what a killed run left.
    fn recover(&self) -> Result<()> {
        let (fresh, old) = (self.fresh(), self.old());
        for left in [&fresh, &old] {
            if left.symlink_metadata().is_ok() && !is_ours(left) {
                return self.refuse(&format!("{} is in the way; move it away", left.display()));
            }
        }
        if old.exists() && !self.folder.exists() {
            fs::rename(&old, &self.folder).map_err(|e| Error::io(&self.folder, e))?;
        }
        [fresh, old].iter().filter(|left| left.exists()).try_for_each(|left| discard(left))
    }

    fn check_content(&self) -> Result<()> {
        if !self.folder.exists() {
            return Ok(());
        }
        if is_mounted(&self.folder) {
            return self.refuse("a mount point, and a site replaces its folder; give --site a folder in it");
        }
        // the mark first: what is not a site of ours may be a whole file system
        if !is_ours(&self.folder) {
            return self.refuse("holds files, and is not a site that rewardlab made; give --site a new folder");
        }
        let mark = fs::read_to_string(self.folder.join(MARK)).unwrap_or_default();
        let own: BTreeSet<&str> = mark.lines().chain([MARK]).collect();
        match files(&self.folder)?.iter().find(|f| !own.contains(f.as_str())) {
            Some(foreign) => self.refuse(&format!(
                "`{foreign}` is not of the site, and would be lost; move it away or give --site a new folder"
            )),
            None => Ok(()),
        }
    }

    /// Whether a folder can be made where the new one will be, or in the nearest folder around it.
    fn try_out(&self) -> Result<()> {
        let fresh = self.fresh();
        let there = if self.folder.exists() { self.there.parent().unwrap_or(&self.there) } else { &self.there };
        let trial = there.join(fresh.file_name().unwrap_or_default());
        fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).map_err(|e| Error::io(&trial, e))
    }

    /// Makes the new folder. The list of its files is written first: by it a folder that was not finished is known as ours.
    fn fill(&self, pages: &[Page]) -> Result<()> {
        let fresh = self.fresh();
        fs::create_dir_all(&fresh).map_err(|e| Error::io(&fresh, e))?;
        if self.folder.exists() {
            like(&self.folder, &fresh)?;
        }
        let mark: String = pages.iter().flat_map(|(path, _)| [path.as_str(), "\n"]).collect();
        write_atomically(&fresh.join(MARK), mark.as_bytes())?;
        pages.iter().try_for_each(|(path, content)| write_atomically(&fresh.join(path), content))
    }

    fn swap(&self) -> Result<()> {
        let (fresh, old) = (self.fresh(), self.old());
        let was_there = self.folder.exists();
        if was_there && let Err(e) = fs::rename(&self.folder, &old) {
            return self.refuse(&format!("the folder cannot be replaced ({e}); give --site another"));
        }
        if let Err(e) = fs::rename(&fresh, &self.folder) {
            if was_there {
                let _ = fs::rename(&old, &self.folder);
            }
            return Err(Error::io(&self.folder, e));
        }
        if was_there { discard(&old) } else { Ok(()) }
    }
}

/// A folder with the list of a site's files, or with nothing in it.
fn is_ours(folder: &Path) -> bool {
    let is_link = folder.symlink_metadata().is_ok_and(|m| m.is_symlink());
    let is_empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    !is_link && (folder.join(MARK).is_file() || is_empty())
}

/// Removes a folder of ours, the list last, so that it stays known if that is cut off.
fn discard(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if entry.file_name() != MARK {
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| Error::io(&path, e))?;
        }
    }
    fs::remove_dir_all(folder).map_err(|e| Error::io(folder, e))
}

/// Gives a folder the group and the rights of another; the group only where that is allowed.
fn like(model: &Path, folder: &Path) -> Result<()> {
    let metadata = fs::metadata(model).map_err(|e| Error::io(model, e))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, chown};
        let _ = chown(folder, None, Some(metadata.gid()));
    }
    fs::set_permissions(folder, metadata.permissions()).map_err(|e| Error::io(folder, e))
}

/// Whether the folder is on another device than the one around it; such a folder cannot be renamed.
#[cfg(unix)]
fn is_mounted(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|m| m.dev()).ok();
    folder.parent().is_some_and(|around| device(folder) != device(around))
}

#[cfg(not(unix))]
fn is_mounted(_: &Path) -> bool {
    false
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

    /// There is no site in the results of these tests.
    fn check(out: &Path) -> Result<()> {
        super::check(out, Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    fn write(out: &Path, pages: &[Page]) -> Result<()> {
        super::write(out, Path::new(env!("CARGO_MANIFEST_DIR")), pages)
    }

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

    /// The line with which a folder is refused, without having been touched.
    fn refused(out: &Path) -> String {
        let said = check(out).expect_err("refused").to_string();
        assert!(!said.contains('\n'), "{said}");
        said
    }

    #[test]
    fn what_a_killed_run_left_is_put_back_or_removed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        let out = path("site");
        write(&out, &pages(&["index.html"])).expect("written");
        // killed between the two renames
        fs::rename(&out, path(".site.old")).expect("renamed");
        fs::create_dir(path(".site.new")).expect("made");
        fs::write(path(".site.new").join(MARK), "index.html\n").expect("written");
        fs::write(path(".site.new/half"), "x").expect("written");
        check(&out).expect("mended");
        assert_eq!(files(folder.path()).expect("read"), ["site/.rewardlab-site", "site/index.html"]);
        // killed while the old one was removed: its list is still there
        fs::create_dir(path(".site.old")).expect("made");
        fs::write(path(".site.old").join(MARK), "index.html\n").expect("written");
        write(&out, &pages(&["a.html"])).expect("written");
        assert_eq!(files(folder.path()).expect("read"), ["site/.rewardlab-site", "site/a.html"]);
        // somebody else's of that name
        fs::create_dir(path(".site.old")).expect("made");
        fs::write(path(".site.old/mine"), "x").expect("written");
        assert!(refused(&out).contains(".site.old is in the way"));
        assert_eq!(fs::read(path(".site.old/mine")).expect("still there"), b"x");
    }

    #[test]
    fn places_that_cannot_be_replaced_are_refused_at_once() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("afile"), "x").expect("written");
        fs::create_dir_all(path("thesis/chapter")).expect("made");
        for (name, why) in [
            ("afile", "not a folder"),
            ("afile/x", "lies in what is not a folder"),
            ("gone/..", "not a name for a folder"),
            ("thesis", "not a site"),
        ] {
            assert!(refused(&path(name)).contains(why), "{name}: {}", refused(&path(name)));
        }
        assert!(refused(Path::new("/")).contains("root of the file system"));
        let here = std::env::current_dir().expect("a current folder");
        for around in [here.as_path(), here.parent().expect("a folder around it")] {
            assert!(refused(around).contains("current folder"), "{}", refused(around));
        }
        write(&path("site"), &pages(&["index.html"])).expect("written");
        assert!(refused(&path("site/sub/x")).contains("inside the site"));
        let inside = super::check(&path("thesis/chapter/site"), &path("thesis")).expect_err("in the results");
        assert!(inside.to_string().contains("inside the results"), "{inside}");
        check(&path("new/a/b")).expect("a place for a folder");
        assert!(!path("new").exists(), "nothing is made by a check");
    }

    #[cfg(unix)]
    #[test]
    fn links_mounts_and_rights_are_minded() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        symlink(path("nothing"), path("dangling")).expect("linked");
        assert!(refused(&path("dangling")).contains("a link to nothing"));
        assert!(refused(&path("dangling/x")).contains("a link to nothing"));
        assert!(is_mounted(Path::new("/proc")) || !Path::new("/proc/self").exists());
        if Path::new("/proc/self").exists() {
            assert!(refused(Path::new("/proc/self/fd/site")).contains("site"), "nothing can be made there");
        }
        fs::create_dir(path("real")).expect("made");
        fs::set_permissions(path("real"), fs::Permissions::from_mode(0o2750)).expect("set");
        symlink(path("real"), path("link")).expect("linked");
        for _ in 0..2 {
            write(&path("link"), &pages(&["index.html"])).expect("written");
            let mode = fs::metadata(path("real")).expect("there").permissions().mode();
            assert_eq!(mode & 0o7777, 0o2750, "the folder's rights stay");
        }
        assert!(path("link").symlink_metadata().expect("there").is_symlink());
        assert_eq!(files(&path("real")).expect("read"), [MARK, "index.html"]);
    }
}
