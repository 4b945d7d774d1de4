//! Where an axis has its ticks and what they are called.

/// A tick at a value; unlabelled ticks are minor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// The value (not its logarithm).
    pub(crate) value: f64,
    /// What stands beside it; empty for a minor tick.
    pub(crate) label: String,
}

/// Ticks of a linear axis, and the power of ten that its labels are to be multiplied by (0 for none).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LinearTicks {
    pub(crate) ticks: Vec<Tick>,
    pub(crate) exponent: i32,
}

/// The smallest step of 1, 2 or 5 times a power of ten that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|step| *step >= raw * (1.0 - 1e-9));
    step.unwrap_or(power * 10.0)
}

/// Ticks at round values within [low, high], at most `most` of them (two at least are allowed); empty when the range is empty or not finite.
pub(crate) fn linear(low: f64, high: f64, most: usize) -> LinearTicks {
    let span = high - low;
    let most = most.max(2);
    let whole = |step: f64| ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let mut step = nice_step(span / (most as f64 + 1.0));
    for _ in 0..3 {
        let (first, last) = whole(step);
        if last - first + 1.0 > most as f64 {
            step = nice_step(step * 1.1);
        }
    }
    let largest = low.abs().max(high.abs());
    let usable = span.is_finite() && span > 0.0 && step.is_finite() && step > largest * 1e-13;
    if !usable {
        return LinearTicks { ticks: Vec::new(), exponent: 0 };
    }
    let (first, last) = whole(step);
    // Plain figures from 0.0001 to 999 999; beyond, one power of ten for the whole axis.
    let shown = first.abs().max(last.abs()) * step;
    let exponent = if shown >= 1e6 || step < 0.99e-4 { power_below(shown) } else { 0 };
    let decimals = (-(power_below(step) - exponent)).clamp(0, 17) as usize;
    let unit = 10_f64.powi(exponent);
    let count = (last - first + 1.0).clamp(0.0, most as f64) as usize;
    let ticks = (0..count)
        .map(|i| {
            let value = (first + i as f64) * step;
            Tick { value, label: fixed(value / unit, decimals) }
        })
        .collect();
    LinearTicks { ticks, exponent }
}

/// The exponent of the largest power of ten not above `value`.
fn power_below(value: f64) -> i32 {
    (value.log10() + 1e-9).floor() as i32
}

/// A number with a true minus sign, no negative zero, and thin spaces between thousands from 10 000 on.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let plain = format!("{:.decimals$}", value.abs());
    let negative = value < 0.0 && plain.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let (whole, fraction) = plain.split_once('.').map_or((plain.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::from(if negative { "−" } else { "" });
    for (i, digit) in whole.chars().enumerate() {
        if whole.len() > 4 && i > 0 && (whole.len() - i) % 3 == 0 {
            out.push('\u{2009}');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A number to about `digits` significant figures, for printing on its own.
pub(crate) fn short(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return String::from("–");
    }
    if value == 0.0 {
        return String::from("0");
    }
    let power = value.abs().log10().floor() as i32;
    if (-3..6).contains(&power) {
        return fixed(value, (digits.min(9).cast_signed() as i32 - 1 - power).clamp(0, 9) as usize);
    }
    let mantissa = value / 10_f64.powi(power);
    format!("{}{}", times(&fixed(mantissa, digits.saturating_sub(2))), superscript(power))
}

/// Finite values printed side by side: with the same decimals, two figures or three of the largest value, unless they span so much
/// that this would hide many of them; then each with two figures of its own.
pub(crate) fn alike(values: &[f64]) -> Vec<String> {
    let largest = values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    if largest > 0.0 {
        let power = power_below(largest);
        let decimals = if power < 0 { 1 - power } else { (2 - power).max(0) };
        let hidden = values.iter().filter(|v| **v != 0.0 && v.abs() < 0.5 * 10_f64.powi(-decimals)).count();
        if largest < 1e6 && decimals <= 5 && hidden * 3 <= values.len() {
            return values.iter().map(|v| fixed(*v, decimals as usize)).collect();
        }
    }
    values.iter().map(|v| short(*v, 2)).collect()
}

fn times(mantissa: &str) -> String {
    if mantissa == "1" { String::from("10") } else { format!("{mantissa}·10") }
}

/// An exponent in superscript figures.
pub(crate) fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        })
        .collect()
}

