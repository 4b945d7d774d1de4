//! What can go wrong, typed. Every message is one line that names the place, the value and what was expected.

use std::path::{Path, PathBuf};

/// The result of everything in the library that input can make fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with enough in it to be mended by the reader of its one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file was read, but its content is not what it should be.
    #[error("{path}, {place}: {message}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, byte offset, row or key.
        place: String,
        /// What is wrong there, with the value.
        message: String,
    },
    /// A parameter outside its legal range.
    #[error("parameter {name} = {value}: must be {legal}")]
    Parameter {
        /// The parameter's dotted name.
        name: String,
        /// The value that was given.
        value: String,
        /// The legal range, in words.
        legal: String,
    },
    /// A name that does not exist, with the nearest that does.
    #[error("unknown {kind} `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// What kind of name: experiment, parameter, …
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The nearest existing name, if any is near.
        nearest: Option<String>,
    },
    /// Two things whose sizes must agree do not.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which array or table.
        what: &'static str,
        /// The expected size.
        expected: usize,
        /// The actual size.
        got: usize,
    },
    /// A quantity that must be finite is not.
    #[error("{what} is {value}: it must be finite")]
    NotFinite {
        /// Which quantity, and where.
        what: String,
        /// The offending value.
        value: f64,
    },
    /// A numerical method gave up.
    #[error("{0}")]
    Numeric(String),
    /// A device, or the library that drives it, failed: out of memory, no driver.
    #[error("device: {0}")]
    Device(String),
    /// A request that cannot be met as asked; the message says what to do instead.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// A parameter's error, told from outside: its name under the name of what holds it. Other errors stay as they are.
    #[must_use]
    pub fn within(self, holder: &str) -> Self {
        match self {
            Self::Parameter { name, value, legal } => {
                Self::Parameter { name: format!("{holder}.{name}"), value, legal }
            }
            other => other,
        }
    }

    /// Wraps an I/O error with the path that it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// A file whose content is wrong at `place`.
    pub fn content(path: impl AsRef<Path>, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Content { path: path.as_ref().to_path_buf(), place: place.into(), message: message.into() }
    }

    /// A parameter outside its legal range.
    pub fn parameter<V: ToString>(name: impl Into<String>, value: V, legal: impl Into<String>) -> Self {
        Self::Parameter { name: name.into(), value: value.to_string(), legal: legal.into() }
    }

    /// An unknown name; the nearest of `known` is suggested when it is near enough.
    pub fn unknown<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        // the one knows beginnings, the other letters that changed places
        let scores = |k: &str| [strsim::jaro_winkler(name, k), strsim::normalized_damerau_levenshtein(name, k)];
        let nearest = known
            .into_iter()
            .map(|k| (scores(k), k))
            .filter(|(scores, _)| scores.iter().any(|s| *s > 0.6))
            .max_by(|a, b| (a.0[0] + a.0[1]).total_cmp(&(b.0[0] + b.0[1])))
            .map(|(_, k)| k.to_owned());
        Self::Unknown { kind, name: name.to_owned(), nearest }
    }

    /// Whether the same inputs fail in the same way again: numbers that are not finite, a method that gave up. Other errors
    /// (a full disk, a file) may be mended from outside.
    pub fn is_numerical(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Numeric(_))
    }

    /// Fails unless the two sizes agree.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn check_shape(what: &'static str, expected: usize, got: usize) -> Result<()> {
        if expected == got { Ok(()) } else { Err(Self::Shape { what, expected, got }) }
    }

    /// Fails on the first count outside its range, ends included.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check_counts(counts: &[(&str, usize, usize, usize)]) -> Result<()> {
        match counts.iter().find(|(_, value, least, most)| value < least || value > most) {
            None => Ok(()),
            Some((name, value, least, usize::MAX)) => Err(Self::parameter(*name, value, format!("at least {least}"))),
            Some((name, value, least, most)) => Err(Self::parameter(*name, value, format!("{least} to {most}"))),
        }
    }

    /// Fails on the first number that is not positive and finite.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check_positive(numbers: &[(&str, f64)]) -> Result<()> {
        match numbers.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            None => Ok(()),
            Some((name, value)) => Err(Self::parameter(*name, value, "positive")),
        }
    }

    /// Fails on the first number that is negative or not finite.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check_not_negative(numbers: &[(&str, f64)]) -> Result<()> {
        match numbers.iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite())) {
            None => Ok(()),
            Some((name, value)) => Err(Self::parameter(*name, value, "at least 0")),
        }
    }

    /// Fails on the first value that is NaN or infinite.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn check_finite(what: &str, values: &[f64]) -> Result<()> {
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(i) => Err(Self::NotFinite { what: format!("{what}[{i}]"), value: values[i] }),
        }
    }
}
