//! Gold and proxy along d = √KL, and the two forms that are fitted to them.

use super::Row;
use rewardlab::experiment::Record;

/// Steps of d at which curves are read.
const STEP: f64 = 0.1;

/// A point of a curve.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// √KL.
    pub(super) d: f64,
    pub(super) gold: f64,
    pub(super) proxy: f64,
}

/// One proxy pushed by one method at one seed, from the reference on.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    points: Vec<Point>,
}

/// A form with two coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// R = d (α − β d), Gao et al.'s for best-of-N.
    BestOfN,
    /// R = d (α − β log d), theirs for RL.
    Rl,
}

/// α and β by least squares, and the share of the variance of R that is explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) r_squared: f64,
}

impl Curve {
    /// Of one seed's rows.
    pub(super) fn of(rows: &[&Record<Row>], proxy: &str, pairs: usize, method: &str) -> Self {
        let own = rows.iter().filter(|r| r.proxy == proxy && r.pairs == pairs && r.method == method);
        let point = |r: &&Record<Row>| Point {
            d: r.kl.max(0.0).sqrt(),
            gold: r.gold,
            proxy: r.proxy_reward.unwrap_or(f64::NAN),
        };
        let mut points: Vec<Point> = own.map(point).chain([Point::default()]).collect();
        points.sort_by(|a, b| a.d.total_cmp(&b.d));
        points.dedup_by(|a, b| a.d == b.d);
        Self { points }
    }

    pub(super) fn last(&self) -> Point {
        self.points[self.points.len() - 1]
    }

    /// Where the gold reward is highest.
    pub(super) fn peak(&self) -> Point {
        self.points.iter().copied().fold(self.points[0], |best, p| if p.gold > best.gold { p } else { best })
    }

    /// By linear interpolation; none beyond the curve.
    pub(super) fn at(&self, d: f64) -> Option<Point> {
        let (a, b) = self.points.iter().zip(&self.points[1..]).find(|(a, b)| (a.d..=b.d).contains(&d))?;
        let share = (d - a.d) / (b.d - a.d);
        let between = |a: f64, b: f64| a + share * (b - a);
        Some(Point { d, gold: between(a.gold, b.gold), proxy: between(a.proxy, b.proxy) })
    }

    /// The gold reward where the proxy first comes to this.
    pub(super) fn gold_at_proxy(&self, proxy: f64) -> Option<f64> {
        let (a, b) = self.points.iter().zip(&self.points[1..]).find(|(a, b)| a.proxy <= proxy && proxy < b.proxy)?;
        Some(a.gold + (proxy - a.proxy) / (b.proxy - a.proxy) * (b.gold - a.gold))
    }

    /// At equal steps of d.
    pub(super) fn grid(&self) -> Vec<Point> {
        let steps = (self.last().d / STEP).floor() as usize;
        (1..=steps).filter_map(|i| self.at(i as f64 * STEP)).collect()
    }

    pub(super) fn fit(&self, form: Form) -> Fit {
        fit(&self.grid().iter().map(|p| (p.d, p.gold)).collect::<Vec<_>>(), form)
    }
}

impl Form {
    fn second(self, d: f64) -> f64 {
        match self {
            Self::BestOfN => d * d,
            Self::Rl => d * d.ln(),
        }
    }
}

impl Fit {
    pub(super) fn value(self, form: Form, d: f64) -> f64 {
        self.alpha * d - self.beta * form.second(d)
    }
}

/// Least squares of R on (d, −d²) or (d, −d log d).
fn fit(points: &[(f64, f64)], form: Form) -> Fit {
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|(d, r)| of(*d, *r)).sum::<f64>();
    let second = |d: f64| -form.second(d);
    let (aa, ab, bb) = (sum(&|d, _| d * d), sum(&|d, _| d * second(d)), sum(&|d, _| second(d) * second(d)));
    let (ar, br) = (sum(&|d, r| d * r), sum(&|d, r| second(d) * r));
    let determinant = aa * bb - ab * ab;
    let fit =
        Fit { alpha: (ar * bb - br * ab) / determinant, beta: (br * aa - ar * ab) / determinant, r_squared: f64::NAN };
    let center = sum(&|_, r| r) / points.len() as f64;
    let residual = sum(&|d, r| (r - fit.value(form, d)).powi(2));
    Fit { r_squared: 1.0 - residual / sum(&|_, r| (r - center).powi(2)), ..fit }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form is found again where it holds, and the other explains less.
    #[test]
    fn the_forms_are_found() {
        for (form, other) in [(Form::BestOfN, Form::Rl), (Form::Rl, Form::BestOfN)] {
            let truth = Fit { alpha: 1.3, beta: 0.4, r_squared: 1.0 };
            let points: Vec<(f64, f64)> = (1..40)
                .map(|i| {
                    let d = f64::from(i) * 0.1;
                    (d, truth.value(form, d))
                })
                .collect();
            let found = fit(&points, form);
            assert!((found.alpha - 1.3).abs() < 1e-9 && (found.beta - 0.4).abs() < 1e-9, "{found:?}");
            assert!(found.r_squared > 1.0 - 1e-12 && fit(&points, other).r_squared < 0.999);
        }
    }

    #[test]
    fn curves_are_read_between_their_points() {
        let point = |d, gold, proxy| Point { d, gold, proxy };
        let curve = Curve { points: vec![point(0.0, 0.0, 0.0), point(1.0, 2.0, 1.0), point(2.0, 1.0, 3.0)] };
        assert_eq!(curve.at(1.5), Some(point(1.5, 1.5, 2.0)));
        assert_eq!((curve.at(2.5), curve.peak().d, curve.last().d), (None, 1.0, 2.0));
        assert_eq!((curve.gold_at_proxy(2.0), curve.gold_at_proxy(9.0)), (Some(1.5), None));
        assert_eq!(curve.grid().len(), 20);
    }
}
