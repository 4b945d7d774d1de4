//! Losses of pairs of completions, and of completions that are marked good or bad.

use super::super::{Quantities, Quantity};
use super::draws::{between, named, number, rows, streams};
use super::{Family, Objective};
use crate::objective::{
    Kto, bradley_terry_loss, conservative_dpo_loss, dpo_loss, ipo_loss, ipo_token_mean_loss, kto_loss, orpo_loss,
    simpo_loss, unlikelihood_loss, unweighted_dpo_loss,
};
use crate::rng::Stream;

const LABEL_SMOOTHING: f64 = 0.1;

/// As [`crate::objective`] has them: all chosen completions, then all rejected ones.
fn column_by_column(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..2).flat_map(|column| rows.iter().map(move |row| row[column])).collect()
}

/// As a trainer has them: chosen and rejected, pair by pair.
fn row_by_row(columns: &[f64]) -> Vec<Vec<f64>> {
    let (chosen, rejected) = columns.split_at(columns.len() / 2);
    chosen.iter().zip(rejected).map(|(c, r)| vec![*c, *r]).collect()
}

/// Loss and gradient of a loss over all completions, from and to a row per pair.
fn of_pairs(inputs: &Quantities, name: &str, loss: impl Fn(&[f64], &mut [f64]) -> f64) -> Quantities {
    let all = column_by_column(&rows(inputs, name));
    let mut weights = vec![0.0; all.len()];
    let value = loss(&all, &mut weights);
    named([("loss", Quantity::Number(value)), ("gradient", Quantity::Table(row_by_row(&weights)))])
}

fn lengths(inputs: &Quantities) -> Vec<usize> {
    column_by_column(&rows(inputs, "lengths")).into_iter().map(|l| l as usize).collect()
}

fn dpo(inputs: &Quantities, loss: fn(&[f64], &[f64], f64, f64, &mut [f64]) -> f64) -> Quantities {
    let reference = column_by_column(&rows(inputs, "reference_log_probs"));
    of_pairs(inputs, "log_probs", |lp, w| loss(lp, &reference, number(inputs, "beta"), 1.0, w))
}

/// `log_probs`, `reference_log_probs` (summed over tokens), `lengths` (tokens): a row per pair, chosen and rejected; `beta`.
pub(super) fn log_probs() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_probs"), answer };
    let objectives = vec![
        objective(
            "dpo",
            "arXiv:2305.18290, Eq. 7",
            "mean over pairs of −log σ(βh); h: log π − log π_ref of chosen less that of rejected, sums over tokens",
            |i| dpo(i, dpo_loss),
        ),
        objective(
            "conservative_dpo",
            "arXiv:2305.18290, the original code's label_smoothing",
            "mean over pairs of −(1 − ε) log σ(βh) − ε log σ(−βh), ε = 0.1, h as of dpo",
            |i| {
                dpo(i, |lp, reference, beta, scale, w| {
                    let share = vec![1.0 - LABEL_SMOOTHING; lp.len() / 2];
                    conservative_dpo_loss(lp, reference, beta, &share, scale, w)
                })
            },
        ),
        objective(
            "unweighted_dpo",
            "arXiv:2305.18290, Section 4 and Table 3",
            "minus the mean over pairs of βh, h as of dpo: DPO without its weight on wrong pairs",
            |i| dpo(i, unweighted_dpo_loss),
        ),
        objective(
            "ipo",
            "arXiv:2310.12036, Eq. 17",
            "mean over pairs of (h − 1/(2β))², h as of dpo, sums over tokens (the original DPO code)",
            |i| dpo(i, ipo_loss),
        ),
        objective(
            "ipo_token_mean",
            "arXiv:2310.12036, as TRL has it",
            "mean over pairs of (h − 1/(2β))²; h as of dpo, but of means over each completion's tokens",
            |i| {
                let lengths = lengths(i);
                let reference = column_by_column(&rows(i, "reference_log_probs"));
                of_pairs(i, "log_probs", |lp, w| {
                    ipo_token_mean_loss(lp, &reference, &lengths, number(i, "beta"), 1.0, w)
                })
            },
        ),
        objective(
            "simpo",
            "arXiv:2405.14734, Eq. 6",
            "mean over pairs; log-probabilities per token; margin γ = 0.5; the reference is not used",
            |i| of_pairs(i, "log_probs", |lp, w| simpo_loss(lp, &lengths(i), number(i, "beta"), 0.5, 1.0, w)),
        ),
        objective(
            "orpo",
            "arXiv:2403.07691, Eqs. 6 and 7",
            "mean over pairs of both terms, λ = β; log-probabilities per token; the reference is not used",
            |i| of_pairs(i, "log_probs", |lp, w| orpo_loss(lp, &lengths(i), number(i, "beta"), 1.0, w)),
        ),
        objective(
            "unlikelihood",
            "arXiv:2305.18290, Section 6",
            "mean over pairs of −log π(chosen) + β log π(rejected), sums over tokens; the reference is not used",
            |i| of_pairs(i, "log_probs", |lp, w| unlikelihood_loss(lp, number(i, "beta"), 1.0, w)),
        ),
        objective(
            "kto",
            "arXiv:2402.01306, Eq. 8",
            "mean over all completions, λ_D = 1, λ_U = 1.5, z₀ = 0.2 given; the chosen column is good, the other bad",
            |inputs| {
                let reference = column_by_column(&rows(inputs, "reference_log_probs"));
                let settings = Kto { beta: number(inputs, "beta"), desirable: 1.0, undesirable: 1.5 };
                let good: Vec<bool> = (0..reference.len()).map(|i| i < reference.len() / 2).collect();
                of_pairs(inputs, "log_probs", |lp, w| kto_loss(lp, &reference, &good, 0.2, settings, 1.0, w))
            },
        ),
    ];
    let corners: [(&'static str, Draw); 6] = [
        ("plain", |rng| Drawn::new(3.0, 0.1, [8.0; 6], rng)),
        ("at_the_reference", |rng| Drawn::new(0.0, 0.1, [8.0; 6], rng)),
        ("unequal_lengths", |rng| Drawn::new(3.0, 0.1, [2.0, 9.0, 30.0, 1.0, 5.0, 6.0], rng)),
        // log σ of numbers where σ alone is 0 or 1 in f32
        ("far_apart", |rng| Drawn::new(400.0, 0.5, [40.0; 6], rng)),
        ("weak", |rng| Drawn::new(3.0, 1e-3, [8.0; 6], rng)),
        ("one_pair", |rng| Drawn { pairs: 1, ..Drawn::new(3.0, 0.1, [8.0; 6], rng) }),
    ];
    let inputs = |(name, draw): (&'static str, Draw)| {
        (name, streams("pairs", name).map(|mut rng| draw(&mut rng).inputs()).collect())
    };
    Family { objectives, corners: corners.into_iter().map(inputs).collect() }
}

