//! GRPO and RLOO.

use super::super::catalogue::{Estimator, Metric, Over, Per, Reading, Role, Test, Theory, When, always, is, not, over};
use super::ONLINE;

const COMPLETIONS: &[Over] = &[over(Per::Other, "mean over the completions of a generation batch")];
const TOKENS: &[Over] =
    &[over(Per::Token, "mean over all completion tokens of a micro-batch (long completions count for more)")];
const SAMPLED: &str = "sampled, at the contexts that the policy wrote. Log-probabilities are of logits divided by `temperature`; with top_p, top_k or \
min_p the samples are not the policy's and the estimate is biased";

/// Whether a sample's ratio is beyond the clip, on the side where its gradient stops.
const fn clipped(key: &'static str, over: &'static [Over]) -> Metric {
    Metric { key, trainers: ONLINE, readings: CLIPPED, over }
}

const CLIPPED: &[Reading] = &[always(
    Theory::Is("the share whose ratio π_θ/π_old is outside the clip on the side where its gradient is zero"),
    Role::None,
    "0 by construction while samples are used once, by the policy that wrote them (num_iterations = 1, no reuse within a generation batch)",
)];
const CLIP_OVER: &[Over] = &[
    Over { when: &[is("trainer", &["rloo"])], text: "share of sequences of a micro-batch", per: Per::Other },
    Over {
        when: &[is("importance_sampling_level", &["sequence"])],
        text: "share of sequences of a micro-batch",
        per: Per::Other,
    },
    over(Per::Token, "share of completion tokens of a micro-batch"),
];
const CLIP_LEAST: &[Over] = &[over(Per::Other, "the least over sequences of a micro-batch of the share within each")];
const CLIP_MOST: &[Over] = &[over(Per::Other, "the greatest over sequences of a micro-batch of the share within each")];

const LEAST: &[Over] = &[over(Per::Other, "the least over the completions of a generation batch")];
const MOST: &[Over] = &[over(Per::Other, "the greatest over the completions of a generation batch")];
const ENDED: &[Over] = &[over(Per::Other, "mean over the completions of a generation batch that ended by themselves")];
const LEAST_ENDED: &[Over] =
    &[over(Per::Other, "the least over the completions of a generation batch that ended by themselves")];
const MOST_ENDED: &[Over] =
    &[over(Per::Other, "the greatest over the completions of a generation batch that ended by themselves")];

const fn length(key: &'static str, readings: &'static [Reading], over: &'static [Over]) -> Metric {
    Metric { key, trainers: ONLINE, readings, over }
}

const LENGTH: &[Reading] = &[always(
    Theory::Not("mean tokens of a completion"),
    Role::Length,
    "a mean per token times this is the mean of a sequence's sum, of the same batch",
)];
const LENGTHS: &[Reading] = &[not("tokens of completions")];
const ENDED_LENGTHS: &[Reading] = &[not("tokens of completions that ended by themselves, 0 if none did")];

