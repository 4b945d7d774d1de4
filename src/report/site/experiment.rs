//! The page of an experiment.

use super::doc::{Header, Names, Rendered, note};
use super::index::group_title;
use super::layout::{Place, page as layout, up};
use super::{Book, Entry, Setup, TRANSFER, source, transfer};
use crate::report::html::{self, escape, sentence, tally, with_papers};
use crate::report::{Judged, Kind, Tally, page::failures, short, verdicts};
use std::fmt::Write;

pub(super) fn page(book: &Book, at: usize) -> String {
    let entry = &book.entries[at];
    let Judged { id, claim, .. } = &entry.judged;
    let path = format!("{id}.html");
    let header = book.sources.get(&source::file(id)).map_or_else(Header::default, |text| Header::of(text));
    let rendered = header.render(&Page { book, entry });
    let mut out = title(book, entry, &up(&path));
    out.push_str(&contents(&rendered));
    if !rendered.formula.is_empty() {
        let _ = writeln!(
            out,
            "<section>\n<h2 id=\"formula\">Formula</h2>\n<div class=\"formula\">{}</div>\n</section>",
            rendered.formula
        );
    }
    out.push_str(&setup(entry));
    out.push_str(&figure(entry));
    out.push_str("<section>\n<h2 id=\"verdicts\">Verdicts</h2>\n");
    out.push_str(&failures(&entry.judged));
    out.push_str(&verdicts::table(&entry.judged.checks, "check-", |check| {
        rendered.discussed.contains(&check.id).then(|| format!("#{}", note(&check.id)))
    }));
    out.push_str("</section>\n");
    if !rendered.body.is_empty() {
        let _ = writeln!(
            out,
            "<section>\n<h2 id=\"notes\">What is claimed, measured and found</h2>\n<div class=\"prose\">{}</div>\n</section>",
            rendered.body
        );
    }
    out.push_str(&reproduce(book, entry, &up(&path)));
    let neighbour = |at: Option<usize>| {
        let judged = &book.entries.get(at?)?.judged;
        Some((format!("{}.html", judged.id), sentence(&judged.claim)))
    };
    let title = format!("{}: {id}", sentence(claim));
    let place = Place {
        previous: neighbour(at.checked_sub(1)),
        next: neighbour(Some(at + 1)),
        ..Place::new(&path, &title, !book.pairs.is_empty())
    };
    layout(&place, &out)
}

/// What the names in backticks of a header mean on its page.
struct Page<'a> {
    book: &'a Book,
    entry: &'a Entry,
}

impl Names for Page<'_> {
    fn experiment(&self, name: &str) -> Option<String> {
        let own = &self.entry.judged;
        let id = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", own.folder()) };
        let is_there = id != own.id && self.book.entry(&id).is_some();
        is_there.then(|| format!("{}{id}.html", up(&own.id)))
    }

    fn is_check(&self, name: &str) -> bool {
        self.entry.judged.checks.iter().any(|c| c.id == name)
    }
}

fn title(book: &Book, entry: &Entry, up: &str) -> String {
    let j = &entry.judged;
    let of = |is_claim: bool| Tally::of(j.checks.iter().filter(|c| (c.kind == Kind::Claim) == is_claim));
    let claims = if of(true) == Tally::default() { "none of a paper. ".into() } else { tally(of(true)) };
    let others = if of(false) == Tally::default() {
        String::new()
    } else {
        format!(" <span>Theory and controls: {}</span>", tally(of(false)))
    };
    format!(
        "<p class=\"where\"><a href=\"{up}index.html#{0}\">{1}</a> <span aria-hidden=\"true\">/</span> <code>{2}</code></p>\n\
         <h1>{3}</h1>\n<p class=\"cite\">{4}</p>\n<p class=\"tally\">Claims: {5}{6}</p>\n",
        escape(j.folder()),
        escape(&group_title(book, j.folder())),
        escape(&j.id),
        escape(&sentence(&j.claim)),
        with_papers(&j.paper),
        claims,
        others
    )
}

fn contents(rendered: &Rendered) -> String {
    let sections = [
        ("formula", "Formula", !rendered.formula.is_empty()),
        ("setup", "Set-up", true),
        ("figure", "Figure", true),
        ("verdicts", "Verdicts", true),
        ("notes", "Notes", !rendered.body.is_empty()),
        ("reproduce", "Command and source", true),
    ];
    let links = sections.into_iter().filter(|(.., is_there)| *is_there);
    let links: Vec<String> = links.map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>")).collect();
    format!("<nav class=\"contents\" aria-label=\"On this page\">{}</nav>\n", links.join(" "))
}

fn figure(entry: &Entry) -> String {
    let j = &entry.judged;
    let name = escape(j.id.rsplit('/').next().unwrap_or(&j.id));
    let size = size(&entry.figure.png).map_or_else(String::new, |(w, h)| format!(" width=\"{w}\" height=\"{h}\""));
    format!(
        "<section>\n<h2 id=\"figure\">Figure</h2>\n<figure>\n<a class=\"plate\" href=\"{name}.png\">\
         <img src=\"{name}.png\" alt=\"{}\"{size}></a>\n<figcaption>In full size: <a href=\"{name}.png\">the picture</a>, or \
         <a href=\"{name}.svg\">the same as a drawing (SVG)</a></figcaption>\n\
         </figure>\n</section>\n",
        escape(&entry.figure.description),
    )
}