/// Ticks of a logarithmic axis from 10^`low` to 10^`high`, with at most `most` labels.
///
/// Two powers of ten or more in view: labels at powers of ten (every k-th if there are many), minor ticks at 2 to 9
/// times each. Fewer: labels at 1, 2, 5 times a power of ten, or at round values.
pub(crate) fn log(low: f64, high: f64, most: usize) -> Vec<Tick> {
    if !(low.is_finite() && high.is_finite() && high > low) {
        return Vec::new();
    }
    let most = most.max(2);
    let (first, last) = ((low - 1e-9).ceil() as i32, (high + 1e-9).floor() as i32);
    if last <= first {
        return narrow(low, high, most);
    }
    let powers = (last - first) as usize + 1;
    let stride = [1, 2, 3, 5, 10, 20, 50].into_iter().find(|stride| powers.div_ceil(*stride) <= most).unwrap_or(100);
    let stride = i32::try_from(stride).unwrap_or(100);
    let plain = first >= -3 && last <= 4;
    let mut ticks = Vec::new();
    for power in first - 1..=last {
        let labelled = power.rem_euclid(stride) == 0;
        if !labelled && stride > 10 {
            continue;
        }
        let label = match (labelled, plain) {
            (false, _) => String::new(),
            (true, true) => fixed(10_f64.powi(power), (-power).max(0) as usize),
            (true, false) => format!("10{}", superscript(power)),
        };
        if power >= first {
            ticks.push(Tick { value: 10_f64.powi(power), label });
        }
        if stride == 1 {
            ticks.extend((2..=9).map(|m| Tick { value: f64::from(m) * 10_f64.powi(power), label: String::new() }));
        }
    }
    ticks.retain(|tick| tick.value > 0.0 && within(tick.value, low, high));
    ticks
}

fn within(value: f64, low: f64, high: f64) -> bool {
    let log = value.log10();
    log >= low - 1e-9 && log <= high + 1e-9
}

