//! A language model as it is published: config, weights, tokeniser and chat template, from a folder or a file.

use super::chat::{ChatTemplate, Message};
use super::config::{Config, ScoreHead};
use super::gguf::Gguf;
use super::layout::Layout;
use super::lora::Lora;
use super::tokenizer::{Special, Tokenizer, read_optional};
use super::weights::{Precision, load_model, replace, save_weights, write_json};
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A decoder language model with everything that goes with it.
#[derive(Clone, Debug)]
pub struct LanguageModel {
    /// What it is made of.
    pub config: Config,
    /// The weights, flat, in the order of the config's [`Layout`].
    pub params: Vec<f32>,
    /// Text to ids and back.
    pub tokenizer: Tokenizer,
    /// How it wants conversations; none for a model that only continues text.
    pub chat_template: Option<ChatTemplate>,
}

impl LanguageModel {
    /// Reads a Hugging Face folder (`config.json`, safetensors in F32, F16 or BF16, `tokenizer.json`) or a GGUF file.
    /// Weights become f32.
    ///
    /// # Errors
    /// A path that is neither; a missing, truncated or malformed file; an architecture, option, tensor type or tokeniser
    /// that is not known; a tokeniser that does not fit the model. One line that names the file, the place and the value.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_scored(path, &[])
    }

    /// The same with score heads, which start at zero where the files do not have them.
    ///
    /// # Errors
    /// As [`LanguageModel::load`].
    pub fn load_scored(path: &Path, heads: &[ScoreHead]) -> Result<Self> {
        let kind = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if kind.is_dir() { Self::from_folder(path, heads) } else { Self::from_gguf(path)?.with_heads(heads) }
    }

    /// The same with other score heads, which start at zero.
    ///
    /// # Errors
    /// Heads that no layout has: without outputs or with equal names.
    pub fn with_heads(mut self, heads: &[ScoreHead]) -> Result<Self> {
        let without = Config { scores: Vec::new(), ..self.config.clone() };
        self.params.truncate(Layout::new(&without)?.len());
        self.config.scores = heads.to_vec();
        // they are the layout's last tensors
        self.params.resize(Layout::new(&self.config)?.len(), 0.0);
        Ok(self)
    }

    /// Makes the weights those with low-rank adapters in a folder of PEFT's.
    ///
    /// # Errors
    /// As [`Lora::load`].
    pub fn adapt(&mut self, folder: &Path) -> Result<()> {
        let (lora, adapter) = Lora::load(folder, &self.config)?;
        let mut merged = self.params.clone();
        lora.merge(&self.params, &adapter, &mut merged)?;
        self.params = merged;
        Ok(())
    }

    fn from_folder(folder: &Path, heads: &[ScoreHead]) -> Result<Self> {
        let config = Config::read(&folder.join("config.json"))?;
        let tokenizer = Tokenizer::from_folder(folder, config.vocab)?;
        let chat_template = match template_in(folder)? {
            Some((path, source)) => Some(ChatTemplate::new(&path, source, names(&tokenizer))?),
            None => None,
        };
        let (config, params) = load_model(folder, heads)?;
        Ok(Self { config, params, tokenizer, chat_template })
    }

    fn from_gguf(path: &Path) -> Result<Self> {
        let file = Gguf::open(path)?;
        let config = file.config()?;
        let tokenizer = Tokenizer::from_gguf(&file, config.vocab)?;
        let chat_template = match file.text("tokenizer.chat_template")? {
            Some(source) => Some(ChatTemplate::new(path, source.to_owned(), names(&tokenizer))?),
            None => None,
        };
        let params = file.read_weights(&config)?;
        Ok(Self { config, params, tokenizer, chat_template })
    }

    /// The ids of a conversation; with `open` they end where the model's next turn begins. Without a chat template it is
    /// plain text: the turns' contents, a line break between them, with the tokens that begin every text.
    ///
    /// # Errors
    /// A conversation that the template refuses.
    pub fn encode_chat(&self, messages: &[Message], open: bool) -> Result<Vec<u32>> {
        if let Some(template) = &self.chat_template {
            return self.tokenizer.encode_part(&template.render(messages, open)?);
        }
        let contents: Vec<&str> = messages.iter().map(|m| m.content.as_str()).collect();
        self.tokenizer.encode(&contents.join("\n"))
    }

    /// The ids of a conversation that waits for a reply, and those of the reply. What the template puts behind the reply's last end
    /// token is left off, since no sampled reply has it.
    ///
    /// # Errors
    /// A model without a chat template; conversations that it refuses, or that do not go on as they began.
    pub fn encode_reply(&self, messages: &[Message], reply: &[Message]) -> Result<(Vec<u32>, Vec<u32>)> {
        let none = || Error::Usage("the model has no chat template for messages: give plain text".into());
        let (before, rest) = self.chat_template.as_ref().ok_or_else(none)?.render_reply(messages, reply)?;
        let mut ids = self.tokenizer.encode_part(&rest)?;
        let ends = self.tokenizer.special().ends()?;
        if let Some(last) = ids.iter().rposition(|id| ends.contains(*id))
            && self.tokenizer.decode_all(&ids[last + 1..])?.trim().is_empty()
        {
            ids.truncate(last + 1);
        }
        Ok((self.tokenizer.encode_part(&before)?, ids))
    }

    /// Writes a folder that [`LanguageModel::load`] and Hugging Face's Transformers read: `config.json`,
    /// `generation_config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json`. Files of these names are
    /// replaced, each at once. With one score head it is a model for sequence classification.
    ///
    /// # Errors
    /// A folder that cannot be written; an option that the family's config file cannot say; weights that do not fit the
    /// config.
    pub fn save(&self, folder: &Path, precision: Precision) -> Result<()> {
        let mut config = self.config.to_hf()?;
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        save_weights(folder, &self.config, &self.params, precision)?;
        config["dtype"] = json!(precision.name());
        config["torch_dtype"] = json!(precision.name());
        let special = self.tokenizer.special();
        add_ids(&mut config, special);
        if let [head] = self.config.scores.as_slice() {
            say_head(&mut config, head, special);
        }
        let mut generation = json!({});
        add_ids(&mut generation, special);
        write_json(&folder.join("config.json"), &config)?;
        write_json(&folder.join("generation_config.json"), &generation)?;
        replace(&folder.join("tokenizer.json"), self.tokenizer.to_json()?.as_bytes())?;
        let mut tokenizer = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": self.config.context,
            "clean_up_tokenization_spaces": false,
        });
        for (key, name) in names(&self.tokenizer) {
            tokenizer[key] = json!(name);
        }
        if let Some(template) = &self.chat_template {
            tokenizer["chat_template"] = json!(template.source());
        }
        write_json(&folder.join("tokenizer_config.json"), &tokenizer)
    }
}

