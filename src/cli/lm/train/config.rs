//! The config of a training run: every key with its default, which depend on the method.

use crate::algorithm::text::{Encoding, Method, Setup};
use crate::algorithm::{Advantage, PolicyGradientParams, PpoParams, PreferenceLoss, RestParams, RewardModelParams};
use crate::error::{Error, Result};
use crate::experiment::params::{apply_file_but, apply_set_but, read};
use crate::lm::{Decay, LoraSettings, Precision, Schedule};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// The methods, as they are called in a config.
pub(super) const METHODS: [&str; 17] = [
    "sft",
    "reward_model",
    "dpo",
    "conservative_dpo",
    "unweighted_dpo",
    "ipo",
    "kto",
    "orpo",
    "simpo",
    "unlikelihood",
    "preferred",
    "reinforce",
    "rloo",
    "grpo",
    "dr_grpo",
    "ppo",
    "rest",
];

/// Keys whose values are choices with settings of their own.
const WHOLE: [&str; 4] = ["training.advantage", "training.improves", "training.loss", "training.clip"];

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finetune {
    /// All weights.
    Full,
    /// Low-rank adapters.
    Lora,
}

/// How the model is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Save {
    F32,
    Bf16,
}

impl Save {
    pub(super) fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
        }
    }
}

/// The `[data]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Data {
    /// JSONL.
    pub(super) train: String,
    /// The same, held out; empty for none.
    pub(super) evaluate: String,
    #[serde(flatten)]
    pub(super) encoding: Encoding,
}

/// The `[lora]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lora {
    /// A folder of PEFT's to go on from; empty for fresh adapters.
    pub(super) start: String,
    #[serde(flatten)]
    pub(super) settings: LoraSettings,
}

/// The `[reward]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reward {
    /// What pays completions.
    pub(super) reward: String,
    /// Seconds that a program may take for a round.
    pub(super) timeout: f64,
}

/// The `[sampling]` table; the temperature is among the loop's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Drawn {
    pub(super) max_tokens: usize,
    pub(super) top_k: usize,
    pub(super) top_p: f64,
}

/// Settings of loops on fixed data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fixed {
    steps: u64,
    batch: usize,
    learning_rate: f64,
    warm_up: u64,
    decay: Decay,
}

impl Fixed {
    fn schedule(&self) -> Schedule {
        Schedule { peak: self.learning_rate, warm_up: self.warm_up, steps: self.steps, decay: self.decay }
    }
}

/// A config with every key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) method: String,
    pub(super) model: String,
    pub(super) seed: u64,
    pub(super) finetune: Finetune,
    pub(super) save: Save,
    /// GB; 0: what the machine has.
    pub(super) memory_limit: f64,
    /// Steps or rounds; 0: only at the end.
    pub(super) checkpoint_every: u64,
    /// Steps or rounds; 0: only at the end.
    pub(super) evaluate_every: u64,
    pub(super) data: Data,
    pub(super) setup: Setup,
    pub(super) lora: Lora,
    training: Table,
    loss: Option<Table>,
    pub(super) reward: Option<Reward>,
    pub(super) sampling: Option<Drawn>,
}

/// The loss of pairs of a method, at its default settings.
fn loss_of(method: &str) -> Option<PreferenceLoss> {
    Some(match method {
        "dpo" => PreferenceLoss::Dpo { beta: 0.1 },
        "conservative_dpo" => PreferenceLoss::ConservativeDpo { beta: 0.1, smoothing: 0.1 },
        "unweighted_dpo" => PreferenceLoss::UnweightedDpo { beta: 0.1 },
        "ipo" => PreferenceLoss::Ipo { tau: 0.1 },
        "kto" => PreferenceLoss::Kto { beta: 0.1 },
        "orpo" => PreferenceLoss::Orpo { lambda: 0.1 },
        "simpo" => PreferenceLoss::Simpo { beta: 2.0, margin: 0.5 },
        "unlikelihood" => PreferenceLoss::Unlikelihood { alpha: 0.1 },
        "preferred" => PreferenceLoss::Preferred,
        _ => return None,
    })
}

fn table(value: &impl Serialize) -> Result<Table> {
    Table::try_from(value).map_err(|e| Error::Usage(format!("defaults cannot be written as TOML: {e}")))
}

