use std::fmt;
use std::time::Duration;

use standin_config::{FromOptions, Options};
use standin_connection::{ConnectionInfo, Direction, Protocol};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, Lifecycle};
use standin_entity::Result;
use standin_reply::Responder;
use standin_socket::operation::{Place, Thread, Wait, now};
use standin_socket::{Address, Client, ConnectError, Connection};

use crate::base::TcpBase;
use crate::config::with_options;
use crate::{TcpClientBuilder, TcpClientConfig, TcpConnection, TcpError};

/// A driver that connects to a TCP server.
///
/// It publishes `host` and `server_port`, the target's, and once it has
/// connected `local_host` and `port`, its own. It connects when it starts,
/// unless the option `connect_at_start` is off.
pub struct TcpClient {
    base: TcpBase<State>,
}

/// Values that a start determines. The names stay readable after a close and a stop.
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
    pub fn builder(name: impl Into<String>) -> TcpClientBuilder {
        TcpClientBuilder::new().name(name)
    }

    /// Makes the client of a driver that [extends](Driver#extending-a-driver) it: `kind` is the
    /// name of that driver's type, and `options` are of a config that includes
    /// [`TcpClientConfig`].
    ///
    /// # Errors
    ///
    /// Returns an error if an option is missing or has a value that is not allowed.
    pub fn of_kind(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        Ok(TcpClient {
            base: TcpBase::new(kind, options)?,
        })
    }

    /// Returns the host of its server, as configured; `None` before the first start.
    pub fn server_host(&self) -> Option<String> {
        self.base.read().host.clone()
    }

    /// Returns the port of its server; `None` before the first start.
    pub fn server_port(&self) -> Option<u16> {
        self.base.read().server_port
    }

    /// Returns its own address; `None` before the first connect.
    pub fn local_host(&self) -> Option<String> {
        let state = self.base.read();
        state.local().and_then(Address::ip).map(|ip| ip.to_string())
    }

    /// Returns its own port; `None` before the first connect.
    pub fn local_port(&self) -> Option<u16> {
        self.base.read().local().and_then(Address::port)
    }

    /// Connects to the server, within the time that the driver may take to start (`start_limit`, by
    /// default `timeout`), or connects again: a connection that the client has already is closed.
    /// When several threads connect at once, each makes a connection, and the client has the last
    /// one.
    ///
    /// # Errors
    ///
    /// Returns an error if no server listens there, the time limit passes, the client is not
    /// running, or another thread closes or stops it meanwhile.
    #[track_caller]
    pub fn connect(&self) -> Result<TcpConnection, TcpError> {
        now(self.connect_with(Thread, Place::caller()))
    }

    /// Does the same as [`connect`](TcpClient::connect), waiting with `wait`.
    #[doc(hidden)]
    pub async fn connect_with(
        &self,
        wait: impl Wait,
        place: Place,
    ) -> Result<TcpConnection, TcpError> {
        if self.base.answering.responder().is_some() {
            return Err(self
                .base
                .answers_by_itself("`play` connects a client that plays its part by itself"));
        }
        let (client, timeout) = self.current()?;
        // Not under the lock, so that a stop or an abort can end it.
        let made = wait.run(client.connecting(place, timeout)).await;
        let made = made.map_err(|error| self.explain(error))?;
        self.keep(&client, made.clone())?;
        #[cfg(feature = "tls")]
        if let Some(tls) = self.base.secure.side() {
            let agreed = tls.connect(&wait, &made).await;
            agreed.map_err(|error| self.base.unless_interrupted(error))?;
        }
        Ok(self.base.handle(made))
    }

    /// Connects to the server as [`connect`](TcpClient::connect) does, and lets the replies of the
    /// client use the connection: for a client that answers by itself, and does not
    /// `connect_at_start` or connects again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`connect`](TcpClient::connect), and one if the client does not answer
    /// by itself.
    #[track_caller]
    pub fn play(&self) -> Result<(), TcpError> {
        now(self.play_with(Thread, Place::caller()))
    }

    /// Does the same as [`play`](TcpClient::play), waiting with `wait`.
    #[doc(hidden)]
    pub async fn play_with(&self, wait: impl Wait, place: Place) -> Result<(), TcpError> {
        let responder = self.base.responder()?;
        let (client, timeout) = self.current()?;
        let made = wait.run(client.connecting_owned(place, timeout)).await;
        let mut made = made.map_err(|error| self.explain(error))?;
        self.keep(&client, made.handle())?;
        #[cfg(feature = "tls")]
        if let Some(tls) = self.base.secure.side() {
            let agreed = tls.connect(&wait, &made.handle()).await;
            agreed.map_err(|error| self.base.unless_interrupted(error))?;
        }
        responder.talk(made);
        Ok(())
    }

    /// The pending connect, and how long it may take.
    fn current(&self) -> Result<(Client, Option<Duration>), TcpError> {
        self.base.uninterrupted()?;
        let state = self.base.read();
        let client = state.client.clone();
        let client = client.ok_or_else(|| self.base.not_running())?;
        Ok((client, state.connect_timeout))
    }

    /// Looks from now on at a connection that was made by `client`.
    fn keep(&self, client: &Client, made: Connection) -> Result<(), TcpError> {
        let mut state = self.base.write();
        if !state.client.as_ref().is_some_and(|now| now.is(client)) {
            // Stopped meanwhile, and perhaps started again: the connection is closed.
            drop(state);
            return Err(self.base.not_running());
        }
        // Another thread may have connected later and be here before.
        let is_newest = |latest: &Connection| latest.index() < made.index();
        if state.latest.as_ref().is_none_or(is_newest) {
            state.latest = Some(made);
        }
        Ok(())
    }

    /// The server whose port this client was given may have a different port now.
    fn explain(&self, error: ConnectError) -> TcpError {
        let moved = || {
            let config: TcpClientConfig = self.base.driver.config().ok()?;
            let server = config.port.as_context()?.driver.clone();
            let now = self.base.port(&config.port).ok()?;
            let before = self.server_port().filter(|before| *before != now)?;
            Some((server, before, now))
        };
        match (&error, moved()) {
            (ConnectError::Refused(_) | ConnectError::TimedOut(_), Some((server, before, now))) => {
                TcpError::Moved {
                    server,
                    before,
                    now,
                    failed: Box::new(self.base.noted(error)),
                }
            }
            _ => self.base.noted(error),
        }
    }

    /// Closes the connection, if there is one, and ends a connect that another
    /// thread waits in.
    #[track_caller]
    pub fn close(&self) {
        // In a `let`, so that nothing is locked while it closes.
        let client = self.base.read().client.clone();
        if let Some(client) = client {
            client.close();
        }
    }

    /// Returns the connection to the server.
    ///
    /// # Errors
    ///
    /// Returns an error if the client is not running, or not connected.
    pub fn connection(&self) -> Result<TcpConnection, TcpError> {
        let client = self.base.read().client.clone();
        let connection = client.map(|client| client.connection());
        let error = match connection {
            Some(Some(connection)) => return Ok(self.base.handle(connection)),
            Some(None) if self.base.answering.responder().is_some() => self.base.answers_by_itself(
                "take its connection over with `take_over`, or with `held` where a rule or a \
                 step of its dialogue holds it",
            ),
            Some(None) => TcpError::NotConnected {
                driver: self.base.name().to_owned(),
                records: self.base.last_records(),
            },
            None => self.base.not_running(),
        };
        Err(self.base.unless_interrupted(error))
    }

    crate::talk::talk! { connection }

    crate::answering::answers! { "client" }

    /// Returns the certificate authority of its environment, to issue certificates for a program
    /// under test.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has never been started.
    #[cfg(feature = "tls")]
    pub fn authority(&self) -> Result<standin_tls::Authority, TcpError> {
        let side = self.base.secure.side();
        let side = side.ok_or_else(|| self.base.not_running())?;
        Ok(side.authority()?)
    }

    /// Takes the client out of use, and returns it.
    fn take(&self) -> Option<Client> {
        self.base.write().client.take()
    }
}

