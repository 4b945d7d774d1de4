//! Gains of each line of the table, with its budget.

use super::Row;
use super::judge::{Line, PAID, POLICIES, differences, last};
use crate::statistics::seeds_where;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{mean, mean_interval};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let supervised = |policy: &str, value: fn(&Row) -> f64| {
        let own = rows.iter().filter(|r| r.policy == policy && Line::Supervised.has(r, 0) && PAID.contains(&&*r.pays));
        mean(&own.map(|r| value(r)).collect::<Vec<_>>())
    };
    let strings = supervised("tabular", |r| r.paid);
    Chart {
        title: "ReST and online PPO on few samples: the reward that is paid, and what nobody paid for".into(),
        subtitle: format!(
            "Gain over the supervised policy (which is paid {strings:.2} for strings, {:.2} for translations; BLEU {:.2}); below each name the \
             samples that were drawn. Bars: 95% t intervals over {} (strings) and {} seeds. PPO: learning rate and KL from a grid; samples of the search \
             not counted. Exact ascent: no sampling, no KL.",
            supervised("transformer", |r| r.paid),
            supervised("transformer", |r| r.bleu.unwrap_or(f64::NAN)),
            seeds_where(rows, |r| r.world == "strings"),
            seeds_where(rows, |r| r.world == "translation"),
        ),
        panels: POLICIES.into_iter().map(|policy| panel(rows, policy)).collect(),
        columns: 2,
    }
}

type Metric = (&'static str, fn(&Row) -> f64);

fn panel(rows: &[Record<Row>], (policy, title): (&str, &str)) -> Panel {
    let end = last(rows, policy);
    let lines: Vec<Line> = Line::ALL
        .into_iter()
        .skip(1)
        .filter(|line| rows.iter().any(|r| r.policy == policy && line.has(r, end)))
        .collect();
    let metrics: [Metric; 3] =
        [("reward paid", |r| r.paid), ("true reward", |r| r.value), ("BLEU", |r| r.bleu.unwrap_or(f64::NAN))];
    let layer = |(series, value): Metric| {
        let bar = |(i, line): (usize, &Line)| {
            let e = mean_interval(&differences(rows, policy, (*line, PAID), Line::Supervised, value));
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: series.into(), bars: lines.iter().enumerate().map(bar).collect() }
    };
    let shown = metrics.into_iter().filter(|m| m.0 != "BLEU" || policy == "transformer");
    let name = |line: &Line| {
        let own = rows.iter().filter(|r| r.policy == policy && line.has(r, end) && PAID.contains(&&*r.pays));
        let drawn = mean(&own.map(|r| r.drawn as f64).collect::<Vec<_>>());
        match line {
            Line::Supervised => "BC".into(),
            Line::Unfiltered => format!("G1 I0: {drawn:.0}"),
            Line::First => format!("G1 I{end}: {drawn:.0}"),
            Line::Second => format!("G2 I{}: {drawn:.0}", end.saturating_sub(1)),
            Line::Ppo => format!("PPO: {drawn:.0}"),
            Line::Exact => "exact ascent: no limit".into(),
        }
    };
    let title = match title.chars().next() {
        Some(first) => first.to_uppercase().chain(title.chars().skip(1)).collect(),
        None => String::new(),
    };
    Panel {
        title,
        x: Axis {
            label: "policy: samples drawn".into(),
            categories: lines.iter().map(name).collect(),
            ..Axis::default()
        },
        y: Axis { label: "gain over the supervised policy".into(), ..Axis::default() },
        layers: shown.map(layer).collect(),
    }
}
