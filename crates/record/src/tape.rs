//! [`Tape`]: what is recorded of one connection.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};

use standin_sync::Unpoisoned;

use crate::address::Address;
use crate::clock::Tick;
use crate::event::{Event, Kind, Piece};
use crate::memory::Candidate;
use crate::place::{Place, Places};
use crate::redact::{self, Redact, Tail};
use crate::ring::{Header, Ring};
use crate::settings::Shared;
use crate::transcript::{Conversation, Dropped, Record};
use crate::wire::Wire;

/// The recording of one connection. The owner of the connection adds records, from any thread; a
/// record costs less than a tenth of a microsecond, and nothing is allocated before the first one.
///
/// [`DriverTape::connection`](crate::DriverTape::connection) makes one.
pub struct Tape {
    shared: Arc<Shared>,
    others: Weak<dyn Others>,
    driver: Arc<str>,
    index: usize,
    local: Address,
    peer: Address,
    opened: Opened,
    /// `None` before the next record: many connections are only opened.
    kept: Mutex<Option<Box<Kept>>>,
}

/// The tapes beside one.
pub(crate) trait Others: fmt::Debug + Send + Sync {
    /// Whose ends these are.
    fn names(&self) -> Vec<(Address, String)>;
}

/// The first record, which needs no ring.
struct Opened {
    kind: Kind,
    time: Tick,
    /// Its place, if that is a line of Rust, and if not: beside the kind it takes no more memory.
    location: Option<&'static Location<'static>>,
    elsewhere: Option<u16>,
}

#[derive(Default)]
struct Kept {
    ring: Ring,
    places: Places,
    dropped: Dropped,
    has_ended: bool,
    last: u64,
    /// Where the last record begins in the ring.
    latest: u64,
    tails: Option<Box<Tails>>,
    wire: Option<Box<Wire>>,
}

#[derive(Default)]
struct Tails {
    sent: Tail,
    received: Tail,
}

impl Tape {
    pub(crate) fn new(
        (shared, others): (Arc<Shared>, Weak<dyn Others>),
        driver: Arc<str>,
        index: usize,
        opening: &Event,
        [local, peer]: [Address; 2],
        place: Option<Place>,
    ) -> Self {
        shared.memory.spend(Self::SIZE);
        let (location, elsewhere) = place.map(Place::parts).unwrap_or_default();
        Self {
            shared,
            others,
            driver,
            index,
            local,
            peer,
            opened: Opened {
                kind: opening.parts().0,
                time: Tick::now(),
                location,
                elsewhere,
            },
            kept: Mutex::default(),
        }
    }

    /// Bytes went out. `at` is from before the system got them: their receiver is never
    /// recorded to have had them earlier.
    #[inline]
    pub fn sent(&self, at: Tick, bytes: &[u8], place: Option<Place>) {
        self.bytes(Kind::Sent, at, bytes, bytes.len() as u64, place);
    }

    /// Calls `send` to pass bytes to the system, without waiting, and records how many it returns.
    /// The receiver of the bytes finds them recorded: a transcript waits for that.
    ///
    /// # Errors
    ///
    /// Returns the error of `send`; nothing is recorded then.
    #[inline]
    pub fn send<E>(
        &self,
        bytes: &[u8],
        place: Option<Place>,
        send: impl FnOnce() -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut kept = self.kept.lock().unpoisoned();
        let kept = kept.get_or_insert_default();
        let at = Tick::now();
        let count = send()?;
        let sent = &bytes[..count.min(bytes.len())];
        kept.push_bytes(&self.shared, Kind::Sent, at, count as u64, sent, place);
        Ok(count)
    }

    /// Records received bytes. `at` is from after the system returned them.
    #[inline]
    pub fn received(&self, at: Tick, bytes: &[u8], place: Option<Place>) {
        self.bytes(Kind::Received, at, bytes, bytes.len() as u64, place);
    }

    /// As [`sent`](Tape::sent), for `length` bytes of which only the first are at hand.
    pub fn sent_part(&self, at: Tick, first: &[u8], length: u64, place: Option<Place>) {
        self.bytes(Kind::Sent, at, first, length, place);
    }

    /// As [`received`](Tape::received), for `length` bytes of which only the first are at hand.
    pub fn received_part(&self, at: Tick, first: &[u8], length: u64, place: Option<Place>) {
        self.bytes(Kind::Received, at, first, length, place);
    }

