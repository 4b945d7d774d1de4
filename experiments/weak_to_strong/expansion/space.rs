//! Spaces of a dozen points as bit masks, and what the theorems say of one labelling.

use rewardlab::rng::Stream;

/// What rounding may do to a sum of a dozen weights.
const ROUNDING: f64 = 1e-12;

pub(super) struct Space {
    weights: Vec<f64>,
    /// Of each point, with itself.
    neighbours: Vec<u16>,
    /// Of the class: labelled right, labelled wrong, not labelled.
    good: u16,
    bad: u16,
    uncovered: u16,
    all: u16,
}

/// A labelling whose premises hold.
pub(super) struct Case {
    pub(super) bound: f64,
    pub(super) error: f64,
    pub(super) violates: bool,
}

impl Case {
    fn new(bound: f64, error: f64) -> Self {
        Self { bound, error, violates: error > bound + ROUNDING }
    }
}

impl Space {
    /// Right labels outweigh wrong ones, and every part has a point.
    pub(super) fn draw(points: usize, heaviest: usize, edges: f64, rng: &mut Stream) -> Self {
        loop {
            let space = Self::try_draw(points, heaviest, edges, rng);
            let legal = space.bad != 0 && space.uncovered != 0 && space.mass(space.bad) < space.mass(space.good);
            if legal {
                return space;
            }
        }
    }

    fn try_draw(points: usize, heaviest: usize, edges: f64, rng: &mut Stream) -> Self {
        let weights = (0..points).map(|_| 1.0 + rng.below(heaviest) as f64).collect();
        let mut neighbours: Vec<u16> = (0..points).map(|i| 1 << i).collect();
        let (mut good, mut bad, mut uncovered) = (0, 0, 0);
        for i in 0..points {
            for j in 0..i {
                if rng.uniform() < edges {
                    neighbours[i] |= 1 << j;
                    neighbours[j] |= 1 << i;
                }
            }
            // right, wrong, unlabelled, other class
            match rng.categorical(&[0.4, 0.2, 0.25, 0.15]) {
                0 => good |= 1 << i,
                1 => bad |= 1 << i,
                2 => uncovered |= 1 << i,
                _ => {}
            }
        }
        Self { weights, neighbours, good, bad, uncovered, all: ((1_u32 << points) - 1) as u16 }
    }

    fn mass(&self, set: u16) -> f64 {
        self.weights.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).map(|(_, w)| w).sum()
    }

    /// P(set|within).
    fn share(&self, set: u16, within: u16) -> f64 {
        self.mass(set & within) / self.mass(within)
    }

    /// N(set).
    fn around(&self, set: u16) -> u16 {
        self.neighbours.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1).fold(0, |n, (_, own)| n | own)
    }

    /// The student calls the points of `student` the class.
    pub(super) fn look(&self, student: u16) -> Student<'_> {
        let constant = |n: &u16| student & n == 0 || student & n == *n;
        let robust = self.neighbours.iter().enumerate().filter(|(_, n)| constant(n)).fold(0, |r, (i, _)| r | 1 << i);
        Student { space: self, calls: student, robust }
    }
}

pub(super) struct Student<'a> {
    space: &'a Space,
    /// Points that it says are of the class.
    calls: u16,
    /// Points whose neighbourhoods it labels as one.
    robust: u16,
}

