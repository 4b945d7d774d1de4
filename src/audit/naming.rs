//! What each logged key is, under the options.

use super::catalogue::{Catalogue, Metric, Over, Per, Reading, Role, Test, Theory, When};
use super::settings::Settings;
use serde::Serialize;
use std::collections::BTreeSet;

/// A logged key in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As logged.
    pub key: String,
    /// `is`, `estimate`, `no` (not a theory quantity) or `open`.
    pub kind: &'static str,
    /// The quantity, or what it is instead.
    pub quantity: String,
    /// A mean or a sum over what.
    pub over: String,
    /// What to mind.
    pub caveat: String,
    /// What it would be under which value of options that are not given.
    pub depends: String,
}

/// A row with what the warnings need.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) row: Row,
    /// What it is read as; none if that is open.
    pub(super) role: Option<Role>,
    /// Whether a default was taken for that.
    pub(super) assumed: bool,
    /// What it may be.
    pub(super) possible: Vec<Role>,
    pub(super) per: Option<Per>,
    /// Measured on evaluation data.
    pub(super) held_out: bool,
}

/// A key without what marks evaluation, and whether it was marked.
pub(super) fn plain(key: &str) -> (&str, bool) {
    match key.strip_prefix("eval_") {
        Some(rest) => (rest, true),
        None => (key, false),
    }
}

/// Whether any of these trainers logs the key, in training or in evaluation.
pub(super) fn is_known(catalogue: &Catalogue, key: &str, trainers: &[&str]) -> bool {
    !catalogue.find(key, trainers).is_empty() || !catalogue.find(plain(key).0, trainers).is_empty()
}

/// Rows of the known keys, and the unknown ones.
pub(super) fn name(catalogue: &Catalogue, settings: &Settings, keys: &BTreeSet<&str>) -> (Vec<Named>, Vec<String>) {
    let (mut named, mut unknown) = (Vec::new(), Vec::new());
    for key in keys {
        let (mut found, mut held_out) = (catalogue.find(key, &settings.trainers), false);
        if found.is_empty() {
            let (rest, marked) = plain(key);
            (found, held_out) = (catalogue.find(rest, &settings.trainers), marked);
        }
        if found.is_empty() {
            unknown.push((*key).to_owned());
        } else {
            named.push(row(catalogue, settings, key, &found, held_out));
        }
    }
    (named, unknown)
}

fn row(catalogue: &Catalogue, settings: &Settings, key: &str, found: &[&'static Metric], held_out: bool) -> Named {
    // several metrics of one key are of several trainers
    let readings: Vec<(String, &Reading)> = found
        .iter()
        .flat_map(|m| {
            let choice = choose(catalogue, settings, m.readings, |r| r.when);
            let of = if found.len() > 1 { format!("trainer = {}", m.trainers.join(" or ")) } else { String::new() };
            choice.possible.into_iter().map(move |r| (joined(&of, r.when), r))
        })
        .collect();
    let choice = match found {
        [only] => choose(catalogue, settings, only.readings, |r| r.when),
        _ => Choice { possible: readings.iter().map(|(_, r)| *r).collect(), chosen: None },
    };
    let over = match found {
        [only] => choose(catalogue, settings, only.over, |o| o.when),
        _ => Choice { possible: Vec::new(), chosen: None },
    };
    let mut depends = Vec::new();
    if choice.possible.len() > 1 {
        let said = readings.iter().map(|(condition, r)| format!("{condition}: {}", text(r.theory)));
        depends.push(said.collect::<Vec<_>>().join("; "));
    }
    if over.possible.len() > 1 {
        let said = over.possible.iter().map(|o: &&Over| format!("{}: {}", joined("", o.when), o.text));
        depends.push(said.collect::<Vec<_>>().join("; "));
    }
    let (kind, mut quantity, caveat) = match choice.chosen {
        Some(r) => (kind(r.theory), text(r.theory), r.caveat),
        None => ("open", "depends on options that were not given".to_owned(), ""),
    };
    if held_out {
        quantity.push_str(" (on evaluation data)");
    }
    if choice.possible.len() > 1 && choice.chosen.is_some() {
        quantity.push_str(" (by the default)");
    }
    let mut possible: Vec<Role> = Vec::new();
    for reading in &choice.possible {
        if !possible.contains(&reading.role) {
            possible.push(reading.role);
        }
    }
    let role = match possible[..] {
        [only] => Some(only),
        _ => choice.chosen.map(|r| r.role),
    };
    Named {
        row: Row {
            key: key.to_owned(),
            kind,
            quantity,
            over: over.chosen.map(|o| o.text.to_owned()).unwrap_or_default(),
            caveat: caveat.to_owned(),
            depends: depends.join(". "),
        },
        role,
        assumed: possible.len() > 1,
        possible,
        per: over.chosen.map(|o| o.per),
        held_out,
    }
}

fn kind(theory: Theory) -> &'static str {
    match theory {
        Theory::Is(_) => "is",
        Theory::Estimates(_) => "estimate",
        Theory::Not(_) => "no",
    }
}

fn text(theory: Theory) -> String {
    match theory {
        Theory::Is(what) => what.to_owned(),
        Theory::Estimates(what) => format!("estimates {what}"),
        Theory::Not(what) => format!("not a theory quantity: {what}"),
    }
}

/// What may hold, in order, and which does.
struct Choice<'a, T> {
    /// Those that what was given leaves open, up to the first that is sure to hold.
    possible: Vec<&'a T>,
    /// The first that holds with the trainer's defaults; none if even these leave it open.
    chosen: Option<&'a T>,
}

fn choose<'a, T>(
    catalogue: &Catalogue,
    settings: &Settings,
    items: &'a [T],
    when: impl Fn(&'a T) -> &'static [When],
) -> Choice<'a, T> {
    let all = |item: &'a T, defaults: bool| {
        when(item).iter().try_fold(true, |so_far, w| match settings.holds(catalogue, w, defaults) {
            Some(false) => Err(()),
            held => Ok(so_far && held == Some(true)),
        })
    };
    let mut possible = Vec::new();
    for item in items {
        match all(item, false) {
            Err(()) => {}
            Ok(sure) => {
                possible.push(item);
                if sure {
                    break;
                }
            }
        }
    }
    let mut chosen = None;
    for item in &possible {
        match all(item, true) {
            Err(()) => {}
            Ok(sure) => {
                chosen = sure.then_some(*item);
                break;
            }
        }
    }
    if let [only] = possible[..] {
        chosen = Some(only);
    }
    Choice { possible, chosen }
}

fn joined(first: &str, when: &[When]) -> String {
    let mut parts: Vec<String> = if first.is_empty() { Vec::new() } else { vec![first.to_owned()] };
    parts.extend(when.iter().map(|w| match w.test {
        Test::Is(words) => format!("{} = {}", w.setting, words.join(" or ")),
        Test::Not(words) => format!("{} is not {}", w.setting, words.join(" or ")),
        Test::Zero => format!("{} = 0", w.setting),
        Test::NonZero => format!("{} ≠ 0", w.setting),
    }));
    if parts.is_empty() { "otherwise".into() } else { format!("if {}", parts.join(" and ")) }
}
