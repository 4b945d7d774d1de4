//! The book's pages, from data that tries to be markup.

use super::*;
use crate::report::{Check, Criterion, Kind};
use crate::stats::{Estimate, Method};
use std::path::Path;

const NASTY: &str = "<script>\"x\" & 'y'</script>";

fn entry(id: &str) -> Entry {
    let estimate = Estimate { value: 0.5, low: 0.25, high: 0.75, n: 5, method: Method::Bootstrap };
    let check = Check::new(Kind::Claim, "rises", NASTY, NASTY, NASTY, estimate, Criterion::AtLeast(0.1));
    let mut params = toml::Table::new();
    params.insert("name".into(), toml::Value::String(NASTY.into()));
    Entry {
        judged: Judged {
            id: id.into(),
            paper: NASTY.into(),
            claim: NASTY.into(),
            command: Some(format!("rewardlab run {NASTY}")),
            checks: vec![check],
            failures: vec![NASTY.into()],
        },
        figure: Figure { png: Vec::new(), svg: "<svg/>".into(), description: NASTY.into() },
        setup: Some(Setup {
            version: NASTY.into(),
            profile: NASTY.into(),
            seeds: vec![0, 1],
            rows: 2,
            rows_sha256: "é".into(),
            unit_seconds: 1.0,
            params,
        }),
        checks_csv: Vec::new(),
    }
}

fn book() -> Book {
    let source = |text: &str| {
        format!("//! Title {NASTY}.\n//!\n//! **Found**: `rises`, as `two` has it.\n\nlet x = \"{text}\";\n")
    };
    let sources = [
        ("p/mod.rs", "//! A. Author, *A Paper*, arXiv:2310.20703.\n".to_owned()),
        ("p/one.rs", source(NASTY)),
        ("p/one/judge.rs", "fn judge() {}\n".to_owned()),
        ("p/two.rs", source("2")),
        ("p/shared.rs", "fn shared() {}\n".to_owned()),
        ("other/x.rs", "fn other() {}\n".to_owned()),
    ];
    Book {
        entries: vec![entry("p/one"), entry("p/two")],
        sources: sources.into_iter().map(|(path, text)| (path.to_owned(), text)).collect(),
        pairs: Vec::new(),
        repository: None,
    }
}

fn page<'a>(pages: &'a [Page], path: &str) -> &'a str {
    let (_, content) = pages.iter().find(|(p, _)| p == path).unwrap_or_else(|| panic!("no page {path}"));
    std::str::from_utf8(content).expect("UTF-8")
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "html")
}

#[test]
fn data_cannot_become_markup() {
    let pages = book().pages();
    for (path, content) in pages.iter().filter(|(p, _)| is_page(p)) {
        let text = std::str::from_utf8(content).expect("UTF-8");
        assert!(!text.contains("<script") && !text.contains("</script"), "{path}");
        assert!(!text.contains("\"x\""), "{path}: a quotation mark that could end an attribute");
    }
    assert!(page(&pages, "p/one.html").contains("&lt;script&gt;&quot;x&quot; &amp;"));
}

#[test]
fn pages_are_named_after_experiments_and_lead_to_each_other() {
    let pages = book().pages();
    let paths: Vec<&str> = pages.iter().map(|(p, _)| p.as_str()).filter(|p| is_page(p)).collect();
    assert_eq!(
        paths,
        ["index.html", "p/one.html", "p/two.html", "source/p/mod.html", "source/p/one.html", "source/p/two.html"]
    );
    let (one, two) = (page(&pages, "p/one.html"), page(&pages, "p/two.html"));
    assert!(one.contains("rel=\"next\" href=\"../p/two.html\"") && !one.contains("rel=\"prev\""));
    assert!(two.contains("rel=\"prev\" href=\"../p/one.html\"") && !two.contains("rel=\"next\""));
    assert!(one.contains("<a href=\"../p/two.html\"><code>two</code></a>"), "a name in the header leads to its page");
    assert!(one.contains("<a href=\"#note-rises\">Discussed</a>") && one.contains("id=\"note-rises\""));
    assert!(one.contains("failed</strong>: &lt;script"));
    let index = page(&pages, "index.html");
    assert!(index.contains("<h2 id=\"p\">A Paper, and follow-ups</h2>") && index.contains("href=\"p/one.html\""));
}

#[test]
fn the_source_of_an_experiment_is_its_file_and_its_folder() {
    let pages = book().pages();
    let (one, shared) = (page(&pages, "source/p/one.html"), page(&pages, "source/p/mod.html"));
    assert!(
        one.contains("id=\"p/one.rs\"") && one.contains("id=\"p/one/judge.rs\"") && !one.contains("id=\"p/two.rs\"")
    );
    assert!(one.find("id=\"p/one.rs\"") < one.find("id=\"p/one/judge.rs\""), "the experiment itself first");
    assert!(one.contains("<span>fn judge() {}</span>") && one.contains("href=\"../../source/p/mod.html\""));
    assert!(shared.contains("fn shared()") && !shared.contains("fn judge()") && !shared.contains("fn other()"));
}

