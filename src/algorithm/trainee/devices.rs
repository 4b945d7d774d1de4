//! One body of tests for every device: what the CPU engine's trainee says, learns and draws, the device's does too.
//!
//! Candle's CPU device is always there; the first GPU joins where CUDA is built in and a GPU answers. In 32 bits: log-probabilities to
//! 1e-4, gradients to 1e-3 of their norm, both also after steps of every loop.

use crate::algorithm::{
    Example, Keep, OfflineLoss, Place, PolicyGradient, PolicyGradientParams, Ppo, PpoParams, PreferenceLoss,
    PreferenceTuning, Rated, Rest, RestParams, Resume, RewardModelParams, Round, Sft, Task, TokenPair, Trainee,
    reward_modelling, score_regression,
};
use crate::error::Result;
use crate::lm::testing::{configs, heads, sequences, weights};
use crate::lm::{Batch, Config, Decay, Device, Lora, LoraSettings, Placement, Precision, Sample, Sampling, Schedule};
use crate::num::relative_error;
use crate::rng::Stream;

/// All but the CPU engine that can be had.
fn devices() -> Vec<Device> {
    let gpu = Device::Cuda(0);
    let mut devices = vec![Device::CandleCpu];
    match gpu.open() {
        Ok(_) => devices.push(gpu),
        Err(why) => eprintln!("not tested on a GPU: {why}"),
    }
    devices
}

fn placed(device: Device) -> Placement {
    Placement { device, ..Placement::default() }
}

/// The presets with score heads, and weights of a size at which nothing is saturated.
fn models() -> Vec<(&'static str, Config, Vec<f32>)> {
    let each = configs().into_iter().map(|(name, config)| {
        let config = Config { scores: heads(), ..config };
        let rng = &mut Stream::named(&["devices", name]);
        let params = weights(&config, rng).into_iter().map(|p| 0.5 * p).collect();
        (name, config, params)
    });
    each.collect()
}

fn with_lora(trainee: Trainee, fresh: bool) -> Trainee {
    let settings = LoraSettings { rank: 3, alpha: 6.0, targets: Vec::new() };
    let lora = Lora::new(trainee.config(), &settings).expect("legal");
    let rng = &mut Stream::named(&["devices", "adapters"]);
    let mut values = lora.init(&trainee.weights(), rng).expect("fits");
    if !fresh {
        values.iter_mut().for_each(|v| *v += 0.05 * rng.normal() as f32);
    }
    trainee.with_adapters(lora, values).expect("fits")
}

/// The same trainee on the CPU engine and on a device, learning all weights, adapters of every map, or adapters of some.
fn pairs_of_trainees(placement: &Placement) -> Vec<(String, Trainee, Trainee)> {
    let mut all = Vec::new();
    for (name, config, params) in models() {
        let both = || {
            let theirs = Trainee::new(&config, params.clone(), 1.0).expect("legal");
            (theirs, Trainee::on(placement, &config, params.clone(), 1.0).expect("there"))
        };
        let (theirs, ours) = both();
        all.push((format!("{name} on {}", placement.device), theirs, ours));
        let (theirs, ours) = both();
        all.push((
            format!("{name} with adapters on {}", placement.device),
            with_lora(theirs, false),
            with_lora(ours, false),
        ));
    }
    all
}

fn texts(config: &Config) -> Vec<Example> {
    let rng = &mut Stream::named(&["devices", "texts"]);
    let lengths = [9, 4, 17, 2, 12, 7];
    let each = sequences(config.vocab, &lengths, rng).into_iter().enumerate();
    each.map(|(i, tokens)| Example { prompt: 1 + i % 2, tokens }).collect()
}

fn assert_close(name: &str, what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{name}: {what}");
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{name}: {what} {a}, expected {b}");
    }
}

/// Log-probabilities, scores and the weights themselves.
fn assert_same_model(name: &str, ours: &mut Trainee, theirs: &mut Trainee, tolerance: f64) {
    let examples = texts(theirs.config());
    let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
        examples.iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
    let say = |t: &mut Trainee| {
        let sums = t.completion_log_probs(&sequences, &prompts).expect("fits");
        (sums, t.scores(&sequences).expect("fits"), t.last_hidden(&sequences).expect("fits"))
    };
    let (ours, theirs) = (say(ours), say(theirs));
    assert_close(name, "log-probability", &ours.0, &theirs.0, tolerance);
    assert_close(name, "score", &ours.1, &theirs.1, tolerance);
    assert_close(name, "hidden state", &ours.2, &theirs.2, tolerance);
}

