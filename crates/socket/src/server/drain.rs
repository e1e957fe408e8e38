//! Room in the queues of this process's own servers.
//!
//! The system keeps connections that are not accepted yet in a queue of limited length, and does
//! not answer when it is full: the peer retries a second later. A test that makes thousands of
//! connections and accepts them afterwards would only wait for itself. So a client of this process
//! that gets no answer moves the system's queue of its server, if that is in this process too, to
//! the server's own queue, and tries again.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, Weak},
};

use standin_sync::Unpoisoned;

use super::Inner;

static SERVERS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());

fn servers() -> MutexGuard<'static, Vec<Weak<Inner>>> {
    SERVERS.lock().unpoisoned()
}

/// Remembers a server whose queue the user left to us.
pub(super) fn remember(server: Weak<Inner>) {
    let mut servers = servers();
    // Only when there is no room: looking through them for each new one would take longer and
    // longer.
    if servers.len() == servers.capacity() {
        servers.retain(|known| known.strong_count() > 0);
    }
    servers.push(server);
}

/// Moves the queue of the server at `address`, if its length was left to us; returns whether there
/// was one with a connection in it. A queue that is [kept full](super::FullQueue) stays so.
pub(crate) fn drain_backlog(address: SocketAddr) -> bool {
    let found: Vec<_> = servers()
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|server| {
            server.address.socket_addr().is_some_and(|bound| {
                // The wildcard of IPv6 usually takes IPv4, too. Addresses that may be another
                // machine's are left alone: trying again would connect there twice.
                let takes_all = bound.ip().is_unspecified()
                    && (bound.is_ipv6() || address.is_ipv4())
                    && address.ip().to_canonical().is_loopback();
                bound.port() == address.port() && (bound.ip() == address.ip() || takes_all)
            })
        })
        .collect();
    found.iter().any(|server| {
        // A busy turn lock is a thread that accepts: there is room then.
        server.accepting.try_enter().is_some_and(|mut turn| {
            let before = turn.value().len();
            let _ = server.collect(&mut turn);
            turn.value().len() > before
        })
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;
    use crate::server::Server;

    /// A server with a connection in its queue, bound to `host`.
    fn asked(host: &str) -> Option<(Server, TcpStream)> {
        let server = Server::builder().host(host).bind().ok()?;
        let port = server.port();
        let peer = TcpStream::connect(("127.0.0.1", port)).ok()?;
        Some((server, peer))
    }

    #[test]
    fn a_server_makes_room_for_those_who_connect_to_it_only() {
        let (server, _peer) = asked("0.0.0.0").expect("IPv4 is there");
        let at = |host: &str| SocketAddr::new(host.parse().expect("an address"), server.port());
        assert!(!drain_backlog(at("::1")), "it takes no IPv6");
        assert!(drain_backlog(at("127.0.0.1")));
        assert!(
            !drain_backlog(at("127.0.0.1")),
            "nobody is left in the queue"
        );
        assert!(server.accept(Duration::ZERO).is_ok(), "nobody is lost");
    }
}
