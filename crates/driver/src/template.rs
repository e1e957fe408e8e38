//! Rendering templates over what a driver publishes.
//!
//! The engine is minijinja. Values print as the templates of ported tests
//! expect them: `None`, `True`, `[1, 2]`, `{'a': 1}`.

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, ObjectRepr, Serde, Value, ValueKind};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior};

use crate::Attributes;
use crate::attributes::text;

/// Why a template has no text.
pub(crate) enum TemplateError {
    /// It names something that is not there.
    Undefined(String),
    /// Anything else, as a sentence.
    Failed(String),
}

/// Renders `template` over `attributes`; a name that is not there is an error.
pub(crate) fn render(template: &str, attributes: &Attributes) -> Result<String, TemplateError> {
    static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        engine.set_formatter(format_value);
        engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        engine
    });

    let parsed = ENGINE
        .template_from_str(template)
        .map_err(|error| TemplateError::Failed(reason(&error)))?;
    parsed
        .render(Value::from_object(Published(attributes.clone())))
        .map_err(|error| {
            if error.kind() == minijinja::ErrorKind::UndefinedError {
                let mut missing: Vec<String> = parsed
                    .undeclared_variables(true)
                    .into_iter()
                    .filter(|name| {
                        let top = name.split('.').next().unwrap_or(name);
                        attributes.get(top).is_none() || name.contains('.')
                    })
                    .collect();
                missing.sort();
                // A name at the top is the more likely culprit than one inside a value.
                let top = missing.iter().find(|name| {
                    attributes
                        .get(name.split('.').next().unwrap_or(name))
                        .is_none()
                });
                if let Some(name) = top.or(missing.first()) {
                    return TemplateError::Undefined(name.clone());
                }
            }
            TemplateError::Failed(reason(&error))
        })
}

fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// The root of a template: the attributes, where `uid` can be read and called.
#[derive(Debug)]
struct Published(Attributes);

impl Object for Published {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let value = self.0.get(name)?;
        if name == "uid" {
            return Some(Value::from_object(Uid(text(value))));
        }
        Some(Value::from(Serde(value)))
    }
}

/// Ported templates call `uid()`; new ones just name it.
#[derive(Debug)]
struct Uid(String);

impl Object for Uid {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        Ok(Value::from(self.0.clone()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn format_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Seq => Ok(write_value(out, value, false)?),
        ValueKind::Map if value.downcast_object_ref::<Uid>().is_none() => {
            Ok(write_value(out, value, false)?)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn write_value(out: &mut dyn fmt::Write, value: &Value, nested: bool) -> fmt::Result {
    match value.kind() {
        ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Seq => {
            out.write_str("[")?;
            for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                write_value(out, &item, true)?;
            }
            out.write_str("]")
        }
        ValueKind::Map => {
            out.write_str("{")?;
            for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                write_value(out, &key, true)?;
                out.write_str(": ")?;
                write_value(out, &value.get_item(&key).unwrap_or_default(), true)?;
            }
            out.write_str("}")
        }
        ValueKind::String if nested => write!(out, "'{value}'"),
        _ => write!(out, "{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let attributes = Attributes::new()
            .with("port", 8080)
            .with("text", "Hello World")
            .with("flag", false)
            .with("items_", vec![3, 1, 2])
            .with("uid", "srv");
        match render(template, &attributes) {
            Ok(text) => assert_eq!(text, expected),
            Err(TemplateError::Undefined(name)) => {
                assert_eq!(format!("undefined {name}"), expected)
            }
            Err(TemplateError::Failed(reason)) => panic!("{reason}"),
        }
    }

    #[test]
    fn prints_values_as_ported_templates_expect_them() {
        check("{{ port }}", "8080");
        check("{{ flag }}", "False");
        check("{{ items_ }}", "[3, 1, 2]");
        check("{{ {'a': {'b': 'c'}} }}", "{'a': {'b': 'c'}}");
        check("{{ uid }} {{ uid() }}", "srv srv");
    }

    #[test]
    fn has_filters_methods_and_statements() {
        check("{{ port | int + 2 }}", "8082");
        check("{{ text.split(' ')[1] }}", "World");
        check("{{ items_ | sort | join(',') }}", "1,2,3");
        check("{% if port > 8000 %}high{% else %}low{% endif %}", "high");
        check("{{ nope | default('x') }}", "x");
        check("x\n", "x");
    }

    #[test]
    fn names_what_is_undefined() {
        check("{{ prot }}", "undefined prot");
        check("{{ port }}{{ nope.attr }}", "undefined nope.attr");
    }
}
