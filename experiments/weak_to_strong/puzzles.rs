//! Chess for the protocol: puzzles, a ladder of small decoders pretrained on the moves of games, finetuned to write a puzzle's first move.

use rewardlab::algorithm::{Example, Family, Halves, Protocol, Source, Trainee, sft};
use rewardlab::env::chess::{ANSWER, Hunt, PROMPT_MAX, Played, Player, Puzzle, VOCAB, plain_moves};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Context, Profile};
use rewardlab::lm::cpu::Sampling;
use rewardlab::lm::{Config, Decay, Schedule, Size, init};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Positions that are answered at a time.
const CHUNK: usize = 64;
/// Standard deviation of fresh weights: at 0.02 hardly anything is learned within so few steps.
const SCALE: f64 = 0.1;
/// The width at which a learning rate is what it is called; narrower models take larger steps.
const WIDTH: f64 = 64.0;
/// Shared by all experiments on puzzles.
const OWNER: &str = "weak_to_strong";

/// One model of the ladder.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rung {
    /// Width of the residual stream; a multiple of 8, 8 to 512.
    pub(super) width: usize,
    /// Blocks; 1 to 12.
    pub(super) layers: usize,
}

impl Rung {
    fn config(self) -> Config {
        let size = Size {
            vocab: VOCAB,
            width: self.width,
            layers: self.layers,
            // heads of 8 where there is room for no more than four
            heads: if self.width.is_multiple_of(32) { 4 } else { self.width / 8 },
            context: PROMPT_MAX + ANSWER,
        };
        Config::qwen2(size)
    }

    /// All parameters, those of the embedding too.
    pub(super) fn parameters(self) -> Result<usize> {
        Ok(rewardlab::lm::Layout::new(&self.config())?.len())
    }
}

/// Passes over data.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passes {
    /// How many; 1 to 1000.
    pub(super) epochs: usize,
    /// Examples per step; 1 to 10 000.
    pub(super) batch: usize,
    /// Highest learning rate at width 64; others' is √(64/width) times that. Positive.
    pub(super) learning_rate: f64,
}

impl Passes {
    fn validate(&self) -> Result<()> {
        Error::check_counts(&[("epochs", self.epochs, 1, 1_000), ("batch", self.batch, 1, 10_000)])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }

    fn run(&self, trainee: &mut Trainee, examples: &[Example], rng: &mut Stream) -> Result<()> {
        let steps = (self.epochs * examples.len()).div_ceil(self.batch) as u64;
        let peak = self.learning_rate * (WIDTH / trainee.config().width as f64).sqrt();
        let schedule = Schedule { peak, warm_up: steps / 20, steps, decay: Decay::Cosine };
        sft(trainee, examples, self.batch, &schedule, rng)?;
        Ok(())
    }
}

/// Data and models.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PuzzleParams {
    /// All puzzles, those of the test set too.
    pub(super) hunt: Hunt,
    /// Puzzles of the test set, up to the end of a game; 10 or more, and fewer than all.
    pub(super) test: usize,
    /// Who plays the games of pretraining.
    pub(super) player: Player,
    /// How many moves at the end of each are learned; 1 to 1000.
    pub(super) last: usize,
    /// Moves that are learned; 1 to 10 000 000.
    pub(super) moves: usize,
    pub(super) pretraining: Passes,
    pub(super) tuning: Passes,
    /// The ladder, weakest first; two or more.
    pub(super) ladder: Vec<Rung>,
}

