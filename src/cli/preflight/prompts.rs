//! The prompts' file.

use crate::algorithm::text::{Encoder, Encoding, TextPrompt};
use crate::error::Result;
use crate::lm::LanguageModel;
use crate::preference::{Shape, Text, read_lines};
use crate::reward::text::{TextReward, Written};
use std::path::Path;

/// The first so many prompts of a file, as the model reads them: through its chat template, if it has one and `plain` does not forbid it.
///
/// # Errors
/// With path and line: no JSON object, no prompt, one that is empty or leaves no room in the model's context, or that the chat template
/// refuses; a line without the answer that a verifier reads.
pub(super) fn read(
    path: &Path,
    limit: usize,
    model: &LanguageModel,
    plain: bool,
    reward: &mut TextReward,
) -> Result<Vec<TextPrompt>> {
    let mut lines = read_lines(path)?;
    lines.lines.truncate(limit);
    let plain = plain || model.chat_template.is_none();
    for line in &mut lines.lines {
        if let Shape::Prompt(prompt) | Shape::Completion { prompt, .. } = &mut line.shape {
            if plain {
                *prompt = Text::Plain(prompt.content().into_owned());
            }
            // an answer beside the prompt is for rewards, not for the model
            let prompt = prompt.clone();
            if let Shape::Completion { completion, .. } = &line.shape {
                line.fields.insert("completion".into(), completion.content().into());
            }
            line.shape = Shape::Prompt(prompt);
        }
    }
    // a verifier without its answer is told before anything is sampled
    if matches!(reward, TextReward::Exact(_) | TextReward::Number(_)) {
        for line in &lines.lines {
            let Shape::Prompt(prompt) = &line.shape else { continue };
            let none = Written { prompt: &prompt.content(), messages: &[], completion: "", fields: &line.fields };
            reward.score(&[none]).map_err(|e| lines.wrong(line, e.to_string()))?;
        }
    }
    let encoding = Encoding { chat: !plain, end: false, ..Encoding::default() };
    Ok(Encoder::new(model, &encoding)?.prompts(&lines)?.items)
}
