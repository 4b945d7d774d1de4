//! `rewardlab lm generate`, `score` and `train` at the keyboard, on a tiny model made on the fly.

mod common;
#[path = "common/tiny.rs"]
mod tiny;

use common::rewardlab;
use rewardlab::lm::LanguageModel;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder with a model and data of every shape in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(desk.path("model")).expect("made");
        tiny::write(&desk.path("model"), 32, 2, 96);
        let sums = || (0..5).flat_map(|a| (0..5).map(move |b| (a, b)));
        let lines = |line: &dyn Fn(u32, u32) -> Value| {
            sums().map(|(a, b)| format!("{}\n", line(a, b))).collect::<Vec<_>>().concat()
        };
        let said = |role: &str, content: String| json!({"role": role, "content": content});
        desk.write(
            "sums.jsonl",
            &lines(&|a, b| json!({"prompt": format!("{a}+{b}="), "completion": (a + b).to_string()})),
        );
        desk.write("text.jsonl", &lines(&|a, b| json!({"text": format!("{a} and {b} are {}", a + b)})));
        desk.write(
            "chat.jsonl",
            &lines(&|a, b| {
                json!({"messages": [said("user", format!("{a}+{b}")), said("assistant", (a + b).to_string()),
                    said("user", "and 1".into()), said("assistant", (a + b + 1).to_string())]})
            }),
        );
        desk.write(
            "pairs.jsonl",
            &lines(&|a, b| {
                json!({"prompt": format!("{a}+{b}="), "chosen": (a + b).to_string(), "rejected": (a + b + 1).to_string()})
            }),
        );
        desk.write(
            "implicit.jsonl",
            &lines(&|a, b| {
                let turn = |sum: u32| json!([said("user", format!("{a}+{b}")), said("assistant", sum.to_string())]);
                json!({"chosen": turn(a + b), "rejected": turn(a + b + 1)})
            }),
        );
        desk.write(
            "prompts.jsonl",
            &lines(&|a, b| json!({"prompt": format!("{a}+{b}="), "answer": (a + b).to_string()})),
        );
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Exit code, stdout and stderr of `rewardlab lm …`, in the folder.
    fn lm(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = rewardlab().current_dir(self.0.path()).arg("lm").args(arguments).output().expect("it starts");
        let Output { status, stdout, stderr } = output;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (status.code().expect("an exit code"), text(stdout), text(stderr))
    }

    /// The same, which must go well; its stdout.
    fn runs(&self, arguments: &[&str]) -> String {
        let (code, said, errors) = self.lm(arguments);
        assert_eq!(code, 0, "{arguments:?}: {errors}");
        said
    }

    /// `lm train` with these keys set.
    fn train(&self, out: &str, sets: &[&str], more: &[&str]) -> (i32, String, String) {
        let mut arguments = vec!["train", "--out", out, "--set", "model=model"];
        sets.iter().for_each(|set| arguments.extend(["--set", set]));
        arguments.extend(more);
        self.lm(&arguments)
    }

    fn metrics(&self, out: &str) -> Vec<Value> {
        json_lines(&self.read(&format!("{out}/metrics.jsonl")))
    }
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

const SFT: [&str; 6] = [
    "method=sft",
    "data.train=sums.jsonl",
    "training.steps=60",
    "training.learning_rate=3e-3",
    "training.batch=25",
    "data.evaluate=sums.jsonl",
];

