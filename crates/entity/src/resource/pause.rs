//! Pausing and resuming.

use super::Resource;
use super::patience::Patience;
use crate::failure::PauseError;
use crate::incident::StepFailure;
use crate::status::Status;
use crate::steps::{Step, Steps};

impl Resource {
    /// Pauses a started resource. Waits for another thread that is in one of
    /// its steps.
    ///
    /// # Errors
    ///
    /// Returns [`PauseError`]; the status is what it was before.
    pub fn pause(&self, steps: &dyn Steps) -> Result<(), PauseError> {
        let run = || self.run(Step::Pausing, || steps.pausing());
        let way = [Status::Started, Status::Pausing, Status::Paused];
        self.pass_through(steps, way, run)
    }

    /// Resumes a paused resource. Waits for another thread that is in one of
    /// its steps.
    ///
    /// # Errors
    ///
    /// Returns [`PauseError`]; the status is what it was before.
    pub fn resume(&self, steps: &dyn Steps) -> Result<(), PauseError> {
        let run = || self.run(Step::Resuming, || steps.resuming());
        let way = [Status::Paused, Status::Resuming, Status::Started];
        self.pass_through(steps, way, run)
    }

    fn pass_through(
        &self,
        steps: &dyn Steps,
        [from, through, to]: [Status; 3],
        run: impl FnOnce() -> Result<(), StepFailure>,
    ) -> Result<(), PauseError> {
        let resuming = through == Status::Resuming;
        let failed = |failure: StepFailure| PauseError::Step {
            entity: self.subject(),
            resuming,
            panicked: failure.panicked,
            cause: failure.cause,
        };
        let options = self.options().map_err(failed)?;
        let patience = Patience::of(options.entity.status_wait_timeout);
        let mut state = self.lock();
        let mut is_circle = false;
        while state.is_busy() && !is_circle && !patience.is_over() {
            if !self.is_active() {
                drop(state);
                let entity = self.subject();
                return Err(PauseError::Aborted { entity, resuming });
            }
            if state.interrupted > 0 {
                // The driver's own code knows the reason.
                drop(state);
                return Err(PauseError::Interrupted {
                    entity: self.subject(),
                    resuming,
                    reason: steps.interruption(),
                });
            }
            match self.wait_for_others(state, patience) {
                Ok(after) => state = after,
                Err(after) => (state, is_circle) = (after, true),
            }
        }
        if state.is_busy() {
            drop(state);
            return Err(PauseError::Busy {
                entity: self.subject(),
                overdue: self.blocked(patience, is_circle),
            });
        }
        // `change` would let what is already on its way pass.
        if state.status() != from {
            return match state.status().change(through) {
                Err(source) => Err(PauseError::Illegal {
                    entity: self.subject(),
                    resuming,
                    source,
                }),
                Ok(_) => Ok(()),
            };
        }
        let life = state.life;
        let _baton = self.take(&mut state);
        self.enter(state, through);
        let result = run();
        let state = self.lock();
        if state.life == life && state.status() == through {
            self.enter(state, if result.is_ok() { to } else { from });
        } else {
            drop(state);
        }
        result
            .map_err(failed)
            .inspect_err(|error| self.record(if resuming { "resume" } else { "pause" }, error))
    }
}
