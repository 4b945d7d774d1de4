//! `rewardlab preferences`.

use super::out;
use crate::error::Result;
use crate::preference::{Text, read_marked, read_pairs};
use std::collections::HashSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// JSONL in TRL's shape: {"prompt", "chosen", "rejected"}, texts or lists of messages
    file: PathBuf,
    /// The lines are {"prompt", "completion", "label"}
    #[arg(long)]
    marked: bool,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let said = if args.marked {
        let marked = read_marked(&args.file)?;
        let good = marked.iter().filter(|m| m.label).count();
        let prompts = distinct(marked.iter().map(|m| &m.prompt));
        format!("{} completions of {prompts} prompts, {good} of them good\n", marked.len())
    } else {
        let pairs = read_pairs(&args.file)?;
        let prompts = distinct(pairs.iter().map(|p| &p.prompt));
        let different = distinct(pairs.iter());
        let longer = pairs.iter().filter(|p| length(&p.chosen) > length(&p.rejected)).count();
        format!(
            "{} pairs of {prompts} prompts, {different} of them different; the chosen completion is the longer one in {:.1}%\n",
            pairs.len(),
            100.0 * longer as f64 / pairs.len() as f64
        )
    };
    out(&said);
    Ok(0)
}

fn distinct<T: Eq + std::hash::Hash>(of: impl Iterator<Item = T>) -> usize {
    of.collect::<HashSet<_>>().len()
}

/// Characters.
fn length(text: &Text) -> usize {
    match text {
        Text::Plain(text) => text.chars().count(),
        Text::Messages(messages) => messages.iter().map(|m| m.content.chars().count()).sum(),
    }
}
