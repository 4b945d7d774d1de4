//! Which KL gradient do k1, k2, k3 and the exact KL give, in the reward or in the loss, on-policy or off, clipped or not?
//!
//! **Formula**: with `d = log π/π_ref`: `k1 = d`, `k2 = d²/2`, `k3 = e^(−d) − 1 + d`, against
//! `∇KL(π‖π_ref) = E_π[d ∇log π]`.
//!
//! **Question**: trainers penalise KL(π‖`π_ref`) by an estimate from sampled tokens, as part of the reward or as a loss of
//! its own. k1, k2, k3 are estimates of the KL's *value*; is what is descended the gradient of the KL?
//!
//! **Measured**, exact by enumeration of one prompt's outputs: mean and noise of every estimator's gradient, against the true
//! gradient of the KL between distributions of whole outputs (by the exact engine, with reward log `π/π_ref` held fixed); bias,
//! and angle. Policies: tabular, and a small transformer with random weights. Factors: estimate; placement (`reward`: a constant
//! that multiplies ∇ log π of its own and earlier tokens; `loss`: differentiated itself; `both`); level (`token`: one estimate a
//! token; `sequence`: one of the output's log ratio); correction for samples of an older policy (`none`; `ratio`: times ρ and
//! through it; `clipped`: ρ clipped to 1 ± ε); distance of the policies; output length 1 (a bandit) and longer.
//!
//! Theory, derived here for one token drawn from π itself: in the loss, uncorrected, k1 has mean gradient zero, k2 that of
//! KL(π‖`π_ref`), k3 that of KL(`π_ref`‖π). With the ratio (which is 1, but is differentiated) k1 and k3 are right and k2 is not.
//! In the reward k1 is right, and k3 is ∇KL(π‖`π_ref`) − ∇KL(`π_ref`‖π). With several tokens, a loss of one estimate a token misses
//! that tokens decide which contexts come next; the reward, or one estimate of the whole output, has that part.
//!
//! **Controls**: on-policy the clip changes nothing; at π = `π_ref` every loss but k1's is silent, and k1's is not.
//!
//! **Findings**: the identities hold to rounding, for the transformer as for the table. k3 + k3′ = d, so that k3 with the ratio
//! differentiated, k2 in the loss and k1 in the reward are one and the same estimator on-policy, for one token. At one nat k3 in the loss
//! without it (GRPO's) has a bias of half the gradient's length to all of it and, as e^−d is heavy-tailed, a median noise of 5 times k2's
//! with one token and twice with three; its angle is nearly right. k3 in the reward has lost the direction. A loss of one estimate a token
//! keeps it; what it misses vanishes as the root of the KL, so `token_loss_misses_contexts`, which asks for 1% in every draw, is refuted
//! by draws 0.001 nats from the reference, for both policies. Off-policy only the differentiated ratio of k1 or k3 stays right, and the
//! clip gives away most of what it repairs. `transformer_clip_off_policy` is inconclusive: k3's bias is 0.1 to 3.4 gradients in nine draws
//! of ten and 6,400 in the other, where the sampler often draws what the policy has all but given up; such a mean has no narrow interval.
//! (In a first run a policy was moved to any crossing of the distance, not the nearest: one sampler was so saturated that a ratio reached
//! e^128, which the objective cuts at e^100, and `transformer_off_policy_corrected` read 1e-8, refuted. With the nearest crossing it
//! holds to rounding, and `transformer_clip_off_policy`, reproduced in that run, became inconclusive.)

mod figure;
mod judge;
mod kinds;

use super::estimation::{Quality, Space, moved};
use crate::statistics::rounded;
use kinds::{Estimate, Estimator, estimators};
use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{kl, total_variation};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::relative_error;
use rewardlab::plot::Chart;
use rewardlab::policy::{Policy, Tabular, Transformer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct KlEstimators;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Tokens V; in 2..=6.
    vocab: usize,
    /// Tokens per output; each at least 1, with V^length at most 256.
    lengths: Vec<usize>,
    /// Width of the transformer; even, in 4..=64.
    width: usize,
    /// Standard deviation of the random logits, nats; in (0, 5].
    spread: f64,
    /// KL(π‖`π_ref`) of whole outputs, nats; each in [0, 3], 0 for the control.
    kls: Vec<f64>,
    /// KLs at which every correction is measured, and off-policy too; each in (0, 3].
    far_kls: Vec<f64>,
    /// Total variation between sampling policy and policy off-policy; each in (0, 0.5].
    moved: Vec<f64>,
    /// Clip ε of ratios; in (0, 1).
    clip: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tabular,
    Transformer,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tabular => "tabular",
            Self::Transformer => "transformer",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    policy: Kind,
    length: usize,
    kl: f64,
    moved: f64,
    /// Whether all corrections are measured; if not, those that do something there.
    all: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{} {} {}", self.policy.name(), self.length, self.kl, self.moved)
    }
}

