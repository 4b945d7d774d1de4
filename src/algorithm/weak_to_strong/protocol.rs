//! The protocol, once for every family of models.

use crate::error::{Error, Result};
use crate::rng::Stream;
use std::collections::BTreeMap;

/// Whose labels a model learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// True ones.
    Truth,
    /// A weaker model's; what is done with them is the family's affair (a [`super::WeakLoss`]).
    Model,
}

/// Models of one kind at several levels of strength, and the items that they are about, which are known by number.
pub trait Family {
    /// A trained model.
    type Model;
    /// What a model says of an item, and what it learns from: P(class 1), a move.
    type Label: Clone;

    /// The true labels.
    fn truth(&self, items: &[usize]) -> Vec<Self::Label>;

    /// Trains the model of a level, from where its pretraining left it. Runs of one level that differ only in their labels should share
    /// their chance (order of the data), so that they are compared pair by pair.
    ///
    /// # Errors
    /// Training that fails.
    fn teach(&self, level: usize, items: &[usize], labels: &[Self::Label], from: Source) -> Result<Self::Model>;

    /// What a model says of items.
    ///
    /// # Errors
    /// A model that fails.
    fn label(&self, model: &mut Self::Model, items: &[usize]) -> Result<Vec<Self::Label>>;
}

/// The training items: one half for the teacher, one for the student.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halves {
    /// The teacher's, with their truth.
    pub teacher: Vec<usize>,
    /// The student's, which the teacher labels.
    pub student: Vec<usize>,
}

impl Halves {
    /// Two halves in which related items (equal numbers in `groups`, one per item) are together. Whole groups are dealt in random order
    /// to the half that has fewer items: of groups of one size the halves differ by at most one group.
    ///
    /// # Errors
    /// Fewer than two groups.
    pub fn grouped(groups: &[usize], rng: &mut Stream) -> Result<Self> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        groups.iter().enumerate().for_each(|(item, group)| members.entry(*group).or_default().push(item));
        if members.len() < 2 {
            return Err(Error::parameter("groups", members.len(), "at least 2, a half for teacher and student each"));
        }
        let members: Vec<Vec<usize>> = members.into_values().collect();
        let (mut teacher, mut student) = (Vec::new(), Vec::new());
        for group in rng.permutation(members.len()) {
            let half = if teacher.len() <= student.len() { &mut teacher } else { &mut student };
            half.extend(&members[group]);
        }
        Ok(Self { teacher, student })
    }
}

/// Teacher, student, ceiling and chains of one family on two halves.
#[derive(Clone, Copy, Debug)]
pub struct Protocol<'a, F> {
    /// The models.
    pub family: &'a F,
    /// The training items.
    pub halves: &'a Halves,
}

impl<F: Family> Protocol<'_, F> {
    /// The model of a level from the truth of the teacher's half.
    ///
    /// # Errors
    /// The family's.
    pub fn teacher(&self, level: usize) -> Result<F::Model> {
        let items = &self.halves.teacher;
        self.family.teach(level, items, &self.family.truth(items), Source::Truth)
    }

    /// The model of a level from the truth of the student's half: what a student could at best become.
    ///
    /// # Errors
    /// The family's.
    pub fn ceiling(&self, level: usize) -> Result<F::Model> {
        let items = &self.halves.student;
        self.family.teach(level, items, &self.family.truth(items), Source::Truth)
    }

    /// What a model says of the student's half.
    ///
    /// # Errors
    /// The family's.
    pub fn weak_labels(&self, model: &mut F::Model) -> Result<Vec<F::Label>> {
        self.family.label(model, &self.halves.student)
    }

    /// The model of a level from weak labels of the student's half, one per item of it.
    ///
    /// # Errors
    /// The family's; labels that are not one per item.
    pub fn student(&self, level: usize, weak: &[F::Label]) -> Result<F::Model> {
        Error::check_shape("weak labels", self.halves.student.len(), weak.len())?;
        self.family.teach(level, &self.halves.student, weak, Source::Model)
    }

    /// Bootstrapping (Section 4.3.1): the model of each of `levels`, in their order, learns what the one before says of the student's
    /// half; the first learns `weak`. Returns the last.
    ///
    /// # Errors
    /// The family's; no levels.
    pub fn bootstrap(&self, levels: &[usize], weak: &[F::Label]) -> Result<F::Model> {
        let [before @ .., last] = levels else {
            return Err(Error::Usage("bootstrapping needs at least one student".into()));
        };
        let mut labels = weak.to_vec();
        for level in before {
            labels = self.weak_labels(&mut self.student(*level, &labels)?)?;
        }
        self.student(*last, &labels)
    }
}

