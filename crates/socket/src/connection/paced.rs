//! A send that takes its time, as a value.

use std::{
    io,
    task::Waker,
    time::{Duration, Instant},
};

use standin_error::text::{Count, Span};
use standin_record::{Event as Recorded, Place};

use super::{Inner, core::Outgoing, send::SendStop};
use crate::{
    error::SendError,
    operation::{Attempt, Descriptor, Interest, Kept, Operation, Waits},
    sys::Stream,
    time::{Deadline, Remaining},
    turn_lock::{NotNow, Part, Turn},
};

/// A send after a delay, in pieces, with pauses. It keeps one turn: no other bytes come in between.
pub(super) struct Paced<'c, B> {
    inner: &'c Inner,
    place: Place,
    deadline: Deadline,
    bytes: B,
    pace: Pace,
    has_begun: bool,
    /// What comes before the next piece.
    pause: Duration,
    /// The end of that, once it has begun.
    rests: Option<Instant>,
    sent: usize,
    /// Where the piece ends that is being sent.
    end: usize,
    part: Part<'c, Outgoing<Stream>>,
}

/// How slowly it is sent.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// In pieces of `size` bytes, a pause of `every` between them.
    Pieces { size: usize, every: Duration },
    /// After a delay.
    Delay(Duration),
}

impl<'c, B: AsRef<[u8]>> Paced<'c, B> {
    pub(super) fn of(
        inner: &'c Inner,
        place: Place,
        bytes: B,
        pace: Pace,
        deadline: Deadline,
    ) -> Self {
        Paced {
            inner,
            place,
            deadline,
            bytes,
            pace,
            has_begun: false,
            pause: match pace {
                Pace::Pieces { .. } => Duration::ZERO,
                Pace::Delay(delay) => delay,
            },
            rests: None,
            sent: 0,
            end: 0,
            part: Part::of(&inner.core.sending),
        }
    }

    fn run(&mut self) -> Result<(), SendStop> {
        self.begin();
        let mut turn = self.part.enter(&mut self.deadline)?;
        while let Some(until) = self.go_on(&mut turn)? {
            let left = until.saturating_duration_since(Instant::now());
            match self.deadline.remaining().at_most(left) {
                Remaining::Time(time) => turn.pause(time)?,
                _ => return Err(NotNow::TimedOut.into()),
            }
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        self.deadline.start();
        let fault = || {
            let bytes = Count(self.bytes.as_ref().len(), "byte");
            Recorded::Fault(match self.pace {
                Pace::Pieces { size, every } => {
                    let (size, every) = (Count(size, "byte"), Span(every));
                    format!("sends {bytes} in pieces of {size}, one every {every}")
                }
                Pace::Delay(delay) => format!("sends {bytes} after a delay of {}", Span(delay)),
            })
        };
        self.inner.recording.happened(fault, Some(self.place));
    }

    /// Goes on in its turn. Gives the end of the pause that is due, or `None` once all is sent.
    fn go_on(
        &mut self,
        turn: &mut Turn<'_, Outgoing<Stream>>,
    ) -> Result<Option<Instant>, SendStop> {
        let bytes = self.bytes.as_ref();
        while self.sent < bytes.len() {
            if self.sent == self.end {
                let now = Instant::now();
                let until = self.rests.or_else(|| now.checked_add(self.pause));
                self.rests = until;
                // One that nobody lives to see is one without an end.
                let Some(until) = until.filter(|until| *until > now) else {
                    if !self.pause.is_zero() && self.deadline.has_passed() {
                        return Err(NotNow::TimedOut.into());
                    }
                    self.rests = None;
                    let (size, every) = match self.pace {
                        Pace::Pieces { size, every } => (size.max(1), every),
                        Pace::Delay(_) => (bytes.len(), Duration::ZERO),
                    };
                    self.pause = every;
                    self.end = bytes.len().min(self.sent.saturating_add(size));
                    continue;
                };
                return Ok(Some(until));
            }
            let Paced { sent, deadline, .. } = self;
            let piece = &bytes[*sent..self.end];
            self.inner
                .send_in_turn(turn, piece, sent, deadline, Some(self.place))?;
        }
        Ok(None)
    }

    fn done(&self, outcome: Result<(), SendStop>) -> Result<usize, SendError> {
        let Paced { inner, sent, .. } = self;
        inner.flush_if_free();
        match outcome {
            Ok(()) => {
                tracing::trace!(connection = %inner.party(), bytes = sent, "sent in pieces");
                Ok(*sent)
            }
            Err(stop) => {
                let size = self.bytes.as_ref().len();
                Err(inner.send_error(stop, *sent, size, &self.deadline, self.place))
            }
        }
    }

    fn try_once(&mut self, waker: &Waker) -> Result<Option<Waits>, SendStop> {
        self.begin();
        let end = self.deadline.end_of();
        let Some(mut turn) = self.part.resume(waker)? else {
            return match self.deadline.is_over() {
                true => Err(NotNow::TimedOut.into()),
                false => Ok(Some(Waits {
                    readiness: None,
                    until: end,
                })),
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
            Ok(Some(_)) if self.deadline.is_over() => return Err(NotNow::TimedOut.into()),
            Ok(Some(until)) => Waits {
                readiness: None,
                until: [Some(until), end].into_iter().flatten().min(),
            },
            Err(SendStop::NotNow(NotNow::TimedOut)) if !self.deadline.is_over() => Waits {
                readiness: Some(Interest::Writable),
                until: end,
            },
            Err(stop) => return Err(stop),
        };
        self.part.suspend(turn, waker);
        Ok(Some(waits))
    }
}

impl<B: AsRef<[u8]>> Operation for Paced<'_, B> {
    type Output = Result<usize, SendError>;

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

impl<B> Drop for Paced<'_, B> {
    fn drop(&mut self) {
        if self.part.give_back() {
            // Who had something to send meanwhile has left it to us.
            self.inner.flush_if_free();
        }
    }
}
