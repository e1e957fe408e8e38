//! [`Constraint`]: a rule that a value of the right type must also keep.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use crate::kind::Kind;
use crate::step::Step;
use crate::stored::Stored;
use crate::value_error::BrokenRule;
use crate::{ContextValue, OptionValue, Pattern, Value};

/// A rule that an option's values must keep, beyond being of the right type.
///
/// Null and context values satisfy every rule: the first means no value, the second a value that is
/// not known yet.
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
    /// None of these values.
    NoneOf(Vec<Value>),
    /// A text in which the expression is found.
    Matches(Pattern),
    /// A table of which every key keeps the rule.
    Keys(Box<Constraint>),
    /// A list or a table of which every value keeps the rule.
    Each(Box<Constraint>),
    /// A list of tables that have different values under this key.
    Unique(String),
    /// A check by a function.
    Check(Check),
}

/// A constraint in code.
#[derive(Clone)]
pub struct Check {
    check: Arc<CheckFn>,
    /// Its form in JSON Schema: a pattern of a text.
    pattern: Option<&'static str>,
}

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

    /// None of these values.
    pub fn none_of<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Self {
        Constraint::NoneOf(values.into_iter().map(Into::into).collect())
    }

    /// Tables of which every key keeps `rule`, as a text.
    pub fn keys(rule: Constraint) -> Self {
        Constraint::Keys(Box::new(rule))
    }

    /// Lists and tables of which every value keeps `rule`.
    pub fn each(rule: Constraint) -> Self {
        Constraint::Each(Box::new(rule))
    }

    /// Lists of tables that have different values under `key`.
    pub fn unique(key: impl Into<String>) -> Self {
        Constraint::Unique(key.into())
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
        let check = move |stored: &Stored| {
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
        };
        Constraint::Check(Check {
            check: Arc::new(check),
            pattern: None,
        })
    }

    /// Describes the texts that a check in code accepts by an ECMA-262 regular expression, as far
    /// as possible, so that the JSON Schema has it, too.
    ///
    /// ```
    /// use standin_config::Constraint;
    ///
    /// let even = |digits: &String| match digits.ends_with(['0', '2', '4', '6', '8']) {
    ///     true => Ok(()),
    ///     false => Err("it must be even"),
    /// };
    /// let constraint = Constraint::check(even).with_pattern("[02468]$");
    /// # let _ = constraint;
    /// ```
    #[must_use]
    pub fn with_pattern(mut self, pattern: &'static str) -> Self {
        if let Constraint::Check(check) = &mut self {
            check.pattern = Some(pattern);
        }
        self
    }

    /// Returns the pattern that JSON Schema has for it.
    #[doc(hidden)]
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Constraint::Check(check) => check.pattern,
            Constraint::Matches(pattern) => Some(pattern.as_str()),
            _ => None,
        }
    }

    /// Returns the rule in words that follow "but".
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
            Constraint::NoneOf(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                format!("it must not be one of {}", values.join(", "))
            }
            Constraint::Matches(pattern) => format!("it must match `{pattern}`"),
            Constraint::Keys(rule) => format!("every key: {}", rule.rule()),
            Constraint::Each(rule) => format!("every value: {}", rule.rule()),
            Constraint::Unique(key) => format!("each must have a `{key}` of its own"),
            Constraint::Check(_) => "it is checked by code".to_owned(),
        }
    }

    /// Returns whether its rule in words says all of it: a check in code keeps its reasons to
    /// itself.
    #[doc(hidden)]
    pub fn is_told(&self) -> bool {
        match self {
            Constraint::Check(_) => false,
            Constraint::Keys(rule) | Constraint::Each(rule) => rule.is_told(),
            _ => true,
        }
    }

    /// Where the rule is broken: nowhere, once, or in several parts of the value.
    pub(crate) fn apply(&self, kind: &Kind, stored: &Stored) -> Vec<BrokenRule> {
        if let Constraint::Check(Check { check, .. }) = self {
            let broken = check(stored).err();
            return broken
                .map(|rule| BrokenRule::new(stored.to_string(), rule))
                .into_iter()
                .collect();
        }
        match stored.value() {
            Some(value) => self.apply_to(kind, &value),
            None => Vec::new(),
        }
    }

    fn apply_to(&self, kind: &Kind, value: &Value) -> Vec<BrokenRule> {
        if value.is_null() || (kind.takes_context() && ContextValue::looks_like(value)) {
            return Vec::new();
        }
        let is_kept = match self {
            Constraint::Keys(rule) => {
                let keys = value
                    .as_map()
                    .into_iter()
                    .flat_map(|entries| entries.keys());
                return keys
                    .flat_map(|key| {
                        let broken = rule.apply(&Kind::String, &Stored::new(key.clone()));
                        broken.into_iter().map(|broken| broken.in_key(key))
                    })
                    .collect();
            }
            Constraint::Each(rule) => {
                return parts(value)
                    .flat_map(|(step, part)| {
                        // A context value is not known yet, wherever it is.
                        let broken = match ContextValue::parts(part) {
                            Some(_) => Vec::new(),
                            None => rule.apply(&Kind::Any, &Stored::new(part.clone())),
                        };
                        broken
                            .into_iter()
                            .map(move |broken| broken.at(step.clone()))
                    })
                    .collect();
            }
            Constraint::Unique(key) => {
                let mut seen: HashSet<String> = HashSet::new();
                let mut broken = Vec::new();
                for (step, part) in parts(value) {
                    let Some(name) = part.as_map().and_then(|entries| entries.get(key)) else {
                        continue;
                    };
                    if !seen.insert(name.to_string()) {
                        let rule = format!("another one has this `{key}` already");
                        let twin = BrokenRule::new(name.to_string(), rule);
                        broken.push(twin.at(Step::Key(key.clone())).at(step));
                    }
                }
                return broken;
            }
            _ => self.is_kept(value),
        };
        match is_kept {
            true => Vec::new(),
            false => vec![BrokenRule::new(value.to_string(), self.rule())],
        }
    }

    fn is_kept(&self, value: &Value) -> bool {
        match self {
            Constraint::Range { min, max } => {
                let order = |bound: &Value| compare(value, bound);
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
            Constraint::OneOf(values) => is_among(values, value),
            Constraint::NoneOf(values) => !is_among(values, value),
            Constraint::NonEmpty => match value {
                Value::String(text) => !text.is_empty(),
                Value::List(items) => !items.is_empty(),
                Value::Map(entries) => !entries.is_empty(),
                _ => true,
            },
            Constraint::Matches(pattern) => match (value, pattern.regex()) {
                (Value::String(text), Ok(regex)) => regex.is_match(text.as_bytes()),
                _ => true,
            },
            // Those have been looked into part by part, or by their function.
            Constraint::Keys(_)
            | Constraint::Each(_)
            | Constraint::Unique(_)
            | Constraint::Check(_) => true,
        }
    }
}

fn is_among(values: &[Value], value: &Value) -> bool {
    values
        .iter()
        .any(|known| known == value || compare(known, value) == Some(Ordering::Equal))
}

/// The items of a list or the values of a table, each with the step that leads there.
fn parts(value: &Value) -> Box<dyn Iterator<Item = (Step, &Value)> + '_> {
    match value {
        Value::List(items) => Box::new(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| (Step::Index(index), item)),
        ),
        Value::Map(entries) => Box::new(
            entries
                .iter()
                .map(|(key, entry)| (Step::Key(key.clone()), entry)),
        ),
        _ => Box::new(std::iter::empty()),
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
