//! TLS on a connection that is open.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use miette::Diagnostic;
use standin_reactor::Reactor;
use standin_socket::{Connection, ControlError};
use standin_sync::Monitor;
use standin_sync::operation::{Attempt, Descriptor, Interest, Kept, Operation};
use thiserror::Error;

use crate::acceptor::Acceptor;
use crate::connector::Connector;
use crate::error::{TlsConfigError, TlsError};
use crate::handshake::Handshake;
use crate::shake::{Failed, Shake, shake};

/// Why a connection does not speak TLS.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum StartTlsError {
    /// The connection is not in a state for it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Control(#[from] ControlError),

    /// The options do not fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] TlsConfigError),

    /// Both sides did not agree.
    #[error("TLS with the peer at {peer} failed: {failed}")]
    #[diagnostic(forward(failed))]
    Handshake {
        /// The address of the peer.
        peer: String,
        /// Why.
        failed: TlsError,
    },

    /// The connection was closed on this side meanwhile.
    #[error("cannot start TLS with the peer at {peer}: the connection was closed on this side")]
    #[diagnostic(
        code(standin::tls::start_closed),
        help("something closed the connection, or stopped what it belongs to")
    )]
    Closed {
        /// The address of the peer.
        peer: String,
    },

    /// The system has no thread for the handshake.
    #[error("cannot start the thread for handshakes")]
    #[diagnostic(
        code(standin::tls::no_reactor),
        help("the process has too many threads or open files")
    )]
    NoReactor(#[from] io::Error),
}

standin_error::reportable!(StartTlsError { Control, Config });

/// Does a client's handshake over a connection, in the thread that calls, and waits for its end.
///
/// # Errors
///
/// Returns an error if both sides do not agree in time.
pub fn connect(connection: &Connection, connector: &Connector) -> Result<(), StartTlsError> {
    let handshake = connector.handshake()?;
    let upgrade = connection.upgrade()?;
    finished(connection, shake(upgrade, handshake).map(|_| ()))
}

/// Returns [`connect`] as a value for other waiters: a task leaves the handshake to the reactor.
#[doc(hidden)]
pub fn connecting<'c>(
    connection: &'c Connection,
    connector: &'c Connector,
) -> impl Operation<Output = Result<(), StartTlsError>> + use<'c> {
    Connecting {
        connection,
        connector,
        started: None,
        kept: Kept::default(),
    }
}

struct Connecting<'c> {
    connection: &'c Connection,
    connector: &'c Connector,
    started: Option<StartTls>,
    kept: Kept,
}

impl Operation for Connecting<'_> {
    type Output = Result<(), StartTlsError>;

    fn block(self) -> Self::Output {
        connect(self.connection, self.connector)
    }

    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output> {
        let started = match &self.started {
            Some(started) => started,
            None => match StartTls::client(self.connection, self.connector) {
                Ok(started) => self.started.insert(started),
                Err(error) => return Attempt::Done(Err(error)),
            },
        };
        let mut ended = started.outcome.when(None, |outcome| outcome.clone());
        match ended.attempt(waker) {
            Attempt::Done(Some(ended)) => Attempt::Done(finished(self.connection, ended)),
            Attempt::Done(None) => Attempt::Done(finished(self.connection, Err(Failed::Closed))),
            Attempt::Waits(waits) => Attempt::Waits(waits),
        }
    }

    fn fail(&mut self, error: io::Error) -> Self::Output {
        Err(StartTlsError::NoReactor(error))
    }

    /// The reactor has it.
    fn interest(&self) -> Option<Interest> {
        None
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }
}

fn finished(connection: &Connection, outcome: Result<(), Failed>) -> Result<(), StartTlsError> {
    let peer = || connection.peer_address().to_string();
    outcome.map_err(|failed| match failed {
        Failed::Tls(failed) => StartTlsError::Handshake {
            peer: peer(),
            failed,
        },
        Failed::Closed => StartTlsError::Closed { peer: peer() },
    })
}

/// A handshake that the reactor performs on a connection. Receives and sends on it wait for the
/// handshake, and return its error if it fails, so its outcome need not be queried. It continues if
/// this is dropped; closing the connection ends it.
pub struct StartTls {
    connection: Connection,
    outcome: Arc<Monitor<Option<Result<(), Failed>>>>,
}

impl StartTls {
    /// Begins a server's side.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed or busy, or already uses TLS, or if the system
    /// has no thread left.
    pub fn server(connection: &Connection, acceptor: &Acceptor) -> Result<StartTls, StartTlsError> {
        StartTls::new(connection, acceptor.handshake()?)
    }

    /// Begins a client's side.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed or busy, or already uses TLS, or if the system
    /// has no thread left.
    pub fn client(
        connection: &Connection,
        connector: &Connector,
    ) -> Result<StartTls, StartTlsError> {
        StartTls::new(connection, connector.handshake()?)
    }

    fn new(connection: &Connection, handshake: Handshake) -> Result<StartTls, StartTlsError> {
        let group = Arc::new(Reactor::acquire()?.group("handshake"));
        let upgrade = connection.upgrade()?;
        let outcome = Arc::new(Monitor::new(None));
        let told = Arc::clone(&outcome);
        // Its end would end the handshake.
        let kept = Arc::clone(&group);
        group.spawn(Shake::new(upgrade, handshake, move |ended| {
            told.update(|outcome| *outcome = Some(ended.map(|_| ())));
            drop(kept);
        }));
        Ok(StartTls {
            connection: connection.clone(),
            outcome,
        })
    }

    /// Returns whether the handshake has finished.
    pub fn is_over(&self) -> bool {
        self.outcome.lock().is_some()
    }

    /// Waits for the end of the handshake, which its own limit brings in any case.
    ///
    /// # Errors
    ///
    /// Returns an error if both sides have not agreed.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<(), StartTlsError> {
        let until = timeout.into();
        let until = until.and_then(|limit: Duration| Instant::now().checked_add(limit));
        let outcome = self.outcome.lock();
        let outcome = self
            .outcome
            .wait_while(outcome, until, |outcome| outcome.is_none());
        match outcome.clone() {
            Some(ended) => finished(&self.connection, ended),
            None => Err(StartTlsError::Closed {
                peer: self.connection.peer_address().to_string(),
            }),
        }
    }
}

impl fmt::Debug for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTls")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