/// Numbers have the digits that the checks compare, no more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `tabular` or `transformer`.
    policy: String,
    /// Tokens per output.
    length: usize,
    /// KL(π‖`π_ref`) of whole outputs, nats.
    kl: f64,
    /// Total variation between sampling policy and policy.
    moved: f64,
    /// `k1`, `k2`, `k3` or `exact`.
    estimate: String,
    /// `reward`, `loss` or `both`; `value` for the estimate of the KL itself instead of its gradient.
    placement: String,
    /// `token` or `sequence`.
    level: String,
    /// `none`, `ratio` or `clipped`.
    correction: String,
    /// ‖∇KL‖ (for values: the KL, nats).
    truth: f64,
    /// ‖mean gradient‖ where the truth is 0 (elsewhere bias and cosine tell it); for values: the mean estimate, nats.
    mean: Option<f64>,
    /// Root of the trace of the covariance at one output (for values: the standard deviation, nats).
    noise: f64,
    /// ‖mean − truth‖ / ‖truth‖ (for values: |mean / truth − 1|); absent where the truth is 0.
    bias: Option<f64>,
    /// Cosine between mean gradient and truth.
    cosine: Option<f64>,
    /// ‖mean − what theory says‖ / ‖what theory says‖ (over ‖truth‖ if that is 0), where theory speaks.
    formula_error: Option<f64>,
}

impl Row {
    /// With the digits that a row needs: checks compare noise and bias to 1e-9.
    fn rounded(self) -> Self {
        let of = |v: Option<f64>, digits| v.map(|v| rounded(v, digits));
        Self {
            truth: rounded(self.truth, 11),
            mean: of(self.mean, 11),
            noise: rounded(self.noise, 11),
            // rounding errors need no digits
            bias: self.bias.map(|b| if b < 1e-12 { rounded(b, 2) } else { rounded(b, 11) }),
            cosine: of(self.cosine, 7),
            formula_error: of(self.formula_error, 2),
            ..self
        }
    }
}

/// All estimators on one pair of policies.
fn of_policy<P: Policy + Clone>(p: &Params, cell: Cell, reference: P, tree: Tree, ctx: &Context) -> Result<Vec<Row>> {
    let mut policy = moved(&reference, tree, cell.kl, kl, &mut ctx.shared_stream("policy"))?;
    let mut sampler = moved(&policy, tree, cell.moved, total_variation, &mut ctx.shared_stream("sampler"))?;
    let spaces = kinds::Spaces {
        policy: Space::new(&mut policy, tree),
        reference: Space::of_sampler(&mut reference.clone(), tree),
        sampler: Space::of_sampler(&mut sampler, tree),
        clip: p.clip,
    };
    let log_ratios: Vec<f64> =
        spaces.policy.outputs.iter().zip(&spaces.reference.outputs).map(|(p, q)| p - q).collect();
    let truth = spaces.policy.policy_gradient(&mut policy, &World::new(tree, log_ratios)?);
    let forward = spaces.forward_gradient();
    let frame = |row: Row| Row {
        policy: cell.policy.name().into(),
        length: cell.length,
        kl: cell.kl,
        moved: cell.moved,
        ..row.rounded()
    };
    let mut rows: Vec<Row> = estimators(cell.length, cell.all)
        .into_iter()
        .map(|e| frame(gradient_row(cell, &spaces, e, &truth, &forward)))
        .collect();
    if cell.moved <= 0.0 {
        rows.extend([Estimate::K1, Estimate::K2, Estimate::K3].map(|e| frame(value_row(&spaces, e))));
    }
    Ok(rows)
}

fn gradient_row(cell: Cell, spaces: &kinds::Spaces, estimator: Estimator, truth: &[f64], forward: &[f64]) -> Row {
    let space = &spaces.policy;
    let moments = spaces.moments(estimator);
    let length = space.norm(truth);
    let Quality { step, noise, factor, bias, .. } = space.quality(&moments, 1, truth);
    let some = |x: f64| (cell.kl > 0.0).then_some(x);
    let theory = (cell.kl > 0.0 && cell.moved <= 0.0).then(|| estimator.theory(cell.length, truth, forward)).flatten();
    let error = |expected: Vec<f64>| {
        let difference: Vec<f64> = moments.mean.iter().zip(&expected).map(|(m, e)| m - e).collect();
        let scale = space.norm(&expected);
        space.norm(&difference) / if scale > 0.0 { scale } else { length }
    };
    Row {
        estimate: estimator.estimate.name().into(),
        placement: estimator.placement.name().into(),
        level: estimator.level.name().into(),
        correction: estimator.correction.name().into(),
        truth: length,
        mean: (cell.kl <= 0.0).then_some(step),
        noise,
        bias: some(bias),
        // a mean of zero has no direction
        cosine: some(factor * length / step).filter(|c| c.is_finite() && step > 1e-9 * length),
        formula_error: theory.map(error),
        ..Row::default()
    }
}

