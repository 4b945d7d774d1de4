//! Synthetic finetuning tasks: a contextual bandit whose prompts come from a few latent rules.
//!
//! An output is a *content* said in a *form*, y = (content, form). A prompt has a *topic*, which decides the right
//! content, a *kind*, which decides the right form, and *traits* ξ, which decide nothing but move the pretrained model's
//! odds. They are visible only through the features φ(x) = `u_topic` + `v_kind` + Σ `ξ_j` `w_j`, random unit vectors in
//! R^`features`, so that no coordinate belongs to one group of prompts. The policy is [`Factored`]: a linear head for the content plus a linear head for the form, as a language
//! model reuses its token embeddings in many outputs. What is learned about a topic or a kind therefore carries over
//! to all prompts that share it; what is never rewarded has to wait.
//!
//! The kinds differ in what pretraining made of them:
//! - *plain*: one kind per form; the right form has log-odds around `familiarity`: reward std is moderate;
//! - *rare*: the right form has mass `rare_mass`: mean ≈ 0 and std ≈ 0 ("the model continues the text instead of
//!   answering"), the small-std inputs of the paper;
//! - *mastered*: the right form is all but certain: small std because there is little left to gain.
//!
//! Plain kinds ask for different forms in equal shares, so that finetuning on them does not teach the rare kind's form
//! merely by raising a bias; and there are many more features than rules, so that the rules' directions are nearly
//! orthogonal, as in a language model. What RFT on other inputs does for rare ones is then small and of either sign.
//!
//! Topics are *ambiguous* to different degrees, from one possible content to an even choice among the candidates; no
//! model can know more than that, so the best reachable reward varies between prompts, as it does on real data. The
//! pretrained model knows the contents of every topic as well as can be: pretraining gives knowledge, and what
//! finetuning adds is the form in which to give it.
//!
//! This is the second version. In the first, the features were 32 for 24 directions, and RFT on plain kinds carried
//! over to the rare kind in one world out of ten (`--set world.features=32` brings that back; it grows with the
//! number of steps); and the pretrained model knew nothing of contents, so that an input's reward before finetuning
//! had nothing to do with its reward after, and SFT's gain fell with the pretrained mean (and so with the std) alone.

use super::factored::Factored;
use rewardlab::env::World;
use rewardlab::error::{Error, Result};
use rewardlab::num::{log_softmax, sigmoid};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pretraining mass that is spread evenly over all contents, possible or not.
const LEAK: f64 = 0.1;
/// Rewards of partially right contents are uniform in [0, this], before `content_weight`.
const MAX_GRADE: f64 = 0.5;
/// Half-range of the plain kinds' log-odds around `familiarity`, nats.
const SPREAD: f64 = 1.0;
/// Pretrained log-odds of the right form on mastered prompts, nats.
const MASTERED: f64 = 6.0;

/// What all tasks share: sizes, geometry, pretraining.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// Training prompts; 20 to 10 000.
    pub(crate) prompts: usize,
    /// Topics, and as many contents; 2 to 30.
    pub(crate) topics: usize,
    /// Forms, and as many plain kinds; 2 to 10.
    pub(crate) forms: usize,
    /// Contents that are possible for a topic, its own included; 2 to `topics`.
    pub(crate) candidates: usize,
    /// Dimension of the features; 2 to 500.
    pub(crate) features: usize,
    /// Traits of a prompt, independent normals with standard deviation 1/√`traits`; 0 to 100.
    pub(crate) traits: usize,
    /// Standard deviation between prompts of the pretrained logits, through their traits, nats; 0 to 5.
    pub(crate) variation: f64,
    /// Pretraining mass of the right form on rare prompts; above 0, at most 0.5.
    pub(crate) rare_mass: f64,
    /// Adam steps of pretraining, full batch; 1 to 100 000.
    pub(crate) pretrain_steps: usize,
    /// Adam learning rate of pretraining; above 0, at most 1.
    pub(crate) pretrain_learning_rate: f64,
}

