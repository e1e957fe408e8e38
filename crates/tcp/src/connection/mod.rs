use std::fmt;
use std::time::Duration;

use standin_connection::Ends;
use standin_driver::Explainer;
use standin_socket::framing::Framing;
use standin_socket::operation::{Place, Thread, now};
use standin_socket::{AcceptError, Address, ConnectError, Connection, ReceiveError, SendError};

use crate::{Encoding, TcpError};

mod control;
mod talk;
mod text;

pub use self::talk::Talk;

/// One connection of a [`TcpServer`](crate::TcpServer) or a
/// [`TcpClient`](crate::TcpClient), with a time limit and an encoding for what
/// goes over it.
///
/// A handle of a connection. Cloning it, or changing its limit or encoding, creates another handle
/// of the same connection. Receives return bytes; those whose names end with `_text` return text in
/// the handle's encoding. Every wait ends at the handle's time limit; for one call with another
/// limit, create a handle for it: `connection.with_timeout(Duration::from_secs(1)).receive_line()`.
#[derive(Clone)]
pub struct TcpConnection {
    socket: Connection,
    timeout: Option<Duration>,
    encoding: Encoding,
    explainer: Explainer,
    #[cfg(feature = "tls")]
    tls_side: Option<std::sync::Arc<crate::tls::TlsSide>>,
}

impl TcpConnection {
    pub(crate) fn new(
        socket: Connection,
        timeout: Duration,
        encoding: Encoding,
        explainer: Explainer,
    ) -> Self {
        TcpConnection {
            socket,
            timeout: Some(timeout),
            encoding,
            explainer,
            #[cfg(feature = "tls")]
            tls_side: None,
        }
    }

