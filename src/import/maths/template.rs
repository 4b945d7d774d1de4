//! One template: the concrete question and answer, and the annotated ones that instances are made from.

use super::expression::Expression;
use super::scope::Scope;
use super::value::Value;
use crate::error::{Error, Result};
use crate::rng::Stream;
use regex::{Captures, Regex};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

/// `{name, value in the concrete question}`
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{(\w+),\s*([^{}]+)\}").ok());
/// `{expression}`
static BRACES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([^{}]+)\}").ok());
/// Draws until one meets the conditions.
const TRIES: usize = 20_000;

/// The fields of a template's file that are read.
#[derive(Deserialize)]
struct Fields {
    question: String,
    answer: String,
    question_annotated: String,
    answer_annotated: String,
    id_orig: i64,
}

/// A line `a, b = expression` of the init block.
#[derive(Debug)]
struct Definition {
    names: Vec<String>,
    value: Expression,
    /// It draws on other variables, and follows them.
    derived: bool,
}

/// A template, parsed.
#[derive(Debug)]
pub(super) struct Template {
    /// The concrete question and answer.
    pub(super) question: String,
    pub(super) answer: String,
    /// The number that the template has in every language.
    pub(super) id: i64,
    text: String,
    solution: String,
    definitions: Vec<Definition>,
    conditions: Vec<Expression>,
    result: Option<Expression>,
    /// The solution's braces.
    expressions: BTreeMap<String, Expression>,
}

/// A question with its solution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) question: String,
    pub(super) solution: String,
    /// What `#answer` says, where it can be evaluated.
    pub(super) result: Option<f64>,
}

