//! The joint distribution over whole outputs of one prompt, and distances between two of them.

use crate::env::Tree;
use crate::policy::Policy;

/// log π(y given x) of every output y of one prompt, nats.
///
/// # Shapes
/// `vocab^length` entries, outputs numbered as by [`Tree`].
pub fn output_log_probs(policy: &mut impl Policy, tree: Tree, prompt: usize) -> Vec<f64> {
    let contexts: Vec<usize> = tree.contexts_of(prompt).collect();
    let mut steps = vec![0.0; contexts.len() * tree.vocab];
    policy.log_probs(&contexts, &mut steps);
    let mut level = vec![0.0];
    for depth in 0..tree.length {
        let rows = steps[tree.level_start(depth) * tree.vocab..].chunks_exact(tree.vocab);
        level = level.iter().zip(rows).flat_map(|(prefix, row)| row.iter().map(move |step| prefix + step)).collect();
    }
    level
}

/// KL(p‖q) = Σ p (log p − log q), nats; infinite where p puts mass and q none.
///
/// # Shapes
/// One entry per output in each.
pub fn kl(log_p: &[f64], log_q: &[f64]) -> f64 {
    assert_eq!(log_p.len(), log_q.len(), "one entry per output");
    // 0 · log 0 is 0
    log_p.iter().zip(log_q).filter(|(p, _)| **p > f64::NEG_INFINITY).map(|(p, q)| p.exp() * (p - q)).sum()
}

/// Total variation, ½ Σ |p − q|, in [0, 1].
///
/// # Shapes
/// One entry per output in each.
pub fn total_variation(log_p: &[f64], log_q: &[f64]) -> f64 {
    assert_eq!(log_p.len(), log_q.len(), "one entry per output");
    0.5 * log_p.iter().zip(log_q).map(|(p, q)| (p.exp() - q.exp()).abs()).sum::<f64>()
}

/// Entropy, −Σ p log p, nats.
pub fn entropy(log_p: &[f64]) -> f64 {
    log_p.iter().filter(|p| **p > f64::NEG_INFINITY).map(|p| -p.exp() * p).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::World;
    use crate::exact::Engine;
    use crate::num::log_softmax;
    use crate::policy::Tabular;
    use crate::rng::Stream;

    const TREE: Tree = Tree { prompts: 2, vocab: 3, length: 3 };

    fn random(name: &str) -> Tabular {
        let mut logits = vec![0.0; TREE.contexts() * TREE.vocab];
        Stream::named(&["tests", "outputs", name]).fill_normal(1.5, &mut logits);
        Tabular::from_logits(TREE.vocab, logits)
    }

    #[test]
    fn joint_probabilities_are_products_over_the_tokens() {
        let (mut policy, prompt) = (random("a"), 1);
        let joint = output_log_probs(&mut policy, TREE, prompt);
        for (code, log_prob) in joint.iter().enumerate() {
            let tokens = TREE.tokens(TREE.length, code);
            let mut expected = 0.0;
            for (depth, &token) in tokens.iter().enumerate() {
                let prefix = tokens[..depth].iter().fold(0, |c, t| c * TREE.vocab + t);
                let context = TREE.contexts_of(prompt).start + TREE.level_start(depth) + prefix;
                let mut row = policy.params()[context * TREE.vocab..][..TREE.vocab].to_vec();
                log_softmax(&mut row);
                expected += row[token];
            }
            assert!((log_prob - expected).abs() < 1e-13, "output {tokens:?}");
        }
    }

    /// The chain rule, which the engine's backward induction uses, against the sum over whole outputs.
    #[test]
    fn enumeration_agrees_with_the_engine() {
        let mut rewards = vec![0.0; 2 * TREE.outputs()];
        Stream::named(&["tests", "outputs", "rewards"]).fill_normal(1.0, &mut rewards);
        let world = World::new(TREE, rewards).expect("finite");
        let mut policy = random("a");
        for prompt in 0..2 {
            let joint = output_log_probs(&mut policy, TREE, prompt);
            let stats = Engine::new(TREE).stats(&mut policy, &world, prompt);
            let mean: f64 = joint.iter().zip(world.rewards(prompt)).map(|(p, r)| p.exp() * r).sum();
            let square: f64 = joint.iter().zip(world.rewards(prompt)).map(|(p, r)| p.exp() * (r - mean).powi(2)).sum();
            assert!((stats.value - mean).abs() < 1e-13);
            assert!((stats.reward_std - square.sqrt()).abs() < 1e-13);
            assert!((stats.entropy - entropy(&joint)).abs() < 1e-12);
        }
    }

    #[test]
    fn distances_by_hand() {
        let p = [0.5_f64.ln(), 0.5_f64.ln(), f64::NEG_INFINITY];
        let q = [0.25_f64.ln(), 0.25_f64.ln(), 0.5_f64.ln()];
        assert!((kl(&p, &q) - 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(kl(&q, &p), f64::INFINITY);
        assert!((total_variation(&p, &q) - 0.5).abs() < 1e-15);
        assert!((entropy(&p) - 2.0_f64.ln()).abs() < 1e-15);
        assert_eq!(kl(&p, &p), 0.0);
    }

    /// Pinsker: TV ≤ √(KL/2).
    #[test]
    fn pinsker_holds() {
        let (a, b) = (output_log_probs(&mut random("a"), TREE, 0), output_log_probs(&mut random("b"), TREE, 0));
        assert!(total_variation(&a, &b) <= (kl(&a, &b) / 2.0).sqrt());
    }
}
