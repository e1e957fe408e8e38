//! Random operations of several threads on one connection, next to a model of what the two streams
//! of bytes are. At the other end is a plain socket, of TCP or Unix.
//!
//! One thread receives in all ways there are, a second one looks, and receives in ways that have to
//! fail; a third one sends; a fourth one ends the connection, or one half of it, in the middle, or
//! connects again. Every byte is accounted for: what is received are the bytes that the peer wrote,
//! none missing, doubled or out of place, and what the peer reads are the bytes that were said to
//! be sent.
//!
//! `PROPTEST_CASES=5000 cargo test -p standin-socket --test model` tries more.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../common/mod.rs"]
mod common;
mod plain;

use std::{
    io::ErrorKind,
    net::Shutdown,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use common::{LIMIT, promptly};
use plain::{Kind, Listener, Plain};
use proptest::{collection::vec, prelude::*};
use standin_socket::{
    Client, Connection, ControlError, ReceiveError, SendError, StreamState,
    framing::{Endian, LengthPrefix, Width},
};

/// The byte of that place in what the peer writes, with ends of lines in it, and little enough that
/// frames end.
fn theirs(at: usize) -> u8 {
    match at % 23 {
        7 => b'\n',
        14 => b'\r',
        15 => b'\n',
        other => (other * 7 + at / 23 % 5) as u8,
    }
}

/// The byte of that place in what we send.
fn ours(at: usize) -> u8 {
    (at * 31 + at / 253) as u8
}

fn stream_of(byte: fn(usize) -> u8, from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(byte).collect()
}

/// What the receiving thread does. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
enum Receive {
    Some(usize),
    Into(usize),
    Exactly(usize),
    Until,
    Line,
    Matching(usize),
    Frame,
    Silence,
    Buffered,
    /// What comes next.
    Expect(usize),
    Peek(usize),
    /// Takes some and puts so many of them back.
    Unread(usize, usize),
}

fn receives() -> impl Strategy<Value = (Receive, Duration)> {
    let size = prop_oneof![1..40_usize, 1..3_000_usize, 1..200_000_usize];
    let receive = prop_oneof![
        size.clone().prop_map(Receive::Some),
        size.clone().prop_map(Receive::Into),
        size.clone().prop_map(Receive::Exactly),
        Just(Receive::Until),
        Just(Receive::Line),
        (1..600_usize).prop_map(Receive::Matching),
        Just(Receive::Frame),
        Just(Receive::Silence),
        Just(Receive::Buffered),
        size.clone().prop_map(Receive::Expect),
        size.clone().prop_map(Receive::Peek),
        (size, 0..600_usize).prop_map(|(size, back)| Receive::Unread(size, back)),
    ];
    (receive, timeouts())
}

fn timeouts() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(500)),
        (0..3_000_u64).prop_map(Duration::from_micros),
    ]
}

/// How this side ends the connection, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Never,
    ShutDownWrite,
    ShutDownRead,
    Close,
    Abort,
    Reset,
    CloseInMatcher,
    Connect,
}

/// How the peer ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TheirEnd {
    InOrder,
    Reset,
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    receive_limit: usize,
    receives: Vec<(Receive, Duration)>,
    looks: Vec<(u8, Duration)>,
    sends: Vec<(usize, Duration)>,
    /// What the peer writes at a time, and how many microseconds it rests before that.
    writes: Vec<(usize, u64)>,
    /// How many microseconds the peer rests before each read.
    reads: Vec<u64>,
    end: End,
    end_after: u64,
    their_end: TheirEnd,
}

fn cases() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![Just(Kind::Tcp), Just(Kind::Unix)];
    let end = prop_oneof![
        3 => Just(End::Never),
        2 => Just(End::ShutDownWrite),
        1 => Just(End::ShutDownRead),
        1 => Just(End::Close),
        1 => Just(End::Abort),
        1 => Just(End::Reset),
        1 => Just(End::CloseInMatcher),
        1 => Just(End::Connect),
    ];
    let their_end = prop_oneof![4 => Just(TheirEnd::InOrder), 1 => Just(TheirEnd::Reset)];
    let send = prop_oneof![1..2_000_usize, 1..400_000_usize];
    let write = prop_oneof![1..30_usize, 1..5_000_usize, 1..100_000_usize];
    (
        (kind, prop_oneof![20..500_usize, Just(64 << 20)]),
        vec(receives(), 1..40),
        vec((0..8_u8, timeouts()), 0..25),
        vec((send, timeouts()), 0..20),
        vec((write, 0..400_u64), 0..25),
        vec(0..300_u64, 1..10),
        (end, 0..6_000_u64, their_end),
    )
        .prop_map(
            |(
                (kind, receive_limit),
                receives,
                looks,
                sends,
                writes,
                reads,
                (end, end_after, their_end),
            )| Case {
                kind,
                receive_limit,
                receives,
                looks,
                sends,
                writes,
                reads,
                end,
                end_after,
                their_end,
            },
        )
}

