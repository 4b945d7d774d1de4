//! `rewardlab oracle`: cases for other people's trainers, and their answers judged.

use super::{check_free, note, out};
use crate::error::Result;
use crate::jsonl;
use crate::oracle::{Answer, Class, Quantity, Verdict, cases, check};
use serde_json::Value;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  rewardlab oracle export --out cases.jsonl
  rewardlab oracle check answers.jsonl --tolerance 1e-4

Each line of the export is a case: id, objective, corner, source, convention (in words), inputs, of (the input that the gradient is with respect to) and \
expected. An answer is a line with the case's id and what is expected of it, as far as the trainer has it: {\"id\": \"dpo/plain/0\", \"loss\": 0.71, \
\"gradient\": [[-0.01, 0.01], ...]}. Losses are to be minimised; padded tokens have a gradient of 0.

`check` says for each objective, corner and quantity: agrees, agrees up to a factor (a mean for a sum, another sign), differs (the first case, and by how much \
of its largest number), or not given. A difference may be one of convention: read the case's. Exit code 0 if all agrees, 1 if \
something differs, 3 if nothing does but something is not given.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the cases with their answers, one JSON object per line
    Export {
        /// Where to
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Compare a trainer's answers with the cases
    Check {
        /// JSONL: {"id", "loss", "gradient", ...}
        answers: PathBuf,
        /// Largest difference, as a share of the largest expected number of a case
        #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true)]
        tolerance: f64,
    },
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    match &args.command {
        Command::Export { out, force } => export(out, *force),
        Command::Check { answers, tolerance } => {
            let classes = check(&cases(), &read(answers)?, *tolerance)?;
            out(&table(&classes));
            note(&summary(&classes));
            let agrees = |c: &Class| matches!(c.verdict, Verdict::Agrees | Verdict::NotGiven);
            if !classes.iter().all(agrees) {
                return Ok(1);
            }
            Ok(if classes.iter().any(|c| c.answered < c.cases) { 3 } else { 0 })
        }
    }
}

fn export(path: &Path, force: bool) -> Result<u8> {
    check_free(Some(path), force)?;
    let cases = cases();
    jsonl::write(path, &cases)?;
    note(&format!("{} cases: {}", cases.len(), path.display()));
    Ok(0)
}

/// # Errors
/// With path and line: no `id`; a value that is no number, list of numbers or list of lists.
fn read(path: &Path) -> Result<Vec<Answer>> {
    jsonl::read_mended(path, jsonl::mend_python, |_, line| {
        let id = jsonl::field(line, "id")?.as_str().ok_or("`id` must be a string")?.to_owned();
        let mut given = std::collections::BTreeMap::new();
        for (name, value) in line.iter().filter(|(name, _)| *name != "id") {
            let what = || format!("`{name}` is {}: expected a number, a list or a list of lists", jsonl::short(value));
            given.insert(name.clone(), quantity(value).ok_or_else(what)?);
        }
        Ok(Answer { id, given })
    })
}

fn quantity(value: &Value) -> Option<Quantity> {
    let list = |value: &Value| value.as_array()?.iter().map(number).collect::<Option<Vec<f64>>>();
    match value {
        Value::Array(rows) if rows.iter().any(Value::is_array) => {
            rows.iter().map(list).collect::<Option<_>>().map(Quantity::Table)
        }
        Value::Array(_) => list(value).map(Quantity::List),
        value => number(value).map(Quantity::Number),
    }
}

/// null, and what Python writes for what is no number or infinite, are numbers that agree with none.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::Null => Some(f64::NAN),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A line per corner of an objective and verdict; one for an objective to which nothing was given.
fn table(classes: &[Class]) -> String {
    let mut lines: Vec<[String; 4]> = Vec::new();
    for class in classes {
        let silent = classes.iter().filter(|c| c.objective == class.objective).all(|c| c.answered == 0);
        let (corner, quantity) = if silent { ("", "") } else { (class.corner, class.quantity.as_str()) };
        let said = said(class);
        let same = |line: &[String; 4]| line[0] == class.objective && line[1] == corner && line[3] == said;
        match lines.last_mut().filter(|line| same(line)) {
            Some(_) if silent => {}
            Some(line) => {
                line[2].push_str(", ");
                line[2].push_str(quantity);
            }
            None => lines.push([class.objective.into(), corner.into(), quantity.into(), said]),
        }
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths = [0, 1, 2].map(width);
    let text = |[objective, corner, quantity, said]: &[String; 4]| {
        let [a, b, c] = widths;
        format!("{objective:a$}  {corner:b$}  {quantity:c$}  {said}\n")
    };
    lines.iter().map(text).collect()
}

fn said(class: &Class) -> String {
    let said = match &class.verdict {
        Verdict::Agrees => "agrees".into(),
        Verdict::UpToFactor(factor) if (1e-3..1e6).contains(&factor.abs()) => {
            format!("agrees up to a factor: {factor:.6} times what is expected")
        }
        Verdict::UpToFactor(factor) => format!("agrees up to a factor: {factor:.6e} times what is expected"),
        Verdict::Differs { id, by } => format!("differs: {id}, by {by:.2e} of its largest number"),
        Verdict::NotGiven => "not given".into(),
    };
    let some = class.answered > 0 && class.answered < class.cases;
    if some { format!("{said} ({} of {} given)", class.answered, class.cases) } else { said }
}

fn summary(classes: &[Class]) -> String {
    let count = |verdict: fn(&Verdict) -> bool| classes.iter().filter(|c| verdict(&c.verdict)).count();
    format!(
        "{} classes: {} agree, {} up to a factor, {} differ, {} not given",
        classes.len(),
        count(|v| matches!(v, Verdict::Agrees)),
        count(|v| matches!(v, Verdict::UpToFactor(_))),
        count(|v| matches!(v, Verdict::Differs { .. })),
        count(|v| matches!(v, Verdict::NotGiven)),
    )
}
