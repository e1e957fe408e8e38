//! Waiting until a check is ready.

use std::time::Instant;

use standin_sync::long_wait;

use super::patience::Patience;
use super::progress::Progress;
use super::{Resource, State};
use crate::incident::{Overdue, StepFailure};
use crate::interval::CheckInterval;
use crate::status::Status;
use crate::steps::{Check, Step, Steps};

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Start,
    Stop,
}

impl Phase {
    fn status(self) -> Status {
        match self {
            Self::Start => Status::Starting,
            Self::Stop => Status::Stopping,
        }
    }

    fn not_yet(self) -> &'static str {
        match self {
            Self::Start => "is not ready yet",
            Self::Stop => "is not down yet",
        }
    }
}

/// Why the checking ended before it was ready.
#[derive(Debug)]
pub(super) enum CheckEnd {
    Failed(StepFailure),
    Overdue(Box<Overdue>),
    Aborted,
    /// The status is no longer that of the phase, or a stop is announced.
    Left,
}

/// Which checking this is, and what ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checking {
    pub(super) phase: Phase,
    pub(super) run: Run,
}

/// From a start to the end of the stop that follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) life: u64,
    /// An abort that came before does not end the waits of a stop.
    pub(super) aborted_before: bool,
}

/// The answer of one check, and the signals that it has seen.
struct Looked {
    signals: u64,
    missing: Option<String>,
}

impl Resource {
    pub(super) fn run_of(&self, state: &State) -> Run {
        Run {
            life: state.life,
            aborted_before: !self.is_active(),
        }
    }

    /// A stop after an abort is a proper stop: no other abort is to come.
    fn is_checking_aborted(&self, checking: &Checking) -> bool {
        !self.is_active() && (checking.phase != Phase::Stop || !checking.run.aborted_before)
    }

    fn end_of(&self, checking: &Checking, state: &State) -> Option<CheckEnd> {
        let is_start = checking.phase == Phase::Start;
        if is_start && self.is_checking_aborted(checking) {
            Some(CheckEnd::Aborted)
        } else if state.life != checking.run.life
            || state.status() != checking.phase.status()
            || (is_start && state.announced > 0)
        {
            Some(CheckEnd::Left)
        } else {
            None
        }
    }

    /// Calls the check until it is ready: at once, at each `notify`, after each
    /// interval and once at the deadline. With a limit of zero it is called
    /// exactly once. An abort ends it, that of a stop after one more check.
    pub(super) fn check_until_ready(
        &self,
        steps: &dyn Steps,
        checking: Checking,
        interval: CheckInterval,
        patience: Patience,
    ) -> Result<(), CheckEnd> {
        let mut checks = 0u32;
        let mut progress = Progress::new();
        loop {
            // Asked before the check, so that one check follows the deadline.
            let is_last = patience.is_over();
            let looked = self.look(steps, checking)?;
            checks = checks.saturating_add(1);
            let Some(missing) = &looked.missing else {
                return Ok(());
            };
            progress.note(self.entity(), checking.phase.not_yet(), checks, missing);
            if is_last {
                return Err(CheckEnd::Overdue(patience.overdue(checks, looked.missing)));
            }
            long_wait::goes_on_since(patience.since());
            let next = Instant::now().checked_add(interval.after(checks));
            let until = next.into_iter().chain(patience.until()).min();
            let monitor = &self.inner.monitor;
            drop(monitor.wait_while(monitor.lock(), until, |state| {
                self.end_of(&checking, state).is_none()
                    && !self.is_checking_aborted(&checking)
                    && state.signals == looked.signals
            }));
        }
    }

    /// One check.
    fn look(&self, steps: &dyn Steps, checking: Checking) -> Result<Looked, CheckEnd> {
        let (signals, aborted) = {
            let state = self.lock();
            if let Some(end) = self.end_of(&checking, &state) {
                return Err(end);
            }
            (state.signals, self.is_checking_aborted(&checking))
        };
        let answer = match checking.phase {
            Phase::Start => self.run(Step::StartedCheck, || steps.started_check()),
            Phase::Stop => self.run(Step::StoppedCheck, || steps.stopped_check()),
        };
        match answer.map_err(CheckEnd::Failed)? {
            Check::Ready => Ok(Looked {
                signals,
                missing: None,
            }),
            Check::NotYet(_) if aborted => Err(CheckEnd::Aborted),
            Check::NotYet(reason) => Ok(Looked {
                signals,
                missing: Some(reason),
            }),
        }
    }
}