/// Rests for a time that is part of the case, not a wait for something.
fn rest(micros: u64) {
    match micros {
        0..50 => thread::yield_now(),
        micros => thread::sleep(Duration::from_micros(micros)),
    }
}

/// How many bytes were received so far; all of them were right.
struct Received {
    total: usize,
}

impl Received {
    #[track_caller]
    fn add(&mut self, bytes: &[u8]) {
        let expected = stream_of(theirs, self.total, bytes.len());
        assert!(
            bytes == expected,
            "{} bytes at {} are not what the peer wrote there",
            bytes.len(),
            self.total
        );
        self.total += bytes.len();
    }

    /// A line, whose end was not handed over.
    #[track_caller]
    fn add_line(&mut self, line: &[u8]) {
        self.add(line);
        if theirs(self.total) == b'\r' {
            self.total += 1;
        }
        assert_eq!(theirs(self.total), b'\n', "the line at {}", self.total);
        self.total += 1;
    }

    fn receive(
        &mut self,
        connection: &Connection,
        receive: Receive,
        timeout: Duration,
    ) -> Result<(), ReceiveError> {
        match receive {
            Receive::Some(size) => self.add(&connection.receive_some(size, timeout)?),
            Receive::Into(size) => {
                let mut target = vec![0; size];
                let count = connection.receive_into(&mut target, timeout)?;
                self.add(&target[..count]);
            }
            Receive::Exactly(size) => {
                let received = connection.receive_exactly(size, timeout)?;
                assert_eq!(received.len(), size);
                self.add(&received);
            }
            Receive::Until => {
                let received = connection.receive_until(b"\r\n", timeout)?;
                assert!(received.ends_with(b"\r\n"));
                self.add(&received);
            }
            Receive::Line => {
                let line = connection.receive_line(timeout)?;
                self.add_line(&line);
            }
            Receive::Matching(size) => {
                let matching = |bytes: &[u8]| (bytes.len() >= size).then_some(size);
                self.add(&connection.receive_matching(matching, timeout)?);
            }
            Receive::Frame => {
                let mut framing = LengthPrefix::new(Width::U8, Endian::Big);
                let payload = connection.receive_frame(&mut framing, timeout)?;
                self.add(&[&[payload.len() as u8], &payload[..]].concat());
            }
            Receive::Silence => {
                let silence = timeout / 4;
                self.add(&connection.receive_until_silence(silence, timeout)?);
            }
            Receive::Buffered => self.add(&connection.receive_buffered()?),
            Receive::Expect(size) => {
                let expected = stream_of(theirs, self.total, size);
                connection.expect(&expected, timeout)?;
                self.total += size;
            }
            Receive::Peek(size) => {
                let seen = connection.peek(size, timeout)?;
                assert_eq!(seen, stream_of(theirs, self.total, seen.len()));
            }
            Receive::Unread(size, back) => {
                let mut received = connection.receive_some(size, timeout)?;
                let kept = received.len().saturating_sub(back);
                let handed_back = received.split_off(kept);
                // Together in one step, as far as the looking thread is concerned: it takes
                // nothing.
                connection.unread(handed_back);
                self.add(&received);
            }
        }
        Ok(())
    }
}

/// Receives that take nothing: they look, or have to fail.
fn look(connection: &Connection, what: u8, timeout: Duration) {
    match what {
        0 => drop(connection.peek(100, timeout)),
        1 => drop((connection.is_connected(), connection.peer_has_ended())),
        2 => drop(connection.receive_matching(|_| None, timeout)),
        3 => drop(connection.receive_exactly(usize::MAX >> 20, timeout)),
        4 => assert!(connection.expect([0xff], timeout).is_err()),
        5 => drop(format!("{connection:?}")),
        6 => drop(connection.receive_until(b"never comes", timeout)),
        _ => {
            let mut broken = LengthPrefix::new(Width::U64, Endian::Big).limit(1);
            assert!(connection.receive_frame(&mut broken, timeout).is_err());
        }
    }
}

