//! Whatever a stranger gets wrong ends in one clear line and the right exit code, and nothing is lost.

#![allow(missing_docs)]

mod common;

use common::{QUICK, assert_one_clear_line, call, rows};
use std::fs;
use std::process::Command;

fn smoke(out: &str) -> (i32, String, String) {
    call(&["run", QUICK, "--seeds", "0", "--out", out])
}

#[test]
fn a_typo_in_an_id_or_a_parameter_names_the_nearest() {
    assert_one_clear_line(&["run", "vanishing_gradients/theorm1"], &["did you mean `vanishing_gradients/theorem1`"]);
    assert_one_clear_line(&["run", "theorem1"], &["did you mean `vanishing_gradients/theorem1`"]);
    assert_one_clear_line(&["run", "vanishing_gradient"], &["did you mean `vanishing_gradients`"]);
    assert_one_clear_line(
        &["run", "vanishing_gradients/theorem1", "--set", "drawz=3"],
        &["unknown parameter `drawz`", "did you mean `draws`"],
    );
    assert_one_clear_line(&["run", "vanishing_gradients/theorem1", "--set", "draws=many"], &["draws", "whole number"]);
    assert_one_clear_line(&["run", "vanishing_gradients/theorem1", "--set", "draws"], &["key=value"]);
    assert_one_clear_line(&["run", QUICK, "--device", "cuda:0"], &["--device", "cuda:0"]);
    assert_one_clear_line(&["run", QUICK, "--threads", "0"], &["--threads", "between"]);
    // read once, not by every draw
    assert_one_clear_line(&["run", "real_models/transfer", "--set", "real=/nowhere"], &["/nowhere/real_models/"]);
    // the real version computes in 16 bits, which the CPU engine does not: asked for it, it is in 32
    let real =
        ["run", "real_models/vanishing", "--profile", "gpu", "--device", "cpu", "--set", "subject.model=/nowhere"];
    assert_one_clear_line(&real, &["real_models/vanishing", "no model at /nowhere", "--set subject.model"]);
}

