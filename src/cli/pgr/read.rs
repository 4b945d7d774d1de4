//! A user's table of scores.

use crate::error::{Error, Result};
use crate::metrics::Scores;
use std::collections::HashMap;
use std::path::Path;

const COLUMNS: [&str; 5] = ["task", "seed", "weak", "student", "ceiling"];

pub(super) struct File {
    /// Each task's runs, in the order of the file.
    pub(super) tasks: Vec<(String, Vec<Scores>)>,
    /// Columns that are not read.
    pub(super) ignored: Vec<String>,
}

pub(super) fn read(path: &Path) -> Result<File> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    parse(path, bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
}

fn parse(path: &Path, bytes: &[u8]) -> Result<File> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let refused = |e: csv::Error| {
        let place = e.position().map_or("header".into(), |p| format!("line {}", p.line()));
        let reason = match e.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("{len} values in {expected_len} columns")
            }
            csv::ErrorKind::Utf8 { .. } => "is not UTF-8".into(),
            _ => e.to_string(),
        };
        Error::content(path, place, reason)
    };
    let header: Vec<String> = reader.headers().map_err(refused)?.iter().map(str::to_owned).collect();
    let places = columns(path, &header)?;
    let mut tasks: Vec<(String, Vec<Scores>)> = Vec::new();
    let mut at: HashMap<String, usize> = HashMap::new();
    let mut seen: HashMap<(String, u64), u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(refused)?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |reason: String| Error::content(path, format!("line {line}"), reason);
        let [task, seed, scores @ ..] = places.map(|place| record.get(place).unwrap_or_default());
        if task.is_empty() {
            return Err(wrong("`task` is empty".into()));
        }
        let seed = seed.parse().map_err(|_| wrong(format!("seed `{seed}` is not a whole number")))?;
        let mut values = [0.0; 3];
        for ((value, text), column) in values.iter_mut().zip(scores).zip(&COLUMNS[2..]) {
            *value = number(text).map_err(|reason| wrong(format!("{column} `{text}` {reason}")))?;
        }
        if let Some(before) = seen.insert((task.to_owned(), seed), line) {
            return Err(wrong(format!("task `{task}` has seed {seed} already, in line {before}")));
        }
        let [weak, student, ceiling] = values;
        let next = tasks.len();
        let place = *at.entry(task.to_owned()).or_insert(next);
        if place == next {
            tasks.push((task.to_owned(), Vec::new()));
        }
        tasks[place].1.push(Scores { weak, student, ceiling });
    }
    if tasks.is_empty() {
        return Err(Error::content(path, "line 2", "there is no row"));
    }
    let ignored = header.into_iter().filter(|name| !COLUMNS.contains(&name.as_str())).collect();
    Ok(File { tasks, ignored })
}

/// Where the columns stand.
fn columns(path: &Path, header: &[String]) -> Result<[usize; 5]> {
    let wrong = |reason: String| Error::content(path, "line 1", reason);
    if header.iter().all(String::is_empty) {
        return Err(wrong("the file is empty".into()));
    }
    let mut places = [0; 5];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let mut found = (0..header.len()).filter(|i| header[*i] == column);
        *place =
            found.next().ok_or_else(|| wrong(format!("there is no column `{column}`, only: {}", header.join(", "))))?;
        if found.next().is_some() {
            return Err(wrong(format!("column `{column}` stands twice")));
        }
    }
    Ok(places)
}

fn number(text: &str) -> std::result::Result<f64, &'static str> {
    match text.parse::<f64>() {
        // sums and products of scores stay finite
        Ok(value) if value.abs() <= 1e100 => Ok(value),
        Ok(value) if value.is_finite() => Err("is beyond 1e100"),
        Ok(_) => Err("is not finite"),
        Err(_) if text.is_empty() => Err("is missing"),
        Err(_) => Err("is not a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<File> {
        parse(Path::new("scores.csv"), text.as_bytes())
    }

    #[test]
    fn columns_may_stand_in_any_order_and_lines_may_end_as_they_like() {
        let file = read(
            "note,ceiling,task, seed ,student,weak\r\nx,0.9,b,1,0.7,0.5\r\n\r\ny, 1e0 ,a,1,-2,0.5\r\n,.8,b,0,.6,.4",
        )
        .expect("legal");
        assert_eq!(file.ignored, ["note"]);
        assert_eq!(
            file.tasks.iter().map(|(name, runs)| (name.as_str(), runs.len())).collect::<Vec<_>>(),
            [("b", 2), ("a", 1)]
        );
        assert_eq!(file.tasks[1].1[0], Scores { weak: 0.5, student: -2.0, ceiling: 1.0 });
        assert_eq!(file.tasks[0].1[1], Scores { weak: 0.4, student: 0.6, ceiling: 0.8 });
    }
}
