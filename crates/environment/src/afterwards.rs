//! The recordings of environments that have stopped cleanly, in case their test fails later.
//!
//! A guard cannot know about an assertion after its scope. So its recording stays with the thread
//! of the test for a while, and a panic of that thread writes it. That is the thread which asks for
//! the stop, even if another one performs it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic;
use std::sync::{Arc, Mutex, Once};
use std::thread;

use standin_record::Recorder;
use standin_sync::Unpoisoned;

use crate::artifacts::Artifacts;
use crate::record::Format;
use crate::say::say;

/// Of how many environments of a thread, and of how many drivers: of one environment always, and of
/// those before as long as all together are few.
const ENVIRONMENTS: usize = 4;
const DRIVERS: usize = 100;

/// An environment that is down.
struct Ended {
    recorder: Recorder,
    drivers: usize,
    formats: Vec<Format>,
}

/// What a thread keeps.
#[derive(Clone, Default)]
pub(crate) struct Keeper(Arc<Mutex<VecDeque<Ended>>>);

thread_local! {
    static KEEPER: RefCell<Keeper> = RefCell::default();
}

impl Keeper {
    /// That of this thread. One that ends keeps nothing.
    pub(crate) fn here() -> Self {
        let here = KEEPER.try_with(|keeper| keeper.borrow().clone());
        here.unwrap_or_default()
    }

    /// Does `work` for the thread whose keeper this is.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _own = Own(Self::replace(self.clone()));
        work()
    }

    fn replace(with: Self) -> Self {
        let own = KEEPER.try_with(|keeper| keeper.replace(with));
        own.unwrap_or_default()
    }
}

/// Gives a thread its own keeper back, also when the work panics.
struct Own(Keeper);

impl Drop for Own {
    fn drop(&mut self) {
        Keeper::replace(std::mem::take(&mut self.0));
    }
}

/// Keeps what was recorded of so many drivers in case this thread panics later.
pub(crate) fn keep(recorder: Recorder, drivers: usize, formats: &[Format]) {
    if formats.is_empty() || thread::panicking() {
        return;
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            before(panic);
            write();
        }));
    });
    let ended = Ended {
        recorder,
        drivers,
        formats: formats.to_vec(),
    };
    let keeper = Keeper::here();
    let mut former = Vec::new();
    let mut all = keeper.0.lock().unpoisoned();
    // What is stopped again has one recording.
    all.retain(|former| !former.recorder.is(&ended.recorder));
    all.push_back(ended);
    let has_room = |all: &VecDeque<Ended>| {
        let drivers: usize = all.iter().map(|ended| ended.drivers).sum();
        all.len() <= 1 || (all.len() <= ENVIRONMENTS && drivers <= DRIVERS)
    };
    while !has_room(&all) {
        former.extend(all.pop_front());
    }
    // The former ones go after that, not under the lock.
    drop(all);
}

/// Writes what this thread has kept. Nothing in here may panic: it is a hook of panics.
fn write() {
    let all = match Keeper::here().0.try_lock() {
        Ok(mut all) => std::mem::take(&mut *all),
        // It is this thread, or one that has not finished the stop.
        Err(_) => return,
    };
    for ended in all {
        let Ended {
            recorder, formats, ..
        } = ended;
        let transcript = recorder.transcript();
        let artifacts = Artifacts::of_panic(&transcript, &formats);
        if !artifacts.is_empty() {
            let artifacts = artifacts.to_string().replace('\n', "\n  ");
            let name = &transcript.name;
            say(&format!(
                "standin: environment {name:?}, before the test panicked:\n  {artifacts}"
            ));
        }
    }
}
