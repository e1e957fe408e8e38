//! What goes over a connection is recorded, with the line of the test that asked for it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::panic::Location;
use std::time::Duration;

use standin_record::{By, Conversation, Event, Place, Recorder};
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

    /// What happened last at that end, and which line of this file asked for it.
    #[track_caller]
    fn check_last(&self, driver: &str, event: &Event, place: Place) {
        let last = self.of(driver).records.pop().unwrap();
        let at = last.place.map(|place| (place.file(), place.line()));
        assert_eq!(
            (&last.event, at),
            (event, Some((place.file(), place.line())))
        );
    }
}

fn piece(bytes: &[u8]) -> standin_record::Piece {
    standin_record::Piece {
        kept: bytes.to_vec(),
        length: bytes.len() as u64,
    }
}

#[track_caller]
fn here() -> Place {
    Location::caller()
}

/// Each method that receives, with what it is to find.
macro_rules! receives {
    ($($name:ident($($argument:expr),*) of $sent:literal;)+) => {
        #[test]
        fn every_receive_is_recorded_with_its_line() {
            $(
                let ends = recorded();
                ends.near.send($sent, LIMIT).unwrap();
                let (place, _) = (here(), ends.far.$name($($argument),*).unwrap());
                let received = Event::Received(piece($sent));
                let records = ends.of("server").records;
                let record = records.iter().find(|record| record.event == received);
                let at = record.and_then(|record| record.place).map(|place| place.line());
                assert_eq!(at, Some(place.line()), "{}: {records:?}", stringify!($name));
            )+
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
fn every_send_is_recorded_with_its_line() {
    let ends = recorded();
    let sent = |bytes: &[u8]| Event::Sent(piece(bytes));
    let (place, _) = (here(), ends.near.send(b"one", LIMIT).unwrap());
    ends.check_last("client", &sent(b"one"), place);
    let lines = &mut Lines::new();
    let (place, _) = (here(), ends.near.send_frame(lines, b"two", LIMIT).unwrap());
    ends.check_last("client", &sent(b"two\n"), place);
    let pause = Duration::ZERO;
    let (place, _) = (
        here(),
        ends.near.send_in_pieces(b"abc", 1, pause, LIMIT).unwrap(),
    );
    ends.check_last("client", &sent(b"c"), place);
    let (place, _) = (
        here(),
        ends.near.send_delayed(b"late", SHORT, LIMIT).unwrap(),
    );
    ends.check_last("client", &sent(b"late"), place);
    let faults = ends.of("client").records;
    let faults = faults
        .iter()
        .filter(|record| matches!(record.event, Event::Fault(_)));
    assert_eq!(faults.count(), 2);
    let (place, _) = (
        here(),
        ends.near.reset_after_sending(b"last", 2, LIMIT).unwrap(),
    );
    ends.check_last("client", &Event::Reset(By::Us), place);
}

#[test]
fn every_end_is_recorded_with_its_line() {
    let ends = recorded();
    let (place, ()) = (here(), ends.near.shutdown_write().unwrap());
    ends.check_last("client", &Event::HalfClosed(By::Us), place);
    let (place, _) = (here(), ends.far.receive_to_end(LIMIT).unwrap());
    ends.check_last("server", &Event::HalfClosed(By::Peer), place);
    let (place, ()) = (here(), ends.near.shutdown_read().unwrap());
    ends.check_last("client", &Event::Note("receives no more".to_owned()), place);
    let (place, ()) = (here(), ends.far.stop_reading().unwrap());
    ends.check_last("server", &Event::Fault("reads no more".to_owned()), place);
    let (place, ()) = (here(), ends.far.close());
    ends.check_last("server", &Event::Closed(By::Us), place);
    ends.far.close();
    assert_eq!(
        ends.of("server").records.len(),
        4,
        "{:?}",
        ends.of("server")
    );

    let ends = recorded();
    let (place, ()) = (here(), ends.far.reset().unwrap());
    ends.check_last("server", &Event::Reset(By::Us), place);
    let (place, _) = (here(), ends.near.receive_some(1, LIMIT).unwrap_err());
    ends.check_last("client", &Event::Reset(By::Peer), place);

    let closed = Event::Closed(By::Us);
    let ends = recorded();
    let (place, ()) = (here(), ends.client.close());
    ends.check_last("client", &closed, place);
    let (place, ()) = (here(), ends.server.close());
    ends.check_last("server", &closed, place);

    let ends = recorded();
    let (place, ()) = (here(), ends.client.abort());
    ends.check_last("client", &closed, place);
    let (place, ()) = (here(), ends.server.abort());
    ends.check_last("server", &closed, place);

    let ends = recorded();
    let (place, ()) = (here(), ends.server.close_connection(0).unwrap());
    ends.check_last("server", &closed, place);
    let (place, _) = (here(), ends.client.connect(LIMIT).unwrap());
    ends.check_last("client", &closed, place);
    ends.server.accept(LIMIT).unwrap();
    ends.server.close_all();
    let transcript = ends.recorder.transcript().of_connection("server", 1);
    assert_eq!(transcript.conversations[0].records[1].event, closed);
}
