use super::*;
use crate::lm::{Config, Size, init};
use crate::num::relative_error;
use crate::objective::golden::{LENGTHS, REWARDS, new, old, reference};

fn trainee() -> Trainee {
    let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
    let params = init(&config, 0.1, &mut Stream::named(&["policy gradient"])).expect("a layout");
    Trainee::new(&config, params, 0.5).expect("legal")
}

fn prompts() -> [Vec<u32>; 2] {
    [vec![0, 1], vec![0, 2]]
}

fn sampling() -> Sampling {
    Sampling { end: 5.into(), ..Sampling::plain(4) }
}

/// For the prompt's second token, said at once.
fn copied(i: usize, output: &[u32]) -> f64 {
    f64::from(u8::from(output.first() == Some(&(i as u32 + 1))))
}

fn small(settings: PolicyGradientParams) -> PolicyGradientParams {
    PolicyGradientParams { iterations: 40, prompts: 8, minibatch: 32, learning_rate: 3e-3, ..settings }
}

fn train(settings: &PolicyGradientParams, reward: impl FnMut(usize, &[u32]) -> f64) -> Result<(Trainee, Vec<Round>)> {
    let mut trainee = trainee();
    let mut rng = Stream::named(&["rollouts"]);
    let rounds = policy_gradient(&mut trainee, settings, &prompts(), &sampling(), reward, &mut rng)?;
    Ok((trainee, rounds))
}

fn methods() -> Vec<PolicyGradientParams> {
    let mut methods: Vec<_> = [
        Advantage::Plain,
        Advantage::MovingAverage { decay: 0.8 },
        Advantage::BatchMean,
        Advantage::BatchScaled { epsilon: 1e-4 },
    ]
    .map(|a| small(PolicyGradientParams::reinforce(a)))
    .into();
    methods.extend(
        [PolicyGradientParams::rloo(), PolicyGradientParams::grpo(), PolicyGradientParams::dr_grpo()].map(small),
    );
    methods
}

/// One round of settings with these rewards, on fresh weights.
fn once(settings: &PolicyGradientParams, reward: impl FnMut(usize, &[u32]) -> f64) -> (Trainee, Round) {
    let (trainee, rounds) = train(&PolicyGradientParams { iterations: 1, ..settings.clone() }, reward).expect("finite");
    (trainee, rounds[0])
}

#[test]
fn every_method_learns_what_is_rewarded() {
    for settings in methods() {
        let (_, rounds) = train(&settings, copied).expect("finite");
        let late: f64 = rounds[35..].iter().map(|r| r.reward).sum::<f64>() / 5.0;
        assert!(rounds[0].reward < 0.5 && late > 0.8, "{settings:?}: {late}");
        assert_eq!(rounds[0].kl_k1, 0.0);
        assert!(rounds[39].kl_k1 > 0.1 && rounds[0].grad_norm > 0.0, "{settings:?}");
    }
}

#[test]
fn the_bits_repeat() {
    let settings =
        PolicyGradientParams { epochs: 2, minibatch: 8, iterations: 5, ..small(PolicyGradientParams::grpo()) };
    let ((one, a), (two, b)) = (train(&settings, copied).expect("finite"), train(&settings, copied).expect("finite"));
    assert!(one.weights() == two.weights() && a == b);
    assert!(a.iter().any(|r| r.clip_fraction > 0.0));
}

/// All rewards equal: nothing to compare, no step, every group dead. Without a baseline there would be one.
#[test]
fn equal_rewards_leave_the_weights() {
    let comparing =
        methods().into_iter().filter(|m| !matches!(m.advantage, Advantage::Plain | Advantage::MovingAverage { .. }));
    for settings in comparing {
        let (after, round) = once(&settings, |_, _| 0.7);
        assert_eq!((round.grad_norm, round.dead_groups, round.reward_std_prompt), (0.0, Some(1.0), Some(0.0)));
        assert!(after.weights() == trainee().weights(), "{settings:?}");
    }
    let (_, round) = once(&small(PolicyGradientParams::reinforce(Advantage::Plain)), |_, _| 0.7);
    assert!(round.grad_norm > 0.0);
}

