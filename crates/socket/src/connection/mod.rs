//! One conversation with a peer.

mod attached;
mod core;
mod layer;
mod misbehave;
#[cfg(all(test, loom))]
mod models;
mod observe;
mod operations;
mod owned;
mod paced;
mod receive;
mod receive_stop;
mod receiver;
mod send;
mod sending;
mod transformed;
mod upgrade;
mod waiting;
mod wanted;

use std::{
    any::Any,
    fmt, io,
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use standin_record::{By, Place, Tape};

pub(crate) use self::owned::Owner;
use self::{attached::Attached, core::Core};
pub use self::{
    operations::Operations,
    owned::{End, OwnedConnection, Tried},
    upgrade::Upgrade,
};
use crate::{
    address::Address,
    error::{Circumstances, ControlError, Party, Role, StreamState},
    operation::Kept,
    options,
    recording::Recording,
    state::{Event, Stand},
    sys::Stream,
    time::Deadline,
};

/// A connection with one peer: what a server accepted or a client made.
///
/// Handles are cheap to clone, and all refer to the same connection. Any thread may use one. The
/// two directions are independent: one thread may send while another receives. Several threads that
/// receive on one connection take turns.
///
/// # Waiting
///
/// Every operation that may wait takes a timeout, `impl Into<Option<Duration>>`: the total time for
/// the whole operation. `None` waits until the connection is closed or aborted; zero tries once and
/// never blocks. The thread that calls does the waiting, and [`close`](Connection::close) or
/// [`abort`](Connection::abort) from any other thread ends its wait at once.
///
/// # Bytes
///
/// Bytes are never lost: a receive that fails keeps what it has read for the next one. Bytes stay
/// with the system until a receive asks for them, so a peer feels the backpressure of a slow
/// reader. Only receives of unknown size (up to a delimiter, a match, a peek) read ahead; the rest
/// goes to the next receive.
///
/// # Closing
///
/// A server keeps the connections that it accepted: dropping a handle closes nothing,
/// [`close`](Connection::close) does. A connection that nothing keeps closes when its last handle
/// is dropped.
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
    core: Core<Stream>,
    recording: Recording,
    receive_limit: AtomicUsize,
    /// The server's list of open connections, to be taken off it when closed.
    listed: Option<Weak<dyn OpenConnections>>,
    attached: Attached,
    /// Goes when the connection closes.
    kept: Kept,
    owner: Owner,
}

/// The parts of a new connection.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) role: Role,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) index: usize,
    pub(crate) local: Address,
    pub(crate) peer: Address,
    pub(crate) stream: Stream,
    pub(crate) recording: Recording,
    pub(crate) receive_limit: usize,
    pub(crate) listed: Option<Weak<dyn OpenConnections>>,
    pub(crate) owner: Owner,
}

/// A server's list of the connections that it accepted and that are open.
pub(crate) trait OpenConnections: fmt::Debug + Send + Sync {
    /// Takes a connection off the list.
    fn forget(&self, index: usize);
}

impl Connection {
    /// The most bytes that a receive collects, unless
    /// [`set_receive_limit`](Connection::set_receive_limit) changes it: 64 MiB.
    pub const DEFAULT_RECEIVE_LIMIT: usize = options::DEFAULT_RECEIVE_LIMIT;

    pub(crate) fn new(parts: Parts) -> Connection {
        let Parts {
            role,
            label,
            index,
            local,
            peer,
            stream,
            recording,
            receive_limit,
            listed,
            owner,
        } = parts;
        Connection {
            inner: Arc::new(Inner {
                role,
                label,
                index,
                local,
                peer,
                core: Core::new(stream),
                recording,
                receive_limit: AtomicUsize::new(receive_limit),
                listed,
                attached: Attached::default(),
                kept: Kept::default(),
                owner,
            }),
        }
    }

