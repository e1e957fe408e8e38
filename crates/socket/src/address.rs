//! One type for the addresses of every kind of socket, and the lookup of hosts.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

/// Where one end of a connection is: an internet address or a Unix socket's path.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// An IPv4 or IPv6 address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket. Empty when the socket has no name, as the connecting end usually has none.
    Unix(PathBuf),
}

impl Address {
    /// The address of the Unix socket at `path`.
    pub fn unix(path: impl Into<PathBuf>) -> Address {
        Address::Unix(path.into())
    }

    /// The IP address and port, unless this is a Unix socket.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The IP address, unless this is a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.socket_addr().map(|address| address.ip())
    }

    /// The port, unless this is a Unix socket.
    pub fn port(&self) -> Option<u16> {
        self.socket_addr().map(|address| address.port())
    }

    /// The path, if this is a Unix socket that has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path) if !path.as_os_str().is_empty() => Some(path),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) if path.as_os_str().is_empty() => f.write_str("unix:(unnamed)"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Every address that `host` stands for, IPv4 first.
///
/// Most test peers listen on IPv4 only, and both ends of a test should come to the same answer, whatever order the
/// machine's resolver prefers. `localhost` is both loopback addresses on every machine (RFC 6761), without a lookup.
pub(crate) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // A literal needs no lookup, which may read files or ask the network. Brackets are how URLs spell IPv6 literals.
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
    if host.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the host is empty",
        ));
    }
    let mut addresses: Vec<SocketAddr> = (literal, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
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
