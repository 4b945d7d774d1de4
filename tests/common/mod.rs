//! What the command-line tests share; each test binary uses its own part of it.

#![allow(dead_code, unreachable_pub)]

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// An experiment that takes well under a second per unit in smoke, in release and in dev builds.
pub const QUICK: &str = "vanishing_gradients/reward_teacher";

pub fn rewardlab() -> Command {
    let mut command = Command::cargo_bin("rewardlab").expect("the binary is built");
    command.env_remove("COLUMNS");
    command
}

/// Runs with these arguments and gives (exit code, stdout, stderr).
pub fn call(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = rewardlab().args(arguments).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

/// Asserts that the call fails with exit code 2 and exactly one line on stderr that contains each of `parts`.
pub fn assert_one_clear_line(arguments: &[&str], parts: &[&str]) {
    let (code, _, stderr) = call(arguments);
    assert_eq!(code, 2, "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?} must print one line: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{arguments:?} must mention `{part}`: {stderr}");
    }
}

pub fn rows(out: &Path, id: &str) -> Vec<u8> {
    let path: PathBuf = out.join(id).join("rows.csv");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A temporary folder, and the paths of files in it.
pub struct Desk(TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }
}

/// Of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every experiment that is listed.
pub fn ids() -> Vec<String> {
    let (_, stdout, _) = call(&["list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    list.as_array().expect("a list").iter().map(|e| e["id"].as_str().expect("an id").to_owned()).collect()
}
