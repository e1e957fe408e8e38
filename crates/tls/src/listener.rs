//! [`TlsListener`]: a server whose handshakes are done by the reactor.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miette::Diagnostic;
use standin_error::text::{Count, Span};
use standin_reactor::{Actor, Group, Next, Reactor, Stuck, Turn};
use standin_socket::{Arrival, Arrivals, Connection, OwnedConnection, Server};
use standin_sync::Monitor;
use standin_sync::operation::{Thread, Wait, now};
use thiserror::Error;

use crate::acceptor::Acceptor;
use crate::error::TlsError;
use crate::shake::{Failed, Shake};

/// Accepts the connections of a server and does their side of the handshake, all at once, on the
/// reactor's thread: a test that drives both ends from one thread need not care about the order of
/// its calls. It ends when it is dropped; the server stays open.
pub struct TlsListener {
    group: Group,
    reactor: Reactor,
    desk: Arc<Desk>,
    server: Server,
}

/// Where connections wait to be accepted.
struct Desk {
    state: Monitor<State>,
    takes: Option<Box<Takes>>,
}

/// Takes connections at once, on the reactor's thread.
type Takes = dyn Fn(OwnedConnection) + Send + Sync;

#[derive(Default)]
struct State {
    ready: VecDeque<Result<OwnedConnection, Refused>>,
    /// How many handshakes are under way.
    under_way: usize,
    accepted: usize,
    error: Option<Arc<io::Error>>,
    is_closed: bool,
}

/// A connection on which there was no agreement.
struct Refused {
    peer: String,
    error: TlsError,
}

impl TlsListener {
    /// Accepts the connections of `server` for [`accept`](TlsListener::accept).
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread or no descriptor left.
    pub fn new(server: &Server, acceptor: Acceptor) -> io::Result<TlsListener> {
        TlsListener::with(server, acceptor, None)
    }

    /// Accepts the connections of `server` and passes each to `takes` after its handshake, on the
    /// reactor's thread, which must not wait. Connections whose handshake fails are closed.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread or no descriptor left.
    pub fn for_each(
        server: &Server,
        acceptor: Acceptor,
        takes: impl Fn(OwnedConnection) + Send + Sync + 'static,
    ) -> io::Result<TlsListener> {
        TlsListener::with(server, acceptor, Some(Box::new(takes)))
    }

    fn with(
        server: &Server,
        acceptor: Acceptor,
        takes: Option<Box<Takes>>,
    ) -> io::Result<TlsListener> {
        let reactor = Reactor::acquire()?;
        let group = reactor.group("handshakes");
        let desk = Arc::new(Desk {
            state: Monitor::new(State::default()),
            takes,
        });
        group.spawn(Listener {
            arrivals: server.arrivals(),
            acceptor,
            desk: Arc::clone(&desk),
        });
        Ok(TlsListener {
            group,
            reactor,
            desk,
            server: server.clone(),
        })
    }

