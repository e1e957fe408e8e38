//! The recordings of environments that have stopped cleanly, in case their test fails later.
//!
//! A guard cannot know about an assertion after its scope. So its recording stays with the thread
//! of the test for a while, and a panic of that thread writes it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic;
use std::sync::Once;
use std::thread;

use standin_record::Recorder;

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

thread_local! {
    static ENDED: RefCell<VecDeque<Ended>> = const { RefCell::new(VecDeque::new()) };
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
    let former = ENDED.try_with(|all| {
        let mut all = all.borrow_mut();
        all.push_back(ended);
        let has_room = |all: &VecDeque<Ended>| {
            let drivers: usize = all.iter().map(|ended| ended.drivers).sum();
            all.len() <= 1 || (all.len() <= ENVIRONMENTS && drivers <= DRIVERS)
        };
        let mut former = Vec::new();
        while !has_room(&all) {
            former.extend(all.pop_front());
        }
        former
    });
    // Not while others are looked at.
    drop(former);
}

/// Writes what this thread has kept. Nothing in here may panic: it is a hook of panics.
fn write() {
    let all = ENDED.try_with(|all| {
        all.try_borrow_mut()
            .map(|mut all| std::mem::take(&mut *all))
    });
    let Ok(Ok(all)) = all else {
        return;
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
