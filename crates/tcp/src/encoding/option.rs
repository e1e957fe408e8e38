//! An encoding as the value of an option: its label.

use standin_config::{Kind, OptionValue, Value, ValueError};

use super::Encoding;

impl OptionValue for Encoding {
    fn kind() -> Kind {
        Kind::String
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let label = String::from_value(value)?;
        label.parse().map_err(|_| {
            ValueError::new(
                "the label of an encoding, such as utf-8",
                format!("{label:?}"),
            )
        })
    }

    fn to_value(&self) -> Value {
        Value::from(self.name().to_ascii_lowercase())
    }
}
