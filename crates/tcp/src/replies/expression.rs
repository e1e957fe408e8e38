//! [`Expression`]: a regular expression over frames, as an option.

use miette::Diagnostic;
use standin_config::{Kind, OptionValue, Value, ValueError};
use standin_reply::{Problem, Replies, When, no_reply, pattern};

/// A regular expression that is looked for in frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(String);

impl Expression {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn when(&self) -> When {
        pattern(&self.0)
    }
}

impl OptionValue for Expression {
    fn kind() -> Kind {
        Kind::String
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let expression = Expression(String::from_value(value)?);
        let checked = Replies::raw().on(expression.when(), no_reply()).check(&[]);
        let wrong = checked.err();
        let Some(mistake) = wrong.as_ref().and_then(|error| error.mistakes().first()) else {
            return Ok(expression);
        };
        let problem = mistake.problem();
        let error = ValueError::saying(problem.to_string());
        let error = match problem {
            Problem::Pattern {
                span: Some(span), ..
            } => error.within(span.clone()),
            _ => error,
        };
        Err(match problem.help() {
            Some(help) => error.hint(help.to_string()),
            None => error,
        })
    }

    fn to_value(&self) -> Value {
        self.0.to_value()
    }
}
