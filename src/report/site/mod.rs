//! The static site: an index by paper, a page per experiment, the source of each, and the table of small worlds against
//! language models. No scripts, nothing from elsewhere, and every link relative.

mod doc;
mod experiment;
mod folder;
mod index;
mod layout;
mod models;
mod source;
mod transfer;

pub use folder::{check, write};
pub use transfer::{ID as TRANSFER, Pair};

use super::html::STYLE;
use super::{Figure, Judged};
use std::collections::BTreeMap;

/// The text of the experiments' files, by path from their common folder: `paper/figure.rs`.
pub type Sources = BTreeMap<String, String>;

/// A finished experiment and all that its page says of it.
#[derive(Debug)]
pub struct Entry {
    /// Its verdicts.
    pub judged: Judged,
    /// Its figure.
    pub figure: Figure,
    /// What was run; absent where the results have lost their manifest.
    pub setup: Option<Setup>,
    /// `checks.csv`.
    pub checks_csv: Vec<u8>,
}

/// What was run.
#[derive(Debug)]
pub struct Setup {
    /// Version of the program that ran.
    pub version: String,
    /// The profile that the parameters started from.
    pub profile: String,
    /// Seeds, in row order.
    pub seeds: Vec<u64>,
    /// Number of rows.
    pub rows: usize,
    /// SHA-256 of rows.csv.
    pub rows_sha256: String,
    /// Sum over units of their wall seconds.
    pub unit_seconds: f64,
    /// The resolved parameters.
    pub params: toml::Table,
}

/// Everything that the site is made of.
#[derive(Debug)]
pub struct Book {
    /// The experiments, in the order of the registry.
    pub entries: Vec<Entry>,
    /// Their files, and those that they share.
    pub sources: Sources,
    /// Small worlds against language models; empty where that experiment is not among the results.
    pub pairs: Vec<Pair>,
    /// Where the source tree can be read, as a web address that a path like `experiments/paper/figure.rs` completes.
    pub repository: Option<String>,
}

/// A file of the site: its path from the site's root, and its content.
pub type Page = (String, Vec<u8>);

impl Book {
    /// Every file of the site, sorted by path; a pure function of the book.
    pub fn pages(&self) -> Vec<Page> {
        let mut pages = vec![("index.html".to_owned(), index::page(self)), ("style.css".to_owned(), STYLE.to_owned())];
        if !self.pairs.is_empty() {
            pages.push((transfer::PATH.to_owned(), transfer::page(self)));
        }
        for (i, entry) in self.entries.iter().enumerate() {
            pages.push((format!("{}.html", entry.judged.id), experiment::page(self, i)));
            pages.push((format!("{}.svg", entry.judged.id), entry.figure.svg.clone()));
        }
        pages.extend(source::pages(self));
        let mut pages: Vec<Page> = pages.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        for entry in &self.entries {
            pages.push((format!("{}.png", entry.judged.id), entry.figure.png.clone()));
            pages.push((format!("{}.csv", entry.judged.id), entry.checks_csv.clone()));
        }
        pages.sort();
        pages
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.judged.id == id)
    }

    /// The papers' folders with their experiments, in the order of the first of each.
    fn papers(&self) -> Vec<(&str, Vec<&Entry>)> {
        let mut papers: Vec<(&str, Vec<&Entry>)> = Vec::new();
        for entry in &self.entries {
            match papers.iter_mut().find(|(paper, _)| *paper == entry.judged.folder()) {
                Some((_, own)) => own.push(entry),
                None => papers.push((entry.judged.folder(), vec![entry])),
            }
        }
        papers
    }

    /// The header of a paper's folder.
    fn paper_header(&self, paper: &str) -> doc::Header {
        self.sources.get(&format!("{paper}/mod.rs")).map_or_else(doc::Header::default, |text| doc::Header::of(text))
    }
}

impl Judged {
    /// The paper's folder, the first part of the id.
    fn folder(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }
}

#[cfg(test)]
mod tests;
