//! Preference files, one JSON object per line. What is wrong with a file is said with its line.

use super::{Marked, Message, Pair, Text};
use crate::error::Result;
use crate::jsonl::{field, read, short, write};
use serde_json::{Map, Value};
use std::path::Path;

/// Pairs from a file.
///
/// # Errors
/// With path and line: no JSON object, text that is not UTF-8, a field that is missing or of another type, an empty completion,
/// a chosen completion equal to the rejected one, plain text beside messages. A file without pairs.
pub fn read_pairs(path: &Path) -> Result<Vec<Pair>> {
    read(path, pair)
}

/// A line's pair. Without a prompt it is what both completions begin with, as TRL's `extract_prompt` has it.
pub(super) fn pair(line: &Map<String, Value>) -> Result<Pair, String> {
    let pair = if line.contains_key("prompt") {
        let [prompt, chosen, rejected] = texts(line, ["prompt", "chosen", "rejected"])?;
        Pair { prompt, chosen, rejected }
    } else {
        let [chosen, rejected] = texts(line, ["chosen", "rejected"])?;
        split(chosen, rejected)
    };
    if pair.chosen == pair.rejected {
        return Err("`chosen` equals `rejected`: the pair prefers nothing".into());
    }
    for (name, text) in [("chosen", &pair.chosen), ("rejected", &pair.rejected)] {
        not_empty(name, text)?;
    }
    Ok(pair)
}

/// The common beginning as prompt; a space before the first difference belongs to the completions.
fn split(chosen: Text, rejected: Text) -> Pair {
    match (chosen, rejected) {
        (Text::Plain(chosen), Text::Plain(rejected)) => {
            let same = chosen.chars().zip(rejected.chars()).take_while(|(a, b)| a == b);
            let mut at = same.map(|(a, _)| a.len_utf8()).sum();
            if at < chosen.len() && at < rejected.len() && chosen[..at].ends_with(' ') {
                at -= 1;
            }
            let [prompt, one, other] = [&chosen[..at], &chosen[at..], &rejected[at..]].map(Text::from);
            Pair { prompt, chosen: one, rejected: other }
        }
        (Text::Messages(mut chosen), Text::Messages(mut rejected)) => {
            let at = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
            let (one, other) = (chosen.split_off(at), rejected.split_off(at));
            Pair { prompt: Text::Messages(chosen), chosen: Text::Messages(one), rejected: Text::Messages(other) }
        }
        (chosen, rejected) => Pair { prompt: Text::Plain(String::new()), chosen, rejected },
    }
}

/// Marked completions from a file.
///
/// # Errors
/// As [`read_pairs`]; a label that is neither true nor false.
pub fn read_marked(path: &Path) -> Result<Vec<Marked>> {
    read(path, |line| {
        let [prompt, completion] = texts(line, ["prompt", "completion"])?;
        not_empty("completion", &completion)?;
        match field(line, "label")? {
            Value::Bool(label) => Ok(Marked { prompt, completion, label: *label }),
            other => Err(format!("`label` is {}: it must be true or false", short(other))),
        }
    })
}

/// Writes pairs, one per line, so that an interrupted write leaves no half file.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
pub fn write_pairs(path: &Path, pairs: &[Pair]) -> Result<()> {
    write(path, pairs)
}

/// Writes marked completions, as [`write_pairs`].
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io).
pub fn write_marked(path: &Path, marked: &[Marked]) -> Result<()> {
    write(path, marked)
}

/// The named texts, all of one kind.
pub(super) fn texts<const N: usize>(line: &Map<String, Value>, names: [&str; N]) -> Result<[Text; N], String> {
    let texts = names.map(|name| field(line, name).and_then(|value| text(name, value)));
    let mut whole = Vec::with_capacity(N);
    for text in texts {
        whole.push(text?);
    }
    let kind = |text: &Text| matches!(text, Text::Plain(_));
    if let Some(odd) = whole.iter().position(|t| kind(t) != kind(&whole[0])) {
        return Err(format!("`{}` is text and `{}` messages, or the reverse", names[0], names[odd]));
    }
    Ok(whole.try_into().expect("one text per name"))
}

pub(super) fn text(name: &str, value: &Value) -> Result<Text, String> {
    let message = |m: &Value| {
        let part = |key: &str| m.get(key).and_then(Value::as_str).map(str::to_owned);
        let (role, content) = part("role").zip(part("content"))?;
        Some(Message { role, content })
    };
    match value {
        Value::String(text) => Ok(Text::Plain(text.clone())),
        Value::Array(list) => list
            .iter()
            .map(|m| message(m).ok_or_else(|| format!("`{name}` holds {}: no message with role and content", short(m))))
            .collect::<Result<_, _>>()
            .map(Text::Messages),
        other => Err(format!("`{name}` is {}: it must be a string or a list of messages", short(other))),
    }
}

