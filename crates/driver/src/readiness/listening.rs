//! Whether anybody listens on a port, without a connection: a server for one
//! client would take it for that client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Whether this machine has the address.
pub(super) fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether a connection to the address would be accepted; `None` if the system
/// does not say.
pub(super) fn listens(address: SocketAddr) -> Option<bool> {
    let wanted = address.ip().to_canonical();
    let mut is_unknown = false;
    for local in standin_connection::listening_addresses().ok()? {
        if local.port() != address.port() {
            continue;
        }
        let listening = local.ip().to_canonical();
        if listening == wanted {
            return Some(true);
        }
        match (listening, wanted) {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(_))
            | (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(_)) => return Some(true),
            // Whether it takes both kinds is not in the table.
            (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(_)) => is_unknown = true,
            _ => {}
        }
    }
    (!is_unknown).then_some(false)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn knows_who_listens_without_a_connection() {
        let port = test_port::TestPort::claim();
        let listener = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(listens(address), Some(true));
        listener.set_nonblocking(true).unwrap();
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        assert_eq!(
            listens(SocketAddr::from(([127, 0, 0, 2], port))),
            Some(true)
        );
        drop(listener);
        assert_eq!(listens(address), Some(false));
    }

    #[test]
    fn knows_the_addresses_of_this_machine() {
        assert!(is_local(IpAddr::from([127, 0, 0, 1])));
        // For documentation only.
        assert!(!is_local(IpAddr::from([192, 0, 2, 1])));
    }
}
