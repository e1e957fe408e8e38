//! No byte is lost, whatever came before, and an end is only what is one.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::{LIMIT, SHORT, pair, plain_pair, promptly, unix_pair};
use standin_socket::{
    Connection, ReceiveError, SendError, StreamState,
    framing::{Found, FrameError, Framing},
};

/// A receive that may collect no more says so each time, and the stream continues.
#[track_caller]
fn stays_open_beyond_its_limit(
    receive: impl Fn(&Connection) -> Result<Vec<u8>, ReceiveError>,
    name: &str,
) {
    for (near, far, _server) in [pair(), unix_pair()] {
        far.set_receive_limit(10);
        near.send(b"0123456789abcdef", LIMIT).unwrap();
        for round in 0..3 {
            let error = receive(&far).unwrap_err();
            assert!(
                matches!(error, ReceiveError::Limit(_)),
                "{name}, {round}: {error}"
            );
        }
        near.send(b"ghi", LIMIT).unwrap();
        assert_eq!(far.stream_state(), StreamState::Open, "{name}");
        assert_eq!(
            far.receive_exactly(19, LIMIT).unwrap(),
            b"0123456789abcdefghi",
            "{name}"
        );
        near.close();
        assert!(far.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
    }
}

#[test]
fn a_receive_beyond_its_limit_can_be_repeated() {
    stays_open_beyond_its_limit(|far| far.receive_to_end(LIMIT), "to the end");
    stays_open_beyond_its_limit(|far| far.receive_until_silence(LIMIT, LIMIT), "silence");
    stays_open_beyond_its_limit(|far| far.receive_line(LIMIT), "line");
    stays_open_beyond_its_limit(|far| far.receive_until(b"!", LIMIT), "until");
    stays_open_beyond_its_limit(|far| far.receive_matching(|_| None, LIMIT), "matching");
}

#[test]
fn a_receive_finds_more_than_its_limit_left_by_one_that_knows_none() {
    let (near, far, _server) = pair();
    far.set_receive_limit(1000);
    near.send(&[7; 5000], LIMIT).unwrap();
    assert!(far.receive_exactly(6000, SHORT).unwrap_err().is_timeout());
    let error = far.receive_until_silence(SHORT, LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Limit(_)), "{error}");
    assert_eq!(error.received().len(), 5000);
    assert_eq!(far.peek(1, LIMIT).unwrap(), [7]);
    assert_eq!(far.receive_buffered().unwrap().len(), 1000);
    near.send(&[8; 1000], LIMIT).unwrap();
    let rest = far.receive_exactly(5000, LIMIT).unwrap();
    assert_eq!((rest[0], rest[4999]), (7, 8));
    assert_eq!(far.stream_state(), StreamState::Open);
}

#[test]
fn asking_for_nothing_is_no_end() {
    let (near, far, _server) = pair();
    far.set_receive_limit(0);
    assert_eq!(far.receive_some(0, LIMIT).unwrap(), b"");
    assert_eq!(far.receive_into(&mut [], LIMIT).unwrap(), 0);
    assert_eq!(far.receive_exactly(0, LIMIT).unwrap(), b"");
    assert_eq!(far.peek(0, LIMIT).unwrap(), b"");
    assert_eq!(far.receive_buffered().unwrap(), b"");
    far.expect(b"", LIMIT).unwrap();
    near.send(b"abc", LIMIT).unwrap();
    assert!(matches!(
        far.receive_to_end(LIMIT),
        Err(ReceiveError::Limit(_))
    ));
    assert_eq!(far.receive_exactly(3, LIMIT).unwrap(), b"abc");
}

