//! The site of the committed results: a page per experiment, every link and picture there, nothing from elsewhere.

#![allow(missing_docs)]

mod common;

use common::{QUICK, assert_one_clear_line, call, ids, root};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

const REPOSITORY: &str = "https://example.org/rewardlab/blob/main";

/// Copies what a report of these experiments reads.
fn copy_results(ids: &[String], to: &Path) {
    for id in ids {
        fs::create_dir_all(to.join(id)).expect("made");
        for name in ["rows.csv", "manifest.toml", "params.toml"] {
            let from = root().join("results").join(id).join(name);
            fs::copy(&from, to.join(id).join(name)).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
        }
    }
}

fn write_site(results: &Path, out: &Path) {
    let text = |p: &Path| p.to_str().expect("UTF-8").to_owned();
    let (code, stdout, stderr) = call(&["report", &text(results), "--site", &text(out), "--repository", REPOSITORY]);
    assert!([0, 1, 3].contains(&code) && stdout.contains("\nSite: "), "{code}: {stderr}");
}

type Files = BTreeMap<String, Vec<u8>>;

fn read(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("inside").to_str().expect("UTF-8").replace('\\', "/");
                files.insert(name, fs::read(&path).expect("read"));
            }
        }
    }
    files
}

/// The site of all committed results, written once, and once more over itself; and the folder that it is of.
fn site() -> &'static (Files, Files, Files) {
    static SITE: OnceLock<(Files, Files, Files)> = OnceLock::new();
    SITE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (results, out) = (folder.path().join("results"), folder.path().join("site"));
        copy_results(&ids(), &results);
        write_site(&results, &out);
        let once = read(&out);
        write_site(&results, &out);
        (once, read(&out), read(&results))
    })
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == extension)
}

fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let html = site().0.iter().filter(|(path, _)| has_extension(path, "html"));
    html.map(|(path, content)| (path.as_str(), std::str::from_utf8(content).expect("UTF-8")))
}

fn page(path: &str) -> &'static str {
    pages().find(|(p, _)| *p == path).unwrap_or_else(|| panic!("no page {path}")).1
}

/// The values of an attribute, unescaped.
fn values(html: &str, attribute: &str) -> Vec<String> {
    let mark = format!(" {attribute}=\"");
    let parts = html.split(&mark).skip(1);
    parts.map(|rest| unescape(rest.split('"').next().expect("a value"))).collect::<Vec<_>>()
}

/// What follows the first place of a mark.
fn after<'a>(html: &'a str, mark: &str) -> Option<&'a str> {
    html.split_once(mark).map(|(_, rest)| rest)
}