/// So many parameters are shown without being asked for.
const OPEN: usize = 24;

/// A parameter of more characters has a line of its own.
const LONG: usize = 34;

/// Width and height of a PNG, from its first chunk, so that the page does not jump when it arrives.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let side = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((side(16)?, side(20)?))
}

fn setup(entry: &Entry) -> String {
    let mut out = String::from("<section>\n<h2 id=\"setup\">Set-up</h2>\n");
    let Some(setup) = &entry.setup else {
        out.push_str("<p>The results have no manifest: how they were made is not known.</p>\n</section>\n");
        return out;
    };
    let facts = [
        ("profile", setup.profile.clone()),
        ("seeds", ranges(&setup.seeds)),
        ("version", format!("rewardlab {}", setup.version)),
        ("rows", setup.rows.to_string()),
        ("SHA-256 of the rows", format!("{}…", setup.rows_sha256.get(..12).unwrap_or(&setup.rows_sha256))),
        ("time", time(setup)),
    ];
    out.push_str("<dl class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    }
    out.push_str("</dl>\n");
    let mut leaves = Vec::new();
    flatten(&setup.params, "", &mut leaves);
    if !leaves.is_empty() {
        let open = if leaves.len() <= OPEN { " open" } else { "" };
        let _ = write!(out, "<details{open}><summary>{} parameters</summary>\n<dl class=\"params\">", leaves.len());
        for (name, value) in leaves {
            let long = if name.len().max(value.chars().count()) > LONG { " class=\"long\"" } else { "" };
            let value = if value == "\"\"" { "empty".into() } else { format!("<code>{}</code>", escape(&value)) };
            let _ = write!(out, "<div{long}><dt><code>{}</code></dt><dd>{value}</dd></div>", escape(&name));
        }
        out.push_str("</dl></details>\n");
    }
    out.push_str("</section>\n");
    out
}

fn time(setup: &Setup) -> String {
    let seconds = setup.unit_seconds;
    if seconds < 120.0 { format!("{} CPU s", short(seconds)) } else { format!("{:.0} CPU min", seconds / 60.0) }
}

/// `0–9, 12`: runs of successive seeds.
fn ranges(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => runs.push((seed, seed)),
        }
    }
    let shown = runs.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}–{b}") });
    let shown: Vec<String> = shown.collect();
    format!("{} ({})", shown.join(", "), seeds.len())
}

/// Dotted names of all leaves, as `--set` takes them, with their values as TOML writes them.
fn flatten(table: &toml::Table, prefix: &str, out: &mut Vec<(String, String)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(inner, &format!("{prefix}{key}."), out),
            leaf => out.push((format!("{prefix}{key}"), leaf.to_string())),
        }
    }
}

fn reproduce(book: &Book, entry: &Entry, up: &str) -> String {
    let j = &entry.judged;
    let name = escape(j.id.rsplit('/').next().unwrap_or(&j.id));
    let mut out = String::from("<section>\n<h2 id=\"reproduce\">Command and source</h2>\n");
    if let Some(command) = &j.command {
        let _ = writeln!(
            out,
            "<pre tabindex=\"0\" role=\"region\" aria-label=\"Command\"><code>{}</code></pre>",
            escape(command)
        );
    }
    out.push_str("<ul class=\"links\">\n");
    let file = source::file(&j.id);
    if book.sources.contains_key(&file) {
        let _ = writeln!(
            out,
            "<li>Source: <a href=\"{up}{}\"><code>experiments/<wbr>{}</code></a>, as built into the program that wrote this page</li>",
            escape(&source::path(&j.id)),
            html::path(&file)
        );
        if let Some(repository) = &book.repository {
            let address = escape(&format!("{}/experiments/{file}", repository.trim_end_matches('/')));
            let _ = writeln!(out, "<li>The same in the repository: <a href=\"{address}\">{address}</a></li>");
        }
    }
    let _ = writeln!(out, "<li>Verdicts with all digits: <a href=\"{name}.csv\">{name}.csv</a></li>");
    if j.id == TRANSFER && !book.pairs.is_empty() {
        let _ = writeln!(out, "<li>Effect by effect: <a href=\"{up}{}\">the table</a></li>", transfer::PATH);
    }
    out.push_str("</ul>\n</section>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_parameters_are_short_and_whole() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0–2, 5, 7–8 (6)");
        assert_eq!(ranges(&[u64::MAX]), format!("{} (1)", u64::MAX));
        let table = "a = 1\n[b]\nc = [1.5, 2.0]\n[b.d]\ne = \"x\"\n".parse().expect("TOML");
        let mut leaves = Vec::new();
        flatten(&table, "", &mut leaves);
        let leaves: Vec<String> = leaves.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(leaves, ["a=1", "b.c=[1.5, 2.0]", "b.d.e=\"x\""]);
    }

    #[test]
    fn the_size_of_a_picture_is_in_its_header() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0, 0, 4, 176, 0, 0, 3, 234]);
        assert_eq!((size(&png), size(b"short")), (Some((1200, 1002)), None));
    }
}