fn draw(trainee: &mut Trainee, sampling: &Sampling) -> Vec<Sample> {
    let prompts = sequences(trainee.config().vocab, &[3, 1, 8, 19, 5], &mut Stream::named(&["devices", "prompts"]));
    let mut streams: Vec<Stream> = (0..5).map(|i| Stream::named(&["devices", &i.to_string()])).collect();
    trainee.sample(&prompts, sampling, &mut streams).expect("legal")
}

#[test]
fn what_a_model_says_draws_and_differentiates_is_the_same_everywhere() {
    for device in devices() {
        for (name, mut theirs, mut ours) in pairs_of_trainees(&placed(device)) {
            assert_eq!(ours.trained().expect("at hand"), theirs.trained().expect("at hand"), "{name}");
            assert!(relative_error(&wide(&ours.weights()), &wide(&theirs.weights())) < 1e-6, "{name}");
            assert_same_model(&name, &mut ours, &mut theirs, 1e-4);
            for temperature in [0.0, 1.0, 1.4] {
                let sampling = Sampling { temperature, end: 2.into(), ..Sampling::plain(9) };
                let (a, b) = (draw(&mut ours, &sampling), draw(&mut theirs, &sampling));
                for (a, b) in a.iter().zip(&b) {
                    assert_eq!(a.tokens, b.tokens, "{name}");
                    assert_close(&name, "sampled log-probability", &a.log_probs, &b.log_probs, 1e-4);
                }
            }
            let examples = texts(theirs.config());
            let losses = [&mut ours, &mut theirs].map(|t| t.nll_step(&examples, 0.0).expect("finite"));
            assert_close(&name, "loss", &losses[..1], &losses[1..], 1e-5);
        }
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// The gradient of a signal on all that a loop weighs, by what is trained.
fn gradient(trainee: &mut Trainee) -> Vec<f64> {
    let examples = texts(trainee.config());
    let batch = Batch::new(&examples.iter().map(|e| &e.tokens).collect::<Vec<_>>());
    let choices = batch.next_tokens();
    let rng = &mut Stream::named(&["devices", "signal"]);
    let mut fill = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.normal()).collect() };
    let (log_probs, entropies, on_scores) = (fill(choices.len()), fill(choices.len()), fill(3));
    let scores = [crate::lm::Scores { head: 0, rows: &[0, 4, 13], weights: &on_scores }];
    let signal =
        crate::lm::Signal { log_probs: &log_probs, entropies: &entropies, scores: &scores, ..Default::default() };
    trainee.forward(&batch, crate::lm::Keep::All).expect("fits");
    trainee.log_probs(&choices).expect("fits");
    let mut grad = vec![0.0; trainee.trained().expect("at hand").len()];
    trainee.add_gradient(&signal, &mut grad).expect("kept");
    wide(&grad)
}

#[test]
fn gradients_agree_and_neither_parts_nor_computing_again_change_them() {
    for device in devices() {
        let again = Placement { checkpointing: true, ..placed(device) };
        let others = pairs_of_trainees(&again);
        for ((name, mut theirs, mut ours), (_, _, mut other)) in
            pairs_of_trainees(&placed(device)).into_iter().zip(others)
        {
            let (own, expected) = (gradient(&mut ours), gradient(&mut theirs));
            assert!(relative_error(&own, &expected) < 1e-3, "{name}: {}", relative_error(&own, &expected));
            let computed_again = relative_error(&gradient(&mut other), &own);
            assert!(computed_again < 1e-6, "{name}: {computed_again}");
            // a step's gradient is followed and forgotten: what it moved tells
            let examples = texts(theirs.config());
            let before = wide(&ours.trained().expect("at hand"));
            let moved = |trainee: Trainee, tokens: usize| -> Vec<f64> {
                let mut trainee = trainee.in_parts_of(tokens);
                trainee.nll_step(&examples, 1e-3).expect("finite");
                let first = trainee.moments();
                assert_ne!(wide(&trainee.trained().expect("at hand")), before, "{name}");
                first
            };
            let twin = ours.twin().expect("room");
            let (whole, in_parts) = (moved(ours, usize::MAX), moved(twin, 12));
            assert!(relative_error(&in_parts, &whole) < 1e-5, "{name}: {}", relative_error(&in_parts, &whole));
            assert!(relative_error(&whole, &moved(theirs, usize::MAX)) < 1e-3, "{name}");
        }
    }
}