/// Less than two powers of ten in view.
fn narrow(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let powers = low.floor() as i32..=high.ceil() as i32;
    for multiples in [&[1.0, 2.0, 5.0][..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]] {
        let values: Vec<f64> = powers
            .clone()
            .flat_map(|power| multiples.iter().map(move |m| m * 10_f64.powi(power)))
            .filter(|value| *value > 0.0 && within(*value, low, high))
            .collect();
        // on a log axis neighbours are not evenly spaced: 0.9 and 1 may meet where 1, 2 and 3 do not
        let crowded = values.windows(2).any(|v| (v[1] / v[0]).log10() * (most as f64) < 0.6 * (high - low));
        if values.len() >= 3 && values.len() <= most && !crowded {
            return values.into_iter().map(|value| Tick { value, label: short(value, 1) }).collect();
        }
    }
    let (bottom, top) = (10_f64.powf(low), 10_f64.powf(high));
    let round = linear(bottom, top, most);
    let suffix = if round.exponent == 0 { String::new() } else { format!("·10{}", superscript(round.exponent)) };
    let mut ticks = round.ticks;
    for tick in &mut ticks {
        tick.label.push_str(&suffix);
    }
    ticks.retain(|tick| tick.value > 0.0);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn steps_are_one_two_or_five() {
        for (raw, step) in [(0.2, 0.2), (0.11, 0.2), (1.4, 2.0), (4.8e4, 5e4), (0.6, 1.0), (7.5e-8, 1e-7)] {
            assert!((nice_step(raw) / step - 1.0).abs() < 1e-12, "{raw}: {}", nice_step(raw));
        }
    }

    #[test]
    fn linear_ticks_stay_within_the_range_and_the_count() {
        for (low, high) in [(-1.0, 1.0), (0.03, 0.97), (-1e-9, 2e-9), (1e8, 1.3e8), (-5e299, 5e299), (99.97, 100.02)] {
            for most in 2..12 {
                let found = linear(low, high, most).ticks;
                let slack = (high - low) * 1e-6;
                assert!(found.iter().all(|t| t.value >= low - slack && t.value <= high + slack), "{low}..{high}");
                assert!(found.len() <= most, "{low}..{high}: {} for {most}", found.len());
                assert!(found.len() > 1 || most < 4, "{low}..{high}: {} for {most}", found.len());
                assert!(found.windows(2).all(|pair| pair[0].label != pair[1].label), "{found:?}");
            }
        }
    }

    #[test]
    fn linear_labels() {
        assert_eq!(labels(&linear(-0.52, 1.04, 4).ticks), ["−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&linear(0.0, 31_000.0, 4).ticks), ["0", "10\u{2009}000", "20\u{2009}000", "30\u{2009}000"]);
        let small = linear(0.0, 3e-6, 4);
        assert_eq!((labels(&small.ticks), small.exponent), (vec!["0", "1", "2", "3"], -6));
        let large = linear(0.0, 2.1e7, 5);
        assert_eq!((labels(&large.ticks), large.exponent), (vec!["0.0", "0.5", "1.0", "1.5", "2.0"], 7));
    }

    #[test]
    fn no_linear_ticks_where_there_is_no_range() {
        for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (1.0, 1.0 + 1e-15)] {
            assert!(linear(low, high, 5).ticks.is_empty(), "{low}..{high}");
        }
    }

    #[test]
    fn powers_of_ten_are_labelled_and_the_rest_is_minor() {
        let ticks = log(-6.2, -2.9, 10);
        assert_eq!(labels(&ticks), ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³"]);
        assert_eq!(ticks.iter().filter(|t| t.label.is_empty()).count(), 3 + 3 * 8);
        assert_eq!(labels(&log(-2.0, 2.0, 10)), ["0.01", "0.1", "1", "10", "100"]);
    }

    #[test]
    fn many_powers_are_thinned_to_a_round_stride() {
        assert_eq!(labels(&log(-12.0, 0.0, 5)), ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"]);
        let extreme = log(-323.0, 308.0, 6);
        assert!(labels(&extreme).len() <= 7 && extreme.iter().all(|t| t.value > 0.0), "{extreme:?}");
    }

    #[test]
    fn less_than_two_powers_get_labels_between() {
        assert_eq!(labels(&log(-1.4, -0.1, 6)), ["0.05", "0.1", "0.2", "0.5"]);
        assert!(!labels(&log(0.84_f64.log10(), 3.88_f64.log10(), 5)).contains(&"0.9"), "it would meet 1");
        assert_eq!(labels(&log(0.31_f64.log10(), 0.74_f64.log10(), 6)), ["0.4", "0.5", "0.6", "0.7"]);
        assert_eq!(labels(&log(1234.0_f64.log10(), 1238.0_f64.log10(), 5)), ["1234", "1235", "1236", "1237", "1238"]);
    }

    #[test]
    fn numbers_on_their_own() {
        for (value, text) in
            [(0.0, "0"), (0.123, "0.12"), (-4.56, "−4.6"), (1234.0, "1234"), (1e-7, "10⁻⁷"), (2.4e9, "2·10⁹")]
        {
            assert_eq!(short(value, 2), text);
        }
        assert_eq!(short(f64::NAN, 2), "–");
        assert_eq!(fixed(-0.001, 2), "0.00");
    }

    #[test]
    fn numbers_side_by_side_share_their_decimals() {
        assert_eq!(alike(&[0.861, -0.093, 0.0]), ["0.86", "−0.09", "0.00"]);
        assert_eq!(alike(&[12.34, 0.5]), ["12.3", "0.5"]);
        assert_eq!(alike(&[1.0, 1e-4, 1e-5]), ["1.0", "10⁻⁴", "10⁻⁵"]);
    }
}
