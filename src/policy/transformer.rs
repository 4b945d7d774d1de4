//! A decoder transformer as a policy: its contexts are token sequences, the CPU engine gives logits and their gradients.

use super::Policy;
use super::jacobian::Jacobian;
use crate::env::Tree;
use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Signal};
use crate::lm::{Batch, Choices, Config, Layout, Role, Size, init};
use crate::rng::Stream;
use std::ops::Range;
use std::sync::Arc;

/// Contexts that go through the engine together.
const CHUNK: usize = 512;

/// The transformer policy: the logits of a context are those of the first `vocab` tokens after its sequence.
///
/// Parameters are f64 as every policy's; the engine computes in f32 from their rounded values, so that logits and
/// gradients have six to seven digits. What is derived from the logits (probabilities, values) has all of f64's.
///
/// Each context is run as a sequence of its own: a full tree's prefixes take about V/(V − 1) times the tokens of its
/// longest ones.
#[derive(Clone, Debug)]
pub struct Transformer {
    engine: Engine,
    vocab: usize,
    sequences: Arc<[Vec<u32>]>,
    params: Vec<f64>,
    /// The parameters as the engine sees them; empty when they have changed since.
    rounded: Vec<f32>,
    last: Vec<usize>,
    logits: Vec<f32>,
    grad: Vec<f32>,
}

impl Transformer {
    /// The policy whose context number i is `sequences[i]`, choosing among the first `vocab` tokens.
    ///
    /// # Errors
    /// A config without a layout, parameters that do not fit it, `vocab` outside 1..=the config's, a sequence that is empty,
    /// longer than the config's context or with a token that it does not have.
    pub fn new(config: &Config, params: &[f32], vocab: usize, sequences: Vec<Vec<u32>>) -> Result<Self> {
        let mut engine = Engine::new(config)?;
        Error::check_shape("parameters", engine.layout().len(), params.len())?;
        if vocab == 0 || vocab > config.vocab {
            return Err(Error::parameter("vocab", vocab, format!("in 1..={}", config.vocab)));
        }
        if let Some(i) = sequences.iter().position(Vec::is_empty) {
            return Err(Error::parameter(format!("sequences[{i}]"), "empty", "at least one token"));
        }
        // the engine's own checks, once; after this no context can fail
        sequences.chunks(CHUNK).try_for_each(|s| engine.forward(params, &Batch::new(s), Keep::Final))?;
        Ok(Self {
            engine,
            vocab,
            sequences: sequences.into(),
            params: params.iter().map(|p| f64::from(*p)).collect(),
            rounded: params.to_vec(),
            last: Vec::new(),
            logits: Vec::new(),
            grad: Vec::new(),
        })
    }

    /// The policy on a tree of outputs: prompt x is the one token V + x, and its contexts are that token and a prefix.
    ///
    /// # Errors
    /// As [`Transformer::new`]: the config needs V + prompts tokens and a context of `tree.length`.
    pub fn on_tree(config: &Config, params: &[f32], tree: Tree) -> Result<Self> {
        let of_prompt = |prompt: usize| {
            let prefix = move |depth: usize, code: usize| {
                let tokens = tree.tokens(depth, code).into_iter().map(|t| t as u32);
                std::iter::once((tree.vocab + prompt) as u32).chain(tokens).collect::<Vec<_>>()
            };
            (0..tree.length)
                .flat_map(move |depth| (0..tree.vocab.pow(depth as u32)).map(move |code| prefix(depth, code)))
        };
        Self::new(config, params, tree.vocab, (0..tree.prompts).flat_map(of_prompt).collect())
    }

    /// A transformer of Llama's form with two blocks and two heads, random weights: every matrix keeps lengths on average, and the
    /// logits have a standard deviation of about `spread` nats.
    ///
    /// # Errors
    /// A width that two heads do not share.
    pub fn random(width: usize, spread: f64, tree: Tree, rng: &mut Stream) -> Result<Self> {
        let size = Size { vocab: tree.vocab + tree.prompts, width, layers: 2, heads: 2, context: tree.length };
        let config = Config::llama(size);
        let mut params = init(&config, 1.0, rng)?;
        for tensor in Layout::new(&config)?.tensors {
            if matches!(tensor.role, Role::Matrix | Role::ResidualMatrix) {
                let scale = if tensor.name == "lm_head.weight" { spread } else { 1.0 };
                let scale = (scale / (tensor.shape[1] as f64).sqrt()) as f32;
                params[tensor.range].iter_mut().for_each(|p| *p *= scale);
            }
        }
        Self::on_tree(&config, &params, tree)
    }

