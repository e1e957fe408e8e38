//! When to wait in the system's blocking call, and with which timeout.

use std::{io, time::Duration};

use crate::{
    lane::NotNow,
    sys::{Patience, Stream},
    time::{Deadline, Remaining},
};

/// Which of a stream's two timeouts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Receive,
    Send,
}

/// What one direction of a stream remembers from one operation to the next.
///
/// An operation that probably finds the stream ready tries without waiting first: then it needs neither a clock nor a
/// timeout. One that probably has to wait goes to wait at once, and saves the try. The last operations tell which.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The timeout that the socket has; `None` when none was set yet.
    timeout: Option<Option<Duration>>,
    /// Whether the last try found nothing.
    expected: bool,
    /// How many operations went to wait at once, since the last try.
    untried: u8,
}

impl Waiting {
    /// After so many operations without a try, there is one: things may have changed.
    const UNTRIED: u8 = 32;

    /// Whether to try before waiting.
    #[inline]
    pub(super) fn tries_first(&mut self) -> bool {
        if !self.expected {
            return true;
        }
        self.untried += 1;
        if self.untried < Self::UNTRIED {
            return false;
        }
        self.untried = 0;
        true
    }

    /// How to go about an operation that will probably need one call only: to try, or to wait for everything at once
    /// if the socket has the right timeout already.
    #[inline]
    pub(super) fn at_once(&mut self, deadline: &mut Deadline) -> Option<Patience> {
        if deadline.forbids_waiting() || self.tries_first() {
            return Some(Patience::None);
        }
        if self.timeout != Some(deadline.limit()) {
            return None;
        }
        deadline.start_roughly();
        Some(Patience::All)
    }

    /// What a try has shown.
    #[inline]
    pub(super) fn tried(&mut self, was_ready: bool) {
        self.expected = !was_ready;
    }

    /// Gives the socket the timeout that `left` says.
    pub(super) fn prepare(
        &mut self,
        stream: &Stream,
        side: Side,
        left: Remaining,
    ) -> Result<(), NotNow> {
        let timeout = match left {
            // The system counts in microseconds, and zero means for ever.
            Remaining::Time(left) if left >= Duration::from_micros(1) => Some(left),
            Remaining::Unlimited => None,
            _ => return Err(NotNow::TimedOut),
        };
        // Longer than a test, and not too long for any system: the deadline is looked at again afterwards.
        let timeout = timeout.map(|timeout| timeout.min(Duration::from_secs(24 * 3600)));
        if self.timeout != Some(timeout) {
            match side {
                Side::Receive => stream.set_receive_timeout(timeout),
                Side::Send => stream.set_send_timeout(timeout),
            }
            .map_err(NotNow::Io)?;
            self.timeout = Some(timeout);
        }
        Ok(())
    }
}

/// Runs `attempt` until it brings something or fails for good: without waiting, or with a timeout as far as the
/// deadline allows.
#[inline]
pub(super) fn persist(
    stream: &Stream,
    waiting: &mut Waiting,
    side: Side,
    deadline: &mut Deadline,
    mut silence: Option<&mut Deadline>,
    waits_for: Patience,
    mut attempt: impl FnMut(&Stream, Patience) -> io::Result<usize>,
) -> Result<usize, Failed> {
    let mut tries = deadline.forbids_waiting() || waiting.tries_first();
    loop {
        let patience = if tries {
            Patience::None
        } else {
            let left = match &mut silence {
                Some(silence) => deadline.remaining().or_sooner(silence.remaining()),
                None => deadline.remaining(),
            };
            waiting.prepare(stream, side, left)?;
            waits_for
        };
        let error = match attempt(stream, patience) {
            Ok(count) => {
                if tries {
                    waiting.tried(true);
                }
                return Ok(count);
            }
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                if tries {
                    waiting.tried(false);
                    if deadline.forbids_waiting() {
                        return Err(NotNow::TimedOut.into());
                    }
                    tries = false;
                }
            }
            io::ErrorKind::Interrupted => {}
            _ => return Err(Failed::Io(error)),
        }
    }
}

/// Why [`persist`] gave up.
#[derive(Debug)]
pub(super) enum Failed {
    NotNow(NotNow),
    Io(io::Error),
}

impl From<NotNow> for Failed {
    fn from(not_now: NotNow) -> Self {
        Failed::NotNow(not_now)
    }
}
