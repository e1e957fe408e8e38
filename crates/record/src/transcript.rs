//! [`Transcript`]: what was recorded, as data.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::address::Address;
use crate::event::{Event, Piece};
use crate::place::Place;

/// Everything recorded until a time. Times are counted from the start of the recorder, by a
/// monotonic clock.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The name of the environment.
    pub name: String,
    /// When the recorder began, as time of day.
    pub started: SystemTime,
    /// When the transcript was taken.
    pub taken: Duration,
    /// The drivers, in the order in which they were recorded first.
    pub drivers: Vec<Story>,
    /// The connections, in the order in which they were opened.
    pub conversations: Vec<Conversation>,
    /// How many connections were forgotten with all their records, to make room.
    pub forgotten: u64,
    /// Whose addresses these are, for ends that are not recorded.
    pub names: Vec<(Address, String)>,
    /// A key log, with which the bytes of encrypted connections can be read.
    pub secrets: String,
}

/// The life of a driver.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Its name.
    pub name: Arc<str>,
    /// Its kind; empty if unknown.
    pub kind: String,
    /// The drivers that its start waits for.
    pub waits_for: Vec<String>,
    /// Its options.
    pub settings: Vec<Setting>,
    /// The steps of its life.
    pub steps: Vec<Step>,
    /// The conditions of its readiness.
    pub probes: Vec<Probe>,
    /// Lines of its logs that matter.
    pub lines: Vec<Line>,
    /// How its program ended, if it has.
    pub exit: Option<ProgramEnd>,
    /// How many steps, conditions and lines were forgotten, because they were too many.
    pub dropped: u64,
}

/// An option as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value as text.
    pub value: String,
    /// Where the value is from, such as `default` or a file with a line.
    pub origin: String,
}

/// A step of a driver's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Such as `starting`.
    pub name: String,
    /// When it began.
    pub at: Duration,
    /// How long it took, if it is over.
    pub took: Option<Duration>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// A condition of readiness with the last answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The condition.
    pub condition: String,
    /// When it was first checked.
    pub first: Duration,
    /// When it was last checked.
    pub last: Duration,
    /// How often it was asked.
    pub count: u64,
    /// The last answer.
    pub answer: String,
    /// Whether it was met then.
    pub is_met: bool,
}

/// A line of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// When it was seen.
    pub at: Duration,
    /// The name of the log.
    pub log: String,
    /// The text.
    pub text: String,
}

/// The end of a driver's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramEnd {
    /// When it was noticed.
    pub at: Duration,
    /// How it ended.
    pub how: String,
    /// Whether it should end like that.
    pub is_expected: bool,
}

/// The recording of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The driver whose end it is.
    pub driver: Arc<str>,
    /// Its number among the connections of the driver.
    pub index: usize,
    /// This end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// What was dropped, between the first record and the second.
    pub dropped: Dropped,
    /// The records, the oldest first. The first one is the opening.
    pub records: Vec<Record>,
    /// The bytes on the wire, if they differ from the plain ones, as with TLS: for captures, from
    /// the first such byte on, and as far as they were kept.
    pub wire: Vec<Record>,
}

/// The dropped records of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many records.
    pub records: u64,
    /// How many bytes were sent by them.
    pub sent: u64,
    /// How many bytes were received by them.
    pub received: u64,
}

/// Something that happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Duration,
    /// The line of the test that caused it.
    pub place: Option<Place>,
    /// What.
    pub event: Event,
}

impl Record {
    /// Puts records in the order of their times; those of one time keep theirs.
    pub(crate) fn sort(records: &mut [Record]) {
        records.sort_by_key(|record| record.at);
    }
}

impl Default for Transcript {
    /// An empty one, without a name.
    fn default() -> Self {
        Self {
            name: String::new(),
            started: SystemTime::UNIX_EPOCH,
            taken: Duration::ZERO,
            drivers: Vec::new(),
            conversations: Vec::new(),
            forgotten: 0,
            names: Vec::new(),
            secrets: String::new(),
        }
    }
}