    /// Takes over a connected stream of the standard library. It becomes blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses to make the stream blocking or to report its
    /// addresses.
    pub fn from_stream(stream: TcpStream) -> io::Result<Connection> {
        let stream = Stream::from_tcp(stream)?;
        Ok(Connection::new(Parts {
            role: Role::Adopted,
            label: None,
            index: 0,
            local: stream.local_address()?,
            peer: stream.peer_address()?,
            stream,
            recording: Recording::default(),
            receive_limit: Self::DEFAULT_RECEIVE_LIMIT,
            listed: None,
            owner: Owner::everybody(),
        }))
    }

    /// Returns the number of this connection: the n-th that its server accepted or its client made,
    /// from 0, never used again.
    pub fn index(&self) -> usize {
        self.inner.index
    }

    /// Returns the label of the server or client that it belongs to.
    pub fn label(&self) -> Option<&str> {
        self.inner.label.as_deref()
    }

    /// Returns the address on this side. Also known after the connection was closed.
    pub fn local_address(&self) -> &Address {
        &self.inner.local
    }

    /// Returns the address on the other side. Also known after the connection was closed.
    pub fn peer_address(&self) -> &Address {
        &self.inner.peer
    }

    /// Returns the state of the stream, as seen by the operations so far.
    pub fn stream_state(&self) -> StreamState {
        self.inner.core.stand().overall()
    }

    /// Returns whether this side has neither closed nor aborted the connection.
    pub fn is_open(&self) -> bool {
        self.inner.core.is_open()
    }

    /// Limits how many bytes a single receive may collect when the peer decides how many come: up
    /// to a delimiter or a match, a frame, to the end, until silence. Default: 64 MiB.
    pub fn set_receive_limit(&self, bytes: usize) {
        self.inner.receive_limit.store(bytes, Ordering::Relaxed);
    }

    /// Ends the sending direction: the peer sees the end of the stream after the bytes sent before.
    /// Receiving continues.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed here or the peer has reset it.
    #[track_caller]
    pub fn shutdown_write(&self) -> Result<(), ControlError> {
        self.shutdown_write_at(Place::caller())
    }

    /// Returns the same, for a layer above, as a line of the test wants it.
    #[doc(hidden)]
    pub fn shutdown_write_at(&self, place: Place) -> Result<(), ControlError> {
        self.shut_down(
            "shut down sending",
            Event::ShutDownOutbound,
            Shutdown::Write,
            place,
        )
    }

    /// Ends the receiving direction: a receive returns bytes that have already arrived, and then
    /// fails with [`ReceiveError::ShutDown`](crate::ReceiveError::ShutDown). The peer does not
    /// notice.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed here or the peer has reset it.
    #[track_caller]
    pub fn shutdown_read(&self) -> Result<(), ControlError> {
        self.shut_down(
            "shut down receiving",
            Event::ShutDownInbound,
            Shutdown::Read,
            Place::caller(),
        )
    }

    fn shut_down(
        &self,
        action: &'static str,
        event: Event,
        half: Shutdown,
        place: Place,
    ) -> Result<(), ControlError> {
        if half == Shutdown::Write && self.inner.core.is_open() {
            self.inner.say_end();
        }
        self.control(action, |stream| {
            // First, so that a thread that finds the stream ended knows by whom.
            self.inner.apply(event, Some(place));
            stream.shutdown(half)
        })
    }

    /// Does something to the stream, unless it is closed.
    fn control(
        &self,
        action: &'static str,
        f: impl FnOnce(&Stream) -> io::Result<()>,
    ) -> Result<(), ControlError> {
        let inner = &*self.inner;
        inner.core.with_stream(f).map_err(|source| {
            ControlError::new(inner.party(), action, source, inner.core.is_open())
        })
    }

