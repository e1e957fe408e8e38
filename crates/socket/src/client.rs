//! The connecting side.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{
    address::{self, Address},
    connection::{Connection, Parts, deadline},
    error::{Attempt, ConnectError, ConnectFailure, Party, Role},
    lane::{Lane, NotNow, Turn},
    options::SocketOptions,
    server,
    sys::{Connecting, Interest, Progress, Stream},
    time::{Deadline, Remaining},
};

/// How long to wait before a connect that failed is tried again, at first and at most. No event tells when a port
/// begins to be listened on.
const RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// How long the first of several attempts may take; each round allows twice as much. The system repeats what got lost
/// after a second, two more, four more: a new attempt finds a peer sooner that has just come back. A peer that needs
/// longer to answer gets it in a later round.
const ATTEMPT: Duration = Duration::from_millis(250);

/// Connects to one target, again and again if need be, and has at most one connection at a time.
///
/// Handles are cheap to clone and all stand for the same client; any thread may use one.
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
    label: Option<Arc<str>>,
    target: Target,
    interface: Option<(String, u16)>,
    connect_timeout: Option<Duration>,
    retry: bool,
    options: SocketOptions,
    receive_limit: usize,
    /// The turn comes with the index of the next connection. Whoever connects has the turn; closing interrupts the
    /// lane, and aborting closes it.
    connecting: Lane<usize>,
    /// Changed, and the lane interrupted, under this lock: a connect that was interrupted cannot take effect after
    /// that.
    current: Mutex<Current>,
}

/// What a client has.
#[derive(Debug, Default)]
struct Current {
    connection: Option<Connection>,
    is_aborted: bool,
}

#[derive(Clone, Debug)]
enum Target {
    Host { host: String, port: u16 },
    Unix(PathBuf),
}

/// Describes a [`Client`]: what it connects to and how.
#[derive(Clone, Debug)]
#[must_use = "a client exists once `build` was called"]
pub struct ClientBuilder {
    label: Option<Arc<str>>,
    target: Target,
    port: u16,
    interface: Option<(String, u16)>,
    connect_timeout: Option<Duration>,
    retry: bool,
    options: SocketOptions,
    receive_limit: usize,
}

impl ClientBuilder {
    /// A name for errors to show, such as the name of the driver that the client belongs to.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The host to connect to: a name or an IP address, IPv4 or IPv6. Default: `localhost`.
    ///
    /// A name is looked up by every connect, and every address that it stands for is tried, IPv4 before IPv6. The
    /// lookup itself takes as long as the system's resolver takes: timeouts begin after it.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.target = Target::Host {
            host: host.into(),
            port: self.port,
        };
        self
    }

    /// The port to connect to.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        if let Target::Host { port: target, .. } = &mut self.target {
            *target = port;
        }
        self
    }

    /// Connects to the Unix socket at `path`, instead of a host and port.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.target = Target::Unix(path.into());
        self
    }

    /// The local host and port to connect from; port 0 for any. Default: the system chooses.
    ///
    /// From one port there is only one connection to the same peer. After this side has closed one, the system keeps
    /// it in `TIME_WAIT` for a while (on Linux a second within one machine, otherwise a minute): a connect from a fixed
    /// port tries again until it can, or its deadline.
    pub fn interface(mut self, host: impl Into<String>, port: u16) -> Self {
        self.interface = Some((host.into(), port));
        self
    }

    /// How long to try each address of the host. Default: the time of the whole connect, shared by the addresses.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Whether a connect that fails tries again until its deadline, because the peer may not be there yet: it refuses,
    /// resets or does not answer. Default: false.
    pub fn retry_until_deadline(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Whether small pieces are sent at once rather than collected (`TCP_NODELAY`). Default: true.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.options.nodelay = nodelay;
        self
    }

    /// The size of the system's send buffer, in bytes. Default: the system's.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// The size of the system's receive buffer, in bytes. Default: the system's.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// After how much silence the system asks whether the peer is still there (`SO_KEEPALIVE`). Default: never.
    pub fn keepalive(mut self, idle: Duration) -> Self {
        self.options.keepalive = Some(idle);
        self
    }

    /// The limit of [`Connection::set_receive_limit`], in bytes. Default: 64 MiB.
    pub fn receive_limit(mut self, bytes: usize) -> Self {
        self.receive_limit = bytes;
        self
    }

    /// The client, not connected yet.
    pub fn build(self) -> Client {
        let ClientBuilder {
            label,
            target,
            port: _,
            interface,
            connect_timeout,
            retry,
            options,
            receive_limit,
        } = self;
        Client {
            inner: Arc::new(Inner {
                label,
                target,
                interface,
                connect_timeout,
                retry,
                options,
                receive_limit,
                connecting: Lane::new(0),
                current: Mutex::default(),
            }),
        }
    }
}

