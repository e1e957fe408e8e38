//! When to wait in the system's blocking call, and with which timeout.

use std::{io, time::Duration};

use standin_sync::long_wait;

use crate::{
    sys::{Blocking, Interest, Stream},
    time::{Deadline, Remaining},
    turn_lock::{NotNow, WaitQueue},
};

/// What one direction of a stream remembers from one operation to the next.
///
/// An operation that probably finds the stream ready tries without waiting first: then it needs
/// neither a clock nor a timeout. One that probably has to wait goes to wait at once, and saves the
/// try. The last operations show which.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The timeout that the socket has; `None` when none was set yet.
    timeout: Option<Duration>,
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
    fn tries_first(&mut self) -> bool {
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

    /// How to go about an operation that will probably need one call only: to try, or to wait for
    /// everything at once if the socket has the right timeout already.
    #[inline]
    pub(super) fn at_once(&mut self, deadline: &mut Deadline) -> Option<Blocking> {
        if deadline.forbids_waiting() || self.tries_first() {
            return Some(Blocking::Never);
        }
        if self.timeout != Some(long_wait::at_once(deadline.limit())) {
            return None;
        }
        deadline.start();
        Some(Blocking::UntilAll)
    }

    /// What a try has shown.
    #[inline]
    pub(super) fn tried(&mut self, was_ready: bool) {
        self.expected = !was_ready;
    }

    /// Gives the socket a timeout.
    fn prepare(
        &mut self,
        stream: &Stream,
        interest: Interest,
        timeout: Duration,
    ) -> io::Result<()> {
        // The system counts in microseconds, and zero means forever.
        let timeout = timeout.max(Duration::from_micros(1));
        if self.timeout != Some(timeout) {
            match interest {
                Interest::Readable => stream.set_receive_timeout(Some(timeout)),
                Interest::Writable => stream.set_send_timeout(Some(timeout)),
            }?;
            self.timeout = Some(timeout);
        }
        Ok(())
    }
}

/// One direction of a stream, with what an operation needs to wait in it.
pub(super) struct Waits<'a> {
    pub(super) stream: &'a Stream,
    pub(super) interest: Interest,
    pub(super) waiting: &'a mut Waiting,
    pub(super) line: &'a WaitQueue,
}

impl Waits<'_> {
    /// The same once more.
    #[inline]
    pub(super) fn again(&mut self) -> Waits<'_> {
        Waits {
            stream: self.stream,
            interest: self.interest,
            waiting: self.waiting,
            line: self.line,
        }
    }

    /// Runs `attempt` until it brings something or fails for good: without waiting, or with a
    /// timeout as far as the deadline and the silence allow. However short they are, there is one
    /// attempt.
    #[inline]
    pub(super) fn persist(
        self,
        deadline: &mut Deadline,
        mut silence: Option<&mut Deadline>,
        waits_for: Blocking,
        mut attempt: impl FnMut(&Stream, Blocking) -> io::Result<usize>,
    ) -> Result<usize, Failed> {
        let Waits {
            stream,
            interest,
            waiting,
            line,
        } = self;
        let mut blocks = waits_for != Blocking::Never && stream.keeps_timeout(interest);
        let mut tries = !blocks || deadline.forbids_waiting() || waiting.tries_first();
        let (mut has_tried, mut has_waited) = (false, false);
        loop {
            let outcome = if tries {
                attempt(stream, Blocking::Never).inspect(|_| waiting.tried(true))
            } else {
                let left = match &mut silence {
                    Some(silence) => deadline.remaining().or_sooner(silence.remaining()),
                    None => deadline.remaining(),
                };
                let left = match left {
                    Remaining::Nothing if has_tried => return Err(NotNow::TimedOut.into()),
                    left => left.as_timeout(),
                };
                if left == Some(Duration::ZERO) {
                    attempt(stream, Blocking::Never)
                } else {
                    if has_waited {
                        deadline.goes_on();
                    }
                    let time = long_wait::at_once(left);
                    if blocks {
                        waiting.prepare(stream, interest, time)?;
                        line.idle_while(|| attempt(stream, waits_for))
                    } else {
                        line.idle_while(|| stream.poll(interest, Some(time)))?;
                        attempt(stream, Blocking::Never)
                    }
                }
            };
            match outcome {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if tries {
                        waiting.tried(false);
                    } else {
                        // Either the time is over, or other code has made the stream non-blocking.
                        blocks = false;
                        has_waited = true;
                    }
                    has_tried = true;
                    tries = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failed::Io(error)),
            }
        }
    }
}

/// Why [`Waits::persist`] gave up.
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

/// Of preparing to wait, which says nothing of the connection.
impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::NotNow(NotNow::Io(error))
    }
}
