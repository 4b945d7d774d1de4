//! Data sets as they come in packages, made into lines of JSON that the commands read: a prompt, a completion, and what rewards look at.
//!
//! Nothing is fetched. A reader takes the package's files from a path, says what it dropped and why, and [`write()`] splits what is left into
//! `train.jsonl`, `validation.jsonl` and `test.jsonl` with a `provenance.json` beside them. A prompt and its completion, one behind the
//! other, are the text: what separates them (a space, a line break) is the completion's first character.

mod emails;
mod folder;
mod images;
mod maths;
mod pairs;
mod provenance;
mod reviews;
mod source;
mod split;
mod text;

pub use emails::emails;
pub(crate) use folder::check_free;
pub use folder::{Written, write};
pub use images::{ImageParams, images};
pub use maths::{MathsParams, mark_result, maths};
pub use pairs::{PairFormat, PairParams, pairs};
pub use provenance::Package;
pub use reviews::{ReviewParams, reviews};
pub use split::{Part, Shares};
pub use text::{Shape, TextParams};

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One line of a file: TRL's prompt and completion, with the fields that rewards and experiments read. What a kind of data does not have is
/// left out of the line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// What the model is given.
    pub prompt: String,
    /// What it would write.
    pub completion: String,
    /// What a verifier compares with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<usize>,
    /// Which part of the package it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The package's code of the completion's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Of templates: language and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Of templates: `concrete` (as the package has it) or `generated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<&'static str>,
    /// Of images: grey levels, 0 to 255, row by row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Vec<u8>>,
}

/// A line and where it may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The line.
    pub line: Line,
    /// Lines of one group stay together in the split.
    pub group: String,
    /// The part, where the package says it.
    pub part: Option<Part>,
}

/// A file, an archive or a folder that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name, without the folders above it.
    pub name: String,
    /// Files in it that were read.
    pub files: usize,
    /// Its bytes; of a folder those of the files that were read.
    pub bytes: u64,
    /// SHA-256 of its content, hexadecimal; of a folder that of the lines `<sha256>  <relative path>` of the files that were read, in order.
    pub sha256: String,
}

/// What a reader made of a package.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The kind of data, as the command names it.
    pub kind: &'static str,
    /// All lines that are left.
    pub items: Vec<Item>,
    /// What was read.
    pub sources: Vec<Source>,
    /// Examples that were seen.
    pub seen: usize,
    /// How many were dropped, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// Other counts that a reader of the data should know.
    pub counts: BTreeMap<String, usize>,
    /// The settings.
    pub settings: Value,
    /// The package that such files come in, if it is a known one.
    pub package: Option<Package>,
}

/// How many examples were dropped, by reason.
#[derive(Debug, Default)]
struct Dropped(BTreeMap<String, usize>);

impl Dropped {
    fn count(&mut self, reason: impl Into<String>) {
        *self.0.entry(reason.into()).or_default() += 1;
    }
}
