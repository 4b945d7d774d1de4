//! Cutting lines and polygons at the edge of a data area, and lines into dashes.

use crate::plot::scene::{Point, Rect};

/// The parts of a polyline that lie in `area`.
pub(crate) fn path(points: &[Point], area: Rect) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut joined = false;
    for pair in points.windows(2) {
        let Some((from, to)) = segment(pair[0], pair[1], area) else {
            joined = false;
            continue;
        };
        match parts.last_mut() {
            Some(part) if joined => part.push(to),
            _ => parts.push(vec![from, to]),
        }
        joined = to == pair[1];
    }
    parts
}

/// The part of a segment in `area` (Liang and Barsky's parametric clipping).
fn segment(from: Point, to: Point, area: Rect) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    let sides =
        [(-dx, from.0 - area.left), (dx, area.right - from.0), (-dy, from.1 - area.top), (dy, area.bottom - from.1)];
    for (speed, room) in sides {
        if speed == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if speed < 0.0 {
            enter = enter.max(room / speed);
        } else {
            leave = leave.min(room / speed);
        }
    }
    let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
    let end = if leave >= 1.0 { to } else { at(leave) };
    (enter <= leave).then(|| (if enter <= 0.0 { from } else { at(enter) }, end))
}

/// The part of a polygon in `area` (Sutherland and Hodgman, one side after the other).
pub(crate) fn polygon(points: Vec<Point>, area: Rect) -> Vec<Point> {
    let sides: [(usize, f64, f64); 4] =
        [(0, area.left, 1.0), (0, area.right, -1.0), (1, area.top, 1.0), (1, area.bottom, -1.0)];
    sides.into_iter().fold(points, |points, (axis, edge, sign)| half_plane(&points, axis, edge, sign))
}

fn half_plane(points: &[Point], axis: usize, edge: f64, sign: f64) -> Vec<Point> {
    let depth = |p: Point| sign * (if axis == 0 { p.0 } else { p.1 } - edge);
    let mut kept = Vec::with_capacity(points.len() + 4);
    for (i, &here) in points.iter().enumerate() {
        let before = points[(i + points.len() - 1) % points.len()];
        let (d0, d1) = (depth(before), depth(here));
        if (d0 < 0.0) != (d1 < 0.0) {
            let t = d0 / (d0 - d1);
            kept.push((before.0 + t * (here.0 - before.0), before.1 + t * (here.1 - before.1)));
        }
        if d1 >= 0.0 {
            kept.push(here);
        }
    }
    kept
}

/// Cuts a polyline into dashes: `pattern` holds lengths of dash, gap, dash, gap, … An empty pattern leaves it whole.
pub(crate) fn dash(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let mut dashes = Vec::new();
    let mut current = vec![points[0]];
    let (mut phase, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut walked = 0.0;
        while length - walked > left {
            walked += left;
            let share = walked / length;
            let turn = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            if phase % 2 == 0 {
                current.push(turn);
                dashes.push(std::mem::take(&mut current));
            } else {
                current = vec![turn];
            }
            phase = (phase + 1) % pattern.len();
            left = pattern[phase];
        }
        left -= length - walked;
        if phase % 2 == 0 {
            current.push(to);
        }
    }
    if current.len() > 1 {
        dashes.push(current);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn a_line_that_leaves_and_returns_is_two_lines() {
        let parts = path(&[(1.0, 5.0), (5.0, 25.0), (9.0, 5.0)], AREA);
        assert_eq!(parts, vec![vec![(1.0, 5.0), (2.0, 10.0)], vec![(8.0, 10.0), (9.0, 5.0)]]);
    }

    #[test]
    fn a_line_inside_stays_one_line() {
        let points = [(1.0, 1.0), (2.0, 3.0), (10.0, 10.0)];
        assert_eq!(path(&points, AREA), vec![points.to_vec()]);
    }

    #[test]
    fn a_polygon_around_the_area_becomes_the_area() {
        let cut = polygon(vec![(-5.0, -5.0), (15.0, -5.0), (15.0, 15.0), (-5.0, 15.0)], AREA);
        assert_eq!(cut.len(), 4);
        assert!(cut.iter().all(|&p| AREA.holds(p, 0.0)));
    }

    #[test]
    fn dashes_and_gaps_fill_the_length() {
        let dashes = dash(&[(0.0, 0.0), (4.0, 0.0), (4.0, 6.0)], &[3.0, 2.0]);
        assert_eq!(dashes, vec![vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 1.0), (4.0, 4.0)]]);
    }
}
