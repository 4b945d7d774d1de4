//! `rewardlab audit`: real logs of TRL and logs as verl and `OpenRLHF` write them, read as a user would.

#![allow(missing_docs)]

mod common;

use common::{assert_one_clear_line, call};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

struct Said {
    code: i32,
    text: String,
    report: Value,
}

impl Said {
    fn row(&self, key: &str) -> &Value {
        let rows = self.report["rows"].as_array().expect("rows");
        rows.iter().find(|r| r["key"] == key).unwrap_or_else(|| panic!("no row of {key}"))
    }

    fn findings(&self, level: &str) -> Vec<&str> {
        let all = self.report["findings"].as_array().expect("findings");
        all.iter().filter(|f| f["level"] == level).map(|f| f["id"].as_str().expect("an id")).collect()
    }

    fn quantity(&self, key: &str) -> &str {
        self.row(key)["quantity"].as_str().expect("a text")
    }
}

/// The report of a log, as text and as JSON.
fn audit(arguments: &[&str]) -> Said {
    let folder = TempDir::new().expect("a folder");
    let json = folder.path().join("report.json");
    let json = json.to_str().expect("UTF-8");
    let (code, text, stderr) = call(&[&["audit"], arguments, &["--json", json]].concat());
    assert!(code < 2, "{arguments:?}: {stderr}");
    let report = serde_json::from_str(&fs::read_to_string(json).expect("written")).expect("JSON");
    Said { code, text, report }
}

fn trl(name: &str, more: &[&str]) -> Said {
    let (log, config) = (fixture(&format!("trl_{name}.jsonl")), fixture(&format!("trl_{name}.config.json")));
    audit(&[&[log.as_str(), "--format", "trl", "--config", config.as_str()], more].concat())
}

