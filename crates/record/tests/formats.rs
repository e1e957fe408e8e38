//! Diagram, data and trace: whole, bounded, and nothing breaks out of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;
use serde_json::Value;
use standin_record::{
    Address, By, Conversation, Event, Line, Piece, Place, Probe, ProgramEnd, Record, Setting, Step,
    Story, Transcript, json_schema,
};

fn piece(bytes: &[u8]) -> Piece {
    Piece {
        kept: bytes[..bytes.len().min(Piece::KEPT)].to_vec(),
        length: bytes.len() as u64,
    }
}

fn conversation(driver: &str, ports: [u16; 2], events: Vec<Event>) -> Conversation {
    let [local, peer] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)).into());
    let records = events.into_iter().zip(1..);
    Conversation {
        driver: Arc::from(driver),
        index: 0,
        local,
        peer,
        dropped: Default::default(),
        wire: Vec::new(),
        records: records
            .map(|(event, at)| Record {
                at: Duration::from_millis(at),
                place: Some(Place::caller()),
                event,
            })
            .collect(),
    }
}

/// One of everything, with whatever names, texts and bytes.
fn everything(name: &str, text: &str, bytes: &[u8]) -> Transcript {
    let text = text.to_owned();
    let events = vec![
        Event::Connected,
        Event::Sent(piece(bytes)),
        Event::Received(piece(bytes)),
        Event::DeadlinePassed {
            after: Duration::MAX,
            wanted: text.clone(),
        },
        Event::Fault(text.clone()),
        Event::Met(text.clone()),
        Event::Unmet(text.clone()),
        Event::Note(text.clone()),
        Event::HalfClosed(By::Us),
        Event::Reset(By::Peer),
        Event::Closed(By::Us),
    ];
    let mut one = conversation(name, [1, 2], events);
    one.dropped.records = 3;
    let step = Step {
        name: text.clone(),
        error: Some(text.clone()),
        ..Step::default()
    };
    let story = Story {
        name: Arc::from(name),
        kind: text.clone(),
        waits_for: vec![text.clone()],
        settings: vec![Setting {
            name: text.clone(),
            value: text.clone(),
            origin: text.clone(),
        }],
        steps: vec![step, Step::default()],
        probes: vec![Probe::default()],
        lines: vec![Line {
            text: text.clone(),
            ..Line::default()
        }],
        exit: Some(ProgramEnd {
            how: text.clone(),
            ..ProgramEnd::default()
        }),
        dropped: 0,
    };
    Transcript {
        name: name.to_owned(),
        drivers: vec![story, Story::default()],
        conversations: vec![one, conversation("other", [3, 4], vec![Event::Accepted])],
        names: vec![(Address::Unnamed, text)],
        ..Transcript::default()
    }
}

fn greeting() -> Transcript {
    let server = vec![
        Event::Accepted,
        Event::Received(piece(b"hello; <b>\r\n")),
        Event::Sent(piece(b"220 %%{ready}%%")),
        Event::Unmet("\"bye\"".to_owned()),
        Event::Closed(By::Us),
    ];
    let client = vec![
        Event::Connected,
        Event::Sent(piece(b"hello; <b>\r\n")),
        Event::Received(piece(b"220 %%{ready}%%")),
        Event::Closed(By::Peer),
    ];
    Transcript {
        name: "greeting".to_owned(),
        conversations: vec![
            conversation("the \"server\"", [8080, 41234], server),
            conversation("client", [41234, 8080], client),
        ],
        ..Transcript::default()
    }
}

