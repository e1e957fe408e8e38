//! How long something may take.

use std::time::{Duration, Instant};

use crate::incident::Overdue;

/// How long something may take, counted from its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    since: Instant,
    limit: Duration,
}

impl Patience {
    pub(super) fn of(limit: Duration) -> Self {
        Self {
            since: Instant::now(),
            limit,
        }
    }

    pub(super) fn since(self) -> Instant {
        self.since
    }

    /// `None` when it lies beyond what the clock can tell.
    pub(super) fn until(self) -> Option<Instant> {
        self.since.checked_add(self.limit)
    }

    pub(super) fn is_over(self) -> bool {
        self.since.elapsed() >= self.limit
    }

    pub(super) fn overdue(self, checks: u32, last: Option<String>) -> Box<Overdue> {
        Box::new(Overdue {
            elapsed: self.since.elapsed(),
            limit: self.limit,
            checks,
            last,
        })
    }
}
