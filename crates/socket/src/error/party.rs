//! The subject of an error, and the state of its stream.

use std::{fmt, sync::Arc};

use standin_record::LastRecords;

use crate::address::Address;

/// The kind of a [`Party`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A server, or a connection that it accepted.
    Server,
    /// A client, or a connection that it made.
    Client,
    /// A connection of a caller's own stream.
    Adopted,
}

/// The server, client or connection that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Party {
    /// The driver, server or client that it belongs to.
    pub role: Role,
    /// The label that its builder was given, usually the name of a driver.
    pub label: Option<Arc<str>>,
    /// The index of the connection; `None` for a server or client as a whole.
    pub index: Option<usize>,
    /// The address on this side, where one is known.
    pub local: Option<Address>,
    /// The address on the other side, where one is known.
    pub peer: Option<Address>,
    /// Possible causes that its owner knows. The message of the error ends with them, on separate
    /// lines.
    pub note: Option<Box<str>>,
    /// The last records of the connection, or of all of the server or client. The message of the
    /// error ends with them, after the note.
    pub records: Option<LastRecords>,
}

impl Party {
    /// The note and the records, as messages end with them.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending(self)
    }
}

/// Shows a note and records below a message.
pub(crate) struct Ending<'a>(&'a Party);

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(note) = &self.0.note {
            write!(f, "\n{note}")?;
        }
        match &self.0.records {
            Some(records) => write!(f, "\n\n{records}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Server => "server",
            Role::Client => "client",
            Role::Adopted => "stream",
        };
        f.write_str(role)?;
        if let Some(label) = &self.label {
            write!(f, " \"{label}\"")?;
        }
        if let Some(index) = self.index {
            write!(f, ", connection {index}")?;
        }
        match (&self.local, &self.peer) {
            (Some(local), Some(peer)) => write!(f, " ({local} <-> {peer})"),
            (Some(local), None) => write!(f, " (at {local})"),
            (None, Some(peer)) => write!(f, " (to {peer})"),
            (None, None) => Ok(()),
        }
    }
}

/// The state of a connection's stream, as far as this side knows.
///
/// An end of the peer is known once an operation has met it: a connection whose peer has just
/// closed is `Open` until a receive has read everything before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamState {
    /// Both directions work.
    Open,
    /// The peer sends no more. Sending to it may still work.
    PeerClosed,
    /// The peer takes no more.
    NotRead,
    /// The receiving half was shut down on this side.
    ReceivingShutDown,
    /// The sending half was shut down on this side.
    SendingShutDown,
    /// The connection was reset: by the peer, or by the system because the peer is gone.
    Reset,
    /// The connection failed otherwise: the peer no longer answers, or cannot be reached.
    Failed,
    /// Closed on this side, and so is what it belongs to.
    Closed,
    /// Aborted on this side.
    Aborted,
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StreamState::Open => "the stream is open",
            StreamState::PeerClosed => "the peer has closed the stream",
            StreamState::NotRead => "the peer accepts no more data",
            StreamState::ReceivingShutDown => "the receiving half was shut down on this side",
            StreamState::SendingShutDown => "the sending half was shut down on this side",
            StreamState::Reset => "the stream was reset",
            StreamState::Failed => "the stream has failed",
            StreamState::Closed => "the stream is closed on this side",
            StreamState::Aborted => "the stream was aborted on this side",
        })
    }
}