impl Template {
    /// The concrete part, and what is wrong with the annotated part if something is.
    ///
    /// # Errors
    /// No TOML, or a field that is missing or of another type.
    pub(super) fn parse(path: &Path, text: &str) -> Result<(Self, Option<String>)> {
        let fields: Fields = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            Error::content(path, format!("line {line}"), e.message().replace('\n', " "))
        })?;
        let mut template = Self {
            question: fields.question.trim().to_owned(),
            answer: fields.answer.trim().to_owned(),
            id: fields.id_orig,
            text: String::new(),
            solution: fields.answer_annotated.trim().to_owned(),
            definitions: Vec::new(),
            conditions: Vec::new(),
            result: None,
            expressions: BTreeMap::new(),
        };
        let wrong = template.annotated(&fields.question_annotated).err();
        Ok((template, wrong))
    }

    fn annotated(&mut self, question: &str) -> Result<(), String> {
        let (text, rest) = question.split_once("#init:").ok_or("no `#init:`")?;
        text.trim().clone_into(&mut self.text);
        let mut in_conditions = false;
        for line in rest.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some(result) = line.strip_prefix("#answer:") {
                self.result = Expression::parse(result).ok();
            } else if line == "#conditions:" {
                in_conditions = true;
            } else if line.starts_with('#') {
                return Err(format!("`{line}` is neither #conditions nor #answer"));
            } else {
                let line = line.trim_start_matches(['-', ' ']);
                if in_conditions {
                    self.conditions.push(Expression::parse(line)?);
                } else {
                    let (names, value) = line.split_once('=').ok_or_else(|| format!("`{line}` defines nothing"))?;
                    let names = names.replace(['(', ')', '$'], "");
                    let names = names.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
                    self.definitions.push(Definition { names, value: Expression::parse(value)?, derived: false });
                }
            }
        }
        let known: BTreeSet<String> = self.definitions.iter().flat_map(|d| d.names.clone()).collect();
        for definition in &mut self.definitions {
            let mut derived = false;
            definition.value.names(&mut |name| derived |= known.contains(name));
            definition.derived = derived;
        }
        let braces = BRACES.as_ref().ok_or("no pattern")?;
        for found in braces.captures_iter(&self.solution) {
            self.expressions.insert(found[1].to_owned(), Expression::parse(&found[1])?);
        }
        Ok(())
    }

    /// An instance: variables drawn until the conditions hold, the others behind them, and the texts filled in. The distribution is the
    /// uniform one over the assignments that meet the conditions.
    ///
    /// # Errors
    /// What cannot be evaluated; conditions that no draw met.
    pub(super) fn draw(&self, lists: &BTreeMap<String, Value>, rng: &mut Stream) -> Result<Problem, String> {
        let mut asked = BTreeSet::new();
        self.conditions.iter().for_each(|c| c.names(&mut |n| _ = asked.insert(n.to_owned())));
        let constrained = |d: &&Definition| d.names.iter().any(|n| asked.contains(n));
        let mut scope = Scope { lists, variables: BTreeMap::new(), rng: Some(rng) };
        let mut tries = 0;
        loop {
            if tries == TRIES {
                return Err(format!("no draw of {TRIES} meets the conditions"));
            }
            tries += 1;
            // derived ones among them come behind what they are derived from
            for derived in [false, true] {
                for definition in self.definitions.iter().filter(constrained).filter(|d| d.derived == derived) {
                    assign(definition, &mut scope)?;
                }
            }
            let mut holds = true;
            for condition in &self.conditions {
                if !scope.value(condition)?.is_true() {
                    holds = false;
                    break;
                }
            }
            if holds {
                break;
            }
        }
        for derived in [false, true] {
            for definition in self.definitions.iter().filter(|d| !constrained(d) && d.derived == derived) {
                assign(definition, &mut scope)?;
            }
        }
        scope.rng = None;
        self.fill(&mut scope)
    }

    fn fill(&self, scope: &mut Scope) -> Result<Problem, String> {
        let place = PLACE.as_ref().ok_or("no pattern")?;
        let unknown = std::cell::RefCell::new(None);
        let question = place.replace_all(&self.text, |found: &Captures| {
            scope.variables.get(&found[1]).map_or_else(
                || {
                    *unknown.borrow_mut() = Some(found[1].to_owned());
                    String::new()
                },
                Value::to_string,
            )
        });
        if let Some(name) = unknown.into_inner() {
            return Err(format!("the question's `{name}` is not defined"));
        }
        let mut solution = String::with_capacity(self.solution.len());
        let mut rest = self.solution.as_str();
        while let Some((before, behind)) = rest.split_once('{') {
            solution.push_str(before);
            let (inside, after) = behind.split_once('}').ok_or("an open brace in the answer")?;
            let expression = self.expressions.get(inside).ok_or("empty braces in the answer")?;
            solution.push_str(&scope.value(expression)?.to_string());
            rest = after;
        }
        solution.push_str(rest);
        let result = self.result.as_ref().and_then(|e| scope.value(e).ok()).and_then(|v| v.number().ok());
        Ok(Problem { question: question.into_owned(), solution, result })
    }
}

fn assign(definition: &Definition, scope: &mut Scope) -> Result<(), String> {
    let mut value = scope.value(&definition.value)?;
    // a list for one name is what it is drawn from
    if let (1, Expression::List(_), Value::List(all)) = (definition.names.len(), &definition.value, &value) {
        value = scope.one_of(all)?;
    }
    let values = match (definition.names.len(), value) {
        (1, value) => vec![value],
        (count, Value::List(all)) if all.len() == count => all,
        // `(a, b), (c, d) = ...`
        (count, Value::List(all)) => {
            let flat: Vec<Value> = all
                .into_iter()
                .flat_map(|v| match v {
                    Value::List(inner) => inner,
                    other => vec![other],
                })
                .collect();
            if flat.len() != count {
                return Err(format!("{} values for {count} names", flat.len()));
            }
            flat
        }
        (count, other) => return Err(format!("`{other}` for {count} names")),
    };
    for (name, value) in definition.names.iter().zip(values) {
        scope.variables.insert(name.clone(), value.understood());
    }
    Ok(())
}
