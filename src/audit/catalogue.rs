//! What a trainer logs, as data: keys, what they are under which options, and the options with their defaults.

/// A trainer's package: what was read of it, and what was found.
#[derive(Debug)]
pub struct Catalogue {
    /// The package's name.
    pub name: &'static str,
    /// The version whose source was read.
    pub version: &'static str,
    /// The files that were read, within the package.
    pub files: &'static [&'static str],
    /// What it can train with.
    pub trainers: &'static [Trainer],
    /// Options that a meaning or a warning depends on.
    pub settings: &'static [Setting],
    /// What holds of all numbers of a line.
    pub line: &'static str,
    /// Logged keys, part after part.
    pub metrics: &'static [&'static [Metric]],
}

impl Catalogue {
    /// All keys.
    pub fn metrics(&self) -> impl Iterator<Item = &'static Metric> {
        self.metrics.iter().flat_map(|part| part.iter())
    }

    /// What stands for a key, where any of `trainers` logs it.
    pub fn find(&self, key: &str, trainers: &[&str]) -> Vec<&'static Metric> {
        let logs = |m: &&Metric| trainers.iter().any(|t| m.is_of(t));
        let exact: Vec<_> = self.metrics().filter(|m| m.key == key).filter(logs).collect();
        if !exact.is_empty() {
            return exact;
        }
        // of several patterns the longest says most
        let mut found: Vec<_> = self.metrics().filter(|m| matches(m.key, key)).filter(logs).collect();
        let longest = found.iter().map(|m| m.key.len()).max();
        found.retain(|m| Some(m.key.len()) == longest);
        found
    }
}

/// One of a package's trainers.
#[derive(Debug)]
pub struct Trainer {
    /// Its name, as the option `trainer` takes it.
    pub name: &'static str,
    /// Keys that stand in all of its logs.
    pub always: &'static [&'static str],
}

/// A logged key.
#[derive(Debug)]
pub struct Metric {
    /// The key; `*` stands for any text.
    pub key: &'static str,
    /// Who logs it; all if empty.
    pub trainers: &'static [&'static str],
    /// What it is: the first whose conditions hold.
    pub readings: &'static [Reading],
    /// What it is a mean or a sum over: the first whose conditions hold.
    pub over: &'static [Over],
}

impl Metric {
    /// Whether a trainer logs it.
    pub fn is_of(&self, trainer: &str) -> bool {
        self.trainers.is_empty() || self.trainers.contains(&trainer)
    }
}

/// What a number is, if the conditions hold.
#[derive(Debug)]
pub struct Reading {
    /// All must hold.
    pub when: &'static [When],
    /// The theory's name for it.
    pub theory: Theory,
    /// What to mind.
    pub caveat: &'static str,
    /// What the warnings read it as.
    pub role: Role,
}

/// What a number is a mean or sum over, if the conditions hold.
#[derive(Debug)]
pub struct Over {
    /// All must hold.
    pub when: &'static [When],
    /// In words.
    pub text: &'static str,
    /// Of a token, or of a sequence.
    pub per: Per,
}

/// What one logged number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A mean over tokens: times the mean length it is a sequence's.
    Token,
    /// A sum over the tokens of a sequence.
    Sequence,
    /// Neither.
    Other,
}

/// How a number stands to theory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theory {
    /// It is this quantity, of the batch's samples.
    Is(&'static str),
    /// It is an estimate of it, with an error of its own.
    Estimates(&'static str),
    /// It is none: what it is instead.
    Not(&'static str),
}

/// A condition on an option.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// The option.
    pub setting: &'static str,
    /// What is asked of it.
    pub test: Test,
}

/// What a condition asks.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// One of these words.
    Is(&'static [&'static str]),
    /// None of these words.
    Not(&'static [&'static str]),
    /// The number 0.
    Zero,
    /// Another number.
    NonZero,
}

