//! One direction of one connection: bytes and times in, bytes and times out. No sockets.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use standin_socket::framing::{FrameError, Framing};
use standin_sync::Unpoisoned;

use crate::fault::Point;
use crate::frames::Frames;
use crate::pace::Pace;
use crate::queue::{Act, Item, Queue};
use crate::random::Random;
use crate::rule::Rule;
use crate::time::later;
use crate::{FaultKind, Link};

/// How much waits for a receiver that takes its time, before the sender has to wait, too.
const ROOM: usize = 64 << 10;

/// The same on a line that is so long that bytes are on their way for a while.
const LONG_ROOM: usize = 4 << 20;

/// One direction of one connection.
#[derive(Debug)]
pub(crate) struct Stream {
    rules: Vec<Arc<Rule>>,
    frames: Option<Frames>,
    link: Link,
    pace: Option<Pace>,
    shared_pace: Option<Arc<Mutex<Pace>>>,
    random: Random,
    /// How many bytes have come, those that did not go through too.
    came: u64,
    /// How many of them were let through, for the limit of the link.
    passed: u64,
    queue: Queue,
    /// Nothing more goes through.
    swallows: bool,
    /// The rest of the frame does not go through.
    drops: bool,
    corrupts_next: bool,
    /// What comes is not there before.
    not_before: Option<Instant>,
    /// When what came last is there.
    last_due: Option<Instant>,
    /// How many bytes may go now, and those that will when it is time.
    ready: usize,
    releasing: Option<(usize, Instant)>,
    next_slice: Option<Instant>,
    has_ended: bool,
    notes: Vec<Note>,
    /// What is to be noted when what is queued happens to the receiver, in that order.
    queued_notes: VecDeque<Option<Note>>,
    /// Whether frames, or bytes where there are none, are noted.
    notes_all: bool,
}

/// What was noticed on the way.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A fault has happened, when so many bytes and frames had gone by.
    Fired {
        rule: Arc<Rule>,
        bytes: u64,
        frames: Option<u64>,
    },
    /// A whole frame has come, or just bytes where there are no frames.
    Came { size: usize, head: Vec<u8> },
    /// What comes are not the frames that they should be.
    NotFrames(FrameError),
}

/// What is to be done for the receiver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Out<'a> {
    /// These bytes are to be sent, as many as it takes.
    Send(&'a [u8]),
    /// Nothing before this time.
    Wait(Instant),
    /// This.
    Act(Act),
    /// Nothing.
    Nothing,
}

/// How much of a frame is kept to be shown.
const HEAD: usize = 64;

impl Stream {
    pub(crate) fn new(random: Random) -> Stream {
        Stream {
            rules: Vec::new(),
            frames: None,
            link: Link::new(),
            pace: None,
            shared_pace: None,
            random,
            came: 0,
            passed: 0,
            queue: Queue::default(),
            swallows: false,
            drops: false,
            corrupts_next: false,
            not_before: None,
            last_due: None,
            ready: 0,
            releasing: None,
            next_slice: None,
            has_ended: false,
            notes: Vec::new(),
            queued_notes: VecDeque::new(),
            notes_all: false,
        }
    }

    /// Looks for frames, from the next byte on.
    pub(crate) fn set_framing(&mut self, framing: Box<dyn Framing + Send>) {
        self.frames = Some(Frames::new(framing));
    }

    /// Notes all frames, or all bytes where there are none.
    pub(crate) fn note_all(&mut self) {
        self.notes_all = true;
    }

    /// What comes from now on goes over this link, and so does what is there and was not sent yet.
    /// Says whether it is another one than before.
    pub(crate) fn set_link(&mut self, link: &Link, shared_pace: Option<Arc<Mutex<Pace>>>) -> bool {
        let has_changed = self.link != *link;
        if has_changed {
            // The pauses of the one before are over.
            (self.releasing, self.next_slice) = (None, None);
        }
        if self.link.bandwidth != link.bandwidth {
            self.pace = link.bandwidth.map(Pace::new);
        }
        self.shared_pace = shared_pace;
        self.link = link.clone();
        has_changed
    }

