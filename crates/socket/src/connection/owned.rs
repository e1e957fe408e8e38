//! A connection in one hand.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use mio::{Interest, Registry, Token, event};
use standin_record::{Event, Tape};
use standin_sync::Unpoisoned;

use super::{
    Connection, Inner, core::closed, deadline, receive_stop::ReceiveStop, receiver::Receiver,
    send::SendStop,
};
use crate::{address::Address, error::ControlError, turn_lock::NotNow};

/// A connection without other handles, for code that never waits: an event loop.
///
/// It comes from [`Server::try_accept`](crate::Server::try_accept) or
/// [`Client::connect_owned`](crate::Client::connect_owned), and is not listed among the server's
/// [`connections`](crate::Server::connections) or as the [`connection`](crate::Client::connection)
/// of the client: no other code can receive its bytes. To share it permanently, convert it to a
/// [`Connection`] with [`into_connection`](OwnedConnection::into_connection). Dropping it closes
/// it.
///
/// It can be registered with a `mio::Poll`, for events of both directions. What is received and
/// sent here never blocks; no error value is made when there is nothing to do.
///
/// ```
/// use std::time::Duration;
/// use mio::{Events, Interest, Poll, Token};
/// use standin_socket::{Client, Server, Tried};
///
/// let limit = Duration::from_secs(10);
/// let server = Server::builder().bind()?;
/// let client = Client::builder().port(server.port()).build();
/// let near = client.connect(limit)?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut arrivals = server.arrivals();
/// poll.registry().register(&mut arrivals, Token(0), Interest::READABLE)?;
/// poll.poll(&mut events, Some(limit))?;
/// let mut far = server.try_accept()?.expect("somebody has connected");
/// assert!(server.connections().is_empty());
///
/// let mut bytes = [0; 16];
/// assert!(matches!(far.try_receive(&mut bytes), Tried::NotNow));
/// poll.registry().register(&mut far, Token(1), Interest::READABLE)?;
/// near.send(b"hello", limit)?;
/// poll.poll(&mut events, Some(limit))?;
/// assert!(matches!(far.try_receive(&mut bytes), Tried::Done(5)));
/// assert!(matches!(far.try_send(&bytes[..5]), Tried::Done(5)));
/// assert_eq!(near.receive_exactly(5, limit)?, b"hello");
///
/// let far = far.into_connection(); // for everybody
/// assert_eq!(server.connections().len(), 1);
/// # drop(far);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct OwnedConnection {
    connection: Connection,
    closes: bool,
}

/// The result of a try to receive or send.
#[derive(Debug)]
pub enum Tried {
    /// This many bytes were received or sent. If that is less than requested, the system has no
    /// more, or takes no more, and an event signals when that changes. An urgent byte also ends a
    /// receive; a priority event signals it.
    Done(usize),
    /// Nothing can be received, or sent, until an event signals it.
    NotNow,
    /// The connection is over in this direction.
    Ended(End),
}

/// Why a direction of a connection is over.
#[derive(Debug)]
pub enum End {
    /// The peer has closed: it sends no more, or takes no more.
    PeerClosed,
    /// The peer has reset the connection.
    Reset,
    /// This side has shut the direction down.
    ShutDown,
    /// This side has closed the connection.
    Closed,
    /// The system reports another error.
    Failed(io::Error),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::PeerClosed => f.write_str("the peer closed the connection"),
            End::Reset => f.write_str("the peer reset the connection"),
            End::ShutDown => f.write_str("this side has shut the direction down"),
            End::Closed => f.write_str("this side has closed the connection"),
            End::Failed(error) => error.fmt(f),
        }
    }
}

/// Whether a connection is shared or owned, and whom to wake.
#[derive(Debug)]
pub(crate) struct Owner {
    is_one: AtomicBool,
    waker: Mutex<Option<Waker>>,
    upgrade: Mutex<UpgradeState>,
}

/// Whether a connection is being [upgraded](Connection::upgrade), and whom to wake after that.
#[derive(Debug, Default)]
struct UpgradeState {
    is_under_way: bool,
    waker: Option<Waker>,
}

impl Owner {
    pub(crate) fn everybody() -> Owner {
        Owner {
            is_one: AtomicBool::new(false),
            waker: Mutex::new(None),
            upgrade: Mutex::default(),
        }
    }

    /// The connection is put in one hand before anybody else sees it.
    pub(crate) fn one() -> Owner {
        Owner {
            is_one: AtomicBool::new(true),
            ..Owner::everybody()
        }
    }

