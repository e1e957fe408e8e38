//! Deliberate misbehaviour of a server.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{MutexGuard, atomic::Ordering},
    time::Duration,
};

use standin_sync::Unpoisoned;

use super::{
    Server,
    bind::{self, How},
};
use crate::{
    address::Address,
    error::ControlError,
    options::BindOptions,
    sys::{self, ConnectProgress, Connecting, Interest, SocketFile},
    time::Remaining,
    turn_lock::TurnLock,
};

impl Server {
    /// Refuses new connections, and drops those that are not accepted yet. The server keeps its
    /// port: it can [come back](Server::come_back), and meanwhile a connect gets `ECONNREFUSED`.
    /// Accepted connections stay open; an accept waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use standin_socket::{Client, ConnectError, Server};
    ///
    /// let limit = Duration::from_secs(10);
    /// let server = Server::builder().bind()?;
    /// let client = Client::builder().port(server.port()).build();
    ///
    /// server.refuse()?;
    /// assert!(matches!(client.connect(limit), Err(ConnectError::Refused(_))));
    /// server.come_back()?;
    /// assert!(client.connect(limit).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the server is closed.
    pub fn refuse(&self) -> Result<(), ControlError> {
        let inner = &*self.inner;
        let _changing = inner.changing();
        if !self.is_open() {
            return Err(self.closed("refuse connections"));
        }
        inner.record_fault("refuses connections");
        inner.away.store(true, Ordering::SeqCst);
        // A socket that can stop listening without being closed keeps its port.
        let stopped = inner.listener().as_ref().is_some_and(|listener| {
            listener.can_listen_again() && sys::pause_listening(listener).is_ok()
        });
        // A waiting accept uses the listener. It looks again, and then waits without it.
        inner.wake();
        {
            let mut listener = inner.listener.write().unpoisoned();
            if !stopped {
                // A Unix socket's address is its file, which stays.
                *listener = None;
                inner.kept.clear();
            }
            // The peers in the queue are gone from it. Not before: an accept that has taken one
            // of the fillers out of it has recognised it now.
            inner.forget_fillers();
        }
        if let Some(mut turn) = inner.accepting.try_enter() {
            turn.value().clear();
        }
        Ok(())
    }

    /// Goes away as a server that is stopped: closes every connection, and
    /// [refuses](Server::refuse) new ones until it [comes back](Server::come_back).
    ///
    /// # Errors
    ///
    /// Returns an error if the server is closed.
    #[track_caller]
    pub fn go_away(&self) -> Result<(), ControlError> {
        self.refuse()?;
        self.close_all();
        Ok(())
    }

    /// Listens again, on the same port, after [`refuse`](Server::refuse) or
    /// [`go_away`](Server::go_away). Indices continue where they were. Does nothing when the server
    /// listens.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is closed, or another process has taken the port, which only
    /// happens where the platform or an adopted listener cannot keep it.
    pub fn come_back(&self) -> Result<(), ControlError> {
        let inner = &*self.inner;
        let _changing = inner.changing();
        if self.is_open() && !inner.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let come_back = || {
            inner.listen_again()?;
            // If the queue was kept full, it is filled again.
            inner.refill()
        };
        let outcome = come_back().map_err(|source| self.failed("come back", source));
        if outcome.is_ok() {
            inner.record_fault("accepts connections again");
        }
        inner.wake();
        outcome
    }

