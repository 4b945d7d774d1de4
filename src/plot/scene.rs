//! The drawing as a list of marks in page units, before any pixel exists: what the tests look at.
//!
//! A page unit is one pixel of the PNG; x grows to the right, y downwards.

use super::palette::Color;

/// A place on the page.
pub(crate) type Point = (f64, f64);

/// An upright rectangle: `left <= right`, `top <= bottom`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Rect {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Whether the point lies in the rectangle widened by `slack` on each side.
    pub(crate) fn holds(&self, (x, y): Point, slack: f64) -> bool {
        x >= self.left - slack && x <= self.right + slack && y >= self.top - slack && y <= self.bottom + slack
    }
}

/// Which end of a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// A run of text on one line. `at` is its horizontal anchor at half the height of a lower-case x.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) at: Point,
    pub(crate) content: String,
    /// The em size.
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) align: Align,
    /// Read from bottom to top (vertical axis labels).
    pub(crate) upwards: bool,
    pub(crate) color: Color,
}

/// One thing to draw.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// An open polyline with round joins; opaque.
    Path { points: Vec<Point>, width: f64, color: Color },
    /// A filled polygon.
    Polygon { points: Vec<Point>, color: Color },
    /// A filled rectangle.
    Block { area: Rect, color: Color },
    /// A filled disc.
    Disc { center: Point, radius: f64, color: Color },
    /// Text.
    Text(Text),
}

/// A page and everything on it, back to front.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
}

impl Scene {
    /// A straight line.
    pub(crate) fn line(&mut self, from: Point, to: Point, width: f64, color: Color) {
        self.marks.push(Mark::Path { points: vec![from, to], width, color });
    }

    /// An open polyline; nothing if it has fewer than two points.
    pub(crate) fn path(&mut self, points: Vec<Point>, width: f64, color: Color) {
        if points.len() > 1 {
            self.marks.push(Mark::Path { points, width, color });
        }
    }

    /// A filled polygon; nothing if it has fewer than three points.
    pub(crate) fn polygon(&mut self, points: Vec<Point>, color: Color) {
        if points.len() > 2 {
            self.marks.push(Mark::Polygon { points, color });
        }
    }

    /// A filled rectangle.
    pub(crate) fn block(&mut self, area: Rect, color: Color) {
        self.marks.push(Mark::Block { area, color });
    }

    /// A filled disc.
    pub(crate) fn disc(&mut self, center: Point, radius: f64, color: Color) {
        self.marks.push(Mark::Disc { center, radius, color });
    }

    /// A line of text; nothing if it is empty.
    pub(crate) fn text(&mut self, text: Text) {
        if !text.content.trim().is_empty() {
            self.marks.push(Mark::Text(text));
        }
    }
}