impl Client {
    /// Describes a client that connects to `localhost`, unless told otherwise.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            label: None,
            target: Target::Host {
                host: "localhost".to_owned(),
                port: 0,
            },
            port: 0,
            interface: None,
            connect_timeout: None,
            retry: false,
            options: SocketOptions::default(),
            receive_limit: Connection::DEFAULT_RECEIVE_LIMIT,
        }
    }

    /// Whether both are handles of the same client.
    pub fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The label that the builder was given.
    pub fn label(&self) -> Option<&str> {
        self.inner.label.as_deref()
    }

    /// Connects, and closes the connection that the client had before, if any. Of several threads that connect at once
    /// each makes a connection, one after the other; the client has the last one.
    ///
    /// # Errors
    /// [`ConnectError`], which lists every address that was tried. The earlier connection is closed in any case.
    pub fn connect(
        &self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Connection, ConnectError> {
        self.inner.connect(&mut deadline(timeout))
    }

    /// The connection that the client has, unless it was closed.
    pub fn connection(&self) -> Option<Connection> {
        let current = self.inner.current();
        current
            .connection
            .as_ref()
            .filter(|connection| connection.is_open())
            .cloned()
    }

    /// Closes the connection, if there is one, and ends a connect that another thread waits in. The client may connect
    /// again.
    pub fn close(&self) {
        let connection = {
            let mut current = self.inner.current();
            self.inner.connecting.interrupt();
            current.connection.take()
        };
        if let Some(connection) = connection {
            connection.close();
        }
    }

    /// Closes the client as [`close`](Client::close) does, for good, and lets every operation on it and its connection
    /// say that it was aborted.
    pub fn abort(&self) {
        let connection = {
            let mut current = self.inner.current();
            current.is_aborted = true;
            self.inner.connecting.close();
            current.connection.take()
        };
        if let Some(connection) = connection {
            connection.abort();
        }
    }
}

impl Inner {
    fn connect(&self, deadline: &mut Deadline) -> Result<Connection, ConnectError> {
        let mut attempts = Vec::new();
        let connected = self
            .connecting
            .enter(deadline)
            .map_err(Stop::NotNow)
            .and_then(|mut turn| self.connect_in_turn(&mut turn, deadline, &mut attempts));
        let not_now = match connected {
            Ok(connection) => {
                connection.trace_made("connected");
                return Ok(connection);
            }
            Err(Stop::NotNow(not_now)) => Some(not_now),
            Err(Stop::Failed) => None,
            Err(Stop::Resolve { host, source }) => {
                return Err(ConnectError::Resolve {
                    party: Box::new(self.party()),
                    host,
                    source,
                });
            }
        };
        Err(self.error(not_now, attempts, deadline))
    }

