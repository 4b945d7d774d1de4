//! `rewardlab pgr`.

mod figure;
mod read;

use super::out;
use crate::error::{Error, Result};
use crate::metrics::{Scores, gap_recovered};
use crate::plot;
use crate::record::{Table, write_atomically};
use crate::stats::{Estimate, bootstrap, fieller, mean_interval, median};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Example: scores.csv
  task,seed,weak,student,ceiling
  boolq,0,0.61,0.68,0.79
  boolq,1,0.63,0.67,0.80
  sciq,0,0.70,0.69,0.88
  sciq,1,0.71,0.74,0.87

  rewardlab pgr scores.csv --out runs/pgr

A row is one run: what the weak teacher, the strong student that learned from its labels, and the strong model that learned from true \
labels score on the same test items; higher is better, any scale. Columns may stand in any order; others are ignored, and named.

PGR = (student - weak) / (ceiling - weak), of the means over a task's seeds, with Fieller's 95% interval; negative values and values above \
one are kept. It is undefined where the gap, ceiling - weak, has a 95% interval that reaches down to 0, or is not above --least-gap. \
The median over tasks is of the defined ones, with a bootstrap interval over tasks; the pooled PGR is the mean gain over the mean gap of \
all tasks, the undefined ones among them, with Fieller's interval over tasks: it wants scores on one scale. With --out: pgr.csv, \
overall.csv, figure.png and figure.svg.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// CSV with the columns task, seed, weak, student, ceiling
    file: PathBuf,
    /// Folder for the tables and the figure; without it they are only printed
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long, requires = "out")]
    force: bool,
    /// A task's PGR is undefined unless its mean gap is above this; at least 0, in the scores' unit
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    least_gap: f64,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    Error::check_not_negative(&[("least-gap", args.least_gap)])?;
    if let Some(folder) = &args.out {
        refuse_to_replace(folder, args.force)?;
    }
    let file = read::read(&args.file)?;
    let tasks: Vec<Recovered> =
        file.tasks.iter().map(|(name, runs)| Recovered::of(name, runs, args.least_gap)).collect();
    let overall = overall(&tasks);
    out(&said(&file, &tasks, &overall));
    if let Some(folder) = &args.out {
        let write = |name: &str, bytes: &[u8]| write_atomically(&folder.join(name), bytes);
        let chart = figure::chart(&tasks, &overall, &file);
        write("pgr.csv", &Table::from_rows(&tasks)?.to_csv()?)?;
        write("overall.csv", &Table::from_rows(&overall)?.to_csv()?)?;
        write("figure.png", &plot::png(&chart)?)?;
        write("figure.svg", plot::svg(&chart)?.as_bytes())?;
        out(&format!("written to {}: {}\n", folder.display(), FILES.join(", ")));
    }
    Ok(0)
}

const FILES: [&str; 4] = ["pgr.csv", "overall.csv", "figure.png", "figure.svg"];

fn refuse_to_replace(folder: &Path, force: bool) -> Result<()> {
    match FILES.iter().map(|name| folder.join(name)).find(|path| path.exists()) {
        Some(path) if !force => {
            let path = path.display();
            Err(Error::Usage(format!("{path} is there already: give --force to replace it, or another --out")))
        }
        _ => Ok(()),
    }
}

/// A task's line of pgr.csv; NaN is undefined.
#[derive(Debug, Serialize)]
struct Recovered {
    task: String,
    seeds: usize,
    /// Mean over seeds, like the next four.
    weak: f64,
    student: f64,
    ceiling: f64,
    /// Ceiling − weak; Student's t.
    gap: f64,
    gap_low: f64,
    gap_high: f64,
    /// Fieller.
    pgr: f64,
    pgr_low: f64,
    pgr_high: f64,
    /// Seeds whose student is below its teacher.
    below_weak: usize,
    /// Seeds whose student is above its ceiling.
    above_ceiling: usize,
    /// Why something is NaN.
    note: String,
}