#[test]
fn what_is_learned_is_written_and_scored() {
    let desk = Desk::new();
    let (code, _, errors) = desk.train("sft", &SFT, &[]);
    assert_eq!(code, 0, "{errors}");
    let metrics = desk.metrics("sft");
    let held_out = |row: &Value| row["held_out_loss"].as_f64().expect("measured");
    // chance is ln 259 = 5.6; half of what is learned is the end token
    assert!(held_out(&metrics[0]) > 4.0 && held_out(metrics.last().expect("rows")) < 1.2, "{metrics:?}");
    assert_eq!(metrics.len(), 61);
    assert!(desk.read("sft/metrics.csv").starts_with("step,held_out_loss,held_out_perplexity,loss,learning_rate\n0,"));
    assert!(LanguageModel::load(&desk.path("sft/model")).is_ok());
    let left: Vec<String> = fs::read_dir(desk.path("sft"))
        .expect("a folder")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.iter().all(|name| !name.starts_with("checkpoint")), "{left:?}");

    // what it writes, it scores alike, end token included; on any number of threads
    let write = |threads: &str, out: &str| {
        let model =
            ["--model", "sft/model", "--prompts", "prompts.jsonl", "--samples", "3", "--temperature", "0.5", "--ids"];
        desk.runs(&[&["generate"], &model[..], &["--threads", threads, "--out", out]].concat());
        desk.read(out)
    };
    let written = write("1", "one.jsonl");
    assert_eq!(written, write("3", "three.jsonl"));
    let lines = json_lines(&written);
    assert_eq!(lines.len(), 75);
    assert!(lines.iter().all(|l| l["ended"] == true && l["answer"].is_string()), "{written}");
    let right = lines.iter().filter(|l| l["completion"] == l["answer"]).count();
    assert!(right > 25, "{right}");
    let different: std::collections::HashSet<String> =
        lines.iter().filter(|l| l["prompt"] == "2+2=").map(|l| l["completion"].to_string()).collect();
    assert!(!different.is_empty());
    desk.runs(&["score", "--model", "sft/model", "--data", "one.jsonl", "--end", "--out", "scored.jsonl"]);
    // the text does not say which of the two end tokens came, nor what is no text
    let said_in_full = |l: &Value| {
        let ids: Vec<u64> = l["ids"].as_array().expect("ids").iter().filter_map(Value::as_u64).collect();
        ids.last() == Some(&256) && ids[..ids.len() - 1].iter().all(|id| *id < 128)
    };
    assert!(lines.iter().filter(|l| said_in_full(l)).count() > 60);
    let scored = json_lines(&desk.read("scored.jsonl"));
    for (own, scored) in lines.iter().zip(scored).filter(|(own, _)| said_in_full(own)) {
        let (own, scored) = (own["log_prob"].as_f64().expect("nats"), scored["log_prob"].as_f64().expect("nats"));
        assert!((own - scored).abs() < 1e-4, "{own} {scored}");
    }
    // greedy, at the keyboard
    let said = desk.runs(&["generate", "--model", "sft/model", "--prompt", "1+1=", "--temperature", "0"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    // a file that is there stays
    let again = ["generate", "--model", "sft/model", "--prompts", "prompts.jsonl", "--out", "one.jsonl"];
    let (code, _, errors) = desk.lm(&again);
    assert!(code == 2 && errors.contains("--force"), "{errors}");
}

#[test]
fn every_shape_is_scored() {
    let desk = Desk::new();
    let score = |file: &str| {
        let (code, said, errors) = desk.lm(&["score", "--model", "model", "--data", file]);
        assert_eq!(code, 0, "{file}: {errors}");
        (json_lines(&said), errors)
    };
    let number = |line: &Value, name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line}"));
    for file in ["sums.jsonl", "text.jsonl", "chat.jsonl"] {
        let (lines, summary) = score(file);
        let (mut total, mut tokens) = (0.0, 0.0);
        for line in &lines {
            let mean = number(line, "log_prob") / number(line, "tokens");
            assert!((mean - number(line, "log_prob_per_token")).abs() < 1e-12);
            total += number(line, "log_prob");
            tokens += number(line, "tokens");
        }
        let perplexity = format!("perplexity {:.3}", (-total / tokens).exp());
        assert!(lines.len() == 25 && summary.contains(&perplexity), "{summary}");
    }
    // "0 and 0 are 0" has 13 bytes, the first is given; replies end with their turns
    assert_eq!(number(&score("text.jsonl").0[0], "tokens"), 12.0);
    assert_eq!(number(&score("chat.jsonl").0[0], "tokens"), 4.0);
    for file in ["pairs.jsonl", "implicit.jsonl"] {
        let (lines, summary) = score(file);
        let right = lines.iter().filter(|l| number(l, "margin") > 0.0).count();
        assert!(summary.contains(&format!("in {:.1}% of 25 pairs", 4.0 * right as f64)), "{summary}");
        let gap = |l: &Value| number(l, "chosen_log_prob") - number(l, "rejected_log_prob") - number(l, "margin");
        assert!(lines.iter().all(|l| gap(l).abs() < 1e-12));
    }
}