fn unescape(text: &str) -> String {
    text.replace("<wbr>", "").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The path of a link from the site's root: `a/b.html` and `../c.html` give `c.html`.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => assert!(parts.pop().is_some(), "{from}: {link} leads out of the site"),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[test]
fn every_experiment_has_a_page_that_says_what_it_must() {
    for id in ids() {
        let html = page(&format!("{id}.html"));
        for section in ["formula", "setup", "figure", "verdicts", "notes", "reproduce"] {
            assert!(html.contains(&format!("<h2 id=\"{section}\">")), "{id} has no {section}");
        }
        let manifest = fs::read_to_string(root().join("results").join(&id).join("manifest.toml")).expect("manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let command = manifest["command"].as_str().expect("a command");
        assert!(unescape(html).contains(&format!("<code>{command}</code>")), "{id}: {command}");
        for (name, copy) in [("figure.png", "png"), ("figure.svg", "svg"), ("checks.csv", "csv")] {
            let own = &site().2[&format!("{id}/{name}")];
            assert!(site().0[&format!("{id}.{copy}")] == *own, "{id}: {name} is not the report's");
        }
        let csv = &site().0[&format!("{id}.csv")];
        let checks = String::from_utf8(csv.clone()).expect("UTF-8");
        for line in checks.lines().skip(1) {
            let (check, verdict) = (line.split(',').next().expect("an id"), line.split(',').nth(2).expect("a verdict"));
            let row = after(html, &format!("<tr id=\"check-{check}\">"));
            let row = row.unwrap_or_else(|| panic!("{id}: no row for {check}"));
            assert!(row.split("</td>").next().expect("a cell").contains(verdict), "{id}: {check} is not {verdict}");
        }
    }
}

#[test]
fn the_index_counts_what_the_report_counts() {
    let report = fs::read_to_string(root().join("results/REPORT.md")).expect("results/REPORT.md");
    let html = page("index.html");
    for id in ids() {
        let counts = report.lines().find(|l| l.starts_with(&format!("| [{id}]"))).expect("a row of the report");
        let counts: Vec<usize> =
            counts.trim_end_matches(" |").rsplit(" | ").take(3).map(|c| c.parse().expect("a count")).collect();
        let checks = String::from_utf8(site().0[&format!("{id}.csv")].clone()).expect("UTF-8");
        let is_of = |line: &&str, kind: &str, verdict: &str| {
            let mut fields = line.split(',').skip(1);
            (fields.next() == Some("claim")) == (kind == "claim") && fields.next() == Some(verdict)
        };
        let lines = |kind, verdict| checks.lines().skip(1).filter(|l| is_of(l, kind, verdict)).count();
        let row = after(html, &format!("<a href=\"{id}.html\">")).expect("a row of the index");
        let row = row.split("</tr>").next().expect("a row");
        for (verdict, count) in ["inconclusive", "refuted", "reproduced"].iter().zip(counts) {
            let cell = after(row, &format!("data-label=\"{verdict}\">")).expect("a count");
            let shown = cell.split("</span></td>").next().expect("a cell").rsplit('\u{a0}').next().expect("a count");
            assert_eq!(shown, lines("claim", verdict).to_string(), "{id}: {verdict}");
            assert_eq!(lines("claim", verdict) + lines("others", verdict), count, "{id}: {verdict} in the report");
        }
        let others = after(row, "data-label=\"theory, controls\">").expect("theory and controls");
        let met = lines("others", "reproduced");
        assert!(others.starts_with(&format!("{met}\u{a0}of")) || met == 0, "{id}: {met} met");
    }
}

#[test]
fn every_link_and_picture_is_there_and_nothing_comes_from_elsewhere() {
    let anchors: BTreeMap<&str, HashSet<String>> =
        pages().map(|(path, html)| (path, values(html, "id").into_iter().collect())).collect();
    for (path, html) in pages() {
        assert!(
            !html.contains("<script") && !html.contains(" style=\"") && html.contains("<html lang=\"en\">"),
            "{path}"
        );
        let ids = values(html, "id");
        assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "{path}: an id appears twice");
        for source in values(html, "src") {
            assert!(site().0.contains_key(&resolve(path, &source)), "{path}: no {source}");
        }
        for link in values(html, "href") {
            if link == "data:," || link.starts_with("https://arxiv.org/abs/") {
                continue;
            }
            if let Some(file) = link.strip_prefix(REPOSITORY) {
                assert!(root().join(file.trim_start_matches('/')).is_file(), "{path}: {link} is no file of ours");
                continue;
            }
            assert!(!link.contains("://") && !link.starts_with('/'), "{path}: {link} is not relative");
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(f, a)| (f, Some(a)));
            let target = if file.is_empty() { path.to_owned() } else { resolve(path, file) };
            assert!(site().0.contains_key(&target), "{path}: no {link}");
            if let Some(anchor) = anchor {
                assert!(anchors[target.as_str()].contains(anchor), "{path}: {target} has no #{anchor}");
            }
        }
    }
    let css = std::str::from_utf8(&site().0["style.css"]).expect("UTF-8");
    assert!(!css.contains("url(") && !css.contains("@import"), "a style sheet that asks for something");
}

