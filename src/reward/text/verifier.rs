//! Verifiers of answers.

use crate::error::{Error, Result};

/// Whether a completion is the answer, white space around both left out.
pub fn is_exact_match(completion: &str, answer: &str) -> bool {
    completion.trim() == answer.trim()
}

/// Whether the completion's final number is the answer's.
///
/// # Errors
/// An answer without a number.
pub fn is_same_number(completion: &str, answer: &str) -> Result<bool> {
    let expected = final_number(answer).ok_or_else(|| Error::parameter("answer", answer, "a text with a number"))?;
    Ok(final_number(completion).is_some_and(|n| (n - expected).abs() <= 1e-9 * expected.abs().max(1.0)))
}

/// The first number after the last `####` (the mark of GSM8K's answers), or the last number of all; commas between digits are left out.
pub fn final_number(text: &str) -> Option<f64> {
    match text.rsplit_once("####") {
        Some((_, marked)) => numbers(marked).next(),
        None => numbers(text).last(),
    }
}

/// Numbers with an optional sign, digits, commas between digits, and decimals.
fn numbers(text: &str) -> impl Iterator<Item = f64> {
    let bytes = text.as_bytes();
    let digit = move |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !digit(at) {
            at += 1;
        }
        if at == bytes.len() {
            return None;
        }
        let negative = at > 0 && bytes[at - 1] == b'-' && !(at > 1 && bytes[at - 2].is_ascii_alphanumeric());
        let mut number = String::from(if negative { "-" } else { "" });
        let mut point = false;
        while digit(at) || (digit(at + 1) && (bytes.get(at) == Some(&b',') || !point && bytes.get(at) == Some(&b'.'))) {
            point |= bytes[at] == b'.';
            if bytes[at] != b',' {
                number.push(char::from(bytes[at]));
            }
            at += 1;
        }
        Some(number.parse().unwrap_or(f64::NAN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_people_write_them() {
        let cases = [
            ("3 + 4 = 7", Some(7.0)),
            ("costs $1,250.50.", Some(1250.5)),
            ("x = -3", Some(-3.0)),
            ("a range 2-5", Some(5.0)),
            ("v1.2.3", Some(3.0)),
            ("#### 18 dollars, not 19", Some(18.0)),
            ("no number", None),
            ("", None),
            ("7.", Some(7.0)),
        ];
        for (text, number) in cases {
            assert_eq!(final_number(text), number, "{text}");
        }
        assert!(is_same_number("x", "none").is_err());
    }
}
