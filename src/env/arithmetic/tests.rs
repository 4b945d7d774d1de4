//! What holds of every problem and every solution.

use super::*;
use crate::env::Split;
use crate::rng::Stream;
use std::collections::HashSet;

const MODULI: [u8; 3] = [7, 10, 12];

fn generator(rates: Rates) -> (Generator, Stream) {
    let mut rng = Stream::named(&["tests", "arithmetic"]);
    (Generator::draw(&rates, &MODULI, &mut rng).expect("legal"), rng)
}

fn mix(operators: [f64; 4]) -> Mix {
    Mix { lengths: (2, 6), moduli: MODULI.into(), operators }
}

#[test]
fn operations_by_hand() {
    use Operator::{Add, Multiply, Square, Subtract};
    let apply = |operator, operand, before| Operation { operator, operand }.apply(10, before);
    assert_eq!([apply(Add, 7, 5), apply(Subtract, 7, 5), apply(Multiply, 7, 5), apply(Square, 7, 5)], [2, 8, 5, 2]);
}

/// Numbers are dense: every fact and every pair has one, and none is another's.
#[test]
fn facts_are_numbered_without_gaps() {
    let facts = Facts::new(&MODULI).expect("legal");
    let (mut seen, mut pairs, mut groups) = (Vec::new(), HashSet::new(), HashSet::new());
    for (modulus, operation, before) in facts.all() {
        seen.push(facts.fact(modulus, operation, before));
        groups.insert(facts.group(modulus, operation.operator));
        pairs.extend((0..modulus).map(|claimed| facts.pair(modulus, operation, before, claimed)));
    }
    assert_eq!(seen, (0..facts.count()).collect::<Vec<_>>());
    assert_eq!((pairs.len(), pairs.iter().max()), (facts.pairs(), Some(&(facts.pairs() - 1))));
    assert_eq!((groups.len(), groups.iter().max()), (facts.groups(), Some(&(facts.groups() - 1))));
    assert!(Facts::new(&[]).is_err() && Facts::new(&[7, 7]).is_err() && Facts::new(&[1]).is_err());
}

/// A law sums to 1 and is what is drawn. Critical value 4.5 standard errors over 12 values.
#[test]
fn steps_follow_their_laws() {
    let (generator, mut rng) = generator(Rates { misconceived: [0.9; 4], ..Rates::default() });
    let operation = Operation { operator: Operator::Multiply, operand: 5 };
    let before = (0..12).find(|v| generator.law(12, operation, *v).misconception.is_some()).expect("most facts are");
    let law = *generator.law(12, operation, before);
    let total: f64 = (0..12).map(|c| law.probability(12, c)).sum();
    assert!((total - 1.0).abs() < 1e-14);
    let problem = Problem { modulus: 12, start: before, operations: vec![operation] };
    let n = 20_000;
    let mut counts = [0.0; 12];
    for _ in 0..n {
        let step = generator.sample(&problem, &mut rng).steps.into_iter().find(|s| s.act != Act::Restate);
        step.into_iter().for_each(|s| counts[usize::from(s.claimed)] += 1.0);
    }
    let seen: f64 = counts.iter().sum();
    assert!(seen > 0.99 * f64::from(n));
    for (claimed, count) in counts.into_iter().enumerate() {
        let p = law.probability(12, claimed as u8);
        assert!((count / seen - p).abs() < 4.5 * (p * (1.0 - p) / seen).sqrt(), "{claimed}: {} {p}", count / seen);
    }
}

