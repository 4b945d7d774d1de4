//! PGR with and without the label.

use super::Row;
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::Estimate;

const FIGURE: &str = "arXiv:2312.09390, Figure 27";

fn of<'a>(rows: &'a [Record<Row>], added: &'a str, loss: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.added == added && r.loss == loss)
}

pub(super) fn recovered(rows: &[Record<Row>], added: &str, loss: &str) -> Estimate {
    let scores = |r: &Record<Row>| Scores { weak: r.weak, student: r.student, ceiling: r.ceiling };
    gap_recovered(&of(rows, added, loss).map(scores).collect::<Vec<_>>())
}

fn difference(rows: &[Record<Row>], added: &str, loss: &str) -> Estimate {
    let scores = |(own, plain): (&Record<Row>, &Record<Row>)| Scores {
        weak: own.weak,
        student: own.weak + own.student - plain.student,
        ceiling: own.ceiling,
    };
    let pairs = of(rows, added, loss).zip(of(rows, "nothing", loss));
    gap_recovered(&pairs.map(scores).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (loss, words, number) in [("naive", "naive", 0.002), ("confidence", "with the confidence loss", 0.046)] {
        checks.push(
            Check::new(
                Kind::Claim,
                &format!("nothing_recovered_{loss}"),
                format!("{words}, a student that reads the label recovers nothing"),
                FIGURE,
                "PGR with the teacher's label among the features (Fieller)",
                recovered(rows, "label", loss),
                Criterion::Within(-0.05, 0.05),
            )
            .paper(PaperNumber::SecondHand(number)),
        );
        checks.push(Check::new(
            Kind::Claim,
            &format!("label_costs_{loss}"),
            format!("{words}, it would recover more without the label"),
            FIGURE,
            "PGR with the label less without (Fieller)",
            difference(rows, "label", loss),
            Criterion::AtMost(-0.05),
        ));
        checks.push(Check::new(
            Kind::Control,
            &format!("other_label_{loss}"),
            format!("{words}, the label of another input changes nothing"),
            "control",
            "PGR with another input's label less without (Fieller)",
            difference(rows, "other label", loss),
            Criterion::Within(-0.05, 0.05),
        ));
    }
    checks
}
