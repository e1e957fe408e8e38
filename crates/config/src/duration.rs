//! Durations as people write them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{Kind, OptionValue, Value, ValueError};

/// The units that are read, the longest first, each with its nanoseconds. The first name of each
/// is the one that is written.
const UNITS: &[(u128, &[&str])] = &[
    (60 * MINUTE, &["h", "hr", "hrs", "hour", "hours"]),
    (MINUTE, &["m", "min", "mins", "minute", "minutes"]),
    (SECOND, &["s", "sec", "secs", "second", "seconds"]),
    (
        1_000_000,
        &[
            "ms",
            "msec",
            "msecs",
            "milli",
            "millis",
            "millisecond",
            "milliseconds",
        ],
    ),
    (
        1_000,
        &[
            "µs",
            "us",
            "µsec",
            "µsecs",
            "usec",
            "usecs",
            "micro",
            "micros",
            "microsecond",
            "microseconds",
        ],
    ),
    (
        1,
        &[
            "ns",
            "nsec",
            "nsecs",
            "nano",
            "nanos",
            "nanosecond",
            "nanoseconds",
        ],
    ),
];

const SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * SECOND;

/// Reads `"1m 30s"`, `"1.5h"`, `"250 ms"` and `"2 hours"`; a number without a unit, `"90"`, is one
/// of seconds. What is shorter than a nanosecond is left out.
///
/// # Errors
///
/// Returns an error if the text is not a duration, is negative, or is longer than [`Duration`]
/// holds.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(standin_config::duration::parse("1m 30s")?, Duration::from_secs(90));
/// assert!(standin_config::duration::parse("soon").is_err());
/// # Ok::<(), standin_config::ValueError>(())
/// ```
pub fn parse(text: &str) -> Result<Duration, ValueError> {
    nanos_of(text.trim_ascii())
        .and_then(from_nanos)
        .ok_or_else(|| ValueError::new(EXPECTED, format!("{text:?}")))
}

/// Returns a regular expression for JSON Schema of what [`parse`] reads. It also matches values
/// longer than [`Duration`] holds.
///
/// ```
/// let pattern = regex::Regex::new(&standin_config::duration::pattern())?;
/// assert!(pattern.is_match("1m 30s") && !pattern.is_match("soon"));
/// # Ok::<(), regex::Error>(())
/// ```
pub fn pattern() -> String {
    let names: Vec<&str> = UNITS
        .iter()
        .flat_map(|(_, names)| *names)
        .copied()
        .collect();
    let units = names.join("|");
    let number = format!(r"[0-9]+(?:\.[0-9]{{1,{FRACTION}}})?");
    // Not `\s`, of which everybody has a different idea.
    let gap = r"[\t\n\f\r ]*";
    format!("^{gap}(?:{number}{gap}|(?:{number}{gap}(?:{units}){gap})+)$")
}

/// How many digits of a fraction are read.
const FRACTION: usize = 9;

/// The nanoseconds of a number of seconds, or of numbers with units.
fn nanos_of(text: &str) -> Option<u128> {
    if let Some((billionths, "")) = number(text) {
        return Some(billionths);
    }
    let (mut total, mut rest) = (0_u128, text);
    loop {
        let (billionths, after) = number(rest)?;
        let after = after.trim_ascii_start();
        let end = after.find(|c: char| !c.is_alphabetic());
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        let (unit, _) = UNITS.iter().find(|(_, names)| names.contains(&name))?;
        total = total.checked_add(billionths.checked_mul(*unit)? / SECOND)?;
        rest = after.trim_ascii_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// The number that a text begins with, in billionths, and what follows it.
fn number(text: &str) -> Option<(u128, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            rest.split_at(Some(digits(rest)).filter(|count| (1..=FRACTION).contains(count))?)
        }
        None => ("", rest),
    };
    let whole = u128::from(whole.parse::<u64>().ok()?);
    let fraction: u128 = format!("{fraction:0<FRACTION$}").parse().ok()?;
    Some((whole * 1_000_000_000 + fraction, rest))
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    Some(Duration::new(seconds, (nanos % SECOND) as u32))
}

/// Writes a duration the way [`parse`] reads it, exact to the nanosecond.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(standin_config::duration::format(Duration::from_millis(90_250)), "1m 30s 250ms");
/// ```
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, names) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            let gap = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{gap}{count}{}", names[0]);
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

const EXPECTED: &str = "a duration";

/// `None` for what no duration can hold: negative, not a number, too long.
pub(crate) fn from_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

impl OptionValue for Duration {
    fn kind() -> Kind {
        Kind::Duration
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let unfit = || ValueError::new(EXPECTED, value.to_string());
        match value {
            Value::Int(seconds) => u64::try_from(*seconds)
                .map(Duration::from_secs)
                .map_err(|_| unfit()),
            Value::Float(seconds) => from_seconds(*seconds).ok_or_else(unfit),
            Value::String(text) => parse(text),
            _ => Err(ValueError::wrong_type(EXPECTED, value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, nanos) in [
            ("10", 10 * SECOND),
            ("2.5", 2_500_000_000),
            (" 90 s ", 90 * SECOND),
            ("1m 30s", 90 * SECOND),
            ("1m30s", 90 * SECOND),
            ("1.5h", 90 * MINUTE),
            ("1.5 hours 30 minutes", 120 * MINUTE),
            ("30s 1m", 90 * SECOND),
            ("1m 0.25s", 60_250_000_000),
            ("250ms", 250_000_000),
            ("20µs", 20_000),
            ("7 nanos", 7),
            ("1.5ns", 1),
            (
                "18446744073709551615s 999999999ns",
                Duration::MAX.as_nanos(),
            ),
        ] {
            let read = parse(text).map(|duration| duration.as_nanos());
            assert_eq!(read, Ok(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "soon",
            "-1s",
            "+3",
            "1s ago",
            "1d",
            "1M",
            "1 H",
            "1 0s",
            "s",
            "1.",
            ".5",
            "1e3",
            "1,5h",
            "1.s",
            "1h, 30m",
            "1.1234567891s",
            "1:30:00",
            "1m 30",
            "18446744073709551615s 1000000000ns",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_no_part_twice() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (86_400_000_000_000, "24h"),
            (3_661_000_000_000, "1h 1m 1s"),
            (59_500_000_000, "59s 500ms"),
            (123_456_789, "123ms 456µs 789ns"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
        }
    }
}
