//! The accepting side.

mod accepting;
mod bind;
mod builder;
mod drain;
mod held;
mod misbehave;
mod polled;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

pub(crate) use self::drain::drain_backlog;
use standin_record::{DriverTape, Place};
use standin_sync::Unpoisoned;

use self::misbehave::Fillers;
pub use self::{
    builder::ServerBuilder,
    held::{HeldPort, OtherAddresses},
    misbehave::FullQueue,
    polled::{Arrival, Arrivals},
};
use crate::{
    address::Address,
    connection::{Connection, OpenConnections, Owner, Parts},
    error::{AcceptError, CloseError, ControlError, Party, Role},
    operation::{Kept, Operation as _},
    options::{BindOptions, SocketOptions},
    recording::{Recording, last_records},
    state::{Event, LocalEnd, SharedEnd},
    sys::{self, Interest, Listener, Reservation, SocketFile, Stream},
    time::Deadline,
    turn_lock::{NotNow, Turn, TurnLock},
};

/// A listening socket and the connections that it accepted.
///
/// Handles are cheap to clone, and all refer to the same server; any thread may use one. The server
/// listens from [`ServerBuilder::bind`] on, so that peers may connect before
/// [`accept`](Server::accept) is called. It has no thread of its own.
///
/// ```
/// use std::time::Duration;
/// use standin_socket::{Client, Server};
///
/// let limit = Duration::from_secs(10);
/// let server = Server::builder().label("exchange").bind()?;
/// let client = Client::builder().port(server.port()).build();
///
/// let near = client.connect(limit)?;
/// let far = server.accept(limit)?;
/// near.send(b"hello", limit)?;
/// assert_eq!(far.receive_exactly(5, limit)?, b"hello");
///
/// server.close();
/// assert!(near.receive_some(1, limit).unwrap_err().is_peer_closed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    label: Option<Arc<str>>,
    host: String,
    address: Address,
    /// `None` once closed, and perhaps while away.
    listener: RwLock<Option<Listener>>,
    /// Keeps the port of a name on those of its addresses that the server does not listen on; empty
    /// once closed.
    reserved: Mutex<Vec<Reservation>>,
    /// The file of a Unix socket; `None` once closed.
    file: Mutex<Option<SocketFile>>,
    /// Whether the server refuses connections until it comes back.
    away: AtomicBool,
    changing: Mutex<()>,
    backlog: i32,
    binding: BindOptions,
    /// How many [`FullQueue`](super::FullQueue)s keep the queue full: no connection is taken from
    /// it meanwhile.
    full: AtomicUsize,
    fillers: Mutex<Fillers>,
    options: SocketOptions,
    /// Where what goes over the connections is recorded.
    driver: Option<DriverTape>,
    end: SharedEnd,
    /// The turn comes with the connections that were taken from the system's queue and not handed
    /// out yet.
    accepting: TurnLock<VecDeque<Pending>>,
    /// Of an event loop that accepts.
    waker: Mutex<Option<Waker>>,
    /// How often something was done to the listener.
    changes: AtomicUsize,
    /// Of the listener.
    kept: Kept,
    registry: Arc<Registry>,
}

/// A connection that is not accepted yet.
#[derive(Debug)]
struct Pending {
    stream: Stream,
    peer: Address,
}

/// The result of an accept.
enum Next<'a> {
    Peer(Pending),
    /// No connection, as far as this listener can tell: it becomes readable.
    Nobody(RwLockReadGuard<'a, Option<Listener>>),
    /// No connection is taken until the server is back.
    Away,
}

impl Server {
    /// Creates the builder of a server, by default on `localhost` and a free port.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Returns the address that the server listens on, with the port that it really has. Also known
    /// after closing.
    pub fn local_address(&self) -> &Address {
        &self.inner.address
    }

    /// Returns the IP address and port that the server listens on; `None` for a Unix socket.
    pub fn local_socket_addr(&self) -> Option<SocketAddr> {
        self.inner.address.socket_addr()
    }

