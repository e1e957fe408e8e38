//! The real clock: what is over at a time is woken by a thread of our own.
//!
//! The timers of a runtime cannot be used: `tokio::time::pause` stops them, or lets them expire at
//! once, which does not affect a peer.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak},
    task::Waker,
    thread::{self, JoinHandle},
    time::Instant,
};

use standin_sync::Unpoisoned;

/// The right to the clock's thread, which all of a process share and the last one ends.
pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

static CLOCK: Mutex<Weak<Clock>> = Mutex::new(Weak::new());

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    alarms: BTreeMap<(Instant, u64), Waker>,
    set: u64,
    /// When the thread looks again; `None` if only when something changes.
    looks: Option<Instant>,
    is_over: bool,
}

/// Wakes a task at a time, once. Dropping it forgets that.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Arc<Clock>, (Instant, u64))>);

impl Clock {
    /// The clock of the process.
    pub(crate) fn shared() -> io::Result<Arc<Clock>> {
        let mut clock = CLOCK.lock().unpoisoned();
        if let Some(running) = clock.upgrade() {
            return Ok(running);
        }
        let shared = Arc::new(Shared::default());
        let ticking = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("standin-clock".to_owned())
            .spawn(move || ticking.run())?;
        let started = Arc::new(Clock {
            shared,
            thread: Mutex::new(Some(thread)),
        });
        *clock = Arc::downgrade(&started);
        Ok(started)
    }
}

impl Alarm {
    /// Wakes `waker` at the time `until`.
    pub(crate) fn set(clock: &Arc<Clock>, until: Instant, waker: &Waker) -> Alarm {
        let shared = &clock.shared;
        let mut state = shared.lock();
        let key = (until, state.set);
        state.set += 1;
        state.alarms.insert(key, waker.clone());
        if state.looks.is_none_or(|looks| until < looks) {
            // As it will be, so that of many alarms only the first one makes the thread look.
            state.looks = Some(until);
            drop(state);
            shared.changed.notify_one();
        }
        Alarm(Some((Arc::clone(clock), key)))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((clock, key)) = self.0.take() {
            let forgotten = clock.shared.lock().alarms.remove(&key);
            // Not under the lock: it is the code of a runtime.
            drop(forgotten);
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let now = Instant::now();
            let later = state.alarms.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.alarms, later);
            if !due.is_empty() {
                drop(state);
                due.into_values().for_each(Waker::wake);
                state = self.lock();
                continue;
            }
            state.looks = state.alarms.keys().next().map(|(until, _)| *until);
            state = match state.looks {
                Some(until) => {
                    let left = until.saturating_duration_since(now);
                    self.changed.wait_timeout(state, left).unpoisoned().0
                }
                None => self.changed.wait(state).unpoisoned(),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoisoned()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.lock().unpoisoned().take()
            && thread.thread().id() != thread::current().id()
        {
            // Nothing in it panics but wakers, and their panics are not ours.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm")
            .field(&self.0.as_ref().map(|(_, (until, _))| until))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Sender, channel},
        task::Wake,
        time::Duration,
    };

    use super::*;

    struct Says(Mutex<Sender<u8>>, u8);

    impl Wake for Says {
        fn wake(self: Arc<Self>) {
            // Nobody hears those that were set too slowly.
            let _ = self.0.lock().unwrap().send(self.1);
        }
    }

    #[test]
    fn alarms_ring_in_their_order_and_forgotten_ones_do_not() {
        let clock = Clock::shared().unwrap();
        // On a busy machine one of them may ring before all are set, or forgotten.
        let (now, said, _alarms) = loop {
            let (says, said) = channel();
            let now = Instant::now();
            let set = |after: u64, name| {
                let waker = Waker::from(Arc::new(Says(Mutex::new(says.clone()), name)));
                Alarm::set(&clock, now + Duration::from_millis(after), &waker)
            };
            let late = set(60, 3);
            let forgotten = set(30, 2);
            let soon = set(20, 1);
            drop(forgotten);
            if now.elapsed() < Duration::from_millis(20) {
                break (now, said, [late, soon]);
            }
        };
        assert_eq!([said.recv().unwrap(), said.recv().unwrap()], [1, 3]);
        assert!(now.elapsed() >= Duration::from_millis(60));
    }
}