    /// How many contexts the engine takes at once: it keeps at most 2^20 logits.
    fn chunk(&self) -> usize {
        ((1 << 20) / self.engine.config().vocab).clamp(1, CHUNK)
    }

    /// Runs the engine on these contexts and asks for the distributions at their ends.
    fn run(&mut self, contexts: &[usize], keep: Keep) {
        if self.rounded.is_empty() {
            self.rounded.extend(self.params.iter().map(|p| *p as f32));
        }
        let sequences: Vec<&[u32]> = contexts.iter().map(|c| &*self.sequences[*c]).collect();
        let batch = Batch::new(&sequences);
        let rows = batch.all_rows().map(|r| r.end - 1).collect();
        let choices = Choices { rows, tokens: vec![0; contexts.len()] };
        self.engine.forward(&self.rounded, &batch, keep).expect("sequences were checked");
        self.engine.log_probs(&self.rounded, &choices).expect("rows of this batch");
    }

    /// Adds the gradient of Σ `weights` · logits(`contexts`) to `grad`.
    fn pull(&mut self, contexts: &[usize], weights: &[f64], grad: &mut [f64]) {
        // contexts that weigh nothing need no pass; a common scale keeps small weights' digits in f32
        let scale = weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        let rows = contexts.iter().zip(weights.chunks_exact(self.vocab));
        let used: Vec<(usize, &[f64])> =
            rows.filter(|(_, w)| w.iter().any(|w| *w != 0.0)).map(|(c, w)| (*c, w)).collect();
        let width = self.engine.config().vocab;
        for part in used.chunks(self.chunk()) {
            self.run(&part.iter().map(|(c, _)| *c).collect::<Vec<_>>(), Keep::All);
            let mut on_logits = vec![0.0; part.len() * width];
            for (out, (_, w)) in on_logits.chunks_exact_mut(width).zip(part) {
                out.iter_mut().zip(*w).for_each(|(o, w)| *o = (w / scale) as f32);
            }
            self.grad.clear();
            self.grad.resize(self.params.len(), 0.0);
            let signal = Signal { logits: &on_logits, ..Signal::default() };
            self.engine.backward(&self.rounded, &signal, &mut self.grad).expect("one row of weights per context");
            grad.iter_mut().zip(&self.grad).for_each(|(g, d)| *g += scale * f64::from(*d));
        }
    }
}