/// Rewards of 0 and 1 and a shift that rounds nothing: the same bits.
#[test]
fn a_shift_of_all_rewards_changes_nothing() {
    for settings in [PolicyGradientParams::rloo(), PolicyGradientParams::grpo(), PolicyGradientParams::dr_grpo()] {
        let (plain, a) = once(&small(settings.clone()), copied);
        let (shifted, b) = once(&small(settings), |i, output| copied(i, output) + 8.0);
        assert!(plain.weights() == shifted.weights() && b.reward == a.reward + 8.0);
        assert_eq!((a.dead_groups, a.reward_std_prompt), (b.dead_groups, b.reward_std_prompt));
    }
}

/// A dead group is one whose rewards are equal, not one whose mean is; the spreads are those of the metrics.
#[test]
fn dead_groups_are_counted_within_prompts() {
    let (_, round) = once(&small(PolicyGradientParams::grpo()), |i, _| i as f64);
    assert_eq!((round.dead_groups, round.reward_std_prompt), (Some(1.0), Some(0.0)));
    assert!(round.reward_std_batch > 0.4 && round.grad_norm == 0.0);
    let alone = PolicyGradientParams { group: 1, ..small(PolicyGradientParams::reinforce(Advantage::BatchMean)) };
    let (_, round) = once(&alone, copied);
    assert_eq!((round.dead_groups, round.reward_std_prompt), (None, None));
}

fn rollout(trainee: &mut Trainee, exact: bool) -> Rollout {
    let drawn = [0, 0, 0, 0, 1, 1, 1, 1];
    let mut rng = Stream::named(&["a rollout"]);
    let samples = Samples::complete(
        trainee,
        (&prompts(), &drawn),
        &sampling(),
        crate::algorithm::rollout::one_by_one(copied),
        &mut rng,
    )
    .expect("finite");
    let reference = init(trainee.config(), 0.1, &mut Stream::named(&["another"])).expect("a layout");
    let reference = trainee.freeze_at(&reference).expect("as many");
    Rollout::new(trainee, &reference, samples, exact).expect("finite")
}

/// The gradient, scaled to the clip, of one step on `part` of a rollout, off-policy by one step.
fn gradient(settings: &PolicyGradientParams, in_parts: bool, part: &[usize]) -> Vec<f64> {
    step(settings, in_parts, part).0
}

/// The same with the share of tokens or sequences that the clip stopped.
fn step(settings: &PolicyGradientParams, in_parts: bool, part: &[usize]) -> (Vec<f64>, f64) {
    let mut trainee = trainee();
    let rollout = rollout(&mut trainee, settings.kl.estimate == KlEstimate::Exact);
    if in_parts {
        trainee = trainee.in_parts_of(13);
    }
    let mut run = PolicyGradient::new(&trainee, settings, Stream::named(&["unused"])).expect("legal");
    let mut advantages = run.advantages(&rollout).expect("finite");
    // samples of unlike advantages, whatever the rewards were
    advantages.iter_mut().zip(0_i32..).for_each(|(a, i)| *a += f64::from(i % 3) - 0.5);
    trainee.nudge(|i, p| *p += 0.02 * (i as f32).sin());
    let mut steps = Steps::default();
    run.learn(&mut trainee, &rollout, &advantages, (part, 4), &mut steps).expect("finite");
    let round = steps.into_round(rollout.round(4, 0.0));
    (trainee.gradient(), round.clip_fraction)
}

