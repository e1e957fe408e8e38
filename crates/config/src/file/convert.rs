//! From the parser's values to ours, and spans.

use std::ops::Range;

use crate::error::ValueError;
use crate::step::Step;
use crate::value::Value;
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
    /// Returns an error if a number in it does not fit in 64 bits.
    pub fn from_toml(spanned: &Spanned<DeValue<'_>>) -> Result<Self, TooLarge> {
        let too_large = |digits: String| TooLarge {
            digits,
            span: spanned.span(),
        };
        Ok(match spanned.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(integer) => {
                let (digits, radix) = (integer.as_str(), integer.radix());
                let number = i64::from_str_radix(digits, radix);
                Value::Int(number.map_err(|_| too_large(integer.to_string()))?)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse();
                Value::Float(number.map_err(|_| too_large(float.to_string()))?)
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            // No option is a date; as text it is at least shown as it was written.
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(Value::from_toml)
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, item)| {
                        Ok((key.get_ref().clone().into_owned(), Value::from_toml(item)?))
                    })
                    .collect::<Result<_, TooLarge>>()?,
            ),
        })
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
