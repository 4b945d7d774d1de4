//! TRL's options, with the defaults of its configuration classes.

use super::super::catalogue::{Kind, Setting};
use super::{ONLINE, PAIRED};

const fn setting(key: &'static str, trainers: &'static [&'static str], kind: Kind, default: &'static str) -> Setting {
    Setting { key, aliases: &[], trainers, kind, default: Some(default) }
}

const LOSSES: &[&str] = &[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
];

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "trainer",
        aliases: &[],
        trainers: &[],
        kind: Kind::Word(&[
            ("grpo", &[]),
            ("rloo", &[]),
            ("dpo", &[]),
            ("kto", &[]),
            ("reward", &["rm"]),
            ("sft", &[]),
        ]),
        default: None,
    },
    setting("beta", &["grpo"], Kind::Number, "0"),
    setting("beta", &["rloo"], Kind::Number, "0.05"),
    setting("beta", PAIRED, Kind::Number, "0.1"),
    setting("num_generations", &["grpo"], Kind::Count, "8"),
    setting("num_generations", &["rloo"], Kind::Count, "2"),
    setting("temperature", ONLINE, Kind::Number, "1"),
    setting("top_p", ONLINE, Kind::Number, "1"),
    setting("top_k", ONLINE, Kind::Number, "0"),
    setting(
        "scale_rewards",
        &["grpo"],
        Kind::Word(&[("group", &["true"]), ("batch", &[]), ("none", &["false"])]),
        "group",
    ),
    setting(
        "multi_objective_aggregation",
        &["grpo"],
        Kind::Word(&[("sum_then_normalize", &[]), ("normalize_then_sum", &[])]),
        "sum_then_normalize",
    ),
    setting("use_bias_correction_kl", &["grpo"], Kind::Flag, "true"),
    setting("importance_sampling_level", &["grpo"], Kind::Word(&[("token", &[]), ("sequence", &[])]), "token"),
    setting(
        "loss_type",
        &["grpo"],
        Kind::Word(&[
            ("grpo", &[]),
            ("bnpo", &[]),
            ("dr_grpo", &[]),
            ("dapo", &[]),
            ("luspo", &[]),
            ("cispo", &[]),
            ("sapo", &[]),
            ("vespo", &[]),
        ]),
        "dapo",
    ),
    setting("loss_type", &["dpo"], Kind::Words(LOSSES), "sigmoid"),
    setting("loss_type", &["kto"], Kind::Word(&[("kto", &[]), ("apo_zero_unpaired", &[])]), "kto"),
    setting("loss_type", &["sft"], Kind::Word(&[("nll", &[]), ("dft", &[]), ("chunked_nll", &[])]), "nll"),
    setting("num_iterations", ONLINE, Kind::Count, "1"),
    setting("normalize_advantages", &["rloo"], Kind::Flag, "false"),
    setting("sync_ref_model", &["grpo", "rloo", "dpo", "kto"], Kind::Flag, "false"),
    setting(
        "f_divergence_type",
        &["dpo"],
        Kind::Word(&[("reverse_kl", &[]), ("forward_kl", &[]), ("js_divergence", &[]), ("alpha_divergence", &[])]),
        "reverse_kl",
    ),
    Setting { key: "ld_alpha", aliases: &[], trainers: &["dpo"], kind: Kind::Number, default: None },
    setting("label_smoothing", &["dpo"], Kind::Number, "0"),
];
