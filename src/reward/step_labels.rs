//! Files of labelled steps, one solution per line, in TRL's stepwise shape with a few fields more:
//!
//! `{"prompt": …, "completions": ["step", …], "labels": [1, 0, -1], "answer": …, "generation": 0, "finish_reason": "found_error"}`
//!
//! Labels are −1 (wrong), 0 (neutral) and +1 (right), as in arXiv:2305.20050's data. TRL's own labels are true and false: such a file is
//! read as +1 and −1, needs no answers, and [`StepFile::booleans`] says that it was one. Other fields are ignored.

use crate::env::arithmetic::{self, Problem, Solution};
use crate::env::{StepLabel, supervised};
use crate::error::Result;
use crate::jsonl::{field, read, short, write};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// Why a solution's labels end where they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// At its end, which no wrong step is.
    Solution,
    /// At the first wrong step.
    FoundError,
    /// Where the labeller gave up.
    GiveUp,
    /// The problem is no good.
    BadProblem,
    /// The solution was cut off: it has no answer.
    Length,
}

impl FinishReason {
    const ALL: [Self; 5] = [Self::Solution, Self::FoundError, Self::GiveUp, Self::BadProblem, Self::Length];

    /// As it stands in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solution => "solution",
            Self::FoundError => "found_error",
            Self::GiveUp => "give_up",
            Self::BadProblem => "bad_problem",
            Self::Length => "length",
        }
    }
}

/// A solution with a label for each of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledSolution {
    /// The problem.
    pub prompt: String,
    /// Its steps, none empty.
    pub completions: Vec<String>,
    /// One per step; those behind the first wrong step supervise nothing.
    pub labels: Vec<StepLabel>,
    /// Where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The round of collecting that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why its labels end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
}

impl LabelledSolution {
    /// A solution in the world of arithmetic, labelled by what is true up to its first wrong step.
    pub fn of(problem: &Problem, solution: &Solution, generation: u64) -> Self {
        let mut labels = solution.labels(problem);
        labels.truncate(supervised(&labels));
        let finish_reason = if labels.last() == Some(&StepLabel::Negative) {
            FinishReason::FoundError
        } else if solution.answer.is_some() {
            FinishReason::Solution
        } else {
            FinishReason::Length
        };
        let step = |step| arithmetic::spell(&arithmetic::written(&Solution { steps: vec![step], answer: None }));
        Self {
            prompt: arithmetic::spell(&problem.tokens()),
            completions: solution.steps[..labels.len()].iter().copied().map(step).collect(),
            labels,
            answer: solution.answer.map(|a| a.to_string()),
            generation: Some(generation),
            finish_reason: Some(finish_reason),
        }
    }

    /// How many labels stand behind the first wrong step. Supervision ends there, in the paper and in every fit here.
    pub fn unused(&self) -> usize {
        self.labels.len() - supervised(&self.labels)
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFile {
    /// In the order of its lines.
    pub solutions: Vec<LabelledSolution>,
    /// Whether its labels were true and false.
    pub booleans: bool,
}

/// Labelled solutions from a file.
///
/// # Errors
/// With path and line: no JSON object, text that is not UTF-8, a field that is missing or of another type; no step, an empty step, more or
/// fewer labels than steps; a label that is none of −1, 0 and +1 (or of true and false), labels of both kinds; a solution without an answer,
/// unless its reason says why it has none; labels that end at an error and have none, or at a wrong step and claim the solution's end. An
/// empty prompt, a field that stands twice, a file without solutions.
pub fn read_step_labels(path: &Path) -> Result<StepFile> {
    let mut booleans = None;
    let solutions = read(path, |line| {
        let (solution, as_booleans) = solution(line)?;
        let before = *booleans.get_or_insert(as_booleans);
        if before != as_booleans {
            return Err(format!("`labels` are {} here and {} in the lines before", kind(as_booleans), kind(before)));
        }
        Ok(solution)
    })?;
    Ok(StepFile { solutions, booleans: booleans.unwrap_or(false) })
}

/// Writes labelled solutions, one per line, so that an interrupted write leaves no half file.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn write_step_labels(path: &Path, solutions: &[LabelledSolution]) -> Result<()> {
    write(path, solutions)
}

fn kind(booleans: bool) -> &'static str {
    if booleans { "true and false" } else { "numbers" }
}