type Draw = fn(&mut Stream) -> Drawn;

struct Drawn {
    pairs: usize,
    reference: Vec<f64>,
    moved: Vec<f64>,
    lengths: Vec<f64>,
    beta: f64,
}

impl Drawn {
    fn new(far: f64, beta: f64, lengths: [f64; 6], rng: &mut Stream) -> Self {
        let moved = between(-far, far, 6, rng);
        // as probable as a text of that length may be, and below certainty wherever it is moved to
        let reference = lengths.iter().map(|l| -far - l * (0.5 + 2.0 * rng.uniform())).collect();
        Self { pairs: 3, reference, moved, lengths: lengths.to_vec(), beta }
    }

    fn inputs(self) -> Quantities {
        let rows = |all: &[f64]| Quantity::Table(all.chunks(2).take(self.pairs).map(<[f64]>::to_vec).collect());
        let log_probs: Vec<f64> = self.reference.iter().zip(&self.moved).map(|(r, d)| r + d).collect();
        named([
            ("log_probs", rows(&log_probs)),
            ("reference_log_probs", rows(&self.reference)),
            ("lengths", rows(&self.lengths)),
            ("beta", Quantity::Number(self.beta)),
        ])
    }
}

/// `scores`: a row per pair, chosen and rejected.
pub(super) fn scores() -> Family {
    let objective = Objective {
        name: "bradley_terry",
        source: "arXiv:2305.18290, Eq. 2",
        convention: "mean over pairs of −log σ(chosen − rejected), no margin, no centring",
        of: Some("scores"),
        answer: |i| of_pairs(i, "scores", |s, w| bradley_terry_loss(s, &vec![1.0; s.len() / 2], 1.0, w)),
    };
    let corner = |name: &'static str, far: f64| {
        let inputs = streams("scores", name).map(|mut rng| {
            let rows = (0..3).map(|_| between(-far, far, 2, &mut rng)).collect();
            named([("scores", Quantity::Table(rows))])
        });
        (name, inputs.collect())
    };
    Family {
        objectives: vec![objective],
        corners: vec![corner("plain", 2.0), corner("equal", 0.0), corner("far_apart", 300.0)],
    }
}
