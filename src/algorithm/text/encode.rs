//! Lines of text as a model reads them.

use crate::algorithm::preference::TokenPair;
use crate::algorithm::trainee::Example;
use crate::error::{Error, Result};
use crate::lm::{LanguageModel, Message};
use crate::preference::{Lines, Pair, Shape, Text};
use crate::reward::text::Written;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which tokens of a line are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// Completions; of a conversation every turn of the assistant, each with what goes before it as its prompt.
    Completions,
    /// Prompts too.
    Everything,
}

/// What becomes of a line that has more tokens than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// It is an error that names the line.
    Refuse,
    /// It is left out.
    Drop,
    /// Its completions are cut at their ends; a prompt that leaves no room is an error.
    Cut,
}

/// How lines become tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoding {
    /// Plain prompts are turns of the user and plain completions replies: both go through the chat template.
    pub chat: bool,
    /// Which tokens are learned.
    pub learn: Learn,
    /// An end token follows plain completions and texts.
    pub end: bool,
    /// Most tokens of a prompt with its completion; 0: the model's context.
    pub length: usize,
    /// What becomes of longer ones.
    pub too_long: TooLong,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { chat: false, learn: Learn::Completions, end: true, length: 0, too_long: TooLong::Refuse }
    }
}

/// A prompt to be completed.
#[derive(Clone, Debug, PartialEq)]
pub struct TextPrompt {
    /// As the model reads it.
    pub tokens: Vec<u32>,
    /// As it was given.
    pub given: Text,
    /// As readers and rewards see it.
    pub text: String,
    /// The turns that go through the chat template, if it does.
    pub messages: Vec<Message>,
    /// The other fields of its line, where answers stand.
    pub fields: Map<String, Value>,
    /// The completion of its line, if it has one.
    pub completion: Option<Vec<u32>>,
}

impl TextPrompt {
    /// A completion of it, as rewards see it.
    pub fn written<'a>(&'a self, completion: &'a str) -> Written<'a> {
        Written { prompt: &self.text, messages: &self.messages, completion, fields: &self.fields }
    }
}

/// Lines that have become tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded<T> {
    /// What they became, in their order.
    pub items: Vec<T>,
    /// Lines that were too long and left out.
    pub dropped: usize,
    /// Completions that were too long and cut.
    pub cut: usize,
}

/// Makes tokens of lines, for one model.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    model: &'a LanguageModel,
    settings: &'a Encoding,
    longest: usize,
}

impl<'a> Encoder<'a> {
    /// # Errors
    /// A length beyond the model's context; chat with a model that has no chat template; an end token with a model that has none.
    pub fn new(model: &'a LanguageModel, settings: &'a Encoding) -> Result<Self> {
        let context = model.config.context;
        if settings.length > context {
            let legal = format!("at most the model's context of {context} tokens (0 for that)");
            return Err(Error::parameter("length", settings.length, legal));
        }
        if settings.chat && model.chat_template.is_none() {
            return Err(Error::parameter("chat", true, "false for a model without a chat template"));
        }
        if settings.end && model.tokenizer.special().eos.is_empty() {
            return Err(Error::parameter("end", true, "false for a model without an end token"));
        }
        let longest = if settings.length == 0 { context } else { settings.length };
        Ok(Self { model, settings, longest })
    }

    /// Most tokens of a prompt with its completion.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// What supervised finetuning learns from: texts, completions and conversations.
    ///
    /// # Errors
    /// With path and line: another shape; a completion that is marked `"label": false`; nothing to learn; too many tokens; what the chat
    /// template refuses.
    pub fn examples(&self, lines: &Lines) -> Result<Encoded<Example>> {
        let mut all = Encoded { items: Vec::new(), dropped: 0, cut: 0 };
        for line in &lines.lines {
            let marked_bad = line.fields.get("label") == Some(&Value::Bool(false));
            let examples = match &line.shape {
                Shape::Completion { .. } if marked_bad => {
                    let message =
                        "`label` is false: supervised finetuning learns what it is shown; leave such lines out";
                    return Err(lines.wrong(line, message));
                }
                Shape::Completion { prompt, completion } => self.completion(prompt, completion).map(|e| vec![e]),
                Shape::Whole(text) => self.whole(text).map(|e| vec![e]),
                Shape::Conversation(messages) => self.conversation(messages),
                Shape::Pair(_) | Shape::Prompt(_) => {
                    return Err(lines.misshapen(line, "prompt and completion, messages, or text"));
                }
            };
            for example in examples.map_err(|e| lines.wrong(line, e.to_string()))? {
                self.fit(&mut all, example, |e| self.shorten(&mut e.tokens, e.prompt))
                    .map_err(|e| lines.wrong(line, e.to_string()))?;
            }
        }
        self.check(lines, all)
    }