/// A line's solution, and whether its labels are true and false.
fn solution(line: &Map<String, Value>) -> Result<(LabelledSolution, bool), String> {
    let prompt = match field(line, "prompt")? {
        Value::String(text) if text.trim().is_empty() => return Err("`prompt` is empty".into()),
        Value::String(text) => text.clone(),
        other => return Err(format!("`prompt` is {}: it must be a string", short(other))),
    };
    let completions = steps(field(line, "completions")?)?;
    let (labels, booleans) = labels(field(line, "labels")?)?;
    if labels.len() != completions.len() {
        let (labels, steps) = (counted(labels.len(), "label"), counted(completions.len(), "step"));
        return Err(format!("{labels} for {steps} in `completions`"));
    }
    let finish_reason = reason(line.get("finish_reason"))?;
    let answer = answer(line.get("answer"))?;
    let generation = match line.get("generation") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            value
                .as_u64()
                .ok_or_else(|| format!("`generation` is {}: it must be a whole number, at least 0", short(value)))?,
        ),
    };
    let needs_answer = matches!(finish_reason, None | Some(FinishReason::Solution));
    if answer.is_none() && needs_answer && !(booleans && finish_reason.is_none()) {
        return Err("a solution without an `answer`, and no `finish_reason` that says why".into());
    }
    if finish_reason == Some(FinishReason::FoundError) && !labels.contains(&StepLabel::Negative) {
        return Err("`finish_reason` is found_error, and no label is -1".into());
    }
    if finish_reason == Some(FinishReason::Solution) && labels.last() == Some(&StepLabel::Negative) {
        return Err("`finish_reason` is solution, and the last label is -1: labels end there with found_error".into());
    }
    Ok((LabelledSolution { prompt, completions, labels, answer, generation, finish_reason }, booleans))
}

/// A number of things.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn steps(value: &Value) -> Result<Vec<String>, String> {
    let Value::Array(list) = value else {
        return Err(format!("`completions` is {}: it must be a list of steps", short(value)));
    };
    if list.is_empty() {
        return Err("`completions` is empty: a solution has at least one step".into());
    }
    let step = |(i, value): (usize, &Value)| match value {
        Value::String(text) if text.trim().is_empty() => Err(format!("step {} is empty", i + 1)),
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(format!("step {} is missing", i + 1)),
        other => Err(format!("step {} is {}: it must be a string", i + 1, short(other))),
    };
    list.iter().enumerate().map(step).collect()
}

fn labels(value: &Value) -> Result<(Vec<StepLabel>, bool), String> {
    let Value::Array(list) = value else {
        return Err(format!("`labels` is {}: it must be a list of -1, 0 and 1", short(value)));
    };
    let booleans = list.first().is_some_and(Value::is_boolean);
    let label = |(i, value): (usize, &Value)| match value {
        Value::Bool(right) if booleans => Ok(if *right { StepLabel::Positive } else { StepLabel::Negative }),
        Value::Number(number) if !booleans => number
            .as_i64()
            .and_then(StepLabel::of_value)
            .ok_or_else(|| format!("the label of step {} is {number}: it must be -1, 0 or 1", i + 1)),
        other => {
            let legal = if booleans { "true or false, as the first is" } else { "-1, 0 or 1" };
            Err(format!("the label of step {} is {}: it must be {legal}", i + 1, short(other)))
        }
    };
    Ok((list.iter().enumerate().map(label).collect::<Result<_, _>>()?, booleans))
}

fn reason(value: Option<&Value>) -> Result<Option<FinishReason>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let known = FinishReason::ALL.into_iter().find(|r| value.as_str() == Some(r.name()));
            let names = FinishReason::ALL.map(FinishReason::name).join(", ");
            known.map(Some).ok_or_else(|| format!("`finish_reason` is {}: it must be one of {names}", short(value)))
        }
    }
}

