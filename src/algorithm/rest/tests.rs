//! The loop on a task of one token: say the prompt's second token. What it keeps, how it ends, and that a file loses nothing.

use super::*;
use crate::lm::{Config, ScoreHead, Size, init};

struct Copying {
    prompts: [Vec<Vec<u32>>; 2],
    /// Completions that were rated.
    rated: usize,
}

impl Copying {
    fn new() -> Self {
        let prompts = || (1..4).map(|a| vec![0, a]).collect();
        Self { prompts: [prompts(), prompts()], rated: 0 }
    }
}

impl Task for Copying {
    fn sources(&self) -> &[Vec<u32>] {
        &self.prompts[0]
    }
    fn held_out(&self) -> &[Vec<u32>] {
        &self.prompts[1]
    }
    fn rewards(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        self.rated += if half == Half::Train { outputs.len() } else { 0 };
        let prompt = |i: usize| self.prompts[usize::from(half == Half::HeldOut)][i][1];
        let one = |(i, y): &(usize, &[u32])| {
            let right = f64::from(u8::from(y.first() == Some(&prompt(*i))));
            let short = f64::from(u8::from(y.len() == 2));
            0.6 * right + 0.4 * short
        };
        Ok(outputs.iter().map(one).collect())
    }
}

fn trainee() -> Trainee {
    let size = Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 };
    let config = Config { scores: vec![ScoreHead { name: "value".into(), outputs: 1 }], ..Config::gpt2(size) };
    let params = init(&config, 0.1, &mut Stream::named(&["rest"])).expect("a layout");
    Trainee::new(&config, params, 0.5).expect("legal")
}

fn settings(loss: OfflineLoss) -> RestParams {
    let above = |threshold| Keep::Above { threshold };
    RestParams {
        candidates: 40,
        improves: vec![Keep::All, above(0.3), above(0.5)],
        loss,
        learning_rate: 5e-3,
        steps: 60,
        evaluate_every: 20,
        minibatch: 16,
        held_out_candidates: 30,
        ..RestParams::default()
    }
}

fn losses() -> [OfflineLoss; 4] {
    let critic = Critic { steps: 100, minibatch: 16, learning_rate: 3e-3 };
    [
        OfflineLoss::Bc,
        OfflineLoss::Gold { floor: 0.1 },
        OfflineLoss::Oac { critic },
        OfflineLoss::Bvmpo { critic, eta: 0.5, epsilon: 0.5, eta_rate: 0.1, kl_from: 1.0, kl_to: 1e-5 },
    ]
}

fn original() -> Vec<(usize, Vec<u32>)> {
    vec![(0, vec![1, 5]), (1, vec![3, 5]), (2, vec![4, 4, 5])]
}

fn sampling() -> Sampling {
    Sampling { end: 5.into(), ..Sampling::plain(4) }
}

fn run(settings: &RestParams) -> (Trainee, Copying, Vec<Report>) {
    let (mut trainee, mut task, mut reports) = (trainee(), Copying::new(), Vec::new());
    let mut rng = Stream::named(&["rest", "run"]);
    let each = |r: &Report, _: &mut Trainee| {
        reports.push(*r);
        Ok(())
    };
    rest(&mut trainee, &mut task, original(), settings, &sampling(), &mut rng, each).expect("finite");
    (trainee, task, reports)
}

fn held_out(reports: &[Report]) -> Vec<f64> {
    reports.iter().filter_map(|r| if let Report::Improved(i) = r { Some(i.held_out) } else { None }).collect()
}

/// Chance is 0.17; every loss gets well beyond it in six Improve steps.
#[test]
fn every_loss_learns_and_repeats_its_bits() {
    for loss in losses() {
        let (one, task, reports) = run(&settings(loss));
        assert_eq!(reports.len(), 2 * (1 + 3), "{loss:?}: {reports:?}");
        let rewards = held_out(&reports);
        assert!(rewards[5] > 0.5, "{loss:?}: {rewards:?}");
        // rated once: what was given, and two Grow steps
        assert_eq!(task.rated, 3 + 2 * 3 * 40);
        let (two, _, again) = run(&settings(loss));
        assert!(one.weights() == two.weights() && format!("{reports:?}") == format!("{again:?}"));
    }
}

/// What a filter keeps has rewards above it; the original data are in every Grow's data; the trainee has the best checkpoint.
#[test]
fn filters_are_strict_and_the_mixture_stays() {
    let (_, _, reports) = run(&settings(OfflineLoss::Bc));
    for report in &reports {
        match report {
            Report::Grown(g) => assert_eq!((g.samples, g.drawn), (123, 120)),
            Report::Improved(i) => assert!(i.kept_reward > [0.0, 0.3, 0.5][i.improve] && i.step % 20 == 0, "{i:?}"),
            Report::Exhausted(_) => panic!("{report:?}"),
        }
    }
    let (_, _, reports) = run(&RestParams { mixture: false, ..settings(OfflineLoss::Bc) });
    assert!(matches!(reports[0], Report::Grown(Grown { samples: 120, drawn: 120, .. })));
}

