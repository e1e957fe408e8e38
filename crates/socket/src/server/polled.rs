//! A server in an event loop.

use std::{io, sync::atomic::Ordering, task::Waker};

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
    /// Accepts the next connection without waiting, for an event loop that it then belongs to
    /// alone; `None` if nobody has connected. See [`OwnedConnection`] for an example.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`accept`](Server::accept) but [`AcceptError::TimedOut`].
    pub fn try_accept(&self) -> Result<Option<OwnedConnection>, AcceptError> {
        let mut deadline = deadline(std::time::Duration::ZERO);
        match self.inner.accept(Owner::one(), &mut deadline, None) {
            Ok(connection) => Ok(Some(OwnedConnection::new(connection))),
            Err(NotNow::TimedOut) => Ok(None),
            Err(not_now) => Err(self.inner.accept_error(not_now, &deadline)),
        }
    }

    /// Wakes `waker` each time that the server may accept again after it could not, and when it is
    /// closed: after [`come_back`](Server::come_back), for one, when the socket may be another one
    /// and has to be registered again. The system has no event for that. Takes the place of the
    /// waker before.
    pub fn wake_when_changed(&self, waker: Waker) {
        *self.inner.waker.lock().unpoisoned() = Some(waker);
    }

    /// Whether the socket may be another one than when this was asked last: then it has to be
    /// registered again. `seen` is what it was then, and `None` before the first time.
    pub fn has_changed(&self, seen: &mut Option<usize>) -> bool {
        let changes = Some(self.inner.changes.load(Ordering::Acquire));
        std::mem::replace(seen, changes) != changes
    }

    fn with_listener(&self, f: impl FnOnce(&Listener) -> io::Result<()>) -> io::Result<()> {
        match &*self.inner.listener() {
            Some(listener) => f(listener),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the server does not listen",
            )),
        }
    }
}

impl Inner {
    /// Makes whoever waits to accept look again.
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

impl event::Source for Server {
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
