use std::time::Instant;

use standin_sync::Monitor;
use standin_sync::operation::Operation;

use crate::WaitEnd;

/// Wakes threads that wait for a write.
#[derive(Debug, Default)]
pub(crate) struct Bell(Monitor<State>);

#[derive(Debug, Default)]
struct State {
    rings: u64,
    over: Option<WaitEnd>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.0
            .update(|state| state.rings = state.rings.wrapping_add(1));
    }

    /// Lets there be waits again.
    pub(crate) fn open(&self) {
        self.0.update(|state| state.over = None);
    }

    /// Ends all waits, until it is opened again. Who is stopped says so also after another reason.
    pub(crate) fn end(&self, over: WaitEnd) {
        self.0.update(|state| match over {
            WaitEnd::Stopped => state.over = Some(over),
            WaitEnd::Interrupted | WaitEnd::Aborted => _ = state.over.get_or_insert(over),
        });
    }

    pub(crate) fn over(&self) -> Option<WaitEnd> {
        self.0.lock().over
    }

    /// How often it has rung. To be asked before looking at what is waited for.
    pub(crate) fn rings(&self) -> u64 {
        self.0.lock().rings
    }

    /// Waits until it rings again after `rings`, or all is over, as a part of a wait that began at
    /// `since`.
    pub(crate) fn change(
        &self,
        rings: u64,
        since: Instant,
        until: Option<Instant>,
    ) -> impl Operation<Output = Option<()>> {
        self.0.when_since(since, until, move |state| {
            (state.rings != rings || state.over.is_some()).then_some(())
        })
    }
}