#[test]
fn clap_refuses_with_code_2() {
    for arguments in [
        &["rnu"][..],
        &["run", "--profil", "smoke"],
        &["run", "--seeds", "5..1"],
        &["run", "--seeds", "x"],
        &["run", "--shard", "4/3"],
        &["run", "--resume", "--force"],
    ] {
        assert_eq!(call(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn without_arguments_it_says_what_to_try() {
    let (code, stdout, _) = call(&[]);
    assert_eq!(code, 0);
    assert_eq!(stdout.matches("  rewardlab ").count(), 3, "three things to try: {stdout}");
}

/// One `--set` goes to every chosen experiment, so the line says which one does not take it.
#[test]
fn a_refused_parameter_names_its_experiment() {
    let refused = |set: &str, parts: &[&str]| assert_one_clear_line(&["run", "all", "--set", set], parts);
    refused("drawz=3", &["vanishing_gradients/theorem1: unknown", "`drawz`", "did you mean `draws`"]);
    refused("spread=2", &["vanishing_gradients/theorem1: unknown", "`spread`", "list --params"]);
    refused("draws=many", &["vanishing_gradients/theorem1: ", "draws", "whole number"]);
    refused("draws=-1", &["vanishing_gradients/theorem1: ", "-1"]);
}

#[test]
fn a_complete_run_is_judged_not_computed_and_never_overwritten() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().to_str().expect("UTF-8");
    let (code, _, _) = smoke(out);
    assert!([0, 1, 3].contains(&code));
    let before = rows(folder.path(), QUICK);
    let (again, stdout, stderr) = smoke(out);
    assert!(again == code && stderr.contains("not computed again") && stdout.contains("index.html"), "{stderr}");
    let other = ["run", QUICK, "--seeds", "1", "--out", out];
    assert_one_clear_line(&other, &["--force", "--out"]);
    assert_one_clear_line(&[&other[..], &["--resume"]].concat(), &["--force", "--out"]);
    assert!(before == rows(folder.path(), QUICK), "rows were touched");
    let (code, _, _) = call(&[&other[..], &["--force"]].concat());
    assert!([0, 1, 3].contains(&code) && before != rows(folder.path(), QUICK));
}

#[test]
fn parameters_written_by_a_run_are_taken_back() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    smoke(a.to_str().expect("UTF-8"));
    let params = a.join(QUICK).join("params.toml");
    let params = params.to_str().expect("UTF-8");
    call(&["run", QUICK, "--seeds", "0", "--params", params, "--out", b.to_str().expect("UTF-8")]);
    assert!(rows(&a, QUICK) == rows(&b, QUICK));
    let broken = folder.path().join("broken.toml");
    fs::write(&broken, "x = \n").expect("written");
    let broken = broken.to_str().expect("UTF-8");
    assert_one_clear_line(&["run", QUICK, "--params", broken], &["broken.toml", "line 1"]);
    assert_one_clear_line(&["run", QUICK, "--params", "/nowhere.toml"], &["/nowhere.toml"]);
    assert_one_clear_line(&["run", "all", "--params", broken], &["--params", "one experiment"]);
}

#[test]
fn a_damaged_csv_is_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().to_str().expect("UTF-8");
    smoke(out);
    let path = folder.path().join(QUICK).join("rows.csv");
    let whole = fs::read(&path).expect("rows");
    fs::write(&path, &whole[..whole.len() - 7]).expect("written");
    assert_one_clear_line(&["report", out], &["rows.csv", "truncated"]);
    // cut at a line's end: only the manifest knows
    let cut = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').expect("lines") + 1;
    fs::write(&path, &whole[..cut]).expect("written");
    assert_one_clear_line(&["report", out], &["rows.csv", "manifest"]);
    // without a manifest, a value that is no number
    fs::remove_file(path.with_file_name("manifest.toml")).expect("removed");
    let text = String::from_utf8(whole).expect("UTF-8").replacen(",0,", ",zero,", 1);
    fs::write(&path, text).expect("written");
    assert_one_clear_line(&["report", out], &["rows.csv", "line 2"]);
    assert_one_clear_line(&["diff", out, "/nowhere"], &["/nowhere"]);
}

#[test]
fn report_needs_nothing_but_the_csv() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().to_str().expect("UTF-8");
    let (code, _, _) = smoke(out);
    let run = folder.path().join(QUICK);
    let picture = fs::read(run.join("figure.png")).expect("figure");
    for name in ["manifest.toml", "params.toml", "checks.csv", "figure.png", "figure.svg"] {
        fs::remove_file(run.join(name)).expect(name);
    }
    assert_eq!(call(&["report", out]).0, code);
    assert!(picture == fs::read(run.join("figure.png")).expect("figure"), "the figure came out different");
    assert!(fs::read_to_string(folder.path().join("index.html")).expect("page").contains("data:image/png;base64,"));
    assert!(fs::read_to_string(folder.path().join("REPORT.md")).expect("report").contains(QUICK));
    assert_one_clear_line(&["report", "/nowhere"], &["/nowhere"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    let under = format!("{}/runs", file.path().display());
    assert_one_clear_line(&["run", QUICK, "--out", &under], &[&under]);
}

/// A file system with room for the lock but not for the run; needs the right to mount.
#[test]
fn a_full_disk_keeps_what_was_journalled() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mount = ["-t", "tmpfs", "-o", "size=16k", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(folder.path()).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: this machine does not let the test mount a small tmpfs");
        return;
    }
    let out = folder.path().join("runs");
    let (code, _, stderr) = call(&["run", QUICK, "--seeds", "0..9", "--out", out.to_str().expect("UTF-8")]);
    let journal = out.join(QUICK).join("journal.jsonl");
    let kept = fs::read(&journal).map(|bytes| bytes.iter().filter(|b| **b == b'\n').count());
    // with room again it goes on where it was
    let grown = Command::new("mount").args(["-o", "remount,size=16m"]).arg(folder.path()).output();
    let resumed = call(&["run", QUICK, "--seeds", "0..9", "--out", out.to_str().expect("UTF-8"), "--resume"]);
    let rows = fs::read(out.join(QUICK).join("rows.csv"));
    let _ = Command::new("umount").arg(folder.path()).status();
    let alone = tempfile::tempdir().expect("temporary folder");
    call(&["run", QUICK, "--seeds", "0..9", "--out", alone.path().to_str().expect("UTF-8")]);
    assert!(grown.is_ok_and(|o| o.status.success()) && resumed.2.contains("going on after"), "{}", resumed.2);
    assert!(rows.is_ok_and(|r| r == fs::read(alone.path().join(QUICK).join("rows.csv")).expect("whole")));
    assert_eq!(code, 2, "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.contains("No space left on device") && last.contains(QUICK), "{stderr}");
    assert!(kept.is_ok_and(|lines| lines >= 1), "the journal is gone");
}

#[test]
fn two_writers_do_not_share_a_folder() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let run = folder.path().join(QUICK);
    fs::create_dir_all(&run).expect("made");
    let lock = fs::File::create(run.join(".lock")).expect("made");
    lock.lock().expect("locked");
    assert_one_clear_line(
        &["run", QUICK, "--out", folder.path().to_str().expect("UTF-8")],
        &["another process", QUICK],
    );
}

#[test]
fn a_refused_experiment_costs_the_others_nothing() {
    const OTHER: &str = "vanishing_gradients/separation";
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().to_str().expect("UTF-8");
    smoke(out);
    // the registry runs OTHER first: lock each in turn, so that the order of claims cannot matter
    let other = ["run", OTHER, "--seeds", "0", "--out", out];
    assert!([0, 1, 3].contains(&call(&other).0));
    for (locked, kept) in [(QUICK, OTHER), (OTHER, QUICK)] {
        let before = rows(folder.path(), kept);
        let lock = fs::File::create(folder.path().join(locked).join(".lock")).expect("made");
        lock.lock().expect("locked");
        assert_one_clear_line(
            &["run", OTHER, QUICK, "--seeds", "1", "--out", out, "--force"],
            &["another process", locked],
        );
        assert!(before == rows(folder.path(), kept), "{kept} was replaced although {locked} was refused");
        assert!(folder.path().join(kept).join("manifest.toml").exists());
    }
}

#[test]
fn verify_replaces_nothing_but_its_own_runs() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (results, precious, out) = (path("results"), path("precious"), path("verify"));
    let again = path("precious/../results");
    smoke(&results);
    call(&["run", QUICK, "--seeds", "1", "--out", &precious]);
    let before = rows(precious.as_ref(), QUICK);
    let verify = ["verify", "--results", &results, "--out"];
    // the reference itself, by its own path and by another
    assert_one_clear_line(&[&verify[..], &[&results]].concat(), &["results to verify", "--out"]);
    assert_one_clear_line(&[&verify[..], &[&again]].concat(), &["results to verify", "--out"]);
    // another run: complete, with --resume, and bare rows without a manifest
    let refused = [&precious, "did not make", "--out"];
    assert_one_clear_line(&[&verify[..], &[&precious]].concat(), &refused);
    assert_one_clear_line(&[&verify[..], &[&precious, "--resume"]].concat(), &refused);
    fs::remove_file(folder.path().join("precious").join(QUICK).join("manifest.toml")).expect("removed");
    assert_one_clear_line(&[&verify[..], &[&precious]].concat(), &refused);
    assert!(before == rows(precious.as_ref(), QUICK), "verify touched another run");
    // its own: as often as wanted, until another command takes the folder over
    for _ in 0..2 {
        let (code, stdout, stderr) = call(&[&verify[..], &[&out]].concat());
        assert!(code == 0 && stdout.contains("same bytes"), "{stderr}");
    }
    let taken = ["run", QUICK, "--seeds", "1", "--out", &out, "--force"];
    assert!([0, 1, 3].contains(&call(&taken).0));
    assert_one_clear_line(&[&verify[..], &[&out]].concat(), &["did not make"]);
}

