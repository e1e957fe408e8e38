//! Waiting until a check is ready.

use std::time::Instant;

use super::{Patience, Resource};
use crate::failure::{Overdue, StepFailure};
use crate::settings::CheckInterval;
use crate::status::Status;
use crate::steps::{Check, Step, Steps};

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Start,
    Stop,
}

/// Why the checking ended before it was ready.
#[derive(Debug)]
pub(super) enum CheckEnd {
    Failed(StepFailure),
    Overdue(Box<Overdue>),
    Aborted,
    /// The status is not that of the phase any more.
    Left,
}

impl Resource {
    /// Calls the check until it is ready: at once, at each `notify`, after each
    /// interval and once at the deadline. With a limit of zero it is called
    /// exactly once.
    ///
    /// An abort ends it, that of a stop after one more check. With
    /// `aborted_before` there is no other abort to come: a stop after an abort
    /// is a proper stop.
    pub(super) fn check_until_ready(
        &self,
        steps: &dyn Steps,
        phase: Phase,
        life: u64,
        interval: CheckInterval,
        patience: Patience,
        aborted_before: bool,
    ) -> Result<(), CheckEnd> {
        let (status, step) = match phase {
            Phase::Start => (Status::Starting, Step::StartedCheck),
            Phase::Stop => (Status::Stopping, Step::StoppedCheck),
        };
        let aborted = |state: &super::State| state.is_aborting() && !aborted_before;
        let ended = |state: &super::State| {
            if phase == Phase::Start && aborted(state) {
                Some(CheckEnd::Aborted)
            } else if state.life != life || state.status() != status {
                Some(CheckEnd::Left)
            } else {
                None
            }
        };
        let mut checks = 0u32;
        loop {
            let (signals, aborted_now) = {
                let state = self.lock();
                if let Some(end) = ended(&state) {
                    return Err(end);
                }
                (state.signals, aborted(&state))
            };
            // Asked before the check, so that one check follows the deadline.
            let is_last = patience.is_over();
            let answer = match phase {
                Phase::Start => self.run(step, || steps.started_check()),
                Phase::Stop => self.run(step, || steps.stopped_check()),
            };
            checks = checks.saturating_add(1);
            let reason = match answer.map_err(CheckEnd::Failed)? {
                Check::Ready => return Ok(()),
                Check::NotYet(reason) => reason,
            };
            if aborted_now {
                return Err(CheckEnd::Aborted);
            }
            if is_last {
                return Err(CheckEnd::Overdue(patience.overdue(checks, Some(reason))));
            }
            let next = Instant::now().checked_add(interval.after(checks));
            let until = match (next, patience.until()) {
                (Some(next), Some(deadline)) => Some(next.min(deadline)),
                (next, deadline) => next.or(deadline),
            };
            let mut state = self.lock();
            while ended(&state).is_none()
                && !aborted(&state)
                && state.signals == signals
                && until.is_none_or(|until| Instant::now() < until)
            {
                state = self.inner.monitor.wait(state, until);
            }
        }
    }
}
