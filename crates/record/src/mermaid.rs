//! A transcript as a sequence diagram of Mermaid, which GitHub and many editors draw.

use std::collections::HashMap;
use std::fmt::Write;

use crate::escape::Mermaid;
use crate::event::{By, Event};
use crate::shown::{At, Size, one_line, quoted};
use crate::text::{describe, merged};
use crate::transcript::{Conversation, Peers, Transcript};

/// The maximum number of messages in a diagram. Renderers handle some hundred of them, and readers
/// no more.
const MESSAGES: usize = 300;

/// How many participants it has: they stand side by side.
const PARTICIPANTS: usize = 40;

/// How much of a message it shows.
const WIDTH: usize = 40;

impl Transcript {
    /// Renders the transcript as a Mermaid sequence diagram: the drivers and their peers, and the
    /// last 300 messages between them. Bytes that both ends have recorded appear once.
    pub fn to_mermaid(&self) -> String {
        let peers = Peers::of(self);
        let mut participants = Participants::default();
        let mut lines: Vec<String> = Vec::new();
        let mut left_out = 0;
        for (conversation, record) in merged(self).into_iter().rev() {
            let other = peers.other_end(conversation);
            if other.is_some() && is_by_peer(&record.event) {
                continue;
            }
            if lines.len() == MESSAGES {
                left_out += 1;
                continue;
            }
            let message = message(&record.event);
            let peer = match peers.name(conversation) {
                Some(name) => one_line(name, 40),
                None => one_line(&conversation.peer.to_string(), 40),
            };
            let this = participants.number(&one_line(&conversation.driver, 40));
            let that = participants.number(&peer);
            let (Some(this), Some(that)) = (this, that) else {
                left_out += 1;
                continue;
            };
            let at = At(record.at).to_string();
            lines.push(line(conversation, &at, this, that, message));
        }
        let mut out = String::from("sequenceDiagram\n");
        for (number, name) in participants.names.iter().enumerate() {
            let _ = writeln!(out, "    participant p{number} as {}", Mermaid(name));
        }
        if left_out > 0 && !participants.names.is_empty() {
            let text = format!("{left_out} messages are left out");
            let _ = writeln!(out, "    Note over p0: {}", Mermaid(&text));
        }
        for line in lines.iter().rev() {
            out.push_str(line);
        }
        out
    }
}

/// What is drawn of an event.
enum Message {
    /// An arrow away from the end that recorded it.
    There(&'static str, String),
    /// An arrow towards it.
    Back(&'static str, String),
    /// Something at it.
    Note(String),
}

fn message(event: &Event) -> Message {
    let bytes = |piece: &crate::event::Piece| {
        let text = quoted(&piece.kept, WIDTH, piece.is_whole());
        format!("{} {text}", Size(piece.length))
    };
    match event {
        Event::Connected => Message::There("->>", "connects".to_owned()),
        Event::Sent(piece) => Message::There("->>", bytes(piece)),
        Event::HalfClosed(By::Us) => Message::There("--)", "sends no more".to_owned()),
        Event::Closed(By::Us) => Message::There("--)", "closes".to_owned()),
        Event::Reset(By::Us) => Message::There("--x", "resets".to_owned()),
        Event::Accepted => Message::Back("->>", "connects".to_owned()),
        Event::Received(piece) => Message::Back("->>", bytes(piece)),
        Event::HalfClosed(By::Peer) => Message::Back("--)", "sends no more".to_owned()),
        Event::Closed(By::Peer) => Message::Back("--)", "closes".to_owned()),
        Event::Reset(By::Peer) => Message::Back("--x", "resets".to_owned()),
        other => Message::Note(describe(other, 2 * WIDTH)),
    }
}

/// What the other end did: if it is recorded, it is drawn as such.
fn is_by_peer(event: &Event) -> bool {
    matches!(
        event,
        Event::Accepted
            | Event::Received(_)
            | Event::HalfClosed(By::Peer)
            | Event::Closed(By::Peer)
            | Event::Reset(By::Peer)
    )
}

fn line(
    conversation: &Conversation,
    at: &str,
    this: usize,
    that: usize,
    message: Message,
) -> String {
    let at = at.trim_start_matches('+');
    let label = |text: &str| format!("{at} ({}) {text}", conversation.index);
    match message {
        Message::There(arrow, text) => {
            format!("    p{this}{arrow}p{that}: {}\n", Mermaid(&label(&text)))
        }
        Message::Back(arrow, text) => {
            format!("    p{that}{arrow}p{this}: {}\n", Mermaid(&label(&text)))
        }
        Message::Note(text) => {
            format!("    Note over p{this}: {}\n", Mermaid(&label(&text)))
        }
    }
}

/// Names may hold anything, so that participants are referred to by their numbers.
#[derive(Default)]
struct Participants {
    numbers: HashMap<String, usize>,
    names: Vec<String>,
}

impl Participants {
    fn number(&mut self, name: &str) -> Option<usize> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        if self.names.len() == PARTICIPANTS {
            return None;
        }
        let number = self.names.len();
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        Some(number)
    }
}
