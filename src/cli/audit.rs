//! `rewardlab audit`: another trainer's log, its numbers named and its signs of trouble.

use super::{note, out, width};
use crate::audit::{Finding, Format, Level, Report, Request, Row, audit, parse_assignment, read_config};
use crate::error::{Error, Result};
use crate::record::{Table, write_atomically};
use crate::report::wrap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  rewardlab audit trainer_state.json --format trl --set trainer=grpo --set beta=0.04 --set num_generations=8 --binary
  rewardlab audit log.jsonl --format verl --config config.json --json audit.json

What a logged number is depends on the run's options: --config takes the trainer's own arguments (JSON or TOML, nested as they are), --set one of \
them. Where one is not given, the report says what follows from which value and takes the default of the version whose source was read. \
A trend is called one if it passes the test of Mann and Kendall at 5%; intervals are 95%. Implicit rewards, KLs and entropies are in nats.

--binary: rewards are 0 or 1, so that their mean bounds the share of dead groups from below. --gold KEY: a logged reward that is not trained on.

Exit codes: 0 no warnings (there may be notes), 1 warnings, 2 usage or input error.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The log: one JSON object per line; for TRL also trainer_state.json
    log: PathBuf,
    /// Whose log it is
    #[arg(long)]
    format: Given,
    /// The trainer's own arguments: JSON or TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One of the trainer's arguments; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The key of a logged reward that is not trained on
    #[arg(long, value_name = "KEY")]
    gold: Option<String>,
    /// Rewards are 0 or 1
    #[arg(long)]
    binary: bool,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table of keys as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Given {
    /// TRL
    Trl,
    /// verl
    Verl,
    /// OpenRLHF
    Openrlhf,
}

impl Given {
    fn format(self) -> Format {
        match self {
            Self::Trl => Format::Trl,
            Self::Verl => Format::Verl,
            Self::Openrlhf => Format::OpenRlhf,
        }
    }
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    for path in [&args.json, &args.csv].into_iter().flatten() {
        if path.exists() && !args.force {
            return Err(Error::Usage(format!("{} is there already: give --force to replace it", path.display())));
        }
    }
    let request = Request {
        format: args.format.format(),
        config: args.config.as_deref().map_or(Ok(Vec::new()), read_config)?,
        typed: args.set.iter().map(|text| parse_assignment(text)).collect::<Result<_>>()?,
        gold: args.gold.clone(),
        binary: args.binary,
    };
    let report = audit(&args.log, &request)?;
    if let Some(path) = &args.json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|e| Error::Usage(format!("the report as JSON: {e}")))?;
        write_atomically(path, format!("{text}\n").as_bytes())?;
    }
    if let Some(path) = &args.csv {
        write_csv(path, &report.rows)?;
    }
    out(&said(&report, width()));
    note(&format!("{} warnings, {} notes", report.warnings(), report.findings.len() - report.warnings()));
    Ok(u8::from(report.warnings() > 0))
}

fn write_csv(path: &Path, rows: &[Row]) -> Result<()> {
    let cells = |r: &Row| -> Vec<String> {
        [r.key.as_str(), r.kind, &r.quantity, &r.over, &r.caveat, &r.depends].map(str::to_owned).to_vec()
    };
    let header = ["key", "kind", "quantity", "over", "caveat", "depends"].map(str::to_owned).to_vec();
    let table = Table { header, rows: rows.iter().map(cells).collect() };
    write_atomically(path, &table.to_csv()?)
}

fn said(report: &Report, width: usize) -> String {
    let mut text = String::new();
    let steps = report.steps.map_or(String::new(), |(low, high)| format!(", steps {low} to {high}"));
    let trainer = match &report.trainers[..] {
        [only] => (*only).to_owned(),
        several => format!("{} (say which: --set trainer=…)", several.join(" or ")),
    };
    let _ = writeln!(text, "{} lines{steps}; trainer {trainer}; meanings as of {}", report.lines, report.package);
    options(&mut text, report, width);
    let _ = writeln!(text);
    let column = report.rows.iter().map(|r| r.key.chars().count()).max().unwrap_or(0).min(36);
    for row in &report.rows {
        line(&mut text, column, row, width);
    }
    if !report.unknown.is_empty() {
        paragraph(
            &mut text,
            "",
            &format!("Not in the catalogue, so nothing is said of them: {}", report.unknown.join(", ")),
            width,
        );
    }
    if !report.not_numbers.is_empty() {
        paragraph(&mut text, "", &format!("Not numbers: {}", report.not_numbers.join(", ")), width);
    }
    for finding in &report.findings {
        told(&mut text, finding, width);
    }
    if report.findings.is_empty() {
        let _ = writeln!(text, "\nNothing to warn of.");
    }
    text
}

fn options(text: &mut String, report: &Report, width: usize) {
    for (given, name) in [(true, "Options given: "), (false, "Taken by default: ")] {
        let listed: Vec<String> = report
            .settings
            .iter()
            .filter(|s| s.given == given && s.key != "trainer")
            .map(|s| format!("{} = {}", s.key, s.value))
            .collect();
        if !listed.is_empty() {
            paragraph(text, "", &format!("{name}{}", listed.join(", ")), width);
        }
    }
    let unused: Vec<String> = report
        .unused
        .iter()
        .map(|u| u.nearest.map_or_else(|| u.key.clone(), |near| format!("{} (did you mean {near}?)", u.key)))
        .collect();
    if !unused.is_empty() {
        paragraph(text, "", &format!("Options that nothing here depends on: {}", unused.join(", ")), width);
    }
}

fn line(text: &mut String, column: usize, row: &Row, width: usize) {
    let mut body = vec![row.quantity.clone()];
    if !row.over.is_empty() {
        body.push(format!("[{}]", row.over));
    }
    body.extend([row.caveat.clone()].into_iter().filter(|c| !c.is_empty()).map(|c| format!("Mind: {c}.")));
    body.extend([row.depends.clone()].into_iter().filter(|d| !d.is_empty()).map(|d| format!("Depends: {d}.")));
    let indent = " ".repeat(column + 2);
    let mut head = format!("{:column$}  ", row.key);
    if row.key.chars().count() > column {
        let _ = writeln!(text, "{}", row.key);
        head.clone_from(&indent);
    }
    for part in body {
        for line in wrap(&part, width.saturating_sub(column + 2)) {
            let _ = writeln!(text, "{head}{line}");
            head.clone_from(&indent);
        }
    }
}

fn paragraph(text: &mut String, indent: &str, content: &str, width: usize) {
    for line in wrap(content, width.saturating_sub(indent.len())) {
        let _ = writeln!(text, "{indent}{line}");
    }
}

fn told(text: &mut String, finding: &Finding, width: usize) {
    let level = match finding.level {
        Level::Warning => "WARNING",
        Level::Note => "note",
    };
    let steps = if finding.steps.is_empty() { String::new() } else { format!(" at {}", finding.steps) };
    let _ = writeln!(text);
    paragraph(text, "", &format!("{level} {}{steps}", finding.id), width);
    paragraph(text, "  ", &format!("{}.", finding.seen), width);
    let source = if finding.source.is_empty() { String::new() } else { format!(" ({})", finding.source) };
    paragraph(text, "  ", &format!("Why: {}{source}.", finding.why), width);
    paragraph(text, "  ", &format!("Do: {}.", finding.advice), width);
}
