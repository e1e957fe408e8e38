//! A transcript as text: what an error message shows.

use std::fmt;
use std::time::Duration;

use crate::event::{By, Event, Piece};
use crate::shown::{At, Size, Took, one_line, quoted};
use crate::transcript::{Conversation, Peers, Record, Transcript};

/// How many characters of the bytes of a record are shown by default.
const WIDTH: usize = 60;

/// How wide the names in front may be.
const NAME: usize = 32;

/// The records of a transcript as text, one a line: aligned, without colour, and without
/// anything that would mean something to a terminal.
///
/// ```
/// # use standin_record::{Event, Recorder, Tick};
/// # use std::net::SocketAddr;
/// let recorder = Recorder::new("greeting");
/// # let [local, peer] = [8080, 41234].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
/// let tape = recorder.driver("server").connection(&Event::Accepted, local, peer, None);
/// tape.received(Tick::now(), b"hello\n", None);
/// let text = recorder.transcript().text().last(1).to_string();
/// assert!(text.ends_with("s  <- 6 B  \"hello\\n\""), "{text}");
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is shown by `Display`"]
pub struct Text<'t> {
    transcript: &'t Transcript,
    last: usize,
    width: usize,
}

impl Transcript {
    /// Returns the records of all connections as text, by time.
    pub fn text(&self) -> Text<'_> {
        Text {
            transcript: self,
            last: usize::MAX,
            width: WIDTH,
        }
    }
}

impl Text<'_> {
    /// Only the last `records` of them, by default all.
    pub fn last(mut self, records: usize) -> Self {
        self.last = records;
        self
    }

    /// Sets the maximum number of characters per record, by default 60.
    pub fn width(mut self, characters: usize) -> Self {
        self.width = characters;
        self
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transcript = self.transcript;
        let all = merged(transcript);
        let shown = &all[all.len().saturating_sub(self.last)..];
        self.heading(f, all.len(), shown.len())?;
        let peers = Peers::of(transcript);
        let lines: Vec<[String; 4]> = shown
            .iter()
            .map(|(conversation, record)| {
                [
                    At(record.at).to_string(),
                    name(conversation),
                    said(record, conversation, &peers, self.width),
                    record
                        .place
                        .map(|place| place.to_string())
                        .unwrap_or_default(),
                ]
            })
            .collect();
        let width = |column: usize| {
            let widths = lines.iter().map(|line| line[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let (times, names, texts) = (width(0), width(1), width(2));
        // Of one connection the heading has the name.
        let is_one = transcript.conversations.len() == 1;
        for [time, name, text, place] in &lines {
            let name = match is_one {
                true => String::new(),
                false => format!("{name:names$}  "),
            };
            let line = format!("  {time:>times$}  {name}{text:texts$}  {place}");
            write!(f, "\n{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Text<'_> {
    fn heading(&self, f: &mut fmt::Formatter<'_>, all: usize, shown: usize) -> fmt::Result {
        let transcript = self.transcript;
        match (all, shown) {
            (0, _) => return f.write_str("nothing was recorded of any connection"),
            (1, 1) => f.write_str("the only record")?,
            _ if all == shown => write!(f, "all {all} records")?,
            (_, 1) => write!(f, "the last of {all} records")?,
            _ => write!(f, "the last {shown} of {all} records")?,
        }
        if let [one] = &transcript.conversations[..] {
            let peers = Peers::of(transcript);
            write!(
                f,
                " of {} ({} <-> {}{})",
                name(one),
                one.local,
                peers.name(one).map(shortened).unwrap_or_default(),
                one.peer
            )?;
        }
        write!(f, ", up to {}", At(transcript.taken))?;
        let dropped: u64 = (transcript.conversations.iter())
            .map(|conversation| conversation.dropped.records)
            .sum();
        if dropped > 0 {
            write!(
                f,
                "; {dropped} older records are gone, to keep within bounds"
            )?;
        }
        match transcript.forgotten {
            0 => Ok(()),
            1 => f.write_str("; one earlier connection is gone as a whole"),
            more => write!(f, "; {more} earlier connections are gone as a whole"),
        }
    }
}

fn shortened(name: &str) -> String {
    format!("{} ", one_line(name, NAME))
}

/// The name of a connection: its driver and its number.
pub(crate) fn name(conversation: &Conversation) -> String {
    format!(
        "{}#{}",
        one_line(&conversation.driver, NAME),
        conversation.index
    )
}

/// The records of all connections, by time. Those of one connection keep their order.
pub(crate) fn merged(transcript: &Transcript) -> Vec<(&Conversation, &Record)> {
    let conversations = transcript.conversations.iter();
    let mut all: Vec<(&Conversation, &Record)> = conversations
        .flat_map(|one| one.records.iter().map(move |record| (one, record)))
        .collect();
    all.sort_by_key(|(_, record)| record.at);
    all
}

fn said(record: &Record, conversation: &Conversation, peers: &Peers<'_>, width: usize) -> String {
    let peer = || match peers.name(conversation) {
        Some(name) => one_line(name, NAME),
        None => conversation.peer.to_string(),
    };
    match &record.event {
        Event::Connected => format!("connected to {}", peer()),
        Event::Accepted => format!("accepted {}", peer()),
        other => describe(other, width),
    }
}

/// Renders an event on one line, with at most `width` characters of its bytes or text.
pub(crate) fn describe(event: &Event, width: usize) -> String {
    let piece = |arrow: &str, piece: &Piece| {
        let bytes = quoted(&piece.kept, width, piece.is_whole());
        format!("{arrow} {}  {bytes}", Size(piece.length))
    };
    match event {
        Event::Connected => "connected".to_owned(),
        Event::Accepted => "accepted".to_owned(),
        Event::Sent(sent) => piece("->", sent),
        Event::Received(received) => piece("<-", received),
        Event::HalfClosed(By::Us) => "-> end: sends no more".to_owned(),
        Event::HalfClosed(By::Peer) => "<- end: the peer sends no more".to_owned(),
        Event::Reset(By::Us) => "-> reset".to_owned(),
        Event::Reset(By::Peer) => "<- reset by the peer".to_owned(),
        Event::Closed(By::Us) => "closed".to_owned(),
        Event::Closed(By::Peer) => "<- closed by the peer".to_owned(),
        Event::DeadlinePassed { after, wanted } => {
            format!("waited {} for {}", limit(*after), one_line(wanted, width))
        }
        Event::Fault(text) => format!("fault: {}", one_line(text, width)),
        Event::Met(text) => format!("as expected: {}", one_line(text, width)),
        Event::Unmet(text) => format!("not as expected: {}", one_line(text, width)),
        Event::Note(text) => one_line(text, width),
    }
}

fn limit(after: Duration) -> Took {
    Took(after)
}
