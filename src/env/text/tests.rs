//! The tasks: what they generate, what plain text leaves of them, and rewards under attack.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

const SPLITS: [Split; 2] = [Split::Train, Split::Test];

fn inputs(task: Task, split: Split, n: usize) -> Vec<Input> {
    let mut rng = Stream::named(&["tests", "text", task.name()]);
    (0..n).map(|_| task.input(split, &mut rng)).collect()
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (square / values.len() as f64).sqrt())
}

#[test]
fn inputs_are_as_described() {
    for (task, split) in TASKS.into_iter().flat_map(|t| SPLITS.map(|s| (t, s))) {
        let inputs = inputs(task, split, 400);
        for input in &inputs {
            let inside = &input.prompt[1..input.prompt.len() - 1];
            assert!(input.prompt.len() <= PROMPT_MAX, "{}", decode(&input.prompt));
            assert_eq!((input.prompt[0], input.prompt.last()), (BOS, Some(&SEP)));
            assert!(inside.iter().all(|&t| class(t).is_some_and(|c| c != Class::Special)));
            assert_eq!(class(inside[0]), Some(Class::Heading));
            for reference in &input.references {
                assert!((2..=OUTPUT_MAX).contains(&reference.len()), "{}", decode(reference));
                assert_eq!(reference.iter().position(|&t| t == EOS), Some(reference.len() - 1));
            }
        }
        // binomial(400, share): 4.5 std at most
        let unseen = inputs.iter().filter(|i| i.kind == Kind::Unseen).count() as f64;
        let expected = 400.0 * task.unseen_share();
        assert!((unseen - expected).abs() <= 4.5 * (expected * (1.0 - task.unseen_share())).sqrt(), "{unseen}");
        let settled = inputs.iter().filter(|i| i.kind == Kind::Settled).count();
        assert_eq!(settled > 0, task == Task::Sentiment);
    }
}

#[test]
fn the_splits_share_no_prompt_in_any_order_under_any_heading() {
    for task in TASKS {
        let [train, test] = SPLITS.map(|split| {
            let body = |i: Input| {
                let mut words = i.prompt[2..].to_vec();
                words.sort_unstable();
                words
            };
            inputs(task, split, 4_000).into_iter().map(body).collect::<BTreeSet<_>>()
        });
        assert!(train.is_disjoint(&test), "{}", task.name());
        // enough of both to train on and to measure with
        assert!(train.len() > 800 && test.len() > 200, "{}: {} and {}", task.name(), train.len(), test.len());
    }
}

#[test]
fn a_reference_earns_the_metric_s_best() {
    for task in TASKS {
        for input in inputs(task, Split::Train, 300) {
            for reference in &input.references {
                let words = words(reference).len() as f64;
                let best = match task.metric() {
                    "METEOR-like" => 1.0 - 0.5 / words.powi(3),
                    "P(praise)" => 0.95,
                    _ => 1.0,
                };
                let reward = input.reward(reference);
                assert!((best - 1e-12..=1.0).contains(&reward), "{reward}, not {best}: {}", decode(reference));
            }
        }
    }
}

#[test]
fn an_output_ends_at_its_first_eos_and_the_order_of_references_is_nothing() {
    for task in TASKS {
        let mut rng = Stream::named(&["tests", "text", "eos"]);
        for mut input in inputs(task, Split::Test, 100) {
            let output = plain::continuation(&input, &mut rng);
            let reward = input.reward(&output);
            assert_eq!(input.reward(words(&output)), reward);
            assert_eq!(input.reward(&[output.as_slice(), &[EOS, 7, PAD], &input.prompt].concat()), reward);
            input.references.reverse();
            assert_eq!(input.reward(&output), reward);
        }
    }
}

/// Ways to a reward that are no answer: name, output, and the share of the reference's reward below which the mean over
/// inputs must stay. METEOR counts recall nine times, so it forgives length more than the others.
fn attacks(input: &Input, rng: &mut Stream) -> Vec<(&'static str, Vec<u32>, f64)> {
    let reference = words(&input.references[0]);
    let carries_content = |t: &&u32| vocab::alternatives(**t).is_some();
    let word = *reference.iter().find(carries_content).expect("references have content");
    let copied = &input.prompt[1..input.prompt.len() - 1];
    let forgiving = input.task.metric() == "METEOR-like";
    let bound = |meteor, others| if forgiving { meteor } else { others };
    let mut attacks = vec![
        ("empty", vec![], 0.15),
        ("ended at once", vec![EOS], 0.15),
        ("a word twice", vec![word; 2], 0.7),
        ("a word repeated", vec![word; OUTPUT_MAX], 0.15),
        ("prompt copied", copied.to_vec(), bound(0.7, 0.2)),
        ("prompt copied, cut", copied[..copied.len().min(OUTPUT_MAX)].to_vec(), bound(0.7, 0.2)),
        ("reference twice", [reference, reference].concat(), bound(0.92, 0.7)),
        ("reference thrice", [reference; 3].concat(), bound(0.85, 0.55)),
        ("reference and prompt", [reference, copied].concat(), bound(0.8, 0.45)),
        ("padding", vec![PAD; OUTPUT_MAX], 0.15),
    ];
    let shuffled: Vec<u32> = rng.permutation(reference.len()).into_iter().map(|i| reference[i]).collect();
    if input.references.iter().all(|r| words(r) != shuffled) {
        attacks.push(("reference shuffled", shuffled, 0.7));
    }
    attacks
}

