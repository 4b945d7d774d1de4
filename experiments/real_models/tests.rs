//! The way through files: what the `gpu` profile does, at a toy's size, with lines in the small world's words.

use super::{
    frontier::Frontier, process::Process, transfer::Transfer, vanishing::Vanishing, weak_to_strong::WeakToStrong,
};
use rewardlab::env::Split;
use rewardlab::env::text::{Task, decode, review_continuation, sentiment};
use rewardlab::experiment::{Experiment, Preset, StageStore, entry};
use rewardlab::lm::{Config, LanguageModel, Precision, Size, Tokenizer, init};
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

/// Sums with their solutions in a model folder's language, and that folder: a model that has read nothing.
fn write_sums(folder: &Path) {
    let sum = |i: usize| (1 + i % 3, 1 + i / 3 % 3);
    let completion = |(a, b): (usize, usize)| format!("\n<<{a}+{b}={}>>\n#### {}", a + b, a + b);
    for (name, lines) in [("train", 36), ("test", 4)] {
        let mut text = String::new();
        for (a, b) in (0..lines).map(sum) {
            let line =
                json!({"prompt": format!("{a}+{b}"), "completion": completion((a, b)), "answer": (a + b).to_string()});
            writeln!(text, "{line}").expect("memory");
        }
        std::fs::write(folder.join(format!("{name}.jsonl")), text).expect("a temporary folder");
    }
    let texts: Vec<String> = (0..9).map(|i| completion(sum(i))).collect();
    let tokenizer =
        Tokenizer::train_bpe(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 270).expect("legal size");
    let config = Config::llama(Size { vocab: tokenizer.vocab(), width: 32, layers: 1, heads: 2, context: 48 });
    let params = init(&config, 0.02, &mut Stream::named(&["tests", "sums"])).expect("a legal form");
    let model = LanguageModel { config, params, tokenizer, chat_template: None };
    model.save(folder, Precision::F32).expect("a temporary folder");
}

#[test]
fn steps_of_lines_teach_verifiers_of_a_model_that_is_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_sums(folder.path());
    let mut subject = entry::<Process>().params(Preset::Smoke).expect("TOML")["subject"].clone();
    subject["model"] = folder.path().display().to_string().into();
    subject["lora_rank"] = 0.into();
    let files = json!({"files": {"folder": folder.path(), "chat": false, "length": 30}});
    let writer = json!({"steps": 300, "batch": 16, "learning_rate": 3e-3});
    let change = |value: serde_json::Value| toml::Value::try_from(value).expect("TOML");
    let changes = [
        ("subject", subject),
        ("source", change(files)),
        ("written", 18.into()),
        ("writer", change(writer)),
        ("train", 18.into()),
        ("test", 4.into()),
    ];
    let table = &measure::<Process>(1, &changes).expect("legal lines")[0];
    let column = |name: &str| table.header.iter().position(|c| c == name).expect("a column");
    assert_eq!(table.rows.len(), 6 * 3, "methods by N");
    for name in ["finished", "pass_rate"] {
        let value: f64 = table.rows[0][column(name)].parse().expect("a number");
        assert!(value > 0.3, "the writer has learned to write sums: {name} {value}");
    }
    let mut more = changes.clone();
    more[2].1 = 19.into();
    let error = measure::<Process>(1, &more).expect_err("one line too few").to_string();
    assert!(error.contains("36 that fit, but 37 are asked for"), "{error}");
}

/// The reference results of `transfer` are of the present ones of all others.
#[test]
fn what_transfers_is_up_to_date() {
    let tables = measure::<Transfer>(usize::MAX, &[]).expect("built in");
    let fresh: Vec<Vec<String>> = tables.into_iter().flat_map(|t| t.rows).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/real_models/transfer/rows.csv");
    let committed = Table::read(&path).expect("committed");
    let committed: Vec<Vec<String>> = committed.rows.into_iter().filter(|row| row[1] == "0").collect();
    assert!(fresh == committed, "rewardlab run real_models/transfer --profile paper");
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
