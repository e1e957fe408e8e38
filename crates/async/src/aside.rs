//! Work that runs a user's code, which may block: a thread of its own does it.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use standin_sync::{
    Monitor, Unpoisoned,
    operation::{Operation, Wait},
};

use crate::runtime::Task;

/// How long to wait for the end of cancelled work.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has a thread do `work`, and waits for it. If that is given up, `give_up` is called, which is to
/// end the work soon.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    give_up: impl FnOnce() + Send + 'static,
) -> T {
    let done = Arc::new(Monitor::new(None));
    let work = Arc::new(Mutex::new(Some(work)));
    let run = {
        let (done, work) = (Arc::clone(&done), Arc::clone(&work));
        move || {
            let work = work.lock().unpoisoned().take();
            let outcome = work.map(|work| catch_unwind(AssertUnwindSafe(work)));
            done.update(|done| *done = outcome);
        }
    };
    let mut doing = Doing {
        is_done: || {
            done.when(Some(Instant::now() + PATIENCE), |done| {
                done.as_ref().map(drop)
            })
        },
        thread: start(run),
        give_up: Some(give_up),
    };
    if doing.thread.is_none() {
        // The work is then done here: better late than never.
        let work = work.lock().unpoisoned().take();
        let outcome = work.map(|work| catch_unwind(AssertUnwindSafe(work)));
        done.update(|done| *done = outcome);
    }
    let outcome = Task.run(done.when(None, Option::take)).await;
    doing.give_up = None;
    drop(doing);
    match outcome {
        Some(Ok(value)) => value,
        Some(Err(panic)) => resume_unwind(panic),
        None => unreachable!("it was waited for without a limit"),
    }
}

fn start(run: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let thread = thread::Builder::new().name("standin-aside".to_owned());
    let started: io::Result<_> = thread.spawn(run);
    started
        .inspect_err(|error| tracing::warn!(%error, "no thread can be started, so the task blocks"))
        .ok()
}

/// Work that a thread does.
struct Doing<D, O, G>
where
    D: Fn() -> O,
    O: Operation<Output = Option<()>>,
    G: FnOnce(),
{
    is_done: D,
    thread: Option<JoinHandle<()>>,
    /// `None` once it is done.
    give_up: Option<G>,
}

impl<D, O, G> Drop for Doing<D, O, G>
where
    D: Fn() -> O,
    O: Operation<Output = Option<()>>,
    G: FnOnce(),
{
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if let Some(give_up) = self.give_up.take() {
            give_up();
            if (self.is_done)().block().is_none() {
                tracing::warn!("work that was given up goes on: code of a user's keeps it");
                return;
            }
        }
        // It has nothing left to do, and panics are caught.
        let _ = thread.join();
    }
}
