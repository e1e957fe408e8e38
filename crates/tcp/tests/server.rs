//! What a test sees of a `TcpServer`, with plain sockets as its peers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use standin_driver::{Driver, Lifecycle};
use standin_entity::Status;
use standin_tcp::{TcpError, TcpServer};
use test_port::TestPort;

const SOON: Duration = Duration::from_secs(60);

fn started(name: &str) -> TcpServer {
    started_at(name, 0)
}

fn started_at(name: &str, port: u16) -> TcpServer {
    let server = TcpServer::builder(name).host("127.0.0.1").port(port);
    let server = server.build().unwrap();
    server.start().unwrap();
    server
}

fn peer(server: &TcpServer) -> TcpStream {
    let peer = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    peer.set_read_timeout(Some(SOON)).unwrap();
    peer
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<TcpServer>();
    check::<standin_tcp::TcpConnection>();
    check::<TcpError>();
}

#[test]
fn knows_host_and_port_once_started_and_keeps_them() {
    let server = TcpServer::builder("server").build().unwrap();
    assert_eq!((server.host(), server.port()), (None, None));
    server.start().unwrap();
    let port = server.port().unwrap();
    assert_ne!(port, 0);
    assert_eq!(server.host().as_deref(), Some("localhost"));
    assert_eq!(server.socket().unwrap().port(), port);
    server.stop().unwrap();
    assert_eq!(server.port(), Some(port));
}

#[test]
fn localhost_can_be_reached_over_every_address_that_it_has() {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let _peer = TcpStream::connect(("localhost", server.port().unwrap())).unwrap();
    server.accept_connection(SOON).unwrap();
}

#[test]
fn a_second_server_on_the_port_of_a_first_does_not_start() {
    let claim = TestPort::claim();
    let port = claim.number();
    let first = TcpServer::builder("first").port(port).build().unwrap();
    first.start().unwrap();
    let second = TcpServer::builder("second").port(port).build().unwrap();
    let error = second.start().unwrap_err().to_string();
    assert!(error.contains("second"), "{error}");
    assert_eq!(second.status(), Status::Stopped);

    // Nor does the first, once another program has taken its port.
    let restarted = TcpServer::builder("restarted").port(port).build().unwrap();
    first.stop().unwrap();
    restarted.start().unwrap();
    restarted.stop().unwrap();
    let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    restarted.start().unwrap_err();
}

#[test]
fn counts_connections_in_the_order_of_their_arrival() {
    let server = started("server");
    let mut peers: Vec<TcpStream> = (0..3).map(|_| peer(&server)).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        let connection = server.accept_connection(SOON).unwrap();
        assert_eq!(connection.index(), index);
        peer.write_all(&[b'a' + index as u8]).unwrap();
        assert_eq!(connection.receive_exactly(1).unwrap(), [b'a' + index as u8]);
    }
    assert_eq!(server.connection(1).unwrap().index(), 1);
}

#[test]
fn uses_the_latest_connection_that_is_open() {
    let server = started("server");
    let (mut first, mut second) = (peer(&server), peer(&server));
    server.accept_connection(SOON).unwrap();
    server.accept_connection(SOON).unwrap();
    second.write_all(b"2").unwrap();
    assert_eq!(server.receive_exactly(1).unwrap(), b"2");
    server.close_connection(1).unwrap();
    assert_eq!(
        second.read(&mut [0]).unwrap(),
        0,
        "the peer sees the end at once"
    );
    first.write_all(b"1").unwrap();
    assert_eq!(server.receive_exactly(1).unwrap(), b"1");
    let error = server.close_connection(1).unwrap_err();
    let error = error.to_string();
    let mut lines = error.lines();
    let message = lines.next().unwrap();
    assert_eq!(message, "server \"server\" has no open connection 1");
    assert!(
        lines.any(|line| line.contains("server#1  closed")),
        "{error}"
    );
    // An index is not used again.
    let _third = peer(&server);
    assert_eq!(server.accept_connection(SOON).unwrap().index(), 2);
}

