//! Labelled texts (reviews, e-mails) as prompts and completions.

use super::{Dropped, Item, Line};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What the model is asked to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The prompt is the text's first words, the completion the rest.
    Continue,
    /// The prompt is the text and a question, the completion the label's name, which is the answer too.
    Classify,
}

/// How labelled texts become lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextParams {
    /// What the model writes.
    pub shape: Shape,
    /// Words of the prompt where a text is continued; at least 1.
    pub prompt_words: usize,
    /// Texts are cut to so many words, if at all; at least 2.
    pub most_words: Option<usize>,
}

impl TextParams {
    /// # Errors
    /// A count outside its range.
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("prompt_words", self.prompt_words, 1, usize::MAX),
            ("most_words", self.most_words.unwrap_or(2), 2, usize::MAX),
        ])
    }
}

/// A text with its class.
pub(super) struct Labelled {
    pub(super) text: String,
    pub(super) label: usize,
    pub(super) source: Option<String>,
}

/// What is asked of a text, and the classes' names.
pub(super) struct Question {
    pub(super) ask: &'static str,
    pub(super) names: &'static [&'static str],
}

/// Texts as items: equal texts once, and none of those that stand there with different labels.
pub(super) fn items(
    texts: Vec<Labelled>,
    question: &Question,
    params: &TextParams,
    dropped: &mut Dropped,
) -> Vec<Item> {
    let mut labels: HashMap<String, (usize, bool)> = HashMap::new();
    let texts: Vec<Labelled> =
        texts.into_iter().map(|t| Labelled { text: cut(&t.text, params.most_words), ..t }).collect();
    for t in &texts {
        let known = labels.entry(t.text.clone()).or_insert((t.label, true));
        known.1 &= known.0 == t.label;
    }
    let mut seen = std::collections::HashSet::new();
    let mut items = Vec::with_capacity(texts.len());
    for t in texts {
        if t.text.is_empty() {
            dropped.count("no text");
        } else if !labels[&t.text].1 {
            dropped.count("the same text has two labels");
        } else if !seen.insert(t.text.clone()) {
            dropped.count("repeated text");
        } else if let Some(line) = line(&t, question, params) {
            items.push(Item { line, group: t.text, part: None });
        } else {
            dropped.count("no word behind the prompt");
        }
    }
    items
}

fn line(text: &Labelled, question: &Question, params: &TextParams) -> Option<Line> {
    let (prompt, completion, answer) = match params.shape {
        Shape::Continue => {
            let at = word_ends(&text.text).nth(params.prompt_words - 1).filter(|end| *end < text.text.len())?;
            (text.text[..at].to_owned(), text.text[at..].to_owned(), None)
        }
        Shape::Classify => {
            let name = question.names[text.label];
            (format!("{}\n{}", text.text, question.ask), format!(" {name}"), Some(name.to_owned()))
        }
    };
    Some(Line { prompt, completion, answer, label: Some(text.label), source: text.source.clone(), ..Line::default() })
}

/// Byte positions behind each word.
fn word_ends(text: &str) -> impl Iterator<Item = usize> {
    let mut inside = false;
    let ends = text.char_indices().filter_map(move |(i, c)| {
        let ended = inside && c.is_whitespace();
        inside = !c.is_whitespace();
        ended.then_some(i)
    });
    ends.chain(text.ends_with(|c: char| !c.is_whitespace()).then_some(text.len()))
}

/// The first `most` words, white space at the ends left out.
fn cut(text: &str, most: Option<usize>) -> String {
    let text = text.trim();
    let end = most.and_then(|most| word_ends(text).nth(most - 1)).unwrap_or(text.len());
    text[..end].to_owned()
}

/// Text without HTML's tags, each of which parts words, and with the commonest entities replaced. What is between `<` and `>` counts as a tag
/// if it starts like one.
pub(super) fn without_tags(html: &str) -> String {
    without_tags_that(html, |_| true)
}

/// The same where only some tags part words; `parts` is asked with a tag's name.
pub(super) fn without_tags_that(html: &str, parts: impl Fn(&str) -> bool) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let tag = &rest[at + 1..];
        let is_tag = tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!' || c == '?');
        if let Some(end) = tag.find('>').filter(|_| is_tag) {
            let name = tag[..end].trim_start_matches('/').split([' ', '/', '\n']).next();
            if name.is_some_and(&parts) {
                text.push(' ');
            }
            rest = &tag[end + 1..];
        } else {
            text.push('<');
            rest = tag;
        }
    }
    text.push_str(rest);
    for (entity, plain) in
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        if text.contains(entity) {
            text = text.replace(entity, plain);
        }
    }
    text
}

/// Words with one space between them.
pub(super) fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question { ask: "Good?", names: &["no", "yes"] };

    fn of(texts: &[(&str, usize)], params: &TextParams) -> (Vec<Line>, Dropped) {
        let texts =
            texts.iter().map(|(t, label)| Labelled { text: (*t).to_owned(), label: *label, source: None }).collect();
        let mut dropped = Dropped::default();
        let lines = items(texts, &QUESTION, params, &mut dropped).into_iter().map(|i| i.line).collect();
        (lines, dropped)
    }

    #[test]
    fn prompt_and_completion_are_the_text() {
        let params = TextParams { shape: Shape::Continue, prompt_words: 2, most_words: Some(4) };
        let (lines, dropped) =
            of(&[("  a b  c d e ", 1), ("a b  c d f", 1), ("a b", 0), (" ", 0), ("x y z", 0)], &params);
        assert_eq!((lines[0].prompt.as_str(), lines[0].completion.as_str()), ("a b", "  c d"));
        assert_eq!((lines[1].prompt.as_str(), lines[1].completion.as_str(), lines[1].label), ("x y", " z", Some(0)));
        let counts: Vec<(&str, usize)> = dropped.0.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(counts, [("no text", 1), ("no word behind the prompt", 1), ("repeated text", 1)]);
    }

    #[test]
    fn texts_with_two_labels_are_dropped_altogether() {
        let params = TextParams { shape: Shape::Classify, prompt_words: 1, most_words: None };
        let (lines, dropped) = of(&[("a", 0), ("b", 1), ("a", 1)], &params);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].prompt.as_str(), lines[0].completion.as_str()), ("b\nGood?", " yes"));
        assert_eq!(lines[0].answer.as_deref(), Some("yes"));
        assert_eq!(dropped.0["the same text has two labels"], 2);
    }

    #[test]
    fn tags_go_and_comparisons_stay() {
        assert_eq!(single_spaced(&without_tags("a<br /><br />b <i>c</i> 1 < 2 &amp;lt; x<3")), "a b c 1 < 2 &lt; x<3");
    }
}
