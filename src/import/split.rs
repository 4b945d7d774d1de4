//! Train, validation and test, told by a hash of the content: the order of the package's files does not matter.

use super::{Item, Line};
use crate::error::{Error, Result};
use crate::record::sha256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// `train.jsonl`.
    Train,
    /// `validation.jsonl`.
    Validation,
    /// `test.jsonl`.
    Test,
}

impl Part {
    /// All, in the order of the files.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name of the part's file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Train => "train.jsonl",
            Self::Validation => "validation.jsonl",
            Self::Test => "test.jsonl",
        }
    }
}

/// How the groups are split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Share of the groups whose part the package does not say that validates; in \[0, 1).
    pub validation: f64,
    /// Share of them that tests; in \[0, 1), less than 1 with the other.
    pub test: f64,
    /// Of the hash.
    pub seed: u64,
}

/// The rule, for the provenance.
pub(super) const RULE: &str = "groups (equal content, or one template) ordered by sha256(\"<seed>:<group>\"): the first share is test, the next \
validation, the rest train, but for examples whose part the package says; lines ordered by sha256(\"<seed>:<prompt>\\n<completion>\")";

impl Shares {
    /// # Errors
    /// A share that is negative, or that leaves nothing to train on.
    pub fn validate(&self) -> Result<()> {
        for (name, share) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::parameter(name, share, "in [0, 1)"));
            }
        }
        if self.validation + self.test >= 1.0 {
            return Err(Error::parameter("validation + test", self.validation + self.test, "less than 1"));
        }
        Ok(())
    }

    /// The lines of train, validation and test.
    pub(super) fn split(&self, items: &[Item]) -> [Vec<Line>; 3] {
        let key = |text: &str| sha256(format!("{}:{text}", self.seed).as_bytes());
        let free = items.iter().filter(|i| i.part.is_none()).map(|i| i.group.as_str());
        let mut order: Vec<(String, &str)> =
            free.collect::<std::collections::BTreeSet<_>>().into_iter().map(|g| (key(g), g)).collect();
        order.sort_unstable();
        let of = |share: f64| (share * order.len() as f64).round() as usize;
        let (test, validation) = (of(self.test), of(self.validation));
        let parts: BTreeMap<&str, Part> = order
            .iter()
            .enumerate()
            .map(|(rank, (_, group))| {
                let part = match rank {
                    r if r < test => Part::Test,
                    r if r < test + validation => Part::Validation,
                    _ => Part::Train,
                };
                (*group, part)
            })
            .collect();
        let mut lines: [Vec<(String, &Line)>; 3] = Default::default();
        for item in items {
            let part = item.part.unwrap_or_else(|| parts[item.group.as_str()]);
            let line = &item.line;
            lines[part as usize].push((key(&format!("{}\n{}", line.prompt, line.completion)), line));
        }
        lines.map(|mut part| {
            part.sort_by(|a, b| a.0.cmp(&b.0));
            part.into_iter().map(|(_, line)| line.clone()).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(n: usize) -> Vec<Item> {
        let one = |i: usize| Item {
            line: Line { prompt: format!("p{i}"), ..Line::default() },
            group: format!("g{}", i / 2),
            part: None,
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn groups_stay_together_and_the_order_of_the_input_does_not_matter() {
        let shares = Shares { validation: 0.1, test: 0.2, seed: 3 };
        let all = items(40);
        let parts = shares.split(&all);
        assert_eq!(parts.each_ref().map(Vec::len), [28, 4, 8]);
        for (i, part) in parts.iter().enumerate() {
            for line in part {
                let n: usize = line.prompt[1..].parse().expect("a number");
                let twin = format!("p{}", n ^ 1);
                assert!(parts[i].iter().any(|l| l.prompt == twin), "{n} and its twin are apart");
            }
        }
        let reversed: Vec<Item> = all.iter().rev().cloned().collect();
        assert_eq!(shares.split(&reversed), parts);
        assert_ne!(Shares { seed: 4, ..shares }.split(&all), parts);
        // the lines are shuffled
        assert!(parts[0].windows(2).any(|w| w[0].prompt > w[1].prompt));
    }

    #[test]
    fn what_the_package_says_is_kept() {
        let mut all = items(10);
        all[0].part = Some(Part::Test);
        let [train, validation, test] = Shares { validation: 0.0, test: 0.0, seed: 0 }.split(&all);
        assert_eq!((train.len(), validation.len(), test[0].prompt.as_str()), (9, 0, "p0"));
        assert!(Shares { validation: 0.5, test: 0.5, seed: 0 }.validate().is_err());
        assert!(Shares { validation: f64::NAN, test: 0.5, seed: 0 }.validate().is_err());
    }
}