/// Defaults for a published model: rates a hundred times below those of the small worlds.
fn training(method: &str) -> Result<Table> {
    let fixed = |learning_rate| Fixed { steps: 100, batch: 8, learning_rate, warm_up: 0, decay: Decay::Cosine };
    let small =
        |settings| PolicyGradientParams { prompts: 8, group: 8, minibatch: 16, learning_rate: 1e-5, ..settings };
    match method {
        "sft" => table(&fixed(2e-5)),
        "reward_model" => table(&RewardModelParams { epochs: 1, batch: 8, learning_rate: 1e-5 }),
        "reinforce" => table(&small(PolicyGradientParams::reinforce(Advantage::BatchMean))),
        "rloo" => table(&small(PolicyGradientParams::rloo())),
        "grpo" => table(&small(PolicyGradientParams::grpo())),
        "dr_grpo" => table(&small(PolicyGradientParams::dr_grpo())),
        "ppo" => {
            table(&PpoParams { samples: 32, epochs: 2, minibatch: 16, learning_rate: 1e-5, ..PpoParams::default() })
        }
        "rest" => table(&RestParams {
            grows: 1,
            candidates: 8,
            temperature: 1.0,
            learning_rate: 2e-5,
            steps: 50,
            evaluate_every: 25,
            minibatch: 8,
            held_out_candidates: 1,
            ..RestParams::default().raft(0.25)
        }),
        _ => table(&fixed(5e-6)),
    }
}

/// Every key of a method's config with its default.
///
/// # Errors
/// A method that does not exist.
pub(super) fn defaults(method: &str) -> Result<Table> {
    if !METHODS.contains(&method) {
        let Error::Unknown { nearest, .. } = Error::unknown("method", method, METHODS) else { unreachable!() };
        let hint =
            nearest.map_or_else(|| format!("known are {}", METHODS.join(", ")), |n| format!("did you mean `{n}`?"));
        return Err(Error::Usage(format!("unknown method `{method}`; {hint}")));
    }
    let online = matches!(method, "reinforce" | "rloo" | "grpo" | "dr_grpo" | "ppo" | "rest");
    let loss = loss_of(method).filter(|loss| *loss != PreferenceLoss::Preferred);
    let mut loss = loss.map(|loss| table(&loss)).transpose()?;
    if let Some(loss) = &mut loss {
        loss.remove("kind");
    }
    // a reward model is asked about texts as they stand, so it learns from them as they stand
    let encoding = Encoding { end: !online && method != "reward_model", ..Encoding::default() };
    table(&Config {
        method: method.into(),
        model: String::new(),
        seed: 0,
        finetune: Finetune::Full,
        save: Save::F32,
        memory_limit: 0.0,
        checkpoint_every: 100,
        evaluate_every: 50,
        data: Data { encoding, ..Data::default() },
        setup: Setup::default(),
        lora: Lora { start: String::new(), settings: LoraSettings::default() },
        training: training(method)?,
        loss,
        reward: online.then(|| Reward { reward: String::new(), timeout: 60.0 }),
        sampling: online.then_some(Drawn { max_tokens: 64, top_k: 0, top_p: 1.0 }),
    })
}

/// The config of a file, with `--set` over it, complete.
///
/// # Errors
/// A file that cannot be read or is malformed; no method or an unknown one; unknown keys, with the nearest; values of another type.
pub(super) fn resolve(file: Option<&Path>, sets: &[String]) -> Result<Table> {
    let in_file = file.map(read).transpose()?;
    let in_sets = sets.iter().rev().find_map(|s| s.split_once('=').filter(|(key, _)| key.trim() == "method"));
    let method = match (in_sets, in_file.as_ref().and_then(|t| t.get("method"))) {
        (Some((_, method)), _) => method.trim().trim_matches('"').to_owned(),
        (None, Some(Value::String(method))) => method.clone(),
        (None, Some(other)) => return Err(Error::parameter("method", other, "a name in quotes")),
        (None, None) => return Err(Error::Usage(format!("the config names no method: one of {}", METHODS.join(", ")))),
    };
    let mut table = defaults(&method)?;
    if let Some(file) = file {
        apply_file_but(&mut table, file, &WHOLE)?;
    }
    for assignment in sets {
        apply_set_but(&mut table, assignment, &WHOLE)?;
    }
    table.insert("method".into(), Value::String(method));
    Ok(table)
}

/// A table as the type that it is of; `place` names it.
fn typed<T: DeserializeOwned>(table: &Table, place: &str) -> Result<T> {
    let wrong = |e: toml::de::Error| Error::Usage(format!("{place}: {}", e.to_string().trim().replace('\n', " ")));
    Value::Table(table.clone()).try_into().map_err(wrong)
}