/// One finetuning task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// Share of rare prompts (small std, low mean); 0 to 1.
    pub(crate) rare_share: f64,
    /// Share of mastered prompts (small std, high mean) among those that are not rare; 0 to 1.
    pub(crate) mastered_share: f64,
    /// How much of the reward depends on the content: a wrong content of grade g in the right form earns
    /// 1 − `content_weight` (1 − g); 0 to 1.
    pub(crate) content_weight: f64,
    /// Mean pretrained log-odds of the right form on plain prompts, nats; −10 to 10.
    pub(crate) familiarity: f64,
    /// Ambiguity of the most ambiguous topic; the others are evenly spaced from 0. At 0 the content is certain, at 1
    /// all candidates are equally likely; 0 to 1.
    pub(crate) ambiguity: f64,
}

impl Setup {
    /// The defaults. Pretraining is convex and its targets are within the policy's reach; 2 000 steps bring it to
    /// within a small factor even where they are 10⁻⁵.
    pub(crate) fn of(prompts: usize) -> Self {
        Self {
            prompts,
            topics: 10,
            forms: 4,
            candidates: 4,
            features: 128,
            traits: 8,
            variation: 0.5,
            rare_mass: 1e-5,
            pretrain_steps: 2000,
            pretrain_learning_rate: 0.2,
        }
    }

    /// Checks the ranges; `at` is the table's name.
    pub(crate) fn validate(&self, at: &str) -> Result<()> {
        let whole = |name: &str, value: usize, low: usize, high: usize| {
            let legal = || Error::parameter(format!("{at}.{name}"), value, format!("{low} to {high}"));
            (low..=high).contains(&value).then_some(()).ok_or_else(legal)
        };
        whole("prompts", self.prompts, 20, 10_000)?;
        whole("topics", self.topics, 2, 30)?;
        whole("forms", self.forms, 2, 10)?;
        whole("candidates", self.candidates, 2, self.topics)?;
        whole("features", self.features, 2, 500)?;
        whole("pretrain_steps", self.pretrain_steps, 1, 100_000)?;
        whole("traits", self.traits, 0, 100)?;
        check_range(at, "variation", self.variation, 0.0, 5.0)?;
        check_range(at, "rare_mass", self.rare_mass, f64::MIN_POSITIVE, 0.5)?;
        check_range(at, "pretrain_learning_rate", self.pretrain_learning_rate, f64::MIN_POSITIVE, 1.0)
    }

    fn outputs(&self) -> usize {
        self.topics * self.forms
    }
}

impl Task {
    /// The task with a considerable share of small-std inputs of low mean (as the paper reports of `NarrativeQA`).
    pub(crate) fn small_std() -> Self {
        Self { rare_share: 0.18, mastered_share: 0.0, content_weight: 1.0, familiarity: -1.0, ambiguity: 1.0 }
    }

    /// The task whose small-std inputs already have a high mean (as the paper shows of IMDB).
    pub(crate) fn high_mean() -> Self {
        Self { rare_share: 0.0, mastered_share: 0.18, content_weight: 0.1, familiarity: 0.5, ambiguity: 1.0 }
    }

    /// Checks the ranges; `at` is the table's name.
    pub(crate) fn validate(&self, at: &str) -> Result<()> {
        check_range(at, "rare_share", self.rare_share, 0.0, 1.0)?;
        check_range(at, "mastered_share", self.mastered_share, 0.0, 1.0)?;
        check_range(at, "content_weight", self.content_weight, 0.0, 1.0)?;
        check_range(at, "familiarity", self.familiarity, -10.0, 10.0)?;
        check_range(at, "ambiguity", self.ambiguity, 0.0, 1.0)
    }
}

/// Fails unless `low ≤ value ≤ high`.
pub(crate) fn check_range(at: &str, name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    let name = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let legal = if low == f64::MIN_POSITIVE { format!("above 0, at most {high}") } else { format!("{low} to {high}") };
    (low..=high).contains(&value).then_some(()).ok_or_else(|| Error::parameter(name, value, legal))
}

/// What pretraining made of a prompt's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Moderate mass on the right form.
    Plain(usize),
    /// Next to no mass on the right form.
    Rare,
    /// Nearly all mass on the right form.
    Mastered,
}

impl Kind {
    /// The name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Rare => "rare",
            Self::Mastered => "mastered",
        }
    }
}

