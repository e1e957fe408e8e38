//! From the parser's values to ours, and spans.

use std::ops::Range;

use crate::step::Step;
use crate::value::Value;
use toml::Spanned;
use toml::de::DeValue;

/// What a value of TOML is, as messages say it: "a string".
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

/// A number that does not fit 64 bits, as it was written, and its place.
type TooLarge = (String, Range<usize>);

/// The value without its spans.
pub(crate) fn value(spanned: &Spanned<DeValue<'_>>) -> Result<Value, TooLarge> {
    Ok(match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            let number = i64::from_str_radix(digits, radix);
            Value::Int(number.map_err(|_| (integer.to_string(), spanned.span()))?)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse();
            Value::Float(number.map_err(|_| (float.to_string(), spanned.span()))?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        // No option is a date; as text it is at least shown as it was written.
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(value).collect::<Result<_, _>>()?),
        DeValue::Table(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, item)| Ok((key.get_ref().clone().into_owned(), value(item)?)))
                .collect::<Result<_, TooLarge>>()?,
        ),
    })
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
    /// A value of TOML without its places; `None` when a number in it does not fit 64 bits.
    pub fn from_toml(spanned: &Spanned<DeValue<'_>>) -> Option<Self> {
        value(spanned).ok()
    }
}

/// The place of the part of a value of TOML that `path` leads to, as far as it leads.
pub fn toml_span_at(spanned: &Spanned<DeValue<'_>>, path: &[Step]) -> Range<usize> {
    span_at(spanned, path, false)
}
