//! What a connection does, seen from both of its ends.

use std::{
    thread,
    time::{Duration, Instant},
};

use standin_socket::{Client, Connection, ReceiveError, SendError, Server, StreamState};

/// Longer than anything takes; a test that needs it has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// Both ends of a connection, and the server that keeps one.
fn pair() -> (Server, Connection, Connection) {
    let server = Server::builder()
        .label("server")
        .host("127.0.0.1")
        .bind()
        .unwrap();
    let client = Client::builder()
        .label("client")
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    (server, near, far)
}

#[test]
fn is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
    check::<Server>();
    check::<Client>();
    check::<ReceiveError>();
    check::<SendError>();
}

#[test]
fn bytes_arrive_whatever_the_pieces() {
    let (_server, near, far) = pair();
    near.send(b"ab", LIMIT).unwrap();
    let receiver = thread::spawn(move || far.receive_exactly(4, LIMIT).unwrap());
    near.send(b"cd", LIMIT).unwrap();
    assert_eq!(receiver.join().unwrap(), b"abcd");
}

#[test]
fn a_receive_that_times_out_keeps_its_bytes() {
    let (_server, near, far) = pair();
    near.send(b"ab", LIMIT).unwrap();
    let error = far
        .receive_exactly(4, Duration::from_millis(30))
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.received().head(), b"ab");
    near.send(b"cd", LIMIT).unwrap();
    assert_eq!(far.receive_exactly(4, LIMIT).unwrap(), b"abcd");
}

#[test]
fn large_blocks_arrive_in_one_piece() {
    let (_server, near, far) = pair();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let sender = thread::spawn(move || near.send(&copy, LIMIT).unwrap());
    assert_eq!(far.receive_exactly(sent.len(), LIMIT).unwrap(), sent);
    assert_eq!(sender.join().unwrap(), sent.len());
}

#[test]
fn closing_ends_a_wait_in_another_thread_at_once() {
    let (_server, near, _far) = pair();
    let waiting = near.clone();
    let receiver = thread::spawn(move || waiting.receive_some(1, None));
    thread::sleep(Duration::from_millis(20));
    let started = Instant::now();
    near.close();
    let error = receiver.join().unwrap().unwrap_err();
    assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
    assert!(started.elapsed() < LIMIT / 4);
}

#[test]
fn the_peer_sees_the_end_at_once() {
    let (server, near, _far) = pair();
    server.close_connection(0).unwrap();
    let error = near.receive_some(10, LIMIT).unwrap_err();
    assert!(error.is_peer_closed(), "{error}");
    assert_eq!(near.stream_state(), StreamState::PeerClosed);
}

#[test]
fn bytes_can_be_put_back() {
    let (_server, near, far) = pair();
    near.send(b"abcd", LIMIT).unwrap();
    let taken = far.receive_some(3, LIMIT).unwrap();
    far.unread(taken);
    assert_eq!(far.receive_exactly(4, LIMIT).unwrap(), b"abcd");
}
