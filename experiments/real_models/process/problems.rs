//! Problems, the model that is asked them, and how a sample becomes a solution with labels.

use super::super::subject::Subject;
use super::Params;
use super::templates::{self, Template};
use rewardlab::algorithm::{Example, MarkedSolution};
use rewardlab::env::Split;
use rewardlab::env::arithmetic::{
    BOS, EOS, Generator, Mix, PAD, Problem, Rates, STEP_END, longest_prompt, longest_solution, parse, spell, vocab,
    written,
};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, LanguageModel, Size, Special, Tokenizer};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Share of what the made model reads that does not say where steps end.
const LOOSE: f64 = 0.5;

/// Where problems come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Source {
    /// Chains of modular arithmetic, for a model that is made on the fly.
    World {
        /// What they are like.
        mix: Mix,
        /// What the author of the solutions that the model reads gets wrong.
        rates: Rates,
    },
    /// Lines of files, for a model that is read.
    Files {
        /// A folder with `train.jsonl` (first `written`, then `train` lines that fit) and `test.jsonl`, whose lines have `prompt`, `completion` (lines of steps with marks, the last one
        /// `#### answer`) and `answer`, as `rewardlab data import maths` writes them.
        folder: String,
        /// Whether a prompt is put as a user's turn in the model's chat template.
        chat: bool,
        /// Most tokens of a solution; 8 to 4096.
        length: usize,
    },
}

/// A problem as the model is asked it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) prompt: Vec<u32>,
    problem: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    World(Problem),
    Line(Template),
}

/// A sample.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// With labels; none where it cannot be read or came to no end.
    pub(super) marked: Option<MarkedSolution>,
    /// Its answer, as the problem's answers are numbered.
    pub(super) answer: Option<u8>,
}

/// Problems, and the model before it learns to write steps.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) model: LanguageModel,
    /// Most tokens of a solution.
    pub(super) length: usize,
    /// Solutions from which steps are learned.
    pub(super) written: Vec<Example>,
    pub(super) train: Vec<Asked>,
    pub(super) test: Vec<Asked>,
}

impl Source {
    pub(super) fn validate(&self, subject: &Subject) -> Result<()> {
        match self {
            Self::World { mix, rates } => {
                if !subject.is_made() {
                    let legal = "empty: no model that is read knows the small world's words";
                    return Err(Error::parameter("subject.model", &subject.model, legal));
                }
                mix.validate().map_err(|e| e.within("source.world.mix"))?;
                rates.validate().map_err(|e| e.within("source.world.rates"))
            }
            Self::Files { length, .. } => {
                if subject.is_made() {
                    return Err(Error::parameter(
                        "subject.model",
                        "\"\"",
                        "a folder or a GGUF file, for lines of files",
                    ));
                }
                Error::check_counts(&[("source.files.length", *length, 8, 4096)])
            }
        }
    }

    /// # Errors
    /// Files that are missing, malformed or too short; pretraining that diverges.
    pub(super) fn open(&self, p: &Params, ctx: &Context) -> Result<Opened> {
        match self {
            Self::World { mix, rates } => of_world(p, mix, rates, ctx),
            Self::Files { folder, chat, length } => {
                let model = LanguageModel::load(Path::new(&p.subject.model))?;
                let read = |name: &str, count: usize| {
                    let path = Path::new(folder).join(format!("{name}.jsonl"));
                    templates::read(
                        &path,
                        count,
                        &model,
                        (*chat, *length),
                        &mut ctx.shared_stream(&format!("lines of {name}")),
                    )
                };
                // the writer has not read solutions of the problems that it writes samples of
                let mut all = read("train", p.written + p.train)?;
                let rest = all.split_off(p.written);
                let written = all.into_iter().map(|(_, example)| example).collect();
                let asked = |(template, example): (Template, Example)| Asked {
                    prompt: example.tokens[..example.prompt].to_vec(),
                    problem: Kind::Line(template),
                };
                let train = rest.into_iter().map(asked).collect();
                let test = read("test", p.test)?.into_iter().map(asked).collect();
                Ok(Opened { model, length: *length, written, train, test })
            }
        }
    }
}

