//! A receive at work: reading, waiting, and keeping what a failure leaves over.

use std::{io, sync::atomic::Ordering, time::Duration};

use standin_record::Place;

use super::{
    Inner,
    core::Incoming,
    layer::LayerIn,
    receive_stop::ReceiveStop,
    waiting::{Failed, Waits},
};
use crate::{
    buffer::Buffer,
    error::{Difference, Evidence},
    framing::{Found, Framing},
    state::{Event, Fault, Inbound},
    sys::{self, Blocking, Interest, Stream},
    time::{Deadline, Remaining},
    transform::Received,
    turn_lock::{NotNow, Turn},
};

/// The most that is read at once by a receive of any bytes.
const CHUNK: usize = 64 << 10;

/// The smallest and the largest piece that is read by a receive of unknown size.
const AHEAD: (usize, usize) = (4 << 10, CHUNK);

/// A receive that has its turn.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    inner: &'a Inner,
    turn: Turn<'a, Incoming<Stream>>,
    deadline: Deadline,
    /// The line of the test that receives, if one does.
    place: Option<Place>,
    /// How long a silence may last, if that is not for the deadline alone to say.
    silence: Option<Deadline>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        turn: Turn<'a, Incoming<Stream>>,
        deadline: Deadline,
        place: Option<Place>,
    ) -> Receiver<'a> {
        let mut receiver = Receiver {
            inner,
            turn,
            deadline,
            place,
            silence: None,
        };
        if let Some(returned) = inner.core.returned.take() {
            receiver.buffer().put_back(returned);
        }
        receiver
    }

    /// Whether this side has not closed the connection.
    pub(super) fn is_open(&self) -> bool {
        let core = &self.inner.core;
        core.state.is_new() || core.is_open()
    }

    /// The turn and the time, of a receive that continues later.
    pub(super) fn into_parts(self) -> (Turn<'a, Incoming<Stream>>, Deadline) {
        (self.turn, self.deadline)
    }

    /// Whether there is time left.
    pub(super) fn may_go_on(&self) -> bool {
        !self.deadline.is_over()
    }

    /// What has been met of what the test expects.
    pub(super) fn met(&self, what: impl FnOnce() -> String) {
        let met = || standin_record::Event::Met(what());
        self.inner.recording.happened(met, self.place);
    }

    /// What an error shows: what has come, and the time. The turn ends.
    pub(super) fn into_evidence(mut self) -> (Evidence, Deadline) {
        let recording = &self.inner.recording;
        let received = recording.received_as_shown(self.turn.value().buffer.as_slice());
        (Evidence::new(&received), self.deadline)
    }

    pub(super) fn some(&mut self, max: usize) -> Result<Vec<u8>, ReceiveStop> {
        if max == 0 {
            return Ok(Vec::new());
        }
        if !self.buffer().is_empty() {
            self.top_up(max);
            return Ok(self.buffer().take(max));
        }
        let mut bytes = vec![0; max.min(CHUNK)];
        let count = self.read_into(&mut bytes)?;
        bytes.truncate(count);
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    pub(super) fn some_into(&mut self, target: &mut [u8]) -> Result<usize, ReceiveStop> {
        if target.is_empty() {
            return Ok(0);
        }
        if !self.buffer().is_empty() {
            self.top_up(target.len());
            return Ok(self.buffer().take_into(target));
        }
        self.read_into(target)
    }

    pub(super) fn peek(&mut self, max: usize) -> Result<Vec<u8>, ReceiveStop> {
        if max > 0 && self.buffer().is_empty() {
            let bytes = self.some(max)?;
            self.buffer().put_back(bytes);
        } else {
            self.top_up(max);
        }
        let there = self.buffer().as_slice();
        Ok(there[..there.len().min(max)].to_vec())
    }

    pub(super) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, ReceiveStop> {
        let mut bytes = self.buffer().take(count);
        match self.fill(&mut bytes, count) {
            Ok(()) => Ok(bytes),
            Err(stop) => {
                self.buffer().put_back(bytes);
                Err(stop)
            }
        }
    }

    pub(super) fn frame(
        &mut self,
        framing: &mut (impl Framing + ?Sized),
        seen: &mut usize,
    ) -> Result<Vec<u8>, ReceiveStop> {
        let limit = self.limit();
        loop {
            let available = self.buffer().len();
            let missing = match self
                .ask(|bytes| framing.find(bytes, *seen))?
                .checked(available)?
            {
                Found::Frame { payload, size } => {
                    return Ok(self.buffer().take_frame(payload, size));
                }
                Found::Missing(missing) => Some(missing),
                Found::Incomplete => None,
            };
            let least = available.saturating_add(missing.unwrap_or(1));
            if least > limit {
                return Err(ReceiveStop::Limit);
            }
            *seen = available;
            self.in_time()?;
            match missing {
                Some(_) => self.gather(least)?,
                None => self.gather_some(limit)?,
            }
        }
    }

    /// Lets a user's code look at what has come. Meanwhile the connection can be closed, also by
    /// that code.
    fn ask<R>(&mut self, question: impl FnOnce(&[u8]) -> R) -> R {
        /// Puts the bytes back, also when the code panics.
        struct PutBack<'b, 'a>(&'b mut Turn<'a, Incoming<Stream>>, Buffer);
        impl Drop for PutBack<'_, '_> {
            fn drop(&mut self) {
                self.0.value().buffer = std::mem::take(&mut self.1);
            }
        }
        let buffer = std::mem::take(self.buffer());
        let PutBack(turn, buffer) = &mut PutBack(&mut self.turn, buffer);
        turn.lend(|| question(buffer.as_slice()))
    }

    pub(super) fn until_end(&mut self) -> Result<Vec<u8>, ReceiveStop> {
        let limit = self.limit();
        loop {
            // One byte beyond the limit shows that there is more.
            match self.gather_some(limit.saturating_add(1)) {
                Ok(()) if self.buffer().len() > limit => return Err(ReceiveStop::Limit),
                Ok(()) => self.in_time()?,
                Err(ReceiveStop::PeerClosed | ReceiveStop::ShutDown) => {
                    return Ok(self.buffer().take(usize::MAX));
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// `since` is the silence so far, from one try to the next.
    pub(super) fn until_silence(
        &mut self,
        silence: Duration,
        since: &mut Option<Deadline>,
    ) -> Result<Vec<u8>, ReceiveStop> {
        let limit = self.limit();
        loop {
            let so_far = since.take();
            self.silence = Some(so_far.unwrap_or_else(|| Deadline::new(Some(silence))));
            match self.gather_some(limit.saturating_add(1)) {
                Ok(()) if self.buffer().len() > limit => return Err(ReceiveStop::Limit),
                Ok(()) => self.in_time()?,
                Err(ReceiveStop::NotNow(NotNow::TimedOut)) if self.is_silent() => {
                    return Ok(self.buffer().take(usize::MAX));
                }
                Err(ReceiveStop::PeerClosed | ReceiveStop::ShutDown)
                    if !self.buffer().is_empty() =>
                {
                    return Ok(self.buffer().take(usize::MAX));
                }
                Err(stop) => {
                    *since = self.silence.take();
                    return Err(stop);
                }
            }
        }
    }

    /// Whether it was the silence, and not the deadline of the whole receive, that ended the last
    /// wait.
    fn is_silent(&mut self) -> bool {
        self.silence
            .as_mut()
            .is_some_and(|silence| silence.remaining() == Remaining::Nothing)
    }

    /// Reads what has come, and keeps it for other receives, which find again what ends it.
    pub(super) fn read_ahead(&mut self) {
        let limit = self.limit();
        while self.buffer().len() < limit && self.gather_some(limit).is_ok() {}
    }

    pub(super) fn buffered(&mut self) -> Result<Vec<u8>, ReceiveStop> {
        let limit = self.limit();
        while self.buffer().len() < limit {
            match self.gather_some(limit) {
                Ok(()) => {}
                Err(ReceiveStop::NotNow(NotNow::TimedOut)) => break,
                // It is found again when nothing is left to hand over.
                Err(_) if !self.buffer().is_empty() => break,
                Err(stop) => return Err(stop),
            }
        }
        Ok(self.buffer().take(limit))
    }

    /// What comes is compared and dropped, not collected: should anything else come, then what came
    /// before is what was expected.
    pub(super) fn expect(&mut self, expected: &[u8]) -> Result<(), ReceiveStop> {
        let mut piece = self.buffer().take(expected.len());
        let mut received = piece.len();
        let mut matched = 0;
        let stop = loop {
            let rest = &expected[matched..];
            if !rest.starts_with(&piece[..received]) {
                break None;
            }
            matched += received;
            if matched == expected.len() {
                return Ok(());
            }
            received = 0;
            if let Err(stop) = self.in_time() {
                break Some(stop);
            }
            piece.resize((expected.len() - matched).min(CHUNK), 0);
            match self.read_into(&mut piece) {
                Ok(count) => received = count,
                Err(stop) => break Some(stop),
            }
        };
        let kept = [&expected[..matched], &piece[..received]].concat();
        self.buffer().put_back(kept);
        Err(stop.unwrap_or_else(|| ReceiveStop::Unexpected(self.difference(expected))))
    }

    /// The difference, with as much of what came as there is without waiting.
    fn difference(&mut self, expected: &[u8]) -> Box<Difference> {
        self.deadline.end();
        while self.buffer().len() < expected.len() && self.gather_some(expected.len()).is_ok() {}
        let recording = &self.inner.recording;
        let all = self.turn.value().buffer.as_slice();
        let end = all.len().min(expected.len());
        let shown = recording.received_as_shown(all);
        let difference = Difference::new(expected, &all[..end])
            .map(|difference| difference.shown_as(&recording.as_shown(expected), &shown[..end]));
        Box::new(difference.expect("the caller has seen that they differ"))
    }

    fn limit(&self) -> usize {
        self.inner.receive_limit.load(Ordering::Relaxed)
    }

    fn buffer(&mut self) -> &mut Buffer {
        &mut self.turn.value().buffer
    }

    /// Ends a receive that always finds more and would never look at its deadline.
    fn in_time(&mut self) -> Result<(), ReceiveStop> {
        if self.deadline.has_passed() {
            Err(NotNow::TimedOut.into())
        } else {
            Ok(())
        }
    }

    /// Adds what has come since to what was kept, up to `max` bytes in all, without a wait.
    fn top_up(&mut self, max: usize) {
        let size = max.min(self.limit());
        if self.buffer().len() >= size {
            return;
        }
        let at_once = Deadline::new(Some(Duration::ZERO));
        let deadline = std::mem::replace(&mut self.deadline, at_once);
        // A failure is found again when nothing is left to hand over.
        let _ = self.gather_some(size);
        self.deadline = deadline;
    }

    /// Reads until the buffer has `size` bytes.
    fn gather(&mut self, size: usize) -> Result<(), ReceiveStop> {
        let mut bytes = std::mem::take(self.buffer().tail());
        let outcome = self.fill(&mut bytes, size);
        *self.buffer().tail() = bytes;
        outcome
    }

    /// Reads what there is, at least one byte, until the buffer has `size` bytes at most. More is
    /// read at a time when more has come already.
    fn gather_some(&mut self, size: usize) -> Result<(), ReceiveStop> {
        let mut bytes = std::mem::take(self.buffer().tail());
        let before = bytes.len();
        let piece = before
            .clamp(AHEAD.0, AHEAD.1)
            .min(size.saturating_sub(before));
        bytes.resize(before + piece, 0);
        let outcome = self.read_into(&mut bytes[before..]);
        bytes.truncate(before + outcome.as_ref().map_or(0, |count| *count));
        *self.buffer().tail() = bytes;
        outcome.map(|_| ())
    }

    /// Reads until `bytes` has `size`. What came before a failure is in it.
    fn fill(&mut self, bytes: &mut Vec<u8>, size: usize) -> Result<(), ReceiveStop> {
        // All memory at once, so that nothing is ever moved. The system provides it as it is
        // written to.
        if size <= CHUNK && bytes.is_empty() {
            *bytes = Vec::with_capacity(size);
        } else {
            bytes
                .try_reserve_exact(size - bytes.len())
                .map_err(|_| ReceiveStop::Limit)?;
        }
        if bytes.capacity() > size || self.turn.value().layer.is_some() {
            return self.fill_cleared(bytes, size);
        }
        while bytes.len() < size {
            let before = bytes.len();
            self.read(size - before, Blocking::UntilAll, |stream, blocking| {
                stream.receive_spare(bytes, blocking)
            })?;
            self.record(&bytes[before..]);
            if bytes.len() < size {
                self.in_time()?;
            }
        }
        Ok(())
    }

    /// The same for a vector that has more room than may be read into.
    fn fill_cleared(&mut self, bytes: &mut Vec<u8>, size: usize) -> Result<(), ReceiveStop> {
        let mut filled = bytes.len();
        bytes.resize(size, 0);
        let outcome = loop {
            if filled == size {
                break Ok(());
            }
            match self.read_slice(&mut bytes[filled..], Blocking::UntilAll) {
                Ok(more) => {
                    self.record(&bytes[filled..filled + more]);
                    filled += more;
                }
                Err(stop) => break Err(stop),
            }
            if let (true, Err(stop)) = (filled < size, self.in_time()) {
                break Err(stop);
            }
        };
        bytes.truncate(filled);
        outcome
    }

    /// Waits for bytes and reads as many as there are and have room in `target`; at least one.
    fn read_into(&mut self, target: &mut [u8]) -> Result<usize, ReceiveStop> {
        let count = self.read_slice(target, Blocking::UntilSome)?;
        self.record(&target[..count]);
        Ok(count)
    }

    #[inline]
    fn read_slice(&mut self, target: &mut [u8], waits_for: Blocking) -> Result<usize, ReceiveStop> {
        if self.turn.value().layer.is_some() {
            return self.read_transformed(target);
        }
        self.read(target.len(), waits_for, |stream, blocking| {
            stream.receive(target, blocking)
        })
    }

    /// Reads from the wire until there is something to receive, and gives as much of it as there is
    /// room for.
    #[cold]
    fn read_transformed(&mut self, target: &mut [u8]) -> Result<usize, ReceiveStop> {
        if target.is_empty() {
            return Err(ReceiveStop::Limit);
        }
        // Of the value only for as long as this takes: `read` needs the rest of it.
        let Some(mut layer) = self.turn.value().layer.take() else {
            return Err(NotNow::Closed.into());
        };
        let outcome = self.read_through(&mut layer, target);
        self.turn.value().layer = Some(layer);
        self.inner.flush_if_free();
        outcome
    }

    fn read_through(
        &mut self,
        layer: &mut LayerIn,
        target: &mut [u8],
    ) -> Result<usize, ReceiveStop> {
        loop {
            match layer.receive(target).map_err(ReceiveStop::Transform)? {
                Received::Bytes(count) => return Ok(count),
                Received::Ended => {
                    return Err(self.ended(Event::EndReached));
                }
                // It may answer what has come before the peer says more.
                Received::Nothing => self.inner.flush_if_free(),
            }
            let room = layer.room();
            let size = room.len();
            let read = self.read(size, Blocking::UntilSome, |stream, blocking| {
                stream.receive(room, blocking)
            });
            match read {
                Ok(count) => {
                    let recording = &self.inner.recording;
                    recording.on_wire(recording.begin(), false, &room[..count]);
                    layer.filled(count);
                }
                Err(ReceiveStop::PeerClosed) => {
                    let ended = layer.layer.wire_ended();
                    return Err(match ended {
                        Ok(()) => ReceiveStop::PeerClosed,
                        Err(error) => ReceiveStop::Transform(error),
                    });
                }
                Err(stop) => return Err(stop),
            }
            self.in_time()?;
        }
    }

    /// Records what has just been read.
    #[inline]
    fn record(&self, bytes: &[u8]) {
        self.inner.recording.received(bytes, self.place);
    }

    /// Reads up to `room` bytes, at least one, and waits while there is nothing.
    #[inline]
    fn read(
        &mut self,
        room: usize,
        waits_for: Blocking,
        attempt: impl FnMut(&Stream, Blocking) -> io::Result<usize>,
    ) -> Result<usize, ReceiveStop> {
        if room == 0 {
            return Err(ReceiveStop::Limit);
        }
        let state = &self.inner.core.state;
        if !state.is_new() {
            let stand = state.get();
            if matches!(stand.inbound, Inbound::Ended | Inbound::Failed) {
                return Err(ReceiveStop::of(stand));
            }
        }
        let (incoming, line) = self.turn.parts();
        let Incoming {
            stream: Some(stream),
            waiting,
            ..
        } = incoming
        else {
            return Err(NotNow::Closed.into());
        };
        let waits = Waits {
            stream,
            interest: Interest::Readable,
            waiting,
            line,
        };
        match waits.persist(
            &mut self.deadline,
            self.silence.as_mut(),
            waits_for,
            attempt,
        ) {
            Ok(0) => Err(self.ended(Event::EndReached)),
            Ok(count) => Ok(count),
            Err(Failed::NotNow(not_now)) => Err(not_now.into()),
            Err(Failed::Io(error)) => match failed(&error) {
                Some(event) => Err(self.ended(event)),
                None => Err(ReceiveStop::Io(error)),
            },
        }
    }

    /// Notes how the direction has ended; why nothing more can be received.
    fn ended(&self, event: Event) -> ReceiveStop {
        ReceiveStop::of(self.inner.apply(event, self.place))
    }
}

/// What an error of the system says of the direction towards us, to which nothing is left; `None`
/// if nothing.
fn failed(error: &io::Error) -> Option<Event> {
    Fault::new(error)
        .filter(|_| sys::is_final(error))
        .map(Event::InboundFailed)
}

impl Inner {
    /// Receives in the way that nearly all receives go: nothing is left over from before, and one
    /// call brings all that is wanted. Anything else is left to a [`Receiver`], with nothing lost.
    pub(super) fn receive_at_once(
        &self,
        count: usize,
        deadline: &mut Deadline,
        place: Place,
    ) -> Option<Vec<u8>> {
        if count == 0 || count > CHUNK {
            return None;
        }
        let mut turn = self.core.receiving.try_enter()?;
        let (incoming, line) = turn.parts();
        let Incoming {
            stream: Some(stream),
            buffer,
            waiting,
            layer: None,
        } = incoming
        else {
            return None;
        };
        let state = &self.core.state;
        if !buffer.is_empty() || self.core.returned.has_any() || !state.is_new() {
            return None;
        }
        let blocking = waiting.at_once(deadline)?;
        let mut bytes = Vec::with_capacity(count);
        if bytes.capacity() > count {
            return None;
        }
        let outcome = if blocking == Blocking::Never {
            stream.receive_spare(&mut bytes, blocking)
        } else {
            line.idle_while(|| stream.receive_spare(&mut bytes, blocking))
        };
        match outcome {
            Ok(received) if received == count => {
                self.recording.received(&bytes, Some(place));
                if blocking == Blocking::Never {
                    waiting.tried(true);
                }
                return Some(bytes);
            }
            Ok(0) => {
                self.apply(Event::EndReached, Some(place));
            }
            Ok(_) => {
                self.recording.received(&bytes, Some(place));
                buffer.put_back(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if blocking == Blocking::Never {
                    waiting.tried(false);
                } else {
                    deadline.goes_on();
                }
            }
            Err(error) => {
                if let Some(event) = failed(&error) {
                    self.apply(event, Some(place));
                }
            }
        }
        None
    }
}