    fn connect_in_turn(
        &self,
        turn: &mut Turn<'_, usize>,
        deadline: &mut Deadline,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Connection, Stop> {
        if turn.is_over() {
            return Err(Stop::NotNow(NotNow::Closed));
        }
        let earlier = self.current().connection.take();
        if let Some(earlier) = earlier {
            earlier.close();
        }
        let routes = self.routes()?;
        deadline.start();
        let mut pause = RETRY.0;
        let mut longest = ATTEMPT;
        loop {
            attempts.clear();
            let mut may_come = false;
            for (nth, (address, from)) in routes.iter().enumerate() {
                let limit = self.limit_of_attempt(deadline, routes.len() - nth, longest);
                let outcome = self.try_address(turn, address, from.as_ref(), limit);
                let (error, is_temporary) = match outcome {
                    Ok((stream, local)) => return self.finish(turn, stream, local, address),
                    Err(Refusal::NotNow(NotNow::Closed)) => {
                        return Err(Stop::NotNow(NotNow::Closed));
                    }
                    Err(Refusal::NotNow(NotNow::TimedOut)) => (
                        io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
                        self.retry,
                    ),
                    Err(Refusal::NotNow(NotNow::Io(error)) | Refusal::Socket(error)) => {
                        (error, false)
                    }
                    Err(Refusal::Connect(error)) => {
                        let is_temporary = self.may_come(&error, from.as_ref());
                        (error, is_temporary)
                    }
                };
                may_come |= is_temporary;
                attempts.push(Attempt {
                    address: address.clone(),
                    error,
                });
            }
            if !may_come {
                return Err(Stop::Failed);
            }
            self.back_off(turn, deadline, pause).map_err(Stop::NotNow)?;
            pause = (pause * 2).min(RETRY.1);
            longest *= 2;
        }
    }

    /// Whether a connect that the system answered so may come to pass a little later.
    fn may_come(&self, error: &io::Error, from: Option<&SocketAddr>) -> bool {
        match error.kind() {
            // The only connection that is possible from this port is still in the way.
            io::ErrorKind::AddrNotAvailable => {
                self.retry || from.is_some_and(|from| from.port() != 0)
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::TimedOut
            // A Unix socket that is not there yet is what a refused port is.
            | io::ErrorKind::NotFound => self.retry,
            _ => false,
        }
    }

    /// How long one address may be tried, of so many that are left; `longest` if it will be tried again.
    fn limit_of_attempt(
        &self,
        deadline: &mut Deadline,
        addresses_left: usize,
        longest: Duration,
    ) -> Option<Duration> {
        let share = |left: Duration| left / u32::try_from(addresses_left).unwrap_or(u32::MAX);
        let limit = match (deadline.remaining(), self.connect_timeout) {
            (Remaining::Nothing, _) => Some(Duration::ZERO),
            (Remaining::Time(left), Some(limit)) => Some(limit.min(left)),
            (Remaining::Time(left), None) => Some(share(left)),
            (Remaining::Unlimited, limit) => limit,
        };
        if self.retry {
            Some(limit.map_or(longest, |limit| limit.min(longest)))
        } else {
            limit
        }
    }

    /// The addresses to connect to, each with the address to connect from.
    fn routes(&self) -> Result<Vec<(Address, Option<SocketAddr>)>, Stop> {
        let resolve = |host: &str, port| {
            address::resolve(host, port).map_err(|source| Stop::Resolve {
                host: host.to_owned(),
                source,
            })
        };
        let (host, port) = match &self.target {
            Target::Unix(path) => return Ok(vec![(Address::Unix(path.clone()), None)]),
            Target::Host { host, port } => (host, *port),
        };
        let addresses = resolve(host, port)?;
        let Some((host, port)) = &self.interface else {
            return Ok(addresses
                .into_iter()
                .map(|address| (Address::Tcp(address), None))
                .collect());
        };
        let interfaces = resolve(host, *port)?;
        let from = |to: &SocketAddr| {
            let same_family = interfaces
                .iter()
                .find(|from| from.is_ipv4() == to.is_ipv4());
            same_family.or(interfaces.first()).copied()
        };
        let mut routes: Vec<_> = addresses
            .iter()
            .map(|to| (Address::Tcp(*to), from(to)))
            .collect();
        // An address of the other family cannot be reached from the interface: try those that can first.
        routes.sort_by_key(|(to, from)| {
            to.socket_addr().map(|to| to.is_ipv4()) != from.map(|from| from.is_ipv4())
        });
        Ok(routes)
    }

    fn try_address(
        &self,
        turn: &Turn<'_, usize>,
        address: &Address,
        from: Option<&SocketAddr>,
        limit: Option<Duration>,
    ) -> Result<(Stream, Address), Refusal> {
        let mut deadline = Deadline::new(limit);
        deadline.start();
        let mut connecting = self.open(address, from)?;
        let mut pause = RETRY.0;
        loop {
            match connecting.progress().map_err(Refusal::Connect)? {
                Progress::Connected => break,
                Progress::UnderWay => {
                    // On one machine the outcome is known by now, nearly always.
                    if connecting.progress().map_err(Refusal::Connect)? == Progress::Connected {
                        break;
                    }
                    if connecting.stays_here() && address.socket_addr().is_some_and(server::relieve)
                    {
                        // The queue was full, and the system would try again in a second. We can at once.
                        connecting = self.open(address, from)?;
                        continue;
                    }
                    turn.wait(
                        connecting.source(),
                        Interest::Writable,
                        deadline.remaining(),
                    )?;
                }
                Progress::QueueFull => {
                    self.back_off(turn, &mut deadline, pause)?;
                    pause = (pause * 2).min(RETRY.1);
                }
            }
        }
        let stream = connecting.into_stream().map_err(Refusal::Socket)?;
        let local = stream.local_address().map_err(Refusal::Socket)?;
        if local == *address && local.socket_addr().is_some() {
            // Nobody listens on a port that the system may also choose for a connecting socket: it can choose the very
            // port that it connects to, and TCP then connects the socket to itself.
            return Err(Refusal::Connect(io::ErrorKind::ConnectionRefused.into()));
        }
        Ok((stream, local))
    }

    /// A socket that is ready to connect.
    fn open(&self, address: &Address, from: Option<&SocketAddr>) -> Result<Connecting, Refusal> {
        let open = || {
            let connecting = Connecting::new(address)?;
            self.options.apply(&connecting.options(), address)?;
            if let Some(from) = from {
                connecting.bind(*from)?;
            }
            Ok(connecting)
        };
        open().map_err(Refusal::Socket)
    }

    /// Waits before trying again, but not beyond the deadline.
    fn back_off(
        &self,
        turn: &Turn<'_, usize>,
        deadline: &mut Deadline,
        pause: Duration,
    ) -> Result<(), NotNow> {
        match deadline.remaining().at_most(pause) {
            Remaining::Time(time) => turn.pause(time),
            _ => Err(NotNow::TimedOut),
        }
    }

    fn finish(
        &self,
        turn: &mut Turn<'_, usize>,
        stream: Stream,
        local: Address,
        peer: &Address,
    ) -> Result<Connection, Stop> {
        let connection = Connection::new(Parts {
            role: Role::Client,
            label: self.label.clone(),
            index: *turn.value(),
            local,
            peer: peer.clone(),
            stream,
            receive_limit: self.receive_limit,
            registry: Weak::new(),
        });
        let mut current = self.current();
        // Under the lock, as closing does it: either we see that the client was closed, or it sees the connection.
        if turn.is_over() {
            drop(current);
            connection.close();
            return Err(Stop::NotNow(NotNow::Closed));
        }
        *turn.value() += 1;
        current.connection = Some(connection.clone());
        Ok(connection)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn party(&self) -> Party {
        Party {
            role: Role::Client,
            label: self.label.clone(),
            index: None,
            local: None,
            peer: None,
        }
    }

    #[cold]
    fn error(
        &self,
        not_now: Option<NotNow>,
        mut attempts: Vec<Attempt>,
        deadline: &Deadline,
    ) -> ConnectError {
        let is_aborted = self.current().is_aborted;
        let kind = match (is_aborted, not_now) {
            (true, _) => ConnectError::Aborted as fn(Box<ConnectFailure>) -> ConnectError,
            (_, Some(NotNow::Closed)) => ConnectError::Closed,
            (_, Some(NotNow::TimedOut)) => ConnectError::TimedOut,
            (_, Some(NotNow::Io(error))) => {
                attempts.push(Attempt {
                    address: self.target.address(),
                    error,
                });
                ConnectError::Io
            }
            (_, None) => {
                let any = |kind| attempts.iter().any(|attempt| attempt.error.kind() == kind);
                if any(io::ErrorKind::TimedOut) {
                    ConnectError::TimedOut
                } else if any(io::ErrorKind::ConnectionRefused) {
                    // Other addresses may fail otherwise: a machine without IPv6 cannot try `::1`.
                    ConnectError::Refused
                } else {
                    ConnectError::Io
                }
            }
        };
        kind(Box::new(ConnectFailure {
            party: self.party(),
            target: self.target.to_string(),
            elapsed: deadline.elapsed(),
            limit: deadline.limit(),
            attempts,
        }))
    }
}

/// Why one address brought no connection.
#[derive(Debug)]
enum Refusal {
    NotNow(NotNow),
    /// There is no socket that could connect.
    Socket(io::Error),
    /// What became of connecting it.
    Connect(io::Error),
}

impl From<NotNow> for Refusal {
    fn from(not_now: NotNow) -> Self {
        Refusal::NotNow(not_now)
    }
}

/// What ended a connect early.
#[derive(Debug)]
enum Stop {
    NotNow(NotNow),
    /// Every address failed.
    Failed,
    Resolve {
        host: String,
        source: io::Error,
    },
}

impl Target {
    /// For the list of attempts, when the failure belongs to no address in particular.
    fn address(&self) -> Address {
        match self {
            Target::Unix(path) => Address::Unix(path.clone()),
            Target::Host { port, .. } => Address::Tcp(SocketAddr::from(([0, 0, 0, 0], *port))),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host { host, port } if host.contains(':') && !host.starts_with('[') => {
                write!(f, "[{host}]:{port}")
            }
            Target::Host { host, port } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("label", &self.inner.label)
            .field("target", &self.inner.target)
            .field("connection", &self.inner.current().connection)
            .finish()
    }
}