impl Recovered {
    fn of(task: &str, runs: &[Scores], least_gap: f64) -> Self {
        let mean_of = |part: fn(&Scores) -> f64| mean_interval(&runs.iter().map(part).collect::<Vec<_>>());
        let gap = mean_of(Scores::gap);
        let ratio = gap_recovered(runs);
        let note = if gap.value < 0.0 {
            "undefined: the ceiling is below the teacher".into()
        } else if gap.value <= least_gap {
            format!("undefined: the gap is not above {least_gap}")
        } else if ratio.value.is_nan() {
            "undefined: the gap's interval reaches down to 0".into()
        } else if runs.len() == 1 {
            "one seed: no interval".into()
        } else {
            String::new()
        };
        let undefined = note.starts_with("undefined");
        let shown = |value: f64| if undefined { f64::NAN } else { value };
        Self {
            task: task.to_owned(),
            seeds: runs.len(),
            weak: mean_of(|s| s.weak).value,
            student: mean_of(|s| s.student).value,
            ceiling: mean_of(|s| s.ceiling).value,
            gap: gap.value,
            gap_low: gap.low,
            gap_high: gap.high,
            pgr: shown(ratio.value),
            pgr_low: shown(ratio.low),
            pgr_high: shown(ratio.high),
            below_weak: runs.iter().filter(|s| s.gain() < 0.0).count(),
            above_ceiling: runs.iter().filter(|s| s.student > s.ceiling).count(),
            note,
        }
    }
}

/// A line of overall.csv.
#[derive(Debug, Serialize)]
struct Overall {
    statistic: &'static str,
    pgr: f64,
    pgr_low: f64,
    pgr_high: f64,
    /// How many tasks it is of.
    tasks: usize,
}

impl Overall {
    fn new(statistic: &'static str, estimate: Estimate, tasks: usize) -> Self {
        // of one task nothing is known about others
        let end = |value: f64| if tasks < 2 { f64::NAN } else { value };
        Self { statistic, pgr: estimate.value, pgr_low: end(estimate.low), pgr_high: end(estimate.high), tasks }
    }
}

fn overall(tasks: &[Recovered]) -> [Overall; 2] {
    let defined: Vec<f64> = tasks.iter().map(|t| t.pgr).filter(|p| !p.is_nan()).collect();
    let (gains, gaps): (Vec<f64>, Vec<f64>) = tasks.iter().map(|t| (t.student - t.weak, t.gap)).unzip();
    let pooled = match tasks {
        [only] => Estimate::exact(only.pgr, 1),
        _ if gaps.iter().sum::<f64>() > 0.0 => fieller(&gains, &gaps),
        _ => fieller(&[], &[]),
    };
    [Overall::new("median", bootstrap(&defined, median), defined.len()), Overall::new("pooled", pooled, tasks.len())]
}

/// "0.42 [0.31, 0.53]", in as many decimals.
fn interval(value: f64, low: f64, high: f64, decimals: usize) -> String {
    let number = |x: f64| if x.is_nan() { "undefined".to_owned() } else { format!("{x:.decimals$}") };
    if low.is_nan() || high.is_nan() {
        number(value)
    } else {
        format!("{} [{}, {}]", number(value), number(low), number(high))
    }
}

