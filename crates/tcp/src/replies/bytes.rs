//! [`Bytes`]: bytes as an option.

use standin_config::{ConfigDescription, Kind, OptionDescription, OptionValue, Value, ValueError};
use standin_reply::bytes_of_hex;

/// Bytes: a text, or `{ hex = "00 ff" }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bytes {
    bytes: Vec<u8>,
    /// As it was written.
    value: Value,
}

const HEX: &str = "hex";

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl OptionValue for Bytes {
    fn kind() -> Kind {
        Kind::lazy::<Self>(|| {
            let hex = OptionDescription::required(HEX, Kind::String)
                .docs_are("Two hexadecimal digits for each byte; spaces between them are ignored.")
                .example("00 ff 0a");
            let table = ConfigDescription::builder("bytes").option(hex).build();
            Kind::Union(vec![Kind::String, Kind::Nested(table)])
        })
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let bytes = match (value.as_str(), value.only_entry(HEX)) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(digits)) => {
                let digits = String::from_value(digits).map_err(|error| error.at_key(HEX))?;
                bytes_of_hex(&digits).map_err(|reason| {
                    ValueError::new("valid hexadecimal", format!("{digits:?}"))
                        .because(reason)
                        .at_key(HEX)
                })?
            }
            (None, None) => return Err(Self::kind().unfit(value)),
        };
        Ok(Bytes {
            bytes,
            value: value.clone(),
        })
    }

    fn to_value(&self) -> Value {
        self.value.clone()
    }
}
