//! Why something could not be done to a server or connection.

use std::io;

use miette::Diagnostic;
use thiserror::Error;

use super::Party;

/// Why a server or connection could not refuse, come back, reset, shut down or be upgraded.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum ControlError {
    /// It is closed on this side already.
    #[error("{party}: cannot {action}: it is closed on this side")]
    #[diagnostic(
        code(standin::socket::control_closed),
        help("do it while it is open; something closed it before, or stopped its driver")
    )]
    Closed {
        /// The server or connection.
        party: Box<Party>,
        /// The action: "reset".
        action: &'static str,
    },

    /// Sockets of this kind, or on this platform, cannot do that.
    #[error("{party}: cannot {action}: {reason}")]
    #[diagnostic(
        code(standin::socket::control_unsupported),
        help("only TCP can do that: use a host and port instead of a Unix socket")
    )]
    Unsupported {
        /// The server or connection.
        party: Box<Party>,
        /// The action.
        action: &'static str,
        /// Why it cannot.
        reason: &'static str,
    },

    /// The connection does not switch to another protocol now.
    #[error("{party}: cannot upgrade: {reason}")]
    #[diagnostic(
        code(standin::socket::upgrade_refused),
        help("a connection starts TLS, or another protocol, once, while nobody else uses it")
    )]
    Upgrade {
        /// The connection.
        party: Box<Party>,
        /// Why it does not.
        reason: &'static str,
    },

    /// The system reported an error.
    #[error("{party}: cannot {action}")]
    #[diagnostic(
        code(standin::socket::control_failed),
        help("see the cause; a connection may have ended, a port may have been taken meanwhile")
    )]
    Io {
        /// The server or connection.
        party: Box<Party>,
        /// The action.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

standin_error::reportable!(ControlError);

impl ControlError {
    /// The error of `party`, from the error of the system or the crate.
    pub(crate) fn new(party: Party, action: &'static str, source: io::Error, open: bool) -> Self {
        let party = Box::new(party);
        if open {
            ControlError::Io {
                party,
                action,
                source,
            }
        } else {
            ControlError::Closed { party, action }
        }
    }

    /// Returns the server or connection.
    pub fn party(&self) -> &Party {
        match self {
            ControlError::Closed { party, .. }
            | ControlError::Unsupported { party, .. }
            | ControlError::Upgrade { party, .. }
            | ControlError::Io { party, .. } => party,
        }
    }

    /// Returns the system's error, if there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            ControlError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
