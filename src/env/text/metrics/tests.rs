//! The metrics against their reference implementations, and what holds of each for any words.

use super::*;
use crate::env::text::{encode, stem};
use proptest::prelude::*;

// sacrebleu 2.6.0, rouge-score 0.1.2, nltk 3.10.4:
//   import sacrebleu
//   from rouge_score import rouge_scorer
//   from nltk.translate.meteor_score import meteor_score
//   class Stem:
//       def stem(self, w): return {"runs": "run", "running": "run", "sleeps": "sleep", "sleeping": "sleep"}.get(w, w)
//   class NoSynonyms:
//       def synsets(self, w): return []
//   rouge = rouge_scorer.RougeScorer(["rougeL"])
//   for out, refs in cases:
//       bleu = sacrebleu.sentence_bleu(out, refs, smooth_method="exp", tokenize="none").score / 100
//       rl = rouge.score_multi(refs, out)["rougeL"].fmeasure
//       met = meteor_score([r.split() for r in refs], out.split(), stemmer=Stem(), wordnet=NoSynonyms())
//       print(f"{rl!r}, {bleu!r}, {met!r}")
const GOLDEN: [(&str, &[&str], [f64; 3]); 10] = [
    (
        "the red dog runs in the park",
        &["the red dog runs in the park", "the red dog is running in the park"],
        [1.0, 1.000_000_000_000_000_4, 0.998_542_274_052_478_1],
    ),
    (
        "the dog is running in the park",
        &["the red dog runs in the park", "the red dog is running in the park"],
        [0.933_333_333_333_333_3, 0.840_896_415_253_714_5, 0.875_742_702_144_148_8],
    ),
    (
        "in the park the red dog runs",
        &["the red dog runs in the park", "the red dog is running in the park"],
        [0.571_428_571_428_571_4, 0.594_603_557_501_360_4, 0.817_784_256_559_766_7],
    ),
    (
        "the the the the the",
        &["the cup is in the park", "the dog"],
        [0.363_636_363_636_363_6, 0.104_005_976_890_053_03, 0.217_391_304_347_826_08],
    ),
    (
        "anna",
        &["the cup is in the park", "anna has the cup"],
        [0.4, 0.049_787_068_367_863_965, 0.135_135_135_135_135_11],
    ),
    (
        "run park dog the the",
        &["the dog runs in the park and the dog sleeps"],
        [0.4, 0.055_575_094_637_437_63, 0.263_157_894_736_842_1],
    ),
    (
        "sleeping running runs run in a a park",
        &["run sleeps in a park a park"],
        [0.666_666_666_666_666_6, 0.165_158_215_900_690_27, 0.719_874_804_381_846_6],
    ),
    ("ben has a blue hat", &["anna was not there"], [0.0, 0.0, 0.0]),
    ("the garden", &["the park", "in the park"], [0.5, 0.5, 0.25]),
    (
        "anna found a red cup in the garden and a red cup in the garden",
        &["anna found a red cup in the garden"],
        [0.695_652_173_913_043_6, 0.475_873_309_641_252_35, 0.912_356_321_839_080_6],
    ),
];

#[test]
fn golden_values_of_the_reference_implementations() {
    for (output, references, golden) in GOLDEN {
        let output = encode(output).expect("known words");
        let references: Vec<Vec<u32>> = references.iter().map(|r| encode(r).expect("known words")).collect();
        let ours = [rouge_l(&output, &references), bleu(&output, &references), meteor(&output, &references, stem)];
        for (metric, (ours, golden)) in ["ROUGE-L", "BLEU", "METEOR"].iter().zip(ours.iter().zip(golden)) {
            assert!((ours - golden).abs() < 1e-14, "{metric} of {output:?}: {ours}, not {golden}");
        }
    }
}

#[test]
fn nothing_scores_nothing() {
    for (output, references) in
        [(vec![], vec![vec![5, 6]]), (vec![5], vec![]), (vec![5], vec![vec![]]), (vec![], vec![vec![]])]
    {
        let scores = [rouge_l(&output, &references), bleu(&output, &references), meteor(&output, &references, stem)];
        assert_eq!(scores, [0.0; 3], "{output:?} {references:?}");
    }
}

/// Words 0..8, so that matches are frequent.
fn sentence(most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..8, 1..=most)
}

type Metric = fn(&[u32], &[Vec<u32>]) -> f64;
const METRICS: [Metric; 3] = [rouge_l, bleu, |output, references| meteor(output, references, |t| t / 2)];

proptest! {
    #[test]
    fn scores_lie_in_the_unit_interval(output in sentence(12), references in prop::collection::vec(sentence(12), 1..4)) {
        for metric in METRICS {
            let score = metric(&output, &references);
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }

    #[test]
    fn a_reference_itself_scores_highest(
        output in sentence(12), reference in sentence(12), other in sentence(12),
    ) {
        let references = [other, reference.clone()];
        prop_assert_eq!(rouge_l(&reference, &references), 1.0);
        prop_assert_eq!(bleu(&reference, &references), 1.0);
        let m = reference.len() as f64;
        // repeated words may align crosswise, so only a sentence without repeats is sure of a single run
        let mut words = reference.clone();
        words.sort_unstable();
        words.dedup();
        if words.len() == reference.len() {
            prop_assert!(meteor(&reference, &references, |t| t) >= 1.0 - 0.5 / m.powi(3) - 1e-15);
        }
        for metric in &METRICS[..2] {
            prop_assert!(metric(&output, &references) <= 1.0);
        }
    }

    #[test]
    fn the_order_of_the_references_does_not_matter(
        output in sentence(12), mut references in prop::collection::vec(sentence(12), 2..5),
    ) {
        let before = METRICS.map(|metric| metric(&output, &references));
        references.reverse();
        prop_assert_eq!(before, METRICS.map(|metric| metric(&output, &references)));
    }

    /// Only equality of words counts; 37 is prime to 64, and stems are kept by moving pairs together.
    #[test]
    fn renaming_the_words_changes_nothing(output in sentence(12), references in prop::collection::vec(sentence(12), 1..4)) {
        let rename = |words: &Vec<u32>| words.iter().map(|t| t / 2 * 37 % 64 * 2 + t % 2).collect::<Vec<_>>();
        let renamed: Vec<_> = references.iter().map(rename).collect();
        for metric in METRICS {
            prop_assert_eq!(metric(&output, &references), metric(&rename(&output), &renamed));
        }
    }

    /// A word that no reference has lowers every score that is not zero.
    #[test]
    fn a_foreign_word_at_the_end_never_helps(output in sentence(12), references in prop::collection::vec(sentence(12), 1..4)) {
        let longer = [output.as_slice(), &[99]].concat();
        for metric in &METRICS[1..=1] {
            // below the references' length the brevity penalty may outweigh it
            if references.iter().all(|r| r.len() <= output.len()) {
                prop_assert!(metric(&longer, &references) <= metric(&output, &references));
            }
        }
        for metric in [METRICS[0], METRICS[2]] {
            prop_assert!(metric(&longer, &references) <= metric(&output, &references));
        }
    }
}
