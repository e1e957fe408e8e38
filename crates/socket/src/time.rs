//! Deadlines: one per operation, started by the first wait.

use std::time::{Duration, Instant};

/// The time that one operation may take.
///
/// The clock is first read when the operation would have to wait: an operation that finds what it needs at once reads
/// no clock at all.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Option<Duration>,
    started: Option<Instant>,
}

impl Deadline {
    pub(crate) fn new(limit: Option<Duration>) -> Deadline {
        Deadline {
            limit,
            started: None,
        }
    }

    /// What the caller asked for; `None` is "no limit".
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Time since the first wait began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started
            .map(|started| started.elapsed())
            .unwrap_or_default()
    }

    /// Starts the clock.
    pub(crate) fn start(&mut self) {
        self.started.get_or_insert_with(Instant::now);
    }

    /// Whether a limit that allows waiting is over. For loops that never wait because there is always more.
    pub(crate) fn has_passed(&mut self) -> bool {
        self.limit != Some(Duration::ZERO) && self.remaining() == Remaining::Nothing
    }

    /// How much longer to wait.
    pub(crate) fn remaining(&mut self) -> Remaining {
        match self.limit {
            None => {
                self.start();
                Remaining::Unlimited
            }
            Some(Duration::ZERO) => Remaining::Nothing,
            Some(limit) => {
                let started = *self.started.get_or_insert_with(Instant::now);
                match limit.checked_sub(started.elapsed()) {
                    None | Some(Duration::ZERO) => Remaining::Nothing,
                    Some(left) => Remaining::Time(left),
                }
            }
        }
    }
}

/// What is left of a [`Deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// The deadline has passed, or was zero.
    Nothing,
    Time(Duration),
    Unlimited,
}

impl Remaining {
    /// As a timeout of `mio::Poll::poll`. `Nothing` becomes a poll that does not block.
    pub(crate) fn as_timeout(self) -> Option<Duration> {
        match self {
            Remaining::Nothing => Some(Duration::ZERO),
            Remaining::Time(left) => Some(left),
            Remaining::Unlimited => None,
        }
    }

    /// Whichever ends first.
    pub(crate) fn at_most(self, other: Duration) -> Remaining {
        match self {
            Remaining::Nothing => Remaining::Nothing,
            Remaining::Time(left) => Remaining::Time(left.min(other)),
            Remaining::Unlimited => Remaining::Time(other),
        }
    }
}
