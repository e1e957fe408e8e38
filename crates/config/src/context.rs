//! [`ContextValue`]: a template over what another driver publishes.

use std::fmt;

use indexmap::IndexMap;

use crate::kind::Kind;
use crate::suggest::nearest;
use crate::{OptionValue, Value, ValueError, template};

/// A template that is filled from another driver's context when the reading driver starts.
///
/// In a file it is a table: `{ driver = "server", value = "{{ port }}" }`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContextValue {
    /// The name of the driver whose context fills the template.
    pub driver: String,
    /// The template, in Jinja's syntax.
    pub template: String,
}

/// Creates a value that the driver called `driver` provides once it runs.
///
/// ```
/// use standin_config::{context, Setting};
///
/// let port = context("server", "{{ port }}");
/// assert_eq!(port.driver, "server");
/// let host: Setting<String> = context("server", "{{ host }}").into();
/// assert!(host.as_context().is_some());
/// ```
pub fn context(driver: impl Into<String>, template: impl Into<String>) -> ContextValue {
    ContextValue {
        driver: driver.into(),
        template: template.into(),
    }
}

impl ContextValue {
    /// Returns the driver and the template in a value that was read or written as a context value
    /// before, and so needs no check of the template; `None` when it is another value.
    pub fn parts(value: &Value) -> Option<(&str, &str)> {
        let Value::Map(entries) = value else {
            return None;
        };
        let text = |key: &str| entries.get(key).and_then(Value::as_str);
        text("driver")
            .zip(text("value"))
            .filter(|_| entries.len() == 2)
    }

    /// Reads a table that has exactly the keys of a context value; `None` when it is another table.
    pub(crate) fn looks_like(value: &Value) -> bool {
        matches!(value, Value::Map(entries)
            if !entries.is_empty() && entries.keys().all(|key| key == "driver" || key == "value"))
    }
}

impl fmt::Display for ContextValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context({:?}, {:?})", self.driver, self.template)
    }
}

const EXPECTED: &str = "a context value";
const DRIVER: &str = "driver";
const VALUE: &str = "value";

/// Why a table is not a context value.
fn misfit(entries: &IndexMap<String, Value>, value: &Value) -> ValueError {
    let error = ValueError::new(EXPECTED, value.to_string());
    let unknown = entries
        .keys()
        .find(|key| ![DRIVER, VALUE].contains(&key.as_str()));
    if let Some(key) = unknown {
        let missing = [DRIVER, VALUE]
            .into_iter()
            .filter(|key| !entries.contains_key(*key));
        let error = error.because(format!("a context value has no key {key:?}"));
        return match nearest(key, missing) {
            Some(known) => error.hint(format!("did you mean {known:?}?")),
            None => error,
        }
        .in_key(key);
    }
    for key in [DRIVER, VALUE] {
        match entries.get(key) {
            None => {
                let hint = "write { driver = \"server\", value = \"{{ port }}\" }, with your names";
                return error.because(format!("{key:?} is missing")).hint(hint);
            }
            Some(Value::String(_)) => {}
            Some(other) => return Kind::String.unfit(other).at_key(key),
        }
    }
    error
}

impl OptionValue for ContextValue {
    fn kind() -> Kind {
        Kind::Context
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match (value, ContextValue::parts(value)) {
            (_, Some((driver, template))) => {
                let context = context(driver, template);
                context.check()?;
                Ok(context)
            }
            (Value::Map(entries), None) => Err(misfit(entries, value)),
            (_, None) => Err(ValueError::wrong_type(EXPECTED, value)),
        }
    }

    fn to_value(&self) -> Value {
        [
            (DRIVER, self.driver.as_str()),
            (VALUE, self.template.as_str()),
        ]
        .into_iter()
        .collect()
    }

    fn check(&self) -> Result<(), ValueError> {
        if self.driver.is_empty() {
            return Err(ValueError::new("the name of a driver", "\"\"").at_key(DRIVER));
        }
        template::check(&self.template).map_err(|error| {
            error
                .hint(
                    "a template reads another driver's context, such as \"{{ host }}:{{ port }}\"",
                )
                .at_key(VALUE)
        })
    }
}
