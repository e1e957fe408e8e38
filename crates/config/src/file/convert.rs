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

/// A value of TOML that no option has: a date or time, or a number that does not fit in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    written: String,
    span: Range<usize>,
    reason: &'static str,
}

const TOO_LARGE: &str = "it does not fit in 64 bits";

impl Foreign {
    /// Returns its place.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Returns what is wrong with it where `expected` should be, if that is known.
    pub fn error(&self, expected: Option<&str>) -> ValueError {
        let any = match self.reason {
            TOO_LARGE => "a valid number",
            _ => "a text or a number",
        };
        ValueError::new(expected.unwrap_or(any), self.written.as_str()).because(self.reason)
    }

    /// Returns what to write instead where there may be a text.
    pub fn hint(&self) -> String {
        format!("write it in quotes: {}", self.as_text())
    }

    pub(crate) fn as_text(&self) -> Value {
        Value::String(self.written.clone())
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

/// The part of a value that `path` leads to.
pub(crate) fn part_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |at, step| match (step, at) {
        (Step::Index(index), Value::List(items)) => items.get_mut(*index),
        (Step::Key(key), Value::Map(entries)) => entries.get_mut(key),
        _ => None,
    })
}

impl Value {
    /// Converts a value of TOML, without its places.
    ///
    /// # Errors
    ///
    /// Returns what there is in it that no option has.
    pub fn from_toml(spanned: &Spanned<DeValue<'_>>) -> Result<Self, Vec<Foreign>> {
        let mut foreign = Vec::new();
        let value = convert(spanned, &mut Vec::new(), &mut foreign);
        match foreign.is_empty() {
            true => Ok(value),
            false => Err(foreign.into_iter().map(|(_, found)| found).collect()),
        }
    }
}

/// Converts a value, which is at `path`; what no option has is noted, and becomes NaN.
pub(crate) fn convert(
    spanned: &Spanned<DeValue<'_>>,
    path: &mut Vec<Step>,
    foreign: &mut Vec<(Vec<Step>, Foreign)>,
) -> Value {
    let mut none = |written: String, reason| {
        let found = Foreign {
            written,
            span: spanned.span(),
            reason,
        };
        foreign.push((path.clone(), found));
        Value::Float(f64::NAN)
    };
    match spanned.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            number.map_or_else(|_| none(integer.to_string(), TOO_LARGE), Value::Int)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse();
            number.map_or_else(|_| none(float.to_string(), TOO_LARGE), Value::Float)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        // Whoever expects a text has forgotten the quotes.
        DeValue::Datetime(date) => none(
            date.to_string(),
            match date.date {
                Some(_) => "it is a date",
                None => "it is a time",
            },
        ),
        DeValue::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| {
                path.push(Step::Index(index));
                let item = convert(item, path, foreign);
                path.pop();
                item
            });
            Value::List(items.collect())
        }
        DeValue::Table(entries) => {
            let entries = entries.iter().map(|(key, item)| {
                let key = key.get_ref().clone().into_owned();
                path.push(Step::Key(key.clone()));
                let item = convert(item, path, foreign);
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
