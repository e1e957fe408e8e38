//! [`Pattern`]: a regular expression as an option.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use miette::Diagnostic;
use regex::bytes::Regex;
use thiserror::Error;

use crate::one_line::can_match_a_line;
use crate::{Kind, OptionValue, Value, ValueError};

/// A regular expression for lines, over bytes, compiled once when it is read. One that matches only
/// texts that continue after an end of line is refused: no line has such a text.
///
/// A pattern made with [`Pattern::new`] or read from a file is known to be valid. One converted
/// from a text, as builder setters do, keeps its mistake until the options are checked, so that
/// the mistake is reported together with all others.
///
/// ```
/// use standin_config::Pattern;
///
/// let ready = Pattern::new(r"ready on (?<port>\d+)")?;
/// assert!(ready.regex()?.is_match(b"ready on 8080\n"));
/// assert!(Pattern::new("(").is_err());
/// # Ok::<(), standin_config::PatternError>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    source: Arc<str>,
    compiled: Result<Regex, PatternError>,
}

/// Why a text is not a regular expression.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[error("{pattern:?} is not a valid regular expression: {reason}")]
#[diagnostic(code(standin::config::bad_pattern))]
pub struct PatternError {
    pattern: String,
    reason: String,
    #[help]
    help: &'static str,
}

const SYNTAX: &str = "the syntax is that of the `regex` crate; write a literal `(`, `[`, `.` ... \
                      with a backslash before it";
const SEVERAL_LINES: &str = "write a pattern for one of the lines, or one for each of them";

standin_error::reportable!(PatternError);

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    ///
    /// Returns an error if `source` is not a regular expression of the `regex` crate, one too large
    /// for it, or one that no line can match.
    pub fn new(source: impl Into<String>) -> Result<Self, PatternError> {
        let pattern = Self::from(source.into());
        match &pattern.compiled {
            Ok(_) => Ok(pattern),
            Err(error) => Err(error.clone()),
        }
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Returns the compiled expression. It matches bytes, for logs are not always UTF-8.
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern was converted from a text that is not a regular expression.
    pub fn regex(&self) -> Result<&Regex, PatternError> {
        self.compiled.as_ref().map_err(Clone::clone)
    }
}

impl From<&str> for Pattern {
    fn from(source: &str) -> Self {
        let error = |reason: String, help| PatternError {
            pattern: source.to_owned(),
            reason,
            help,
        };
        let compiled = match Regex::new(source) {
            Ok(regex) if can_match_a_line(source) => Ok(regex),
            Ok(_) => {
                let reason = "it spans several lines, and is looked for in one at a time";
                Err(error(reason.to_owned(), SEVERAL_LINES))
            }
            Err(invalid) => Err(error(last_line(&invalid.to_string()), SYNTAX)),
        };
        Self {
            source: Arc::from(source),
            compiled,
        }
    }
}

impl From<String> for Pattern {
    fn from(source: String) -> Self {
        Self::from(source.as_str())
    }
}

impl From<Regex> for Pattern {
    fn from(regex: Regex) -> Self {
        Self {
            source: Arc::from(regex.as_str()),
            compiled: Ok(regex),
        }
    }
}

/// The regex crate draws the pattern with a caret over several lines and ends with the reason.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or(message).trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl OptionValue for Pattern {
    fn kind() -> Kind {
        Kind::Pattern
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let text = value
            .as_str()
            .ok_or_else(|| ValueError::wrong_type("a regular expression", value))?;
        let pattern = Self::from(text);
        pattern.check()?;
        Ok(pattern)
    }

    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }

    fn check(&self) -> Result<(), ValueError> {
        match &self.compiled {
            Ok(_) => Ok(()),
            Err(error) => {
                let found = format!("{:?}", error.pattern);
                let unfit = ValueError::new("a regular expression", found).because(&error.reason);
                Err(match error.help {
                    SEVERAL_LINES => unfit.hint(SEVERAL_LINES),
                    // What the option is for helps more.
                    _ => unfit,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_is_about_what_is_wrong() {
        let help = |pattern: &str| {
            let error = Pattern::new(pattern).unwrap_err();
            error.help().unwrap().to_string()
        };
        assert_eq!(help("("), SYNTAX);
        assert_eq!(help("a\nb"), SEVERAL_LINES);
        let error = Pattern::from("a\nb").check().unwrap_err();
        assert_eq!(error.hint_text(), Some(SEVERAL_LINES));
    }
}