/// How the connection may stand when a receive has failed for good.
#[track_caller]
fn check_receive_error(case: &Case, error: &ReceiveError) {
    let fits = match error {
        ReceiveError::TimedOut(_) | ReceiveError::Limit(_) => true,
        ReceiveError::PeerClosed(_) => true,
        ReceiveError::Reset(_) => {
            case.their_end == TheirEnd::Reset
                // With both halves shut down here, Linux resets what the peer still writes to.
                || case.end == End::ShutDownRead
                // The system of a Unix socket resets what is closed with bytes unread.
                || matches!(case.kind, Kind::Unix)
        }
        ReceiveError::ShutDown(_) => case.end == End::ShutDownRead,
        ReceiveError::Closed(_) => matches!(
            case.end,
            End::Close | End::Reset | End::Connect | End::CloseInMatcher
        ),
        ReceiveError::Aborted(_) => case.end == End::Abort,
        _ => false,
    };
    assert!(fits, "{error}");
}

#[track_caller]
fn check_send_error(case: &Case, error: &SendError) {
    let fits = match error {
        SendError::TimedOut(_) => true,
        SendError::PeerClosed(_) | SendError::Reset(_) => case.their_end == TheirEnd::Reset,
        SendError::ShutDown(_) => case.end == End::ShutDownWrite,
        SendError::Closed(_) => matches!(
            case.end,
            End::Close | End::Reset | End::Connect | End::CloseInMatcher
        ),
        SendError::Aborted(_) => case.end == End::Abort,
        _ => false,
    };
    assert!(fits, "{error}");
}

/// What the peer did: how many bytes it wrote, how many right ones it read, and what ended its
/// reading.
struct Peer {
    wrote: usize,
    read: usize,
    met: Option<ErrorKind>,
}

fn peer(case: &Case, plain: Plain, reads_on: &AtomicBool) -> Peer {
    let mut writing = plain.try_clone();
    let mut reading = plain.try_clone();
    if case.their_end == TheirEnd::Reset {
        plain.reset_when_dropped();
    }
    drop(plain);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut wrote = 0;
            for (nth, (size, micros)) in case.writes.iter().enumerate() {
                rest(*micros);
                let mut bytes = &stream_of(theirs, wrote, *size)[..];
                while !bytes.is_empty() {
                    let outcome = if nth % 5 == 4 {
                        writing.write_urgently(bytes)
                    } else {
                        writing.write(bytes)
                    };
                    let Ok(count) = outcome else {
                        return (wrote, writing);
                    };
                    wrote += count;
                    bytes = &bytes[count..];
                }
            }
            if case.their_end == TheirEnd::InOrder {
                let _ = writing.shutdown(Shutdown::Write);
            }
            (wrote, writing)
        });
        let reader = scope.spawn(move || {
            let mut read = 0;
            let mut buffer = vec![0; 64 << 10];
            let mut rests = case.reads.iter().cycle();
            let met = loop {
                rest(*rests.next().unwrap());
                if !reads_on.load(Ordering::SeqCst) {
                    break None;
                }
                match reading.read(&mut buffer) {
                    Ok(0) => break None,
                    Ok(count) => {
                        let expected = stream_of(ours, read, count);
                        assert!(buffer[..count] == expected, "{count} bytes at {read}");
                        read += count;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => break Some(error.kind()),
                }
            };
            (read, met, reading)
        });
        let (wrote, writing) = writer.join().unwrap();
        if case.their_end == TheirEnd::Reset {
            // The reader stops, and both handles go: the system resets the connection.
            reads_on.store(false, Ordering::SeqCst);
            let _ = writing.shutdown(Shutdown::Read);
        }
        let (read, met, reading) = reader.join().unwrap();
        drop((writing, reading));
        Peer { wrote, read, met }
    })
}

