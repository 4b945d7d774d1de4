//! verl: what its PPO trainer (and the estimators that share it) logs, read in the source of version 0.9.1.

use super::catalogue::{
    Catalogue, Estimator, Kind, Metric, Over, Per, Reading, Role, Setting, Theory, Trainer, always, aside, is, not,
    over,
};

/// The catalogue.
pub static CATALOGUE: Catalogue = Catalogue {
    name: "verl",
    version: "0.9.1",
    files: &[
        "verl/trainer/ppo/ray_trainer.py",
        "verl/trainer/ppo/v1/trainer_base.py",
        "verl/trainer/ppo/metric_utils.py",
        "verl/trainer/ppo/core_algos.py",
        "verl/trainer/ppo/rollout_corr_helper.py",
        "verl/workers/utils/losses.py",
        "verl/utils/metric/utils.py",
        "verl/utils/tracking.py",
        "verl/trainer/config/ppo_trainer.yaml",
        "verl/trainer/config/actor/actor.yaml",
    ],
    trainers: &[Trainer { name: "ppo", always: &[] }],
    settings: SETTINGS,
    line: "one step: numbers of the critic and of lengths are of its batch, those of the actor means over its mini-batches and epochs",
    metrics: &[REWARDS, ACTOR, REST],
};

const ESTIMATORS: &[(&str, &[&str])] = &[
    ("k1", &["kl", "kl+", "k1+"]),
    ("abs", &["abs+"]),
    ("k2", &["mse", "mse+", "k2+"]),
    ("k3", &["low_var_kl", "low_var_kl+", "k3+"]),
    ("full", &[]),
];

const SETTINGS: &[Setting] = &[
    Setting { key: "trainer", aliases: &[], trainers: &[], kind: Kind::Word(&[("ppo", &[])]), default: None },
    Setting {
        key: "algorithm.adv_estimator",
        aliases: &["adv_estimator"],
        trainers: &[],
        kind: Kind::Word(&[
            ("gae", &[]),
            ("grpo", &["grpo_vectorized"]),
            ("grpo_passk", &[]),
            ("gdpo", &[]),
            ("rloo", &["rloo_vectorized"]),
            ("opo", &[]),
            ("reinforce_plus_plus", &[]),
            ("reinforce_plus_plus_baseline", &[]),
            ("remax", &[]),
            ("gpg", &[]),
            ("optimal_token_baseline", &[]),
            ("tir_optimal_token_baseline", &[]),
        ]),
        default: Some("gae"),
    },
    Setting {
        key: "algorithm.norm_adv_by_std_in_grpo",
        aliases: &["norm_adv_by_std_in_grpo"],
        trainers: &[],
        kind: Kind::Flag,
        default: Some("true"),
    },
    Setting {
        key: "algorithm.use_kl_in_reward",
        aliases: &["use_kl_in_reward"],
        trainers: &[],
        kind: Kind::Flag,
        default: Some("false"),
    },
    Setting {
        key: "algorithm.kl_penalty",
        aliases: &["kl_penalty"],
        trainers: &[],
        kind: Kind::Word(ESTIMATORS),
        default: Some("k1"),
    },
    Setting {
        key: "algorithm.kl_ctrl.kl_coef",
        aliases: &["kl_coef"],
        trainers: &[],
        kind: Kind::Number,
        default: Some("0.001"),
    },
    Setting {
        key: "actor_rollout_ref.actor.use_kl_loss",
        aliases: &["use_kl_loss", "actor.use_kl_loss"],
        trainers: &[],
        kind: Kind::Flag,
        default: Some("false"),
    },
    Setting {
        key: "actor_rollout_ref.actor.kl_loss_type",
        aliases: &["kl_loss_type", "actor.kl_loss_type"],
        trainers: &[],
        kind: Kind::Word(ESTIMATORS),
        default: Some("k3"),
    },
    Setting {
        key: "actor_rollout_ref.actor.loss_agg_mode",
        aliases: &["loss_agg_mode", "actor.loss_agg_mode"],
        trainers: &[],
        kind: Kind::Word(&[
            ("token-mean", &[]),
            ("token-sum", &[]),
            ("seq-mean-token-sum", &[]),
            ("seq-mean-token-sum-norm", &[]),
            ("seq-mean-token-mean", &[]),
        ]),
        default: Some("token-mean"),
    },
    Setting {
        key: LOSS_MODE,
        aliases: &["policy_loss.loss_mode", "actor.policy_loss.loss_mode", "loss_mode"],
        trainers: &[],
        kind: Kind::Word(&[
            ("vanilla", &[]),
            ("dppo_tv", &[]),
            ("dppo_kl", &[]),
            ("gspo", &[]),
            ("sapo", &[]),
            ("gpg", &[]),
            ("clip_cov", &[]),
            ("kl_cov", &[]),
            ("geo_mean", &[]),
            ("dro", &[]),
            ("cispo", &[]),
            ("bypass_mode", &[]),
        ]),
        default: Some("vanilla"),
    },
    Setting {
        key: "actor_rollout_ref.rollout.n",
        aliases: &["rollout.n", "n"],
        trainers: &[],
        kind: Kind::Count,
        default: Some("1"),
    },
    Setting {
        key: "actor_rollout_ref.rollout.temperature",
        aliases: &["rollout.temperature", "temperature"],
        trainers: &[],
        kind: Kind::Number,
        default: Some("1"),
    },
];

