//! Waiting until a check is ready: in one go, or check by check.

use std::time::Instant;

use super::progress::Progress;
use super::start::StartEnd;
use super::stop::{StopLog, StopRun};
use super::{Patience, Resource, State};
use crate::failure::WaitError;
use crate::incident::{Overdue, StepFailure};
use crate::settings::CheckInterval;
use crate::status::Status;
use crate::steps::{Check, Step, Steps};
use crate::watch::{Progress as WatchProgress, Watch};

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
}

/// Why the checking ended before it was ready.
#[derive(Debug)]
pub(super) enum CheckEnd {
    Failed(StepFailure),
    Overdue(Box<Overdue>),
    Aborted,
    /// The status is not that of the phase any more, or a stop is announced.
    Left,
}

/// Which checking this is, and what ends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checking {
    pub(super) phase: Phase,
    pub(super) run: StopRun,
}

impl Checking {
    /// A stop after an abort is a proper stop: no other abort is to come.
    fn is_aborted(&self, state: &State) -> bool {
        state.is_aborting() && !(self.phase == Phase::Stop && self.run.aborted_before)
    }

    fn end(&self, state: &State) -> Option<CheckEnd> {
        if self.phase == Phase::Start && self.is_aborted(state) {
            Some(CheckEnd::Aborted)
        } else if state.life != self.run.life
            || state.status() != self.phase.status()
            || (self.phase == Phase::Start && state.announced > 0)
        {
            Some(CheckEnd::Left)
        } else {
            None
        }
    }
}

/// The answer of one check, and the signals that it has seen.
struct Looked {
    signals: u64,
    missing: Option<String>,
}

impl Resource {
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
            progress.note(self, checking.phase, checks, missing);
            if is_last {
                return Err(CheckEnd::Overdue(patience.overdue(checks, looked.missing)));
            }
            let next = Instant::now().checked_add(interval.after(checks));
            let until = match (next, patience.until()) {
                (Some(next), Some(deadline)) => Some(next.min(deadline)),
                (next, deadline) => next.or(deadline),
            };
            let mut state = self.lock();
            while checking.end(&state).is_none()
                && !checking.is_aborted(&state)
                && state.signals == looked.signals
                && until.is_none_or(|until| Instant::now() < until)
            {
                state = self.inner.monitor.wait(state, until);
            }
        }
    }

    /// One check.
    fn look(&self, steps: &dyn Steps, checking: Checking) -> Result<Looked, CheckEnd> {
        let (signals, aborted) = {
            let state = self.lock();
            if let Some(end) = checking.end(&state) {
                return Err(end);
            }
            (state.signals, checking.is_aborted(&state))
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

    /// Brings an asynchronous start or stop one check further, for those who
    /// look after several resources in one thread. Never waits: when the check
    /// is not due yet, or another thread is at it, nothing happens.
    ///
    /// When the check is ready the start or the stop is completed, hooks
    /// included. When the watch's time is up it has failed, as in
    /// [`wait`](Resource::wait) without a timeout.
    ///
    /// ```
    /// use standin_entity::{Progress, Resource, Settings, Status, Steps, Watch};
    ///
    /// struct Quiet;
    /// impl Steps for Quiet {}
    ///
    /// let resource = Resource::new("quiet")?;
    /// resource.set_async_start(Some(true));
    /// resource.start(&Quiet)?;
    /// let mut watch = Watch::of_start(&Settings::default());
    /// assert_eq!(resource.advance(&Quiet, &mut watch)?, Progress::Done);
    /// assert_eq!(resource.status(), Status::Started);
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError`], as [`wait`](Resource::wait).
    pub fn advance(
        &self,
        steps: &dyn Steps,
        watch: &mut Watch,
    ) -> Result<WatchProgress, WaitError> {
        let (phase, target) = if watch.is_of_start() {
            (Phase::Start, Status::Started)
        } else {
            (Phase::Stop, Status::Stopped)
        };
        let mut state = self.lock();
        let signalled = watch.signals.is_some_and(|seen| seen != state.signals);
        let aborted = state.is_aborting();
        if let Some(outcome) = self.outcome(&state, target, aborted) {
            return outcome.map(|()| WatchProgress::Done);
        }
        if state.is_busy() || state.stoppers > 0 || state.status() != phase.status() {
            return Ok(watch.not_yet());
        }
        let is_last = watch.patience.is_over();
        if !(signalled || is_last || watch.is_due()) {
            return Ok(watch.not_yet());
        }
        let checking = Checking {
            phase,
            run: StopRun::of(&state),
        };
        let _baton = self.take(&mut state);
        drop(state);
        let settings = self.settings(steps).unwrap_or_default();
        let end = match self.look(steps, checking) {
            Ok(Looked { missing: None, .. }) => Ok(()),
            Ok(Looked { missing, .. }) if is_last => Err(CheckEnd::Overdue(
                watch
                    .patience
                    .overdue(watch.checks.saturating_add(1), missing),
            )),
            Ok(looked) => {
                watch.looked(looked.signals);
                return Ok(watch.not_yet());
            }
            Err(end) => Err(end),
        };
        match phase {
            Phase::Start => {
                let life = checking.run.life;
                let end = end
                    .map_err(StartEnd::from)
                    .and_then(|()| self.after_ready(steps, life));
                self.conclude_start(steps, &settings, life, end)?;
            }
            Phase::Stop => {
                let mut log = StopLog::default();
                log.note_end(end);
                self.conclude_stop(steps, &checking.run, log)?;
            }
        }
        Ok(WatchProgress::Done)
    }
}