fn answer(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(format!("`answer` is {}: it must be a string or a number", short(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Split;
    use crate::env::arithmetic::{Generator, Mix, Rates};
    use crate::rng::Stream;

    fn in_file<T>(content: &str, check: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("steps.jsonl");
        std::fs::write(&path, content).expect("writable");
        check(&path)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut rng = Stream::named(&["tests", "step labels"]);
        let rates = Rates { slack: 1, ..Rates::default() };
        let generator = Generator::draw(&rates, &[7, 12], &mut rng).expect("legal");
        let mix = Mix { lengths: (2, 6), moduli: vec![7, 12], operators: [1.0; 4] };
        let problems = mix.draw_different(200, Split::Train, &mut rng).expect("so many");
        let solutions: Vec<_> =
            problems.iter().map(|p| LabelledSolution::of(p, &generator.sample(p, &mut rng), 3)).collect();
        for reason in [FinishReason::Solution, FinishReason::FoundError, FinishReason::Length] {
            assert!(solutions.iter().any(|s| s.finish_reason == Some(reason)), "{reason:?}");
        }
        in_file("", |path| {
            write_step_labels(path, &solutions).expect("writable");
            assert_eq!(read_step_labels(path).expect("readable"), StepFile { solutions, booleans: false });
        });
    }

    #[test]
    fn the_shape_of_a_line() {
        let line = r#"{"prompt":"1 + 1","completions":["2","so 2"],"labels":[1,0],"answer":"2","generation":4,"finish_reason":"solution"}"#;
        in_file(line, |path| {
            let file = read_step_labels(path).expect("readable");
            assert_eq!(file.solutions[0].labels, [StepLabel::Positive, StepLabel::Neutral]);
            write_step_labels(path, &file.solutions).expect("writable");
            assert_eq!(std::fs::read_to_string(path).expect("text"), format!("{line}\n"));
        });
    }

    #[test]
    fn labels_of_trl_are_read_and_said() {
        let line = r#"{"prompt":"1 + 1","completions":["2","so 3"],"labels":[true,false]}"#;
        let file = in_file(line, |path| read_step_labels(path).expect("readable"));
        assert!(file.booleans);
        assert_eq!(file.solutions[0].labels, [StepLabel::Positive, StepLabel::Negative]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let good = r#"{"prompt":"p","completions":["a","b"],"labels":[1,-1],"finish_reason":"found_error"}"#;
        let complaint = |line: &str| {
            let error = in_file(&format!("{good}\n\n{line}\n"), |path| read_step_labels(path).expect_err(line));
            error.to_string().split_once("steps.jsonl, ").expect("the path").1.to_owned()
        };
        let line = |rest: &str| format!(r#"{{"prompt":"p",{rest}}}"#);
        let cases = [
            (r#""completions":["a","b"],"labels":[1],"answer":"2""#, "1 label for 2 steps in `completions`"),
            (r#""completions":["a"],"labels":[1,1],"answer":"2""#, "2 labels for 1 step in `completions`"),
            (r#""completions":["a",null],"labels":[1,1],"answer":"2""#, "step 2 is missing"),
            (r#""completions":["a"],"labels":[1],"labels":[-1],"answer":"2""#, "the field `labels` stands twice"),
            (
                r#""completions":["a","b"],"labels":[1,-1],"answer":"2","finish_reason":"solution""#,
                "`finish_reason` is solution, and the last label is -1: labels end there with found_error",
            ),
            (r#""completions":["a"," "],"labels":[1,1],"answer":"2""#, "step 2 is empty"),
            (
                r#""completions":[],"labels":[],"answer":"2""#,
                "`completions` is empty: a solution has at least one step",
            ),
            (r#""labels":[1],"answer":"2""#, r#"no field `completions` among ["answer", "labels", "prompt"]"#),
            (r#""completions":["a"],"answer":"2""#, r#"no field `labels` among ["answer", "completions", "prompt"]"#),
            (r#""completions":["a"],"labels":[2],"answer":"2""#, "the label of step 1 is 2: it must be -1, 0 or 1"),
            (r#""completions":["a"],"labels":[0.5],"answer":"2""#, "the label of step 1 is 0.5: it must be -1, 0 or 1"),
            (
                r#""completions":["a"],"labels":[null],"answer":"2""#,
                "the label of step 1 is null: it must be -1, 0 or 1",
            ),
            (
                r#""completions":["a","b"],"labels":[true,1]"#,
                "the label of step 2 is 1: it must be true or false, as the first is",
            ),
            (
                r#""completions":["a"],"labels":[true]"#,
                "`labels` are true and false here and numbers in the lines before",
            ),
            (
                r#""completions":["a"],"labels":[1]"#,
                "a solution without an `answer`, and no `finish_reason` that says why",
            ),
            (
                r#""completions":["a"],"labels":[1],"answer":"","finish_reason":"solution""#,
                "a solution without an `answer`, and no `finish_reason` that says why",
            ),
            (
                r#""completions":["a"],"labels":[1],"finish_reason":"found_error""#,
                "`finish_reason` is found_error, and no label is -1",
            ),
            (
                r#""completions":["a"],"labels":[1],"finish_reason":"tired""#,
                "`finish_reason` is \"tired\": it must be one of solution, found_error, give_up, bad_problem, length",
            ),
            (
                r#""completions":["a"],"labels":[1],"answer":"2","generation":-1"#,
                "`generation` is -1: it must be a whole number, at least 0",
            ),
        ];
        for (rest, message) in cases {
            assert_eq!(complaint(&line(rest)), format!("line 3: {message}"), "{rest}");
        }
        for prompt in ["", " "] {
            let empty = format!(r#"{{"prompt":"{prompt}","completions":["a"],"labels":[1],"answer":"2"}}"#);
            assert_eq!(complaint(&empty), "line 3: `prompt` is empty");
        }
        assert!(in_file("", |path| read_step_labels(path).expect_err("empty").to_string()).contains("line 1"));
    }
}