pub(super) fn not_empty(name: &str, text: &Text) -> Result<(), String> {
    if text.is_empty() { Err(format!("`{name}` is empty")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pair(prompt: &str, chosen: &str, rejected: &str) -> Pair {
        Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into() }
    }

    fn in_file<T>(content: &[u8], check: impl FnOnce(&Path) -> T) -> T {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pairs.jsonl");
        fs::write(&path, content).expect("writable");
        check(&path)
    }

    /// What is said of a file, behind its path.
    fn complaint(content: &[u8]) -> String {
        let message = in_file(content, |path| read_pairs(path).expect_err("a mistake").to_string());
        message.split_once("pairs.jsonl, ").expect("the path").1.to_owned()
    }

    #[test]
    fn what_is_written_is_read() {
        let said =
            |role: &str, content: &str| Text::Messages(vec![Message { role: role.into(), content: content.into() }]);
        let pairs = [
            pair("the film was", " good", " bad\nor \"worse\""),
            pair("", "ü", "\u{1f600}"),
            Pair { prompt: said("user", "hi"), chosen: said("assistant", "hello"), rejected: said("assistant", "") },
        ];
        let usable = &pairs[..2];
        in_file(b"", |path| {
            write_pairs(path, usable).expect("writable");
            assert_eq!(read_pairs(path).expect("readable"), usable);
            assert!(fs::read_to_string(path).expect("text").lines().all(|l| l.starts_with("{\"prompt\":")));
            let marked = vec![Marked { prompt: "a".into(), completion: "b".into(), label: false }];
            write_marked(path, &marked).expect("writable");
            assert_eq!(read_marked(path).expect("readable"), marked);
            // an empty message is an empty completion
            write_pairs(path, &pairs[2..]).expect("writable");
            assert!(read_pairs(path).expect_err("a mistake").to_string().ends_with("line 1: `rejected` is empty"));
        });
    }

    // trl 0.24: extract_prompt
    #[test]
    fn a_prompt_that_is_not_given_is_what_both_begin_with() {
        let read = |line: &str| in_file(line.as_bytes(), |path| read_pairs(path).expect("readable").remove(0));
        let of = read(r#"{"chosen": "The sky is blue.", "rejected": "The sky is green."}"#);
        assert_eq!(of, pair("The sky is", " blue.", " green."));
        assert_eq!(read(r#"{"chosen": "ab", "rejected": "ac"}"#), pair("a", "b", "c"));
        assert_eq!(read(r#"{"chosen": "b", "rejected": "c"}"#), pair("", "b", "c"));
        let said = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
        let of = read(
            r#"{"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#
                .replace('\n', " ")
                .as_str(),
        );
        assert_eq!(of.prompt, Text::Messages(vec![said("user", "q")]));
        assert_eq!(of.rejected, Text::Messages(vec![said("assistant", "b")]));
        assert_eq!(complaint(br#"{"chosen": "ab", "rejected": "a"}"#), "line 1: `rejected` is empty");
    }

    #[test]
    fn harmless_oddities_are_read() {
        let content = "\u{feff}{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"score\":3}\r\n\n  \n\
                       {\"rejected\":\"c\",\"chosen\":\"b\",\"prompt\":\"\"}";
        let pairs = in_file(content.as_bytes(), |path| read_pairs(path).expect("readable"));
        assert_eq!(pairs, [pair("a", "b", "c"), pair("", "b", "c")]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let good = r#"{"prompt":"a","chosen":"b","rejected":"c"}"#;
        let after_good = |line: &str| complaint(format!("{good}\n\n{line}\n{good}").as_bytes());
        let cases = [
            (r#"{"prompt":"a","chosen":"b"}"#, r#"no field `rejected` among ["chosen", "prompt"]"#),
            (r#"{"prompt":"a","chosen":"","rejected":"c"}"#, "`chosen` is empty"),
            (r#"{"prompt":"a","chosen":"b","rejected":"b"}"#, "`chosen` equals `rejected`: the pair prefers nothing"),
            (r#"{"prompt":"a","chosen":7,"rejected":"b"}"#, "`chosen` is 7: it must be a string or a list of messages"),
            (
                r#"{"prompt":null,"chosen":"b","rejected":"c"}"#,
                "`prompt` is null: it must be a string or a list of messages",
            ),
            (
                r#"{"prompt":"a","chosen":[{"role":"assistant","content":"b"}],"rejected":"c"}"#,
                "`prompt` is text and `chosen` messages, or the reverse",
            ),
            (
                r#"{"prompt":"a","chosen":[{"role":"x"}],"rejected":"c"}"#,
                r#"`chosen` holds {"role":"x"}: no message with role and content"#,
            ),
            (r#"["a"]"#, r#"["a"] is not an object"#),
            (r#"{"prompt":"a","#, "not JSON at column 14: EOF while parsing a value"),
        ];
        for (line, message) in cases {
            assert_eq!(after_good(line), format!("line 3: {message}"), "{line}");
        }
        assert_eq!(complaint(b""), "line 1: the file holds no example");
        assert_eq!(complaint(b"{\"prompt\":\"caf\xe9\"}"), "line 1: byte 15 is not UTF-8");
        let marked = in_file(br#"{"prompt":"a","completion":"b","label":-100}"#, |path| {
            read_marked(path).expect_err("a mistake").to_string()
        });
        assert!(marked.ends_with("line 1: `label` is -100: it must be true or false"), "{marked}");
    }

    #[test]
    fn a_million_lines_and_the_last_is_wrong() {
        let mut content = br#"{"prompt":"a","chosen":"b","rejected":"c"}"#.to_vec();
        content.push(b'\n');
        let mut content = content.repeat(1_000_000);
        assert_eq!(in_file(&content, |path| read_pairs(path).expect("readable").len()), 1_000_000);
        content.extend_from_slice(br#"{"prompt":"a","chosen":"b"}"#);
        assert!(complaint(&content).starts_with("line 1000001: no field `rejected`"));
    }
}
