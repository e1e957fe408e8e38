//! What goes over a connection is recorded, with the line of the test that asked for it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use standin_record::{By, Conversation, Event, Place, Record, Recorder};
use standin_socket::framing::Lines;
use standin_socket::{Client, Connection, Server};

use crate::common::{LIMIT, SHORT};

/// Both ends of a connection, and what is recorded of them.
struct Recorded {
    recorder: Recorder,
    near: Connection,
    far: Connection,
    client: Client,
    server: Server,
}

fn recorded() -> Recorded {
    let recorder = Recorder::new("test");
    let server = Server::builder()
        .host("127.0.0.1")
        .record(recorder.driver("server"))
        .bind()
        .unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .record(recorder.driver("client"))
        .build();
    Recorded {
        near: client.connect(LIMIT).unwrap(),
        far: server.accept(LIMIT).unwrap(),
        recorder,
        client,
        server,
    }
}

impl Recorded {
    fn of(&self, driver: &str) -> Conversation {
        let transcript = self.recorder.transcript().of(driver);
        transcript.conversations[0].clone()
    }

    /// Lets a line of the test do something, and looks at what that has recorded last at one end.
    #[track_caller]
    fn check<R>(&self, driver: &str, event: Event, act: impl FnOnce(&Self) -> R) {
        act(self);
        let here = Place::caller();
        let last = self.of(driver).records.pop().unwrap();
        assert_eq!(last.event, event);
        check_place(last.place, here);
    }
}

/// Whether a place is in the few lines from `here` on.
#[track_caller]
fn check_place(place: Option<Place>, here: Place) {
    let (from, to) = (here.line(), here.line() + 8);
    let is_here = |place: Place| place.file() == here.file() && (from..to).contains(&place.line());
    assert!(place.is_some_and(is_here), "{place:?} is not at {here}");
}

fn piece(bytes: &[u8]) -> standin_record::Piece {
    standin_record::Piece {
        kept: bytes.to_vec(),
        length: bytes.len() as u64,
    }
}

/// Each method that receives, with what it is to find.
macro_rules! receives {
    ($($name:ident($($argument:expr),*) of $sent:literal;)+) => {
        #[test]
        fn every_receive_is_recorded_with_its_line() {
            $({
                let ends = recorded();
                ends.near.send($sent, LIMIT).unwrap();
                ends.far.$name($($argument),*).unwrap();
                let received = Event::Received(piece($sent));
                let records = ends.of("server").records;
                let record = records.iter().find(|record| record.event == received);
                assert!(record.is_some(), "{}: {records:?}", stringify!($name));
                let file = record.and_then(|record| record.place).map(Place::file);
                assert_eq!(file, Some(file!()), "{}", stringify!($name));
            })+
        }
    };
}

receives! {
    receive_some(9, LIMIT) of b"hello";
    receive_into(&mut [0; 9], LIMIT) of b"hello";
    receive_exactly(5, LIMIT) of b"hello";
    receive_until(b"o", LIMIT) of b"hello";
    receive_line(LIMIT) of b"hello\n";
    receive_matching(|bytes| (bytes.len() == 5).then_some(5), LIMIT) of b"hello";
    receive_frame(&mut Lines::new(), LIMIT) of b"hello\n";
    receive_until_silence(SHORT, LIMIT) of b"hello";
    peek(5, LIMIT) of b"hello";
    expect(b"hello", LIMIT) of b"hello";
    reset_after_receiving(5, LIMIT) of b"hello";
}

#[test]
fn the_line_of_a_receive_is_its_own() {
    let ends = recorded();
    ends.near.send(b"hello", LIMIT).unwrap();
    ends.check("server", Event::Received(piece(b"hello")), |ends| {
        ends.far.receive_exactly(5, LIMIT).unwrap()
    });
}

#[test]
fn every_send_is_recorded_with_its_line() {
    let ends = recorded();
    let sent = |bytes: &[u8]| Event::Sent(piece(bytes));
    ends.check("client", sent(b"one"), |ends| {
        ends.near.send(b"one", LIMIT).unwrap()
    });
    ends.check("client", sent(b"two\n"), |ends| {
        let lines = &mut Lines::new();
        ends.near.send_frame(lines, b"two", LIMIT).unwrap()
    });
    ends.check("client", sent(b"c"), |ends| {
        let pause = Duration::ZERO;
        ends.near.send_in_pieces(b"abc", 1, pause, LIMIT).unwrap()
    });
    ends.check("client", sent(b"late"), |ends| {
        ends.near.send_delayed(b"late", SHORT, LIMIT).unwrap()
    });
    let records = ends.of("client").records;
    let is_fault = |record: &&Record| matches!(record.event, Event::Fault(_));
    assert_eq!(records.iter().filter(is_fault).count(), 2);
    ends.check("client", Event::Reset(By::Us), |ends| {
        ends.near.reset_after_sending(b"last", 2, LIMIT).unwrap()
    });
}

