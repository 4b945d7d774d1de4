//! The verdicts of one experiment, and how they are written down.

use super::{Check, Kind, PaperNumber, Verdict, short};
use crate::error::{Error, Result};
use crate::record::Table;
use crate::stats::Method;

/// An experiment's checks with what a reader needs beside them.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Experiment id.
    pub id: String,
    /// Citation.
    pub paper: String,
    /// The claim in one line.
    pub claim: String,
    /// The command that makes the rows, when known.
    pub command: Option<String>,
    /// The checks.
    pub checks: Vec<Check>,
    /// Units without rows, and why, one line each; with any, no check is decided.
    pub failures: Vec<String>,
}

/// An experiment's figure, drawn.
#[derive(Clone, Debug)]
pub struct Figure {
    /// For the screen.
    pub png: Vec<u8>,
    /// For print, and to look closer.
    pub svg: String,
    /// What it shows, in words.
    pub description: String,
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reproduced (controls: behaved as they must).
    pub reproduced: usize,
    /// Refuted.
    pub refuted: usize,
    /// Inconclusive.
    pub inconclusive: usize,
}

impl Tally {
    /// Counts verdicts.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut tally = Self::default();
        for check in checks {
            match check.verdict() {
                Verdict::Reproduced => tally.reproduced += 1,
                Verdict::Refuted => tally.refuted += 1,
                Verdict::Inconclusive => tally.inconclusive += 1,
            }
        }
        tally
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            reproduced: self.reproduced + other.reproduced,
            refuted: self.refuted + other.refuted,
            inconclusive: self.inconclusive + other.inconclusive,
        }
    }

    /// Each count with its verdict.
    pub fn counts(self) -> [(usize, Verdict); 3] {
        let Self { reproduced, refuted, inconclusive } = self;
        [(reproduced, Verdict::Reproduced), (refuted, Verdict::Refuted), (inconclusive, Verdict::Inconclusive)]
    }

    /// 0 all reproduced, 1 something refuted, 3 nothing refuted but something inconclusive.
    pub fn exit_code(self) -> u8 {
        match self {
            Self { refuted: 1.., .. } => 1,
            Self { inconclusive: 1.., .. } => 3,
            _ => 0,
        }
    }
}

impl Check {
    /// `0.7071 [0.70, 0.71]`, or the bare value when it was computed without sampling error.
    pub fn shown_estimate(&self) -> String {
        let e = self.estimate;
        if e.method == Method::Exact {
            short(e.value)
        } else {
            format!("{} [{}, {}]", short(e.value), short(e.low), short(e.high))
        }
    }

    /// The paper's number with how sure it is, or `—`.
    pub fn shown_paper(&self) -> String {
        match self.paper {
            None => "—".into(),
            Some(PaperNumber::Confirmed(x)) => short(x),
            Some(PaperNumber::SecondHand(x)) => format!("{} (reported second-hand)", short(x)),
        }
    }
}

impl Kind {
    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Theory => "theory",
            Self::Control => "control",
        }
    }
}

/// `checks.csv`: one line per check, full precision.
///
/// # Errors
/// Never in practice; CSV writing can fail by type.
pub fn checks_table(checks: &[Check]) -> Result<Table> {
    let header = [
        "id",
        "kind",
        "verdict",
        "statistic",
        "estimate",
        "low",
        "high",
        "n",
        "interval",
        "criterion",
        "paper",
        "paper_status",
        "statement",
        "source",
    ];
    let rows = checks.iter().map(|c| {
        let (paper, status) = match c.paper {
            None => (String::new(), ""),
            Some(PaperNumber::Confirmed(x)) => (x.to_string(), "confirmed"),
            Some(PaperNumber::SecondHand(x)) => (x.to_string(), "reported second-hand"),
        };
        let method = serde_json::to_value(c.estimate.method).map_err(|e| Error::Usage(e.to_string()))?;
        let e = c.estimate;
        Ok(vec![
            c.id.clone(),
            c.kind.name().into(),
            c.verdict().to_string(),
            c.statistic.clone(),
            e.value.to_string(),
            e.low.to_string(),
            e.high.to_string(),
            e.n.to_string(),
            method.as_str().unwrap_or_default().to_owned(),
            c.criterion.to_string(),
            paper,
            status.into(),
            c.statement.clone(),
            c.source.clone(),
        ])
    });
    Ok(Table { header: header.map(str::to_owned).to_vec(), rows: rows.collect::<Result<_>>()? })
}
