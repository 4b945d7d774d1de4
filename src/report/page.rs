//! The report as Markdown (pictures beside it) and as one self-contained HTML page (pictures inside it).

use super::html::{STYLE, escape, sentence, tally_cells, tally_header, with_papers};
use super::{Figure, Judged, Tally, verdicts};
use base64::Engine;
use std::fmt::Write;

/// REPORT.md: links are relative to the folder that holds the experiments.
pub fn markdown(judged: &[Judged]) -> String {
    let mut out = String::from("# rewardlab: claims and verdicts\n\n");
    let _ = writeln!(out, "{}\n", summary(judged));
    out.push_str("| experiment | paper item | reproduced | refuted | inconclusive |\n|---|---|---|---|---|\n");
    for j in judged {
        let t = Tally::of(&j.checks);
        let anchor = j.id.replace('/', "");
        let _ = writeln!(
            out,
            "| [{}](#{anchor}) | {} | {} | {} | {} |",
            j.id, j.paper, t.reproduced, t.refuted, t.inconclusive
        );
    }
    for j in judged {
        let _ = writeln!(out, "\n## {}\n\n{}. *{}*\n", j.id, j.claim.trim_end_matches('.'), j.paper);
        if let Some(command) = &j.command {
            let _ = writeln!(out, "`{command}` → [rows.csv]({0}/rows.csv), [checks.csv]({0}/checks.csv)\n", j.id);
        }
        for failure in &j.failures {
            let _ = writeln!(out, "**failed**: {failure}\n");
        }
        let _ = writeln!(out, "![{}]({}/figure.png)\n", j.claim, j.id);
        out.push_str("| verdict | kind | statement | ours [95%] | criterion | paper | statistic | source |\n");
        out.push_str("|---|---|---|---|---|---|---|---|\n");
        for c in &j.checks {
            let cells = [
                format!("**{}**", c.verdict()),
                c.kind.name().to_owned(),
                format!("{} (`{}`)", c.statement, c.id),
                c.shown_estimate(),
                c.criterion.to_string(),
                c.shown_paper(),
                format!("{}; n = {}", c.statistic, c.estimate.n),
                c.source.clone(),
            ];
            let _ = writeln!(out, "| {} |", cells.map(|c| c.replace('|', "\\|")).join(" | "));
        }
    }
    out
}

/// What was checked, and what a verdict is.
pub(super) fn summary<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> String {
    let (mut experiments, mut t) = (0, Tally::default());
    for j in judged {
        experiments += 1;
        t = t.and(Tally::of(&j.checks));
    }
    format!(
        "{} checks in {} experiments: {} reproduced, {} refuted, {} inconclusive. A verdict is computed: the whole 95% \
         interval must meet the criterion (reproduced) or miss it (refuted). Claims are the paper's, theory is derived \
         in this project, controls are conditions in which the effect must vanish.",
        t.reproduced + t.refuted + t.inconclusive,
        experiments,
        t.reproduced,
        t.refuted,
        t.inconclusive
    )
}

/// index.html: everything in one file. `figures` holds the figure of each experiment, in the same order.
pub fn html(judged: &[Judged], figures: &[Figure]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>rewardlab: claims and verdicts</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>rewardlab: claims and verdicts</h1>\n<p>{}</p>\n",
        escape(&summary(judged).replace('\'', "’"))
    );
    let _ = writeln!(
        out,
        "<table class=\"experiments fold\">\n<thead><tr><th scope=\"col\">experiment</th>{}</tr></thead>\n<tbody>",
        tally_header()
    );
    for j in judged {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\" class=\"lead\"><a href=\"#{0}\">{1}</a><small><code>{0}</code></small></th>{2}</tr>",
            escape(&j.id),
            escape(&sentence(&j.claim)),
            tally_cells(Tally::of(&j.checks))
        );
    }
    out.push_str("</tbody>\n</table>\n");
    for (j, figure) in judged.iter().zip(figures) {
        let _ = writeln!(
            out,
            "<h2 id=\"{0}\">{1}</h2>\n<p class=\"cite\">{2}. <code>{0}</code></p>",
            escape(&j.id),
            escape(&sentence(&j.claim)),
            with_papers(&j.paper)
        );
        if let Some(command) = &j.command {
            let _ = writeln!(out, "<pre><code>{}</code></pre>", escape(command));
        }
        out.push_str(&failures(j));
        let data = base64::engine::general_purpose::STANDARD.encode(&figure.png);
        let _ = writeln!(
            out,
            "<figure class=\"plate\"><img alt=\"{}\" src=\"data:image/png;base64,{data}\"></figure>",
            escape(&figure.description)
        );
        out.push_str(&verdicts::table(&j.checks, &format!("{}/", j.id), |_| None));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Units without rows, each with its reason.
pub(super) fn failures(judged: &Judged) -> String {
    judged.failures.iter().fold(String::new(), |mut out, failure| {
        let _ = writeln!(out, "<p class=\"failed\"><strong>failed</strong>: {}</p>", escape(failure));
        out
    })
}