    /// Returns the details of the connection's [`Transform`](crate::Transform), if it has some of
    /// this type.
    pub fn transform_details<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let layer = self.inner.core.layer.get()?;
        layer.details()?.downcast().ok()
    }

    /// Closes the connection: the peer sees the end of the stream at once, every wait on it ends
    /// with an error that reports the close, and the descriptor is closed when this returns.
    /// Closing twice has no effect.
    ///
    /// It does not wait for your code that a receive is calling, so that code may close the
    /// connection itself, and take its time.
    #[track_caller]
    pub fn close(&self) {
        self.close_at(Place::caller());
    }

    /// Closes the connection for a layer above, on behalf of the line of the test at `place`.
    #[doc(hidden)]
    pub fn close_at(&self, place: Place) {
        self.end_at(Event::Close, place);
    }

    /// Closes the connection as [`close`](Connection::close) does; all operations on it report an
    /// abort.
    #[track_caller]
    pub fn abort(&self) {
        self.end_at(Event::Abort, Place::caller());
    }

    /// Closes or aborts the connection on behalf of a line of the test.
    pub(crate) fn end_at(&self, event: Event, place: Place) {
        self.inner.close(event, Some(place));
    }

    /// Leaves a word that the connection was made: "connected", "accepted".
    pub(crate) fn trace_made(&self, how: &str) {
        tracing::debug!(connection = %self.inner.party(), "{how}");
    }

    /// Returns the tape of the connection, if it is recorded: see
    /// [`ServerBuilder::record`](crate::ServerBuilder::record). For layers above, which may
    /// [add](Tape::record) their own records.
    pub fn tape(&self) -> Option<&Arc<Tape>> {
        self.inner.recording.tape()
    }

    /// Puts bytes back in front of those that the next receive finds: for a caller that received
    /// more than it can use, such as half a character.
    pub fn unread(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.inner.core.returned.put(bytes);
    }
}

impl Inner {
    fn party(&self) -> Party {
        Party {
            role: self.role,
            label: self.label.clone(),
            index: Some(self.index),
            local: Some(self.local.clone()),
            peer: Some(self.peer.clone()),
            note: None,
            records: self.recording.last_records(),
        }
    }

    fn circumstances(&self, deadline: &Deadline, state: StreamState) -> Circumstances {
        Circumstances {
            party: self.party(),
            elapsed: deadline.elapsed(),
            limit: deadline.limit(),
            state,
        }
    }

    /// Applies `event` to the connection, and records the change.
    fn apply(&self, event: Event, place: Option<Place>) -> Stand {
        let (before, after) = self.core.state.apply(event);
        self.recording.changed(before, after, place);
        after
    }

    /// Closes so that the peer sees the end of the stream.
    fn close(&self, event: Event, place: Option<Place>) {
        if event == Event::Close && self.core.is_open() {
            self.say_end();
            self.discard_wire();
        }
        let is_first = self.close_after(event, |stream| {
            self.record_end(event, place);
            // The peer learns it now, even if another process still has the descriptor. An error
            // means that the connection is gone already.
            let _ = stream.shutdown(Shutdown::Both);
        });
        if is_first {
            tracing::debug!(connection = %self.party(), "{}", if event == Event::Abort { "aborted" } else { "closed" });
        }
    }

    /// Closes as [`Core::close`] does, and takes the connection off its server's list.
    fn close_after(&self, event: Event, interrupt: impl FnOnce(&Stream)) -> bool {
        let is_first = self.core.close(event, interrupt);
        self.kept.close();
        if let Some(list) = self.listed.as_ref().and_then(Weak::upgrade) {
            list.forget(self.index);
        }
        self.owner.wake();
        is_first
    }
}

impl Inner {
    /// Records that this side closes the connection, which the peer cannot have seen yet.
    fn record_end(&self, event: Event, place: Option<Place>) {
        if event == Event::Abort {
            let aborted = || standin_record::Event::Note("aborted".to_owned());
            self.recording.happened(aborted, place);
        }
        let closed = || standin_record::Event::Closed(By::Us);
        self.recording.happened(closed, place);
    }
}

/// Closes a connection that was not closed when its last handle is dropped.
impl Drop for Inner {
    fn drop(&mut self) {
        if self.core.is_open() {
            self.say_end();
            self.discard_wire();
            if self.recording.is_on() {
                self.record_end(Event::Close, None);
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("label", &self.label)
            .field("index", &self.index)
            .field("local_address", &self.local)
            .field("peer_address", &self.peer)
            .field("state", &self.core.stand().overall())
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