impl Student<'_> {
    fn labelled(&self) -> u16 {
        self.space.good | self.space.bad
    }

    /// α, the teacher's error rate in the class.
    pub(super) fn alpha(&self) -> f64 {
        self.space.share(self.space.bad, self.labelled())
    }

    /// Labelled points on which it is not the teacher.
    fn disagrees(&self) -> u16 {
        (self.space.good & !self.calls) | (self.space.bad & self.calls)
    }

    fn not_robust(&self) -> u16 {
        self.space.all & !self.robust
    }

    /// The largest c for which U's neighbours in `towards` are more than c P(U|from); `None` where the premise asks nothing (P(U|from) ≤ q).
    fn expansion(&self, set: u16, from: u16, towards: u16, q: f64) -> Option<f64> {
        let size = self.space.share(set, from);
        // strictly more than c: a hair below the ratio
        (size > q).then(|| self.space.share(self.space.around(set), towards) / size * (1.0 - ROUNDING))
    }

    /// Of 4.1: the largest c for robust points that it and the teacher call right, at the largest q.
    fn corrects(&self) -> Option<f64> {
        // strictly below
        let q = 0.75 * (1.0 - 2.0 * self.alpha()) * (1.0 - ROUNDING);
        self.expansion(self.space.good & self.robust & self.calls, self.space.good, self.space.bad, q)
    }

    /// The bound of 4.1 at c, if its other premise holds there.
    fn corrected(&self, c: f64) -> Option<Case> {
        let (s, a) = (self.labelled(), self.alpha());
        let off = self.space.share(self.disagrees() | self.not_robust(), s);
        let premise = c > 0.0 && off <= (1.0 - a + 3.0 * c * a) / 4.0;
        let bound = 2.0 * a / (1.0 - 2.0 * a) * self.space.share(self.not_robust(), s)
            + self.space.share(self.disagrees(), s)
            + a * (1.0 - 1.5 * c);
        premise.then(|| Case::new(bound, self.space.share(!self.calls, s)))
    }

    /// Theorem 4.1 with the largest c ≤ 1.
    pub(super) fn correction(&self) -> Option<Case> {
        self.corrected(self.corrects().unwrap_or(1.0).min(1.0))
    }

    /// Theorem 4.1 as printed where the sets allow a c > 1.
    pub(super) fn above_one(&self) -> Option<Case> {
        self.corrects().filter(|c| *c > 1.0).and_then(|c| self.corrected(c))
    }

    /// Theorem 4.1 at c = 1 where there is no expansion at all.
    pub(super) fn unexpanded(&self) -> Option<Case> {
        self.corrects().filter(|c| *c <= 0.0).and_then(|_| self.corrected(1.0))
    }

    /// A student that labels S as the teacher does and is robust enough; a violation if it met the premise of expansion too, at any c ≤ 1.
    pub(super) fn imitable(&self) -> Option<Case> {
        let as_teacher = self.disagrees() == 0;
        let case = as_teacher.then(|| self.corrected(1.0)).flatten()?;
        let expands = self.corrects().is_none_or(|c| c > 0.0);
        Some(Case { violates: expands, ..case })
    }

    /// Theorem 4.2 with the best of the q that matter, and the largest c ≤ 1 for each.
    pub(super) fn coverage(&self) -> Option<Case> {
        let (space, t, a) = (self.space, self.space.uncovered, self.alpha());
        let (wrong, right) = (t & self.robust & !self.calls, t & self.robust & self.calls);
        let loose = space.share(self.not_robust(), t);
        let off = space.share(self.disagrees(), self.labelled());
        let error = space.share(!self.calls, t);
        let at = |q: f64| {
            let from_good = self.expansion(wrong, t, space.good, q).unwrap_or(1.0);
            let from_bad = self.expansion(right, t, space.bad, q).unwrap_or(1.0);
            let c = from_good.min(from_bad).min(1.0);
            let premise = c > 0.0 && off + loose < c * (1.0 - q - a);
            let rest = (off - c * a) / (c * (1.0 - 2.0 * a));
            premise.then(|| Case::new((1.0 + a / (1.0 - 2.0 * a)) * loose + q.max(rest), error))
        };
        let candidates = [0.0, space.share(wrong, t), space.share(right, t)];
        candidates.into_iter().filter_map(at).min_by(|x, y| x.bound.total_cmp(&y.bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three right points, one wrong, one without a label, all neighbours of each other: the constant labelling is robust and right everywhere.
    #[test]
    fn one_clique_by_hand() {
        let space = Space {
            weights: vec![1.0; 5],
            neighbours: vec![0b11111; 5],
            good: 0b00111,
            bad: 0b01000,
            uncovered: 0b10000,
            all: 0b11111,
        };
        let right = space.look(0b11111);
        assert_eq!(right.alpha(), 0.25);
        // c = 1; agrees but for the wrong label: 0 + 1/4 + 1/4 (1 − 3/2) = 1/8
        let case = right.correction().expect("premises hold");
        assert!((case.bound - 0.125).abs() < 1e-9 && case.error == 0.0 && !case.violates);
        // disagreement 1/4 < c (1 − q − α) at q = 0; max(0, (1/4 − 1/4) / …) = 0
        let case = right.coverage().expect("premises hold");
        assert!(case.bound.abs() < 1e-9 && case.error == 0.0);
        // the teacher itself is constant nowhere
        let teacher = space.look(0b00111);
        assert!(teacher.correction().is_none() && teacher.imitable().is_none() && teacher.coverage().is_none());
    }
}
