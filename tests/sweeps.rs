//! Runs in many parts: what `status` says of them, what `submit` writes and hands over, and what a lost file or a full disk costs.

#![allow(missing_docs)]

mod common;

use common::{Desk, QUICK, assert_one_clear_line, call, rewardlab, rows};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Runs a share of a quick experiment's four seeds; any verdict will do.
fn run(out: &str, more: &[&str]) -> String {
    let (code, said, errors) = call(&[&["run", QUICK, "--seeds", "0..3", "--out", out], more].concat());
    assert!([0, 1, 3].contains(&code), "{errors}");
    said + &errors
}

/// What status says of the quick experiment: units, failed, done, running, stopped, waiting; and its exit code.
fn status(out: &str) -> (i32, Vec<String>, String) {
    let (code, said, errors) = call(&["status", out]);
    let line = said.lines().find(|l| l.starts_with(QUICK)).unwrap_or_else(|| panic!("{said}{errors}")).to_owned();
    let numbers = line[QUICK.len()..].split_whitespace().map(str::to_owned).collect();
    (code, numbers, said)
}

#[test]
fn status_counts_what_is_done_and_what_waits() {
    let desk = Desk::new();
    let out = desk.text("out");
    run(&out, &["--shard", "2/3"]);
    let (code, numbers, _) = status(&out);
    assert_eq!((code, &numbers[3..]), (3, &["0", "1", "0", "0", "2"].map(str::to_owned)[..]), "{numbers:?}");
    // a journal whose process is gone, and one whose process holds the lock
    let shard = desk.path("out").join(QUICK).join("shards/1-of-3");
    run(&out, &["--shard", "1/3"]);
    for name in ["manifest.toml", "rows.csv"] {
        fs::remove_file(shard.join(name)).expect("removed");
    }
    let head = r#"{"experiment":"x","version":"0","params_sha256":"","seeds":[0],"shard":[1,3],"units":7}"#;
    let line = r#"{"unit":0,"header":[],"rows":[],"failure":"diverged","sum":""}"#;
    fs::write(shard.join("journal.jsonl"), format!("{head}\n{line}\n{{\"unit\": 3, \"he")).expect("written");
    let (code, numbers, said) = status(&out);
    assert_eq!((code, &numbers[3..]), (1, &["1", "1", "0", "1", "1"].map(str::to_owned)[..]), "{numbers:?}");
    assert!(said.contains("shard 1/3: stopped after 1 of 7 units"), "{said}");
    let lock = fs::File::open(shard.join(".lock")).expect("there");
    lock.lock().expect("locked");
    let (code, numbers, _) = status(&out);
    assert_eq!((code, &numbers[3..]), (3, &["1", "1", "1", "0", "1"].map(str::to_owned)[..]), "{numbers:?}");
}

#[test]
fn a_lost_file_is_told_and_computed_again() {
    let desk = Desk::new();
    let out = desk.text("out");
    run(&out, &[]);
    assert_eq!(status(&out).0, 0);
    let whole = rows(&desk.path("out"), QUICK);
    for lost in ["rows.csv", "params.toml"] {
        fs::remove_file(desk.path("out").join(QUICK).join(lost)).expect("removed");
        let (code, _, said) = status(&out);
        assert!(code == 1 && said.contains(&format!("its {lost} is lost or broken")), "{said}");
        assert_one_clear_line(&["run", QUICK, "--seeds", "0..3", "--out", &out], &[lost, "lost or broken", "--resume"]);
        run(&out, &["--resume"]);
        assert!(whole == rows(&desk.path("out"), QUICK), "other rows after {lost} was lost");
    }
    // rows that are not what was written are lost too
    let path = desk.path("out").join(QUICK).join("rows.csv");
    fs::write(&path, &whole[..whole.len() - 30]).expect("cut");
    assert!(status(&out).2.contains("its rows.csv is lost or broken"));
    run(&out, &["--resume"]);
    assert!(whole == rows(&desk.path("out"), QUICK));
    // without its manifest nobody knows whose they are
    let manifest = desk.path("out").join(QUICK).join("manifest.toml");
    for broken in ["", "seeds = 3"] {
        if broken.is_empty() {
            fs::remove_file(&manifest).expect("removed");
        } else {
            fs::write(&manifest, broken).expect("written");
        }
        assert!(status(&out).2.contains("its manifest.toml is lost or broken"));
        for more in [&[][..], &["--resume"]] {
            let arguments = [&["run", QUICK, "--seeds", "0..5", "--out", &out], more].concat();
            assert_one_clear_line(&arguments, &["manifest.toml", "--force"]);
        }
    }
    run(&out, &["--force"]);
    // of a shard, between its end and the merge
    let parts = desk.text("parts");
    for shard in ["1/2", "2/2"] {
        run(&parts, &["--shard", shard]);
    }
    fs::remove_file(desk.path("parts").join(QUICK).join("shards/2-of-2/rows.csv")).expect("removed");
    assert_one_clear_line(&["merge", &parts], &["2-of-2", "rows.csv"]);
    run(&parts, &["--shard", "2/2", "--resume"]);
    assert!([0, 1, 3].contains(&call(&["merge", &parts]).0));
    assert!(whole == rows(&desk.path("parts"), QUICK));
}

