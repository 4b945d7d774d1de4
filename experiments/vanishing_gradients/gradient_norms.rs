//! How large the gradients of single prompts are, of the expected reward and of the likelihood.

use rewardlab::algorithm::Trainee;
use rewardlab::error::Result;
use rewardlab::lm::{Batch, Keep, Sampling, Signal};
use rewardlab::objective::rloo_advantages;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// A prompt with a right output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) prompt: &'a [u32],
    pub(crate) reference: &'a [u32],
}

/// Norms of single prompts' gradients with respect to what is trained: roots of mean squares over prompts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GradientNorms {
    /// Of the expected reward.
    pub(crate) rft: f64,
    /// Of the reference's negative log-likelihood, nats per sequence.
    pub(crate) sft: f64,
}

/// The expected reward's gradient is estimated by RLOO from two independent lots of samples, `lot` to a prompt: their inner product has
/// no bias from noise. Where its mean over prompts drowns in noise its standard error stands in, so that the norm is rather too large than
/// zero; but where no sample at all earns anything both are zero: a limit of detection. `reward(i, output)` pays an output of the i-th.
///
/// # Errors
/// Samples of probability that is not finite; those of `reward`.
pub(crate) fn gradient_norms(
    trainee: &mut Trainee,
    asked: &[Asked],
    (lot, sampling): (usize, &Sampling),
    mut reward: impl FnMut(usize, &[u32]) -> Result<f64>,
    rng: &mut Stream,
) -> Result<GradientNorms> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let trained = trainee.trained()?.len();
    let blank = || vec![0.0_f32; trained];
    let (mut lots, mut taught) = ([blank(), blank()], blank());
    let (mut rft, mut sft) = (Vec::new(), Vec::new());
    for (i, one) in asked.iter().enumerate() {
        lots.iter_mut().chain([&mut taught]).for_each(|grad| grad.fill(0.0));
        let prompts = vec![one.prompt; lot];
        for grad in &mut lots {
            let mut streams: Vec<Stream> = prompts.iter().map(|_| rng.split()).collect();
            let samples = trainee.sample(&prompts, sampling, &mut streams)?;
            let rewards = samples.iter().map(|s| reward(i, &s.tokens)).collect::<Result<Vec<f64>>>()?;
            let mut advantages = vec![0.0; lot];
            rloo_advantages(&rewards, &mut advantages);
            let outputs: Vec<&[u32]> = samples.iter().map(|s| s.tokens.as_slice()).collect();
            add_gradient(trainee, one.prompt, &outputs, &advantages, grad)?;
        }
        add_gradient(trainee, one.prompt, &[one.reference], &[1.0], &mut taught)?;
        rft.push(dot(&lots[0], &lots[1]));
        sft.push(dot(&taught, &taught));
    }
    let deviations: Vec<f64> = rft.iter().map(|x| (x - mean(&rft)).powi(2)).collect();
    let standard_error = (mean(&deviations) / asked.len() as f64).sqrt();
    Ok(GradientNorms { rft: mean(&rft).max(standard_error).sqrt(), sft: mean(&sft).sqrt() })
}

/// Adds the gradient of the mean over outputs of weight · log-probability.
fn add_gradient(
    trainee: &mut Trainee,
    prompt: &[u32],
    outputs: &[&[u32]],
    weights: &[f64],
    grad: &mut [f32],
) -> Result<()> {
    // most samples of an input of small std weigh nothing
    let weighty = || outputs.iter().zip(weights).filter(|(_, w)| **w != 0.0);
    let sequences: Vec<Vec<u32>> = weighty().map(|(o, _)| [prompt, o].concat()).collect();
    if sequences.is_empty() {
        return Ok(());
    }
    let batch = Batch::new(&sequences);
    let choices = batch.completions(&vec![prompt.len(); sequences.len()])?;
    let share = |(o, w): (&&[u32], &f64)| std::iter::repeat_n(w / outputs.len() as f64, o.len());
    let log_probs: Vec<f64> = weighty().flat_map(share).collect();
    trainee.forward(&batch, Keep::All)?;
    trainee.log_probs(&choices)?;
    let signal = Signal { log_probs: &log_probs, ..Signal::default() };
    trainee.add_gradient(&signal, grad)
}

#[cfg(test)]
mod tests {
    use super::super::text::TextSetup;
    use super::*;
    use rewardlab::env::Split;
    use rewardlab::env::text::{EOS, Input, Task, vocab};
    use rewardlab::lm::init;

    fn fresh(setup: &TextSetup) -> Trainee {
        let weights = init(&setup.config(), 0.02, &mut Stream::named(&["text"])).expect("legal");
        setup.trainee(&weights).expect("fits")
    }

    /// Other samples measure the same length; the likelihood's is exact; where nothing can be earned there is none.
    #[test]
    fn gradient_norms_are_of_the_gradient() {
        let setup = TextSetup::smoke();
        let mut trainee = fresh(&setup);
        let mut rng = Stream::named(&["inputs"]);
        let input = Task::Sentiment.input(Split::Train, &mut rng);
        // an answer that the vocabulary has no word of
        let hopeless = Input { task: Task::Answering, references: vec![vec![vocab() as u32]], ..input.clone() };
        let outputs: [&[u32]; 2] = [&[EOS], &[EOS, EOS]];
        let mut grad = vec![0.0; trainee.layout().len()];
        assert!(outputs.iter().all(|o| hopeless.reward(o) == 0.0));
        add_gradient(&mut trainee, &input.prompt, &outputs, &[0.0, 0.0], &mut grad).expect("finite");
        assert!(grad.iter().all(|g| *g == 0.0));
        let mut measure = || {
            let inputs = std::slice::from_ref(&input);
            TextSetup::gradient_norms(&mut trainee, inputs, 3000, &mut rng).expect("finite")
        };
        let (one, two) = (measure(), measure());
        assert!(one.rft > 0.0 && (one.rft / two.rft - 1.0).abs() < 0.2, "{one:?} {two:?}");
        assert_eq!(one.sft.to_bits(), two.sft.to_bits());
    }
}