#[test]
fn every_key_of_trls_logs_is_in_the_catalogue() {
    for name in ["grpo", "rloo", "dpo", "dpo_displaced", "kto", "reward", "sft"] {
        let said = trl(name, &[]);
        assert_eq!(said.report["unknown"], Value::Array(Vec::new()), "{name}");
        assert_eq!(said.report["not_numbers"], Value::Array(Vec::new()), "{name}");
        let trainer = name.split('_').next().expect("a name");
        assert_eq!(said.report["trainers"], serde_json::json!([trainer]), "{name}");
        let open: Vec<&Value> =
            said.report["rows"].as_array().expect("rows").iter().filter(|r| r["kind"] == "open").collect();
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

/// Without options the keys alone say which trainer it was, but for GRPO and RLOO, which log the same.
#[test]
fn the_trainer_is_told_by_the_keys() {
    for (name, expected) in [
        ("grpo", vec!["grpo", "rloo"]),
        ("rloo", vec!["grpo", "rloo"]),
        ("dpo", vec!["dpo"]),
        ("kto", vec!["kto"]),
        ("reward", vec!["reward"]),
        ("sft", vec!["sft"]),
    ] {
        let said = audit(&[&fixture(&format!("trl_{name}.jsonl")), "--format", "trl"]);
        assert_eq!(said.report["trainers"], serde_json::json!(expected), "{name}");
    }
    let said = audit(&[&fixture("trl_grpo.jsonl"), "--format", "trl"]);
    assert_eq!(said.row("kl")["kind"], "open");
    let depends = said.row("kl")["depends"].as_str().expect("a text");
    assert!(depends.contains("if trainer = rloo: estimates KL(π_θ‖π_ref) per token, estimator k1"), "{depends}");
}

/// What the catalogue claims of these keys was recomputed when the logs were made.
#[test]
fn what_is_said_of_trl_is_what_was_recomputed() {
    let check: Value =
        serde_json::from_str(&fs::read_to_string(fixture("trl_check.json")).expect("there")).expect("JSON");
    for (trainer, most) in [("grpo", 1e-6), ("rloo", 1e-6), ("dpo", 1e-5), ("dpo_displaced", 1e-5)] {
        let differences = check[trainer]["largest_difference"].as_object().expect("numbers");
        assert!(differences.len() >= 6);
        for (key, difference) in differences {
            assert!(difference.as_f64().expect("a number") < most, "{trainer} {key}: {difference}");
        }
    }
    let is = |trainer: &str, key: &str| check[trainer]["is"][key].as_str().expect("a name").to_owned();
    let (grpo, rloo) = (trl("grpo", &[]), trl("rloo", &[]));
    assert!(is("grpo", "kl") == "kl_k3" && grpo.quantity("kl").contains("estimator k3"));
    assert!(is("rloo", "kl") == "kl_k1" && rloo.quantity("kl").contains("estimator k1"));
    assert!(is("grpo", "frac_reward_zero_std") == "dead_groups" && grpo.row("frac_reward_zero_std")["kind"] == "is");
    assert!(
        is("rloo", "frac_reward_zero_std") == "dead_groups_after_kl"
            && rloo.row("frac_reward_zero_std")["kind"] == "no"
    );
    assert!(is("grpo", "reward_std") == "reward_std_batch" && grpo.row("reward_std")["kind"] == "no");
    // the two readings are far apart in these logs
    let means = &check["rloo"]["means_recomputed"];
    assert!(
        means["dead_groups"].as_f64() > Some(0.2) && means["dead_groups_after_kl"].as_f64() < Some(0.05),
        "{means}"
    );
}

#[test]
fn real_logs_are_warned_of_as_they_are() {
    let healthy = trl("dpo", &[]);
    assert_eq!((healthy.code, healthy.findings("warning")), (0, Vec::new()), "{}", healthy.text);
    let displaced = trl("dpo_displaced", &[]);
    assert_eq!((displaced.code, displaced.findings("warning")), (1, vec!["displaced_likelihood"]));
    assert!(
        displaced.text.contains("nats a completion (β = 0.1)") && displaced.text.contains("arXiv:2410.08847"),
        "{}",
        displaced.text
    );
    let rloo = trl("rloo", &["--binary"]);
    assert!(
        rloo.findings("note").contains(&"dead_groups_hidden") && rloo.findings("warning") == ["dead_groups_predicted"]
    );
    let grpo = trl("grpo", &["--binary"]);
    assert!(
        !grpo.findings("note").contains(&"dead_groups_hidden")
            && grpo.findings("note").contains(&"dead_groups_predicted")
    );
}

#[test]
fn a_state_says_what_its_lines_say() {
    let config = fixture("trl_grpo.config.json");
    let state = audit(&[&fixture("trl_grpo_state.json"), "--format", "trl", "--config", &config]);
    let lines = trl("grpo", &[]);
    for part in ["rows", "findings", "steps", "unknown"] {
        assert_eq!(state.report[part], lines.report[part], "{part}");
    }
}

#[test]
fn verl_and_openrlhf_are_read() {
    let verl = audit(&[
        &fixture("verl.jsonl"),
        "--format",
        "verl",
        "--set",
        "algorithm.adv_estimator=grpo",
        "--set",
        "actor_rollout_ref.rollout.n=8",
        "--binary",
    ]);
    assert_eq!(verl.report["unknown"], Value::Array(Vec::new()));
    assert!(verl.quantity("actor/kl_loss").contains("estimator k3"));
    assert!(verl.quantity("actor/ppo_kl").contains("π_old‖π_θ") && verl.row("critic/returns/mean")["kind"] == "no");
    assert!(verl.findings("note").contains(&"dead_groups_hidden"), "{}", verl.text);
    assert!(!verl.findings("warning").contains(&"huge_advantages"), "{}", verl.text);
    let rlhf =
        ["--format", "openrlhf", "--set", "algo.advantage.estimator=group_norm", "--set", "n_samples_per_prompt=8"];
    let ppo = audit(&[&[fixture("openrlhf_ppo.jsonl").as_str()], &rlhf[..]].concat());
    assert_eq!(ppo.report["unknown"], Value::Array(Vec::new()));
    assert!(ppo.quantity("group_reward_std").contains("STD[r]") && ppo.row("rollout/reward_std")["kind"] == "no");
    assert!(ppo.quantity("kl").contains("k1") && ppo.row("return")["kind"] == "no");
    let k3 = audit(
        &[
            &[fixture("openrlhf_ppo.jsonl").as_str(), "--set", "kl_estimator=k3", "--set", "use_kl_loss=true"],
            &rlhf[..],
        ]
        .concat(),
    );
    assert!(
        k3.quantity("kl").contains("estimator k3")
            && k3.row("kl")["over"].as_str().expect("a text").contains("reads high")
    );
    let dpo =
        audit(&[&fixture("openrlhf_dpo.jsonl"), "--format", "openrlhf", "--set", "trainer=dpo", "--set", "beta=0.1"]);
    assert_eq!(dpo.findings("warning"), ["displaced_likelihood"], "{}", dpo.text);
}

#[test]
fn the_table_goes_into_a_csv_and_nothing_is_overwritten() {
    let folder = TempDir::new().expect("a folder");
    let csv = folder.path().join("keys.csv");
    let csv = csv.to_str().expect("UTF-8");
    let log = fixture("trl_sft.jsonl");
    let arguments = ["audit", &log, "--format", "trl", "--csv", csv];
    assert_eq!(call(&arguments).0, 0);
    let text = fs::read_to_string(csv).expect("written");
    assert!(
        text.starts_with("key,kind,quantity,over,caveat,depends\n") && text.contains("\nmean_token_accuracy,is,"),
        "{text}"
    );
    assert_one_clear_line(&arguments, &["keys.csv", "--force"]);
    assert_eq!(call(&[&arguments[..], &["--force"]].concat()).0, 0);
    let text = fs::read(csv).expect("written");
    // a folder that is not there is not made, as elsewhere
    let deep = folder.path().join("a/b/keys.json");
    let deep = deep.to_str().expect("UTF-8");
    assert_one_clear_line(&["audit", &log, "--format", "trl", "--json", deep], &["no such folder", "keys.json"]);
    assert!(!folder.path().join("a").exists());
    // what is read, and the other table, stay
    for arguments in [
        ["audit", csv, "--format", "trl", "--json", csv, "--force"],
        ["audit", &log, "--format", "trl", "--json", &log, "--force"],
    ] {
        assert_one_clear_line(&arguments, &["already", "another name"]);
    }
    let same = ["audit", &log, "--format", "trl", "--json", csv, "--csv", csv, "--force"];
    assert_one_clear_line(&same, &["already", "another name"]);
    assert_eq!(fs::read(csv).expect("there"), text);
}

/// A finished file is renamed to its name: over a pipe or a device that would put the file in its place.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let folder = TempDir::new().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&pipe, &link).expect("made");
    for path in [pipe.as_path(), link.as_path(), folder.path()] {
        let path = path.to_str().expect("UTF-8");
        for option in ["--json", "--csv"] {
            // the log is not there: the name is refused before it is read
            let arguments = ["audit", "/nowhere/log.jsonl", "--format", "trl", option, path, "--force"];
            assert_one_clear_line(&arguments, &[path, "no regular file"]);
        }
    }
    assert!(fs::metadata(&pipe).expect("there").file_type().is_fifo());
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
}

#[test]
fn bad_input_is_one_clear_line() {
    let folder = TempDir::new().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (grpo, verl) = (fixture("trl_grpo.jsonl"), fixture("verl.jsonl"));
    let state = fixture("trl_grpo_state.json");
    let wrong = |log: &str, format: &str, more: &[&str], parts: &[&str]| {
        assert_one_clear_line(&[&["audit", log, "--format", format], more].concat(), parts);
    };
    wrong("/nowhere/log.jsonl", "trl", &[], &["/nowhere/log.jsonl"]);
    wrong(&put("text.jsonl", "not json\n"), "trl", &[], &["text.jsonl, line 1", "not JSON"]);
    wrong(&put("cut.jsonl", "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"lo"), "trl", &[], &["cut.jsonl, line 2"]);
    wrong(&put("empty.jsonl", ""), "trl", &[], &["empty.jsonl"]);
    wrong(&put("history.json", "{\"log_history\": []}"), "trl", &[], &["history.json", "nothing was logged"]);
    wrong(&put("history2.json", "{\"log_history\": 3}"), "trl", &[], &["log_history", "3 is not an array"]);
    wrong(&put("list.json", "[1]"), "trl", &[], &["element[0]", "1 is not an object"]);
    wrong(&put("other.jsonl", "{\"a\": 1}\n"), "trl", &[], &["its keys", "no key that TRL logs", "a"]);
    wrong(&verl, "trl", &[], &["line 1", "--format verl"]);
    wrong(&grpo, "verl", &[], &["line 1", "no object `data`", "--format trl"]);
    wrong(&grpo, "openrlhf", &[], &["rather TRL's", "--format trl"]);
    wrong(&state, "verl", &[], &["trainer_state.json", "--format trl"]);
    wrong(&fixture("openrlhf_ppo.jsonl"), "trl", &[], &["rather OpenRLHF's", "--format openrlhf"]);
    wrong(
        &grpo,
        "trl",
        &["--set", "scale_reward=batch"],
        &["unknown option `scale_reward`", "did you mean `scale_rewards`"],
    );
    wrong(&grpo, "trl", &["--set", "scale_rewards=bath"], &["scale_rewards = bath", "group, batch, none"]);
    wrong(&grpo, "trl", &["--set", "beta"], &["--set beta", "key=value"]);
    wrong(&grpo, "trl", &["--gold", "rewad"], &["unknown logged key `rewad`", "did you mean `reward`"]);
    wrong(&grpo, "trl", &["--config", "/nowhere.json"], &["/nowhere.json"]);
    wrong(&grpo, "trl", &["--config", &put("config.toml", "a = \n")], &["config.toml, TOML"]);
    wrong(&grpo, "trl", &["--config", &put("config.json", "[]")], &["config.json", "object of options"]);
    assert_eq!(call(&["audit", &grpo]).0, 2, "a format is needed");
    assert_eq!(call(&["audit", &grpo, "--format", "tlr"]).0, 2);
    // what the audit does not use is said, not dropped
    let (_, text, _) = call(&["audit", &grpo, "--format", "trl", "--set", "learning_rate=1e-6"]);
    assert!(text.contains("nothing here depends on: learning_rate"), "{text}");
}