/// More shards than units: some have one unit and some none, and the whole is the same.
#[test]
fn more_shards_than_units_are_one_run() {
    let desk = Desk::new();
    let alone = desk.text("alone");
    run(&alone, &[]);
    let manifest = fs::read_to_string(desk.path("alone").join(QUICK).join("manifest.toml")).expect("written");
    let units = manifest.lines().find_map(|l| l.strip_prefix("units = ")).expect("counted");
    let shards = units.parse::<usize>().expect("a number") + 2;
    let parts = desk.text("parts");
    for k in 1..=shards {
        run(&parts, &["--shard", &format!("{k}/{shards}")]);
    }
    assert!([0, 1, 3].contains(&call(&["merge", &parts]).0));
    assert!(rows(&desk.path("alone"), QUICK) == rows(&desk.path("parts"), QUICK));
}

#[test]
fn submit_writes_what_slurm_runs() {
    let desk = Desk::new();
    let out = desk.text("a folder");
    let selection = ["submit", "slurm", QUICK, "--seeds", "0..3", "--set", "horizon=500000", "--out", &out];
    let options =
        ["--array-size", "3", "--max-running", "2", "--time", "1:00:00", "--gpus", "1", "--sbatch=--qos=long"];
    let (code, said, errors) = call(&[&selection[..], &options, &["--dry-run"]].concat());
    assert_eq!(code, 0, "{errors}");
    assert!(said.contains("sbatch --parsable --array=1-3%2 '") && said.contains("--dependency=\"afterany:"), "{said}");
    let work = fs::read_to_string(desk.path("a folder/slurm/work.sh")).expect("written");
    for part in [
        "#SBATCH --time=1:00:00\n",
        "#SBATCH --gpus=1\n",
        "#SBATCH --qos=long\n",
        "#SBATCH --requeue\n",
        &format!("run {QUICK} --profile smoke --seeds 0..3 --set horizon=500000 "),
        &format!("--out '{out}'"),
        "--shard \"$SLURM_ARRAY_TASK_ID/3\" --resume",
    ] {
        assert!(work.contains(part), "no {part:?} in:\n{work}");
    }
    let then = fs::read_to_string(desk.path("a folder/slurm/then.sh")).expect("written");
    assert!(then.contains(&format!("submit resume '{out}'")) && !then.contains("--gpus"), "{then}");
    // nothing was submitted, so it may be written anew; a run that cannot be is not written
    assert_eq!(call(&[&selection[..], &["--dry-run"]].concat()).0, 0);
    assert_one_clear_line(&["submit", "slurm", QUICK, "--set", "x=1", "--dry-run"], &["`x`"]);
    let many = ["submit", "slurm", QUICK, "--seeds", "0", "--array-size", "100000", "--out", &out, "--dry-run"];
    assert_one_clear_line(&many, &["--array-size", "units"]);
    assert_one_clear_line(&["submit", "resume", &desk.text("nowhere")], &["nothing was submitted"]);
}

