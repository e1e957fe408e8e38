//! On whose behalf a thread works, and which thread waits for which: what it takes to notice
//! that a wait would never end.
//!
//! A thread that hands work to others and waits for them is the caller of what they do: a
//! hook that runs on a worker is still called from within the operation that began the
//! workers. Such threads are joined by [`Caller::lend`].

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use standin_sync::Unpoisoned;

use crate::sync::{ThreadId, current};

thread_local! {
    /// The threads that wait for what this one does.
    static LENDERS: RefCell<Arc<[ThreadId]>> = RefCell::new(Arc::new([]));
}

/// A thread, and those that wait for what it does.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Caller {
    thread: ThreadId,
    lenders: Arc<[ThreadId]>,
}

impl Caller {
    /// The present thread.
    #[must_use]
    pub fn current() -> Self {
        Self {
            thread: current().id(),
            lenders: LENDERS.with_borrow(Clone::clone),
        }
    }

    /// Runs `work` in the present thread on behalf of this caller, which waits for it.
    pub fn lend<T>(&self, work: impl FnOnce() -> T) -> T {
        struct GiveBack(Arc<[ThreadId]>);
        impl Drop for GiveBack {
            fn drop(&mut self) {
                LENDERS.set(self.0.clone());
            }
        }
        if self.thread == current().id() {
            return work();
        }
        let lenders = std::iter::once(self.thread).chain(self.lenders.iter().copied());
        let _give_back = GiveBack(LENDERS.replace(lenders.collect()));
        work()
    }

    fn includes(&self, thread: ThreadId) -> bool {
        self.thread == thread || self.lenders.contains(&thread)
    }
}

/// The right to do something that one thread does at a time, from when it is taken until the
/// last clone of it is dropped or [`end`](Hold::end) is called.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Hold {
    inner: Arc<HoldInner>,
}

#[derive(Debug)]
struct HoldInner {
    owner: ThreadId,
    is_over: AtomicBool,
}

impl Hold {
    /// The present thread takes it.
    #[must_use]
    pub fn take() -> Self {
        Self {
            inner: Arc::new(HoldInner {
                owner: current().id(),
                is_over: AtomicBool::new(false),
            }),
        }
    }

    /// Whether the present thread has it, or works for the one that has.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        // Nearly always without a look at the others.
        self.inner.owner == current().id() || Caller::current().includes(self.inner.owner)
    }

    /// Whether both are clones of one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// It is given back. To be called before those who wait for it can know.
    pub fn end(&self) {
        self.inner.is_over.store(true, Ordering::Release);
    }

    /// Notes that the present thread waits for this to end, as long as the answer lives.
    /// `None` when it would wait forever: because the thread that has it waits, maybe by way
    /// of others, for the present one.
    #[must_use]
    pub fn wait_for(&self) -> Option<Waiting> {
        static WAITS: Mutex<Waits> = Mutex::new(Waits {
            next: 0,
            waits: Vec::new(),
        });
        let caller = Caller::current();
        let mut waits = WAITS.lock().unpoisoned();
        if waits.leads_to(self, &caller) {
            return None;
        }
        waits.next += 1;
        let number = waits.next;
        waits.waits.push(Wait {
            number,
            caller,
            hold: self.clone(),
        });
        Some(Waiting {
            waits: &WAITS,
            number,
        })
    }
}

/// One thread that waits.
#[derive(Debug)]
struct Wait {
    number: u64,
    caller: Caller,
    hold: Hold,
}

#[derive(Debug)]
struct Waits {
    next: u64,
    waits: Vec<Wait>,
}

impl Waits {
    /// Whether the end of `hold` needs `caller` to continue.
    fn leads_to(&self, hold: &Hold, caller: &Caller) -> bool {
        let mut seen = vec![hold.inner.owner];
        let mut next = 0;
        while let Some(&owner) = seen.get(next) {
            if caller.includes(owner) {
                return true;
            }
            for wait in &self.waits {
                let further = wait.hold.inner.owner;
                if !wait.hold.inner.is_over.load(Ordering::Acquire)
                    && wait.caller.includes(owner)
                    && !seen.contains(&further)
                {
                    seen.push(further);
                }
            }
            next += 1;
        }
        false
    }
}

/// Says that a thread waits, until it is dropped.
#[doc(hidden)]
#[derive(Debug)]
pub struct Waiting {
    waits: &'static Mutex<Waits>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits: MutexGuard<'_, Waits> = self.waits.lock().unpoisoned();
        waits.waits.retain(|wait| wait.number != self.number);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// A thread that has something, and does what it is told.
    fn other(work: impl FnOnce() + Send + 'static) -> (Hold, thread::JoinHandle<()>) {
        let (give, take) = channel();
        let thread = thread::spawn(move || {
            give.send(Hold::take()).expect("the test waits for it");
            work();
        });
        (take.recv().expect("the thread sends it"), thread)
    }

    #[test]
    fn a_wait_for_oneself_or_for_a_lender_is_refused() {
        let own = Hold::take();
        assert!(own.is_callers() && own.wait_for().is_none());
        let caller = Caller::current();
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(!own.is_callers());
                caller.lend(|| assert!(own.is_callers() && own.wait_for().is_none()));
                assert!(!own.is_callers());
            });
        });
    }

    #[test]
    fn a_circle_of_waits_is_refused_where_it_would_close() {
        let own = Hold::take();
        let (waits, has_waits) = channel();
        let (end, ended) = channel::<()>();
        let first = own.clone();
        let (second, thread) = other(move || {
            let waiting = first.wait_for();
            waits.send(waiting.is_some()).unwrap();
            let _ = ended.recv();
        });
        assert!(has_waits.recv().unwrap());
        assert!(second.wait_for().is_none(), "it waits for this thread");
        // What was waited for is over: the other one only does not know yet.
        own.end();
        assert!(second.wait_for().is_some());
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_for_a_thread_that_is_free_is_noted_and_forgotten() {
        let (end, ended) = channel::<()>();
        let (hold, thread) = other(move || {
            let _ = ended.recv();
        });
        let waiting = hold.wait_for();
        assert!(waiting.is_some() && hold.wait_for().is_some());
        drop(waiting);
        drop(end);
        thread.join().unwrap();
    }
}
