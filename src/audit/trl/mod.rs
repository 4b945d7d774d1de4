//! TRL: what its trainers log, read in the source of version 1.16.0 and, for GRPO, RLOO and DPO, recomputed from completions and models
//! (`tests/golden/audit/trl_check.json`).

mod offline;
mod online;
mod settings;

use super::catalogue::{Catalogue, Metric, Reading, Trainer, aside, not};

/// Who logs rewards of completions that are sampled.
const ONLINE: &[&str] = &["grpo", "rloo"];
/// Who logs implicit rewards.
const PAIRED: &[&str] = &["dpo", "kto"];

/// The catalogue.
pub static CATALOGUE: Catalogue = Catalogue {
    name: "TRL",
    version: "1.16.0",
    files: &[
        "trl/trainer/grpo_trainer.py",
        "trl/trainer/rloo_trainer.py",
        "trl/trainer/dpo_trainer.py",
        "trl/trainer/kto_trainer.py",
        "trl/trainer/reward_trainer.py",
        "trl/trainer/sft_trainer.py",
        "trl/trainer/utils.py",
    ],
    trainers: &[
        Trainer { name: "grpo", always: &["frac_reward_zero_std"] },
        Trainer { name: "rloo", always: &["frac_reward_zero_std"] },
        Trainer { name: "dpo", always: &["rewards/margins", "mean_token_accuracy"] },
        Trainer { name: "kto", always: &["kl"] },
        Trainer { name: "reward", always: &["mean_reward"] },
        Trainer { name: "sft", always: &["mean_token_accuracy"] },
    ],
    settings: settings::SETTINGS,
    line: "means over the micro-batches (or generation batches) since the last line, all ranks; a NaN is left out or makes the line null",
    metrics: &[online::METRICS, offline::METRICS, GENERAL],
};

const CLOCK: &[Reading] = &[not("a clock")];
const COUNT: &[Reading] = &[not("a count")];

/// What every trainer logs.
const GENERAL: &[Metric] = &[
    aside(
        "grad_norm",
        &[not("the norm of the gradient of all parameters before it is clipped: of a batch, so its noise is in it")],
    ),
    aside("learning_rate", &[not("the schedule")]),
    aside("epoch", COUNT),
    aside("step", COUNT),
    aside("num_tokens", &[not("tokens seen since the start, a running count")]),
    aside("num_input_tokens_seen", &[not("tokens seen since the start, a running count")]),
    aside("aux_loss", &[not("the load-balancing loss of a mixture of experts, without its coefficient")]),
    aside("step_time", CLOCK),
    aside("train_runtime", CLOCK),
    aside("train_samples_per_second", CLOCK),
    aside("train_steps_per_second", CLOCK),
    aside("train_tokens_per_second", CLOCK),
    aside("runtime", CLOCK),
    aside("samples_per_second", CLOCK),
    aside("steps_per_second", CLOCK),
    aside("model_preparation_time", CLOCK),
    aside("total_flos", COUNT),
    aside("train_loss", &[not("the mean of `loss` over the whole run: what training has changed is averaged away")]),
];
