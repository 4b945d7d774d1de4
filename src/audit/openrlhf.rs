//! `OpenRLHF`: what its trainers log, read in the source of version 0.11.2.

use super::catalogue::{
    Catalogue, Estimator, Kind, Metric, Over, Per, Reading, Role, Setting, Theory, Trainer, When, always, aside, is,
    not, over,
};

/// The catalogue.
pub static CATALOGUE: Catalogue = Catalogue {
    name: "OpenRLHF",
    version: "0.11.2",
    files: &[
        "openrlhf/trainer/ppo_trainer.py",
        "openrlhf/trainer/ray/ppo_actor.py",
        "openrlhf/trainer/ray/ppo_critic.py",
        "openrlhf/trainer/ppo_utils/experience_maker.py",
        "openrlhf/trainer/ppo_utils/samples_generator.py",
        "openrlhf/models/loss.py",
        "openrlhf/models/utils.py",
        "openrlhf/utils/loss_utils.py",
        "openrlhf/utils/logging_utils.py",
        "openrlhf/cli/train_ppo_ray.py",
        "openrlhf/trainer/dpo_trainer.py",
        "openrlhf/trainer/rm_trainer.py",
        "openrlhf/trainer/sft_trainer.py",
    ],
    trainers: &[
        Trainer { name: "ppo", always: &["policy_loss"] },
        Trainer { name: "dpo", always: &["chosen_reward"] },
        Trainer { name: "rm", always: &["chosen_reward"] },
        Trainer { name: "sft", always: &["gpt_loss"] },
    ],
    settings: SETTINGS,
    line: "one step: means over its samples, all ranks and epochs",
    metrics: &[ONLINE, PAIRS, REST],
};

const PPO: &[&str] = &["ppo"];

const SETTINGS: &[Setting] = &[
    Setting {
        key: "trainer",
        aliases: &[],
        trainers: &[],
        kind: Kind::Word(&[("ppo", &[]), ("dpo", &[]), ("rm", &["reward"]), ("sft", &[])]),
        default: None,
    },
    Setting {
        key: "algo.advantage.estimator",
        aliases: &["advantage_estimator"],
        trainers: PPO,
        kind: Kind::Word(&[
            ("gae", &[]),
            ("reinforce", &[]),
            ("rloo", &[]),
            ("reinforce_baseline", &[]),
            ("group_norm", &["grpo"]),
            ("dr_grpo", &[]),
            ("flash_reinforce", &[]),
        ]),
        default: Some("gae"),
    },
    Setting {
        key: "algo.kl.estimator",
        aliases: &["kl_estimator"],
        trainers: PPO,
        kind: Kind::Word(&[("k1", &[]), ("k2", &[]), ("k3", &[])]),
        default: Some("k1"),
    },
    Setting {
        key: "algo.kl.use_loss",
        aliases: &["use_kl_loss"],
        trainers: PPO,
        kind: Kind::Flag,
        default: Some("false"),
    },
    Setting {
        key: "algo.kl.init_coef",
        aliases: &["init_kl_coef"],
        trainers: PPO,
        kind: Kind::Number,
        default: Some("0.01"),
    },
    Setting {
        key: "rollout.n_samples_per_prompt",
        aliases: &["n_samples_per_prompt"],
        trainers: PPO,
        kind: Kind::Count,
        default: Some("1"),
    },
    Setting {
        key: "rollout.temperature",
        aliases: &["temperature"],
        trainers: PPO,
        kind: Kind::Number,
        default: Some("1"),
    },
    Setting {
        key: "actor.loss_agg_mode",
        aliases: &["loss_agg_mode"],
        trainers: PPO,
        kind: Kind::Word(&[("token-mean", &[]), ("seq-mean-token-mean", &[])]),
        default: Some("token-mean"),
    },
    Setting {
        key: "algo.dynamic_filtering_enable",
        aliases: &["dynamic_filtering"],
        trainers: PPO,
        kind: Kind::Flag,
        default: Some("false"),
    },
    Setting { key: "model.beta", aliases: &["beta"], trainers: &["dpo"], kind: Kind::Number, default: Some("0.1") },
    Setting {
        key: "model.ipo_enable",
        aliases: &["ipo"],
        trainers: &["dpo"],
        kind: Kind::Flag,
        default: Some("false"),
    },
];

const SAMPLES: &[Over] = &[over(Per::Other, "mean over the step's samples, all ranks and epochs")];
const SEQUENCES: &[Over] =
    &[over(Per::Token, "mean over samples of each one's mean over tokens (every sequence counts the same)")];
