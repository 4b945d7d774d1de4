//! Reviews with their sentiment: a CSV file with the columns `text`, `label` (0 or 1) and, if there is one, `source`.

use super::source::{self, File};
use super::text::{self, Labelled, Question, TextParams, single_spaced, without_tags};
use super::{Dropped, Imported, provenance};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What of the file is taken, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewParams {
    /// The lines.
    pub text: TextParams,
    /// Only reviews of these sources; of all if empty.
    pub sources: Vec<String>,
}

const QUESTION: Question = Question { ask: "Sentiment:", names: &["negative", "positive"] };

/// Reads the file, or every CSV file of an archive or a folder. HTML's tags are taken out and white space is made single; equal texts
/// stay once, whatever their source.
///
/// # Errors
/// Files that cannot be read; a missing column; a line that is not CSV, or whose label is neither 0 nor 1; a source that no line has.
pub fn reviews(path: &Path, params: &ReviewParams) -> Result<Imported> {
    params.text.validate()?;
    let is_csv = |name: &str| Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let (source, files) = source::open(path, "a CSV file (*.csv)", is_csv)?;
    let mut texts = Vec::new();
    for file in &files {
        read(file, &mut texts)?;
    }
    let seen = texts.len();
    let mut dropped = Dropped::default();
    for wanted in &params.sources {
        if !texts.iter().any(|t| t.source.as_ref() == Some(wanted)) {
            let known: std::collections::BTreeSet<&str> = texts.iter().filter_map(|t| t.source.as_deref()).collect();
            return Err(Error::unknown("source", wanted, known));
        }
    }
    if !params.sources.is_empty() {
        texts.retain(|t| {
            let kept = t.source.as_ref().is_some_and(|s| params.sources.contains(s));
            if !kept {
                dropped.count("of another source");
            }
            kept
        });
    }
    let items = text::items(texts, &QUESTION, &params.text, &mut dropped);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for item in &items {
        let source = item.line.source.as_deref().unwrap_or("no source");
        *counts.entry(format!("{source}, label {}", item.line.label.unwrap_or_default())).or_default() += 1;
    }
    let settings = provenance::settings(params)?;
    let package = provenance::known("reviews");
    Ok(Imported { kind: "reviews", items, sources: vec![source], seen, dropped: dropped.0, counts, settings, package })
}

fn read(file: &File, texts: &mut Vec<Labelled>) -> Result<()> {
    let wrong = |e: &csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        let message = e.to_string();
        let message = message.rsplit("): ").next().unwrap_or_default().to_owned();
        Error::content(&file.path, format!("line {line}"), message)
    };
    let mut reader = csv::Reader::from_reader(file.text()?.as_bytes());
    let header = reader.headers().map_err(|e| wrong(&e))?.clone();
    let column = |name: &str| header.iter().position(|h| h.trim() == name);
    let must = |name: &str| {
        let missing = || Error::content(&file.path, "line 1", format!("no column `{name}` among {header:?}"));
        column(name).ok_or_else(missing)
    };
    let (text, label, source) = (must("text")?, must("label")?, column("source"));
    for record in reader.records() {
        let record = record.map_err(|e| wrong(&e))?;
        let label = match record[label].trim() {
            "0" => 0,
            "1" => 1,
            other => {
                let line = record.position().map_or(0, csv::Position::line);
                let shown: String = other.chars().take(40).collect();
                return Err(Error::content(
                    &file.path,
                    format!("line {line}"),
                    format!("label `{shown}`: must be 0 or 1"),
                ));
            }
        };
        let text = single_spaced(&without_tags(&record[text]));
        texts.push(Labelled { text, label, source: source.map(|s| record[s].to_owned()) });
    }
    Ok(())
}