#[test]
fn a_repository_is_linked_where_its_address_is_known() {
    let mut book = book();
    book.repository = Some("https://example.org/r/".into());
    let pages = book.pages();
    assert!(page(&pages, "p/one.html").contains("href=\"https://example.org/r/experiments/p/one.rs\""));
}

/// What a cell of the first row with this link says, without its tags.
fn cell(page: &str, link: &str, label: &str) -> String {
    let row = page.split(&format!("<a href=\"{link}\">")).nth(1).and_then(|r| r.split("</tr>").next()).expect("a row");
    let cell =
        row.split(&format!("data-label=\"{label}\">")).nth(1).and_then(|c| c.split("</td>").next()).expect("a cell");
    cell.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect()
}

#[test]
fn the_index_counts_claims_and_puts_theory_and_controls_beside_them() {
    let mut book = book();
    let first = &mut book.entries[0].judged;
    for (id, kind, bar) in [("a", Kind::Theory, 0.1), ("b", Kind::Control, 0.9), ("c", Kind::Control, 0.5)] {
        let check = &first.checks[0];
        first.checks.push(Check::new(kind, id, "s", "derived", "x", check.estimate, Criterion::AtLeast(bar)));
    }
    let pages = book.pages();
    let index = page(&pages, "index.html");
    for (link, claims) in [("#p", "✓\u{a0}2"), ("p/one.html", "✓\u{a0}1")] {
        assert_eq!(cell(index, link, "reproduced"), claims);
        assert_eq!(cell(index, link, "refuted"), "✗\u{a0}0", "a control's refutation is no claim's");
        let others = cell(index, link, "theory, controls").replace('\u{a0}', " ");
        assert_eq!(others, "1 of 31 refuted, 1 inconclusive", "{link}");
    }
    assert_eq!(cell(index, "p/two.html", "theory, controls"), "—");
    assert!(index.contains("are the 5 checks that the report counts"));
}

#[test]
fn units_that_failed_are_marked_on_the_index() {
    let mut book = book();
    book.entries[1].judged.failures.clear();
    let pages = book.pages();
    let index = page(&pages, "index.html");
    assert_eq!(index.matches("</strong>: 1 unit</small>").count(), 2, "the paper's row and the experiment's");
}

#[test]
fn a_folder_with_other_papers_says_so() {
    let mut book = book();
    assert!(page(&book.pages(), "index.html").contains("<h2 id=\"p\">A Paper, and follow-ups</h2>"));
    for entry in &mut book.entries {
        entry.judged.paper = "A., arXiv:2310.20703, Table 1".into();
    }
    assert!(page(&book.pages(), "index.html").contains("<h2 id=\"p\">A Paper</h2>"));
}

#[test]
fn what_the_language_models_are_follows_from_the_parameters() {
    let mut book = book();
    assert!(!page(&book.pages(), "index.html").contains("class=\"models\""));
    for (made, published) in [(true, false), (true, true), (false, true)] {
        for (entry, model) in book.entries.iter_mut().zip([made, !published]) {
            let model = if model { "" } else { "org/published" };
            entry.setup.as_mut().expect("a setup").params =
                format!("[subject]\nmodel = \"{model}\"\n").parse().expect("TOML");
        }
        let pages = book.pages();
        let index = page(&pages, "index.html");
        assert_eq!(index.contains("No published model was measured"), made && !published);
        assert_eq!(index.contains("<code>org/published</code>"), published);
        assert_eq!(index.contains("made on the fly"), made);
    }
}

#[test]
fn parameters_are_readable() {
    let mut book = book();
    let params = format!("empty = \"\"\nlong = \"{}\"\n", "x".repeat(60));
    book.entries[0].setup.as_mut().expect("a setup").params = params.parse().expect("TOML");
    let pages = book.pages();
    let one = page(&pages, "p/one.html");
    assert!(one.contains("<div><dt><code>empty</code></dt><dd>empty</dd></div>"));
    assert!(one.contains("<div class=\"long\"><dt><code>long</code></dt>"));
    assert!(one.contains("<a class=\"plate\" href=\"one.png\">"), "the figure leads to its file");
}

#[test]
fn results_without_a_manifest_or_a_source_still_have_a_page() {
    let mut book = book();
    book.entries[0].setup = None;
    book.sources.clear();
    let pages = book.pages();
    assert!(page(&pages, "p/one.html").contains("no manifest") && !page(&pages, "p/one.html").contains("source/"));
}
