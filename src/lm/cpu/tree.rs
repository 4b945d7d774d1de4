//! Every completion of a prompt at once: the tree of prefixes, token by token over a cache of keys and values.

use super::attention::Shape;
use super::cache::Cache;
use super::{Engine, Keep};
use crate::error::{Error, Result};
use crate::lm::batch::Batch;
use crate::num::log_softmax_rows;

/// Prefixes that go through the blocks together. Measured on two blocks of width 32: their activations stay in the cache.
const TOGETHER: usize = 256;
/// Completions that are enumerated at most.
const MOST: usize = 1 << 24;

/// The walk over the tree.
struct Walk<'a> {
    params: &'a [f32],
    length: usize,
    /// Children that are run together, at least one node's.
    together: usize,
    cache: Cache,
    /// Where the logits of a depth's prefixes start, in rows.
    starts: Vec<usize>,
    /// Logits after every prefix, by depth, then number.
    logits: Vec<f32>,
}

impl Walk<'_> {
    /// The first slot of a depth: the root has one, every other depth those of one block.
    fn slots(&self, depth: usize) -> usize {
        if depth == 0 { 0 } else { 1 + (depth - 1) * self.together }
    }
}

impl Engine {
    /// The log-probability of every completion of `length` tokens, nats: V^length of them, numbered as base-V numbers, first
    /// token most significant. An end token is like any other.
    ///
    /// Each prefix is run once, as one token behind a cache of those before it: (V^length − 1) / (V − 1) tokens and the
    /// prompt's. Logits are f32; each row of them is normalised and all sums are taken in f64, so that the probabilities sum to 1 but
    /// for f64's rounding: expectations and the KL are exact of the distribution whose logits these are.
    ///
    /// # Errors
    /// An empty prompt, a token outside the vocabulary; a length of 0, beyond the context, or of more than 2^24 completions;
    /// logits that are not finite.
    pub fn completion_log_probs(&mut self, params: &[f32], prompt: &[u32], length: usize) -> Result<Vec<f64>> {
        self.tree_log_probs(params, prompt, length, TOGETHER)
    }

    fn tree_log_probs(&mut self, params: &[f32], prompt: &[u32], length: usize, together: usize) -> Result<Vec<f64>> {
        let (vocab, context) = (self.config.vocab, self.config.context);
        let count = u32::try_from(length).ok().and_then(|l| vocab.checked_pow(l)).filter(|n| *n <= MOST);
        let (Some(_), 1..) = (count, length) else {
            let legal = format!("at least 1, and {vocab}^length at most {MOST}");
            return Err(Error::parameter("length", length, legal));
        };
        if prompt.is_empty() || prompt.len() + length > context {
            let legal =
                format!("1 to {} long, for {length} more in a context of {context}", context.saturating_sub(length));
            return Err(Error::parameter("prompt's tokens", prompt.len(), legal));
        }
        let batch = Batch::new(&[prompt]);
        self.check(params, &batch)?;
        let together = (together / vocab).max(1) * vocab;
        let starts: Vec<usize> = (0..=length)
            .scan((0, 1), |(start, size), _| {
                let own = *start;
                (*start, *size) = (*start + *size, *size * vocab);
                Some(own)
            })
            .collect();
        let slots = 1 + length.saturating_sub(2) * together;
        let mut walk = Walk {
            params,
            length,
            together,
            cache: Cache::new(Shape::new(&self.config), self.config.layers, slots, prompt.len() + length),
            logits: vec![0.0; starts[length] * vocab],
            starts,
        };
        let mut packed = std::mem::take(&mut self.packed);
        packed.fill(params, &self.layout, self.config.width);
        self.packed = packed;
        self.root(&mut walk, batch);
        self.children(&mut walk, 0, 0, 1);
        // the caller may change the weights before the next forward pass
        self.packed.clear();
        log_probs_of(&walk, vocab)
    }

    /// Reads the prompt.
    fn root(&mut self, walk: &mut Walk, prompt: Batch) {
        let (width, vocab) = (self.config.width, self.config.vocab);
        let tokens = prompt.tokens().len();
        self.batch = prompt;
        self.offsets.clear();
        walk.cache.active = vec![0];
        self.run(walk.params, Keep::Final, Some(&mut walk.cache));
        walk.cache.lengths[0] = tokens;
        let last = &self.hidden[(tokens - 1) * width..tokens * width];
        self.linear(walk.params, &self.layout.head, last, width, &mut walk.logits[..vocab], false);
    }

