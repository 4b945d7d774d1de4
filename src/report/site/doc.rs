//! The header of a source file (its `//!` lines) as HTML: names of experiments and of checks become links, numbers of
//! papers too. A paragraph that begins with **Formula** stands apart.

use crate::report::html::{escape, sentence, with_papers};
use pulldown_cmark::{BrokenLink, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use std::collections::BTreeSet;

/// The Markdown of a file's header.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    markdown: String,
}

/// A header in HTML.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    /// The paragraph of the formula, without its first word; empty where there is none.
    pub(super) formula: String,
    /// All other paragraphs.
    pub(super) body: String,
    /// The checks that the body speaks of.
    pub(super) discussed: BTreeSet<String>,
}

/// What a word in backticks may be the name of.
pub(super) trait Names {
    /// The address of the experiment of this name, from this page.
    fn experiment(&self, name: &str) -> Option<String>;
    /// Whether this page has such a check.
    fn is_check(&self, name: &str) -> bool;
}

/// No name is known.
pub(super) struct Nothing;

impl Names for Nothing {
    fn experiment(&self, _: &str) -> Option<String> {
        None
    }
    fn is_check(&self, _: &str) -> bool {
        false
    }
}

/// Where the body first speaks of a check.
pub(super) fn note(check: &str) -> String {
    format!("note-{check}")
}

impl Header {
    /// The lines that begin with `//!`, before anything else.
    pub(super) fn of(source: &str) -> Self {
        let lines = source.lines().map_while(|l| l.strip_prefix("//!"));
        Self { markdown: lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n") }
    }

    /// What the first paragraph sets in italics: the title of a paper.
    pub(super) fn title(&self) -> Option<String> {
        let events = events(self.markdown.split("\n\n").next()?);
        let from = events.iter().position(|e| matches!(e, Event::Start(Tag::Emphasis)))?;
        let to = events.iter().position(|e| matches!(e, Event::End(TagEnd::Emphasis)))?;
        let text = events.get(from..to)?.iter().filter_map(|e| match e {
            Event::Text(t) | Event::Code(t) => Some(t.as_ref()),
            Event::SoftBreak => Some(" "),
            _ => None,
        });
        Some(text.collect())
    }

    /// The first number of a paper on arXiv that the first paragraph names.
    pub(super) fn number(&self) -> Option<String> {
        let first = self.markdown.split("\n\n").next()?;
        let (_, rest) = first.split_once("arXiv:")?;
        let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Some(number.trim_end_matches('.').to_owned())
    }

    /// The first paragraph alone.
    pub(super) fn first(&self) -> Self {
        Self { markdown: self.markdown.split("\n\n").next().unwrap_or_default().to_owned() }
    }

    pub(super) fn render(&self, names: &impl Names) -> Rendered {
        let mut rendered = Rendered::default();
        for mut block in blocks(events(&self.markdown)) {
            if let [Event::Start(Tag::Paragraph), Event::Start(Tag::Strong), Event::Text(word), Event::End(_), ..] =
                block.as_slice()
                && word.trim_end_matches(['.', ':']) == "Formula"
            {
                block.drain(1..4);
                if let Some(Event::Text(text)) = block.get_mut(1) {
                    *text = CowStr::from(sentence(text.trim_start_matches([':', '.', ' '])));
                }
                let block = one_a_line(block);
                html::push_html(&mut rendered.formula, linked(block, names, &mut BTreeSet::new()).into_iter());
            } else {
                html::push_html(&mut rendered.body, linked(block, names, &mut rendered.discussed).into_iter());
            }
        }
        rendered
    }
}

/// The header's events; `` [`name`] ``, a link for rustdoc, is only the name here.
fn events(markdown: &str) -> Vec<Event<'static>> {
    let rustdoc = |link: BrokenLink| {
        link.reference.starts_with('`').then(|| (CowStr::from(String::new()), CowStr::from(String::new())))
    };
    let parser = Parser::new_with_broken_link_callback(markdown, Options::empty(), Some(rustdoc));
    let mut nameless = 0;
    let mut events = Vec::new();
    for event in parser {
        match event {
            Event::Start(Tag::Link { ref dest_url, .. }) if dest_url.is_empty() => nameless += 1,
            Event::End(TagEnd::Link) if nameless > 0 => nameless -= 1,
            // `V(x; <b>)` in a header is text
            Event::Html(t) | Event::InlineHtml(t) => events.push(Event::Text(t.into_static())),
            other => events.push(other.into_static()),
        }
    }
    events
}