/// A Slurm of one line: it says a job's number and notes what it was asked.
fn with_sbatch(desk: &Desk, arguments: &[&str], in_job: bool) -> (i32, String, String) {
    let folder = desk.path("bin");
    fs::create_dir_all(&folder).expect("made");
    let script = format!("#!/bin/sh\necho \"$@\" >> {0}/asked\nwc -l < {0}/asked\n", folder.display());
    let program = folder.join("sbatch");
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut command = rewardlab();
    command.args(arguments).env("PATH", path);
    if in_job {
        command.env("SLURM_JOB_ID", "2");
    }
    let ran = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (ran.status.code().expect("a code"), text(ran.stdout), text(ran.stderr))
}

#[test]
fn rounds_go_on_until_all_is_merged_or_nothing_moves() {
    let desk = Desk::new();
    let out = desk.text("out");
    let submit = ["submit", "slurm", QUICK, "--seeds", "0..3", "--out", &out, "--array-size", "3", "--retries", "2"];
    let resume = ["submit", "resume", &out];
    let asked = |desk: &Desk| fs::read_to_string(desk.path("bin/asked")).expect("asked");
    let (code, said, errors) = with_sbatch(&desk, &submit, false);
    assert!(code == 0 && said.contains("3 of 3 shards in array job 1; job 2 behind it"), "{said}{errors}");
    assert!(asked(&desk).lines().nth(1).is_some_and(|l| l.contains("--dependency=afterany:1 ")), "{}", asked(&desk));
    let (code, _, errors) = with_sbatch(&desk, &submit, false);
    assert!(code == 2 && errors.contains("was submitted before"), "{errors}");

    // the second shard came through, the others did not
    run(&out, &["--shard", "2/3"]);
    let (code, said, errors) = with_sbatch(&desk, &resume, true);
    assert!(code == 0 && said.contains("Round 2: 2 of 3 shards in array job 3"), "{said}{errors}");
    assert!(asked(&desk).lines().nth(2).is_some_and(|l| l.contains("--array=1,3 ")), "{}", asked(&desk));
    // nothing moves: a pause, then an end that says why
    let (code, _, _) = with_sbatch(&desk, &resume, true);
    assert!(
        code == 0 && asked(&desk).lines().nth(4).is_some_and(|l| l.contains("--begin=now+60 ")),
        "{}",
        asked(&desk)
    );
    fs::write(desk.path("out/slurm/codes/1"), "2\n").expect("written");
    fs::write(desk.path("out/slurm/logs/1.log"), "rewardlab: the disk is full\n").expect("written");
    let (code, _, errors) = with_sbatch(&desk, &resume, true);
    assert!(code == 2 && errors.lines().count() == 1, "{errors}");
    assert!(
        errors.contains("missing shards 1,3") && errors.contains("exit code 2: rewardlab: the disk is full"),
        "{errors}"
    );
    // by hand it is tried again
    assert_eq!(with_sbatch(&desk, &resume, false).0, 0);

    for shard in ["1/3", "3/3"] {
        run(&out, &["--shard", shard]);
    }
    let (code, numbers, said) = status(&out);
    assert!(code == 3 && numbers[5] == "0" && said.contains("to be merged"), "{said}");
    let (code, said, errors) = with_sbatch(&desk, &resume, true);
    assert!(code == 0 && said.contains("All shards are merged"), "{said}{errors}");
    run(&desk.text("alone"), &[]);
    assert!(rows(&desk.path("alone"), QUICK) == rows(&desk.path("out"), QUICK));
    assert_eq!(status(&out).0, 0);
    // again changes nothing
    assert_eq!(with_sbatch(&desk, &resume, true).0, 0);
}

