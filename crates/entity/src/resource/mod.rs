//! A resource: an entity with a life.
//!
//! - `mod.rs`: the handle, the state behind it, the permission to run steps;
//! - `start.rs`, `stop.rs`, `pause.rs`, `abort.rs`: the operations;
//! - `wait.rs`: waiting for a status, and completing what is asynchronous;
//! - `check.rs`: waiting until a check is ready.

mod abort;
mod check;
mod patience;
mod pause;
mod progress;
mod start;
mod stop;
mod wait;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::caller::Hold;
use crate::config::ResourceConfig;
use crate::entity::Entity;
use crate::failure::{RestartError, StartError};
use crate::incident::{Overdue, StepFailure, Subject};
use crate::name::NameError;
use crate::report::Report;
use crate::status::Status;
use crate::steps::{Step, Steps};
use crate::timer::Timer;
use patience::Patience;
use standin_error::{Reportable, Result};
use standin_sync::{Monitor, MutexGuard};

/// An entity that can be started, stopped, paused, resumed, restarted and
/// aborted, from any number of threads. A handle: clones are the same resource.
///
/// [`Steps`] define what it does at each stage; they are passed to each operation, so that the
/// owner of the resource can implement them.
///
/// - `start` and `stop` do nothing when the resource is already there. When
///   several threads call them at once, one does the work and the others wait
///   for its outcome.
/// - A start that fails is cleaned up: if `starting` was called, the stop
///   steps run (`pre_stop`, its hook, `stopping`, `stopped_check`, `post_stop`,
///   its hook; each whether or not the one before failed). The resource is then
///   `Stopped` and may be started again.
/// - A stop always ends in `Stopped`; what failed on the way is its error.
/// - `abort` ends every wait at once, in every thread, and is final.
/// - A step or hook may call the resource's own operations: `start` and `stop`
///   do not wait for their own thread.
///
/// ```
/// use standin_entity::{Resource, Result, Status, Steps};
///
/// struct Quiet;
/// impl Steps for Quiet {}
///
/// let resource = Resource::new("quiet")?;
/// resource.start(&Quiet)?;
/// assert_eq!(resource.status(), Status::Started);
/// resource.stop(&Quiet)?;
/// assert_eq!(resource.status(), Status::Stopped);
/// # Ok::<(), standin_entity::Error>(())
/// ```
#[derive(Clone)]
pub struct Resource {
    inner: Arc<Inner>,
}

struct Inner {
    entity: Entity,
    monitor: Monitor<State>,
    /// Which of [`Step::EXCLUSIVE`] runs now, for those who ask what takes so long; one past
    /// the last: none.
    step: AtomicUsize,
}

/// Everything that threads agree upon.
#[derive(Debug, Default)]
struct State {
    status: Status,
    /// Counts the starts, so that a thread sees when its life is over.
    life: u64,
    /// The right to run steps, while a thread has it; the others wait for it.
    runner: Option<Hold>,
    /// How many threads have announced a stop and wait to run its steps.
    stoppers: usize,
    /// How many have announced a stop that comes later: until then nothing starts.
    announced: usize,
    /// How many of them because the test has failed.
    interrupted: usize,
    /// Counts the calls of `notify`.
    signals: u64,
    /// Why the latest start failed, for those who did not do it themselves.
    failure: Option<StartError>,
}

impl State {
    fn status(&self) -> Status {
        self.status
    }

    /// Whether another thread than this one runs steps.
    fn is_busy(&self) -> bool {
        self.runner.as_ref().is_some_and(|hold| !hold.is_callers())
    }

    /// Whether this thread runs steps, and so called from within one, or works for the one
    /// that does.
    fn is_mine(&self) -> bool {
        self.runner.as_ref().is_some_and(Hold::is_callers)
    }
}

