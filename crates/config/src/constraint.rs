//! [`Constraint`]: a rule that a value of the right type must also keep.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use crate::kind::Kind;
use crate::stored::Stored;
use crate::{ContextValue, OptionValue, Pattern, Value};

/// A rule that an option's values must keep, beyond being of the right type.
///
/// Null and context values keep every rule: the first stands for no value, the second for one
/// that is not known yet.
#[derive(Clone)]
#[non_exhaustive]
pub enum Constraint {
    /// Within bounds; compares numbers and durations.
    Range {
        /// The lower bound.
        min: Bound<Value>,
        /// The upper bound.
        max: Bound<Value>,
    },
    /// One of these values.
    OneOf(Vec<Value>),
    /// A text, list or table with something in it.
    NonEmpty,
    /// A text in which the expression is found.
    Matches(Pattern),
    /// Whatever a function says.
    Check(Check),
}

/// A constraint in code.
#[derive(Clone)]
pub struct Check(Arc<CheckFn>);

/// `Err` is a half sentence that follows "but".
type CheckFn = dyn Fn(&Stored) -> Result<(), String> + Send + Sync;

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check(..)")
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule())
    }
}

impl Constraint {
    /// Values within `range`: `1..=10`, `0.5..`, `Duration::from_secs(1)..`.
    pub fn range<B: Into<Value> + Clone>(range: impl RangeBounds<B>) -> Self {
        let bound = |bound: Bound<&B>| bound.cloned().map(Into::into);
        Constraint::Range {
            min: bound(range.start_bound()),
            max: bound(range.end_bound()),
        }
    }

    /// One of these values.
    pub fn one_of<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Self {
        Constraint::OneOf(values.into_iter().map(Into::into).collect())
    }

    /// Texts in which `pattern` is found.
    pub fn matches(pattern: impl Into<Pattern>) -> Self {
        Constraint::Matches(pattern.into())
    }

    /// Values of type `T` for which `check` finds nothing wrong. The error is a half sentence that
    /// follows "but": `it must be even`.
    pub fn check<T, E>(check: impl Fn(&T) -> Result<(), E> + Send + Sync + 'static) -> Self
    where
        T: OptionValue,
        E: fmt::Display,
    {
        Constraint::Check(Check(Arc::new(move |stored: &Stored| {
            // An optional option is checked when it has a value.
            if let Some(value) = stored.get::<T>() {
                return check(value).map_err(|error| error.to_string());
            }
            match stored.get::<Option<T>>() {
                Some(Some(value)) => check(value).map_err(|error| error.to_string()),
                Some(None) => Ok(()),
                None => match stored.value().map(|value| T::from_value(&value)) {
                    Some(Ok(value)) => check(&value).map_err(|error| error.to_string()),
                    _ => Ok(()),
                },
            }
        })))
    }

    /// The rule in words that follow "but".
    pub fn rule(&self) -> String {
        match self {
            Constraint::Range {
                min: Bound::Included(min),
                max: Bound::Included(max),
            } => format!("it must be from {min} to {max}"),
            Constraint::Range { min, max } => {
                let lower = match min {
                    Bound::Included(min) => Some(format!("at least {min}")),
                    Bound::Excluded(min) => Some(format!("more than {min}")),
                    Bound::Unbounded => None,
                };
                let upper = match max {
                    Bound::Included(max) => Some(format!("at most {max}")),
                    Bound::Excluded(max) => Some(format!("less than {max}")),
                    Bound::Unbounded => None,
                };
                match (lower, upper) {
                    (Some(lower), Some(upper)) => format!("it must be {lower} and {upper}"),
                    (Some(bound), None) | (None, Some(bound)) => format!("it must be {bound}"),
                    (None, None) => "it may be anything".to_owned(),
                }
            }
            Constraint::OneOf(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                format!("it must be one of {}", values.join(", "))
            }
            Constraint::NonEmpty => "it must not be empty".to_owned(),
            Constraint::Matches(pattern) => format!("it must match `{pattern}`"),
            Constraint::Check(_) => "it is checked by code".to_owned(),
        }
    }

    /// `Err` holds the rule that is broken.
    pub(crate) fn apply(&self, kind: &Kind, stored: &Stored) -> Result<(), String> {
        if let Constraint::Check(Check(check)) = self {
            return check(stored);
        }
        let Some(value) = stored.value() else {
            return Ok(());
        };
        if value.is_null() || (kind.takes_context() && ContextValue::looks_like(&value)) {
            return Ok(());
        }
        let kept = match self {
            Constraint::Range { min, max } => {
                let order = |bound: &Value| compare(&value, bound);
                let above = match min {
                    Bound::Included(min) => order(min).is_some_and(Ordering::is_ge),
                    Bound::Excluded(min) => order(min).is_some_and(Ordering::is_gt),
                    Bound::Unbounded => true,
                };
                let below = match max {
                    Bound::Included(max) => order(max).is_some_and(Ordering::is_le),
                    Bound::Excluded(max) => order(max).is_some_and(Ordering::is_lt),
                    Bound::Unbounded => true,
                };
                above && below
            }
            Constraint::OneOf(values) => values
                .iter()
                .any(|known| known == &value || compare(known, &value) == Some(Ordering::Equal)),
            Constraint::NonEmpty => match &value {
                Value::String(text) => !text.is_empty(),
                Value::List(items) => !items.is_empty(),
                Value::Map(entries) => !entries.is_empty(),
                _ => true,
            },
            Constraint::Matches(pattern) => match (&value, pattern.regex()) {
                (Value::String(text), Ok(regex)) => regex.is_match(text.as_bytes()),
                _ => true,
            },
            Constraint::Check(_) => true,
        };
        if kept { Ok(()) } else { Err(self.rule()) }
    }
}

/// Compares numbers, and durations in any spelling. `None` for what has no order.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::String(_), _) | (_, Value::String(_)) => {
            let left = Duration::from_value(left).ok()?;
            let right = Duration::from_value(right).ok()?;
            Some(left.cmp(&right))
        }
        _ => left.as_float()?.partial_cmp(&right.as_float()?),
    }
}
