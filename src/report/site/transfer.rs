//! The table of small worlds against language models, effect by effect.

use super::layout::{Place, page as layout};
use super::{Book, Entry, models};
use crate::error::{Error, Result};
use crate::record::Table;
use crate::report::html::{escape, sentence, verdict};
use crate::report::{Verdict, short, verdicts};
use serde::Deserialize;
use std::fmt::Write;
use std::path::Path;

/// The experiment whose rows are the pairs.
pub const ID: &str = "real_models/transfer";

/// The page.
pub(super) const PATH: &str = "sim-to-real.html";

/// An effect in a small world and in a language model; a row of that experiment.
#[derive(Clone, Debug, Deserialize)]
pub struct Pair {
    cell: String,
    effect: String,
    unit: String,
    kind: Common,
    small: String,
    small_effect: f64,
    small_low: f64,
    small_high: f64,
    small_verdict: Verdict,
    real: String,
    real_effect: f64,
    real_low: f64,
    real_high: f64,
    real_verdict: Verdict,
}

/// What the two have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Common {
    /// Both should be zero.
    Vanishes,
    /// One unit in both.
    Sized,
    /// Another unit in each.
    Signed,
}

impl Pair {
    /// Every pair once, of rows that repeat them seed by seed.
    ///
    /// # Errors
    /// Rows without these columns, or with other values in them.
    pub fn of_rows(path: &Path, rows: &Table) -> Result<Vec<Self>> {
        let column = |name: &str| {
            let found = rows.header.iter().position(|h| h == name);
            found.ok_or_else(|| Error::content(path, "header", format!("no column `{name}`")))
        };
        let seed = column("seed")?;
        let first = rows.rows.first().map(|r| r[seed].clone());
        let own = rows.rows.iter().filter(|r| Some(&r[seed]) == first.as_ref()).cloned();
        let own = Table { header: rows.header.clone(), rows: own.collect() };
        own.decode(path, 0)
    }

    /// What becomes of the effect's sign and size.
    fn carried(&self) -> Carried {
        let leaves_open = |low: f64, high: f64| low <= 0.0 && 0.0 <= high;
        if self.kind == Common::Vanishes {
            Carried::Nothing
        } else if leaves_open(self.small_low, self.small_high) {
            Carried::SmallOpen
        } else if leaves_open(self.real_low, self.real_high) {
            Carried::RealOpen
        } else if self.small_effect * self.real_effect > 0.0 {
            Carried::Same((self.kind == Common::Sized).then(|| self.real_effect / self.small_effect))
        } else {
            Carried::Other
        }
    }
}

/// What becomes of an effect in the language model.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Carried {
    /// It should vanish in both.
    Nothing,
    /// The small world's interval holds 0.
    SmallOpen,
    /// The language model's interval holds 0.
    RealOpen,
    /// The sign; and how many times the size, where the unit is the same.
    Same(Option<f64>),
    /// The sign is the other one.
    Other,
}

impl Carried {
    fn words(self) -> String {
        match self {
            Self::Nothing => "should vanish in both".into(),
            Self::SmallOpen => "the small world leaves the sign open".into(),
            Self::RealOpen => "the language model leaves the sign open".into(),
            Self::Same(None) => "same sign".into(),
            Self::Same(Some(ratio)) => format!("same sign, {} times the size", two_digits(ratio)),
            Self::Other => "other sign".into(),
        }
    }

    /// Colour and symbol.
    fn looks(self) -> (&'static str, char) {
        match self {
            Self::Same(_) => ("reproduced", '='),
            Self::Other => ("refuted", '≠'),
            Self::Nothing | Self::SmallOpen | Self::RealOpen => ("inconclusive", '·'),
        }
    }
}

/// A positive ratio with two significant digits, all digits before the point.
fn two_digits(ratio: f64) -> String {
    let decimals = (1.0 - ratio.log10().floor()).clamp(0.0, 12.0) as usize;
    format!("{ratio:.decimals$}")
}