#[test]
fn what_came_before_a_reset_is_received_after_a_send_has_met_it() {
    let receives: [fn(&Connection) -> Vec<u8>; 5] = [
        |near| near.receive_line(LIMIT).unwrap(),
        |near| near.receive_exactly(13, LIMIT).unwrap(),
        |near| near.receive_buffered().unwrap(),
        |near| near.receive_some(100, LIMIT).unwrap(),
        |near| near.receive_until(b"large", LIMIT).unwrap(),
    ];
    for receive in receives {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let near =
            Connection::from_stream(TcpStream::connect(server.local_addr().unwrap()).unwrap())
                .unwrap();
        let (mut far, _) = server.accept().unwrap();
        let peer = thread::spawn(move || {
            far.read_exact(&mut [0; 100]).unwrap();
            far.write_all(b"413 too large\n").unwrap();
            // Closed with bytes unread: its system resets the connection.
        });
        let error = near.send(&vec![1; 20_000_000], LIMIT).unwrap_err();
        peer.join().unwrap();
        assert!(matches!(error, SendError::Reset(_)), "{error}");
        assert!(receive(&near).starts_with(b"413 too large"));
        let error = loop {
            match near.receive_some(100, LIMIT) {
                Ok(rest) => assert_eq!(rest, b"\n"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReceiveError::Reset(_)), "{error}");
        assert!(matches!(
            near.receive_exactly(1, LIMIT),
            Err(ReceiveError::Reset(_))
        ));
        assert!(matches!(near.send(b"x", LIMIT), Err(SendError::Reset(_))));
    }
}

#[test]
fn a_send_that_meets_a_reset_after_the_end_leaves_what_came() {
    let (connection, mut plain, _server) = plain_pair();
    plain.write_all(b"last words").unwrap();
    drop(plain);
    // The peer's system answers the first send with a reset, which a later one meets.
    let error = loop {
        if let Err(error) = connection.send(&[0; 1000], LIMIT) {
            break error;
        }
    };
    assert!(
        matches!(error, SendError::PeerClosed(_) | SendError::Reset(_)),
        "{error}"
    );
    assert!(!error.to_string().contains("the stream is open"), "{error}");
    assert_eq!(
        connection.receive_exactly(10, LIMIT).unwrap(),
        b"last words"
    );
    assert!(connection.receive_some(1, LIMIT).is_err());
}

#[test]
fn an_urgent_byte_comes_in_its_place() {
    let (connection, plain, server) = plain_pair();
    let adopted = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let plain = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (
            Connection::from_stream(listener.accept().unwrap().0).unwrap(),
            plain,
        )
    };
    let connected = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = standin_socket::Client::builder()
            .host("127.0.0.1")
            .port(listener.local_addr().unwrap().port())
            .build();
        let connection = client.connect(LIMIT).unwrap();
        (connection, listener.accept().unwrap().0)
    };
    let mut ends = vec![(connection, plain.try_clone().unwrap()), adopted, connected];
    for (connection, plain) in &mut ends {
        plain.write_all(b"GET").unwrap();
        socket2::SockRef::from(&*plain)
            .send_out_of_band(b" ")
            .unwrap();
        plain.write_all(b"/ HTTP/1.0\r\n").unwrap();
        assert_eq!(
            connection.receive_line(LIMIT).unwrap(),
            b"GET / HTTP/1.0".as_slice()
        );
        socket2::SockRef::from(&*plain)
            .send_out_of_band(b"abc")
            .unwrap();
        assert_eq!(connection.receive_exactly(3, LIMIT).unwrap(), b"abc");
    }
    plain.shutdown(std::net::Shutdown::Both).unwrap();
    drop(server);
}

#[test]
fn the_shortest_timeout_finds_what_is_there() {
    for timeout in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_nanos(500),
    ] {
        let (near, far, _server) = pair();
        // A receive that had to wait makes the next one wait at once.
        for _ in 0..40 {
            assert!(far.receive_some(1, timeout).unwrap_err().is_timeout());
            assert!(far.receive_exactly(3, SHORT / 10).unwrap_err().is_timeout());
            near.send(b"abc", LIMIT).unwrap();
            far.peek(3, LIMIT).unwrap();
            assert_eq!(far.receive_some(3, timeout).unwrap(), b"abc");
            assert!(far.receive_exactly(3, SHORT / 10).unwrap_err().is_timeout());
            near.send(b"abc", LIMIT).unwrap();
            assert_eq!(far.receive_exactly(3, timeout).unwrap(), b"abc");
        }
    }
}