    /// Records bytes on the wire that encode others, such as those of TLS; `is_sent` or received.
    /// They are for captures, which have the secrets to decrypt them, and are not kept if anything
    /// is redacted.
    #[cold]
    pub fn on_wire(&self, at: Tick, is_sent: bool, bytes: &[u8], place: Option<Place>) {
        let mut kept = self.kept.lock().unpoisoned();
        let wire = kept.get_or_insert_default().wire.get_or_insert_default();
        wire.push(&self.shared, at, is_sent, bytes, place);
    }

    /// Anything that happens on the connection currently.
    pub fn record(&self, event: &Event, place: Option<Place>) {
        let at = Tick::now();
        let (kind, number, text) = event.parts();
        if matches!(kind, Kind::Sent | Kind::Received) {
            return self.bytes(kind, at, text, number, place);
        }
        let redacted;
        let text = match std::str::from_utf8(text) {
            Ok(text) if !self.shared.redact.is_empty() => {
                redacted = self.shared.redact.text(text);
                redacted.as_bytes()
            }
            _ => text,
        };
        let text = &text[..text.len().min(Piece::KEPT)];
        let mut kept = self.kept.lock().unpoisoned();
        let kept = kept.get_or_insert_default();
        kept.has_ended |= matches!(kind, Kind::Closed | Kind::Reset);
        let number = match kind {
            Kind::DeadlinePassed => kept.waited_before(text, place).saturating_add(number),
            _ => number,
        };
        kept.push(&self.shared, kind, at, number, text, place);
    }

    /// Returns the bytes that were received last in a form for display: redacted, even if the
    /// secret began before them. The same bytes if nothing is redacted.
    pub fn received_as_shown<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let redact = &self.shared.redact;
        if redact.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut shown = redact.bytes(bytes);
        let kept = self.kept.lock().unpoisoned();
        if let Some(tails) = kept.as_ref().and_then(|kept| kept.tails.as_ref()) {
            tails.received.hide_in(shown.to_mut());
        }
        shown
    }

    /// Returns what must not be kept.
    pub fn redact(&self) -> &Redact {
        &self.shared.redact
    }

    pub(crate) fn others(&self) -> Option<Arc<dyn Others>> {
        self.others.upgrade()
    }

    pub(crate) fn is_of(&self, driver: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.driver, driver)
    }

    pub(crate) fn begin(&self) -> Tick {
        self.shared.begin
    }

    /// Whose its own end is.
    pub(crate) fn name_of_local(&self) -> (Address, String) {
        (self.local.clone(), self.driver.to_string())
    }

    /// What it takes besides the records themselves.
    pub(crate) const SIZE: usize = size_of::<Self>() + size_of::<Kept>() + 5 * size_of::<usize>();

    /// All records so far.
    pub(crate) fn conversation(&self) -> Conversation {
        let shared = &self.shared;
        let place = Place::of_parts(self.opened.location, self.opened.elsewhere);
        let opened = Record {
            at: self.opened.time.since(shared.begin),
            place: place.and_then(Place::of_test),
            event: self.opened.kind.event(0, Vec::new()),
        };
        let kept = self.kept.lock().unpoisoned();
        let kept = kept.as_deref();
        let records = kept.into_iter().flat_map(|kept| {
            kept.ring.records().map(|(header, bytes)| Record {
                at: header.time.since(shared.begin),
                place: kept.places.place(header.place),
                event: Kind::of(header.kind).event(header.length, bytes),
            })
        });
        let mut records: Vec<Record> = std::iter::once(opened).chain(records).collect();
        // What one thread sends may be noted after what another one received meanwhile.
        Record::sort(&mut records[1..]);
        Conversation {
            driver: Arc::clone(&self.driver),
            index: self.index,
            local: self.local.clone(),
            peer: self.peer.clone(),
            dropped: kept.map(|kept| kept.dropped).unwrap_or_default(),
            records,
            wire: kept
                .and_then(|kept| kept.wire.as_ref())
                .map_or_else(Vec::new, |wire| wire.records(shared)),
        }
    }

    /// What goes when memory is short. Nothing of what is in use currently.
    pub(crate) fn candidate(self: &Arc<Self>) -> Option<Candidate> {
        let kept = self.kept_if_free()?;
        let (has_ended, last) = match kept.as_deref() {
            Some(kept) => (kept.has_ended, kept.last),
            None => (false, self.opened.time.0),
        };
        // The recorder and the caller have it at least; another holder may still use it.
        let has_ended = has_ended || Arc::strong_count(self) <= 2;
        drop(kept);
        let tape = Arc::clone(self);
        Some(Candidate {
            has_ended,
            last,
            give_up: Box::new(move || tape.give_up()),
        })
    }

    /// What is kept, unless another thread is using it.
    fn kept_if_free(&self) -> Option<MutexGuard<'_, Option<Box<Kept>>>> {
        match self.kept.try_lock() {
            Ok(kept) => Some(kept),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn give_up(&self) -> usize {
        let Some(mut kept) = self.kept_if_free() else {
            return 0;
        };
        kept.as_mut().map_or(0, |kept| kept.give_up(&self.shared))
    }

    #[inline]
    fn bytes(&self, kind: Kind, at: Tick, bytes: &[u8], length: u64, place: Option<Place>) {
        let mut kept = self.kept.lock().unpoisoned();
        let kept = kept.get_or_insert_default();
        kept.push_bytes(&self.shared, kind, at, length, bytes, place);
    }
}