pub(super) fn page(book: &Book) -> String {
    let mut out = String::from("<h1>Sim to real: small worlds and language models</h1>\n");
    let entry = book.entry(ID);
    let _ = writeln!(out, "<p class=\"lede\">{}</p>", answer(&book.pairs));
    out.push_str(&whose(book, entry));
    out.push_str(
        "<p>Each row is one effect, measured in a small world in which all or nearly all is exact, and in a language model, with its 95% \
         interval.",
    );
    if entry.is_some() {
        let _ = write!(
            out,
            " How the pairs were chosen, and what came out, is said on <a href=\"{ID}.html\">the experiment’s page</a>."
        );
    }
    out.push_str("</p>\n");
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Effects\">\n<table class=\"pairs fold\">\n<thead><tr>\
         <th scope=\"col\">effect</th><th scope=\"col\">small world [95%]</th><th scope=\"col\">language model [95%]</th>\
         <th scope=\"col\">carried over</th></tr></thead>\n",
    );
    let mut paper = "";
    for pair in &book.pairs {
        if pair.cell != paper {
            let close = if paper.is_empty() { "" } else { "</tbody>\n" };
            paper = &pair.cell;
            let title = super::index::paper_title(book, paper);
            let _ = writeln!(
                out,
                "{close}<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"4\">{}</th></tr>",
                escape(&title)
            );
        }
        row(&mut out, book, pair);
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if let Some(entry) = entry {
        out.push_str("<section>\n<h2 id=\"verdicts\">In sum</h2>\n");
        out.push_str(&verdicts::table(&entry.judged.checks, "check-", |_| None));
        out.push_str("</section>\n");
    }
    layout(&Place::new(PATH, "Sim to real: small worlds and language models", true), &out)
}

/// The question, and how many effects answer what.
fn answer(pairs: &[Pair]) -> String {
    let carried: Vec<Carried> = pairs.iter().map(Pair::carried).collect();
    let count = |is: fn(&Carried) -> bool| carried.iter().filter(|c| is(c)).count();
    let ratios = || carried.iter().filter_map(|c| if let Carried::Same(ratio) = c { *ratio } else { None });
    format!(
        "Does a language model show the effect that a small world shows? Of {} effects, {} have the same sign in both and {} the other \
         sign; {} are left open by the small world, {} by the language model; {} should vanish in both. Of the {} with the same sign and \
         the same unit, {} are between half and twice the size.",
        pairs.len(),
        count(|c| matches!(c, Carried::Same(_))),
        count(|c| *c == Carried::Other),
        count(|c| *c == Carried::SmallOpen),
        count(|c| *c == Carried::RealOpen),
        count(|c| *c == Carried::Nothing),
        ratios().count(),
        ratios().filter(|r| (0.5..=2.0).contains(r)).count()
    )
}

/// Whose effects the language models' are.
fn whose(book: &Book, entry: Option<&Entry>) -> String {
    let from = entry.and_then(|e| e.setup.as_ref()?.params.get("real")?.as_str()).unwrap_or_default();
    if !from.is_empty() {
        return format!(
            "<p class=\"models\">The language models’ effects were read from <code>{}</code>, not from the results that this site \
             is of.</p>\n",
            escape(from)
        );
    }
    let is_real = |e: &&Entry| book.pairs.iter().any(|p| p.real.split(": ").next() == Some(&e.judged.id));
    models::paragraph(book.entries.iter().filter(is_real))
}

fn row(out: &mut String, book: &Book, pair: &Pair) {
    let unit = match pair.kind {
        Common::Signed => format!("{} (another unit in each)", pair.unit),
        Common::Vanishes | Common::Sized => pair.unit.clone(),
    };
    let carried = pair.carried();
    let (class, symbol) = carried.looks();
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\" class=\"lead\">{}<small>{}</small></th>{}{}\
         <td data-label=\"carried over\"><span class=\"verdict {class}\"><span aria-hidden=\"true\">{symbol}</span>\u{a0}{}</span></td></tr>",
        escape(&sentence(&pair.effect)),
        escape(&unit),
        side(
            book,
            "small world",
            &pair.small,
            [pair.small_effect, pair.small_low, pair.small_high],
            pair.small_verdict
        ),
        side(book, "language model", &pair.real, [pair.real_effect, pair.real_low, pair.real_high], pair.real_verdict),
        carried.words()
    );
}

