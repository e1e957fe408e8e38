//! Ports for tests that leave one for a moment, or need one on which nobody listens.
//!
//! A port that the system has chosen is anybody's once it is closed: the next listener
//! may get it, and so may an outgoing connection. A [`TestPort`] lies below
//! those that the system chooses from, and as long as it is held no other test gets it,
//! in whatever program.

#![allow(clippy::panic, reason = "a test without a port has failed")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Socket, Type};

/// Linux chooses from 32768 on, and others from higher, unless configured otherwise.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// A TCP port on which nobody is, and which no other test is given while this value lives.
#[derive(Debug)]
pub struct TestPort {
    number: u16,
    // The ports of UDP are others than those of TCP, and the system lets one socket have each.
    _claim: UdpSocket,
}

impl TestPort {
    /// Finds one.
    ///
    /// # Panics
    /// If all are taken.
    #[must_use]
    pub fn claim() -> TestPort {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Programs begin at different places, so that they seldom look at the same ports.
        let begin = std::process::id().wrapping_mul(101);
        for _ in 0..COUNT {
            let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let place = u16::try_from(place % u32::from(COUNT)).unwrap_or(0);
            let number = FIRST + place;
            if let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))
                && is_free(number)
            {
                return TestPort {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("all ports from {FIRST} on are taken");
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Whether nothing has this port at any address, not even a connection that has ended and
/// is remembered for a minute.
fn is_free(port: u16) -> bool {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let bind = |address: SocketAddr| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())
    };
    let is_taken =
        |address| bind(address).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    !is_taken(v4) && !is_taken(v6)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream};

    use super::TestPort;

    #[test]
    fn belongs_to_one_holder() {
        let ports: Vec<TestPort> = (0..100).map(|_| TestPort::claim()).collect();
        let numbers: HashSet<u16> = ports.iter().map(TestPort::number).collect();
        assert_eq!(numbers.len(), ports.len());
    }

    #[test]
    fn is_none_that_a_listener_or_an_ended_connection_has() {
        let port = TestPort::claim();
        let listener = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
        assert!(!super::is_free(port.number()));
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        drop(listener.accept().unwrap());
        drop(listener);
        drop(near);
        assert!(!super::is_free(port.number()));
    }
}