    /// Returns the next connection after its handshake, in the order in which handshakes finish;
    /// waits for one if there is none. With `None` it waits without a limit.
    ///
    /// # Errors
    ///
    /// Returns an error if the handshake has failed (each such connection is reported once), if
    /// there is none in time, or if the server is closed.
    pub fn accept(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Connection, TlsAcceptError> {
        now(self.accept_with(Thread, timeout))
    }

    /// Does the same as [`accept`](TlsListener::accept), waiting with `wait`.
    #[doc(hidden)]
    pub async fn accept_with(
        &self,
        wait: impl Wait,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Connection, TlsAcceptError> {
        let limit = timeout.into();
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let ready = self.desk.state.when(until, |state| self.take(state));
        match wait.run(ready).await {
            Some(outcome) => outcome,
            None => {
                let state = self.desk.state.lock();
                Err(TlsAcceptError::TimedOut {
                    who: self.who(),
                    limit: limit.unwrap_or_default(),
                    accepted: state.accepted,
                    under_way: state.under_way,
                })
            }
        }
    }

    /// The next connection, or why there will be none; nothing while that is open.
    fn take(&self, state: &mut State) -> Option<Result<Connection, TlsAcceptError>> {
        let who = self.who();
        match state.ready.pop_front() {
            Some(Ok(connection)) => return Some(Ok(connection.into_connection())),
            Some(Err(Refused { peer, error })) => {
                return Some(Err(TlsAcceptError::Handshake {
                    who,
                    peer,
                    failed: error,
                }));
            }
            None => {}
        }
        if let Some(source) = state.error.take() {
            return Some(Err(TlsAcceptError::Io { who, source }));
        }
        // The reactor's thread would wait for itself.
        let is_over = state.is_closed || self.reactor.is_current_thread();
        is_over.then_some(Err(TlsAcceptError::Closed { who }))
    }

    fn who(&self) -> Who {
        Who(self.server.label().map(str::to_owned))
    }

    /// Ends all waits for connections.
    pub fn abort(&self) {
        self.desk.close();
    }

    /// Ends all handshakes under way, and all waits for connections. The server itself stays open.
    ///
    /// # Errors
    ///
    /// Returns an error that names the code that blocks the reactor's thread, if it is not free in
    /// time.
    pub fn stop(&self, limit: impl Into<Option<Duration>>) -> Result<(), Stuck> {
        let outcome = self.group.end(limit);
        self.desk.close();
        let left = self
            .desk
            .state
            .update(|state| std::mem::take(&mut state.ready));
        drop(left);
        outcome
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Desk {
    fn close(&self) {
        self.state.update(|state| state.is_closed = true);
    }

    /// A handshake has finished.
    fn put(&self, connection: OwnedConnection, outcome: Result<Connection, Failed>) {
        let ready = match (outcome, &self.takes) {
            (Ok(_), None) => Some(Ok(connection)),
            (Ok(_), Some(takes)) => {
                takes(connection);
                None
            }
            (Err(Failed::Tls(error)), None) => {
                let peer = connection.peer_address().to_string();
                Some(Err(Refused { peer, error }))
            }
            (Err(Failed::Tls(error)), Some(_)) => {
                let peer = connection.peer_address();
                tracing::debug!(%peer, %error, "a handshake failed");
                None
            }
            (Err(Failed::Closed), _) => None,
        };
        self.state.update(|state| {
            state.under_way -= 1;
            state.ready.extend(ready);
        });
    }
}

/// Accepts the connections.
struct Listener {
    arrivals: Arrivals,
    acceptor: Acceptor,
    desk: Arc<Desk>,
}

impl Actor for Listener {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.arrivals.wake_when_changed(turn.waker());
        }
        turn.wake_at(None);
        loop {
            match self.arrivals.take_next() {
                Arrival::Moved => turn.register(&mut self.arrivals)?,
                Arrival::Connection(connection) => self.greet(connection, turn)?,
                Arrival::Nobody => return Ok(Next::Wait),
                Arrival::Enough => return Ok(Next::Again),
                Arrival::Failed { error, next_try } => {
                    let error = Arc::new(io::Error::other(error));
                    self.desk.state.update(|state| state.error = Some(error));
                    let again = turn.now() + next_try;
                    turn.wake_at(Some(again));
                    return Ok(Next::Wait);
                }
                Arrival::Closed => {
                    self.desk.close();
                    return Ok(Next::Done);
                }
            }
        }
    }
}

impl Listener {
    fn greet(&self, mut connection: OwnedConnection, turn: &mut Turn<'_>) -> io::Result<()> {
        // Who has closed it already is not waited for.
        let Ok(upgrade) = connection.upgrade() else {
            return Ok(());
        };
        let handshake = self.acceptor.handshake().map_err(io::Error::other)?;
        self.desk.state.update(|state| {
            state.under_way += 1;
            state.accepted += 1;
        });
        let desk = Arc::clone(&self.desk);
        let done = move |outcome| desk.put(connection, outcome);
        turn.spawn(Shake::new(upgrade, handshake, done));
        Ok(())
    }
}

/// The acceptor's name in messages.
#[derive(Clone, Debug)]
pub struct Who(Option<String>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "server \"{name}\""),
            None => f.write_str("a server"),
        }
    }
}

/// Why there is no connection that speaks TLS.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum TlsAcceptError {
    /// A client has connected, and both sides did not agree.
    #[error("{who}: TLS with the client at {peer} failed: {failed}")]
    #[diagnostic(forward(failed))]
    Handshake {
        /// The server.
        who: Who,
        /// The address of the client.
        peer: String,
        /// Why.
        failed: TlsError,
    },

    /// The time was up.
    #[error(
        "{who}: nobody connected within {}{}; {accepted} accepted so far",
        Span(*limit), UnderWay(*under_way)
    )]
    #[diagnostic(
        code(standin::tls::accept_timed_out),
        help("check that the client connects to this address, and when; or wait longer")
    )]
    TimedOut {
        /// The server.
        who: Who,
        /// How long the wait took.
        limit: Duration,
        /// How many connections it had accepted before.
        accepted: usize,
        /// How many of them were still in the handshake.
        under_way: usize,
    },

    /// The server is closed.
    #[error("{who}: cannot accept: the server is closed")]
    #[diagnostic(
        code(standin::tls::accept_closed),
        help("bind a new server, or start its driver again")
    )]
    Closed {
        /// The server.
        who: Who,
    },

    /// The system does not let it accept.
    #[error("{who}: cannot accept a connection")]
    #[diagnostic(
        code(standin::tls::accept_failed),
        help("see the cause; \"too many open files\" means the limit on descriptors (ulimit -n)")
    )]
    Io {
        /// The server.
        who: Who,
        /// The system's error.
        source: Arc<io::Error>,
    },
}

standin_error::reportable!(TlsAcceptError);

impl TlsAcceptError {
    /// Returns whether the time limit was exceeded.
    pub fn is_timeout(&self) -> bool {
        matches!(self, TlsAcceptError::TimedOut { .. })
    }
}

/// ` (2 handshakes are under way)`
struct UnderWay(usize);

impl fmt::Display for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({} under way)", Count(count, "handshake")),
        }
    }
}
