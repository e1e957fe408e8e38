//! Durations as people write them.

use std::time::Duration;

use jiff::fmt::friendly::{SpanParser, SpanPrinter};

use crate::{Kind, OptionValue, Value, ValueError};

static PARSER: SpanParser = SpanParser::new();
static PRINTER: SpanPrinter = SpanPrinter::new();

/// Reads `"1m 30s"`, `"250ms"`, `"2 hours"`.
///
/// # Errors
/// When the text is not a duration, is negative, or is longer than [`Duration`] holds.
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
    PARSER
        .parse_unsigned_duration(text.trim())
        .map_err(|_| ValueError::new(EXPECTED, format!("{text:?}")))
}

/// Writes a duration the way [`parse`] reads it, exact to the nanosecond.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(standin_config::duration::format(Duration::from_millis(90_250)), "1m 30s 250ms");
/// ```
pub fn format(duration: Duration) -> String {
    PRINTER.unsigned_duration_to_string(&duration)
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
