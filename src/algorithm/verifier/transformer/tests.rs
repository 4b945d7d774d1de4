use super::*;
use crate::lm::{Config, Decay, ScoreHead, Size, init};

fn fresh(outputs: usize) -> Trainee {
    let size = Size { vocab: 8, width: 16, layers: 1, heads: 2, context: 10 };
    let config = Config { scores: vec![ScoreHead { name: "verifier".into(), outputs }], ..Config::gpt2(size) };
    let params = init(&config, 0.1, &mut Stream::named(&["verifier"])).expect("a layout");
    Trainee::new(&config, params, 1.0).expect("legal")
}

/// Steps of two tokens: (a, b) is wrong iff b = 5, neutral iff b = 6. The outcome is right iff no step is wrong.
fn marked(steps: &[[u32; 2]]) -> MarkedSolution {
    let labels: Vec<i8> = steps.iter().map(|s| if s[1] == 5 { -1 } else { i8::from(s[1] != 6) }).collect();
    let tokens = std::iter::once(0).chain(steps.iter().flatten().copied()).collect();
    let ends = (0..steps.len()).map(|t| 2 * t + 2).collect();
    MarkedSolution { tokens, prompt: 1, ends, right: labels.iter().all(|l| *l >= 0), labels }
}

fn data() -> Vec<MarkedSolution> {
    let mut rng = Stream::named(&["solutions"]);
    let draw = |rng: &mut Stream| {
        let step = |rng: &mut Stream| [1 + rng.below(4) as u32, 4 + rng.below(4) as u32];
        let length = 1 + rng.below(4);
        marked(&(0..length).map(|_| step(rng)).collect::<Vec<_>>())
    };
    (0..200).map(|_| draw(&mut rng)).collect()
}

fn trained(supervision: Supervision) -> Trainee {
    let schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 200, decay: Decay::Linear };
    let mut trainee = fresh(supervision.outputs());
    train_verifier(&mut trainee, &data(), supervision, 16, &schedule, &mut Stream::named(&["order"])).expect("finite");
    trainee
}

fn say(trainee: &mut Trainee, supervision: Supervision, neutral: Neutral, steps: &[[u32; 2]]) -> Vec<f64> {
    let all = step_log_probs(trainee, &[&marked(steps)], supervision, neutral).expect("legal");
    all[0].iter().map(|lp| lp.exp()).collect()
}

#[test]
fn a_process_model_learns_its_steps() {
    for neutral in Neutral::BOTH {
        let supervision = Supervision::Process(neutral);
        let said = say(&mut trained(supervision), supervision, neutral, &[[1, 4], [2, 6], [3, 7], [4, 5]]);
        let close = |p: f64, target: f64| (p - target).abs() < 0.1;
        let all = close(said[0], 1.0) && close(said[1], neutral.target()) && close(said[2], 1.0) && close(said[3], 0.0);
        assert!(all, "{neutral:?}: {said:?}");
    }
    let supervision = Supervision::ProcessClasses;
    let mut trainee = trained(supervision);
    let mut say = |neutral| say(&mut trainee, supervision, neutral, &[[1, 4], [2, 6], [4, 5]]);
    let (positive, negative) = (say(Neutral::Positive), say(Neutral::Negative));
    assert!(positive[0] > 0.9 && positive[1] > 0.9 && positive[2] < 0.1, "{positive:?}");
    assert!(negative[0] > 0.9 && negative[1] < 0.1 && negative[2] < 0.1, "{negative:?}");
}

#[test]
fn an_outcome_model_learns_its_outcomes() {
    for supervision in [Supervision::OutcomeProduct, Supervision::Outcome] {
        let mut trainee = trained(supervision);
        let mut score = |steps: &[[u32; 2]]| {
            let said = say(&mut trainee, supervision, Neutral::Positive, steps);
            if supervision == Supervision::Outcome { said[said.len() - 1] } else { said.iter().product() }
        };
        let (right, wrong) = (score(&[[1, 4], [2, 7], [3, 6]]), score(&[[1, 4], [2, 5], [3, 6]]));
        assert!(right > 0.8 && wrong < 0.2, "{supervision:?}: {right} {wrong}");
    }
}

/// Parts of a step weigh by their labels: the loss and what is learned are those of whole steps.
#[test]
fn parts_add_up() {
    for supervision in [
        Supervision::Process(Neutral::Positive),
        Supervision::ProcessClasses,
        Supervision::OutcomeProduct,
        Supervision::Outcome,
    ] {
        let schedule = Schedule { peak: 1e-3, warm_up: 0, steps: 3, decay: Decay::Constant };
        let run = |trainee: Trainee| {
            let mut trainee = trainee;
            let rng = Stream::named(&["order"]);
            let mut run = VerifierTraining::new(&mut trainee, supervision, &schedule, 16, rng).expect("legal");
            let losses: Vec<f64> = (0..3).map(|_| run.step(&mut trainee, &data()).expect("finite")).collect();
            losses
        };
        let (whole, parts) = (run(fresh(supervision.outputs())), run(fresh(supervision.outputs()).in_parts_of(30)));
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5), "{supervision:?}: {whole:?} {parts:?}");
        // with a head of zeros every step is right with a half
        let first: f64 = match supervision {
            Supervision::ProcessClasses => 3.0_f64.ln(),
            Supervision::OutcomeProduct => whole[0],
            _ => 2.0_f64.ln(),
        };
        assert!((whole[0] - first).abs() < 1e-6, "{supervision:?}: {whole:?}");
    }
}

/// In one batch with others a solution is judged as alone.
#[test]
fn company_changes_nothing() {
    let supervision = Supervision::Process(Neutral::Positive);
    let mut trainee = trained(supervision);
    let data = data();
    let all: Vec<&MarkedSolution> = data.iter().take(40).collect();
    let together = step_log_probs(&mut trainee, &all, supervision, Neutral::Positive).expect("legal");
    for (solution, said) in all.iter().zip(&together) {
        let alone = step_log_probs(&mut trainee, &[solution], supervision, Neutral::Positive).expect("legal");
        assert!(said.iter().zip(&alone[0]).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn bad_solutions_are_refused() {
    let schedule = Schedule { peak: 1e-2, warm_up: 0, steps: 1, decay: Decay::Constant };
    let run = |outputs: usize, supervision: Supervision, solutions: &[MarkedSolution]| {
        let rng = &mut Stream::named(&["x"]);
        train_verifier(&mut fresh(outputs), solutions, supervision, 2, &schedule, rng)
    };
    let good = marked(&[[1, 4], [2, 5]]);
    assert!(run(1, Supervision::Outcome, &[]).is_err());
    assert!(run(1, Supervision::ProcessClasses, std::slice::from_ref(&good)).is_err());
    let missing = MarkedSolution { labels: vec![1], ..good.clone() };
    let outside = MarkedSolution { ends: vec![2, 5], ..good.clone() };
    let no_steps = MarkedSolution { ends: vec![], labels: vec![], ..good.clone() };
    for bad in [missing, outside, no_steps] {
        assert!(run(1, Supervision::Outcome, &[bad]).is_err());
    }
    assert!(run(1, Supervision::Outcome, &[good]).is_ok());
}