impl PuzzleParams {
    pub(super) fn new(profile: Profile) -> Self {
        let rung = |(width, layers)| Rung { width, layers };
        let (ones, twos, test, pieces, moves, epochs) = match profile {
            Profile::Smoke => (600, 60, 120, 32, 10_000, 2),
            Profile::Paper => (11_000, 1_000, 1_500, 12, 300_000, 3),
        };
        let ladder = match profile {
            Profile::Smoke => vec![(8, 1), (16, 1), (32, 1)],
            Profile::Paper => vec![(8, 1), (16, 1), (32, 1), (64, 2)],
        };
        Self {
            hunt: Hunt {
                player: Player::default(),
                plies: 200,
                pieces,
                per_game: 4,
                mates_in_one: ones,
                mates_in_two: twos,
            },
            test,
            player: Player { temperature: 0.3, sees_mate: 1.0, check: 0.5 },
            last: 60,
            moves,
            pretraining: Passes { epochs: 1, batch: 32, learning_rate: 2e-3 },
            tuning: Passes { epochs, batch: 32, learning_rate: 2e-3 },
            ladder: ladder.into_iter().map(rung).collect(),
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.hunt.validate().map_err(|e| e.within("hunt"))?;
        self.player.validate().map_err(|e| e.within("player"))?;
        self.pretraining.validate().map_err(|e| e.within("pretraining"))?;
        self.tuning.validate().map_err(|e| e.within("tuning"))?;
        let all = self.hunt.mates_in_one + self.hunt.mates_in_two;
        Error::check_counts(&[
            ("test", self.test, 10, all / 2),
            ("last", self.last, 1, 1_000),
            ("moves", self.moves, 1, 10_000_000),
        ])?;
        for rung in &self.ladder {
            Error::check_counts(&[("ladder.width", rung.width, 8, 512), ("ladder.layers", rung.layers, 1, 12)])?;
            if !rung.width.is_multiple_of(8) {
                return Err(Error::parameter("ladder.width", rung.width, "a multiple of 8"));
            }
        }
        let sizes = self.ladder.iter().map(|r| r.parameters()).collect::<Result<Vec<_>>>()?;
        if sizes.len() < 2 || !sizes.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("ladder", format!("{sizes:?} parameters"), "two or more, growing"));
        }
        Ok(())
    }
}

/// The ladder, on the puzzles of one seed.
#[derive(Debug)]
pub(super) struct Chess<'a> {
    params: &'a PuzzleParams,
    ctx: &'a Context<'a>,
    pub(super) puzzles: Arc<Vec<Puzzle>>,
}

/// Which puzzles are for what.
#[derive(Debug)]
pub(super) struct Split {
    pub(super) halves: Halves,
    pub(super) test: Vec<usize>,
}

impl<'a> Chess<'a> {
    pub(super) fn new(params: &'a PuzzleParams, ctx: &'a Context<'a>) -> Result<Self> {
        let hunt = params.hunt;
        let puzzles = ctx.common_stage(OWNER, "puzzles", &hunt, |rng| hunt.puzzles(rng))?;
        Ok(Self { params, ctx, puzzles })
    }

    /// Whole games are dealt to the test set until it is full; the others are halved. No game is in two parts.
    pub(super) fn split(&self) -> Result<Split> {
        let mut of_game: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        self.puzzles.iter().enumerate().for_each(|(i, p)| of_game.entry(p.game).or_default().push(i));
        let games: Vec<Vec<usize>> = of_game.into_values().collect();
        let (mut test, mut train) = (Vec::<usize>::new(), Vec::<usize>::new());
        for game in self.ctx.shared_stream("test").permutation(games.len()) {
            let part = if test.len() < self.params.test { &mut test } else { &mut train };
            part.extend(&games[game]);
        }
        let groups: Vec<usize> = train.iter().map(|i| self.puzzles[*i].game).collect();
        let halves = Halves::grouped(&groups, &mut self.ctx.shared_stream("halves"))?;
        let own = |half: &[usize]| half.iter().map(|i| train[*i]).collect();
        Ok(Split { halves: Halves { teacher: own(&halves.teacher), student: own(&halves.student) }, test })
    }

    /// The moves that models are pretrained on, of games apart from the puzzles'; no puzzle's position is among them.
    fn moves(&self) -> Result<Arc<Vec<Played>>> {
        let p = self.params;
        let positions: BTreeSet<Vec<u32>> = self.puzzles.iter().map(|puzzle| puzzle.prompt.clone()).collect();
        self.ctx.common_stage(OWNER, "moves", &(p.hunt, p.player, p.last, p.moves), |rng| {
            plain_moves(&p.player, (p.hunt.plies, p.hunt.pieces, p.last), p.moves, &positions, rng)
        })
    }

    /// A rung's weights after pretraining.
    fn pretrained(&self, level: usize) -> Result<Arc<Vec<f32>>> {
        let (p, rung) = (self.params, self.params.ladder[level]);
        let key = (p.hunt, p.player, p.last, p.moves, p.pretraining, rung);
        self.ctx.common_stage(OWNER, "pretrained", &key, |rng| {
            let moves = self.moves()?;
            let examples: Vec<Example> = moves.iter().map(|m| example(&m.prompt, m.answer)).collect();
            let mut trainee = Trainee::new(&rung.config(), init(&rung.config(), SCALE, rng)?, 1.0)?.in_parts();
            p.pretraining.run(&mut trainee, &examples, rng)?;
            trainee.into_params()
        })
    }

