//! Which frames a rule, or a step of a dialogue, is about.

use std::fmt;
use std::sync::Arc;

use crate::Times;

/// Which frames are meant: made by [`equals`], [`prefix`], [`pattern`], [`predicate`] or
/// [`anything`]. A text or bytes mean frames that equal them.
///
/// The payload of the frame is compared, for lines without the line end.
#[derive(Clone, Debug)]
#[must_use]
pub struct When {
    pub(crate) condition: Condition,
    pub(crate) times: Option<Times>,
    pub(crate) state: Option<InState>,
    pub(crate) name: Option<Arc<str>>,
}

/// In which states of a connection a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InState {
    Named(Arc<str>),
    Any,
}

/// The expected value of a frame.
#[derive(Clone)]
pub(crate) enum Condition {
    Anything,
    Equals(Arc<[u8]>),
    Prefix(Arc<[u8]>),
    Pattern(Arc<str>),
    Predicate(Arc<str>, Predicate),
}

pub(crate) type Predicate = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Frames that are these bytes, a text or others.
pub fn equals(bytes: impl AsRef<[u8]>) -> When {
    When::new(Condition::Equals(bytes.as_ref().into()))
}

/// Frames that begin with these bytes, a text or others.
pub fn prefix(bytes: impl AsRef<[u8]>) -> When {
    When::new(Condition::Prefix(bytes.as_ref().into()))
}

/// Frames that match a regular expression, in the syntax of the crate
/// [`regex`](https://docs.rs/regex/latest/regex/#syntax): anywhere in the frame, unless the
/// expression is anchored, as `^PAY (?<amount>\d+)$` is. The reply can use the captures of named
/// groups.
///
/// Frames are bytes: to match some that are not UTF-8, switch that off, as in `(?-u:\xff)`.
///
/// An expression that does not parse is a mistake that [`Replies::check`](crate::Replies::check)
/// reports.
pub fn pattern(expression: impl AsRef<str>) -> When {
    When::new(Condition::Pattern(expression.as_ref().into()))
}

/// Frames for which a closure returns true. The description is shown where an error lists the
/// rules: "has a valid checksum".
pub fn predicate(
    description: impl AsRef<str>,
    test: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
) -> When {
    When::new(Condition::Predicate(
        description.as_ref().into(),
        Arc::new(test),
    ))
}

/// Matches all frames.
pub fn anything() -> When {
    When::new(Condition::Anything)
}

impl When {
    fn new(condition: Condition) -> When {
        When {
            condition,
            times: None,
            state: None,
            name: None,
        }
    }

    /// Sets how often such frames must and may come, over all connections. Default: any number of
    /// times.
    ///
    /// A rule that has matched as often as it may is passed over, and the next that matches
    /// applies: two rules for the same frame answer first this, then that. One that has matched
    /// less often than it must is reported at the end.
    ///
    /// ```
    /// use standin_reply::{Replies, equals};
    /// use standin_socket::framing::Lines;
    ///
    /// Replies::framed(Lines::new())
    ///     .on(equals("READY?").times(..=1), "not yet\n")
    ///     .on(equals("READY?").times(1..), "yes\n")
    ///     .check(&[])?;
    /// # Ok::<(), standin_reply::ScriptError>(())
    /// ```
    pub fn times(mut self, times: impl Into<Times>) -> When {
        self.times = Some(times.into());
        self
    }

    /// Applies only on connections that are in this state: an answer before has had them
    /// [`enter`](crate::Answer::enter) it. Without this, a rule applies on connections that
    /// are in no state.
    pub fn in_state(mut self, state: impl AsRef<str>) -> When {
        self.state = Some(InState::Named(state.as_ref().into()));
        self
    }

    /// Applies on connections in any state, and in none.
    pub fn in_any_state(mut self) -> When {
        self.state = Some(InState::Any);
        self
    }

    /// Sets the name of the rule, for tests and for lists of rules in errors. Names are unique.
    pub fn named(mut self, name: impl AsRef<str>) -> When {
        self.name = Some(name.as_ref().into());
        self
    }
}

impl From<&str> for When {
    fn from(text: &str) -> When {
        equals(text)
    }
}

impl From<String> for When {
    fn from(text: String) -> When {
        equals(text)
    }
}

impl From<&[u8]> for When {
    fn from(bytes: &[u8]) -> When {
        equals(bytes)
    }
}

impl From<Vec<u8>> for When {
    fn from(bytes: Vec<u8>) -> When {
        equals(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for When {
    fn from(bytes: &[u8; N]) -> When {
        equals(bytes)
    }
}

impl<const N: usize> From<[u8; N]> for When {
    fn from(bytes: [u8; N]) -> When {
        equals(bytes)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Anything => f.write_str("anything"),
            Condition::Equals(bytes) => write!(f, "equals {}", Escaped(bytes)),
            Condition::Prefix(bytes) => write!(f, "prefix {}", Escaped(bytes)),
            Condition::Pattern(expression) => write!(f, "pattern `{expression}`"),
            Condition::Predicate(description, _) => write!(f, "predicate \"{description}\""),
        }
    }
}

/// Bytes as a text in quotes, with what cannot be shown escaped, shortened in the middle.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl Escaped<'_> {
    const HEAD: usize = 160;
    const TAIL: usize = 32;
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        let hidden = bytes.len().saturating_sub(Self::HEAD + Self::TAIL);
        if hidden == 0 {
            return write!(f, "\"{}\"", escaped(bytes));
        }
        let (head, tail) = (&bytes[..Self::HEAD], &bytes[bytes.len() - Self::TAIL..]);
        let (head, tail) = (escaped(head), escaped(tail));
        write!(f, "\"{head}\" ... {hidden} bytes ... \"{tail}\"")
    }
}

/// Text stays readable; only what is not text, or would break the line, is escaped.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\'' => text.push('\''),
                character => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&byte.escape_ascii().to_string());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_bytes_as_text_where_they_are() {
        let shown = Escaped("it's über\r\n\"\u{1b}".as_bytes()).to_string();
        assert_eq!(shown, r#""it's über\r\n\"\u{1b}""#);
        assert_eq!(Escaped(b"a\xff\xc3").to_string(), r#""a\xff\xc3""#);
        let long = Escaped(&[b'x'; 1000]).to_string();
        assert!(long.contains("xx\" ... 808 bytes ... \"xx"), "{long}");
    }

    #[test]
    fn conditions_say_what_they_are() {
        let shown = [
            anything(),
            equals("a\n"),
            prefix(b"\x00b"),
            pattern("^c$"),
            predicate("is long", |frame| frame.len() > 80),
        ]
        .map(|when| when.condition.to_string());
        let expected = [
            "anything",
            r#"equals "a\n""#,
            r#"prefix "\0b""#,
            "pattern `^c$`",
            r#"predicate "is long""#,
        ];
        assert_eq!(shown, expected);
    }
}
