use super::*;
use crate::num::sigmoid;
use crate::reward::Score;
use crate::rng::Stream;

const PARAMS: LogisticParams =
    LogisticParams { precision: 0.0, bias: false, stopping: Stopping { tolerance: 1e-10, steps: 2_000 } };

/// Chains of 1 to 4 of six types of step, a second feature now and then.
fn chains(count: usize) -> Solutions {
    let mut rng = Stream::named(&["tests", "verifier"]);
    let mut all = Solutions::new(8);
    for _ in 0..count {
        let step = |rng: &mut Stream| -> Vec<u32> {
            let kind = rng.below(6) as u32;
            if rng.uniform() < 0.5 { vec![kind] } else { vec![kind, 6 + rng.below(2) as u32] }
        };
        let length = 1 + rng.below(4);
        let steps: Vec<Vec<u32>> = (0..length).map(|_| step(&mut rng)).collect();
        all.push(steps).expect("legal");
    }
    all
}

fn truth() -> Affine {
    Affine { bias: 0.0, weights: vec![2.0, 1.0, 0.5, 3.0, 1.5, 0.0, -0.5, 0.7] }
}

fn distance(a: &Affine, b: &Affine) -> f64 {
    let weights = a.weights.iter().zip(&b.weights).map(|(x, y)| (x - y).abs());
    weights.fold((a.bias - b.bias).abs(), f64::max)
}

/// Labels that are the model's own probabilities: its parameters are the minimum, whatever the sample.
#[test]
fn every_fit_finds_the_model_that_made_its_labels() {
    let solutions = chains(200);
    let model = StepModel(truth());
    let right: Vec<f64> = model.log_odds(&solutions).into_iter().map(sigmoid).collect();
    let fitted = fit_step_values(&solutions, &right, &[], &PARAMS).expect("legal");
    assert!(distance(&fitted.0, &truth()) < 1e-6, "{fitted:?}");
    for rho in [0.0, 0.2] {
        let outcome = |lp: f64| rho + (1.0 - rho) * lp.exp();
        let targets: Vec<f64> = model.scores(&solutions, Score::Product).into_iter().map(outcome).collect();
        let fitted = fit_outcome_product(&solutions, &targets, &[], rho, &PARAMS).expect("legal");
        assert!(distance(&fitted.0, &truth()) < 1e-5, "ρ = {rho}: {fitted:?}");
        let naive = fit_outcome_product(&solutions, &targets, &[], 0.0, &PARAMS).expect("legal");
        assert_eq!(distance(&naive.0, &truth()) > 0.1, rho > 0.0, "ρ = {rho}: {naive:?}");
    }
    let linear = OutcomeModel(Affine { bias: 0.4, ..truth() });
    let targets: Vec<f64> = linear.log_odds(&solutions).into_iter().map(sigmoid).collect();
    let fitted = fit_outcome_linear(&solutions, &targets, &[], &LogisticParams { bias: true, ..PARAMS });
    assert!(distance(&fitted.expect("legal").0, &linear.0) < 1e-6);
}

/// By hand: the share of right ones among the labels up to each first error.
#[test]
fn process_labels_are_counted_up_to_the_first_error() {
    let mut solutions = Solutions::new(3);
    solutions.push([[0], [1], [2]]).expect("legal");
    solutions.push([[0], [1], [2]]).expect("legal");
    solutions.push([[1], [0], [2]]).expect("legal");
    let labels = [1_i8, -1, 1, 1, 1, 0, 1, -1, -1];
    let share = |neutral: Neutral| {
        // neutral alone would be all that the third type was seen as
        let params = LogisticParams { precision: 1e-3, ..PARAMS };
        fit_process(&solutions, &labels, neutral, &params).expect("legal").0.weights.into_iter().map(sigmoid)
    };
    let positive: Vec<f64> = share(Neutral::Positive).collect();
    assert!((positive[0] - 2.0 / 3.0).abs() < 1e-3 && (positive[1] - 2.0 / 3.0).abs() < 1e-3, "{positive:?}");
    assert!(positive[2] > 0.99 && share(Neutral::Negative).next_back() < Some(0.01));
    let classes = fit_process_classes(&solutions, &labels, &LogisticParams { precision: 1e-3, ..PARAMS });
    let log_right = classes.expect("legal").log_right(&solutions, Neutral::Positive);
    assert!((log_right[0].exp() - 2.0 / 3.0).abs() < 1e-2 && log_right[5].exp() > 0.98, "{log_right:?}");
}

