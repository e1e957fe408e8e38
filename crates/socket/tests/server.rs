//! What a server does: listening, accepting, counting, closing.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use common::{LIMIT, SHORT, promptly};
use standin_socket::{AcceptError, Address, BindError, Client, CloseError, Server};
use test_port::TestPort;

fn server() -> Server {
    Server::builder()
        .label("server")
        .host("127.0.0.1")
        .bind()
        .unwrap()
}

fn plain(server: &Server) -> TcpStream {
    TcpStream::connect(server.local_socket_addr().unwrap()).unwrap()
}

#[test]
fn listens_before_anybody_accepts() {
    let server = server();
    let mut peer = plain(&server);
    peer.write_all(b"early").unwrap();
    assert_eq!(
        server
            .accept(LIMIT)
            .unwrap()
            .receive_exactly(5, LIMIT)
            .unwrap(),
        b"early"
    );
}

#[test]
fn localhost_is_where_everybody_looks() {
    let server = Server::builder().bind().unwrap();
    assert_eq!(server.host(), "localhost");
    TcpStream::connect(("localhost", server.port())).unwrap();
    TcpStream::connect(("127.0.0.1", server.port())).unwrap();
}

#[test]
fn ipv6_works_where_the_machine_has_it() {
    let server = match Server::builder().host("::1").bind() {
        Ok(server) => server,
        Err(error) => {
            assert_eq!(error.attempts().len(), 1, "{error}");
            return;
        }
    };
    let connection = Client::builder()
        .host("::1")
        .port(server.port())
        .build()
        .connect(LIMIT)
        .unwrap();
    assert_eq!(connection.peer_address(), server.local_address());
    // A client of the name finds the server wherever the name leads.
    assert!(
        Client::builder()
            .host("localhost")
            .port(server.port())
            .build()
            .connect(LIMIT)
            .is_ok()
    );
}

#[test]
fn accepts_in_the_order_of_arrival_and_counts_from_zero() {
    let server = server();
    let peers: Vec<_> = (0..5).map(|_| plain(&server)).collect();
    assert_eq!(server.pending(), 5);
    for (index, peer) in peers.iter().enumerate() {
        let connection = server.accept(Duration::ZERO).unwrap();
        assert_eq!(connection.index(), index);
        assert_eq!(
            connection.peer_address(),
            &Address::from(peer.local_addr().unwrap())
        );
    }
    assert_eq!(
        (server.pending(), server.accepted(), server.active()),
        (0, 5, 5)
    );
}

#[test]
fn an_index_is_never_used_again() {
    let server = server();
    let _peers: Vec<_> = (0..3).map(|_| plain(&server)).collect();
    server.accept(LIMIT).unwrap();
    server.accept(LIMIT).unwrap();
    server.close_connection(1).unwrap();
    server.close_connection(0).unwrap();
    assert!(server.latest().is_none());
    assert_eq!(server.accept(LIMIT).unwrap().index(), 2);
    assert!(matches!(
        server.close_connection(1),
        Err(CloseError::NotActive { index: 1, .. })
    ));
    assert!(matches!(
        server.close_connection(3),
        Err(CloseError::Unknown {
            index: 3,
            accepted: 3,
            ..
        })
    ));
    assert_eq!((server.accepted(), server.active()), (3, 1));
}

#[test]
fn finds_connections_by_index_by_peer_and_latest() {
    let server = server();
    let first = plain(&server);
    let _second = plain(&server);
    server.accept(LIMIT).unwrap();
    server.accept(LIMIT).unwrap();
    assert_eq!(server.latest().unwrap().index(), 1);
    server.latest().unwrap().close();
    assert_eq!(server.latest().unwrap().index(), 0);
    assert!(server.connection(1).is_none());
    assert_eq!(server.connection(0).unwrap().index(), 0);
    assert_eq!(
        server
            .connection_from(&first.local_addr().unwrap().into())
            .unwrap()
            .index(),
        0
    );
    assert_eq!(server.connections().len(), 1);
}

