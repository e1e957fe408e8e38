//! Every misbehaviour, proved by what a plain socket at the other end sees.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use common::{LIMIT, SHORT, plain_pair, promptly, uninterrupted};
use standin_socket::{Client, ControlError, ReceiveError, Server};

#[test]
fn a_reset_reaches_a_peer_that_waits() {
    let (connection, mut plain, _server) = plain_pair();
    let waiting = thread::spawn(move || uninterrupted(|| plain.read(&mut [0])));
    thread::sleep(SHORT);
    connection.reset().unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!connection.is_open());
    assert!(connection.reset().is_err());
}

#[test]
fn a_peer_can_die_in_the_middle_of_listening() {
    let (connection, mut plain, _server) = plain_pair();
    plain.write_all(b"hello").unwrap();
    assert_eq!(connection.reset_after_receiving(3, LIMIT).unwrap(), b"hel");
    assert_eq!(
        plain.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn a_peer_can_die_in_the_middle_of_talking() {
    let (connection, mut plain, _server) = plain_pair();
    assert_eq!(
        connection.reset_after_sending(b"hello", 3, LIMIT).unwrap(),
        3
    );
    let mut received = Vec::new();
    let error = plain.read_to_end(&mut received).unwrap_err();
    assert_eq!(
        (error.kind(), received.as_slice()),
        (ErrorKind::ConnectionReset, &b"hel"[..])
    );
}

#[test]
fn a_half_close_is_the_end_for_the_peer_and_not_for_us() {
    let (connection, mut plain, _server) = plain_pair();
    connection.send(b"last words", LIMIT).unwrap();
    connection.shutdown_write().unwrap();
    let mut received = Vec::new();
    plain.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"last words");
    plain.write_all(b"answer").unwrap();
    assert_eq!(connection.receive_exactly(6, LIMIT).unwrap(), b"answer");
    assert!(connection.send(b"x", LIMIT).is_err());
}

#[test]
fn shutting_down_the_receiving_half_ends_receives_here() {
    let (connection, _plain, _server) = plain_pair();
    let waiting = connection.clone();
    let waiting = thread::spawn(move || waiting.receive_some(1, None));
    thread::sleep(SHORT);
    connection.shutdown_read().unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, ReceiveError::ShutDown(_)), "{error}");
}

#[test]
fn a_peer_that_stops_reading_stalls_the_writer() {
    let server = Server::builder()
        .host("127.0.0.1")
        .receive_buffer(4096)
        .bind()
        .unwrap();
    let mut plain = TcpStream::connect(server.local_socket_addr().unwrap()).unwrap();
    let connection = server.accept(LIMIT).unwrap();
    connection.stop_reading().unwrap();
    plain.set_write_timeout(Some(SHORT)).unwrap();
    let mut written = 0;
    let error = loop {
        match uninterrupted(|| plain.write(&[0; 65536])) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    // Nothing is lost: what the writer wrote can be read, at the pace of the small buffer.
    assert_eq!(
        connection
            .receive_exactly(10_000.min(written), LIMIT)
            .unwrap()
            .len(),
        10_000.min(written)
    );
}

#[test]
fn what_is_sent_in_pieces_comes_piece_by_piece() {
    let (connection, mut plain, _server) = plain_pair();
    let started = Instant::now();
    let sending = thread::spawn(move || {
        connection
            .send_in_pieces(b"abcdef", 2, Duration::from_millis(20), LIMIT)
            .unwrap()
    });
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 16];
    while pieces.concat().len() < 6 {
        let count = uninterrupted(|| plain.read(&mut buffer)).unwrap();
        pieces.push(buffer[..count].to_vec());
    }
    assert_eq!(pieces.concat(), b"abcdef");
    assert!(started.elapsed() >= Duration::from_millis(40));
    assert_eq!(sending.join().unwrap(), 6);
}

#[test]
fn sending_in_pieces_stops_when_the_time_is_up_or_the_connection_closes() {
    let (connection, mut plain, _server) = plain_pair();
    let error = promptly(|| connection.send_in_pieces(b"abcdef", 1, LIMIT, SHORT)).unwrap_err();
    assert!(error.is_timeout() && error.sent() == 1, "{error}");
    let dribbling = connection.clone();
    let dribbling = thread::spawn(move || {
        dribbling
            .send_in_pieces(b"abcdef", 1, LIMIT, None)
            .unwrap_err()
    });
    plain.read_exact(&mut [0; 2]).unwrap();
    promptly(|| connection.close());
    assert_eq!(dribbling.join().unwrap().sent(), 1);
}

#[test]
fn a_delay_holds_back_what_is_sent() {
    let (connection, mut plain, _server) = plain_pair();
    let started = Instant::now();
    connection.send_delayed(b"late", SHORT, LIMIT).unwrap();
    plain.read_exact(&mut [0; 4]).unwrap();
    assert!(started.elapsed() >= SHORT);
}

