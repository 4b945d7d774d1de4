//! The tasks: what they generate, and rewards under attack.

use super::*;
use std::collections::BTreeSet;

fn inputs(task: Task, split: Split, n: usize) -> Vec<Input> {
    let mut rng = Stream::named(&["tests", "text", task.name()]);
    (0..n).map(|_| task.input(split, &mut rng)).collect()
}

/// Ways to a reward that do not answer: name, output for an input, the largest share of the reference's reward that any
/// may keep on the mean over inputs.
fn attacks(input: &Input, rng: &mut Stream) -> Vec<(&'static str, Vec<u32>)> {
    let reference = words(&input.references[0]);
    let content = |t: &&u32| vocab::alternatives(**t).is_some();
    let word = *reference.iter().find(content).expect("references have content");
    let copied = &input.prompt[1..input.prompt.len() - 1];
    let shuffled = rng.permutation(reference.len()).into_iter().map(|i| reference[i]).collect();
    vec![
        ("empty", vec![]),
        ("empty, ended", vec![EOS]),
        ("a word twice", vec![word; 2]),
        ("a word repeated", vec![word; OUTPUT_MAX]),
        ("prompt copied", copied.to_vec()),
        ("prompt copied, cut", copied[..copied.len().min(OUTPUT_MAX)].to_vec()),
        ("reference shuffled", shuffled),
        ("reference twice", [reference, reference].concat()),
        ("reference thrice", [reference, reference, reference].concat()),
        ("reference and prompt", [reference, copied].concat()),
        ("padding", vec![PAD; OUTPUT_MAX]),
    ]
}

#[test]
fn dump() {
    for task in TASKS {
        let mut rng = Stream::named(&["tests", "text", "attacks"]);
        let mut sums: Vec<(&str, f64, f64)> = Vec::new();
        for input in inputs(task, Split::Train, 300) {
            let right = input.reward(&input.references[0]);
            for (i, (name, output)) in attacks(&input, &mut rng).into_iter().enumerate() {
                if sums.len() == i {
                    sums.push((name, 0.0, 0.0));
                }
                let share = input.reward(&output) / right;
                sums[i].1 += share / 300.0;
                sums[i].2 = sums[i].2.max(share);
            }
        }
        println!("{}", task.name());
        for s in sums {
            println!("   {:24} {:.3} {:.3}", s.0, s.1, s.2);
        }
    }
}

#[test]
fn documents_file() {
    let mut rng = Stream::named(&["tests", "dump"]);
    let mut text = String::new();
    for _ in 0..300_000 {
        let d = plain_text(&mut rng);
        text += &d.tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        text += "\n";
    }
    std::fs::write("/tmp/worlds/docs.txt", text).unwrap();
    let mut text = String::new();
    for task in TASKS {
        let mut ideal: std::collections::BTreeMap<Kind, Vec<f64>> = Default::default();
        for input in inputs(task, Split::Test, 2000) {
            let mut r = Stream::named(&["ideal"]);
            let _ = &mut r;
            let out = plain::continuation(&input, &mut rng);
            ideal.entry(input.kind).or_default().push(input.reward(&out));
        }
        for (kind, v) in ideal {
            let n = v.len() as f64;
            let mean = v.iter().sum::<f64>() / n;
            println!(
                "IDEAL {:12} {:?} mean {:.3} std over all {:.3}",
                task.name(),
                kind,
                mean,
                (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
            );
        }
        for input in inputs(task, Split::Test, 200) {
            let join = |t: &[u32]| t.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            text += &format!(
                "{}\t{:?}\t{}\t{}\t{}\n",
                task.name(),
                input.kind,
                join(&input.prompt),
                join(&input.references[0]),
                join(&plain::continuation(&input, &mut rng)),
            );
        }
    }
    std::fs::write("/tmp/worlds/inputs.txt", text).unwrap();
}

#[test]
fn score_file() {
    let Ok(samples) = std::fs::read_to_string("/tmp/worlds/samples.txt") else { return };
    let mut lines = samples.lines();
    for task in TASKS {
        let mut by_kind: std::collections::BTreeMap<Kind, Vec<(f64, f64)>> = Default::default();
        for input in inputs(task, Split::Test, 200) {
            let rewards: Vec<f64> = (0..10)
                .map(|_| {
                    let out: Vec<u32> = lines.next().unwrap().split_whitespace().map(|w| w.parse().unwrap()).collect();
                    input.reward(&out)
                })
                .collect();
            let mean = rewards.iter().sum::<f64>() / 10.0;
            let std = (rewards.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
            by_kind.entry(input.kind).or_default().push((mean, std));
        }
        for (kind, v) in by_kind {
            let n = v.len() as f64;
            let mut stds: Vec<f64> = v.iter().map(|v| v.1).collect();
            stds.sort_by(f64::total_cmp);
            println!(
                "{:12} {:?} n={} mean {:.3} std {:.3} std p10 {:.3} p90 {:.3}",
                task.name(),
                kind,
                n,
                v.iter().map(|v| v.0).sum::<f64>() / n,
                v.iter().map(|v| v.1).sum::<f64>() / n,
                stds[v.len() / 10],
                stds[v.len() * 9 / 10]
            );
        }
    }
}