/// Cut at the top level.
fn blocks(events: Vec<Event<'static>>) -> Vec<Vec<Event<'static>>> {
    let (mut blocks, mut depth) = (vec![Vec::new()], 0_usize);
    for event in events {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(last) = blocks.last_mut() {
            last.push(event);
        }
        if depth == 0 {
            blocks.push(Vec::new());
        }
    }
    blocks.retain(|b| !b.is_empty());
    blocks
}

/// Several formulas are parted by semicolons, also at the end of a source line; each has a line of its own.
fn one_a_line(block: Vec<Event<'static>>) -> Vec<Event<'static>> {
    let mut events: Vec<Event<'static>> = Vec::new();
    for event in block {
        match event {
            Event::Text(text) => {
                let mut parts = text.split("; ").peekable();
                while let Some(part) = parts.next() {
                    if parts.peek().is_some() {
                        events.extend([Event::Text(CowStr::from(format!("{part};"))), Event::HardBreak]);
                    } else if !part.is_empty() {
                        events.push(Event::Text(CowStr::from(part.to_owned())));
                    }
                }
            }
            Event::SoftBreak if matches!(events.last(), Some(Event::Text(text)) if text.ends_with(';')) => {
                events.push(Event::HardBreak);
            }
            other => events.push(other),
        }
    }
    events
}

fn linked(block: Vec<Event<'static>>, names: &impl Names, discussed: &mut BTreeSet<String>) -> Vec<Event<'static>> {
    let code = |name: &str, discussed: &mut BTreeSet<String>| {
        let shown = escape(name);
        if let Some(address) = names.experiment(name) {
            format!("<a href=\"{}\"><code>{shown}</code></a>", escape(&address))
        } else if names.is_check(name) {
            let id =
                if discussed.insert(name.to_owned()) { format!(" id=\"{}\"", note(&shown)) } else { String::new() };
            format!("<a{id} href=\"#check-{shown}\"><code>{shown}</code></a>")
        } else if is_word(name) {
            shown
        } else {
            format!("<code>{shown}</code>")
        }
    };
    let mut in_link = 0_usize;
    let one = |event| match event {
        Event::Start(Tag::Link { .. }) => {
            in_link += 1;
            event
        }
        Event::End(TagEnd::Link) => {
            in_link -= 1;
            event
        }
        Event::Code(name) if in_link == 0 => Event::InlineHtml(CowStr::from(code(&name, discussed))),
        Event::Text(text) if in_link == 0 => Event::InlineHtml(CowStr::from(with_papers(&text))),
        Event::SoftBreak => Event::Text(CowStr::from(" ")),
        // HTML's own way to write it
        Event::HardBreak => Event::InlineHtml(CowStr::from("<br>\n")),
        other => other,
    };
    block.into_iter().map(one).collect()
}

/// `ReST`, `SimPO`: a name in prose, which stands in backticks only because a lint of the source wants it.
fn is_word(name: &str) -> bool {
    let capitals = name.chars().filter(char::is_ascii_uppercase).count();
    name.chars().all(|c| c.is_ascii_alphanumeric())
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && capitals >= 2
        && name.chars().any(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Names for Two {
        fn experiment(&self, name: &str) -> Option<String> {
            (name == "operators").then(|| "operators.html".to_owned())
        }
        fn is_check(&self, name: &str) -> bool {
            name == "rises"
        }
    }

    const SOURCE: &str = "//! A title.\n//!\n//! **Formula**: with `a; b < c`; then `V_max`,\n//! `W`;\n//! and [`rewardlab::exact`] of <b>.\n//!\n\
        //! **Found** (see `operators`, arXiv:2310.20703): `rises` and again `rises` in [0, 1]; `ReST` & `x<y>`.\n\nuse x;\n//! no\n";

    #[test]
    fn a_header_becomes_safe_html_with_links() {
        let rendered = Header::of(SOURCE).render(&Two);
        assert_eq!(
            rendered.formula,
            "<p>With <code>a; b &lt; c</code>;<br>\nthen <code>V_max</code>, <code>W</code>;<br>\nand <code>rewardlab::exact</code> of &lt;b&gt;.</p>\n"
        );
        assert_eq!(
            rendered.body,
            "<p>A title.</p>\n<p><strong>Found</strong> (see <a href=\"operators.html\"><code>operators</code></a>, \
             <a href=\"https://arxiv.org/abs/2310.20703\">arXiv:2310.20703</a>): \
             <a id=\"note-rises\" href=\"#check-rises\"><code>rises</code></a> and again \
             <a href=\"#check-rises\"><code>rises</code></a> in [0, 1]; ReST &amp; <code>x&lt;y&gt;</code>.</p>\n"
        );
        assert_eq!(rendered.discussed.into_iter().collect::<Vec<_>>(), ["rises"]);
    }

    #[test]
    fn a_papers_title_stands_in_italics() {
        let title = |text: &str| Header::of(text).title();
        assert_eq!(title("//! A. Author, *On `ReST`\n//! and more*, arXiv:1.\n").as_deref(), Some("On ReST and more"));
        assert_eq!(title("//! Nothing.\n"), None);
        let number = |text: &str| Header::of(text).number();
        assert_eq!(number("//! A, *B*,\n//! arXiv:2310.20703.\n").as_deref(), Some("2310.20703"));
        assert_eq!(number("//! A.\n//!\n//! arXiv:2310.20703.\n"), None, "another paragraph's");
        assert!(Header::of("fn main() {}").render(&Nothing).body.is_empty());
    }
}
