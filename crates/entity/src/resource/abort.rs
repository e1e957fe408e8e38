//! Aborting.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::{Abort, Resource};
use crate::caller::Caller;
use crate::failure::AbortError;
use crate::incident::StepFailure;
use crate::settings::Settings;
use crate::steps::{self, Step, Steps};
use standin_error::{Error, Result};

impl Resource {
    /// Marks the resource as aborting: every wait for it, in any thread, ends
    /// at once, and it does not start any more. Runs no step and waits for
    /// nothing; [`abort`](Resource::abort) does the rest.
    pub fn request_abort(&self) {
        let mut state = self.lock();
        if state.abort == Abort::No {
            state.abort = Abort::Requested;
            self.inner.entity.set_aborting();
            self.changed(&state);
        }
    }

    /// Aborts the resource: ends every wait for it, aborts its dependencies in
    /// their order, and calls `aborting`, whatever else is running. The status
    /// stays; a start that was under way fails and is cleaned up by its own
    /// thread. An abort is final, and only the first one does anything; a
    /// second one returns at once, even while the first is still at it.
    ///
    /// # Errors
    ///
    /// [`AbortError`], with everything that failed; the resource is aborted
    /// all the same.
    pub fn abort(&self, steps: &dyn Steps) -> Result<(), AbortError> {
        {
            let mut state = self.lock();
            if matches!(state.abort, Abort::Running | Abort::Done) {
                return Ok(());
            }
            state.abort = Abort::Running;
            self.inner.entity.set_aborting();
            self.changed(&state);
        }
        let mut failures = self.abort_dependencies(steps);
        failures.extend(self.run(Step::Aborting, || steps.aborting()).err());
        {
            let mut state = self.lock();
            state.abort = Abort::Done;
            self.inner.entity.set_aborted();
            self.changed(&state);
        }
        if failures.is_empty() {
            return Ok(());
        }
        let error = AbortError {
            entity: self.subject(),
            failures,
        };
        self.record("abort", &error);
        Err(error)
    }

    fn abort_dependencies(&self, steps: &dyn Steps) -> Vec<StepFailure> {
        let dependencies =
            match self.run(Step::AbortDependencies, || Ok(steps.abort_dependencies())) {
                Ok(dependencies) => dependencies,
                Err(failure) => return vec![failure],
            };
        if dependencies.is_empty() {
            return Vec::new();
        }
        let limit = self
            .settings(steps)
            .unwrap_or_else(|_| Settings::default())
            .abort_wait_timeout;
        // All waits end now, not each when its turn comes.
        for dependency in &dependencies {
            dependency.request_abort();
        }
        dependencies
            .into_iter()
            .filter_map(|dependency| {
                self.run(Step::AbortDependencies, || abort_within(dependency, limit))
                    .err()
            })
            .collect()
    }
}

/// In a thread of its own, which is left alone when it does not end in time:
/// one dependency that hangs must not keep the others up.
fn abort_within(dependency: Arc<dyn steps::Abort>, limit: Duration) -> Result<()> {
    let label = dependency.label();
    let (sender, receiver) = mpsc::channel();
    let caller = Caller::current();
    let spawned = std::thread::Builder::new()
        .name(format!("abort {label}"))
        .spawn(move || {
            let abort = std::panic::AssertUnwindSafe(|| caller.lend(|| dependency.abort()));
            let result = std::panic::catch_unwind(abort);
            let _ = sender.send(result.unwrap_or_else(|payload| {
                Err(StepFailure::panicked(Step::Aborting, &*payload).into())
            }));
        });
    spawned.map_err(Error::other)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(_) => Err(Error::msg(format!(
            "{label} was not aborted within {}",
            standin_error::text::Span(limit)
        ))),
    }
}
