//! Parallel text: dictionaries of phrases, verses of two translations, and catalogues of translated messages.

use super::source::{self, File};
use super::{Dropped, Imported, Item, Line, provenance};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// How the pairs stand in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PairFormat {
    /// Lines `a | b :: x | y` of one file (as Debian's trans-de-en has them): a with x, b with y; `{…}`, `[…]` and `(…)` are remarks; `#` starts
    /// a comment.
    Dictionary,
    /// Two files as `mod2imp` writes them: lines `$$$Genesis 1:1` are keys, what follows is the verse.
    Verses,
    /// gettext's `.mo` files: the original and its translation.
    Mo,
}

/// Which pairs are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairParams {
    /// How the pairs stand in the files.
    pub format: PairFormat,
    /// Codes of the prompt's and the completion's language, for the lines.
    pub languages: (String, String),
    /// Swap the two sides.
    pub reverse: bool,
    /// Fewest words of either side; at least 1.
    pub least_words: usize,
    /// Most words of either side.
    pub most_words: Option<usize>,
    /// The longer side has at most so many times the words of the other; at least 1.
    pub ratio: f64,
    /// Only pairs both of which start with a capital and end with a full stop, a question mark or an exclamation mark.
    pub sentences: bool,
}

/// A pair, and where it is from.
struct Pair {
    from: String,
    to: String,
    source: Option<String>,
}

/// Reads pairs; of the same prompt the first completion stays. Lines with the same prompt or the same completion stay together in the split.
///
/// # Errors
/// Illegal settings; a number of paths that the format does not have; files that cannot be read or are malformed.
pub fn pairs(paths: &[PathBuf], params: &PairParams) -> Result<Imported> {
    Error::check_counts(&[("least_words", params.least_words, 1, 10_000)])?;
    Error::check_counts(&[("most_words", params.most_words.unwrap_or(usize::MAX), params.least_words, usize::MAX)])?;
    if !(params.ratio >= 1.0 && params.ratio.is_finite()) {
        return Err(Error::parameter("ratio", params.ratio, "at least 1"));
    }
    let needs = if params.format == PairFormat::Verses { 2 } else { 1 };
    if paths.len() != needs {
        let format = format!("{:?}", params.format).to_lowercase();
        return Err(Error::Usage(format!("pairs of the format {format} need {needs} path(s), {} given", paths.len())));
    }
    let mut sources = Vec::new();
    let mut dropped = Dropped::default();
    let mut open = |path: &Path, what: &str, wanted: fn(&str) -> bool| -> Result<Vec<File>> {
        let (source, files) = source::open(path, what, wanted)?;
        sources.push(source);
        Ok(files)
    };
    let all = match params.format {
        PairFormat::Dictionary => dictionary(&open(&paths[0], "a dictionary", |_| true)?, &mut dropped)?,
        PairFormat::Verses => {
            let (from, to) = (open(&paths[0], "verses", |_| true)?, open(&paths[1], "verses", |_| true)?);
            aligned(&verses(&from[0])?, &verses(&to[0])?, &mut dropped)
        }
        PairFormat::Mo => {
            let files =
                open(&paths[0], "a catalogue (*.mo)", |name| Path::new(name).extension().is_some_and(|e| e == "mo"))?;
            let mut all = Vec::new();
            for file in &files {
                messages(file, &mut all, &mut dropped)?;
            }
            all
        }
    };
    let seen = all.len() + dropped.0.values().sum::<usize>();
    let items = kept(all, params, &mut dropped);
    let kind = match params.format {
        PairFormat::Dictionary => "dictionary",
        PairFormat::Verses => "verses",
        PairFormat::Mo => "mo",
    };
    let (settings, package) = (provenance::settings(params)?, provenance::known(kind));
    let counts = BTreeMap::new();
    Ok(Imported { kind: "pairs", items, sources, seen, dropped: dropped.0, counts, settings, package })
}