/// The estimate of the KL's value, of whole outputs.
fn value_row(spaces: &kinds::Spaces, estimate: Estimate) -> Row {
    let (here, reference) = (&spaces.policy.outputs, &spaces.reference.outputs);
    let of = |power: i32| -> f64 {
        here.iter().zip(reference).map(|(p, q)| p.exp() * estimate.value(p - q).powi(power)).sum()
    };
    let (truth, mean) = (kl(here, reference), of(1));
    Row {
        estimate: estimate.name().into(),
        placement: "value".into(),
        level: "sequence".into(),
        correction: "none".into(),
        truth,
        mean: Some(mean),
        noise: (of(2) - mean * mean).max(0.0).sqrt(),
        bias: (truth > 0.0).then(|| relative_error(&[mean], &[truth])),
        ..Row::default()
    }
}

impl Experiment for KlEstimators {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/kl_estimators";
    const PAPER: &'static str = "Schulman, Approximating KL Divergence (2020), and the KL terms of arXiv:2402.03300 (GRPO) and 1909.08593 (reward)";
    const CLAIM: &'static str = "k1, k2, k3 estimate one KL, but as losses they descend three different things";
    const SECONDS: (f64, f64) = (0.5, 2.0);

    fn params(profile: Profile) -> Params {
        let kls = match profile {
            Profile::Smoke => vec![0.0, 0.01, 0.1, 1.0],
            Profile::Paper => vec![0.0, 0.001, 0.01, 0.1, 1.0],
        };
        Params {
            vocab: 4,
            lengths: vec![1, 3],
            width: 16,
            spread: 1.0,
            kls,
            far_kls: vec![0.1, 1.0],
            moved: vec![0.2],
            clip: 0.2,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let check = |name: &str, legal: bool, value: String, words: &str| {
            if legal { Ok(()) } else { Err(Error::parameter(name, value, words)) }
        };
        let number = |name: &str, v: f64, legal: bool, words: &str| check(name, legal, v.to_string(), words);
        check("vocab", (2..=6).contains(&p.vocab), p.vocab.to_string(), "in 2..=6")?;
        for length in &p.lengths {
            let few = *length >= 1 && p.vocab.checked_pow(*length as u32).is_some_and(|n| n <= 256);
            check("lengths", few, length.to_string(), "each at least 1, with vocab^length at most 256")?;
        }
        check(
            "width",
            (4..=64).contains(&p.width) && p.width.is_multiple_of(2),
            p.width.to_string(),
            "even, in 4..=64",
        )?;
        number("spread", p.spread, p.spread > 0.0 && p.spread <= 5.0, "in (0, 5]")?;
        for v in &p.kls {
            number("kls", *v, (0.0..=3.0).contains(v), "each in [0, 3]")?;
        }
        for v in &p.far_kls {
            number("far_kls", *v, *v > 0.0 && *v <= 3.0, "each in (0, 3]")?;
        }
        for v in &p.moved {
            number("moved", *v, *v > 0.0 && *v <= 0.5, "each in (0, 0.5]")?;
        }
        number("clip", p.clip, p.clip > 0.0 && p.clip < 1.0, "in (0, 1)")
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let mut cells = Vec::new();
        for policy in [Kind::Tabular, Kind::Transformer] {
            for &length in &p.lengths {
                let cell = |kl: f64, moved| Cell { policy, length, kl, moved, all: p.far_kls.contains(&kl) };
                cells.extend(p.kls.iter().map(|kl| cell(*kl, 0.0)));
                cells.extend(p.far_kls.iter().flat_map(|kl| p.moved.iter().map(|moved| cell(*kl, *moved))));
            }
        }
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let tree = Tree { prompts: 1, vocab: p.vocab, length: cell.length };
        let mut stream = ctx.shared_stream(cell.policy.name());
        match cell.policy {
            Kind::Tabular => {
                let mut params = vec![0.0; tree.prefixes() * p.vocab];
                stream.fill_normal(p.spread, &mut params);
                of_policy(p, *cell, Tabular::from_logits(p.vocab, params), tree, ctx)
            }
            Kind::Transformer => {
                of_policy(p, *cell, Transformer::random(p.width, p.spread, tree, &mut stream)?, tree, ctx)
            }
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}