/// A drawn task: prompts (training first, then test), their true rewards, labels, and pretraining distributions.
#[derive(Clone, Debug)]
pub(crate) struct TaskWorld {
    /// `prompts × features`.
    pub(crate) features: Arc<[f64]>,
    /// Rewards of every output, output = content · `forms` + form.
    pub(crate) world: World,
    /// The labelled output of each prompt.
    pub(crate) labels: Vec<usize>,
    /// The kind of each prompt.
    pub(crate) kinds: Vec<Kind>,
    /// Contents and forms.
    pub(crate) shape: (usize, usize),
    /// Number of training prompts.
    pub(crate) train: usize,
    /// Pretraining distribution of every prompt, `prompts × outputs`.
    pub(crate) prior: Vec<f64>,
}

/// What the rules of a world say, before any prompt is drawn.
struct Rules {
    topic_vectors: Vec<Vec<f64>>,
    kind_vectors: Vec<Vec<f64>>,
    trait_vectors: Vec<Vec<f64>>,
    /// What each trait adds to the pretrained logits of contents, then of forms, nats.
    trait_logits: Vec<Vec<f64>>,
    /// Candidate contents per topic; the first is the topic's own.
    candidates: Vec<Vec<usize>>,
    /// Symmetric grades of wrong contents, `topics × topics`.
    grades: Vec<f64>,
    rare_form: usize,
    mastered_form: usize,
}

impl Rules {
    fn draw(setup: &Setup, rng: &mut Stream) -> Self {
        let n = setup.topics;
        let mut vectors = |n: usize| (0..n).map(|_| unit_vector(setup.features, rng)).collect();
        let topic_vectors = vectors(n);
        let kind_vectors = vectors(setup.forms + 2);
        let trait_vectors = vectors(setup.traits);
        let trait_logits =
            (0..setup.traits).map(|_| (0..n + setup.forms).map(|_| setup.variation * rng.normal()).collect()).collect();
        let candidates = (0..n)
            .map(|topic| {
                let others = rng.permutation(n).into_iter().filter(|&c| c != topic);
                std::iter::once(topic).chain(others).take(setup.candidates).collect()
            })
            .collect();
        let mut grades = vec![1.0; n * n];
        for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
            let grade = MAX_GRADE * rng.uniform();
            grades[i * n + j] = grade;
            grades[j * n + i] = grade;
        }
        let (rare_form, mastered_form) = (rng.below(setup.forms), rng.below(setup.forms));
        Self { topic_vectors, kind_vectors, trait_vectors, trait_logits, candidates, grades, rare_form, mastered_form }
    }

    /// The vector of a kind, its right form, and the pretrained mass of that form.
    fn kind(&self, setup: &Setup, task: &Task, kind: Kind) -> (&[f64], usize, f64) {
        let n = setup.forms;
        match kind {
            Kind::Plain(k) => {
                let offset = SPREAD * (2.0 * k as f64 / (n - 1) as f64 - 1.0);
                (&self.kind_vectors[k], k, sigmoid(task.familiarity + offset))
            }
            Kind::Rare => (&self.kind_vectors[n], self.rare_form, setup.rare_mass),
            Kind::Mastered => (&self.kind_vectors[n + 1], self.mastered_form, sigmoid(MASTERED)),
        }
    }

    /// The distribution of the right content of a topic.
    fn contents(&self, setup: &Setup, task: &Task, topic: usize) -> Vec<f64> {
        let candidates = &self.candidates[topic];
        let ambiguity = task.ambiguity * topic as f64 / (setup.topics - 1) as f64;
        let mut probs = vec![0.0; setup.topics];
        candidates.iter().for_each(|&c| probs[c] = ambiguity / candidates.len() as f64);
        probs[topic] += 1.0 - ambiguity;
        probs
    }

    /// The pretraining distribution over outputs, from that of contents, the right form, its mass, and traits.
    fn prior(&self, setup: &Setup, of_contents: &[f64], form: usize, mass: f64, traits: &[f64]) -> Vec<f64> {
        let (contents, forms) = (setup.topics, setup.forms);
        let of_content = |c: usize| ((1.0 - LEAK) * of_contents[c] + LEAK / contents as f64).ln();
        let of_form = |f| (if f == form { mass } else { (1.0 - mass) / (forms - 1) as f64 }).ln();
        let mut parts: Vec<f64> = (0..contents).map(of_content).chain((0..forms).map(of_form)).collect();
        traits.iter().zip(&self.trait_logits).for_each(|(x, logits)| add_scaled(*x, logits, &mut parts));
        let (of_content, of_form) = parts.split_at(contents);
        let mut prior: Vec<f64> = of_content.iter().flat_map(|c| of_form.iter().map(move |f| c + f)).collect();
        log_softmax(&mut prior);
        prior.iter_mut().for_each(|p| *p = p.exp());
        prior
    }
}