/// Steps hang together, labels are what the values say, the cap holds, and how steps are said depends on their being valid.
#[test]
fn solutions_hang_together() {
    let (generator, mut rng) = generator(Rates::default());
    let (mut hedged, mut steps) = ([0.0; 2], [0.0; 2]);
    for problem in mix([1.0; 4]).draw_different(400, Split::Train, &mut rng).expect("so many") {
        let solution = generator.sample(&problem, &mut rng);
        let mut value = problem.start;
        for (step, label) in solution.steps.iter().zip(solution.labels(&problem)) {
            assert_eq!(step.before, value);
            value = step.claimed;
            let i = usize::from(label == StepLabel::Negative);
            steps[i] += 1.0;
            hedged[i] += f64::from(u8::from(step.manner == Manner::Hedged));
        }
        let (done, restated) = solution.progress(solution.steps.len());
        assert_eq!(solution.answer, (done == problem.operations.len()).then_some(value));
        assert!(restated <= generator.rates().slack && solution.steps.len() <= generator.cap(&problem));
        assert!(solution.answer.is_some() || solution.steps.len() == generator.cap(&problem));
        if solution.first_error(&problem).is_none() && solution.answer.is_some() {
            assert!(solution.is_right(&problem));
        }
    }
    let share = |i: usize| hedged[i] / steps[i];
    assert!((share(0) - 0.1).abs() < 0.03 && (share(1) - 0.3).abs() < 0.1, "{} {}", share(0), share(1));
}

/// Without errors every solution that comes to its end is right.
#[test]
fn a_faultless_generator() {
    let (generator, mut rng) = generator(Rates { slip: [0.0; 4], misconceived: [0.0; 4], ..Rates::default() });
    for problem in mix([1.0; 4]).draw_different(100, Split::Test, &mut rng).expect("so many") {
        let solution = generator.sample(&problem, &mut rng);
        assert!(solution.first_error(&problem).is_none());
        assert_eq!(solution.is_right(&problem), solution.answer.is_some());
        // from any prefix it comes to the same steps' end
        let rest = generator.go_on(&problem, solution.steps[..2].to_vec(), &mut rng);
        assert_eq!(rest.steps[..2], solution.steps[..2]);
    }
}

#[test]
fn halves_share_no_problem() {
    let mut rng = Stream::named(&["tests", "halves"]);
    let of = |split, rng: &mut Stream| mix([1.0; 4]).draw_different(500, split, rng).expect("so many");
    let train: HashSet<_> = of(Split::Train, &mut rng).into_iter().collect();
    assert_eq!(train.len(), 500);
    assert!(of(Split::Test, &mut rng).iter().all(|p| !train.contains(p)));
    let few = Mix { lengths: (1, 1), moduli: vec![2], operators: [1.0; 4] };
    assert!(few.draw_different(100, Split::Train, &mut rng).is_err());
}

/// A step has [`ACTIVE`] different features within their number; only belief and pair tell the claimed value.
#[test]
fn features_of_steps() {
    let (generator, mut rng) = generator(Rates::default());
    let features = Features::new(&generator);
    for problem in mix([1.0; 4]).draw_different(200, Split::Train, &mut rng).expect("so many") {
        for step in &generator.sample(&problem, &mut rng).steps {
            let active = features.of_step(problem.modulus, step);
            assert!(active.is_sorted_by(|a, b| a < b) && (active[4] as usize) < features.count());
            let other = Step { claimed: (step.claimed + 1) % problem.modulus, ..*step };
            let changed = features.of_step(problem.modulus, &other);
            assert_eq!([active[0], active[2], active[4]], [changed[0], changed[2], changed[4]]);
            assert_eq!(active[3] == changed[3], step.act == Act::Restate);
        }
    }
    // one believed value per fact, and it is the most likely one
    for (modulus, operation, before) in generator.facts().all() {
        let law = generator.law(modulus, operation, before);
        let step = |claimed| Step { before, act: Act::Apply(operation), claimed, manner: Manner::Plain };
        let belief = |claimed: &u8| features.of_step(modulus, &step(*claimed))[1];
        let agreeing = (0..modulus).map(|c| belief(&c)).max();
        let believed: Vec<u8> = (0..modulus).filter(|c| Some(belief(c)) == agreeing).collect();
        assert_eq!(believed.len(), 1);
        assert!((0..modulus).all(|c| law.probability(modulus, c) <= law.probability(modulus, believed[0])));
    }
}

