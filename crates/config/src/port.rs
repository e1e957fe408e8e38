//! [`Port`]: a TCP or UDP port as a number or a service name.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use miette::Diagnostic;
use thiserror::Error;

use crate::{Kind, OptionValue, Value, ValueError};

/// A port: a number, the same number as text, or the name of a service.
///
/// ```
/// use standin_config::Port;
///
/// assert_eq!(Port::from(80), Port::from("80"));
/// assert_eq!(Port::from("8080").number()?, 8080);
/// assert_eq!(Port::from("http"), Port::Service("http".to_owned()));
/// assert!(Port::from("70000").number().is_err());
/// # Ok::<(), standin_config::PortError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// A port number; 0 lets the system choose.
    Number(u16),
    /// The name of a service in the system's table, such as `http`.
    Service(String),
}

/// Why a port has no number.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum PortError {
    /// The table of services does not contain the name.
    #[error("no service is called {name:?}")]
    #[diagnostic(
        code(standin::config::unknown_service),
        help("give the port as a number, or add the service to {SERVICES}")
    )]
    UnknownService {
        /// The requested name.
        name: String,
    },
    /// The number does not fit a port.
    #[error("{text} is not a valid port: {RANGE}")]
    #[diagnostic(
        code(standin::config::port_out_of_range),
        help("a port is a whole number from 0 to 65535, or the name of a service")
    )]
    OutOfRange {
        /// The given value.
        text: String,
    },
    /// The table of services could not be read.
    #[error("cannot look up the service {name:?} in {SERVICES}")]
    #[diagnostic(
        code(standin::config::no_services),
        help("give the port as a number, or install the table of services (Debian: netbase)")
    )]
    NoServices {
        /// The requested name.
        name: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

standin_error::reportable!(PortError);

const SERVICES: &str = "/etc/services";
const EXPECTED: &str = "a valid port";
const RANGE: &str = "ports are 0 to 65535";

impl Port {
    /// Returns the port's number; a service name is looked up in the system's table of services.
    ///
    /// # Errors
    ///
    /// Returns [`PortError::UnknownService`] for a name that the table lacks,
    /// [`PortError::OutOfRange`] for a number that is not a port, [`PortError::NoServices`] when
    /// there is no table.
    pub fn number(&self) -> Result<u16, PortError> {
        match self {
            Port::Number(number) => Ok(*number),
            Port::Service(name) => resolve(name),
        }
    }
}

/// Returns the port of a numeric text or a service name.
///
/// # Errors
///
/// Returns the errors of [`Port::number`].
pub fn resolve(name: &str) -> Result<u16, PortError> {
    let name = name.trim();
    if looks_numeric(name) {
        return name.parse().map_err(|_| PortError::OutOfRange {
            text: name.to_owned(),
        });
    }
    let table = fs::read(Path::new(SERVICES)).map_err(|source| PortError::NoServices {
        name: name.to_owned(),
        source,
    })?;
    find_service(&String::from_utf8_lossy(&table), name).ok_or_else(|| PortError::UnknownService {
        name: name.to_owned(),
    })
}

fn looks_numeric(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Lines are `name port/protocol aliases... # comment`; the first line that has the name wins.
fn find_service(table: &str, name: &str) -> Option<u16> {
    table.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let official = words.next()?;
        let (port, _protocol) = words.next()?.split_once('/')?;
        (official == name || words.any(|alias| alias == name))
            .then(|| port.parse().ok())
            .flatten()
    })
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Number(number) => write!(f, "{number}"),
            Port::Service(name) => f.write_str(name),
        }
    }
}

/// As [`Port::from`], for a number in range and the name of a service that there is.
impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let port = Port::from(text);
        match port.number() {
            Ok(_) => Ok(port),
            Err(PortError::UnknownService { name }) if name.is_empty() => {
                Err(PortError::OutOfRange {
                    text: format!("{text:?}"),
                })
            }
            Err(error) => Err(error),
        }
    }
}

impl From<u16> for Port {
    fn from(number: u16) -> Self {
        Port::Number(number)
    }
}

impl From<&str> for Port {
    fn from(text: &str) -> Self {
        match text.trim().parse() {
            Ok(number) => Port::Number(number),
            Err(_) => Port::Service(text.trim().to_owned()),
        }
    }
}

impl From<String> for Port {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl OptionValue for Port {
    fn kind() -> Kind {
        Kind::Port
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let port = match value {
            Value::Int(number) => u16::try_from(*number)
                .map(Port::Number)
                .map_err(|_| ValueError::new(EXPECTED, number.to_string()).because(RANGE))?,
            Value::String(text) => Port::from(text.as_str()),
            _ => return Err(ValueError::wrong_type(EXPECTED, value)),
        };
        port.check()?;
        Ok(port)
    }

    fn to_value(&self) -> Value {
        match self {
            Port::Number(number) => Value::from(*number),
            Port::Service(name) => Value::from(name.as_str()),
        }
    }

    fn check(&self) -> Result<(), ValueError> {
        let Port::Service(name) = self else {
            return Ok(());
        };
        let error = ValueError::new(EXPECTED, format!("{name:?}"));
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(error);
        }
        self.number().map(drop).map_err(|reason| match reason {
            PortError::OutOfRange { .. } => error.because(RANGE),
            reason => error.because(reason.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "# table\nhttp\t\t80/tcp\t\twww  # WorldWideWeb\ndomain 53/udp\nbroken\nodd x/tcp\n";

    #[test]
    fn a_service_is_found_by_name_and_by_alias() {
        assert_eq!(find_service(TABLE, "http"), Some(80));
        assert_eq!(find_service(TABLE, "www"), Some(80));
        assert_eq!(find_service(TABLE, "domain"), Some(53));
    }

    #[test]
    fn comments_and_broken_lines_are_no_services() {
        assert_eq!(find_service(TABLE, "WorldWideWeb"), None);
        assert_eq!(find_service(TABLE, "broken"), None);
        assert_eq!(find_service(TABLE, "odd"), None);
    }

    #[test]
    fn numbers_out_of_range_are_told_from_names() {
        for text in ["-1", "65536", "1.5", "99999999999999999999"] {
            let error = Port::from(text).number().unwrap_err();
            assert!(
                matches!(error, PortError::OutOfRange { .. }),
                "{text}: {error}"
            );
            assert!(Port::from(text).check().is_err(), "{text}");
        }
    }
}
