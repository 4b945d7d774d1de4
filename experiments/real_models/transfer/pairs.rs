//! Which check of a small world is which check of a language model.

use rewardlab::error::{Error, Result};
use serde::Deserialize;
use std::path::PathBuf;

/// The same statement in both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// The folder of the paper's experiments.
    pub(super) paper: &'static str,
    pub(super) effect: &'static str,
    pub(super) unit: &'static str,
    /// Whether it should vanish.
    pub(super) null: bool,
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
    Pair { paper, effect, unit, null: false, small, real }
}

impl Pair {
    const fn null(self) -> Self {
        Self { null: true, ..self }
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
        ("stuck prompts: gained by RFT", "share of the missing reward"),
        ("vanishing_gradients/scatter", "rft_leaves_small_std"),
        ("real_models/vanishing", "rft_leaves_stuck"),
    )
    .null(),
    pair(
        VANISHING,
        ("stuck prompts: gained by SFT", "share of the missing reward"),
        ("vanishing_gradients/scatter", "sft_moves_small_std"),
        ("real_models/vanishing", "sft_moves_stuck"),
    ),
    pair(
        VANISHING,
        ("std and change by RFT", "correlation"),
        ("vanishing_gradients/correlation", "rft_correlates_a"),
        ("real_models/vanishing", "rft_correlates"),
    ),
    pair(
        VANISHING,
        ("std and change by SFT", "correlation"),
        ("vanishing_gradients/correlation", "sft_does_not_a"),
        ("real_models/vanishing", "sft_hardly_correlates"),
    ),
    pair(
        VANISHING,
        ("little SFT, then RFT", "over all of SFT, then RFT"),
        ("vanishing_gradients/partial_sft", "little_sft_suffices"),
        ("real_models/vanishing", "little_sft_suffices"),
    ),
    pair(
        VANISHING,
        ("RFT − SFT where nothing is stuck", "reward"),
        ("vanishing_gradients/correlation", "rft_not_behind_elsewhere"),
        ("real_models/vanishing", "rft_keeps_up"),
    )
    .null(),
    pair(
        KL,
        ("DPO − RL, learned reward", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_ppo"),
        ("real_models/frontier", "dpo_ahead_of_rloo"),
    ),
    pair(
        KL,
        ("DPO − RL, true reward", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_tuned"),
        ("real_models/frontier", "dpo_ahead_of_rloo_true"),
    ),
    pair(
        KL,
        ("DPO − unlikelihood", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_unlikelihood"),
        ("real_models/frontier", "dpo_ahead_of_unlikelihood"),
    ),
    pair(
        KL,
        ("DPO − Preferred-FT", "hypervolume"),
        ("reward_kl/frontier_exact", "dpo_over_preferred"),
        ("real_models/frontier", "dpo_ahead_of_preferred"),
    ),
    pair(
        KL,
        ("KL of Preferred-FT", "nats"),
        ("reward_kl/frontier_exact", "preferred_stays_near"),
        ("real_models/frontier", "preferred_stays_near"),
    ),
    pair(
        REST,
        ("an Improve step", "reward"),
        ("rest/improve", "rises_sampled"),
        ("real_models/rest_translation", "every_improve_raises"),
    ),
    pair(
        REST,
        ("best-of-N on top of ReST", "reward"),
        ("rest/best_of_n", "helps_rest"),
        ("real_models/rest_translation", "best_of_n_on_top"),
    ),
    pair(
        REST,
        ("few of ReST − many of BC", "reward"),
        ("rest/best_of_n", "few_are_worth_many_product"),
        ("real_models/rest_translation", "few_are_worth_many"),
    ),
    pair(
        REST,
        ("samples chosen at random", "reward"),
        ("rest/selection_control", "random_product"),
        ("real_models/rest_translation", "random_choice"),
    )
    .null(),
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
        ("process − outcome, growth with N", "share solved"),
        ("process_supervision/best_of_n", "gap_grows"),
        ("real_models/process", "gap_grows"),
    ),
    pair(
        WEAK,
        ("confidence loss − naive", "PGR"),
        ("weak_to_strong/confidence", "confidence_lifts_a"),
        ("real_models/weak_to_strong", "confidence_recovers_more"),
    ),
    pair(
        WEAK,
        ("errors at random − of a kind", "PGR; accuracy"),
        ("weak_to_strong/error_structure", "easy_errors_cost"),
        ("real_models/weak_to_strong", "random_errors_are_easier"),
    ),
];

/// Reference results that are built in: experiment, checks.
const REFERENCE: [(&str, &str); 15] = [
    ("vanishing_gradients/scatter", include_str!("../../../results/vanishing_gradients/scatter/checks.csv")),
    ("vanishing_gradients/correlation", include_str!("../../../results/vanishing_gradients/correlation/checks.csv")),
    ("vanishing_gradients/partial_sft", include_str!("../../../results/vanishing_gradients/partial_sft/checks.csv")),
    ("reward_kl/frontier_exact", include_str!("../../../results/reward_kl/frontier_exact/checks.csv")),
    ("rest/improve", include_str!("../../../results/rest/improve/checks.csv")),
    ("rest/best_of_n", include_str!("../../../results/rest/best_of_n/checks.csv")),
    ("rest/selection_control", include_str!("../../../results/rest/selection_control/checks.csv")),
    ("process_supervision/best_of_n", include_str!("../../../results/process_supervision/best_of_n/checks.csv")),
    ("weak_to_strong/confidence", include_str!("../../../results/weak_to_strong/confidence/checks.csv")),
    ("weak_to_strong/error_structure", include_str!("../../../results/weak_to_strong/error_structure/checks.csv")),
    ("real_models/vanishing", include_str!("../../../results/real_models/vanishing/checks.csv")),
    ("real_models/frontier", include_str!("../../../results/real_models/frontier/checks.csv")),
    ("real_models/rest_translation", include_str!("../../../results/real_models/rest_translation/checks.csv")),
    ("real_models/process", include_str!("../../../results/real_models/process/checks.csv")),
    ("real_models/weak_to_strong", include_str!("../../../results/real_models/weak_to_strong/checks.csv")),
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

    /// The effect that a check states: the shortest id that begins so. None without an interval.
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
