//! As the paper's Figure 3, and PGR of each task.

use super::super::gap::{panels, pgr};
use super::Row;
use super::judge::telling;
use crate::statistics::seeds;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn chart(rows: &[Record<Row>], title: &str, models: &str) -> Chart {
    let naive: Vec<&Record<Row>> = rows.iter().filter(|r| r.part == "naive").collect();
    let runs: Vec<_> = naive.iter().map(|r| Row::run(r)).collect();
    let sizes: BTreeMap<usize, usize> = naive.iter().map(|r| (r.student, r.parameters)).collect();
    let names: Vec<String> = sizes.values().map(|n| short(*n)).collect();
    let size = "parameters of the student";
    let [accuracy, recovered] = panels(&runs, &names, size, "accuracy, mean over tasks");
    let own: Vec<_> = telling(rows).iter().map(Row::run).collect();
    let [_, informative] = panels(&own, &names, size, "");
    Chart {
        title: title.into(),
        subtitle: format!(
            "{models} Lines: means over tasks and {} seeds; bands: 95% t intervals over seeds, of PGR Fieller's. First point of each teacher's line: a \
             student of its own size. Informative: the teacher knows something, and a gap is left.",
            seeds(rows).len()
        ),
        panels: vec![
            accuracy,
            Panel { title: "Performance gap recovered, all tasks".into(), ..recovered },
            Panel { title: "Performance gap recovered, informative tasks".into(), ..informative },
            by_task(&naive),
        ],
        columns: 2,
    }
}

/// 1.9k, 156k, 1.0M.
fn short(n: usize) -> String {
    match n {
        1_000_000.. => format!("{:.1}M", n as f64 / 1e6),
        10_000.. => format!("{:.0}k", n as f64 / 1e3),
        _ => format!("{:.1}k", n as f64 / 1e3),
    }
}

/// PGR of the largest student per task, pooled over teachers whose gap is wide enough to say something.
fn by_task(naive: &[&Record<Row>]) -> Panel {
    let top = naive.iter().map(|r| r.student).max().unwrap_or(0);
    let tasks: BTreeSet<&str> = naive.iter().map(|r| r.task.as_str()).collect();
    let mut bars: Vec<(String, f64, f64, f64)> = Vec::new();
    for task in tasks {
        let own = naive.iter().filter(|r| r.task == task && r.student == top && r.teacher < top);
        let e = pgr(own.map(|r| Row::run(r)));
        if e.low.is_finite() {
            bars.push((task.replace('_', " "), e.value, e.low.max(-1.0), e.high.min(2.0)));
        }
    }
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    Panel {
        title: "The largest student, task by task".into(),
        x: Axis {
            label: "task (those whose gap is above zero for certain)".into(),
            categories: bars.iter().map(|b| b.0.clone()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "PGR, all weaker teachers".into(), ..Axis::default() },
        layers: vec![Layer::Bars {
            series: "PGR (95%, Fieller; cut at −1 and 2)".into(),
            bars: bars.iter().enumerate().map(|(i, b)| (i, b.1, b.2, b.3)).collect(),
        }],
    }
}
