//! Aborting.

use super::Resource;
use crate::failure::AbortError;
use crate::report::Abort;
use crate::steps::{Step, Steps};

impl Resource {
    /// Marks the resource as aborting: every wait for it, in any thread, ends at once, and it can
    /// no longer be started. Runs no step and does not wait; [`abort`](Resource::abort) does the
    /// rest.
    pub fn request_abort(&self) {
        self.advance_abort(Abort::Requested, |now| now == Abort::No);
    }

    /// Aborts the resource: ends every wait for it, and calls `aborting`, even during other steps.
    /// The status does not change; a start in progress fails and is cleaned up by its own thread.
    /// An abort is final, and only the first one has an effect; a second one returns at once, even
    /// while the first is still running.
    ///
    /// # Errors
    ///
    /// Returns [`AbortError`], with everything that failed; the resource is aborted anyway.
    pub fn abort(&self, steps: &dyn Steps) -> Result<(), AbortError> {
        let is_first = |now| matches!(now, Abort::No | Abort::Requested);
        if !self.advance_abort(Abort::Running, is_first) {
            return Ok(());
        }
        let result = self.run(Step::Aborting, || steps.aborting());
        self.advance_abort(Abort::Done, |_| true);
        let Err(failure) = result else {
            return Ok(());
        };
        let error = AbortError {
            entity: self.subject(),
            failures: vec![failure],
        };
        self.record("abort", &error);
        Err(error)
    }

    /// Sets how far the abort is, if it is where it has to be. Under the lock of the
    /// status, so that nobody who waits misses it.
    fn advance_abort(&self, to: Abort, from: impl FnOnce(Abort) -> bool) -> bool {
        let state = self.lock();
        let mut facts = self.inner.entity.facts();
        let is_new = from(facts.abort());
        if is_new {
            facts.set_abort(to);
            drop(facts);
            self.changed(&state);
        }
        is_new
    }
}
