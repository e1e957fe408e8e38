//! [`Kind`]: what values an option takes, as data.

use std::path::PathBuf;
use std::time::Duration;

use crate::{
    ConfigDescription, ContextValue, Encoding, OptionValue, Pattern, Port, Value, ValueError,
};

/// What values an option takes.
///
/// It is the run-time side of a Rust type: messages, the JSON Schema and the reference table
/// speak of it, and options described at run time are checked against it.
///
/// ```
/// use standin_config::{Kind, Value};
///
/// let kind = Kind::Union(vec![Kind::Int { min: Some(0), max: None }, Kind::Null]);
/// assert!(kind.check(&Value::Null).is_ok());
/// assert!(kind.check(&Value::from(-1)).is_err());
/// assert_eq!(kind.to_string(), "a whole number of at least 0");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Any value.
    Any,
    /// Only null.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds that it may reach.
    Int {
        /// The least number, if there is one.
        min: Option<i64>,
        /// The greatest number, if there is one.
        max: Option<i64>,
    },
    /// A number, whole or not.
    Float,
    /// Text.
    String,
    /// One of these texts.
    OneOf(Vec<String>),
    /// A path; in a file a relative one starts at the file's folder, unless it begins with a
    /// template's `{{`.
    Path,
    /// A duration: `"1m 30s"` or a number of seconds.
    Duration,
    /// A regular expression.
    Pattern,
    /// A text encoding, by one of its labels.
    Encoding,
    /// A port: a number, the number as text, or a service name.
    Port,
    /// A template over another driver's context.
    Context,
    /// A list of values of one kind.
    List(Box<Kind>),
    /// A list with a fixed number of values, each of its own kind.
    Tuple(Vec<Kind>),
    /// A table with values of one kind under any keys.
    Map(Box<Kind>),
    /// A value that fits one of these.
    Union(Vec<Kind>),
    /// A table of another config's options.
    Nested(ConfigDescription),
    /// A value that only code can give, such as a hook. It has no written form.
    Code,
}

impl Kind {
    /// One of the given texts.
    pub fn one_of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Kind {
        Kind::OneOf(texts.into_iter().map(Into::into).collect())
    }

