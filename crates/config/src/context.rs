//! [`ContextValue`]: a template over what another driver publishes.

use std::fmt;
use std::sync::LazyLock;

use crate::kind::Kind;
use crate::{OptionValue, Value, ValueError};

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

/// A value that the driver called `driver` provides once it runs.
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
    /// The driver and the template in a value that was read or written as a context value before,
    /// and so needs no check of the template; `None` when it is another value.
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

/// Filters are looked up when a template is rendered, so that an empty environment will do.
static PARSER: LazyLock<minijinja::Environment<'static>> =
    LazyLock::new(minijinja::Environment::empty);

const EXPECTED: &str = "a context value";

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
            (Value::Map(_), None) => Err(ValueError::new(EXPECTED, value.to_string())),
            (_, None) => Err(ValueError::wrong_type(EXPECTED, value)),
        }
    }

    fn to_value(&self) -> Value {
        [
            ("driver", self.driver.as_str()),
            ("value", self.template.as_str()),
        ]
        .into_iter()
        .collect()
    }

    fn check(&self) -> Result<(), ValueError> {
        if self.driver.is_empty() {
            return Err(ValueError::new(EXPECTED, "one without a driver's name"));
        }
        PARSER
            .template_from_str(&self.template)
            .map(drop)
            .map_err(|error| {
                ValueError::new("a template", format!("{:?}", self.template))
                    .because(
                        error
                            .detail()
                            .map_or_else(|| error.kind().to_string(), str::to_owned),
                    )
                    .bad_template()
            })
    }
}