fn of_world(p: &Params, mix: &Mix, rates: &Rates, ctx: &Context) -> Result<Opened> {
    let author = Generator::draw(rates, &mix.moduli, &mut ctx.shared_stream("author"))?;
    let words: Vec<String> = (0..vocab() as u32).map(|t| spell(&[t])).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let special = Special { bos: Some(BOS), eos: vec![EOS], pad: Some(PAD), unk: None };
    let tokenizer = Tokenizer::of_words(&words, special)?;
    let length = longest_solution(mix.lengths.1 + rates.slack);
    let made = &p.subject.made;
    let context = longest_prompt(mix.lengths.1) + length;
    let size = Size { vocab: vocab(), width: made.width, layers: made.layers, heads: made.heads, context };
    let config = Config::llama(size);
    let solution = |rng: &mut Stream| {
        let problem = mix.draw(Split::Train, rng);
        let tokens = written(&author.sample(&problem, rng));
        (problem.tokens(), tokens)
    };
    let example = |(prompt, solution): (Vec<u32>, Vec<u32>)| Example {
        prompt: prompt.len(),
        tokens: [prompt, solution].concat(),
    };
    let params = ctx.stage("base", &(mix, rates, &p.subject), |rng| {
        let document = |rng: &mut Stream| {
            let ((prompt, solution), loose) = (solution(rng), rng.uniform() < LOOSE);
            example((prompt, solution.into_iter().filter(|t| !loose || *t != STEP_END).collect()))
        };
        p.subject.pretrain(&config, document, rng)
    })?;
    let mut rng = ctx.shared_stream("written");
    let written = (0..p.written).map(|_| example(solution(&mut rng))).collect();
    let asked = |problem: Problem| Asked { prompt: problem.tokens(), problem: Kind::World(problem) };
    let draw = |count: usize, split: Split, name: &str| -> Result<Vec<Asked>> {
        let problems = mix.draw_different(count, split, &mut ctx.shared_stream(name))?;
        Ok(problems.into_iter().map(asked).collect())
    };
    let (train, test) = (draw(p.train, Split::Train, "train")?, draw(p.test, Split::Test, "test")?);
    let model = LanguageModel { config, params: params.to_vec(), tokenizer, chat_template: None };
    Ok(Opened { model, length, written, train, test })
}

impl Opened {
    /// What a sampled solution of a problem is.
    ///
    /// # Errors
    /// A token that the vocabulary does not have.
    pub(super) fn judge(&self, asked: &Asked, output: Vec<u32>) -> Result<Sample> {
        let none = Sample { marked: None, answer: None };
        let (ends, labels, answer, right) = match &asked.problem {
            Kind::World(problem) => {
                let Ok(solution) = parse(problem, &output) else { return Ok(none) };
                let Some(answer) = solution.answer else { return Ok(none) };
                let ends = (0..output.len()).filter(|t| output[*t] == STEP_END).collect();
                let labels = solution.labels(problem).into_iter().map(i8::from).collect();
                (ends, labels, answer, solution.is_right(problem))
            }
            Kind::Line(template) => {
                let Some(read) = template.judge(&self.model.tokenizer, &output)? else { return Ok(none) };
                (read.ends, read.labels, read.answer, read.answer == templates::RIGHT)
            }
        };
        let prompt = asked.prompt.len();
        let ends: Vec<usize> = ends.into_iter().map(|e: usize| e + prompt).collect();
        let tokens = [asked.prompt.as_slice(), &output].concat();
        Ok(Sample { marked: Some(MarkedSolution { tokens, prompt, ends, labels, right }), answer: Some(answer) })
    }
}

impl Asked {
    /// The number of the right answer.
    pub(super) fn truth(&self) -> u8 {
        match &self.problem {
            Kind::World(problem) => problem.answer(),
            Kind::Line(_) => templates::RIGHT,
        }
    }
}
