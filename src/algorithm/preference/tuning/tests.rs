use super::*;
use crate::algorithm::Example;
use crate::lm::{Config, Decay, Size, init};
use crate::num::relative_error;

const LOSSES: [PreferenceLoss; 9] = [
    PreferenceLoss::Dpo { beta: 0.3 },
    PreferenceLoss::ConservativeDpo { beta: 0.3, smoothing: 0.1 },
    PreferenceLoss::UnweightedDpo { beta: 0.3 },
    PreferenceLoss::Ipo { tau: 0.2 },
    PreferenceLoss::Kto { beta: 0.4 },
    PreferenceLoss::Orpo { lambda: 0.5 },
    PreferenceLoss::Simpo { beta: 2.0, margin: 0.5 },
    PreferenceLoss::Unlikelihood { alpha: 0.3 },
    PreferenceLoss::Preferred,
];

fn fresh() -> Trainee {
    let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
    let params = init(&config, 0.3, &mut Stream::named(&["preference tuning"])).expect("a layout");
    Trainee::new(&config, params, f64::INFINITY).expect("legal")
}

/// Completions of different lengths behind prompts of different lengths.
fn pairs() -> Vec<TokenPair> {
    let pair = |i: u32| TokenPair {
        prompt: (0..=i % 3).map(|t| (t + i) % 6).collect(),
        chosen: (0..=i % 2 + 1).map(|t| (t * i + 1) % 6).collect(),
        rejected: (0..=i % 4).map(|t| (t + 2 * i + 3) % 6).collect(),
    };
    (0..8).map(pair).collect()
}

fn constant(steps: u64) -> Schedule {
    Schedule { peak: 1e-2, warm_up: 0, steps, decay: Decay::Constant }
}

fn rng() -> Stream {
    Stream::named(&["tuning", "order"])
}

/// A run whose policy has left its reference, so that no ratio is 0; to the side on which KTO's estimate of the KL is positive.
fn moved(loss: PreferenceLoss, tokens: usize) -> (PreferenceTuning, Trainee) {
    let mut trainee = fresh().in_parts_of(tokens);
    let run = PreferenceTuning::new(&mut trainee, &pairs(), loss, &constant(9), 8, rng()).expect("legal");
    let mut away = Stream::named(&["tuning", "away"]);
    trainee.nudge(|_, p| *p -= 0.05 * away.normal() as f32);
    (run, trainee)
}

/// The loss of all pairs from log-probabilities taken one sequence at a time, without the loop.
fn by_hand(loss: PreferenceLoss, reference: &mut Trainee, trainee: &mut Trainee) -> f64 {
    let pairs = pairs();
    let one = |t: &mut Trainee, prompt: &[u32], completion: &[u32]| {
        t.completion_log_probs(&[[prompt, completion].concat()], &[prompt.len()]).expect("fits")[0]
    };
    let sides = |t: &mut Trainee| -> Vec<f64> {
        let chosen: Vec<f64> = pairs.iter().map(|p| one(t, &p.prompt, &p.chosen)).collect();
        let rejected: Vec<f64> = pairs.iter().map(|p| one(t, &p.prompt, &p.rejected)).collect();
        [chosen, rejected].concat()
    };
    // of these pairs every one has another prompt than the next, the last than the first
    let strange = |t: &mut Trainee| -> f64 {
        (0..pairs.len()).map(|i| one(t, &pairs[(i + 1) % pairs.len()].prompt, &pairs[i].chosen)).sum()
    };
    let kl = (strange(trainee) - strange(reference)).max(0.0) / pairs.len() as f64;
    let lengths: Vec<usize> =
        pairs.iter().map(|p| p.chosen.len()).chain(pairs.iter().map(|p| p.rejected.len())).collect();
    let (log_probs, reference) = (sides(trainee), sides(reference));
    let batch = PairBatch { log_probs: &log_probs, reference: &reference, lengths: &lengths, kl };
    loss.value(&batch, 1.0, &mut vec![0.0; log_probs.len()])
}

#[test]
fn the_gradient_of_a_step_matches_central_differences() {
    for loss in LOSSES {
        let (mut run, mut trainee) = moved(loss, usize::MAX);
        let start = trainee.weights();
        let step = run.step(&mut trainee, &pairs()).expect("finite");
        let grad: Vec<f64> = trainee.gradient();
        trainee.put(&start).expect("as many");
        let value = by_hand(loss, &mut fresh(), &mut trainee);
        assert!((step.loss - value).abs() < 1e-5 * (1.0 + value.abs()), "{loss:?}: {} {value}", step.loss);
        if loss.needs_kl() {
            // z₀ gets no gradient, which central differences of the whole loss would see
            assert!(step.kl > 0.0, "{step:?}");
            continue;
        }
        // along random directions: single weights drown in f32
        for d in 0..4 {
            let mut random = Stream::named(&["tuning", "direction", &d.to_string()]);
            let direction: Vec<f64> = start.iter().map(|_| random.normal()).collect();
            let mut at = |h: f64| {
                trainee.nudge(|i, p| *p = start[i] + (h * direction[i]) as f32);
                by_hand(loss, &mut fresh(), &mut trainee)
            };
            let h = 2e-3;
            let (near, far) = ((at(h) - at(-h)) / (2.0 * h), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h));
            let difference = (4.0 * near - far) / 3.0;
            let along: f64 = grad.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let scale = grad.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!((difference - along).abs() < 2e-3 * scale, "{loss:?}: {difference} {along} of {scale}");
        }
    }
}