#[test]
fn a_diagram_has_each_message_once() {
    let expected = expect![[r#"
        sequenceDiagram
            participant p0 as the #34;server#34;
            participant p1 as client
            p1->>p0: 0.001 000 s (0) connects
            p1->>p0: 0.002 000 s (0) 12 B #34;hello#59; #60;b#62;#92;r#92;n#34;
            p0->>p1: 0.003 000 s (0) 15 B #34;220 #37;#37;#123;ready#125;#37;#37;#34;
            Note over p0: 0.004 000 s (0) not as expected#58; #34;bye#34;
            p0--)p1: 0.005 000 s (0) closes
    "#]];
    expected.assert_eq(&greeting().to_mermaid());
    assert_eq!(Transcript::default().to_mermaid(), "sequenceDiagram\n");
}

#[test]
fn a_diagram_has_the_newest_messages() {
    let events = (0..1000).map(|n| Event::Sent(piece(format!("{n}").as_bytes())));
    let transcript = Transcript {
        conversations: vec![conversation("a", [1, 2], events.collect())],
        ..Transcript::default()
    };
    let diagram = transcript.to_mermaid();
    assert!(diagram.contains("700 messages are left out"));
    assert!(diagram.contains(" #34;999#34;") && !diagram.contains(" #34;699#34;"));
}

/// Every line is one of those that a diagram has.
fn check_diagram(diagram: &str) -> Result<(), String> {
    let mut lines = diagram.lines();
    if lines.next() != Some("sequenceDiagram") {
        return Err("no diagram".to_owned());
    }
    let line_of = r"^    (participant p\d+ as|Note over p\d+:|p\d+(->>|--\)|--x)p\d+:) (.+)$";
    let line_of = regex::Regex::new(line_of).map_err(|error| error.to_string())?;
    let entities = regex::Regex::new("#[0-9]+;").map_err(|error| error.to_string())?;
    for line in lines {
        let found = line_of.captures(line).ok_or_else(|| format!("{line:?}"))?;
        let plain = entities.replace_all(&found[3], "").into_owned();
        if plain.contains(|c: char| c.is_control() || ";#<>&\"'`%{}[]:*\\".contains(c)) {
            return Err(format!("{plain:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_schema_accepts_what_is_written_and_refuses_what_is_not() {
    let validator = jsonschema::validator_for(&json_schema()).unwrap();
    let json: Value = serde_json::from_str(&greeting().to_json()).unwrap();
    assert_eq!(json["connections"][1]["peer_name"], "the \"server\"");
    assert_eq!(
        json["connections"][0]["records"][1]["text"],
        "hello; <b>\r\n"
    );
    assert_eq!(
        json["connections"][0]["records"][1]["hex"],
        "68656c6c6f3b203c623e0d0a"
    );
    assert!(validator.is_valid(&json));
    for (pointer, wrong) in [
        ("/version", Value::from(2)),
        ("/taken", Value::from(-1)),
        ("/connections/0/records/1/hex", Value::from("6")),
        ("/connections/0/records/1/event", Value::from("connected")),
        ("/connections/0/records/4/by", Value::from("nobody")),
    ] {
        let mut json = json.clone();
        *json.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&json), "{pointer}");
    }
}

#[test]
fn a_trace_has_a_row_for_each_driver() {
    let mut transcript = everything("bank", "text", b"");
    transcript.started = std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    transcript.taken = Duration::from_millis(5);
    let trace: Value = serde_json::from_str(&transcript.to_chrome_trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let step = events.iter().find(|event| event["cat"] == "step").unwrap();
    assert_eq!(step["ts"], 1_800_000_000_000_000.0);
    assert_eq!(step["dur"], 5_000.0);
    assert_eq!(step["args"]["error"], "text");
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    assert_eq!(names.count(), 2);
    for event in events {
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        let has_time = event["ph"] == "M" || event["ts"].is_f64();
        assert!(has_time, "{event}");
    }
}

#[test]
fn secrets_for_decryption_are_in_the_capture_only() {
    let transcript = Transcript {
        secrets: "CLIENT_RANDOM deadbeef".to_owned(),
        ..greeting()
    };
    let capture = transcript.to_pcapng();
    assert!(capture.windows(8).any(|bytes| bytes == b"deadbeef"));
    for text in [
        transcript.to_json(),
        transcript.to_html(),
        transcript.to_mermaid(),
        transcript.text().to_string(),
    ] {
        assert!(!text.contains("deadbeef"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_it_says_is_whole(
        name in any::<String>(),
        text in prop_oneof![any::<String>(), "(<!--|-->|;|\n|%%|\"|#59;|end|&lt;){0,8}"],
        bytes in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        let transcript = everything(&name, &text, &bytes);
        check_diagram(&transcript.to_mermaid()).map_err(TestCaseError::fail)?;
        let json: Value = serde_json::from_str(&transcript.to_json())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(json["name"].as_str(), Some(&name[..]));
        let validator = jsonschema::validator_for(&json_schema())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let error = validator.validate(&json).err().map(|error| error.to_string());
        prop_assert_eq!(error, None);
        let trace: Result<Value, _> = serde_json::from_str(&transcript.to_chrome_trace());
        prop_assert!(trace.is_ok());
        prop_assert!(transcript.start_text().to_string().lines().count() < 20);
    }
}
