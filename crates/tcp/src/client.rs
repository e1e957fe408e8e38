use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use standin_config::FromOptions;
use standin_connection::{ConnectionInfo, Direction, Protocol};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, Lifecycle};
use standin_entity::Result;
use standin_socket::{Address, Client, ConnectError, Connection};

use crate::connection::noted;
use crate::{TcpClientConfig, TcpClientOptions, TcpConnection, TcpError};

/// A driver that connects to a TCP server.
///
/// It publishes `host` and `server_port`, the target's, and once it has
/// connected `local_host` and `port`, its own. It connects when it starts,
/// unless the option `connect_at_start` is off.
pub struct TcpClient {
    base: DriverBase,
    state: RwLock<State>,
}

/// What a start finds out. The names stay readable after a close and a stop.
#[derive(Default)]
struct State {
    /// Knows which connection is the client's, whichever threads connect.
    client: Option<Client>,
    connect_timeout: Option<Duration>,
    host: Option<String>,
    server_port: Option<u16>,
    /// The latest connection that was made, open or not.
    latest: Option<Connection>,
}

impl State {
    /// Its own end, once it has connected.
    fn local(&self) -> Option<&Address> {
        self.latest.as_ref().map(Connection::local_address)
    }
}

impl TcpClient {
    /// Begins to describe a client; `build` makes it. It needs a `host` and a
    /// `port`.
    pub fn builder(name: impl Into<String>) -> TcpClientOptions {
        TcpClientOptions::new().name(name)
    }

    /// The host of its server; `None` before the first start.
    pub fn host(&self) -> Option<String> {
        self.read().host.clone()
    }

    /// The port of its server; `None` before the first start.
    pub fn server_port(&self) -> Option<u16> {
        self.read().server_port
    }

    /// Its own port; `None` before the first connect.
    pub fn port(&self) -> Option<u16> {
        self.read().local().and_then(Address::port)
    }

    /// Its own address; `None` before the first connect.
    pub fn local_host(&self) -> Option<String> {
        let state = self.read();
        state.local().and_then(Address::ip).map(|ip| ip.to_string())
    }

    /// Its own port: the same as [`port`](TcpClient::port).
    pub fn local_port(&self) -> Option<u16> {
        self.port()
    }

    /// What identifies its connection: the port of its server.
    pub fn connection_identifier(&self) -> Option<u16> {
        self.server_port()
    }

    /// Connects to the server, within the driver's `timeout`. A connection
    /// that the client has already is closed. When several threads connect at
    /// once, each makes a connection, and the client has the last one.
    ///
    /// # Errors
    ///
    /// If nobody listens there, the time is over, the client is not running,
    /// or another thread closes or stops it meanwhile.
    pub fn connect(&self) -> Result<TcpConnection, TcpError> {
        let (client, timeout) = {
            let state = self.read();
            (
                state.client.clone().ok_or_else(|| self.not_running())?,
                state.connect_timeout,
            )
        };
        // Not under the lock, so that a stop or an abort can end it.
        let made = client
            .connect(timeout)
            .map_err(|error| self.explain(error))?;
        let mut state = self.write();
        if !state.client.as_ref().is_some_and(|now| now.is(&client)) {
            // Stopped meanwhile, and perhaps started again: the connection is closed.
            drop(state);
            return Err(self.not_running());
        }
        // Another thread may have connected later and be here before.
        let is_newest = |latest: &Connection| latest.index() < made.index();
        if state.latest.as_ref().is_none_or(is_newest) {
            state.latest = Some(made.clone());
        }
        Ok(TcpConnection::new(made, self.base.explainer()))
    }

    /// The server whose port this client was given may have another one by now.
    fn explain(&self, error: ConnectError) -> TcpError {
        let moved = || {
            let config: TcpClientConfig = self.base.config().ok()?;
            let server = config.port.as_context()?.driver.clone();
            let now = self.base.expand(&config.port).ok()?.number().ok()?;
            let before = self.server_port().filter(|before| *before != now)?;
            Some((server, before, now))
        };
        match (&error, moved()) {
            (ConnectError::Refused(_) | ConnectError::TimedOut(_), Some((server, before, now))) => {
                TcpError::Moved {
                    server,
                    before,
                    now,
                    failed: Box::new(self.noted(error)),
                }
            }
            _ => self.noted(error),
        }
    }

    fn noted(&self, error: ConnectError) -> TcpError {
        noted(&self.base.explainer(), self.base.name(), error)
    }

    /// Closes the connection, if there is one, and connects again: the same as
    /// [`connect`](TcpClient::connect).
    ///
    /// # Errors
    ///
    /// As [`connect`](TcpClient::connect).
    pub fn reconnect(&self) -> Result<TcpConnection, TcpError> {
        self.connect()
    }

    /// Closes the connection, if there is one, and ends a connect that another
    /// thread waits in.
    pub fn close(&self) {
        // In a `let`, so that nothing is locked while it closes.
        let client = self.read().client.clone();
        if let Some(client) = client {
            client.close();
        }
    }

    /// The connection to the server.
    ///
    /// # Errors
    ///
    /// If the client is not running, or not connected.
    pub fn connection(&self) -> Result<TcpConnection, TcpError> {
        let client = self.read().client.clone();
        match client.ok_or_else(|| self.not_running())?.connection() {
            Some(connection) => Ok(TcpConnection::new(connection, self.base.explainer())),
            None => Err(TcpError::NotConnected {
                driver: self.base.name().to_owned(),
            }),
        }
    }