    /// Checks that `value` is of this kind.
    ///
    /// # Errors
    /// Says what was expected and what was found.
    pub fn check(&self, value: &Value) -> Result<(), ValueError> {
        let fits = match self {
            Kind::Any => true,
            Kind::Null => value.is_null(),
            Kind::Bool => value.as_bool().is_some(),
            Kind::Int { min, max } => value.as_int().is_some_and(|number| {
                min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max)
            }),
            Kind::Float => value.as_float().is_some(),
            Kind::String | Kind::Path => value.as_str().is_some(),
            Kind::OneOf(texts) => value
                .as_str()
                .is_some_and(|text| texts.iter().any(|known| known == text)),
            Kind::Duration => return Duration::from_value(value).map(drop),
            Kind::Pattern => return Pattern::from_value(value).map(drop),
            Kind::Encoding => return Encoding::from_value(value).map(drop),
            Kind::Port => return Port::from_value(value).map(drop),
            Kind::Context => return ContextValue::from_value(value).map(drop),
            Kind::List(item) => match value {
                Value::List(items) => {
                    return items.iter().enumerate().try_for_each(|(index, value)| {
                        item.check(value).map_err(|error| error.at_index(index))
                    });
                }
                _ => false,
            },
            Kind::Tuple(kinds) => match value {
                Value::List(items) if items.len() == kinds.len() => {
                    return kinds.iter().zip(items).enumerate().try_for_each(
                        |(index, (kind, value))| {
                            kind.check(value).map_err(|error| error.at_index(index))
                        },
                    );
                }
                _ => false,
            },
            Kind::Map(item) => match value {
                Value::Map(entries) => {
                    return entries.iter().try_for_each(|(key, value)| {
                        item.check(value).map_err(|error| error.at_key(key))
                    });
                }
                _ => false,
            },
            Kind::Union(kinds) => {
                let mut errors = kinds.iter().filter_map(|kind| kind.check(value).err());
                return match kinds.iter().any(|kind| kind.check(value).is_ok()) {
                    true => Ok(()),
                    // The first kind is the one that is usually meant: its words help most.
                    false => Err(errors
                        .next()
                        .map_or_else(|| self.unfit(value), |error| error.expecting(self))),
                };
            }
            Kind::Nested(description) => return description.check_value(value),
            Kind::Code => false,
        };
        if fits { Ok(()) } else { Err(self.unfit(value)) }
    }

    /// The error for a value that is not of this kind.
    pub fn unfit(&self, value: &Value) -> ValueError {
        ValueError::new(self.to_string(), value.to_string())
    }

    /// The error for a value that has no written form.
    pub(crate) fn unfit_code(&self) -> ValueError {
        ValueError::new(self.to_string(), "a value that only code can give")
    }

    /// True when a context value fits.
    pub fn takes_context(&self) -> bool {
        match self {
            Kind::Context => true,
            Kind::Union(kinds) => kinds.iter().any(Kind::takes_context),
            _ => false,
        }
    }

    /// True when only code can give such values.
    pub fn is_code(&self) -> bool {
        matches!(self, Kind::Code)
    }

    /// How such a value is written, where its name does not say so.
    pub(crate) fn spelling(&self) -> Option<String> {
        match self {
            Kind::Duration => Some(
                "a duration is a text such as \"1m 30s\" or \"250ms\", or a number of seconds"
                    .to_owned(),
            ),
            Kind::Encoding => {
                Some("a text encoding is a label such as \"utf-8\" or \"latin1\"".to_owned())
            }
            Kind::Port => {
                Some("a port is a number from 0 to 65535 or the name of a service".to_owned())
            }
            Kind::Context => Some(
                "a context value is a table: { driver = \"...\", value = \"{{ ... }}\" }"
                    .to_owned(),
            ),
            Kind::List(item) | Kind::Map(item) => item.spelling(),
            Kind::Union(kinds) | Kind::Tuple(kinds) => {
                let spellings: Vec<String> = kinds.iter().filter_map(Kind::spelling).collect();
                (!spellings.is_empty()).then(|| spellings.join("; "))
            }
            _ => None,
        }
    }

    /// Whether there may be a path within a value.
    pub(crate) fn holds_path(&self) -> bool {
        match self {
            Kind::Path => true,
            Kind::List(item) | Kind::Map(item) => item.holds_path(),
            Kind::Tuple(kinds) | Kind::Union(kinds) => kinds.iter().any(Kind::holds_path),
            Kind::Nested(description) => description
                .options()
                .iter()
                .any(|option| option.kind().holds_path()),
            _ => false,
        }
    }

    /// Whether there may be a context value within a value.
    pub(crate) fn holds_context(&self) -> bool {
        match self {
            Kind::Context => true,
            Kind::List(item) | Kind::Map(item) => item.holds_context(),
            Kind::Tuple(kinds) | Kind::Union(kinds) => kinds.iter().any(Kind::holds_context),
            Kind::Nested(description) => description
                .options()
                .iter()
                .any(|option| option.kind().holds_context()),
            _ => false,
        }
    }

    /// Applies the folder that relative paths start from to every path within `value`.
    pub(crate) fn resolve_paths(&self, value: &mut Value, folder: &std::path::Path) {
        match (self, value) {
            (Kind::Path, value @ Value::String(_)) => {
                if let Value::String(text) = value {
                    let path = PathBuf::from(&*text);
                    // A path that starts with an expression starts where the expression says,
                    // and an empty one is no path at all.
                    let is_plain = !text.is_empty() && !text.trim_start().starts_with("{{");
                    if is_plain && path.is_relative() {
                        *value = Value::from(folder.join(path));
                    }
                }
            }
            (Kind::List(kind), Value::List(items)) => {
                for item in items {
                    kind.resolve_paths(item, folder);
                }
            }
            (Kind::Tuple(kinds), Value::List(items)) => {
                for (kind, item) in kinds.iter().zip(items) {
                    kind.resolve_paths(item, folder);
                }
            }
            (Kind::Map(kind), Value::Map(entries)) => {
                for value in entries.values_mut() {
                    kind.resolve_paths(value, folder);
                }
            }
            (Kind::Union(kinds), value) => {
                // Only the kind that the value is of may touch it.
                if let Some(kind) = kinds.iter().find(|kind| kind.check(value).is_ok()) {
                    kind.resolve_paths(value, folder);
                }
            }
            (Kind::Nested(description), Value::Map(entries)) => {
                for (key, value) in entries {
                    if let Some(option) = description.option(key) {
                        option.kind().resolve_paths(value, folder);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Names the kind the way a message does: "expected *a duration* ...".
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Any => f.write_str("any value"),
            Kind::Null => f.write_str("null"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Int { min, max } => {
                // The limits of a type say nothing; those of small types are limits of meaning.
                let min = min.filter(|min| *min > i64::from(i32::MIN));
                let max = max.filter(|max| *max < i64::from(i32::MAX));
                match (min, max) {
                    (None, None) => f.write_str("a whole number"),
                    (Some(min), None) => write!(f, "a whole number of at least {min}"),
                    (None, Some(max)) => write!(f, "a whole number of at most {max}"),
                    (Some(min), Some(max)) => write!(f, "a whole number from {min} to {max}"),
                }
            }
            Kind::Float => f.write_str("a number"),
            Kind::String => f.write_str("a string"),
            Kind::OneOf(texts) => {
                f.write_str("one of ")?;
                for (index, text) in texts.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{text:?}")?;
                }
                Ok(())
            }
            Kind::Path => f.write_str("a path"),
            Kind::Duration => f.write_str("a duration"),
            Kind::Pattern => f.write_str("a regular expression"),
            Kind::Encoding => f.write_str("a text encoding"),
            Kind::Port => f.write_str("a port"),
            Kind::Context => f.write_str("a context value"),
            Kind::List(item) => match &**item {
                Kind::Any => f.write_str("a list"),
                item => write!(f, "a list, each item {item}"),
            },
            Kind::Tuple(kinds) => {
                write!(f, "a list of {} values: ", kinds.len())?;
                for (index, kind) in kinds.iter().enumerate() {
                    let comma = if index > 0 { ", then " } else { "" };
                    write!(f, "{comma}{kind}")?;
                }
                Ok(())
            }
            Kind::Map(item) => match &**item {
                Kind::Any => f.write_str("a table"),
                item => write!(f, "a table, each value {item}"),
            },
            Kind::Union(kinds) => {
                // Null is left out: a file cannot write it, one leaves the key out.
                let mut names: Vec<String> = Vec::new();
                for kind in kinds.iter().filter(|kind| !matches!(kind, Kind::Null)) {
                    let name = kind.to_string();
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                match names.is_empty() {
                    true => f.write_str("null"),
                    false => f.write_str(&names.join(" or ")),
                }
            }
            Kind::Nested(description) => {
                const SHOWN: usize = 5;
                let mut names: Vec<&str> = description
                    .options()
                    .iter()
                    .filter(|option| !option.is_code_only())
                    .map(|option| option.name())
                    .take(SHOWN + 1)
                    .collect();
                if names.len() > SHOWN {
                    names[SHOWN] = "...";
                }
                write!(f, "a table {{ {} }}", names.join(", "))
            }
            Kind::Code => f.write_str("a value that only code can give"),
        }
    }
}