const MODE: &str = "actor_rollout_ref.actor.loss_agg_mode";
const LOSS_MODE: &str = "actor_rollout_ref.actor.policy_loss.loss_mode";

/// As the loss is aggregated.
const AGGREGATED: &[Over] = &[
    Over {
        when: &[is(MODE, &["token-mean"])],
        text: "mean over the response tokens of a mini-batch; then over mini-batches and epochs",
        per: Per::Token,
    },
    Over {
        when: &[is(MODE, &["seq-mean-token-sum"])],
        text: "mean over sequences of a sum over tokens; then over mini-batches and epochs",
        per: Per::Sequence,
    },
    Over {
        when: &[is(MODE, &["seq-mean-token-mean"])],
        text: "mean over sequences of each one's mean over tokens (every sequence counts the same); then over mini-batches and epochs",
        per: Per::Token,
    },
    Over {
        when: &[is(MODE, &["token-sum"])],
        text: "sum over all response tokens of a mini-batch: it grows with the batch",
        per: Per::Other,
    },
    over(
        Per::Other,
        "mean over sequences of a sum over tokens divided by a constant (the padded length unless loss_scale_factor says another)",
    ),
];
const TOKENS: &[Over] =
    &[over(Per::Token, "mean over the response tokens of a micro-batch; then over micro-batches, ranks and epochs")];
const BATCH: &[Over] = &[over(Per::Other, "over the responses of the step's batch, those without a token left out")];
const BATCH_TOKENS: &[Over] =
    &[over(Per::Token, "over all response tokens of the step's batch (long responses count for more)")];

const STATISTIC: &[Reading] = &[not("the greatest or the least of the batch")];

const fn extreme(key: &'static str) -> Metric {
    Metric { key, trainers: &[], readings: STATISTIC, over: BATCH }
}

