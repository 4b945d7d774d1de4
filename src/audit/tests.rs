//! Each warning fires where it must, and not where it must not.

use super::*;
use crate::rng::Stream;
use std::fmt::Write;

const LINES: usize = 30;

/// A log of 30 steps whose keys are functions of the step (0 to 29) and of a noise of mean 0 and std 1.
fn log(keys: &[(&str, &dyn Fn(f64, f64) -> f64)]) -> tempfile::NamedTempFile {
    let mut text = String::new();
    let mut rng = Stream::named(&["audit", "log"]);
    for step in 0..LINES {
        let _ = write!(text, "{{\"step\": {step}");
        for (key, of) in keys {
            let value = of(step as f64, rng.normal());
            let _ =
                if value.is_nan() { write!(text, ", \"{key}\": NaN") } else { write!(text, ", \"{key}\": {value}") };
        }
        text.push_str("}\n");
    }
    file(&text)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn request(format: Format, set: &[&str]) -> Request {
    let typed = set.iter().map(|text| parse_assignment(text).expect("key=value")).collect();
    Request { format, config: Vec::new(), typed, gold: None, binary: false }
}

fn trl(keys: &[(&str, &dyn Fn(f64, f64) -> f64)], set: &[&str]) -> Report {
    audit(log(keys).path(), &request(Format::Trl, set)).expect("legal")
}

fn level(report: &Report, id: &str) -> Option<Level> {
    report.findings.iter().find(|f| f.id == id).map(|f| f.level)
}

fn seen<'a>(report: &'a Report, id: &str) -> &'a str {
    report.findings.iter().find(|f| f.id == id).map_or("", |f| f.seen.as_str())
}

fn row<'a>(report: &'a Report, key: &str) -> &'a Row {
    report.rows.iter().find(|r| r.key == key).expect("a known key")
}

#[test]
fn dead_groups_are_warned_of_where_they_are_many_and_known() {
    let with = |share: f64, set: &[&str]| {
        trl(
            &[
                ("reward", &|_, z| 0.5 + 0.01 * z),
                ("reward_std", &|_, _| 0.5),
                ("frac_reward_zero_std", &|_, z| share + 0.02 * z),
            ],
            set,
        )
    };
    let many = with(0.6, &["trainer=grpo"]);
    assert_eq!(level(&many, "dead_groups"), Some(Level::Warning));
    assert!(seen(&many, "dead_groups").starts_with("0.6"), "{}", seen(&many, "dead_groups"));
    assert_eq!(level(&with(0.1, &["trainer=grpo"]), "dead_groups"), None);
    // under these options the same key is something else, and the log is silent about dead groups
    for set in [
        &["trainer=rloo"][..],
        &["scale_rewards=batch"],
        &["trainer=grpo", "multi_objective_aggregation=normalize_then_sum"],
    ] {
        let hidden = with(0.6, set);
        assert_eq!(level(&hidden, "dead_groups"), None, "{set:?}");
        assert_eq!(level(&hidden, "dead_groups_hidden"), Some(Level::Note), "{set:?}");
        assert_eq!(row(&hidden, "frac_reward_zero_std").kind, "no");
    }
    // without a KL penalty RLOO's is the share
    assert_eq!(level(&with(0.6, &["trainer=rloo", "beta=0"]), "dead_groups"), Some(Level::Warning));
}

