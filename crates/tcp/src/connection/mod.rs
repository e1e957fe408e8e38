use std::fmt;
use std::time::Duration;

use standin_connection::Ends;
use standin_driver::Explainer;
use standin_socket::framing::Framing;
use standin_socket::{AcceptError, Address, ConnectError, Connection, ReceiveError, SendError};

use crate::{Encoding, TcpError};

mod text;

/// How long a send or a receive may take unless `with_timeout` says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection of a [`TcpServer`](crate::TcpServer) or a
/// [`TcpClient`](crate::TcpClient), with a time limit and an encoding for what
/// goes over it.
///
/// A handle: cloning it, or giving it another limit or encoding, makes another
/// handle of the same connection. What it receives it gives as bytes, or as text
/// in its encoding by the methods whose names end with `_text`.
/// [`socket`](TcpConnection::socket) has everything else that can be done with a
/// connection, such as misbehaving.
#[derive(Clone)]
pub struct TcpConnection {
    socket: Connection,
    timeout: Option<Duration>,
    encoding: Encoding,
    explainer: Explainer,
}

impl TcpConnection {
    pub(crate) fn new(socket: Connection, explainer: Explainer) -> Self {
        TcpConnection {
            socket,
            timeout: Some(DEFAULT_TIMEOUT),
            encoding: Encoding::UTF_8,
            explainer,
        }
    }

    /// The place of this connection in the order in which its server accepted
    /// them, from 0. Each connection that a client makes counts, too.
    pub fn index(&self) -> usize {
        self.socket.index()
    }

    /// The connection below, with everything that can be done with bytes.
    pub fn socket(&self) -> &Connection {
        &self.socket
    }

    /// The address of the driver's own end.
    pub fn local_address(&self) -> &Address {
        self.socket.local_address()
    }

    /// The address of the peer's end.
    pub fn peer_address(&self) -> &Address {
        self.socket.peer_address()
    }

    /// The same connection with another time limit for each send and receive:
    /// 30 seconds by default. Zero tries once; `None` waits until the
    /// connection ends.
    #[must_use = "the connection itself keeps its limit; use the one that is returned"]
    pub fn with_timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        TcpConnection {
            timeout: timeout.into(),
            ..self.clone()
        }
    }

    /// The same connection with another encoding for text: UTF-8 by default.
    ///
    /// # Errors
    ///
    /// If there is no encoding of that label.
    pub fn with_encoding(&self, label: &str) -> Result<Self, TcpError> {
        Ok(TcpConnection {
            encoding: label.parse()?,
            ..self.clone()
        })
    }

    /// Sends all of `bytes`, and says how many they were.
    ///
    /// # Errors
    ///
    /// If the connection is closed or the time is over; the error says how
    /// many bytes went.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<usize, TcpError> {
        self.noted(self.socket.send(bytes.as_ref(), self.timeout))
    }

    /// Receives exactly `size` bytes.
    ///
    /// # Errors
    ///
    /// If the connection ends or the time is over before they are there. What
    /// did come is shown by the error, and kept for the next receive.
    pub fn receive_exactly(&self, size: usize) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_exactly(size, self.timeout))
    }

    /// Receives exactly `size` bytes: the short name of
    /// [`receive_exactly`](TcpConnection::receive_exactly).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn receive(&self, size: usize) -> Result<Vec<u8>, TcpError> {
        self.receive_exactly(size)
    }

    /// Receives what comes first, at most `limit` bytes of it. Nothing at all
    /// means that the peer has closed its end.
    ///
    /// # Errors
    ///
    /// If the time is over before anything is there, or the connection is
    /// reset or closed on this side.
    pub fn receive_some(&self, limit: usize) -> Result<Vec<u8>, TcpError> {
        self.some(self.socket.receive_some(limit, self.timeout))
    }

    /// Receives up to and including `delimiter`. What comes after it is kept for
    /// the next receive.
    ///
    /// # Errors
    ///
    /// If the connection ends or the time is over before it comes, if it does
    /// not come within the connection's receive limit, or if it is empty. What
    /// did come is kept.
    pub fn receive_until(&self, delimiter: impl AsRef<[u8]>) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_until(delimiter.as_ref(), self.timeout))
    }

    /// Receives a line, which ends with LF or CRLF, and gives it without its end.
    ///
    /// # Errors
    ///
    /// As [`receive_until`](TcpConnection::receive_until).
    pub fn receive_line(&self) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_line(self.timeout))
    }

    /// Receives everything until the peer closes its end.
    ///
    /// # Errors
    ///
    /// If the time is over before that, or more comes than the connection's
    /// receive limit. What did come is kept.
    pub fn receive_to_end(&self) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_to_end(self.timeout))
    }

    /// Receives one frame, and gives its payload.
    ///
    /// # Errors
    ///
    /// As [`receive_until`](TcpConnection::receive_until), and if the bytes are
    /// not a frame.
    pub fn receive_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
    ) -> Result<Vec<u8>, TcpError> {
        self.noted(self.socket.receive_frame(framing, self.timeout))
    }

    /// Sends `payload` as one frame.
    ///
    /// # Errors
    ///
    /// As [`send`](TcpConnection::send), and if no frame can carry the payload;
    /// nothing is sent then.
    pub fn send_frame(
        &self,
        framing: &mut (impl Framing + ?Sized),
        payload: impl AsRef<[u8]>,
    ) -> Result<usize, TcpError> {
        self.noted(
            self.socket
                .send_frame(framing, payload.as_ref(), self.timeout),
        )
    }

    /// Receives `expected`, and nothing else will do.
    ///
    /// # Errors
    ///
    /// As soon as something else has come; the error shows the difference.
    /// Otherwise as [`receive_exactly`](TcpConnection::receive_exactly).
    pub fn expect(&self, expected: impl AsRef<[u8]>) -> Result<(), TcpError> {
        self.noted(self.socket.expect(expected, self.timeout))
    }

    /// Closes the connection, on all handles. The peer sees the end of the
    /// stream at once.
    pub fn close(&self) {
        self.socket.close();
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

    /// The end of the stream is nothing at all, as with plain sockets.
    fn some(&self, received: Result<Vec<u8>, ReceiveError>) -> Result<Vec<u8>, TcpError> {
        match received {
            Err(error) if error.is_peer_closed() => Ok(Vec::new()),
            received => self.noted(received),
        }
    }

    /// An error with what the environment knows that may explain it.
    fn noted<T>(&self, result: Result<T, impl Noted>) -> Result<T, TcpError> {
        let driver = self.socket.label().unwrap_or_default();
        result.map_err(|error| noted(&self.explainer, driver, error))
    }

    fn driver(&self) -> String {
        self.socket.label().unwrap_or_default().to_owned()
    }
}

/// An error of a socket that can have a note.
pub(crate) trait Noted: Into<TcpError> {
    fn with(self, note: String) -> Self;
}

macro_rules! noted_errors {
    ($($error:ty),+) => {$(
        impl Noted for $error {
            fn with(self, note: String) -> Self {
                self.with_note(note)
            }
        }
    )+};
}

noted_errors!(AcceptError, ConnectError, ReceiveError, SendError);

/// The error with what the environment knows that may explain it.
pub(crate) fn noted(explainer: &Explainer, driver: &str, error: impl Noted) -> TcpError {
    match explainer.explain(driver) {
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