/// The places of the `share` of items of which a model is surest, |P(class 1) − 1/2| largest, in rising order: label filtering by
/// confidence. At least one item; among equals the first.
pub fn surest(probabilities: &[f64], share: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    let doubt = |i: &usize| -(probabilities[*i] - 0.5).abs();
    order.sort_by(|a, b| doubt(a).total_cmp(&doubt(b)));
    let kept = (share * probabilities.len() as f64).round() as usize;
    order.truncate(kept.max(1));
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Models that say what they were told, but for items below their level, which they say right.
    struct Echo(RefCell<Vec<(usize, Vec<usize>, Source)>>);

    impl Family for Echo {
        type Model = (usize, BTreeMap<usize, i32>);
        type Label = i32;

        fn truth(&self, items: &[usize]) -> Vec<i32> {
            vec![1; items.len()]
        }

        fn teach(&self, level: usize, items: &[usize], labels: &[i32], from: Source) -> Result<Self::Model> {
            self.0.borrow_mut().push((level, items.to_vec(), from));
            Ok((level, items.iter().copied().zip(labels.iter().copied()).collect()))
        }

        fn label(&self, (level, told): &mut Self::Model, items: &[usize]) -> Result<Vec<i32>> {
            Ok(items.iter().map(|i| if i < level { 1 } else { *told.get(i).unwrap_or(&0) }).collect())
        }
    }

    #[test]
    fn everyone_learns_from_whom_they_should() {
        let family = Echo(RefCell::default());
        let halves = Halves { teacher: vec![0, 1, 2], student: vec![3, 4, 5, 6] };
        let protocol = Protocol { family: &family, halves: &halves };
        let mut teacher = protocol.teacher(4).expect("legal");
        let weak = protocol.weak_labels(&mut teacher).expect("legal");
        assert_eq!(weak, [1, 0, 0, 0]);
        protocol.ceiling(9).expect("legal");
        let mut last = protocol.bootstrap(&[5, 6, 4], &weak).expect("legal");
        assert_eq!(protocol.weak_labels(&mut last).expect("legal"), [1, 1, 1, 0]);
        let seen: Vec<(usize, usize, Source)> = family.0.borrow().iter().map(|(l, i, s)| (*l, i[0], *s)).collect();
        let (truth, model) = (Source::Truth, Source::Model);
        assert_eq!(seen, [(4, 0, truth), (9, 3, truth), (5, 3, model), (6, 3, model), (4, 3, model)]);
        assert!(protocol.bootstrap(&[], &weak).is_err() && protocol.student(5, &[1]).is_err());
    }

    #[test]
    fn groups_stay_together_and_halves_are_even() {
        let groups: Vec<usize> = (0..50).map(|i| i / 2 % 20).collect();
        let halves = Halves::grouped(&groups, &mut Stream::named(&["halves"])).expect("groups");
        let side = |half: &[usize]| half.iter().map(|i| groups[*i]).collect::<std::collections::BTreeSet<_>>();
        assert!(side(&halves.teacher).is_disjoint(&side(&halves.student)));
        assert_eq!(halves.teacher.len() + halves.student.len(), 50);
        assert!(halves.teacher.len().abs_diff(halves.student.len()) <= 4);
        assert!(Halves::grouped(&[7, 7], &mut Stream::named(&["halves"])).is_err());
    }

    #[test]
    fn the_surest_are_kept_in_order() {
        assert_eq!(surest(&[0.5, 0.9, 0.4, 0.05], 0.5), [1, 3]);
        assert_eq!(surest(&[0.5, 0.9], 0.0), [1]);
    }
}
