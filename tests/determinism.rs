//! rows.csv is the same bytes whatever the thread count, the kills and the shards.

#![allow(missing_docs)]

mod common;

use common::{QUICK, call, rows};
use rewardlab::rng::Stream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn ids() -> Vec<String> {
    let (code, stdout, _) = call(&["list", "--json"]);
    assert_eq!(code, 0);
    let list: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let ids = list.as_array().expect("a list").iter().map(|e| e["id"].as_str().expect("an id").to_owned());
    ids.collect()
}

/// Runs and asserts a verdict's exit code.
fn run(arguments: &[&str]) {
    let (code, _, stderr) = call(&[&["run"], arguments].concat());
    assert!([0, 1, 3].contains(&code), "{arguments:?}: exit code {code}: {stderr}");
}

#[test]
fn one_thread_and_two_give_the_same_bytes_for_every_experiment() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (out, threads) in [(&one, "1"), (&two, "2")] {
        run(&["all", "--seeds", "3", "--threads", threads, "--out", out.to_str().expect("UTF-8")]);
    }
    for id in ids() {
        assert!(rows(&one, &id) == rows(&two, &id), "{id}: rows differ between 1 and 2 threads");
    }
}

#[test]
fn three_shards_merge_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let (whole_arg, parts_arg) = (whole.to_str().expect("UTF-8"), parts.to_str().expect("UTF-8"));
    run(&[QUICK, "--seeds", "0..4", "--out", whole_arg]);
    for shard in ["3/3", "1/3"] {
        run(&[QUICK, "--seeds", "0..4", "--out", parts_arg, "--shard", shard]);
    }
    let (code, _, stderr) = call(&["merge", parts_arg]);
    assert!(code == 2 && stderr.contains("shard 2 of 3 is missing"), "{stderr}");
    run(&[QUICK, "--seeds", "0..4", "--out", parts_arg, "--shard", "2/3"]);
    let (code, _, stderr) = call(&["merge", parts_arg]);
    assert!([0, 1, 3].contains(&code), "{stderr}");
    assert!(rows(&whole, QUICK) == rows(&parts, QUICK), "merged rows differ from the whole run's");
    let (code, stdout, _) = call(&["diff", &format!("{whole_arg}/{QUICK}"), &format!("{parts_arg}/{QUICK}")]);
    assert!(code == 0 && stdout.starts_with("same"), "{stdout}");
}

/// One run, killed with SIGKILL at random moments and resumed, until ten kills have hit a process at work.
#[test]
fn killed_ten_times_and_resumed_gives_the_same_bytes() {
    const ID: &str = "vanishing_gradients/theorem1";
    let arguments = ["run", ID, "--seeds", "0..3", "--threads", "2"];
    let folder = tempfile::tempdir().expect("temporary folder");
    let whole = folder.path().join("whole");
    let started = Instant::now();
    run(&[&arguments[1..], &["--out", whole.to_str().expect("UTF-8")]].concat());
    let usual = started.elapsed();
    let mut random = Stream::named(&["tests", "kill"]);
    let mut kills = 0;
    for attempt in 0..40 {
        if kills >= 10 {
            break;
        }
        let out = folder.path().join(format!("killed-{attempt}"));
        kills += kill_and_resume(&arguments, &out, usual, &mut random);
        assert!(rows(&whole, ID) == rows(&out, ID), "rows differ after kills and resumes (attempt {attempt})");
    }
    assert!(kills >= 10, "only {kills} kills hit a running process");
}

/// Starts, kills after a random part of the usual time, resumes, …; returns the kills that hit.
fn kill_and_resume(arguments: &[&str], out: &Path, usual: Duration, random: &mut Stream) -> usize {
    let mut kills = 0;
    loop {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rewardlab"));
        command.args(arguments).args(["--resume", "--out"]).arg(out);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let deadline = Instant::now() + usual.mul_f64(random.uniform() * 0.6);
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
            if child.try_wait().expect("a child").is_some() {
                return kills;
            }
        }
        child.kill().expect("SIGKILL");
        let status = child.wait().expect("a child");
        if status.code().is_some() {
            // it had finished just before the signal
            return kills;
        }
        kills += 1;
    }
}
