use std::sync::Arc;

use standin_driver::Lifecycle;

use crate::members::Members;

/// Ends what an environment does, from any thread: a start, a stop, every wait
/// on one of its drivers. Then the drivers are torn down.
#[derive(Clone, Debug)]
pub struct AbortHandle {
    members: Arc<Members>,
}

impl AbortHandle {
    pub(crate) fn new(members: Arc<Members>) -> Self {
        AbortHandle { members }
    }

    /// Whether somebody has aborted the environment.
    pub fn is_aborted(&self) -> bool {
        !self.members.entity.is_active()
    }

    /// Aborts the environment, and all of its drivers in reverse order. Waits
    /// return at once, with an error that says so.
    pub fn abort(&self) {
        self.members.entity.set_aborting();
        for driver in self.members.drivers().iter().rev() {
            if let Err(error) = driver.abort() {
                tracing::warn!(driver = driver.name(), %error, "the abort of a driver failed");
            }
        }
        self.members.entity.set_aborted();
    }
}
