//! Weak to strong on real images: a small network on pixels teaches linear heads on frozen features that were learned without labels.
//!
//! **Claims** (arXiv:2312.09390, Appendix D.1, from the public repository: teacher `AlexNet`, students on DINO features, `ImageNet`): PGR 57.7% with the
//! smaller student, 41.5% with the larger: between 0.3 and 0.7, and lower for the larger.
//!
//! **Measured** on 2 000 images of Fashion-MNIST, dealt to the teacher, the student and the test set anew at each seed. Teacher: a network with a few hidden
//! units on pixels, from the truth of its half. Students: a linear head from the teacher's probabilities of the other half, on features learned without labels:
//! filters are patches of the unlabelled training images, drawn at random, without their mean and of norm 1; a feature is a filter's response to
//! patches of like treatment, above a threshold, summed over a third by a third of the image; all are standardised. More filters are a larger student. Ceiling: the head
//! from the truth of the student's half. Heads and teacher minimise cross-entropy with an L2 penalty. Patches in the role of
//! self-supervised networks are ours, as are sizes.
//!
//! **Controls**: the teacher's probabilities dealt anew among images teach nothing; a student that is the teacher's own network recovers nothing.
//!
//! **Found**: FOUND

mod features;
mod figure;
mod judge;

use crate::data::fashion_mnist;
use features::Filters;
use rewardlab::algorithm::{Family, Halves, Protocol, Source, Stopping, lbfgs};
use rewardlab::env::Split;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::{dot, softmax_rows};
use rewardlab::plot::Chart;
use rewardlab::policy::{Activation, Init, Mlp, Policy};
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

const CLASSES: usize = 10;

#[derive(Debug)]
pub(crate) struct FashionImages;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Images of the teacher's half; 20 to 900.
    teacher: usize,
    /// Images of the student's half; 20 to 900.
    student: usize,
    /// Hidden units of the teacher; 1 to 1000.
    hidden: usize,
    /// Filters of the students; increasing, from 1 to 1000, two or more.
    filters: Vec<usize>,
    /// L2 penalty on the weights of teacher and heads; positive.
    penalty: f64,
    /// Steps of L-BFGS; 1 to 10 000.
    steps: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// So many filters.
    Student(usize),
    /// The largest student, labels dealt anew.
    Dealt(usize),
    /// A student that is the teacher's network.
    Itself,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Student(filters) => write!(f, "filters={filters}"),
            Self::Dealt(filters) => write!(f, "dealt filters={filters}"),
            Self::Itself => f.write_str("itself"),
        }
    }
}

/// One student. Shares are of test images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `student`, `dealt` or `itself`.
    part: String,
    /// Filters; 0 for the teacher's network.
    filters: usize,
    /// Share that the teacher names rightly.
    weak: f64,
    /// Share that the student does.
    right: f64,
    /// Share that its model does when taught by the truth.
    ceiling: f64,
    /// Share on which student and teacher name the same class.
    agreement: f64,
}

impl Experiment for FashionImages {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/images";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Appendix D.1 (vision)";
    const CLAIM: &'static str =
        "Linear heads on features learned without labels recover about half of the gap to a weak network on pixels";
    const SECONDS: (f64, f64) = (4.0, 120.0);

