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
    command.arg("--out").arg(folder.join("out")).args(["--plain", "--length", "4"]);
    if !more.contains(&"--samples") {
        command.args(["--samples", "8"]);
    }
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
    let arguments = ["--reward", "regex:never in this vocabulary", "--temperatures", "2", "--samples", "64"];
    let (code, said, errors) = fly(folder.path(), &prompts, &arguments);
    assert_eq!(code, 1, "{said}{errors}");
    assert!(said.contains("40 although their reward is low (stuck)"), "{said}");
    assert!(said.contains("at temperature 2 all prompts have a mean reward std of"), "{said}");
    assert!(said.contains("sampled again with nothing changed (control), 40 prompts have"), "{said}");
    let table = fs::read_to_string(folder.path().join("out/prompts.csv")).expect("written");
    assert_eq!(table.lines().filter(|l| l.contains(",stuck,")).count(), 40);
    // results that are there are not replaced unasked
    let (code, _, errors) = fly(folder.path(), &prompts, &arguments);
    assert!(code == 2 && errors.contains("--force"), "{errors}");
}

/// A reward that never varies and whose range is not known: no prompt is alive, and the range is asked for.
#[test]
fn a_constant_reward_without_a_range_is_not_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    let constant = ["--reward", "program:sed 's/.*/1/'", "--limit", "1", "--temperatures", "1"];
    let (code, said, errors) = fly(folder.path(), PROMPTS, &constant);
    assert_eq!(code, 1, "{said}{errors}");
    assert!(said.starts_with("1 prompt, 8 samples") && said.contains("give --range LOW,HIGH"), "{said}");
    assert!(said.contains("0 prompts alive"), "{said}");
    // nothing was sampled again, and no table of it is there
    assert!(said.ends_with("prompts.csv, samples.jsonl, figure.png, figure.svg, index.html\n"), "{said}");
    let known = [constant.as_slice(), &["--range", "0,1", "--force"]].concat();
    let (code, said, errors) = fly(folder.path(), PROMPTS, &known);
    assert_eq!(code, 0, "{said}{errors}");
    assert!(!said.contains("give --range"), "{said}");
}

/// What changes nothing is told to change nothing, though the prompts are sampled again.
#[test]
fn a_placebo_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let prompts: Vec<String> = (0..30).map(|i| format!("{{\"prompt\": \"the hat {i}\"}}")).collect();
    // pays by its own dice, whatever was written
    let state = folder.path().join("state").display().to_string();
    let dice = format!(
        "program:n=$(cat {state} 2>/dev/null || echo 0); echo $((n+1)) > {state}; \
         awk -v n=$n '{{ s = (n * 1000 + NR) * 48271 % 2147483647; s = s * 48271 % 2147483647; print (s % 100 < 8) }}'"
    );
    let arguments = ["--reward", &dice, "--range", "0,1", "--temperatures", "0.99", "--reheat", "all"];
    let (code, said, errors) = fly(folder.path(), &prompts.join("\n"), &arguments);
    assert!(code < 2, "{said}{errors}");
    let line = said.lines().find(|l| l.starts_with("at temperature 0.99 all prompts")).expect("told");
    assert!(line.contains(", not beyond its interval)"), "{line}");
}

#[test]
fn what_is_wrong_is_one_line() {
    let long = format!("{{\"prompt\": \"{}\"}}", "the ".repeat(5000));
    let cases: [(&str, &[&str], &str); 13] = [
        ("{\"text\": \"x\"}", &["--reward", "regex:t"], "line 1: has text, expected a prompt"),
        ("{\"prompt\": 7}", &["--reward", "regex:t"], "line 1: `prompt` is 7"),
        (PROMPTS, &["--reward", "regxe:t"], "did you mean `regex`"),
        (PROMPTS, &["--reward", "number:missing"], "field `missing`"),
        (PROMPTS, &["--reward", "program:exit 3"], "ended with"),
        (PROMPTS, &["--reward", "exact:nofield"], "prompts.jsonl, line 1: parameter field `nofield`"),
        (PROMPTS, &["--reward", "regex:t", "--groups", "4,1"], "parameter groups = 1"),
        (PROMPTS, &["--reward", "program:exit 3", "--range", "1,0"], "parameter range = 1,0"),
        (PROMPTS, &["--reward", "program:exit 3", "--range", "0,nan"], "parameter range = 0,NaN"),
        (&long, &["--reward", "regex:t"], "line 1: its prompt has "),
        (PROMPTS, &["--reward", "regex:t", "--sft", "0.5"], "no prompt has a field `completion`"),
        (PROMPTS, &["--reward", "regex:t", "--sft", "0.5", "--completion", "answer"], "`answer` of prompt 1 = 3"),
        (PROMPTS, &["--reward", "regex:t", "--sft", "1.5"], "parameter sft = 1.5"),
    ];
    for (prompts, more, message) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, said, errors) = fly(folder.path(), prompts, more);
        assert_eq!(code, 2, "{more:?}: {said}{errors}");
        let last = errors.lines().last().unwrap_or_default();
        assert!(last.starts_with("rewardlab: ") && last.contains(message), "{more:?}: {errors}");
        assert!(!folder.path().join("out/prompts.csv").exists());
        // what is wrong with the command line or the prompts is said before anything is written
        let sampled = message == "ended with";
        assert_eq!(folder.path().join("out/samples.partial.jsonl").exists(), sampled, "{more:?}");
    }
}