/// An option that something depends on.
#[derive(Debug)]
pub struct Setting {
    /// As the trainer names it.
    pub key: &'static str,
    /// As earlier versions or short forms name it.
    pub aliases: &'static [&'static str],
    /// Who takes it; all if empty.
    pub trainers: &'static [&'static str],
    /// What it may be.
    pub kind: Kind,
    /// The trainer's default in this version.
    pub default: Option<&'static str>,
}

/// What an option's value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One of these words, each with what else is written for it.
    Word(&'static [(&'static str, &'static [&'static str])]),
    /// Some of these words.
    Words(&'static [&'static str]),
    /// A number.
    Number,
    /// A whole number, at least 1.
    Count,
    /// True or false.
    Flag,
}

/// Which estimate of a KL, of one sampled token with log-ratio d = log π − log `π_ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// d: unbiased, negative now and then.
    K1,
    /// d²/2: biased, never negative.
    K2,
    /// e^−d − 1 + d: unbiased, never negative.
    K3,
    /// |d|: no estimate of the KL, never negative.
    Abs,
}

impl Estimator {
    /// Its name in this crate.
    pub fn name(self) -> &'static str {
        match self {
            Self::K1 => "k1",
            Self::K2 => "k2",
            Self::K3 => "k3",
            Self::Abs => "|log-ratio|",
        }
    }
}

/// What the warnings read a number as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    None,
    /// The mean reward that is trained on, before penalties.
    Reward,
    /// The reward, or a measure of success, of prompts that are not trained on.
    HeldOut,
    /// The std of a batch's rewards, prompts mixed.
    BatchStd,
    /// The mean over prompts of the std within each.
    WithinStd,
    /// The share of dead groups.
    DeadShare,
    /// What is called so and is not.
    DeadShareHidden,
    /// An estimate of the KL to the reference.
    Kl(Estimator),
    /// k1 of the policy that sampled and the one that is trained: its step.
    Moved,
    /// The loss.
    Loss,
    /// log π(chosen), summed over tokens.
    ChosenLogProb,
    /// log π(rejected), summed over tokens.
    RejectedLogProb,
    /// β · log-ratio of the chosen.
    ChosenReward,
    /// β · log-ratio of the rejected.
    RejectedReward,
    /// Their difference.
    Margin,
    /// The largest or the smallest advantage.
    Advantage,
    /// Mean tokens of a completion.
    Length,
}

/// Whether a key is what a pattern with `*` stands for.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| key.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        if i + 1 == parts.len() {
            return rest.len() > part.len() && rest.ends_with(part);
        }
        match rest.get(1..).and_then(|r| r.find(part).map(|at| &r[at + part.len()..])) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// A number that theory has no name for.
pub(super) const fn aside(key: &'static str, what: &'static [Reading]) -> Metric {
    Metric { key, trainers: &[], readings: what, over: &[] }
}

/// The one reading of a number that theory has no name for.
pub(super) const fn not(what: &'static str) -> Reading {
    Reading { when: &[], theory: Theory::Not(what), caveat: "", role: Role::None }
}

/// A reading under no condition.
pub(super) const fn always(theory: Theory, role: Role, caveat: &'static str) -> Reading {
    Reading { when: &[], theory, caveat, role }
}

/// What a number is over, under no condition.
pub(super) const fn over(per: Per, text: &'static str) -> Over {
    Over { when: &[], text, per }
}

/// An option is one of these words.
pub(super) const fn is(setting: &'static str, words: &'static [&'static str]) -> When {
    When { setting, test: Test::Is(words) }
}

/// An option is none of these words.
pub(super) const fn is_not(setting: &'static str, words: &'static [&'static str]) -> When {
    When { setting, test: Test::Not(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_some_text() {
        for (pattern, key, expected) in [
            ("kl", "kl", true),
            ("kl", "kl2", false),
            ("rewards/*/mean", "rewards/f/mean", true),
            ("rewards/*/mean", "rewards//mean", false),
            ("rewards/*/mean", "rewards/f/std", false),
            ("val-core/*@*", "val-core/x/acc/mean@8", true),
            ("timing_s/*", "timing_s/", false),
            ("eval_*_pass*", "eval_math_pass1", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern} {key}");
        }
    }
}
