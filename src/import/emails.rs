//! E-mails in folders whose names tell their class: `spam*` and the others.

use super::source::{self, File};
use super::text::{self, Labelled, Question, TextParams, without_tags};
use super::{Dropped, Imported, provenance};
use crate::error::{Error, Result};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::BTreeMap;
use std::path::Path;

const QUESTION: Question = Question { ask: "Spam:", names: &["no", "yes"] };
/// How deep parts of an e-mail may hold parts.
const DEEPEST: usize = 8;

/// Reads `FOLDER/*.txt`, wherever in a folder or an archive they stand; the class is 1 where the name of the folder that they are in starts
/// with `spam`. What stays of an e-mail is its subject and its text. Headers leak the class (hosts, dates, lists), so does what mailing lists
/// put in front of subjects and below texts: all that is left out. HTML's tags are taken out; encoded texts are decoded.
///
/// # Errors
/// Files that cannot be read; a package without such files, or with one class only.
pub fn emails(path: &Path, params: &TextParams) -> Result<Imported> {
    params.validate()?;
    let (source, files) = source::open(path, "an e-mail (FOLDER/*.txt)", |name| folder(name).is_some())?;
    let mut dropped = Dropped::default();
    let (mut texts, mut counts) = (Vec::with_capacity(files.len()), BTreeMap::new());
    for file in &files {
        let Some(folder) = folder(&file.name) else { continue };
        *counts.entry(format!("e-mails in {folder}")).or_default() += 1;
        let label = usize::from(folder.starts_with("spam"));
        texts.push(Labelled { text: read(file), label, source: Some(folder.to_owned()) });
    }
    if texts.iter().all(|t| t.label == texts[0].label) {
        return Err(Error::content(
            path,
            "its folders",
            "all of one class: those of spam are told by names that start with `spam`",
        ));
    }
    let items = text::items(texts, &QUESTION, params, &mut dropped);
    for item in &items {
        *counts.entry(format!("kept, label {}", item.line.label.unwrap_or_default())).or_default() += 1;
    }
    let settings = provenance::settings(params)?;
    let package = provenance::known("emails");
    let (seen, dropped) = (files.len(), dropped.0);
    Ok(Imported { kind: "emails", items, sources: vec![source], seen, dropped, counts, settings, package })
}

/// The folder that an e-mail is in.
fn folder(name: &str) -> Option<&str> {
    let mut parts = name.rsplit('/');
    let is_text = Path::new(parts.next()?).extension().is_some_and(|e| e == "txt");
    parts.next().filter(|_| is_text)
}

/// Subject and text.
fn read(file: &File) -> String {
    let (headers, body) = part(&file.bytes);
    let subject = headers.iter().find(|(name, _)| name == "subject").map_or("", |(_, value)| value.as_str());
    let text = plain(&headers, body, 0);
    format!("{}\n\n{}", subject_alone(subject), text_alone(&text))
}

/// Headers (names in lower case, folded lines joined) and what is behind them.
fn part(bytes: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |i| i + 1);
        let line = decoded(&rest[..end]);
        let line = line.trim_end_matches(['\n', '\r']);
        rest = &rest[end..];
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':').filter(|(n, _)| !n.contains(' ')) {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        } else if !line.starts_with("From ") {
            // no header at all: the text has begun
            let from = bytes.len() - rest.len() - end;
            return (headers, &bytes[from..]);
        }
    }
    (headers, rest)
}

/// UTF-8, or what it is if every byte is a character (Latin-1).
fn decoded(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|b| char::from(*b)).collect(), str::to_owned)
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

/// The text of a part: of several parts the plain ones, or else all that are texts.
fn plain(headers: &[(String, String)], body: &[u8], depth: usize) -> String {
    let kind = header(headers, "content-type").to_ascii_lowercase();
    if kind.starts_with("multipart/") && depth < DEEPEST {
        let Some(boundary) = boundary(header(headers, "content-type")) else { return decoded(body) };
        let parts: Vec<_> = parts(body, &boundary).into_iter().map(part).collect();
        let is = |h: &[(String, String)], start: &str| {
            let kind = header(h, "content-type").to_ascii_lowercase();
            kind.starts_with(start) || (kind.is_empty() && start == "text/plain")
        };
        let of = |start: &str| -> Vec<String> {
            parts.iter().filter(|(h, _)| is(h, start)).map(|(h, b)| plain(h, b, depth + 1)).collect()
        };
        let texts = ["text/plain", "text/", "multipart/", "message/"].iter().map(|start| of(start));
        return texts.into_iter().find(|t| t.iter().any(|t| !t.trim().is_empty())).unwrap_or_default().join("\n");
    }
    let body = match header(headers, "content-transfer-encoding").to_ascii_lowercase().as_str() {
        "quoted-printable" => decoded(&unquoted(body)),
        "base64" => decoded(&from_base64(body)),
        _ => decoded(body),
    };
    if kind.starts_with("text/html") || (kind.is_empty() && body.contains("</")) { without_tags(&body) } else { body }
}

fn boundary(kind: &str) -> Option<String> {
    let at = kind.to_ascii_lowercase().find("boundary=")?;
    let rest = kind.get(at + "boundary=".len()..)?;
    let boundary = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split([';', ' ']).next(),
    };
    boundary.filter(|b| !b.is_empty()).map(str::to_owned)
}

