//! How messages write durations and counts: as the reader would.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// A duration in the usual units: `5m`, `1h 30m`, `1.25s`, `300ms`. It has three significant
/// digits; zero is `0s`.
///
/// ```
/// use std::time::Duration;
/// use standin_error::text::Span;
///
/// assert_eq!(Span(Duration::from_secs(300)).to_string(), "5m");
/// assert_eq!(Span(Duration::from_millis(1_001)).to_string(), "1s");
/// assert_eq!(Span(Duration::from_micros(20_400)).to_string(), "20.4ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        if self.0.as_secs() >= MINUTE {
            // To the next second, which an hour's half is not worth.
            let seconds = self.0.saturating_add(Duration::from_millis(500)).as_secs();
            let units = [
                (seconds / HOUR, "h"),
                (seconds % HOUR / MINUTE, "m"),
                (seconds % MINUTE, "s"),
            ];
            let units: Vec<String> = units
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, unit)| format!("{count}{unit}"))
                .collect();
            return f.write_str(&units.join(" "));
        }
        let seconds = self.0.as_secs_f64();
        let (value, unit) = match self.0.as_nanos() {
            0 => return f.write_str("0s"),
            1..1_000 => (seconds * 1e9, "ns"),
            1_000..1_000_000 => (seconds * 1e6, "µs"),
            1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
            _ => (seconds, "s"),
        };
        let decimals = match value {
            value if value < 10.0 => 2,
            value if value < 100.0 => 1,
            _ => 0,
        };
        let text = format!("{value:.decimals$}");
        let text = if decimals > 0 {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        write!(f, "{text}{unit}")
    }
}

/// A number of things: `1 byte`, `2 bytes`.
///
/// ```
/// use standin_error::text::Count;
///
/// assert_eq!(Count(1, "byte").to_string(), "1 byte");
/// assert_eq!(Count(0, "byte").to_string(), "0 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {thing}{plural}")
    }
}

/// A number of times: `once`, `3 times`.
///
/// ```
/// use standin_error::text::Often;
///
/// assert_eq!(Often(1).to_string(), "once");
/// assert_eq!(Often(0).to_string(), "never");
/// assert_eq!(Often(3).to_string(), "3 times");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Often(pub usize);

impl fmt::Display for Often {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("never"),
            1 => f.write_str("once"),
            times => write!(f, "{times} times"),
        }
    }
}

/// How much of a text that somebody else wrote a message shows.
const LONGEST: usize = 100;

/// A name or a text that somebody else wrote, in quotes. Of a long one the beginning is shown, and
/// how long it is: a file that a program wrote may have names of any length.
///
/// ```
/// use standin_error::text::Quoted;
///
/// assert_eq!(Quoted("a").to_string(), r#""a""#);
/// let message = Quoted(&"a".repeat(1 << 20)).to_string();
/// assert!(message.ends_with("aaa...\" (1048576 characters)"), "{message}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => {
                let (begin, rest) = (format!("{:?}", &self.0[..end]), &self.0[end..]);
                let begin = begin.strip_suffix('"').unwrap_or(&begin);
                let length = LONGEST + rest.chars().count();
                write!(f, "{begin}...\" ({length} characters)")
            }
        }
    }
}

/// A text that somebody else wrote, without quotes, as long as [`Quoted`] shows it.
///
/// ```
/// use standin_error::text::Shortened;
///
/// assert_eq!(Shortened("a = 1").to_string(), "a = 1");
/// let message = Shortened(&"a".repeat(1 << 20)).to_string();
/// assert!(message.ends_with("aaa... (1048576 characters)"), "{message}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortened<'a>(pub &'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            None => f.write_str(self.0),
            Some((end, _)) => {
                let length = LONGEST + self.0[end..].chars().count();
                write!(f, "{}... ({length} characters)", &self.0[..end])
            }
        }
    }
}

/// Names as messages write them: `"a", "b"`.
///
/// ```
/// use standin_error::text::Names;
///
/// assert_eq!(Names(&["a", "b"]).to_string(), r#""a", "b""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Names<'a, S>(pub &'a [S]);

impl<S: AsRef<str>> fmt::Display for Names<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            Quoted(name.as_ref()).fmt(f)?;
        }
        Ok(())
    }
}

/// Returns an error with its causes as one text: `cannot read x: permission denied`. A cause that
/// the message repeats is left out.
#[must_use]
pub fn in_full(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !says(&text, &message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

/// Whether `text` has `part` in it, and not only within longer words.
pub(crate) fn says(text: &str, part: &str) -> bool {
    let ends_word = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(part).any(|(at, _)| {
        ends_word(text[..at].chars().next_back())
            && ends_word(text[at + part.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::{Duration, Span};

    #[track_caller]
    fn check(span: Duration, text: &str) {
        assert_eq!(Span(span).to_string(), text);
    }

    #[test]
    fn spans_read_as_they_are_written() {
        check(Duration::ZERO, "0s");
        check(Duration::from_nanos(20), "20ns");
        check(Duration::from_micros(250), "250µs");
        check(Duration::from_millis(20), "20ms");
        check(Duration::from_secs(5), "5s");
        check(Duration::from_millis(5_250), "5.25s");
        check(Duration::from_secs(60), "1m");
        check(Duration::from_secs(90), "1m 30s");
        check(Duration::from_secs(5_400), "1h 30m");
        check(Duration::from_secs(86_400), "24h");
    }

    #[test]
    fn spans_have_no_more_digits_than_anybody_reads() {
        check(Duration::from_micros(5_001_234), "5s");
        check(Duration::from_micros(59_999_999), "60s");
        check(Duration::from_millis(300_001), "5m");
        check(Duration::from_nanos(1_234_567), "1.23ms");
        check(Duration::MAX, "5124095576030431h 15s");
    }
}
