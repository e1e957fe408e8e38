use std::fmt;

use standin_config::{Kind, OptionValue, Value, ValueError};

/// An address of this machine to connect from, and a port if it matters.
///
/// In a file it is a text, `"127.0.0.2"`, or a pair, `["127.0.0.2", 5000]`.
///
/// ```
/// use standin_tcp::Interface;
///
/// assert_eq!(Interface::from("127.0.0.2").port(), 0);
/// assert_eq!(Interface::from(("127.0.0.2", 5000)).port(), 5000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    host: String,
    port: u16,
}

impl Interface {
    /// Returns the host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port; with 0 the system chooses.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<&str> for Interface {
    fn from(host: &str) -> Self {
        Interface {
            host: host.to_owned(),
            port: 0,
        }
    }
}

impl From<String> for Interface {
    fn from(host: String) -> Self {
        Interface { host, port: 0 }
    }
}

impl<H: Into<String>> From<(H, u16)> for Interface {
    fn from((host, port): (H, u16)) -> Self {
        Interface {
            host: host.into(),
            port,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if self.port != 0 {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl OptionValue for Interface {
    fn kind() -> Kind {
        Kind::Union(vec![String::kind(), <(String, u16)>::kind()])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        if let Some(host) = value.as_str() {
            return Ok(host.into());
        }
        <(String, u16)>::from_value(value)
            .map(Self::from)
            .map_err(|_| Self::kind().unfit(value))
    }

    fn to_value(&self) -> Value {
        match self.port {
            0 => self.host.to_value(),
            port => (self.host.clone(), port).to_value(),
        }
    }
}
