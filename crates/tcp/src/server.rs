use std::fmt;
use std::time::Duration;

use standin_config::{FromOptions, Options};
use standin_connection::{ConnectionInfo, Direction, Protocol};
use standin_driver::{Attributes, BuildError, Driver, DriverBase, Lifecycle};
use standin_entity::Result;
use standin_reply::Responder;
use standin_socket::operation::{Place, Thread, Wait, now};
use standin_socket::{AcceptError, Connection, ControlError, FullQueue, Server};

use crate::base::TcpBase;
use crate::config::with_options;
use crate::{TcpConnection, TcpError, TcpServerBuilder, TcpServerConfig};

/// A driver that listens on a TCP port and exchanges bytes with its peers.
///
/// It publishes `host` and `port` in its context. Connections have an index,
/// counted from 0 in the order in which they are accepted and never used
/// again. Methods without an index use the latest accepted connection that is
/// still open.
///
/// ```
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use standin_driver::Lifecycle;
/// use standin_tcp::TcpServer;
///
/// # fn main() -> standin_entity::Result<()> {
/// let server = TcpServer::builder("server").build()?;
/// server.start()?;
/// let port = server.port().expect("a started server has a port");
/// let peer = TcpStream::connect(("localhost", port)).expect("somebody listens");
/// server.accept_connection(Duration::from_secs(10))?;
/// server.send_text("hello")?;
/// # drop(peer);
/// server.stop()?;
/// # Ok(())
/// # }
/// ```
pub struct TcpServer {
    base: TcpBase<State>,
}

/// Values that a start determines. The names stay readable after a stop.
#[derive(Default)]
struct State {
    server: Option<Server>,
    host: Option<String>,
    port: Option<u16>,
    /// The port before the latest start, if it was another one.
    earlier_port: Option<u16>,
}

impl TcpServer {
    /// Begins to describe a server; `build` makes it.
    pub fn builder(name: impl Into<String>) -> TcpServerBuilder {
        TcpServerBuilder::new().name(name)
    }

    /// Makes the server of a driver that [extends](Driver#extending-a-driver) it: `kind` is the
    /// name of that driver's type, and `options` are of a config that includes
    /// [`TcpServerConfig`].
    ///
    /// # Errors
    ///
    /// Returns an error if an option is missing or has a value that is not allowed.
    pub fn of_kind(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        Ok(TcpServer {
            base: TcpBase::new(kind, options)?,
        })
    }

    /// Returns the host that it listens on, as configured; `None` before the first
    /// start.
    pub fn host(&self) -> Option<String> {
        self.base.read().host.clone()
    }

    /// Returns the port that it listens on; `None` before the first start.
    pub fn port(&self) -> Option<u16> {
        self.base.read().port
    }

    /// Returns the listening socket, with everything that can be done with it.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not running.
    pub fn socket(&self) -> Result<Server, TcpError> {
        self.base.uninterrupted()?;
        let server = self.base.read().server.clone();
        server.ok_or_else(|| self.base.not_running())
    }

