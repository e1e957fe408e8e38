//! What a connection does, seen from both of its ends.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{io::Write as _, net::Shutdown, thread, time::Duration};

use common::{LIMIT, SHORT, pair, plain_pair, promptly};
use standin_socket::{Client, Connection, ReceiveError, SendError, Server, StreamState};

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
fn both_ends_know_each_other() {
    let (near, far, server) = pair();
    assert_eq!(near.local_address(), far.peer_address());
    assert_eq!(near.peer_address(), far.local_address());
    assert_eq!(server.local_address(), far.local_address());
    far.close();
    assert_eq!(near.local_address(), far.peer_address());
}

#[test]
fn closing_ends_every_wait_in_other_threads_at_once() {
    let (near, _far, _server) = pair();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let near = near.clone();
            thread::spawn(move || near.receive_some(1, None))
        })
        .collect();
    thread::sleep(SHORT);
    promptly(|| {
        near.close();
        for waiting in waiting {
            let error = waiting.join().unwrap().unwrap_err();
            assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
            assert_eq!(error.stream_state(), StreamState::Closed);
        }
    });
}

#[test]
fn aborting_ends_a_wait_and_says_so() {
    let (near, _far, _server) = pair();
    let waiting = near.clone();
    let waiting = thread::spawn(move || waiting.receive_exactly(100_000, None));
    thread::sleep(SHORT);
    promptly(|| near.abort());
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, ReceiveError::Aborted(_)), "{error}");
    let error = near.send(b"x", LIMIT).unwrap_err();
    assert!(matches!(error, SendError::Aborted(_)), "{error}");
}

#[test]
fn closing_ends_a_send_that_nobody_reads() {
    let (near, far, _server) = pair();
    let sending = near.clone();
    let sending = thread::spawn(move || sending.send(&vec![0; 50_000_000], None));
    far.peek(1, LIMIT).unwrap();
    promptly(|| near.close());
    let error = sending.join().unwrap().unwrap_err();
    assert!(matches!(error, SendError::Closed(_)), "{error}");
    assert!(error.sent() > 0 && error.sent() < 50_000_000);
}

#[test]
fn closing_twice_is_closing_once() {
    let (near, far, _server) = pair();
    near.close();
    near.close();
    near.abort();
    assert_eq!(near.stream_state(), StreamState::Closed);
    assert!(far.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
}

#[test]
fn the_peer_sees_the_end_at_once_even_when_somebody_waits_here() {
    let (near, far, _server) = pair();
    let waiting = far.clone();
    let waiting = thread::spawn(move || waiting.receive_some(1, None));
    thread::sleep(SHORT);
    far.close();
    assert!(
        promptly(|| near.receive_some(1, LIMIT))
            .unwrap_err()
            .is_peer_closed()
    );
    assert_eq!(near.stream_state(), StreamState::PeerClosed);
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn the_two_directions_do_not_wait_for_each_other() {
    let (near, far, _server) = pair();
    let waiting = near.clone();
    let waiting = thread::spawn(move || waiting.receive_exactly(2, LIMIT).unwrap());
    thread::sleep(SHORT);
    promptly(|| near.send(b"to you", LIMIT)).unwrap();
    assert_eq!(far.receive_exactly(6, LIMIT).unwrap(), b"to you");
    far.send(b"me", LIMIT).unwrap();
    assert_eq!(waiting.join().unwrap(), b"me");
}

#[test]
fn a_second_receiver_waits_no_longer_than_it_may() {
    let (near, far, _server) = pair();
    let first = near.clone();
    let first = thread::spawn(move || first.receive_exactly(4, LIMIT).unwrap());
    thread::sleep(SHORT);
    assert!(
        promptly(|| near.receive_some(1, SHORT))
            .unwrap_err()
            .is_timeout()
    );
    assert!(
        promptly(|| near.receive_some(1, Duration::ZERO))
            .unwrap_err()
            .is_timeout()
    );
    far.send(b"abcdef", LIMIT).unwrap();
    assert_eq!(first.join().unwrap(), b"abcd");
    assert_eq!(near.receive_some(10, LIMIT).unwrap(), b"ef");
}

#[test]
fn after_a_half_close_the_other_direction_works() {
    let (connection, mut plain, _server) = plain_pair();
    plain.write_all(b"xy").unwrap();
    plain.shutdown(Shutdown::Write).unwrap();
    assert_eq!(connection.receive_exactly(2, LIMIT).unwrap(), b"xy");
    assert!(
        connection
            .receive_exactly(1, LIMIT)
            .unwrap_err()
            .is_peer_closed()
    );
    assert_eq!(connection.send(b"ok", LIMIT).unwrap(), 2);
    let mut answer = [0; 2];
    std::io::Read::read_exact(&mut plain, &mut answer).unwrap();
    assert_eq!(&answer, b"ok");
}

#[test]
fn a_send_that_fits_needs_no_time_and_one_that_does_not_says_how_much_went() {
    let (near, _far, _server) = pair();
    assert_eq!(near.send(b"x", Duration::ZERO).unwrap(), 1);
    let error = promptly(|| near.send(&vec![0; 50_000_000], Duration::ZERO)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let sent = error.sent();
    assert!(sent > 0);
    assert!(
        near.send(&vec![0; 50_000_000], SHORT)
            .unwrap_err()
            .is_timeout()
    );
}

#[test]
fn what_was_reported_sent_is_what_arrives() {
    let (near, far, _server) = pair();
    let sent = near.send(&vec![7; 50_000_000], SHORT).unwrap_err().sent();
    near.close();
    assert_eq!(far.receive_to_end(LIMIT).unwrap().len(), sent);
}

#[test]
fn sending_to_a_peer_that_is_gone_fails_at_the_latest_the_second_time() {
    let (connection, plain, _server) = plain_pair();
    drop(plain);
    let failure = (0..1000).find_map(|_| {
        thread::sleep(Duration::from_millis(1));
        connection.send(b"x", LIMIT).err()
    });
    let failure = failure.unwrap();
    assert!(
        matches!(failure, SendError::PeerClosed(_) | SendError::Reset(_)),
        "{failure}"
    );
}

#[test]
fn every_error_names_who_and_where() {
    let (near, far, _server) = pair();
    far.send(b"hi\n", LIMIT).unwrap();
    let error = near.receive_exactly(5, Duration::ZERO).unwrap_err();
    let text = error.to_string();
    for part in [
        "client \"client\", connection 0",
        &near.local_address().to_string(),
        &near.peer_address().to_string(),
        "timed out at once",
        "exactly 5 bytes",
        "received 3 bytes",
        "the stream is open",
        "68 69 0a",
        "|hi.|",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    use miette::Diagnostic as _;
    assert_eq!(
        error.code().unwrap().to_string(),
        "standin::socket::receive_timed_out"
    );
    assert!(error.help().is_some());
}

#[test]
fn a_plain_stream_can_be_taken_over() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let connection = Connection::from_stream(stream).unwrap();
    peer.write_all(b"hello").unwrap();
    assert_eq!(connection.receive_exactly(5, LIMIT).unwrap(), b"hello");
}

#[test]
fn a_dropped_connection_of_a_client_is_closed() {
    let (near, far, server) = pair();
    drop(near);
    assert!(far.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
    drop(far);
    // The server's stay until they are closed: a test may come back to them by index.
    assert_eq!(server.active(), 1);
}
