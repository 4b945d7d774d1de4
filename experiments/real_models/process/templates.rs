//! Word problems whose reference solutions have marks: what is a step, and whether it is right.

use super::super::asked::lines;
use rewardlab::algorithm::Example;
use rewardlab::error::Result;
use rewardlab::import::mark_result;
use rewardlab::lm::{LanguageModel, Message, Tokenizer};
use rewardlab::rng::Stream;
use std::path::Path;

/// The number of the right answer; wrong ones have others.
pub(super) const RIGHT: u8 = 0;

/// What a problem's solutions are compared with.
#[derive(Clone, Debug)]
pub(super) struct Template {
    answer: f64,
    /// What the reference's marks state.
    path: Vec<f64>,
}

/// A solution that has an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    /// Place of each step's last token.
    pub(super) ends: Vec<usize>,
    /// −1, 0, +1 of each.
    pub(super) labels: Vec<i8>,
    pub(super) answer: u8,
}

/// `count` problems of a file that fit the model, drawn without replacement, with the reference as an example.
///
/// # Errors
/// A file that is missing, malformed or too short.
pub(super) fn read(
    path: &Path,
    count: usize,
    model: &LanguageModel,
    (chat, length): (bool, usize),
    rng: &mut Stream,
) -> Result<Vec<(Template, Example)>> {
    lines(path, count, rng, |line| {
        let (prompt, completion) = (line.string("prompt")?, line.string("completion")?);
        let answer = line.string("answer")?;
        let answer = number(answer).ok_or_else(|| line.wrong(format!("`answer` is no number: {answer:?}")))?;
        let path = marks(completion).filter_map(mark_result).collect();
        let prompt = if chat {
            model.encode_chat(&[Message { role: "user".into(), content: prompt.to_owned() }], true)?
        } else {
            model.tokenizer.encode(prompt)?
        };
        // behind a chat's turn there is no line to end
        let completion = if chat { completion.trim_start() } else { completion };
        let mut solution = model.tokenizer.encode_part(completion)?;
        solution.extend(model.tokenizer.special().eos.first());
        let fits = solution.len() <= length && !prompt.is_empty() && prompt.len() + length <= model.config.context;
        let example = Example { prompt: prompt.len(), tokens: [prompt, solution].concat() };
        Ok(fits.then_some((Template { answer, path }, example)))
    })
}

impl Template {
    /// The steps of a sampled solution; none without an answer behind `####`.
    ///
    /// # Errors
    /// A token that the vocabulary does not have.
    pub(super) fn judge(&self, tokenizer: &Tokenizer, output: &[u32]) -> Result<Option<Read>> {
        let (mut read, mut start) = (Read { ends: Vec::new(), labels: Vec::new(), answer: RIGHT }, 0);
        for end in 0..output.len() {
            let last = end + 1 == output.len();
            if !last && !tokenizer.decode(&output[end..=end])?.contains('\n') {
                continue;
            }
            let text = tokenizer.decode(&output[start..=end])?;
            start = end + 1;
            if text.trim().is_empty() {
                continue;
            }
            read.ends.push(end);
            if let Some((_, stated)) = text.split_once("####") {
                let Some(stated) = number(stated) else { return Ok(None) };
                let right = same(stated, self.answer);
                read.labels.push(if right { 1 } else { -1 });
                read.answer = if right { RIGHT } else { other(stated) };
                return Ok(Some(read));
            }
            read.labels.push(self.label(&text));
        }
        Ok(None)
    }

    fn label(&self, step: &str) -> i8 {
        let follows = |mark| mark_result(mark).is_some_and(|r| self.path.iter().any(|p| same(*p, r)));
        match marks(step).map(follows).reduce(|all, one| all && one) {
            None => 0,
            Some(true) => 1,
            Some(false) => -1,
        }
    }
}

/// What stands between `<<` and `>>`.
fn marks(text: &str) -> impl Iterator<Item = &str> {
    text.split("<<").skip(1).map(|behind| behind.split_once(">>").map_or(behind, |(mark, _)| mark))
}

fn number(text: &str) -> Option<f64> {
    let plain: String = text.trim().chars().filter(|c| !matches!(c, ',' | '$' | '%')).collect();
    plain.trim_end_matches('.').parse().ok().filter(|v: &f64| v.is_finite())
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
}

/// The number of a wrong answer, from 1: different answers share one in 255 cases.
fn other(answer: f64) -> u8 {
    let cents = (answer * 100.0).round() as i64;
    1 + cents.rem_euclid(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(solution: &str) -> Option<(Vec<i8>, u8)> {
        let template = Template { answer: 72.0, path: vec![24.0, 72.0] };
        let tokenizer = Tokenizer::train_bpe(&[solution], 258).expect("legal");
        let ids = tokenizer.encode(solution).expect("bytes");
        let read = template.judge(&tokenizer, &ids).expect("known tokens");
        read.map(|r| {
            assert!(r.ends.is_sorted() && r.ends.len() == r.labels.len());
            (r.labels, r.answer)
        })
    }

    #[test]
    fn steps_are_lines_and_marks_say_whether_they_are_right() {
        let right = "48/2 = <<48/2=24>>24 in May.\nSo it is.\n\n48+24 = <<48+24=72>>72\n#### 72";
        assert_eq!(judged(right), Some((vec![1, 0, 1, 1], RIGHT)));
        // a sum that does not come out, one that is not on the path, an answer that is wrong
        let wrong = "<<48/2=23>>23\n<<48-24=20+4>>\n<<48+2=50>>50\n#### 73.";
        let (labels, answer) = judged(wrong).expect("an answer");
        assert_eq!(labels, [-1, 1, -1, -1]);
        assert_ne!(answer, RIGHT);
        assert_eq!((judged("<<48/2=24>>24"), judged("#### many")), (None, None));
    }
}
