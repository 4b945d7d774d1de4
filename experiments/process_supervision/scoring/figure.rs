//! Share solved by each score, and scores against length.

use super::Row;
use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Panel, Stroke};
use rewardlab::reward::{Neutral, Score};

fn label(score: Score) -> &'static str {
    match score {
        Score::Product => "product",
        Score::Minimum => "minimum",
        Score::GeometricMean => "geometric mean",
    }
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let against_n = |title: &str, y: &str, value: fn(&Row) -> Option<f64>| {
        let line = |score: Score, neutral: Neutral| {
            let own =
                rows.iter().filter(|r| r.part == "chains" && r.score == score.name() && r.neutral == neutral.name());
            let points = intervals(own.filter_map(|r| Some((f64::from(r.n), value(&r.row)?))));
            let stroke = if neutral == Neutral::Positive { Stroke::Solid } else { Stroke::Dashed };
            banded(&format!("{}, neutral as {}", label(score), neutral.name()), &points, stroke)
        };
        Panel {
            title: title.into(),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: y.into(), ..Axis::default() },
            layers: Score::ALL.into_iter().flat_map(|s| Neutral::BOTH.map(|n| line(s, n))).flatten().collect(),
        }
    };
    let with_length = {
        let line = |score: Score| {
            let own = rows.iter().filter(|r| r.part == "valid" && r.score == score.name());
            let points = intervals(own.filter_map(|r| Some((f64::from(r.n), r.value?))));
            banded(&format!("{}, neutral as positive", label(score)), &points, Stroke::Solid)
        };
        Panel {
            title: "Scores of right solutions".into(),
            x: Axis { label: "steps of the solution".into(), ..Axis::default() },
            y: Axis { label: "mean score (nats)".into(), ..Axis::default() },
            layers: Score::ALL.map(line).into_iter().flatten().collect(),
        }
    };
    Chart {
        title: "From steps to a score".into(),
        subtitle: format!(
            "One process model with three classes per seed, six scores; exact over all draws of N of the pool. Lines: means over {} seeds; \
             bands: 95% t intervals. Right: solutions of the training problems without a wrong step. With neutral as negative the three scores choose alike.",
            seeds(rows).len()
        ),
        panels: vec![
            against_n("Share solved", "share of problems solved", |r| r.solved),
            against_n("What is chosen", "steps less the candidates' mean", |r| r.longer),
            with_length,
        ],
        columns: 3,
    }
}