    /// Pairs of completions.
    ///
    /// # Errors
    /// With path and line: another shape; completions that are the same in tokens; too many tokens; what the chat template refuses.
    pub fn pairs(&self, lines: &Lines) -> Result<Encoded<TokenPair>> {
        let mut all = Encoded { items: Vec::new(), dropped: 0, cut: 0 };
        for line in &lines.lines {
            let Shape::Pair(pair) = &line.shape else {
                return Err(lines.misshapen(line, "chosen and rejected, with or without prompt"));
            };
            let tokens = self.pair(pair).map_err(|e| lines.wrong(line, e.to_string()))?;
            let shorten = |pair: &mut TokenPair| {
                let prompt = pair.prompt.len();
                let chosen = self.shorten_behind(prompt, &mut pair.chosen)?;
                Ok(self.shorten_behind(prompt, &mut pair.rejected)? || chosen)
            };
            self.fit(&mut all, tokens, shorten).map_err(|e| lines.wrong(line, e.to_string()))?;
            if all.items.last().is_some_and(|pair| pair.chosen == pair.rejected) {
                return Err(lines.wrong(line, "`chosen` and `rejected` are the same tokens"));
            }
        }
        self.check(lines, all)
    }

    /// Prompts, of lines with a completion too; `room` is how many tokens are to be written behind each.
    ///
    /// # Errors
    /// With path and line: another shape; a prompt that leaves no room for a token, or for the line's completion; what the chat template
    /// refuses.
    pub fn prompts(&self, lines: &Lines) -> Result<Encoded<TextPrompt>> {
        let mut all = Encoded { items: Vec::new(), dropped: 0, cut: 0 };
        for line in &lines.lines {
            let prompt = match &line.shape {
                Shape::Prompt(prompt) => self.prompt(prompt).map(|p| (p, None)),
                Shape::Completion { prompt, completion } => self.prompt(prompt).and_then(|p| {
                    let example = self.completion(prompt, completion)?;
                    Ok((p, Some(example)))
                }),
                _ => return Err(lines.misshapen(line, "a prompt, with or without completion")),
            };
            let (mut prompt, example) = prompt.map_err(|e| lines.wrong(line, e.to_string()))?;
            prompt.fields.clone_from(&line.fields);
            prompt.completion = example.map(|e| e.tokens[prompt.tokens.len()..].to_vec());
            let shorten = |p: &mut TextPrompt| {
                let mut own = p.completion.take().unwrap_or_else(|| vec![0]);
                let cut = self.shorten_behind(p.tokens.len(), &mut own)?;
                p.completion = matches!(line.shape, Shape::Completion { .. }).then_some(own);
                Ok(cut)
            };
            self.fit(&mut all, prompt, shorten).map_err(|e| lines.wrong(line, e.to_string()))?;
        }
        self.check(lines, all)
    }

    /// A prompt and what follows it, for scoring: the sequence and the prompt's tokens; a text and its first token.
    ///
    /// # Errors
    /// As [`Encoder::examples`], without a place.
    pub fn completion(&self, prompt: &Text, completion: &Text) -> Result<Example> {
        let (prompt, completion) = self.both(prompt, completion)?;
        let given = if self.settings.learn == Learn::Everything { 1 } else { prompt.len() };
        Ok(Example { tokens: [prompt, completion].concat(), prompt: given })
    }

    /// A whole text.
    ///
    /// # Errors
    /// As [`Encoder::completion`].
    pub fn whole(&self, text: &str) -> Result<Example> {
        let mut tokens = self.model.tokenizer.encode(text)?;
        self.end(&mut tokens);
        if tokens.len() < 2 {
            return Err(Error::Usage("has a single token, of which nothing can be learned".into()));
        }
        Ok(Example { tokens, prompt: 1 })
    }

    /// The turns of the assistant, or all of a conversation.
    ///
    /// # Errors
    /// As [`Encoder::completion`].
    pub fn conversation(&self, messages: &[Message]) -> Result<Vec<Example>> {
        if self.settings.learn == Learn::Everything {
            let tokens = self.model.encode_chat(messages, false)?;
            return Ok(vec![Example { tokens, prompt: 1 }]);
        }
        let replies = (1..messages.len()).filter(|i| messages[*i].role == "assistant");
        let reply = |i: usize| {
            let (prompt, reply) = self.model.encode_reply(&messages[..i], &messages[i..=i])?;
            Ok(Example { prompt: prompt.len(), tokens: [prompt, reply].concat() })
        };
        let examples = replies.map(reply).collect::<Result<Vec<_>>>()?;
        if examples.is_empty() {
            return Err(Error::Usage("has no turn of the assistant behind another".into()));
        }
        Ok(examples)
    }

