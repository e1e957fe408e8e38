//! [`Frames`]: which frames are meant, as an option.

use standin_config::{Kind, OptionValue, Value, ValueError};
use standin_reply::{When, anything, equals, prefix};

use super::bytes::Bytes;
use super::expression::Expression;

/// Which frames a step of a dialogue expects: a text that they equal, or a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frames(Condition);

/// The expected value of a frame.
#[derive(Clone, Debug, PartialEq, OptionValue)]
pub(crate) enum Condition {
    /// Frames in which this regular expression matches.
    Match(Expression),
    /// Frames that are this.
    Equals(Bytes),
    /// Frames that begin with this.
    Prefix(Bytes),
    /// All frames: `true`.
    Anything(bool),
}

impl Frames {
    pub(crate) fn when(&self) -> When {
        match &self.0 {
            Condition::Match(expression) => expression.when(),
            Condition::Equals(bytes) => equals(bytes),
            Condition::Prefix(bytes) => prefix(bytes),
            Condition::Anything(_) => anything(),
        }
    }
}

impl OptionValue for Frames {
    fn kind() -> Kind {
        Kind::lazy::<Self>(|| Kind::Union(vec![Kind::String, Condition::kind()]))
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        match value {
            Value::String(_) => Bytes::from_value(value).map(Condition::Equals).map(Frames),
            Value::Map(_) => match Condition::from_value(value)? {
                Condition::Anything(false) => Err(ValueError::saying("it expects nothing")
                    .hint("write { anything = true }, or leave it out")),
                condition => Ok(Frames(condition)),
            },
            _ => Err(Self::kind().unfit(value)),
        }
    }

    fn to_value(&self) -> Value {
        match &self.0 {
            Condition::Equals(bytes) => match bytes.to_value() {
                text @ Value::String(_) => text,
                _ => self.0.to_value(),
            },
            condition => condition.to_value(),
        }
    }
}
