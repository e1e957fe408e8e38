//! [`Encoding`]: a text encoding as an option.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::{Kind, OptionValue, Value, ValueError};

/// A text encoding, by any label of the WHATWG encoding standard: `utf-8`, `latin1`, `shift_jis`.
///
/// ```
/// use standin_config::Encoding;
///
/// assert_eq!(Encoding::default().name(), Ok("UTF-8"));
/// assert_eq!(Encoding::from("latin1").name(), Ok("windows-1252"));
/// assert!(Encoding::from("klingon").name().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    label: String,
}

/// No encoding has this label.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[error("there is no text encoding {label:?}")]
#[diagnostic(
    code(standin::config::unknown_encoding),
    help(
        "use a label of the WHATWG encoding standard, such as \"utf-8\", \"latin1\" or \"utf-16le\""
    )
)]
pub struct EncodingError {
    label: String,
}

standin_error::reportable!(EncodingError);

impl Encoding {
    /// The label as it was written.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The standard's name of the encoding, which `encoding_rs` knows as a label, too.
    ///
    /// # Errors
    /// When no encoding has this label. One that was read from a file or checked by
    /// [`Node::new`](crate::Node::new) has a name.
    pub fn name(&self) -> Result<&'static str, EncodingError> {
        encoding_rs::Encoding::for_label(self.label.as_bytes())
            .map(encoding_rs::Encoding::name)
            .ok_or_else(|| EncodingError {
                label: self.label.clone(),
            })
    }
}

/// UTF-8.
impl Default for Encoding {
    fn default() -> Self {
        Self::from("utf-8")
    }
}

impl From<&str> for Encoding {
    fn from(label: &str) -> Self {
        Self {
            label: label.to_owned(),
        }
    }
}

impl From<String> for Encoding {
    fn from(label: String) -> Self {
        Self { label }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl OptionValue for Encoding {
    fn kind() -> Kind {
        Kind::Encoding
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let label = value.as_str().ok_or_else(|| Kind::Encoding.unfit(value))?;
        let encoding = Self::from(label);
        encoding.check()?;
        Ok(encoding)
    }

    fn to_value(&self) -> Value {
        Value::from(self.label())
    }

    fn check(&self) -> Result<(), ValueError> {
        self.name()
            .map(drop)
            .map_err(|_| Kind::Encoding.unfit(&self.to_value()))
    }
}