impl FromOptions<TcpClientBuilder> for TcpClient {
    type Error = BuildError;

    fn from_options(options: TcpClientBuilder) -> Result<Self, BuildError> {
        TcpClient::of_kind("TcpClient", options)
    }
}

impl Driver for TcpClient {
    fn base(&self) -> &DriverBase {
        &self.base.driver
    }

    fn starting(&self) -> Result<()> {
        let config: TcpClientConfig = self.base.driver.config()?;
        let host = self.base.driver.expand(&config.host)?;
        let port = self.base.port(&config.port)?;
        self.base.set_defaults(&config.tcp);
        self.base.begin_waits();
        self.base.answering.forget();
        #[cfg(feature = "tls")]
        {
            let (driver, options) = (&self.base.driver, config.tcp.tls.as_ref());
            self.base.secure.begin(driver, options, &host, false)?;
        }
        let script = self.base.script("client", &config.tcp)?;
        let mut client = with_options!(Client::builder(), config.tcp)
            .label(self.base.name())
            .record(self.base.driver.tape())
            .host(&host)
            .port(port)
            .retry_until_deadline(config.retry_connect);
        if let Some(interface) = &config.interface {
            client = client.interface(interface.host(), interface.port());
        }
        *self.base.write() = State {
            client: Some(client.build()),
            connect_timeout: Some(config.driver.resource.limit_of_start().total()),
            host: Some(host),
            server_port: Some(port),
            ..State::default()
        };
        let plays = script.is_some();
        if let Some(script) = script {
            self.base
                .begin(Responder::new(script), &config.driver.resource)?;
        }
        self.base.still_starts()?;
        match (config.connect_at_start, plays) {
            (true, true) => self.play()?,
            (true, false) => drop(self.connect()?),
            (false, _) => {}
        }
        Ok(())
    }

