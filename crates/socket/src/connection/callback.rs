//! Knows whether a user's closure runs in this thread, in the middle of a receive.

use std::cell::Cell;

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is inside [`run`].
pub(super) fn is_running() -> bool {
    // A thread that is ending runs no closures of ours.
    RUNNING.try_with(Cell::get).unwrap_or(false)
}

/// Runs a user's closure.
pub(super) fn run<R>(closure: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = RUNNING.try_with(|running| running.set(self.0));
        }
    }
    let _restore = Restore(
        RUNNING
            .try_with(|running| running.replace(true))
            .unwrap_or(false),
    );
    closure()
}
