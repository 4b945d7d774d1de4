use super::*;
use crate::lm::cpu::{Keep, Sampling};
use crate::lm::{Lora, LoraSettings, Size, init};
use crate::num::relative_error;
use crate::rng::Stream;

fn config() -> Config {
    Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 })
}

fn fresh() -> Trainee {
    let params = init(&config(), 0.1, &mut Stream::named(&["trainee"])).expect("a layout");
    Trainee::new(&config(), params, 1.0).expect("legal")
}

#[test]
fn weight_one_on_prompts_is_the_likelihood_of_all_tokens() {
    let (mut one, mut two) = (fresh(), fresh());
    let text = [Example { tokens: vec![0, 3, 2, 5], prompt: 3 }, Example { tokens: vec![0, 1, 4], prompt: 0 }];
    let whole = text.clone().map(|e| Example { prompt: 1, ..e });
    let a = one.text_step(&text, 1.0, 1e-2).expect("finite");
    let b = two.nll_step(&whole, 1e-2).expect("finite");
    assert!((a - b).abs() < 1e-6, "{a} {b}");
    let worst = one.weights().iter().zip(&two.weights()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

/// Gradients, not weights: Adam's first step would hide a factor.
#[test]
fn parts_of_a_step_add_up_to_the_whole() {
    let text: Vec<Example> = (0..9_u32)
        .map(|i| Example { tokens: (0..=i % 5 + 1).map(|t| (t * i + 1) % 6).collect(), prompt: 1 + i as usize % 2 })
        .collect();
    let step = |tokens: usize, whole_text: bool| {
        let mut trainee = fresh().in_parts_of(tokens);
        let loss = if whole_text { trainee.text_step(&text, 0.3, 1e-2) } else { trainee.nll_step(&text, 1e-2) };
        (loss.expect("finite"), trainee.gradient())
    };
    for whole_text in [false, true] {
        let (loss, whole) = step(usize::MAX, whole_text);
        for tokens in [1, 7, 20] {
            let (in_parts, gradient) = step(tokens, whole_text);
            assert!((in_parts - loss).abs() < 1e-6, "{in_parts} {loss}");
            assert!(relative_error(&gradient, &whole) < 1e-5 && gradient != whole);
        }
        assert_eq!(step(1000, whole_text).1, whole);
    }
}

#[test]
fn divergence_is_an_error_and_leaves_the_weights() {
    let mut trainee = fresh();
    trainee.nudge(|i, p| *p = if i == 0 { f32::NAN } else { *p });
    let before: Vec<u32> = trainee.weights().iter().map(|p| p.to_bits()).collect();
    let error = trainee.nll_step(&[Example { tokens: vec![0, 1, 2], prompt: 1 }], 1e-2);
    assert!(matches!(error, Err(Error::NotFinite { .. })));
    assert_eq!(before, trainee.weights().iter().map(|p| p.to_bits()).collect::<Vec<_>>());
}

fn text() -> Vec<Example> {
    (0..9_u32)
        .map(|i| Example { tokens: (0..=i % 5 + 1).map(|t| (t * i + 1) % 6).collect(), prompt: 1 + i as usize % 2 })
        .collect()
}

#[test]
fn lanes_change_the_rounding_and_nothing_else() {
    let step = |lanes: usize| {
        let mut trainee = fresh().in_parts_of(7).in_lanes(lanes).expect("some");
        let loss = trainee.nll_step(&text(), 1e-2).expect("finite");
        (loss, trainee.gradient())
    };
    let (loss, gradient) = step(1);
    for lanes in [2, 3, 20] {
        let (own, in_lanes) = step(lanes);
        assert!((own - loss).abs() < 1e-6 && relative_error(&in_lanes, &gradient) < 1e-5, "{lanes}");
        assert_eq!(step(lanes), (own, in_lanes), "{lanes}");
    }
    assert!(fresh().in_lanes(0).is_err());
}

#[test]
fn every_lane_draws_its_share_of_completions() {
    let prompts: Vec<Vec<u32>> = (0..5).map(|i| vec![i, 1]).collect();
    let draw = |lanes: usize| {
        let mut trainee = fresh().in_lanes(lanes).expect("some");
        let mut streams: Vec<Stream> = (0..5).map(|i| Stream::named(&["lanes", &i.to_string()])).collect();
        let samples = trainee.sample(&prompts, &Sampling::plain(4), &mut streams).expect("legal");
        samples.into_iter().map(|s| s.tokens).collect::<Vec<_>>()
    };
    assert_eq!(draw(1).len(), 5);
    for lanes in [2, 4, 7] {
        assert_eq!(draw(lanes), draw(1), "{lanes}");
    }
}

/// Adapters of full rank and every weight that they reach: a step on the likelihood lowers it, moves adapters and nothing else, and what
/// is trained brings the weights back.
#[test]
fn adapters_learn_and_leave_the_base() {
    let settings = LoraSettings { rank: 4, alpha: 8.0, targets: Vec::new() };
    let plain = fresh();
    let lora = Lora::new(&config(), &settings).expect("legal");
    let values = lora.init(&plain.weights(), &mut Stream::named(&["adapters"])).expect("fits");
    let mut trainee = plain.twin().expect("room").with_adapters(lora, values.clone()).expect("fits");
    assert_eq!(trainee.weights(), plain.weights());
    let first = trainee.nll_step(&text(), 1e-2).expect("finite");
    let mut last = first;
    for _ in 0..50 {
        last = trainee.nll_step(&text(), 1e-2).expect("finite");
    }
    assert!(last < first - 0.1, "{first} {last}");
    let tokens = trainee.layout().tensor("transformer.wte.weight").expect("there").range.clone();
    assert_eq!(trainee.weights()[tokens.clone()], plain.weights()[tokens]);
    assert_ne!(*trainee.trained().expect("at hand"), values);
    let after = trainee.weights();
    trainee.put(&values).expect("fits");
    assert_eq!(trainee.weights(), plain.weights());
    assert_ne!(after, plain.weights());
    let batch = Batch::new(&[[0_u32, 1, 2]]);
    trainee.forward(&batch, Keep::Final).expect("legal");
}
