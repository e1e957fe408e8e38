//! The names that testplan's drivers have for what is called otherwise here: for tests that are
//! ported from it.
//!
//! ```
//! use standin_driver::Lifecycle;
//! use standin_tcp::testplan::{ClientNames, ServerNames};
//! use standin_tcp::{TcpClient, TcpServer};
//!
//! # fn main() -> standin_entity::Result<()> {
//! let server = TcpServer::builder("server").build()?;
//! server.start()?;
//! let port = server.port().expect("a started server has a port");
//! let client = TcpClient::builder("client").host("localhost").port(port).build()?;
//! client.start()?;
//! server.accept_connection(std::time::Duration::from_secs(10))?;
//!
//! client.send(b"hello")?;
//! assert_eq!(server.receive(5)?, b"hello"); // waits for all five
//! server.send(b"hi")?;
//! assert_eq!(client.receive(1024)?, b"hi"); // takes what comes first
//! # Ok(())
//! # }
//! ```

use std::time::SystemTime;

use standin_connection::ConnectionInfo;
use standin_driver::Driver;

use crate::{TcpClient, TcpConnection, TcpError, TcpServer};

/// How much a receive without a size takes at most.
const DEFAULT_SIZE: usize = 1024;

/// The members of all testplan drivers that have other names here.
pub trait DriverNames: Driver {
    /// The ends of its connections: [`Driver::connections`].
    fn get_connections(&self) -> Vec<ConnectionInfo> {
        self.connections()
    }
}

impl<D: Driver + ?Sized> DriverNames for D {}

/// The members of testplan's `TCPServer` that have other names here.
pub trait ServerNames {
    /// The host that it listens on: [`TcpServer::host`].
    fn local_host(&self) -> Option<String>;

    /// The port that it listens on: [`TcpServer::port`].
    fn local_port(&self) -> Option<u16>;

    /// Returns the identifier of its connections: the port.
    fn connection_identifier(&self) -> Option<u16>;

    /// Receives exactly `size` bytes from the latest connection, as
    /// [`TcpServer::receive_exactly`] does; with `None` what comes first, at most 1024 bytes,
    /// and nothing at the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::receive_exactly`] and [`TcpServer::receive_some`].
    fn receive(&self, size: impl Into<Option<usize>>) -> Result<Vec<u8>, TcpError>;

    /// Receives as [`receive`](ServerNames::receive) does, as text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpServer::receive_exactly_text`] and
    /// [`TcpServer::receive_some_text`].
    fn receive_text(&self, size: impl Into<Option<usize>>) -> Result<String, TcpError>;
}

/// The members of testplan's `TCPClient` that have other names here.
pub trait ClientNames {
    /// The host of its server: [`TcpClient::server_host`].
    fn host(&self) -> Option<String>;

    /// Its own port: [`TcpClient::local_port`].
    fn port(&self) -> Option<u16>;

    /// Returns the identifier of its connection: [`TcpClient::server_port`], even before it
    /// connects.
    fn connection_identifier(&self) -> Option<u16>;

    /// Closes the connection, if there is one, and connects again: [`TcpClient::connect`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::connect`].
    fn reconnect(&self) -> Result<TcpConnection, TcpError>;

    /// Receives what comes first, at most `size` bytes (1024 with `None`), as
    /// [`TcpClient::receive_some`] does, and nothing at the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::receive_some`], except for the end of the stream.
    fn receive(&self, size: impl Into<Option<usize>>) -> Result<Vec<u8>, TcpError>;

    /// Receives as [`receive`](ClientNames::receive) does, as text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::receive_some_text`], except for the end of the stream.
    fn receive_text(&self, size: impl Into<Option<usize>>) -> Result<String, TcpError>;

    /// Sends all of `bytes`, and returns when the sending began, in microseconds since the Unix
    /// epoch, and how many bytes were sent.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TcpClient::send`].
    fn send_tsp(&self, bytes: impl AsRef<[u8]>) -> Result<(f64, usize), TcpError>;
}

impl ServerNames for TcpServer {
    fn local_host(&self) -> Option<String> {
        self.host()
    }

    fn local_port(&self) -> Option<u16> {
        self.port()
    }

    fn connection_identifier(&self) -> Option<u16> {
        self.port()
    }

    #[track_caller]
    fn receive(&self, size: impl Into<Option<usize>>) -> Result<Vec<u8>, TcpError> {
        match size.into() {
            Some(size) => self.receive_exactly(size),
            None => or_nothing(self.receive_some(DEFAULT_SIZE)),
        }
    }

    #[track_caller]
    fn receive_text(&self, size: impl Into<Option<usize>>) -> Result<String, TcpError> {
        match size.into() {
            Some(size) => self.receive_exactly_text(size),
            None => or_nothing(self.receive_some_text(DEFAULT_SIZE)),
        }
    }
}

impl ClientNames for TcpClient {
    fn host(&self) -> Option<String> {
        self.server_host()
    }

    fn port(&self) -> Option<u16> {
        self.local_port()
    }

    fn connection_identifier(&self) -> Option<u16> {
        self.server_port()
    }

    #[track_caller]
    fn reconnect(&self) -> Result<TcpConnection, TcpError> {
        self.connect()
    }

    #[track_caller]
    fn receive(&self, size: impl Into<Option<usize>>) -> Result<Vec<u8>, TcpError> {
        or_nothing(self.receive_some(size.into().unwrap_or(DEFAULT_SIZE)))
    }

    #[track_caller]
    fn receive_text(&self, size: impl Into<Option<usize>>) -> Result<String, TcpError> {
        or_nothing(self.receive_some_text(size.into().unwrap_or(DEFAULT_SIZE)))
    }

    #[track_caller]
    fn send_tsp(&self, bytes: impl AsRef<[u8]>) -> Result<(f64, usize), TcpError> {
        let connection = self.connection()?;
        // A clock before 1970 was never set.
        let began = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let sent = connection.send(bytes)?;
        Ok((began.as_secs_f64() * 1e6, sent))
    }
}

/// The end of the stream is nothing at all, as with plain sockets.
fn or_nothing<T: Default>(received: Result<T, TcpError>) -> Result<T, TcpError> {
    match received {
        Err(error) if error.is_peer_closed() => Ok(T::default()),
        received => received,
    }
}
