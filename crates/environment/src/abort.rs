use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use standin_driver::{Driver, DriverConfig, Lifecycle};
use standin_entity::Settings;

use crate::members::Members;

/// Ends what an environment does, from any thread: a start, a stop, every wait
/// on one of its drivers. Then the drivers are torn down.
#[derive(Clone, Debug)]
pub struct AbortHandle {
    members: Arc<Members>,
}

impl AbortHandle {
    pub(crate) fn new(members: Arc<Members>) -> Self {
        AbortHandle { members }
    }

    /// The name of the environment.
    pub(crate) fn name(&self) -> &str {
        self.members.name()
    }

    /// Whether somebody has aborted the environment.
    pub fn is_aborted(&self) -> bool {
        !self.members.entity.is_active()
    }

    /// Aborts the environment. An abort is final.
    ///
    /// 1. Every wait on one of its drivers, or of the environments that belong
    ///    to it, ends at once in every thread, with an error that says so.
    ///    Nothing starts any more.
    /// 2. The drivers are aborted in reverse order: they close their sockets
    ///    and end their processes. One that takes its time is not waited for
    ///    before the next one is aborted.
    ///
    /// A start that was under way fails then, and cleans up in its own thread;
    /// so does a stop. It returns when all drivers are aborted, or have had
    /// their `abort_wait_timeout` for it.
    pub fn abort(&self) {
        self.members.entity.set_aborting();
        let drivers = self.members.abortable();
        for driver in &drivers {
            driver.base().resource().request_abort();
        }
        abort_all(drivers);
        self.members.entity.set_aborted();
    }
}

/// How long a driver may take for its abort before another thread goes on with
/// the next one.
const PATIENCE: Duration = Duration::from_millis(10);

/// Aborts drivers in this order, in one thread as long as none of them takes
/// its time.
fn abort_all(drivers: Vec<Arc<dyn Driver>>) {
    let limit = drivers.iter().map(|driver| limit(&**driver)).max();
    let Some(until) = limit.and_then(|limit| Instant::now().checked_add(limit)) else {
        return;
    };
    let queue = Arc::new(Queue {
        left: Mutex::new(Left {
            under_way: 0,
            done: 0,
            drivers: drivers.into(),
        }),
        changed: Condvar::new(),
    });
    loop {
        let worker = queue.clone();
        let spawned = thread::Builder::new()
            .name("standin-abort".to_owned())
            .spawn(move || worker.work());
        if spawned.is_err() {
            // The system has no more threads: this one can do it as well.
            queue.work();
        }
        match queue.watch(until) {
            Watched::Done => return,
            Watched::Stuck => {}
            Watched::Overdue => {
                tracing::warn!("drivers have not ended their abort in time, and are left alone");
                return;
            }
        }
    }
}

fn limit(driver: &dyn Driver) -> Duration {
    let config = driver.base().node().shared::<DriverConfig>();
    config.map_or(Settings::default().abort_wait_timeout, |config| {
        config.resource.entity.abort_wait_timeout
    })
}

/// Drivers that are to be aborted, first the first.
struct Queue {
    left: Mutex<Left>,
    changed: Condvar,
}

struct Left {
    drivers: VecDeque<Arc<dyn Driver>>,
    under_way: usize,
    done: usize,
}

enum Watched {
    /// All drivers are aborted.
    Done,
    /// No driver was done for a while, and there are others.
    Stuck,
    /// The time is over.
    Overdue,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Aborts one after the other until none is left.
    fn work(&self) {
        let mut left = self.lock();
        while let Some(driver) = left.drivers.pop_front() {
            left.under_way += 1;
            drop(left);
            if let Err(error) = driver.abort() {
                tracing::warn!(driver = driver.name(), %error, "the abort of a driver failed");
            }
            // It may be the last handle of the driver.
            drop(driver);
            left = self.lock();
            left.under_way -= 1;
            left.done += 1;
        }
        self.changed.notify_all();
    }

    /// Waits until all is done, or another thread is needed.
    fn watch(&self, until: Instant) -> Watched {
        let mut left = self.lock();
        loop {
            if left.drivers.is_empty() && left.under_way == 0 {
                return Watched::Done;
            }
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                return Watched::Overdue;
            }
            let (done, others) = (left.done, !left.drivers.is_empty());
            let time = if others { time.min(PATIENCE) } else { time };
            let (after, waited) = self
                .changed
                .wait_timeout(left, time)
                .unwrap_or_else(PoisonError::into_inner);
            left = after;
            if waited.timed_out() && others && left.done == done {
                return Watched::Stuck;
            }
        }
    }
}
