//! Words with valences.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// What normalises a sum of valences, as VADER has it (Hutto and Gilbert, 2014).
const SPREAD: f64 = 15.0;

/// Words and what each says, in any unit; VADER's run from −4 to 4.
#[derive(Clone, Debug)]
pub struct Lexicon {
    valences: HashMap<String, f64>,
}

impl Lexicon {
    /// Reads a file with a word, a tab and a number on each line; what follows a second tab is passed over (VADER's and AFINN's files).
    ///
    /// # Errors
    /// A file that cannot be read; a line without tab or number; no word.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let mut valences = HashMap::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let wrong =
                || Error::content(path, format!("line {}", i + 1), "expected a word, a tab and a finite number");
            let (word, rest) = line.split_once('\t').ok_or_else(wrong)?;
            let value = rest.split('\t').next().unwrap_or_default().trim().parse::<f64>();
            let value = value.ok().filter(|v| v.is_finite()).ok_or_else(wrong)?;
            valences.insert(word.trim().to_lowercase(), value);
        }
        if valences.is_empty() {
            return Err(Error::content(path, "line 1", "the file holds no word"));
        }
        Ok(Self { valences })
    }

    /// The sum of the words' valences s as s/√(s² + 15), in (−1, 1). Words are runs of letters, digits and apostrophes; case is left
    /// out. No rules for negation or emphasis.
    pub fn valence(&self, text: &str) -> f64 {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '\''));
        let sum: f64 = words.filter_map(|w| self.valences.get(w)).sum();
        sum / (sum * sum + SPREAD).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_add_up_and_bad_lines_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lexicon.txt");
        fs::write(&path, "good\t1.9\t0.9\t[2, 1]\nBad\t-2.5\n\n").expect("written");
        let lexicon = Lexicon::read(&path).expect("legal");
        assert_eq!(lexicon.valence("nothing here"), 0.0);
        assert!((lexicon.valence("GOOD, good!") - 3.8 / (3.8_f64 * 3.8 + 15.0).sqrt()).abs() < 1e-15);
        assert!(lexicon.valence("bad") < -0.5);
        fs::write(&path, "good\t1\nbad\tx\n").expect("written");
        assert!(
            Lexicon::read(&path)
                .expect_err("a word")
                .to_string()
                .ends_with("line 2: expected a word, a tab and a finite number")
        );
    }
}