const REWARDS: &[Metric] = &[
    Metric {
        key: "critic/score/mean",
        trainers: &[],
        readings: &[always(
            Theory::Estimates("the mean of V(x; θ) over the batch's prompts"),
            Role::Reward,
            "the reward before any KL penalty; nothing to do with a critic. Neither its std nor a std within prompts is logged: dead groups cannot be seen",
        )],
        over: BATCH,
    },
    Metric {
        key: "critic/rewards/mean",
        trainers: &[],
        readings: &[
            Reading {
                when: &[is("algorithm.use_kl_in_reward", &["true"])],
                theory: Theory::Estimates("the mean of V(x; θ) less kl_coef · KL of a sequence"),
                caveat: "critic/score/mean less this, over kl_coef, is the mean of the KL estimate summed over a sequence",
                role: Role::None,
            },
            always(
                Theory::Estimates("the mean of V(x; θ): the same as critic/score/mean"),
                Role::None,
                "no penalty is in the reward",
            ),
        ],
        over: BATCH,
    },
    extreme("critic/score/max"),
    extreme("critic/score/min"),
    extreme("critic/rewards/max"),
    extreme("critic/rewards/min"),
    Metric {
        key: "critic/advantages/mean",
        trainers: &[],
        readings: &[always(
            Theory::Not("the mean advantage of a token"),
            Role::None,
            "weighted by length, so not 0 even where each group's advantages sum to 0: its sign says whether long responses did better",
        )],
        over: BATCH_TOKENS,
    },
    Metric {
        key: "critic/advantages/max",
        trainers: &[],
        readings: &[always(Theory::Not("the greatest advantage of a token"), Role::Advantage, "")],
        over: BATCH_TOKENS,
    },
    Metric {
        key: "critic/advantages/min",
        trainers: &[],
        readings: &[always(Theory::Not("the least advantage of a token"), Role::Advantage, "")],
        over: BATCH_TOKENS,
    },
    Metric {
        key: "critic/returns/*",
        trainers: &[],
        readings: &[
            Reading {
                when: &[is(
                    "algorithm.adv_estimator",
                    &["gae", "reinforce_plus_plus", "remax", "optimal_token_baseline", "tir_optimal_token_baseline"],
                )],
                theory: Theory::Is("the return of a token: rewards from it on, penalties in them"),
                caveat: "",
                role: Role::None,
            },
            always(
                Theory::Not("the advantages again: estimators over groups give them as returns too"),
                Role::None,
                "",
            ),
        ],
        over: BATCH_TOKENS,
    },
    aside(
        "critic/values/*",
        &[not("the critic's value of a token: an estimate of what comes, not V(x; θ) of the prompt")],
    ),
    aside("critic/vpred_mean", &[not("the critic's mean value of a token after its update")]),
    aside(
        "critic/vf_explained_var",
        &[not("1 less the variance of return − value over that of the return, over tokens")],
    ),
    aside("critic/vf_loss", &[not("the critic's clipped squared error, halved")]),
    aside("critic/vf_clipfrac", &[not("the share of tokens whose value is clipped")]),
    aside("critic/*", &[not("a number of the critic's optimiser")]),
    aside(
        "val-core/*",
        &[not("best@N, worst@N or maj@N on validation prompts (bootstrapped), or a spread: no mean of V(x; θ)")],
    ),
    Metric {
        key: "val-core/*/mean@*",
        trainers: &[],
        readings: &[always(
            Theory::Estimates("the mean of V(x; θ) over validation prompts, at the validation's temperature"),
            Role::HeldOut,
            "validation decodes greedily by default: not the policy that is trained",
        )],
        over: &[over(Per::Other, "mean over validation prompts")],
    },
    aside("val-aux/*", &[not("a further measure on validation prompts")]),
];

const KL_CAVEAT: &str = "the log-ratio is cut at ±20 and k3 at 10: large divergences read low. Samples are of π_old, which is π_θ at the first mini-batch only: \
later ones are biased";

const fn kl(
    when: &'static [super::catalogue::When],
    estimator: Estimator,
    theory: Theory,
    caveat: &'static str,
) -> Reading {
    Reading { when, theory, caveat, role: Role::Kl(estimator) }
}

const LOSS_TYPE: &str = "actor_rollout_ref.actor.kl_loss_type";
const PENALTY: &str = "algorithm.kl_penalty";

