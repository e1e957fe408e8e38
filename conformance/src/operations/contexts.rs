//! Context values, templates and ports.

use standin::{Attributes, ContextValue, Environment, Port, Setting};

use super::Entry;
use super::drivers::attributes;
use super::environments::{EnvironmentHandle, read_alone, stub};
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome};
use standin::Driver;

pub(super) const OPERATIONS: &[Entry] = &[
    ("context.new", new),
    ("context.str", |call| {
        Ok(Value::text(value(call)?.to_string()))
    }),
    ("context.expand", expand),
    ("context.call", expand),
    ("context.is_context", is_context),
    ("context.render", render),
    ("port_to_int", port_to_int),
];

fn new(call: &Call) -> Outcome {
    Ok(Value::Context(standin::context(
        call.text("driver")?,
        call.text("template")?,
    )))
}

fn value(call: &Call) -> Result<&ContextValue, Failure> {
    match &call.on {
        Some(Value::Context(value)) => Ok(value),
        _ => Err(Failure::broken("the step needs a context value")),
    }
}

fn expand(call: &Call) -> Outcome {
    let value = match (&call.on, call.arg("value")) {
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => &Value::Null,
    };
    let Value::Context(context) = value else {
        // Anything but a context value is what it is.
        return Ok(value.clone());
    };
    let constructor = call.given("constructor").and_then(Value::as_str);
    if call.given("context").is_none() {
        return read_alone(context);
    }
    let environment = call.named("context")?;
    environment
        .required::<EnvironmentHandle>("context")?
        .reader(|reader| {
            let base = reader.base();
            Ok(match constructor {
                Some("int") => Value::Int(base.expand(&Setting::<i64>::Context(context.clone()))?),
                Some("upper") => Value::Text(
                    base.expand(&Setting::<String>::Context(context.clone()))?
                        .to_uppercase(),
                ),
                _ => Value::Text(base.expand(&Setting::<String>::Context(context.clone()))?),
            })
        })
}

fn is_context(call: &Call) -> Outcome {
    Ok(Value::Bool(matches!(
        call.arg("value"),
        Some(Value::Context(_))
    )))
}

/// Renders a template over plain values, which a name of an environment has.
fn render(call: &Call) -> Outcome {
    const NAME: &str = "values";
    let values: Attributes = attributes(&call.map("values"))?;
    let mut environment = Environment::new("environment");
    environment.set_context(NAME, values)?;
    let reader = environment.add(stub("reader")?)?;
    let text = reader
        .base()
        .render(&standin::context(NAME, call.text("template")?))?;
    Ok(Value::map([
        ("text", Value::Text(text)),
        ("fallback_warning", Value::Bool(false)),
    ]))
}

fn port_to_int(call: &Call) -> Outcome {
    let port = match call.arg("value") {
        Some(Value::Text(text)) => text.parse::<Port>()?,
        Some(Value::Int(number)) => u16::try_from(*number)
            .map(Port::Number)
            .map_err(|_| Failure::error("out_of_range", format!("{number} is not a port")))?,
        other => {
            let kind = other.map_or("nothing", Value::python_type);
            return Err(Failure::error(
                "type_error",
                format!("a port cannot be a {kind}"),
            ));
        }
    };
    Ok(Value::Int(port.number()?.into()))
}
