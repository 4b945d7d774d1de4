//! The report as Markdown (pictures beside it) and as one self-contained HTML page (pictures inside it).

use super::{Judged, Tally, Verdict};
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

fn summary(judged: &[Judged]) -> String {
    let t = Tally::of(judged.iter().flat_map(|j| &j.checks));
    format!(
        "{} checks in {} experiments: {} reproduced, {} refuted, {} inconclusive. A verdict is computed: the whole 95% \
         interval must meet the criterion (reproduced) or miss it (refuted). Claims are the paper's, theory is derived \
         in this project, controls are conditions in which the effect must vanish.",
        t.reproduced + t.refuted + t.inconclusive,
        judged.len(),
        t.reproduced,
        t.refuted,
        t.inconclusive
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;font-size:.85rem;margin:1rem 0;display:block;overflow-x:auto}\
th,td{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}th{background:#f4f4f4}\
img{max-width:100%}code{background:#f4f4f4;padding:.1rem .3rem}\
.reproduced{color:#00674a;font-weight:600}.refuted{color:#a63c00;font-weight:600}.inconclusive{color:#555;font-weight:600}";

/// index.html: everything in one file. `pictures` holds the PNG of each experiment, in the same order.
pub fn html(judged: &[Judged], pictures: &[Vec<u8>]) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>rewardlab: claims and verdicts</title>\
         <style>{STYLE}</style></head><body>\n<h1>rewardlab: claims and verdicts</h1>\n<p>{}</p>\n<ul>\n",
        escape(&summary(judged))
    );
    for j in judged {
        let t = Tally::of(&j.checks);
        let _ = writeln!(
            out,
            "<li><a href=\"#{0}\">{0}</a>: {1} reproduced, {2} refuted, {3} inconclusive. {4}</li>",
            escape(&j.id),
            t.reproduced,
            t.refuted,
            t.inconclusive,
            escape(&j.claim)
        );
    }
    out.push_str("</ul>\n");
    for (j, picture) in judged.iter().zip(pictures) {
        let _ = writeln!(
            out,
            "<h2 id=\"{0}\">{0}</h2>\n<p>{1} <em>{2}</em></p>",
            escape(&j.id),
            escape(&j.claim),
            escape(&j.paper)
        );
        if let Some(command) = &j.command {
            let _ = writeln!(out, "<p><code>{}</code></p>", escape(command));
        }
        for failure in &j.failures {
            let _ = writeln!(out, "<p class=\"refuted\">failed: {}</p>", escape(failure));
        }
        let data = base64::engine::general_purpose::STANDARD.encode(picture);
        let _ = writeln!(out, "<img alt=\"{}\" src=\"data:image/png;base64,{data}\">", escape(&j.claim));
        out.push_str("<table><tr><th>verdict<th>kind<th>statement<th>ours [95%]<th>criterion<th>paper<th>statistic<th>source</tr>\n");
        for c in &j.checks {
            let verdict: Verdict = c.verdict();
            let _ = writeln!(
                out,
                "<tr><td class=\"{verdict}\">{verdict}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}; n = {}<td>{}</tr>",
                c.kind.name(),
                escape(&c.statement),
                escape(&c.shown_estimate()),
                escape(&c.criterion.to_string()),
                escape(&c.shown_paper()),
                escape(&c.statistic),
                c.estimate.n,
                escape(&c.source)
            );
        }
        out.push_str("</table>\n");
    }
    out.push_str("</body></html>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