const ACTOR: &[Metric] = &[
    Metric {
        key: "actor/kl_loss",
        trainers: &[],
        readings: &[
            kl(&[is(LOSS_TYPE, &["k3"])], Estimator::K3, Theory::Estimates("KL(π_θ‖π_ref), estimator k3"), KL_CAVEAT),
            kl(
                &[is(LOSS_TYPE, &["k1"])],
                Estimator::K1,
                Theory::Estimates("KL(π_θ‖π_ref), estimator k1"),
                "negative now and then; as a loss its gradient is 0 in expectation (the + variants have k2's gradient)",
            ),
            kl(
                &[is(LOSS_TYPE, &["k2"])],
                Estimator::K2,
                Theory::Estimates("KL(π_θ‖π_ref), estimator k2, biased"),
                "near the reference about right; its gradient is the KL's on-policy",
            ),
            kl(
                &[is(LOSS_TYPE, &["abs"])],
                Estimator::Abs,
                Theory::Not("the mean of |log π_θ − log π_ref|"),
                "of the order of the square root of the KL, not the KL",
            ),
        ],
        over: AGGREGATED,
    },
    Metric {
        key: "actor/reward_kl_penalty",
        trainers: &[],
        readings: &[
            kl(
                &[is(PENALTY, &["k1"])],
                Estimator::K1,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k1"),
                "negative now and then. Of the policy that wrote the responses, before the step",
            ),
            kl(
                &[is(PENALTY, &["k3"])],
                Estimator::K3,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k3"),
                KL_CAVEAT,
            ),
            kl(
                &[is(PENALTY, &["k2"])],
                Estimator::K2,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k2, biased"),
                "",
            ),
            kl(
                &[is(PENALTY, &["abs"])],
                Estimator::Abs,
                Theory::Not("the mean of |log π_old − log π_ref| per token"),
                "",
            ),
        ],
        over: &[over(
            Per::Token,
            "mean over sequences of each one's mean over tokens (every sequence counts the same)",
        )],
    },
    Metric {
        // as earlier versions name it
        key: "critic/kl",
        trainers: &[],
        readings: &[
            kl(
                &[is(PENALTY, &["k1"])],
                Estimator::K1,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k1"),
                "this version calls it actor/reward_kl_penalty; negative now and then",
            ),
            kl(
                &[is(PENALTY, &["k3"])],
                Estimator::K3,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k3"),
                "this version calls it actor/reward_kl_penalty",
            ),
            kl(
                &[is(PENALTY, &["k2"])],
                Estimator::K2,
                Theory::Estimates("KL(π_old‖π_ref) per token, estimator k2, biased"),
                "this version calls it actor/reward_kl_penalty",
            ),
            kl(
                &[is(PENALTY, &["abs"])],
                Estimator::Abs,
                Theory::Not("the mean of |log π_old − log π_ref| per token"),
                "this version calls it actor/reward_kl_penalty",
            ),
        ],
        over: &[over(
            Per::Token,
            "mean over sequences of each one's mean over tokens (every sequence counts the same)",
        )],
    },
    aside("critic/kl_coeff", &[not("the coefficient of the KL penalty")]),
    aside("actor/reward_kl_penalty_coeff", &[not("the coefficient of the KL penalty")]),
    aside("actor/kl_coef", &[not("the coefficient of the KL loss")]),
    Metric {
        key: "actor/ppo_kl",
        trainers: &[],
        readings: &[
            Reading {
                when: &[is(LOSS_MODE, &["kl_cov"])],
                theory: Theory::Not("the mean of |log π_θ − log π_old| per token"),
                caveat: "of the order of the square root of the KL, not the KL; never negative. Nothing to do with the reference; 0 while samples are used once",
                role: Role::None,
            },
            Reading {
                when: &[is(LOSS_MODE, &["bypass_mode"])],
                theory: Theory::Estimates("KL(π_rollout‖π_θ) per token, estimator k1, π_rollout the rollout's engine"),
                caveat: "the two engines' disagreement about the same weights is in it, so it is not 0 while samples are used once. Nothing to do with the \
                         reference; negative now and then",
                role: Role::Moved,
            },
            always(
                Theory::Estimates(
                    "KL(π_old‖π_θ) per token, estimator k1: how far this step's updates moved the policy",
                ),
                Role::Moved,
                "nothing to do with the reference. Negative now and then; the log-ratio is cut at ±20 (not by gspo, clip_cov, geo_mean and dro); 0 while \
                 samples are used once",
            ),
        ],
        over: TOKENS,
    },
    Metric {
        key: "actor/entropy",
        trainers: &[],
        readings: &[always(
            Theory::Is("the entropy of the next-token distribution of π_old"),
            Role::None,
            "of whole distributions at the contexts that the policy wrote, logits divided by the rollout's temperature",
        )],
        over: AGGREGATED,
    },
    Metric {
        key: "actor/entropy_loss",
        trainers: &[],
        readings: &[always(
            Theory::Is("the entropy of the next-token distribution of π_θ"),
            Role::None,
            "the loss subtracts entropy_coeff times this",
        )],
        over: AGGREGATED,
    },
    Metric {
        key: "actor/pg_loss",
        trainers: &[],
        readings: &[not(
            "the value of a surrogate whose gradient is meant: near 0 at ratio 1 with centred advantages, whatever the reward does",
        )],
        over: AGGREGATED,
    },
    aside(
        "actor/pg_clipfrac",
        &[not("the share of tokens where the clipped surrogate is the larger loss, so the gradient stops")],
    ),
    aside("actor/pg_clipfrac_lower", &[not("the share of tokens with negative advantage that the dual clip holds")]),
    aside(
        "actor/grad_norm",
        &[not("the norm of the gradient of all parameters before it is clipped, a mean over mini-batches")],
    ),
    aside("actor/loss", &[not("the value of the whole surrogate")]),
    aside("actor/lr", &[not("the schedule")]),
    aside("actor/*", &[not("a number of the actor's optimiser or of its machine")]),
];

