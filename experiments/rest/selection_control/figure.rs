//! V along the chain for the three choices.

use super::Row;
use crate::statistics::{log_axis, means, seeds_where, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeMap;

const CHOICES: [(&str, &str); 3] =
    [("reward above τ", "reward"), ("as many at random", "random"), ("as many by rewards permuted", "shuffled")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    // an empty set: all tasks of the policy
    let curves = |policy: &str, set: &str, x: fn(&Row) -> f64| {
        let of = |(words, choice): (&str, &str)| {
            // mean over tasks first, so that the band is that of seeds
            let mut cells: BTreeMap<(usize, u64), Vec<(f64, f64)>> = BTreeMap::new();
            for r in
                rows.iter().filter(|r| r.policy == policy && r.choice == choice && (set.is_empty() || r.task == set))
            {
                cells.entry((r.improve, r.seed)).or_default().push((x(r), r.value));
            }
            let mean =
                |of: &[(f64, f64)], part: fn(&(f64, f64)) -> f64| of.iter().map(part).sum::<f64>() / of.len() as f64;
            // the two that lie on each other
            let stroke = if choice == "shuffled" { Stroke::Dashed } else { Stroke::Solid };
            let of_seeds = cells.iter().map(|((improve, _), v)| (*improve as f64, mean(v, |p| p.1)));
            let along = summary(of_seeds);
            let place = means(&summary(cells.iter().map(|((improve, _), v)| (*improve as f64, mean(v, |p| p.0)))));
            let points = along.iter().zip(&place).map(|(s, at)| (at.1, s.1)).collect();
            let band = along.iter().zip(&place).map(|(s, at)| (at.1, s.2, s.3)).collect();
            [
                Layer::Band { series: words.into(), points: band },
                Layer::Line { series: words.into(), points, stroke, markers: true },
            ]
        };
        let there = |(_, choice): &(&str, &str)| rows.iter().any(|r| r.policy == policy && r.choice == *choice);
        CHOICES.into_iter().filter(there).flat_map(of).collect::<Vec<_>>()
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let panel = |title: &str, x: Axis, layers: Vec<Layer>| Panel {
        title: title.into(),
        x,
        y: axis("V, expected reward"),
        layers,
    };
    let step = |r: &Row| r.improve as f64;
    Chart {
        title: "It is which samples are kept, not how many".into(),
        subtitle: format!(
            "One Grow, whose samples are chosen in different ways for the same number of steps. Strings: V exact, means over three tasks. \
             Translation: mean chrF of samples on test sources. Lines: means over {} (strings) and {} seeds; bands: lowest to highest seed.",
            seeds_where(rows, |r| r.world == "strings"),
            seeds_where(rows, |r| r.world == "translation")
        ),
        panels: vec![
            panel("Strings: product policy", axis("Improve step I"), curves("product", "", step)),
            panel("Strings: tabular policy", axis("Improve step I"), curves("tabular", "", step)),
            panel(
                "Strings: product, by what is kept",
                log_axis("samples kept per context"),
                curves("product", "", |r| r.kept),
            ),
            panel("Translation: talks", axis("Improve step I"), curves("transformer", "talks", step)),
            panel("Translation: news", axis("Improve step I"), curves("transformer", "news", step)),
            panel(
                "Translation: news, by what is kept",
                log_axis("samples kept per source"),
                curves("transformer", "news", |r| r.kept),
            ),
        ],
        columns: 3,
    }
}