#[test]
fn receives_a_size_or_what_comes_first() {
    let server = started("server");
    let mut peer = peer(&server);
    server.accept_connection(SOON).unwrap();
    peer.write_all(&[7; 1500]).unwrap();
    assert_eq!(server.receive_exactly(300).unwrap().len(), 300);
    assert!((1..=1024).contains(&server.receive_some(1024).unwrap().len()));
}

#[test]
fn keeps_what_came_when_a_receive_times_out() {
    let server = started("server");
    let mut peer = peer(&server);
    let connection = server.accept_connection(SOON).unwrap();
    peer.write_all(b"half").unwrap();
    let error = connection
        .with_timeout(Duration::from_millis(50))
        .receive_exactly(8)
        .unwrap_err();
    assert!(matches!(error, TcpError::Receive(_)), "{error:?}");
    assert!(error.to_string().contains("server"), "{error}");
    peer.write_all(b" + half").unwrap();
    assert_eq!(server.receive_exactly_text(11).unwrap(), "half + half");
}

#[test]
fn text_that_does_not_decode_is_shown_and_kept() {
    let server = started("server");
    let mut peer = peer(&server);
    server.accept_connection(SOON).unwrap();
    peer.write_all("né".as_bytes()).unwrap();
    let error = server.receive_exactly_text(2).unwrap_err();
    let error = error.to_string();
    assert_eq!(
        error.lines().next().unwrap(),
        r#"driver "server" received 2 bytes that cannot be read as UTF-8: byte 1 of "n\xc3""#
    );
    assert!(error.contains(r#"<- 2 B  "n\xc3""#), "{error}");
    assert_eq!(server.receive_exactly_text(3).unwrap(), "né");
}

#[test]
fn text_that_does_not_encode_is_not_sent() {
    let server = started("server");
    let mut peer = peer(&server);
    let connection = server
        .accept_connection(SOON)
        .unwrap()
        .with_encoding("latin-1")
        .unwrap();
    let error = connection.send_text("5 €").unwrap_err();
    assert_eq!(
        error.to_string(),
        "driver \"server\" cannot send '€' in ISO-8859-1: the encoding lacks it"
    );
    assert_eq!(connection.send_text("é").unwrap(), 1);
    let mut byte = [0];
    peer.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [0xe9]);
    let error = connection.with_encoding("klingon").unwrap_err();
    assert_eq!(error.to_string(), "unknown encoding \"klingon\"");
}

#[test]
fn a_port_that_is_taken_is_told_and_can_be_had_later() {
    let claim = TestPort::claim();
    let port = claim.number();
    let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    let error = server.start().unwrap_err();
    let text = format!("{:?}", standin_entity::Error::from(error));
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("code: standin::"), "{text}");
    drop(other);
    server.start().unwrap();
    assert_eq!(server.port(), Some(port));
}

#[test]
fn restarts_on_its_port() {
    let claim = TestPort::claim();
    let port = claim.number();
    let first = started_at("server", port);
    first.stop().unwrap();
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    server.start().unwrap();
    for _ in 0..3 {
        let _peer = peer(&server);
        assert_eq!(server.accept_connection(SOON).unwrap().index(), 0);
        server.restart().unwrap();
        assert_eq!(server.port(), Some(port));
    }
}

#[test]
fn a_stop_closes_everything() {
    let port = TestPort::claim();
    let server = started_at("server", port.number());
    let mut peer = peer(&server);
    let connection = server.accept_connection(SOON).unwrap();
    server.stop().unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert!(TcpStream::connect(("127.0.0.1", server.port().unwrap())).is_err());
    assert!(connection.receive_exactly(1).is_err());
}

#[test]
fn a_drop_closes_everything() {
    let server = started("server");
    let mut peer = peer(&server);
    let connection = server.accept_connection(SOON).unwrap();
    drop(server);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert!(connection.send(b"x").is_err());
}

#[test]
fn a_stop_ends_an_accept_at_once() {
    let server = started("server");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| server.accept_connection(None));
        // Whether the stop comes before or during the wait, it ends.
        server.stop().unwrap();
        assert!(waiter.join().unwrap().is_err());
    });
}

