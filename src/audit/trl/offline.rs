//! DPO, KTO, reward models and supervised finetuning.

use super::super::catalogue::{Metric, Over, Per, Reading, Role, Test, Theory, When, always, is, is_not, not, over};
use super::PAIRED;

const PAIRS: &[Over] = &[over(Per::Sequence, "mean over pairs of a sum over tokens (long completions weigh more)")];
const EITHER: &[Over] =
    &[over(Per::Sequence, "mean over sequences of a sum over tokens (long completions weigh more)")];
const TOKENS: &[Over] = &[over(Per::Token, "mean over the tokens that are learned from")];
const BATCH: &[Over] = &[over(Per::Other, "over a micro-batch")];

const LENGTHWISE: When = When { setting: "ld_alpha", test: Test::NonZero };

pub(super) const METRICS: &[Metric] = &[
    Metric {
        key: "rewards/chosen",
        trainers: PAIRED,
        readings: &[
            Reading {
                when: &[LENGTHWISE],
                theory: Theory::Not(
                    "β·log(π_θ/π_ref) of the chosen with the tokens behind the shorter length weighted by ld_alpha",
                ),
                caveat: "",
                role: Role::ChosenReward,
            },
            always(
                Theory::Is("β·log(π_θ(y_w|x)/π_ref(y_w|x)), the implicit reward of the chosen"),
                Role::ChosenReward,
                "not a reward of what the policy writes. Below 0 the chosen has become less likely than under the reference",
            ),
        ],
        over: EITHER,
    },
    Metric {
        key: "rewards/rejected",
        trainers: PAIRED,
        readings: &[
            Reading {
                when: &[LENGTHWISE],
                theory: Theory::Not(
                    "β·log(π_θ/π_ref) of the rejected with the tokens behind the shorter length weighted by ld_alpha",
                ),
                caveat: "",
                role: Role::RejectedReward,
            },
            always(
                Theory::Is("β·log(π_θ(y_l|x)/π_ref(y_l|x)), the implicit reward of the rejected"),
                Role::RejectedReward,
                "not a reward of what the policy writes",
            ),
        ],
        over: EITHER,
    },
    Metric {
        key: "rewards/margins",
        trainers: PAIRED,
        readings: &[
            Reading {
                when: &[is("trainer", &["kto"])],
                theory: Theory::Not(
                    "the mean implicit reward of the desirable less that of the undesirable: other prompts, not pairs",
                ),
                caveat: "",
                role: Role::Margin,
            },
            Reading {
                when: &[is("loss_type", &["ipo", "sigmoid_norm"])],
                theory: Theory::Not(
                    "β times the difference of the two log-ratios, each summed over tokens. Not what the loss is of",
                ),
                caveat: "the loss divides each log-ratio by its completion's length first",
                role: Role::Margin,
            },
            Reading {
                when: &[is_not("f_divergence_type", &["reverse_kl"])],
                theory: Theory::Not("β times the difference of the two log-ratios. Not what the loss is of"),
                caveat: "the loss takes f' of each ratio first; the logged one stays that of the reverse KL",
                role: Role::Margin,
            },
            always(
                Theory::Is("the reward margin β·Δ, Δ = log(π_θ/π_ref)(y_w) − log(π_θ/π_ref)(y_l)"),
                Role::Margin,
                "rises too when both log-probabilities fall, the rejected's more",
            ),
        ],
        over: PAIRS,
    },
    Metric {
        key: "rewards/accuracies",
        trainers: &["dpo"],
        readings: &[always(
            Theory::Is("the share of pairs with β·Δ > 0"),
            Role::None,
            "a tie counts as wrong (0 at the first step, where policy and reference are the same). Not how often the policy writes the chosen",
        )],
        over: &[over(Per::Other, "share of the pairs of a micro-batch")],
    },
    Metric {
        key: "logps/chosen",
        trainers: PAIRED,
        readings: &[
            Reading {
                when: &[LENGTHWISE],
                theory: Theory::Not("log π_θ(y_w|x) with the tokens behind the shorter length weighted by ld_alpha"),
                caveat: "",
                role: Role::ChosenLogProb,
            },
            always(
                Theory::Is("log π_θ(y_w|x) of the chosen"),
                Role::ChosenLogProb,
                "the mean of logarithms: exp of it is a geometric mean of probabilities. It varies with the batch's lengths; rewards/chosen does not",
            ),
        ],
        over: EITHER,
    },
    Metric {
        key: "logps/rejected",
        trainers: PAIRED,
        readings: &[always(Theory::Is("log π_θ(y_l|x) of the rejected"), Role::RejectedLogProb, "as of the chosen")],
        over: EITHER,
    },
    Metric {
        key: "logits/*",
        trainers: PAIRED,
        readings: &[not(
            "the mean of raw logits over vocabulary and tokens: adding a constant to all logits changes it and nothing else",
        )],
        over: TOKENS,
    },
    Metric {
        key: "kl",
        trainers: &["kto"],
        readings: &[
            Reading {
                when: &[is("loss_type", &["apo_zero_unpaired"])],
                theory: Theory::Not("0: this loss has no reference point"),
                caveat: "",
                role: Role::None,
            },
            always(
                Theory::Not(
                    "KTO's reference point z0: the mean log-ratio of completions paired with other prompts, cut off below 0",
                ),
                Role::None,
                "not the KL: the completions are not the policy's. 0 says that the mean was negative or zero, not that the policy did not move",
            ),
        ],
        over: &[over(Per::Sequence, "mean over a micro-batch, of a sum over tokens; cut off at 0")],
    },
    Metric {
        key: "entropy",
        trainers: &["dpo", "kto", "sft"],
        readings: &[always(
            Theory::Is("the entropy of the next-token distribution at the data's contexts"),
            Role::None,
            "not at the contexts that the policy writes: it does not show a collapse there",
        )],
        over: TOKENS,
    },
    Metric {
        key: "mean_token_accuracy",
        trainers: &["dpo", "sft"],
        readings: &[always(
            Theory::Is("the share of tokens that are the most likely one, given what stands before them in the data"),
            Role::None,
            "of the chosen only, in DPO",
        )],
        over: TOKENS,
    },
    Metric {
        key: "loss",
        trainers: &["dpo"],
        readings: &[
            Reading {
                when: &[is("loss_type", &["sigmoid"]), is("f_divergence_type", &["reverse_kl"])],
                theory: Theory::Is("−E log σ(β·Δ), the loss of DPO"),
                caveat: "ln 2 = 0.693 where the policy is the reference. label_smoothing does not change it in this version",
                role: Role::Loss,
            },
            always(Theory::Is("the loss that loss_type names, on these pairs"), Role::Loss, ""),
        ],
        over: BATCH,
    },
    Metric {
        key: "loss",
        trainers: &["kto"],
        readings: &[always(
            Theory::Is("the loss of KTO"),
            Role::Loss,
            "0.5 times the weights where the policy is the reference; bounded by the weights",
        )],
        over: BATCH,
    },
    Metric {
        key: "loss",
        trainers: &["reward"],
        readings: &[always(
            Theory::Is("−E log σ(r(x, y_w) − r(x, y_l)), Bradley–Terry's negative log-likelihood"),
            Role::Loss,
            "with a margin or centring where the options ask for them",
        )],
        over: BATCH,
    },
    Metric {
        key: "loss",
        trainers: &["sft"],
        readings: &[
            Reading {
                when: &[is("loss_type", &["dft"])],
                theory: Theory::Not("the mean of −π·log π of the data's tokens, π held fixed in the gradient"),
                caveat: "",
                role: Role::None,
            },
            always(Theory::Is("−log π_θ of the data's tokens, the negative log-likelihood"), Role::None, ""),
        ],
        over: &[over(Per::Token, "mean over the tokens of a step that are learned from")],
    },
    Metric {
        key: "margin",
        trainers: &["reward"],
        readings: &[always(Theory::Is("r(x, y_w) − r(x, y_l) of the reward model"), Role::Margin, "")],
        over: BATCH,
    },
    Metric {
        key: "accuracy",
        trainers: &["reward"],
        readings: &[always(
            Theory::Is("the share of pairs with r(x, y_w) > r(x, y_l)"),
            Role::None,
            "of the training batch",
        )],
        over: BATCH,
    },
    Metric {
        key: "mean_reward",
        trainers: &["reward"],
        readings: &[always(
            Theory::Not("the mean score of chosen and rejected"),
            Role::None,
            "Bradley–Terry leaves a constant per prompt free: its level means nothing",
        )],
        over: BATCH,
    },
    Metric { key: "min_reward", trainers: &["reward"], readings: &[not("the least score of the batch")], over: BATCH },
    Metric {
        key: "max_reward",
        trainers: &["reward"],
        readings: &[not("the greatest score of the batch")],
        over: BATCH,
    },
];