    /// Accepts the next connection. Zero accepts one that is waiting already;
    /// `None` waits until one comes or the server stops.
    ///
    /// # Errors
    ///
    /// Returns an error if none comes in time, or the server is not running or is stopped
    /// meanwhile.
    #[track_caller]
    pub fn accept_connection(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<TcpConnection, TcpError> {
        now(self.accept_with(Thread, Place::caller(), timeout))
    }

    /// Does the same as [`accept_connection`](TcpServer::accept_connection), waiting with `wait`.
    #[doc(hidden)]
    pub async fn accept_with(
        &self,
        wait: impl Wait,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<TcpConnection, TcpError> {
        let server = self.socket()?;
        if self.base.answering.responder().is_some() {
            return Err(self.base.answers_by_itself(INSTEAD));
        }
        #[cfg(feature = "tls")]
        if self.base.secure.speaks_at_once() {
            // Without it the server is about to start or to stop.
            let listener = self.base.secure.listener();
            let listener =
                listener.ok_or_else(|| self.base.unless_interrupted(self.base.not_running()))?;
            return match listener.accept_with(wait, timeout).await {
                Ok(socket) => Ok(self.base.handle(socket)),
                Err(failed) => {
                    self.base.uninterrupted()?;
                    // The server knows how it has ended.
                    if !server.is_open()
                        && let Err(ended) = server.accept(Duration::ZERO)
                    {
                        return Err(self.explain(ended));
                    }
                    let note = self.base.driver.explainer().explain(self.base.name());
                    Err(TcpError::AcceptTls { failed, note })
                }
            };
        }
        match wait.run(server.accepting(place, timeout)).await {
            Ok(socket) => Ok(self.base.handle(socket)),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// The expected peer may still connect to the previous port.
    fn explain(&self, error: AcceptError) -> TcpError {
        if let AcceptError::TimedOut { .. } = error {
            let tape = self.base.driver.tape();
            tape.probed("a connection to accept", "nobody had connected", false);
        }
        let moved = {
            let state = self.base.read();
            state.earlier_port.zip(state.port)
        };
        match (&error, moved) {
            (AcceptError::TimedOut { accepted: 0, .. }, Some((before, now))) => TcpError::Moved {
                server: self.base.name().to_owned(),
                before,
                now,
                failed: Box::new(self.base.noted(error)),
            },
            _ => self.base.noted(error),
        }
    }

    /// Refuses new connections, and drops those that are not accepted yet, until it [comes
    /// back](TcpServer::come_back). The server keeps its port, and accepted connections stay open.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not running.
    pub fn refuse(&self) -> Result<(), TcpError> {
        self.controlled(self.socket()?.refuse())
    }

    /// Goes away as a server that is stopped: closes every connection and refuses
    /// new ones, until it [comes back](TcpServer::come_back). The driver runs on
    /// and keeps its port, which a stop and a start with port 0 would change.
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not running.
    #[track_caller]
    pub fn go_away(&self) -> Result<(), TcpError> {
        self.controlled(self.socket()?.go_away())
    }

    /// Listens again, on the same port, after [`refuse`](TcpServer::refuse) or
    /// [`go_away`](TcpServer::go_away).
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not running, or cannot listen again.
    pub fn come_back(&self) -> Result<(), TcpError> {
        self.controlled(self.socket()?.come_back())
    }

    /// Accepts nothing, so that a peer's connect is neither accepted nor refused: keeps the accept
    /// queue full until the result is dropped. See [`Server::fill_queue`].
    ///
    /// # Errors
    ///
    /// Returns an error if the server is not running, or the queue cannot be filled.
    pub fn fill_queue(&self) -> Result<FullQueue, TcpError> {
        self.controlled(self.socket()?.fill_queue())
    }

    /// Returns the connection that was accepted as number `index`, if it is open.
    ///
    /// # Errors
    ///
    /// Returns an error if it is closed or was never accepted, or the server is not running.
    pub fn connection(&self, index: usize) -> Result<TcpConnection, TcpError> {
        let server = self.socket()?;
        self.handle_of(server.connection(index), || TcpError::UnknownConnection {
            driver: self.base.name().to_owned(),
            index,
            accepted: server.accepted(),
            open: server.connections().iter().map(Connection::index).collect(),
            records: self.base.last_records(),
        })
    }

    /// Returns the latest accepted connection that is still open.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, or the server is not running.
    pub fn latest_connection(&self) -> Result<TcpConnection, TcpError> {
        let server = self.socket()?;
        self.handle_of(server.latest(), || TcpError::NoConnection {
            driver: self.base.name().to_owned(),
            accepted: server.accepted(),
            records: self.base.last_records(),
        })
    }

    /// The handle of an open connection, or why there is none for the test.
    fn handle_of(
        &self,
        socket: Option<Connection>,
        missing: impl FnOnce() -> TcpError,
    ) -> Result<TcpConnection, TcpError> {
        let error = match socket {
            Some(socket) => return Ok(self.base.handle(socket)),
            None if self.base.answering.responder().is_some() => {
                self.base.answers_by_itself(INSTEAD)
            }
            None => missing(),
        };
        Err(self.base.unless_interrupted(error))
    }

    /// The outcome of a change to the listening socket.
    fn controlled<T>(&self, outcome: Result<T, ControlError>) -> Result<T, TcpError> {
        outcome.map_err(|error| self.base.unless_interrupted(error.into()))
    }

    /// Closes the connection that was accepted as number `index`.
    ///
    /// # Errors
    ///
    /// Returns an error if it is closed already or was never accepted, or the server is not
    /// running.
    #[track_caller]
    pub fn close_connection(&self, index: usize) -> Result<(), TcpError> {
        self.connection(index)?.close();
        Ok(())
    }

    crate::talk::talk! { latest_connection }

    crate::answering::answers! { "server" }

    /// Lets the reactor perform the handshakes of new peers.
    #[cfg(feature = "tls")]
    fn listen_with_tls(
        &self,
        tls: &crate::tls::TlsSide,
        server: &Server,
        script: Option<standin_reply::Script>,
        config: &TcpServerConfig,
    ) -> Result<()> {
        if let Some(script) = script {
            self.base
                .begin(Responder::new(script), &config.driver.resource)?;
        }
        let listener = match self.base.answering.responder() {
            None => tls.listener(server)?,
            Some(responder) => {
                let responder = std::sync::Arc::downgrade(&responder);
                Some(tls.listener_for(server, move |connection| {
                    // One that has stopped closes it.
                    if let Some(responder) = responder.upgrade() {
                        responder.talk(connection);
                    }
                })?)
            }
        };
        if let Some(listener) = listener {
            self.base.secure.listen(listener);
        }
        Ok(())
    }

    /// Returns the certificate authority of its environment, to issue certificates for a program
    /// under test.
    ///
    /// # Errors
    ///
    /// Returns an error if the server has never been started.
    #[cfg(feature = "tls")]
    pub fn authority(&self) -> Result<standin_tls::Authority, TcpError> {
        let side = self.base.secure.side();
        let side = side.ok_or_else(|| self.base.not_running())?;
        Ok(side.authority()?)
    }

    /// Takes the server out of use. It is closed by the caller, not under the
    /// lock: closing waits for closures of the test that may ask this driver.
    fn take(&self) -> Option<Server> {
        self.base.write().server.take()
    }
}

/// The alternatives to accepting on a server that answers by itself.
const INSTEAD: &str = "it accepts its connections itself: get one with `held`, where a rule holds \
                       it, or with `take_over` by its index; what you `take` of those is an \
                       ordinary connection of the server";

impl FromOptions<TcpServerBuilder> for TcpServer {
    type Error = BuildError;

    fn from_options(options: TcpServerBuilder) -> Result<Self, BuildError> {
        TcpServer::of_kind("TcpServer", options)
    }
}

impl Driver for TcpServer {
    fn base(&self) -> &DriverBase {
        &self.base.driver
    }

    fn starting(&self) -> Result<()> {
        let config: TcpServerConfig = self.base.driver.config()?;
        let host = self.base.driver.expand(&config.host)?;
        let port = self.base.port(&config.port)?;
        self.base.set_defaults(&config.tcp);
        self.base.begin_waits();
        self.base.answering.forget();
        #[cfg(feature = "tls")]
        let tls = {
            let (driver, options) = (&self.base.driver, config.tcp.tls.as_ref());
            self.base.secure.begin(driver, options, &host, true)?
        };
        let script = self.base.script("server", &config.tcp)?;
        let mut server = with_options!(Server::builder(), config.tcp)
            .label(self.base.name())
            .record(self.base.driver.tape())
            .host(&host)
            .port(port)
            .reuse_address(config.reuse_address);
        if let Some(backlog) = config.backlog {
            server = server.backlog(backlog);
        }
        if let Some(only_ipv6) = config.only_ipv6 {
            server = server.only_ipv6(only_ipv6);
        }
        let server = server.bind()?;
        let port = server.port();
        tracing::info!(driver = self.base.name(), host, port, "listening");
        {
            let mut state = self.base.write();
            let earlier_port = state.port.filter(|earlier| *earlier != port);
            *state = State {
                server: Some(server.clone()),
                host: Some(host),
                port: Some(port),
                earlier_port,
            };
        }
        // Replies to peers may contain the published values of this server.
        #[cfg(feature = "tls")]
        if tls.speaks_at_once().is_some() {
            return self.listen_with_tls(&tls, &server, script, &config);
        }
        if let Some(script) = script {
            let responder = Responder::serve(&server, script);
            self.base.begin(responder, &config.driver.resource)?;
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
        #[cfg(feature = "tls")]
        self.base.secure.end();
        let answered = self.base.answering.stop();
        if let Some(server) = self.take() {
            server.close();
        }
        Ok(answered?)
    }

    fn interrupting(&self) {
        self.base.end_waits();
        self.base.answering.interrupt();
        #[cfg(feature = "tls")]
        self.base.secure.interrupt();
        // In a `let`, so that nothing is locked meanwhile.
        let server = self.base.read().server.clone();
        if let Some(server) = server {
            server.abort();
        }
    }

    fn aborting(&self) -> Result<()> {
        if let Some(server) = self.take() {
            server.abort();
        }
        // After that: who waits for a handshake asks the server why there will be none.
        #[cfg(feature = "tls")]
        self.base.secure.end();
        Ok(self.base.answering.abort()?)
    }

    fn attributes(&self) -> Attributes {
        let state = self.base.read();
        let attributes = Attributes::new()
            .with_known("host", state.host.clone())
            .with_known("port", state.port)
            .with_known("local_host", state.host.clone())
            .with_known("local_port", state.port)
            .with_known("connection_identifier", state.port);
        #[cfg(feature = "tls")]
        let attributes = self.base.secure.files().publish(attributes);
        attributes
    }

    fn connections(&self) -> Vec<ConnectionInfo> {
        let (host, port, server) = {
            let state = self.base.read();
            (state.host.clone(), state.port, state.server.clone())
        };
        let info = match (host, port) {
            (Some(host), Some(port)) => match host.strip_prefix("unix:") {
                Some(path) => {
                    ConnectionInfo::new(Protocol::Unix, Direction::Listening).with_identifier(path)
                }
                None => ConnectionInfo::tcp_listening(port, host),
            },
            _ => ConnectionInfo::new(Protocol::Tcp, Direction::Listening),
        };
        let Some(server) = server else {
            return vec![info.closed()];
        };
        // Ends on Unix sockets have no addresses that distinguish them.
        let Some(bound) = server.local_socket_addr() else {
            return vec![info];
        };
        let connections = server.all_connections();
        let ends = connections.iter().filter_map(TcpConnection::ends);
        vec![ends.fold(info.with_bound(bound), ConnectionInfo::with_connection)]
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        if let Err(error) = self.wind_down() {
            tracing::warn!(driver = self.base.name(), %error, "the driver did not stop cleanly");
        }
        // Handles of connections may live on in the test; the sockets do not.
        if let Some(server) = self.take() {
            server.close();
        }
    }
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("name", &self.base.name())
            .field("status", &self.base.driver.resource().status())
            .field("host", &self.host())
            .field("port", &self.port())
            .finish_non_exhaustive()
    }
}
