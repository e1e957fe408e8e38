use std::fmt;
use std::time::Duration;

use standin_connection::Ends;
use standin_socket::{Address, Connection};

use crate::{Encoding, TcpError};

/// How long a send or a receive may take unless `with_timeout` says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// One connection of a [`TcpServer`](crate::TcpServer) or a
/// [`TcpClient`](crate::TcpClient), with a time limit and an encoding for what
/// goes over it.
///
/// A handle: cloning it, or giving it another limit or encoding, makes another
/// handle of the same connection. [`socket`](TcpConnection::socket) has
/// everything that can be done with the bytes: receiving up to a delimiter,
/// expecting them, misbehaving.
#[derive(Clone)]
pub struct TcpConnection {
    driver: String,
    socket: Connection,
    timeout: Option<Duration>,
    encoding: Encoding,
}

impl TcpConnection {
    pub(crate) fn new(driver: &str, socket: Connection) -> Self {
        TcpConnection {
            driver: driver.to_owned(),
            socket,
            timeout: Some(DEFAULT_TIMEOUT),
            encoding: Encoding::UTF_8,
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
        Ok(self.socket.send(bytes.as_ref(), self.timeout)?)
    }

    /// Sends all of `text`, and says how many bytes it became.
    ///
    /// # Errors
    ///
    /// As [`send`](TcpConnection::send), and if the encoding lacks a character
    /// of it; nothing is sent then.
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<usize, TcpError> {
        let bytes = self
            .encoding
            .encode(text.as_ref())
            .map_err(|character| TcpError::Encode {
                driver: self.driver.clone(),
                encoding: self.encoding,
                character,
            })?;
        self.send(bytes)
    }

    /// Receives exactly `size` bytes.
    ///
    /// # Errors
    ///
    /// If the connection ends or the time is over before they are there. What
    /// did come is shown by the error, and kept for the next receive.
    pub fn receive(&self, size: usize) -> Result<Vec<u8>, TcpError> {
        Ok(self.socket.receive_exactly(size, self.timeout)?)
    }

    /// Receives what comes first, at most `limit` bytes of it. Nothing at all
    /// means that the peer has closed its end.
    ///
    /// # Errors
    ///
    /// If the time is over before anything is there, or the connection is
    /// reset or closed on this side.
    pub fn receive_some(&self, limit: usize) -> Result<Vec<u8>, TcpError> {
        match self.socket.receive_some(limit, self.timeout) {
            Err(error) if error.is_peer_closed() => Ok(Vec::new()),
            received => Ok(received?),
        }
    }

    /// Receives exactly `size` bytes, as text.
    ///
    /// # Errors
    ///
    /// As [`receive`](TcpConnection::receive), and if the bytes are no text in
    /// the encoding; they are kept for the next receive then.
    pub fn receive_text(&self, size: usize) -> Result<String, TcpError> {
        let bytes = self.receive(size)?;
        self.decode(bytes)
    }

    /// Receives what comes first, at most `limit` bytes of it, as text.
    ///
    /// # Errors
    ///
    /// As [`receive_some`](TcpConnection::receive_some), and if the bytes are
    /// no text in the encoding; they are kept for the next receive then.
    pub fn receive_some_text(&self, limit: usize) -> Result<String, TcpError> {
        let bytes = self.receive_some(limit)?;
        self.decode(bytes)
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

    fn decode(&self, bytes: Vec<u8>) -> Result<String, TcpError> {
        self.encoding.decode(&bytes).map_err(|position| {
            self.socket.unread(bytes.clone());
            TcpError::Decode {
                driver: self.driver.clone(),
                encoding: self.encoding,
                bytes,
                position,
            }
        })
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection")
            .field("driver", &self.driver)
            .field("index", &self.index())
            .field("local", &self.local_address())
            .field("peer", &self.peer_address())
            .finish_non_exhaustive()
    }
}
