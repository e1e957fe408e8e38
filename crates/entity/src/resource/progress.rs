//! What a wait for a check shows while it lasts.

use std::time::{Duration, Instant};

use standin_error::text::Span;

use crate::entity::Entity;

/// When the first event of a wait is one that is shown by default.
const FIRST: Duration = Duration::from_secs(1);

/// One wait for a check: an event at its begin for those who look closely, and others after
/// 1, 2, 4, ... seconds, since a wait may last minutes and its error comes at the end.
pub(super) struct Progress {
    since: Instant,
    next: Option<Duration>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            next: None,
        }
    }

    /// Notes that `missing` was missing at a check; `what` says of what.
    pub(super) fn note(&mut self, entity: &Entity, what: &str, checks: u32, missing: &str) {
        let Some(next) = self.next else {
            self.next = Some(FIRST);
            tracing::debug!(%entity, missing, "{what}");
            return;
        };
        let elapsed = self.since.elapsed();
        if elapsed < next {
            return;
        }
        self.next = Some(elapsed.saturating_mul(2));
        tracing::info!(%entity, after = %Span(elapsed), checks, missing, "{what}");
    }
}
