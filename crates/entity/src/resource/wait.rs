//! Waiting for a status.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::check::{CheckEnd, Run};
use super::patience::Patience;
use super::start::StartEnd;
use super::stop::StopLog;
use super::{Resource, State};
use crate::config::ResourceConfig;
use crate::failure::WaitError;
use crate::status::Status;
use crate::steps::Steps;

impl Resource {
    /// Waits until the resource has the status `target`, and the steps and
    /// hooks that belong to it have run.
    ///
    /// An asynchronous start or stop is completed by waiting for its end: one thread calls the
    /// checks and the hooks, the others only wait. For any other status the thread only waits.
    ///
    /// `timeout`: how long; zero looks once (and checks once) and never blocks. `None` uses the
    /// options: the limit of a start or a stop that it completes, else `status_wait_timeout`. If a
    /// given timeout passes, the operation stays in progress and can be awaited again; if the limit
    /// of the options passes, the start has failed and is cleaned up.
    ///
    /// # Errors
    ///
    /// Returns [`WaitError`]. It does so at once if the status can only be reached by another
    /// start, if the resource is aborted (a stop can still be awaited afterwards) or
    /// [interrupted](Resource::interrupt) (a stop that is under way can still be awaited), or if
    /// the awaited start or stop fails.
    pub fn wait(
        &self,
        steps: &dyn Steps,
        target: Status,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        self.wait_unless(steps, target, timeout, &AtomicBool::new(false))
    }

    /// Returns the same for callers that may give up: by setting `is_given_up`, and then
    /// [`look_again`](Resource::look_again).
    #[doc(hidden)]
    pub fn wait_unless(
        &self,
        steps: &dyn Steps,
        target: Status,
        timeout: impl Into<Option<Duration>>,
        is_given_up: &AtomicBool,
    ) -> Result<(), WaitError> {
        let options = &*self.options().map_err(|failure| WaitError::Step {
            entity: self.subject(),
            cause: failure.cause,
        })?;
        let timeout = timeout.into();
        let patience = Patience::of(timeout.unwrap_or(options.entity.status_wait_timeout));
        let mut state = self.lock();
        let aborted_before = !self.is_active();
        loop {
            if let Some(outcome) = self.outcome(&state, target, aborted_before) {
                return outcome;
            }
            if !state.is_busy() && state.stoppers == 0 {
                match (state.status(), target) {
                    (Status::Starting, Status::Started) => {
                        let life = state.life;
                        let _baton = self.take(&mut state);
                        drop(state);
                        return self
                            .complete_awaited_start(steps, options, timeout, patience, life);
                    }
                    (Status::Stopping, Status::Stopped) => {
                        let run = self.run_of(&state);
                        let _baton = self.take(&mut state);
                        drop(state);
                        return self.complete_awaited_stop(steps, options, timeout, patience, &run);
                    }
                    _ => {}
                }
            }
            // Until the hooks after the stop have run, too.
            let is_coming_down = target == Status::Stopped
                && matches!(state.status(), Status::Stopping | Status::Stopped);
            if state.interrupted > 0 && !is_coming_down {
                // The driver's own code knows the reason.
                drop(state);
                return Err(WaitError::Interrupted {
                    entity: self.subject(),
                    target,
                    reason: steps.interruption(),
                });
            }
            let patience = match is_given_up.load(Ordering::SeqCst) {
                true => Patience::of(Duration::ZERO),
                false => patience,
            };
            let is_over = patience.is_over();
            match self.wait_for_others(state, patience) {
                Ok(after) if !is_over => state = after,
                after => {
                    let is_circle = after.is_err();
                    let status = after.unwrap_or_else(|state| state).status();
                    return Err(WaitError::Timeout {
                        entity: self.subject(),
                        target,
                        status,
                        overdue: self.blocked(patience, is_circle),
                    });
                }
            }
        }
    }

    /// Makes all waiting threads look again.
    #[doc(hidden)]
    pub fn look_again(&self) {
        let _state = self.lock();
        self.inner.monitor.notify_all();
    }

    /// How the wait ends, if it ends now.
    fn outcome(
        &self,
        state: &State,
        target: Status,
        aborted_before: bool,
    ) -> Option<Result<(), WaitError>> {
        let status = state.status();
        let passing = matches!(
            target,
            Status::Starting | Status::Pausing | Status::Resuming | Status::Stopping
        );
        if status == target && (passing || !state.is_busy()) {
            return Some(Ok(()));
        }
        let entity = self.subject();
        if status == target {
            // Its hooks are still running, and may fail.
        } else if state.is_mine() || !status.reaches(target) {
            return Some(Err(match &state.failure {
                Some(failure) if target != Status::Stopped => WaitError::Start(failure.clone()),
                _ => WaitError::Unreachable {
                    entity,
                    target,
                    status,
                },
            }));
        }
        let in_vain = !self.is_active() && (!aborted_before || target != Status::Stopped);
        in_vain.then_some(Err(WaitError::Aborted { entity, target }))
    }

    fn complete_awaited_start(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        timeout: Option<Duration>,
        patience: Patience,
        life: u64,
    ) -> Result<(), WaitError> {
        let patience = if timeout.is_some() {
            patience
        } else {
            Patience::of(options.limit_of_start().total())
        };
        match self.try_complete_start(steps, patience, life) {
            Err(StartEnd::Overdue(overdue)) if timeout.is_some() => {
                let (entity, status) = (self.subject(), self.status());
                Err(WaitError::Timeout {
                    entity,
                    target: Status::Started,
                    status,
                    overdue,
                })
            }
            end => Ok(self.conclude_start(steps, options, life, end)?),
        }
    }

    fn complete_awaited_stop(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        timeout: Option<Duration>,
        patience: Patience,
        run: &Run,
    ) -> Result<(), WaitError> {
        let limit = options.limit_of_stop(steps.stop_grace());
        let patience = if timeout.is_some() {
            patience
        } else {
            Patience::of(limit.total())
        };
        let mut log = StopLog::default();
        match self.check_down(steps, run, patience) {
            Err(CheckEnd::Overdue(overdue)) if timeout.is_some() => {
                let (entity, status) = (self.subject(), self.status());
                return Err(WaitError::Timeout {
                    entity,
                    target: Status::Stopped,
                    status,
                    overdue,
                });
            }
            end => log.note_end(end, limit),
        }
        Ok(self.conclude_stop(steps, run, log)?)
    }
}
