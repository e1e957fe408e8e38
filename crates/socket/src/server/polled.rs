//! A server in an event loop.

use std::{io, sync::atomic::Ordering, task::Waker, time::Duration};

use mio::{Interest, Registry, Token, event};
use standin_sync::Unpoisoned;

use super::{Inner, Server};
use crate::{
    connection::{OwnedConnection, Owner, deadline},
    error::AcceptError,
    sys::Listener,
    turn_lock::NotNow,
};

impl Server {
    /// Accepts the next connection without waiting, for the event loop that then owns it; `None` if
    /// no peer has connected. See [`OwnedConnection`] for an example.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`accept`](Server::accept) but [`AcceptError::TimedOut`].
    pub fn try_accept(&self) -> Result<Option<OwnedConnection>, AcceptError> {
        let mut deadline = deadline(Duration::ZERO);
        match self.inner.accept(Owner::one(), &mut deadline, None) {
            Ok(connection) => Ok(Some(OwnedConnection::new(connection))),
            Err(NotNow::TimedOut) => Ok(None),
            Err(not_now) => Err(self.inner.accept_error(not_now, &deadline)),
        }
    }

    /// Returns the connections to the server, one after the other, for an event loop.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals {
            server: self.clone(),
            changes: None,
            left: AT_ONCE,
        }
    }
}

impl Inner {
    /// Makes waiting accepts look again.
    pub(super) fn wake(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.accepting.wake_waiting();
        // Not under the lock: it is a user's code.
        let waker = self.waker.lock().unpoisoned().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// How many connections are accepted before others have a turn.
const AT_ONCE: usize = 64;

/// The delay before the next try after the system refused an accept: no event announces when it
/// allows one again.
const NEXT_TRY: Duration = Duration::from_millis(20);

/// The connections to a server, for an event loop that accepts all of them: see
/// [`Server::arrivals`].
///
/// It is the source that the event loop registers.
///
/// ```
/// use std::task::Waker;
/// use std::time::Duration;
///
/// use mio::{Events, Interest, Poll, Token};
/// use standin_socket::{Arrival, Client, Server};
///
/// let mut poll = Poll::new()?;
/// let server = Server::builder().bind()?;
/// let client = Client::builder().port(server.port()).build();
/// let peer = client.connect(Duration::from_secs(10))?;
///
/// let mut arrivals = server.arrivals();
/// // An event loop gives one that wakes its poll.
/// arrivals.wake_when_changed(Waker::noop().clone());
/// let connection = loop {
///     match arrivals.take_next() {
///         Arrival::Moved => {
///             poll.registry()
///                 .register(&mut arrivals, Token(0), Interest::READABLE)?;
///         }
///         Arrival::Connection(connection) => break connection,
///         Arrival::Nobody => poll.poll(&mut Events::with_capacity(8), None)?,
///         Arrival::Enough => {}
///         Arrival::Failed { error, .. } => return Err(error.into()),
///         Arrival::Closed => unreachable!("nobody closes it here"),
///     }
/// };
/// assert_eq!(connection.peer_address(), peer.local_address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Arrivals {
    server: Server,
    /// How often the socket had changed when it was registered, if it was.
    changes: Option<usize>,
    /// How many more are accepted before others have a turn.
    left: usize,
}

/// The result of an event loop's request for the next connection.
#[derive(Debug)]
pub enum Arrival {
    /// A peer has connected.
    Connection(OwnedConnection),
    /// The socket is new, or another one than before: [`Arrivals`] are to be registered, again if
    /// they were, before the next call.
    Moved,
    /// No peer has connected. An event or the [waker](Arrivals::wake_when_changed) signals when to
    /// ask again.
    Nobody,
    /// There may be more, and many have come: others have a turn first.
    Enough,
    /// The system does not let the server accept, for one because no descriptor is left.
    Failed {
        /// Why.
        error: AcceptError,
        /// The delay before the next try: no event announces it.
        next_try: Duration,
    },
    /// The server was closed or aborted.
    Closed,
}

impl Arrivals {
    /// Wakes `waker` each time that the server may accept again after it could not, and when it is
    /// closed: after [`come_back`](Server::come_back), for one, when the socket may be another one.
    /// The system has no event for that. Takes the place of the waker before.
    pub fn wake_when_changed(&self, waker: Waker) {
        *self.server.inner.waker.lock().unpoisoned() = Some(waker);
    }

    /// Returns the next connection, without waiting.
    pub fn take_next(&mut self) -> Arrival {
        let changes = Some(self.server.inner.changes.load(Ordering::Acquire));
        if std::mem::replace(&mut self.changes, changes) != changes {
            return Arrival::Moved;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.left = AT_ONCE;
            return Arrival::Enough;
        };
        let arrival = match self.server.try_accept() {
            Ok(Some(connection)) => {
                self.left = left;
                return Arrival::Connection(connection);
            }
            Ok(None) => Arrival::Nobody,
            Err(AcceptError::Closed { .. } | AcceptError::Aborted { .. }) => Arrival::Closed,
            Err(error) => Arrival::Failed {
                error,
                next_try: NEXT_TRY,
            },
        };
        self.left = AT_ONCE;
        arrival
    }

    /// While the server does not listen there is nothing to register, and no event.
    fn with_listener(&self, f: impl FnOnce(&Listener) -> io::Result<()>) -> io::Result<()> {
        self.server.inner.listener().as_ref().map_or(Ok(()), f)
    }
}

impl event::Source for Arrivals {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.with_listener(|listener| listener.polled().register(registry, token, interests))
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.with_listener(|listener| listener.polled().reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.with_listener(|listener| listener.polled().deregister(registry))
    }
}