const TOKENS: &[Over] = &[over(Per::Token, "mean over the action tokens of a micro-batch; then weighted by tokens")];
const SQUARED: &str = "each micro-batch's value holds its share of the step's tokens and is weighted by its tokens once more: where micro-batches \
differ in tokens it reads high, by 1 + the relative variance of their token counts";
const LOSS: &[Over] = &[
    Over { when: &[is("actor.loss_agg_mode", &["token-mean"])], text: SQUARED, per: Per::Token },
    over(Per::Token, "mean over sequences of each one's mean over tokens; micro-batches then weighted by their tokens"),
];

const USE_LOSS: &str = "algo.kl.use_loss";
const ESTIMATOR: &str = "algo.kl.estimator";

const fn kl(when: &'static [When], estimator: Estimator, theory: &'static str, caveat: &'static str) -> Reading {
    Reading { when, theory: Theory::Estimates(theory), caveat, role: Role::Kl(estimator) }
}

const BEFORE: &str = "of the policy that wrote the samples, before the step; cut at ±10 per token. 0 throughout where there is no reference model";
const DURING: &str =
    "of the policy as it is updated, on samples of the one before: biased once it has moved. Cut at ±10 per token";

const ONLINE: &[Metric] = &[
    Metric {
        key: "kl",
        trainers: PPO,
        readings: &[
            kl(
                &[is(USE_LOSS, &["false"]), is(ESTIMATOR, &["k1"])],
                Estimator::K1,
                "KL(π_old‖π_ref) per token, estimator k1",
                BEFORE,
            ),
            kl(
                &[is(USE_LOSS, &["false"]), is(ESTIMATOR, &["k2"])],
                Estimator::K2,
                "KL(π_old‖π_ref) per token, estimator k2, biased",
                BEFORE,
            ),
            kl(
                &[is(USE_LOSS, &["false"]), is(ESTIMATOR, &["k3"])],
                Estimator::K3,
                "KL(π_old‖π_ref) per token, estimator k3",
                BEFORE,
            ),
            kl(
                &[is(USE_LOSS, &["true"]), is(ESTIMATOR, &["k1"])],
                Estimator::K1,
                "KL(π_θ‖π_ref) per token, estimator k1",
                DURING,
            ),
            kl(
                &[is(USE_LOSS, &["true"]), is(ESTIMATOR, &["k2"])],
                Estimator::K2,
                "KL(π_θ‖π_ref) per token, estimator k2, biased",
                DURING,
            ),
            kl(
                &[is(USE_LOSS, &["true"]), is(ESTIMATOR, &["k3"])],
                Estimator::K3,
                "KL(π_θ‖π_ref) per token, estimator k3",
                DURING,
            ),
        ],
        over: &[
            Over {
                when: &[is(USE_LOSS, &["false"])],
                text: "mean over samples of each one's mean over tokens (every sequence counts the same)",
                per: Per::Token,
            },
            Over { when: &[is("actor.loss_agg_mode", &["token-mean"])], text: SQUARED, per: Per::Token },
            over(
                Per::Token,
                "mean over sequences of each one's mean over tokens; micro-batches then weighted by their tokens",
            ),
        ],
    },
    Metric {
        key: "logprobs_diff",
        trainers: PPO,
        readings: &[always(
            Theory::Estimates("KL(π‖π_ref) per token, estimator k1"),
            Role::Kl(Estimator::K1),
            "log π − log π_ref of the sampled tokens, not cut; negative now and then",
        )],
        over: SEQUENCES,
    },
    Metric {
        key: "reward",
        trainers: PPO,
        readings: &[
            Reading {
                when: &[is("algo.dynamic_filtering_enable", &["true"])],
                theory: Theory::Estimates("the mean of V(x; θ) over the prompts that passed the filter"),
                caveat: "prompts whose samples all succeed or all fail were thrown away: it is drawn towards the middle and does not show progress on them",
                role: Role::Reward,
            },
            always(
                Theory::Estimates("the mean of V(x; θ) over the batch's prompts"),
                Role::Reward,
                "after length penalties, before clipping, baseline and KL",
            ),
        ],
        over: SAMPLES,
    },
    Metric {
        key: "rollout/reward_mean",
        trainers: PPO,
        readings: &[always(
            Theory::Estimates("the mean of V(x; θ) over the batch's prompts"),
            Role::None,
            "the same as `reward`, before the batch is split; of the prompts that passed the filter, if there is one",
        )],
        over: &[over(Per::Other, "mean over the step's samples")],
    },
    Metric {
        key: "rollout/reward_std",
        trainers: PPO,
        readings: &[always(
            Theory::Not("the std of the batch's rewards, prompts mixed. Not STD[r], which is within a prompt"),
            Role::BatchStd,
            "its square is about the mean of STD[r]² plus the variance of V(x; θ) between prompts: it stays large when every group is dead. n − 1",
        )],
        over: &[over(Per::Other, "over the step's samples")],
    },
    Metric {
        key: "group_reward_std",
        trainers: PPO,
        readings: &[always(
            Theory::Estimates("STD[r], the reward's std within a prompt, the mean over the batch's prompts"),
            Role::WithinStd,
            "n − 1, so biased low for few samples. A mean: how many groups have none cannot be seen in it, unless it is 0",
        )],
        over: &[over(Per::Other, "mean over groups of n_samples_per_prompt")],
    },
    Metric {
        key: "return",
        trainers: PPO,
        readings: &[
            Reading {
                when: &[is("algo.advantage.estimator", &["gae", "reinforce"]), is(USE_LOSS, &["false"])],
                theory: Theory::Estimates("the mean of V(x; θ) less the coefficient times the KL of a sequence"),
                caveat: "the reward clipped, less the KL estimate summed over the sequence",
                role: Role::None,
            },
            Reading {
                when: &[is("algo.advantage.estimator", &["gae", "reinforce"])],
                theory: Theory::Estimates("the mean of V(x; θ), the reward clipped"),
                caveat: "",
                role: Role::None,
            },
            always(
                Theory::Not(
                    "the mean of reward less its group's or batch's baseline, less the KL penalty: near 0 or below by construction",
                ),
                Role::None,
                "it says nothing of how good the samples are",
            ),
        ],
        over: SAMPLES,
    },
    Metric {
        key: "policy_loss",
        trainers: PPO,
        readings: &[not(
            "the value of a surrogate whose gradient is meant: near 0 at ratio 1 with centred advantages, whatever the reward does",
        )],
        over: LOSS,
    },
    Metric {
        key: "entropy_loss",
        trainers: PPO,
        readings: &[always(
            Theory::Is("the entropy of the next-token distribution"),
            Role::None,
            "of whole distributions at the samples' contexts; not a loss: the loss subtracts entropy_coef times it",
        )],
        over: LOSS,
    },
    Metric {
        key: "ppo_kl",
        trainers: PPO,
        readings: &[always(
            Theory::Estimates("KL(π_old‖π_θ) per token, estimator k1: how far this step's updates moved the policy"),
            Role::Moved,
            "nothing to do with the reference; negative now and then; 0 while samples are used once",
        )],
        over: TOKENS,
    },
    Metric {
        key: "ppo_clip_ratio",
        trainers: PPO,
        readings: &[not("the share of tokens where the clipped surrogate is the smaller, so the gradient stops")],
        over: TOKENS,
    },
    Metric {
        key: "vllm_kl",
        trainers: PPO,
        readings: &[not(
            "k1 of sampling and training engine with the same weights: their numerical disagreement, not a KL to the reference",
        )],
        over: TOKENS,
    },
    aside(
        "is_filter_ratio",
        &[not("the share of tokens or sequences that the correction between the engines drops or cuts")],
    ),
    Metric {
        key: "response_length",
        trainers: PPO,
        readings: &[always(Theory::Not("mean tokens of a response"), Role::Length, "")],
        over: SAMPLES,
    },
    aside("total_length", &[not("tokens of prompt and response")]),
    aside(
        "response_clip_ratio",
        &[not("the share of responses that fill the length. Nothing to do with the clip of PPO")],
    ),
    aside("truncated", &[not("the share of responses that were cut off")]),
    Metric {
        key: "score",
        trainers: PPO,
        readings: &[not("what the filter reads: a success per sample, if the reward gives one")],
        over: SAMPLES,
    },
    aside("rollout/response_length_mean", &[not("mean tokens of a response")]),
    aside("rollout/truncated_rate", &[not("the share of responses that were cut off")]),
    aside("rollout/num_samples", &[not("a count")]),
    aside(
        "dynamic_filtering_pass_rate",
        &[not(
            "percent of the prompts' samples kept by the filter: 100 less it were dead or too easy or too hard, thrown away at a cost",
        )],
    ),
    aside("critic_loss", &[not("the critic's clipped squared error, halved")]),
    aside("values", &[not("the critic's value of a token: an estimate of what comes, not V(x; θ) of the prompt")]),
    aside(
        "actor_grad_norm",
        &[not("the norm of the gradient of all parameters before it is clipped, of the last step")],
    ),
    aside("critic_grad_norm", &[not("the norm of the critic's gradient before it is clipped")]),
    aside("actor_lr", &[not("the schedule")]),
    aside("critic_lr", &[not("the schedule")]),
    Metric {
        key: "eval_*_pass1",
        trainers: PPO,
        readings: &[always(
            Theory::Estimates("the mean of V(x; θ) over evaluation prompts, at the evaluation's temperature"),
            Role::HeldOut,
            "the default temperature of evaluation is 0.6: not the policy that is trained",
        )],
        over: &[over(Per::Other, "mean over prompts of a data set")],
    },
    Metric {
        key: "eval_*_pass*",
        trainers: PPO,
        readings: &[not("the mean over evaluation prompts of the best reward of n samples")],
        over: &[],
    },
    aside("eval_*response_length_mean", &[not("mean tokens of a response")]),
    aside("eval_*truncated_rate", &[not("the share of responses that were cut off")]),
    aside("eval_num_samples", &[not("a count")]),
];

