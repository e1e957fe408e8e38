//! Why a server could not accept, or not close a connection.

use std::{io, time::Duration};

use miette::Diagnostic;
use thiserror::Error;

use super::{Party, Timing};

/// Why an accept failed.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum AcceptError {
    /// The time limit passed, and no peer had connected.
    #[error("{party}: nobody connected {}; {accepted} accepted so far{}", Timing { elapsed: *elapsed, limit: *limit }, party.ending())]
    #[diagnostic(
        code(standin::socket::accept_timed_out),
        help(
            "check that the peer connects to this address, and when; or wait longer; in an async test a wait must \
             not block the thread on which the peer runs: await `accept_connection_async`"
        )
    )]
    TimedOut {
        /// The server.
        party: Box<Party>,
        /// How long it waited.
        elapsed: Duration,
        /// How long it was allowed to wait.
        limit: Option<Duration>,
        /// How many connections it had accepted before.
        accepted: usize,
    },

    /// The server was closed, before or by another thread meanwhile.
    #[error("{party}: cannot accept: the server is closed{}", party.ending())]
    #[diagnostic(
        code(standin::socket::accept_closed),
        help("bind a new server, or start its driver again")
    )]
    Closed {
        /// The server.
        party: Box<Party>,
    },

    /// The server was aborted.
    #[error("{party}: cannot accept: the server was aborted{}", party.ending())]
    #[diagnostic(
        code(standin::socket::accept_aborted),
        help("the operation was aborted; look for the caller of `abort`")
    )]
    Aborted {
        /// The server.
        party: Box<Party>,
    },

    /// The system reported an error.
    #[error("{party}: cannot accept a connection{}", party.ending())]
    #[diagnostic(
        code(standin::socket::accept_failed),
        help("see the cause; \"too many open files\" means the limit on descriptors (ulimit -n)")
    )]
    Io {
        /// The server.
        party: Box<Party>,
        /// The system's error.
        source: io::Error,
    },
}

standin_error::reportable!(AcceptError);

impl AcceptError {
    /// Returns the server.
    pub fn party(&self) -> &Party {
        match self {
            AcceptError::TimedOut { party, .. }
            | AcceptError::Closed { party }
            | AcceptError::Aborted { party }
            | AcceptError::Io { party, .. } => party,
        }
    }

    /// Adds possible causes that the caller knows: the message ends with them.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<Box<str>>) -> Self {
        match &mut self {
            AcceptError::TimedOut { party, .. }
            | AcceptError::Closed { party }
            | AcceptError::Aborted { party }
            | AcceptError::Io { party, .. } => party,
        }
        .note = Some(note.into());
        self
    }

    /// Returns whether the time limit was exceeded.
    pub fn is_timeout(&self) -> bool {
        matches!(self, AcceptError::TimedOut { .. })
    }
}

/// Why a server has no such connection to close.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum CloseError {
    /// No connection ever had this index.
    #[error("{party}: no connection {index}: {accepted} accepted so far")]
    #[diagnostic(
        code(standin::socket::connection_unknown),
        help("indices count from 0 in the order of accepting; accept the connection first")
    )]
    Unknown {
        /// The server.
        party: Box<Party>,
        /// What was asked for.
        index: usize,
        /// How many connections were accepted.
        accepted: usize,
    },

    /// The connection was closed before.
    #[error("{party}: connection {index} is not active: it was closed before")]
    #[diagnostic(
        code(standin::socket::connection_not_active),
        help("indices are never reused; use a newer one")
    )]
    NotActive {
        /// The server.
        party: Box<Party>,
        /// What was asked for.
        index: usize,
    },
}

standin_error::reportable!(CloseError);