impl Policy for Transformer {
    fn contexts(&self) -> usize {
        self.sequences.len()
    }
    fn vocab(&self) -> usize {
        self.vocab
    }
    fn params(&self) -> &[f64] {
        &self.params
    }
    fn params_mut(&mut self) -> &mut [f64] {
        self.rounded.clear();
        &mut self.params
    }
    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]) {
        let (width, chunk) = (self.engine.config().vocab, self.chunk());
        for (part, out) in contexts.chunks(chunk).zip(logits.chunks_mut(chunk * self.vocab)) {
            self.run(part, Keep::Final);
            self.logits.resize(part.len() * width, 0.0);
            self.engine.raw_logits(&mut self.logits).expect("kept: chunks are small enough");
            for (out, row) in out.chunks_exact_mut(self.vocab).zip(self.logits.chunks_exact(width)) {
                out.iter_mut().zip(row).for_each(|(o, l)| *o = f64::from(*l));
            }
        }
        self.last.clear();
        self.last.extend_from_slice(contexts);
    }
    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let contexts = std::mem::take(&mut self.last);
        self.pull(&contexts, logit_weights, grad);
        self.last = contexts;
    }
    fn jacobian_norm(&mut self, context: usize) -> f64 {
        let (vocab, n) = (self.vocab, self.params.len());
        let mut rows = vec![0.0; vocab * n];
        for (token, row) in rows.chunks_exact_mut(n).enumerate() {
            let mut one = vec![0.0; vocab];
            one[token] = 1.0;
            self.pull(&[context], &one, row);
        }
        let columns: Vec<f64> = (0..n).flat_map(|p| (0..vocab).map(move |a| a * n + p)).map(|i| rows[i]).collect();
        Jacobian::default().linear_norm(vocab, columns.chunks_exact(vocab))
    }
    fn largest_jacobian_norm(&mut self, contexts: Range<usize>) -> f64 {
        contexts.map(|c| self.jacobian_norm(c)).fold(0.0, |m, n| if n <= m { m } else { n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::World;
    use crate::exact::{Engine as Exact, output_log_probs};
    use crate::lm::{Size, init};
    use crate::num::{log_softmax_rows, norm, relative_error};
    use crate::policy::Tabular;
    use crate::rng::Stream;

    const TREE: Tree = Tree { prompts: 2, vocab: 3, length: 3 };

    fn configs() -> [Config; 2] {
        let size = Size { vocab: 5, width: 16, layers: 2, heads: 2, context: 3 };
        [Config::llama(size), Config::gpt2(size)]
    }

    fn params(config: &Config) -> Vec<f32> {
        init(config, 0.4, &mut Stream::named(&["test", "transformer"])).expect("a layout")
    }

    fn policy(config: &Config) -> Transformer {
        Transformer::on_tree(config, &params(config), TREE).expect("legal")
    }

    fn world() -> World {
        let mut rewards = vec![0.0; 2 * TREE.outputs()];
        Stream::named(&["test", "transformer", "rewards"]).fill_normal(1.0, &mut rewards);
        World::new(TREE, rewards).expect("finite")
    }

    /// The tabular policy with the same logits, on the same contexts.
    fn table(policy: &mut Transformer) -> Tabular {
        let mut logits = vec![0.0; TREE.contexts() * TREE.vocab];
        policy.forward(&(0..TREE.contexts()).collect::<Vec<_>>(), &mut logits);
        Tabular::from_logits(TREE.vocab, logits)
    }

    /// Contexts one by one against whole outputs scored in one pass: numbering, prompts, the last row, the mask.
    #[test]
    fn outputs_are_scored_as_whole_sequences_are_and_sum_to_one() {
        for config in configs() {
            let mut policy = policy(&config);
            let mut engine = Engine::new(&config).expect("a layout");
            for prompt in 0..2 {
                let joint = output_log_probs(&mut policy, TREE, prompt);
                assert!((joint.iter().map(|lp| lp.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
                for (code, log_prob) in joint.iter().enumerate() {
                    let output = TREE.tokens(3, code);
                    let sequence = [(3 + prompt) as u32, output[0] as u32, output[1] as u32];
                    engine.forward(&params(&config), &Batch::new(&[sequence]), Keep::Final).expect("legal");
                    let choices = Choices { rows: vec![0, 1, 2], tokens: vec![0; 3] };
                    engine.log_probs(&params(&config), &choices).expect("legal");
                    let mut logits = vec![0.0; 3 * config.vocab];
                    engine.raw_logits(&mut logits).expect("kept");
                    let mut rows: Vec<f64> =
                        logits.chunks_exact(config.vocab).flat_map(|r| r[..3].iter().map(|l| f64::from(*l))).collect();
                    log_softmax_rows(&mut rows, 3);
                    let whole: f64 = output.iter().enumerate().map(|(t, a)| rows[t * 3 + a]).sum();
                    assert!((log_prob - whole).abs() < 1e-5, "{output:?}: {log_prob}, {whole}");
                }
            }
        }
    }

    #[test]
    fn the_policy_gradient_matches_central_differences() {
        let world = world();
        for config in configs() {
            let mut policy = policy(&config);
            let mut exact = Exact::new(TREE);
            let mut grad = vec![0.0; policy.params().len()];
            exact.policy_gradient(&mut policy, &world, 1, 1.0, &mut grad);
            let scale = norm(&grad) / (grad.len() as f64).sqrt();
            for i in (0..grad.len()).step_by(grad.len() / 60) {
                let start = policy.params()[i];
                let mut at = |step: f64| {
                    policy.params_mut()[i] = start + step;
                    exact.stats(&mut policy, &world, 1).value
                };
                let h = 1.0 / 64.0;
                let (near, far) = ((at(h) - at(-h)) / (2.0 * h), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h));
                let difference = (4.0 * near - far) / 3.0;
                at(0.0);
                assert!(
                    (difference - grad[i]).abs() < 2e-3 * (scale + difference.abs()),
                    "{i}: {difference}, {}",
                    grad[i]
                );
            }
        }
    }

    /// Values as the table's; gradients as the table's through the Jacobian, row by row; γ as the Gram matrix's root.
    #[test]
    fn exact_quantities_are_the_tables_through_the_jacobian() {
        let world = world();
        for config in configs() {
            let mut policy = policy(&config);
            let mut table = table(&mut policy);
            let mut exact = Exact::new(TREE);
            let mut on_logits = vec![0.0; table.params().len()];
            let theirs = exact.policy_gradient(&mut table, &world, 0, 1.0, &mut on_logits);
            let mut grad = vec![0.0; policy.params().len()];
            assert_eq!(exact.policy_gradient(&mut policy, &world, 0, 1.0, &mut grad), theirs);
            let mut expected = vec![0.0; grad.len()];
            for context in TREE.contexts_of(0) {
                let mut gram = [[0.0; 3]; 3];
                let mut rows = Vec::new();
                policy.forward(&[context], &mut [0.0; 3]);
                for a in 0..3 {
                    let (mut one, mut row) = ([0.0; 3], vec![0.0; grad.len()]);
                    one[a] = 1.0;
                    policy.backward(&one, &mut row);
                    let weight = on_logits[context * 3 + a];
                    expected.iter_mut().zip(&row).for_each(|(e, r)| *e += weight * r);
                    rows.push(row);
                }
                for (a, row) in gram.iter_mut().enumerate() {
                    for (b, g) in row.iter_mut().enumerate() {
                        *g = rows[a].iter().zip(&rows[b]).map(|(x, y)| x * y).sum::<f64>();
                    }
                }
                let mut x = [1.0, 0.9, -0.8];
                for _ in 0..2_000 {
                    let y = gram.map(|row| row.iter().zip(&x).map(|(g, x)| g * x).sum::<f64>());
                    x = y.map(|v| v / norm(&y));
                }
                let top = norm(&gram.map(|row| row.iter().zip(&x).map(|(g, x)| g * x).sum::<f64>())).sqrt();
                assert!((policy.jacobian_norm(context) / top - 1.0).abs() < 1e-6);
            }
            assert!(relative_error(&grad, &expected) < 1e-5);
        }
    }

    /// Σ π(y) r(y) ∇ log π(y), with all outputs in one batch and weights on the chosen tokens' log-probabilities.
    #[test]
    fn the_gradient_is_the_weighted_sum_of_scores() {
        let config = Config::llama(Size { vocab: 3, width: 16, layers: 2, heads: 2, context: 4 });
        let tree = Tree { prompts: 1, vocab: 3, length: 3 };
        let of =
            |depth, code| std::iter::once(0).chain(tree.tokens(depth, code).into_iter().map(|t| t as u32)).collect();
        let prefixes: Vec<Vec<u32>> = (0..3).flat_map(|d| (0..3_usize.pow(d as u32)).map(move |c| of(d, c))).collect();
        let mut policy = Transformer::new(&config, &params(&config), 3, prefixes).expect("legal");
        let world = World::new(tree, (0..27).map(|i| f64::from(i * i % 7) - 3.0).collect()).expect("finite");
        let mut grad = vec![0.0; policy.params().len()];
        Exact::new(tree).policy_gradient(&mut policy, &world, 0, 1.0, &mut grad);
        let joint = output_log_probs(&mut policy, tree, 0);
        let outputs: Vec<Vec<u32>> = (0..27).map(|code| of(3, code)).collect();
        let batch = Batch::new(&outputs);
        let mut engine = Engine::new(&config).expect("a layout");
        engine.forward(&params(&config), &batch, Keep::All).expect("legal");
        let chosen = engine.log_probs(&params(&config), &batch.next_tokens()).expect("legal").to_vec();
        let whole: Vec<f64> = chosen.chunks_exact(3).map(|lp| lp.iter().sum()).collect();
        assert!(whole.iter().zip(&joint).all(|(a, b)| (a - b).abs() < 1e-5));
        let weights: Vec<f64> =
            joint.iter().zip(world.rewards(0)).flat_map(|(lp, r)| std::iter::repeat_n(lp.exp() * r, 3)).collect();
        let mut direct = vec![0.0; grad.len()];
        let signal = Signal { log_probs: &weights, ..Signal::default() };
        engine.backward(&params(&config), &signal, &mut direct).expect("legal");
        let direct: Vec<f64> = direct.into_iter().map(f64::from).collect();
        assert!(relative_error(&direct, &grad) < 1e-4);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let [config, _] = configs();
        let new = |vocab, sequences| Transformer::new(&config, &params(&config), vocab, sequences).err();
        assert!(new(3, vec![vec![3], vec![3, 0]]).is_none());
        for (vocab, sequence) in [(0, vec![3]), (6, vec![3]), (3, vec![]), (3, vec![5]), (3, vec![3, 0, 0, 0])] {
            assert!(new(vocab, vec![sequence]).is_some());
        }
        assert!(Transformer::new(&config, &[0.0], 3, vec![vec![3]]).is_err());
    }
}
