//! `rewardlab oracle`: what is exported agrees with itself, and what is wrong with answers is told.

#![allow(missing_docs)]

mod common;

use common::{Desk, assert_one_clear_line, call};
use serde_json::{Value, json};
use std::fs;

/// Right answers to all cases, each changed by `edit`, which may leave it out.
fn answers(desk: &Desk, edit: impl Fn(&mut Value) -> bool) -> String {
    let cases = desk.text("cases.jsonl");
    assert_eq!(call(&["oracle", "export", "--force", "--out", &cases]).0, 0);
    let mut lines = String::new();
    for line in fs::read_to_string(&cases).expect("written").lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let mut answer = case["expected"].clone();
        answer["id"] = case["id"].clone();
        if edit(&mut answer) {
            lines.push_str(&answer.to_string());
            lines.push('\n');
        }
    }
    fs::write(desk.path("answers.jsonl"), lines).expect("written");
    desk.text("answers.jsonl")
}

#[test]
fn right_answers_agree_and_others_are_told() {
    let desk = Desk::new();
    let (code, said, errors) = call(&["oracle", "check", &answers(&desk, |_| true), "--tolerance", "1e-9"]);
    assert!(code == 0 && said.lines().all(|l| l.ends_with("agrees")), "{said}");
    assert!(errors.contains(" 0 up to a factor, 0 differ, 0 not given"), "{errors}");

    // a sum over three pairs for their mean
    let is = |answer: &Value, class: &str| answer["id"].as_str().expect("an id").starts_with(class);
    let summed = answers(&desk, |answer| {
        if is(answer, "dpo/plain/") {
            answer["loss"] = json!(3.0 * answer["loss"].as_f64().expect("a loss"));
        }
        true
    });
    let (code, said, _) = call(&["oracle", "check", &summed]);
    let told = |class: &str, end: &str| {
        said.lines().any(|l| l.split_whitespace().take(3).eq(class.split(' ')) && l.contains(end))
    };
    assert!(code == 1 && told("dpo plain loss", "up to a factor: 3.000000"), "{said}");
    assert!(told("dpo plain gradient", "  agrees"), "{said}");
    assert!(
        said.lines().any(|l| l.starts_with("dpo ") && l.contains("far_apart") && l.contains("gradient, loss  ")),
        "{said}"
    );

    // what Python writes for what is no number is an answer, and a wrong one
    let lost = answers(&desk, |answer| {
        if is(answer, "k3/extreme/") {
            answer["loss"] = json!("NaN");
            answer["kl"] = Value::Null;
        }
        true
    });
    let text = fs::read_to_string(&lost).expect("written").replace("\"NaN\"", "NaN");
    fs::write(&lost, text).expect("written");
    let (code, said, _) = call(&["oracle", "check", &lost]);
    assert_eq!(code, 1, "{said}");
    let differs = said.lines().find(|l| l.starts_with("k3 ") && l.contains("extreme") && l.contains("differs"));
    assert!(differs.is_some_and(|l| l.contains("kl, loss")), "{said}");

    let silent = answers(&desk, |answer| !is(answer, "gae/"));
    let (code, said, _) = call(&["oracle", "check", &silent]);
    assert!(code == 3 && said.lines().any(|l| l.starts_with("gae ") && l.ends_with("not given")), "{said}");
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let desk = Desk::new();
    let refused = |line: &str, part: &str| {
        fs::write(desk.path("wrong.jsonl"), line).expect("written");
        assert_one_clear_line(&["oracle", "check", &desk.text("wrong.jsonl")], &[part]);
    };
    refused("{", "line 1");
    refused("{\"loss\": 1}", "no field `id`");
    refused("{\"id\": \"dpo/plain/0\", \"loss\": \"small\"}", "line 1: `loss` is \"small\": expected a number");
    refused("{\"id\": \"dop/plain/0\", \"loss\": 1}", "did you mean");
    refused("{\"id\": \"dpo/plain/0\", \"los\": 1}", "did you mean `loss`");
    refused("{\"id\": \"dpo/plain/0\", \"loss\": [1, 2]}", "`loss` has the shape [2], expected []");
    fs::write(desk.path("there.jsonl"), "").expect("written");
    assert_one_clear_line(&["oracle", "export", "--out", &desk.text("there.jsonl")], &["--force"]);
    assert_one_clear_line(&["oracle", "check", "/nowhere.jsonl"], &["/nowhere.jsonl"]);
    let folder = desk.path("").to_str().expect("UTF-8").to_owned();
    assert_one_clear_line(&["oracle", "export", "--force", "--out", &folder], &["no regular file"]);
}