/// Twelve prompts with completions to learn.
fn labelled() -> String {
    let line = |i: usize| format!("{{\"prompt\": \"the hat {i}\", \"completion\": \" a hat a hat\"}}");
    (0..12).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_trial_of_finetuning_changes_the_rewards_of_other_prompts() {
    let folder = tempfile::tempdir().expect("a folder");
    let trial = ["--sft", "0.25,0.5", "--sft-steps", "30", "--sft-rate", "0.01", "--sft-rank", "0"];
    let more = [["--reward", "regex:a"].as_slice(), &trial, &["--temperatures", "0.5", "--reheat", "all"]].concat();
    let (code, said, errors) = fly(folder.path(), &labelled(), &more);
    assert!(code == 0 || code == 1, "{errors}");
    assert!(
        errors.starts_with("12 prompts × 8 samples of up to 4 tokens; as many again of each prompt at each of 1 other"),
        "{errors}"
    );
    assert!(said.contains("at temperature 0.5 all prompts have a mean reward std of"), "{said}");
    assert!(said.contains("after supervised finetuning on 0.5 of the prompts (6; loss"), "{said}");
    let out = folder.path().join("out");
    let table = fs::read_to_string(out.join("again.csv")).expect("written");
    let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[0][..6], ["prompt", "change", "temperature", "trained", "samples", "mean"]);
    let of = |change: &str, trained: &str| {
        rows.iter().skip(1).filter(|r| r[1] == change && r[3] == trained).collect::<Vec<_>>()
    };
    // all prompts with nothing changed and at the other temperature; the six that no trial was made on behind each
    assert_eq!([of("nothing", "").len(), of("temperature", "").len()], [12, 12]);
    assert_eq!([of("sft", "0.25").len(), of("sft", "0.5").len()], [6, 6]);
    // as many samples of each
    assert!(rows.iter().skip(1).all(|r| r[4] == "8"), "{table}");
    let means = |rows: &[&Vec<&str>]| {
        let all = rows.iter().map(|r| r[5].parse::<f64>().expect("a number"));
        all.sum::<f64>() / rows.len() as f64
    };
    let page = fs::read_to_string(out.join("index.html")).expect("written");
    assert!(
        page.contains("Measured again") && page.contains("supervised finetuning on 0.25 of the prompts (3)"),
        "{page}"
    );
    let before = fs::read_to_string(out.join("prompts.csv")).expect("written");
    let before: Vec<f64> =
        before.lines().skip(1).map(|l| l.split(',').nth(3).expect("a mean").parse().expect("a number")).collect();
    let before = before.iter().sum::<f64>() / before.len() as f64;
    let after = means(&of("sft", "0.5"));
    // eight successes of eight, by the prior of prompts that seldom had one
    assert!(after > 0.75 && after > before + 0.3, "the mean reward was {before} and is {after}");
}

/// Cut off after any sample, a run goes on to the same bytes.
#[test]
fn a_run_that_was_cut_off_goes_on_to_the_same_bytes() {
    let arguments =
        ["--reward", "regex:t", "--temperatures", "0.5", "--reheat", "all", "--sft", "0.5", "--sft-steps", "3"];
    let whole = tempfile::tempdir().expect("a folder");
    let (code, _, errors) = fly(whole.path(), &labelled(), &arguments);
    assert!(code < 2, "{errors}");
    let read = |folder: &Path, name: &str| fs::read(folder.join("out").join(name)).expect("written");
    let samples = String::from_utf8(read(whole.path(), "samples.jsonl")).expect("UTF-8");
    assert!(!whole.path().join("out/samples.partial.jsonl").exists());
    // a reward that fails leaves the journal of a real run behind: its first line holds the settings
    let cut = tempfile::tempdir().expect("a folder");
    let journal = cut.path().join("out/samples.partial.jsonl");
    let failing =
        "program:n=$(cat state 2>/dev/null || echo 0); echo $((n+1)) > state; test $n -lt 2 || exit 1; sed 's/.*/1/'";
    let mut with_program = arguments.to_vec();
    with_program[1] = failing;
    let state = cut.path().join("state");
    let failing = failing.replace("state", &state.display().to_string());
    with_program[1] = &failing;
    let (code, _, errors) = fly(cut.path(), &labelled(), &with_program);
    assert!(code == 2 && journal.exists(), "{errors}");
    let kept = fs::read_to_string(&journal).expect("a journal").lines().count() - 1;
    assert!(kept >= 40, "{kept} samples were kept");
    // it is not thrown away unasked, nor mixed with other settings
    let (code, _, errors) = fly(cut.path(), &labelled(), &with_program);
    assert!(code == 2 && errors.contains("Give --resume"), "{errors}");
    let other = [arguments.as_slice(), &["--resume"]].concat();
    let (code, _, errors) = fly(cut.path(), &labelled(), &other);
    assert!(code == 2 && errors.contains("the earlier run had params"), "{errors}");
    // the whole run's samples as a journal, cut in the middle of a line
    let settings = tempfile::tempdir().expect("a folder");
    let program = [&["--reward", "program:false"], &arguments[2..]].concat();
    let (code, _, _) = fly(settings.path(), &labelled(), &program);
    assert_eq!(code, 2);
    let first = fs::read_to_string(settings.path().join("out/samples.partial.jsonl")).expect("a journal");
    let first = first.lines().next().expect("the settings").replace("program:false", "regex:t");
    let first = first.replace("range: None", "range: Some((0.0, 1.0))");
    for share in [0.3, 0.7, 1.0] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("out")).expect("made");
        let end = (samples.len() as f64 * share) as usize;
        let journal = format!("{first}\n{}", &samples[..end]);
        fs::write(folder.path().join("out/samples.partial.jsonl"), journal).expect("written");
        let (code, _, errors) = fly(folder.path(), &labelled(), &[arguments.as_slice(), &["--resume"]].concat());
        assert!(code < 2, "{errors}");
        for name in ["samples.jsonl", "prompts.csv", "again.csv"] {
            assert!(read(folder.path(), name) == read(whole.path(), name), "{name} differs, cut at {share}");
        }
    }
}