/// Shards that are done belong to a run, and only that run may be merged of them.
#[test]
fn another_runs_shards_are_not_taken_for_these() {
    let desk = Desk::new();
    let out = desk.text("out");
    for shard in ["1/2", "2/2"] {
        run(&out, &["--shard", shard]);
    }
    let submit = |seeds: &str, n: &str| {
        with_sbatch(&desk, &["submit", "slurm", QUICK, "--seeds", seeds, "--out", &out, "--array-size", n], false)
    };
    for (seeds, n, why) in [("0..5", "2", "other parameters, seeds or version"), ("0..3", "3", "shards of 2")] {
        let (code, _, errors) = submit(seeds, n);
        assert!(code == 2 && errors.lines().count() == 1 && errors.contains(why), "{errors}");
    }
    assert!(!desk.path("bin/asked").exists(), "something was submitted");
    // the same run's: there is nothing to submit
    let (code, _, errors) = submit("0..3", "2");
    assert!(code == 2 && errors.contains("done already") && !desk.path("bin/asked").exists(), "{errors}");
    assert_eq!(with_sbatch(&desk, &["submit", "resume", &out], false).0, 0);
    assert!(desk.path("out").join(QUICK).join("manifest.toml").exists());
}

#[test]
fn a_parameter_file_is_written_down_when_it_is_submitted() {
    let desk = Desk::new();
    let (file, out) = (desk.path("own.toml"), desk.text("100%j"));
    fs::write(&file, "horizon = 400000.0\n").expect("written");
    let given = file.to_str().expect("UTF-8");
    let submit = ["submit", "slurm", QUICK, "--params", given, "--out", &out, "--array-size", "2", "--dry-run"];
    assert_eq!(call(&submit).0, 0);
    fs::write(&file, "horizon = 300000.0\n").expect("changed");
    let work = fs::read_to_string(desk.path("100%j/slurm/work.sh")).expect("written");
    assert!(work.contains("--params") && !work.contains(given), "{work}");
    assert!(fs::read_to_string(desk.path("100%j/slurm/params.toml")).expect("written").contains("horizon = 400000.0"));
    // Slurm would put a job's number for %j
    assert!(work.contains("/100%%j/slurm/logs/%a.log\""), "{work}");
}

/// The array is queued, and the job behind it is refused: it is made up for.
#[test]
fn a_job_behind_that_was_refused_is_submitted_later() {
    let desk = Desk::new();
    let out = desk.text("out");
    fs::create_dir_all(desk.path("bin")).expect("made");
    let executable = |name: &str, text: &str| {
        let path = desk.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    };
    let ask = |arguments: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", desk.path("bin").display());
        let ran = rewardlab().args(arguments).env("PATH", path).output().expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (ran.status.code().expect("a code"), text(ran.stdout), text(ran.stderr))
    };
    executable("sbatch", "case \"$*\" in *afterany*) echo too many jobs >&2; exit 1;; esac; echo 7");
    executable("squeue", "echo 7 all");
    let (code, _, errors) = ask(&["submit", "slurm", QUICK, "--out", &out, "--array-size", "2"]);
    assert!(code == 2 && errors.contains("array job 7 was submitted") && errors.contains("too many jobs"), "{errors}");
    executable("sbatch", "echo 8");
    let (code, said, errors) = ask(&["submit", "resume", &out]);
    assert!(code == 0 && said.contains("Job 8 behind array job 7"), "{said}{errors}");
    let (code, _, errors) = ask(&["submit", "resume", &out]);
    assert!(code == 2 && errors.contains("job 7 is still in the queue"), "{errors}");
    let (code, said, _) = ask(&["status", &out]);
    assert!(code == 3 && said.contains("7 then 8."), "{said}");
    // all is cancelled
    executable("squeue", "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1");
    let (code, said, _) = ask(&["status", &out]);
    assert!(code == 1 && said.contains("none is queued any more") && said.contains("submit resume"), "{said}");
}

#[test]
fn a_machine_without_slurm_says_so() {
    let desk = Desk::new();
    let out = desk.text("out");
    let ran = rewardlab().args(["submit", "slurm", QUICK, "--out", &out]).env("PATH", "/nowhere").output();
    let ran = ran.expect("it starts");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(2) && said.lines().count() == 1 && said.contains("--dry-run"), "{said}");
    assert!(Path::new(&out).join("slurm/work.sh").exists());
}