fn kept(all: Vec<Pair>, params: &PairParams, dropped: &mut Dropped) -> Vec<Item> {
    let words = |text: &str| text.split_whitespace().count();
    let sentence = |text: &str| {
        let start = text.trim_start_matches(['"', '\'', '„', '“', '«', '¿', '¡']);
        let end = text.trim_end_matches(['"', '\'', '“', '”', '»']);
        start.starts_with(char::is_uppercase) && end.ends_with(['.', '!', '?'])
    };
    let mut good: Vec<Pair> = Vec::new();
    let mut prompts = std::collections::HashSet::new();
    for pair in all {
        let pair = if params.reverse { Pair { from: pair.to, to: pair.from, ..pair } } else { pair };
        let (a, b) = (words(&pair.from), words(&pair.to));
        let most = params.most_words.unwrap_or(usize::MAX);
        let reason = if a == 0 || b == 0 {
            Some("an empty side")
        } else if a.min(b) < params.least_words {
            Some("fewer words")
        } else if a.max(b) > most {
            Some("more words")
        } else if a.max(b) as f64 > params.ratio * a.min(b) as f64 {
            Some("sides of too different length")
        } else if params.sentences && !(sentence(&pair.from) && sentence(&pair.to)) {
            Some("no sentence")
        } else if !prompts.insert(pair.from.clone()) {
            Some("repeated prompt")
        } else {
            None
        };
        match reason {
            Some(reason) => dropped.count(reason),
            None => good.push(pair),
        }
    }
    // prompts differ, completions may not: they name the group
    let language = if params.reverse { &params.languages.0 } else { &params.languages.1 };
    let item = |pair: Pair| Item {
        group: pair.to.clone(),
        part: None,
        line: Line {
            prompt: pair.from,
            completion: format!("\n{}", pair.to),
            answer: Some(pair.to),
            language: Some(language.clone()),
            source: pair.source,
            ..Line::default()
        },
    };
    good.into_iter().map(item).collect()
}

/// Segments of a dictionary's lines, remarks taken out. Those with `;`, which parts synonyms, are dropped.
fn dictionary(files: &[File], dropped: &mut Dropped) -> Result<Vec<Pair>> {
    let mut all = Vec::new();
    for file in files {
        for (i, line) in file.text()?.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let wrong = || Error::content(&file.path, format!("line {}", i + 1), "no ` :: ` between two sides");
            let (from, to) = line.split_once(" :: ").or_else(|| line.split_once("::")).ok_or_else(wrong)?;
            let (from, to): (Vec<&str>, Vec<&str>) = (from.split(" | ").collect(), to.split(" | ").collect());
            if from.len() != to.len() {
                dropped.count("a line whose sides have different numbers of variants");
                continue;
            }
            for (a, b) in from.into_iter().zip(to) {
                if a.contains(';') || b.contains(';') {
                    dropped.count("synonyms");
                } else {
                    all.push(Pair { from: without_remarks(a), to: without_remarks(b), source: None });
                }
            }
        }
    }
    Ok(all)
}

/// Without what is in brackets, which may be nested.
fn without_remarks(text: &str) -> String {
    let mut open = 0_usize;
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '{' | '[' | '(' => open += 1,
            '}' | ']' | ')' => open = open.saturating_sub(1),
            c if open == 0 => kept.push(c),
            _ => {}
        }
    }
    super::text::single_spaced(&kept)
}

/// Verses by key, in the file's order; keys of chapters' introductions (verse 0) are left out.
fn verses(file: &File) -> Result<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (i, line) in file.text()?.lines().enumerate() {
        if let Some(key) = line.strip_prefix("$$$") {
            all.push((key.trim().to_owned(), String::new()));
        } else if let Some((_, text)) = all.last_mut() {
            text.push_str(line);
            text.push(' ');
        } else if !line.trim().is_empty() {
            return Err(Error::content(&file.path, format!("line {}", i + 1), "text before the first key `$$$…`"));
        }
    }
    if all.is_empty() {
        return Err(Error::content(&file.path, "line 1", "no key `$$$…`"));
    }
    all.retain(|(key, _)| key.rsplit_once(':').is_some_and(|(_, verse)| verse != "0"));
    all.iter_mut().for_each(|(_, text)| *text = verse(text));
    all.retain(|(_, text)| !text.is_empty());
    Ok(all)
}