impl Config {
    /// # Errors
    /// A choice that does not exist; numbers outside their ranges; a model, data or reward that is not given.
    pub(super) fn new(resolved: &Table) -> Result<Self> {
        let config: Self = typed(resolved, "config")?;
        let needed = |name: &str, value: &str| match value {
            "" => Err(Error::Usage(format!("the config gives no {name}"))),
            _ => Ok(()),
        };
        needed("model", &config.model)?;
        needed("data.train", &config.data.train)?;
        if let Some(reward) = &config.reward {
            needed("reward.reward", &reward.reward)?;
            Error::check_positive(&[("reward.timeout", reward.timeout)])?;
        }
        if let Some(drawn) = &config.sampling {
            Error::check_counts(&[("sampling.max_tokens", drawn.max_tokens, 1, 1 << 20)])?;
        }
        if config.method == "rest" {
            needed("data.evaluate, on which ReST compares checkpoints", &config.data.evaluate)?;
        }
        Error::check_not_negative(&[("memory_limit", config.memory_limit)])?;
        Error::check_positive(&[("setup.clip", config.setup.clip)])?;
        Error::check_counts(&[("setup.lanes", config.setup.lanes, 1, 1024)])?;
        config.setup.placement().validate().map_err(|e| e.within("setup"))?;
        Ok(config)
    }

    /// The loop with its settings.
    ///
    /// # Errors
    /// A choice that does not exist; numbers outside their ranges.
    pub(super) fn method(&self) -> Result<Method> {
        let fixed = || typed::<Fixed>(&self.training, "training");
        let method = match self.method.as_str() {
            "sft" => fixed().map(|f| Method::Sft(f.schedule(), f.batch))?,
            "reward_model" => Method::RewardModel(typed(&self.training, "training")?),
            "ppo" => Method::Ppo(typed(&self.training, "training")?),
            "rest" => Method::Rest(typed(&self.training, "training")?),
            "reinforce" | "rloo" | "grpo" | "dr_grpo" => Method::PolicyGradient(typed(&self.training, "training")?),
            _ => {
                let mut loss = self.loss.clone().unwrap_or_default();
                loss.insert("kind".into(), Value::String(self.method.clone()));
                let loss: PreferenceLoss = typed(&loss, "loss")?;
                loss.validate().map_err(|e| e.within("loss"))?;
                fixed().map(|f| Method::Preferences(loss, f.schedule(), f.batch))?
            }
        };
        method.validate().map_err(|e| e.within("training"))?;
        Ok(method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Keep;

    #[test]
    fn every_method_has_defaults_that_are_legal_and_come_back() {
        for method in METHODS {
            let mut table = defaults(method).expect(method);
            for assignment in ["model=m", "data.train=t", "data.evaluate=e"] {
                apply_set_but(&mut table, assignment, &WHOLE).expect(assignment);
            }
            if table.contains_key("reward") {
                apply_set_but(&mut table, "reward.reward=regex:x", &WHOLE).expect("online");
            }
            let again: Table = table.to_string().parse().expect("its own text");
            assert_eq!(again, table, "{method}");
            let config = Config::new(&again).expect(method);
            config.method().expect(method);
        }
    }

    #[test]
    fn choices_are_replaced_whole() {
        let set = |assignments: &[&str]| {
            let sets: Vec<String> = assignments.iter().map(|s| (*s).to_owned()).collect();
            let table = resolve(None, &sets)?;
            Config::new(&table)?.method()
        };
        let base = ["method=grpo", "model=m", "data.train=t", "reward.reward=number"];
        let with = |more: &str| set(&[&base[..], &[more]].concat());
        let Method::PolicyGradient(settings) =
            with("training.advantage={moving_average={decay=0.9}}").expect("another advantage")
        else {
            panic!("another method")
        };
        assert_eq!(settings.advantage, Advantage::MovingAverage { decay: 0.9 });
        let Method::PolicyGradient(settings) = with("training.clip=inf").expect("no clip") else { panic!() };
        assert!(settings.clip.is_infinite());
        let message = with("training.advantage=grup_mean").expect_err("a typo").to_string();
        assert!(message.contains("grup_mean") && message.contains("group_mean"), "{message}");
        let message = with("training.grup=4").expect_err("a typo").to_string();
        assert_eq!(message, "unknown parameter `training.grup`; did you mean `training.group`?");
        let message = with("training.group=1").expect_err("no groups").to_string();
        assert_eq!(message, "parameter training.group = 1: must be at least 2");
        let rest = ["method=rest", "model=m", "data.train=t", "data.evaluate=e", "reward.reward=number"];
        let keeps = "training.improves=['all', {above={threshold=0.5}}]";
        let Method::Rest(settings) = set(&[&rest[..], &[keeps]].concat()).expect("filters") else { panic!() };
        assert_eq!(settings.improves, [Keep::All, Keep::Above { threshold: 0.5 }]);
        let message = set(&["method=dpoo"]).expect_err("a typo").to_string();
        assert_eq!(message, "unknown method `dpoo`; did you mean `dpo`?");
        assert!(set(&[]).expect_err("none").to_string().contains("no method"));
    }
}
