//! Before and after the transition.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean_interval, paired_difference};

const PAPER: &str = "arXiv:2410.04638";

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let of = |features: &'static str, n: usize| rows.iter().filter(move |r| r.features == features && r.labelled == n);
    let sizes = || rows.iter().filter(|r| r.features == "strong").map(|r| r.labelled);
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    // ends of the range of u that the largest n has
    let exponents = || of("strong", most).map(|r| r.exponent);
    let (first, last) = (exponents().fold(f64::INFINITY, f64::min), exponents().fold(0.0, f64::max));
    let at = |g: &[&Record<Row>], u: f64| g.iter().find(|r| r.exponent == u).map_or(f64::NAN, |r| r.student);
    let student = |features, n, u| by_seed(of(features, n), |g| at(g, u));
    let rise = |n| by_seed(of("strong", n), |g| at(g, last) - at(g, first));
    let small = |features: &'static str, value: fn(&Row) -> f64| {
        by_seed(rows.iter().filter(move |r| r.features == features), |g| value(&g[0].row))
    };
    let teacher = |features, n| by_seed(of(features, n), |g| g[0].teacher);
    vec![
        Check::new(
            Kind::Claim,
            "teacher_guesses",
            "the teacher is little better than a guess",
            PAPER,
            format!("the teacher's accuracy at n = {most}"),
            mean_interval(&teacher("strong", most)),
            Criterion::Within(0.5, 0.58),
        ),
        Check::new(
            Kind::Claim,
            "student_right",
            "with enough of its labels the student is right",
            PAPER,
            format!("the student's accuracy at n = {most}, u = {last}"),
            mean_interval(&student("strong", most, last)),
            Criterion::AtLeast(0.8),
        ),
        Check::new(
            Kind::Claim,
            "student_guesses",
            "with too few the student is near a guess",
            PAPER,
            format!("the student's accuracy at n = {most}, u = {first}"),
            mean_interval(&student("strong", most, first)),
            Criterion::AtMost(0.65),
        ),
        Check::new(
            Kind::Claim,
            "sharper",
            "the transition is sharper for larger n",
            PAPER,
            format!("rise of the student's accuracy from u = {first} to {last}: at n = {most} less at n = {least}"),
            paired_difference(&rise(most), &rise(least)),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "same_features",
            "a student with its teacher's own features is no better than the teacher",
            "control",
            format!("student's accuracy less the teacher's at n = {most}, u = {last}"),
            paired_difference(&student("same", most, last), &teacher("same", most)),
            Criterion::AtMost(0.02),
        ),
        Check::new(
            Kind::Control,
            "reduction_of_teachers",
            "kernels alone give the same teachers as all features",
            "control",
            "mean accuracy of teachers, direct less reduced",
            paired_difference(&small("direct", |r| r.teacher), &small("reduced", |r| r.teacher)),
            Criterion::Within(-0.02, 0.02),
        ),
        Check::new(
            Kind::Control,
            "reduction_of_students",
            "kernels alone give the same students as all features",
            "control",
            "mean accuracy of students, direct less reduced",
            paired_difference(&small("direct", |r| r.student), &small("reduced", |r| r.student)),
            Criterion::Within(-0.02, 0.02),
        ),
    ]
}