    /// Adds a fault that may happen. After the end that are those that happen to the connection:
    /// there are no bytes for others.
    pub(crate) fn arm(&mut self, now: Instant, rule: Arc<Rule>) {
        let is_of_connection = match rule.fault.kind() {
            FaultKind::Reset | FaultKind::Close | FaultKind::Silence => true,
            FaultKind::HalfClose | FaultKind::Drop | FaultKind::Corrupt | FaultKind::Delay(_) => {
                false
            }
        };
        if is_of_connection || !self.has_ended {
            self.rules.push(rule);
            self.pass(now, &[]);
        }
    }

    /// Faults that are no longer meant do not happen.
    pub(crate) fn disarm(&mut self, is_meant: impl Fn(&Rule) -> bool) {
        self.rules.retain(|rule| is_meant(rule));
    }

    /// A fault that may happen is as random as its probability says.
    pub(crate) fn draws(&mut self, probability: f64) -> bool {
        self.random.fraction() < probability
    }

    /// What was noticed since the last time.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// How many bytes have come.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    /// How many bytes it takes now.
    pub(crate) fn room(&self) -> usize {
        if self.swallows {
            return usize::MAX;
        }
        let is_long = self.link.latency.is_some() || self.not_before.is_some();
        let room = if is_long { LONG_ROOM } else { ROOM };
        room.saturating_sub(self.queue.len())
    }

    /// Whether what comes may be sent just so, and [counted](Stream::passed) only.
    pub(crate) fn is_plain(&self) -> bool {
        self.queue.is_empty()
            && self.rules.is_empty()
            && self.frames.is_none()
            && !self.swallows
            && !self.corrupts_next
            && !self.notes_all
            && self.not_before.is_none()
            && self.link.is_plain()
    }

    /// So many bytes have come and were sent, while it is [plain](Stream::is_plain).
    pub(crate) fn passed(&mut self, count: usize) {
        self.came += count as u64;
        self.passed += count as u64;
    }

    /// Bytes have come.
    pub(crate) fn push(&mut self, now: Instant, bytes: &[u8]) {
        if self.swallows {
            return;
        }
        match self.frames.take() {
            Some(mut frames) if !frames.is_broken() => {
                self.push_framed(now, &mut frames, bytes);
                self.frames = Some(frames);
            }
            frames => {
                self.frames = frames;
                if self.notes_all && !bytes.is_empty() {
                    self.note_came(bytes);
                }
                self.pass(now, bytes);
            }
        }
    }

    /// The sender has ended the direction.
    pub(crate) fn end(&mut self, now: Instant) {
        if std::mem::replace(&mut self.has_ended, true) || self.swallows {
            return;
        }
        self.flush_frame(now);
        self.push_act(now, Act::End, None);
    }

    fn push_act(&mut self, now: Instant, act: Act, note: Option<Note>) -> Instant {
        let due = self.due(now);
        self.queue.push_act(due, act);
        self.queued_notes.push_back(note);
        due
    }

    /// The sender has reset the connection. Gives the time at which the receiver learns that, also
    /// if it has not taken what came before.
    pub(crate) fn reset(&mut self, now: Instant) -> Instant {
        if !std::mem::replace(&mut self.has_ended, true) && !self.swallows {
            self.flush_frame(now);
        }
        self.push_act(now, Act::Reset, None)
    }

    /// There is no receiver any longer: what is on its way to it, and what comes, is lost.
    pub(crate) fn swallow(&mut self) {
        self.swallows = true;
        self.queue = Queue::default();
        self.queued_notes.clear();
        (self.ready, self.releasing) = (0, None);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What is to be done for the receiver now.
    pub(crate) fn next(&mut self, now: Instant) -> Out<'_> {
        if let Some((count, at)) = self.releasing {
            if at > now {
                return Out::Wait(at);
            }
            self.releasing = None;
            self.ready = count;
        }
        if self.ready == 0 {
            let (due, item) = match self.queue.first() {
                None => return Out::Nothing,
                Some(first) => first,
            };
            if due > now {
                return Out::Wait(due);
            }
            match item {
                Item::Act(act) => {
                    self.queue.acted();
                    self.notes.extend(self.queued_notes.pop_front().flatten());
                    return Out::Act(act);
                }
                Item::Bytes(count) => {
                    let (count, at) = self.release(now, count);
                    if at > now {
                        self.releasing = Some((count, at));
                        return Out::Wait(at);
                    }
                    self.ready = count;
                }
            }
        }
        Out::Send(self.queue.bytes(self.ready))
    }

