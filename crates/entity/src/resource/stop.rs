//! Stopping.

use std::sync::Arc;

use super::check::{CheckEnd, Checking, Phase, Run};
use super::patience::Patience;
use super::{Baton, Resource, State};
use crate::config::ResourceConfig;
use crate::failure::StopError;
use crate::incident::{Evidence, Limit, Overdue, StepFailure};
use crate::status::Status;
use crate::steps::{HookPoint, Step, Steps};
use crate::timer::Timer;
use standin_error::Error;
use standin_sync::MutexGuard;

impl Resource {
    /// Stops the resource, and returns when it is `Stopped` and its hooks have
    /// run; in asynchronous mode, after `stopping`, when it is `Stopping`.
    ///
    /// On a resource that was never started or is stopped already it does
    /// nothing; on one that another thread is stopping it waits for that (in
    /// asynchronous mode it does not); one that another thread is starting
    /// ceases to start as soon as its present step returns. It waits for other
    /// threads up to `status_wait_timeout`.
    ///
    /// # Errors
    ///
    /// Returns [`StopError`]. Except for [`Illegal`](StopError::Illegal) and
    /// [`Busy`](StopError::Busy) the resource is `Stopped` anyway.
    pub fn stop(&self, steps: &dyn Steps) -> Result<(), StopError> {
        let mut log = StopLog::default();
        // A resource has to come down even if its options cannot be read.
        let options = self.options().unwrap_or_else(|failure| {
            log.note(Err(failure));
            Arc::new(ResourceConfig::of_defaults())
        });
        let options = &*options;
        let others = Patience::of(options.entity.status_wait_timeout);
        let _baton = match self.begin_stop(self.lock(), options, others)? {
            Begin::Nothing => return Ok(()),
            Begin::Finish(baton, run) => {
                self.finish_stop(steps, options, &run, &mut log);
                baton
            }
            Begin::All(baton, run) => {
                self.begin_stop_steps(steps, Use::Done, &mut log);
                // What failed is not left for others to find out.
                if !options.is_async() || !log.is_clean() {
                    self.finish_stop(steps, options, &run, &mut log);
                }
                baton
            }
        };
        log.into_result(self)
            .inspect_err(|error| self.record("stop", error))
    }

    /// Decides what this call has to do, waiting for another thread if need be.
    fn begin_stop<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        options: &ResourceConfig,
        patience: Patience,
    ) -> Result<Begin<'a>, StopError> {
        let is_circle = loop {
            match state.status() {
                Status::None => return Ok(Begin::Nothing),
                Status::Stopped if !state.is_busy() => return Ok(Begin::Nothing),
                Status::Stopping if options.is_async() || state.is_mine() => {
                    return Ok(Begin::Nothing);
                }
                Status::Stopping if !state.is_busy() && state.stoppers == 0 => {
                    let run = self.run_of(&state);
                    return Ok(Begin::Finish(self.take(&mut state), run));
                }
                Status::Starting | Status::Started | Status::Paused => {
                    let run = self.run_of(&state);
                    let mut facts = self.inner.entity.facts();
                    facts.timer.close(Timer::SETUP);
                    facts.timer.start(Timer::TEARDOWN);
                    drop(facts);
                    state.stoppers += 1;
                    self.enter(state, Status::Stopping);
                    state = self.lock();
                    let mut is_circle = false;
                    while state.is_busy() && !is_circle && !patience.is_over() {
                        match self.wait_for_others(state, patience) {
                            Ok(after) => state = after,
                            Err(after) => (state, is_circle) = (after, true),
                        }
                    }
                    state.stoppers -= 1;
                    self.changed(&state);
                    if state.is_busy() {
                        break is_circle;
                    }
                    if state.life == run.life && state.status() == Status::Stopping {
                        return Ok(Begin::All(self.take(&mut state), run));
                    }
                    // Forced into another status meanwhile: look again.
                    continue;
                }
                status @ (Status::Pausing | Status::Resuming) if !state.is_busy() => {
                    match status.change(Status::Stopping) {
                        Err(source) => {
                            return Err(StopError::Illegal {
                                entity: self.subject(),
                                source,
                            });
                        }
                        Ok(_) => return Ok(Begin::Nothing),
                    }
                }
                _ => {}
            }
            let is_over = patience.is_over();
            match self.wait_for_others(state, patience) {
                Ok(after) if !is_over => state = after,
                after => break after.is_err(),
            }
        };
        Err(StopError::Busy {
            entity: self.subject(),
            overdue: self.blocked(patience, is_circle),
        })
    }

    /// All stop steps, to clean up after a start that failed.
    pub(super) fn clean_up(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        run: &Run,
    ) -> Vec<StepFailure> {
        let mut log = StopLog::default();
        self.begin_stop_steps(steps, Use::None, &mut log);
        self.finish_stop(steps, options, run, &mut log);
        log.into_failures()
    }

    fn begin_stop_steps(&self, steps: &dyn Steps, was_used: Use, log: &mut StopLog) {
        log.note(self.run(Step::PreStop, || steps.pre_stop()));
        log.note(self.run(Step::Hook(HookPoint::PreStop), || {
            steps.hook(HookPoint::PreStop)
        }));
        if was_used == Use::Done {
            log.note(self.run(Step::Verify, || steps.verify()));
        }
        let stopping = self.run(Step::Stopping, || steps.stopping());
        log.never_down = stopping.is_err();
        log.note(stopping);
    }

    /// From `Stopping`, after `stopping`, to the end of the hooks.
    fn finish_stop(
        &self,
        steps: &dyn Steps,
        options: &ResourceConfig,
        run: &Run,
        log: &mut StopLog,
    ) {
        if !log.never_down {
            // From the end of `stopping` on.
            let limit = options.limit_of_stop(steps.stop_grace());
            let patience = Patience::of(limit.total());
            log.note_end(self.check_down(steps, run, patience), limit);
        }
        self.end_stop(steps, run.life, log);
    }

    pub(super) fn check_down(
        &self,
        steps: &dyn Steps,
        run: &Run,
        patience: Patience,
    ) -> Result<(), CheckEnd> {
        let checking = Checking {
            phase: Phase::Stop,
            run: *run,
        };
        let interval = steps.stopped_check_interval();
        self.check_until_ready(steps, checking, interval, patience)
    }

    /// Ends a stop that did not come to its end in `stop` itself.
    pub(super) fn conclude_stop(
        &self,
        steps: &dyn Steps,
        run: &Run,
        mut log: StopLog,
    ) -> Result<(), StopError> {
        self.end_stop(steps, run.life, &mut log);
        log.into_result(self)
            .inspect_err(|error| self.record("stop", error))
    }

    /// To `Stopped`, and the hooks there.
    pub(super) fn end_stop(&self, steps: &dyn Steps, life: u64, log: &mut StopLog) {
        if !log.is_clean() {
            // Before `post_stop` clears away what it is about.
            log.evidence = self.evidence(steps);
        }
        if self.become_stopped(life) {
            log.note(self.run(Step::PostStop, || steps.post_stop()));
            log.note(self.run(Step::Hook(HookPoint::PostStop), || {
                steps.hook(HookPoint::PostStop)
            }));
        }
    }

    /// Whether the life was this one's to end.
    pub(super) fn become_stopped(&self, life: u64) -> bool {
        let state = self.lock();
        let ours =
            state.life == life && matches!(state.status(), Status::Stopping | Status::Stopped);
        if ours {
            let mut facts = self.inner.entity.facts();
            facts.timer.close(Timer::TEARDOWN);
            facts.timer.close(Timer::LIFESPAN);
            drop(facts);
            self.inner.entity.release_runpath();
            self.enter(state, Status::Stopped);
        }
        ours
    }
}

