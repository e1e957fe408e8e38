//! What is recorded is what went over the connection, however it was cut, and nothing that must
//! not be kept.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use standin_record::{Conversation, Event, Memory, Piece, Recorder, Redact, Settings};
use standin_socket::framing::{Endian, LengthPrefix, Width};
use standin_socket::{Client, Connection, OwnedConnection, Server, Tried};

use crate::common::{LIMIT, SHORT};

fn recorder(redact: &[&str]) -> Recorder {
    let settings = Settings {
        keep: 4 << 20,
        memory: Memory::new(16 << 20),
        redact: Redact::new(redact.iter().copied()).unwrap(),
    };
    Recorder::with_settings("test", settings)
}

fn server(recorder: &Recorder) -> Server {
    let server = Server::builder().host("127.0.0.1");
    server.record(recorder.driver("server")).bind().unwrap()
}

fn client(recorder: &Recorder, server: &Server) -> Client {
    let client = Client::builder().host("127.0.0.1").port(server.port());
    client.record(recorder.driver("client")).build()
}

/// The client's end and the server's.
fn pair(recorder: &Recorder) -> (Connection, Connection, Server) {
    let server = server(recorder);
    let near = client(recorder, &server).connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    (near, far, server)
}

fn conversation(recorder: &Recorder, driver: &str) -> Conversation {
    recorder.transcript().of(driver).conversations[0].clone()
}

/// The pieces of one direction are the stream, one after the other, each kept from its beginning.
fn check_stream(pieces: &[Piece], stream: &[u8]) {
    let mut at = 0;
    for piece in pieces {
        let length = usize::try_from(piece.length).unwrap();
        let kept = length.min(Piece::KEPT);
        assert_eq!(piece.kept, stream[at..at + kept], "at byte {at}");
        at += length;
    }
    assert_eq!(at, stream.len());
}

fn sent(conversation: &Conversation) -> Vec<Piece> {
    pieces(conversation, |event| match event {
        Event::Sent(piece) => Some(piece),
        _ => None,
    })
}

fn received(conversation: &Conversation) -> Vec<Piece> {
    pieces(conversation, |event| match event {
        Event::Received(piece) => Some(piece),
        _ => None,
    })
}

fn pieces(conversation: &Conversation, piece: impl Fn(&Event) -> Option<&Piece>) -> Vec<Piece> {
    let records = conversation.records.iter();
    records
        .filter_map(|record| piece(&record.event))
        .cloned()
        .collect()
}

/// A way to send something.
#[derive(Clone, Debug)]
enum Send {
    Whole(Vec<u8>),
    Pieces(Vec<u8>, usize),
    Frame(Vec<u8>),
}

/// A way to receive something, of so many bytes perhaps.
#[derive(Clone, Copy, Debug)]
enum Receive {
    Exactly(usize),
    Some(usize),
    Into(usize),
    Peek(usize),
    Matching(usize),
    Buffered,
}

fn send() -> impl Strategy<Value = Send> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..1500);
    prop_oneof![
        bytes().prop_map(Send::Whole),
        (bytes(), 1_usize..700).prop_map(|(bytes, size)| Send::Pieces(bytes, size)),
        bytes().prop_map(Send::Frame),
    ]
}