#[test]
fn a_pause_that_the_clock_cannot_count_does_not_end() {
    let (connection, mut plain, _server) = plain_pair();
    let never = Duration::MAX;
    let error = promptly(|| connection.send_delayed(b"late", never, SHORT)).unwrap_err();
    assert!(error.is_timeout() && error.sent() == 0, "{error}");
    let error = promptly(|| connection.send_in_pieces(b"abc", 2, never, SHORT)).unwrap_err();
    assert!(error.is_timeout() && error.sent() == 2, "{error}");
    let waiting = connection.clone();
    let waiting = thread::spawn(move || waiting.send_in_pieces(b"de", 1, never, None).unwrap_err());
    let mut received = [0; 3];
    plain.read_exact(&mut received).unwrap();
    promptly(|| connection.close());
    assert_eq!(waiting.join().unwrap().sent(), 1);
    assert_eq!(&received, b"abd");
}

#[test]
fn a_server_that_refuses_keeps_its_port_and_its_connections() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let address = server.local_socket_addr().unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    let connection = server.accept(LIMIT).unwrap();
    let mut pending = TcpStream::connect(address).unwrap();

    let waiting = server.clone();
    let waiting = thread::spawn(move || waiting.accept(LIMIT).map(|connection| connection.index()));
    // The one that was pending may be accepted first; nobody else is until the server comes back.
    let first = waiting.join().unwrap().unwrap();
    assert_eq!(first, 1);

    let waiting = server.clone();
    let waiting = thread::spawn(move || waiting.accept(LIMIT).map(|connection| connection.index()));
    thread::sleep(SHORT);
    promptly(|| server.refuse()).unwrap();
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
    assert!(
        TcpListener::bind(address).is_err(),
        "the port was given away"
    );
    connection.send(b"still here", LIMIT).unwrap();
    peer.read_exact(&mut [0; 10]).unwrap();
    server.connection(1).unwrap().send(b"too", LIMIT).unwrap();
    pending.read_exact(&mut [0; 3]).unwrap();

    server.come_back().unwrap();
    server.come_back().unwrap();
    let _later = TcpStream::connect(address).unwrap();
    assert_eq!(waiting.join().unwrap().unwrap(), 2);
}

#[test]
fn a_server_that_refuses_drops_those_who_wait() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let mut pending = TcpStream::connect(server.local_socket_addr().unwrap()).unwrap();
    pending.set_read_timeout(Some(LIMIT)).unwrap();
    server.refuse().unwrap();
    assert!(!matches!(pending.read(&mut [0]), Ok(1..)));
    assert_eq!(server.pending(), 0);
    server.close();
    assert!(server.refuse().is_err() && server.come_back().is_err());
}

#[test]
fn a_server_goes_away_and_comes_back_on_the_same_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for server in [
        Server::builder().host("127.0.0.1").bind().unwrap(),
        Server::builder().listener(listener).bind().unwrap(),
    ] {
        let address = server.local_socket_addr().unwrap();
        for round in 0..3 {
            let mut peer = TcpStream::connect(address).unwrap();
            assert_eq!(server.accept(LIMIT).unwrap().index(), round);
            server.go_away().unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
            assert_eq!(
                TcpStream::connect(address).unwrap_err().kind(),
                ErrorKind::ConnectionRefused
            );
            assert!(server.accept(SHORT).unwrap_err().is_timeout());
            server.come_back().unwrap();
            assert_eq!(server.local_socket_addr(), Some(address));
        }
    }
}

#[test]
fn a_unix_server_goes_away_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer.sock");
    let server = Server::builder().unix(&path).bind().unwrap();
    let waiting = server.clone();
    let waiting = thread::spawn(move || waiting.accept(LIMIT).unwrap().index());
    thread::sleep(SHORT);
    promptly(|| server.go_away()).unwrap();
    let client = Client::builder()
        .unix(&path)
        .retry_until_deadline(true)
        .build();
    assert!(client.connect(SHORT).unwrap_err().is_timeout());
    server.come_back().unwrap();
    client.connect(LIMIT).unwrap();
    assert_eq!(waiting.join().unwrap(), 0);
}

#[test]
fn a_full_queue_leaves_a_connect_without_an_answer() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let address = server.local_socket_addr().unwrap();
    let _early = TcpStream::connect(address).unwrap();
    let full = server.fill_queue().unwrap();
    let error = TcpStream::connect_timeout(&address, Duration::from_millis(200)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    assert!(client.connect(SHORT).unwrap_err().is_timeout());
    assert_eq!(server.accept(LIMIT).unwrap().index(), 0);
    drop(full);
    client.connect(LIMIT).unwrap();
    // Nobody but real peers is ever accepted.
    assert_eq!(
        server.accept(LIMIT).unwrap().peer_address(),
        client.connection().unwrap().local_address()
    );
    assert_eq!((server.pending(), server.accepted()), (0, 2));
}

