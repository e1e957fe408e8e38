//! [`Wire`]: what went over a wire where that is something else than what was said.

use crate::clock::Tick;
use crate::event::{Event, Piece};
use crate::place::Place;
use crate::settings::Shared;
use crate::transcript::Record;

/// The beginning of what went over the wire, for captures: without it, nothing that comes later
/// can be decrypted.
#[derive(Default)]
pub(crate) struct Wire {
    pieces: Vec<Part>,
    bytes: Vec<u8>,
    claimed: usize,
    is_full: bool,
}

struct Part {
    at: Tick,
    is_sent: bool,
    length: usize,
    place: Option<Place>,
}

impl Wire {
    pub(crate) fn push(
        &mut self,
        shared: &Shared,
        at: Tick,
        is_sent: bool,
        bytes: &[u8],
        place: Option<Place>,
    ) {
        // What must not be kept could be found in it by a reader who has the secrets.
        if self.is_full || bytes.is_empty() || !shared.redact.is_empty() {
            return;
        }
        let size = bytes.len() + size_of::<Part>();
        if self.claimed + size > shared.keep || !shared.memory.claim(size) {
            self.is_full = true;
            return;
        }
        self.claimed += size;
        self.bytes.extend_from_slice(bytes);
        self.pieces.push(Part {
            at,
            is_sent,
            length: bytes.len(),
            place,
        });
    }

    pub(crate) fn records(&self, shared: &Shared) -> Vec<Record> {
        let mut rest = &self.bytes[..];
        let mut records = Vec::with_capacity(self.pieces.len() + 1);
        for part in &self.pieces {
            let (kept, others) = rest.split_at(part.length);
            rest = others;
            let piece = Piece {
                kept: kept.to_vec(),
                length: part.length as u64,
            };
            records.push(Record {
                at: part.at.since(shared.begin),
                place: part.place.and_then(Place::of_test),
                event: match part.is_sent {
                    true => Event::Sent(piece),
                    false => Event::Received(piece),
                },
            });
        }
        if let Some(last) = records.last().filter(|_| self.is_full) {
            let note = "what comes later was too much to be kept as it was on the wire";
            records.push(Record {
                at: last.at,
                place: None,
                event: Event::Note(note.to_owned()),
            });
        }
        Record::sort(&mut records);
        records
    }

    /// Forgets everything, for good; says how many bytes that were.
    pub(crate) fn give_up(&mut self, shared: &Shared) -> usize {
        let claimed = self.claimed;
        shared.memory.give_back(claimed);
        *self = Wire {
            is_full: true,
            ..Wire::default()
        };
        claimed
    }
}