/// Whether anybody had the use of what is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It did not come up.
    None,
    Done,
}

enum Begin<'a> {
    Nothing,
    /// `stopping` was called already.
    Finish(Baton<'a>, Run),
    All(Baton<'a>, Run),
}

/// What went wrong so far.
#[derive(Debug, Default)]
pub(super) struct StopLog {
    failures: Vec<StepFailure>,
    overdue: Option<(Box<Overdue>, Limit)>,
    aborted: bool,
    /// `stopping` failed, so there is nothing to wait for.
    never_down: bool,
    evidence: Vec<String>,
}

impl StopLog {
    fn note(&mut self, result: Result<(), StepFailure>) {
        self.failures.extend(result.err());
    }

    pub(super) fn note_end(&mut self, result: Result<(), CheckEnd>, limit: Limit) {
        match result {
            Ok(()) | Err(CheckEnd::Left) => {}
            Err(CheckEnd::Failed(failure)) => self.failures.push(failure),
            Err(CheckEnd::Overdue(overdue)) => {
                self.overdue = Some((overdue, limit));
            }
            Err(CheckEnd::Aborted) => self.aborted = true,
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.overdue.is_none() && !self.aborted
    }

    /// Everything as failures of steps.
    fn into_failures(mut self) -> Vec<StepFailure> {
        let late = self
            .overdue
            .map(|(overdue, _)| format!("not down after {overdue}"));
        let aborted = self.aborted.then(|| "aborted while it stopped".to_owned());
        let ends = late.into_iter().chain(aborted);
        self.failures
            .extend(ends.map(|text| StepFailure::returned(Step::StoppedCheck, Error::msg(text))));
        self.failures
    }

    pub(super) fn into_result(self, resource: &Resource) -> Result<(), StopError> {
        if self.is_clean() {
            return Ok(());
        }
        let entity = resource.subject();
        let evidence = Evidence(self.evidence);
        let mut further = self.failures;
        if let Some((overdue, limit)) = self.overdue {
            return Err(StopError::Timeout {
                entity,
                overdue,
                limit,
                evidence,
                further,
            });
        }
        if self.aborted || further.is_empty() {
            return Err(StopError::Aborted { entity, further });
        }
        let StepFailure {
            step,
            panicked,
            cause,
        } = further.remove(0);
        Err(StopError::Step {
            entity,
            step,
            panicked,
            cause,
            evidence,
            further,
        })
    }
}