/// What is between the lines of a boundary.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let (mut found, mut start, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(mark.as_bytes()) {
            if let Some(start) = start {
                found.push(&body[start..at]);
            }
            start = Some(at + line.len());
        }
        at += line.len();
    }
    if let Some(start) = start {
        found.push(&body[start..]);
    }
    found
}

fn unquoted(body: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut plain = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        match &body[at..] {
            [b'=', b'\n', ..] => at += 2,
            [b'=', b'\r', b'\n', ..] => at += 3,
            [b'=', a, b, ..] if digit(*a).is_some() && digit(*b).is_some() => {
                plain.push(16 * digit(*a).unwrap_or(0) + digit(*b).unwrap_or(0));
                at += 3;
            }
            [byte, ..] => {
                plain.push(*byte);
                at += 1;
            }
            [] => break,
        }
    }
    plain
}

/// What can be decoded: damaged text ends where the damage is.
fn from_base64(body: &[u8]) -> Vec<u8> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&STANDARD, lenient.with_decode_allow_trailing_bits(true));
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let digits: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).take_while(is_digit).collect();
    let whole = digits.len() - usize::from(digits.len() % 4 == 1);
    engine.decode(&digits[..whole]).unwrap_or_default()
}

/// Without the mailing list's name in front: "\[list\] Re: subject" is "subject".
fn subject_alone(subject: &str) -> &str {
    let mut subject = subject.trim();
    loop {
        let head = subject.get(..3).unwrap_or_default().to_ascii_lowercase();
        let shorter = match subject.strip_prefix('[').and_then(|s| s.split_once(']')) {
            Some((name, rest)) if name.len() <= 40 => rest,
            _ if head == "re:" || head == "fw:" => &subject[3..],
            _ if subject.get(..4).is_some_and(|h| h.eq_ignore_ascii_case("fwd:")) => &subject[4..],
            _ => return subject,
        };
        subject = shorter.trim_start();
    }
}

/// Without what is below the sign of a signature or a mailing list's line, and with blank lines single.
fn text_alone(text: &str) -> String {
    let is_end = |line: &str| {
        let bare = line.trim();
        line.trim_end_matches('\r') == "-- "
            || bare == "--"
            || (bare.len() >= 20 && bare.chars().all(|c| matches!(c, '_' | '-' | '=')))
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        // a rule above the text is none of a mailing list
        if is_end(line) && lines.iter().any(|l| !l.is_empty()) {
            break;
        }
        let line = text::single_spaced(line);
        if !line.is_empty() || lines.last().is_some_and(|l| !l.is_empty()) {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::text::Shape;
    use super::*;
    use std::fs;

    fn of(mail: &str) -> String {
        read(&File { path: "m.txt".into(), name: "ham/m.txt".into(), bytes: mail.as_bytes().to_vec() })
    }

    #[test]
    fn what_leaks_the_class_is_left_out() {
        let mail = "From a@b Thu\nReceived: from x\n\tby y\nSubject: [List] Re: a\n plan\nX-Spam: yes\n\nHello,\n\n\nthe  plan.\n\
                    ____________________\nList maintainer\n";
        assert_eq!(of(mail), "a plan\n\nHello,\n\nthe plan.");
        assert_eq!(of("Subject: x\n\n-- \nfirst\n-- \nlast"), "x\n\n--\nfirst");
    }

    #[test]
    fn encoded_parts_are_decoded() {
        let mail = "Subject: s\nContent-Type: multipart/alternative; boundary=\"XX\"\n\npreamble\n--XX\nContent-Type: text/html\n\n<b>no</b>\n\
                    --XX\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9 =\nau lait\n--XX--\n";
        assert_eq!(of(mail), "s\n\ncafé au lait");
        let html = "Subject: s\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+SGk8L2I+IHRo\nZXJl";
        assert_eq!(of(html), "s\n\nHi there");
        // no part is a text; a boundary that is not there
        assert_eq!(of("Subject: s\nContent-Type: multipart/mixed; boundary=Z\n\ntext\n"), "s\n\n");
    }

    #[test]
    fn folders_tell_the_class() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| {
            let path = folder.path().join("data").join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        let params = TextParams { shape: Shape::Classify, prompt_words: 8, most_words: None };
        put("easy-ham-1/1.txt", "Subject: tea\n\nat five");
        put("easy-ham-1/1.json", "{}");
        assert!(emails(folder.path(), &params).expect_err("one class").to_string().contains("all of one class"));
        put("spam-1/1.txt", "Subject: win\n\nnow");
        put("spam-2/2.txt", "Subject: [x] win\n\nnow\n");
        let made = emails(folder.path(), &params).expect("two classes");
        let lines: Vec<(&str, Option<usize>)> =
            made.items.iter().map(|i| (i.line.prompt.as_str(), i.line.label)).collect();
        assert_eq!(lines, [("tea\n\nat five\nSpam:", Some(0)), ("win\n\nnow\nSpam:", Some(1))]);
        assert_eq!((made.seen, made.dropped["repeated text"]), (3, 1));
    }
}
