//! The page: nothing breaks out of its markup, it stays small, and everything is on it.

mod markup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use standin_record::{
    Address, By, Conversation, Event, Line, Piece, Probe, ProgramEnd, Record, Setting, Step, Story,
    Transcript,
};

use markup::Markup;

fn story(name: &str, text: &str, number: u64) -> Story {
    Story {
        name: Arc::from(name),
        kind: text.to_owned(),
        waits_for: vec![text.to_owned()],
        settings: vec![Setting {
            name: text.to_owned(),
            value: text.to_owned(),
            origin: text.to_owned(),
        }],
        steps: vec![Step {
            name: Step::START.to_owned(),
            at: Duration::from_millis(number),
            took: Some(Duration::from_millis(20)),
            error: number.is_multiple_of(7).then(|| text.to_owned()),
        }],
        probes: vec![Probe {
            condition: text.to_owned(),
            answer: text.to_owned(),
            count: 3,
            is_met: !number.is_multiple_of(5),
            ..Probe::default()
        }],
        lines: vec![Line {
            log: text.to_owned(),
            text: text.to_owned(),
            at: Duration::from_millis(number),
        }],
        exit: Some(ProgramEnd {
            at: Duration::from_secs(3),
            how: text.to_owned(),
            is_expected: number.is_multiple_of(2),
        }),
        dropped: number,
    }
}

fn conversation(name: &str, text: &str, number: u16) -> Conversation {
    let [local, peer] = [number, 8080].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let piece = Piece {
        kept: text.as_bytes()[..text.len().min(Piece::KEPT)].to_vec(),
        length: text.len() as u64,
    };
    let events = [
        Event::Connected,
        Event::Sent(piece.clone()),
        Event::Received(piece),
        Event::HalfClosed(By::Peer),
        Event::DeadlinePassed {
            after: Duration::from_secs(2),
            wanted: text.to_owned(),
        },
        Event::Fault(text.to_owned()),
        Event::Met(text.to_owned()),
        Event::Unmet(text.to_owned()),
        Event::Note(text.to_owned()),
        Event::Closed(By::Us),
    ];
    let records = events.into_iter().zip(u64::from(number)..);
    Conversation {
        driver: Arc::from(name),
        index: usize::from(number),
        local: local.into(),
        peer: peer.into(),
        dropped: Default::default(),
        wire: Vec::new(),
        records: records
            .map(|(event, at)| Record {
                at: Duration::from_millis(at),
                place: None,
                event,
            })
            .collect(),
    }
}

fn transcript(name: &str, text: &str) -> Transcript {
    Transcript {
        name: name.to_owned(),
        taken: Duration::from_secs(4),
        drivers: (0..3).map(|n| story(name, text, n)).collect(),
        conversations: (0..3).map(|n| conversation(name, text, n)).collect(),
        names: vec![(
            Address::from(SocketAddr::from(([127, 0, 0, 1], 8080))),
            // Nobody else has that name.
            format!("{text}|"),
        )],
        ..Transcript::default()
    }
}

/// Texts that mean something to what reads a page.
fn hostile() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("</title><script>alert(1)</script>".to_owned()),
        Just("</style></svg></pre>".to_owned()),
        Just("\" onload=\"alert(1)\" x='".to_owned()),
        Just("<!--".to_owned()),
        Just("]]>".to_owned()),
        Just("&lt;&#60;".to_owned()),
        Just("\u{202e}\u{0}\u{ffff}".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(token, 0..4).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With whatever names and texts, the page has the elements that it has with plain ones.
    #[test]
    fn names_and_texts_never_break_out(name in hostile(), text in hostile()) {
        let page = transcript(&name, &text).to_html();
        let markup = Markup::of(&page).map_err(TestCaseError::fail)?;
        let plain = transcript("plain", if text.is_empty() { "" } else { "text" }).to_html();
        let plain = Markup::of(&plain).map_err(TestCaseError::fail)?;
        prop_assert_eq!(markup.elements, plain.elements);
        prop_assert!(markup.attributes.iter().all(|a| !a.starts_with("on")));
    }
}

#[test]
fn an_empty_transcript_is_a_page() {
    let page = Transcript::default().to_html();
    Markup::of(&page).unwrap();
    for text in ["No connection was recorded", "No driver has begun to start"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn everything_is_on_it_and_every_link_leads_somewhere() {
    let transcript = transcript("shop <1>", "x&y");
    let page = transcript.to_html();
    for text in [
        "<title>shop &lt;1&gt;</title>",
        "waits for x&amp;y",
        "3 B <code>&quot;x&amp;y&quot;</code>",
        "00000000  78 26 79",
        "waited 2.00 s for x&amp;y",
        "start failed: x&amp;y",
        "asked 3 times",
        "prefers-color-scheme: dark",
        "<th scope=\"row\">x&amp;y</th>",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for link in page.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(page.contains(&format!(" id=\"{id}\"")), "{id}");
    }
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
}

#[test]
fn a_thousand_drivers_and_many_messages_stay_below_two_megabytes() {
    let text = "option \u{1}<'\">&".repeat(60);
    let settings: Vec<Setting> = (0..20)
        .map(|number| Setting {
            name: format!("option_{number}"),
            value: text.clone(),
            origin: "default".to_owned(),
        })
        .collect();
    let drivers = (0..1_000).map(|number| Story {
        settings: settings.clone(),
        ..story(&format!("driver {number}"), &text, number)
    });
    let conversations = (0..1_000).map(|number| {
        let mut conversation = conversation(&format!("driver {number}"), &text, number);
        let records = conversation.records.clone();
        (0..10).for_each(|_| conversation.records.extend(records.clone()));
        conversation
    });
    let transcript = Transcript {
        drivers: drivers.collect(),
        conversations: conversations.collect(),
        ..transcript("huge", "")
    };
    let page = transcript.to_html();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    let markup = Markup::of(&page).unwrap();
    assert!(markup.elements.iter().filter(|e| *e == "details").count() > 1_000);
    assert!(page.contains("to keep the page small"));
    assert!(page.contains("driver 994"), "one in trouble is shown");
}
