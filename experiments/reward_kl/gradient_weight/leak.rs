//! The `leak` part: a transformer learns a corpus, then its pairs; and the same with one logit per string.

use super::super::pairs::normalised;
use super::{Params, Row, Rule};
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::env::Tree;
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, entropy, kl, output_log_probs};
use rewardlab::experiment::Context;
use rewardlab::objective::{dpo_loss, unlikelihood_loss};
use rewardlab::policy::{Policy, Transformer};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// Per prompt, the strings that its data hold, in the order of their reward.
struct Corpus {
    tree: Tree,
    of_prompts: Vec<Vec<usize>>,
}

impl Corpus {
    fn random(p: &Params, many: bool, ctx: &Context) -> Self {
        let (prompts, each) = if many { (p.prompts, p.corpus_of_each) } else { (1, p.corpus) };
        let tree = Tree { prompts, vocab: p.vocab, length: p.length };
        let mut rng = ctx.shared_stream(if many { "corpora" } else { "corpus" });
        let drawn = |_| {
            let mut all = rng.permutation(tree.outputs());
            all.truncate(each);
            all
        };
        Self { tree, of_prompts: (0..prompts).map(drawn).collect() }
    }

    fn strings(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.of_prompts.iter().enumerate().flat_map(|(prompt, own)| own.iter().map(move |y| (prompt, *y)))
    }
}

/// The weights on the strings' log-probabilities that descend the rule's loss over all pairs of strings of one prompt, a mean over
/// all prompts' pairs; the better string is the one that stands before the other. `log_probs` and `reference` are in the order of
/// [`Corpus::strings`].
fn pulls(rule: Rule, corpus: &Corpus, log_probs: &[f64], reference: &[f64]) -> Vec<f64> {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for own in &corpus.of_prompts {
        let end = start + own.len();
        pairs.extend((start..end).flat_map(|i| (i + 1..end).map(move |j| (i, j))));
        start = end;
    }
    let both =
        |of: &[f64]| -> Vec<f64> { pairs.iter().map(|p| of[p.0]).chain(pairs.iter().map(|p| of[p.1])).collect() };
    let mut on_pairs = vec![0.0; 2 * pairs.len()];
    match rule {
        Rule::Dpo { beta } => dpo_loss(&both(log_probs), &both(reference), beta, -1.0, &mut on_pairs),
        Rule::Unlikelihood { alpha } => unlikelihood_loss(&both(log_probs), alpha, -1.0, &mut on_pairs),
    };
    let mut weights = vec![0.0; log_probs.len()];
    for (k, (chosen, rejected)) in pairs.iter().enumerate() {
        weights[*chosen] += on_pairs[k];
        weights[*rejected] += on_pairs[pairs.len() + k];
    }
    weights
}

/// What a row says of distributions over strings, one per prompt: means over prompts.
fn seen(part: &str, rule: Rule, at: f64, corpus: &Corpus, log_probs: &[Vec<f64>], reference: &[Vec<f64>]) -> Row {
    let over_prompts = |of: &dyn Fn(usize) -> f64| mean(&(0..log_probs.len()).map(of).collect::<Vec<_>>());
    let unseen = |x: usize| {
        let outside = (0..log_probs[x].len()).filter(|y| !corpus.of_prompts[x].contains(y));
        outside.map(|y| log_probs[x][y].exp()).sum()
    };
    Row {
        part: part.into(),
        setting: rule.to_string(),
        at,
        kl: Some(over_prompts(&|x| kl(&log_probs[x], &reference[x]))),
        unseen: Some(over_prompts(&unseen)),
        entropy: Some(over_prompts(&|x| entropy(&log_probs[x]))),
        ..Row::default()
    }
}

/// A transformer over the tree's strings, and its steps on a corpus.
struct Model<'a> {
    corpus: &'a Corpus,
    policy: Transformer,
    optimizer: Adam,
    /// Where the corpus's tokens are written.
    contexts: Vec<usize>,
    /// Per string of the corpus, its tokens' places among those contexts' tokens.
    places: Vec<Vec<usize>>,
}

impl<'a> Model<'a> {
    fn new(corpus: &'a Corpus, policy: Transformer, learning_rate: f64) -> Result<Self> {
        let optimizer = Adam::new(learning_rate, policy.params().len())?;
        let tree = corpus.tree;
        let cells = |(prompt, y): (usize, usize)| -> Vec<usize> {
            let first = tree.contexts_of(prompt).start * tree.vocab;
            tree.cells(y).map(|c| first + c).collect()
        };
        let of_strings: Vec<Vec<usize>> = corpus.strings().map(cells).collect();
        let mut contexts: Vec<usize> = of_strings.iter().flatten().map(|c| c / tree.vocab).collect();
        contexts.sort_unstable();
        contexts.dedup();
        let place = |cell: &usize| {
            let context = contexts.binary_search(&(cell / tree.vocab)).expect("a context of the corpus");
            context * tree.vocab + cell % tree.vocab
        };
        let places = of_strings.iter().map(|cells| cells.iter().map(place).collect()).collect();
        Ok(Self { corpus, policy, optimizer, contexts, places })
    }