impl Resource {
    /// Creates a resource of the kind `resource`, with no option set but its name.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` cannot be a file name.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        Ok(Self::from_entity(Entity::with_kind("resource", name)?))
    }

    /// Creates the resource of an entity that has none yet. The entity's options set its limits:
    /// those of [`ResourceConfig`], or those of a config that includes it.
    #[must_use]
    pub fn from_entity(entity: Entity) -> Self {
        Self {
            inner: Arc::new(Inner {
                entity,
                monitor: Monitor::new(State::default()),
                step: AtomicUsize::new(Step::EXCLUSIVE.len()),
            }),
        }
    }

    /// Returns the entity: name, parent, runpath, report.
    #[must_use]
    pub fn entity(&self) -> &Entity {
        &self.inner.entity
    }

    /// Returns the status now; another thread may change it at any time.
    #[must_use]
    pub fn status(&self) -> Status {
        self.lock().status()
    }

    /// Wakes a check that waits: its step is called again at once. For
    /// resources that learn by themselves when they are ready.
    pub fn notify(&self) {
        let mut state = self.lock();
        state.signals = state.signals.wrapping_add(1);
        self.changed(&state);
    }

    /// Announces a stop: a start in progress ends at once with [`StartError::Stopped`], and
    /// none can begin while the returned guard exists. Runs no step and does not wait. For callers
    /// that stop several resources, and first have to wait for another operation.
    ///
    /// ```
    /// use standin_entity::{Resource, StartError, Steps};
    ///
    /// struct Quiet;
    /// impl Steps for Quiet {}
    ///
    /// let resource = Resource::new("quiet")?;
    /// let announced = resource.announce_stop();
    /// assert!(matches!(resource.start(&Quiet), Err(StartError::Stopped { .. })));
    /// drop(announced);
    /// resource.start(&Quiet)?;
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    pub fn announce_stop(&self) -> AnnouncedStop {
        self.announce(false)
    }

    /// Announces a stop because the test has failed: a start in progress ends at once with
    /// [`StartError::Interrupted`], none can begin while the returned guard exists, and each
    /// [`wait`](Resource::wait) for anything but the end of a stop ends with
    /// [`WaitError::Interrupted`](crate::WaitError::Interrupted), as a pause does that waits for
    /// another thread. [`Steps::interruption`] says why.
    pub fn interrupt(&self) -> AnnouncedStop {
        self.announce(true)
    }

    /// Returns whether a stop is [announced](Resource::announce_stop), or the resource is
    /// [interrupted](Resource::interrupt).
    #[must_use]
    pub fn is_stop_announced(&self) -> bool {
        self.lock().announced > 0
    }

    fn announce(&self, interrupts: bool) -> AnnouncedStop {
        let mut state = self.lock();
        state.announced += 1;
        state.interrupted += usize::from(interrupts);
        self.changed(&state);
        AnnouncedStop {
            resource: self.clone(),
            interrupts,
        }
    }

    /// Returns the step that is running, which other operations wait for.
    #[must_use]
    pub fn running_step(&self) -> Option<Step> {
        let step = self.inner.step.load(Ordering::Relaxed);
        Step::EXCLUSIVE.get(step).copied()
    }

    /// Returns whether the present thread is in a step of this resource, or works for one that is.
    #[must_use]
    pub fn is_in_own_step(&self) -> bool {
        self.lock().is_mine()
    }

    /// Stops and starts; what was never started is only started. In
    /// asynchronous mode it waits for both.
    ///
    /// # Errors
    ///
    /// Returns [`RestartError::Stop`]: the resource is `Stopped` and not started again; or
    /// [`RestartError::Start`]: as [`start`](Resource::start).
    pub fn restart(&self, steps: &dyn Steps) -> Result<(), RestartError> {
        self.stop(steps)?;
        if self.status() == Status::Stopping {
            self.wait(steps, Status::Stopped, None)?;
        }
        self.start(steps)?;
        if self.status() == Status::Starting {
            self.wait(steps, Status::Started, None)?;
        }
        Ok(())
    }

    /// Sets the status to `Stopped`, from any status, and runs no step. For callers that know the
    /// real state, for example after a failure.
    pub fn force_stop(&self) {
        self.force(Status::Stopped);
    }

    /// Sets the status to `Started`, from any status, and runs no step.
    pub fn force_started(&self) {
        self.force(Status::Started);
    }

    /// Sets the status, regardless of the table, and runs no step. An operation in progress
    /// notices, and ends.
    pub fn force(&self, status: Status) {
        let mut state = self.lock();
        if status == Status::Starting {
            state.life += 1;
        }
        let intervals: &[&str] = match status {
            Status::Started => &[Timer::SETUP, Timer::TEARDOWN],
            Status::Stopped => &[Timer::SETUP, Timer::TEARDOWN, Timer::LIFESPAN],
            _ => &[],
        };
        let mut facts = self.inner.entity.facts();
        for interval in intervals {
            facts.timer.close(interval);
        }
        drop(facts);
        if status == Status::Stopped {
            self.inner.entity.release_runpath();
        }
        self.enter(state, status);
    }

    /// Neither aborting nor aborted. What waits asks under the lock, where each abort is
    /// begun.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.inner.entity.is_active()
    }

    /// Returns whether an abort has been completed.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.inner.entity.is_aborted()
    }

    /// Returns a copy of the timer: `setup`, `teardown`, `lifespan` and what else the
    /// entity recorded.
    #[must_use]
    pub fn timers(&self) -> Timer {
        self.inner.entity.timer()
    }

    /// Returns the report of this resource and its children.
    #[must_use]
    pub fn report(&self) -> Report {
        self.inner.entity.report()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.monitor.lock()
    }

    /// Wakes the threads that wait for a change. Takes the state as a reminder that it
    /// is to be changed, and announced, under the lock.
    fn changed(&self, _state: &State) {
        self.inner.monitor.notify_all();
    }

    /// Sets the status, in the report too. Gives the state back: who listens to events may ask
    /// for it.
    fn enter(&self, mut state: MutexGuard<'_, State>, status: Status) {
        state.status = status;
        self.inner.entity.facts().set_status(status);
        self.changed(&state);
        drop(state);
        tracing::debug!(entity = %self.inner.entity, %status, "status");
    }

    fn subject(&self) -> Subject {
        self.inner.entity.subject()
    }

    /// Calls a step: a panic in it is its failure.
    fn run<T>(&self, step: Step, call: impl FnOnce() -> Result<T>) -> Result<T, StepFailure> {
        tracing::trace!(entity = %self.inner.entity, %step, "step");
        let _running = self.note(step);
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StepFailure::returned(step, error)),
            Err(payload) => Err(StepFailure::panicked(step, &*payload)),
        }
    }

    /// Lets others see that the step runs, until the answer is dropped. A step can be called
    /// from within another one.
    fn note(&self, step: Step) -> Option<impl Drop> {
        struct Restore<'a>(&'a AtomicUsize, usize);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.store(self.1, Ordering::Relaxed);
            }
        }
        let number = Step::EXCLUSIVE.iter().position(|other| *other == step)?;
        let running = &self.inner.step;
        Some(Restore(running, running.swap(number, Ordering::Relaxed)))
    }

    /// Waits for the next change, not beyond the end of `patience`. `Err` when the thread that
    /// runs steps now is waiting for this one.
    fn wait_for_others<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        patience: Patience,
    ) -> Result<MutexGuard<'a, State>, MutexGuard<'a, State>> {
        let runner = state.runner.clone().filter(|hold| !hold.is_callers());
        let waiting = runner.map(|runner| runner.wait_for());
        if matches!(waiting, Some(None)) {
            return Err(state);
        }
        Ok(self.inner.monitor.wait(state, patience.until()))
    }

    /// Why a wait for the thread that runs steps ended without it.
    fn blocked(&self, patience: Patience, is_circle: bool) -> Box<Overdue> {
        let step = self.running_step();
        let step = step.map(|step| format!("{step} has not returned"));
        let circle = is_circle.then(|| "it waits for the one that asks".to_owned());
        patience.overdue(
            0,
            Some(
                step.into_iter()
                    .chain(circle)
                    .collect::<Vec<_>>()
                    .join(", and "),
            ),
        )
    }

    /// The options, with everything that is inherited, as they are at the beginning of an
    /// operation.
    fn options(&self) -> Result<Arc<ResourceConfig>, StepFailure> {
        self.run(Step::Options, || {
            Ok(self.inner.entity.options().shared()?)
        })
    }

    /// Evidence must not hide the failure that it is about.
    fn evidence(&self, steps: &dyn Steps) -> Vec<String> {
        catch_unwind(AssertUnwindSafe(|| steps.describe_failure()))
            .unwrap_or_else(|_| vec!["`describe_failure` panicked".to_owned()])
    }

    /// Notes a failure in the report, as a test would show it.
    fn record(&self, during: &str, error: &impl Reportable) {
        let message = format!("{error:?}");
        tracing::debug!(entity = %self.inner.entity, during, %message, "failed");
        self.inner.entity.record_failure(during, message);
    }

    /// Makes this thread the one that runs steps. Only when no other is.
    fn take(&self, state: &mut State) -> Baton<'_> {
        Baton {
            resource: self,
            former: state.runner.replace(Hold::take()),
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("entity", &self.inner.entity)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The right to run steps. Given back when dropped, also by a panic, to the
/// step of this thread that it was taken from, if any.
struct Baton<'a> {
    resource: &'a Resource,
    former: Option<Hold>,
}

impl Drop for Baton<'_> {
    fn drop(&mut self) {
        let mut state = self.resource.lock();
        if let Some(own) = std::mem::replace(&mut state.runner, self.former.take()) {
            own.end();
        }
        self.resource.changed(&state);
    }
}

/// Keeps a resource from starting because it is about to be stopped: see
/// [`Resource::announce_stop`] and [`Resource::interrupt`].
#[derive(Debug)]
#[must_use = "dropping it lets the resource start again"]
pub struct AnnouncedStop {
    resource: Resource,
    interrupts: bool,
}

impl Drop for AnnouncedStop {
    fn drop(&mut self) {
        let mut state = self.resource.lock();
        state.announced -= 1;
        state.interrupted -= usize::from(self.interrupts);
        self.resource.changed(&state);
    }
}
