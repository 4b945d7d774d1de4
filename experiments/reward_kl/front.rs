//! The exact reward–KL front, and how far below it a method stays.

/// A point of the front: the optimum of mean reward − β mean KL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tangent {
    pub(crate) beta: f64,
    pub(crate) kl: f64,
    pub(crate) reward: f64,
}

/// The largest reward that these tangents allow at a KL: reward(β) + β (KL − KL(β)) bounds every policy, for each β (weak duality), so the
/// least of them is at or a little above the front.
pub(crate) fn most_reward(front: &[Tangent], kl: f64) -> f64 {
    front.iter().map(|t| t.reward + t.beta * (kl - t.kl)).fold(f64::INFINITY, f64::min)
}

/// The area between `base` and the best reward reached up to each KL, from 0 to `most_kl`: a staircase through the points.
pub(crate) fn hypervolume(points: &[(f64, f64)], base: f64, most_kl: f64) -> f64 {
    let mut points: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0 <= most_kl).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut area, mut best, mut from) = (0.0, base, 0.0);
    for (kl, reward) in points {
        if reward > best {
            area += (best - base) * (kl.max(0.0) - from);
            (best, from) = (reward, kl.max(0.0));
        }
    }
    area + (best - base) * (most_kl - from)
}

/// The same of the front itself: the trapezoids between its tangents' points.
pub(crate) fn front_volume(front: &[Tangent], base: f64, most_kl: f64) -> f64 {
    const SLICES: usize = 2_000;
    let width = most_kl / SLICES as f64;
    (0..SLICES).map(|i| (most_reward(front, (i as f64 + 0.5) * width) - base) * width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staircase() {
        let points = [(2.0, 0.7), (1.0, 0.6), (3.0, 0.65), (9.0, 1.0)];
        // 0 until 1, 0.1 until 2, 0.2 until 4
        assert!((hypervolume(&points, 0.5, 4.0) - (0.1 + 0.4)).abs() < 1e-12);
        assert_eq!(hypervolume(&[], 0.5, 4.0), 0.0);
    }

    /// Of the concave front reward = √KL, whose tangents have β = 1/(2√KL).
    #[test]
    fn tangents_hold_the_front() {
        let front: Vec<Tangent> = (1..=400)
            .map(|i| f64::from(i) * 0.01)
            .map(|kl| Tangent { beta: 0.5 / kl.sqrt(), kl, reward: kl.sqrt() })
            .collect();
        for kl in [0.05_f64, 0.7, 2.345] {
            let most = most_reward(&front, kl);
            assert!(most >= kl.sqrt() - 1e-12 && most < kl.sqrt() + 1e-4, "{kl} {most}");
        }
        assert!((front_volume(&front, 0.0, 4.0) - 16.0 / 3.0).abs() < 5e-3);
    }
}
