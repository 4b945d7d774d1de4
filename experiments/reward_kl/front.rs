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

/// What one can do with these policies, a coin deciding between two of them: the upper concave hull of the points and the start
/// (0, `base`), corners in order of KL, up to the best reward. A mixture's reward lies between theirs, its KL at or below.
pub(crate) fn hull(points: &[(f64, f64)], base: f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = points.iter().map(|p| (p.0.max(0.0), p.1)).collect();
    points.push((0.0, base));
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if corners.last().is_some_and(|last| point.1 <= last.1) {
            continue;
        }
        while let [.., a, b] = corners[..] {
            // b is below the line from a to the point
            if (b.1 - a.1) * (point.0 - a.0) > (point.1 - a.1) * (b.0 - a.0) {
                break;
            }
            corners.pop();
        }
        corners.push(point);
    }
    corners
}

/// The area between `base` and the hull, from 0 to `most_kl`.
pub(crate) fn hull_volume(points: &[(f64, f64)], base: f64, most_kl: f64) -> f64 {
    let corners = hull(points, base);
    let mut area = 0.0;
    for pair in corners.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        if from < most_kl {
            let end = to.min(most_kl);
            let at_end = low + (high - low) * (end - from) / (to - from);
            area += (f64::midpoint(low, at_end) - base) * (end - from);
        }
    }
    let (kl, best) = corners.last().copied().unwrap_or((0.0, base));
    area + (best - base) * (most_kl - kl).max(0.0)
}

/// The same of the front itself: the area under the lower envelope of its tangents, by the midpoint rule.
pub(crate) fn front_volume(front: &[Tangent], base: f64, most_kl: f64) -> f64 {
    const SLICES: usize = 2_000;
    let width = most_kl / SLICES as f64;
    (0..SLICES).map(|i| (most_reward(front, (i as f64 + 0.5) * width) - base) * width).sum()
}

/// The volume of a method's points in units of the front's; NaN without a point.
pub(crate) fn share_of_front(
    volume: fn(&[(f64, f64)], f64, f64) -> f64,
    points: &[(f64, f64)],
    front: &[Tangent],
    (base, most_kl): (f64, f64),
) -> f64 {
    if points.is_empty() {
        return f64::NAN;
    }
    volume(points, base, most_kl) / front_volume(front, base, most_kl)
}

/// The least gap to the front, over its rise above `base`, of the points at a KL of a quarter to three quarters of the largest; NaN without one.
pub(crate) fn least_gap(points: &[(f64, f64)], front: &[Tangent], (base, most_kl): (f64, f64)) -> f64 {
    let middle = points.iter().filter(|p| (0.25 * most_kl..=0.75 * most_kl).contains(&p.0));
    let gaps = middle.map(|&(kl, reward)| {
        let best = most_reward(front, kl);
        (best - reward) / (best - base)
    });
    gaps.fold(f64::NAN, f64::min)
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

    /// Concave corners only, linear between them, cut at the largest KL.
    #[test]
    fn a_hull() {
        let points = [(1.0, 0.65), (2.0, 0.7), (4.0, 0.9), (5.0, 0.8), (8.0, 1.0)];
        assert_eq!(hull(&points, 0.5), [(0.0, 0.5), (1.0, 0.65), (4.0, 0.9), (8.0, 1.0)]);
        // a triangle until 1, trapezoids until 4 and until 6 or 8, what is left at the best
        assert!((hull_volume(&points, 0.5, 6.0) - (0.075 + 0.825 + 0.85)).abs() < 1e-12);
        assert!((hull_volume(&points, 0.5, 10.0) - (0.075 + 0.825 + 1.8 + 1.0)).abs() < 1e-12);
        assert_eq!(hull_volume(&[], 0.5, 4.0), 0.0);
        assert_eq!(hull(&[(0.0, 0.7), (3.0, 0.6)], 0.5), [(0.0, 0.7)]);
    }

    /// Below the front reward = KL by a tenth of it at KL 2, by a half at KL 1; the third is not at a middle KL.
    #[test]
    fn gaps_and_shares() {
        let front = [Tangent { beta: 1.0, kl: 1.0, reward: 1.0 }];
        let points = [(2.0, 1.8), (1.0, 0.5), (3.9, 3.9)];
        assert!((least_gap(&points, &front, (0.0, 4.0)) - 0.1).abs() < 1e-12);
        assert!(least_gap(&points[2..], &front, (0.0, 4.0)).is_nan());
        assert!((share_of_front(hull_volume, &[(4.0, 2.0)], &front, (0.0, 4.0)) - 0.5).abs() < 1e-12);
        assert!(share_of_front(hull_volume, &[], &front, (0.0, 4.0)).is_nan());
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