/// (method, its data, further keys)
const METHODS: [(&str, &str, &[&str]); 19] = [
    ("sft", "text.jsonl", &["training.steps=3"]),
    ("sft", "chat.jsonl", &["training.steps=3", "data.learn=everything"]),
    ("reward_model", "pairs.jsonl", &["training.batch=5"]),
    ("dpo", "implicit.jsonl", &["training.steps=3"]),
    ("conservative_dpo", "pairs.jsonl", &["training.steps=3", "loss.smoothing=0.2"]),
    ("unweighted_dpo", "pairs.jsonl", &["training.steps=3"]),
    ("ipo", "pairs.jsonl", &["training.steps=3"]),
    ("kto", "pairs.jsonl", &["training.steps=3"]),
    ("orpo", "pairs.jsonl", &["training.steps=3"]),
    ("simpo", "pairs.jsonl", &["training.steps=3"]),
    ("unlikelihood", "pairs.jsonl", &["training.steps=3"]),
    ("preferred", "pairs.jsonl", &["training.steps=3", "data.chat=true"]),
    ("reinforce", "prompts.jsonl", &["training.iterations=2", "training.advantage={moving_average={decay=0.5}}"]),
    ("rloo", "prompts.jsonl", &["training.iterations=2"]),
    ("grpo", "prompts.jsonl", &["training.iterations=2", "training.kl.estimate=exact"]),
    ("dr_grpo", "prompts.jsonl", &["training.iterations=2"]),
    ("ppo", "prompts.jsonl", &["training.iterations=2"]),
    ("rest", "prompts.jsonl", &["training.steps=4", "training.evaluate_every=2", "training.candidates=2"]),
    (
        "rest",
        "sums.jsonl",
        &[
            "training.mixture=true",
            "training.candidates=2",
            "training.steps=2",
            "training.evaluate_every=2",
            "training.loss={oac={critic={steps=3, minibatch=8, learning_rate=1e-3}}}",
            "training.improves=['all', {percentile={percentile=50.0}}]",
            "reward.reward=regex:[0-9]",
        ],
    ),
];

#[test]
fn every_method_trains_all_weights_and_adapters() {
    let desk = Desk::new();
    let before = LanguageModel::load(&desk.path("model")).expect("a model").params;
    for (i, (method, data, more)) in METHODS.iter().enumerate() {
        for finetune in ["full", "lora"] {
            let (out, name) = (format!("{method} {i} {finetune}"), format!("method={method}"));
            let data = [format!("data.train={data}"), format!("data.evaluate={data}"), format!("finetune={finetune}")];
            let rate = if *method == "rest" { "training.rate_decay=0.9" } else { "training.learning_rate=1e-3" };
            let mut sets = vec![&*name, &data[0], &data[1], &data[2], rate, "evaluate_every=1", "lora.rank=2"];
            if ["reinforce", "rloo", "grpo", "dr_grpo", "ppo", "rest"].contains(method) {
                // a random model writes digits rarely and bytes above 127 often
                sets.extend(["reward.reward=regex:[a-zA-Z]", "sampling.max_tokens=4"]);
            }
            sets.extend(*more);
            let (code, said, errors) = desk.train(&out, &sets, &[]);
            assert_eq!(code, 0, "{out}: {errors}");
            assert!(said.contains("written to"), "{said}");
            assert!(errors.contains("memory: about "), "{errors}");
            let metrics = desk.metrics(&out);
            assert!(
                metrics.iter().any(|row| row.as_object().expect("a row").keys().any(|k| k.starts_with("held_out")))
            );
            let after = LanguageModel::load(&desk.path(&out).join("model")).expect("a model").params;
            assert_eq!(after.len(), before.len(), "{out}: a critic stayed in the model");
            assert!(after != before, "{out}: nothing was learned");
            let adapter = desk.path(&out).join("adapter/adapter_model.safetensors").exists();
            assert_eq!(adapter, finetune == "lora", "{out}");
            if adapter && *method != "reward_model" {
                // the adapters on the base are the merged model
                let mut model = LanguageModel::load(&desk.path("model")).expect("a model");
                model.adapt(&desk.path(&out).join("adapter")).expect("adapters");
                assert!(model.params == after, "{out}");
            }
        }
    }
}

