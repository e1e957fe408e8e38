use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Wakes those who wait for something to be written.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: u64,
    /// How many threads wait, so that nobody pays for waking no one.
    waiting: usize,
    /// Nothing more is to be expected: waits end.
    is_over: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.rings = state.rings.wrapping_add(1);
        if state.waiting > 0 {
            self.rung.notify_all();
        }
    }

    /// Ends all waits, until it is opened again.
    pub(crate) fn set_over(&self, is_over: bool) {
        let mut state = self.lock();
        state.is_over = is_over;
        if state.waiting > 0 {
            self.rung.notify_all();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over
    }

    /// How often it has rung. To be asked before looking at what is waited for.
    pub(crate) fn rings(&self) -> u64 {
        self.lock().rings
    }

    /// Waits until it rings again after `rings`, or all is over.
    pub(crate) fn wait(&self, rings: u64, until: Option<Instant>) {
        let mut state = self.lock();
        state.waiting += 1;
        while state.rings == rings && !state.is_over {
            state = match until {
                None => self
                    .rung
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.rung.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.waiting -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