    /// A pair's tokens.
    ///
    /// # Errors
    /// As [`Encoder::completion`].
    pub fn pair(&self, pair: &Pair) -> Result<TokenPair> {
        let (prompt, chosen) = self.both(&pair.prompt, &pair.chosen)?;
        let (_, rejected) = self.both(&pair.prompt, &pair.rejected)?;
        Ok(TokenPair { prompt, chosen, rejected })
    }

    /// A prompt that waits for a completion.
    ///
    /// # Errors
    /// As [`Encoder::completion`].
    pub fn prompt(&self, given: &Text) -> Result<TextPrompt> {
        let messages = self.turns(given, Message::user);
        let tokens = match &messages {
            Some(messages) if self.model.chat_template.is_some() => self.model.encode_chat(messages, true),
            Some(_) => {
                return Err(Error::Usage("has messages, but the model has no chat template: give plain text".into()));
            }
            None => self.plain_prompt(&given.content()),
        };
        Ok(TextPrompt {
            tokens: tokens?,
            text: given.content().into_owned(),
            given: given.clone(),
            messages: messages.unwrap_or_default(),
            fields: Map::new(),
            completion: None,
        })
    }

    /// The turns of a text, if it goes through the chat template.
    fn turns(&self, text: &Text, plain: impl Fn(String) -> Message) -> Option<Vec<Message>> {
        match text {
            Text::Messages(messages) => Some(messages.clone()),
            Text::Plain(text) if self.settings.chat => Some(vec![plain(text.clone())]),
            Text::Plain(_) => None,
        }
    }

    fn both(&self, prompt: &Text, completion: &Text) -> Result<(Vec<u32>, Vec<u32>)> {
        if let (Some(messages), Some(reply)) =
            (self.turns(prompt, Message::user), self.turns(completion, Message::assistant))
        {
            return self.model.encode_reply(&messages, &reply);
        }
        let prompt = self.plain_prompt(&prompt.content())?;
        let mut completion = self.model.tokenizer.encode_part(&completion.content())?;
        self.end(&mut completion);
        Ok((prompt, completion))
    }

    /// An empty prompt is the token that begins a text; the first end token where there is none, as GPT-2 has it.
    fn plain_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.model.tokenizer.encode(text)?;
        let special = self.model.tokenizer.special();
        if tokens.is_empty() {
            tokens.extend(special.bos.or(special.eos.first().copied()));
        }
        if tokens.is_empty() {
            return Err(Error::Usage("an empty prompt, and the model has no token that begins a text".into()));
        }
        Ok(tokens)
    }

    fn end(&self, tokens: &mut Vec<u32>) {
        if self.settings.end {
            tokens.extend(self.model.tokenizer.special().eos.first());
        }
    }

    /// Adds an item, shortened or not at all where it is too long.
    fn fit<T>(&self, all: &mut Encoded<T>, mut item: T, shorten: impl Fn(&mut T) -> Result<bool>) -> Result<()> {
        match shorten(&mut item) {
            Ok(cut) => {
                all.cut += usize::from(cut);
                all.items.push(item);
                Ok(())
            }
            Err(_) if self.settings.too_long == TooLong::Drop => {
                all.dropped += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Cuts a sequence; whether it had to be.
    fn shorten(&self, tokens: &mut Vec<u32>, prompt: usize) -> Result<bool> {
        let mut completion = tokens.split_off(prompt.min(tokens.len()));
        let cut = self.shorten_behind(prompt, &mut completion)?;
        tokens.extend(completion);
        Ok(cut)
    }

    /// Cuts a completion behind a prompt of some tokens; whether it had to be.
    fn shorten_behind(&self, prompt: usize, completion: &mut Vec<u32>) -> Result<bool> {
        let longest = self.longest;
        if prompt >= longest {
            let limit = self.limit();
            return Err(Error::Usage(format!(
                "its prompt has {prompt} tokens and leaves no room for a completion within {limit}"
            )));
        }
        let all = prompt + completion.len();
        if all <= longest {
            return Ok(false);
        }
        if self.settings.too_long == TooLong::Cut {
            completion.truncate(longest - prompt);
            return Ok(true);
        }
        Err(Error::Usage(format!("has {all} tokens, more than {}", self.limit())))
    }

    fn limit(&self) -> String {
        let (longest, context) = (self.longest, self.model.config.context);
        if longest == context {
            format!("the model's context of {context}")
        } else {
            format!("the {longest} allowed (the model's context is {context})")
        }
    }

    fn check<T>(&self, lines: &Lines, all: Encoded<T>) -> Result<Encoded<T>> {
        if all.items.is_empty() {
            return Err(lines.wrong(&lines.lines[0], format!("and all others have more tokens than {}", self.limit())));
        }
        Ok(all)
    }
}