    /// Returns the host as it was given to the builder.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// Returns the port that the server listens on; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        self.inner.address.port().unwrap_or(0)
    }

    /// Returns the label that the builder was given.
    pub fn label(&self) -> Option<&str> {
        self.inner.label.as_deref()
    }

    /// Accepts the next connection, in the order in which the peers connected.
    ///
    /// # Errors
    ///
    /// Returns [`AcceptError::TimedOut`] if no peer connected in time; the index that the
    /// connection would have had goes to the next one. Returns [`AcceptError::Closed`] and
    /// [`AcceptError::Aborted`] if the server is gone.
    #[track_caller]
    pub fn accept(&self, timeout: impl Into<Option<Duration>>) -> Result<Connection, AcceptError> {
        self.accepting(Place::caller(), timeout).block()
    }

    /// Returns the accepted connection of that index, unless it was closed.
    pub fn connection(&self, index: usize) -> Option<Connection> {
        let registry = self.inner.registry.lock();
        registry.shared(index).cloned()
    }

    /// Returns the accepted connection with the peer at `address`, unless it was closed. The
    /// latest, if there are several, as with peers on Unix sockets that have no name.
    pub fn connection_from(&self, address: &Address) -> Option<Connection> {
        let registry = self.inner.registry.lock();
        registry
            .by_peer
            .range((address.clone(), 0)..=(address.clone(), usize::MAX))
            .rev()
            .find_map(|(_, index)| registry.shared(*index))
            .cloned()
    }

    /// Returns the connection accepted last, of those that were not closed on this side.
    pub fn latest(&self) -> Option<Connection> {
        let registry = self.inner.registry.lock();
        registry.all_shared().next_back().cloned()
    }

    /// Returns all accepted connections that were not closed on this side, by index, except those
    /// of an [`OwnedConnection`](crate::OwnedConnection), which has no other handles.
    pub fn connections(&self) -> Vec<Connection> {
        let registry = self.inner.registry.lock();
        registry.all_shared().cloned().collect()
    }

    /// Returns the [`connections`](Server::connections), including owned ones, for a layer above
    /// that only observes them.
    #[doc(hidden)]
    pub fn all_connections(&self) -> Vec<Connection> {
        self.inner.open()
    }

    /// Returns how many connections were accepted, ever.
    pub fn accepted(&self) -> usize {
        self.inner.registry.lock().accepted
    }

    /// Returns how many accepted connections were not closed on this side.
    pub fn active(&self) -> usize {
        self.inner.registry.lock().open.len()
    }

    /// Returns how many peers have connected and wait to be accepted. Zero also while another
    /// thread waits in [`accept`](Server::accept).
    pub fn pending(&self) -> usize {
        let Some(mut turn) = self.inner.accepting.try_enter() else {
            return 0;
        };
        // The next accept finds this error again.
        let _ = self.inner.collect(&mut turn);
        turn.value().len()
    }

    /// Closes one connection. Its index is not used again.
    ///
    /// # Errors
    ///
    /// Returns [`CloseError`] if there is no such connection, or it was closed before.
    #[track_caller]
    pub fn close_connection(&self, index: usize) -> Result<(), CloseError> {
        // Not closed under the lock: closing takes the connection off the list itself.
        let (connection, accepted) = {
            let registry = self.inner.registry.lock();
            (registry.open.get(&index).cloned(), registry.accepted)
        };
        match connection {
            Some(connection) => {
                connection.close();
                Ok(())
            }
            None if index < accepted => Err(CloseError::NotActive {
                party: Box::new(self.inner.party()),
                index,
            }),
            None => Err(CloseError::Unknown {
                party: Box::new(self.inner.party()),
                index,
                accepted,
            }),
        }
    }

    /// Closes every accepted connection. The server continues to listen.
    #[track_caller]
    pub fn close_all(&self) {
        for connection in self.inner.open() {
            connection.close();
        }
    }

    /// Returns another handle of the listening socket, for code that wants a socket of the standard
    /// library. It is non-blocking, and stops listening when the server closes.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is closed or a Unix socket's, or the system has no descriptor
    /// left.
    pub fn try_clone_listener(&self) -> Result<TcpListener, ControlError> {
        const ACTION: &str = "hand out its listener";
        let party = || Box::new(self.inner.party());
        if self.local_socket_addr().is_none() {
            return Err(ControlError::Unsupported {
                party: party(),
                action: ACTION,
                reason: "it listens on a Unix socket",
            });
        }
        match &*self.inner.listener() {
            Some(listener) => listener.try_clone_tcp().map_err(|source| ControlError::Io {
                party: party(),
                action: ACTION,
                source,
            }),
            None => Err(ControlError::Closed {
                party: party(),
                action: ACTION,
            }),
        }
    }

    /// Returns whether the server was neither closed nor aborted.
    pub fn is_open(&self) -> bool {
        self.inner.end.is_open()
    }

    /// Stops listening and closes every connection, accepted or not. Every wait on the server or
    /// its connections ends with an error that reports the close. When this returns, connects are
    /// refused and the descriptors are closed. Closing twice has no effect.
    #[track_caller]
    pub fn close(&self) {
        self.inner.close(LocalEnd::Closed, Place::caller());
    }

    /// Closes the server as [`close`](Server::close) does; all operations on it and its connections
    /// report an abort.
    #[track_caller]
    pub fn abort(&self) {
        self.inner.close(LocalEnd::Aborted, Place::caller());
    }
}