#[test]
fn a_silence_of_no_time_at_all_gives_what_is_there() {
    for silence in [Duration::ZERO, Duration::from_nanos(1)] {
        let (near, far, _server) = pair();
        assert!(far.receive_some(1, SHORT).unwrap_err().is_timeout());
        near.send(b"abc", LIMIT).unwrap();
        assert_eq!(far.receive_until_silence(silence, LIMIT).unwrap(), b"abc");
        assert_eq!(far.receive_until_silence(silence, LIMIT).unwrap(), b"");
    }
}

#[test]
fn a_receive_that_does_not_wait_finds_what_is_there_while_others_look() {
    let (near, far, _server) = pair();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let _ = far.peek(1, Duration::ZERO);
                    far.is_connected();
                }
            });
        }
        for _ in 0..2000 {
            near.send(b"x", LIMIT).unwrap();
            let received = far.receive_some(1, Duration::ZERO);
            if received.is_err() {
                done.store(true, Ordering::SeqCst);
            }
            assert_eq!(received.unwrap(), b"x");
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_receive_that_does_not_wait_gives_up_when_another_one_waits() {
    let (near, far, _server) = pair();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| far.receive_exactly(2, LIMIT).unwrap());
        thread::sleep(SHORT);
        let error = promptly(|| far.receive_some(1, Duration::ZERO)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        near.send(b"ab", LIMIT).unwrap();
        assert_eq!(waiting.join().unwrap(), b"ab");
    });
}

/// A framing that asks for more than there can be.
struct Greedy;

impl Framing for Greedy {
    fn find(&mut self, bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        Ok(Found::Missing(usize::MAX - usize::from(bytes.is_empty())))
    }
}

#[test]
fn a_framing_that_asks_for_too_much_is_refused() {
    let (near, far, _server) = pair();
    far.set_receive_limit(usize::MAX);
    near.send(b"abc", LIMIT).unwrap();
    far.peek(3, LIMIT).unwrap();
    let error = far.receive_frame(&mut Greedy, LIMIT).unwrap_err();
    assert!(matches!(error, ReceiveError::Limit(_)), "{error}");
    assert_eq!(far.receive_exactly(3, LIMIT).unwrap(), b"abc");
}

#[test]
fn a_receiving_half_that_was_shut_down_here_is_not_the_peers_doing() {
    for (near, far, _server) in [pair(), unix_pair()] {
        near.send(b"abc", LIMIT).unwrap();
        far.peek(3, LIMIT).unwrap();
        far.shutdown_read().unwrap();
        assert_eq!(far.receive_exactly(3, LIMIT).unwrap(), b"abc");
        let error = far.receive_some(1, LIMIT).unwrap_err();
        assert!(matches!(error, ReceiveError::ShutDown(_)), "{error}");
        assert!(!error.is_peer_closed());
        let text = error.to_string();
        assert!(text.contains("on this side"), "{text}");
        assert!(!text.contains("the peer"), "{text}");
        assert_eq!(far.stream_state(), StreamState::ReceivingShutDown);
        assert!(far.is_connected());
        assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"");
        far.send(b"still here", LIMIT).unwrap();
        assert_eq!(near.receive_exactly(10, LIMIT).unwrap(), b"still here");
    }
}

