//! The connecting side.

mod attempt;
mod builder;
mod course;
mod dial;
#[cfg(all(test, loom))]
mod models;
mod slot;

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use standin_record::{DriverTape, Place};

use self::slot::ConnectionSlot;
pub use self::{builder::ClientBuilder, dial::Dial};
use crate::{
    address::Address,
    connection::{Connection, OwnedConnection},
    error::ConnectError,
    operation::Operation as _,
    options::SocketOptions,
};

/// Connects to one target, again and again if need be, and has at most one connection at a time.
///
/// Handles are cheap to clone, and all refer to the same client; any thread may use one.
///
/// ```
/// use std::time::Duration;
/// use standin_socket::{Client, Server};
///
/// let limit = Duration::from_secs(10);
/// let server = Server::builder().bind()?;
/// let client = Client::builder().label("trader").port(server.port()).build();
///
/// assert_eq!(client.connect(limit)?.index(), 0);
/// assert_eq!(client.connect(limit)?.index(), 1); // which closed the first
/// assert_eq!(server.pending(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    slot: ConnectionSlot<Connection>,
}

/// The target and options of a client.
#[derive(Clone, Debug)]
struct Settings {
    label: Option<Arc<str>>,
    target: Target,
    interface: Option<(String, u16)>,
    connect_timeout: Option<Duration>,
    retry: bool,
    options: SocketOptions,
    /// Where what goes over the connections is recorded.
    driver: Option<DriverTape>,
}

#[derive(Clone, Debug)]
struct Target {
    host: String,
    port: u16,
    /// Connects to this path instead.
    unix: Option<PathBuf>,
}

impl Client {
    /// Creates the builder of a client, which connects to `localhost` by default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Returns whether both are handles of the same client.
    pub fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Returns the label that the builder was given.
    pub fn label(&self) -> Option<&str> {
        self.inner.settings.label.as_deref()
    }

    /// Connects, and closes the connection that the client had before, if any. Of several threads
    /// that connect at once each makes a connection, one after the other; the client has the last
    /// one.
    ///
    /// # Errors
    ///
    /// Returns [`ConnectError`], which lists every address that was tried. The earlier connection
    /// is closed in any case.
    #[track_caller]
    pub fn connect(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Connection, ConnectError> {
        self.connecting(Place::caller(), timeout).block()
    }

    /// Connects as [`connect`](Client::connect) does, for an event loop that the connection then
    /// belongs to alone: [`connection`](Client::connection) does not show it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`connect`](Client::connect).
    #[track_caller]
    pub fn connect_owned(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<OwnedConnection, ConnectError> {
        self.connecting_owned(Place::caller(), timeout).block()
    }

    /// Returns the client's connection, unless it was closed or is owned.
    pub fn connection(&self) -> Option<Connection> {
        let connection = self.inner.slot.connection();
        connection.filter(|connection| connection.is_open() && !connection.is_owned())
    }

    /// Closes the connection, if there is one, and ends a connect that another thread waits in. The
    /// client may connect again.
    #[track_caller]
    pub fn close(&self) {
        if let Some(connection) = self.inner.slot.clear() {
            connection.close();
        }
    }

    /// Closes the client permanently as [`close`](Client::close) does; all operations on it and its
    /// connection report an abort.
    #[track_caller]
    pub fn abort(&self) {
        if let Some(connection) = self.inner.slot.abort() {
            connection.abort();
        }
    }
}

impl Target {
    /// For the list of attempts, when the failure belongs to no address in particular.
    fn address(&self) -> Address {
        match &self.unix {
            Some(path) => Address::unix(path),
            None => Address::Tcp(SocketAddr::from(([0, 0, 0, 0], self.port))),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { host, port, unix } = self;
        match unix {
            Some(path) => Address::unix(path).fmt(f),
            None if host.contains(':') && !host.starts_with('[') => write!(f, "[{host}]:{port}"),
            None => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("label", &self.inner.settings.label)
            .field("target", &self.inner.settings.target)
            .field("connection", &self.inner.slot.connection())
            .finish()
    }
}
