//! From the parser's values to ours, and spans.

use std::ops::Range;

use crate::step::Step;
use crate::value::Value;
use crate::value_error::ValueError;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Returns what a value of TOML is, as messages say it: "a string".
pub fn toml_type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A number of TOML that does not fit in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The number as it was written.
    pub digits: String,
    /// Its place.
    pub span: Range<usize>,
}

impl TooLarge {
    /// Returns what is wrong with it where `expected` should be.
    pub fn error(&self, expected: impl Into<String>) -> ValueError {
        ValueError::new(expected, self.digits.as_str()).because("it does not fit in 64 bits")
    }
}

/// The span of the part of `spanned` that `path` leads to, as far as it leads; of the last key
/// itself with `in_key`.
pub(crate) fn span_at(spanned: &Spanned<DeValue<'_>>, path: &[Step], in_key: bool) -> Range<usize> {
    let mut at = spanned;
    for (depth, step) in path.iter().enumerate() {
        let next = match (step, at.get_ref()) {
            (Step::Index(index), DeValue::Array(items)) => items.get(*index),
            (Step::Key(key), DeValue::Table(entries)) => {
                let entry = entries.iter().find(|(name, _)| name.get_ref() == key);
                if let Some((name, _)) = entry
                    && in_key
                    && depth + 1 == path.len()
                {
                    return name.span();
                }
                entry.map(|(_, value)| value)
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at.span()
}

impl Value {
    /// Converts a value of TOML, without its places.
    ///
    /// # Errors
    ///
    /// Returns the numbers in it that do not fit in 64 bits.
    pub fn from_toml(spanned: &Spanned<DeValue<'_>>) -> Result<Self, Vec<TooLarge>> {
        let mut numbers = Vec::new();
        let value = convert(spanned, &mut Vec::new(), &mut numbers);
        match numbers.is_empty() {
            true => Ok(value),
            false => Err(numbers.into_iter().map(|(_, number)| number).collect()),
        }
    }
}

/// Converts a value, which is at `path`; numbers that do not fit in 64 bits are noted.
pub(crate) fn convert(
    spanned: &Spanned<DeValue<'_>>,
    path: &mut Vec<Step>,
    numbers: &mut Vec<(Vec<Step>, TooLarge)>,
) -> Value {
    let mut none = |digits: String| {
        let number = TooLarge {
            digits,
            span: spanned.span(),
        };
        numbers.push((path.clone(), number));
        Value::Float(f64::NAN)
    };
    match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            number.map_or_else(|_| none(integer.to_string()), Value::Int)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse();
            number.map_or_else(|_| none(float.to_string()), Value::Float)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        // No option is a date; as text it is at least shown as it was written.
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| {
                path.push(Step::Index(index));
                let item = convert(item, path, numbers);
                path.pop();
                item
            });
            Value::List(items.collect())
        }
        DeValue::Table(entries) => {
            let entries = entries.iter().map(|(key, item)| {
                let key = key.get_ref().clone().into_owned();
                path.push(Step::Key(key.clone()));
                let item = convert(item, path, numbers);
                path.pop();
                (key, item)
            });
            Value::Map(entries.collect())
        }
    }
}

/// Returns the place of the part of a value of TOML that `path` leads to, as far as it leads.
pub fn toml_span_at(spanned: &Spanned<DeValue<'_>>, path: &[Step]) -> Range<usize> {
    span_at(spanned, path, false)
}

/// Returns the place of the first key of a table, where a text reports what its own table lacks.
pub fn toml_start_of(table: &DeTable<'_>) -> Range<usize> {
    table
        .keys()
        .map(Spanned::span)
        .min_by_key(|span| span.start)
        .unwrap_or_default()
}