    /// log π of every string, per prompt.
    fn log_probs(&mut self) -> Vec<Vec<f64>> {
        (0..self.corpus.tree.prompts).map(|x| output_log_probs(&mut self.policy, self.corpus.tree, x)).collect()
    }

    /// One step up Σ weight · log π(string) over the corpus, the weights given by its strings' log-probabilities.
    fn step(&mut self, weigh: impl FnOnce(&[f64]) -> Vec<f64>) {
        let mut tokens = vec![0.0; self.contexts.len() * self.corpus.tree.vocab];
        self.policy.log_probs(&self.contexts, &mut tokens);
        let strings: Vec<f64> = self.places.iter().map(|own| own.iter().map(|t| tokens[*t]).sum()).collect();
        let mut weights = vec![0.0; tokens.len()];
        for (own, weight) in self.places.iter().zip(weigh(&strings)) {
            own.iter().for_each(|t| weights[*t] += weight);
        }
        let mut gradient = vec![0.0; self.policy.params().len()];
        self.policy.backward_log_probs(&tokens, &mut weights, &mut gradient);
        self.optimizer.ascend(self.policy.params_mut(), &gradient);
    }
}

pub(super) fn leak(p: &Params, rule: Rule, many: bool, ctx: &Context) -> Result<Vec<Row>> {
    let corpus = Corpus::random(p, many, ctx);
    let random = |rng: &mut Stream| Transformer::random(p.width, 1.0, corpus.tree, rng);
    let data = if many { (p.prompts, p.corpus_of_each) } else { (1, p.corpus) };
    let key = (p.vocab, p.length, data, p.width, p.corpus_steps, p.corpus_learning_rate);
    let name = if many { "corpora" } else { "corpus" };
    let learned = ctx.stage(name, &key, |rng| {
        let mut model = Model::new(&corpus, random(rng)?, p.corpus_learning_rate)?;
        for _ in 0..p.corpus_steps {
            model.step(|strings| vec![1.0 / strings.len() as f64; strings.len()]);
        }
        Ok(model.policy.params().to_vec())
    })?;
    let mut policy = random(&mut ctx.shared_stream("shape"))?;
    policy.params_mut().copy_from_slice(&learned);
    let mut model = Model::new(&corpus, policy, p.learning_rate)?;
    let part = if many { "leak" } else { "leak_one_prompt" };
    let reference = model.log_probs();
    let of_corpus: Vec<f64> = corpus.strings().map(|(x, y)| reference[x][y]).collect();
    let mut rows = vec![seen(part, rule, 0.0, &corpus, &reference, &reference)];
    let mut next = 1;
    for t in 1..=p.steps {
        model.step(|strings| pulls(rule, &corpus, strings, &of_corpus));
        if t == next || t == p.steps {
            next = (next as f64 * 1.5).ceil() as usize;
            let strings = model.log_probs();
            if strings.iter().flatten().any(|lp| lp.is_nan()) {
                return Err(Error::Numeric(format!("{rule}: a probability is NaN after {t} steps")));
            }
            rows.push(seen(part, rule, t as f64, &corpus, &strings, &reference));
        }
    }
    Ok(rows)
}

/// One logit per string of one prompt: a reference that puts a hundredth on strings outside the corpus, and gradient flow.
pub(super) fn leak_tabular(p: &Params, rule: Rule, ctx: &Context) -> Result<Vec<Row>> {
    let corpus = Corpus::random(p, false, ctx);
    let own = &corpus.of_prompts[0];
    let (inside, outside) = (own.len() as f64, (corpus.tree.outputs() - own.len()) as f64);
    let share = |y: usize| if own.contains(&y) { 0.99 / inside } else { 0.01 / outside };
    let reference: Vec<f64> = (0..corpus.tree.outputs()).map(|y| share(y).ln()).collect();
    let of_own = |all: &[f64]| -> Vec<f64> { own.iter().map(|y| all[*y]).collect() };
    let field = |logits: &[f64], rate: &mut [f64]| {
        let log_probs = normalised(logits);
        rate.fill(0.0);
        let pulls = pulls(rule, &corpus, &of_own(&log_probs), &of_own(&reference));
        own.iter().zip(pulls).for_each(|(y, pull)| rate[*y] = pull);
        let sum: f64 = rate.iter().sum();
        rate.iter_mut().zip(&log_probs).for_each(|(r, lp)| *r -= lp.exp() * sum);
    };
    let (mut state, mut time) = (reference.clone(), 0.0);
    let row = |at: f64, log_probs: Vec<f64>| {
        seen("leak_tabular", rule, at, &corpus, &[log_probs], std::slice::from_ref(&reference))
    };
    let mut rows = vec![row(0.0, reference.clone())];
    for at in [1.0, 10.0, 100.0] {
        state = Flow::new(1e-9, at - time)?.end(field, &state)?;
        time = at;
        rows.push(row(at, normalised(&state)));
    }
    Ok(rows)
}
