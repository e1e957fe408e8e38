//! The life of any driver.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use standin_driver::{Driver, Lifecycle};
use standin_entity::{
    AbortError, Check, PauseError, RestartError, StartError, Status, StopError, WaitError,
};

use crate::aside::aside;

/// How long a thread waits for a status before it looks whether its task still does.
const SLICE: Duration = Duration::from_millis(50);

/// What can be done with every driver, yours too: it has to be shared, as [`Environment::add`]
/// gives it.
///
/// Steps and hooks are code that may block, so a thread does it, and the task waits for that. A
/// future that is dropped ends a start or a stop that is under way, as its time limit would: a
/// driver whose start was given up can be started again.
///
/// [`Environment::add`]: standin_environment::Environment::add
pub trait DriverAsync {
    /// Starts the driver, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::start`].
    fn start_async(&self) -> impl Future<Output = Result<(), StartError>>;

    /// Stops the driver.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::stop`].
    fn stop_async(&self) -> impl Future<Output = Result<(), StopError>>;

    /// Stops the driver as the end of its scope does, so that its files stay.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::wind_down`].
    fn wind_down_async(&self) -> impl Future<Output = Result<(), StopError>>;

    /// Stops the driver and starts it again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::restart`].
    fn restart_async(&self) -> impl Future<Output = Result<(), RestartError>>;

    /// Pauses the driver.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::pause`].
    fn pause_async(&self) -> impl Future<Output = Result<(), PauseError>>;

    /// Resumes the driver.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::resume`].
    fn resume_async(&self) -> impl Future<Output = Result<(), PauseError>>;

    /// Ends at once whatever the driver does, and every wait on it. A future that is dropped leaves
    /// that to its thread.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::abort`].
    fn abort_async(&self) -> impl Future<Output = Result<(), AbortError>>;

    /// Whether the driver is ready now; if not, what is missing. A thread asks, as what answers may
    /// run in the same runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::extract_values`].
    fn extract_values_async(&self) -> impl Future<Output = standin_entity::Result<Check>>;

    /// Waits until the driver has `status`, as [`Lifecycle::wait`] does: with a timeout, what is
    /// under way stays so when it ends or the future is dropped.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Lifecycle::wait`].
    fn wait_async(
        &self,
        status: Status,
        timeout: impl Into<Option<Duration>>,
    ) -> impl Future<Output = Result<(), WaitError>>;
}

impl<D: Driver + ?Sized> DriverAsync for Arc<D> {
    fn start_async(&self) -> impl Future<Output = Result<(), StartError>> {
        of(self, |driver| driver.start())
    }

    fn stop_async(&self) -> impl Future<Output = Result<(), StopError>> {
        of(self, |driver| driver.stop())
    }

    fn wind_down_async(&self) -> impl Future<Output = Result<(), StopError>> {
        of(self, |driver| driver.wind_down())
    }

    fn restart_async(&self) -> impl Future<Output = Result<(), RestartError>> {
        of(self, |driver| driver.restart())
    }

    fn pause_async(&self) -> impl Future<Output = Result<(), PauseError>> {
        let driver = Arc::clone(self);
        // Who gives it up leaves the driver to its step.
        aside(move || driver.pause(), || {})
    }

    fn resume_async(&self) -> impl Future<Output = Result<(), PauseError>> {
        let driver = Arc::clone(self);
        aside(move || driver.resume(), || {})
    }

    fn abort_async(&self) -> impl Future<Output = Result<(), AbortError>> {
        let driver = Arc::clone(self);
        aside(move || driver.abort(), || {})
    }

    fn extract_values_async(&self) -> impl Future<Output = standin_entity::Result<Check>> {
        let driver = Arc::clone(self);
        aside(move || driver.extract_values(), || {})
    }

    async fn wait_async(
        &self,
        status: Status,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        let Some(timeout) = timeout.into() else {
            return of(self, move |driver| driver.wait(status, None)).await;
        };
        let driver = Arc::clone(self);
        let is_given_up = Arc::new(AtomicBool::new(false));
        let give_up = Arc::clone(&is_given_up);
        let wait = move || {
            let began = Instant::now();
            loop {
                let left = timeout.saturating_sub(began.elapsed());
                let waited = driver.wait(status, left.min(SLICE));
                let goes_on = matches!(waited, Err(WaitError::Timeout { .. })) && left > SLICE;
                if !goes_on || is_given_up.load(Ordering::Relaxed) {
                    return waited;
                }
            }
        };
        aside(wait, move || give_up.store(true, Ordering::Relaxed)).await
    }
}

/// Has a thread do something to a driver. Giving up announces a stop, which ends a start, and
/// interrupts what its step waits for.
async fn of<D: Driver + ?Sized, T: Send + 'static>(
    driver: &Arc<D>,
    work: impl FnOnce(&D) -> T + Send + 'static,
) -> T {
    let (works, ends) = (Arc::clone(driver), Arc::clone(driver));
    let announced = Arc::new(std::sync::Mutex::new(None));
    let keeps = Arc::clone(&announced);
    let give_up = move || {
        let stop = ends.base().resource().announce_stop();
        ends.interrupt();
        if let Ok(mut announced) = keeps.lock() {
            *announced = Some(stop);
        }
    };
    aside(
        move || {
            let outcome = work(&works);
            // It may start again from now on.
            drop(announced);
            outcome
        },
        give_up,
    )
    .await
}