pub(super) const METRICS: &[Metric] = &[
    Metric {
        key: "reward",
        trainers: ONLINE,
        readings: &[
            Reading {
                when: &[is("trainer", &["rloo"])],
                theory: Theory::Estimates("the mean of V(x; θ) over the batch's prompts"),
                caveat: "the weighted sum of the reward functions before `reward_clip_range` and before −β·KL: not what the advantages are made of",
                role: Role::Reward,
            },
            always(
                Theory::Estimates("the mean of V(x; θ) over the batch's prompts"),
                Role::Reward,
                "the weighted sum of the reward functions before scaling. Completions that no function scores are left out; the KL term is in the loss, not here",
            ),
        ],
        over: COMPLETIONS,
    },
    Metric {
        key: "reward_std",
        trainers: ONLINE,
        readings: &[always(
            Theory::Not("the std of the batch's rewards, prompts mixed. Not STD[r], which is within a prompt"),
            Role::BatchStd,
            "its square is about the mean of STD[r]² plus the variance of V(x; θ) between prompts: it stays large when every group is dead. n − 1",
        )],
        over: COMPLETIONS,
    },
    Metric {
        key: "frac_reward_zero_std",
        trainers: ONLINE,
        readings: &[
            Reading {
                when: &[is("trainer", &["rloo"]), When { setting: "beta", test: Test::NonZero }],
                theory: Theory::Not(
                    "the share of groups whose rewards less β·KL are all equal. Not the share of dead groups",
                ),
                caveat: "two completions with one reward still differ by β times their sampled log-ratios, so this is near 0 however many groups \
                         have equal rewards; what is left to learn from in them is the noise of the KL",
                role: Role::DeadShareHidden,
            },
            Reading {
                when: &[is("scale_rewards", &["batch"])],
                theory: Theory::Not("0 or 1: whether all rewards of the batch are equal. Not the share of dead groups"),
                caveat: "with scale_rewards = batch the std that is tested is the batch's",
                role: Role::DeadShareHidden,
            },
            Reading {
                when: &[is("multi_objective_aggregation", &["normalize_then_sum"])],
                theory: Theory::Not(
                    "0 or 1: whether all normalised rewards of the batch are equal. Not the share of dead groups",
                ),
                caveat: "with normalize_then_sum the std that is tested is the batch's",
                role: Role::DeadShareHidden,
            },
            always(
                Theory::Is("the share of dead groups: all G rewards equal, so all advantages 0"),
                Role::DeadShare,
                "equal to within 1e-8",
            ),
        ],
        over: &[over(Per::Other, "share of the groups of a generation batch")],
    },
    Metric {
        key: "kl",
        trainers: ONLINE,
        readings: &[
            Reading {
                when: &[is("trainer", &["rloo"])],
                theory: Theory::Estimates("KL(π_θ‖π_ref) per token, estimator k1"),
                caveat: "k1 is unbiased and negative now and then. Of the policy that wrote the completions, before the step. What is taken from the \
                         reward is β times its sum over the sequence. Logits are divided by `temperature`",
                role: Role::Kl(Estimator::K1),
            },
            Reading {
                when: &[is("use_bias_correction_kl", &["false"])],
                theory: Theory::Estimates("KL(π_θ‖π_ref) per token, estimator k3"),
                caveat: "not weighted by π_θ/π_old: biased once the policy has moved from the one that wrote the samples. Otherwise sampled, at \
                         the contexts that the policy wrote, of logits divided by `temperature`",
                role: Role::Kl(Estimator::K3),
            },
            always(
                Theory::Estimates("KL(π_θ‖π_ref) per token, estimator k3 times π_θ/π_old"),
                Role::Kl(Estimator::K3),
                SAMPLED,
            ),
        ],
        over: TOKENS,
    },
    Metric {
        key: "entropy",
        trainers: ONLINE,
        readings: &[always(
            Theory::Is("the entropy of the next-token distribution"),
            Role::None,
            "of whole distributions, exact at each context; of logits divided by `temperature`",
        )],
        over: TOKENS,
    },
    Metric {
        key: "loss",
        trainers: ONLINE,
        readings: &[always(
            Theory::Not("the value of a surrogate whose gradient is meant"),
            Role::None,
            "at ratio 1 its policy part is −(a weighted mean of the advantages), near 0 by construction whatever the reward does; GRPO adds β·KL",
        )],
        over: &[over(
            Per::Other,
            "summed or averaged as loss_type says, divided by what gradient accumulation makes of it",
        )],
    },
    Metric {
        key: "policy_loss",
        trainers: &["grpo"],
        readings: &[not("the surrogate's value without the entropy bonus")],
        over: &[],
    },
    Metric { key: "entropy_coef", trainers: &["grpo"], readings: &[not("a coefficient")], over: &[] },
    Metric {
        key: "rewards/*/mean",
        trainers: ONLINE,
        readings: &[always(
            Theory::Estimates("the mean of one reward function's V(x; θ) over the batch's prompts"),
            Role::None,
            "without its weight; where the function gives nothing, the completion is left out",
        )],
        over: COMPLETIONS,
    },
    Metric {
        key: "rewards/*/std",
        trainers: ONLINE,
        readings: &[always(
            Theory::Not("the std of one reward function over the batch, prompts mixed. Not STD[r]"),
            Role::None,
            "n − 1",
        )],
        over: COMPLETIONS,
    },
    clipped("clip_ratio/low_mean", CLIP_OVER),
    clipped("clip_ratio/high_mean", CLIP_OVER),
    clipped("clip_ratio/region_mean", CLIP_OVER),
    clipped("clip_ratio/low_min", CLIP_LEAST),
    clipped("clip_ratio/high_max", CLIP_MOST),
    Metric {
        key: "cispo_clip_ratio",
        trainers: &["grpo"],
        readings: &[always(
            Theory::Is("the share with positive advantage whose weight is held at epsilon_high"),
            Role::None,
            "their gradient does not stop, only its weight is bounded",
        )],
        over: CLIP_OVER,
    },
    Metric {
        key: "vespo/phi_seq_mean",
        trainers: &["grpo"],
        readings: &[not("the mean weight of a sequence")],
        over: &[],
    },
    length("completions/mean_length", LENGTH, COMPLETIONS),
    length("completions/min_length", LENGTHS, LEAST),
    length("completions/max_length", LENGTHS, MOST),
    length("completions/mean_terminated_length", ENDED_LENGTHS, ENDED),
    length("completions/min_terminated_length", ENDED_LENGTHS, LEAST_ENDED),
    length("completions/max_terminated_length", ENDED_LENGTHS, MOST_ENDED),
    Metric {
        key: "completions/clipped_ratio",
        trainers: ONLINE,
        readings: &[not("the share of completions that did not end by themselves. Nothing to do with the clip of PPO")],
        over: COMPLETIONS,
    },
    Metric {
        key: "sampling/sampling_logp_difference/*",
        trainers: ONLINE,
        readings: &[not(
            "|log π_train − log π_sampler| of the same weights in two engines: their numerical disagreement",
        )],
        over: &[over(Per::Token, "over completion tokens")],
    },
    Metric {
        key: "sampling/importance_sampling_ratio/*",
        trainers: ONLINE,
        readings: &[not("π_train/π_sampler of the same weights in two engines, as the loss is weighted by it")],
        over: &[],
    },
    Metric { key: "tools/*", trainers: ONLINE, readings: &[not("a count of tool calls")], over: &[] },
];
