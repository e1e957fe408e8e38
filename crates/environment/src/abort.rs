use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use standin_driver::{Driver, DriverConfig, Lifecycle};
use standin_entity::Caller;
use standin_sync::Monitor;

use crate::evidence;
use crate::members::Members;
use crate::say::say;

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

    /// Returns whether the environment was aborted.
    pub fn is_aborted(&self) -> bool {
        !self.members.entity.is_active()
    }

    /// Aborts the environment. An abort is final.
    ///
    /// 1. Every wait on one of its drivers, or of nested environments, ends at once in every
    ///    thread, with an error that reports the abort. Nothing can be started afterwards.
    /// 2. The drivers are aborted in reverse order: they close their sockets and end their
    ///    processes. A slow driver does not delay the abort of the next one.
    ///
    /// A start that was under way fails then, and cleans up in its own thread;
    /// so does a stop. It returns when all drivers are aborted, or have had
    /// their `abort_wait_timeout` for it.
    pub fn abort(&self) {
        self.members.entity.set_aborting();
        let nested = self.members.all_nested();
        let environments = || nested.iter().chain([&self.members]);
        // What a driver does at its abort is called from within that of all of them.
        let _aborting: Vec<_> = environments().map(|members| members.turn.abort()).collect();
        let drivers: Vec<_> = environments()
            .flat_map(|members| members.active())
            .collect();
        for driver in &drivers {
            driver.base().resource().request_abort();
        }
        abort_all(drivers);
        self.members.entity.set_aborted();
        // The guard may never be dropped. An environment that was never up has nothing to show.
        if self.members.running().is_some() {
            let artifacts = evidence::write(&self.members, evidence::transcript(&self.members));
            if !artifacts.is_empty() {
                let artifacts = artifacts.to_string().replace('\n', "\n  ");
                let name = self.name();
                say(&format!(
                    "standin: environment \"{name}\" was aborted\n  {artifacts}"
                ));
            }
        }
    }
}

/// How long a driver may take for its abort before another thread continues with
/// the next one.
const PATIENCE: Duration = Duration::from_millis(10);

/// The limit of a driver whose options cannot be read.
const ABORT_WAIT: Duration = Duration::from_secs(300);

/// Aborts drivers in this order, in one thread as long as none of them takes
/// its time.
fn abort_all(drivers: Vec<Arc<dyn Driver>>) {
    let Some(limit) = drivers.iter().map(|driver| limit(&**driver)).max() else {
        return;
    };
    // What lies beyond what the clock can count is not a limit.
    let until = Instant::now().checked_add(limit);
    let queue = Arc::new(Queue {
        left: Monitor::new(Left {
            under_way: 0,
            done: 0,
            drivers: drivers.into(),
        }),
    });
    let caller = Caller::current();
    loop {
        let (worker, caller) = (queue.clone(), caller.clone());
        let spawned = thread::Builder::new()
            .name("standin-abort".to_owned())
            .spawn(move || caller.lend(|| worker.work()));
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
    let config = driver.base().options().shared::<DriverConfig>();
    // What is wrong with the options must not keep the driver up.
    config.map_or(ABORT_WAIT, |config| {
        config.resource.entity.abort_wait_timeout
    })
}

/// Drivers that are to be aborted, first the first.
struct Queue {
    left: Monitor<Left>,
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
    /// Aborts one after the other until none is left.
    fn work(&self) {
        let mut left = self.left.lock();
        while let Some(driver) = left.drivers.pop_front() {
            left.under_way += 1;
            drop(left);
            // It may be the last handle of the driver, whose drop is the driver's code, too.
            let aborted = catch_unwind(AssertUnwindSafe(move || {
                if let Err(error) = driver.abort() {
                    tracing::warn!(driver = driver.name(), %error, "the abort of a driver failed");
                }
            }));
            if aborted.is_err() {
                tracing::warn!("the abort of a driver panicked");
            }
            left = self.left.lock();
            left.under_way -= 1;
            left.done += 1;
        }
        self.left.notify_all();
    }

    /// Waits until all is done, or another thread is needed.
    fn watch(&self, until: Option<Instant>) -> Watched {
        let mut left = self.left.lock();
        loop {
            let done = left.done;
            let others = !left.drivers.is_empty();
            let look_again = others.then(|| Instant::now() + PATIENCE);
            let wake = until.into_iter().chain(look_again).min();
            left = self.left.wait_while(left, wake, |left| {
                !left.is_done() && (left.done == done || !others)
            });
            if left.is_done() {
                return Watched::Done;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Watched::Overdue;
            }
            if others && left.done == done {
                return Watched::Stuck;
            }
        }
    }
}

impl Left {
    fn is_done(&self) -> bool {
        self.drivers.is_empty() && self.under_way == 0
    }
}