/// A pair cut in two would lose its other half; KTO's KL must be that of the whole step.
#[test]
fn parts_of_a_step_add_up_to_the_whole() {
    for loss in LOSSES {
        let step = |tokens: usize| {
            let (mut run, mut trainee) = moved(loss, tokens);
            let step = run.step(&mut trainee, &pairs()).expect("finite");
            (step, trainee.gradient())
        };
        let (whole, gradient) = step(usize::MAX);
        for tokens in [1, 9, 30] {
            let (seen, in_parts) = step(tokens);
            let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * (1.0 + b.abs());
            assert!(close(seen.loss, whole.loss) && close(seen.chosen, whole.chosen) && seen.kl == whole.kl);
            assert!(seen.accuracy == whole.accuracy && close(seen.rejected, whole.rejected));
            assert!(relative_error(&in_parts, &gradient) < 1e-5 && in_parts != gradient, "{loss:?} {tokens}");
        }
    }
}

/// Preferred-FT's loss is a sum over a completion's tokens and a mean over pairs: on completions of one length the supervised
/// loss times that length.
#[test]
fn preferred_is_supervised_finetuning_on_the_chosen() {
    let pairs: Vec<TokenPair> =
        (0..5).map(|i| TokenPair { prompt: vec![i], chosen: vec![i, 1, 2], rejected: vec![3, 3] }).collect();
    let examples: Vec<Example> =
        pairs.iter().map(|p| Example { tokens: [&p.prompt[..], &p.chosen].concat(), prompt: 1 }).collect();
    let (mut one, mut two) = (fresh(), fresh());
    let mut run =
        PreferenceTuning::new(&mut one, &pairs, PreferenceLoss::Preferred, &constant(1), 5, rng()).expect("legal");
    let seen = run.step(&mut one, &pairs).expect("finite");
    let loss = two.nll_step(&examples, 1e-2).expect("finite");
    assert!((seen.loss - 3.0 * loss).abs() < 1e-5, "{} {loss}", seen.loss);
    let wide = |t: &Trainee, scale: f64| t.gradient().into_iter().map(|g| scale * g).collect::<Vec<_>>();
    assert!(relative_error(&wide(&one, 1.0), &wide(&two, 3.0)) < 1e-5);
}

/// Behind prompt a the completion (a, 5) is preferred to (5, a): half of the pairs are ranked right by chance.
#[test]
fn dpo_learns_a_toy_and_repeats_its_bits() {
    let pairs: Vec<TokenPair> =
        (0..5).map(|a| TokenPair { prompt: vec![a], chosen: vec![a, 5], rejected: vec![5, a] }).collect();
    let train = || {
        let mut trainee = fresh();
        let loss = PreferenceLoss::Dpo { beta: 0.5 };
        let steps = preference_tuning(&mut trainee, &pairs, loss, 3, &constant(60), &mut rng()).expect("finite");
        (trainee.weights(), steps)
    };
    let ((params, steps), (again, _)) = (train(), train());
    let last = steps[59];
    assert!((steps[0].loss - 2.0_f64.ln()).abs() < 1e-6, "{:?}", steps[0]);
    assert!(last.loss < 0.1 && last.accuracy == 1.0 && last.rejected < steps[0].rejected - 2.0, "{last:?}");
    assert_eq!(params, again);
}

#[test]
fn strangers_have_another_prompt_if_there_is_one() {
    let of = |prompts: &[u32]| {
        let pair = |p: &u32| TokenPair { prompt: vec![*p], chosen: vec![1], rejected: vec![2] };
        strangers(&prompts.iter().map(pair).collect::<Vec<_>>())
    };
    assert_eq!(of(&[0, 0, 1, 2, 2]), [2, 2, 3, 0, 0]);
    assert_eq!(of(&[0, 1, 0, 0]), [1, 2, 1, 1]);
    assert_eq!(of(&[3, 3]), [0, 1]);
}

#[test]
fn bad_input_is_refused() {
    let dpo = PreferenceLoss::Dpo { beta: 0.1 };
    let start = |pairs: &[TokenPair], loss: PreferenceLoss, size: usize| {
        PreferenceTuning::new(&mut fresh(), pairs, loss, &constant(2), size, rng()).map(|_| ())
    };
    assert!(start(&pairs(), dpo, 2).is_ok());
    assert!(start(&[], dpo, 2).is_err() && start(&pairs(), dpo, 0).is_err());
    assert!(start(&pairs(), PreferenceLoss::Dpo { beta: 0.0 }, 2).is_err());
    for wrong in [
        TokenPair { chosen: vec![], ..pairs()[0].clone() },
        TokenPair { chosen: pairs()[0].rejected.clone(), ..pairs()[0].clone() },
        TokenPair { chosen: vec![6], ..pairs()[0].clone() },
        TokenPair { chosen: vec![1; 9], ..pairs()[0].clone() },
    ] {
        assert!(start(&[pairs()[1].clone(), wrong], dpo, 1).is_err());
    }
    let mut trainee = fresh();
    let mut run = PreferenceTuning::new(&mut trainee, &pairs(), dpo, &constant(2), 2, rng()).expect("legal");
    assert!(matches!(run.step(&mut trainee, &pairs()[1..]), Err(Error::Shape { .. })));
}
