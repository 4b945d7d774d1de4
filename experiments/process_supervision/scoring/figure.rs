//! Share solved by each score, and scores against length.

use super::Row;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
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
            Layer::Line {
                series: format!("{}, neutral as {}", label(score), neutral.name()),
                points: means(&summary(own.filter_map(|r| Some((f64::from(r.n), value(&r.row)?))))),
                stroke: if neutral == Neutral::Positive { Stroke::Solid } else { Stroke::Dashed },
                markers: true,
            }
        };
        Panel {
            title: title.into(),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: y.into(), ..Axis::default() },
            layers: Score::ALL.into_iter().flat_map(|s| Neutral::BOTH.map(|n| line(s, n))).collect(),
        }
    };
    let with_length = {
        let line = |score: Score| {
            let own = rows.iter().filter(|r| r.part == "valid" && r.score == score.name());
            Layer::Line {
                series: format!("{}, neutral as positive", label(score)),
                points: means(&summary(own.filter_map(|r| Some((f64::from(r.n), r.value?))))),
                stroke: Stroke::Solid,
                markers: true,
            }
        };
        Panel {
            title: "Scores of right solutions".into(),
            x: Axis { label: "steps of the solution".into(), ..Axis::default() },
            y: Axis { label: "mean score (nats)".into(), ..Axis::default() },
            layers: Score::ALL.map(line).into(),
        }
    };
    Chart {
        title: "From steps to a score".into(),
        subtitle: format!(
            "One process model with three classes per seed, six scores; means over {} seeds, exact over all draws of N of the pool. Right: \
             solutions of the training problems without a wrong step. With neutral as negative the three scores choose alike.",
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
