//! From the parser's values to ours, and spans.

use std::ops::Range;

use miette::SourceSpan;
use toml::Spanned;
use toml::de::DeValue;

use crate::Value;
use crate::error::Step;

/// A span as reports have it.
pub(crate) fn span(range: Range<usize>) -> SourceSpan {
    SourceSpan::from(range)
}

/// What a value is, as messages say it.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
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

/// The value without its spans. `Err` is the place of a number that does not fit 64 bits.
pub(crate) fn value(spanned: &Spanned<DeValue<'_>>) -> Result<Value, Range<usize>> {
    Ok(match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => Value::Int(
            i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| spanned.span())?,
        ),
        DeValue::Float(float) => Value::Float(float.as_str().parse().map_err(|_| spanned.span())?),
        DeValue::Boolean(value) => Value::Bool(*value),
        // No option is a date; as text it is at least shown as it was written.
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(value).collect::<Result<_, _>>()?),
        DeValue::Table(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, item)| Ok((key.get_ref().clone().into_owned(), value(item)?)))
                .collect::<Result<_, Range<usize>>>()?,
        ),
    })
}

/// The span of the part of `spanned` that `path` leads to, as far as it leads.
pub(crate) fn span_at(spanned: &Spanned<DeValue<'_>>, path: &[Step]) -> Range<usize> {
    let mut at = spanned;
    for step in path {
        let next = match (step, at.get_ref()) {
            (Step::Index(index), DeValue::Array(items)) => items.get(*index),
            (Step::Key(key), DeValue::Table(entries)) => entries
                .iter()
                .find(|(name, _)| name.get_ref() == key)
                .map(|(_, value)| value),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at.span()
}
