//! `rewardlab preflight` at the keyboard, on a tiny model.

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/llama.gguf")
}

const PROMPTS: &str = "{\"prompt\": \"the hat\", \"answer\": \"the\"}\n{\"prompt\": [{\"role\": \"user\", \"content\": \"a hat\"}], \"answer\": 3}\n";

/// Exit code, stdout, stderr.
fn fly(folder: &Path, prompts: &str, more: &[&str]) -> (i32, String, String) {
    let file = folder.join("prompts.jsonl");
    fs::write(&file, prompts).expect("writable");
    let mut command = Command::cargo_bin("rewardlab").expect("built");
    command.arg("preflight").arg("--model").arg(model()).arg("--prompts").arg(&file);
    command.arg("--out").arg(folder.join("out")).args(["--plain", "--length", "4", "--samples", "8"]);
    let output = command.args(more).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn a_reward_that_varies_leaves_all_prompts_alive_and_threads_change_no_byte() {
    let bytes = |threads: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, said, errors) = fly(folder.path(), PROMPTS, &["--reward", "regex:t", "--threads", threads]);
        assert!(code == 0 || code == 1, "{errors}");
        assert!(said.starts_with("2 prompts, 16 samples; rewards from 0 to 1"), "{said}");
        assert!(said.contains("expected share of dead groups of 64"), "{said}");
        let out = folder.path().join("out");
        ["prompts.csv", "samples.jsonl", "figure.png", "figure.svg", "index.html"]
            .map(|name| fs::read(out.join(name)).expect("written"))
            .into_iter()
            .take(4)
            .collect::<Vec<_>>()
    };
    assert!(bytes("1") == bytes("3"));
}

#[test]
fn prompts_that_nothing_pays_are_stuck() {
    let folder = tempfile::tempdir().expect("a folder");
    let prompts: Vec<String> = (0..40).map(|i| format!("{{\"prompt\": \"the hat {i}\"}}")).collect();
    let prompts = prompts.join("\n");
    let arguments = ["--reward", "regex:never in this vocabulary", "--temperatures", "2"];
    let (code, said, errors) = fly(folder.path(), &prompts, &arguments);
    assert_eq!(code, 1, "{said}{errors}");
    assert!(said.contains("40 although their reward is low (stuck)"), "{said}");
    assert!(said.contains("at temperature 2 the stuck prompts"), "{said}");
    let table = fs::read_to_string(folder.path().join("out/prompts.csv")).expect("written");
    assert_eq!(table.lines().filter(|l| l.contains(",stuck,")).count(), 40);
    // results that are there are not replaced unasked
    let (code, _, errors) = fly(folder.path(), &prompts, &arguments);
    assert!(code == 2 && errors.contains("--force"), "{errors}");
}

#[test]
fn what_is_wrong_is_one_line() {
    let long = format!("{{\"prompt\": \"{}\"}}", "the ".repeat(5000));
    let cases: [(&str, &[&str], &str); 8] = [
        ("{\"text\": \"x\"}", &["--reward", "regex:t"], "line 1: has text, expected a prompt"),
        ("{\"prompt\": 7}", &["--reward", "regex:t"], "line 1: `prompt` is 7"),
        (PROMPTS, &["--reward", "regxe:t"], "did you mean `regex`"),
        (PROMPTS, &["--reward", "number:missing"], "field `missing`"),
        (PROMPTS, &["--reward", "program:exit 3"], "ended with"),
        (PROMPTS, &["--reward", "regex:t", "--groups", "0"], "groups"),
        (PROMPTS, &["--reward", "regex:t", "--range", "1,0"], "range"),
        (&long, &["--reward", "regex:t"], "line 1: its prompt has "),
    ];
    for (prompts, more, message) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, said, errors) = fly(folder.path(), prompts, more);
        assert_eq!(code, 2, "{more:?}: {said}{errors}");
        let last = errors.lines().last().unwrap_or_default();
        assert!(last.starts_with("rewardlab: ") && last.contains(message), "{more:?}: {errors}");
        assert!(!folder.path().join("out/prompts.csv").exists());
    }
}
