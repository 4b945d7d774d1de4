//! Reward against N, before and after.

use super::Row;
use crate::statistics::{log_axis, means, seeds_where, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let line = |policy: &str, filter: &str, series: String, (grow, improve): (usize, usize), stroke: Stroke| {
        let own =
            rows.iter().filter(|r| (&*r.policy, &*r.filter, r.grow, r.improve) == (policy, filter, grow, improve));
        Layer::Line { series, points: means(&summary(own.map(|r| (f64::from(r.n), r.reward)))), stroke, markers: true }
    };
    let panel = |policy: &str, title: &str| {
        let own = || rows.iter().filter(|r| r.policy == policy);
        let last = own().map(|r| r.improve).max().unwrap_or(0);
        // BC, everything, first and third Improve of the first Grow, the last of each
        let mut chosen = vec![(0, 0), (1, 0), (1, 1), (1, last.min(3)), (1, last), (2, last)];
        chosen.dedup();
        chosen.retain(|step| own().any(|r| (r.grow, r.improve) == *step));
        let name = |(grow, improve): (usize, usize)| match grow {
            0 => "BC".to_owned(),
            _ if improve == last => format!("G = {grow}, last I"),
            _ => format!("G = {grow}, I = {improve}"),
        };
        let curves = chosen.iter().map(|step| line(policy, "reward", name(*step), *step, Stroke::Solid));
        let control = (1, last);
        let there = rows.iter().any(|r| r.policy == policy && r.filter == "shuffled");
        let shuffled = || line(policy, "shuffled", format!("{}, shuffled", name(control)), control, Stroke::Dashed);
        let shuffled = there.then(shuffled);
        let many: Vec<f64> =
            rows.iter().filter(|r| (&*r.policy, r.grow, r.n) == (policy, 0, 200)).map(|r| r.reward).collect();
        let level =
            Layer::Horizontal { label: "BC at N = 200".into(), y: many.iter().sum::<f64>() / many.len() as f64 };
        let ten = Layer::Vertical { label: "N = 10".into(), x: 10.0 };
        Panel {
            title: title.into(),
            x: log_axis("N, draws per context or source"),
            y: Axis { label: "E[max of N rewards]".into(), ..Axis::default() },
            layers: curves.chain(shuffled).chain([level, ten]).collect(),
        }
    };
    let pool = rows.iter().filter(|r| r.world == "translation").map(|r| r.n).max().unwrap_or(0);
    let tasks: BTreeSet<&str> = rows.iter().filter(|r| r.world == "strings").map(|r| &*r.task).collect();
    Chart {
        title: "Best-of-N stacks with ReST".into(),
        subtitle: format!(
            "Strings: exact, means over {} tasks and {} seeds. ReST's policies come from a finite Grow; shuffled: its thresholds \
             were applied to rewards that were permuted. Translation: mean chrF on test sources of news, {} seeds, at least {pool} \
             samples of each source.",
            tasks.len(),
            seeds_where(rows, |r| r.world == "strings"),
            seeds_where(rows, |r| r.world == "translation")
        ),
        panels: vec![
            panel("product", "Strings: product policy"),
            panel("tabular", "Strings: tabular policy"),
            panel("transformer", "Translation: transformer"),
        ],
        columns: 3,
    }
}