#[test]
fn diff_walks_the_experiments_of_two_roots() {
    const OTHER: &str = "vanishing_gradients/separation";
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (a, b) = (path("a"), path("b"));
    smoke(&a);
    call(&["run", QUICK, "--seeds", "1", "--out", &b]);
    let (code, stdout, _) = call(&["diff", &a, &a]);
    assert!(code == 0 && stdout.starts_with(&format!("{QUICK}: same")), "{stdout}");
    let (code, stdout, _) = call(&["diff", &a, &b]);
    assert!(code == 1 && stdout.starts_with(&format!("{QUICK}: first difference in row 1 ")), "{stdout}");
    // one line each, also for what only one root has
    let csv = folder.path().join("b").join(OTHER).join("rows.csv");
    fs::create_dir_all(csv.parent().expect("a folder")).expect("made");
    fs::write(&csv, "cell,seed\n").expect("written");
    for (one, two) in [(&a, &b), (&b, &a)] {
        let (code, stdout, _) = call(&["diff", one, two]);
        assert!(code == 1 && stdout.lines().count() == 2, "{stdout}");
        assert!(stdout.contains(&format!("{OTHER}: only in {b}\n")), "{stdout}");
    }
    // single results as before: folder, file, or one of each
    let run = format!("{a}/{QUICK}");
    let (code, stdout, _) = call(&["diff", &run, &format!("{run}/rows.csv")]);
    assert!(code == 0 && stdout.starts_with("same: "), "{stdout}");
    assert_one_clear_line(&["diff", &a, &run], &[&a, "same kind"]);
    assert_one_clear_line(&["diff", &a, folder.path().to_str().expect("UTF-8")], &["no finished experiment"]);
}

