//! One end of a connection, as the driver that owns it reports it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::{Direction, Identifier, Protocol};

/// One end of a connection as a driver reports it.
///
/// Two ends belong together if their [`connection_rep`](Self::connection_rep) is the same text,
/// such as `tcp://8080`: the listening end has its own port there, the connecting end its target's.
/// Ends that also have the [addresses](Ends) of their established connections are joined by those
/// instead, which distinguishes two servers on one port of different hosts. A listening end that
/// also reports its [bound](Self::with_bound) address is not joined with ends that connected to
/// other addresses, and a [closed](Self::closed) end is not joined at all.
///
/// ```
/// use standin_connection::{ConnectionInfo, Direction};
///
/// let info = ConnectionInfo::tcp_connecting(8080, "127.0.0.1", 50123);
/// assert_eq!(info.connection_rep(), "tcp://8080");
/// assert_eq!(info.direction(), Direction::Connecting);
/// assert_eq!(info.port(), Some(50123)); // its own port, not the target's
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    protocol: Protocol,
    identifier: Option<Identifier>,
    direction: Direction,
    host: Option<String>,
    port: Option<u16>,
    bound: Option<SocketAddr>,
    closed: bool,
    ends: Vec<Ends>,
}

/// The addresses of both ends of one established connection.
///
/// IPv4 addresses that are mapped into IPv6 (`::ffff:127.0.0.1`) are kept as
/// IPv4, so that what a dual-stack server sees matches what its client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
    half_closed: bool,
}

impl ConnectionInfo {
    /// Creates an end of which only the protocol and the direction are known.
    ///
    /// Creates the info of a driver that has not started. Without an identifier and addresses it is
    /// not joined with anything.
    pub fn new(protocol: impl Into<Protocol>, direction: Direction) -> Self {
        Self {
            protocol: protocol.into(),
            identifier: None,
            direction,
            host: None,
            port: None,
            bound: None,
            closed: false,
            ends: Vec::new(),
        }
    }

    /// Describes a TCP server that listens on `port` of `host`.
    pub fn tcp_listening(port: u16, host: impl Into<String>) -> Self {
        Self::new(Protocol::Tcp, Direction::Listening)
            .with_identifier(port)
            .with_host(host)
            .with_port(port)
    }

    /// Describes a TCP client at `local_host` and `local_port` that is connected to `target_port`.
    pub fn tcp_connecting(
        target_port: u16,
        local_host: impl Into<String>,
        local_port: u16,
    ) -> Self {
        Self::new(Protocol::Tcp, Direction::Connecting)
            .with_identifier(target_port)
            .with_host(local_host)
            .with_port(local_port)
    }

    /// Describes a file that the driver reads.
    pub fn file_read(path: impl AsRef<Path>) -> Self {
        Self::file(path.as_ref(), Direction::Listening)
    }

    /// Describes a file that the driver writes.
    pub fn file_written(path: impl AsRef<Path>) -> Self {
        Self::file(path.as_ref(), Direction::Connecting)
    }

    fn file(path: &Path, direction: Direction) -> Self {
        Self::new(Protocol::File, direction).with_identifier(path.to_string_lossy().into_owned())
    }

    /// Sets what the connection is known by: see [`identifier`](Self::identifier).
    pub fn with_identifier(mut self, identifier: impl Into<Identifier>) -> Self {
        self.identifier = Some(identifier.into());
        self
    }

