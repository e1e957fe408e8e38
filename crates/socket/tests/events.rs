//! What a subscriber of `tracing` receives about connections.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use common::{LIMIT, pair};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Writes down every event of this crate: level, message and fields.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("standin_socket")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut note = Note(event.metadata().level().to_string());
        event.record(&mut note);
        self.0.lock().unwrap().push(note.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Note(String);

impl Visit for Note {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[test]
fn a_conversation_is_reported_from_its_connect_to_its_close() {
    let notes = Notes::default();
    tracing::subscriber::with_default(notes.clone(), || {
        let (near, far, _server) = pair();
        near.send(b"hello", LIMIT).unwrap();
        assert_eq!(far.receive_exactly(5, LIMIT).unwrap(), b"hello");
        far.send(b"hi\n", LIMIT).unwrap();
        assert_eq!(near.receive_line(LIMIT).unwrap(), b"hi");
        near.close();
        near.close();
        far.reset().unwrap();
    });
    let notes = notes.0.lock().unwrap();
    let heard = |level: Level, what: &str, who: &str| {
        let mut found = notes.iter().filter(|note| {
            note.starts_with(level.as_str()) && note.contains(what) && note.contains(who)
        });
        assert!(found.next().is_some(), "{what} of {who}: {notes:#?}");
        assert!(found.next().is_none(), "{what} of {who} twice: {notes:#?}");
    };
    heard(Level::DEBUG, "message=connected", "\"client\"");
    heard(Level::DEBUG, "message=accepted", "\"server\"");
    heard(Level::TRACE, "bytes=5", "\"client\"");
    heard(Level::TRACE, "bytes=5", "\"server\"");
    heard(Level::TRACE, "bytes=3", "\"server\"");
    heard(Level::TRACE, "bytes=2", "\"client\"");
    heard(Level::DEBUG, "message=closed", "\"client\"");
    heard(Level::DEBUG, "message=reset", "\"server\"");
    assert_eq!(notes.len(), 8, "{notes:#?}");
}
