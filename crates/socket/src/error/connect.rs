//! Why a client could not connect, or a server not bind.

use std::{fmt, io, time::Duration};

use miette::Diagnostic;
use thiserror::Error;

use super::{Party, Timing};
use crate::{address::Address, sys};

/// One address that was tried, and the result.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: Address,
    /// The system's error.
    pub error: io::Error,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

/// Shows attempts, one a line.
struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|attempt| write!(f, "\n  {attempt}"))
    }
}

/// Why a connect failed.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("{party}: cannot resolve the host \"{host}\"{}", party.ending())]
    #[diagnostic(
        code(standin::socket::connect_host),
        help("check the spelling, or give an IP address")
    )]
    Resolve {
        /// The client.
        party: Box<Party>,
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },

    /// Connection refused: an address of the host refused, and no other did better.
    #[error("{}", .0.sentence("connection refused"))]
    #[diagnostic(
        code(standin::socket::connect_refused),
        help(
            "nothing listens there: start the server first, or let the client retry until its deadline"
        )
    )]
    Refused(Box<ConnectFailure>),

    /// The time was up.
    #[error("{}", .0.sentence("no connection"))]
    #[diagnostic(
        code(standin::socket::connect_timed_out),
        help("{}", .0.way_out("the peer does not answer: its queue is full, it is unreachable, or it is not there yet"))
    )]
    TimedOut(Box<ConnectFailure>),

    /// The client was closed, before or by another thread meanwhile.
    #[error("{}", .0.sentence("the client was closed"))]
    #[diagnostic(
        code(standin::socket::connect_closed),
        help("something closed the client, or stopped its driver")
    )]
    Closed(Box<ConnectFailure>),

    /// The client was aborted.
    #[error("{}", .0.sentence("the client was aborted"))]
    #[diagnostic(
        code(standin::socket::connect_aborted),
        help("the operation was aborted; look for the caller of `abort`")
    )]
    Aborted(Box<ConnectFailure>),

    /// The system reported something else, such as an interface that is not local.
    #[error("{}", .0.sentence("cannot connect"))]
    #[diagnostic(
        code(standin::socket::connect_failed),
        help("{}", .0.way_out("see what was tried, and the interface if one was given; a server must listen at the path of a Unix socket, which must be shorter than 108 bytes (macOS: 104); \"too many open files\" means the limit on descriptors (ulimit -n)"))
    )]
    Io(Box<ConnectFailure>),
}

standin_error::reportable!(ConnectError);

/// The circumstances of a failed connect.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectFailure {
    /// The client.
    pub party: Party,
    /// The target, as given: `host:port` or a path.
    pub target: String,
    /// How long it tried.
    pub elapsed: Duration,
    /// How long it was allowed to try; `None` when there was no limit.
    pub limit: Option<Duration>,
    /// The outcome of every address in the last round of attempts.
    pub attempts: Vec<Attempt>,
}

impl ConnectFailure {
    fn way_out(&self, otherwise: &'static str) -> &'static str {
        let is_taken = |attempt: &Attempt| attempt.error.kind() == io::ErrorKind::AddrNotAvailable;
        if self.attempts.iter().any(is_taken) {
            "an interface must be an address of this machine; from a fixed port there is one connection to the same peer, and one that was closed on this side stays in TIME_WAIT, on Linux for a second within one machine and otherwise for a minute: use port 0, wait longer, or have the peer close first"
        } else {
            otherwise
        }
    }

    fn sentence<'a>(&'a self, what: &'a str) -> impl fmt::Display + 'a {
        ConnectSentence {
            failure: self,
            what,
        }
    }
}

struct ConnectSentence<'a> {
    failure: &'a ConnectFailure,
    what: &'a str,
}

impl fmt::Display for ConnectSentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectFailure {
            party,
            target,
            elapsed,
            limit,
            attempts,
        } = self.failure;
        let timing = Timing {
            elapsed: *elapsed,
            limit: *limit,
        };
        write!(
            f,
            "{party}: {} to {target} {timing}{}{}",
            self.what,
            Attempts(attempts),
            party.ending()
        )
    }
}

impl ConnectError {
    /// Returns the client.
    pub fn party(&self) -> &Party {
        match self {
            ConnectError::Resolve { party, .. } => party,
            ConnectError::Refused(failure)
            | ConnectError::TimedOut(failure)
            | ConnectError::Closed(failure)
            | ConnectError::Aborted(failure)
            | ConnectError::Io(failure) => &failure.party,
        }
    }

