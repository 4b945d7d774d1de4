//! PGR with and without reading, and with an oracle that stops.

use super::super::gap::{per_seed, pgr, pgr_difference};
use super::Row;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, paired_difference};

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let of = |read: &'static str, stopped: bool| {
        rows.iter().filter(move |r| r.read == read).map(move |r| Row::run(r, stopped))
    };
    let recovered = |read: &'static str, stopped: bool| pgr(of(read, stopped));
    let more = |read: &'static str, than: &'static str| -> Estimate {
        pgr_difference(&per_seed(of(read, false)), &per_seed(of(than, false)))
    };
    let ceilings =
        |read: &'static str, stopped: bool| per_seed(of(read, stopped)).iter().map(|s| s.ceiling).collect::<Vec<f64>>();
    let claim = |id: &str, statement: &str, figure: &str, statistic: &str, estimate, criterion| {
        let source = format!("arXiv:2312.09390, {figure}, reported second-hand; statistic ours");
        Check::new(Kind::Claim, id, statement, &source, statistic, estimate, criterion)
    };
    let pooled = "PGR of mean accuracies over all teachers and larger students";
    vec![
        claim(
            "reading_helps",
            "students that have read the completions recover more, their ceiling having read them too",
            "Figure 10",
            &format!("{pooled}, with less without; jackknife over seeds"),
            more("student", "nothing"),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "reading_and_oracle",
            "with oracle early stopping they recover much of the gap",
            "Figure 17",
            &format!("{pooled}, student and ceiling stopped by the oracle"),
            recovered("student", true),
            Criterion::AtLeast(0.3),
        ),
        claim(
            "teacher_reads_too",
            "it helps with a teacher that has read them too",
            "Figure 18",
            &format!("{pooled}, all with less all without; jackknife over seeds"),
            more("both", "nothing"),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "scrambled",
            "completions whose words are dealt anew help no more than none",
            "control",
            format!("{pooled}, with less without; jackknife over seeds"),
            more("scrambled", "nothing"),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "ceiling_needs_no_oracle",
            "oracle early stopping changes little for a model that learns the truth",
            "control",
            "share of pairs ranked right by the ceilings that have read: stopped less at the end",
            paired_difference(&ceilings("student", true), &ceilings("student", false)),
            Criterion::Within(-0.02, 0.02),
        ),
    ]
}
