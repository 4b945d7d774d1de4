//! `rewardlab audit`: another trainer's log, its numbers named and its signs of trouble.

use super::{check_free, note, out, width};
use crate::audit::{Finding, Format, Level, Report, Request, Row, audit, parse_assignment, read_config};
use crate::error::{Error, Result};
use crate::record::{Table, write_atomically};
use crate::report::wrap;
use crate::reward::counted;
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
    /// The log: one JSON object per line; for TRL also the state that its trainer saves
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
    Trl,
    Verl,
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
    check_written(args)?;
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
    let notes = report.findings.len() - report.warnings();
    note(&format!("{}, {}", counted(report.warnings(), "warning"), counted(notes, "note")));
    Ok(u8::from(report.warnings() > 0))
}

/// What is written replaces nothing unasked, and neither what is read nor each other at all.
fn check_written(args: &Args) -> Result<()> {
    let mut taken = vec![&args.log];
    taken.extend(&args.config);
    for path in [&args.json, &args.csv].into_iter().flatten() {
        let real = |p: &Path| p.canonicalize().unwrap_or_else(|_| p.to_owned());
        if taken.iter().any(|other| real(other) == real(path)) {
            return Err(Error::Usage(format!("{} is read or written already: give another name", path.display())));
        }
        check_free(Some(path), args.force)?;
        taken.push(path);
    }
    Ok(())
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
    let lines = counted(report.lines, "line");
    let _ = writeln!(text, "{lines}{steps}; trainer {trainer}; meanings as of {}", report.package);
    paragraph(&mut text, "", &format!("A line holds {}.", report.line), width);
    options(&mut text, report, width);
    let _ = writeln!(text);
    table(&mut text, &report.rows, width);
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

/// The rows, those alike in one; what is but a clock or a count in a line at the end.
fn table(text: &mut String, rows: &[Row], width: usize) {
    const COLUMN: usize = 24;
    let plain = |r: &&Row| r.kind == "no" && r.over.is_empty() && r.caveat.is_empty() && r.depends.is_empty();
    let mut left: Vec<&Row> = rows.iter().filter(|r| !plain(r)).collect();
    while let Some(first) = left.first().copied() {
        let like = |r: &Row| Row { key: first.key.clone(), ..r.clone() } == *first;
        let keys: Vec<&str> = left.iter().filter(|r| like(r)).map(|r| r.key.as_str()).collect();
        let keys = keys.join(", ");
        left.retain(|r| !like(r));
        let mut head = format!("{keys:COLUMN$}  ");
        let indent = " ".repeat(COLUMN + 2);
        if keys.chars().count() > COLUMN {
            paragraph(text, "", &keys, width);
            head.clone_from(&indent);
        }
        for line in body(first).iter().flat_map(|part| wrap(part, width.saturating_sub(COLUMN + 2))) {
            let _ = writeln!(text, "{head}{line}");
            head.clone_from(&indent);
        }
    }
    let mut asides: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows.iter().filter(plain) {
        let what = row.quantity.trim_start_matches("not a theory quantity: ");
        match asides.iter_mut().find(|(known, _)| *known == what) {
            Some((_, keys)) => keys.push(&row.key),
            None => asides.push((what, vec![&row.key])),
        }
    }
    if !asides.is_empty() {
        let listed: Vec<String> = asides.iter().map(|(what, keys)| format!("{}: {what}", keys.join(", "))).collect();
        let _ = writeln!(text);
        paragraph(text, "", &format!("Not theory quantities either: {}.", listed.join("; ")), width);
    }
}

/// What is said of a key, in paragraphs.
fn body(row: &Row) -> Vec<String> {
    let mut parts = vec![row.quantity.clone()];
    if !row.over.is_empty() {
        parts.push(format!("[{}]", row.over));
    }
    for (name, text) in [("Mind", &row.caveat), ("Depends", &row.depends)] {
        if !text.is_empty() {
            parts.push(format!("{name}: {text}."));
        }
    }
    parts
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