    /// Sets the host of the driver's own end.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the port of the driver's own end.
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Adds an established connection by the addresses of its two ends.
    ///
    /// A client adds the one connection it has, a server one for each accepted
    /// connection that is still open.
    ///
    /// ```
    /// use standin_connection::ConnectionInfo;
    ///
    /// let server = ConnectionInfo::tcp_listening(8080, "localhost")
    ///     .with_ends("127.0.0.1:8080".parse()?, "127.0.0.1:50123".parse()?);
    /// assert_eq!(server.ends()[0].peer().port(), 50123);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn with_ends(self, local: SocketAddr, peer: SocketAddr) -> Self {
        self.with_connection(Ends::new(local, peer))
    }

    /// Adds an established connection, as [`with_ends`](Self::with_ends) does.
    pub fn with_connection(mut self, ends: Ends) -> Self {
        self.ends.push(ends);
        self
    }

    /// Sets the address that a listening end is bound to, as opposed to the
    /// [host](Self::host) that it was given. With an unspecified one (`0.0.0.0`
    /// or `::`) it listens on all of the machine.
    pub fn with_bound(mut self, address: SocketAddr) -> Self {
        self.bound = Some(canonical(address));
        self
    }

    /// Returns the same end after it was closed: it keeps its names, for reports, and is not
    /// connected.
    pub fn closed(mut self) -> Self {
        self.closed = true;
        self.bound = None;
        self.ends.clear();
        self
    }

    /// Returns the protocol: `tcp`, `udp`, `unix`, `file` or a name of the user's own.
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Returns the identifier of the connection for both of its ends: the port of the listening
    /// end, or the path of a file. `None` while it is not known.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.identifier.as_ref()
    }

    /// Whether this end listens or connects.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the host of the driver's own end.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the port of the driver's own end.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the address that a listening end is bound to, if it is known.
    pub fn bound(&self) -> Option<SocketAddr> {
        self.bound
    }

    /// Returns whether the end was closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns the established connections of this end.
    pub fn ends(&self) -> &[Ends] {
        &self.ends
    }

    /// Returns the connection as one text, such as `tcp://8080`; `tcp://None` while the
    /// identifier is not known.
    pub fn connection_rep(&self) -> String {
        match &self.identifier {
            Some(identifier) => format!("{}://{identifier}", self.protocol),
            None => format!("{}://None", self.protocol),
        }
    }

    /// Whether host and port are this very address.
    fn is_at(&self, address: SocketAddr) -> bool {
        let host = self.host.as_deref().and_then(|host| host.parse().ok());
        host.map(|ip: IpAddr| ip.to_canonical()) == Some(address.ip())
            && self.port == Some(address.port())
    }
}

/// As `tcp://8080 (connecting from 127.0.0.1:50123)`; with the address that it
/// is bound to where the host is a name.
impl fmt::Display for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.connection_rep(), self.direction)?;
        let preposition = match self.direction {
            Direction::Listening => "at",
            Direction::Connecting => "from",
        };
        match (&self.host, self.port) {
            (Some(host), Some(port)) if host.contains(':') => {
                write!(f, " {preposition} [{host}]:{port}")?;
            }
            (Some(host), Some(port)) => write!(f, " {preposition} {host}:{port}")?,
            (Some(host), None) => write!(f, " {preposition} {host}")?,
            (None, Some(port)) => write!(f, " {preposition} port {port}")?,
            (None, None) => {}
        }
        if let Some(bound) = self.bound.filter(|bound| !self.is_at(*bound)) {
            write!(f, ", which is {bound}")?;
        }
        f.write_str(if self.closed { ", closed)" } else { ")" })
    }
}

/// The reference's shape: `protocol`, `identifier`, `direction`,
/// `connection_rep` and, unless it is a file, `port` and `host`.
impl Serialize for ConnectionInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_address = self.protocol != Protocol::File;
        let mut map =
            serializer.serialize_struct("ConnectionInfo", if has_address { 6 } else { 4 })?;
        map.serialize_field("protocol", &self.protocol)?;
        map.serialize_field("identifier", &self.identifier)?;
        map.serialize_field("direction", &self.direction)?;
        map.serialize_field("connection_rep", &self.connection_rep())?;
        if has_address {
            map.serialize_field("port", &self.port)?;
            map.serialize_field("host", &self.host)?;
        }
        map.end()
    }
}

impl Ends {
    /// Creates the connection from `local`, the driver's own end, to `peer`.
    pub fn new(local: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            local: canonical(local),
            peer: canonical(peer),
            half_closed: false,
        }
    }

    /// Returns the same connection after one side has ended its direction. Whether the other side
    /// has closed it or still receives is not visible from here, so it counts only if that side
    /// reports it as well.
    pub fn half_closed(self) -> Self {
        Self {
            half_closed: true,
            ..self
        }
    }

    /// Returns whether one side has ended its direction.
    pub fn is_half_closed(&self) -> bool {
        self.half_closed
    }

    /// Returns the driver's own address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns the address of the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns whether `other` is the same connection seen from its other end.
    pub fn mirrors(&self, other: &Self) -> bool {
        let (local, peer) = self.plain();
        other.plain() == (peer, local)
    }

    /// Without IPv6 flow labels and scopes, which the two ends of one
    /// connection need not agree on.
    pub(crate) fn plain(&self) -> (SocketAddr, SocketAddr) {
        let plain = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
        (plain(self.local), plain(self.peer))
    }
}

/// As `127.0.0.1:50123 -> 127.0.0.1:8080`.
impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.local, self.peer)?;
        if self.half_closed {
            f.write_str(" (half-closed)")?;
        }
        Ok(())
    }
}

/// Keeps the scope of an IPv6 address: it names the interface of a link-local
/// one.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}
