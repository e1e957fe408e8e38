//! The life of any driver.

use std::{
    future::Future,
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use standin_driver::{Driver, Lifecycle};
use standin_entity::{
    AbortError, AnnouncedStop, Check, PauseError, RestartError, StartError, Status, StopError,
    WaitError,
};

use standin_sync::Unpoisoned;

use crate::aside::aside;

/// How long a thread completes a step for a waiting task, before it checks whether the task still
/// waits.
const SLICE: Duration = Duration::from_millis(50);

/// The operations of every driver, including your own: it has to be shared, as [`Environment::add`]
/// returns it.
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

    /// Ends the driver's work and every wait on it at once. If the future is dropped, its thread
    /// still does so.
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
        let timeout = timeout.into();
        let driver = Arc::clone(self);
        let is_given_up = Arc::new(AtomicBool::new(false));
        let course = Arc::new(Mutex::new(Course::UnderWay));
        let give_up = {
            let (driver, is_given_up) = (Arc::clone(self), Arc::clone(&is_given_up));
            let course = Arc::clone(&course);
            move || {
                is_given_up.store(true, Ordering::SeqCst);
                driver.base().resource().look_again();
                // The wait completes what is under way, and cannot be ended in another way. A
                // driver that rests is left alone.
                if timeout.is_none() && is_under_way(&*driver) {
                    Course::end(&course, &*driver);
                }
            }
        };
        let wait = move || {
            let began = Instant::now();
            let waited = loop {
                let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
                let slice = left.filter(|left| *left > SLICE && is_under_way(&*driver));
                let waited =
                    driver.wait_unless(status, slice.map_or(left, |_| Some(SLICE)), &is_given_up);
                let goes_on = slice.is_some() && matches!(waited, Err(WaitError::Timeout { .. }));
                if !goes_on || is_given_up.load(Ordering::SeqCst) {
                    break waited;
                }
            };
            Course::is_over(&course);
            waited
        };
        aside(wait, give_up).await
    }
}

/// Whether a step of the driver may have to be completed by the waiter.
fn is_under_way(driver: &(impl Driver + ?Sized)) -> bool {
    matches!(driver.status(), Status::Starting | Status::Stopping)
}

/// How far work has got that may be given up.
enum Course {
    UnderWay,
    Over,
    /// Its stop is announced, which ends it.
    GivenUp(#[expect(dead_code, reason = "it is kept until the work is over")] AnnouncedStop),
}

impl Course {
    /// Ends work that is under way: announces a stop, which ends a start, and interrupts what its
    /// step waits for. Work that is over is left as it is.
    fn end(course: &Mutex<Course>, driver: &(impl Driver + ?Sized)) {
        let mut course = course.lock().unpoisoned();
        if matches!(*course, Course::UnderWay) {
            *course = Course::GivenUp(driver.base().resource().announce_stop());
            driver.interrupt();
        }
    }

    /// The work is over; says whether it was given up. It may begin again from now on.
    fn is_over(course: &Mutex<Course>) -> bool {
        let before = mem::replace(&mut *course.lock().unpoisoned(), Course::Over);
        matches!(before, Course::GivenUp(_))
    }
}

/// Has a thread do something to a driver.
async fn of<D: Driver + ?Sized, T: Send + 'static>(
    driver: &Arc<D>,
    work: impl FnOnce(&D) -> T + Send + 'static,
) -> T {
    let (works, ends) = (Arc::clone(driver), Arc::clone(driver));
    let course = Arc::new(Mutex::new(Course::UnderWay));
    let given_up = Arc::clone(&course);
    aside(
        move || {
            let outcome = work(&works);
            if Course::is_over(&course) && works.status() == Status::Started {
                // It was up at the last moment, of which nobody knows, and is interrupted.
                if let Err(error) = works.stop() {
                    tracing::warn!(%error, "a driver whose start was given up does not stop");
                }
            }
            outcome
        },
        move || Course::end(&given_up, &*ends),
    )
    .await
}
