//! The options of a run: given, assumed, unused.

use super::catalogue::{Catalogue, Kind, Setting, Test, When};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Options as a user has them: dotted keys and their values as text.
pub type Pairs = Vec<(String, String)>;

/// Reads a trainer's own arguments: JSON or TOML (by the file's ending), nested as they are.
///
/// # Errors
/// A file that cannot be read, or is neither.
pub fn read_config(path: &Path) -> Result<Pairs> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    let value: Value = if toml {
        toml::from_str(&text).map_err(|e| Error::content(path, "TOML", e.message().replace('\n', " ")))?
    } else {
        serde_json::from_str(&text)
            .map_err(|e| Error::content(path, format!("line {}", e.line()), format!("not JSON: {e}")))?
    };
    if !value.is_object() {
        return Err(Error::content(path, "the file", "expected an object of options"));
    }
    let mut pairs = Vec::new();
    flatten("", &value, &mut pairs);
    Ok(pairs)
}

fn flatten(under: &str, value: &Value, pairs: &mut Pairs) {
    match value {
        Value::Object(map) => {
            // an export of wandb holds {"value": x} under each name
            if let (Some(inner), false) = (map.get("value"), under.is_empty()) {
                return flatten(under, inner, pairs);
            }
            for (name, inner) in map {
                let key = if under.is_empty() { name.clone() } else { format!("{under}.{name}") };
                flatten(&key, inner, pairs);
            }
        }
        other => pairs.push((under.to_owned(), text_of(other))),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

/// Splits `key=value`.
///
/// # Errors
/// No `=`, or nothing before it.
pub fn parse_assignment(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Error::Usage(format!("--set {text}: must be key=value, for example --set beta=0.1"))),
    }
}

/// What is known of the options.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Options that something depends on, as they were given.
    pub given: BTreeMap<&'static str, String>,
    /// Given keys that nothing here depends on, each with the near one that something does.
    pub unused: Vec<(String, Option<&'static str>)>,
    /// The trainers that it may have been.
    pub trainers: Vec<&'static str>,
}

impl Settings {
    /// Sorts what was given. Keys of `typed` were written by hand for this command: one that is nearly another is a mistake; `config` holds
    /// whatever the trainer takes.
    ///
    /// # Errors
    /// A typed key that is nearly a known one; a value that the option cannot have.
    pub fn sort(catalogue: &Catalogue, config: &Pairs, typed: &Pairs) -> Result<Self> {
        let mut settings = Self { trainers: catalogue.trainers.iter().map(|t| t.name).collect(), ..Self::default() };
        let mut raw: BTreeMap<&'static str, String> = BTreeMap::new();
        for (pairs, by_hand) in [(config, false), (typed, true)] {
            for (key, value) in pairs {
                let short = key.trim_start_matches("--");
                let known = |s: &&Setting| s.key == short || s.aliases.contains(&short);
                if let Some(setting) = catalogue.settings.iter().find(known) {
                    raw.insert(setting.key, value.clone());
                    continue;
                }
                let near = nearest(catalogue, short, if by_hand { 0.75 } else { 0.85 });
                if let (Some(near), true) = (near, by_hand) {
                    return Err(Error::unknown("option", short, [near]));
                }
                settings.unused.push((short.to_owned(), near));
            }
        }
        if let Some(name) = raw.get("trainer") {
            let setting = catalogue.settings.iter().find(|s| s.key == "trainer");
            let name = setting.map_or(Ok(None), |s| canonical(s, name))?;
            settings.trainers.retain(|t| Some(*t) == name.as_deref());
        }
        settings.narrow(|trainer| {
            raw.keys().all(|key| catalogue.settings.iter().any(|s| s.key == *key && takes(s, trainer)))
        });
        for (key, value) in raw {
            let takers: Vec<&Setting> = catalogue
                .settings
                .iter()
                .filter(|s| s.key == key && settings.trainers.iter().any(|t| takes(s, t)))
                .collect();
            // the legal words differ between trainers
            let mut read = takers.iter().map(|s| canonical(s, &value));
            let value = match read.find(Result::is_ok) {
                Some(value) => value?,
                None => takers.first().map_or(Ok(None), |s| canonical(s, &value))?,
            };
            if let Some(value) = value {
                settings.given.insert(key, value);
            }
        }
        settings.settle();
        Ok(settings)
    }

