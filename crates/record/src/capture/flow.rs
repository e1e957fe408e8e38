//! A connection as it would have been seen on a wire.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::packet::{ACK, FIN, MOST, PSH, Packet, RST, SYN};
use crate::address::Address;
use crate::event::{By, Event, Piece};
use crate::shown::At;
use crate::text::{self, describe};
use crate::transcript::{Conversation, Peers, Record, Transcript};

/// A connection with both ends: first the one that connected.
pub(super) struct Flow<'t> {
    pub(super) ends: [End<'t>; 2],
}

/// One end of it.
pub(super) struct End<'t> {
    pub(super) name: Option<&'t str>,
    pub(super) address: &'t Address,
    /// What it recorded, if it did.
    tape: Option<&'t Conversation>,
}

/// One direction of it.
struct Direction<'t> {
    /// Whose records it is made of.
    tape: &'t Conversation,
    /// Whether that is the end that sends.
    is_sender: bool,
    /// The records of the other end, for their places.
    other: Option<&'t Conversation>,
}

enum Item<'t> {
    Data(&'t Piece),
    End,
    Reset,
    /// A remark on what was sent last.
    Remark,
}

/// Each connection once, also if both of its ends are recorded.
pub(super) fn flows(transcript: &Transcript) -> Vec<Flow<'_>> {
    let peers = Peers::of(transcript);
    let mut seen = HashSet::new();
    let mut flows = Vec::new();
    for (index, one) in transcript.conversations.iter().enumerate() {
        if !seen.insert(index) {
            continue;
        }
        let other = peers.other_end(one).filter(|other| seen.insert(*other));
        let other = other.map(|other| &transcript.conversations[other]);
        let this = End {
            name: Some(&one.driver),
            address: &one.local,
            tape: Some(one),
        };
        let that = End {
            name: other.map_or_else(|| peers.name(one), |other| Some(&*other.driver)),
            address: &one.peer,
            tape: other,
        };
        let began = |tape: &Conversation, event| {
            let first = tape.records.first();
            first.is_some_and(|record| record.event == event)
        };
        let was_accepted = began(one, Event::Accepted)
            || other.is_some_and(|other| began(other, Event::Connected));
        flows.push(Flow {
            ends: if was_accepted {
                [that, this]
            } else {
                [this, that]
            },
        });
    }
    flows
}

impl<'t> Flow<'t> {
    /// What went from one end to the other: as its sender has recorded it, unless more of
    /// it is left at the receiver.
    fn direction(&self, from: usize) -> Option<Direction<'t>> {
        let [sender, receiver] = [self.ends[from].tape, self.ends[1 - from].tape];
        match (sender, receiver) {
            (Some(sender), receiver)
                if receiver.is_none_or(|r| sender.dropped.sent <= r.dropped.received) =>
            {
                Some(Direction {
                    tape: sender,
                    is_sender: true,
                    other: receiver,
                })
            }
            (sender, Some(receiver)) => Some(Direction {
                tape: receiver,
                is_sender: false,
                other: sender,
            }),
            _ => None,
        }
    }
}

impl<'t> Direction<'t> {
    /// What one of the records is for this direction.
    fn item(&self, event: &'t Event) -> Option<Item<'t>> {
        let actor = if self.is_sender { By::Us } else { By::Peer };
        match event {
            Event::Sent(piece) => self.is_sender.then_some(Item::Data(piece)),
            Event::Received(piece) => (!self.is_sender).then_some(Item::Data(piece)),
            Event::HalfClosed(by) | Event::Closed(by) => (*by == actor).then_some(Item::End),
            Event::Reset(by) => (*by == actor).then_some(Item::Reset),
            Event::Connected | Event::Accepted => None,
            // Of two directions with one tape it is in one.
            _ => self.is_sender.then_some(Item::Remark),
        }
    }

    fn dropped(&self) -> u64 {
        let dropped = self.tape.dropped;
        if self.is_sender {
            dropped.sent
        } else {
            dropped.received
        }
    }

    fn is_from_the_beginning(&self) -> bool {
        let opened = |record: &Record| matches!(record.event, Event::Connected | Event::Accepted);
        self.tape.dropped.records == 0 && self.tape.records.first().is_some_and(opened)
    }

    /// Where bytes from `offset` on were seen at the other end.
    fn seen_elsewhere(&self, reader: &mut Reader<'t>, offset: u64) -> Option<String> {
        let other = self.other?;
        let record = reader.at(offset, |event| match event {
            Event::Sent(piece) if !self.is_sender => Some(piece),
            Event::Received(piece) if self.is_sender => Some(piece),
            _ => None,
        })?;
        let place = record.place?;
        let verb = if self.is_sender { "received" } else { "sent" };
        Some(format!("{verb} by {} at {place}", text::name(other)))
    }
}

/// Looks up which record has an offset, for offsets that only grow.
#[derive(Default)]
struct Reader<'t> {
    records: &'t [Record],
    start: u64,
}

impl<'t> Reader<'t> {
    fn of(direction: &Direction<'t>) -> Self {
        let Some(other) = direction.other else {
            return Self::default();
        };
        let dropped = other.dropped;
        Self {
            records: &other.records,
            start: if direction.is_sender {
                dropped.received
            } else {
                dropped.sent
            },
        }
    }

    fn at(
        &mut self,
        offset: u64,
        piece: impl Fn(&'t Event) -> Option<&'t Piece>,
    ) -> Option<&'t Record> {
        while let [first, rest @ ..] = self.records {
            let length = piece(&first.event).map_or(0, |piece| piece.length);
            if length > 0 && offset < self.start {
                return None;
            }
            if length > 0 && offset < self.start + length {
                return Some(first);
            }
            self.start += length;
            self.records = rest;
        }
        None
    }
}