    /// So many bytes of what was to be sent are sent.
    pub(crate) fn sent(&mut self, now: Instant, count: usize) {
        self.ready -= count;
        self.queue.sent(count);
        if self.ready == 0 && self.link.slice.is_some() {
            self.next_slice = Some(later(now, self.link.slice_pause_or_default()));
        }
    }

    /// How many of the first bytes go at once, and when.
    fn release(&mut self, now: Instant, count: usize) -> (usize, Instant) {
        let mut count = count.min(self.link.slice.unwrap_or(usize::MAX));
        let mut shared = self
            .shared_pace
            .as_ref()
            .map(|pace| pace.lock().unpoisoned());
        if let Some(pace) = &self.pace {
            count = count.min(pace.piece());
        }
        if let Some(pace) = &shared {
            count = count.min(pace.piece());
        }
        let mut at = self.next_slice.take().unwrap_or(now).max(now);
        if let Some(pace) = &mut self.pace {
            at = at.max(pace.carry(now, count));
        }
        if let Some(pace) = &mut shared {
            at = at.max(pace.carry(now, count));
        }
        (count, at)
    }

    /// When what comes now is there.
    fn due(&mut self, now: Instant) -> Instant {
        let latency = self.link.latency.unwrap_or(Duration::ZERO);
        let latency = match self.link.jitter {
            Some(jitter) => self.random.near(latency, jitter),
            None => latency,
        };
        let mut due = later(now, latency);
        if let Some(at) = self.not_before {
            due = due.max(at);
            if at <= now {
                self.not_before = None;
            }
        }
        // Bytes do not overtake each other.
        due = due.max(self.last_due.unwrap_or(due));
        self.last_due = Some(due);
        due
    }