    /// Keeps the trainers that `may` be, unless none would be left.
    pub fn narrow(&mut self, may: impl Fn(&str) -> bool) {
        if self.trainers.iter().any(|t| may(t)) {
            self.trainers.retain(|t| may(t));
        }
        self.settle();
    }

    fn settle(&mut self) {
        if let [only] = self.trainers[..] {
            self.given.insert("trainer", only.to_owned());
        }
    }

    /// An option's value and whether it was given; the default if it was not and all possible trainers share it.
    pub fn value(&self, catalogue: &Catalogue, key: &str) -> Option<(String, bool)> {
        if let Some(value) = self.given.get(key) {
            return Some((value.clone(), true));
        }
        let mut defaults = catalogue
            .settings
            .iter()
            .filter(|s| s.key == key && self.trainers.iter().any(|t| takes(s, t)))
            .map(|s| s.default);
        let first = defaults.next()??;
        defaults.all(|d| d == Some(first)).then(|| (first.to_owned(), false))
    }

    /// The same as a number.
    pub fn number(&self, catalogue: &Catalogue, key: &str) -> Option<(f64, bool)> {
        self.value(catalogue, key).and_then(|(text, given)| Some((text.parse().ok()?, given)))
    }

    /// Whether a condition holds: by what was given alone, or with defaults; none if that is open. An option that no possible trainer takes
    /// is not set.
    pub(super) fn holds(&self, catalogue: &Catalogue, when: &When, with_defaults: bool) -> Option<bool> {
        let known = self.value(catalogue, when.setting);
        let value = match known {
            Some((value, given)) if given || with_defaults => value,
            Some(_) => return None,
            None => {
                let optional = |s: &&Setting| s.key == when.setting && self.trainers.iter().any(|t| takes(s, t));
                let taken: Vec<_> = catalogue.settings.iter().filter(optional).collect();
                // not taken by any, or unset unless it was given
                let unset = taken.iter().all(|s| s.default.is_none() && s.key != "trainer");
                return unset.then_some(matches!(when.test, Test::Zero | Test::Not(_)));
            }
        };
        let number = || value.parse::<f64>().ok();
        Some(match when.test {
            Test::Is(words) => words.contains(&value.as_str()),
            Test::Not(words) => !words.contains(&value.as_str()),
            Test::Zero => number() == Some(0.0),
            Test::NonZero => number().is_some_and(|n| n != 0.0),
        })
    }
}

fn takes(setting: &Setting, trainer: &str) -> bool {
    setting.trainers.is_empty() || setting.trainers.contains(&trainer)
}

fn nearest(catalogue: &Catalogue, key: &str, least: f64) -> Option<&'static str> {
    let names = catalogue.settings.iter().flat_map(|s| std::iter::once(s.key).chain(s.aliases.iter().copied()));
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(key, name), name))
        .filter(|(near, _)| *near >= least)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A value as the tables have it; none if it is said to be unset.
fn canonical(setting: &Setting, value: &str) -> Result<Option<String>> {
    let low = value.trim().to_lowercase();
    if matches!(low.as_str(), "none" | "null")
        && !matches!(setting.kind, Kind::Word(words) if words.iter().any(|w| w.0 == "none"))
    {
        return Ok(None);
    }
    let wrong = |legal: String| Err(Error::parameter(setting.key, value, legal));
    match setting.kind {
        Kind::Word(words) => {
            let found = words.iter().find(|(word, aliases)| *word == low || aliases.contains(&low.as_str()));
            match found {
                Some((word, _)) => Ok(Some((*word).to_owned())),
                None => wrong(format!("one of {}", words.iter().map(|w| w.0).collect::<Vec<_>>().join(", "))),
            }
        }
        Kind::Words(words) => {
            let parts: Vec<&str> = low.split(',').map(|w| w.trim_matches(|c| " []\"'".contains(c))).collect();
            if parts.iter().all(|part| words.contains(part)) {
                Ok(Some(parts.join(",")))
            } else {
                wrong(format!("some of {}", words.join(", ")))
            }
        }
        Kind::Number => match low.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number.to_string())),
            _ => wrong("a number".into()),
        },
        Kind::Count => match low.parse::<u64>() {
            Ok(count) if count > 0 => Ok(Some(count.to_string())),
            _ => wrong("a whole number, at least 1".into()),
        },
        Kind::Flag => match low.as_str() {
            "true" | "1" | "yes" => Ok(Some("true".into())),
            "false" | "0" | "no" => Ok(Some("false".into())),
            _ => wrong("true or false".into()),
        },
    }
}
