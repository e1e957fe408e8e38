//! Looking at an environment from another thread while it starts or stops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use standin::entity::{Status, What};
use standin::environment::EnvironmentView;
use standin_sync::Monitor;

use crate::event::{Event, Happened};

/// The polling interval: as often as an eye sees a difference.
const PERIOD: Duration = Duration::from_millis(50);

/// An observer of events. Any function of an [`Event`] is one.
///
/// It is called by one thread at a time, which may be another one than the caller's.
pub trait Observer: Send + Sync {
    /// Something has happened.
    fn happened(&self, event: &Event);

    /// Called some twenty times a second while an environment starts or stops, with the drivers
    /// that are starting or stopping now.
    fn under_way(&self, _drivers: &[UnderWay]) {}
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn happened(&self, event: &Event) {
        self(event);
    }
}

/// A driver that is starting or stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnderWay {
    /// Its name.
    pub driver: String,
    /// Whether it starts or stops.
    pub status: Status,
    /// Since when, as far as the clock can tell.
    pub elapsed: Duration,
    /// The step that it is in, if it is in one: `starting`, `started_check`.
    pub step: Option<String>,
    /// The condition that it waits for, and the last answer, if it waits for one.
    pub waits_for: Option<String>,
}

/// An observer of a stop that is also told of a signal that asks for it, or comes meanwhile.
pub(crate) struct Stopping<'a, F> {
    observer: &'a dyn Observer,
    /// The first signal so far.
    asked: F,
    is_told: AtomicBool,
}

impl<'a, F: Fn() -> Option<i32> + Send + Sync> Stopping<'a, F> {
    pub(crate) fn new(observer: &'a dyn Observer, asked: F) -> Self {
        Self {
            observer,
            asked,
            is_told: AtomicBool::new(false),
        }
    }

    fn tell(&self) {
        if let Some(signal) = (self.asked)()
            && !self.is_told.swap(true, Ordering::Relaxed)
        {
            let asked = Event::now(Happened::EndRequested { signal });
            self.observer.happened(&asked);
        }
    }
}

impl<F: Fn() -> Option<i32> + Send + Sync> Observer for Stopping<'_, F> {
    fn happened(&self, event: &Event) {
        self.observer.happened(event);
        self.tell();
    }

    fn under_way(&self, drivers: &[UnderWay]) {
        self.tell();
        self.observer.under_way(drivers);
    }
}

/// What has been seen of an environment so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The number of the last event.
    last: Option<u64>,
    /// Since when the drivers are starting or stopping.
    since: HashMap<String, SystemTime>,
}

impl Seen {
    /// Does `work`, and notifies `observer` of the events in the environment meanwhile. All of them
    /// were notified when this returns.
    pub(crate) fn during<T>(
        &mut self,
        view: &EnvironmentView,
        observer: &dyn Observer,
        work: impl FnOnce() -> T,
    ) -> T {
        let is_done = Monitor::new(false);
        let seen = &mut *self;
        let outcome = thread::scope(|scope| {
            let watch = thread::Builder::new().name("standin-watch".to_owned());
            // Without a thread, what has happened is known at the end.
            let _watching = watch.spawn_scoped(scope, || {
                loop {
                    let until = Some(Instant::now() + PERIOD);
                    if *is_done.wait_while(is_done.lock(), until, |is_done| !*is_done) {
                        return;
                    }
                    seen.look(view, observer);
                    let drivers = seen.under_way(view);
                    if !drivers.is_empty() {
                        observer.under_way(&drivers);
                    }
                }
            });
            let _ends = OnDrop(|| is_done.update(|is_done| *is_done = true));
            work()
        });
        self.look(view, observer);
        outcome
    }

    /// Reports what has happened since the last look.
    fn look(&mut self, view: &EnvironmentView, observer: &dyn Observer) {
        let report = view.report();
        for (of, event) in report.history() {
            if self.last.is_some_and(|last| event.number() <= last) {
                continue;
            }
            self.last = Some(event.number());
            // The environment's own are reported by the code that starts and stops it.
            if of.name == report.name && of.kind == report.kind {
                continue;
            }
            let driver = of.name.clone();
            let what = match &event.what {
                What::Entered(Status::Starting) => {
                    self.since.insert(driver.clone(), event.at);
                    Happened::DriverStarting { driver }
                }
                What::Entered(Status::Stopping) => {
                    self.since.insert(driver.clone(), event.at);
                    Happened::DriverStopping { driver }
                }
                What::Entered(Status::Started) => Happened::DriverStarted {
                    after: self.took(&driver, event.at),
                    driver,
                },
                What::Entered(Status::Stopped) => Happened::DriverStopped {
                    after: self.took(&driver, event.at),
                    driver,
                },
                What::Failed(during) => {
                    let mut failures = of.failures.iter().rev();
                    let failure = failures.find(|failure| failure.during == *during);
                    Happened::DriverFailed {
                        driver,
                        during: during.clone(),
                        message: failure.map_or_else(String::new, |found| found.message.clone()),
                    }
                }
                _ => continue,
            };
            observer.happened(&Event { at: event.at, what });
        }
    }

    fn took(&mut self, driver: &str, at: SystemTime) -> Duration {
        let since = self.since.remove(driver);
        since.map_or(Duration::ZERO, |since| {
            at.duration_since(since).unwrap_or_default()
        })
    }

    fn under_way(&self, view: &EnvironmentView) -> Vec<UnderWay> {
        // Of a start there is not much on record yet.
        let is_start = view
            .statuses()
            .iter()
            .any(|(_, status)| *status == Status::Starting);
        let stories = match is_start {
            true => view.transcript().drivers,
            false => Vec::new(),
        };
        let waits_for = |name: &str| {
            let story = stories.iter().find(|story| *story.name == *name)?;
            let probes = story.probes.iter().filter(|probe| !probe.is_met);
            let probe = probes.max_by_key(|probe| probe.last)?;
            Some(format!("{}: {}", probe.condition, probe.answer))
        };
        let drivers = view.statuses().into_iter();
        let busy =
            drivers.filter(|(_, status)| matches!(status, Status::Starting | Status::Stopping));
        busy.filter_map(|(name, status)| {
            let driver = view.driver(&name).ok()?;
            let since = self.since.get(&name)?;
            let step = driver.base().resource().running_step();
            Some(UnderWay {
                elapsed: since.elapsed().unwrap_or_default(),
                step: step.map(|step| step.to_string()),
                waits_for: waits_for(&name).filter(|_| status == Status::Starting),
                driver: name,
                status,
            })
        })
        .collect()
    }
}

/// Calls a function when it is dropped, also by a panic.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
