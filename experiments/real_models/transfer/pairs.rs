//! Which check of a small world is which check of a language model.

use rewardlab::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What two effects have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Both should be zero.
    Vanishes,
    /// Sign, order and size: one unit in both.
    Sized,
    /// Sign and order, but another unit in each.
    Signed,
}

/// The same statement in both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// The folder of the paper's experiments.
    pub(super) paper: &'static str,
    pub(super) effect: &'static str,
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    /// Experiment and check in a small world.
    pub(super) small: (&'static str, &'static str),
    /// Experiment of a language model, and how the check's id begins; its end names the task.
    pub(super) real: (&'static str, &'static str),
}

const fn pair(
    paper: &'static str,
    (effect, unit): (&'static str, &'static str),
    small: (&'static str, &'static str),
    real: (&'static str, &'static str),
) -> Pair {
    Pair { paper, effect, unit, kind: Kind::Sized, small, real }
}

impl Pair {
    const fn vanishes(self) -> Self {
        Self { kind: Kind::Vanishes, ..self }
    }

    const fn other_unit(self) -> Self {
        Self { kind: Kind::Signed, ..self }
    }
}

const VANISHING: &str = "vanishing_gradients";
const KL: &str = "reward_kl";
const REST: &str = "rest";
const PROCESS: &str = "process_supervision";
const WEAK: &str = "weak_to_strong";

