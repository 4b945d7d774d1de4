//! Dynamic programming against enumeration and against samples.

use super::*;
use crate::env::Split;
use crate::env::arithmetic::{Mix, Operation, Operator, Rates};
use crate::rng::Stream;

fn generator(name: &str) -> (Generator, Stream) {
    let mut rng = Stream::named(&["tests", "chain", name]);
    let rates = Rates { misconceived: [0.3; 4], slip: [0.1; 4], slack: 2, ..Rates::default() };
    (Generator::draw(&rates, &[4, 5, 6, 9], &mut rng).expect("legal"), rng)
}

fn problems(rng: &mut Stream) -> Vec<Problem> {
    let mix = Mix { lengths: (1, 2), moduli: vec![4, 5], operators: [1.0; 4] };
    mix.draw_different(12, Split::Train, rng).expect("so many")
}

/// Pass rate, all valid, false positives, answers and the value of every prefix: each as a sum over all solutions.
#[test]
fn against_enumeration() {
    let (generator, mut rng) = generator("enumeration");
    for problem in problems(&mut rng) {
        let (chain, all) = (Chain::new(&generator, &problem), solutions(&generator, &problem));
        let mass = |of: &dyn Fn(&Solution) -> bool| all.iter().filter(|(s, _)| of(s)).map(|(_, p)| p).sum::<f64>();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}: {problem:?}");
        close(mass(&|_| true), 1.0);
        close(chain.pass_rate(), mass(&|s| s.is_right(&problem)));
        let valid = |s: &Solution| s.first_error(&problem).is_none();
        close(chain.all_valid(), mass(&|s| s.answer.is_some() && valid(s)));
        close(chain.false_positives(), mass(&|s| s.is_false_positive(&problem)));
        let wrong = mass(&|s| s.answer.is_some() && !valid(s));
        close(chain.false_positive_rate(), mass(&|s| s.is_false_positive(&problem)) / wrong);
        for (answer, chance) in chain.answers().into_iter().enumerate() {
            close(chance, mass(&|s| s.answer == Some(answer as u8)));
        }
        for (solution, _) in all.iter().step_by(7) {
            for steps in 0..=solution.steps.len() {
                let prefix = |s: &Solution| s.steps.get(..steps) == Some(&solution.steps[..steps]);
                let given = mass(&prefix);
                close(chain.prefix_value(solution, steps), mass(&|s| prefix(s) && s.is_right(&problem)) / given);
            }
        }
    }
}

/// By hand: 2 · 2 modulo 4 twice. Both 0 and 2 lead to 0, so that a slip to 2 in the first step is forgiven.
#[test]
fn operations_that_merge_values_forgive() {
    let rates = Rates { misconceived: [0.0; 4], slip: [0.3; 4], by_modulus: 0.0, restating: 0.0, ..Rates::default() };
    let generator = Generator::draw(&rates, &[4], &mut Stream::named(&["tests", "merge"])).expect("legal");
    let twice = vec![Operation { operator: Operator::Multiply, operand: 2 }; 2];
    let chain = Chain::new(&generator, &Problem { modulus: 4, start: 2, operations: twice });
    // 0 → 0 and 2 → 0 are right, 1 → 2 and 3 → 2 are right and need another slip to 0
    let (right, slip) = (0.7, 0.1);
    assert!((chain.pass_rate() - (right * right + slip * right + 2.0 * slip * slip)).abs() < 1e-15);
    assert!((chain.all_valid() - right * right).abs() < 1e-15);
    assert_eq!(chain.modal_answer_is_right(), 1.0);
}

/// A strong misconception makes a wrong answer the modal one; a weak one does not.
#[test]
fn the_modal_answer_follows_the_strength() {
    let of = |strength: f64| {
        let sure = Rates { weakest: strength, strongest: strength, misconceived: [0.9; 4], ..Rates::default() };
        let rates = Rates { slip: [0.01; 4], by_modulus: 0.0, restating: 0.0, ..sure };
        let generator = Generator::draw(&rates, &[7], &mut Stream::named(&["tests", "modal"])).expect("legal");
        let one = |operand| Problem {
            modulus: 7,
            start: 3,
            operations: vec![Operation { operator: Operator::Add, operand }],
        };
        let known = |p: &Problem| generator.law(7, p.operations[0], 3).misconception.is_some();
        let problem = (1..7).map(one).find(known).expect("nine of ten facts are misconceived");
        Chain::new(&generator, &problem).modal_answer_is_right()
    };
    assert_eq!((of(0.6), of(0.4)), (0.0, 1.0));
}

/// 40 000 samples of each problem; critical value 4.5 standard errors for a dozen comparisons.
#[test]
fn against_samples() {
    let (generator, mut rng) = generator("samples");
    let mix = Mix { lengths: (4, 6), moduli: vec![6, 9], operators: [1.0; 4] };
    for problem in mix.draw_different(3, Split::Test, &mut rng).expect("so many") {
        let chain = Chain::new(&generator, &problem);
        let n = 40_000;
        let (mut right, mut fooled, mut none) = (0, 0, 0);
        for _ in 0..n {
            let solution = generator.sample(&problem, &mut rng);
            right += usize::from(solution.is_right(&problem));
            fooled += usize::from(solution.is_false_positive(&problem));
            none += usize::from(solution.answer.is_none());
        }
        let unfinished = 1.0 - chain.answers().iter().sum::<f64>();
        for (count, expected) in [(right, chain.pass_rate()), (fooled, chain.false_positives()), (none, unfinished)] {
            let error = (expected * (1.0 - expected) / f64::from(n)).sqrt();
            let share = count as f64 / f64::from(n);
            assert!((share - expected).abs() < 4.5 * error, "{share} {expected} ± {error}");
        }
    }
}
