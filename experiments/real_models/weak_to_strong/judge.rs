//! The claims and controls.

use super::{Row, of, questions};
use crate::weak_to_strong::gap::pgr_difference;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean_interval};

/// All of them; each estimate is over seeds.
pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    questions(rows).iter().flat_map(|q| Judge { rows, question: q }.checks()).collect()
}

struct Judge<'a> {
    rows: &'a [Record<Row>],
    question: &'a str,
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
        let (id, statement) = (format!("{id}_{}", self.question), format!("{}: {statement}", self.question));
        Check::new(kind, &id, statement, source, statistic, estimate, criterion)
    }

    /// The mean over seeds of a student's column.
    fn mean(&self, student: &str, column: impl Fn(&Row) -> f64) -> Estimate {
        mean_interval(&of(self.rows, self.question, student).iter().map(|r| column(r)).collect::<Vec<_>>())
    }

    fn scores(&self, student: &str) -> Vec<Scores> {
        of(self.rows, self.question, student).iter().map(|r| r.scores()).collect()
    }

    /// One student's column less another's, seed by seed.
    fn lead(&self, [one, other]: [&str; 2]) -> Estimate {
        let accuracies = |s: &str| of(self.rows, self.question, s).iter().map(|r| r.accuracy).collect::<Vec<_>>();
        let pairs = accuracies(one).into_iter().zip(accuracies(other));
        mean_interval(&pairs.map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks = self.of_figure_3();
        checks.extend(self.why());
        checks
    }

    fn of_figure_3(&self) -> Vec<Check> {
        let source = "arXiv:2312.09390, Figure 3 (NLP); criterion ours";
        vec![
            self.check(
                (Kind::Control, "gap"),
                "there is a gap to recover",
                "derived",
                "ceiling's accuracy less the teacher's",
                self.mean("naive", |r| r.ceiling - r.weak),
                Criterion::AtLeast(0.05),
            ),
            self.check(
                (Kind::Control, "teacher_knows"),
                "the teacher knows something",
                "derived",
                "the teacher's accuracy",
                self.mean("naive", |r| r.weak),
                Criterion::AtLeast(0.6),
            ),
            self.check(
                (Kind::Claim, "better_than_teacher"),
                "the student is better than its teacher",
                source,
                "accuracy of the naive student less the teacher's",
                self.mean("naive", |r| r.accuracy - r.weak),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Claim, "recovers"),
                "it recovers a fifth of the gap or more",
                source,
                "PGR of the naive student, mean gain over mean gap, Fieller's interval",
                gap_recovered(&self.scores("naive")),
                Criterion::AtLeast(0.2),
            ),
            self.check(
                (Kind::Claim, "behind_ceiling"),
                "it stays behind the ceiling",
                source,
                "ceiling's accuracy less the naive student's",
                self.mean("naive", |r| r.ceiling - r.accuracy),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Claim, "confidence_recovers_more"),
                "the confidence loss recovers more",
                "arXiv:2312.09390, Figure 5 (large gaps); criterion ours",
                "PGR with the confidence loss less the naive one, jackknife over seeds",
                pgr_difference(&self.scores("confidence"), &self.scores("naive")),
                Criterion::AtLeast(0.0),
            ),
        ]
    }

    fn why(&self) -> Vec<Check> {
        vec![
            self.check(
                (Kind::Claim, "random_errors_are_easier"),
                "errors at random are easier to see through than the teacher's",
                "arXiv:2312.09390, Appendix E.2; criterion ours",
                "accuracy after labels with as many errors at random less the naive student's",
                self.lead(["random", "naive"]),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Claim, "disagrees_on_errors"),
                "the student agrees less with its teacher where that errs",
                "arXiv:2312.09390, Figure 8; criterion ours",
                "agreement where the teacher is right less where it is wrong",
                self.mean("naive", |r| r.agreement_right.unwrap_or(f64::NAN) - r.agreement_wrong.unwrap_or(f64::NAN)),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Control, "pretraining_is_what_counts"),
                "a student that was not pretrained recovers less",
                "derived: pretrained knowledge is elicited",
                "accuracy of the naive student less that of the one from scratch",
                self.lead(["naive", "scratch"]),
                Criterion::AtLeast(0.0),
            ),
            self.check(
                (Kind::Control, "dealt_labels_teach_nothing"),
                "weak labels dealt anew teach nothing",
                "derived",
                "accuracy of the student of dealt labels",
                self.mean("dealt", |r| r.accuracy),
                Criterion::Within(0.4, 0.6),
            ),
        ]
    }
}
