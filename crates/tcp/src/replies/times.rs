//! [`Often`]: how often, as an option.

use standin_config::{Kind, OptionValue, Value, ValueError};
use standin_reply::{Problem, Times};

/// How often: a number, or a range as a text, `"1.."`.
#[derive(Clone, Debug, PartialEq)]
pub struct Often {
    pub(crate) times: Times,
    /// As it was written.
    value: Value,
}

impl OptionValue for Often {
    fn kind() -> Kind {
        Kind::Union(vec![usize::kind(), Kind::String])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let times = match value.as_str() {
            None => Times::from(usize::from_value(value).map_err(|_| Self::kind().unfit(value))?),
            Some(text) => text.parse().map_err(|_| {
                ValueError::new("a number or a range of numbers", format!("{text:?}"))
                    .hint("write it as \"2\", \"1..\", \"..=3\" or \"1..=3\"")
            })?,
        };
        if !times.is_possible() {
            let problem = Problem::ImpossibleTimes { times };
            let help = "write \"1..=3\", the smaller number first";
            return Err(ValueError::saying(problem.to_string()).hint(help));
        }
        Ok(Often {
            times,
            value: value.clone(),
        })
    }

    fn to_value(&self) -> Value {
        self.value.clone()
    }
}