fn said(file: &read::File, tasks: &[Recovered], [median, pooled]: &[Overall; 2]) -> String {
    // a column names an interval, and a line below its method, only where one is shown
    let column = |name: &str, low: fn(&Recovered) -> f64| {
        if tasks.iter().all(|t| low(t).is_nan()) { name.to_owned() } else { format!("{name} [95%]") }
    };
    let (gap, pgr) = (column("gap", |t| t.gap_low), column("PGR", |t| t.pgr_low));
    let mut lines = vec![["task", "seeds", "weak", "student", "ceiling", &gap, &pgr, ""].map(str::to_owned)];
    for t in tasks {
        let [weak, student, ceiling] = [t.weak, t.student, t.ceiling].map(|v| format!("{v:.4}"));
        let gap = interval(t.gap, t.gap_low, t.gap_high, 4);
        let pgr = interval(t.pgr, t.pgr_low, t.pgr_high, 2);
        lines.push([t.task.clone(), t.seeds.to_string(), weak, student, ceiling, gap, pgr, t.note.clone()]);
    }
    let widths: [usize; 8] = std::array::from_fn(|c| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0));
    let mut said = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        said.push_str(cells.join("  ").trim_end());
        said.push('\n');
    }
    let of = |o: &Overall, method: &str| {
        let shown = interval(o.pgr, o.pgr_low, o.pgr_high, 2);
        if o.pgr_low.is_nan() || o.pgr_high.is_nan() { shown } else { format!("{shown} ({method} over tasks)") }
    };
    let runs: usize = tasks.iter().map(|t| t.seeds).sum();
    let total = |part: fn(&Recovered) -> usize| tasks.iter().map(part).sum::<usize>();
    // writing to a string cannot fail
    let _ = write!(
        said,
        "\nmedian PGR over the {} of {} tasks that have one: {}\n\
         pooled PGR, mean gain over mean gap of all {} tasks: {}\n\
         of {runs} runs the student is below its teacher in {}, above its ceiling in {}\n",
        median.tasks,
        tasks.len(),
        of(median, "bootstrap"),
        pooled.tasks,
        of(pooled, "Fieller"),
        total(|t| t.below_weak),
        total(|t| t.above_ceiling),
    );
    if pooled.pgr.is_nan() && tasks.len() > 1 {
        said.push_str("the pooled PGR is undefined where the mean gap of all tasks has an interval that reaches down to 0, as of few tasks it may\n");
    }
    if !file.ignored.is_empty() {
        let _ = writeln!(said, "columns not read: {}", file.ignored.join(", "));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(of: &[(f64, f64, f64)]) -> Vec<Scores> {
        of.iter().map(|&(weak, student, ceiling)| Scores { weak, student, ceiling }).collect()
    }

    #[test]
    fn what_is_undefined_says_why_and_what_is_odd_is_kept() {
        let of = |scores: &[(f64, f64, f64)], least: f64| Recovered::of("t", &runs(scores), least);
        let half = of(&[(0.5, 0.7, 0.9), (0.6, 0.8, 1.0)], 0.0);
        assert!((half.pgr - 0.5).abs() < 1e-12 && half.note.is_empty() && half.seeds == 2);
        assert!((half.pgr_low - 0.5).abs() < 1e-6 && (half.gap - 0.4).abs() < 1e-12);
        let worse = of(&[(0.5, 0.4, 0.9), (0.5, 0.41, 0.9)], 0.0);
        assert!(worse.pgr < 0.0 && worse.below_weak == 2 && worse.note.is_empty());
        let better = of(&[(0.5, 0.95, 0.9), (0.5, 0.96, 0.9)], 0.0);
        assert!(better.pgr > 1.0 && better.above_ceiling == 2);
        let floor = of(&[(0.5, 0.5, 0.6), (0.6, 0.5, 0.5), (0.5, 0.5, 0.51)], 0.0);
        assert!(floor.pgr.is_nan() && floor.note.contains("reaches down to 0"), "{}", floor.note);
        let narrow = of(&[(0.5, 0.7, 0.9), (0.6, 0.8, 1.0)], 0.5);
        assert!(narrow.pgr.is_nan() && narrow.note.ends_with("not above 0.5"));
        assert!(of(&[(0.9, 0.7, 0.5), (1.0, 0.8, 0.6)], 0.0).note.ends_with("below the teacher"));
        let one = of(&[(0.5, 0.6, 0.9)], 0.0);
        assert!((one.pgr - 0.25).abs() < 1e-12 && one.pgr_low.is_nan() && one.note == "one seed: no interval");
    }

    #[test]
    fn the_median_is_of_defined_tasks_and_the_pool_of_all() {
        let of = |name: &str, scores: &[(f64, f64, f64)]| Recovered::of(name, &runs(scores), 0.0);
        let tasks = [
            of("a", &[(0.5, 0.6, 0.9), (0.5, 0.6, 0.9)]),
            of("b", &[(0.5, 0.8, 0.9), (0.5, 0.8, 0.9)]),
            of("c", &[(0.5, 0.55, 0.9), (0.5, 0.6, 0.7)]),
        ];
        let [median, pooled] = overall(&tasks);
        assert!((median.pgr - 0.5).abs() < 1e-12 && median.tasks == 2);
        assert!((pooled.pgr - (0.1 + 0.3 + 0.075) / 1.1).abs() < 1e-12 && pooled.tasks == 3);
        let [median, pooled] = overall(&tasks[..1]);
        assert!((median.pgr - 0.25).abs() < 1e-12 && median.pgr_low.is_nan());
        assert!((pooled.pgr - 0.25).abs() < 1e-12 && pooled.pgr_low.is_nan());
        let [median, pooled] = overall(&tasks[2..]);
        assert!(median.pgr.is_nan() && median.tasks == 0 && pooled.pgr.is_nan());
    }
}