fn receive() -> impl Strategy<Value = Receive> {
    let size = || 1_usize..2000;
    prop_oneof![
        size().prop_map(Receive::Exactly),
        size().prop_map(Receive::Some),
        size().prop_map(Receive::Into),
        size().prop_map(Receive::Peek),
        size().prop_map(Receive::Matching),
        Just(Receive::Buffered),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_recorded_is_what_was_sent_whatever_the_cuts(
        sends in prop::collection::vec(send(), 1..12),
        receives in prop::collection::vec(receive(), 0..12),
    ) {
        let recorder = recorder(&[]);
        let (near, far, _server) = pair(&recorder);
        let mut framing = LengthPrefix::new(Width::U32, Endian::Big);
        let mut stream = Vec::new();
        let mut receives = receives.into_iter();
        let mut taken = 0;
        for send in sends {
            match send {
                Send::Whole(bytes) => {
                    near.send(&bytes, LIMIT).unwrap();
                    stream.extend(bytes);
                }
                Send::Pieces(bytes, size) => {
                    near.send_in_pieces(&bytes, size, Duration::ZERO, LIMIT).unwrap();
                    stream.extend(bytes);
                }
                Send::Frame(bytes) => {
                    near.send_frame(&mut framing, &bytes, LIMIT).unwrap();
                    stream.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
                    stream.extend(bytes);
                }
            }
            let left = stream.len() - taken;
            taken += match receives.next() {
                _ if left == 0 => 0,
                None => 0,
                Some(Receive::Exactly(size)) => {
                    far.receive_exactly(size.min(left), LIMIT).unwrap().len()
                }
                Some(Receive::Some(size)) => far.receive_some(size, LIMIT).unwrap().len(),
                Some(Receive::Into(size)) => {
                    far.receive_into(&mut vec![0; size], LIMIT).unwrap()
                }
                Some(Receive::Peek(size)) => {
                    far.peek(size, LIMIT).unwrap();
                    0
                }
                Some(Receive::Matching(size)) => {
                    let size = size.min(left);
                    let end = |bytes: &[u8]| (bytes.len() >= size).then_some(size);
                    far.receive_matching(end, LIMIT).unwrap().len()
                }
                Some(Receive::Buffered) => far.receive_buffered().unwrap().len(),
            };
        }
        near.shutdown_write().unwrap();
        far.receive_to_end(LIMIT).unwrap();
        check_stream(&sent(&conversation(&recorder, "client")), &stream);
        check_stream(&received(&conversation(&recorder, "server")), &stream);
    }

    /// In the transcript, in each of its formats, and in errors: no part of a secret shows,
    /// however it is cut and wherever a receive stops within it.
    #[test]
    fn a_secret_shows_nowhere(size in 1_usize..40, first in 0_usize..40, long in any::<bool>()) {
        let secret = if long { "hUnTeR2-".repeat(20) } else { "hUnTeR2-".to_owned() };
        let text = format!("user=joe password={secret} and more");
        let recorder = recorder(&[r"password=\S+"]);
        let (near, far, _server) = pair(&recorder);
        near.send_in_pieces(text.as_bytes(), size, Duration::ZERO, LIMIT).unwrap();
        // All has come already, or the errors would be about half a secret.
        far.receive_exactly(first.min(text.len()), LIMIT).unwrap();
        let soon = Duration::from_millis(1);
        let errors = [
            far.receive_exactly(1000, soon).unwrap_err(),
            far.receive_line(soon).unwrap_err(),
            far.expect(format!("{text}!"), soon).unwrap_err(),
        ];
        for error in &errors {
            check_hidden(error.to_string().as_bytes(), "hUnTeR2-");
            check_hidden(format!("{error:?}").as_bytes(), "hUnTeR2-");
        }
        let transcript = recorder.transcript();
        for format in [
            transcript.text().width(1000).to_string().into_bytes(),
            transcript.to_html().into_bytes(),
            transcript.to_pcapng(),
            transcript.to_json().into_bytes(),
        ] {
            check_hidden(&format, "hUnTeR2-");
        }
    }
}

/// No three characters of the secret in a row are there, as they are or in hex.
#[track_caller]
fn check_hidden(shown: &[u8], secret: &str) {
    for part in secret.as_bytes().windows(3) {
        let hex: Vec<String> = part.iter().map(|byte| format!("{byte:02x}")).collect();
        for part in [part.to_vec(), hex.join(" ").into_bytes()] {
            let found = shown.windows(part.len()).any(|window| window == part);
            let part = String::from_utf8_lossy(&part);
            assert!(!found, "{part:?} is in {}", String::from_utf8_lossy(shown));
        }
    }
}

#[test]
fn several_threads_are_recorded_in_the_order_of_their_bytes() {
    const THREADS: u8 = 4;
    const MESSAGES: usize = 50;
    const SIZE: usize = 40;
    let recorder = recorder(&[]);
    let (near, far, _server) = pair(&recorder);
    thread::scope(|scope| {
        for id in 0..THREADS {
            let (near, far) = (&near, &far);
            for (end, message) in [(near, [id; SIZE]), (far, [id + 100; SIZE])] {
                scope.spawn(move || {
                    for _ in 0..MESSAGES {
                        end.send(&message, LIMIT).unwrap();
                    }
                });
            }
            for end in [near, far] {
                scope.spawn(move || {
                    for _ in 0..MESSAGES {
                        end.receive_exactly(SIZE, LIMIT).unwrap();
                    }
                });
            }
        }
    });
    let [client, server] = ["client", "server"].map(|driver| conversation(&recorder, driver));
    for (from, to) in [(&client, &server), (&server, &client)] {
        let stream: Vec<u8> = sent(from)
            .into_iter()
            .flat_map(|piece| piece.kept)
            .collect();
        assert_eq!(stream.len(), usize::from(THREADS) * MESSAGES * SIZE);
        check_stream(&received(to), &stream);
        // Nothing is received before it was sent.
        let first = |event: fn(&Event) -> bool, of: &Conversation| {
            let mut records = of.records.iter().filter(|record| event(&record.event));
            records.next().unwrap().at
        };
        let sent = first(|event| matches!(event, Event::Sent(_)), from);
        let received = first(|event| matches!(event, Event::Received(_)), to);
        assert!(sent <= received, "{sent:?} {received:?}");
    }
}

#[test]
fn of_huge_payloads_the_beginnings_are_kept() {
    const HUGE: usize = 32 << 20;
    let memory = Memory::new(1 << 20);
    let settings = Settings {
        memory: memory.clone(),
        ..Settings::default()
    };
    let recorder = Recorder::with_settings("test", settings);
    let (near, far, _server) = pair(&recorder);
    let bytes: Vec<u8> = (0..HUGE).map(|at| (at * 31 + at / 251) as u8).collect();
    thread::scope(|scope| {
        scope.spawn(|| near.send(&bytes, LIMIT).unwrap());
        assert!(far.receive_exactly(HUGE, LIMIT).unwrap() == bytes);
    });
    for driver in ["client", "server"] {
        let conversation = conversation(&recorder, driver);
        let dropped = conversation.dropped;
        let all = [sent(&conversation), received(&conversation)].concat();
        let length: u64 = all.iter().map(|piece| piece.length).sum();
        assert_eq!(length + dropped.sent + dropped.received, HUGE as u64);
        assert!(all.iter().all(|piece| piece.kept.len() <= Piece::KEPT));
    }
    assert!(
        memory.spent() <= 2 * (64 << 10) + (4 << 10),
        "{}",
        memory.spent()
    );
    let error = far.receive_exactly(1, SHORT).unwrap_err().to_string();
    assert!(error.lines().count() < 20 && error.len() < 4096, "{error}");
}

#[test]
fn a_connection_in_one_hand_is_recorded_without_places() {
    let recorder = recorder(&[]);
    let server = server(&recorder);
    let mut near = client(&recorder, &server).connect_owned(LIMIT).unwrap();
    let mut far = soon(|| server.try_accept().unwrap());
    assert!(matches!(near.try_send(b"hello"), Tried::Done(5)));
    let mut bytes = [0; 8];
    let receive = |far: &mut OwnedConnection, bytes: &mut [u8]| match far.try_receive(bytes) {
        Tried::Done(count) => Some(count),
        _ => None,
    };
    assert_eq!(soon(|| receive(&mut far, &mut bytes)), 5);
    let far = far.into_connection();
    far.send(b"hi", LIMIT).unwrap();
    let conversation = conversation(&recorder, "server");
    assert_eq!(conversation.received().0, b"hello");
    assert_eq!(conversation.sent().0, b"hi");
    let places: Vec<bool> = conversation
        .records
        .iter()
        .map(|r| r.place.is_some())
        .collect();
    assert_eq!(places, [false, false, true]);
}

/// What comes of trying again and again.
fn soon<R>(mut attempt: impl FnMut() -> Option<R>) -> R {
    let started = Instant::now();
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(started.elapsed() < LIMIT, "it does not come");
        thread::yield_now();
    }
}