/// All pairs, paper by paper.
pub(super) const PAIRS: [Pair; 20] = [
    pair(
        VANISHING,
        ("stuck: gain by RFT", "share of the missing reward"),
        ("vanishing_gradients/scatter", "rft_leaves_small_std"),
        ("real_models/vanishing", "rft_leaves_stuck"),
    )
    .vanishes(),
    pair(
        VANISHING,
        ("stuck: gain by SFT", "share of the missing reward"),
        ("vanishing_gradients/scatter", "sft_moves_small_std"),
        ("real_models/vanishing", "sft_moves_stuck"),
    ),
    pair(
        VANISHING,
        ("std, change by RFT", "correlation"),
        ("vanishing_gradients/correlation", "rft_correlates_a"),
        ("real_models/vanishing", "rft_correlates"),
    ),
    pair(
        VANISHING,
        ("std, change by SFT", "correlation"),
        ("vanishing_gradients/correlation", "sft_does_not_a"),
        ("real_models/vanishing", "sft_hardly_correlates"),
    ),
    pair(
        VANISHING,
        ("little SFT, then RFT", "share of all SFT, then RFT"),
        ("vanishing_gradients/partial_sft", "little_sft_suffices"),
        ("real_models/vanishing", "little_sft_suffices"),
    ),
    pair(
        KL,
        ("DPO − RL, learned", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_ppo"),
        ("real_models/frontier", "dpo_ahead_of_rloo"),
    )
    .other_unit(),
    pair(
        KL,
        ("DPO − RL, true reward", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_tuned"),
        ("real_models/frontier", "dpo_ahead_of_rloo_true"),
    )
    .other_unit(),
    pair(
        KL,
        ("DPO − unlikelihood", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_unlikelihood"),
        ("real_models/frontier", "dpo_ahead_of_unlikelihood"),
    )
    .other_unit(),
    pair(
        KL,
        ("DPO − Preferred-FT", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_preferred"),
        ("real_models/frontier", "dpo_ahead_of_preferred"),
    )
    .other_unit(),
    pair(
        KL,
        ("KL of Preferred-FT", "nats"),
        ("reward_kl/frontier", "preferred_stays_near"),
        ("real_models/frontier", "preferred_stays_near"),
    ),
    pair(
        REST,
        ("least Improve gain", "reward"),
        ("rest/improve", "rises_sampled"),
        ("real_models/rest_translation", "every_improve_raises"),
    ),
    pair(
        REST,
        ("best-of-N after ReST", "reward, other N"),
        ("rest/best_of_n", "helps_rest"),
        ("real_models/rest_translation", "best_of_n_on_top"),
    )
    .other_unit(),
    pair(
        REST,
        ("few ReST − many BC", "reward, other N"),
        ("rest/best_of_n", "few_are_worth_many_product"),
        ("real_models/rest_translation", "few_are_worth_many"),
    )
    .other_unit(),
    pair(
        REST,
        ("random filter", "reward"),
        ("rest/selection_control", "random_product"),
        ("real_models/rest_translation", "random_choice"),
    )
    .vanishes(),
    pair(
        PROCESS,
        ("process − outcome", "share solved"),
        ("process_supervision/best_of_n", "process_beats_outcome"),
        ("real_models/process", "process_beats_outcome"),
    ),
    pair(
        PROCESS,
        ("outcome − majority", "share solved"),
        ("process_supervision/best_of_n", "outcome_beats_majority"),
        ("real_models/process", "outcome_beats_majority"),
    ),
    pair(
        PROCESS,
        ("growth with N", "share solved"),
        ("process_supervision/best_of_n", "gap_grows"),
        ("real_models/process", "gap_grows"),
    ),
    pair(
        WEAK,
        ("naive student", "PGR"),
        ("weak_to_strong/tasks", "recovers_half"),
        ("real_models/weak_to_strong", "recovers"),
    ),
    pair(
        WEAK,
        ("confidence − naive", "PGR"),
        ("weak_to_strong/confidence", "confidence_lifts_a"),
        ("real_models/weak_to_strong", "confidence_recovers_more"),
    ),
    pair(
        WEAK,
        ("random − own errors", "PGR; accuracy"),
        ("weak_to_strong/error_structure", "easy_errors_cost"),
        ("real_models/weak_to_strong", "random_errors_are_easier"),
    )
    .other_unit(),
];

/// Reference results that are built in: experiment, checks.
const REFERENCE: [(&str, &str); 17] = [
    ("vanishing_gradients/scatter", include_str!("../../../results/vanishing_gradients/scatter/checks.csv")),
    ("real_models/vanishing", include_str!("../../../results/real_models/vanishing/checks.csv")),
    ("vanishing_gradients/correlation", include_str!("../../../results/vanishing_gradients/correlation/checks.csv")),
    ("vanishing_gradients/partial_sft", include_str!("../../../results/vanishing_gradients/partial_sft/checks.csv")),
    ("reward_kl/frontier_exact", include_str!("../../../results/reward_kl/frontier_exact/checks.csv")),
    ("real_models/frontier", include_str!("../../../results/real_models/frontier/checks.csv")),
    ("reward_kl/frontier", include_str!("../../../results/reward_kl/frontier/checks.csv")),
    ("rest/improve", include_str!("../../../results/rest/improve/checks.csv")),
    ("real_models/rest_translation", include_str!("../../../results/real_models/rest_translation/checks.csv")),
    ("rest/best_of_n", include_str!("../../../results/rest/best_of_n/checks.csv")),
    ("rest/selection_control", include_str!("../../../results/rest/selection_control/checks.csv")),
    ("process_supervision/best_of_n", include_str!("../../../results/process_supervision/best_of_n/checks.csv")),
    ("real_models/process", include_str!("../../../results/real_models/process/checks.csv")),
    ("weak_to_strong/tasks", include_str!("../../../results/weak_to_strong/tasks/checks.csv")),
    ("real_models/weak_to_strong", include_str!("../../../results/real_models/weak_to_strong/checks.csv")),
    ("weak_to_strong/confidence", include_str!("../../../results/weak_to_strong/confidence/checks.csv")),
    ("weak_to_strong/error_structure", include_str!("../../../results/weak_to_strong/error_structure/checks.csv")),
];

/// Where results are.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// None: the built-in ones.
    folder: Option<PathBuf>,
}

/// A check's estimate.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) check: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) verdict: String,
}

/// The columns of `checks.csv` that are read.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    verdict: String,
    estimate: f64,
    low: f64,
    high: f64,
}

impl Source {
    pub(super) fn new(folder: &str) -> Self {
        Self { folder: (!folder.is_empty()).then(|| folder.into()) }
    }

    /// The effect that a check states: of ids that begin so the shortest, and of those the first. None without an interval.
    ///
    /// # Errors
    /// A file that is missing or malformed; an experiment without such a check.
    pub(super) fn effect(&self, (id, check): &(&str, &str)) -> Result<Option<Effect>> {
        let path = self.folder.clone().unwrap_or_else(|| "results".into()).join(id).join("checks.csv");
        let text = match &self.folder {
            Some(_) => std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?,
            None => REFERENCE.iter().find(|r| r.0 == *id).map_or_else(String::new, |r| r.1.to_owned()),
        };
        let mut lines = Vec::new();
        for line in csv::Reader::from_reader(text.as_bytes()).deserialize() {
            let line: Line = line.map_err(|e| Error::content(&path, "row", e.to_string()))?;
            lines.push(line);
        }
        let found = lines.into_iter().filter(|l| l.id.starts_with(check)).min_by_key(|l| l.id.len());
        let missing = || Error::content(&path, "id", format!("no check that begins with `{check}`"));
        let Line { id: name, verdict, estimate, low, high } = found.ok_or_else(missing)?;
        let whole = estimate.is_finite() && low.is_finite() && high.is_finite();
        Ok(whole.then(|| Effect { check: format!("{id}: {name}"), value: estimate, low, high, verdict }))
    }
}