/// Makes a config file that of a model for sequence classification, or of a reward model if there is one score.
fn say_head(json: &mut Value, head: &ScoreHead, special: &Special) {
    let class = json["architectures"][0].as_str().unwrap_or_default();
    let class = class.trim_end_matches("LMHeadModel").trim_end_matches("ForCausalLM").to_owned();
    json["architectures"] = json!([format!("{class}ForSequenceClassification")]);
    let label = |i: usize| format!("LABEL_{i}");
    let names: serde_json::Map<String, Value> = (0..head.outputs).map(|i| (i.to_string(), json!(label(i)))).collect();
    let ids: serde_json::Map<String, Value> = (0..head.outputs).map(|i| (label(i), json!(i))).collect();
    json["id2label"] = Value::Object(names);
    json["label2id"] = Value::Object(ids);
    json["num_labels"] = json!(head.outputs);
    // Transformers needs one to find the last token of a padded row
    if json["pad_token_id"].is_null() {
        json["pad_token_id"] = json!(special.pad.or(special.eos.first().copied()));
    }
}

/// The special tokens' ids under their names in config files.
fn add_ids(json: &mut Value, special: &Special) {
    for (name, id) in special.named().filter(|(name, _)| *name != "unk") {
        json[format!("{name}_token_id")] = json!(id);
    }
    if special.eos.len() > 1 {
        json["eos_token_id"] = json!(special.eos);
    }
}

/// `bos_token` and the like, by name.
fn names(tokenizer: &Tokenizer) -> BTreeMap<String, String> {
    let named = tokenizer.special().named();
    named.filter_map(|(name, id)| Some((format!("{name}_token"), tokenizer.token(id)?))).collect()
}

/// The chat template of a folder, with the file that holds it: `chat_template.jinja`, or the (default) one in
/// `tokenizer_config.json`.
fn template_in(folder: &Path) -> Result<Option<(std::path::PathBuf, String)>> {
    let path = folder.join("chat_template.jinja");
    match fs::read_to_string(&path) {
        Ok(source) => return Ok(Some((path, source))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io(&path, e)),
    }
    let path = folder.join("tokenizer_config.json");
    let Some(json) = read_optional(&path)? else { return Ok(None) };
    let template = &json["chat_template"];
    let source = match template {
        Value::Null => return Ok(None),
        Value::String(source) => Some(source.as_str()),
        Value::Array(all) => all.iter().find(|t| t["name"] == "default").and_then(|t| t["template"].as_str()),
        _ => None,
    };
    let wrong = || Error::content(&path, "chat_template", "expected a string, or a list with a template named default");
    source.map(|s| Some((path.clone(), s.to_owned()))).ok_or_else(wrong)
}