const REST: &[Metric] = &[
    Metric {
        key: "response_length/mean",
        trainers: &[],
        readings: &[always(
            Theory::Not("mean tokens of a response"),
            Role::Length,
            "a mean per token times this is the mean of a sequence's sum",
        )],
        over: &[over(Per::Other, "over all responses of the step's batch")],
    },
    aside(
        "response_length/clip_ratio",
        &[not("the share of responses that fill the whole length. Nothing to do with the clip of PPO")],
    ),
    aside("response_length/*", &[not("tokens of responses")]),
    aside("response_length_non_aborted/*", &[not("tokens of responses that have any")]),
    aside("response/aborted_ratio", &[not("the share of responses without a token")]),
    aside("prompt_length/*", &[not("tokens of prompts")]),
    aside("num_turns/*", &[not("turns of a conversation")]),
    aside("tool_call_counts/*", &[not("a count of tool calls")]),
    aside(
        "rollout_corr/kl",
        &[not(
            "k1 of rollout and training engine with the same weights: their numerical disagreement, not a KL to the reference",
        )],
    ),
    aside(
        "rollout_corr/k3_kl",
        &[not(
            "k3 of rollout and training engine with the same weights: their numerical disagreement, not a KL to the reference",
        )],
    ),
    aside("rollout_corr/*", &[not("how far rollout and training engine disagree about the same weights")]),
    aside("training/rollout_*", &[not("how far rollout and training engine disagree about the same weights")]),
    aside("variance_proxy/*", &[not("a proxy of the gradient's variance")]),
    aside("gdpo/*", &[not("a component of the reward")]),
    aside("rollout/*", &[not("a number of the rollout's engine")]),
    aside("spec_decode/*", &[not("a number of speculative decoding")]),
    aside("training/*", &[not("a count")]),
    aside("timing_s/*", &[not("a clock")]),
    aside("timing_per_token_ms/*", &[not("a clock")]),
    aside("perf/*", &[not("a clock or a machine's load")]),
    aside("global_seqlen/*", &[not("how tokens are spread over ranks")]),
];
