//! Whatever names and texts a test has: the page and the diagram of it keep their form, and the
//! data can be read.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_record::{
    Address, By, Conversation, Event, Line, Piece, Probe, ProgramEnd, Record, Setting, Step, Story, Transcript,
};

#[derive(Arbitrary, Debug)]
struct Input {
    name: String,
    peer: String,
    text: String,
    bytes: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let transcript = transcript(&input.name, &input.peer, &input.text, &input.bytes);
    let plain = transcript_of_plain(&input.bytes);
    let (page, plain) = (transcript.to_html(), plain.to_html());
    for mark in ['<', '>', '"'] {
        assert_eq!(
            page.matches(mark).count(),
            plain.matches(mark).count(),
            "{mark}"
        );
    }
    for line in transcript.to_mermaid().lines().skip(1) {
        let is_known = ["    participant p", "    Note over p", "    p"]
            .iter()
            .any(|beginning| line.starts_with(beginning));
        assert!(is_known, "{line:?}");
        assert!(
            !line.contains(['<', '"', '%', '{', '`', '\u{2028}']),
            "{line:?}"
        );
    }
    for json in [transcript.to_json(), transcript.to_chrome_trace()] {
        let read: Result<serde_json::Value, _> = serde_json::from_str(&json);
        assert!(read.is_ok(), "{json}");
    }
    let text = transcript.text().to_string();
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
    assert_eq!(transcript.to_pcapng().len() % 4, 0);
});

fn transcript_of_plain(bytes: &[u8]) -> Transcript {
    transcript("name", "peer", "text", bytes)
}

/// Names are told apart, and no text is empty, so that the page has as many parts with any.
fn transcript(name: &str, peer: &str, text: &str, bytes: &[u8]) -> Transcript {
    let (name, peer) = (format!("1{name}"), format!("2{peer}"));
    let text = format!("3{text}");
    let piece = Piece {
        kept: bytes[..bytes.len().min(Piece::KEPT)].to_vec(),
        length: bytes.len() as u64,
    };
    let events = [
        Event::Connected,
        Event::Sent(piece.clone()),
        Event::Received(piece),
        Event::DeadlinePassed {
            after: Duration::from_secs(2),
            wanted: text.clone(),
        },
        Event::Fault(text.clone()),
        Event::Unmet(text.clone()),
        Event::Note(text.clone()),
        Event::Closed(By::Peer),
    ];
    let records = events.into_iter().zip(0..).map(|(event, at)| Record {
        at: Duration::from_millis(at),
        place: None,
        event,
    });
    let [local, peer_address] =
        [1, 2].map(|port| Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], port))));
    Transcript {
        name: name.clone(),
        drivers: vec![story(&name, &text)],
        conversations: vec![Conversation {
            driver: name.as_str().into(),
            index: 0,
            local,
            peer: peer_address.clone(),
            dropped: Default::default(),
            records: records.collect(),
            wire: Vec::new(),
        }],
        names: vec![(peer_address, peer)],
        ..Transcript::default()
    }
}

fn story(name: &str, text: &str) -> Story {
    let step = Step {
        name: Step::START.to_owned(),
        error: Some(text.to_owned()),
        ..Step::default()
    };
    let probe = Probe {
        condition: text.to_owned(),
        answer: text.to_owned(),
        ..Probe::default()
    };
    Story {
        name: name.into(),
        kind: text.to_owned(),
        waits_for: vec![text.to_owned()],
        settings: vec![Setting {
            name: text.to_owned(),
            value: text.to_owned(),
            origin: text.to_owned(),
        }],
        steps: vec![step],
        probes: vec![probe],
        lines: vec![Line {
            log: text.to_owned(),
            text: text.to_owned(),
            ..Line::default()
        }],
        exit: Some(ProgramEnd {
            how: text.to_owned(),
            ..ProgramEnd::default()
        }),
        dropped: 0,
    }
}
