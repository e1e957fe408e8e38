//! What is wrong with a value: it is not what was expected ([`ValueError`]), or breaks a rule
//! ([`BrokenRule`]).

use std::fmt;
use std::ops::Range;

use standin_error::text::Shortened;

use crate::Value;
use crate::misfit::Misfit;
use crate::step::{Step, Within};

/// Why a value is not one of the wanted kind: what was expected, what was found, and where within
/// the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    expected: String,
    found: String,
    reason: Option<String>,
    hint: Option<String>,
    path: Vec<Step>,
    /// The mistake is in the last key of the path, not in the value under it.
    in_key: bool,
    nature: Nature,
    /// The bytes of the text that it is about, if it is a text and not all are.
    within: Option<Range<usize>>,
}

/// The kind of mistake, for code that reports it of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Type,
    Template,
    Rule,
    Misfit,
}

impl ValueError {
    /// Creates an error for a value that is not `expected` but `found`.
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            reason: None,
            hint: None,
            path: Vec::new(),
            in_key: false,
            nature: Nature::Type,
            within: None,
        }
    }

    /// An error for a value of the wrong type.
    pub(crate) fn wrong_type(expected: impl Into<String>, value: &Value) -> Self {
        Self::new(expected, value.to_string())
    }

    /// Adds the reason why the value does not fit.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// Places it at the item at `index` of the list, counted from 0.
    #[must_use]
    pub fn at_index(mut self, index: usize) -> Self {
        self.path.insert(0, Step::Index(index));
        self
    }

    /// Places it at the end of `path`.
    pub(crate) fn at(mut self, path: &[Step]) -> Self {
        self.path.splice(..0, path.iter().cloned());
        self
    }

    /// Places it at the value under `key` of the table.
    #[must_use]
    pub fn at_key(mut self, key: &str) -> Self {
        self.path.insert(0, Step::Key(key.to_owned()));
        self
    }

    /// As [`ValueError::at_key`], when the key itself is what is wrong.
    #[must_use]
    pub fn in_key(mut self, key: &str) -> Self {
        self.path.insert(0, Step::Key(key.to_owned()));
        self.in_key = true;
        self
    }

    /// Returns what was expected.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// Returns what was found instead.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Returns the reason why it does not fit.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns where in the value it is.
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// Returns whether the last key of the path is what is wrong, and not the value under it.
    pub fn is_in_key(&self) -> bool {
        self.in_key
    }

    pub(crate) fn is_template(&self) -> bool {
        self.nature == Nature::Template
    }

    /// The broken rule that it is, if it is one.
    pub(crate) fn as_broken(&self) -> Option<BrokenRule> {
        (self.nature == Nature::Rule).then(|| BrokenRule {
            found: self.found.clone(),
            rule: self.reason.clone().unwrap_or_default(),
            path: self.path.clone(),
            in_key: self.in_key,
        })
    }

    /// Creates an error that says all of it by `message`: neither what was expected nor what was
    /// found.
    pub fn saying(message: impl Into<String>) -> Self {
        Self {
            nature: Nature::Misfit,
            ..Self::new("", "").because(message)
        }
    }

    /// Sets the bytes of the text that it is about, if it is a text and not all are.
    #[must_use]
    pub fn within(mut self, bytes: Range<usize>) -> Self {
        self.within = Some(bytes);
        self
    }

    /// Options of a table that do not fit together, as an error of the table.
    pub(crate) fn of_misfit(misfit: &Misfit) -> Self {
        let error = Self {
            within: misfit.bytes(),
            ..Self::saying(misfit.message()).at(misfit.path())
        };
        match misfit.option() {
            "" => error,
            option => error.at_key(option),
        }
    }

    /// The same as a misfit of the option `option` that holds the table, if it is one.
    pub(crate) fn as_misfit(&self, option: &str) -> Option<Misfit> {
        let is_misfit = self.nature == Nature::Misfit;
        is_misfit.then(|| {
            let message = self.reason.as_deref().unwrap_or_default();
            let misfit = Misfit::new(option, message).at(self.path.iter().cloned());
            match &self.within {
                Some(bytes) => misfit.within(bytes.clone()),
                None => misfit,
            }
        })
    }

    pub(crate) fn bad_template(mut self) -> Self {
        self.nature = Nature::Template;
        self
    }

    pub(crate) fn or_expected(mut self, other: &str) -> Self {
        if self.path.is_empty() && self.reason.is_none() {
            self.expected = format!("{} or {other}", self.expected);
        }
        self
    }

    pub(crate) fn expecting(mut self, kind: &dyn fmt::Display) -> Self {
        if self.path.is_empty() && self.reason.is_none() {
            self.expected = kind.to_string();
        }
        self
    }

    pub(crate) fn place(&self) -> Within<'_> {
        Within::new(&self.path, self.in_key)
    }

    /// Whether it says more of where the mistake is, or of what to do.
    pub(crate) fn is_more_exact_than(&self, other: &ValueError) -> bool {
        let exactness = |error: &Self| (error.path.len(), error.hint.is_some());
        exactness(self) > exactness(other)
    }

    /// What is wrong, without the place within the value.
    pub(crate) fn statement(&self) -> String {
        if self.in_key {
            let reason = self.reason.as_deref().unwrap_or("not known here");
            return reason.to_owned();
        }
        if let (Nature::Misfit, Some(reason)) = (self.nature, &self.reason) {
            return reason.clone();
        }
        let found = Shortened(&self.found);
        match &self.reason {
            Some(reason) => format!("{found} is not {}: {reason}", self.expected),
            None => format!("{found} is not {}", self.expected),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Within::new(&self.path, self.in_key).to_string();
        if !path.is_empty() {
            write!(f, "{:?}: ", path.strip_prefix('.').unwrap_or(&path))?;
        }
        f.write_str(&self.statement())
    }
}

impl std::error::Error for ValueError {}

/// A constraint that a value, or a part of it, breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    found: String,
    rule: String,
    path: Vec<Step>,
    in_key: bool,
}

impl BrokenRule {
    pub(crate) fn new(found: String, rule: String) -> Self {
        Self {
            found,
            rule,
            path: Vec::new(),
            in_key: false,
        }
    }

    pub(crate) fn at(mut self, step: Step) -> Self {
        self.path.insert(0, step);
        self
    }

    pub(crate) fn in_key(mut self, key: &str) -> Self {
        self.in_key = true;
        self.at(Step::Key(key.to_owned()))
    }

    pub(crate) fn within(&self) -> Within<'_> {
        Within::new(&self.path, self.in_key)
    }

    /// The same as an error of the value that it is in.
    pub(crate) fn into_value_error(self) -> ValueError {
        ValueError {
            path: self.path,
            in_key: self.in_key,
            nature: Nature::Rule,
            ..ValueError::new("allowed", self.found).because(self.rule)
        }
    }

    /// Returns the value that breaks it, in its written form.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// Returns the constraint in words that follow "but": "it must be from 1 to 10".
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Returns where in the value it is.
    pub fn path(&self) -> &[Step] {
        &self.path
    }

    /// Returns whether the last key of the path is what is wrong, and not the value under it.
    pub fn is_in_key(&self) -> bool {
        self.in_key
    }
}

/// What the value is and the rule that it breaks, to follow the option's name.
impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.in_key { "has the key" } else { "is" };
        write!(f, "{verb} {}, but {}", Shortened(&self.found), self.rule)
    }
}