/// A reward model that was trained here is a reward, and scores pairs.
#[test]
fn a_reward_model_scores_and_pays() {
    let desk = Desk::new();
    let sets = [
        "method=reward_model",
        "data.train=pairs.jsonl",
        "training.epochs=20",
        "training.learning_rate=3e-3",
        "finetune=lora",
    ];
    let (code, said, errors) = desk.train("reward", &sets, &[]);
    assert!(code == 0 && said.contains("held_out_accuracy"), "{errors}");
    let (_, said, summary) = desk.lm(&["score", "--model", "reward/model", "--data", "pairs.jsonl"]);
    let lines = json_lines(&said);
    let right = lines.iter().filter(|l| l["margin"].as_f64().expect("scores") > 0.0).count();
    assert!(right > 18 && summary.contains("has the higher score"), "{right} {summary}");
    // the base with the adapters says the same
    let (_, other, _) = desk.lm(&["score", "--model", "model", "--adapter", "reward/adapter", "--data", "pairs.jsonl"]);
    for (a, b) in lines.iter().zip(json_lines(&other)) {
        let of = |l: &Value| l["margin"].as_f64().expect("scores");
        assert!((of(a) - of(&b)).abs() < 1e-4, "{a} {b}");
    }
    let sets = [
        "method=rloo",
        "data.train=prompts.jsonl",
        "training.iterations=1",
        "reward.reward=model:reward/model",
        "sampling.max_tokens=3",
    ];
    let (code, _, errors) = desk.train("rloo", &sets, &[]);
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_run_is_not_replaced_unasked_and_its_params_make_it_again() {
    let desk = Desk::new();
    let sets =
        ["method=dpo", "data.train=pairs.jsonl", "training.steps=4", "training.learning_rate=1e-3", "loss.beta=0.3"];
    assert_eq!(desk.train("a", &sets, &[]).0, 0);
    let (code, _, errors) = desk.train("a", &sets, &[]);
    assert!(code == 2 && errors.contains("--resume") && errors.contains("--force"), "{errors}");
    let said = desk.runs(&["train", "--config", "a/params.toml", "--out", "b"]);
    assert!(said.contains("steps 4"), "{said}");
    let bytes = |name: &str| fs::read(desk.path(name)).expect("there");
    assert!(bytes("a/model/model.safetensors") == bytes("b/model/model.safetensors"));
    assert_eq!(desk.read("a/metrics.jsonl"), desk.read("b/metrics.jsonl"));
    // complete is complete; another config does not go on
    let (code, _, errors) = desk.lm(&["train", "--resume", "--out", "a"]);
    assert!(code == 0 && errors.contains("is complete"), "{errors}");
    let (code, _, errors) = desk.lm(&["train", "--resume", "--out", "a", "--set", "loss.beta=0.4"]);
    assert!(code == 2 && errors.contains("loss.beta = 0.4"), "{errors}");
    // other lanes are another run, by rounding
    assert_eq!(desk.train("a", &[&sets[..], &["setup.lanes=1"]].concat(), &["--force"]).0, 0);
    assert!(bytes("a/model/model.safetensors") != bytes("b/model/model.safetensors"));
}

/// Another device rounds differently and learns the same, with adapters, in parts, with activations computed again.
#[test]
fn a_run_is_the_same_on_any_device() {
    let desk = Desk::new();
    let sets =
        ["method=dpo", "data.train=pairs.jsonl", "training.steps=4", "training.learning_rate=1e-3", "finetune=lora"];
    let on_device = ["setup.device=candle-cpu", "setup.checkpointing=true", "setup.part_tokens=64"];
    for (out, more) in [("a", &[][..]), ("b", &on_device[..])] {
        let (code, _, errors) = desk.train(out, &[&sets[..], more].concat(), &[]);
        assert_eq!(code, 0, "{errors}");
    }
    for (a, b) in desk.metrics("a").iter().zip(desk.metrics("b")) {
        if let (Some(a), Some(b)) = (a["loss"].as_f64(), b["loss"].as_f64()) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }
    assert!(desk.path("b/adapter/adapter_model.safetensors").exists());
    let both = |arguments: &[&str]| {
        let on = |device: &str| {
            let (code, said, errors) = desk.lm(&[arguments, &["--device", device]].concat());
            assert_eq!(code, 0, "{errors}");
            json_lines(&said)
        };
        (on("cpu"), on("candle-cpu"))
    };
    let (here, there) = both(&["score", "--model", "b/model", "--data", "pairs.jsonl"]);
    assert_eq!(here.len(), there.len());
    for (a, b) in here.iter().zip(&there) {
        assert!(
            (a["margin"].as_f64().expect("a pair") - b["margin"].as_f64().expect("a pair")).abs() < 1e-3,
            "{a} {b}"
        );
    }
    let (here, there) =
        both(&["generate", "--model", "b/model", "--prompts", "prompts.jsonl", "--max-tokens", "6", "--samples", "2"]);
    assert!(here.iter().zip(&there).all(|(a, b)| a["completion"] == b["completion"]), "{here:?} {there:?}");
}

/// The defaults that are printed are a config.
#[test]
fn defaults_are_a_config() {
    let desk = Desk::new();
    let text = desk.runs(&["train", "--defaults", "grpo"]);
    assert!(text.contains("[training]") && text.contains("group = 8"), "{text}");
    desk.write("grpo.toml", &text);
    let (code, _, errors) = desk.lm(&["train", "--config", "grpo.toml", "--out", "x"]);
    assert!(code == 2 && errors.contains("the config gives no model"), "{errors}");
}

fn long() -> String {
    "1+".repeat(80)
}

#[test]
fn what_is_wrong_is_one_line_and_writes_nothing() {
    let desk = Desk::new();
    let bad = |name: &str, line: &str| {
        desk.write(name, &format!("{}{line}\n", desk.read(name.split('#').next().expect("a name"))));
    };
    bad("sums.jsonl#1", "{\"prompt\": \"1+1=\"}");
    bad("sums.jsonl#2", "{\"prompt\": 7, \"completion\": \"x\"}");
    bad("sums.jsonl#3", &json!({"prompt": long(), "completion": "x"}).to_string());
    bad("sums.jsonl#4", "{\"prompt\": \"1+1=\", \"completion\": \"3\", \"label\": false}");
    bad("pairs.jsonl#1", "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}");
    bad("prompts.jsonl#1", &json!({"prompt": long(), "answer": "1"}).to_string());
    fs::create_dir(desk.path("mute")).expect("made");
    for name in ["config.json", "model.safetensors"] {
        fs::copy(desk.path("model").join(name), desk.path("mute").join(name)).expect("copied");
    }
    // it has no chat template
    let gpt2 = "model=".to_owned()
        + &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/gpt2.gguf").display().to_string();
    let peft = "lora.start=".to_owned()
        + &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/peft/theirs").display().to_string();
    let sft = ["method=sft", "data.train=sums.jsonl"];
    let dpo = ["method=dpo", "data.train=pairs.jsonl"];
    let grpo = ["method=grpo", "data.train=prompts.jsonl", "sampling.max_tokens=4"];
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[], &[], "the config names no method"),
        (&["method=sfft"], &[], "unknown method `sfft`; did you mean `sft`?"),
        (&sft, &["training.stps=3"], "unknown parameter `training.stps`; did you mean `training.steps`?"),
        (&sft, &["loss.beta=3"], "unknown parameter `loss`"),
        (&sft, &["training.steps=many"], "training.steps = \"many\": must be a whole number"),
        (&sft, &["training.decay=cosin"], "cosin"),
        (&sft, &["training.warm_up=1000"], "training.warm_up = 1000"),
        (&sft, &["setup.lanes=0"], "setup.lanes = 0"),
        (&sft, &["setup.device=gpu"], "cuda:N"),
        (&sft, &["setup.device=cuda:999"], "cuda:999"),
        (&sft, &["setup.precision=bf16"], "setup.precision = bf16"),
        (&sft, &["data.length=97"], "data.length = 97: must be at most the model's context of 96"),
        (&sft, &["data.train=nothing.jsonl"], "nothing.jsonl"),
        (&sft, &["data.train=sums.jsonl#1"], "line 26: has prompt alone, expected prompt and completion"),
        (&sft, &["data.train=sums.jsonl#2"], "line 26: `prompt` is 7"),
        (&sft, &["data.train=sums.jsonl#3"], "line 26: its prompt has 160 tokens"),
        (&sft, &["data.train=sums.jsonl#4"], "line 26: `label` is false"),
        (&sft, &["data.train=pairs.jsonl"], "line 1: has chosen and rejected, expected prompt and completion"),
        (&sft, &["data.length=5"], "line 1: has 6 tokens, more than the 5 allowed"),
        (&sft, &["model=mute"], "tokenizer.json"),
        (&sft, &["model=nowhere"], "nowhere"),
        (&sft, &["memory_limit=0.0001"], "memory_limit allows 0 MB"),
        (&sft, &["finetune=lora", "lora.targets=['q_porj']"], "did you mean `q_proj`?"),
        (&sft, &["finetune=lora", &peft], "adapter_model.safetensors"),
        (&sft, &["finetune=lora", "lora.start=nowhere"], "nowhere"),
        (&sft, &["finetune=partial"], "partial"),
        (&dpo, &["data.train=pairs.jsonl#1"], "line 26: `chosen` equals `rejected`"),
        (&dpo, &["loss.beta=-1"], "loss.beta = -1: must be positive"),
        (&dpo, &["data.train=sums.jsonl"], "line 1: has prompt and completion, expected chosen and rejected"),
        (&grpo, &[], "the config gives no reward.reward"),
        (&grpo, &["reward.reward=regxe:x"], "did you mean `regex`?"),
        (&grpo, &["reward.reward=number:nothing"], "field `nothing`"),
        (&grpo, &["reward.reward=program:while read l; do echo nan; done"], "line 1 is \"nan\""),
        (&grpo, &["reward.reward=program:exit 3"], "ended with"),
        (&grpo, &["reward.reward=number", "data.train=prompts.jsonl#1"], "line 26: its prompt has 160 tokens"),
        (&grpo, &["reward.reward=number", "sampling.max_tokens=95"], "sampling.max_tokens = 95: must be at most 92"),
        (&grpo, &["reward.reward=number", "training.group=1"], "training.group = 1"),
        (&["method=rest", "data.train=prompts.jsonl", "reward.reward=number"], &[], "data.evaluate"),
        (&sft, &[&gpt2, "data.train=chat.jsonl", "data.end=false"], "line 1: the model has no chat template"),
    ];
    for (base, more, message) in cases {
        let sets = [*base, *more].concat();
        let (code, said, errors) = desk.train("out", &sets, &[]);
        assert_eq!(code, 2, "{sets:?}: {said}{errors}");
        let lines: Vec<&str> = errors.lines().filter(|l| l.starts_with("rewardlab: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains(message), "{sets:?}: {errors}");
        assert!(!desk.path("out/model").exists());
        let _ = fs::remove_dir_all(desk.path("out"));
    }
    let commands: &[(&[&str], &str)] = &[
        (&["generate", "--model", "model", "--prompts", "text.jsonl"], "line 1: has text, expected a prompt"),
        (&["generate", "--model", "model", "--prompt", " "], "--prompt"),
        (&["generate", "--model", "model", "--prompt", "a", "--top-p", "0"], "top_p = 0"),
        (&["generate", "--model", "model", "--prompt", "a", "--samples", "0"], "samples = 0"),
        (&["generate", "--model", "mute", "--prompt", "a"], "tokenizer.json"),
        (&["generate", "--model", "model", "--adapter", "nowhere", "--prompt", "a"], "nowhere"),
        (&["generate", "--model", "model", "--prompt", &long()], "its prompt has 160 tokens"),
        (&["score", "--model", "model", "--data", "prompts.jsonl"], "line 1: has prompt alone"),
        (
            &["score", "--model", "model", "--data", "sums.jsonl#3"],
            "line 26: has 161 tokens, more than the model's context of 96",
        ),
        (&["train", "--resume", "--out", "nowhere"], "holds no run to resume"),
        (&["train", "--defaults", "dop"], "did you mean `dpo`?"),
    ];
    for (arguments, message) in commands {
        let (code, said, errors) = desk.lm(arguments);
        assert!(code == 2 && errors.lines().count() == 1, "{arguments:?}: {said}{errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}

/// A completion that ended at once is its end token: scored with that, and without it nothing is there to score.
#[test]
fn an_empty_completion_is_its_end_token() {
    let desk = Desk::new();
    desk.write("ended.jsonl", "{\"prompt\": \"1+1=\", \"completion\": \"\"}\n");
    let score = ["score", "--model", "model", "--data", "ended.jsonl"];
    let lines = json_lines(&desk.runs(&[&score[..], &["--end"]].concat()));
    assert!(lines[0]["tokens"] == 1 && lines[0]["log_prob"].as_f64().expect("nats") < 0.0, "{lines:?}");
    let (code, _, errors) = desk.lm(&score);
    assert!(
        code == 2 && errors.contains("ended.jsonl, line 1: `completion` is empty") && errors.contains("--end"),
        "{errors}"
    );
}

/// What cannot be written is said before the work.
#[test]
fn a_missing_folder_is_said_first() {
    let desk = Desk::new();
    let (code, _, errors) =
        desk.lm(&["generate", "--model", "nowhere", "--prompt", "1+1=", "--out", "missing/folder/x.jsonl"]);
    assert!(code == 2 && errors.contains("missing/folder: no such folder"), "{errors}");
}

/// Too long lines are left out or cut where that is asked for, and told.
#[test]
fn long_lines_are_dropped_or_cut_on_demand() {
    let desk = Desk::new();
    let line = json!({"prompt": "1+1=", "completion": long()});
    desk.write("long.jsonl", &format!("{}{line}\n", desk.read("sums.jsonl")));
    let base = ["method=sft", "data.train=long.jsonl", "training.steps=1", "training.batch=26"];
    for (choice, told) in
        [("drop", "1 lines too long and left out, 0 cut"), ("cut", "0 lines too long and left out, 1 cut")]
    {
        let choice = format!("data.too_long={choice}");
        let (code, _, errors) = desk.train(&choice, &[&base[..], &[&choice]].concat(), &[]);
        assert!(code == 0 && errors.contains(told), "{errors}");
    }
}
