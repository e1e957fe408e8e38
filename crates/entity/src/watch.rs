//! When a resource is to be looked at again.

use std::time::{Duration, Instant};

use crate::incident::Overdue;
use crate::settings::{CheckInterval, Settings};

/// How long something may take, counted from its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    since: Instant,
    limit: Duration,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self {
            since: Instant::now(),
            limit,
        }
    }

    /// `None` when it lies beyond what the clock can tell.
    pub(crate) fn until(self) -> Option<Instant> {
        self.since.checked_add(self.limit)
    }

    pub(crate) fn is_over(self) -> bool {
        self.since.elapsed() >= self.limit
    }

    pub(crate) fn overdue(self, checks: u32, last: Option<String>) -> Box<Overdue> {
        Box::new(Overdue {
            elapsed: self.since.elapsed(),
            limit: self.limit,
            checks,
            last,
        })
    }
}

/// Keeps track of the checks of one asynchronous start or stop, for
/// [`Resource::advance`](crate::Resource::advance): when the next one is due
/// and when time is up. It begins when it is made.
#[derive(Clone, Debug)]
pub struct Watch {
    of_start: bool,
    interval: CheckInterval,
    pub(crate) patience: Patience,
    pub(crate) checks: u32,
    /// The signals that the latest check has seen.
    pub(crate) signals: Option<u64>,
    /// `None`: at once.
    next: Option<Instant>,
}

impl Watch {
    /// Of a start: `start_timeout` and `started_check_interval`.
    #[must_use]
    pub fn of_start(settings: &Settings) -> Self {
        Self::new(
            true,
            settings.start_timeout,
            settings.started_check_interval,
        )
    }

    /// Of a stop: `stop_timeout` and `stopped_check_interval`.
    #[must_use]
    pub fn of_stop(settings: &Settings) -> Self {
        Self::new(
            false,
            settings.stop_timeout,
            settings.stopped_check_interval,
        )
    }

    fn new(of_start: bool, limit: Duration, interval: CheckInterval) -> Self {
        Self {
            of_start,
            interval,
            patience: Patience::of(limit),
            checks: 0,
            signals: None,
            next: None,
        }
    }

    /// Whether the next check is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.next.is_none_or(|next| next <= Instant::now())
    }

    /// When to look again: when the next check is due, or when time is up.
    #[must_use]
    pub fn next_look(&self) -> Instant {
        let next = self.next.unwrap_or_else(Instant::now);
        self.patience
            .until()
            .map_or(next, |deadline| next.min(deadline))
    }

    /// How often it was checked.
    #[must_use]
    pub fn checks(&self) -> u32 {
        self.checks
    }

    pub(crate) fn is_of_start(&self) -> bool {
        self.of_start
    }

    pub(crate) fn looked(&mut self, signals: u64) {
        self.checks = self.checks.saturating_add(1);
        self.signals = Some(signals);
        self.next = Instant::now().checked_add(self.interval.after(self.checks));
    }

    pub(crate) fn not_yet(&self) -> Progress {
        Progress::NotYet {
            look_again: self.next_look(),
        }
    }
}

/// How far [`Resource::advance`](crate::Resource::advance) came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The start or the stop is complete.
    Done,
    /// It is still under way.
    NotYet {
        /// When the next check is due; a `notify` makes it due at once.
        look_again: Instant,
    },
}
