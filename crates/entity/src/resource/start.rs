//! Starting.

use super::check::{CheckEnd, Checking, Phase, Run};
use super::patience::Patience;
use super::{Baton, Resource, State};
use crate::config::ResourceConfig;
use crate::failure::StartError;
use crate::incident::{Evidence, Overdue, StepFailure};
use crate::report::Abort;
use crate::status::Status;
use crate::steps::{HookPoint, Step, Steps};
use crate::timer::Timer;
use standin_error::Result;
use standin_sync::MutexGuard;

impl Resource {
    /// Starts the resource, and returns when it is `Started` and its hooks have
    /// run; in asynchronous mode, after `starting`, when it is `Starting`.
    ///
    /// On a resource that is started already it does nothing; on one that
    /// another thread is starting it waits for the outcome, up to
    /// `status_wait_timeout` (in asynchronous mode it does not).
    ///
    /// # Errors
    ///
    /// Returns [`StartError`]. Except for [`Illegal`](StartError::Illegal) and
    /// [`Busy`](StartError::Busy) the resource is down again afterwards, and may be started again
    /// unless it was aborted.
    pub fn start(&self, steps: &dyn Steps) -> Result<(), StartError> {
        let options = &*self
            .options()
            .map_err(|failure| StartError::step(self.subject(), failure, Vec::new()))?;
        let others = Patience::of(options.entity.status_wait_timeout);
        let (_baton, result) = match self.begin_start(steps, self.lock(), options, others)? {
            Begin::Nothing => return Ok(()),
            Begin::Complete(baton, life) => (baton, self.complete_start(steps, options, life)),
            Begin::All(baton, life) => (baton, self.run_start(steps, options, life)),
        };
        result.inspect_err(|error| self.record("start", error))
    }