#[test]
fn preference_files_are_summed_up_or_their_mistake_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pairs.jsonl");
    let file = path.to_str().expect("UTF-8");
    let good = r#"{"prompt": "a film", "chosen": "very good", "rejected": "bad"}"#;
    fs::write(&path, format!("{good}\n{good}\n")).expect("written");
    let (code, stdout, _) = call(&["preferences", file]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("2 pairs of 1 prompts, 1 of them different"), "{stdout}");
    for (line, reason) in [
        (r#"{"prompt": "a", "chosen": "b"}"#, "no field `rejected`"),
        (r#"{"prompt": "a", "chosen": "", "rejected": "c"}"#, "`chosen` is empty"),
        (r#"{"prompt": "a", "chosen": "b", "rejected": "b"}"#, "equal"),
        ("[1]", "is not an object"),
    ] {
        fs::write(&path, format!("{good}\n{line}\n")).expect("written");
        assert_one_clear_line(&["preferences", file], &["pairs.jsonl", "line 2", reason]);
    }
    fs::write(&path, b"{\"prompt\": \"caf\xe9\"}\n").expect("written");
    assert_one_clear_line(&["preferences", file], &["line 1", "UTF-8"]);
}

#[test]
fn files_of_labelled_steps_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("steps.jsonl");
    let file = path.to_str().expect("UTF-8");
    let good = r#"{"prompt": "1 + 1", "completions": ["2", "so 2"], "labels": [1, 0], "answer": "2", "generation": 0}"#;
    let wrong = r#"{"prompt": "1 + 1", "completions": ["3"], "labels": [-1], "finish_reason": "found_error"}"#;
    fs::write(&path, format!("{good}\n{wrong}\n")).expect("written");
    let (code, stdout, _) = call(&["steps", file]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("2 solutions of 1 prompt, 1 with an answer\n3 labelled steps: 1 right"), "{stdout}");
    for (line, reason) in [
        (r#"{"prompt": "p", "completions": ["a", "b"], "labels": [1], "answer": "2"}"#, "1 label for 2 steps"),
        (r#"{"prompt": "", "completions": ["a"], "labels": [1], "answer": "2"}"#, "`prompt` is empty"),
        (
            r#"{"prompt": "p", "completions": ["a"], "labels": [1], "labels": [0], "answer": "2"}"#,
            "`labels` stands twice",
        ),
        (
            r#"{"prompt": "p", "completions": ["a"], "labels": [-1], "answer": "2", "finish_reason": "solution"}"#,
            "the last label is -1",
        ),
        (r#"{"prompt": "p", "completions": ["a", ""], "labels": [1, 1], "answer": "2"}"#, "step 2 is empty"),
        (r#"{"prompt": "p", "completions": ["a"], "labels": [2], "answer": "2"}"#, "must be -1, 0 or 1"),
        (r#"{"prompt": "p", "completions": ["a"], "labels": [1]}"#, "without an `answer`"),
    ] {
        fs::write(&path, format!("{good}\n{line}\n")).expect("written");
        assert_one_clear_line(&["steps", file], &["steps.jsonl", "line 2", reason]);
    }
}

/// What is collected can be read, later generations show convincing wrong answers, and one seed gives one file.
#[test]
fn collected_labels_are_a_file_of_labelled_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let collect = |file: &str| call(&["collect", file, "--problems", "20", "--generations", "2", "--sampled", "30"]);
    let (code, stdout, _) = collect(&path("a.jsonl"));
    assert!(code == 0 && stdout.starts_with("220 solutions"), "{stdout}");
    collect(&path("b.jsonl"));
    assert_eq!(fs::read(path("a.jsonl")).expect("a file"), fs::read(path("b.jsonl")).expect("a file"));
    let (code, stdout, _) = call(&["steps", &path("a.jsonl")]);
    assert!(code == 0 && stdout.contains("solutions by generation: 0: 20, 1: 100, 2: 100"), "{stdout}");
    // labels are dear: a file that is there stays
    let before = fs::read(path("a.jsonl")).expect("a file");
    assert_one_clear_line(&["collect", &path("a.jsonl"), "--problems", "3"], &["a.jsonl", "--force"]);
    assert_eq!(fs::read(path("a.jsonl")).expect("a file"), before);
    assert_one_clear_line(&["collect", &path("c.jsonl"), "--labelled", "200"], &["labelled = 200", "1 to 100"]);
}

#[test]
fn degenerate_strengths_are_refused_with_their_range() {
    let refused = |id: &str, set: &str, parts: &[&str]| assert_one_clear_line(&["run", id, "--set", set], parts);
    refused("reward_kl/closed_form", "betas=[0.0]", &["betas", "positive"]);
    refused("reward_kl/frontier_exact", "dpo_betas=[-1.0]", &["dpo_betas", "positive"]);
    refused("reward_kl/frontier_exact", "targets=[3.0, 500.0]", &["targets", "500", "below the room"]);
    refused("reward_kl/best_of_n", "draws=[0, 1, 2, 64, 128]", &["draws"]);
}

/// Items of lists, in a list of tables too, are set by their place; what is wrong is one line.
#[test]
fn lists_of_tables_are_parameters_too() {
    let refused =
        |set: &str, parts: &[&str]| assert_one_clear_line(&["run", "weak_to_strong/chess", "--set", set], parts);
    refused("puzzles.ladder.9.width=32", &["weak_to_strong/chess", "puzzles.ladder's place = 9", "from 0 to 2"]);
    refused("puzzles.ladder.0.widht=32", &["did you mean `puzzles.ladder.0.width`"]);
    refused("puzzles.ladder=[{width=8, layers=1}, {width=16}]", &["puzzles.ladder.1", "`layers` too"]);
    refused("puzzles.ladder=[{width=8, layers=1}]", &["puzzles.ladder", "two or more"]);
    refused("puzzles.ladder.0.width=12", &["puzzles.ladder.width = 12", "a multiple of 8"]);
}

const SCORES: &str = "task,seed,weak,student,ceiling,note\n\
    boolq,0,0.61,0.68,0.79,a\nboolq,1,0.63,0.67,0.80,b\nboolq,2,0.60,0.66,0.78,c\n\
    sciq,0,0.70,0.69,0.88,d\nsciq,1,0.71,0.70,0.87,e\nsciq,2,0.69,0.68,0.86,f\n\
    saturated,0,0.95,0.95,0.97,g\nsaturated,1,0.96,0.95,0.96,h\nlone,7,0.5,0.95,0.9,i\n";

#[test]
fn a_table_of_scores_gives_what_was_recovered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("scores.csv"), SCORES).expect("written");
    let (code, stdout, stderr) = call(&["pgr", &path("scores.csv"), "--out", &path("out")]);
    assert_eq!(code, 0, "{stderr}");
    for part in [
        "boolq      3      0.6133  0.6700   0.7900   0.1767 [0.1623, 0.1910]   0.32 [",
        "sciq       3      0.7000  0.6900   0.8700   0.1700 [0.1452, 0.1948]   -0.06 [",
        "undefined: the gap's interval reaches down to 0",
        "0.4000                    1.12 ",
        " one seed: no interval\n",
        "median PGR over the 3 of 4 tasks that have one: 0.32 [",
        "of 9 runs the student is below its teacher in 4, above its ceiling in 1\n",
        "columns not read: note\n",
    ] {
        assert!(stdout.contains(part), "`{part}` is not in\n{stdout}");
    }
    let table = fs::read_to_string(path("out/pgr.csv")).expect("a table");
    assert!(table.starts_with("task,seeds,weak,student,ceiling,gap,gap_low,gap_high,pgr,pgr_low,pgr_high,"), "{table}");
    assert_eq!(table.lines().count(), 5);
    assert_eq!(fs::read_to_string(path("out/overall.csv")).expect("a table").lines().count(), 3);
    assert!(fs::read(path("out/figure.png")).expect("a figure").starts_with(b"\x89PNG"));
    let svg = fs::read_to_string(path("out/figure.svg")).expect("a figure");
    assert!(svg.contains("saturated"));
    // nothing that is there is written over unasked
    fs::remove_file(path("out/pgr.csv")).expect("removed");
    assert_one_clear_line(&["pgr", &path("scores.csv"), "--out", &path("out")], &["overall.csv", "--force"]);
    assert!(!folder.path().join("out/pgr.csv").exists());
    assert_eq!(call(&["pgr", &path("scores.csv"), "--out", &path("out"), "--force"]).0, 0);
    assert_eq!(fs::read_to_string(path("out/pgr.csv")).expect("a table"), table);
    assert!(stdout.contains("gap [95%]") && stdout.contains("(bootstrap over tasks)"), "{stdout}");
    assert!(svg.contains("Fieller below"), "{svg}");
    // no interval is shown, so no method is named
    fs::write(path("lone.csv"), "task,seed,weak,student,ceiling\nlone,7,0.5,0.7,0.9\n").expect("written");
    let (code, stdout, _) = call(&["pgr", &path("lone.csv"), "--out", &path("lone")]);
    assert!(code == 0 && stdout.contains("of all 1 tasks: 0.50\n"), "{stdout}");
    let svg = fs::read_to_string(path("lone/figure.svg")).expect("a figure");
    assert!(svg.contains("no intervals"), "{svg}");
    for said in [&stdout, &svg] {
        assert!(["95%", "Fieller", "bootstrap", "Student"].iter().all(|word| !said.contains(word)), "{said}");
    }
    let (_, stdout, _) = call(&["pgr", &path("scores.csv"), "--least-gap", "0.172"]);
    assert!(stdout.contains("undefined: the gap is not above 0.172"), "{stdout}");
    assert_one_clear_line(&["pgr", &path("scores.csv"), "--least-gap", "-0.1"], &["least-gap = -0.1", "at least 0"]);
    assert_one_clear_line(&["pgr", &path("scores.csv"), "--least-gap", "nan"], &["least-gap"]);
    assert_eq!(call(&["pgr", &path("scores.csv"), "--force"]).0, 2);
}

#[test]
fn bad_tables_of_scores_are_refused_with_line_and_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scores.csv");
    let file = path.to_str().expect("UTF-8");
    let refused = |text: &[u8], parts: &[&str]| {
        fs::write(&path, text).expect("written");
        assert_one_clear_line(&["pgr", file], parts);
    };
    let header = "task,seed,weak,student,ceiling\n";
    for (row, reason) in [
        ("a,1,0.5,0.6,nan", "ceiling `nan` is not finite"),
        ("a,1,inf,0.6,0.7", "weak `inf` is not finite"),
        ("a,1,0.5,good,0.7", "student `good` is not a number"),
        ("a,1,0.5,,0.7", "student `` is missing"),
        ("a,1.5,0.5,0.6,0.7", "seed `1.5` is not a whole number"),
        ("a,-1,0.5,0.6,0.7", "seed `-1` is not a whole number"),
        (",1,0.5,0.6,0.7", "`task` is empty"),
        ("b,0,0.5,0.6,0.7", "task `b` has seed 0 already, in line 2"),
        ("a,1,0.5,0.6", "4 values in 5 columns"),
        ("a,1,0.5,0.6,0.7,0.8", "6 values in 5 columns"),
    ] {
        refused(format!("{header}b,0,0.5,0.6,0.7\n{row}\n").as_bytes(), &["scores.csv, line 3", reason]);
    }
    refused(b"", &["line 1", "empty"]);
    refused(header.as_bytes(), &["line 2", "no row"]);
    refused(b"task,seed,weak,ceiling\na,0,0.5,0.7\n", &["line 1", "no column `student`", "weak, ceiling"]);
    refused(b"task;seed;weak;student;ceiling\n", &["line 1", "no column `task`"]);
    refused(b"task,seed,weak,student,ceiling,weak\n", &["line 1", "`weak` stands twice"]);
    refused(b"task,seed,weak,student,ceiling\na,0,0.5,0.6,0.7\ncaf\xe9,0,0.5,0.6,0.7\n", &["line 3", "UTF-8"]);
    fs::remove_file(&path).expect("removed");
    assert_one_clear_line(&["pgr", file], &["scores.csv"]);
}
