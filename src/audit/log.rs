//! Logs as the three trainers leave them.

use super::Format;
use crate::error::{Error, Result};
use crate::jsonl;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// What was logged at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stands in the file.
    pub place: String,
    /// The step, if it says one.
    pub step: Option<f64>,
    /// Numbers by key; NaN where the log has null.
    pub values: BTreeMap<String, f64>,
}

/// A log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// In the order of the file.
    pub lines: Vec<Line>,
    /// Keys that hold something else than numbers.
    pub other: Vec<String>,
}

/// Reads a log: one JSON object per line; for TRL also `trainer_state.json` or an array of objects. `NaN` and `Infinity`, which Python writes
/// and JSON does not know, are read.
///
/// # Errors
/// A file that cannot be read; no JSON; a line that is not of this format; no line.
pub fn read(path: &Path, format: Format) -> Result<Log> {
    let mut other = Vec::new();
    let lines = match whole(path)? {
        Some(Value::Object(state)) if state.contains_key("log_history") => {
            if format != Format::Trl {
                return Err(Error::content(path, "log_history", "this is TRL's trainer_state.json: --format trl"));
            }
            match &state["log_history"] {
                Value::Array(items) => elements(path, "log_history", items, format, &mut other)?,
                found => {
                    let message = format!("{} is not an array", jsonl::short(found));
                    return Err(Error::content(path, "log_history", message));
                }
            }
        }
        Some(Value::Array(items)) => elements(path, "element", &items, format, &mut other)?,
        Some(Value::Object(map)) => {
            let names: Vec<&str> = map.keys().map(|k| &**k).take(8).collect();
            let message = format!(
                "one object of several lines, with {names:?}: expected one object per line, or trainer_state.json"
            );
            return Err(Error::content(path, "line 1", message));
        }
        _ => jsonl::read_mended(path, jsonl::mend_python, |number, map| {
            line(format!("line {number}"), map, format, &mut other)
        })?,
    };
    if lines.is_empty() {
        return Err(Error::content(path, "the file", "nothing was logged"));
    }
    other.sort();
    other.dedup();
    Ok(Log { lines, other })
}

/// The file as one value, if it is one and not just a file of one line.
fn whole(path: &Path) -> Result<Option<Value>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(None) };
    let text = text.trim_start_matches('\u{feff}').trim();
    let several = text.contains('\n') || text.starts_with('[') || text.contains("\"log_history\"");
    Ok(if several { serde_json::from_str(&jsonl::mend_python(text)).ok() } else { None })
}

fn elements(path: &Path, name: &str, items: &[Value], format: Format, other: &mut Vec<String>) -> Result<Vec<Line>> {
    let one = |(i, item): (usize, &Value)| {
        let place = format!("{name}[{i}]");
        let read = match item {
            Value::Object(map) => line(place.clone(), map, format, other),
            found => Err(format!("{} is not an object", jsonl::short(found))),
        };
        read.map_err(|message| Error::content(path, place, message))
    };
    items.iter().enumerate().map(one).collect()
}

/// A line's numbers. A key's place (`train/`, `eval/`) becomes what TRL itself writes: nothing, and `eval_`.
fn line(place: String, map: &Map<String, Value>, format: Format, other: &mut Vec<String>) -> Result<Line, String> {
    let nested = map.get("data").and_then(Value::as_object);
    let values = match (format, nested) {
        (Format::Verl, Some(data)) => data,
        (Format::Verl, None) => {
            return Err("no object `data`: verl's file logger writes {\"step\": …, \"data\": {…}}; is it --format trl or openrlhf?".into());
        }
        (_, Some(_)) => return Err("its numbers are in `data`, as verl's file logger writes: --format verl".into()),
        (_, None) => map,
    };
    let mut numbers = BTreeMap::new();
    for (key, value) in values {
        match number(value) {
            Some(value) => {
                numbers.insert(plain(key, format), value);
            }
            None => other.push(key.clone()),
        }
    }
    let steps: &[&str] =
        if format == Format::Verl { &[] } else { &["step", "global_step", "train/global_step", "_step"] };
    let step = match format {
        Format::Verl => map.get("step").and_then(Value::as_f64),
        _ => steps.iter().find_map(|name| map.get(*name).and_then(number)),
    };
    for name in ["step", "global_step", "_step"] {
        numbers.remove(name);
    }
    Ok(Line { place, step, values: numbers })
}

fn plain(key: &str, format: Format) -> String {
    if format == Format::Verl {
        return key.to_owned();
    }
    match (key.strip_prefix("train/"), key.strip_prefix("eval/")) {
        (Some(rest), _) => rest.to_owned(),
        (_, Some(rest)) if rest.starts_with("eval_") => rest.to_owned(),
        (_, Some(rest)) => format!("eval_{rest}"),
        _ => key.to_owned(),
    }
}

/// A number, also as text; null is a NaN that the trainer could not write.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::Null => Some(f64::NAN),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (value, expected) in
            [(Value::from(1), 1.0), (Value::from("2.5"), 2.5), (Value::from("Infinity"), f64::INFINITY)]
        {
            assert_eq!(number(&value).map(f64::to_bits), Some(expected.to_bits()));
        }
        assert!(number(&Value::Null).is_some_and(f64::is_nan));
        assert_eq!(number(&Value::from("a text")), None);
        assert_eq!(plain("train/kl", Format::OpenRlhf), "kl");
        assert_eq!(plain("eval/acc_mean", Format::OpenRlhf), "eval_acc_mean");
        assert_eq!(plain("eval/eval_math_pass1", Format::OpenRlhf), "eval_math_pass1");
        assert_eq!(plain("train/kl", Format::Verl), "train/kl");
    }
}