#[test]
fn what_is_written_is_read() {
    let (generator, mut rng) = generator(Rates { slack: 1, ..Rates::default() });
    for problem in mix([1.0; 4]).draw_different(300, Split::Train, &mut rng).expect("so many") {
        let solution = generator.sample(&problem, &mut rng);
        let tokens = written(&solution);
        assert!(tokens.len() <= longest_solution(generator.cap(&problem)));
        assert!(problem.tokens().len() == longest_prompt(problem.operations.len()));
        assert!(tokens.iter().chain(&problem.tokens()).all(|t| (*t as usize) < vocab()));
        assert_eq!(parse(&problem, &tokens), Ok(solution.clone()));
        // cut anywhere, it is unfinished and keeps its whole steps
        for end in 0..tokens.len().saturating_sub(1) {
            let cut = parse(&problem, &tokens[..end]).expect("a prefix");
            assert!(cut.answer.is_none() && solution.steps.starts_with(&cut.steps), "{end} of {}", spell(&tokens));
        }
    }
}

#[test]
fn mistakes_in_text_are_named() {
    let operation = |operator, operand| Operation { operator, operand };
    let operations = vec![operation(Operator::Add, 5), operation(Operator::Square, 3)];
    let problem = Problem { modulus: 12, start: 7, operations };
    assert_eq!(spell(&problem.tokens()), "<bos> mod 12 7 + 5 ^2+ 3 <sep>");
    let token = |word: &str| (0..vocab() as u32).find(|t| spell(&[*t]) == word).unwrap_or_else(|| panic!("{word}"));
    let read = |text: &str| parse(&problem, &text.split(' ').map(token).collect::<Vec<_>>());
    let good = read("+ 5 = 0 ; still maybe 0 ; ^2+ 3 so 3 ; <eos>").expect("a solution");
    assert_eq!((good.answer, good.is_right(&problem), good.steps.len()), (Some(3), true, 3));
    let complaints = [
        ("+ 5 = 0 ; <eos>", "token 5 is `<eos>`: it must be an operator or `still`"),
        ("+ 6 = 0 ;", "token 0 begins `+ 6`: the problem has `+ 5`"),
        ("* 5 = 0 ;", "token 0 begins `* 5`: the problem has `+ 5`"),
        ("+ 5 = 12 ;", "token 3 is 12: it must be below the modulus 12"),
        ("+ 5 0 ;", "token 2 is `0`: it must be `=`, `so` or `maybe`"),
        ("+ 5 = ; ;", "token 3 is `;`: it must be a value"),
        ("+ 5 = 0 +", "token 4 is `+`: it must be `;`"),
        ("+ 5 = 0 ; ^2+ 3 so 3 ; still = 3 ;", "token 10 is `still`: it must be `<eos>`"),
    ];
    for (text, complaint) in complaints {
        assert_eq!(read(text).expect_err(text).to_string(), complaint);
    }
    assert_eq!(
        parse(&problem, &[99]).expect_err("no token").to_string(),
        "token 0 is `?`: it must be an operator or `still`"
    );
}

#[test]
fn illegal_rates_are_named() {
    let refused = |rates: Rates| rates.validate().expect_err("illegal").to_string();
    assert_eq!(
        refused(Rates { strongest: 0.1, ..Rates::default() }),
        "parameter strongest = 0.1: must be from weakest to 1"
    );
    assert!(refused(Rates { slip: [0.0, 0.0, 0.0, f64::NAN], ..Rates::default() }).contains("slip"));
    assert!(refused(Rates { worked: [0.95, 0.0], ..Rates::default() }).contains("hedged"));
    let mix = Mix { lengths: (3, 2), moduli: vec![5], operators: [0.0; 4] };
    assert!(mix.validate().expect_err("illegal").to_string().contains("lengths"));
    assert!(Mix { lengths: (2, 3), ..mix }.validate().expect_err("illegal").to_string().contains("operators"));
}
