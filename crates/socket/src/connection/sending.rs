//! A send, as a value.

use std::{
    io,
    task::Waker,
    time::{Duration, Instant},
};

use standin_record::Place;

use super::{Inner, core::Outgoing, send::SendStop};
use crate::{
    error::SendError,
    framing::FrameError,
    operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits},
    sys::Stream,
    time::{Deadline, Remaining},
    turn_lock::{NotNow, Part, Turn},
};

/// A send. It keeps one turn: no other bytes come in between.
pub(super) struct Sending<'c, P> {
    inner: &'c Inner,
    place: Place,
    deadline: Deadline,
    plan: P,
    sent: usize,
    part: Part<'c, Outgoing<Stream>>,
}

/// What is sent, and when.
pub(super) trait Plan {
    /// How many bytes are to be sent.
    fn size(&self) -> usize;

    /// Called before everything else, perhaps more than once.
    #[inline]
    fn begin(&mut self, inner: &Inner, place: Place, deadline: &mut Deadline) {
        let _ = (inner, place, deadline);
    }

    /// What is due after `sent` bytes.
    fn next(&mut self, sent: usize, deadline: &mut Deadline) -> Result<Next<'_>, SendStop>;

    /// Whether so much will do when there is no room for more, for an operation that tries.
    fn is_enough(&self, sent: usize) -> bool {
        let _ = sent;
        false
    }
}

/// What is due in a send.
pub(super) enum Next<'p> {
    Piece(&'p [u8]),
    Pause(Pause),
    /// All is sent.
    Nothing,
}

/// The end of a pause; `None` for one that nobody lives to see end.
#[derive(Clone, Copy)]
pub(super) struct Pause(pub(super) Option<Instant>);

/// All of it at once.
pub(super) struct AtOnce<B> {
    /// What is to be sent; an error if no frame can carry it.
    bytes: Result<B, FrameError>,
    /// How many bytes the frame was to carry.
    unframed: usize,
    /// Whether any of them will do.
    is_part: bool,
    has_begun: bool,
}

impl<'c, P: Plan> Sending<'c, P> {
    #[inline]
    pub(super) fn of(inner: &'c Inner, place: Place, plan: P, deadline: Deadline) -> Self {
        Sending {
            inner,
            place,
            deadline,
            plan,
            sent: 0,
            part: Part::of(&inner.core.sending),
        }
    }

    #[inline]
    fn run(&mut self) -> Result<(), SendStop> {
        self.plan.begin(self.inner, self.place, &mut self.deadline);
        let mut turn = self.part.enter(&mut self.deadline)?;
        while let Some(Pause(until)) = self.go_on(&mut turn)? {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            match self.deadline.remaining().at_most(left) {
                Remaining::Time(time) => turn.pause(time)?,
                _ => return Err(NotNow::TimedOut.into()),
            }
        }
        Ok(())
    }

    /// Goes on in its turn. Gives the pause that is due, or `None` once all is sent.
    #[inline]
    fn go_on(&mut self, turn: &mut Turn<'_, Outgoing<Stream>>) -> Result<Option<Pause>, SendStop> {
        let Sending {
            inner,
            place,
            deadline,
            plan,
            sent,
            ..
        } = self;
        loop {
            match plan.next(*sent, deadline)? {
                Next::Piece(bytes) => {
                    inner.send_in_turn(turn, bytes, sent, deadline, Some(*place))?;
                }
                Next::Pause(pause) => return Ok(Some(pause)),
                Next::Nothing => return Ok(None),
            }
        }
    }