fn preferences() -> Vec<TokenPair> {
    let pair = |a: u32, b: u32| TokenPair { prompt: vec![0, a], chosen: vec![a, b, 4], rejected: vec![b, 5] };
    (1..5).flat_map(|a| (1..5).map(move |b| pair(a, b))).collect()
}

fn constant(steps: u64) -> Schedule {
    Schedule { peak: 2e-3, warm_up: 0, steps, decay: Decay::Constant }
}

fn rng() -> Stream {
    Stream::named(&["devices", "run"])
}

fn numbers(round: &Round) -> Vec<f64> {
    vec![round.reward, round.kl_k1, round.entropy, round.clip_fraction, round.grad_norm]
}

fn reward(i: usize, output: &[u32]) -> f64 {
    output.iter().filter(|t| **t as usize == i + 1).count() as f64 / 4.0
}

/// Three steps or rounds of a loop; what they report.
fn run(which: &str, trainee: &mut Trainee) -> Vec<f64> {
    let (prompts, sampling) = ([vec![0, 1], vec![0, 2, 3]], Sampling { end: 5.into(), ..Sampling::plain(5) });
    let examples = texts(trainee.config());
    match which {
        "sft" => (0..3).map(|_| trainee.nll_step(&examples, 2e-3).expect("finite")).collect(),
        "dpo" => {
            let loss = PreferenceLoss::Dpo { beta: 0.5 };
            let mut run = PreferenceTuning::new(trainee, &preferences(), loss, &constant(3), 5, rng()).expect("legal");
            let step = |_| run.step(trainee, &preferences()).expect("finite");
            (0..3).map(step).flat_map(|s| [s.loss, s.chosen, s.rejected, s.grad_norm]).collect()
        }
        "rloo" => {
            let settings = PolicyGradientParams::rloo();
            let settings = PolicyGradientParams { prompts: 4, minibatch: 8, learning_rate: 2e-3, ..settings };
            let mut run = PolicyGradient::new(trainee, &settings, rng()).expect("legal");
            let round = |_| run.round(trainee, &prompts, &sampling, reward).expect("finite");
            (0..3).map(round).flat_map(|r| numbers(&r)).collect()
        }
        _ => {
            let settings =
                PpoParams { samples: 12, epochs: 2, minibatch: 6, learning_rate: 2e-3, ..PpoParams::default() };
            let mut run = Ppo::new(trainee, &settings, rng()).expect("legal");
            let round = |_| run.round(trainee, &prompts, &sampling, reward).expect("finite");
            (0..3).map(round).flat_map(|r| numbers(&r)).collect()
        }
    }
}

/// A key's bias has no gradient but rounding, which Adam makes as long as any other: such weights differ, what they say does not.
#[test]
fn three_steps_of_every_method_lead_to_the_same_model() {
    for device in devices() {
        for which in ["sft", "dpo", "rloo", "ppo"] {
            for (name, mut theirs, mut ours) in pairs_of_trainees(&placed(device)) {
                let name = format!("{which}, {name}");
                let start = wide(&theirs.trained().expect("at hand"));
                let (own, expected) = (run(which, &mut ours), run(which, &mut theirs));
                assert_close(&name, "report", &own, &expected, 2e-3);
                assert_same_model(&name, &mut ours, &mut theirs, 5e-3);
                if !theirs.config().qkv_bias {
                    let moved = |t: &Trainee| -> Vec<f64> {
                        let now = wide(&t.trained().expect("at hand"));
                        now.iter().zip(&start).map(|(a, b)| a - b).collect()
                    };
                    let error = relative_error(&moved(&ours), &moved(&theirs));
                    assert!(error < 0.02, "{name}: {error}");
                }
            }
        }
    }
}