/// out ← out + scale · v.
fn add_scaled(scale: f64, v: &[f64], out: &mut [f64]) {
    out.iter_mut().zip(v).for_each(|(o, v)| *o += scale * v);
}

fn unit_vector(dim: usize, rng: &mut Stream) -> Vec<f64> {
    let mut v = vec![0.0; dim];
    rng.fill_normal(1.0, &mut v);
    let norm = rewardlab::num::norm(&v);
    v.iter_mut().for_each(|x| *x /= norm);
    v
}

/// The kinds of `n` prompts in random order, in exact shares; plain kinds in turn.
fn draw_kinds(setup: &Setup, task: &Task, n: usize, rng: &mut Stream) -> Vec<Kind> {
    let rare = (task.rare_share * n as f64).round() as usize;
    let mastered = (task.mastered_share * (n - rare) as f64).round() as usize;
    let mut kinds = vec![Kind::Rare; n];
    for (i, place) in rng.permutation(n).into_iter().enumerate() {
        kinds[place] = match i {
            i if i < rare => Kind::Rare,
            i if i < rare + mastered => Kind::Mastered,
            i => Kind::Plain(i % setup.forms),
        };
    }
    kinds
}

impl TaskWorld {
    /// Draws a task with `test` prompts beside the training prompts; the training part does not depend on `test`.
    ///
    /// # Errors
    /// None for legal parameters.
    pub(crate) fn draw(setup: &Setup, task: &Task, test: usize, rng: &mut Stream) -> Result<Self> {
        let rules = Rules::draw(setup, rng);
        let mut kinds = draw_kinds(setup, task, setup.prompts, rng);
        let (mut features, mut rewards, mut labels, mut prior) = (vec![], vec![], vec![], vec![]);
        for prompt in 0..setup.prompts + test {
            if prompt == setup.prompts {
                kinds.extend(draw_kinds(setup, task, test, rng));
            }
            let topic = rng.below(setup.topics);
            let (vector, form, mass) = rules.kind(setup, task, kinds[prompt]);
            let traits: Vec<f64> = (0..setup.traits).map(|_| rng.normal() / (setup.traits as f64).sqrt()).collect();
            let mut phi: Vec<f64> = rules.topic_vectors[topic].iter().zip(vector).map(|(u, v)| u + v).collect();
            traits.iter().zip(&rules.trait_vectors).for_each(|(x, w)| add_scaled(*x, w, &mut phi));
            features.extend(phi);
            let of_contents = rules.contents(setup, task, topic);
            let content = rng.categorical(&of_contents);
            labels.push(content * setup.forms + form);
            for output in 0..setup.outputs() {
                let (c, f) = (output / setup.forms, output % setup.forms);
                let grade = rules.grades[c * setup.topics + content];
                rewards.push(if f == form { 1.0 - task.content_weight * (1.0 - grade) } else { 0.0 });
            }
            prior.extend(rules.prior(setup, &of_contents, form, mass, &traits));
        }
        let world = World::bandit(setup.outputs(), rewards)?;
        let shape = (setup.topics, setup.forms);
        Ok(Self { features: features.into(), world, labels, kinds, shape, train: setup.prompts, prior })
    }

    /// The pretraining distribution of one prompt.
    pub(crate) fn prior(&self, prompt: usize) -> &[f64] {
        let n = self.shape.0 * self.shape.1;
        &self.prior[prompt * n..][..n]
    }

    /// The training prompts.
    pub(crate) fn training(&self) -> Vec<usize> {
        (0..self.train).collect()
    }

    /// The untrained policy: uniform everywhere.
    pub(crate) fn blank_policy(&self) -> Factored {
        let dim = self.features.len() / self.labels.len();
        Factored::zero(self.features.clone(), dim, self.shape)
    }
}
