//! One conversation with a peer.

mod callback;
mod misbehave;
mod observe;
mod receive;
mod receiver;
mod send;
mod waiting;

use std::{
    fmt, io,
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
};

use self::waiting::Waiting;
use crate::{
    address::Address,
    buffer::Buffer,
    error::{Failure, Party, Role, StreamState},
    lane::Lane,
    server::Registry,
    sys::Stream,
    time::Deadline,
};

/// A connection with one peer: what a server accepted or a client made.
///
/// Handles are cheap to clone and all stand for the same connection. Any thread may use one. The two directions are
/// independent: one thread may send while another receives. Several threads that receive on one connection take turns.
///
/// # Waiting
///
/// Every operation that may wait takes a timeout, `impl Into<Option<Duration>>`: the total time for the whole
/// operation. `None` waits until the connection is closed or aborted; zero tries once and never blocks. The thread that
/// calls does the waiting, and [`close`](Connection::close) or [`abort`](Connection::abort) from any other thread ends
/// its wait at once.
///
/// # Bytes
///
/// Bytes are never lost: a receive that fails keeps what it has read for the next one. Bytes stay with the system until
/// a receive asks for them, so a peer feels the backpressure of a slow reader. Only receives that cannot know how much
/// belongs to them (up to a delimiter, a match, a peek) read ahead; what they do not need, the next receive gets first.
///
/// # Closing
///
/// A server keeps the connections that it accepted: dropping a handle closes nothing, [`close`](Connection::close)
/// does. A connection that nothing keeps closes when its last handle is dropped.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    role: Role,
    label: Option<Arc<str>>,
    index: usize,
    local: Address,
    peer: Address,
    /// For everything that needs no turn: options, shutting down. `None` once closed, and so are those of the lanes:
    /// the descriptor is gone with the last of the three.
    stream: Mutex<Option<Arc<Stream>>>,
    /// What this side did, as a number of [`Here`].
    here: AtomicU8,
    /// What the peer did, as a number of [`There`].
    there: AtomicU8,
    receiving: Lane<Incoming>,
    sending: Lane<Outgoing>,
    /// Bytes that were handed back: they come before those in the receive buffer.
    returned: Mutex<Vec<u8>>,
    has_returned: AtomicBool,
    receive_limit: AtomicUsize,
    /// The server's list of open connections, to be taken off it when closed.
    registry: Weak<Registry>,
}

/// What this side did with the connection.
mod here {
    pub(super) const OPEN: u8 = 0;
    pub(super) const CLOSED: u8 = 1;
    pub(super) const ABORTED: u8 = 2;
}

/// What the peer did with the connection, as far as known.
mod there {
    pub(super) const OPEN: u8 = 0;
    pub(super) const CLOSED: u8 = 1;
    pub(super) const RESET: u8 = 2;
}

/// What a new connection is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) role: Role,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) index: usize,
    pub(crate) local: Address,
    pub(crate) peer: Address,
    pub(crate) stream: Stream,
    pub(crate) receive_limit: usize,
    pub(crate) registry: Weak<Registry>,
}

impl Connection {
    /// The most bytes that a receive collects, unless [`set_receive_limit`](Connection::set_receive_limit) says
    /// otherwise: 64 MiB.
    pub const DEFAULT_RECEIVE_LIMIT: usize = 64 << 20;

    pub(crate) fn new(parts: Parts) -> Connection {
        let Parts {
            role,
            label,
            index,
            local,
            peer,
            stream,
            receive_limit,
            registry,
        } = parts;
        let stream = Arc::new(stream);
        Connection {
            inner: Arc::new(Inner {
                role,
                label,
                index,
                local,
                peer,
                stream: Mutex::new(Some(Arc::clone(&stream))),
                here: AtomicU8::new(here::OPEN),
                there: AtomicU8::new(there::OPEN),
                receiving: Lane::new(Incoming {
                    stream: Some(Arc::clone(&stream)),
                    buffer: Buffer::default(),
                    waiting: Waiting::default(),
                    told: None,
                }),
                sending: Lane::new(Outgoing {
                    stream: Some(stream),
                    waiting: Waiting::default(),
                }),
                returned: Mutex::new(Vec::new()),
                has_returned: AtomicBool::new(false),
                receive_limit: AtomicUsize::new(receive_limit),
                registry,
            }),
        }
    }

    /// Takes over a connected stream of the standard library. It becomes non-blocking.
    ///
    /// # Errors
    /// When the system refuses to make the stream non-blocking or to tell its addresses.
    pub fn from_stream(stream: TcpStream) -> io::Result<Connection> {
        let stream = Stream::from_tcp(stream)?;
        Ok(Connection::new(Parts {
            role: Role::Adopted,
            label: None,
            index: 0,
            local: stream.local_address()?,
            peer: stream.peer_address()?,
            stream,
            receive_limit: Self::DEFAULT_RECEIVE_LIMIT,
            registry: Weak::new(),
        }))
    }

    /// The number of this connection: the n-th that its server accepted or its client made, from 0, never used again.
    pub fn index(&self) -> usize {
        self.inner.index
    }

    /// The label of the server or client that it belongs to.
    pub fn label(&self) -> Option<&str> {
        self.inner.label.as_deref()
    }

    /// The address on this side. Also known after the connection was closed.
    pub fn local_address(&self) -> &Address {
        &self.inner.local
    }

    /// The address on the other side. Also known after the connection was closed.
    pub fn peer_address(&self) -> &Address {
        &self.inner.peer
    }