    /// Decides what this call has to do, waiting for another thread if need be.
    fn begin_start<'a>(
        &'a self,
        steps: &dyn Steps,
        mut state: MutexGuard<'a, State>,
        options: &ResourceConfig,
        patience: Patience,
    ) -> Result<Begin<'a>, StartError> {
        let mut observed = None;
        loop {
            // What was seen to start under another thread's hands has an
            // outcome, which is also this call's.
            let is_over = !state.is_busy()
                && observed == Some(state.life)
                && !matches!(state.status(), Status::Starting | Status::Started);
            if is_over {
                let failure = state.failure.clone();
                return Err(failure.unwrap_or_else(|| self.left(steps, state)));
            }
            match state.status() {
                Status::Started | Status::Starting if state.is_mine() => return Ok(Begin::Nothing),
                Status::Starting if options.is_async() => return Ok(Begin::Nothing),
                Status::Started if options.is_async() || !state.is_busy() => {
                    return Ok(Begin::Nothing);
                }
                _ if !self.is_active() => {
                    return Err(StartError::Aborted {
                        entity: self.subject(),
                    });
                }
                _ if state.interrupted > 0 => return Err(self.left(steps, state)),
                Status::Starting if !state.is_busy() => {
                    let life = state.life;
                    return Ok(Begin::Complete(self.take(&mut state), life));
                }
                Status::Starting | Status::Started => observed = Some(state.life),
                // Its last hooks are still running.
                Status::Stopped if state.is_busy() => {}
                Status::None | Status::Stopped if state.announced > 0 => {
                    return Err(self.left(steps, state));
                }
                Status::None | Status::Stopped => {
                    state.life += 1;
                    state.failure = None;
                    let life = state.life;
                    let baton = self.take(&mut state);
                    let mut facts = self.inner.entity.facts();
                    facts.timer.start(Timer::LIFESPAN);
                    facts.timer.start(Timer::SETUP);
                    drop(facts);
                    self.enter(state, Status::Starting);
                    return Ok(Begin::All(baton, life));
                }
                // Another thread is cleaning up a start that failed.
                _ if state.is_busy() && (observed.is_some() || state.failure.is_some()) => {}
                status => match status.change(Status::Starting) {
                    Err(source) => {
                        return Err(StartError::Illegal {
                            entity: self.subject(),
                            source,
                        });
                    }
                    Ok(_) => return Ok(Begin::Nothing),
                },
            }
            let is_over = patience.is_over();
            match self.wait_for_others(state, patience) {
                Ok(after) if !is_over => state = after,
                after => {
                    return Err(StartError::Busy {
                        entity: self.subject(),
                        overdue: self.blocked(patience, after.is_err()),
                    });
                }
            }
        }
    }

    fn run_start(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        life: u64,
    ) -> Result<(), StartError> {
        let mut entered = false;
        let begun = self
            .start_step(life, Status::Starting, Step::PreStart, || steps.pre_start())
            .and_then(|()| self.start_hook(steps, life, Status::Starting, HookPoint::PreStart))
            .and_then(|()| {
                self.start_step(life, Status::Starting, Step::Starting, || {
                    entered = true;
                    steps.starting()
                })
            })
            // What happened during `starting` is noticed now, not by a later wait.
            .and_then(|()| self.still(life, Status::Starting));
        match begun {
            Err(end) => Err(self.fail_start(steps, options, life, end, entered)),
            Ok(()) if options.is_async() => Ok(()),
            Ok(()) => self.complete_start(steps, options, life),
        }
    }

    /// From `Starting`, after `starting`, to the end of the hooks.
    fn complete_start(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        life: u64,
    ) -> Result<(), StartError> {
        let patience = Patience::of(options.limit_of_start().total());
        match self.try_complete_start(steps, patience, life) {
            Ok(()) => Ok(()),
            Err(end) => Err(self.fail_start(steps, options, life, end, true)),
        }
    }

    /// As [`complete_start`](Self::complete_start), without cleaning up: an
    /// [`StartEnd::Overdue`] leaves the resource as it was.
    pub(super) fn try_complete_start(
        &self,
        steps: &dyn Steps,
        patience: Patience,
        life: u64,
    ) -> Result<(), StartEnd> {
        let checking = Checking {
            phase: Phase::Start,
            run: Run {
                life,
                aborted_before: false,
            },
        };
        let interval = steps.started_check_interval();
        self.check_until_ready(steps, checking, interval, patience)?;
        self.after_ready(steps, life)
    }

    /// To `Started`, and the hooks there.
    pub(super) fn after_ready(&self, steps: &dyn Steps, life: u64) -> Result<(), StartEnd> {
        let state = self.lock();
        self.still_in(&state, life, Status::Starting)?;
        self.inner.entity.facts().timer.close(Timer::SETUP);
        self.enter(state, Status::Started);
        self.start_step(life, Status::Started, Step::PostStart, || {
            steps.post_start()
        })?;
        self.start_hook(steps, life, Status::Started, HookPoint::PostStart)?;
        // What happened during the last hook is noticed now.
        self.still(life, Status::Started)
    }

    /// Cleans up after a start that did not come to its end in `start` itself.
    pub(super) fn conclude_start(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        life: u64,
        end: Result<(), StartEnd>,
    ) -> Result<(), StartError> {
        end.map_err(|end| self.fail_start(steps, options, life, end, true))
            .inspect_err(|error| self.record("start", error))
    }

    fn start_hook(
        &self,
        steps: &dyn Steps,
        life: u64,
        status: Status,
        point: HookPoint,
    ) -> Result<(), StartEnd> {
        self.start_step(life, status, Step::Hook(point), || steps.hook(point))
    }

    /// One step, if the start is still wanted.
    fn start_step(
        &self,
        life: u64,
        status: Status,
        step: Step,
        call: impl FnOnce() -> Result<()>,
    ) -> Result<(), StartEnd> {
        self.still(life, status)?;
        self.run(step, call).map_err(StartEnd::Failed)
    }

    fn still(&self, life: u64, status: Status) -> Result<(), StartEnd> {
        self.still_in(&self.lock(), life, status)
    }

    fn still_in(&self, state: &State, life: u64, status: Status) -> Result<(), StartEnd> {
        if !self.is_active() {
            Err(StartEnd::Aborted)
        } else if state.announced > 0 || state.life != life || state.status() != status {
            Err(StartEnd::Left)
        } else {
            Ok(())
        }
    }

    /// The error of a start that another thread has ended.
    fn left(&self, steps: &dyn Steps, state: MutexGuard<'_, State>) -> StartError {
        let is_interrupted = state.interrupted > 0;
        // The driver's own code knows the reason.
        drop(state);
        let entity = self.subject();
        if is_interrupted {
            StartError::Interrupted {
                entity,
                reason: steps.interruption(),
            }
        } else {
            StartError::Stopped { entity }
        }
    }

    /// Cleans up after a start that came to `end`, and makes the error.
    /// `entered`: whether `starting` was called.
    pub(super) fn fail_start(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        life: u64,
        end: StartEnd,
        entered: bool,
    ) -> StartError {
        let entity = self.subject();
        let error = match end {
            // An abort makes steps fail: that is its purpose.
            StartEnd::Failed(_) if !self.is_active() => StartError::Aborted { entity },
            StartEnd::Failed(failure) => StartError::step(entity, failure, self.evidence(steps)),
            StartEnd::Overdue(overdue) => StartError::Timeout {
                entity,
                overdue,
                limit: options.limit_of_start(),
                evidence: Evidence(self.evidence(steps)),
                cleanup: Vec::new(),
            },
            StartEnd::Aborted => StartError::Aborted { entity },
            StartEnd::Left => self.left(steps, self.lock()),
        };
        let mut state = self.lock();
        if state.life != life {
            // It has been started again from within one of its own steps.
            return error;
        }
        state.failure = Some(error.clone());
        match state.status() {
            Status::Starting | Status::Started | Status::Paused => {
                let mut facts = self.inner.entity.facts();
                facts.timer.close(Timer::SETUP);
                if entered {
                    facts.timer.start(Timer::TEARDOWN);
                }
                drop(facts);
                self.enter(state, Status::Stopping);
                state = self.lock();
            }
            // A thread that called `stop` waits to run the stop steps itself.
            Status::Stopping if state.stoppers > 0 => return error,
            // One that called `stop` and did not want to wait any longer.
            Status::Stopping => {}
            // Stopped by a step of this thread, which ran the stop steps, or by
            // force, which did not.
            _ => return error,
        }
        // `aborting` may be at work: it is to have finished first.
        let patience = Patience::of(options.entity.abort_wait_timeout);
        while self.inner.entity.facts().abort() == Abort::Running && !patience.is_over() {
            state = self.inner.monitor.wait(state, patience.until());
        }
        let run = self.run_of(&state);
        drop(state);
        if entered {
            error.with_cleanup(self.clean_up(steps, options, &run))
        } else {
            self.become_stopped(life);
            error
        }
    }
}

enum Begin<'a> {
    Nothing,
    /// Another thread began it asynchronously: check, and run the hooks.
    Complete(Baton<'a>, u64),
    All(Baton<'a>, u64),
}

/// Why a start came to its end.
#[derive(Debug)]
pub(super) enum StartEnd {
    Failed(StepFailure),
    Overdue(Box<Overdue>),
    Aborted,
    /// Stopped, or forced into another status.
    Left,
}

impl From<CheckEnd> for StartEnd {
    fn from(end: CheckEnd) -> Self {
        match end {
            CheckEnd::Failed(failure) => Self::Failed(failure),
            CheckEnd::Overdue(overdue) => Self::Overdue(overdue),
            CheckEnd::Aborted => Self::Aborted,
            CheckEnd::Left => Self::Left,
        }
    }
}