const LAST: &[Over] =
    &[over(Per::Sequence, "mean over pairs of a sum over tokens; of the last micro-batch of the step only, all ranks")];
const WINDOW: &[Over] = &[over(Per::Sequence, "mean over the micro-batches of the step; of the first rank only")];

const PAIRS: &[Metric] = &[
    Metric {
        key: "chosen_reward",
        trainers: &["dpo"],
        readings: &[always(
            Theory::Is("β·log(π_θ(y_w|x)/π_ref(y_w|x)), the implicit reward of the chosen"),
            Role::ChosenReward,
            "not a reward of what the policy writes. Below 0 the chosen has become less likely than under the reference",
        )],
        over: LAST,
    },
    Metric {
        key: "reject_reward",
        trainers: &["dpo"],
        readings: &[always(
            Theory::Is("β·log(π_θ(y_l|x)/π_ref(y_l|x)), the implicit reward of the rejected"),
            Role::RejectedReward,
            "not a reward of what the policy writes",
        )],
        over: LAST,
    },
    Metric {
        key: "chosen_reward",
        trainers: &["rm"],
        readings: &[not(
            "the reward model's mean score of the chosen: Bradley–Terry leaves a constant per prompt free, its level means nothing",
        )],
        over: LAST,
    },
    Metric {
        key: "reject_reward",
        trainers: &["rm"],
        readings: &[not("the reward model's mean score of the rejected: its level means nothing")],
        over: LAST,
    },
    Metric {
        key: "acc",
        trainers: &["dpo", "rm"],
        readings: &[always(
            Theory::Is("the share of pairs whose chosen has the higher (implicit) reward"),
            Role::None,
            "a tie counts as wrong",
        )],
        over: LAST,
    },
    Metric {
        key: "acc_mean",
        trainers: &["dpo", "rm"],
        readings: &[always(
            Theory::Is("the share of pairs whose chosen has the higher (implicit) reward"),
            Role::None,
            "a tie counts as wrong",
        )],
        over: WINDOW,
    },
    Metric {
        key: "loss",
        trainers: &["dpo"],
        readings: &[
            Reading {
                when: &[is("model.ipo_enable", &["true"])],
                theory: Theory::Is("E (Δ − 1/(2β))², the loss of IPO with log-ratios summed over tokens"),
                caveat: "TRL divides by the length, this does not",
                role: Role::Loss,
            },
            always(
                Theory::Is("−E log σ(β·Δ), the loss of DPO"),
                Role::Loss,
                "ln 2 = 0.693 where the policy is the reference",
            ),
        ],
        over: LAST,
    },
    Metric {
        key: "loss",
        trainers: &["rm"],
        readings: &[always(
            Theory::Is("−E log σ(r(x, y_w) − r(x, y_l)), Bradley–Terry's negative log-likelihood"),
            Role::Loss,
            "",
        )],
        over: LAST,
    },
    Metric {
        key: "loss_mean",
        trainers: &["dpo", "rm", "sft"],
        readings: &[not("the loss, over the whole step")],
        over: WINDOW,
    },
    Metric {
        key: "nll_loss",
        trainers: &["dpo"],
        readings: &[always(Theory::Is("−log π_θ of the chosen's tokens"), Role::None, "")],
        over: &[over(Per::Token, "mean over sequences of each one's mean over tokens; of the last micro-batch")],
    },
    Metric {
        key: "gpt_loss",
        trainers: &["sft"],
        readings: &[always(Theory::Is("−log π_θ of the data's tokens, the negative log-likelihood"), Role::None, "")],
        over: &[over(Per::Token, "mean over tokens; of the last micro-batch of the step only, all ranks")],
    },
    Metric {
        key: "reward_mean",
        trainers: &["rm"],
        readings: &[not("the mean score of the evaluation's texts")],
        over: &[],
    },
    Metric {
        key: "reward_std",
        trainers: &["rm"],
        readings: &[not("the std of the evaluation's scores, prompts mixed. Not STD[r]")],
        over: &[],
    },
];

const REST: &[Metric] = &[
    aside("lr", &[not("the schedule")]),
    aside("grad_norm", &[not("the norm of the gradient of all parameters before it is clipped")]),
    aside("aux_loss", &[not("the load-balancing loss of a mixture of experts")]),
    aside("epoch", &[not("a count")]),
    aside("global_step", &[not("a count")]),
    aside("timing/*", &[not("a clock")]),
    aside("_*", &[not("a count or a clock of wandb")]),
];
