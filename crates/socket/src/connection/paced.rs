//! Sends that take their time.

use std::time::{Duration, Instant};

use standin_error::text::{Count, Span};
use standin_record::{Event as Recorded, Place};

use super::{
    Inner,
    send::SendStop,
    sending::{Next, Pause, Plan},
};
use crate::{time::Deadline, turn_lock::NotNow};

/// After a delay, in pieces, with pauses.
pub(super) struct Paced<B> {
    bytes: B,
    pace: Pace,
    has_begun: bool,
    /// What comes before the next piece.
    pause: Duration,
    /// The end of that, once it has begun.
    rests: Option<Pause>,
    /// Where the piece ends that is being sent.
    end: usize,
}

/// How slowly it is sent.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// In pieces of `size` bytes, a pause of `every` between them.
    Pieces { size: usize, every: Duration },
    /// After a delay.
    Delay(Duration),
}

impl<B> Paced<B> {
    pub(super) fn of(bytes: B, pace: Pace) -> Self {
        Paced {
            bytes,
            pace,
            has_begun: false,
            pause: match pace {
                Pace::Pieces { .. } => Duration::ZERO,
                Pace::Delay(delay) => delay,
            },
            rests: None,
            end: 0,
        }
    }
}

impl<B: AsRef<[u8]>> Plan for Paced<B> {
    fn size(&self) -> usize {
        self.bytes.as_ref().len()
    }

    fn begin(&mut self, inner: &Inner, place: Place, deadline: &mut Deadline) {
        if self.has_begun {
            return;
        }
        self.has_begun = true;
        deadline.start();
        let fault = || {
            let bytes = Count(self.size(), "byte");
            Recorded::Fault(match self.pace {
                Pace::Pieces { size, every } => {
                    let (size, every) = (Count(size, "byte"), Span(every));
                    format!("sends {bytes} in pieces of {size}, one every {every}")
                }
                Pace::Delay(delay) => format!("sends {bytes} after a delay of {}", Span(delay)),
            })
        };
        inner.recording.happened(fault, Some(place));
    }

    fn next(&mut self, sent: usize, deadline: &mut Deadline) -> Result<Next<'_>, SendStop> {
        let bytes = self.bytes.as_ref();
        if sent == bytes.len() {
            return Ok(Next::Nothing);
        }
        if sent == self.end {
            let now = Instant::now();
            let rests = || Pause(now.checked_add(self.pause));
            let pause = *self.rests.get_or_insert_with(rests);
            if pause.0.is_none_or(|until| until > now) {
                return Ok(Next::Pause(pause));
            }
            if !self.pause.is_zero() && deadline.has_passed() {
                return Err(NotNow::TimedOut.into());
            }
            self.rests = None;
            let (size, every) = match self.pace {
                Pace::Pieces { size, every } => (size.max(1), every),
                Pace::Delay(_) => (bytes.len(), Duration::ZERO),
            };
            self.pause = every;
            self.end = bytes.len().min(sent.saturating_add(size));
        }
        Ok(Next::Piece(&bytes[sent..self.end]))
    }
}