/// The packets of a flow whose ends have these addresses.
pub(super) fn packets<'t>(
    flow: &Flow<'t>,
    ends: [SocketAddr; 2],
    number: usize,
    out: &mut Vec<Packet<'t>>,
) {
    let directions = [flow.direction(0), flow.direction(1)];
    let mut items: Vec<(usize, &Record, Item<'_>)> = Vec::new();
    for (from, direction) in directions.iter().enumerate() {
        let Some(direction) = direction else { continue };
        for record in &direction.tape.records {
            if let Some(item) = direction.item(&record.event) {
                items.push((from, record, item));
            }
        }
    }
    items.sort_by_key(|(_, record, _)| record.at);
    let has_beginning = directions
        .iter()
        .flatten()
        .all(Direction::is_from_the_beginning);
    let opened = flow.ends.iter().filter_map(|end| end.tape?.records.first());
    let begin = opened.map(|record| record.at).min();
    let first = items.first().map(|(_, record, _)| record.at);
    let Some(begin) = [begin, first].into_iter().flatten().min() else {
        return;
    };
    let start = out.len();
    let dropped = |from: usize| directions[from].as_ref().map_or(0, Direction::dropped);
    let mut wire = Wire {
        ends,
        // Beginnings that differ, should an address come again.
        next: [0, 1].map(|from| {
            let first = (number as u32).wrapping_mul(0x9e37_79b1);
            first.wrapping_add(1).wrapping_add(dropped(from) as u32)
        }),
        ended: [false; 2],
        is_reset: false,
        out,
    };
    if has_beginning {
        wire.handshake(begin);
    }
    let mut offsets = [dropped(0), dropped(1)];
    let mut readers = [0, 1].map(|from| {
        let direction = directions[from].as_ref();
        direction.map(Reader::of).unwrap_or_default()
    });
    for (from, record, item) in items {
        let Some(direction) = &directions[from] else {
            continue;
        };
        match item {
            Item::Data(piece) => {
                let mut comments = vec![said(direction, record)];
                comments.extend(direction.seen_elsewhere(&mut readers[from], offsets[from]));
                offsets[from] += piece.length;
                wire.data(from, record.at, piece, comments);
            }
            Item::End => wire.end(from, record.at, said(direction, record)),
            Item::Reset => wire.reset(from, record.at, said(direction, record)),
            Item::Remark => {
                if let Some(last) = wire.out[start..].last_mut() {
                    let text = describe(&record.event, 200);
                    let later = format!("{} {text}; {}", At(record.at), said(direction, record));
                    last.comments.push(later);
                }
            }
        }
    }
    if let Some(first) = wire.out.get_mut(start) {
        first.comments.insert(0, super::heading(flow));
    }
}

/// Who recorded something, and where the test asked for it.
fn said(direction: &Direction<'_>, record: &Record) -> String {
    let name = text::name(direction.tape);
    match record.place {
        Some(place) => format!("{name} at {place}"),
        None => name,
    }
}

/// Writes packets, and knows what has been sent.
struct Wire<'o, 't> {
    ends: [SocketAddr; 2],
    next: [u32; 2],
    ended: [bool; 2],
    is_reset: bool,
    out: &'o mut Vec<Packet<'t>>,
}

impl<'t> Wire<'_, 't> {
    fn handshake(&mut self, at: Duration) {
        self.next = self.next.map(|next| next.wrapping_sub(1));
        self.packet(0, at, SYN, &[], 0, Vec::new());
        self.next[0] = self.next[0].wrapping_add(1);
        self.packet(1, at, SYN | ACK, &[], 0, Vec::new());
        self.next[1] = self.next[1].wrapping_add(1);
        self.packet(0, at, ACK, &[], 0, Vec::new());
    }

    fn data(&mut self, from: usize, at: Duration, piece: &'t Piece, mut comments: Vec<String>) {
        if self.ended[from] || self.is_reset {
            return;
        }
        let mut left = piece.length;
        let mut kept = &piece.kept[..];
        while left > 0 {
            let length = left.min(MOST);
            let comments = std::mem::take(&mut comments);
            self.packet(from, at, PSH | ACK, kept, length as u32, comments);
            self.next[from] = self.next[from].wrapping_add(length as u32);
            kept = &[];
            left -= length;
        }
    }

    fn end(&mut self, from: usize, at: Duration, comment: String) {
        if self.ended[from] || self.is_reset {
            return;
        }
        self.packet(from, at, FIN | ACK, &[], 0, vec![comment]);
        self.next[from] = self.next[from].wrapping_add(1);
        self.ended[from] = true;
        if self.ended == [true; 2] {
            self.packet(1 - from, at, ACK, &[], 0, Vec::new());
        }
    }

    fn reset(&mut self, from: usize, at: Duration, comment: String) {
        if !self.is_reset {
            self.packet(from, at, RST | ACK, &[], 0, vec![comment]);
            self.is_reset = true;
        }
    }

    fn packet(
        &mut self,
        from: usize,
        at: Duration,
        flags: u8,
        bytes: &'t [u8],
        length: u32,
        comments: Vec<String>,
    ) {
        self.out.push(Packet {
            at,
            from: self.ends[from],
            to: self.ends[1 - from],
            sequence: self.next[from],
            acknowledged: if flags & ACK == 0 {
                0
            } else {
                self.next[1 - from]
            },
            flags,
            bytes,
            length,
            comments,
        });
    }
}