    fn push_framed(&mut self, now: Instant, frames: &mut Frames, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let (frame, left) = match frames.next(rest) {
                Ok(found) => found,
                Err(error) => {
                    self.notes.push(Note::NotFrames(error));
                    let held = frames.take_held();
                    return self.pass_part(now, frames, &held);
                }
            };
            rest = left;
            let Some((whole, payload)) = frame else {
                break;
            };
            self.frame(now, frames, &whole, payload);
            if self.swallows {
                return;
            }
        }
        // A part of a frame, which continues if it does not have to be looked at as a whole.
        if !self.holds_frame(frames.index()) {
            let held = frames.unpassed();
            self.pass_part(now, frames, &held);
        }
    }

    /// Whether a frame is held back until all of it has arrived. Its sender has then sent it,
    /// however many sends it takes, and a cut always finds it there.
    fn holds_frame(&self, index: u64) -> bool {
        self.rules.iter().any(|rule| match rule.point {
            Point::Frame(_) => true,
            Point::InFrame { frame, .. } => frame == index,
            _ => false,
        })
    }

    /// A whole frame has come, of which some may have gone through already.
    fn frame(&mut self, now: Instant, frames: &mut Frames, whole: &[u8], payload: Range<usize>) {
        if self.notes_all {
            self.note_came(whole);
        }
        let payload = &whole[payload];
        let meant = self
            .rules
            .iter()
            .position(|rule| matches!(&rule.point, Point::Frame(regex) if regex.is_match(payload)));
        if let Some(meant) = meant {
            let rule = self.rules.remove(meant);
            self.fire(now, rule, Some(frames.index()));
        }
        let unpassed = whole.get(frames.passed()..).unwrap_or_default();
        self.pass_part(now, frames, unpassed);
        if self.swallows {
            return;
        }
        self.drops = false;
        frames.done();
        self.after_frame(now, frames.index());
    }

    /// A part of a frame continues.
    fn pass_part(&mut self, now: Instant, frames: &mut Frames, part: &[u8]) {
        let place = (frames.index(), frames.passed());
        self.pass_from(now, part, Some(place));
        frames.pass(part.len());
    }

    fn after_frame(&mut self, now: Instant, count: u64) {
        while let Some(index) = self
            .rules
            .iter()
            .position(|rule| matches!(rule.point, Point::AfterFrames(wanted) if wanted == count))
        {
            let rule = self.rules.remove(index);
            self.fire(now, rule, Some(count));
            if self.swallows {
                return;
            }
        }
    }

    /// Passes on the held part of a frame: the rest will not arrive.
    fn flush_frame(&mut self, now: Instant) {
        if let Some(mut frames) = self.frames.take() {
            let held = frames.unpassed();
            self.pass_part(now, &mut frames, &held);
            self.frames = Some(frames);
        }
    }

    fn pass(&mut self, now: Instant, bytes: &[u8]) {
        let place = self
            .frames
            .as_ref()
            .map(|frames| (frames.index(), frames.passed()));
        self.pass_from(now, bytes, place);
        if bytes.is_empty()
            && let Some((count, 0)) = place
        {
            self.after_frame(now, count);
        }
    }

    /// Bytes pass, as far as no fault comes in between. `place` is the frame that they belong to,
    /// and how many of its bytes came before them.
    fn pass_from(&mut self, now: Instant, bytes: &[u8], mut place: Option<(u64, usize)>) {
        let mut rest = bytes;
        loop {
            if self.swallows {
                return;
            }
            let points = self.rules.iter().enumerate();
            let hits = points.filter_map(|(index, rule)| {
                let (distance, needs_byte) = distance(&rule.point, self.came, place, rest.len())?;
                // What waits for a byte comes after what does not, as it does when that byte
                // takes its time.
                Some((distance, needs_byte, index))
            });
            let Some((distance, _, index)) = hits.min() else {
                return self.emit(now, rest);
            };
            let (before, after) = rest.split_at(distance);
            self.emit(now, before);
            rest = after;
            if let Some((_, passed)) = &mut place {
                *passed += distance;
            }
            let rule = self.rules.remove(index);
            self.fire(now, rule, place.map(|(frame, _)| frame));
        }
    }

    /// A fault happens.
    fn fire(&mut self, now: Instant, rule: Arc<Rule>, frames: Option<u64>) {
        let kind = rule.fault.kind();
        let fired = Note::Fired {
            rule,
            bytes: self.came,
            frames,
        };
        let act = match kind {
            FaultKind::Reset => Act::Reset,
            FaultKind::Close => Act::Close,
            FaultKind::HalfClose => Act::End,
            FaultKind::Silence => Act::Silence,
            FaultKind::Drop => {
                self.drops = true;
                return self.notes.push(fired);
            }
            FaultKind::Corrupt => {
                self.corrupts_next = true;
                return self.notes.push(fired);
            }
            FaultKind::Delay(time) => {
                let until = later(now, time);
                self.not_before = Some(self.not_before.map_or(until, |at| at.max(until)));
                return self.notes.push(fired);
            }
        };
        self.push_act(now, act, Some(fired));
        // A line that is down for a while carries on with what it was given.
        self.swallows = act != Act::Silence;
    }

    /// Bytes are on their way to the receiver.
    fn emit(&mut self, now: Instant, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.came += bytes.len() as u64;
        if self.drops {
            return;
        }
        let mut bytes = bytes;
        if let Some(limit) = self.link.limit {
            let left = limit.saturating_sub(self.passed);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            bytes = &bytes[..bytes.len().min(left)];
        }
        self.passed += bytes.len() as u64;
        if self.queue.is_empty()
            && let Some(pace) = &mut self.pace
        {
            pace.idle(now);
        }
        let due = self.due(now);
        if let Some(first) = bytes.first()
            && std::mem::take(&mut self.corrupts_next)
        {
            self.queue.push(due, &[!first]);
            bytes = &bytes[1..];
        }
        self.queue.push(due, bytes);
    }

    fn note_came(&mut self, bytes: &[u8]) {
        self.notes.push(Note::Came {
            size: bytes.len(),
            head: bytes[..bytes.len().min(HEAD)].to_vec(),
        });
    }
}

/// How many of so many bytes pass before a fault happens, and whether there must be one more;
/// `None` if it does not happen there.
fn distance(
    point: &Point,
    came: u64,
    place: Option<(u64, usize)>,
    available: usize,
) -> Option<(usize, bool)> {
    let (distance, needs_byte) = match point {
        Point::Begin => (0, false),
        Point::AfterBytes(count) => (count.checked_sub(came)?, false),
        Point::AtByte(index) => (index.checked_sub(came)?, true),
        Point::InFrame { frame, offset } => {
            let (now, passed) = place?;
            if now != *frame {
                return None;
            }
            (offset.checked_sub(passed as u64)?, true)
        }
        Point::AfterFrames(_) | Point::Frame(_) => return None,
    };
    let distance = usize::try_from(distance).ok()?;
    let is_there = distance < available || (distance == available && !needs_byte);
    is_there.then_some((distance, needs_byte))
}
