//! What is kept of what happens: bounds, order, places, secrets, and the text of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use standin_record::{
    By, Event, Memory, Piece, Place, Record, Recorder, Redact, Settings, Tape, Tick, Transcript,
};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[track_caller]
fn here() -> Option<Place> {
    Some(Place::caller())
}

fn with(keep: usize, memory: usize, redact: &str) -> Recorder {
    let patterns = Some(redact).filter(|pattern| !pattern.is_empty());
    let settings = Settings {
        keep,
        memory: Memory::new(memory),
        redact: Redact::new(patterns).expect("the pattern is valid"),
    };
    Recorder::with_settings("greeting", settings)
}

fn accepted(recorder: &Recorder, port: u16) -> Arc<Tape> {
    let server = recorder.driver("server");
    server.connection(&Event::Accepted, address(8080), address(port), None)
}

/// Without what differs from run to run: every digit of a time.
fn masked(text: &str) -> String {
    let time = regex::Regex::new(r"\+\d+\.\d{3} \d{3} s").expect("it is valid");
    time.replace_all(text, "+0.000 000 s").into_owned()
}

#[test]
fn says_what_happened_with_the_places() {
    let recorder = Recorder::new("greeting");
    let (server, client) = (recorder.driver("server"), recorder.driver("client"));
    let there = client.connection(&Event::Connected, address(41234), address(8080), here());
    let tape = server.connection(&Event::Accepted, address(8080), address(41234), here());
    there.sent(Tick::now(), b"hell", here());
    there.record(&Event::HalfClosed(By::Us), here());
    tape.received(Tick::now(), b"hell", here());
    tape.record(
        &Event::DeadlinePassed {
            after: Duration::from_millis(300),
            wanted: "exactly 5 bytes, 4 came".to_owned(),
        },
        here(),
    );
    tape.record(&Event::Unmet("\"hello\"".to_owned()), None);
    tape.record(
        &Event::Fault("reset after 4 bytes\u{1b}[2J".to_owned()),
        None,
    );
    tape.sent_part(Tick::now(), b"GET ", 3_000_000, None);
    tape.record(&Event::Reset(By::Us), None);
    let transcript = recorder.transcript();
    let expected = expect![[r#"
        all 10 records, up to +0.000 000 s
          +0.000 000 s  client#0  connected to server                        crates/record/tests/recording.rs:48
          +0.000 000 s  server#0  accepted client                            crates/record/tests/recording.rs:49
          +0.000 000 s  client#0  -> 4 B  "hell"                             crates/record/tests/recording.rs:50
          +0.000 000 s  client#0  -> end: sends no more                      crates/record/tests/recording.rs:51
          +0.000 000 s  server#0  <- 4 B  "hell"                             crates/record/tests/recording.rs:52
          +0.000 000 s  server#0  waited 300 ms for exactly 5 bytes, 4 came  crates/record/tests/recording.rs:58
          +0.000 000 s  server#0  not as expected: "hello"
          +0.000 000 s  server#0  fault: reset after 4 bytes\u{1b}[2J
          +0.000 000 s  server#0  -> 3.0 MB  "GET "…
          +0.000 000 s  server#0  -> reset"#]];
    expected.assert_eq(&masked(&transcript.text().to_string()));
    let expected = expect![[r#"
        the last 2 of 7 records of server#0 (127.0.0.1:8080 <-> client 127.0.0.1:41234), up to +0.000 000 s
          +0.000 000 s  -> 3.0 MB  "GET "…
          +0.000 000 s  -> reset"#]];
    let server = transcript.of("server");
    expected.assert_eq(&masked(&server.text().last(2).width(5).to_string()));
    assert_eq!(
        Transcript::default().text().to_string(),
        "nothing was recorded of any connection"
    );
}

#[test]
fn allocates_nothing_before_the_first_record() {
    let memory = Memory::new(1 << 20);
    let recorder = Recorder::with_settings(
        "many",
        Settings {
            memory: memory.clone(),
            ..Settings::default()
        },
    );
    let tapes: Vec<_> = (0..1000).map(|port| accepted(&recorder, port)).collect();
    assert!(memory.spent() <= 1000 * 400, "{} bytes", memory.spent());
    let before = memory.spent();
    tapes[7].received(Tick::now(), b"x", None);
    assert!(memory.spent() - before <= 1024);
    drop((tapes, recorder));
    assert_eq!(memory.spent(), 0, "everything is given back");
}

#[test]
fn the_oldest_records_of_a_connection_go_first() {
    let recorder = with(4 << 10, 1 << 20, "");
    let tape = accepted(&recorder, 1);
    for number in 0_u32..1000 {
        tape.received(Tick::now(), format!("line {number}\n").as_bytes(), None);
    }
    let transcript = recorder.transcript();
    let one = &transcript.conversations[0];
    assert_eq!(one.records[0].event, Event::Accepted);
    let kept = one.records.len() as u64 - 1;
    assert!(kept > 50, "{kept}");
    assert_eq!(one.dropped.records + kept, 1000);
    let (bytes, is_part) = one.received();
    assert!(is_part && bytes.ends_with(b"line 998\nline 999\n"));
    let all: u64 = (0..1000).map(|n| format!("line {n}\n").len() as u64).sum();
    assert_eq!(one.dropped.received + bytes.len() as u64, all);
    let text = transcript.text().last(1).to_string();
    assert!(text.contains("older records are gone"), "{text}");
}

#[test]
fn what_was_silent_for_the_longest_goes_when_memory_is_used_up() {
    let memory = Memory::new(1 << 20);
    let settings = Settings {
        memory: memory.clone(),
        ..Settings::default()
    };
    let recorder = Recorder::with_settings("many", settings);
    let mut live = Vec::new();
    for port in 1..=2000 {
        let tape = accepted(&recorder, port);
        tape.sent(Tick::now(), &[b'x'; 200], None);
        if port % 2 == 0 {
            tape.record(&Event::Closed(By::Us), None);
        } else {
            live.push(tape);
        }
        assert!(memory.spent() <= memory.limit());
    }
    let transcript = recorder.transcript();
    assert!(transcript.forgotten > 0);
    let count = transcript.conversations.len() as u64;
    assert_eq!(transcript.forgotten + count, 2000);
    let newest = transcript.conversations.last().unwrap();
    assert_eq!(newest.index, 1999);
    assert!(newest.records.len() > 1, "the newest is there");
    for conversation in &transcript.conversations {
        let kept = conversation.records.len() as u64 - 1;
        let made = if conversation.index % 2 == 0 { 1 } else { 2 };
        assert_eq!(kept + conversation.dropped.records, made);
    }
}

#[test]
fn threads_record_while_somebody_looks() {
    let recorder = with(64 << 10, 64 << 10, "");
    let tapes: Vec<_> = (0..4).map(|port| accepted(&recorder, port)).collect();
    thread::scope(|scope| {
        for tape in &tapes {
            scope.spawn(|| {
                for number in 0_u32..5000 {
                    tape.sent(Tick::now(), &number.to_le_bytes(), here());
                }
            });
        }
        for _ in 0..50 {
            let _text = recorder.transcript().text().to_string();
        }
    });
    for conversation in recorder.transcript().conversations {
        let kept = conversation.records.len() as u64 - 1;
        assert_eq!(kept + conversation.dropped.records, 5000);
        let (bytes, _) = conversation.sent();
        let numbers = bytes
            .chunks(4)
            .map(|n| u32::from_le_bytes(n.try_into().unwrap()));
        let expected = (conversation.dropped.records as u32)..5000;
        assert!(numbers.eq(expected), "all after the gap, in order");
    }
}

#[test]
fn every_record_has_the_place_that_asked() {
    let recorder = Recorder::new("places");
    let tape = accepted(&recorder, 1);
    let place = here();
    for _ in 0..1000 {
        tape.sent(Tick::now(), b"x", place);
    }
    let transcript = recorder.transcript();
    let records = &transcript.conversations[0].records[1..];
    assert!(records.iter().all(|record| record.place == place));
}

#[test]
fn lines_of_other_languages_are_places_as_those_of_rust() {
    let recorder = Recorder::new("test");
    let there = Place::elsewhere("tests/test_bank.py", 12);
    let client = recorder.driver("client");
    let tape = client.connection(&Event::Connected, address(1), address(2), there);
    tape.sent(Tick::now(), b"x", here());
    tape.received(Tick::now(), b"y", there);
    let records = &recorder.transcript().conversations[0].records;
    let places: Vec<_> = records.iter().map(|record| record.place).collect();
    assert_eq!([places[0], places[2]], [there, there]);
    assert_eq!(places[1].map(Place::file), Some(file!()));
    assert!(
        recorder
            .transcript()
            .text()
            .to_string()
            .contains("tests/test_bank.py:12")
    );
}

#[test]
fn finds_what_was_said_across_pieces_and_in_order() {
    let recorder = Recorder::new("mail");
    let tape = accepted(&recorder, 41234);
    recorder.name_address(address(41234), "client");
    tape.sent(Tick::now(), b"22", None);
    tape.sent(Tick::now(), b"0 ready\r\n", None);
    tape.received(Tick::now(), b"QU", None);
    tape.received(Tick::now(), b"IT\r\n", None);
    let transcript = recorder.transcript();
    let greeting = transcript.said("server", "220 ").unwrap();
    let quit = transcript.said("client", "QUIT").unwrap();
    greeting.before(&quit).unwrap();
    assert_eq!(greeting.at(), transcript.conversations[0].records[2].at);
    let expected = expect![[
        r#""client" sent "QUIT" at +0.000 000 s, which is not before "server" sent "220 " at +0.000 000 s"#
    ]];
    expected.assert_eq(&masked(&quit.before(&greeting).unwrap_err().to_string()));
    let expected = expect![[r#"
        "server" has not sent "250 ok"
        all 5 records of server#0 (127.0.0.1:8080 <-> client 127.0.0.1:41234), up to +0.000 000 s
          +0.000 000 s  accepted client
          +0.000 000 s  -> 2 B  "22"
          +0.000 000 s  -> 9 B  "0 ready\r\n"
          +0.000 000 s  <- 2 B  "QU"
          +0.000 000 s  <- 4 B  "IT\r\n""#]];
    expected.assert_eq(&masked(
        &transcript.said("server", "250 ok").unwrap_err().to_string(),
    ));
}

#[test]
fn a_part_keeps_the_names_of_the_others() {
    let recorder = Recorder::new("two");
    accepted(&recorder, 41234);
    let client = recorder.driver("client");
    client.connection(&Event::Connected, address(41234), address(8080), None);
    let whole = recorder.transcript();
    for part in [whole.of("server"), whole.of_connection("server", 0)] {
        assert_eq!(part.conversations.len(), 1);
        assert_eq!(part.peer_of(&part.conversations[0]), Some("client"));
    }
    assert_eq!(whole.of_connection("server", 1).conversations, []);
    let at = whole.conversations[1].records[0].at;
    assert_eq!(whole.between(at, Duration::MAX).conversations.len(), 1);
}

#[test]
fn secrets_are_not_kept_whatever_says_them() {
    let recorder = with(64 << 10, 1 << 20, "hunter2");
    let tape = accepted(&recorder, 1);
    tape.record(&Event::Unmet("wanted hunter2".to_owned()), None);
    let driver = recorder.driver("server");
    driver.logged("stdout", "the password is hunter2");
    driver.probed("log has hunter2", "hunter2 is not there", false);
    driver.step_began("start");
    driver.step_ended("start", Some("refused hunter2"));
    driver.exited("ended with hunter2", false);
    // Too long to be kept, and secret only as a whole.
    let long = format!("{}hunter2", "x".repeat(508));
    tape.sent(Tick::now(), long.as_bytes(), None);
    driver.logged("stdout", &long);
    let debug = format!("{:?}", recorder.transcript());
    assert!(!debug.contains("hunt"), "{debug}");
    assert!(debug.contains("*******"));
}

#[test]
fn refuses_what_is_not_an_expression() {
    let error = Redact::new(["fine", "("]).unwrap_err().to_string();
    assert!(
        error.starts_with("\"(\" is not a valid regular expression: "),
        "{error}"
    );
}

proptest! {
    /// The secret is nowhere, however it is cut into pieces and in whichever direction others
    /// go between.
    #[test]
    fn no_byte_of_a_secret_is_kept(
        before in "[a-z ]{0,700}",
        secret in "[A-Z]{8,300}",
        after in "[a-z ]{0,700}",
        cuts in prop::collection::vec(1_usize..200, 1..60),
        keep in prop_oneof![Just(32_usize << 10), Just(64 << 10)],
        terminated in any::<bool>(),
    ) {
        let pattern = if terminated { "KEY<[A-Z]+>" } else { "KEY<[A-Z]+" };
        let recorder = with(keep, 1 << 20, pattern);
        let tape = accepted(&recorder, 1);
        let text = format!("{before}KEY<{secret}>{after}");
        let mut rest = text.as_bytes();
        for cut in cuts {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            tape.received(Tick::now(), piece, None);
            tape.sent(Tick::now(), b"ok", None);
            rest = more;
        }
        tape.received(Tick::now(), rest, None);
        let transcript = recorder.transcript();
        let (bytes, _) = transcript.conversations[0].received();
        let kept = String::from_utf8_lossy(&bytes).into_owned();
        let is_shown = kept.contains(|c: char| c.is_ascii_uppercase());
        prop_assert!(!is_shown, "{}", kept);
    }

    #[test]
    fn any_record_is_shown_on_a_line_of_its_own(
        bytes in prop::collection::vec(any::<u8>(), 0..1000),
        text in any::<String>(),
        name in any::<String>(),
    ) {
        let recorder = Recorder::new("any");
        let driver = recorder.driver(&name);
        let tape = driver.connection(&Event::Connected, address(1), address(2), None);
        tape.sent(Tick::now(), &bytes, None);
        tape.record(&Event::Note(text), None);
        let transcript = recorder.transcript();
        let Event::Sent(piece) = &transcript.conversations[0].records[1].event else {
            return Err(TestCaseError::fail("sent bytes are not there"));
        };
        prop_assert_eq!(&piece.kept[..], &bytes[..bytes.len().min(Piece::KEPT)]);
        prop_assert_eq!(piece.length, bytes.len() as u64);
        let text = transcript.text().to_string();
        prop_assert_eq!(text.lines().count(), 4, "{}", text);
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        prop_assert!(text.lines().all(|line| line.chars().count() < 250));
    }
}

#[test]
fn a_wait_in_slices_is_one_wait() {
    let recorder = Recorder::new("greeting");
    let server = recorder.driver("server");
    let tape = server.connection(&Event::Accepted, address(8080), address(41234), None);
    let waited = |wanted: &str| Event::DeadlinePassed {
        after: Duration::from_millis(200),
        wanted: wanted.to_owned(),
    };
    for wanted in ["a line", "a line", "a line", "1 byte", "a line"] {
        tape.record(&waited(wanted), None);
    }
    tape.received(Tick::now(), b"x", None);
    tape.record(&waited("a line"), None);
    let expected = expect![[r#"
        all 6 records of server#0 (127.0.0.1:8080 <-> 127.0.0.1:41234), up to +0.000 000 s
          +0.000 000 s  accepted 127.0.0.1:41234
          +0.000 000 s  waited 600 ms for a line
          +0.000 000 s  waited 200 ms for 1 byte
          +0.000 000 s  waited 200 ms for a line
          +0.000 000 s  <- 1 B  "x"
          +0.000 000 s  waited 200 ms for a line"#]];
    expected.assert_eq(&masked(&recorder.transcript().text().to_string()));
}

#[test]
fn many_short_waits_are_one_record() {
    let recorder = with(4 << 10, 1 << 20, "");
    let tape = accepted(&recorder, 41234);
    let wait = |wanted: &str, place| {
        let after = Duration::from_millis(1);
        let wanted = wanted.to_owned();
        tape.record(&Event::DeadlinePassed { after, wanted }, place);
    };
    let (one, other) = (here(), here());
    tape.received(Tick::now(), b"hello", one);
    for _ in 0..1000 {
        wait("1 byte", one);
    }
    wait("2 bytes", one);
    wait("2 bytes", other);
    tape.received(Tick::now(), b"again", one);
    wait("2 bytes", other);
    // So that the ring has wrapped around already.
    for number in 0..1000_u64 {
        tape.received(Tick::now(), &number.to_le_bytes(), one);
        wait("1 byte", one);
        wait("1 byte", one);
    }
    let records = &recorder.transcript().conversations[0].records;
    let waited = |record: &Record| match &record.event {
        Event::DeadlinePassed { after, .. } => Some(after.as_millis()),
        _ => None,
    };
    let waits: Vec<_> = records.iter().filter_map(waited).collect();
    assert!(
        waits.len() > 10 && waits.iter().all(|millis| *millis == 2),
        "{waits:?}"
    );

    let recorder = with(64 << 10, 1 << 20, "");
    let tape = accepted(&recorder, 41234);
    for place in [one, one, one, other] {
        let (after, wanted) = (Duration::from_millis(1), "1 byte".to_owned());
        tape.record(&Event::DeadlinePassed { after, wanted }, place);
    }
    let records = &recorder.transcript().conversations[0].records;
    let waits: Vec<_> = records.iter().filter_map(waited).collect();
    assert_eq!(waits, [3, 1]);
}