/// The reference stays where it was, adapters that change nothing are left out of it, and a twin goes its own way.
#[test]
fn references_and_twins_are_apart_from_what_learns() {
    for device in devices() {
        let (_, config, params) = models().remove(2);
        let examples = texts(&config);
        let batch = Batch::new(&examples.iter().map(|e| &e.tokens).collect::<Vec<_>>());
        let choices = batch.next_tokens();
        for adapted in [None, Some(true), Some(false)] {
            let plain = Trainee::on(&placed(device), &config, params.clone(), 1.0).expect("there");
            let mut trainee = adapted.map_or(plain.twin().expect("room"), |fresh| with_lora(plain, fresh));
            let say = |t: &mut Trainee| {
                t.forward(&batch, crate::lm::Keep::Final).expect("fits");
                t.log_probs(&choices).expect("fits").to_vec()
            };
            let (before, values) = (say(&mut trainee), trainee.trained().expect("at hand").into_owned());
            let (reference, mut twin) = (trainee.freeze().expect("room"), trainee.twin().expect("room"));
            (0..3).for_each(|_| assert!(trainee.nll_step(&examples, 1e-2).is_ok()));
            let after = say(&mut trainee);
            assert!(before.iter().zip(&after).any(|(a, b)| (a - b).abs() > 0.05), "{adapted:?}");
            assert_close(
                "reference",
                "log-probability",
                &trainee.score(&reference, &batch, &choices).expect("fits"),
                &before,
                1e-5,
            );
            assert_eq!(*reference.values().expect("at hand"), values);
            let again = trainee.freeze_at(&values).expect("room");
            assert_close(
                "again",
                "log-probability",
                &trainee.score(&again, &batch, &choices).expect("fits"),
                &before,
                1e-5,
            );
            // nothing that was asked of the reference moved the model
            assert_close("model", "log-probability", &say(&mut trainee), &after, 1e-6);
            assert_close("twin", "log-probability", &say(&mut twin), &before, 1e-6);
            let elsewhere = Trainee::new(&config, params.clone(), 1.0).expect("legal").freeze().expect("room");
            assert!(trainee.score(&elsewhere, &batch, &choices).is_err());
        }
    }
}

/// Half of a run, a file, the rest in another trainee, which may be on another device.
#[test]
fn a_run_goes_on_from_its_file_on_any_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, config, params) = models().remove(0);
    let examples = texts(&config);
    let path = folder.path().join("run");
    let settings =
        PolicyGradientParams { prompts: 4, minibatch: 8, learning_rate: 2e-3, ..PolicyGradientParams::grpo() };
    let sampling = Sampling { end: 5.into(), ..Sampling::plain(5) };
    let prompts = [vec![0, 1], vec![0, 2, 3]];
    for device in devices() {
        for (adapted, to) in [(false, device), (true, device), (true, Device::Cpu), (false, Device::Cpu)] {
            let fresh = |device: Device| {
                let trainee = Trainee::on(&placed(device), &config, params.clone(), 1.0).expect("there");
                if adapted { with_lora(trainee, true) } else { trainee }
            };
            let mut whole = fresh(device);
            let mut run = PolicyGradient::new(&whole, &settings, rng()).expect("legal");
            let mut sft = Sft::new(&constant(8), 3, rng()).expect("legal");
            for _ in 0..2 {
                run.round(&mut whole, &prompts, &sampling, reward).expect("finite");
            }
            run.save(&whole, &path).expect("saved");
            let mut other = fresh(to);
            other.nudge(|_, p| *p = 0.25);
            let mut again = PolicyGradient::load(&mut other, &path).expect("read");
            for _ in 0..2 {
                let a = run.round(&mut whole, &prompts, &sampling, reward).expect("finite");
                let b = again.round(&mut other, &prompts, &sampling, reward).expect("finite");
                assert_close("resumed", "round", &numbers(&b), &numbers(&a), 2e-3);
            }
            sft.step(&mut whole, &examples).expect("finite");
            sft.save(&whole, &path).expect("saved");
            Sft::load(&mut other, &path).expect("read").step(&mut other, &examples).expect("finite");
            sft.step(&mut whole, &examples).expect("finite");
            assert_same_model("resumed", &mut other, &mut whole, if to == device { 1e-5 } else { 1e-3 });
        }
    }
}

struct Copying([Vec<Vec<u32>>; 2]);

impl Task for Copying {
    fn sources(&self) -> &[Vec<u32>] {
        &self.0[0]
    }
    fn held_out(&self) -> &[Vec<u32>] {
        &self.0[1]
    }
    fn rewards(&mut self, _: crate::algorithm::Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        Ok(outputs.iter().map(|(i, y)| reward(*i, y)).collect())
    }
}