/// A verse without notes, titles and tags.
fn verse(markup: &str) -> String {
    let mut text = markup.to_owned();
    for tag in ["note", "title"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        while let Some(start) = text.find(&open) {
            let Some(end) = text[start..].find(&close) else { break };
            text.replace_range(start..start + end + close.len(), "");
        }
    }
    // words are tagged one by one: most tags part none
    let parts = |name: &str| matches!(name, "div" | "l" | "lb" | "lg" | "p");
    super::text::single_spaced(&super::text::without_tags_that(&text, parts))
}

fn aligned(from: &[(String, String)], to: &[(String, String)], dropped: &mut Dropped) -> Vec<Pair> {
    let by_key: HashMap<&str, &str> = to.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    let mut all = Vec::new();
    for (key, text) in from {
        match by_key.get(key.as_str()) {
            Some(other) => {
                let (from, to) = (text.clone(), (*other).to_owned());
                all.push(Pair { from, to, source: Some(key.clone()) });
            }
            None => dropped.count("a verse of the first file that the second does not have"),
        }
    }
    all
}

/// gettext's binary catalogues: magic number, revision, count, and two tables of (length, offset); in either byte order.
fn messages(file: &File, all: &mut Vec<Pair>, dropped: &mut Dropped) -> Result<()> {
    let bytes = &file.bytes;
    let wrong = |place: usize, message: &str| Error::content(&file.path, format!("byte {place}"), message);
    let four = |at: usize| {
        let found = at.checked_add(4).and_then(|end| bytes.get(at..end));
        found.map(|b| [b[0], b[1], b[2], b[3]]).ok_or_else(|| wrong(at, "the file is cut"))
    };
    let little = match four(0)? {
        [0xde, 0x12, 0x04, 0x95] => true,
        [0x95, 0x04, 0x12, 0xde] => false,
        other => return Err(wrong(0, &format!("magic number {other:02x?} is not gettext's"))),
    };
    let word =
        |at: usize| four(at).map(|b| if little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) } as usize);
    let text = |table: usize, i: usize| -> Result<&str> {
        let at = table.saturating_add(8 * i);
        let (length, start) = (word(at)?, word(at.saturating_add(4))?);
        let content = bytes.get(start..start.saturating_add(length)).ok_or_else(|| wrong(at, "the file is cut"))?;
        std::str::from_utf8(content).map_err(|_| wrong(start, "not UTF-8"))
    };
    let (count, originals, translations) = (word(8)?, word(12)?, word(16)?);
    for i in 0..count {
        let (original, translation) = (text(originals, i)?, text(translations, i)?);
        // the header is the translation of nothing; a context stands before \x04, plurals behind \0
        let original = original.split_once('\x04').map_or(original, |(_, text)| text);
        if original.is_empty() {
            continue;
        }
        if original.contains(['%', '\0', '<', '$']) {
            dropped.count("a message with places to fill, markup or plurals");
            continue;
        }
        let plain = |text: &str| super::text::single_spaced(&text.replace(['~', '_'], ""));
        all.push(Pair { from: plain(original), to: plain(translation), source: Some(file.name.clone()) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn params(format: PairFormat) -> PairParams {
        let languages = ("de".to_owned(), "en".to_owned());
        PairParams { format, languages, reverse: false, least_words: 1, most_words: None, ratio: 3.0, sentences: false }
    }

    fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(folder.join(name), bytes).expect("written");
        folder.join(name)
    }

    fn lines(made: &Imported) -> Vec<(&str, &str)> {
        made.items.iter().map(|i| (i.line.prompt.as_str(), i.line.completion.trim_start())).collect()
    }

    #[test]
    fn variants_are_aligned_and_remarks_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "# a comment\nAbend {m} | Abende {pl} :: evening | evenings\nIch (selbst) komme. :: I come.\n\
                    gut; fein :: good\na | b :: x\nder Abend :: evening\n";
        let path = put(folder.path(), "de-en", text.as_bytes());
        let made = pairs(std::slice::from_ref(&path), &params(PairFormat::Dictionary)).expect("well formed");
        assert_eq!(
            lines(&made),
            [("Abend", "evening"), ("Abende", "evenings"), ("Ich komme.", "I come."), ("der Abend", "evening")]
        );
        assert_eq!(made.dropped.values().sum::<usize>(), 2);
        // the two evenings stay together
        assert_eq!(made.items[0].group, made.items[3].group);
        let reversed = PairParams { reverse: true, sentences: true, ..params(PairFormat::Dictionary) };
        let made = pairs(&[path], &reversed).expect("well formed");
        assert_eq!(
            (lines(&made), made.items[0].line.language.as_deref()),
            (vec![("I come.", "Ich komme.")], Some("de"))
        );
        let bad = put(folder.path(), "bad", b"a :: b\nno sides\n");
        let message = pairs(&[bad], &params(PairFormat::Dictionary)).expect_err("malformed").to_string();
        assert!(message.ends_with("bad, line 2: no ` :: ` between two sides"), "{message}");
    }

    #[test]
    fn verses_meet_by_their_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let es = put(
            folder.path(),
            "es",
            "$$$Ruth 1:0\nintro\n$$$Ruth 1:1\nEn los <w>día</w>s<note n=\"a\">x</note>.<lb/>Y\n$$$Ruth 1:2\nY\n"
                .as_bytes(),
        );
        let en = put(folder.path(), "en", b"$$$Ruth 1:1\nIn the days.\n$$$Ruth 1:3\nOther\n");
        let made = pairs(&[es.clone(), en], &params(PairFormat::Verses)).expect("well formed");
        assert_eq!(lines(&made), [("En los días. Y", "In the days.")]);
        assert_eq!((made.items[0].line.source.as_deref(), made.seen), (Some("Ruth 1:1"), 2));
        assert!(pairs(&[es], &params(PairFormat::Verses)).is_err());
    }

    #[test]
    fn catalogues_are_read_in_either_byte_order_and_cuts_are_named() {
        let entries = [("", "Content-Type: x"), ("menu\u{4}~Open file", "Datei ~öffnen"), ("%d files", "%d Dateien")];
        let build = |order: fn(u32) -> [u8; 4]| {
            let n = entries.len() as u32;
            let mut head: Vec<u8> = [0x9504_12de, 0, n, 28, 28 + 8 * n, 0, 0].into_iter().flat_map(order).collect();
            let mut body = Vec::new();
            let start = 28 + 16 * n;
            for side in [entries.map(|e| e.0), entries.map(|e| e.1)] {
                for text in side {
                    head.extend(order(text.len() as u32));
                    head.extend(order(start + body.len() as u32));
                    body.extend(text.as_bytes());
                    body.push(0);
                }
            }
            [head, body].concat()
        };
        let folder = tempfile::tempdir().expect("a folder");
        for bytes in [build(u32::to_le_bytes), build(u32::to_be_bytes)] {
            let path = put(folder.path(), "a.mo", &bytes);
            let made = pairs(std::slice::from_ref(&path), &params(PairFormat::Mo)).expect("well formed");
            assert_eq!(lines(&made), [("Open file", "Datei öffnen")]);
            for cut in 0..bytes.len() - 1 {
                let path = put(folder.path(), "cut.mo", &bytes[..cut]);
                assert!(pairs(&[path], &params(PairFormat::Mo)).is_err(), "cut at {cut}");
            }
        }
    }
}
