//! One type for the addresses of every kind of socket, and the lookup of hosts.

use std::{
    cmp,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

/// Where one end of a connection is: an internet address or a Unix socket's path.
///
/// An IPv4-mapped IPv6 address, as a dual-stack server sees its IPv4 peers, is treated as the IPv4
/// address: `[::ffff:127.0.0.1]:80` equals `127.0.0.1:80`.
///
/// ```
/// use standin_socket::Address;
///
/// let address = Address::from("127.0.0.1:80".parse::<std::net::SocketAddr>()?);
/// assert_eq!(address.port(), Some(80));
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// assert_eq!(Address::unix("/run/peer.sock").to_string(), "unix:/run/peer.sock");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Address {
    /// An IPv4 or IPv6 address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket. Empty when the socket has no name, as the connecting end usually
    /// has none. On Linux a name that begins with a zero byte is abstract: it belongs to the socket
    /// and is not a file.
    Unix(PathBuf),
}

impl Address {
    /// Returns the address of the Unix socket at `path`.
    pub fn unix(path: impl Into<PathBuf>) -> Address {
        Address::Unix(path.into())
    }

    /// Returns the addresses of a host, IPv4 before IPv6: of a name or an IP address, or the Unix
    /// socket named by `unix:/run/peer.sock`. Asks the system, which may take some time.
    ///
    /// # Errors
    ///
    /// Returns an error if the system knows no address of that host.
    pub fn resolve(host: &str, port: u16) -> io::Result<Vec<Address>> {
        match Address::from_unix_name(host) {
            Some(path) => Ok(vec![Address::Unix(path)]),
            None => Ok(resolve(host, port)?.into_iter().map(Address::Tcp).collect()),
        }
    }

    /// Returns the IP address and port, unless this is a Unix socket.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(canonical(*address)),
            Address::Unix(_) => None,
        }
    }

    /// Returns the IP address, unless this is a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// Returns the port, unless this is a Unix socket.
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }

    /// Returns the path of the file, if this is a Unix socket that has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path)
                if !path.as_os_str().is_empty() && abstract_name(path).is_none() =>
            {
                Some(path)
            }
            _ => None,
        }
    }

    /// The path of a Unix socket whose address is written as `unix:/run/peer.sock` or, for an
    /// abstract name, `unix:@name`.
    pub(crate) fn from_unix_name(name: &str) -> Option<PathBuf> {
        let path = name.strip_prefix("unix:")?;
        Some(match path.strip_prefix('@') {
            Some(name) => format!("\0{name}").into(),
            None => path.into(),
        })
    }

    /// What is compared.
    fn key(&self) -> Result<SocketAddr, &Path> {
        match self {
            Address::Tcp(address) => Ok(canonical(*address)),
            Address::Unix(path) => Err(path),
        }
    }
}

/// IPv4 as IPv4, however it was written.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // Its scope names the interface of a link-local address.
        IpAddr::V6(_) => address,
    }
}

/// The name of a Unix socket that has no file, without the zero byte that it begins with.
fn abstract_name(path: &Path) -> Option<&[u8]> {
    path.as_os_str().as_encoded_bytes().strip_prefix(b"\0")
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Tcp(canonical(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) if path.as_os_str().is_empty() => f.write_str("unix:(unnamed)"),
            Address::Unix(path) => match abstract_name(path) {
                Some(name) => write!(f, "unix:@{}", name.escape_ascii()),
                None => write!(f, "unix:{}", path.display()),
            },
        }
    }
}

/// Every address of `host`, IPv4 first.
///
/// Most test peers listen on IPv4 only, and both ends of a test should choose the same address,
/// whatever order the machine's resolver prefers. `localhost` is both loopback addresses on every
/// machine (RFC 6761), without a lookup.
pub(crate) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // A literal needs no lookup, which may read files or ask the network. Brackets are how URLs
    // spell IPv6 literals.
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(ip) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        let loopback = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ];
        return Ok(loopback.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let refused = match host {
        "" => Some("the host is empty"),
        _ if Address::from_unix_name(host).is_some() => {
            Some("a Unix socket has no port: a host name or an IP address is needed here")
        }
        _ => None,
    };
    if let Some(reason) = refused {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let mut addresses: Vec<SocketAddr> =
        (literal, port).to_socket_addrs()?.map(canonical).collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the host has no address",
        ));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_resolves_to_itself() {
        for (host, expected) in [
            ("127.0.0.1", "127.0.0.1:7"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
        ] {
            assert_eq!(resolve(host, 7).unwrap(), [expected.parse().unwrap()]);
        }
    }

    #[test]
    fn localhost_is_both_loopback_addresses_ipv4_first() {
        let addresses = resolve("LocalHost", 7).unwrap();
        assert_eq!(
            addresses,
            ["127.0.0.1:7".parse().unwrap(), "[::1]:7".parse().unwrap()]
        );
    }

    #[test]
    fn a_host_that_means_nothing_is_an_error() {
        for host in ["", "no such host.invalid", "a\0b"] {
            assert!(resolve(host, 7).is_err(), "{host:?}");
        }
    }
}
