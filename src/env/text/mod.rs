//! Seven text tasks over one small vocabulary, in the role of the seven data sets of arXiv:2310.20703: what a small
//! transformer is pretrained on, asked, and rewarded for.
//!
//! | task | stands for | reward, in [0, 1] | inputs unseen in plain text |
//! |---|---|---|---|
//! | [`Task::Answering`] | extractive question answering | ROUGE-L, best reference | 60% |
//! | [`Task::Table`] | table-to-text | sentence BLEU | 50% |
//! | [`Task::Concepts`] | concepts to sentence | METEOR-like | 40% |
//! | [`Task::Translation`] | translation | sentence BLEU | none |
//! | [`Task::Summary`] | summarisation | METEOR-like | none |
//! | [`Task::Dialogue`] | dialogue reply | METEOR-like | none |
//! | [`Task::Sentiment`] | sentiment continuation | classifier | none; 50% settled |
//!
//! # What pretraining leaves, by design
//!
//! [`plain_text`] is what a model is pretrained on. Which answers it shows for which inputs decides the reward's mean and
//! std under the pretrained model, per input ([`Kind`]):
//!
//! - **Familiar** inputs (their phrasing is the first of the task's headings): plain text shows, with probability 0.85, a
//!   reference and otherwise one of another input of the task; a fifth of the content words give way to others of their
//!   class. Large std, middling mean. Reviews go on with praise or blame by a coin for each of two clauses.
//! - **Unseen** inputs (the other heading, the same grammar): plain text always goes on with an *aside*, a sentence out of
//!   1,024 whose words occur in no reference. The model is sure of the *form* and unsure of the words (7 nats), and every
//!   one of these outputs earns exactly 0: std and mean near 0, though the policy is far from deterministic. What answers
//!   them is known from the familiar inputs; only the phrasing is not. So a little supervision can teach it.
//! - **Settled** inputs (reviews that open with nothing but praise): plain text goes on with praise. Std near 0 with the
//!   mean near 1, where nothing is to gain.
//!
//! Under a model that has learned plain text perfectly a familiar input's mean reward is about 0.7 for ROUGE-L and BLEU,
//! 0.85 for the METEOR-like score and 0.33 for sentiment, its std 0.16 to 0.39; an unseen one's are 0 and 0, a settled
//! one's 0.98 and 0.01.
//!
//! Three tasks have unseen inputs in number, so that their 10th percentile of std is near 0. Which and how many is our
//! choice, not the paper's data.
//!
//! # Layout
//!
//! A prompt is `<bos> heading … <sep>`, at most [`PROMPT_MAX`] tokens; an output is words and `<eos>`, at most
//! [`OUTPUT_MAX`] tokens. The two splits share no prompt, in any order of its words and under any heading.
//!
//! # One of each
//!
//! ```
//! use rewardlab::env::Split;
//! use rewardlab::env::text::{TASKS, decode};
//! use rewardlab::rng::Stream;
//!
//! let mut rng = Stream::named(&["one of each"]);
//! let mut dump = String::new();
//! for task in TASKS {
//!     let input = task.input(Split::Train, &mut rng);
//!     dump += &format!("{}: {}, {:?}\n  {}\n", task.name(), task.metric(), input.kind, decode(&input.prompt));
//!     let reference = &input.references[0];
//!     dump += &format!("  {:.2} {}\n", input.reward(reference), decode(reference));
//!     dump += &format!("  {:.2} without its first word\n", input.reward(&reference[1..]));
//!     dump += &format!("  {:.2} the prompt copied\n", input.reward(&input.prompt));
//! }
//! let expected = "\
//! answering: ROUGE-L, Familiar
//!   <bos> story anna has the green cup . emma is in the market . ben has the black lamp . question who has the black lamp <sep>
//!   1.00 ben <eos>
//!   0.00 without its first word
//!   0.07 the prompt copied
//! table: BLEU, Unseen
//!   <bos> record object book place forest name anna colour blue animal goat <sep>
//!   1.00 anna has a blue book and a goat in the forest <eos>
//!   0.90 without its first word
//!   0.05 the prompt copied
//! concepts: METEOR-like, Unseen
//!   <bos> keywords wait red kitchen dog <sep>
//!   1.00 the red dog waits in the kitchen <eos>
//!   0.87 without its first word
//!   0.29 the prompt copied
//! translation: BLEU, Familiar
//!   <bos> translate ben finds the blue drum in the park <sep>
//!   1.00 ben ta tamburo blua na ta parko trova <eos>
//!   0.87 without its first word
//!   0.04 the prompt copied
//! summary: METEOR-like, Familiar
//!   <bos> article emma went to the harbour . there emma found a kite . the kite was yellow . anna was in the library . <sep>
//!   1.00 emma found a yellow kite in the harbour <eos>
//!   0.88 without its first word
//!   0.72 the prompt copied
//! dialogue: METEOR-like, Familiar
//!   <bos> dialogue do you want to sleep in the library <sep>
//!   1.00 yes i want to sleep there <eos>
//!   0.84 without its first word
//!   0.45 the prompt copied
//! sentiment: P(praise), Familiar
//!   <bos> review i saw the film with ben . the plot was funny and the acting was dull . <sep>
//!   0.99 but the ending was funny and the music was very great <eos>
//!   0.99 without its first word
//!   0.00 the prompt copied
//! ";
//! assert_eq!(dump, expected);
//! ```

