//! [`Setting`]: a value given now, or by another driver when it runs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::kind::Kind;
use crate::{ContextValue, OptionValue, Pattern, Port, Value, ValueError};

/// A plain value, or a [`ContextValue`] that becomes one when the driver starts.
///
/// ```
/// use standin_config::{context, Port, Setting};
///
/// fn port(port: impl Into<Setting<Port>>) -> Setting<Port> {
///     port.into()
/// }
/// assert_eq!(port(80), Setting::Plain(Port::Number(80)));
/// assert_eq!(port("http"), Setting::Plain(Port::Service("http".to_owned())));
/// assert!(port(context("server", "{{ port }}")).as_plain().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Setting<T> {
    /// The value itself.
    Plain(T),
    /// A template that another driver fills.
    Context(ContextValue),
}

impl<T> Setting<T> {
    /// Returns the value, unless another driver provides it.
    pub fn as_plain(&self) -> Option<&T> {
        match self {
            Setting::Plain(value) => Some(value),
            Setting::Context(_) => None,
        }
    }

    /// Returns the template, if another driver provides the value.
    pub fn as_context(&self) -> Option<&ContextValue> {
        match self {
            Setting::Plain(_) => None,
            Setting::Context(context) => Some(context),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Plain(value) => write!(f, "{value}"),
            Setting::Context(context) => write!(f, "{context}"),
        }
    }
}

/// Types that convert into a [`Setting`] of themselves: everything but a [`ContextValue`].
///
/// Implement it for your own option types to write `.option(value)` where the option is a
/// `Setting<YourType>`.
pub trait PlainValue {}

macro_rules! plain {
    ($($ty:ty),*) => { $(impl PlainValue for $ty {})* };
}
plain!(
    String, Port, PathBuf, Duration, Pattern, Value, bool, i8, i16, i32, i64, u8, u16, u32, u64,
    usize, f64
);

impl<T: PlainValue> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Setting::Plain(value)
    }
}

impl<T> From<ContextValue> for Setting<T> {
    fn from(context: ContextValue) -> Self {
        Setting::Context(context)
    }
}

impl From<&str> for Setting<String> {
    fn from(value: &str) -> Self {
        Setting::Plain(value.to_owned())
    }
}

impl From<&str> for Setting<PathBuf> {
    fn from(value: &str) -> Self {
        Setting::Plain(PathBuf::from(value))
    }
}

impl From<u16> for Setting<Port> {
    fn from(number: u16) -> Self {
        Setting::Plain(Port::Number(number))
    }
}

impl From<&str> for Setting<Port> {
    fn from(text: &str) -> Self {
        Setting::Plain(Port::from(text))
    }
}

impl From<String> for Setting<Port> {
    fn from(text: String) -> Self {
        Setting::Plain(Port::from(text))
    }
}

impl<T: OptionValue> OptionValue for Setting<T> {
    fn kind() -> Kind {
        Kind::Union(vec![T::kind(), Kind::Context])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if ContextValue::looks_like(value) {
            return ContextValue::from_value(value).map(Setting::Context);
        }
        T::from_value(value)
            .map(Setting::Plain)
            .map_err(|error| error.or_expected("a context value"))
    }

    fn to_value(&self) -> Value {
        match self {
            Setting::Plain(value) => value.to_value(),
            Setting::Context(context) => context.to_value(),
        }
    }

    fn check(&self) -> Result<(), ValueError> {
        match self {
            Setting::Plain(value) => value.check(),
            Setting::Context(context) => context.check(),
        }
    }
}

/// A check of an option that renders no templates: a text with one was meant to be a context value.
///
/// ```
/// use standin_config::{Setting, context, no_template};
///
/// assert!(no_template(&Setting::from("localhost")).is_ok());
/// assert!(no_template(&Setting::from("{{ context.server.host }}")).is_err());
/// assert!(no_template(&context("server", "{{ host }}").into()).is_ok());
/// ```
///
/// # Errors
///
/// Returns an error if the text has a `{{`, with what to write instead.
pub fn no_template(setting: &Setting<String>) -> Result<(), String> {
    match setting {
        Setting::Plain(text) if text.contains("{{") => Err(
            "it must not be a template: what another driver publishes is written as \
             { driver = \"server\", value = \"{{ host }}\" }"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}
