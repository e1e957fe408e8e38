use std::time::Instant;

use standin_sync::Monitor;
use standin_sync::operation::Operation;

/// Wakes threads that wait for a write.
#[derive(Debug, Default)]
pub(crate) struct Bell(Monitor<State>);

#[derive(Debug, Default)]
struct State {
    rings: u64,
    /// Nothing more is to be expected: waits end.
    is_over: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.0
            .update(|state| state.rings = state.rings.wrapping_add(1));
    }

    /// Ends all waits, until it is opened again.
    pub(crate) fn set_over(&self, is_over: bool) {
        self.0.update(|state| state.is_over = is_over);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().is_over
    }

    /// How often it has rung. To be asked before looking at what is waited for.
    pub(crate) fn rings(&self) -> u64 {
        self.0.lock().rings
    }

    /// Waits until it rings again after `rings`, or all is over.
    pub(crate) fn change(
        &self,
        rings: u64,
        until: Option<Instant>,
    ) -> impl Operation<Output = Option<()>> {
        self.0.when(until, move |state| {
            (state.rings != rings || state.is_over).then_some(())
        })
    }
}
