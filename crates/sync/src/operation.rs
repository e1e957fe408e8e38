//! Operations as values: what is to be done, apart from who waits for it.
//!
//! What blocks a thread makes an [`Operation`] and has the thread wait for it. The same operation
//! can be tried again and again by code that must not block a thread, such as a task of a runtime.
//! So both do the same. Code that serves both has a [`Wait`] as a parameter, and is run by [`now`]
//! where the thread waits.

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

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// That there is something to receive, or somebody to accept.
    Readable,
    /// That there is room to send, or a connect has an outcome.
    Writable,
}

/// Something that may have to wait.
///
/// Dropping it gives it up: bytes that have come stay with the connection, and those in line get
/// their turn.
pub trait Operation {
    /// What it comes to.
    type Output;

    /// Does it, and has the calling thread wait.
    fn block(self) -> Self::Output;

    /// Does as much as is possible without waiting. If that is not all, `waker` is woken when the
    /// operation may continue for another reason than those in [`Waits`]: its turn has come, or it
    /// was closed. Not to be tried again once it is done.
    fn attempt(&mut self, waker: &Waker) -> Attempt<Self::Output>;

    /// Gives it up, because nobody can wait for it.
    fn fail(&mut self, error: io::Error) -> Self::Output;

    /// What it will wait for of its [descriptor](Operation::descriptor), most probably: nothing
    /// while it stands in line for its turn, or if it waits for something else.
    fn interest(&self) -> Option<Interest>;

    /// Whoever asked an event loop for this operation may have taken the place there of the one
    /// whose turn it is: has that one ask again.
    fn yield_place(&self) {}

    /// Another handle of what it waits for to become ready.
    ///
    /// # Errors
    ///
    /// Returns an error if that is closed, or the system has no descriptor left.
    fn descriptor(&self) -> io::Result<Descriptor>;

    /// What is kept with that for those who wait.
    fn kept(&self) -> &Kept;
}

/// What a try has come to.
#[derive(Debug)]
pub enum Attempt<T> {
    /// The operation is over.
    Done(T),
    /// It has to wait, for whichever comes first.
    Waits(Waits),
}

/// What an operation waits for, besides being woken.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// That its [descriptor](Operation::descriptor) is ready.
    pub readiness: Option<Interest>,
    /// That it is so late.
    pub until: Option<Instant>,
}

/// What those who wait keep with a socket, such as its registration with a runtime. It goes when
/// the socket closes.
#[derive(Default)]
pub struct Kept(Mutex<Keeps>);

#[derive(Default)]
struct Keeps {
    value: Option<Arc<dyn Any + Send + Sync>>,
    is_closed: bool,
}

impl Kept {
    /// What is kept, made when it is first asked for. There is one such value at a time, of the
    /// type that asked first; a socket that is closed keeps none.
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

    /// Keeps nothing any more.
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

/// Who waits for operations.
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

/// What a future comes to in which [`Thread`] waits.
///
/// # Panics
///
/// Panics if it is not ready, because somebody else is to wait.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the thread has waited"),
    }
}