    /// Accepts nothing: fills the queue of pending connections, so that a peer's connect is neither
    /// accepted nor refused and hangs until its own timeout, as with a server that is stuck. Ends
    /// when the result is dropped.
    ///
    /// Connections that are already in the queue can be accepted; later ones cannot, until then: an
    /// accept waits, even one that another thread has already begun, and
    /// [`pending`](Server::pending) leaves the queue as it is.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is closed, away, or a Unix socket's, or the queue cannot be
    /// filled.
    pub fn fill_queue(&self) -> Result<FullQueue, ControlError> {
        const ACTION: &str = "fill its queue";
        let inner = &*self.inner;
        let _changing = inner.changing();
        if !self.is_open() {
            return Err(self.closed(ACTION));
        }
        if inner.address.socket_addr().is_none() {
            return Err(ControlError::Unsupported {
                party: Box::new(inner.party()),
                action: ACTION,
                reason: "only the queue of a TCP server can be filled",
            });
        }
        if inner.away.load(Ordering::SeqCst) {
            let source = io::Error::new(io::ErrorKind::NotConnected, "the server is away");
            return Err(self.failed(ACTION, source));
        }
        // Who came before is not mixed up with those who fill the queue. Where another thread has
        // the turn, it accepts them.
        if let Some(mut turn) = inner.accepting.try_enter() {
            let _ = inner.collect(&mut turn);
        }
        inner.full.fetch_add(1, Ordering::SeqCst);
        // A thread about to accept has done so when the listener is free, and looks whether it
        // may before the next.
        inner.wake();
        drop(inner.listener.write().unpoisoned());
        match inner.refill() {
            Ok(()) => {
                inner.record_fault("keeps its queue full");
                Ok(FullQueue {
                    server: self.clone(),
                })
            }
            Err(source) => {
                inner.stop_filling();
                Err(self.failed(ACTION, source))
            }
        }
    }

    fn closed(&self, action: &'static str) -> ControlError {
        ControlError::Closed {
            party: Box::new(self.inner.party()),
            action,
        }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> ControlError {
        ControlError::new(self.inner.party(), action, source, self.is_open())
    }
}

/// Whether a connect to this machine comes to pass, which is a matter of moments, or is left
/// without an answer.
fn is_connected(connecting: &Connecting) -> io::Result<bool> {
    let lock = TurnLock::new(());
    let turn = lock.try_enter().expect("nobody else knows this lock");
    for _ in 0..2 {
        if connecting.progress()? == ConnectProgress::Connected {
            return Ok(true);
        }
        let _ = turn.wait(
            connecting.source(),
            Interest::Writable,
            Remaining::Time(Duration::from_millis(100)),
        );
    }
    Ok(false)
}

/// Keeps a server's queue of pending connections full until it is dropped. See
/// [`Server::fill_queue`].
#[must_use = "dropping it empties the queue at once"]
pub struct FullQueue {
    server: Server,
}

impl Drop for FullQueue {
    fn drop(&mut self) {
        let inner = &*self.server.inner;
        let _changing = inner.changing();
        inner.stop_filling();
        inner.record_fault("no longer keeps its queue full");
    }
}

impl fmt::Debug for FullQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FullQueue")
            .field("server", &self.server)
            .finish()
    }
}

/// Peers of our own that keep the queue full.
#[derive(Debug, Default)]
pub(super) struct Fillers {
    streams: Vec<sys::Stream>,
    /// Recognised by their addresses, they are passed over by accept.
    pub(super) addresses: HashSet<Address>,
}

impl super::Inner {
    /// Records what is done to the server as a whole.
    fn record_fault(&self, what: &str) {
        if let Some(driver) = &self.driver {
            driver.logged("faults", what);
        }
    }