    /// Runs the children of `count` nodes at a depth, whose numbers follow each other from `first` and whose slots are the first of
    /// that depth, and all that is below them.
    fn children(&mut self, walk: &mut Walk, depth: usize, first: usize, count: usize) {
        if depth + 1 == walk.length {
            return;
        }
        let vocab = self.config.vocab;
        for at in (0..count).step_by(walk.together / vocab) {
            let nodes = at..(at + walk.together / vocab).min(count);
            let (parents, own) = (walk.slots(depth), walk.slots(depth + 1));
            let last = depth + 2 == walk.length;
            walk.cache.active.clear();
            for (i, node) in nodes.clone().enumerate() {
                for token in 0..vocab {
                    // nothing is below the last prefixes: siblings write over each other in their parent's slot, one after the other
                    let slot = if last { parents + node } else { own + i * vocab + token };
                    if !last {
                        walk.cache.copy(self.config.layers, parents + node, slot);
                    }
                    walk.cache.active.push(slot);
                }
            }
            let tokens: Vec<[u32; 1]> = nodes.clone().flat_map(|_| (0..vocab as u32).map(|t| [t])).collect();
            self.batch = Batch::new(&tokens);
            self.offsets.clear();
            self.offsets.extend(walk.cache.active.iter().map(|s| walk.cache.lengths[*s]));
            self.run(walk.params, Keep::Final, Some(&mut walk.cache));
            let child = (first + at) * vocab;
            let rows = (walk.starts[depth + 1] + child) * vocab;
            let logits = &mut walk.logits[rows..rows + tokens.len() * vocab];
            self.linear(walk.params, &self.layout.head, &self.hidden, self.config.width, logits, false);
            if !last {
                (own..own + tokens.len()).for_each(|slot| walk.cache.lengths[slot] += 1);
                self.children(walk, depth + 1, child, tokens.len());
            }
        }
    }
}

/// Sums of normalised rows from the root to every leaf.
fn log_probs_of(walk: &Walk, vocab: usize) -> Result<Vec<f64>> {
    let mut rows: Vec<f64> = walk.logits.iter().map(|l| f64::from(*l)).collect();
    Error::check_finite("logit of a prefix", &rows)?;
    log_softmax_rows(&mut rows, vocab);
    let mut level = vec![0.0];
    for start in &walk.starts[..walk.length] {
        let of_level = rows[start * vocab..].chunks_exact(vocab);
        level =
            level.iter().zip(of_level).flat_map(|(prefix, row)| row.iter().map(move |step| prefix + step)).collect();
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, Size, init};
    use crate::rng::Stream;

    fn configs() -> [Config; 3] {
        let size = Size { vocab: 5, width: 16, layers: 2, heads: 2, context: 9 };
        [Config::llama(size), Config::gpt2(size), Config { kv_heads: 1, ..Config::llama(size) }]
    }

    /// Against completions scored whole, one by one; blocks from a single node's children to all at once.
    #[test]
    fn the_tree_is_every_completion() {
        for config in configs() {
            let params = init(&config, 0.4, &mut Stream::named(&["tests", "tree"])).expect("a layout");
            let mut engine = Engine::new(&config).expect("a layout");
            for (prompt, length) in [(vec![3], 1), (vec![2, 0], 2), (vec![1, 4, 4, 0], 4)] {
                let count = 5_usize.pow(length as u32);
                let digits = |n: usize| (0..length).rev().map(move |d| (n / 5_usize.pow(d as u32) % 5) as u32);
                let sequences: Vec<Vec<u32>> =
                    (0..count).map(|n| prompt.iter().copied().chain(digits(n)).collect()).collect();
                let batch = Batch::new(&sequences);
                let choices = batch.completions(&vec![prompt.len(); count]).expect("prompts");
                engine.forward(&params, &batch, Keep::Final).expect("fits");
                let each = engine.log_probs(&params, &choices).expect("rows").to_vec();
                let whole: Vec<f64> = each.chunks_exact(length).map(|lp| lp.iter().sum()).collect();
                for together in [1, 15, 40, TOGETHER, 10_000] {
                    let tree = engine.tree_log_probs(&params, &prompt, length, together).expect("fits");
                    assert_eq!(tree.len(), count);
                    let worst = tree.iter().zip(&whole).map(|(t, w)| (t - w).abs()).fold(0.0, f64::max);
                    assert!(worst < 2e-5, "{worst} in blocks of {together}");
                    assert!((tree.iter().map(|lp| lp.exp()).sum::<f64>() - 1.0).abs() < 1e-13);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_enumerated_is_refused() {
        let [config, ..] = configs();
        let params = init(&config, 0.1, &mut Stream::named(&["tests", "tree"])).expect("a layout");
        let mut engine = Engine::new(&config).expect("a layout");
        for (prompt, length) in [(vec![], 2), (vec![1], 0), (vec![1; 8], 2), (vec![5], 2), (vec![1], 60)] {
            assert!(engine.completion_log_probs(&params, &prompt, length).is_err(), "{prompt:?} {length}");
        }
        assert!(engine.completion_log_probs(&vec![f32::NAN; params.len()], &[1], 2).is_err());
        assert!(engine.completion_log_probs(&params[1..], &[1], 2).is_err());
    }
}
