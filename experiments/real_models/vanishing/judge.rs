//! The claims and controls.

use super::{Row, of, tasks};
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean_interval};

/// All of them; each estimate is a mean over seeds.
pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks = Vec::new();
    for task in tasks(rows, true) {
        checks.extend(Judge { rows, task: &task }.claims());
    }
    for task in tasks(rows, false) {
        checks.extend(Judge { rows, task: &task }.controls());
    }
    checks
}

struct Judge<'a> {
    rows: &'a [Record<Row>],
    task: &'a str,
}

impl Judge<'_> {
    fn check(
        &self,
        (kind, id): (Kind, &str),
        statement: &str,
        source: &str,
        statistic: &str,
        estimate: Estimate,
        criterion: Criterion,
    ) -> Check {
        let (id, statement) = (format!("{id}_{}", self.task), format!("{}: {statement}", self.task));
        Check::new(kind, &id, statement, source, statistic, estimate, criterion)
    }

    fn over_seeds(&self, statistic: impl Fn(&dyn Fn(&str, fn(&Row) -> Option<f64>) -> f64) -> f64) -> Estimate {
        let of_seed = |r: &[&Record<Row>]| statistic(&|policy, column| of(r, self.task, policy, column));
        mean_interval(&by_seed(self.rows, of_seed))
    }

    fn claims(&self) -> Vec<Check> {
        let mut checks = vec![
            self.check(
                (Kind::Control, "premise"),
                "many prompts start stuck",
                "arXiv:2310.20703, Figure 1; criterion ours",
                "share of held-out prompts with pretrained std ≤ 0.05 and mean ≤ 0.5",
                self.over_seeds(|at| at("pretrained", |r| r.stuck_share)),
                Criterion::AtLeast(0.1),
            ),
            self.check(
                (Kind::Control, "rft_learns"),
                "RFT does learn: its budget suffices",
                "derived",
                "mean reward of RFT less that of the pretrained model, held-out prompts",
                self.over_seeds(|at| at("rft", |r| Some(r.reward)) - at("pretrained", |r| Some(r.reward))),
                Criterion::AtLeast(0.02),
            ),
        ];
        checks.extend(self.theorem_1());
        checks.extend(self.figure_1());
        checks.extend(self.figure_2());
        checks.extend(self.figure_4());
        checks
    }

    fn theorem_1(&self) -> [Check; 2] {
        [
            self.check(
                (Kind::Theory, "gradient_vanishes"),
                "a stuck prompt's expected reward has hardly a gradient",
                "arXiv:2310.20703, Theorem 1; criterion ours",
                "norm of a stuck held-out prompt's gradient over that of another's, roots of mean squares; 0: no sample of any stuck prompt \
                 earns anything, below detection",
                self.over_seeds(|at| at("pretrained", |r| r.rft_gradient_ratio)),
                Criterion::AtMost(0.05),
            ),
            self.check(
                (Kind::Control, "sft_gradient_does_not"),
                "the likelihood's gradient does not vanish there",
                "arXiv:2310.20703, Section 4.3; criterion ours",
                "the same of the reference's log-likelihood",
                self.over_seeds(|at| at("pretrained", |r| r.sft_gradient_ratio)),
                Criterion::AtLeast(1.0),
            ),
        ]
    }

    fn figure_1(&self) -> [Check; 3] {
        let source = "arXiv:2310.20703, Figure 1; criterion ours";
        let gain: fn(&Row) -> Option<f64> = |r| r.stuck_gain;
        [
            self.check(
                (Kind::Claim, "rft_leaves_stuck"),
                "RFT leaves prompts of small std and low mean where they are",
                source,
                "share of what was missing to reward 1 that RFT gains on held-out prompts with std ≤ 0.05, mean ≤ 0.5",
                self.over_seeds(|at| at("rft", gain)),
                Criterion::AtMost(0.05),
            ),
            self.check(
                (Kind::Claim, "sft_moves_stuck"),
                "SFT moves them",
                source,
                "the same share for SFT",
                self.over_seeds(|at| at("sft", gain)),
                Criterion::AtLeast(0.5),
            ),
            self.check(
                (Kind::Claim, "rft_behind_sft"),
                "RFT falls behind SFT",
                "arXiv:2310.20703, Table 1 (values not known to us)",
                "mean reward of SFT less that of RFT, held-out prompts",
                self.over_seeds(|at| at("sft", |r| Some(r.reward)) - at("rft", |r| Some(r.reward))),
                Criterion::AtLeast(0.0),
            ),
        ]
    }

    fn figure_2(&self) -> [Check; 3] {
        let source = "arXiv:2310.20703, Figure 2 (values reported second-hand)";
        let correlation: fn(&Row) -> Option<f64> = |r| r.correlation;
        [
            self.check(
                (Kind::Claim, "rft_correlates"),
                "RFT changes the prompts with a large pretrained std most",
                source,
                "Pearson correlation over held-out prompts of pretrained std and |change of mean reward|",
                self.over_seeds(|at| at("rft", correlation)),
                Criterion::AtLeast(0.3),
            ),
            self.check(
                (Kind::Theory, "rft_correlates_beyond_noise"),
                "more than two lots of samples of the pretrained model do, whose means differ by noise",
                "derived: noise is in proportion to the std",
                "RFT's correlation less the pretrained model's own",
                self.over_seeds(|at| at("rft", correlation) - at("pretrained", correlation)),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Claim, "sft_hardly_correlates"),
                "SFT's changes hardly go with the pretrained std",
                source,
                "the same correlation for SFT",
                self.over_seeds(|at| at("sft", correlation)),
                Criterion::Within(-0.2, 0.2),
            ),
        ]
    }

    fn figure_4(&self) -> [Check; 3] {
        let source = "arXiv:2310.20703, Figure 4 (reported second-hand: 96%); criterion ours";
        let reward: fn(&Row) -> Option<f64> = |r| Some(r.reward);
        [
            self.check(
                (Kind::Claim, "little_sft_suffices"),
                "a little SFT, then RFT, gets nearly as far as all of SFT, then RFT",
                source,
                "mean reward of little SFT then RFT over that of SFT then RFT, held-out prompts",
                self.over_seeds(|at| at("little_sft_rft", reward) / at("sft_rft", reward)),
                Criterion::AtLeast(0.9),
            ),
            self.check(
                (Kind::Claim, "little_sft_helps_rft"),
                "a little SFT, then half of the RFT, gets further than RFT alone",
                source,
                "mean reward of little SFT then RFT less that of RFT, held-out prompts",
                self.over_seeds(|at| at("little_sft_rft", reward) - at("rft", reward)),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Theory, "sft_frees_groups"),
                "after SFT fewer groups are without a gradient",
                "derived: a group whose rewards are all equal has none",
                "share of dead groups in the first round of RFT less that of RFT after SFT",
                self.over_seeds(|at| at("rft", |r| r.dead_first) - at("sft_rft", |r| r.dead_first)),
                Criterion::AtLeast(0.0),
            ),
        ]
    }

    fn controls(&self) -> Vec<Check> {
        let reward: fn(&Row) -> Option<f64> = |r| Some(r.reward);
        vec![
            self.check(
                (Kind::Control, "rft_keeps_up"),
                "RFT is not behind SFT by more than 5% of the reward's range",
                "arXiv:2310.20703, Table 1; tolerance ours",
                "mean reward of RFT less that of SFT, held-out prompts",
                self.over_seeds(|at| at("rft", reward) - at("sft", reward)),
                Criterion::AtLeast(-0.05),
            ),
            self.check(
                (Kind::Control, "small_std_is_high"),
                "where the std is small the mean is high on average",
                "arXiv:2310.20703, Figure 1 (IMDB)",
                "pretrained mean reward of held-out prompts with pretrained std ≤ 0.05",
                self.over_seeds(|at| at("pretrained", |r| r.small_std_mean)),
                Criterion::AtLeast(0.8),
            ),
            self.check(
                (Kind::Control, "few_stuck"),
                "hardly a prompt of small std has a low mean",
                "arXiv:2310.20703, Figure 1 (IMDB); criterion ours",
                "share of held-out prompts with pretrained std ≤ 0.05 and mean ≤ 0.5",
                self.over_seeds(|at| at("pretrained", |r| r.stuck_share)),
                Criterion::AtMost(0.02),
            ),
        ]
    }
}