/// A threshold that no sample passes ends its chain with what it had, and says the best reward; the next Grow goes on from there.
#[test]
fn nothing_above_the_threshold_ends_the_chain() {
    let improves = vec![Keep::Above { threshold: 0.3 }, Keep::Above { threshold: 1.0 }];
    let two = RestParams { improves, ..settings(OfflineLoss::Bc) };
    let (_, _, reports) = run(&two);
    let ends: Vec<(usize, usize, f64)> = reports
        .iter()
        .filter_map(|r| if let Report::Exhausted(e) = r { Some((e.grow, e.improve, e.best)) } else { None })
        .collect();
    assert_eq!(ends, [(1, 1, 1.0), (2, 1, 1.0)]);
    let once = RestParams { grows: 1, ..two.clone() };
    let one = RestParams { improves: once.improves[..1].to_vec(), ..once.clone() };
    assert!(run(&once).0.weights() == run(&one).0.weights(), "the policy of the Improve step before");
    // from the base nothing is improved: what grew stays, and the run is over
    let none = RestParams { start: Start::Base, improves: vec![Keep::Above { threshold: 1.0 }], ..two };
    let (after, _, reports) = run(&none);
    assert!(after.weights() == trainee().weights() && reports.len() == 4, "{reports:?}");
}

/// Learning from everything again begins a chain anew: thresholds may fall there, and the rate is the first again.
#[test]
fn everything_begins_a_chain_anew() {
    let above = |threshold| Keep::Above { threshold };
    let improves = vec![Keep::All, above(0.5), above(0.6), Keep::All, above(0.5)];
    let settings = RestParams { improves, learning_rate: 1.0, rate_decay: 0.5, ..settings(OfflineLoss::Bc) };
    settings.validate().expect("legal");
    assert_eq!([0, 1, 2, 3, 4].map(|i| settings.rate(i)), [1.0, 0.5, 0.25, 1.0, 0.5]);
}

/// The relatives: no data but the given without a Grow; from the base every time; the best of each source.
#[test]
fn relatives_are_settings() {
    let plain = settings(OfflineLoss::Bc);
    let (_, task, reports) = run(&plain.clone().filtered_bc(0.5));
    assert_eq!(task.rated, 3);
    assert!(matches!(reports[0], Report::Grown(Grown { grow: 0, samples: 3, drawn: 0, .. })));
    assert!(matches!(reports[1], Report::Improved(Improved { kept: 1, .. })));
    let (_, _, reports) = run(&plain.clone().expert_iteration());
    assert!(matches!(reports[1], Report::Improved(Improved { kept: 3, .. })), "{reports:?}");
    let (_, _, reports) = run(&plain.clone().raft(0.1));
    assert!(matches!(reports[1], Report::Improved(Improved { kept: 12, .. })), "{reports:?}");
    let (_, _, em) = run(&RestParams { steps: 20, ..plain.clone().rest_em(0.5) });
    let (_, _, onward) = run(&RestParams { steps: 20, start: Start::Previous, ..plain.rest_em(0.5) });
    assert_eq!(format!("{:?}", &em[..2]), format!("{:?}", &onward[..2]));
    assert!(held_out(&em)[1] < held_out(&onward)[1], "{em:?} {onward:?}");
}

/// Saved behind every step and read into another model: the same bits, and nothing is rated twice.
#[test]
fn an_interrupted_grow_goes_on_without_sampling_again() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("run");
    for loss in losses() {
        // sources one by one: 600 samples are a chunk
        let settings = RestParams { candidates: 600, steps: 30, evaluate_every: 10, ..settings(loss) };
        let (whole, task, reports) = run(&settings);
        let (mut model, mut other) = (trainee(), Copying::new());
        let rng = Stream::named(&["rest", "run"]).split();
        Rest::new(&model, &mut other, original(), &settings, rng).expect("legal").save(&model, &path).expect("saved");
        let mut again = Vec::new();
        loop {
            model.nudge(|_, p| *p = 0.5);
            let mut run = Rest::load(&mut model, &path).expect("loaded");
            if run.is_done() {
                break;
            }
            again.extend(run.step(&mut model, &mut other, &sampling()).expect("finite"));
            run.save(&model, &path).expect("saved");
        }
        assert!(model.weights() == whole.weights() && format!("{reports:?}") == format!("{again:?}"), "{loss:?}");
        assert_eq!(task.rated, other.rated);
    }
}

#[test]
fn wrong_settings_are_named() {
    let plain = settings(OfflineLoss::Bc);
    let complaint = |wrong: RestParams| wrong.validate().expect_err("refused").to_string();
    let falling = vec![Keep::Above { threshold: 0.8 }, Keep::Above { threshold: 0.8 }];
    for (wrong, name) in [
        (RestParams { improves: falling, ..plain.clone() }, "improves[1].threshold"),
        (RestParams { improves: vec![], ..plain.clone() }, "improves"),
        (RestParams { evaluate_every: 61, ..plain.clone() }, "evaluate_every"),
        (RestParams { grows: 0, mixture: false, ..plain.clone() }, "mixture"),
        (RestParams { rate_decay: 1.5, ..plain.clone() }, "rate_decay"),
        (RestParams { loss: OfflineLoss::Gold { floor: 2.0 }, ..plain.clone() }, "loss.floor"),
    ] {
        let message = complaint(wrong);
        assert!(message.contains(name), "{message}");
    }
    let rest = |data| Rest::new(&trainee(), &mut Copying::new(), data, &plain, Stream::named(&["x"]));
    assert!(rest(vec![]).is_err() && rest(vec![(3, vec![5])]).is_err());
}
