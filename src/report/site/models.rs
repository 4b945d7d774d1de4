//! What the language models of experiments are, as the parameters of their runs say it.

use super::Entry;
use crate::report::html::escape;
use std::collections::BTreeSet;

/// A paragraph on the language models of these experiments; empty where the results do not say.
pub(super) fn paragraph<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let (mut made, mut published) = (BTreeSet::new(), BTreeSet::new());
    for setup in entries.into_iter().filter_map(|e| e.setup.as_ref()) {
        let model = setup.params.get("subject").and_then(|s| s.get("model")).and_then(toml::Value::as_str);
        match model {
            Some("") => made.insert(code(&setup.profile)),
            Some(name) => published.insert(code(name)),
            None => false,
        };
    }
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    match (made.is_empty(), published.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(
            "<p class=\"models\">The language models here are small transformers, made on the fly by the runs themselves (profile {}; \
             their parameter <code>subject.model</code> is empty). No published model was measured: the <code>gpu</code> version has \
             not been run by us.</p>\n",
            list(made)
        ),
        (true, false) => format!("<p class=\"models\">The language models here are {}.</p>\n", list(published)),
        (false, false) => format!(
            "<p class=\"models\">The language models here are {} in some runs, and in others small transformers, made on the fly by \
             the runs themselves (profile {}); an experiment’s parameter <code>subject.model</code> says which.</p>\n",
            list(published),
            list(made)
        ),
    }
}

fn code(name: &str) -> String {
    format!("<code>{}</code>", escape(name))
}
