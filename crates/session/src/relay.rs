//! [`Relay`]: requests to end are another process's.

use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use standin_sync::Monitor;

use crate::RunError;
use crate::signals::Requests;

/// Passes SIGINT, SIGTERM, SIGHUP and SIGQUIT on to a process, which the caller has started and not
/// waited for, until it is dropped. The third one ends this process, too.
#[must_use = "dropping it ends it"]
pub struct Relay {
    first: Arc<Monitor<Option<i32>>>,
    _requests: Requests,
}

impl Relay {
    /// To the process of that number.
    ///
    /// # Errors
    ///
    /// Returns an error if signals cannot be listened to.
    pub fn to(pid: u32) -> Result<Self, RunError> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let first = Arc::new(Monitor::new(None));
        let requests = Requests::listen(None, {
            let first = first.clone();
            move |request| {
                first.update(|first| *first = first.or(Some(request.signal)));
                if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(request.signal)) {
                    // It may have ended.
                    let _ = kill_process(pid, signal);
                }
            }
        });
        let requests = requests.map_err(|source| RunError::Signals { source })?;
        Ok(Self {
            first,
            _requests: requests,
        })
    }

    /// Returns the first signal that was passed on.
    pub fn first(&self) -> Option<i32> {
        *self.first.lock()
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("first", &self.first())
            .finish_non_exhaustive()
    }
}