    /// How the stream stands, as far as the operations so far have shown.
    pub fn stream_state(&self) -> StreamState {
        self.inner.state()
    }

    /// Whether this side has neither closed nor aborted the connection.
    pub fn is_open(&self) -> bool {
        self.inner.here.load(Ordering::SeqCst) == here::OPEN
    }

    /// Limits how many bytes a single receive may collect when the peer decides how many come: up to a delimiter or a
    /// match, a frame, to the end, until silence. Default: 64 MiB.
    pub fn set_receive_limit(&self, bytes: usize) {
        self.inner.receive_limit.store(bytes, Ordering::Relaxed);
    }

    /// Says that no more will be sent: the peer sees the end of the stream after what was sent before. Receiving goes
    /// on.
    ///
    /// # Errors
    /// When the connection is closed here or the peer has reset it.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.with_stream(|stream| stream.shutdown(Shutdown::Write))
    }

    /// Says that no more will be received: receives on this side see the end of the stream. The peer is not told.
    ///
    /// # Errors
    /// When the connection is closed here or the peer has reset it.
    pub fn shutdown_read(&self) -> io::Result<()> {
        self.with_stream(|stream| stream.shutdown(Shutdown::Read))
    }

    /// Closes the connection: the peer sees the end of the stream at once, every wait on it ends with an error that
    /// says so, and the descriptor is gone when this returns. Closing twice does nothing.
    pub fn close(&self) {
        self.inner.close(here::CLOSED);
    }

    /// Closes the connection as [`close`](Connection::close) does, and lets every operation on it say that it was
    /// aborted.
    pub fn abort(&self) {
        self.inner.close(here::ABORTED);
    }

    /// Puts bytes back in front of those that the next receive finds: for a caller that received more than it can use,
    /// such as half a character.
    pub fn unread(&self, mut bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let mut returned = self
            .inner
            .returned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bytes.append(&mut returned);
        *returned = bytes;
        self.inner.has_returned.store(true, Ordering::Release);
    }

    /// Runs `f` on the socket, unless it is closed.
    fn with_stream<R>(&self, f: impl FnOnce(&Stream) -> io::Result<R>) -> io::Result<R> {
        // Held while `f` runs, so that closing does not leave it with the last hold on the descriptor.
        match &*self.inner.stream() {
            Some(stream) => f(stream),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the connection is closed on this side",
            )),
        }
    }
}

impl Inner {
    fn stream(&self) -> MutexGuard<'_, Option<Arc<Stream>>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> StreamState {
        match (
            self.here.load(Ordering::SeqCst),
            self.there.load(Ordering::Relaxed),
        ) {
            (here::OPEN, there::OPEN) => StreamState::Open,
            (here::OPEN, there::CLOSED) => StreamState::PeerClosed,
            (here::OPEN, _) => StreamState::Reset,
            (here::ABORTED, _) => StreamState::Aborted,
            _ => StreamState::Closed,
        }
    }

    fn party(&self) -> Party {
        Party {
            role: self.role,
            label: self.label.clone(),
            index: Some(self.index),
            local: Some(self.local.clone()),
            peer: Some(self.peer.clone()),
        }
    }

    fn failure(&self, deadline: &Deadline) -> Failure {
        Failure {
            party: self.party(),
            elapsed: deadline.elapsed(),
            limit: deadline.limit(),
            state: self.state(),
        }
    }

    /// Closes so that the peer sees the end of the stream.
    fn close(&self, how: u8) {
        self.close_after(how, |stream| {
            // The peer learns it now, even if another process still has the descriptor. An error means that the
            // connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        });
    }

    /// Says that the connection is closed, does to its stream what makes waiting threads return, and closes the
    /// descriptor once no thread uses it any more.
    fn close_after(&self, how: u8, interrupt: impl FnOnce(&Stream)) {
        // First of all: a thread that finds its stream ended must be able to tell who ended it.
        if self
            .here
            .compare_exchange(here::OPEN, how, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return;
        }
        if let Some(stream) = self.stream().take() {
            interrupt(&stream);
        }
        self.receiving.close();
        self.sending.close();
        self.release(&self.receiving, |incoming| incoming.stream = None);
        self.release(&self.sending, |outgoing| outgoing.stream = None);
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(self.index);
        }
    }

    /// Lets go of the stream in a lane, when the thread that has the turn has returned.
    fn release<T>(&self, lane: &Lane<T>, let_go: impl FnOnce(&mut T)) {
        if callback::is_running() {
            // It is this thread that has the turn, and a user's closure in it that closes: there is no waiting for
            // oneself. The stream goes when the turn ends.
            if let Some(mut turn) = lane.try_enter() {
                let_go(turn.value());
            }
        } else {
            let_go(lane.enter_closed().value());
        }
    }
}

/// What travels with the turn to receive.
#[derive(Debug)]
struct Incoming {
    /// `None` once closed.
    stream: Option<Arc<Stream>>,
    buffer: Buffer,
    waiting: Waiting,
    /// What the system has told once, and nobody has heard yet.
    told: Option<io::Error>,
}

/// What travels with the turn to send.
#[derive(Debug)]
struct Outgoing {
    /// `None` once closed.
    stream: Option<Arc<Stream>>,
    waiting: Waiting,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("label", &self.label)
            .field("index", &self.index)
            .field("local_address", &self.local)
            .field("peer_address", &self.peer)
            .field("state", &self.state())
            .finish()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The timeout of an operation, as the caller may write it.
pub(crate) fn deadline(timeout: impl Into<Option<std::time::Duration>>) -> Deadline {
    Deadline::new(timeout.into())
}