#[test]
fn a_sending_half_that_was_shut_down_here_is_not_the_peers_doing() {
    for (near, far, _server) in [pair(), unix_pair()] {
        far.shutdown_write().unwrap();
        let error = far.send(b"x", LIMIT).unwrap_err();
        assert!(matches!(error, SendError::ShutDown(_)), "{error}");
        let text = error.to_string();
        assert!(!text.contains("the stream is open"), "{text}");
        assert!(near.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
        near.send(b"still here", LIMIT).unwrap();
        assert_eq!(far.receive_exactly(10, LIMIT).unwrap(), b"still here");
    }
}

#[test]
fn a_send_on_a_unix_socket_ends_at_its_limit_though_the_peer_reads_slowly() {
    let (near, far, _server) = unix_pair();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let _ = far.receive_exactly(100_000, LIMIT);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let limit = Duration::from_millis(500);
        let started = Instant::now();
        let error = near.send(&vec![0; 20_000_000], limit).unwrap_err();
        let took = started.elapsed();
        done.store(true, Ordering::SeqCst);
        assert!(error.is_timeout(), "{error}");
        // At the pace of the peer it would be 40 s.
        assert!(took >= limit && took < LIMIT / 4, "{took:?}");
        assert!(error.failure().circumstances.elapsed >= limit);
        near.close();
    });
}

#[test]
fn a_stream_that_somebody_made_non_blocking_still_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let meddler = stream.try_clone().unwrap();
    let near = Connection::from_stream(stream).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    assert!(near.receive_exactly(1, SHORT).unwrap_err().is_timeout());
    meddler.set_nonblocking(true).unwrap();
    for _ in 0..3 {
        let started = Instant::now();
        let error = near.receive_exactly(1, SHORT).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(started.elapsed() >= SHORT);
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| near.receive_exactly(3, LIMIT));
        thread::sleep(SHORT);
        far.write_all(b"abc").unwrap();
        assert_eq!(waiting.join().unwrap().unwrap(), b"abc");
        let sending = scope.spawn(|| near.send(&vec![1; 20_000_000], LIMIT));
        thread::sleep(SHORT);
        far.read_exact(&mut vec![0; 20_000_000]).unwrap();
        assert_eq!(sending.join().unwrap().unwrap(), 20_000_000);
    });
}

#[test]
fn an_error_says_how_long_it_really_took() {
    let (_near, far, _server) = pair();
    for _ in 0..5 {
        let started = Instant::now();
        let error = far.receive_exactly(1, SHORT).unwrap_err();
        let (told, took) = (error.failure().circumstances.elapsed, started.elapsed());
        assert!(told >= SHORT && told <= took, "{told:?} of {took:?}");
    }
}

#[test]
fn a_send_that_ends_at_its_limit_says_what_waits_here_unread() {
    let (connection, mut plain, _server) = plain_pair();
    plain.write_all(&[1; 300]).unwrap();
    connection.peek(1, LIMIT).unwrap();
    let error = connection.send(&vec![0; 50_000_000], SHORT).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.failure().unread, 300, "{error}");
    assert!(error.to_string().contains("300 bytes"), "{error}");
    let (connection, _plain, _server) = plain_pair();
    let error = connection.send(&vec![0; 50_000_000], SHORT).unwrap_err();
    assert_eq!(error.failure().unread, 0, "{error}");
    assert!(!error.to_string().contains("unread"), "{error}");
}

#[test]
fn expecting_keeps_all_that_came_when_it_fails() {
    let expected: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    for cut in [0, 1, 70_000, 299_999] {
        let (near, far, _server) = pair();
        // Less comes than is expected.
        let sender = near.clone();
        let part = expected[..cut].to_vec();
        thread::spawn(move || sender.send(&part, LIMIT).unwrap())
            .join()
            .unwrap();
        // How much comes in a short time is the machine's doing.
        let started = Instant::now();
        loop {
            let error = far.expect(&expected, SHORT).unwrap_err();
            assert!(error.is_timeout(), "{error}");
            if error.received().len() == cut {
                break;
            }
            assert!(started.elapsed() < LIMIT, "{error}");
        }
        // Then something else.
        let other = [expected[cut].wrapping_add(1), 0];
        near.send(&other, LIMIT).unwrap();
        let error = far.expect(&expected, LIMIT).unwrap_err();
        let ReceiveError::Unexpected { difference, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(difference.at, cut);
        let kept = far.receive_exactly(cut + 2, LIMIT).unwrap();
        assert_eq!(kept, [&expected[..cut], &other].concat());
    }
}
