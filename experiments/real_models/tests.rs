//! The way through files: what the `gpu` profile does, at a toy's size, with lines in the small world's words.

use super::{frontier::Frontier, vanishing::Vanishing, weak_to_strong::WeakToStrong};
use rewardlab::env::Split;
use rewardlab::env::text::{Task, decode, review_continuation, sentiment};
use rewardlab::experiment::{Experiment, Preset, StageStore, entry};
use rewardlab::record::Table;
use rewardlab::rng::Stream;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Reviews with their continuation, labelled by whether it praises: `train.jsonl` and `test.jsonl`.
fn write_reviews(folder: &Path) {
    let mut rng = Stream::named(&["tests", "reviews"]);
    for (split, name, lines) in [(Split::Train, "train", 4400), (Split::Test, "test", 400)] {
        let mut text = String::new();
        for i in 0..lines {
            let input = Task::Sentiment.input(split, &mut rng);
            // both classes alternate, so that there are enough of each
            let completion = loop {
                let completion = review_continuation(&mut rng);
                if (sentiment(&completion) > 0.5) == (i % 2 == 0) {
                    break completion;
                }
            };
            let words = decode(&completion).replace(" <eos>", "");
            let line = json!({
                "prompt": decode(&input.prompt), "completion": format!(" {words}"), "label": u8::from(i % 2 == 0),
            });
            writeln!(text, "{line}").expect("memory");
        }
        std::fs::write(folder.join(format!("{name}.jsonl")), text).expect("a temporary folder");
    }
}

/// The rows of the first `cells` cells of an experiment's smoke profile, changed by some assignments.
fn measure<E: Experiment>(cells: usize, changes: &[(&str, toml::Value)]) -> rewardlab::error::Result<Vec<Table>> {
    let experiment = entry::<E>();
    let mut params = experiment.params(Preset::Smoke)?;
    for (key, value) in changes {
        params.insert((*key).to_owned(), value.clone());
    }
    let plan = experiment.plan(&params)?;
    let stages = StageStore::default();
    (0..cells.min(plan.cells().len())).map(|c| plan.measure(c, 0, &stages)).collect()
}

fn task(folder: &Path, reward: &str) -> toml::Value {
    toml::Value::try_from(json!({
        "name": "lines", "data": folder, "reward": reward, "chat": false, "length": 16, "claimed": true,
    }))
    .expect("TOML")
}

#[test]
fn lines_of_files_go_the_way_of_the_small_world() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_reviews(folder.path());
    let tables = measure::<Vanishing>(
        1,
        &[(
            "tasks",
            vec![task(folder.path(), "regex:(great|lovely|brilliant|moving|funny|warm|clever|wonderful)")].into(),
        )],
    );
    let table = &tables.expect("legal lines")[0];
    let reward = table.header.iter().position(|c| c == "reward").expect("a column");
    let first: f64 = table.rows[0][reward].parse().expect("a number");
    assert!(first > 0.2 && first < 1.0, "praise and blame are both written: {first}");

    let trained = format!("trained:{}", folder.path().display());
    let tables = measure::<Frontier>(3, &[("task", task(folder.path(), &trained))]).expect("legal lines");
    let rows: usize = tables.iter().map(|t| t.rows.len()).sum();
    assert!(rows > 6, "{rows}");

    let question = json!({"name": "reviews", "data": folder.path(), "length": 64});
    let question = toml::Value::try_from(vec![question]).expect("TOML");
    let tables = measure::<WeakToStrong>(1, &[("questions", question)]).expect("legal lines");
    assert_eq!(tables[0].rows.len(), 6);
}

#[test]
fn lines_that_cannot_be_read_say_where() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let complaint = |text: &str| {
        std::fs::write(folder.path().join("train.jsonl"), text).expect("a temporary folder");
        let error = measure::<Vanishing>(1, &[("tasks", vec![task(folder.path(), "regex:x")].into())]);
        let error = error.expect_err("no legal lines").to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    assert!(complaint("{").contains("line 1"));
    assert!(complaint(r#"{"prompt": "<bos> review", "completion": 3}"#).contains("`completion`"));
    assert!(complaint(r#"{"prompt": "<bos> review", "completion": " funny"}"#).contains("64 are asked for"));
    assert!(complaint(r#"{"prompt": "", "completion": " funny"}"#).contains("a prompt of 0 tokens"));
    let many = r#"{"prompt": "PROMPT", "completion": " funny"}"#.replace("PROMPT", &"review ".repeat(60));
    assert!(complaint(&many).contains("a prompt of 60 tokens"));
}
