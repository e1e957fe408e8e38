//! The state that the reactor's thread shares with all others.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use standin_sync::{Monitor, Unpoisoned};

use crate::members::Members;

/// An actor's number: its place, and what sets it apart from those that had the place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) index: usize,
    pub(crate) serial: u64,
}

/// Becomes true when what was asked for is done.
pub(crate) type Done = Arc<Monitor<bool>>;

/// What other threads ask of the reactor's, on which each `A` acts.
pub(crate) enum Request<A: ?Sized> {
    Spawn(Arc<Members>, Box<A>),
    Wake(Key),
    /// Everything that has arrived for these has been acted on, or there were so many rounds.
    Settle(Arc<Members>, u32, Done),
    /// These are to be dropped.
    End(Arc<Members>, Done),
    /// The thread is to end.
    Stop,
}

struct Inbox<A: ?Sized> {
    requests: Vec<Request<A>>,
    /// The thread will no longer look.
    is_closed: bool,
}

pub(crate) struct Core<A: ?Sized> {
    inbox: Mutex<Inbox<A>>,
    waker: mio::Waker,
    busy: Mutex<Option<Busy>>,
    thread: OnceLock<ThreadId>,
}

/// User code that the reactor's thread is running, so that no actor can act.
#[derive(Clone, Debug)]
pub struct Busy {
    /// What it is.
    pub what: Arc<str>,
    /// Since when it runs.
    pub since: Instant,
}

impl Busy {
    /// For how long it has run.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Busy { what, .. } = self;
        let elapsed = self.elapsed();
        write!(
            f,
            "{what} has been running for {:.1} s",
            elapsed.as_secs_f64()
        )
    }
}

impl<A: ?Sized> Core<A> {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Core {
            inbox: Mutex::new(Inbox {
                requests: Vec::new(),
                is_closed: false,
            }),
            waker,
            busy: Mutex::default(),
            thread: OnceLock::new(),
        }
    }

    /// Leaves a request to the thread; says whether it will see it.
    pub(crate) fn ask(&self, request: Request<A>) -> bool {
        let is_new = {
            let mut inbox = self.inbox.lock().unpoisoned();
            if inbox.is_closed {
                return false;
            }
            inbox.requests.push(request);
            inbox.requests.len() == 1
        };
        // The others find that it is awake already.
        if is_new && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the reactor's thread cannot be woken");
        }
        true
    }

    /// Takes what was asked since.
    pub(crate) fn requests(&self) -> Vec<Request<A>> {
        std::mem::take(&mut self.inbox.lock().unpoisoned().requests)
    }

    /// Takes no more requests, and gives those that are left.
    pub(crate) fn close(&self) -> Vec<Request<A>> {
        let mut inbox = self.inbox.lock().unpoisoned();
        inbox.is_closed = true;
        std::mem::take(&mut inbox.requests)
    }

    pub(crate) fn set_busy(&self, busy: Option<Busy>) {
        *self.busy.lock().unpoisoned() = busy;
    }

    pub(crate) fn busy(&self) -> Option<Busy> {
        self.busy.lock().unpoisoned().clone()
    }

    /// Notes that the calling thread is the reactor's.
    pub(crate) fn enter(&self) {
        let _ = self.thread.set(thread::current().id());
    }

    /// Whether the calling thread is the reactor's, and so cannot wait for it.
    pub(crate) fn is_current(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }
}