    /// Whether only an [`OwnedConnection`] may use the connection.
    pub(super) fn is_one(&self) -> bool {
        self.is_one.load(Ordering::Acquire)
    }

    pub(super) fn is_being_upgraded(&self) -> bool {
        self.upgrade.lock().unpoisoned().is_under_way
    }

    pub(super) fn upgrade_begins(&self) {
        self.upgrade.lock().unpoisoned().is_under_way = true;
    }

    pub(super) fn upgrade_ends(&self) {
        let ended = std::mem::take(&mut *self.upgrade.lock().unpoisoned());
        if let Some(waker) = ended.waker {
            waker.wake();
        }
    }

    /// Makes the owner look at what was done to its connection.
    pub(super) fn wake(&self) {
        let waker = self.waker.lock().unpoisoned().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Inner {
    /// Wakes `waker` once when the connection is closed; at once if that has happened already.
    pub(super) fn wake_when_closed(&self, waker: Waker) {
        *self.owner.waker.lock().unpoisoned() = Some(waker);
        if !self.core.is_open() {
            self.owner.wake();
        }
    }
}

impl Connection {
    /// Whether only an [`OwnedConnection`] may use it.
    pub(crate) fn is_owned(&self) -> bool {
        self.inner.owner.is_one()
    }
}

impl OwnedConnection {
    /// Of a connection that was made for [one](Owner::one) owner.
    pub(crate) fn new(connection: Connection) -> OwnedConnection {
        debug_assert!(connection.is_owned(), "others may have a handle of it");
        OwnedConnection {
            connection,
            closes: true,
        }
    }

    /// Receives the bytes that have arrived, as many as fit into `target`, without waiting.
    #[inline]
    pub fn try_receive(&mut self, target: &mut [u8]) -> Tried {
        if target.is_empty() {
            return Tried::Done(0);
        }
        let inner = self.inner();
        let mut deadline = deadline(Duration::ZERO);
        let turn = match inner.core.receiving.enter(&mut deadline) {
            Ok(turn) => turn,
            Err(not_now) => return not_now.into(),
        };
        match Receiver::new(inner, turn, deadline, None).some_into(target) {
            Ok(count) => Tried::Done(count),
            Err(stop) => match stop {
                ReceiveStop::NotNow(not_now) => not_now.into(),
                ReceiveStop::Transform(error) => self.ended(End::Failed(io::Error::other(error))),
                ReceiveStop::ShutDown => self.ended(End::ShutDown),
                ReceiveStop::PeerClosed => self.ended(End::PeerClosed),
                ReceiveStop::Reset => self.ended(End::Reset),
                ReceiveStop::Io(error) => self.ended(End::Failed(error)),
                // Of receives that want something in particular.
                ReceiveStop::Limit | ReceiveStop::Frame(_) | ReceiveStop::Unexpected(_) => {
                    Tried::NotNow
                }
            },
        }
    }

    /// Sends as much of `bytes` as the system takes, without waiting.
    #[inline]
    pub fn try_send(&mut self, bytes: &[u8]) -> Tried {
        let inner = self.inner();
        let mut deadline = deadline(Duration::ZERO);
        let mut sent = 0;
        let outcome = match inner.core.sending.enter(&mut deadline) {
            Ok(mut turn) => inner.try_in_turn(&mut turn, bytes, &mut sent, &mut deadline),
            Err(not_now) => Err(not_now.into()),
        };
        match outcome {
            Ok(()) => Tried::Done(sent),
            // What stops it now stops the next one.
            Err(_) if sent > 0 => Tried::Done(sent),
            Err(stop) => match stop {
                SendStop::NotNow(not_now) => not_now.into(),
                SendStop::Transform(error) => self.ended(End::Failed(io::Error::other(error))),
                SendStop::ShutDown => self.ended(End::ShutDown),
                SendStop::PeerClosed => self.ended(End::PeerClosed),
                SendStop::Reset => self.ended(End::Reset),
                SendStop::Io(error) => self.ended(End::Failed(error)),
                // Of sends of frames.
                SendStop::Frame(_) => Tried::NotNow,
            },
        }
    }

    /// The end that was found, unless this side has closed the connection meanwhile: its socket is
    /// shut down then, which looks like an end of the peer's.
    fn ended(&self, end: End) -> Tried {
        Tried::Ended(if self.is_open() { end } else { End::Closed })
    }

    /// Returns whether it has a [`Transform`](crate::Transform). If so, a receive that does not
    /// fill its buffer may have left bytes that no event signals; only a receive that returns none
    /// has not. A later send must begin with the unsent rest of the previous one.
    pub fn is_transformed(&self) -> bool {
        self.inner().core.layer.get().is_some()
    }

    /// Wakes `waker` once when the connection is closed or aborted elsewhere, for example with its
    /// server: the system has no event for that. Wakes it at once if that has already happened.
    pub fn wake_when_closed(&mut self, waker: Waker) {
        self.inner().wake_when_closed(waker);
    }

    /// Returns whether the connection is being [upgraded](Connection::upgrade), and if so, wakes
    /// `waker` once when that is over. Until then whoever upgrades it has it registered with a
    /// poll, and is woken when it is closed.
    pub fn wake_when_upgraded(&mut self, waker: &Waker) -> bool {
        let mut upgrade = self.inner().owner.upgrade.lock().unpoisoned();
        if upgrade.is_under_way {
            upgrade.waker = Some(waker.clone());
        }
        upgrade.is_under_way
    }

    /// Puts bytes back in front of those that the next receive finds.
    pub fn unread(&mut self, bytes: Vec<u8>) {
        self.connection.unread(bytes);
    }

    /// Returns the tape of the connection: see [`Connection::tape`].
    pub fn tape(&self) -> Option<&Arc<Tape>> {
        self.connection.tape()
    }

    /// Returns the number of this connection: see [`Connection::index`].
    pub fn index(&self) -> usize {
        self.connection.index()
    }

    /// Returns the label of the server or client that it belongs to.
    pub fn label(&self) -> Option<&str> {
        self.connection.label()
    }

    /// Returns the address on this side.
    pub fn local_address(&self) -> &Address {
        self.connection.local_address()
    }

    /// Returns the address on the other side.
    pub fn peer_address(&self) -> &Address {
        self.connection.peer_address()
    }

    /// Returns the most bytes that are to be collected of one frame: see
    /// [`Connection::set_receive_limit`].
    pub fn receive_limit(&self) -> usize {
        self.inner().receive_limit.load(Ordering::Relaxed)
    }

    /// Returns whether this side has neither closed nor aborted the connection.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Ends the sending direction: see [`Connection::shutdown_write`].
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed here or the peer has reset it.
    #[track_caller]
    pub fn shutdown_write(&self) -> Result<(), ControlError> {
        self.connection.shutdown_write()
    }

    /// Makes the system's receive buffer as small as it can be: see
    /// [`Connection::stop_reading`].
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed on this side.
    #[track_caller]
    pub fn stop_reading(&self) -> Result<(), ControlError> {
        self.connection.stop_reading()
    }

    /// Resets the connection: see [`Connection::reset`].
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed already, or a Unix socket's.
    #[track_caller]
    pub fn reset(self) -> Result<(), ControlError> {
        self.connection.reset()
    }

    /// Closes the connection: see [`Connection::close`]. As dropping it does.
    pub fn close(self) {}

    /// Records that something was done to the connection on purpose, if anything of it is recorded.
    pub fn record_fault(&self, what: &str) {
        let fault = || Event::Fault(what.to_owned());
        self.inner().recording.happened(fault, None);
    }

    /// Converts it to a shared connection permanently: its server or client lists it again.
    pub fn into_connection(mut self) -> Connection {
        self.closes = false;
        let inner = self.inner();
        inner.owner.waker.lock().unpoisoned().take();
        inner.owner.is_one.store(false, Ordering::Release);
        self.connection.clone()
    }

    /// Returns a handle for a layer above, which must not outlive the owned connection.
    #[doc(hidden)]
    pub fn handle(&mut self) -> Connection {
        self.connection.clone()
    }

    fn inner(&self) -> &Inner {
        &self.connection.inner
    }
}

impl From<NotNow> for Tried {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::TimedOut => Tried::NotNow,
            NotNow::Closed => Tried::Ended(End::Closed),
            NotNow::Io(error) => Tried::Ended(End::Failed(error)),
        }
    }
}

impl event::Source for OwnedConnection {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        let core = &self.inner().core;
        core.with_stream(|stream| stream.polled().register(registry, token, interests))
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        let core = &self.inner().core;
        core.with_stream(|stream| stream.polled().reregister(registry, token, interests))
    }

    /// Of a connection that was closed nothing is left to undo.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let core = &self.inner().core;
        match core.with_stream(|stream| stream.polled().deregister(registry)) {
            Err(error) if error.kind() == closed().kind() && !core.is_open() => Ok(()),
            outcome => outcome,
        }
    }
}

impl Drop for OwnedConnection {
    fn drop(&mut self) {
        if self.closes {
            self.connection.close();
        }
    }
}

impl fmt::Debug for OwnedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedConnection")
            .field(&self.connection)
            .finish()
    }
}