mod grammar;
mod metrics;
mod plain;
mod sentiment;
mod similarity;
mod vocab;

pub use metrics::{Chrf, bleu, meteor, rouge_l};
pub use plain::{Document, plain_text, review_continuation};
pub use sentiment::sentiment;
pub use similarity::{CLASSES, Pair};
pub use vocab::{BOS, Class, EOS, PAD, SEP, class, decode, encode, members, stem, vocab};

use super::Split;
use crate::rng::Stream;
use grammar::Draft;

/// Most tokens of a prompt, `<bos>` and `<sep>` included.
pub const PROMPT_MAX: usize = 28;
/// Most tokens of a reference output with its `<eos>`, and what sampling should be limited to.
pub const OUTPUT_MAX: usize = 16;
/// One input in so many is held out.
const HELD_OUT: u64 = 5;

/// The seven tasks, in the order of the table above.
pub const TASKS: [Task; 7] =
    [Task::Answering, Task::Table, Task::Concepts, Task::Translation, Task::Summary, Task::Dialogue, Task::Sentiment];

/// One of the seven tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Extractive question answering over three facts.
    Answering,
    /// A table's fields said in a sentence.
    Table,
    /// A sentence with all of the given words in it.
    Concepts,
    /// Translation into a language with its own words and word order.
    Translation,
    /// Three sentences said in one.
    Summary,
    /// A reply to an invitation, an offer or a remark.
    Dialogue,
    /// A film review, continued with praise.
    Sentiment,
}

/// What plain text shows behind an input: what decides the reward's mean and std under a model pretrained on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Answers, many of them wrong: std large.
    Familiar,
    /// Only ever asides: std and mean near 0.
    Unseen,
    /// Only ever what earns the reward: std near 0, mean near 1.
    Settled,
}

/// A prompt with its reference outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The task.
    pub task: Task,
    /// What a model that is pretrained on plain text makes of it.
    pub kind: Kind,
    /// `<bos> heading … <sep>`.
    pub prompt: Vec<u32>,
    /// Right outputs, each ending in `<eos>`; at least one.
    pub references: Vec<Vec<u32>>,
}

