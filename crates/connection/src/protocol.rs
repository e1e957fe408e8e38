//! The words that a connection info is made of.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is spoken over a connection.
///
/// Protocols of the user's own are [`Protocol::Other`]; any text converts.
///
/// ```
/// use standin_connection::Protocol;
///
/// assert_eq!(Protocol::from("tcp"), Protocol::Tcp);
/// assert_eq!(Protocol::from("shm").to_string(), "shm");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// `tcp`, identified by the listening port.
    Tcp,
    /// `udp`, identified by the bound port.
    Udp,
    /// `unix`, identified by the path of the socket.
    Unix,
    /// `file`, identified by its path: who reads it listens, who writes it
    /// connects.
    File,
    /// Any other, by its name.
    Other(String),
}

/// Which way a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// The end that waits: a server, the reader of a file.
    Listening,
    /// The end that goes there: a client, the writer of a file.
    Connecting,
}

/// What a connection is known by to both of its ends.
///
/// The port 80 and the text `"80"` identify the same connection.
#[derive(Clone, Debug)]
pub enum Identifier {
    /// The port of the listening end.
    Port(u16),
    /// A path or any other name.
    Text(String),
}

impl Protocol {
    /// Returns the name, as it stands before `://`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::File => "file",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Protocol {
    fn from(name: &str) -> Self {
        match name {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "unix" => Self::Unix,
            "file" => Self::File,
            _ => Self::Other(name.to_owned()),
        }
    }
}

impl From<String> for Protocol {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Direction {
    /// `listening` or `connecting`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Connecting => "connecting",
        }
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<u16> for Identifier {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

impl From<&str> for Identifier {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Identifier {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => port.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Port(port) => serializer.serialize_u16(*port),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Port(a), Self::Port(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Port(port), Self::Text(text)) | (Self::Text(text), Self::Port(port)) => {
                port.to_string() == *text
            }
        }
    }
}

impl Eq for Identifier {}