    fn params(profile: Profile) -> Params {
        let (half, filters, steps) = match profile {
            Profile::Smoke => (100, vec![4, 16], 30),
            Profile::Paper => (700, vec![16, 32, 64, 128], 300),
        };
        Params { teacher: half, student: half, hidden: 4, filters, penalty: 1e-3, steps }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("teacher", p.teacher, 20, 900),
            ("student", p.student, 20, 900),
            ("hidden", p.hidden, 1, 1_000),
            ("steps", p.steps, 1, 10_000),
        ])?;
        Error::check_positive(&[("penalty", p.penalty)])?;
        let filters = &p.filters;
        if filters.len() < 2
            || !filters.is_sorted_by(|a, b| a < b)
            || filters[0] < 1
            || filters[filters.len() - 1] > 1_000
        {
            return Err(Error::parameter("filters", format!("{filters:?}"), "increasing, from 1 to 1000, two or more"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let last = p.filters.last().copied().unwrap_or(1);
        p.filters.iter().map(|f| Cell::Student(*f)).chain([Cell::Dealt(last), Cell::Itself]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let filters = match *cell {
            Cell::Student(filters) | Cell::Dealt(filters) => filters,
            Cell::Itself => 0,
        };
        let (images, split, test) = Images::deal(p, filters, ctx)?;
        let protocol = Protocol { family: &images, halves: &split };
        let mut teacher = protocol.teacher(0)?;
        let mut weak = protocol.weak_labels(&mut teacher)?;
        if matches!(cell, Cell::Dealt(_)) {
            let order = ctx.stream("dealt").permutation(weak.len());
            weak = order.into_iter().map(|i| weak[i].clone()).collect();
        }
        let level = usize::from(filters > 0);
        let (mut student, mut ceiling) = (protocol.student(level, &weak)?, protocol.ceiling(level)?);
        let named = |model: &mut Model| -> Result<Vec<usize>> {
            Ok(images.label(model, &test)?.iter().map(|l| best(l)).collect())
        };
        let (by_teacher, by_student, by_ceiling) = (named(&mut teacher)?, named(&mut student)?, named(&mut ceiling)?);
        let truth: Vec<usize> = images.truth(&test).iter().map(|l| best(l)).collect();
        let part = match cell {
            Cell::Student(_) => "student",
            Cell::Dealt(_) => "dealt",
            Cell::Itself => "itself",
        };
        Ok(vec![Row {
            part: part.into(),
            filters,
            weak: same(&by_teacher, &truth),
            right: same(&by_student, &truth),
            ceiling: same(&by_ceiling, &truth),
            agreement: same(&by_student, &by_teacher),
        }])
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

fn same(a: &[usize], b: &[usize]) -> f64 {
    mean(&a.iter().zip(b).map(|(a, b)| f64::from(u8::from(a == b))).collect::<Vec<_>>())
}

/// The first of the largest.
fn best(probs: &[f64]) -> usize {
    (0..probs.len()).fold(0, |best, i| if probs[i] > probs[best] { i } else { best })
}

/// Level 0 is the small network on pixels, level 1 the linear head on features.
struct Images<'a> {
    p: &'a Params,
    ctx: &'a Context<'a>,
    labels: Vec<usize>,
    /// Of each level: inputs, images × width.
    inputs: [(Arc<[f64]>, usize); 2],
}

type Model = (usize, Mlp);

impl<'a> Images<'a> {
    /// All images with both inputs; who learns from which, and the test set.
    fn deal(p: &'a Params, filters: usize, ctx: &'a Context) -> Result<(Self, Halves, Vec<usize>)> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for split in [Split::Train, Split::Test] {
            let images = fashion_mnist(split)?;
            pixels.extend(images.scaled(&(0..images.len()).collect::<Vec<_>>()));
            labels.extend((0..images.len()).map(|i| images.label(i)));
        }
        let order = ctx.shared_stream("images").permutation(labels.len());
        let (train, test) = order.split_at(p.teacher + p.student);
        let halves = Halves { teacher: train[..p.teacher].into(), student: train[p.teacher..].into() };
        let width = pixels.len() / labels.len();
        let features = if filters > 0 {
            let filters = Filters::draw(&pixels, width, train, filters, &mut ctx.shared_stream("patches"));
            filters.features(&pixels, width, train)
        } else {
            (vec![0.0; labels.len()], 1)
        };
        let inputs = [(pixels.into(), width), (features.0.into(), features.1)];
        Ok((Self { p, ctx, labels, inputs }, halves, test.into()))
    }
}

impl Family for Images<'_> {
    type Model = Model;
    type Label = Vec<f64>;

    fn truth(&self, items: &[usize]) -> Vec<Vec<f64>> {
        let one_hot = |i: &usize| (0..CLASSES).map(|c| f64::from(u8::from(self.labels[*i] == c))).collect();
        items.iter().map(one_hot).collect()
    }

    /// Minimises the mean cross-entropy to the labels plus half the penalty times the squared weights.
    fn teach(&self, level: usize, items: &[usize], labels: &[Vec<f64>], _: Source) -> Result<Model> {
        let (inputs, width) = &self.inputs[level];
        let (sizes, init) = if level == 0 {
            (vec![*width, self.p.hidden, CLASSES], Init::Torch)
        } else {
            (vec![*width, CLASSES], Init::Zero)
        };
        let mut rng = self.ctx.shared_stream(&format!("weights {level}"));
        let mut network = Mlp::new(inputs.clone(), &sizes, Activation::Tanh, init, &mut rng);
        let targets = labels.concat();
        let mut params = network.params().to_vec();
        let mut log_probs = vec![0.0; targets.len()];
        let share = 1.0 / items.len() as f64;
        let stopping = Stopping { tolerance: 1e-5, steps: self.p.steps };
        lbfgs(&mut params, &stopping, |params, gradient| {
            network.params_mut().copy_from_slice(params);
            network.log_probs(items, &mut log_probs);
            gradient.iter_mut().zip(params).for_each(|(g, w)| *g = self.p.penalty * w);
            let mut weights: Vec<f64> = targets.iter().map(|t| -share * t).collect();
            let loss = dot(&weights, &log_probs) + 0.5 * self.p.penalty * dot(params, params);
            network.backward_log_probs(&log_probs, &mut weights, gradient);
            loss
        })?;
        network.params_mut().copy_from_slice(&params);
        Ok((level, network))
    }

    fn label(&self, (_, network): &mut Model, items: &[usize]) -> Result<Vec<Vec<f64>>> {
        let mut logits = vec![0.0; items.len() * CLASSES];
        network.forward(items, &mut logits);
        let mut probs = vec![0.0; logits.len()];
        softmax_rows(&mut logits, &mut probs, CLASSES);
        Ok(probs.chunks_exact(CLASSES).map(<[f64]>::to_vec).collect())
    }
}