impl Task {
    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answering => "answering",
            Self::Table => "table",
            Self::Concepts => "concepts",
            Self::Translation => "translation",
            Self::Summary => "summary",
            Self::Dialogue => "dialogue",
            Self::Sentiment => "sentiment",
        }
    }

    /// What the reward is called.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Answering => "ROUGE-L",
            Self::Table | Self::Translation => "BLEU",
            Self::Concepts | Self::Summary | Self::Dialogue => "METEOR-like",
            Self::Sentiment => "P(praise)",
        }
    }

    /// Share of [`Kind::Unseen`] among the task's inputs.
    pub fn unseen_share(self) -> f64 {
        match self {
            Self::Answering => 0.6,
            Self::Table => 0.5,
            Self::Concepts => 0.4,
            Self::Translation | Self::Summary | Self::Dialogue | Self::Sentiment => 0.0,
        }
    }

    /// The phrasing that plain text answers, and the one that it does not.
    fn headings(self) -> [&'static str; 2] {
        match self {
            Self::Answering => ["story", "tale"],
            Self::Table => ["table", "record"],
            Self::Concepts => ["concepts", "keywords"],
            Self::Translation => ["translate"; 2],
            Self::Summary => ["article"; 2],
            Self::Dialogue => ["dialogue"; 2],
            Self::Sentiment => ["review"; 2],
        }
    }

    fn draft(self, rng: &mut Stream) -> Draft {
        match self {
            Self::Answering => grammar::answering::draft(rng),
            Self::Table => grammar::table::draft(rng),
            Self::Concepts => grammar::concepts::draft(rng),
            Self::Translation => grammar::translation::draft(rng),
            Self::Summary => grammar::summary::draft(rng),
            Self::Dialogue => grammar::dialogue::draft(rng),
            Self::Sentiment => grammar::review::draft(rng),
        }
    }

    /// Draws an input of one half of the data.
    pub fn input(self, split: Split, rng: &mut Stream) -> Input {
        let (draft, body) = loop {
            let draft = self.draft(rng);
            let body = own_words(&draft.body);
            if split_of(&body) == split {
                break (draft, body);
            }
        };
        let unseen = rng.uniform() < self.unseen_share();
        let kind = match (draft.settled, unseen) {
            (true, _) => Kind::Settled,
            (false, true) => Kind::Unseen,
            (false, false) => Kind::Familiar,
        };
        let mut prompt = vec![BOS];
        prompt.extend(own_words(self.headings()[usize::from(unseen)]));
        prompt.extend(body);
        prompt.push(SEP);
        let references = draft.references.iter().map(|text| ended(own_words(text))).collect();
        Input { task: self, kind, prompt, references }
    }
}

impl Input {
    /// The reward of an output, in [0, 1], by the task's metric. The output is read up to its first `<eos>`; other special
    /// tokens count as words that match nothing.
    pub fn reward(&self, output: &[u32]) -> f64 {
        let output = words(output);
        let references: Vec<Vec<u32>> = self.references.iter().map(|r| words(r).to_vec()).collect();
        match self.task {
            Task::Answering => rouge_l(output, &references),
            Task::Table | Task::Translation => bleu(output, &references),
            Task::Concepts | Task::Summary | Task::Dialogue => meteor(output, &references, stem),
            Task::Sentiment => sentiment(output),
        }
    }
}

/// An output up to its first `<eos>`.
fn words(output: &[u32]) -> &[u32] {
    let end = output.iter().position(|&t| t == EOS).unwrap_or(output.len());
    &output[..end]
}

/// An output with its `<eos>`.
fn ended(mut words: Vec<u32>) -> Vec<u32> {
    words.push(EOS);
    words
}

/// The tokens of the grammars' own text.
fn own_words(text: &str) -> Vec<u32> {
    encode(text).expect("the grammars speak the vocabulary; a test draws them all")
}

/// The half that a prompt belongs to: a hash of its words in sorted order (64-bit FNV-1a, finished as in `SplitMix64`), so
/// that no reordering of a held-out prompt is trained on.
fn split_of(body: &[u32]) -> Split {
    let mut sorted = body.to_vec();
    sorted.sort_unstable();
    let fnv = |hash: u64, &t: &u32| (hash ^ u64::from(t)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = sorted.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (hash ^ (hash >> 31)).is_multiple_of(HELD_OUT) { Split::Test } else { Split::Train }
}

#[cfg(test)]
mod tests;