/// Every method with every KL, an entropy bonus, on any order of the samples, whole or in parts: one gradient.
#[test]
fn neither_the_order_of_samples_nor_parts_change_the_gradient() {
    let mut kinds: Vec<PolicyGradientParams> = methods();
    for place in [KlPlace::Reward, KlPlace::Loss] {
        for estimate in [KlEstimate::K1, KlEstimate::K2, KlEstimate::K3, KlEstimate::Exact] {
            let kl = Kl { coefficient: 0.3, place, estimate };
            kinds.push(PolicyGradientParams { kl, entropy_coefficient: 0.05, ..small(PolicyGradientParams::grpo()) });
        }
    }
    let kl = Kl { coefficient: 0.3, place: KlPlace::Loss, estimate: KlEstimate::K3 };
    for surrogate in [Surrogate::TokenMean, Surrogate::Constant, Surrogate::SequenceRatio] {
        kinds.push(PolicyGradientParams { surrogate, kl, ..small(PolicyGradientParams::grpo()) });
    }
    let mut distinct = Vec::new();
    for settings in kinds {
        let whole = gradient(&settings, false, &[0, 1, 2, 3, 4, 5, 6, 7]);
        let mixed = gradient(&settings, false, &[5, 0, 7, 2, 4, 3, 6, 1]);
        let parts = gradient(&settings, true, &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(relative_error(&mixed, &whole) < 1e-4, "{settings:?}: {}", relative_error(&mixed, &whole));
        assert!(relative_error(&parts, &whole) < 1e-4, "{settings:?}: {}", relative_error(&parts, &whole));
        assert!(parts != whole, "parts were not parts");
        distinct.push(whole);
    }
    // every KL makes another gradient, and k1 in the loss is none of the others
    let kl = &distinct[7..15];
    for (i, a) in kl.iter().enumerate() {
        assert!(kl[..i].iter().all(|b| relative_error(a, b) > 1e-3), "{i}");
    }
}

/// Samples differ in length, so that a share of tokens is not a mean of shares of sequences.
#[test]
fn parts_do_not_change_the_clip_fraction() {
    for surrogate in [Surrogate::SequenceMean, Surrogate::TokenMean, Surrogate::Constant, Surrogate::SequenceRatio] {
        let settings = PolicyGradientParams { surrogate, clip: 0.02, ..small(PolicyGradientParams::grpo()) };
        let all = [0, 1, 2, 3, 4, 5, 6, 7];
        let ((_, whole), (_, parts)) = (step(&settings, false, &all), step(&settings, true, &all));
        assert!(whole > 0.0 && whole < 1.0 && (whole - parts).abs() < 1e-9, "{surrogate:?}: {whole} {parts}");
    }
}

/// At the policy itself the exact KL is zero and its gradient too; away from it both are not, and k1 agrees in the mean.
#[test]
fn kl_is_measured_as_asked() {
    let exact = Kl { coefficient: 0.1, place: KlPlace::Loss, estimate: KlEstimate::Exact };
    let (_, round) = once(&PolicyGradientParams { kl: exact, ..small(PolicyGradientParams::grpo()) }, |_, _| 0.0);
    assert!(round.kl_exact.is_some_and(|kl| kl.abs() < 1e-12) && round.grad_norm < 1e-6, "{round:?}");
    let mut trainee = trainee();
    let round = rollout(&mut trainee, true).round(4, 0.1);
    assert!(round.kl_exact.is_some_and(|kl| kl > 0.01) && round.kl_k1 != 0.0);
    let (_, round) = once(&small(PolicyGradientParams::grpo()), copied);
    assert_eq!(round.kl_exact, None);
}

#[test]
fn divergence_is_an_error_and_leaves_the_weights() {
    let settings = small(PolicyGradientParams::grpo());
    for reward in [f64::NAN, f64::INFINITY] {
        let (mut trainee, before) = (trainee(), trainee().weights());
        let mut run = PolicyGradient::new(&trainee, &settings, Stream::named(&["x"])).expect("legal");
        let error = run.round(&mut trainee, &prompts(), &sampling(), |_, _| reward);
        assert!(matches!(error, Err(Error::NotFinite { .. })) && trainee.weights() == before);
    }
    // a ratio beyond any float: old log-probabilities of −5000 nats and negative advantages
    let (mut trainee, before) = (trainee(), trainee().weights());
    let mut rollout = rollout(&mut trainee, false);
    rollout.log_probs.iter_mut().for_each(|lp| *lp = -5000.0);
    let run = PolicyGradient::new(&trainee, &settings, Stream::named(&["x"])).expect("legal");
    for ratio in [Surrogate::SequenceRatio, Surrogate::SequenceMean, Surrogate::TokenMean, Surrogate::Constant] {
        let run =
            PolicyGradient { settings: PolicyGradientParams { surrogate: ratio, ..settings.clone() }, ..run.clone() };
        let error = run.learn(&mut trainee, &rollout, &[-1.0; 8], (&[0, 5], 4), &mut Steps::default());
        assert!(matches!(error, Err(Error::NotFinite { .. })), "{ratio:?}");
        assert!(trainee.weights() == before, "{ratio:?}");
    }
}

#[test]
fn bad_settings_are_refused() {
    let grpo = PolicyGradientParams::grpo;
    let reinforce = PolicyGradientParams::reinforce;
    for wrong in [
        PolicyGradientParams { group: 1, ..grpo() },
        PolicyGradientParams { clip: 0.0, ..grpo() },
        PolicyGradientParams { kl: Kl { coefficient: f64::NAN, ..grpo().kl }, ..grpo() },
        PolicyGradientParams { epochs: 2, ..reinforce(Advantage::Plain) },
        PolicyGradientParams { temperature: 0.0, ..grpo() },
        reinforce(Advantage::MovingAverage { decay: 1.0 }),
        reinforce(Advantage::GroupScaled { epsilon: -1.0 }),
    ] {
        assert!(matches!(wrong.validate(), Err(Error::Parameter { .. })), "{wrong:?}");
    }
    let nothing = policy_gradient(&mut trainee(), &grpo(), &[], &sampling(), copied, &mut Stream::named(&["x"]));
    assert!(matches!(nothing, Err(Error::Usage(_))));
    let text = toml::to_string(&reinforce(Advantage::MovingAverage { decay: 0.9 })).expect("TOML");
    assert_eq!(
        toml::from_str::<PolicyGradientParams>(&text).expect("read back"),
        reinforce(Advantage::MovingAverage { decay: 0.9 })
    );
}

/// TRL 1.16.0's whole loss with its KL term, β = 0.1: what the script of `objective::golden` prints as `grpo beta 0.1` and
/// `dr_grpo beta 0.1`.
#[test]
fn the_kl_is_averaged_as_the_objective_is() {
    let (new, old, reference) = (new(), old(), reference());
    let mut advantages = vec![0.0; 6];
    Advantage::GroupScaled { epsilon: 1e-4 }.fill(&REWARDS, 3, &mut advantages);
    let grpo = [
        0.002_506_602_021_699_85,
        -0.049_981_199_132_255_7,
        -0.062_194_862_792_852_8,
        -0.009_881_666_613_880_63,
        0.001_172_086_539_873_38,
        0.004_282_306_831_943_49,
        0.087_201_058_000_129_7,
        0.063_788_684_662_880_5,
        0.052_197_499_696_350_4,
        -0.062_479_238_119_495_1,
        -0.064_891_277_390_198_6,
        -0.034_706_428_330_733_4,
    ];
    let dr_grpo = [
        0.002_506_602_021_699_85,
        -0.049_981_199_132_255_7,
        -0.062_194_862_792_852_8,
        -0.003_293_888_871_293_55,
        0.000_781_391_026_582_251,
        0.002_854_871_221_295_66,
        0.087_201_058_000_129_7,
        0.063_788_684_662_880_5,
        0.052_197_499_696_350_4,
        -0.041_652_825_412_996_8,
        -0.043_260_851_593_465_7,
        -0.011_568_809_443_577_8,
    ];
    for (surrogate, loss, gradient) in [
        (Surrogate::SequenceMean, 0.010_787_392_986_157_8, grpo),
        (Surrogate::Constant, -0.013_919_062_793_717_7, dr_grpo),
    ] {
        let mut weights = vec![0.0; 12];
        let flat = Flat { log_probs: &new, old: &old, lengths: &LENGTHS, advantages: &advantages };
        let objective = surrogate.objective(&flat, 3, 0.2, -1.0, &mut weights);
        let shares = surrogate.shares(&LENGTHS, 3);
        let kl = in_shares(k3_loss, [&new, &reference], (&LENGTHS, &shares), 0.1, &mut weights);
        assert!((kl - objective - loss).abs() < 1e-12, "{surrogate:?}: {} {loss}", kl - objective);
        for (got, expected) in weights.iter().zip(gradient) {
            assert!((got - expected).abs() < 1e-12, "{surrogate:?}: {got} {expected}");
        }
    }
}
