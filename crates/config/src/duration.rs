//! Durations as people write them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::{Kind, OptionValue, Value, ValueError};

/// The units that are read, the longest first, each with its nanoseconds. The first name of each
/// is the one that is written.
///
/// The schema of files has the same as a pattern, and a test compares the two.
const UNITS: &[(u64, &[&str])] = &[
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

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Reads `"1m 30s"`, `"250ms"`, `"2 hours"`.
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
    // A text of digits only means seconds, as a bare number does.
    let is_number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let digits = text.trim().strip_prefix('+').unwrap_or(text.trim());
    if is_number(digits)
        && let Ok(seconds) = digits.parse::<f64>()
    {
        return from_seconds(seconds).ok_or_else(|| ValueError::new(EXPECTED, format!("{text:?}")));
    }
    let text = text.trim();
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    with_units(unsigned)
        .or_else(|| clock(unsigned))
        .ok_or_else(|| ValueError::new(EXPECTED, format!("{text:?}")))
}

/// `1h 30m`: units from long to short, of which the last may have a fraction.
fn with_units(mut text: &str) -> Option<Duration> {
    let (mut total, mut last) = (0, u64::MAX);
    loop {
        let (whole, fraction, rest) = number(text)?;
        let rest = rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let (unit, _) = UNITS.iter().find(|(_, names)| names.contains(&name))?;
        let has_fraction = !fraction.is_empty();
        if *unit >= last || (has_fraction && *unit == 1) {
            return None;
        }
        last = *unit;
        total += u128::from(whole) * u128::from(*unit) + part(fraction, *unit)?;
        let rest = match rest.strip_prefix(',') {
            Some(next) if next.starts_with(char::is_whitespace) => next,
            Some(_) => return None,
            None => rest,
        };
        text = rest.trim_start();
        if text.is_empty() {
            return from_nanos(total);
        }
        if has_fraction {
            return None;
        }
    }
}

/// `1:30:00`: hours, minutes and seconds.
fn clock(text: &str) -> Option<Duration> {
    let (hours, no_fraction, rest) = number(text)?;
    let (minutes, none_either, rest) = number(rest.strip_prefix(':')?)?;
    let (seconds, fraction, rest) = number(rest.strip_prefix(':')?)?;
    let is_whole = no_fraction.is_empty() && none_either.is_empty() && rest.is_empty();
    if !is_whole {
        return None;
    }
    let minutes = u128::from(hours) * 60 + u128::from(minutes);
    let nanos = minutes * u128::from(MINUTE) + u128::from(seconds) * u128::from(SECOND);
    from_nanos(nanos + part(fraction, SECOND)?)
}

/// The number that a text begins with, the digits of its fraction, and what follows.
fn number(text: &str) -> Option<(u64, &str, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(Some(digits(rest)).filter(|count| *count > 0)?),
        None => ("", rest),
    };
    Some((whole.parse().ok()?, fraction, rest))
}

/// The nanoseconds of a fraction of a unit, which has nine digits at most.
fn part(fraction: &str, unit: u64) -> Option<u128> {
    const DIGITS: usize = 9;
    if fraction.len() > DIGITS {
        return None;
    }
    let billionths: u64 = format!("{fraction:0<DIGITS$}").parse().ok()?;
    Some(u128::from(billionths) * u128::from(unit) / u128::from(SECOND))
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let second = u128::from(SECOND);
    let seconds = u64::try_from(nanos / second).ok()?;
    Some(Duration::new(seconds, (nanos % second) as u32))
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
        let count = rest / u128::from(*unit);
        rest %= u128::from(*unit);
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
        for (text, seconds) in [
            ("10", 10.0),
            ("2.5", 2.5),
            ("+3", 3.0),
            (" 90 s ", 90.0),
            ("1m 30s", 90.0),
            ("1m30s", 90.0),
            ("1 hour, 30 minutes", 5400.0),
            ("1.5h", 5400.0),
            ("1,5h", 5400.0),
            ("1m 0.25s", 60.25),
            ("250ms", 0.25),
            ("20µs", 20e-6),
            ("7 nanos", 7e-9),
            ("1:30:00", 5400.0),
            ("0:0:1.5", 1.5),
        ] {
            let read = parse(text).map(|duration| duration.as_secs_f64());
            assert_eq!(read, Ok(seconds), "{text}");
        }
        assert_eq!(
            parse("18446744073709551615s 999999999ns"),
            Ok(Duration::MAX)
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "soon",
            "-1s",
            "1s ago",
            "1d",
            "1 H",
            "s",
            "1.s",
            "1s 1m",
            "1s 1s",
            "1.5h 30m",
            "1h,30m",
            "1h , 30m",
            "1.5ns",
            "1.1234567891s",
            "1:30",
            "1:30:",
            "1.5:00:00",
            "1h 0:30:00",
            "1m 30",
            "18446744073709551615s 1m",
            "99999999999999999999s",
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
