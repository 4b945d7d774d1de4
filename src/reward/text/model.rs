//! Language models with a score head as rewards: classifiers and reward models, from Hugging Face folders.

use super::Written;
use crate::error::{Error, Result};
use crate::lm::candle::Resident;
use crate::lm::{Batch, Device, Keep, LanguageModel, Message, Placement, ScoreHead, cpu};
use crate::num::log_softmax;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Texts that are read at a time.
const TEXTS: usize = 8;
/// What Transformers calls the head.
const HEAD: &str = "score";

/// What computes the scores.
#[derive(Debug)]
enum Engine {
    Cpu(Box<cpu::Engine>),
    Device(Box<Resident>),
}

/// A model of the shape of Transformers' `…ForSequenceClassification`: scores of the last token by a head that is called `score`.
#[derive(Debug)]
pub struct ScoreModel {
    model: LanguageModel,
    engine: Engine,
    /// Whose probability is the reward; none for a reward model, whose one score it is.
    label: Option<usize>,
}

impl ScoreModel {
    /// A classifier: `FOLDER`, or `FOLDER#LABEL` with a label's name or number; the last label if none is given.
    ///
    /// # Errors
    /// Files that are missing or malformed; a label that the model does not have; a model with fewer than two labels.
    pub fn classifier(text: &str) -> Result<Self> {
        let (folder, label) = text.rsplit_once('#').map_or((text, None), |(f, l)| (f, Some(l)));
        let path = Path::new(folder);
        let labels = labels(path)?;
        if labels.len() < 2 {
            return Err(Error::content(path.join("config.json"), "num_labels", "a classifier has two labels or more"));
        }
        let wanted = match label {
            None => labels.len() - 1,
            Some(label) => {
                let by_number = label.parse().ok().filter(|i| *i < labels.len());
                let by_name = || labels.iter().position(|l| l == label);
                by_number
                    .or_else(by_name)
                    .ok_or_else(|| Error::unknown("label", label, labels.iter().map(String::as_str)))?
            }
        };
        Self::load(path, labels.len(), Some(wanted))
    }

    /// A reward model: one score.
    ///
    /// # Errors
    /// Files that are missing or malformed; a model with several labels.
    pub fn reward_model(folder: &Path) -> Result<Self> {
        let labels = labels(folder)?;
        if labels.len() != 1 {
            let message = format!("{} labels, expected 1: for a classifier say classifier:DIR#LABEL", labels.len());
            return Err(Error::content(folder.join("config.json"), "num_labels", message));
        }
        Self::load(folder, 1, None)
    }

    fn load(folder: &Path, outputs: usize, label: Option<usize>) -> Result<Self> {
        let model = LanguageModel::load_scored(folder, &[ScoreHead { name: HEAD.into(), outputs }])?;
        let engine = cpu::Engine::new(&model.config)?;
        let head = engine.layout().tensor("score.weight")?.range.clone();
        if model.params[head].iter().all(|w| *w == 0.0) {
            return Err(Error::content(
                folder,
                "score.weight",
                "tensor is missing: this is no classifier or reward model",
            ));
        }
        Ok(Self { model, engine: Engine::Cpu(Box::new(engine)), label })
    }

    /// The same, computed on a device.
    ///
    /// # Errors
    /// A device that is not there or was not built in; an option that it does not have.
    pub fn on(mut self, placement: &Placement) -> Result<Self> {
        placement.validate()?;
        self.engine = if placement.device == Device::Cpu {
            Engine::Cpu(Box::new(cpu::Engine::new(&self.model.config)?))
        } else {
            Engine::Device(Box::new(Resident::on(placement, &self.model.config, &self.model.params)?))
        };
        Ok(self)
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.label.map(|_| (0.0, 1.0))
    }

    /// A conversation through the chat template; of plain text a classifier, which was trained on texts, reads prompt and completion as
    /// one, a reward model, which was trained on completions of prompts, their tokens one after the other.
    fn ids(&self, w: &Written) -> Result<Vec<u32>> {
        let (model, tokenizer) = (&self.model, &self.model.tokenizer);
        if !w.messages.is_empty() && model.chat_template.is_some() {
            let (prompt, reply) = model.encode_reply(w.messages, &[Message::assistant(w.completion)])?;
            return Ok([prompt, reply].concat());
        }
        if self.label.is_some() {
            return tokenizer.encode(&format!("{}{}", w.prompt, w.completion));
        }
        Ok([tokenizer.encode(w.prompt)?, tokenizer.encode_part(w.completion)?].concat())
    }

    /// Of prompt and completion together, cut at the front where they are longer than the model reads.
    pub(super) fn score(&mut self, written: &[Written]) -> Result<Vec<f64>> {
        let mut rewards = Vec::with_capacity(written.len());
        for part in written.chunks(TEXTS) {
            let mut texts = Vec::with_capacity(part.len());
            for w in part {
                let ids = self.ids(w)?;
                let from = ids.len().saturating_sub(self.model.config.context);
                texts.push(if ids.is_empty() { vec![0] } else { ids[from..].to_vec() });
            }
            let batch = Batch::new(&texts);
            let ends: Vec<usize> = batch.all_rows().map(|r| r.end - 1).collect();
            let mut scores = match &mut self.engine {
                Engine::Cpu(engine) => {
                    engine.forward(&self.model.params, &batch, Keep::Final)?;
                    engine.scores(&self.model.params, 0, &ends)?
                }
                Engine::Device(model) => {
                    model.forward(&batch, Keep::Final)?;
                    model.scores(0, &ends)?
                }
            };
            let outputs = scores.len() / ends.len().max(1);
            for row in scores.chunks_mut(outputs.max(1)) {
                rewards.push(match self.label {
                    None => row[0],
                    Some(label) => {
                        log_softmax(row);
                        row[label].exp()
                    }
                });
            }
        }
        Ok(rewards)
    }
}

/// The score head that a model's folder has beside its language model, by its `config.json`: a reward model's one score, a
/// classifier's labels; none for a model that only writes.
///
/// # Errors
/// A `config.json` that cannot be read.
pub fn score_head(folder: &Path) -> Result<Option<ScoreHead>> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| Error::content(&path, "JSON", e.to_string()))?;
    let of_scores = |name: &Value| name.as_str().is_some_and(|n| n.ends_with("ForSequenceClassification"));
    if !json["architectures"].as_array().is_some_and(|all| all.iter().any(of_scores)) {
        return Ok(None);
    }
    Ok(Some(ScoreHead { name: HEAD.into(), outputs: labels(folder)?.len() }))
}

/// The labels' names that a `config.json` gives, by number: `id2label`, or `num_labels` without names.
fn labels(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let json: Value = serde_json::from_str(&text).map_err(|e| Error::content(&path, "JSON", e.to_string()))?;
    if let Some(map) = json["id2label"].as_object() {
        let name = |i: usize| map.get(&i.to_string()).and_then(Value::as_str).map(str::to_owned);
        let wrong = || Error::content(&path, "id2label", "expected names of the labels 0, 1, …");
        return (0..map.len()).map(|i| name(i).ok_or_else(wrong)).collect();
    }
    let count = json["num_labels"].as_u64().unwrap_or(2).min(1 << 16);
    Ok((0..count).map(|i| i.to_string()).collect())
}
