//! `rewardlab lm train` killed with SIGKILL and resumed ends in the bytes of a run that was not; and it takes the memory that it says.

mod common;
#[path = "common/tiny.rs"]
mod tiny;

use rewardlab::rng::Stream;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn rewardlab(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rewardlab"));
    command.current_dir(folder).args(["lm", "train"]).args(arguments);
    command
}

fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().expect("a folder");
    fs::create_dir(desk.path().join("model")).expect("made");
    tiny::write(&desk.path().join("model"), 32, 2, 96);
    let line =
        |i: usize| format!("{{\"prompt\": \"{i}+{i}=\", \"answer\": \"{}\", \"completion\": \"{}\"}}\n", 2 * i, 2 * i);
    fs::write(desk.path().join("sums.jsonl"), (0..40).map(line).collect::<String>()).expect("written");
    desk
}

/// The files of a complete run.
const RESULT: [&str; 6] = [
    "model/model.safetensors",
    "adapter/adapter_model.safetensors",
    "metrics.jsonl",
    "metrics.csv",
    "result.json",
    "params.toml",
];

const COMMON: &str = "model = \"model\"\ncheckpoint_every = 3\nevaluate_every = 4\nfinetune = \"lora\"\n\
                      [data]\ntrain = \"sums.jsonl\"\nevaluate = \"sums.jsonl\"\n[lora]\nrank = 2\n";

#[test]
fn a_killed_run_ends_in_the_same_bytes() {
    let sft = format!("method = \"sft\"\n{COMMON}[training]\nsteps = 120\nlearning_rate = 1e-3\n");
    let grpo = format!(
        "method = \"grpo\"\n{COMMON}[reward]\nreward = \"regex:[0-9a-z]\"\n[sampling]\nmax_tokens = 8\n[training]\n\
         iterations = 30\nepochs = 2\nlearning_rate = 1e-3\n"
    );
    for (name, config) in [("sft", sft), ("grpo", grpo)] {
        let desk = desk();
        fs::write(desk.path().join("run.toml"), config).expect("written");
        let started = Instant::now();
        let whole = rewardlab(desk.path(), &["--config", "run.toml", "--out", "whole"]).output().expect("it starts");
        assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
        let usual = started.elapsed();
        let mut random = Stream::named(&["tests", "kill lm train"]);
        let mut kills = 0;
        for attempt in 0..20 {
            let out = format!("killed {attempt}");
            while !killed(desk.path(), &out, usual.mul_f64(0.05 + 0.35 * random.uniform())) {
                kills += 1;
            }
            for file in RESULT {
                let bytes =
                    |run: &str| fs::read(desk.path().join(run).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
                assert!(bytes("whole") == bytes(&out), "{name}: {file} differs after {kills} kills");
            }
            if kills >= 5 {
                break;
            }
        }
        assert!(kills >= 5, "{name}: only {kills} kills hit a process at work");
    }
}

/// Begins or resumes a run and kills it after so long, at least once there is something new; whether it came to its end.
fn killed(desk: &Path, out: &str, patience: Duration) -> bool {
    let folder = desk.join(out);
    let stamp = || -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        all.sort();
        all
    };
    let there = folder.join("params.toml").exists();
    let arguments = if there { vec!["--resume", "--out", out] } else { vec!["--config", "run.toml", "--out", out] };
    let mut command = rewardlab(desk, &arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let (before, started) = (stamp(), Instant::now());
    while started.elapsed() < patience || stamp() == before {
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "the child failed: {status}");
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("SIGKILL");
    // it may have ended just before the signal
    child.wait().expect("a child").success()
}

#[test]
fn what_changed_since_the_beginning_is_named() {
    let desk = desk();
    let config = format!("method = \"sft\"\n{COMMON}[training]\nsteps = 100000\n");
    fs::write(desk.path().join("run.toml"), config).expect("written");
    assert!(!killed(desk.path(), "out", Duration::from_millis(400)));
    let data = desk.path().join("sums.jsonl");
    let text = fs::read_to_string(&data).expect("there");
    fs::write(&data, text.replacen("\"0\"", "\"1\"", 1)).expect("written");
    let output = rewardlab(desk.path(), &["--resume", "--out", "out"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("sums.jsonl is not what this run began with"), "{said}");
}

/// What a run says of its memory before it begins is, within these factors, what it has had at its end.
#[cfg(target_os = "linux")]
#[test]
fn the_estimate_of_memory_holds() {
    const FACTORS: (f64, f64) = (0.8, 1.5);
    let desk = desk();
    fs::create_dir(desk.path().join("wide")).expect("made");
    let mut wrong = Vec::new();
    // 10 million weights: a copy of them is 40 MB
    tiny::write(&desk.path().join("wide"), 512, 3, 256);
    let text =
        |i: usize| format!("{{\"prompt\": \"{i}: \", \"completion\": \"{}\", \"answer\": \"1\"}}\n", "a b ".repeat(40));
    fs::write(desk.path().join("long.jsonl"), (0..16).map(text).collect::<String>()).expect("written");
    let base = ["--set", "model=wide", "--set", "data.train=long.jsonl"];
    let few = ["--set", "training.iterations=1", "--set", "reward.reward=regex:a", "--set", "sampling.max_tokens=64"];
    let cases: [(&str, &[&str]); 5] = [
        ("sft", &["--set", "training.steps=2", "--set", "training.batch=16"]),
        ("sft", &["--set", "training.steps=2", "--set", "finetune=lora", "--set", "setup.lanes=1"]),
        ("sft", &["--set", "training.steps=2", "--set", "setup.part_tokens=200", "--set", "training.batch=16"]),
        ("grpo", &few),
        ("ppo", &[&few[..], &["--set", "finetune=lora"]].concat()),
    ];
    for (i, (method, more)) in cases.into_iter().enumerate() {
        let (method, out) = (format!("method={method}"), format!("out {i}"));
        let arguments = [&["--out", &out, "--set", &method], &base[..], more].concat();
        let output = rewardlab(desk.path(), &arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let number = |after: &str| -> f64 {
            let rest = said.split(after).nth(1).unwrap_or_else(|| panic!("{said}"));
            rest.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"))
        };
        let (peak, estimate) = (number("peak memory "), number("(estimated "));
        eprintln!("{arguments:?}: peak {peak} MB, estimated {estimate} MB");
        if estimate < FACTORS.0 * peak || estimate > FACTORS.1 * peak {
            wrong.push(format!("{arguments:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
