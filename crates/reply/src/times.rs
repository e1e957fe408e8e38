//! How often something may and must happen.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::str::FromStr;

use standin_error::text::Often;

/// How often something must happen at least, and may happen at most.
///
/// Made of a number or a range, `2`, `1..`, `..=3`, `1..=3`, and of the same as text:
///
/// ```
/// use standin_reply::Times;
///
/// assert_eq!(Times::from(1..).to_string(), "at least once");
/// assert_eq!("1..=3".parse::<Times>()?, Times::from(1..=3));
/// assert_eq!(Times::from(2).most(), Some(2));
/// # Ok::<(), standin_reply::ParseTimesError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Times {
    least: usize,
    most: Option<usize>,
}

impl Times {
    /// Any number of times, also never.
    pub const ANY: Times = Times {
        least: 0,
        most: None,
    };

    /// Returns how often it must happen.
    pub const fn least(self) -> usize {
        self.least
    }

    /// Returns how often it may happen; `None` if there is no limit.
    pub const fn most(self) -> Option<usize> {
        self.most
    }

    /// Returns whether that many times are neither too few nor too many.
    pub fn contains(self, times: usize) -> bool {
        times >= self.least && self.allows(times)
    }

    /// Whether that many times are not too many.
    pub(crate) fn allows(self, times: usize) -> bool {
        self.most.is_none_or(|most| times <= most)
    }

    /// Returns whether there is a number of times that it contains: not so for `3..=1`.
    pub fn is_possible(self) -> bool {
        self.allows(self.least)
    }

    /// A range without its end, which has no number before it if it is zero.
    fn before(least: usize, end: usize) -> Times {
        match end.checked_sub(1) {
            Some(most) => Times::from(least..=most),
            None => Times {
                least: least.max(1),
                most: Some(0),
            },
        }
    }
}

impl From<usize> for Times {
    fn from(times: usize) -> Times {
        Times::from(times..=times)
    }
}

impl From<RangeFrom<usize>> for Times {
    fn from(range: RangeFrom<usize>) -> Times {
        Times {
            least: range.start,
            most: None,
        }
    }
}

impl From<RangeInclusive<usize>> for Times {
    fn from(range: RangeInclusive<usize>) -> Times {
        Times {
            least: *range.start(),
            most: Some(*range.end()),
        }
    }
}

impl From<RangeToInclusive<usize>> for Times {
    fn from(range: RangeToInclusive<usize>) -> Times {
        Times::from(0..=range.end)
    }
}

impl From<Range<usize>> for Times {
    fn from(range: Range<usize>) -> Times {
        Times::before(range.start, range.end)
    }
}

impl From<RangeTo<usize>> for Times {
    fn from(range: RangeTo<usize>) -> Times {
        Times::before(0, range.end)
    }
}

impl From<RangeFull> for Times {
    fn from(_: RangeFull) -> Times {
        Times::ANY
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (0, None) => f.write_str("any number of times"),
            (0, Some(0)) => f.write_str("never"),
            (least, None) => write!(f, "at least {}", Often(least)),
            (0, Some(most)) => write!(f, "at most {}", Often(most)),
            (least, Some(most)) if least == most => write!(f, "exactly {}", Often(least)),
            (least, Some(most)) => write!(f, "{least} to {most} times"),
        }
    }
}

/// Why a text is not a valid number of times.
#[derive(thiserror::Error, miette::Diagnostic)]
#[error("\"{text}\" is not a number of times")]
#[diagnostic(
    code(standin::reply::times),
    help("write a number or a range: \"2\", \"1..\", \"..=3\", \"1..=3\"")
)]
pub struct ParseTimesError {
    text: String,
}

standin_error::reportable!(ParseTimesError);

impl FromStr for Times {
    type Err = ParseTimesError;

    fn from_str(text: &str) -> Result<Times, ParseTimesError> {
        parse(text.trim()).ok_or_else(|| ParseTimesError {
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Times> {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let Some((least, most)) = text.split_once("..") else {
        return number(text).map(Times::from);
    };
    let least = if least.is_empty() { 0 } else { number(least)? };
    Some(match most.strip_prefix('=') {
        Some(most) => Times::from(least..=number(most)?),
        None if most.is_empty() => Times::from(least..),
        None => Times::before(least, number(most)?),
    })
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[track_caller]
    fn check(text: &str, times: impl Into<Times>, display: &str) {
        let times = times.into();
        assert_eq!(text.parse::<Times>().unwrap(), times);
        assert_eq!(times.to_string(), display);
    }

    #[test]
    fn texts_and_ranges_say_the_same() {
        check("1", 1, "exactly once");
        check("3", 3, "exactly 3 times");
        check("0", 0, "never");
        check("1..", 1.., "at least once");
        check("..=3", ..=3, "at most 3 times");
        check("..3", ..3, "at most 2 times");
        check("1..=3", 1..=3, "1 to 3 times");
        check(" 1 .. 4 ", 1..4, "1 to 3 times");
        check("..", .., "any number of times");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "x",
            "-1",
            "1...",
            "1..=",
            "=3",
            "99999999999999999999999",
        ] {
            let error = text.parse::<Times>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn knows_what_is_impossible() {
        #[expect(clippy::reversed_empty_ranges, reason = "what this is about")]
        for times in [Times::from(3..=1), Times::from(0..0), Times::from(..0)] {
            assert!(!times.is_possible(), "{times:?}");
            assert!((0..5).all(|count| !times.contains(count)));
        }
        assert!(Times::from(0).is_possible());
        assert!(Times::from(1..=3).contains(3));
        assert!(!Times::from(1..=3).contains(4));
        assert!(!Times::from(1..=3).contains(0));
    }
}
