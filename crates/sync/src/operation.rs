//! Operations as values, independent of the waiter.
//!
//! A blocking method creates an [`Operation`] and makes the thread wait for it. Code that must not
//! block a thread, such as a task of a runtime, can try the same operation repeatedly. So both do
//! the same. Code that serves both has a [`Wait`] as a parameter, and [`now`] runs it if the thread
//! waits.

use std::{
    any::Any,
    future::Future,
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use crate::Unpoisoned;

/// A handle of a socket that others can wait for.
#[cfg(unix)]
pub type Descriptor = std::os::fd::OwnedFd;

/// A handle of a socket that others can wait for: there are none yet.
#[cfg(not(unix))]
#[derive(Debug)]
pub enum Descriptor {}

/// The events to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// There is something to receive or accept.
    Readable,
    /// That there is room to send, or a connect has an outcome.
    Writable,
}

/// Something that may have to wait.
///
/// Dropping it cancels it: received bytes stay with the connection, and the next in line gets the
/// turn.
pub trait Operation {
    /// Its result.
    type Output;

    /// Does it, and has the calling thread wait.
    fn block(self) -> Self::Output;

    /// Does as much as is possible without waiting. If it is not done, `waker` is woken when the
    /// operation may continue for a reason other than those in [`Waits`]: its turn has come, or it
    /// was closed. Must not be called again once it is done.
    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output>;

    /// Cancels it, because it cannot be awaited.
    fn fail(&mut self, error: io::Error) -> Self::Output;

    /// Returns the events of its [descriptor](Operation::descriptor) that it will probably wait
    /// for: none while it waits for its turn, or for something else.
    fn interest(&self) -> Option<Interest>;

    /// Makes the operation whose turn it is register with its event loop again: another one may
    /// have replaced its registration.
    fn yield_place(&self) {}

    /// Another handle of what it waits for to become ready.
    ///
    /// # Errors
    ///
    /// Returns an error if it is closed, or the system has no descriptor left.
    fn descriptor(&self) -> io::Result<Descriptor>;

    /// Returns the values that waiters keep with the descriptor.
    fn kept(&self) -> &Kept;
}

/// The result of a try.
#[derive(Debug)]
pub enum Attempt<T> {
    /// The operation is over.
    Done(T),
    /// It has to wait, for whichever comes first.
    Waits(Waits),
}

/// The events that an operation waits for, besides being woken.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// That its [descriptor](Operation::descriptor) is ready.
    pub readiness: Option<Interest>,
    /// That it is so late.
    pub until: Option<Instant>,
}

/// The value that waiters keep with a socket, such as its registration with a runtime. It is
/// dropped when the socket closes.
#[derive(Default)]
pub struct Kept(Mutex<Keeps>);

#[derive(Default)]
struct Keeps {
    value: Option<Arc<dyn Any + Send + Sync>>,
    is_closed: bool,
}

impl Kept {
    /// Returns the value, created by `make` on first use. There is one value at a time, of the type
    /// of the first caller; a closed socket has none.
    pub fn value<R: Any + Default + Send + Sync>(&self) -> Arc<R> {
        let mut keeps = self.lock();
        if keeps.is_closed {
            return Arc::default();
        }
        let value = keeps.value.get_or_insert_with(|| Arc::new(R::default()));
        Arc::clone(value).downcast().unwrap_or_default()
    }

    /// Drops what is kept: another socket takes the place of the one before.
    pub fn clear(&self) {
        let value = self.lock().value.take();
        drop(value);
    }

    /// Keeps nothing any longer.
    pub fn close(&self) {
        let mut keeps = self.lock();
        keeps.is_closed = true;
        let value = keeps.value.take();
        drop(keeps);
        drop(value);
    }

    fn lock(&self) -> MutexGuard<'_, Keeps> {
        self.0.lock().unpoisoned()
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// A waiter for operations.
pub trait Wait {
    /// Runs `operation`.
    fn run<O: Operation>(&self, operation: O) -> impl Future<Output = O::Output>;
}

/// The calling thread waits: futures are ready when they are first polled.
#[derive(Clone, Copy, Debug)]
pub struct Thread;

impl Wait for Thread {
    async fn run<O: Operation>(&self, operation: O) -> O::Output {
        operation.block()
    }
}

/// Returns the result of a future in which [`Thread`] waits.
///
/// # Panics
///
/// Panics if it is not ready, because it uses another waiter.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the thread has waited"),
    }
}
