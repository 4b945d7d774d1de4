//! The three models, pretrained to be uniform on the label sets.

use super::task::{CLASSES, Task};
use super::{Model, Params};
use rewardlab::algorithm::{Adam, Learner};
use rewardlab::error::Result;
use rewardlab::experiment::Context;
use rewardlab::num::{Matrix, matmul, norm};
use rewardlab::objective::soft_cross_entropy_loss;
use rewardlab::policy::{Activation, Init, Mlp, Policy, Tabular};
use rewardlab::rng::Stream;
use std::sync::Arc;

/// The optimum of pretraining, but for a little mass outside the sets: the cross-entropy's optimum has none.
pub(super) fn pretrained_tabular(p: &Params, task: &Task) -> Tabular {
    let outside = p.tabular.outside_probability;
    let inside = (1.0 - outside * (CLASSES - p.labels_per_set) as f64) / p.labels_per_set as f64;
    let logit = |q: &f64| if *q > 0.0 { inside.ln() } else { outside.ln() };
    let logits = (0..task.classes.len()).flat_map(|i| task.set_of(i).iter().map(logit)).collect();
    Tabular::from_logits(CLASSES, logits)
}

/// The network pretrained to the label sets, and the same network over the test inputs.
pub(super) fn pretrained_network(p: &Params, model: Model, ctx: &Context, task: &Task) -> Result<(Mlp, Mlp)> {
    let (inputs, test_inputs, hidden, init, rate) = if model == Model::Mlp {
        (task.inputs.clone(), task.test_inputs.clone(), p.mlp.hidden.as_slice(), Init::Torch, p.mlp.pretrain)
    } else {
        let [train, test] = random_features(p.log_linear.features, task, &mut ctx.shared_stream("random features"));
        (train, test, &[][..], Init::Zero, p.log_linear.pretrain)
    };
    let n = task.classes.len();
    let sizes = [&[inputs.len() / n], hidden, &[CLASSES]].concat();
    let mut network = Mlp::new(inputs, &sizes, Activation::Relu, init, &mut ctx.shared_stream("initial weights"));
    let key = (&task.digest, &task.sets, &sizes, rate, p.batch, p.pretrain_epochs);
    let params = ctx.stage("pretrained", &key, |rng| {
        let optimizer = Adam::new(rate, network.params().len())?;
        let mut learner = Learner::new(network.clone(), optimizer);
        for _ in 0..p.pretrain_epochs {
            for batch in rng.permutation(n).chunks(p.batch) {
                learner.step(batch, |i, lp, w| -soft_cross_entropy_loss(lp, task.set_of(i), -1.0, w))?;
            }
        }
        Ok(learner.policy.params().to_vec())
    })?;
    network.params_mut().copy_from_slice(&params);
    let test = network.with_inputs(test_inputs);
    Ok((network, test))
}

/// Random ReLU features `φ_j(x)` = `relu(w_j · (x − x̄)/s + b_j)` with standard normal w, b and s the root mean square of
/// ‖x − x̄‖; each feature standardised over the training inputs and divided by √dim, so that ‖φ(x)‖² is 1 on average.
fn random_features(dim: usize, task: &Task, rng: &mut Stream) -> [Arc<[f64]>; 2] {
    let n = task.classes.len();
    let width = task.inputs.len() / n;
    let (mut weights, mut biases) = (vec![0.0; dim * width], vec![0.0; dim]);
    rng.fill_normal(1.0, &mut weights);
    rng.fill_normal(1.0, &mut biases);
    let mean = column_means(&task.inputs, width);
    let centred = |inputs: &[f64]| -> Vec<f64> {
        inputs.chunks_exact(width).flat_map(|row| row.iter().zip(&mean).map(|(x, m)| x - m)).collect()
    };
    let train = centred(&task.inputs);
    let scale = (n as f64).sqrt() / norm(&train);
    let [mut train, mut test] = [train, centred(&task.test_inputs)].map(|inputs| {
        let rows = inputs.len() / width;
        let mut out = vec![0.0; rows * dim];
        matmul(Matrix::new(&inputs, rows, width), Matrix::new(&weights, dim, width).t(), &mut out, false);
        for row in out.chunks_exact_mut(dim) {
            row.iter_mut().zip(&biases).for_each(|(v, b)| *v = (scale * *v + b).max(0.0));
        }
        out
    });
    let mean = column_means(&train, dim);
    let squares: Vec<f64> =
        train.chunks_exact(dim).flat_map(|r| r.iter().zip(&mean).map(|(v, m)| (v - m) * (v - m))).collect();
    let factor: Vec<f64> = column_means(&squares, dim)
        .iter()
        .map(|variance| if *variance > 0.0 { 1.0 / (variance * dim as f64).sqrt() } else { 0.0 })
        .collect();
    for row in train.chunks_exact_mut(dim).chain(test.chunks_exact_mut(dim)) {
        row.iter_mut().zip(&mean).zip(&factor).for_each(|((v, m), f)| *v = (*v - m) * f);
    }
    [train.into(), test.into()]
}

fn column_means(rows: &[f64], width: usize) -> Vec<f64> {
    let mut means = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        means.iter_mut().zip(row).for_each(|(m, v)| *m += v);
    }
    means.iter_mut().for_each(|m| *m *= width as f64 / rows.len() as f64);
    means
}
