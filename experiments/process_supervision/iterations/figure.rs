//! Generation by generation.

use super::Row;
use crate::statistics::{banded, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

const RANKINGS: [(&str, &str); 4] = [
    ("present", "ranked by the present model"),
    ("fixed", "ranked by the first phase's model"),
    ("random_wrong", "random wrong answers"),
    ("uniform", "uniform"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let lines = |sight: &str, y: &dyn Fn(&Row) -> Option<f64>| -> Vec<Layer> {
        let of = |(ranking, name): (&str, &str)| {
            let own = rows.iter().filter(|r| r.ranking == ranking && r.sight == sight);
            banded(name, &summary(own.filter_map(|r| Some((r.generation as f64, y(r)?)))), Stroke::Solid)
        };
        RANKINGS.into_iter().flat_map(of).collect()
    };
    let panel = |title: &str, y: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: Axis { label: "generation (0: first phase)".into(), ..Axis::default() },
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    Chart {
        title: "Ten generations of collecting and retraining".into(),
        subtitle: format!(
            "Process models from true labels; the 80/20 rule on fresh solutions; best of many candidates on held-out problems. Lines: means \
             over {} seeds; bands: their range.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Solved: models without beliefs", "share solved", lines("blank", &|r| Some(r.solved))),
            panel("Solved: models with the generator's beliefs", "share solved", lines("beliefs", &|r| Some(r.solved))),
            panel(
                "Belief in the most convincing wrong answer (without beliefs)",
                "probability given",
                lines("blank", &|r| r.believed),
            ),
            panel(
                "Labelled steps that are right (without beliefs)",
                "share of this generation's",
                lines("blank", &|r| Some(r.steps_right)),
            ),
        ],
        columns: 2,
    }
}