    fn listen_again(&self) -> io::Result<()> {
        // Nobody keeps us waiting: who waits in an accept does so without the listener now.
        let mut slot = self.listener.write().unpoisoned();
        if !self.end.is_open() {
            return Err(closed());
        }
        if let Some(listener) = &*slot {
            sys::listen_again(listener, self.backlog)?;
        }
        // A port that the system had chosen is not kept by every socket, and it may have chosen
        // another one now.
        if !slot.as_ref().is_some_and(|listener| {
            listener
                .local_address()
                .is_ok_and(|now| now == self.address)
        }) {
            *slot = None;
            self.remove_file();
            let binding = BindOptions {
                reuse_address: true,
                ..self.binding
            };
            let how = How {
                backlog: self.backlog,
                binding,
                options: Some(&self.options),
            };
            let socket = sys::bound(&self.address, binding)?;
            // From here on there is a file, whatever happens next.
            *self.file() = self.address.path().and_then(SocketFile::at);
            *slot = Some(bind::listen(socket, &self.address, how)?.0);
        }
        self.away.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Fills the queue, if anybody wants it full.
    fn refill(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let Address::Tcp(mut target) = self.address else {
            return Ok(());
        };
        if target.ip().is_unspecified() {
            target.set_ip(if target.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        self.resize_queue(0)?;
        loop {
            let filler = Connecting::new(&Address::from(target))?;
            let is_connected = is_connected(&filler)?;
            let address = filler.options().local_addr()?.as_socket();
            // One that is given up may get into the queue at the last moment.
            (self.fillers().addresses).extend(address.map(Address::from));
            if !is_connected {
                return Ok(());
            }
            let filler = filler.into_stream()?;
            let mut fillers = self.fillers();
            // Closing takes those that are here.
            if !self.end.is_open() {
                return Err(closed());
            }
            fillers.streams.push(filler);
        }
    }

    /// Empties the queue, unless it is to be kept full.
    fn stop_filling(&self) {
        if self.full.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        self.fillers().streams.clear();
        if self.end.is_open() {
            // Fails while the server is away, and then it comes back with a queue of the usual
            // length.
            let _ = self.resize_queue(self.backlog);
            // Takes the fillers out of the queue, and everybody else into ours.
            if let Some(mut turn) = self.accepting.try_enter() {
                let _ = self.collect(&mut turn);
            }
        }
        self.wake();
    }

    /// Changes the length of the queue. Linux allows that at any time.
    fn resize_queue(&self, length: i32) -> io::Result<()> {
        match &*self.listener() {
            Some(listener) if !self.away.load(Ordering::SeqCst) => {
                listener.options().listen(length)
            }
            _ => Err(closed()),
        }
    }

    /// Held while the server goes away or comes back.
    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unpoisoned()
    }

    /// Closes the fillers of a queue that has ended. Their ports may become those of real peers.
    pub(super) fn forget_fillers(&self) {
        *self.fillers() = Fillers::default();
    }

    pub(super) fn fillers(&self) -> MutexGuard<'_, Fillers> {
        self.fillers.lock().unpoisoned()
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the server does not listen")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::SocketAddr;

    use test_port::TestPort;

    use super::*;
    use crate::client::Client;

    const LIMIT: Duration = Duration::from_secs(20);

    fn full_server() -> (Server, FullQueue) {
        let server = Server::builder()
            .host("127.0.0.1")
            .bind()
            .expect("a server");
        let full = server.fill_queue().expect("a full queue");
        (server, full)
    }

    #[test]
    fn a_peer_that_gets_the_port_of_a_filler_is_accepted() {
        let (server, full) = full_server();
        // The port of a real filler may be anybody's once it is closed.
        let port = TestPort::claim();
        let filler = SocketAddr::from(([127, 0, 0, 1], port.number()));
        server.inner.fillers().addresses.insert(filler.into());
        server.refuse().expect("it is open");
        drop(full);
        server.come_back().expect("it is open");
        let client = Client::builder()
            .host("127.0.0.1")
            .port(server.port())
            .interface("127.0.0.1", filler.port())
            .build();
        let near = client.connect(LIMIT).expect("the server is back");
        let far = server.accept(LIMIT).expect("a peer has come");
        assert_eq!(far.peer_address(), near.local_address());
        assert_eq!(near.local_address().socket_addr(), Some(filler));
    }

    #[test]
    fn the_fillers_end_with_the_server() {
        let (server, _full) = full_server();
        assert!(!server.inner.fillers().streams.is_empty());
        server.close();
        let fillers = server.inner.fillers();
        assert!(fillers.streams.is_empty() && fillers.addresses.is_empty());
    }
}