impl Inner {
    fn accept(
        &self,
        owner: Owner,
        deadline: &mut Deadline,
        place: Option<Place>,
    ) -> Result<Connection, NotNow> {
        let turn = self.accepting.enter(deadline)?;
        self.accept_in(turn, owner, deadline, place)
    }

    fn accept_in(
        &self,
        mut turn: Turn<'_, VecDeque<Pending>>,
        owner: Owner,
        deadline: &mut Deadline,
        place: Option<Place>,
    ) -> Result<Connection, NotNow> {
        loop {
            match self.next(&mut turn)? {
                Next::Peer(pending) => return self.admit(pending, owner, place),
                Next::Nobody(guard) => {
                    let listener = guard.as_ref().ok_or(NotNow::Closed)?;
                    turn.wait(listener.source(), Interest::Readable, deadline.remaining())?;
                }
                Next::Away => turn.wait_for_wake(deadline.remaining())?,
            }
        }
    }

    /// Accepts the next peer, if one has connected.
    fn next(&self, turn: &mut Turn<'_, VecDeque<Pending>>) -> Result<Next<'_>, NotNow> {
        if let Some(pending) = turn.value().pop_front() {
            return Ok(Next::Peer(pending));
        }
        loop {
            let guard = self.listener();
            if !self.may_take() {
                return Ok(Next::Away);
            }
            let Some(listener) = &*guard else {
                return Err(NotNow::Closed);
            };
            match listener.accept() {
                Ok((stream, peer)) if self.is_wanted(&peer) => {
                    return Ok(Next::Peer(Pending { stream, peer }));
                }
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Next::Nobody(guard)),
                    // The peer gave up while it was queued.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ if self.away.load(Ordering::SeqCst) => {}
                    _ => return Err(NotNow::Io(error)),
                },
            }
        }
    }

    /// Moves everybody from the system's queue to ours.
    fn collect(&self, turn: &mut Turn<'_, VecDeque<Pending>>) -> io::Result<()> {
        let guard = self.listener();
        let Some(listener) = &*guard else {
            return Ok(());
        };
        while self.may_take() {
            match listener.accept() {
                Ok((stream, peer)) if self.is_wanted(&peer) => {
                    turn.value().push_back(Pending { stream, peer })
                }
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Whether the peer is a peer, and not one of those that only kept the queue full.
    fn is_wanted(&self, peer: &Address) -> bool {
        let fillers = &mut self.fillers().addresses;
        fillers.is_empty() || !fillers.remove(peer)
    }

    /// Whether anybody may be taken from the system's queue now.
    fn may_take(&self) -> bool {
        !self.away.load(Ordering::SeqCst) && self.full.load(Ordering::SeqCst) == 0
    }

    /// Creates the connection of a peer and lists it, in one step with the check whether the server
    /// is closed: closing then finds the connection, or it was never listed.
    fn admit(
        &self,
        pending: Pending,
        owner: Owner,
        place: Option<Place>,
    ) -> Result<Connection, NotNow> {
        let Pending { stream, peer } = pending;
        let local = match &self.address {
            // A server on every interface learns from each connection which one the peer came by.
            Address::Tcp(address) if address.ip().is_unspecified() => {
                stream.local_address().map_err(NotNow::Io)?
            }
            address => address.clone(),
        };
        let mut registry = self.registry.lock();
        if !self.end.is_open() {
            return Err(NotNow::Closed);
        }
        let index = registry.accepted;
        let opening = standin_record::Event::Accepted;
        let recording = Recording::new(self.driver.as_ref(), &opening, [&local, &peer], place);
        let connection = Connection::new(Parts {
            role: Role::Server,
            label: self.label.clone(),
            index,
            local,
            peer,
            stream,
            recording,
            receive_limit: self.options.receive_limit,
            listed: Some(Arc::downgrade(&self.registry) as _),
            owner,
        });
        registry.accepted += 1;
        let peer = connection.peer_address().clone();
        registry.by_peer.insert((peer, index));
        registry.open.insert(index, connection.clone());
        drop(registry);
        connection.trace_made("accepted");
        Ok(connection)
    }

    /// Closes once: another thread that closes at the same time does what is left to do, and so
    /// returns no sooner.
    fn close(&self, how: LocalEnd, place: Place) {
        {
            // Under the registry's lock, so that no connection is admitted afterwards.
            let _registry = self.registry.lock();
            self.end.change(how);
        }
        if let Some(listener) = &*self.listener() {
            // Also ends listening where a clone of the socket lives on. Fails when the socket does
            // not listen.
            let _ = sys::stop_listening(listener);
        }
        self.accepting.close();
        self.kept.close();
        self.remove_file();
        self.listener.write().unpoisoned().take();
        self.forget_fillers();
        self.reserved.lock().unpoisoned().clear();
        self.accepting.settle(VecDeque::clear);
        for connection in self.open() {
            match self.end.get() {
                LocalEnd::Aborted => connection.end_at(Event::Abort, place),
                _ => connection.end_at(Event::Close, place),
            }
        }
        self.wake();
    }

    /// All connections, including owned ones.
    fn open(&self) -> Vec<Connection> {
        self.registry.lock().open.values().cloned().collect()
    }

    /// Removes the file of a Unix socket, as no peer can connect to it now.
    fn remove_file(&self) {
        if let Some(file) = self.file().take() {
            file.remove();
        }
    }

    fn file(&self) -> MutexGuard<'_, Option<SocketFile>> {
        self.file.lock().unpoisoned()
    }

    fn listener(&self) -> RwLockReadGuard<'_, Option<Listener>> {
        self.listener.read().unpoisoned()
    }

    fn party(&self) -> Party {
        Party {
            role: Role::Server,
            label: self.label.clone(),
            index: None,
            local: Some(self.address.clone()),
            peer: None,
            note: None,
            records: last_records(self.driver.as_ref()),
        }
    }

    #[cold]
    fn accept_error(&self, not_now: NotNow, deadline: &Deadline) -> AcceptError {
        let party = Box::new(self.party());
        match (self.end.get(), not_now) {
            (LocalEnd::Aborted, _) => AcceptError::Aborted { party },
            (LocalEnd::Closed, _) | (_, NotNow::Closed) => AcceptError::Closed { party },
            (_, NotNow::TimedOut) => AcceptError::TimedOut {
                party,
                elapsed: deadline.elapsed(),
                limit: deadline.limit(),
                accepted: self.registry.lock().accepted,
            },
            (_, NotNow::Io(source)) => AcceptError::Io { party, source },
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.end.is_open() {
            self.remove_file();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("label", &self.inner.label)
            .field("address", &self.inner.address)
            .field("open", &self.is_open())
            .field("accepted", &self.accepted())
            .field("active", &self.active())
            .finish()
    }
}

/// The connections that a server accepted and that are open.
#[derive(Debug, Default)]
struct Registry {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    accepted: usize,
    open: BTreeMap<usize, Connection>,
    by_peer: BTreeSet<(Address, usize)>,
}

impl Connections {
    /// A connection that is open and not owned.
    fn shared(&self, index: usize) -> Option<&Connection> {
        let connection = self.open.get(&index)?;
        (!connection.is_owned()).then_some(connection)
    }

    /// The same of all of them, by index.
    fn all_shared(&self) -> impl DoubleEndedIterator<Item = &Connection> {
        self.open
            .values()
            .filter(|connection| !connection.is_owned())
    }
}

impl OpenConnections for Registry {
    fn forget(&self, index: usize) {
        let mut registry = self.lock();
        let connection = registry.open.remove(&index);
        if let Some(connection) = &connection {
            let peer = connection.peer_address().clone();
            registry.by_peer.remove(&(peer, index));
        }
        // Not under the lock: it may be the last handle.
        drop(registry);
        drop(connection);
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unpoisoned()
    }
}
