//! index.html: everything in one file.

use super::again::Change;
use super::{Report, count, interval, prompts_of};
use crate::metrics::SpreadPrediction;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}th,td{border:1px solid #ccc;padding:.3rem .5rem;text-align:left}\
img{max-width:100%;background:#fff}.stuck{font-weight:600;color:#a63c00}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.stuck{color:#ff9f5e}}";

pub(super) fn html(report: &Report, picture: &[u8]) -> String {
    let said = &report.said;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>rewardlab preflight</title><style>{STYLE}</style></head><body>\n<h1>Which prompts will have a gradient</h1>\n\
         <p>Model <code>{}</code>, reward <code>{}</code>. {}: {} alive, {} open (low reward, and more samples would tell), {} said to vanish with a high reward, \
         <span class=\"stuck\">{} although their reward is low</span>, with a probability of at least {}. A reward std below {:.4} counts as vanished. \
         What all prompts say weighs as much as {:.2} samples in what is said of one. Intervals are 95% of the posterior.</p>\n{}\
         <img alt=\"Reward std against mean reward, and dead groups\" src=\"data:image/png;base64,{}\">\n",
        escape(&report.model),
        escape(&report.reward),
        prompts_of(report.rows.len()),
        count(report, "alive"),
        count(report, "open"),
        count(report, "mastered"),
        count(report, "stuck"),
        SpreadPrediction::SURE,
        said.threshold,
        said.prior_weight,
        super::constant(report).map(|text| format!("<p><strong>{}</strong></p>\n", escape(&text))).unwrap_or_default(),
        STANDARD.encode(picture)
    );
    page.push_str("<h2>Dead groups</h2>\n<table><tr><th>completions in a group<th>expected share that is dead</tr>\n");
    for (i, group) in report.groups.iter().enumerate() {
        // writing to a string cannot fail
        let _ = writeln!(page, "<tr><td>{group}<td>{}</tr>", interval(&said.dead(i)));
    }
    page.push_str("</table>\n");
    again(&mut page, report);
    page.push_str("<h2>Prompts</h2>\n<table><tr><th>#<th>state<th>samples<th>mean<th>std<th>P(vanishes)<th>dead groups<th>prompt</tr>\n");
    let mut order: Vec<_> = report.rows.iter().collect();
    order.sort_by(|a, b| rank(b.state).cmp(&rank(a.state)).then(a.std.total_cmp(&b.std)));
    for r in order {
        let p = &said.spreads.prompts[r.prompt];
        let _ = writeln!(
            page,
            "<tr class=\"{0}\"><td>{1}<td>{0}<td>{2}<td>{3}<td>{4}<td>{5:.2}<td>{6}<td>{7}</tr>",
            r.state,
            r.prompt,
            r.samples,
            interval(&p.mean),
            interval(&p.std),
            r.vanishes,
            escape(&r.dead),
            escape(&r.text)
        );
    }
    page.push_str("</table>\n</body></html>\n");
    page
}

/// The prompts that were measured again, change by change, beside the control.
fn again(page: &mut String, report: &Report) {
    if report.again.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Measured again</h2>\n<p>Means over the prompts that were sampled again. In brackets: the same prompts sampled again with nothing \
         changed, as often; in the first row, their first samples. All are judged by what all prompts said at first.</p>\n\
         <table><tr><th>change<th>prompts<th>reward std<th>its change<th>mean reward<th>said to vanish",
    );
    for group in &report.groups {
        let _ = write!(page, "<th>dead groups of {group}");
    }
    page.push_str("</tr>\n");
    for of in &report.again {
        let change = match of.change {
            Change::Nothing => "nothing (control)".to_owned(),
            Change::Temperature(t) => format!("temperature {t}"),
            Change::Sft { share, learned, loss } => {
                format!("supervised finetuning on {share} of the prompts ({learned}), loss {loss:.3} nats per token")
            }
        };
        let (before, after) = (&of.before, &of.after);
        let _ = write!(
            page,
            "<tr><td>{change}<td>{}<td>{} ({:.3})<td>{}{}<td>{} ({:.3})<td>{} ({})",
            of.prompts.len(),
            interval(&after.std()),
            before.std().value,
            of.gain(),
            if of.is_clear() { "" } else { ", not beyond its interval" },
            interval(&after.mean()),
            before.mean().value,
            after.vanishing(),
            before.vanishing()
        );
        for group in 0..report.groups.len() {
            let _ = write!(page, "<td>{} ({:.3})", interval(&after.dead(group)), before.dead(group).value);
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

/// What the reader wants to see first.
fn rank(state: &str) -> u8 {
    match state {
        "stuck" => 2,
        "open" => 1,
        _ => 0,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