fn end(case: &Case, connection: &Connection, client: &Client, listener: &Listener) {
    rest(case.end_after);
    match case.end {
        End::Never => {}
        // They fail when the peer has reset the connection.
        End::ShutDownWrite => drop(connection.shutdown_write()),
        End::ShutDownRead => drop(connection.shutdown_read()),
        End::Close => promptly(|| connection.close()),
        End::Abort => promptly(|| connection.abort()),
        End::Reset => match (case.kind, promptly(|| connection.reset())) {
            (Kind::Tcp, Ok(())) => {}
            // Which a peer may have done before.
            (Kind::Tcp, Err(error)) => assert_eq!(case.their_end, TheirEnd::Reset, "{error}"),
            (Kind::Unix, reset) => {
                assert!(matches!(reset, Err(ControlError::Unsupported { .. })));
                connection.close();
            }
        },
        End::CloseInMatcher => {
            let closing = connection.clone();
            let outcome = connection.receive_matching(
                |_| {
                    closing.close();
                    None
                },
                Duration::from_millis(50),
            );
            assert!(outcome.is_err());
            // Nothing may have come for the matcher to look at.
            connection.close();
        }
        End::Connect => {
            let next = client.connect(LIMIT).unwrap();
            assert!(!connection.is_open());
            let mut plain = listener.accept();
            plain.write(b"next").unwrap();
            assert_eq!(next.receive_exactly(4, LIMIT).unwrap(), b"next");
            assert_eq!(client.connection().unwrap().index(), next.index());
        }
    }
}

fn run(case: &Case) {
    let (listener, client) = Listener::new(case.kind);
    let connection = client.connect(LIMIT).unwrap();
    connection.set_receive_limit(case.receive_limit);
    let plain = listener.accept();
    let reads_on = AtomicBool::new(true);
    let connection = &connection;
    thread::scope(|scope| {
        let peer = scope.spawn(|| peer(case, plain, &reads_on));
        let receiver = scope.spawn(|| {
            let mut received = Received { total: 0 };
            for (receive, timeout) in &case.receives {
                if let Err(error) = received.receive(connection, *receive, *timeout) {
                    check_receive_error(case, &error);
                }
            }
            received
        });
        let looker = scope.spawn(|| {
            for (what, timeout) in &case.looks {
                look(connection, *what, *timeout);
            }
        });
        let sender = scope.spawn(|| {
            let mut sent = 0;
            for (size, timeout) in &case.sends {
                let bytes = stream_of(ours, sent, *size);
                match connection.send(&bytes, *timeout) {
                    Ok(count) => {
                        assert_eq!(count, *size);
                        sent += count;
                    }
                    Err(error) => {
                        check_send_error(case, &error);
                        sent += error.sent();
                    }
                }
            }
            sent
        });
        let ender = scope.spawn(|| end(case, connection, &client, &listener));

        let mut received = receiver.join().unwrap();
        looker.join().unwrap();
        ender.join().unwrap();
        // What is left, to the end, in pieces of the limit.
        let sent = if connection.is_open() {
            connection.set_receive_limit(usize::MAX);
            let drained = scope.spawn(move || {
                let error = loop {
                    match connection.receive_some(100_000, LIMIT) {
                        Ok(bytes) => received.add(&bytes),
                        Err(error) => break error,
                    }
                };
                check_receive_error(case, &error);
                assert!(!error.is_timeout(), "{error}");
                received
            });
            let sent = sender.join().unwrap();
            // Fails when the peer has reset the connection.
            let _ = connection.shutdown_write();
            received = drained.join().unwrap();
            if case.end == End::ShutDownRead {
                connection.close();
            }
            sent
        } else {
            sender.join().unwrap()
        };
        let is_open = connection.is_open();
        let state = connection.stream_state();
        let peer = peer.join().unwrap();

        assert!(received.total <= peer.wrote);
        assert!(peer.read <= sent, "read {} of {sent}", peer.read);
        if is_open && case.their_end == TheirEnd::InOrder {
            assert_eq!(received.total, peer.wrote, "something was not received");
            assert_eq!(peer.read, sent, "something that was sent did not arrive");
            assert_eq!(peer.met, None);
        }
        let expected = match case.end {
            End::Abort => Some(StreamState::Aborted),
            End::Close | End::Reset | End::Connect | End::CloseInMatcher => {
                Some(StreamState::Closed)
            }
            End::Never | End::ShutDownWrite | End::ShutDownRead => None,
        };
        if let Some(expected) = expected {
            assert_eq!(state, expected);
        }
        connection.close();
    });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(150, |cases| cases.parse().unwrap()),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_byte_is_accounted_for(case in cases()) {
        run(&case);
    }
}