#[test]
fn an_accept_that_times_out_uses_no_index() {
    let server = server();
    for timeout in [Duration::ZERO, SHORT] {
        let error = promptly(|| server.accept(timeout)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(
            error
                .to_string()
                .contains("server \"server\" (at 127.0.0.1:"),
            "{error}"
        );
    }
    let _peer = plain(&server);
    assert_eq!(server.accept(LIMIT).unwrap().index(), 0);
}

#[test]
fn a_peer_that_has_closed_already_is_accepted() {
    let server = server();
    let mut peer = plain(&server);
    peer.write_all(b"bye").unwrap();
    drop(peer);
    let connection = server.accept(LIMIT).unwrap();
    assert_eq!(connection.receive_to_end(LIMIT).unwrap(), b"bye");
}

#[test]
fn an_accept_waits_for_a_peer() {
    let server = server();
    let waiting = server.clone();
    let waiting = thread::spawn(move || waiting.accept(LIMIT).unwrap().index());
    thread::sleep(SHORT);
    let _peer = plain(&server);
    assert_eq!(waiting.join().unwrap(), 0);
}

#[test]
fn closing_ends_every_accept_and_every_receive_at_once() {
    let server = server();
    let _peer = plain(&server);
    let connection = server.accept(LIMIT).unwrap();
    let receiving = thread::spawn(move || connection.receive_some(1, None).unwrap_err());
    let accepting: Vec<_> = (0..3)
        .map(|_| {
            let server = server.clone();
            thread::spawn(move || server.accept(None).unwrap_err())
        })
        .collect();
    thread::sleep(SHORT);
    promptly(|| {
        server.close();
        for accepting in accepting {
            assert!(matches!(
                accepting.join().unwrap(),
                AcceptError::Closed { .. }
            ));
        }
        receiving.join().unwrap();
    });
    assert!(matches!(
        server.accept(None),
        Err(AcceptError::Closed { .. })
    ));
}

#[test]
fn aborting_says_so() {
    let server = server();
    let waiting = server.clone();
    let waiting = thread::spawn(move || waiting.accept(None).unwrap_err());
    thread::sleep(SHORT);
    promptly(|| server.abort());
    assert!(matches!(
        waiting.join().unwrap(),
        AcceptError::Aborted { .. }
    ));
    server.close();
    assert!(matches!(
        server.accept(None),
        Err(AcceptError::Aborted { .. })
    ));
}

#[test]
fn after_closing_a_connect_is_refused_and_the_port_is_free() {
    let port = TestPort::claim();
    let server = Server::builder()
        .host("127.0.0.1")
        .port(port.number())
        .bind()
        .unwrap();
    let address = server.local_socket_addr().unwrap();
    let clone = server.try_clone_listener().unwrap();
    let mut accepted = plain(&server);
    server.accept(LIMIT).unwrap();
    let mut pending = plain(&server);
    server.close();
    server.close();
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    assert!(pending.read(&mut [0]).is_err());
    // A clone of the listener does not keep it open.
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    drop(clone);
    let again = Server::builder()
        .host("127.0.0.1")
        .port(address.port())
        .bind()
        .unwrap();
    assert_eq!(again.port(), address.port());
    assert_eq!(server.port(), address.port());
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let server = server();
    let error = Server::builder()
        .label("second")
        .host("127.0.0.1")
        .port(server.port())
        .bind()
        .unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&format!(
        "server \"second\": cannot bind 127.0.0.1:{}",
        server.port()
    )));
    assert_eq!(
        error.io_error().unwrap().kind(),
        std::io::ErrorKind::AddrInUse
    );
}

#[test]
fn a_host_elsewhere_is_an_error() {
    let error = Server::builder().host("203.0.113.1").bind().unwrap_err();
    assert!(matches!(error, BindError::Io { .. }), "{error}");
    assert_eq!(
        error.io_error().unwrap().kind(),
        std::io::ErrorKind::AddrNotAvailable
    );
    let error = Server::builder()
        .host("no-such-host.invalid")
        .bind()
        .unwrap_err();
    assert!(matches!(error, BindError::Resolve { .. }), "{error}");
}

#[test]
fn a_bound_listener_can_be_taken_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder().listener(listener).bind().unwrap();
    assert_eq!(server.local_socket_addr(), Some(address));
    assert_eq!(server.host(), "127.0.0.1");
    let _peer = plain(&server);
    server.accept(LIMIT).unwrap();
}

#[test]
fn a_server_on_every_interface_knows_which_one_a_peer_came_by() {
    let server = Server::builder().host("0.0.0.0").bind().unwrap();
    let _peer = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let connection = server.accept(LIMIT).unwrap();
    assert_eq!(
        connection.local_address().to_string(),
        format!("127.0.0.1:{}", server.port())
    );
}

#[test]
fn unix_sockets_hold_the_same_conversations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer.sock");
    let server = Server::builder()
        .label("server")
        .unix(&path)
        .bind()
        .unwrap();
    assert_eq!(server.local_address().path(), Some(path.as_path()));
    let client = Client::builder().unix(&path).build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    near.send(&[1; 100_000], LIMIT).unwrap();
    assert_eq!(far.receive_exactly(100_000, LIMIT).unwrap(), [1; 100_000]);
    assert!(near.reset().is_err());
    far.close();
    assert!(near.receive_some(1, LIMIT).unwrap_err().is_peer_closed());

    let error = Server::builder().unix(&path).bind().unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    server.close();
    assert!(!path.exists());
    assert!(UnixStream::connect(&path).is_err());
    assert!(client.connect(LIMIT).is_err());
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer.sock");
    drop(Server::builder().unix(&path).bind().unwrap());
    assert!(!path.exists());
    let port = TestPort::claim();
    let server = Server::builder().port(port.number()).bind().unwrap();
    let address = server.local_socket_addr().unwrap();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_burst_beyond_the_queue_does_not_stall() {
    let server = server();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let near: Vec<_> = (0..5000)
        .map(|_| promptly(|| client.connect(LIMIT)).unwrap())
        .collect();
    drop(near);
    for index in 0..5000 {
        assert_eq!(server.accept(LIMIT).unwrap().index(), index);
    }
}
