//! Drivers as objects in templates, and how they print.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use minijinja::value::{Object, ObjectRepr, Serde, Value, ValueKind};
use minijinja::{Error, Output, State};
use standin_config::{Kind, Node, OptionValue};
use standin_entity::Status;

use super::scope::{Idioms, LastMissing, Missing, OPTIONS, Scope};
use crate::attributes::text;
use crate::context::ContextSource;

/// The root of a template: the attributes, the options as `cfg`, and `context`.
#[derive(Debug)]
pub(super) struct Published(pub(super) Scope, pub(super) Idioms);

impl Object for Published {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let Published(scope, idioms) = &**self;
        match (name, scope.own.get(name)) {
            ("uid", Some(uid)) if idioms.calls_uid => Some(Value::from_object(Uid(text(uid)))),
            ("status", Some(status)) if idioms.asks_tag => {
                Some(Value::from_object(StatusOf(text(status))))
            }
            (_, Some(value)) => Some(Value::from(Serde(value))),
            ("context", None) => {
                let others = scope.others.clone()?;
                let missing = scope.missing.clone();
                Some(Value::from_object(Others(others, *idioms, missing)))
            }
            (name, None) if OPTIONS.contains(&name) => {
                let node = scope.own.options()?.clone();
                Some(Value::from_object(OptionsOf(node)))
            }
            _ => {
                scope
                    .missing
                    .set(scope.driver.clone().map(|driver| Missing {
                        driver,
                        attribute: Some(name.to_owned()),
                    }));
                None
            }
        }
    }
}

/// The drivers that a template can name below `context`. Asked for only when a
/// template names them: a driver is not read for nothing.
struct Others(Arc<dyn ContextSource>, Idioms, LastMissing);

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.names()).finish()
    }
}

impl Object for Others {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let driver = key.as_str()?.to_owned();
        let Some(own) = self.0.attributes(&driver) else {
            if let Some(value) = self.0.value(&driver) {
                return Some(Value::from(Serde(&value)));
            }
            let attribute = None;
            self.2.set(Some(Missing { driver, attribute }));
            return None;
        };
        let scope = Scope {
            own,
            others: None,
            driver: Some(driver),
            missing: self.2.clone(),
        };
        Some(Value::from_object(Published(scope, self.1)))
    }
}

/// The names that templates can read beyond their own driver, for another engine: `context`, looked
/// up in `source` while that exists.
pub(crate) fn names(source: Option<Weak<dyn ContextSource>>) -> Value {
    Value::from_object(Names(source))
}

struct Names(Option<Weak<dyn ContextSource>>);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Object for Names {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let source = self.0.as_ref()?.upgrade()?;
        let others = || Others(source, Idioms::default(), LastMissing::default());
        (key.as_str() == Some("context")).then(|| Value::from_object(others()))
    }
}

/// The options of a driver, with durations as numbers of seconds.
#[derive(Debug)]
struct OptionsOf(Node);

impl Object for OptionsOf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let value = self.0.get(name).ok()?;
        let option = self.0.description().option(name);
        if option.is_some_and(|option| is_duration(option.kind()))
            && let Ok(duration) = Duration::from_value(&value)
        {
            return Some(if duration.subsec_nanos() == 0 {
                Value::from(duration.as_secs())
            } else {
                Value::from(duration.as_secs_f64())
            });
        }
        Some(Value::from(Serde(&value)))
    }
}

fn is_duration(kind: &Kind) -> bool {
    match kind {
        Kind::Duration => true,
        Kind::Union(kinds) => kinds.iter().any(is_duration),
        _ => false,
    }
}

/// A status that ported templates ask for its `tag`.
#[derive(Debug)]
struct StatusOf(String);

impl Object for StatusOf {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "tag").then(|| {
            if self.0 == Status::None.as_str() {
                Value::from(())
            } else {
                Value::from(self.0.clone())
            }
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A uid that ported templates call; new ones just name it.
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

pub(super) fn format_value(
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