/// What a source page shows is the file of the source tree, to the byte; nothing of an experiment's folder is left out.
#[test]
fn the_sources_shown_are_the_files_of_the_source_tree() {
    let mut shown = BTreeSet::new();
    for (path, html) in pages().filter(|(path, _)| path.starts_with("source/")) {
        for section in html.split("<section>\n<h2 id=\"").skip(1) {
            let (file, rest) = section.split_once('"').expect("an id");
            let code =
                rest.split_once("<pre class=\"source\"").and_then(|(_, r)| r.split_once("><code>")).expect("code").1;
            let code = code.split_once("</code></pre>").expect("its end").0;
            let text: String = code
                .lines()
                .map(|l| l.strip_prefix("<span>").and_then(|l| l.strip_suffix("</span>")))
                .map(|line| unescape(line.expect("a line")) + "\n")
                .collect();
            let own = fs::read_to_string(root().join("experiments").join(file));
            assert!(own.unwrap_or_else(|e| panic!("{path}: {file}: {e}")) == text, "{path}: {file} differs");
            shown.insert(file.to_owned());
        }
    }
    for id in ids() {
        assert!(unescape(page(&format!("{id}.html"))).contains(&format!("<code>experiments/{id}.rs</code>")), "{id}");
        assert!(shown.contains(&format!("{id}.rs")), "{id}: its source is not shown");
        if let Ok(folder) = fs::read_dir(root().join("experiments").join(&id)) {
            for entry in folder {
                let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
                assert!(
                    !has_extension(&name, "rs") || shown.contains(&format!("{id}/{name}")),
                    "{id}/{name} is not shown"
                );
            }
        }
    }
}

#[test]
fn every_pair_of_worlds_is_in_the_table_once() {
    let html = page("sim-to-real.html");
    let rows = fs::read_to_string(root().join("results/real_models/transfer/rows.csv")).expect("rows");
    let pairs = rows.lines().skip(1).filter(|l| l.split(',').nth(1) == Some("0")).count();
    assert!(pairs > 0);
    assert_eq!(html.matches("data-label=\"language model\"").count(), pairs);
    assert_eq!(html.matches("data-label=\"small world\"").count(), pairs);
    let links = values(html, "href").into_iter().filter(|l| l.contains(".html#check-")).count();
    assert_eq!(links, 2 * pairs, "each side leads to its check");
}

#[test]
fn written_twice_the_site_has_the_same_bytes() {
    let (once, twice, _) = site();
    assert!(once == twice);
    assert!(once.contains_key(".rewardlab-site"));
}

#[test]
fn mistakes_cost_one_line_and_no_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    copy_results(&[QUICK.to_owned()], Path::new(&path("results")));
    fs::create_dir(path("thesis")).expect("made");
    fs::write(path("thesis/main.tex"), "mine").expect("written");
    assert_one_clear_line(&["report", &path("results"), "--site", &path("thesis")], &["thesis", "not a site"]);
    assert_one_clear_line(&["report", &path("results"), "--site", &path("results")], &["results", "not a site"]);
    assert_one_clear_line(&["report", &path("results"), "--site", &path("thesis/main.tex")], &["not a folder"]);
    assert_eq!(fs::read(path("thesis/main.tex")).expect("still there"), b"mine");
    for (site, why) in
        [("results/site", "inside the results"), ("thesis/main.tex/x", "not a folder"), ("gone/..", "not a name")]
    {
        assert_one_clear_line(&["report", &path("results"), "--site", &path(site)], &[why]);
    }
    assert_one_clear_line(&["report", &path("results"), "--site", "/"], &["root of the file system"]);
    assert_one_clear_line(&["report", &path("results"), "--site", "."], &["current folder"]);
    assert!(!Path::new(&path("results/REPORT.md")).exists(), "refused before anything is written");

    let (code, _, stderr) = call(&["report", &path("results"), "--site", &path("site")]);
    assert!([0, 1, 3].contains(&code), "{stderr}");
    assert!(read(Path::new(&path("site"))).contains_key(&format!("{QUICK}.html")), "some of the results are enough");
    fs::write(path("site/CNAME"), "mine").expect("written");
    assert_one_clear_line(&["report", &path("results"), "--site", &path("site")], &["CNAME", "would be lost"]);
    assert_eq!(fs::read(path("site/CNAME")).expect("still there"), b"mine");
}
