//! What peers that answer by themselves say is recorded, and shown where one of them fails.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::{Duration, Instant};

use standin_record::{Event, Recorder, Redact, Settings};
use standin_reply::{Otherwise, Replies, Responder, Seen, equals, hold, reply};
use standin_socket::framing::Lines;
use standin_socket::{Client, Connection, Server};

const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

/// A peer that answers, and a client of it.
struct Talk {
    recorder: Recorder,
    responder: Responder,
    server: Server,
}

fn talk(replies: Replies) -> Talk {
    let settings = Settings {
        redact: Redact::new([r"password=\S+"]).unwrap(),
        ..Settings::default()
    };
    let recorder = Recorder::with_settings("test", settings);
    let driver = recorder.driver("bank");
    let server = Server::builder().host("127.0.0.1").record(driver.clone());
    let server = server.bind().unwrap();
    let script = replies.prepare(&[]).unwrap().label("server \"bank\"");
    Talk {
        responder: Responder::serve(&server, script.record(driver)).unwrap(),
        recorder,
        server,
    }
}

impl Talk {
    fn connect(&self) -> Connection {
        let client = Client::builder().host("127.0.0.1").port(self.server.port());
        client.build().connect(LIMIT).unwrap()
    }
}

/// How many blocks of records a report has, and how many lines.
fn blocks(report: &str) -> usize {
    report.matches(" of bank#").count()
}

#[test]
fn what_is_unexpected_shows_its_connection_once() {
    let talk = talk(
        Replies::framed(Lines::new())
            .on("PING", "PONG\n")
            .otherwise(Otherwise::Fail),
    );
    let (near, other) = (talk.connect(), talk.connect());
    near.send(b"PING\n", LIMIT).unwrap();
    near.expect(b"PONG\n", LIMIT).unwrap();
    near.send(b"PAY\nPUT\n", LIMIT).unwrap();
    other.send(b"POP\n", LIMIT).unwrap();
    let started = Instant::now();
    while talk.responder.ledger().unexpected_count() < 3 {
        assert!(started.elapsed() < LIMIT, "not all has come");
        talk.responder.settle(LIMIT).unwrap();
    }
    let error = talk.responder.verify(LIMIT).unwrap_err();
    let report = format!("{error:?}");
    assert_eq!(blocks(&report), 2, "{report}");
    assert!(
        report.contains("not as expected: frame \"PUT\""),
        "{report}"
    );

    let error = talk
        .responder
        .wait_until(Seen::rule("none"), SHORT)
        .unwrap_err();
    assert_eq!(
        blocks(&format!("{error:?}")),
        0,
        "it is about no connection"
    );
    let error = talk
        .responder
        .wait_until(Seen::frames(9), SHORT)
        .unwrap_err();
    assert_eq!(blocks(&format!("{error:?}")), 1, "{error:?}");
}

#[test]
fn what_is_missing_shows_what_came_instead() {
    let replies = Replies::framed(Lines::new())
        .on("PING", "PONG\n")
        .on(equals("PAY").times(1..), reply("paid\n"))
        .on(equals("PUT").times(1..), reply("put\n"));
    let talk = talk(replies);
    let error = talk.responder.verify(LIMIT).unwrap_err();
    assert_eq!(blocks(&format!("{error:?}")), 0, "nobody came: {error:?}");
    let near = talk.connect();
    near.send(b"PING\n", LIMIT).unwrap();
    near.expect(b"PONG\n", LIMIT).unwrap();
    let error = talk.responder.verify(LIMIT).unwrap_err();
    let report = format!("{error:?}");
    assert_eq!(blocks(&report), 1, "{report}");
    assert!(report.contains("<- 5 B  \"PING\\n\""), "{report}");
    let error = talk.responder.held("none", SHORT).unwrap_err();
    assert_eq!(blocks(&format!("{error:?}")), 1, "{error:?}");
}

#[test]
fn a_secret_shows_in_nothing_that_was_unexpected() {
    let talk = talk(Replies::framed(Lines::new()).on(equals("user=me password=hunter3"), "ok\n"));
    let near = talk.connect();
    for piece in [&b"user=me pass"[..], b"word=hun", b"ter2\n"] {
        near.send(piece, LIMIT).unwrap();
        talk.responder.settle(LIMIT).unwrap();
    }
    talk.responder.wait_until(Seen::frames(1), LIMIT).unwrap();
    let error = talk.responder.verify(LIMIT).unwrap_err();
    for shown in [
        format!("{error:?}"),
        talk.recorder.transcript().text().to_string(),
    ] {
        let shows = |part: &str| shown.contains(part);
        assert!(
            !shows("hunter2") && !shows("hun\"") && shows("user=me"),
            "{shown}"
        );
    }
}

#[test]
fn a_conversation_that_changes_hands_is_one() {
    let talk = talk(
        Replies::framed(Lines::new())
            .on("PAY", hold("pay"))
            .on("PING", "PONG\n"),
    );
    let near = talk.connect();
    near.send(b"PAY\n", LIMIT).unwrap();
    let mut held = talk.responder.held("pay", LIMIT).unwrap();
    held.send(b"paid\n", LIMIT).unwrap();
    near.send(b"thanks\n", LIMIT).unwrap();
    held.expect(b"thanks\n", LIMIT).unwrap();
    held.hand_back();
    near.send(b"PING\n", LIMIT).unwrap();
    near.expect(b"paid\nPONG\n", LIMIT).unwrap();
    let conversation = &talk.recorder.transcript().conversations[0];
    assert_eq!(conversation.received().0, b"PAY\nthanks\nPING\n");
    assert_eq!(conversation.sent().0, b"paid\nPONG\n");
    let of_test = conversation
        .records
        .iter()
        .filter(|record| record.place.is_some());
    let of_test: Vec<_> = of_test.map(|record| record.event.clone()).collect();
    assert_eq!(of_test.len(), 3, "{of_test:?}");
    assert!(matches!(of_test[2], Event::Met(_)));
}