/// A solution five times over, and one of count five; a label of 0.4 for two right ones of five.
#[test]
fn counts_stand_for_repetition() {
    let once = chains(20);
    let repeated = once.select((0..20).flat_map(|i| [i; 5]));
    let params = LogisticParams { precision: 0.5, bias: true, ..PARAMS };
    let (few, many) = (vec![0.4; 20], [1.0, 0.0, 0.0, 1.0, 0.0].repeat(20));
    let product = fit_outcome_product(&once, &few, &[5.0; 20], 0.1, &params).expect("legal");
    let again = fit_outcome_product(&repeated, &many, &[], 0.1, &params).expect("legal");
    assert!(distance(&product.0, &again.0) < 1e-7);
    let linear = fit_outcome_linear(&once, &few, &[5.0; 20], &params).expect("legal");
    assert!(distance(&linear.0, &fit_outcome_linear(&repeated, &many, &[], &params).expect("legal").0) < 1e-7);
    let (few, counts) = (vec![0.4; once.steps()], vec![5.0; once.steps()]);
    let steps = fit_step_values(&once, &few, &counts, &params).expect("legal");
    let mut many = Vec::new();
    for i in 0..20 {
        [1.0, 0.0, 0.0, 1.0, 0.0].iter().for_each(|y| many.extend(vec![*y; once.lengths()[i]]));
    }
    assert!(distance(&steps.0, &fit_step_values(&repeated, &many, &[], &params).expect("legal").0) < 1e-7);
}

/// With one step per solution all supervision is the same.
#[test]
fn one_step_is_one_model() {
    let mut solutions = Solutions::new(8);
    let chains = chains(60);
    (0..chains.steps()).for_each(|t| solutions.push([chains.active(t)]).expect("legal"));
    let labels: Vec<i8> = (0..solutions.len()).map(|i| if i % 3 == 0 { -1 } else { 1 }).collect();
    let targets: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l > 0))).collect();
    let params = LogisticParams { precision: 1.0, bias: true, ..PARAMS };
    let process = fit_process(&solutions, &labels, Neutral::Positive, &params).expect("legal").0;
    let product = fit_outcome_product(&solutions, &targets, &[], 0.0, &params).expect("legal").0;
    let linear = fit_outcome_linear(&solutions, &targets, &[], &params).expect("legal").0;
    assert!(distance(&process, &product) < 1e-7 && distance(&process, &linear) < 1e-7);
}

#[test]
fn bad_labels_are_refused() {
    let solutions = chains(3);
    let steps = vec![1_i8; solutions.steps()];
    assert!(fit_process(&solutions, &steps[1..], Neutral::Positive, &PARAMS).is_err());
    assert!(fit_process::<i8>(&Solutions::new(2), &[], Neutral::Positive, &PARAMS).is_err());
    assert!(fit_process_classes::<i8>(&Solutions::new(2), &[], &PARAMS).is_err());
    for targets in [&[1.0, 0.0][..], &[1.0, 0.0, 1.5], &[1.0, f64::NAN, 0.0]] {
        assert!(fit_outcome_product(&solutions, targets, &[], 0.0, &PARAMS).is_err());
        assert!(fit_outcome_linear(&solutions, targets, &[], &PARAMS).is_err());
    }
    assert!(fit_outcome_product(&solutions, &[1.0; 3], &[1.0, -1.0, 1.0], 0.0, &PARAMS).is_err());
    assert!(fit_outcome_product(&solutions, &[1.0; 3], &[], 1.0, &PARAMS).is_err());
    let bad = LogisticParams { precision: -1.0, ..PARAMS };
    assert!(fit_process(&solutions, &steps, Neutral::Positive, &bad).is_err());
    let mut empty = solutions.clone();
    empty.push(Vec::<Vec<u32>>::new()).expect("no step");
    assert!(fit_outcome_product(&empty, &[1.0; 4], &[], 0.0, &PARAMS).is_err());
}

/// What is not at its minimum is not a model: a search that is cut off fails, of every kind of fit.
#[test]
fn a_search_that_is_cut_off_is_an_error() {
    let solutions = chains(200);
    let (right, labels) = (vec![1.0; solutions.len()], vec![1_i8; solutions.steps()]);
    let mut mixed = right.clone();
    mixed[..100].fill(0.0);
    let mut steps = labels.clone();
    steps[..100].fill(-1);
    let short =
        LogisticParams { stopping: Stopping { tolerance: 1e-10, steps: 2 }, ..LogisticParams::with_precision(0.1) };
    let said = |error: crate::error::Error| error.to_string();
    let cut_off = [
        fit_process(&solutions, &steps, Neutral::Positive, &short).expect_err("process"),
        fit_outcome_product(&solutions, &mixed, &[], 0.0, &short).expect_err("product"),
        fit_outcome_linear(&solutions, &mixed, &[], &short).expect_err("linear"),
        fit_process_classes(&solutions, &steps, &short).expect_err("classes"),
    ];
    for error in cut_off.map(said) {
        assert!(error.contains("not done after 2 steps"), "{error}");
    }
    assert!(fit_outcome_product(&solutions, &mixed, &[], 0.0, &LogisticParams::with_precision(0.1)).is_ok());
}