    /// Sends all of `bytes`, and says how many they were. Takes at most 30
    /// seconds.
    ///
    /// # Errors
    ///
    /// As [`TcpConnection::send`] and [`connection`](TcpClient::connection).
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Result<usize, TcpError> {
        self.connection()?.send(bytes)
    }

    /// Sends all of `text` as UTF-8, and says how many bytes it became. Takes
    /// at most 30 seconds.
    ///
    /// # Errors
    ///
    /// As [`TcpConnection::send_text`] and [`connection`](TcpClient::connection).
    pub fn send_text(&self, text: impl AsRef<str>) -> Result<usize, TcpError> {
        self.connection()?.send_text(text)
    }

    /// Sends all of `bytes`, and says when the sending began, in microseconds
    /// since the Unix epoch, and how many bytes they were.
    ///
    /// # Errors
    ///
    /// As [`send`](TcpClient::send).
    pub fn send_tsp(&self, bytes: impl AsRef<[u8]>) -> Result<(f64, usize), TcpError> {
        let connection = self.connection()?;
        // A clock before 1970 is a clock that nobody set.
        let began = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let sent = connection.send(bytes)?;
        Ok((began.as_secs_f64() * 1e6, sent))
    }

    /// Receives what comes first, at most `limit` bytes of it. Waits for at
    /// most 30 seconds. Nothing at all means that the server has closed the
    /// connection. It is [`receive_some`](TcpClient::receive_some) under the name
    /// that ported tests use; for an exact number of bytes use
    /// [`receive_exactly`](TcpClient::receive_exactly).
    ///
    /// # Errors
    ///
    /// As [`TcpConnection::receive_some`] and [`connection`](TcpClient::connection).
    pub fn receive(&self, limit: usize) -> Result<Vec<u8>, TcpError> {
        self.connection()?.receive_some(limit)
    }

    /// Receives as [`receive`](TcpClient::receive) does, as UTF-8 text.
    ///
    /// # Errors
    ///
    /// As [`TcpConnection::receive_some_text`] and [`connection`](TcpClient::connection).
    pub fn receive_text(&self, limit: usize) -> Result<String, TcpError> {
        self.connection()?.receive_some_text(limit)
    }

    crate::talk::talk! { connection }

    /// The end of its connection, as [`Driver::connections`] gives it.
    pub fn get_connections(&self) -> Vec<ConnectionInfo> {
        self.connections()
    }

    fn not_running(&self) -> TcpError {
        TcpError::NotRunning {
            driver: self.base.name().to_owned(),
            status: self.base.resource().status(),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the client out of use, and says what it was.
    fn take(&self) -> Option<Client> {
        self.write().client.take()
    }
}

impl FromOptions<TcpClientOptions> for TcpClient {
    type Error = BuildError;

    fn from_options(options: TcpClientOptions) -> Result<Self, BuildError> {
        Ok(TcpClient {
            base: DriverBase::new("TcpClient", options)?,
            state: RwLock::default(),
        })
    }
}

impl Driver for TcpClient {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> Result<()> {
        let config: TcpClientConfig = self.base.config()?;
        let host = self.base.expand(&config.host)?;
        let port = self.base.expand(&config.port)?;
        let port = port.number().map_err(|source| TcpError::Port {
            driver: self.base.name().to_owned(),
            source,
        })?;
        let mut client = Client::builder()
            .label(self.base.name())
            .host(&host)
            .port(port)
            .retry_until_deadline(config.retry_connect);
        if let Some(interface) = &config.interface {
            client = client.interface(interface.host(), interface.port());
        }
        *self.write() = State {
            client: Some(client.build()),
            connect_timeout: Some(config.driver.timeout),
            host: Some(host),
            server_port: Some(port),
            ..State::default()
        };
        if config.connect_at_start {
            self.connect()?;
        }
        Ok(())
    }

    fn stopping(&self) -> Result<()> {
        if let Some(client) = self.take() {
            client.close();
        }
        Ok(())
    }

    fn aborting(&self) -> Result<()> {
        // Also ends a connect that is under way.
        if let Some(client) = self.take() {
            client.abort();
        }
        Ok(())
    }

    fn attributes(&self) -> Attributes {
        let state = self.read();
        let local = state.local();
        let port = local.and_then(Address::port);
        Attributes::new()
            .with_known("host", state.host.clone())
            .with_known("port", port)
            .with_known("server_port", state.server_port)
            .with_known(
                "local_host",
                local.and_then(Address::ip).map(|ip| ip.to_string()),
            )
            .with_known("local_port", port)
            .with_known("connection_identifier", state.server_port)
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let state = self.read();
        let local = state.local().and_then(Address::socket_addr);
        let info = match (state.server_port, local) {
            (Some(server_port), Some(local)) => {
                ConnectionInfo::tcp_connecting(server_port, local.ip().to_string(), local.port())
            }
            _ => ConnectionInfo::new(Protocol::Tcp, Direction::Connecting),
        };
        match state.latest.as_ref().and_then(TcpConnection::ends) {
            Some(ends) => vec![info.with_connection(ends)],
            None => vec![info.closed()],
        }
    }
}

impl Drop for TcpClient {
    fn drop(&mut self) {
        if let Err(error) = self.wind_down() {
            tracing::warn!(driver = self.base.name(), %error, "the driver did not stop cleanly");
        }
        if let Some(client) = self.take() {
            client.close();
        }
    }
}

impl fmt::Debug for TcpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpClient")
            .field("name", &self.base.name())
            .field("status", &self.base.resource().status())
            .field("host", &self.host())
            .field("server_port", &self.server_port())
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}
