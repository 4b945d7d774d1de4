//! One Grow whose samples are chosen in three ways, in the strings world.

use super::super::strings::{Class, Masses, Strings, Task};
use super::{Choice, Row, StringsParams};
use rewardlab::error::Result;
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;

pub(super) fn measure(p: &StringsParams, task: Task, class: Class, choice: Choice, ctx: &Context) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let start = world.supervised(class);
    // all choices have the same samples
    let mut rng = ctx.shared_stream(&format!("{task} {} grow", class.name()));
    let original = world.draws(&world.data, p.data, &mut rng);
    let grown = world.grow_sampled(&start, &original, p.candidates, &mut rng);
    let mut rng = ctx.stream("choice");
    let dealt = world.shuffled(&mut rng);
    let row = |improve, threshold, policy: &Masses, kept: &Masses| Row {
        world: "strings".into(),
        task: task.name().into(),
        policy: class.name().into(),
        choice: choice.name().into(),
        improve,
        threshold,
        value: world.value(policy),
        kept: world.mean_of(|x| kept[x].iter().sum()),
    };
    let mut policy = fitted(&world, class, &start, &grown, p.prior);
    let mut rows = vec![row(0, None, &policy, &grown)];
    for (i, &threshold) in p.thresholds.iter().enumerate() {
        let kept: Masses = world
            .contexts()
            .map(|x| {
                let passes = |(m, r): (&f64, &f64)| if *r > threshold { *m } else { 0.0 };
                let above: Vec<f64> = grown[x].iter().zip(world.world.rewards(x)).map(passes).collect();
                let number = above.iter().sum::<f64>() as usize;
                match choice {
                    Choice::Reward => above,
                    Choice::Random => random(&grown[x], number, &mut rng),
                    Choice::Shuffled => highest(&grown[x], dealt.rewards(x), number),
                }
            })
            .collect();
        policy = fitted(&world, class, &policy, &kept, p.prior);
        rows.push(row(i + 1, Some(threshold), &policy, &kept));
    }
    Ok(rows)
}

/// The policy fitted to counts together with its predecessor as `prior` samples; contexts without samples keep theirs.
fn fitted(world: &Strings, class: Class, previous: &Masses, kept: &Masses, prior: f64) -> Masses {
    let of = |x: usize| {
        if kept[x].iter().all(|count| *count == 0.0) {
            return previous[x].clone();
        }
        let target: Vec<f64> = kept[x].iter().zip(&previous[x]).map(|(count, p)| count + prior * p).collect();
        class.fit(world.tree, &target)
    };
    world.contexts().map(of).collect()
}

/// So many of the samples, without replacement.
fn random(counts: &[f64], number: usize, rng: &mut Stream) -> Vec<f64> {
    let samples: Vec<usize> =
        counts.iter().enumerate().flat_map(|(y, count)| std::iter::repeat_n(y, *count as usize)).collect();
    let mut kept = vec![0.0; counts.len()];
    rng.permutation(samples.len()).into_iter().take(number).for_each(|i| kept[samples[i]] += 1.0);
    kept
}

/// So many of the samples, those of the highest scores.
fn highest(counts: &[f64], scores: &[f64], number: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..counts.len()).filter(|y| counts[*y] > 0.0).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut kept = vec![0.0; counts.len()];
    let mut left = number as f64;
    for y in order {
        kept[y] = counts[y].min(left);
        left -= kept[y];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_and_none_that_was_not_there() {
        let counts = [3.0, 0.0, 1.0, 2.0];
        assert_eq!(highest(&counts, &[0.5, 0.9, 0.7, 0.1], 2), [1.0, 0.0, 1.0, 0.0]);
        assert_eq!(highest(&counts, &[0.5; 4], 0), [0.0; 4]);
        let mut rng = Stream::named(&["tests", "random choice"]);
        for number in 0..=6 {
            let kept = random(&counts, number, &mut rng);
            assert!(kept.iter().sum::<f64>() == number as f64 && kept.iter().zip(counts).all(|(k, c)| *k <= c));
        }
    }
}