/// Whether a connect is left without an answer, as by a full queue.
fn hangs(server: &Server) -> bool {
    let address = server.local_socket_addr().unwrap();
    match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            true
        }
    }
}

#[test]
fn a_full_queue_stays_full_whoever_looks() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let full = server.fill_queue().unwrap();
    assert_eq!(server.pending(), 0);
    assert!(hangs(&server));
    assert!(server.accept(Duration::ZERO).unwrap_err().is_timeout());
    assert!(server.accept(SHORT).unwrap_err().is_timeout());
    assert!(hangs(&server));
    let _ = format!("{server:?} {full:?}");
    assert!(hangs(&server));

    // Also when another thread fills it, and stops.
    drop(server.fill_queue().unwrap());
    assert_eq!(server.pending(), 0);
    assert!(hangs(&server));
    drop(full);
    assert!(!hangs(&server));
}

#[test]
fn a_queue_that_is_short_on_purpose_stays_so_after_it_was_filled() {
    let server = Server::builder()
        .host("127.0.0.1")
        .backlog(1)
        .bind()
        .unwrap();
    drop(server.fill_queue().unwrap());
    // Who gave up is in the queue anyway.
    let waiting = (0..100).position(|_| hangs(&server));
    assert!(waiting.is_some(), "the queue is never full");
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    assert!(client.connect(SHORT * 4).unwrap_err().is_timeout());
}

#[test]
fn a_queue_is_full_although_a_thread_waits_in_an_accept() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let waiting = thread::spawn({
        let server = server.clone();
        move || server.accept(None).map(|connection| connection.index())
    });
    thread::sleep(SHORT);
    let full = server.fill_queue().unwrap();
    assert!(hangs(&server));
    assert!(!waiting.is_finished());
    drop(full);
    let _peer = TcpStream::connect(server.local_socket_addr().unwrap()).unwrap();
    assert_eq!(promptly(|| waiting.join().unwrap()).unwrap(), 0);
}

#[test]
fn a_full_queue_does_not_keep_an_accept_from_ending() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let _full = server.fill_queue().unwrap();
    let waiting = thread::spawn({
        let server = server.clone();
        move || server.accept(None).map(|connection| connection.index())
    });
    thread::sleep(SHORT);
    server.close();
    promptly(|| waiting.join().unwrap()).unwrap_err();
}

#[test]
fn a_server_that_comes_back_to_a_full_queue_fills_it_again() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let full = server.fill_queue().unwrap();
    server.go_away().unwrap();
    TcpStream::connect(server.local_socket_addr().unwrap()).unwrap_err();
    server.come_back().unwrap();
    assert!(hangs(&server));
    drop(full);
    assert!(!hangs(&server));
    assert!(server.accept(LIMIT).is_ok());
}

#[test]
fn what_cannot_be_done_says_who_cannot_and_why() {
    let (connection, _plain, server) = plain_pair();
    connection.close();
    server.go_away().unwrap();
    let away = server.fill_queue().unwrap_err();
    assert!(matches!(away, ControlError::Io { .. }), "{away}");
    server.close();
    let at = format!("server \"server\" (at {}): cannot", server.local_address());
    for (error, text) in [
        (
            server.refuse().unwrap_err(),
            format!("{at} refuse connections: it is closed"),
        ),
        (
            server.go_away().unwrap_err(),
            format!("{at} refuse connections: it is closed"),
        ),
        (
            server.come_back().unwrap_err(),
            format!("{at} come back: it is closed"),
        ),
        (
            server.fill_queue().unwrap_err(),
            format!("{at} fill its queue: it is closed"),
        ),
        (
            server.try_clone_listener().unwrap_err(),
            format!("{at} hand out its listener: it is closed"),
        ),
        (
            connection.reset().unwrap_err(),
            "cannot reset: it is closed".to_owned(),
        ),
        (
            connection.stop_reading().unwrap_err(),
            "cannot stop reading: it is closed".to_owned(),
        ),
        (
            connection.shutdown_write().unwrap_err(),
            "cannot shut down sending: it is closed".to_owned(),
        ),
        (
            connection.shutdown_read().unwrap_err(),
            "cannot shut down receiving: it is closed".to_owned(),
        ),
    ] {
        assert!(matches!(error, ControlError::Closed { .. }), "{error}");
        assert!(error.to_string().contains(&text), "{error}");
        assert_eq!(error.party().label.as_deref(), Some("server"));
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Server::builder().unix(&path).bind().unwrap();
    let peer = Client::builder()
        .unix(&path)
        .build()
        .connect(LIMIT)
        .unwrap();
    for error in [
        server.fill_queue().unwrap_err(),
        server.try_clone_listener().unwrap_err(),
        peer.reset().unwrap_err(),
    ] {
        assert!(matches!(error, ControlError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains("socket"), "{error}");
    }
}
