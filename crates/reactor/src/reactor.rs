//! The reactor of the process.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use standin_sync::Unpoisoned;

use crate::core::Busy;
use crate::group::Group;
use crate::lease::Lease;

/// The thread of the process on which everything acts that acts by itself. Handles are cheap to
/// clone.
///
/// The first handle starts the thread, the last one ends it and waits for its end. A thread that is
/// still running code of a user's a second later is left behind.
#[derive(Clone)]
pub struct Reactor {
    lease: Arc<Lease>,
}

/// The one of the process, while anybody has a handle.
static CURRENT: Mutex<Weak<Lease>> = Mutex::new(Weak::new());

impl Reactor {
    /// Returns a handle of the process's reactor, which is started if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no descriptor or no thread left.
    pub fn acquire() -> io::Result<Reactor> {
        let mut current = CURRENT.lock().unpoisoned();
        if let Some(lease) = current.upgrade() {
            return Ok(Reactor { lease });
        }
        let lease = Arc::new(Lease::start()?);
        *current = Arc::downgrade(&lease);
        Ok(Reactor { lease })
    }

    /// Returns a new group of actors. Messages use its name.
    pub fn group(&self, name: impl AsRef<str>) -> Group {
        Group::new(Arc::clone(&self.lease), name.as_ref())
    }

    /// Returns the code of a user's that the thread is running now.
    pub fn busy(&self) -> Option<Busy> {
        self.lease.core().busy()
    }

    /// Returns whether the calling thread is the reactor's: it must not wait for what acts by
    /// itself.
    pub fn is_current_thread(&self) -> bool {
        self.lease.core().is_current()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("busy", &self.busy())
            .finish_non_exhaustive()
    }
}