    fn verify(&self) -> Result<()> {
        Ok(self.base.answering.verify()?)
    }

    fn trouble(&self) -> Option<String> {
        self.base.answering.trouble()
    }

    fn stopping(&self) -> Result<()> {
        let answered = self.base.answering.stop();
        if let Some(client) = self.take() {
            client.close();
        }
        #[cfg(feature = "tls")]
        self.base.secure.end();
        Ok(answered?)
    }

    fn interrupting(&self) {
        self.base.end_waits();
        self.base.answering.interrupt();
        let client = self.base.read().client.clone();
        if let Some(client) = client {
            client.abort();
        }
    }

    fn aborting(&self) -> Result<()> {
        // Also ends a connect that is under way.
        if let Some(client) = self.take() {
            client.abort();
        }
        #[cfg(feature = "tls")]
        self.base.secure.end();
        Ok(self.base.answering.abort()?)
    }

    fn attributes(&self) -> Attributes {
        let state = self.base.read();
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
        let state = self.base.read();
        let local = state.local().and_then(Address::socket_addr);
        let unix = state
            .host
            .as_deref()
            .and_then(|host| host.strip_prefix("unix:"));
        let info = match (unix, state.server_port, local) {
            (Some(path), ..) => {
                ConnectionInfo::new(Protocol::Unix, Direction::Connecting).with_identifier(path)
            }
            (_, Some(server_port), Some(local)) => {
                ConnectionInfo::tcp_connecting(server_port, local.ip().to_string(), local.port())
            }
            _ => ConnectionInfo::new(Protocol::Tcp, Direction::Connecting),
        };
        if unix.is_some() && state.latest.as_ref().is_some_and(Connection::is_connected) {
            // Ends on Unix sockets have no addresses that distinguish them.
            return vec![info];
        }
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
            .field("status", &self.base.driver.resource().status())
            .field("server_host", &self.server_host())
            .field("server_port", &self.server_port())
            .field("local_port", &self.local_port())
            .finish_non_exhaustive()
    }
}