impl Kept {
    /// Writes a record; returns where its bytes begin in the ring.
    #[inline]
    fn push(
        &mut self,
        shared: &Shared,
        kind: Kind,
        time: Tick,
        length: u64,
        bytes: &[u8],
        place: Option<Place>,
    ) -> Option<u64> {
        let place = self.places.number(place);
        let header = Header {
            time,
            length,
            kept: bytes.len() as u16,
            place,
            kind: kind as u8,
        };
        self.last = time.0;
        let dropped = &mut self.dropped;
        let end = self.ring.end();
        self.latest = end;
        let is_kept = self.ring.push(
            header,
            bytes,
            limit(shared),
            |more| shared.memory.claim(more),
            |old| dropped.count(old),
        );
        if !is_kept {
            self.dropped.count(header);
        }
        is_kept.then_some(end + crate::ring::HEADER as u64)
    }

    /// Writes a record of bytes, as far as they may be kept.
    #[inline]
    fn push_bytes(
        &mut self,
        shared: &Shared,
        kind: Kind,
        time: Tick,
        length: u64,
        bytes: &[u8],
        place: Option<Place>,
    ) {
        if shared.redact.is_empty() {
            let first = &bytes[..bytes.len().min(Piece::KEPT)];
            self.push(shared, kind, time, length, first, place);
        } else {
            self.push_redacted(shared, kind, time, length, bytes, place);
        }
    }

    #[cold]
    fn push_redacted(
        &mut self,
        shared: &Shared,
        kind: Kind,
        time: Tick,
        length: u64,
        bytes: &[u8],
        place: Option<Place>,
    ) {
        let keep = bytes.len().min(Piece::KEPT);
        let mut tails = self.tails.take().unwrap_or_default();
        let tail = match kind {
            Kind::Sent => &mut tails.sent,
            _ => &mut tails.received,
        };
        let shown = tail.mask(&shared.redact, &mut self.ring, bytes, keep);
        let position = self.push(shared, kind, time, length, &shown, place);
        tail.advance(bytes.len(), keep, position);
        self.tails = Some(tails);
    }

    /// How long the same line of the test has just waited for the same, without getting it. Many
    /// short waits become one record, and leave what went before where it can be seen.
    fn waited_before(&mut self, wanted: &[u8], place: Option<Place>) -> u64 {
        let place = self.places.number(place);
        let is_same =
            |header: Header| header.kind == Kind::DeadlinePassed as u8 && header.place == place;
        let before = self.ring.take_back(self.latest, wanted, is_same);
        before.map_or(0, |before| before.length)
    }

    fn give_up(&mut self, shared: &Shared) -> usize {
        let dropped = &mut self.dropped;
        let size = self.ring.clear(|old| dropped.count(old));
        shared.memory.give_back(size);
        let wire = self.wire.as_mut();
        size + wire.map_or(0, |wire| wire.give_up(shared))
    }
}

/// How large the ring of a tape may be: the places and what redaction looks back on are within
/// what one connection may keep.
fn limit(shared: &Shared) -> usize {
    let looked_at = if shared.redact.is_empty() {
        0
    } else {
        redact::MEMORY
    };
    shared.keep.saturating_sub(Places::SIZE + looked_at)
}

impl Dropped {
    fn count(&mut self, header: Header) {
        self.records += 1;
        if header.kind == Kind::Sent as u8 {
            self.sent += header.length;
        } else if header.kind == Kind::Received as u8 {
            self.received += header.length;
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.get_mut().unpoisoned() {
            kept.give_up(&self.shared);
        }
        self.shared.memory.give_back(Self::SIZE);
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape")
            .field("driver", &self.driver)
            .field("index", &self.index)
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