#[test]
fn attacks_score_clearly_below_the_reference() {
    for task in TASKS {
        let mut rng = Stream::named(&["tests", "text", "attacks"]);
        let mut shares: BTreeMap<&str, (Vec<f64>, f64)> = BTreeMap::new();
        for input in inputs(task, Split::Train, 300) {
            let right = input.reward(&input.references[0]);
            for (name, output, bound) in attacks(&input, &mut rng) {
                let share = input.reward(&output) / right;
                assert!(share < 0.995, "{} by {name}: {share} of the reference's reward", task.name());
                shares.entry(name).or_insert((Vec::new(), bound)).0.push(share);
            }
        }
        for (name, (shares, bound)) in shares {
            let (mean, _) = mean_and_std(&shares);
            assert!(mean <= bound, "{} by {name}: {mean} of the reference's reward on the mean", task.name());
        }
    }
}

/// Rewards tell inputs apart: what answers another input earns clearly less. Praise is praise for any review.
#[test]
fn another_input_s_reference_earns_less() {
    for task in TASKS.into_iter().filter(|&t| t != Task::Sentiment) {
        let inputs = inputs(task, Split::Train, 300);
        let rewards: Vec<f64> = inputs.windows(2).map(|w| w[0].reward(&w[1].references[0])).collect();
        assert!(mean_and_std(&rewards).0 < 0.55, "{}: {}", task.name(), mean_and_std(&rewards).0);
    }
}

/// The asymmetry that the module promises, for a model that has learned plain text perfectly: mean and std of the reward
/// per input, from 100 continuations of each.
#[test]
fn plain_text_leaves_the_rewards_as_described() {
    for task in TASKS {
        let mut rng = Stream::named(&["tests", "text", "plain", task.name()]);
        let mut stds = Vec::new();
        for input in inputs(task, Split::Test, 200) {
            let rewards: Vec<f64> = (0..100).map(|_| input.reward(&plain::continuation(&input, &mut rng))).collect();
            let (mean, std) = mean_and_std(&rewards);
            let described = match input.kind {
                Kind::Familiar => std > 0.08 && mean < 0.97,
                Kind::Unseen => (mean, std) == (0.0, 0.0),
                Kind::Settled => std < 0.05 && mean > 0.95,
            };
            assert!(described, "{:?}, mean {mean}, std {std}: {}", input.kind, decode(&input.prompt));
            stds.push(std);
        }
        stds.sort_by(f64::total_cmp);
        let tenth = stds[stds.len() / 10];
        match task {
            Task::Answering | Task::Table | Task::Concepts => assert_eq!(tenth, 0.0),
            Task::Sentiment => assert!(tenth < 0.05),
            Task::Translation | Task::Summary | Task::Dialogue => assert!(tenth > 0.1, "{}: {tenth}", task.name()),
        }
    }
}

#[test]
fn plain_text_keeps_to_training_prompts_and_to_the_length() {
    let mut rng = Stream::named(&["tests", "text", "documents"]);
    let (mut free, mut unseen) = (0, 0);
    let documents = 4_000;
    for _ in 0..documents {
        let Document { tokens, prompt } = plain_text(&mut rng);
        assert!(tokens.len() <= PROMPT_MAX + OUTPUT_MAX);
        assert_eq!((tokens[0], tokens.iter().position(|&t| t == EOS)), (BOS, Some(tokens.len() - 1)));
        assert_eq!(prompt, tokens.iter().position(|&t| t == SEP).map_or(0, |at| at + 1), "{}", decode(&tokens));
        if prompt == 0 {
            free += 1;
            continue;
        }
        assert_eq!(split_of(&tokens[2..prompt - 1]), Split::Train);
        let is_aside = class(tokens[prompt]) == Some(Class::AsideOpening);
        let is_unseen = ["tale", "record", "keywords"].contains(&decode(&tokens[1..2]).as_str());
        assert_eq!(is_aside, is_unseen, "{}", decode(&tokens));
        unseen += usize::from(is_unseen);
    }
    // shares 0.15 and 0.85 · 1.5/7 = 0.182; 4.5 std of a binomial of 4,000 are 102 and 110
    assert!((498..=702).contains(&free) && (619..=839).contains(&unseen), "{free} {unseen}");
}

/// No word of an aside occurs in a reference, so an aside earns 0 for certain.
#[test]
fn asides_share_no_word_with_references() {
    let aside = |t: &u32| class(*t).is_some_and(|c| c >= Class::AsideOpening);
    for task in TASKS {
        for input in inputs(task, Split::Train, 300) {
            assert!(!input.references.iter().flatten().any(aside), "{}", decode(&input.references[0]));
        }
    }
}

// Recorded from the first version: the stream, the grammars and the vocabulary may not change them unannounced.
#[test]
fn values_are_stable() {
    let mut rng = Stream::named(&["tests", "text", "stability"]);
    let drawn: Vec<String> = TASKS.map(|t| decode(&t.input(Split::Test, &mut rng).prompt)).into();
    let expected = [
        "<bos> tale dan has the blue coat . carla is in the market . finn has the green drum . question what has finn <sep>",
        "<bos> record name ben animal horse object book colour black place school <sep>",
        "<bos> keywords kitchen black rabbit run <sep>",
        "<bos> translate dan carries the white cup in the kitchen <sep>",
        "<bos> article carla was in the school . emma went to the forest . there emma found a cup . the cup was white . <sep>",
        "<bos> dialogue the fox is dancing in the library <sep>",
        "<bos> review i saw the film with greta . the ending was very cold and the script was funny . <sep>",
    ];
    assert_eq!(drawn, expected);
    let document = "<bos> translate the duck paints the blue drum in the library <sep> na ta haveno ta anaso ta tamburo blua pinta <eos>";
    assert_eq!(decode(&plain_text(&mut rng).tokens), document);
    assert_eq!(
        decode(&Pair::draw(Split::Test, &mut rng).tokens),
        "<bos> compare the large cat is playing in the forest with emma <sep> the big cat sings with emma in the school <eos>"
    );
}
