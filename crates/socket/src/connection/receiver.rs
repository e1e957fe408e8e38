//! A receive at work: reading, waiting, and keeping what a failure leaves over.

use std::{
    io,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{
    Incoming, Inner, callback, here, there,
    waiting::{self, Failed, Side},
};
use crate::{
    buffer::Buffer,
    error::Difference,
    framing::{Found, FrameError, Framing},
    lane::{NotNow, Turn},
    sys::{Patience, Stream},
    time::{Deadline, Remaining},
};

/// The most that is read at once when a receive takes whatever comes.
const CHUNK: usize = 64 << 10;

/// The smallest and the largest piece that is read when nobody knows how much belongs to a receive.
const AHEAD: (usize, usize) = (4 << 10, CHUNK);

/// What ended a receive early.
#[derive(Debug)]
pub(super) enum Stop {
    NotNow(NotNow),
    PeerClosed,
    Reset,
    Limit,
    Frame(FrameError),
    Unexpected(Box<Difference>),
    Io(io::Error),
}

impl From<NotNow> for Stop {
    fn from(not_now: NotNow) -> Self {
        Stop::NotNow(not_now)
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Stop::Frame(error)
    }
}

/// A receive that has its turn.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    inner: &'a Inner,
    turn: Turn<'a, Incoming>,
    deadline: Deadline,
    /// How long a silence may last, if that is not for the deadline alone to say.
    silence: Option<Deadline>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        turn: Turn<'a, Incoming>,
        deadline: Deadline,
    ) -> Receiver<'a> {
        let mut receiver = Receiver {
            inner,
            turn,
            deadline,
            silence: None,
        };
        // Looked at before it is changed: nearly always nothing was handed back.
        if inner.has_returned.load(Ordering::Relaxed)
            && inner.has_returned.swap(false, Ordering::AcqRel)
        {
            let returned = std::mem::take(
                &mut *inner
                    .returned
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            receiver.buffer().put_back(returned);
        }
        receiver
    }

    /// What an error shows.
    pub(super) fn evidence(&mut self) -> (&[u8], &Deadline) {
        (self.turn.value().buffer.as_slice(), &self.deadline)
    }

    pub(super) fn some(&mut self, max: usize) -> Result<Vec<u8>, Stop> {
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

    pub(super) fn some_into(&mut self, target: &mut [u8]) -> Result<usize, Stop> {
        if target.is_empty() {
            return Ok(0);
        }
        if !self.buffer().is_empty() {
            self.top_up(target.len());
            return Ok(self.buffer().take_into(target));
        }
        self.read_into(target)
    }

    pub(super) fn peek(&mut self, max: usize) -> Result<Vec<u8>, Stop> {
        if max > 0 && self.buffer().is_empty() {
            let bytes = self.some(max)?;
            self.buffer().put_back(bytes);
        } else {
            self.top_up(max);
        }
        let there = self.buffer().as_slice();
        Ok(there[..there.len().min(max)].to_vec())
    }

    pub(super) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = self.buffer().take(count);
        match self.fill(&mut bytes, count) {
            Ok(()) => Ok(bytes),
            Err(stop) => {
                self.buffer().put_back(bytes);
                Err(stop)
            }
        }
    }

    pub(super) fn frame(&mut self, framing: &mut (impl Framing + ?Sized)) -> Result<Vec<u8>, Stop> {
        let limit = self.limit();
        let mut seen = 0;
        loop {
            let available = self.buffer().len();
            let bytes = self.buffer().as_slice();
            let missing = match callback::run(|| framing.find(bytes, seen))?.checked(available)? {
                Found::Frame { payload, size } => {
                    return Ok(self.buffer().take_frame(payload, size));
                }
                Found::Missing(missing) => Some(missing),
                Found::Incomplete => None,
            };
            if available.saturating_add(missing.unwrap_or(1)) > limit {
                return Err(Stop::Limit);
            }
            self.in_time()?;
            match missing {
                Some(missing) => self.gather(available + missing)?,
                None => self.gather_some(limit)?,
            }
            seen = available;
        }
    }

    pub(super) fn until_end(&mut self) -> Result<Vec<u8>, Stop> {
        let limit = self.limit();
        loop {
            match self.gather_some(limit.saturating_add(1)) {
                Ok(()) if self.buffer().len() > limit => return Err(Stop::Limit),
                Ok(()) => self.in_time()?,
                Err(Stop::PeerClosed) => return Ok(self.buffer().take(usize::MAX)),
                Err(stop) => return Err(stop),
            }
        }
    }

    pub(super) fn until_silence(&mut self, silence: Duration) -> Result<Vec<u8>, Stop> {
        let limit = self.limit();
        loop {
            self.silence = Some(Deadline::new(Some(silence)));
            match self.gather_some(limit.saturating_add(1)) {
                Ok(()) if self.buffer().len() > limit => return Err(Stop::Limit),
                Ok(()) => self.in_time()?,
                Err(Stop::NotNow(NotNow::TimedOut)) if self.is_silent() => {
                    return Ok(self.buffer().take(usize::MAX));
                }
                Err(Stop::PeerClosed) if !self.buffer().is_empty() => {
                    return Ok(self.buffer().take(usize::MAX));
                }
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Whether it was the silence, and not the deadline of the whole receive, that ended the last wait.
    fn is_silent(&mut self) -> bool {
        self.silence
            .as_mut()
            .is_some_and(|silence| silence.remaining() == Remaining::Nothing)
    }

    pub(super) fn buffered(&mut self) -> Result<Vec<u8>, Stop> {
        let limit = self.limit();
        while self.buffer().len() < limit {
            match self.gather_some(limit) {
                Ok(()) => {}
                Err(Stop::NotNow(NotNow::TimedOut)) => break,
                // It is told again when nothing is left to hand over.
                Err(_) if !self.buffer().is_empty() => break,
                Err(stop) => return Err(stop),
            }
        }
        Ok(self.buffer().take(limit))
    }

    pub(super) fn expect(&mut self, expected: &[u8]) -> Result<(), Stop> {
        loop {
            let received = self.buffer().as_slice();
            let received = &received[..received.len().min(expected.len())];
            if !expected.starts_with(received) {
                return Err(Stop::Unexpected(self.difference(expected)));
            }
            let available = received.len();
            if available == expected.len() {
                self.buffer().discard(available);
                return Ok(());
            }
            self.in_time()?;
            self.gather_some(expected.len())?;
        }
    }

    /// The difference, with as much of what came as there is without waiting.
    fn difference(&mut self, expected: &[u8]) -> Box<Difference> {
        self.deadline.end();
        while self.buffer().len() < expected.len() && self.gather_some(expected.len()).is_ok() {}
        let received = self.buffer().as_slice();
        let received = &received[..received.len().min(expected.len())];
        Box::new(Difference::new(expected, received).expect("the caller has seen that they differ"))
    }

    fn limit(&self) -> usize {
        self.inner.receive_limit.load(Ordering::Relaxed)
    }

    fn buffer(&mut self) -> &mut Buffer {
        &mut self.turn.value().buffer
    }

    /// Ends a receive that always finds more and would never look at its deadline.
    fn in_time(&mut self) -> Result<(), Stop> {
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
        // A failure is told again when nothing is left to hand over.
        let _ = self.gather_some(size);
        self.deadline = deadline;
    }

    /// Reads until the buffer has `size` bytes.
    fn gather(&mut self, size: usize) -> Result<(), Stop> {
        let mut bytes = std::mem::take(self.buffer().tail());
        let outcome = self.fill(&mut bytes, size);
        *self.buffer().tail() = bytes;
        outcome
    }

    /// Reads what there is, at least one byte, until the buffer has `size` bytes at most. More is read at a time when
    /// more has come already.
    fn gather_some(&mut self, size: usize) -> Result<(), Stop> {
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
    fn fill(&mut self, bytes: &mut Vec<u8>, size: usize) -> Result<(), Stop> {
        // All memory at once, so that nothing is ever moved. The system provides it as it is written to.
        if size <= CHUNK && bytes.is_empty() {
            *bytes = Vec::with_capacity(size);
        } else {
            bytes
                .try_reserve_exact(size - bytes.len())
                .map_err(|_| Stop::Limit)?;
        }
        if bytes.capacity() > size {
            return self.fill_cleared(bytes, size);
        }
        while bytes.len() < size {
            self.read(Patience::All, |stream, patience| {
                stream.receive_spare(bytes, patience)
            })?;
            if bytes.len() < size {
                self.in_time()?;
            }
        }
        Ok(())
    }

    /// The same for a vector that has more room than may be read into.
    fn fill_cleared(&mut self, bytes: &mut Vec<u8>, size: usize) -> Result<(), Stop> {
        let mut filled = bytes.len();
        bytes.resize(size, 0);
        while filled < size {
            match self.read(Patience::All, |stream, patience| {
                stream.receive(&mut bytes[filled..], patience)
            }) {
                Ok(more) => filled += more,
                Err(stop) => {
                    bytes.truncate(filled);
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    /// Waits for bytes and reads as many as there are and have room in `target`; at least one.
    fn read_into(&mut self, target: &mut [u8]) -> Result<usize, Stop> {
        self.read(Patience::Some, |stream, patience| {
            stream.receive(target, patience)
        })
    }

    /// Reads, and waits while there is nothing.
    #[inline]
    fn read(
        &mut self,
        waits_for: Patience,
        attempt: impl FnMut(&Stream, Patience) -> io::Result<usize>,
    ) -> Result<usize, Stop> {
        let there = &self.inner.there;
        match there.load(Ordering::Relaxed) {
            there::OPEN => {}
            there::CLOSED => return Err(Stop::PeerClosed),
            _ => return Err(Stop::Reset),
        }
        let Incoming {
            stream: Some(stream),
            waiting,
            told,
            ..
        } = self.turn.value()
        else {
            return Err(NotNow::Closed.into());
        };
        let silence = self.silence.as_mut();
        let outcome = match told.take() {
            Some(error) => Err(Failed::Io(error)),
            None => waiting::persist(
                stream,
                waiting,
                Side::Receive,
                &mut self.deadline,
                silence,
                waits_for,
                attempt,
            ),
        };
        match outcome {
            Ok(0) => {
                there.store(there::CLOSED, Ordering::Relaxed);
                Err(Stop::PeerClosed)
            }
            Ok(count) => Ok(count),
            Err(Failed::NotNow(not_now)) => Err(not_now.into()),
            Err(Failed::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                there.store(there::RESET, Ordering::Relaxed);
                Err(Stop::Reset)
            }
            Err(Failed::Io(error)) => Err(Stop::Io(error)),
        }
    }
}

impl Drop for Receiver<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.inner.here.load(Ordering::Relaxed) != here::OPEN {
            // Whoever closed it may not have been able to wait for us.
            self.turn.value().stream = None;
        }
    }
}

impl Inner {
    /// Receives in the way that nearly all receives go: nothing is left over from before, and one call brings all that
    /// is wanted. Anything else is left to a [`Receiver`], with nothing lost.
    pub(super) fn receive_at_once(&self, count: usize, deadline: &mut Deadline) -> Option<Vec<u8>> {
        if count == 0 || count > CHUNK {
            return None;
        }
        let mut turn = self.receiving.try_enter()?;
        let Incoming {
            stream: Some(stream),
            buffer,
            waiting,
            told: None,
        } = turn.value()
        else {
            return None;
        };
        if !buffer.is_empty()
            || self.has_returned.load(Ordering::Relaxed)
            || self.here.load(Ordering::Relaxed) != here::OPEN
            || self.there.load(Ordering::Relaxed) != there::OPEN
        {
            return None;
        }
        let patience = waiting.at_once(deadline)?;
        let mut bytes = Vec::with_capacity(count);
        if bytes.capacity() > count {
            return None;
        }
        match stream.receive_spare(&mut bytes, patience) {
            Ok(received) if received == count => {
                if patience == Patience::None {
                    waiting.tried(true);
                }
                return Some(bytes);
            }
            Ok(0) => self.there.store(there::CLOSED, Ordering::Relaxed),
            Ok(_) => buffer.put_back(bytes),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock if patience == Patience::None => waiting.tried(false),
                io::ErrorKind::WouldBlock => deadline.use_up(),
                io::ErrorKind::Interrupted => {}
                _ => turn.value().told = Some(error),
            },
        }
        None
    }
}
