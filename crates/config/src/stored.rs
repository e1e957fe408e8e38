//! [`Stored`]: one option's value with its type erased.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::step::overlap;
use crate::{Kind, OptionValue, Value, ValueError};

/// A value in a layer. It keeps its Rust type, so that typed access needs no parsing, and has a
/// written form, so that access by name works too. Cloning shares the value.
#[derive(Clone)]
pub struct Stored(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
    /// `None` for values that can only be set in code.
    fn value(&self) -> Option<Value>;
    fn mistakes(&self) -> Vec<ValueError>;
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

struct Written<T>(T);

impl<T: OptionValue> Erased for Written<T> {
    fn any(&self) -> &dyn Any {
        &self.0
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn value(&self) -> Option<Value> {
        Some(self.0.to_value())
    }

    fn mistakes(&self) -> Vec<ValueError> {
        let Err(error) = self.0.check() else {
            return Vec::new();
        };
        let is_same = |other: &ValueError| overlap(other.path(), error.path());
        // The check stops at the first mistake. What it refuses cannot be read, either.
        match T::read(&self.0.to_value()) {
            Err(all) if all.len() > 1 && all.iter().any(is_same) => all,
            _ => vec![error],
        }
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

struct Code<T>(T);

impl<T: Send + Sync + 'static> Erased for Code<T> {
    fn any(&self) -> &dyn Any {
        &self.0
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn value(&self) -> Option<Value> {
        None
    }

    fn mistakes(&self) -> Vec<ValueError> {
        Vec::new()
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<code>")
    }
}

struct OptionalCode<T>(Option<T>);

impl<T: Send + Sync + 'static> Erased for OptionalCode<T> {
    fn any(&self) -> &dyn Any {
        &self.0
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    // No code is null, which can be written.
    fn value(&self) -> Option<Value> {
        self.0.is_none().then_some(Value::Null)
    }

    fn mistakes(&self) -> Vec<ValueError> {
        Vec::new()
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "<code>" } else { "None" })
    }
}

impl Stored {
    /// Keeps a value that has a written form.
    pub fn new<T: OptionValue>(value: T) -> Self {
        Self(Arc::new(Written(value)))
    }

    /// Keeps a value that has none.
    pub fn code<T: Send + Sync + 'static>(value: T) -> Self {
        Self(Arc::new(Code(value)))
    }

    /// Keeps a value that has none, or nothing.
    pub fn optional_code<T: Send + Sync + 'static>(value: Option<T>) -> Self {
        Self(Arc::new(OptionalCode(value)))
    }

    /// Returns the value, if it is of type `T`.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.any().downcast_ref()
    }

    /// Returns the value for a change, if it is of type `T` and not shared.
    pub(crate) fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        Arc::get_mut(&mut self.0)?.any_mut().downcast_mut()
    }

    /// Returns the written form, if there is one.
    pub fn value(&self) -> Option<Value> {
        self.0.value()
    }

    /// The written form, to be read as a value of that kind.
    pub(crate) fn written(&self, kind: fn() -> Kind) -> Result<Value, ValueError> {
        self.value().ok_or_else(|| kind().unfit_code())
    }

    /// What the type says against a value that code made.
    pub(crate) fn mistakes(&self) -> Vec<ValueError> {
        self.0.mistakes()
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f)
    }
}

/// The written form, or `<code>`.
impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            Some(value) => value.fmt(f),
            None => f.write_str("<code>"),
        }
    }
}