    fn try_once(&mut self, waker: &Waker) -> Result<Option<Waits>, SendStop> {
        self.plan.begin(self.inner, self.place, &mut self.deadline);
        let Some(mut turn) = self.part.resume(waker)? else {
            return match self.deadline.is_over() {
                true => Err(NotNow::TimedOut.into()),
                false => Ok(Some(self.waits(None, None))),
            };
        };
        if turn.is_over() {
            return Err(NotNow::Closed.into());
        }
        self.deadline.set_tries(true);
        let outcome = self.go_on(&mut turn);
        self.deadline.set_tries(false);
        let waits = match outcome {
            Ok(None) => return Ok(None),
            Err(SendStop::NotNow(NotNow::TimedOut)) if self.plan.is_enough(self.sent) => {
                return Ok(None);
            }
            Ok(Some(Pause(until))) if !self.deadline.is_over() => self.waits(None, until),
            Err(SendStop::NotNow(NotNow::TimedOut)) if !self.deadline.is_over() => {
                self.waits(Some(Interest::Writable), None)
            }
            Ok(Some(_)) => return Err(NotNow::TimedOut.into()),
            Err(stop) => return Err(stop),
        };
        self.part.suspend(turn, waker);
        Ok(Some(waits))
    }

    fn waits(&mut self, readiness: Option<Interest>, until: Option<Instant>) -> Waits {
        let ends = [until, self.deadline.end_of()];
        Waits {
            readiness,
            until: ends.into_iter().flatten().min(),
        }
    }

    #[inline]
    fn done(&self, outcome: Result<(), SendStop>) -> Result<usize, SendError> {
        let Sending { inner, sent, .. } = self;
        inner.flush_if_free();
        match outcome {
            Ok(()) => {
                tracing::trace!(connection = %inner.party(), bytes = sent, "sent");
                Ok(*sent)
            }
            Err(stop) => {
                let size = self.plan.size();
                Err(inner.send_error(stop, *sent, size, &self.deadline, self.place))
            }
        }
    }
}

impl<P: Plan> Operation for Sending<'_, P> {
    type Output = Result<usize, SendError>;

    #[inline]
    fn block(mut self) -> Self::Output {
        let outcome = self.run();
        self.done(outcome)
    }

    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output> {
        match self.try_once(waker) {
            Ok(Some(waits)) => Attempt::Waits(waits),
            Ok(None) => Attempt::Done(self.done(Ok(()))),
            Err(stop) => Attempt::Done(self.done(Err(stop))),
        }
    }

    fn fail(&mut self, error: io::Error) -> Self::Output {
        self.done(Err(NotNow::Io(error).into()))
    }

    fn interest(&self) -> Option<Interest> {
        self.part.is_next().then_some(Interest::Writable)
    }

    fn yield_place(&self) {
        self.part.yield_place();
    }

    fn descriptor(&self) -> io::Result<Descriptor> {
        self.inner.core.with_stream(Stream::descriptor)
    }

    fn kept(&self) -> &Kept {
        &self.inner.kept
    }
}

impl<P> Drop for Sending<'_, P> {
    fn drop(&mut self) {
        if self.part.give_back() {
            // Who had something to send meanwhile has left it to us.
            self.inner.flush_if_free();
        }
    }
}

impl<B> AtOnce<B> {
    #[inline]
    pub(super) fn of(bytes: B) -> Self {
        Self::framed(Ok(bytes), 0)
    }

    /// A frame that was to carry so many bytes.
    #[inline]
    pub(super) fn framed(frame: Result<B, FrameError>, unframed: usize) -> Self {
        AtOnce {
            bytes: frame,
            unframed,
            is_part: false,
            has_begun: false,
        }
    }

    /// As much of it as there is room for.
    pub(super) fn part_of(bytes: B) -> Self {
        AtOnce {
            is_part: true,
            ..Self::of(bytes)
        }
    }
}

impl<B: AsRef<[u8]>> Plan for AtOnce<B> {
    fn size(&self) -> usize {
        match &self.bytes {
            Ok(bytes) => bytes.as_ref().len(),
            Err(_) => self.unframed,
        }
    }

    #[inline]
    fn next(&mut self, sent: usize, _: &mut Deadline) -> Result<Next<'_>, SendStop> {
        let bytes = match &self.bytes {
            Ok(bytes) => bytes.as_ref(),
            Err(error) => return Err(SendStop::Frame(error.clone())),
        };
        // No bytes are sent anyway: the connection may be closed.
        if self.has_begun && sent == bytes.len() {
            return Ok(Next::Nothing);
        }
        self.has_begun = true;
        Ok(Next::Piece(&bytes[sent..]))
    }

    fn is_enough(&self, sent: usize) -> bool {
        self.is_part && sent > 0
    }
}