impl Transcript {
    /// Returns the part that is about one driver and its connections.
    #[must_use]
    pub fn of(&self, driver: &str) -> Self {
        self.only(
            |story| &*story.name == driver,
            |conversation| &*conversation.driver == driver,
        )
    }

    /// Returns the part that is about one connection of a driver.
    #[must_use]
    pub fn of_connection(&self, driver: &str, index: usize) -> Self {
        self.only(
            |story| &*story.name == driver,
            |conversation| &*conversation.driver == driver && conversation.index == index,
        )
    }

    /// Without the records of connections before `from` and after `to`.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        let mut part = self.clone();
        for conversation in &mut part.conversations {
            let records = &mut conversation.records;
            records.retain(|record| (from..=to).contains(&record.at));
        }
        part.conversations
            .retain(|conversation| !conversation.records.is_empty());
        part
    }

    /// Returns the other end of a connection, if it is known.
    pub fn peer_of(&self, conversation: &Conversation) -> Option<&str> {
        Peers::of(self).name(conversation)
    }

    fn only(
        &self,
        story: impl Fn(&Story) -> bool,
        conversation: impl Fn(&Conversation) -> bool,
    ) -> Self {
        let drivers = self.drivers.iter().filter(|s| story(s));
        let conversations = self.conversations.iter().filter(|c| conversation(c));
        // The other ends keep their names.
        let mut names = self.names.clone();
        for other in &self.conversations {
            names.push((other.local.clone(), other.driver.to_string()));
        }
        Self {
            name: self.name.clone(),
            drivers: drivers.cloned().collect(),
            conversations: conversations.cloned().collect(),
            names,
            secrets: self.secrets.clone(),
            ..*self
        }
    }
}

/// The other ends.
pub(crate) struct Peers<'t> {
    by_ends: HashMap<(&'t Address, &'t Address), usize>,
    by_address: HashMap<&'t Address, &'t str>,
    transcript: &'t Transcript,
}

impl<'t> Peers<'t> {
    pub(crate) fn of(transcript: &'t Transcript) -> Self {
        let conversations = transcript.conversations.iter().enumerate();
        let names = transcript.names.iter();
        Self {
            by_ends: conversations
                .map(|(index, one)| ((&one.local, &one.peer), index))
                .collect(),
            by_address: names
                .map(|(address, name)| (address, name.as_str()))
                .collect(),
            transcript,
        }
    }

    /// The other end of a connection, if it is recorded too.
    pub(crate) fn other_end(&self, conversation: &Conversation) -> Option<usize> {
        if conversation.local == conversation.peer {
            return None;
        }
        let ends = (&conversation.peer, &conversation.local);
        // Sockets without a name are not told apart.
        let has_names = ![ends.0, ends.1].contains(&&Address::Unnamed);
        has_names
            .then(|| self.by_ends.get(&ends).copied())
            .flatten()
    }

    pub(crate) fn name(&self, conversation: &Conversation) -> Option<&'t str> {
        match self.other_end(conversation) {
            Some(other) => Some(&self.transcript.conversations[other].driver),
            None => self.by_address.get(&conversation.peer).copied(),
        }
    }
}

impl Conversation {
    /// Returns all bytes that are kept of those that this end sent, and whether something is
    /// missing between them.
    pub fn sent(&self) -> (Vec<u8>, bool) {
        self.bytes(self.dropped.sent, |event| match event {
            Event::Sent(piece) => Some(piece),
            _ => None,
        })
    }

    /// Returns all bytes that are kept of those that this end received, and whether something is
    /// missing between them.
    pub fn received(&self) -> (Vec<u8>, bool) {
        self.bytes(self.dropped.received, |event| match event {
            Event::Received(piece) => Some(piece),
            _ => None,
        })
    }

    fn bytes(&self, dropped: u64, piece: impl Fn(&Event) -> Option<&Piece>) -> (Vec<u8>, bool) {
        let pieces = self
            .records
            .iter()
            .filter_map(|record| piece(&record.event));
        let mut bytes = Vec::new();
        let mut is_part = dropped > 0;
        for piece in pieces {
            bytes.extend_from_slice(&piece.kept);
            is_part |= !piece.is_whole();
        }
        (bytes, is_part)
    }
}