#[test]
fn every_end_is_recorded_with_its_line() {
    let closed = || Event::Closed(By::Us);
    let ends = recorded();
    ends.check("client", Event::HalfClosed(By::Us), |ends| {
        ends.near.shutdown_write().unwrap();
    });
    ends.check("server", Event::HalfClosed(By::Peer), |ends| {
        ends.far.receive_to_end(LIMIT).unwrap()
    });
    ends.check(
        "client",
        Event::Note("no longer receives".to_owned()),
        |ends| {
            ends.near.shutdown_read().unwrap();
        },
    );
    ends.check(
        "server",
        Event::Fault("no longer reads".to_owned()),
        |ends| {
            ends.far.stop_reading().unwrap();
        },
    );
    ends.check("server", closed(), |ends| ends.far.close());
    ends.far.close();
    assert_eq!(
        ends.of("server").records.len(),
        4,
        "closing again is nothing"
    );

    let ends = recorded();
    ends.check("server", Event::Reset(By::Us), |ends| {
        ends.far.reset().unwrap();
    });
    ends.check("client", Event::Reset(By::Peer), |ends| {
        ends.near.receive_some(1, LIMIT).unwrap_err()
    });

    let ends = recorded();
    ends.check("client", closed(), |ends| ends.client.close());
    ends.check("server", closed(), |ends| ends.server.close());

    let ends = recorded();
    ends.check("client", closed(), |ends| ends.client.abort());
    ends.check("server", closed(), |ends| ends.server.abort());

    let ends = recorded();
    ends.check("server", closed(), |ends| {
        ends.server.close_connection(0).unwrap();
    });
    // Of the connection before.
    ends.check("client", closed(), |ends| {
        ends.client.connect(LIMIT).unwrap()
    });
    ends.server.accept(LIMIT).unwrap();
    ends.server.go_away().unwrap();
    let transcript = ends.recorder.transcript().of_connection("server", 1);
    assert_eq!(transcript.conversations[0].records[1].event, closed());
}

#[test]
fn what_nobody_has_any_more_is_recorded_as_closed() {
    let Recorded {
        near,
        client,
        recorder,
        ..
    } = recorded();
    drop((near, client));
    let records = recorder.transcript().of("client").conversations[0]
        .records
        .clone();
    assert_eq!(records[1].event, Event::Closed(By::Us));
    assert_eq!(records[1].place, None);
}

#[test]
fn what_does_not_come_is_recorded_but_for_who_only_looks() {
    let ends = recorded();
    ends.near.send(b"ab", LIMIT).unwrap();
    ends.far.receive_exactly(3, SHORT).unwrap_err();
    let Event::DeadlinePassed { after, wanted } = ends.of("server").records[2].event.clone() else {
        panic!("{:?}", ends.of("server"));
    };
    assert!(after >= SHORT);
    assert_eq!(wanted, "exactly 3 bytes, 2 bytes came");
    ends.far.expect(b"xy", LIMIT).unwrap_err();
    ends.far.expect(b"ab", LIMIT).unwrap();
    let records = ends.of("server").records;
    assert_eq!(
        records[3].event,
        Event::Unmet("\"xy\": byte 0 differs".to_owned())
    );
    assert_eq!(records[4].event, Event::Met("2 bytes".to_owned()));
    for _ in 0..10 {
        ends.far.receive_some(1, Duration::ZERO).unwrap_err();
    }
    assert_eq!(ends.of("server").records.len(), 5);
}

#[test]
fn an_end_in_the_middle_of_what_was_wanted_is_recorded_as_unmet() {
    let ends = recorded();
    ends.near.send(b"line\nhal", LIMIT).unwrap();
    ends.near.shutdown_write().unwrap();
    ends.far.receive_line(LIMIT).unwrap();
    ends.far.receive_line(LIMIT).unwrap_err();
    let unmet = |ends: &Recorded| -> Vec<String> {
        let records = ends.of("server").records.into_iter();
        let unmet = records.filter_map(|record| match record.event {
            Event::Unmet(text) => Some(text),
            _ => None,
        });
        unmet.collect()
    };
    assert_eq!(unmet(&ends), ["a line: the stream ended after 3 bytes"]);
    // The end itself is what a receive until there is no more comes to.
    assert_eq!(ends.far.receive_to_end(LIMIT).unwrap(), b"hal");
    ends.far.receive_some(1, LIMIT).unwrap_err();
    assert_eq!(unmet(&ends).len(), 1);
}

#[test]
fn what_is_done_to_a_server_is_recorded_among_its_lines() {
    let ends = recorded();
    ends.server.refuse().unwrap();
    ends.server.come_back().unwrap();
    drop(ends.server.fill_queue().unwrap());
    let lines = ends.recorder.transcript().of("server").drivers[0]
        .lines
        .clone();
    let texts: Vec<_> = lines.iter().map(|line| &*line.text).collect();
    assert_eq!(
        texts,
        [
            "refuses connections",
            "accepts connections again",
            "keeps its queue full",
            "no longer keeps its queue full"
        ]
    );
}