    /// The pretrained model, before it has seen a puzzle.
    pub(super) fn base(&self, level: usize) -> Result<Trainee> {
        let params = self.pretrained(level)?;
        Ok(Trainee::new(&self.params.ladder[level].config(), params.to_vec(), 1.0)?.in_parts())
    }

    /// What the teacher of a level says of the student's half, and of the test set.
    pub(super) fn teacher(&self, level: usize, split: &Split) -> Result<Arc<Teacher>> {
        self.ctx.stage("teacher", &(self.params, level), |_| {
            let protocol = Protocol { family: self, halves: &split.halves };
            let mut model = protocol.teacher(level)?;
            Ok(Teacher { labels: protocol.weak_labels(&mut model)?, test: self.label(&mut model, &split.test)? })
        })
    }

    /// What the model of a level says of the test set when taught by the truth of the student's half.
    pub(super) fn ceiling(&self, level: usize, split: &Split) -> Result<Arc<Vec<[u32; ANSWER]>>> {
        self.ctx.stage("ceiling", &(self.params, level), |_| {
            let mut model = Protocol { family: self, halves: &split.halves }.ceiling(level)?;
            self.label(&mut model, &split.test)
        })
    }

    /// What it says before it has seen a puzzle.
    pub(super) fn untaught(&self, level: usize, split: &Split) -> Result<Arc<Vec<[u32; ANSWER]>>> {
        self.ctx.stage("untaught", &(self.params, level), |_| self.label(&mut self.base(level)?, &split.test))
    }

    /// log π of the solutions, nats.
    pub(super) fn log_probs(&self, model: &mut Trainee, items: &[usize]) -> Result<Vec<f64>> {
        let mut log_probs = Vec::with_capacity(items.len());
        for items in items.chunks(CHUNK) {
            let of = |i: &usize| example(&self.puzzles[*i].prompt, self.puzzles[*i].solution);
            let (sequences, prompts): (Vec<Vec<u32>>, Vec<usize>) =
                items.iter().map(of).map(|e| (e.tokens, e.prompt)).unzip();
            log_probs.extend(model.completion_log_probs(&sequences, &prompts)?);
        }
        Ok(log_probs)
    }

    /// Which of these answers are right.
    pub(super) fn right(&self, items: &[usize], answers: &[[u32; ANSWER]]) -> Vec<bool> {
        items.iter().zip(answers).map(|(i, a)| self.puzzles[*i].solution == *a).collect()
    }
}

/// A teacher's labels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Teacher {
    /// Of the student's half.
    pub(super) labels: Vec<[u32; ANSWER]>,
    /// Of the test set.
    pub(super) test: Vec<[u32; ANSWER]>,
}

fn example(prompt: &[u32], answer: [u32; ANSWER]) -> Example {
    Example { tokens: [prompt, &answer].concat(), prompt: prompt.len() }
}

impl Family for Chess<'_> {
    type Model = Trainee;
    type Label = [u32; ANSWER];

    fn truth(&self, items: &[usize]) -> Vec<Self::Label> {
        items.iter().map(|i| self.puzzles[*i].solution).collect()
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[Self::Label], _: Source) -> Result<Trainee> {
        let mut trainee = self.base(level)?;
        let examples: Vec<Example> =
            items.iter().zip(labels).map(|(i, label)| example(&self.puzzles[*i].prompt, *label)).collect();
        self.params.tuning.run(&mut trainee, &examples, &mut self.ctx.shared_stream(&format!("order {level}")))?;
        Ok(trainee)
    }

    /// The most probable tokens, one after the other: the paper's hard labels.
    fn label(&self, model: &mut Trainee, items: &[usize]) -> Result<Vec<Self::Label>> {
        let greedy = Sampling { temperature: 0.0, ..Sampling::plain(ANSWER) };
        let mut unused = self.ctx.shared_stream("greedy");
        let mut answers = Vec::with_capacity(items.len());
        for items in items.chunks(CHUNK) {
            let prompts: Vec<&[u32]> = items.iter().map(|i| self.puzzles[*i].prompt.as_slice()).collect();
            let mut streams: Vec<Stream> = prompts.iter().map(|_| unused.split()).collect();
            for sample in model.sample(&prompts, &greedy, &mut streams)? {
                let tokens: Result<[u32; ANSWER], _> = sample.tokens.try_into();
                answers.push(tokens.map_err(|t| Error::Numeric(format!("a move of {} tokens", t.len())))?);
            }
        }
        Ok(answers)
    }
}