/// Reward models, values, `ReST` with a critic and a behaviour's distributions: the loops that the others do not go through.
#[test]
fn the_other_loops_run_on_every_device() {
    let (_, config, params) = models().remove(2);
    let outcome = |device: Device| {
        let fresh = || Trainee::on(&placed(device), &config, params.clone(), 1.0).expect("there");
        let mut trainee = fresh();
        let settings = RewardModelParams { epochs: 2, batch: 4, learning_rate: 2e-3 };
        reward_modelling(&mut trainee, &preferences(), &settings, &mut rng()).expect("finite");
        let sequences: Vec<Vec<u32>> = preferences().iter().map(|p| [&p.prompt[..], &p.chosen].concat()).collect();
        let mut said = trainee.scores(&sequences).expect("fits");
        let rated: Vec<Rated> =
            sequences.iter().map(|s| Rated { tokens: s.clone(), prompt: 2, target: f64::from(s[1]) / 4.0 }).collect();
        let mut trainee = fresh();
        score_regression(&mut trainee, &rated, Place::EveryContext, 4, &constant(5), &mut rng()).expect("finite");
        said.extend(trainee.scores(&sequences).expect("fits"));
        let critic = crate::algorithm::Critic { steps: 5, learning_rate: 2e-3, minibatch: 8 };
        let loss = OfflineLoss::Bvmpo { eta: 1.0, eta_rate: 0.1, epsilon: 0.1, kl_from: 1.0, kl_to: 0.1, critic };
        let settings = RestParams {
            candidates: 6,
            improves: vec![Keep::All],
            loss,
            learning_rate: 2e-3,
            steps: 4,
            evaluate_every: 2,
            minibatch: 6,
            held_out_candidates: 4,
            mixture: false,
            ..RestParams::default()
        };
        let prompts = || (1..4).map(|a| vec![0, a]).collect();
        let (mut trainee, mut task) = (fresh(), Copying([prompts(), prompts()]));
        let sampling = Sampling { end: 5.into(), ..Sampling::plain(4) };
        let mut run = Rest::new(&trainee, &mut task, Vec::new(), &settings, rng()).expect("legal");
        while !run.is_done() {
            run.step(&mut trainee, &mut task, &sampling).expect("finite");
        }
        said.extend(trainee.completion_log_probs(&sequences, &vec![2; sequences.len()]).expect("fits"));
        said
    };
    let expected = outcome(Device::Cpu);
    for device in devices() {
        assert_close(&device.to_string(), "outcome", &outcome(device), &expected, 5e-3);
    }
}

/// 8 bits of mantissa: what is said is near, the gradient points the same way, and learning gets as far.
#[test]
fn sixteen_bits_learn_as_well() {
    for device in devices() {
        let half = Placement { precision: Precision::Bf16, ..placed(device) };
        for (name, mut theirs, mut ours) in pairs_of_trainees(&half) {
            let examples = texts(theirs.config());
            assert_same_model(&name, &mut ours, &mut theirs, 0.05);
            let (a, b) = (gradient(&mut ours), gradient(&mut theirs));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
            assert!(cosine > 0.99, "{name}: cosine {cosine}");
            let learn = |t: &mut Trainee| (0..30).map(|_| t.nll_step(&examples, 3e-3).expect("finite")).last();
            let (own, expected) = (learn(&mut ours).expect("steps"), learn(&mut theirs).expect("steps"));
            assert!((own - expected).abs() < 0.05 * (1.0 + expected), "{name}: {own}, {expected} in 32 bits");
            // steps far below a weight's last bit add up
            let before = wide(&ours.trained().expect("at hand"));
            (0..5).for_each(|_| assert!(ours.nll_step(&examples, 1e-6).is_ok()));
            assert_ne!(wide(&ours.trained().expect("at hand")), before, "{name}");
        }
    }
}

#[test]
fn what_a_device_cannot_do_is_said() {
    let (_, config, params) = models().remove(0);
    let on = |placement: &Placement| Trainee::on(placement, &config, params.clone(), 1.0).map(|_| ());
    assert!(on(&Placement { precision: Precision::Bf16, ..Placement::default() }).is_err());
    assert!(on(&placed(Device::Cuda(999))).is_err());
    assert!(Trainee::on(&placed(Device::CandleCpu), &config, params[1..].to_vec(), 1.0).is_err());
    assert!(Trainee::on(&placed(Device::CandleCpu), &config, params.clone(), f64::NAN).is_err());
    let mut trainee = Trainee::on(&placed(Device::CandleCpu), &config, params.clone(), 1.0).expect("there");
    let poison = |i: usize, p: &mut f32| *p = if i == 0 { f32::NAN } else { *p };
    trainee.nudge(poison);
    let before: Vec<u32> = trainee.weights().iter().map(|p| p.to_bits()).collect();
    assert!(trainee.nll_step(&[Example { tokens: vec![0, 1, 2], prompt: 1 }], 1e-2).is_err());
    assert_eq!(before, trainee.weights().iter().map(|p| p.to_bits()).collect::<Vec<_>>());
    assert!(trainee.in_lanes(2).is_err());
}