#[test]
fn cannot_be_used_before_its_start_and_after_its_stop() {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    let check = |reason: &str| {
        let errors = [
            server.accept_connection(Duration::ZERO).unwrap_err(),
            server.send(b"x").unwrap_err(),
            server.send_text("x").unwrap_err(),
            server.receive_exactly(1).unwrap_err(),
            server.receive_exactly_text(1).unwrap_err(),
            server.close_connection(0).unwrap_err(),
            server.socket().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                error.to_string(),
                format!("driver \"server\" is not running: {reason}")
            );
        }
    };
    check("it was never started");
    server.start().unwrap();
    server.stop().unwrap();
    check("it was stopped");
}

#[test]
fn says_when_there_is_no_connection() {
    let server = started("server");
    let error = server.send(b"x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "server \"server\" has no open connection: it has accepted none yet"
    );
    assert!(matches!(
        server.accept_connection(Duration::ZERO),
        Err(TcpError::Accept(_))
    ));
}

#[test]
fn ports_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let start = |port: &str| {
        let server = TcpServer::builder("server")
            .host("127.0.0.1")
            .runpath(folder.path().join("run"))
            .port(port)
            .build()?;
        server.start()?;
        Ok::<_, standin_entity::Error>(server.port())
    };
    assert!(start("0").unwrap().is_some());
    for port in ["70000", "no-such-service", "", "-1", "80.5"] {
        let text = format!("{:?}", start(port).unwrap_err());
        assert!(text.contains("server"), "{port:?}: {text}");
        assert!(text.contains("help: "), "{port:?}: {text}");
    }
}

#[test]
fn tells_its_connections() {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    assert_eq!(server.connections()[0].port(), None);
    server.start().unwrap();
    let _peer = peer(&server);
    server.accept_connection(SOON).unwrap();
    let info = &server.connections()[0];
    assert_eq!(
        info.connection_rep(),
        format!("tcp://{}", server.port().unwrap())
    );
    assert_eq!(info.ends().len(), 1);
    let mut second = peer(&server);
    server.accept_connection(SOON).unwrap();
    second.write_all(b"unread").unwrap();
    assert_eq!(server.connections()[0].ends().len(), 2);
    drop(_peer);
    // The end of the stream travels; wait until it is there.
    let connection = server.connection(0).unwrap();
    assert!(connection.receive_some(1).unwrap_err().is_peer_closed());
    let ended: Vec<bool> = server.connections()[0]
        .ends()
        .iter()
        .map(|ends| ends.is_half_closed())
        .collect();
    assert_eq!(ended, [true, false]);
    assert_eq!(server.receive_exactly(6).unwrap(), b"unread");
}

#[test]
fn a_half_closed_peer_can_still_be_answered() {
    let server = started("server");
    let mut peer = peer(&server);
    let connection = server.accept_connection(SOON).unwrap();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(connection.receive_exactly(10).unwrap(), b"last words");
    assert!(connection.receive_some(10).unwrap_err().is_peer_closed());
    assert!(connection.receive_exactly(1).is_err());
    connection.send(b"answer").unwrap();
    connection.close();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn gets_its_files_before_it_knows_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("notes.txt");
    std::fs::write(&source, "for {{ name }}\n").unwrap();
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .runpath(folder.path().join("run"))
        .install_files([source])
        .build()
        .unwrap();
    server.start().unwrap();
    let installed = std::fs::read_to_string(folder.path().join("run/notes.txt")).unwrap();
    assert_eq!(installed, "for server\n");
}

#[test]
fn on_its_own_leaves_no_files_after_a_clean_stop() {
    let server = started("leaves nothing");
    let runpath = server.base().resource().entity().runpath().unwrap();
    assert!(runpath.is_dir());
    server.stop().unwrap();
    assert!(!runpath.exists());
    server.stop().unwrap();
    server.restart().unwrap();
    assert!(runpath.is_dir());
    drop(server);
    assert!(!runpath.exists());
}