/// The effect on one side, the verdict of its check there, and a link to it.
fn side(book: &Book, label: &str, check: &str, [value, low, high]: [f64; 3], judged: Verdict) -> String {
    let (id, name) = check.split_once(": ").unwrap_or((check, ""));
    let is_there = book.entry(id).is_some_and(|e| e.judged.checks.iter().any(|c| c.id == name));
    let (id, name) = (escape(id), escape(name));
    let shown = format!("<code>{id}: {name}</code>");
    let link = if is_there { format!("<a href=\"{id}.html#check-{name}\">{shown}</a>") } else { shown };
    format!(
        "<td data-label=\"{label}\" class=\"value\">{}<small>{}, {link}</small></td>",
        verdicts::value(&format!("{} [{}, {}]", short(value), short(low), short(high))),
        verdict(judged)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "cell,seed,effect,unit,kind,small,small_effect,small_low,small_high,small_verdict,real,real_effect,\
        real_low,real_high,real_verdict,small_draw,real_draw\n";

    fn pairs(lines: &str) -> Result<Vec<Pair>> {
        let path = Path::new("rows.csv");
        Pair::of_rows(path, &Table::parse(path, format!("{HEADER}{lines}").as_bytes())?)
    }

    #[test]
    fn a_pair_is_read_once_and_says_what_carried_over() {
        let line = |seed: u64, kind: &str, low: f64, real: f64, half: f64| {
            let (real_low, real_high) = (real - half, real + half);
            format!(
                "p,{seed},e,u,{kind},p/a: x,0.5,{low},0.6,reproduced,q/b: y,{real},{real_low},{real_high},refuted,0,0\n"
            )
        };
        let of = |kind: &str, low: f64, real: f64, half: f64| {
            let read = pairs(&(line(3, kind, low, real, half) + &line(4, kind, low, real, half))).expect("legal");
            assert_eq!(read.len(), 1);
            let carried = read[0].carried();
            (carried.looks().1, carried.words())
        };
        assert_eq!(of("sized", 0.4, 1.0, 0.5), ('=', "same sign, 2.0 times the size".into()));
        assert_eq!(of("sized", 0.4, 0.41855, 0.1).1, "same sign, 0.84 times the size");
        assert_eq!(of("sized", 0.4, 56.0, 1.0).1, "same sign, 112 times the size");
        assert_eq!(of("signed", 0.4, 1.0, 0.5), ('=', "same sign".into()));
        assert_eq!(of("sized", 0.4, -1.0, 0.5), ('≠', "other sign".into()));
        for (real, half) in [(1.0, 1.5), (-1.0, 1.5), (1.0, 1.0)] {
            assert_eq!(of("sized", 0.4, real, half), ('·', "the language model leaves the sign open".into()));
        }
        assert_eq!(of("sized", -0.4, -1.0, 0.5).1, "the small world leaves the sign open");
        assert_eq!(of("vanishes", 0.4, 1.0, 0.5).0, '·');
        let both = pairs(&(line(0, "sized", 0.4, 1.0, 0.5).replace("e,u", "f,u") + &line(0, "sized", 0.4, 1.0, 1.5)))
            .expect("legal");
        let said = answer(&both);
        assert!(said.contains("Of 2 effects, 1 have the same sign in both and 0 the other"), "{said}");
        assert!(
            said.contains("1 by the language model")
                && said.ends_with("the same unit, 1 are between half and twice the size.")
        );
        let wrong = pairs(&line(0, "other", 0.4, 1.0, 0.5)).expect_err("no such kind");
        assert!(wrong.to_string().starts_with("rows.csv, line 2"), "{wrong}");
    }
}