#[test]
fn a_batch_without_any_gradient_is_named_by_its_step() {
    let report = trl(
        &[("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|t, _| if t == 7.0 { 1.0 } else { 0.1 })],
        &["trainer=grpo"],
    );
    let finding = report.findings.iter().find(|f| f.id == "dead_batches").expect("found");
    assert_eq!(finding.steps, "step 7 (1 of 30)");
    assert_eq!(level(&report, "dead_groups"), None);
}

/// Jensen's bound at p = 0.9 and G = 4: 0.6561 + 0.0001.
#[test]
fn binary_rewards_bound_the_dead_groups() {
    let of = |p: f64, binary: bool| {
        let file = log(&[("reward", &|_, _| p), ("frac_reward_zero_std", &|_, _| 0.0)]);
        audit(file.path(), &Request { binary, ..request(Format::Trl, &["trainer=rloo", "num_generations=4"]) })
    };
    let report = of(0.9, true).expect("legal");
    assert_eq!(level(&report, "dead_groups_predicted"), Some(Level::Warning));
    assert!(
        seen(&report, "dead_groups_predicted").contains("at least 0.6562 [0.6562, 0.6562] of the groups"),
        "{report:?}"
    );
    assert_eq!(level(&of(0.5, true).expect("legal"), "dead_groups_predicted"), Some(Level::Note));
    assert_eq!(level(&of(0.9, false).expect("legal"), "dead_groups_predicted"), None);
    let error = of(1.5, true).expect_err("not binary").to_string();
    assert!(error.contains("step 0") && error.contains("reward = 1.5") && error.contains("--binary"), "{error}");
}

/// Fewer dead groups than 0/1 rewards of that mean can have: 0.8⁸ + 0.2⁸ = 0.1678.
#[test]
fn fewer_dead_groups_than_there_can_be_contradict_binary_rewards() {
    let of = |reward: &dyn Fn(f64, f64) -> f64, dead: &dyn Fn(f64, f64) -> f64| {
        let file = log(&[("reward", reward), ("frac_reward_zero_std", dead)]);
        let set = ["trainer=grpo", "num_generations=8"];
        audit(file.path(), &Request { binary: true, ..request(Format::Trl, &set) }).expect("legal")
    };
    let steady: &dyn Fn(f64, f64) -> f64 = &|_, z| 0.8 + 0.005 * z;
    let wrong = of(steady, &|_, z| 0.1 + 0.005 * z);
    assert_eq!(level(&wrong, "not_binary"), Some(Level::Warning));
    assert!(seen(&wrong, "not_binary").contains("frac_reward_zero_std is 0.1"), "{wrong:?}");
    assert_eq!(level(&wrong, "dead_groups_predicted"), None, "the bound does not hold then");
    // the noise of either may explain it: of the share, of the mean reward
    for (reward, dead) in [
        (steady, &(|t: f64, _: f64| 0.26 * (t % 2.0)) as &dyn Fn(f64, f64) -> f64),
        (&|t, _| 0.6 + 0.4 * (t % 2.0), &|_, z| 0.1 + 0.005 * z),
        (steady, &|_, z| 0.2 + 0.005 * z),
    ] {
        let report = of(reward, dead);
        assert_eq!(level(&report, "not_binary"), None, "{report:?}");
        assert_eq!(level(&report, "dead_groups_predicted"), Some(Level::Note));
    }
}

/// With one pair a step the bound at each step's own mean is 0.75 on average, though half of the pairs of p = 1/2 are dead.
#[test]
fn the_bound_is_of_the_mean_and_not_of_noisy_means() {
    let file = log(&[("reward", &|t, _| [0.0, 0.5, 1.0, 0.5][t as usize % 4]), ("frac_reward_zero_std", &|_, _| 0.0)]);
    let request = Request { binary: true, ..request(Format::Trl, &["trainer=rloo", "num_generations=2"]) };
    let report = audit(file.path(), &request).expect("legal");
    // ten steps from the 20th on: 0, ½, 1, ½, 0, ½, 1, ½, 0, ½: mean 0.45, 0.45² + 0.55²
    assert!(seen(&report, "dead_groups_predicted").contains("at least 0.505 ["), "{report:?}");
}

#[test]
fn shares_stay_within_0_and_1_and_what_cannot_be_tested_is_said() {
    let dead = trl(
        &[
            ("reward", &|_, _| 0.5),
            ("frac_reward_zero_std", &|t, _| if (t as usize).is_multiple_of(5) { 0.3 } else { 1.0 }),
        ],
        &["trainer=grpo"],
    );
    assert!(seen(&dead, "dead_groups").contains(", 1] of the groups"), "{dead:?}");
    assert!(seen(&dead, "over_optimisation_undecided").is_empty());
    let kl = |text: &str| audit(file(text).path(), &request(Format::Trl, &["trainer=grpo"])).expect("legal");
    let line = "{\"step\": 1, \"reward\": 0.5, \"kl\": 0.1, \"frac_reward_zero_std\": 0}\n";
    let one = kl(line);
    assert!(seen(&one, "over_optimisation_undecided").contains("(one number has no trend)"), "{one:?}");
    let constant: String = (0..9).map(|i| line.replace("\"step\": 1", &format!("\"step\": {i}"))).collect();
    let constant = kl(&constant);
    assert!(seen(&constant, "over_optimisation_undecided").contains("(it never changes)"), "{constant:?}");
    assert!(!format!("{:?}{:?}", one.findings, constant.findings).contains("NaN"));
}

#[test]
fn a_negative_kl_is_a_fault_chance_or_open_as_its_estimator_is() {
    let with = |kl: &dyn Fn(f64, f64) -> f64, set: &[&str]| {
        trl(&[("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|_, _| 0.0), ("kl", kl)], set)
    };
    let chance = |_: f64, z: f64| 0.05 + 0.1 * z;
    let below = |_: f64, z: f64| -0.2 + 0.1 * z;
    let grpo = with(&chance, &["trainer=grpo", "beta=0.04"]);
    assert_eq!(level(&grpo, "negative_kl"), Some(Level::Warning));
    assert!(seen(&grpo, "negative_kl").contains("k3 of a token cannot be negative"));
    assert_eq!(level(&with(&chance, &["trainer=rloo"]), "negative_kl"), Some(Level::Note));
    assert_eq!(level(&with(&below, &["trainer=rloo"]), "negative_kl"), Some(Level::Warning));
    assert!(seen(&with(&chance, &[]), "negative_kl").contains("If it is k1"));
    let never = |_: f64, z: f64| 0.05 + 0.01 * z.abs();
    assert_eq!(level(&with(&never, &["trainer=grpo"]), "negative_kl"), None);
    // rounding of k3 near 0
    assert_eq!(level(&with(&|_, z| 1e-8 * z, &["trainer=grpo"]), "negative_kl"), None);
}

#[test]
fn a_kl_that_a_few_tokens_make_is_told() {
    let with = |most: f64| {
        let kl = move |t: f64, z: f64| if t == 20.0 { most } else { 0.1 + 0.01 * z };
        trl(&[("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|_, _| 0.0), ("kl", &kl)], &["trainer=grpo"])
    };
    assert_eq!(level(&with(80.0), "kl_spikes"), Some(Level::Warning));
    assert_eq!(level(&with(0.4), "kl_spikes"), None);
}

fn dpo(chosen: &dyn Fn(f64, f64) -> f64, rejected: &dyn Fn(f64, f64) -> f64, set: &[&str]) -> Report {
    trl(
        &[
            ("loss", &|t, _| 0.69 - 0.01 * t),
            ("rewards/chosen", chosen),
            ("rewards/rejected", rejected),
            ("rewards/margins", &|t, z| 0.03 * t + 0.02 * z),
            ("rewards/accuracies", &|_, _| 0.9),
            ("logps/chosen", &|_, z| -3.0 + 0.01 * z),
            ("logps/rejected", &|_, z| -4.0 + 0.01 * z),
            ("mean_token_accuracy", &|_, _| 0.5),
        ],
        set,
    )
}

#[test]
fn displaced_likelihood_has_its_size_in_nats() {
    let report = dpo(&|t, z| -0.01 * t + 0.01 * z, &|t, z| -0.04 * t + 0.01 * z, &["beta=0.1"]);
    assert_eq!(level(&report, "displaced_likelihood"), Some(Level::Warning));
    // the mean of −0.01 t over steps 20 to 29 is −0.245, over β 2.45 nats
    let said = seen(&report, "displaced_likelihood");
    assert!(said.contains("by -2.4") && said.contains("(100%)"), "{said}");
    // the rejected rise: by how much of what was lost follows from the log-probabilities
    let report = dpo(&|t, z| -0.01 * t + 0.001 * z, &|t, z| 0.005 * t + 0.001 * z, &["beta=0.1"]);
    let said = seen(&report, "displaced_likelihood");
    let (nats, up) = (2.45_f64, 1.225_f64);
    let share = 1.0 - ((-4.0_f64).exp() - (-4.0 - up).exp()) / ((-3.0 + nats).exp() - (-3.0_f64).exp());
    assert!(said.contains(&format!("{:.0}% went to other outputs", 100.0 * share)), "{said} {share}");
}

#[test]
fn chosen_that_rise_or_only_waver_are_not_displaced() {
    assert_eq!(
        level(&dpo(&|t, z| 0.01 * t + 0.01 * z, &|t, _| -0.04 * t, &["beta=0.1"]), "displaced_likelihood"),
        None
    );
    assert_eq!(level(&dpo(&|_, z| 0.05 * z, &|t, _| -0.04 * t, &["beta=0.1"]), "displaced_likelihood"), None);
}

/// Swapped labels, and pairs whose two completions fall alike: the margin does not rise.
#[test]
fn chosen_that_fall_are_displaced_whatever_the_margin_does() {
    let with = |chosen: f64, rejected: f64, set: &[&str]| {
        let (c, r) = (move |t: f64, z: f64| chosen * t + 1e-3 * z, move |t: f64, z: f64| rejected * t + 1e-3 * z);
        let margin = move |t: f64, z: f64| (chosen - rejected) * t + 1e-3 * z;
        let keys: [(&str, &dyn Fn(f64, f64) -> f64); 4] = [
            ("rewards/chosen", &c),
            ("rewards/rejected", &r),
            ("rewards/margins", &margin),
            ("mean_token_accuracy", &|_, _| 0.5),
        ];
        trl(&keys, &[&["trainer=dpo"], set].concat())
    };
    let swapped = with(-0.5 / 29.0, 0.5 / 29.0, &["beta=0.1"]);
    assert_eq!(level(&swapped, "displaced_likelihood"), Some(Level::Warning));
    assert_eq!(level(&swapped, "negative_margin"), Some(Level::Warning));
    // the mean of −t/29 over steps 20 to 29
    assert!(seen(&swapped, "negative_margin").starts_with("rewards/margins is -0.84"), "{swapped:?}");
    let alike = with(-0.5 / 29.0, -0.5 / 29.0, &["beta=0.1"]);
    assert_eq!(level(&alike, "displaced_likelihood"), Some(Level::Warning));
    assert_eq!(level(&alike, "negative_margin"), None);
    let good = with(0.5 / 29.0, -0.5 / 29.0, &["beta=0.1"]);
    assert!(level(&good, "displaced_likelihood").is_none() && level(&good, "negative_margin").is_none());
    // both rise, the rejected more
    let worse = with(0.01, 0.02, &[]);
    assert!(level(&worse, "displaced_likelihood").is_none() && level(&worse, "negative_margin").is_some());
    // what rounding leaves of equal models is nothing
    assert_eq!(level(&with(-1e-9, 0.0, &["beta=0"]), "displaced_likelihood"), None);
    let one = "{\"step\": 1, \"rewards/chosen\": -0.5, \"rewards/rejected\": 0.5, \"rewards/margins\": -1}\n";
    let one = audit(file(one).path(), &request(Format::Trl, &["trainer=dpo"])).expect("legal");
    assert_eq!(one.warnings(), 0, "one line is not sure of anything: {one:?}");
}

/// `OpenRLHF` logs no margin.
#[test]
fn a_margin_that_is_not_logged_is_the_difference() {
    let with = |chosen: f64| {
        let of = move |t: f64, z: f64| chosen * t + 0.01 * z;
        let file = log(&[("chosen_reward", &of), ("reject_reward", &|_, z| 0.01 * z), ("acc", &|_, _| 0.5)]);
        audit(file.path(), &request(Format::OpenRlhf, &["trainer=dpo"])).expect("legal")
    };
    assert!(seen(&with(-0.01), "negative_margin").starts_with("chosen_reward − reject_reward is -0.2"));
    assert_eq!(level(&with(0.01), "negative_margin"), None);
}

#[test]
fn log_probabilities_alone_show_both() {
    let with = |chosen: f64, rejected: f64| {
        let (c, r) = (move |t: f64, z: f64| -20.0 + chosen * t + z, move |t: f64, z: f64| -20.0 + rejected * t + z);
        trl(&[("logps/chosen", &c), ("logps/rejected", &r), ("mean_token_accuracy", &|_, _| 0.5)], &["trainer=dpo"])
    };
    let swapped = with(-0.3, 0.3);
    assert_eq!(level(&swapped, "displaced_likelihood"), Some(Level::Warning));
    assert!(seen(&swapped, "negative_margin").starts_with("logps/chosen − logps/rejected falls from"), "{swapped:?}");
    let longer = with(-0.3, -0.3);
    assert!(seen(&longer, "displaced_likelihood").contains("look at their lengths"), "{longer:?}");
    assert_eq!(level(&longer, "negative_margin"), None);
    assert_eq!(with(0.0, 0.0).warnings(), 0);
}

#[test]
fn without_implicit_rewards_the_log_probabilities_must_fall_by_trend() {
    let with = |slope: f64| {
        let chosen = move |t: f64, z: f64| -20.0 + slope * t + z;
        trl(
            &[("rewards/margins", &|t, _| 0.1 * t), ("mean_token_accuracy", &|_, _| 0.5), ("logps/chosen", &chosen)],
            &["trainer=dpo"],
        )
    };
    assert_eq!(level(&with(-0.3), "displaced_likelihood"), Some(Level::Warning));
    assert_eq!(level(&with(0.0), "displaced_likelihood"), None);
}

#[test]
fn over_optimisation_needs_a_judge() {
    let with = |judge: Option<&dyn Fn(f64, f64) -> f64>, gold: Option<&str>| {
        let mut keys: Vec<(&str, &dyn Fn(f64, f64) -> f64)> = vec![
            ("reward", &|t, z| 0.02 * t + 0.02 * z),
            ("frac_reward_zero_std", &|_, _| 0.0),
            ("kl", &|t, _| 0.01 * t),
            ("completions/mean_length", &|_, _| 50.0),
        ];
        if let Some(judge) = judge {
            keys.push(("gold_score", judge));
        }
        let file = log(&keys);
        audit(
            file.path(),
            &Request { gold: gold.map(str::to_owned), ..request(Format::Trl, &["trainer=grpo", "beta=0.04"]) },
        )
        .expect("legal")
    };
    let alone = with(None, None);
    assert_eq!(level(&alone, "over_optimisation"), None);
    // KL of a token over steps 20 to 29 is 0.245, of 50 tokens 12.25, its root 3.5
    assert!(seen(&alone, "over_optimisation_undecided").contains("√KL = 3.5"), "{alone:?}");
    let turns = |t: f64, z: f64| 1.0 - 0.01 * (t - 10.0).powi(2) + 0.05 * z;
    let turned = with(Some(&turns), Some("gold_score"));
    assert_eq!(level(&turned, "over_optimisation"), Some(Level::Warning));
    let finding = turned.findings.iter().find(|f| f.id == "over_optimisation").expect("found");
    assert!(finding.steps.starts_with("step ") && finding.steps.ends_with(" and after"), "{finding:?}");
    // it falls over all of the log; one that is as low at first as at last does not, and its best third is given
    let back = with(Some(&|t, z| -0.01 * (t - 15.0).powi(2) + 0.05 * z), Some("gold_score"));
    assert!(
        seen(&back, "over_optimisation").contains("in its best third, steps 10 to 19"),
        "{}",
        seen(&back, "over_optimisation")
    );
    assert_eq!(
        level(&with(Some(&|t, z| -0.02 * t + 0.05 * z), Some("gold_score")), "over_optimisation"),
        Some(Level::Warning)
    );
    let rises = with(Some(&|t, z| 0.02 * t + 0.05 * z), Some("gold_score"));
    assert_eq!(level(&rises, "over_optimisation"), None);
    assert_eq!(level(&rises, "over_optimisation_undecided"), None);
    assert_eq!(level(&with(Some(&|_, z| z), Some("gold_score")), "over_optimisation"), None);
    assert!(with(Some(&turns), None).unknown == ["gold_score"]);
}

/// KL of a token 0.01 t² / 50 and 50 tokens: d = 0.1 t, up to 2.9; the judge is highest at exp(α/β − 1) = 1.
#[test]
fn a_judge_that_turns_over_in_distance_is_told_where() {
    let with = |beta: f64| {
        let judge = move |t: f64, z: f64| 0.1 * t * (1.0 - beta * (0.1 * t).max(1e-9).ln()) + 0.01 * z;
        let file = log(&[
            ("reward", &|t, z| 0.02 * t + 0.02 * z),
            ("frac_reward_zero_std", &|_, _| 0.0),
            ("kl", &|t, _| 0.01 * t * t / 50.0),
            ("completions/mean_length", &|_, _| 50.0),
            ("gold_score", &judge),
        ]);
        let request =
            Request { gold: Some("gold_score".into()), ..request(Format::Trl, &["trainer=grpo", "beta=0.04"]) };
        audit(file.path(), &request).expect("legal")
    };
    let turned = with(1.0);
    assert_eq!(level(&turned, "turning_point"), Some(Level::Warning));
    assert!(seen(&turned, "turning_point").contains("passed (the run went to 2.9)"), "{turned:?}");
    // exp(1/0.3 − 1) = 10.3 is far off
    assert_eq!(level(&with(0.3), "turning_point"), Some(Level::Note));
}

#[test]
fn options_that_undo_a_run() {
    let still: &dyn Fn(f64, f64) -> f64 = &|_, _| 0.0;
    let none = |set: &[&str], loss: f64| {
        let loss = move |_: f64, z: f64| loss + 1e-4 * z;
        trl(
            &[("loss", &loss), ("rewards/chosen", still), ("rewards/margins", still), ("mean_token_accuracy", still)],
            set,
        )
    };
    let report = none(&["trainer=dpo", "beta=0"], std::f64::consts::LN_2);
    assert_eq!(level(&report, "no_strength"), Some(Level::Warning));
    assert_eq!(level(&report, "loss_floor"), Some(Level::Warning));
    let report = none(&["trainer=dpo", "beta=0.1"], 0.5);
    assert!(level(&report, "no_strength").is_none() && level(&report, "loss_floor").is_none());
    assert_eq!(level(&none(&["trainer=dpo", "beta=0.1", "loss_type=ipo"], 25.0), "loss_floor"), Some(Level::Warning));
    let grouped = |set: &[&str]| trl(&[("reward", &|_, _| 0.5), ("frac_reward_zero_std", still)], set);
    assert_eq!(level(&grouped(&["trainer=grpo", "num_generations=1"]), "group_of_one"), Some(Level::Warning));
    assert_eq!(level(&grouped(&["trainer=grpo"]), "group_of_one"), None);
}

#[test]
fn what_is_no_number_or_comes_twice_is_named() {
    let report = trl(
        &[("reward", &|t, _| if t == 3.0 { f64::NAN } else { 0.5 }), ("frac_reward_zero_std", &|_, _| 0.0)],
        &["trainer=grpo"],
    );
    let finding = report.findings.iter().find(|f| f.id == "not_finite").expect("found");
    assert!(finding.seen.starts_with("reward is NaN") && finding.steps == "step 3 (1 of 30)", "{finding:?}");
    assert_eq!(level(&report, "steps_out_of_order"), None);
    let text = "{\"step\": 1, \"loss\": 5, \"gpt_loss\": 1}\n{\"step\": 2, \"gpt_loss\": 1}\n{\"step\": 2, \"gpt_loss\": 3, \"lr\": null}\n";
    let report = audit(file(text).path(), &request(Format::OpenRlhf, &[])).expect("legal");
    assert_eq!(level(&report, "steps_out_of_order"), Some(Level::Warning));
    assert!(report.findings.iter().any(|f| f.steps.contains("at line 3")), "{report:?}");
    assert!(report.findings.iter().any(|f| f.id == "not_finite" && f.seen.starts_with("lr")));
}

/// verl's lines hold their numbers in `data`.
fn verl(keys: &[(&str, f64)], set: &[&str]) -> Report {
    let mut text = String::new();
    for step in 1..=LINES {
        let data: serde_json::Map<_, _> = keys.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        let _ = writeln!(text, "{}", serde_json::json!({"step": step, "data": data}));
    }
    audit(file(&text).path(), &request(Format::Verl, set)).expect("legal")
}

#[test]
fn advantages_beyond_what_a_group_allows() {
    // (G − 1)/√G of 4 is 1.5
    let with = |most: f64, set: &[&str]| {
        verl(&[("critic/score/mean", 0.5), ("critic/advantages/max", most), ("critic/advantages/min", -1.0)], set)
    };
    let group = ["algorithm.adv_estimator=grpo", "actor_rollout_ref.rollout.n=4"];
    assert_eq!(level(&with(1.6, &group), "huge_advantages"), Some(Level::Warning));
    assert_eq!(level(&with(1.5, &group), "huge_advantages"), None);
    assert_eq!(level(&with(1e6, &["adv_estimator=rloo"]), "huge_advantages"), Some(Level::Warning));
    assert_eq!(level(&with(20.0, &["adv_estimator=gae"]), "huge_advantages"), None);
    let dead =
        verl(&[("critic/score/mean", 0.5), ("critic/advantages/max", 0.0), ("critic/advantages/min", 0.0)], &group);
    assert_eq!(level(&dead, "dead_batches"), Some(Level::Warning));
    assert!(
        seen(&verl(&[("critic/score/mean", 0.5)], &["adv_estimator=grpo", "n=1"]), "group_of_one")
            .contains("raw reward")
    );
}

#[test]
fn what_a_meaning_depends_on_is_said_and_the_default_taken() {
    let kl = |set: &[&str]| verl(&[("actor/kl_loss", 0.1), ("actor/pg_loss", 0.0)], set);
    let open = kl(&[]);
    let said = row(&open, "actor/kl_loss");
    assert!(said.quantity.contains("k3") && said.quantity.ends_with("(by the default)"), "{said:?}");
    assert!(
        said.depends.contains("kl_loss_type = k1: ") && said.depends.contains("loss_agg_mode = seq-mean-token-sum: "),
        "{said:?}"
    );
    let set = kl(&["actor_rollout_ref.actor.kl_loss_type=kl", "loss_agg_mode=seq-mean-token-sum"]);
    let said = row(&set, "actor/kl_loss");
    assert!(
        said.quantity.contains("estimator k1") && said.depends.is_empty() && said.over.contains("sum over tokens"),
        "{said:?}"
    );
    assert_eq!(row(&kl(&["kl_loss_type=abs"]), "actor/kl_loss").kind, "no");
}

/// `return advantages, returns` of verl's estimators, and the loss that logs |log-ratio|.
#[test]
fn verls_returns_and_steps_are_what_the_estimator_and_the_loss_make_of_them() {
    let returns = |estimator: &str| {
        let report = verl(&[("critic/returns/mean", 0.5)], &[&format!("adv_estimator={estimator}")]);
        row(&report, "critic/returns/mean").clone()
    };
    for name in ["gae", "reinforce_plus_plus", "remax", "optimal_token_baseline", "tir_optimal_token_baseline"] {
        assert!(returns(name).quantity.contains("rewards from it on"), "{name}");
    }
    for name in ["grpo", "grpo_passk", "gdpo", "rloo", "opo", "reinforce_plus_plus_baseline", "gpg"] {
        assert!(returns(name).quantity.contains("the advantages again"), "{name}");
    }
    let moved = |value: f64, set: &[&str]| verl(&[("actor/ppo_kl", value), ("actor/pg_loss", 0.0)], set);
    let plain = moved(-0.1, &["loss_mode=vanilla"]);
    assert!(row(&plain, "actor/ppo_kl").quantity.contains("estimator k1") && level(&plain, "negative_kl").is_some());
    let absolute = moved(0.1, &["actor_rollout_ref.actor.policy_loss.loss_mode=kl_cov"]);
    let said = row(&absolute, "actor/ppo_kl");
    assert!(said.kind == "no" && said.quantity.contains("|log π_θ − log π_old|"), "{said:?}");
    assert!(row(&moved(0.1, &[]), "actor/ppo_kl").depends.contains("loss_mode = kl_cov"));
    let bypassed = moved(0.1, &["loss_mode=bypass_mode"]);
    assert!(row(&bypassed, "actor/ppo_kl").quantity.contains("π_rollout"));
}

#[test]
fn the_greatest_and_the_least_are_no_means() {
    let keys = ["mean", "min", "max", "mean_terminated", "min_terminated", "max_terminated"]
        .map(|name| format!("completions/{name}_length"));
    let mut logged: Vec<(&str, &dyn Fn(f64, f64) -> f64)> =
        vec![("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|_, _| 0.0)];
    logged.extend(keys.iter().map(|k| (k.as_str(), &(|_, _| 9.0) as &dyn Fn(f64, f64) -> f64)));
    let report = trl(&logged, &["trainer=grpo"]);
    for (key, first) in keys.iter().zip(["mean", "the least", "the greatest"].iter().cycle()) {
        let over = &row(&report, key).over;
        assert!(over.starts_with(first), "{key}: {over}");
        assert_eq!(over.contains("ended by themselves"), key.contains("terminated"), "{key}: {over}");
    }
}

#[test]
fn options_are_read_as_people_write_them() {
    let report = trl(
        &[("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|_, _| 0.0)],
        &["--scale_rewards=True", "learning_rate=1e-6", "beta=none"],
    );
    assert_eq!(report.trainers, ["grpo"], "only GRPO takes scale_rewards");
    assert!(report.settings.iter().any(|s| s.key == "scale_rewards" && s.value == "group" && s.given));
    assert!(report.settings.iter().any(|s| s.key == "beta" && s.value == "0" && !s.given));
    assert_eq!(report.unused.len(), 1);
    for (set, part) in [
        ("scale_reward=batch", "did you mean `scale_rewards`"),
        ("scale_rewards=bath", "one of group, batch, none"),
        ("num_generations=0", "at least 1"),
        ("beta=much", "a number"),
    ] {
        let file = log(&[("reward", &|_, _| 0.5), ("frac_reward_zero_std", &|_, _| 0.0)]);
        let error = audit(file.path(), &request(Format::Trl, &[set])).expect_err(set).to_string();
        assert!(error.contains(part), "{error}");
    }
    let config = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(config.path(), "[algo.kl]\nestimator = \"k3\"\nuse_loss = true\n[model]\nloss = [\"a\", \"b\"]\n")
        .expect("written");
    let pairs = read_config(config.path()).expect("TOML");
    assert!(
        pairs.contains(&("algo.kl.estimator".into(), "k3".into()))
            && pairs.contains(&("model.loss".into(), "a,b".into())),
        "{pairs:?}"
    );
}

#[test]
fn defaults_and_conditions_name_settings_that_exist() {
    for format in Format::ALL {
        let catalogue = format.catalogue();
        let known = |key: &str| catalogue.settings.iter().any(|s| s.key == key);
        for metric in catalogue.metrics() {
            let whens = metric.readings.iter().map(|r| r.when).chain(metric.over.iter().map(|o| o.when));
            for when in whens.flatten() {
                assert!(known(when.setting), "{}: {} is no setting", metric.key, when.setting);
                if let Test::Is(words) | Test::Not(words) = when.test {
                    let legal = catalogue.settings.iter().filter(|s| s.key == when.setting).any(|s| match s.kind {
                        Kind::Word(all) => words.iter().all(|w| all.iter().any(|(name, _)| name == w)),
                        Kind::Words(all) => words.iter().all(|w| all.contains(w)),
                        Kind::Flag => words.iter().all(|w| ["true", "false"].contains(w)),
                        Kind::Number | Kind::Count => false,
                    });
                    assert!(legal, "{}: {words:?} of {}", metric.key, when.setting);
                }
            }
            for trainer in metric.trainers {
                assert!(catalogue.trainers.iter().any(|t| t.name == *trainer), "{}: {trainer}", metric.key);
            }
        }
        for key in [format.group(), format.beta()] {
            assert!(known(key) || format == Format::Verl, "{key}");
        }
    }
}