    /// Adds possible causes that the caller knows: the message ends with them.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<Box<str>>) -> Self {
        let party = match &mut self {
            ConnectError::Resolve { party, .. } => party,
            ConnectError::Refused(failure)
            | ConnectError::TimedOut(failure)
            | ConnectError::Closed(failure)
            | ConnectError::Aborted(failure)
            | ConnectError::Io(failure) => &mut failure.party,
        };
        party.note = Some(note.into());
        self
    }

    /// Returns every address of the last round, and its result.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            ConnectError::Resolve { .. } => &[],
            ConnectError::Refused(failure)
            | ConnectError::TimedOut(failure)
            | ConnectError::Closed(failure)
            | ConnectError::Aborted(failure)
            | ConnectError::Io(failure) => &failure.attempts,
        }
    }

    /// Returns the system's error for the last address that this machine has, or the resolver's for
    /// the name.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            ConnectError::Resolve { source, .. } => Some(source),
            _ => last(self.attempts()),
        }
    }

    /// Returns whether the time limit was exceeded.
    pub fn is_timeout(&self) -> bool {
        matches!(self, ConnectError::TimedOut(_))
    }
}

/// The last error other than that this machine lacks the address, if there is one.
fn last(attempts: &[Attempt]) -> Option<&io::Error> {
    let mut errors = attempts.iter().rev().map(|attempt| &attempt.error);
    let telling = errors.clone().find(|error| !sys::is_unavailable(error));
    telling.or_else(|| errors.next())
}

/// Why a server could not bind.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum BindError {
    /// The host's name has no address.
    #[error("{party}: cannot resolve the host \"{host}\"")]
    #[diagnostic(
        code(standin::socket::bind_host),
        help("check the spelling, or give an IP address of this machine")
    )]
    Resolve {
        /// The server.
        party: Box<Party>,
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },

    /// Another socket has the address.
    #[error(
        "{party}: cannot bind {target}: the address is in use{}",
        Attempts(attempts)
    )]
    #[diagnostic(
        code(standin::socket::bind_in_use),
        help("{}", way_out(target, attempts))
    )]
    InUse {
        /// The server.
        party: Box<Party>,
        /// The address to bind, as given: `host:port` or a path.
        target: String,
        /// The outcome of every address.
        attempts: Vec<Attempt>,
    },

    /// No address of the host can be bound.
    #[error("{party}: cannot bind {target}{}", Attempts(attempts))]
    #[diagnostic(
        code(standin::socket::bind_failed),
        help(
            "the host must be an address of this machine, and ports below 1024 may need privileges; of a Unix socket the directory must exist and be writable, and the path be shorter than 108 bytes (macOS: 104); \"too many open files\" means the limit on descriptors (ulimit -n)"
        )
    )]
    Io {
        /// The server.
        party: Box<Party>,
        /// The address to bind, as given: `host:port` or a path.
        target: String,
        /// The outcome of every address.
        attempts: Vec<Attempt>,
    },
}

standin_error::reportable!(BindError);

/// How to fix an address that is in use.
fn way_out(target: &str, attempts: &[Attempt]) -> &'static str {
    match attempts.last().map(|attempt| &attempt.address) {
        Some(Address::Unix(_)) => {
            "another server listens there, or one has left its file behind: choose another path, or remove the file"
        }
        // Of a name's addresses, one is taken.
        Some(address) if address.to_string() != target => {
            "use port 0 to have a free port chosen, or stop what holds this one. The port of a name must be free on every address of the name; an IP address stands for itself only"
        }
        _ => "use port 0 to have a free port chosen, or stop what holds this one",
    }
}

impl BindError {
    /// Returns the server.
    pub fn party(&self) -> &Party {
        match self {
            BindError::Resolve { party, .. }
            | BindError::InUse { party, .. }
            | BindError::Io { party, .. } => party,
        }
    }

    /// Returns every address that was tried, and its result.
    pub fn attempts(&self) -> &[Attempt] {
        match self {
            BindError::Resolve { .. } => &[],
            BindError::InUse { attempts, .. } | BindError::Io { attempts, .. } => attempts,
        }
    }

    /// Returns the system's error for the last address that this machine has, or the resolver's for
    /// the name.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            BindError::Resolve { source, .. } => Some(source),
            _ => last(self.attempts()),
        }
    }
}
