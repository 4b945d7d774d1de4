//! Paid and true reward along the loop, and their gap against the KL.

use super::Row;
use crate::statistics::{means, seeds_where, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

const PROXIES: [(&str, &str); 4] =
    [("truth", "truth"), ("few", "few ratings"), ("many", "many ratings"), ("bug", "many ratings and the bug")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let worlds = [("strings", "Strings"), ("translation", "Translation")];
    let panels = worlds.iter().flat_map(|(world, title)| {
        let own: Vec<&Record<Row>> = rows.iter().filter(|r| r.world == *world).collect();
        [walk(&own, title), gap(&own, title), repeats(&own, title)]
    });
    Chart {
        title: "What is paid, and what it stands for".into(),
        subtitle: format!(
            "After every Improve step of {} Grows. Solid: what the loop was paid; dashed: the true reward. Strings: exact, mean over three tasks and \
             {} seeds; translation: news, samples on test sources, mean over {} seeds. Points: the first seed.",
            rows.iter().map(|r| r.grow).max().unwrap_or(0),
            seeds_where(rows, |r| r.world == "strings"),
            seeds_where(rows, |r| r.world == "translation")
        ),
        panels: panels.collect(),
        columns: 3,
    }
}

fn steps(rows: &[&Record<Row>]) -> usize {
    1 + rows.iter().map(|r| r.improve).max().unwrap_or(0)
}

/// Where a policy stands on the way: the supervised one at 0.
fn at(row: &Row, steps: usize) -> f64 {
    if row.grow == 0 { 0.0 } else { (1 + (row.grow - 1) * steps + row.improve) as f64 }
}

fn walk(rows: &[&Record<Row>], title: &str) -> Panel {
    let steps = steps(rows);
    let line = |(proxy, series): (&str, &str), of: fn(&Row) -> f64, stroke: Stroke| Layer::Line {
        series: series.into(),
        points: means(&summary(rows.iter().filter(|r| r.proxy == proxy).map(|r| (at(r, steps), of(r))))),
        stroke,
        markers: stroke == Stroke::Solid,
    };
    let mut layers: Vec<Layer> = Vec::new();
    for proxy in PROXIES {
        layers.push(line(proxy, |r| r.paid, Stroke::Solid));
        if proxy.0 != "truth" {
            layers.push(line(proxy, |r| r.gold, Stroke::Dashed));
        }
    }
    Panel {
        title: format!("{title}: along the loop"),
        x: axis("Improve steps, Grow after Grow"),
        y: axis("mean reward"),
        layers,
    }
}

fn gap(rows: &[&Record<Row>], title: &str) -> Panel {
    let first = rows.iter().map(|r| r.seed).min();
    let points = |(proxy, series): (&str, &str)| Layer::Scatter {
        series: series.into(),
        points: rows
            .iter()
            .filter(|r| r.proxy == proxy && Some(r.seed) == first)
            .map(|r| (r.kl, r.paid - r.gold))
            .collect(),
    };
    Panel {
        title: format!("{title}: overrated"),
        x: axis("KL(π‖supervised) (nats)"),
        y: axis("paid less true reward"),
        layers: PROXIES.into_iter().skip(1).map(points).collect(),
    }
}

fn repeats(rows: &[&Record<Row>], title: &str) -> Panel {
    let steps = steps(rows);
    let line = |(proxy, series): (&str, &str)| Layer::Line {
        series: series.into(),
        points: means(&summary(rows.iter().filter(|r| r.proxy == proxy).map(|r| (at(r, steps), r.repeats)))),
        stroke: Stroke::Solid,
        markers: true,
    };
    Panel {
        title: format!("{title}: repeats"),
        x: axis("Improve steps, Grow after Grow"),
        y: axis(if title == "Strings" { "share of equal neighbours" } else { "share of word pairs said before" }),
        layers: PROXIES.into_iter().map(line).collect(),
    }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.into(), ..Axis::default() }
}