    /// With what its driver has for TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn with_tls_side(
        mut self,
        side: Option<std::sync::Arc<crate::tls::TlsSide>>,
    ) -> Self {
        self.tls_side = side;
        self
    }

    /// The TLS settings of its driver; `None` before the driver has started.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_side(&self) -> Option<&crate::tls::TlsSide> {
        self.tls_side.as_deref()
    }

    /// Returns the place of this connection in the order in which its server accepted
    /// them, from 0. Each connection that a client makes counts, too.
    pub fn index(&self) -> usize {
        self.socket.index()
    }

    /// Returns the connection below, for code that is written for `standin_socket` alone.
    pub fn socket(&self) -> &Connection {
        &self.socket
    }

    /// Returns the address of the driver's own end.
    pub fn local_address(&self) -> &Address {
        self.socket.local_address()
    }

    /// Returns the address of the peer's end.
    pub fn peer_address(&self) -> &Address {
        self.socket.peer_address()
    }

    /// Returns a handle of the same connection with another time limit for each send and receive
    /// than its driver's option `io_timeout`, which is 30 seconds by default. Zero tries once;
    /// `None` waits until the connection ends.
    #[must_use = "the connection itself keeps its limit; use the one that is returned"]
    pub fn with_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        TcpConnection {
            timeout: timeout.into(),
            ..self.clone()
        }
    }

    /// Returns the same connection with another encoding for text than its driver's option
    /// `encoding`, which is UTF-8 by default.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no encoding of that label.
    pub fn with_encoding(&self, label: &str) -> Result<Self, TcpError> {
        Ok(TcpConnection {
            encoding: label.parse()?,
            ..self.clone()
        })
    }

    /// How long each send and each receive may take.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Sends all of `bytes`, and returns how many they were.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed or the time limit passes; the error says how
    /// many bytes were sent.
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<usize, TcpError> {
        now(self.talk(Thread, Place::caller()).send(bytes))
    }

    /// Receives exactly `size` bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection ends or the time limit passes before they have arrived.
    /// The error shows the bytes that did arrive, and they are kept for the next receive.
    #[track_caller]
    pub fn receive_exactly(&self, size: usize) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_exactly(size))
    }

    /// Receives from 1 to `limit` bytes: those that have already arrived, or else the next ones.
    ///
    /// # Errors
    ///
    /// Returns an error if the time limit passes before any bytes arrive, if the peer has closed
    /// its end and everything before that was received
    /// ([`is_peer_closed`](TcpError::is_peer_closed)), or if the connection is reset or closed on
    /// this side.
    #[track_caller]
    pub fn receive_some(&self, limit: usize) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_some(limit))
    }

    /// Receives what comes first into `target`, and returns how many bytes that is: at least
    /// one, unless `target` has no room.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_some`](TcpConnection::receive_some).
    #[track_caller]
    pub fn receive_into(&self, target: &mut [u8]) -> Result<usize, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_into(target))
    }

    /// Receives up to and including `delimiter`. What comes after it is kept for
    /// the next receive.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection ends or the time is over before it comes, if it does
    /// not come within the connection's receive limit, or if it is empty. What
    /// did come is kept.
    #[track_caller]
    pub fn receive_until(&self, delimiter: impl AsRef<[u8]>) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_until(delimiter))
    }

    /// Receives a line, which ends with LF or CRLF, and returns it without its end.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_until`](TcpConnection::receive_until).
    #[track_caller]
    pub fn receive_line(&self) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_line())
    }

    /// Receives everything until the peer closes its end.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is over before that, or more comes than the connection's
    /// receive limit. What did come is kept.
    #[track_caller]
    pub fn receive_to_end(&self) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_to_end())
    }

    /// Receives up to a position chosen by `matching`: it is called with all bytes so far, each
    /// time that more have arrived, and returns how many of them to take.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_until`](TcpConnection::receive_until).
    #[track_caller]
    pub fn receive_matching(
        &self,
        matching: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Vec<u8>, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .receive_matching(matching))
    }

    /// Receives everything until no bytes arrive for the time of `silence`, the peer closes its
    /// end, or this side [shuts down](TcpConnection::shutdown_read) receiving. Returns nothing if
    /// no bytes arrive.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no silence within the time limit, or the stream had ended
    /// before and everything was received.
    #[track_caller]
    pub fn receive_until_silence(&self, silence: Duration) -> Result<Vec<u8>, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .receive_until_silence(silence))
    }

    /// Receives what has arrived, without waiting. Nothing at all if nothing has.
    ///
    /// # Errors
    ///
    /// Returns an error if another thread is receiving, or the connection has ended and
    /// everything was received.
    #[track_caller]
    pub fn receive_buffered(&self) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_buffered())
    }

    /// Returns what the next receive would find, from 1 to `limit` bytes, without taking it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_some`](TcpConnection::receive_some).
    #[track_caller]
    pub fn peek(&self, limit: usize) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).peek(limit))
    }

    /// Receives one frame, and returns its payload.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`receive_until`](TcpConnection::receive_until), and an error if the
    /// bytes are not a frame.
    #[track_caller]
    pub fn receive_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
    ) -> Result<Vec<u8>, TcpError> {
        now(self.talk(Thread, Place::caller()).receive_frame(framing))
    }

    /// Sends `payload` as one frame, and returns how many bytes the frame has.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](TcpConnection::send), and an error if no frame can carry the
    /// payload; nothing is sent then.
    #[track_caller]
    pub fn send_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
        payload: impl AsRef<[u8]>,
    ) -> Result<usize, TcpError> {
        now(self
            .talk(Thread, Place::caller())
            .send_frame(framing, payload))
    }

    /// Receives `expected`; anything else is an error.
    ///
    /// # Errors
    ///
    /// Returns an error as soon as other bytes arrive; the error shows the difference. Otherwise as
    /// [`receive_exactly`](TcpConnection::receive_exactly).
    #[track_caller]
    pub fn expect(&self, expected: impl AsRef<[u8]>) -> Result<(), TcpError> {
        now(self.talk(Thread, Place::caller()).expect(expected))
    }

    /// The connection as its end reports it; `None` once it is over.
    pub(crate) fn ends(socket: &Connection) -> Option<Ends> {
        if !socket.is_connected() {
            return None;
        }
        let local = socket.local_address().socket_addr()?;
        let peer = socket.peer_address().socket_addr()?;
        let ends = Ends::new(local, peer);
        Some(if socket.peer_has_ended() {
            ends.half_closed()
        } else {
            ends
        })
    }

    /// An error with possible causes that the environment knows.
    pub(crate) fn noted<T>(&self, result: Result<T, impl Noted>) -> Result<T, TcpError> {
        let driver = self.socket.label().unwrap_or_default();
        result.map_err(|error| noted(&self.explainer, driver, error))
    }

    pub(crate) fn driver(&self) -> String {
        self.socket.label().unwrap_or_default().to_owned()
    }
}

/// An error of a socket that can have a note.
pub(crate) trait Noted: Into<TcpError> {
    fn with(self, note: String) -> Self;

    /// Whether it was an abort that ended the operation.
    fn is_abort(&self) -> bool;
}

macro_rules! noted_errors {
    ($($error:ty),+) => {$(
        impl Noted for $error {
            fn with(self, note: String) -> Self {
                self.with_note(note)
            }

            fn is_abort(&self) -> bool {
                matches!(self, Self::Aborted { .. })
            }
        }
    )+};
}

noted_errors!(AcceptError, ConnectError, ReceiveError, SendError);

/// The error with possible causes that the environment knows.
pub(crate) fn noted(explainer: &Explainer, driver: &str, error: impl Noted) -> TcpError {
    match explainer.explain(driver) {
        // The abort was only the means.
        Some(reason) if error.is_abort() && explainer.test_has_failed() => TcpError::Interrupted {
            driver: driver.to_owned(),
            reason,
        },
        Some(note) => error.with(note).into(),
        None => error.into(),
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection")
            .field("driver", &self.socket.label())
            .field("index", &self.index())
            .field("local", &self.local_address())
            .field("peer", &self.peer_address())
            .finish_non_exhaustive()
    }
}