#[test]
fn an_error_shows_what_was_recorded_up_to_then() {
    let recorder = recorder(&[]);
    let (near, far, server) = pair(&recorder);
    near.send(b"before", LIMIT).unwrap();
    far.receive_exactly(6, LIMIT).unwrap();
    let error = far.receive_exactly(1, SHORT).unwrap_err();
    near.send(b"after", LIMIT).unwrap();
    far.receive_exactly(5, LIMIT).unwrap();
    let text = error.to_string();
    assert!(
        text.contains("\"before\"") && !text.contains("after\""),
        "{text}"
    );
    assert_eq!(text, error.to_string(), "it does not change");
    let transcript = error.party().records.as_ref().unwrap().transcript();
    assert_eq!(transcript.conversations[0].records.len(), 3);

    let error = server.accept(SHORT).unwrap_err().to_string();
    assert!(error.contains("all 4 records of server#0"), "{error}");
    let nobody = crate::server(&recorder);
    let error = nobody.accept(SHORT).unwrap_err().to_string();
    // The driver has had a connection of another server.
    assert!(error.contains("server#0"), "{error}");
    let none = Recorder::new("none");
    let error = crate::server(&none).accept(SHORT).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    let (near, _far, _server) = common::pair();
    let error = near.receive_exactly(1, SHORT).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}
