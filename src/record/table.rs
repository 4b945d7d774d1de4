//! A CSV in memory: header and rows of strings, exactly as on disk.

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;

/// Header and rows. Floats are written shortest-round-trip, so that reading gives the same bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Serialises flat structs.
    ///
    /// # Errors
    /// A row type that is not flat.
    pub fn from_rows<R: Serialize>(rows: &[R]) -> Result<Self> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in rows {
            writer.serialize(row).map_err(|e| Error::Usage(format!("a row cannot be written as CSV: {e}")))?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::Usage(format!("a row cannot be written as CSV: {e}")))?;
        Self::parse(Path::new("rows"), &bytes)
    }

    /// Parses CSV text; `path` is for the error message.
    ///
    /// # Errors
    /// A row of the wrong length, text that is not UTF-8, a last line without its line break (a truncated file).
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            let line = 1 + bytes.iter().filter(|b| **b == b'\n').count();
            return Err(Error::content(path, format!("line {line}"), "the last line is cut off (truncated file)"));
        }
        let mut reader = csv::Reader::from_reader(bytes);
        let place = |e: &csv::Error| e.position().map_or("header".into(), |p| format!("line {}", p.line()));
        let header = reader.headers().map_err(|e| Error::content(path, place(&e), e.to_string()))?;
        let header = header.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|e| Error::content(path, place(&e), e.to_string()))?;
            rows.push(record.iter().map(str::to_owned).collect());
        }
        Ok(Self { header, rows })
    }

    /// Reads a CSV file.
    ///
    /// # Errors
    /// As [`Table::parse`], and a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(path, &bytes)
    }

    /// The CSV text, `\n` line ends.
    ///
    /// # Errors
    /// Rows of unequal length.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: &dyn std::fmt::Display| Error::Usage(format!("rows cannot be written as CSV: {e}"));
        if !self.header.is_empty() {
            writer.write_record(&self.header).map_err(|e| failed(&e))?;
        }
        for row in &self.rows {
            writer.write_record(row).map_err(|e| failed(&e))?;
        }
        writer.into_inner().map_err(|e| failed(&e))
    }

    /// Reads the columns after the first `skip` as flat structs.
    ///
    /// # Errors
    /// A value of the wrong type, a missing column; `path` and the line are named.
    pub fn decode<R: DeserializeOwned>(&self, path: &Path, skip: usize) -> Result<Vec<R>> {
        let header = csv::StringRecord::from(self.header.get(skip..).unwrap_or_default());
        let decode = |(i, row): (usize, &Vec<String>)| {
            csv::StringRecord::from(&row[skip..])
                .deserialize(Some(&header))
                .map_err(|e| Error::content(path, format!("line {}", i + 2), e.to_string()))
        };
        self.rows.iter().enumerate().map(decode).collect()
    }

    /// The first place where two tables differ: (row, column name, here, there), rows counted from 1.
    pub fn first_difference(&self, other: &Self) -> Option<(usize, String, String, String)> {
        if self.header != other.header {
            return Some((0, "header".into(), self.header.join(","), other.header.join(",")));
        }
        for (i, (a, b)) in self.rows.iter().zip(&other.rows).enumerate() {
            if let Some(c) = (0..a.len()).find(|&c| a[c] != b[c]) {
                return Some((i + 1, self.header[c].clone(), a[c].clone(), b[c].clone()));
            }
        }
        let (n, m) = (self.rows.len(), other.rows.len());
        (n != m).then(|| (n.min(m) + 1, "number of rows".into(), n.to_string(), m.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Row {
        name: String,
        x: f64,
        y: Option<f64>,
    }

    #[test]
    fn floats_survive_bit_for_bit() {
        let rows: Vec<Row> = [0.1 + 0.2, 1e-300, f64::MIN_POSITIVE / 8.0, -0.0, f64::INFINITY]
            .iter()
            .map(|&x| Row { name: "a, \"b\"".into(), x, y: None })
            .collect();
        let table = Table::from_rows(&rows).expect("flat");
        let again = Table::parse(Path::new("x"), &table.to_csv().expect("csv")).expect("parses");
        assert_eq!(table, again);
        let back: Vec<Row> = again.decode(Path::new("x"), 0).expect("decodes");
        assert!(rows.iter().zip(&back).all(|(a, b)| a.x.to_bits() == b.x.to_bits() && a.name == b.name));
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        let table = Table::parse(Path::new("rows.csv"), b"name,x,y\na,1,\nb,zwei,\n").expect("well formed");
        let error = table.decode::<Row>(Path::new("rows.csv"), 0).expect_err("not a float").to_string();
        assert!(error.contains("rows.csv, line 3") && error.contains("field 1"), "{error}");
        let cut = Table::parse(Path::new("rows.csv"), b"name,x\na,1\nb,2").expect_err("cut").to_string();
        assert!(cut.contains("line 3") && cut.contains("truncated"), "{cut}");
        let short = Table::parse(Path::new("rows.csv"), b"name,x\na\n").expect_err("short").to_string();
        assert!(short.contains("line 2"), "{short}");
    }

    #[test]
    fn differences_are_found() {
        let t = |s: &str| Table::parse(Path::new("x"), s.as_bytes()).expect("csv");
        let a = t("c,d\n1,2\n3,4\n");
        assert_eq!(a.first_difference(&a), None);
        let found = a.first_difference(&t("c,d\n1,2\n3,5\n"));
        assert_eq!(found, Some((2, "d".into(), "4".into(), "5".into())));
        assert_eq!(a.first_difference(&t("c,d\n1,2\n")).map(|d| d.1), Some("number of rows".into()));
    }
}
