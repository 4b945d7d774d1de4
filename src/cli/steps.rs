//! `rewardlab steps`.

use super::out;
use crate::error::Result;
use crate::reward::{LabelledSolution, StepFile, counted, read_step_labels};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// JSONL in TRL's stepwise shape: {"prompt", "completions", "labels"}, labels -1, 0 or 1 (or true and false), with "answer" and
    /// "generation"
    file: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let file = read_step_labels(&args.file)?;
    out(&said(&file));
    Ok(0)
}

fn said(file: &StepFile) -> String {
    let solutions = &file.solutions;
    let prompts = solutions.iter().map(|s| &s.prompt).collect::<HashSet<_>>().len();
    let mut of = [0_usize; 3];
    for label in solutions.iter().flat_map(|s| &s.labels) {
        of[(label.value() + 1) as usize] += 1;
    }
    let steps: usize = of.iter().sum();
    let answers = solutions.iter().filter(|s| s.answer.is_some()).count();
    let mut lines = vec![
        format!("{} of {}, {answers} with an answer", counted(solutions.len(), "solution"), counted(prompts, "prompt")),
        format!(
            "{}: {} right (+1), {} neutral (0), {} wrong (-1)",
            counted(steps, "labelled step"),
            of[2],
            of[1],
            of[0]
        ),
    ];
    let unused: usize = solutions.iter().map(LabelledSolution::unused).sum();
    if unused > 0 {
        lines.push(format!("{} behind a first wrong step, where supervision ends: not used", counted(unused, "label")));
    }
    if file.booleans {
        lines.push("labels are true and false, as TRL's: read as +1 and -1".into());
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    solutions.iter().filter_map(|s| s.finish_reason).for_each(|r| *reasons.entry(r.name()).or_default() += 1);
    if !reasons.is_empty() {
        let listed: Vec<String> = reasons.iter().map(|(name, count)| format!("{count} {name}")).collect();
        lines.push(format!("finish reasons: {}", listed.join(", ")));
    }
    let mut rounds: BTreeMap<u64, usize> = BTreeMap::new();
    solutions.iter().filter_map(|s| s.generation).for_each(|g| *rounds.entry(g).or_default() += 1);
    if !rounds.is_empty() {
        let listed: Vec<String> = rounds.iter().map(|(round, count)| format!("{round}: {count}")).collect();
        lines.push(format!("solutions by generation: {}", listed.join(", ")));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::StepLabel;
    use crate::reward::FinishReason;

    #[test]
    fn counts_are_said() {
        let one = LabelledSolution {
            prompt: "p".into(),
            completions: vec!["a".into(), "b".into(), "c".into()],
            labels: vec![StepLabel::Positive, StepLabel::Neutral, StepLabel::Negative],
            answer: None,
            generation: Some(2),
            finish_reason: Some(FinishReason::FoundError),
        };
        let bare = LabelledSolution { answer: Some("3".into()), generation: None, finish_reason: None, ..one.clone() };
        assert_eq!(
            said(&StepFile { solutions: vec![one, bare.clone()], booleans: true }),
            "2 solutions of 1 prompt, 1 with an answer\n6 labelled steps: 2 right (+1), 2 neutral (0), 2 wrong (-1)\n\
             labels are true and false, as TRL's: read as +1 and -1\nfinish reasons: 1 found_error\n\
             solutions by generation: 2: 1\n"
        );
        let late = LabelledSolution {
            labels: vec![StepLabel::Negative, StepLabel::Negative, StepLabel::Positive],
            ..bare.clone()
        };
        let two = StepFile { solutions: vec![bare, late.clone()], booleans: false };
        assert!(said(&two).contains("\n2 labels behind a first wrong step, where supervision ends: not used\n"));
        let short = LabelledSolution { completions: vec!["a".into()], labels: vec![StepLabel::Positive], ..late };
        assert!(
            said(&StepFile { solutions: vec![short], booleans: false })
                .starts_with("1 solution of 1 prompt, 1 with an answer\n1 labelled step: 1 right (+1)")
        );
    }
}
