//! The values that steps take and answer.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use standin::ContextValue;

use crate::failure::Failure;

/// A value of the vectors' vocabulary.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Map(IndexMap<String, Value>),
    Function(Arc<Function>),
    Context(ContextValue),
    Pattern(Pattern),
    /// The "not decided" of `async_start`.
    Unset,
    /// No value.
    Absent,
    /// A check that failed, with its reason.
    FailedAction(String),
    Path(PathBuf),
    /// An object of Python that means nothing here: a lock, an `object()`.
    Opaque(&'static str),
    Handle(Handle),
}

/// A hook: it appends to the trace, and does as it is told.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) parameters: Vec<String>,
    pub(crate) label: String,
    pub(crate) raise: Option<String>,
    pub(crate) sleep: Option<f64>,
}

impl Function {
    /// Whether it is a hook: its one parameter is the driver, used or not.
    /// Functions with other parameters stand for closures of other types.
    pub(crate) fn takes_driver(&self) -> bool {
        match self.parameters.as_slice() {
            [name] => ["driver", "_driver", "_"].contains(&name.as_str()),
            _ => false,
        }
    }
}

/// A regular expression, as Python writes it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    pub(crate) flags: String,
    pub(crate) bytes: bool,
}

impl Pattern {
    /// The same in the syntax of the `regex` crate.
    pub(crate) fn rust(&self) -> String {
        let flags = match (self.flags.as_str(), self.bytes) {
            ("", false) => String::new(),
            (flags, false) => format!("(?{flags})"),
            (flags, true) => format!("(?{flags}-u)"),
        };
        flags + &self.source
    }
}

/// Something that later steps act on.
pub(crate) trait Object: Any + Send + Sync {
    /// The name of the reference's class, as answers show it.
    fn class(&self) -> String;

    /// The value that it stands for in an answer, if it is not only a handle.
    fn value(&self) -> Option<Value> {
        None
    }
}

/// A reference to an object.
#[derive(Clone)]
pub(crate) struct Handle(pub(crate) Arc<dyn Object>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.class())
    }
}

impl Value {
    pub(crate) fn handle(object: impl Object) -> Self {
        Value::Handle(Handle(Arc::new(object)))
    }

    /// The object that it refers to, if it is of this type.
    pub(crate) fn object<T: Object>(&self) -> Option<&T> {
        match self {
            Value::Handle(Handle(object)) => (&**object as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// The same, where the step of `name` makes no sense without it.
    pub(crate) fn required<T: Object>(&self, name: &str) -> Result<&T, Failure> {
        self.object().ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Failure::broken(format!("{name} has to be a {wanted}"))
        })
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    /// A text, or null.
    pub(crate) fn maybe_text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Value::Null, |text| Value::Text(text.into()))
    }

    /// A number, or null.
    pub(crate) fn maybe_int(number: Option<impl Into<i64>>) -> Self {
        number.map_or(Value::Null, |number| Value::Int(number.into()))
    }

    /// A count.
    pub(crate) fn count(count: usize) -> Self {
        Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Self {
        Value::Map(
            entries
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or a tuple.
    pub(crate) fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// What Python calls its type.
    pub(crate) fn python_type(&self) -> &'static str {
        match self {
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Map(_) => "dict",
            Value::Function(_) => "function",
            Value::Context(_) => "ContextValue",
            Value::Pattern(_) => "Pattern",
            Value::Path(_) => "PosixPath",
            _ => "object",
        }
    }

    /// The value as an option takes it, unless no option of ours can be given
    /// it at all.
    pub(crate) fn to_option(&self) -> Result<standin::config::Value, Failure> {
        use standin::config::{OptionValue, Value as Config};
        Ok(match self {
            Value::Null => Config::Null,
            Value::Bool(value) => Config::Bool(*value),
            Value::Int(value) => Config::Int(*value),
            Value::Float(value) => Config::Float(*value),
            Value::Text(value) => Config::String(value.clone()),
            Value::List(items) | Value::Tuple(items) => Config::List(
                items
                    .iter()
                    .map(Value::to_option)
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(name, value)| Ok((name.clone(), value.to_option()?)));
                Config::Map(entries.collect::<Result<_, Failure>>()?)
            }
            Value::Context(value) => value.to_value(),
            Value::Pattern(pattern) => Config::String(pattern.rust()),
            Value::Path(path) => path.to_value(),
            other => {
                return Err(Failure::error(
                    "config_invalid_value",
                    format!("an option cannot be a {}", other.python_type()),
                ));
            }
        })
    }

    /// An option's value as the vectors have it.
    pub(crate) fn from_option(value: &standin::config::Value) -> Self {
        use standin::config::{OptionValue, Value as Config};
        match value {
            Config::Null => Value::Null,
            Config::Bool(value) => Value::Bool(*value),
            Config::Int(value) => Value::Int(*value),
            Config::Float(value) => Value::Float(*value),
            Config::String(value) => Value::Text(value.clone()),
            Config::List(items) => Value::List(items.iter().map(Value::from_option).collect()),
            Config::Map(entries) => match ContextValue::from_value(value) {
                Ok(context) => Value::Context(context),
                Err(_) => Value::Map(
                    entries
                        .iter()
                        .map(|(name, value)| (name.clone(), Value::from_option(value)))
                        .collect(),
                ),
            },
        }
    }
}
