//! The start and the end of the reactor's thread.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use standin_sync::{Monitor, Unpoisoned};

use crate::actor::Actor;
use crate::core::{Core, Request};
use crate::engine::Engine;

/// How long the end of a thread is waited for that runs code of a user's.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The right to a running thread.
pub(crate) struct Lease {
    core: Arc<Core<dyn Actor>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    has_ended: Arc<Monitor<bool>>,
}

impl Lease {
    pub(crate) fn start() -> io::Result<Self> {
        let (mut engine, core) = Engine::new()?;
        let has_ended = Arc::new(Monitor::new(false));
        let ended = Arc::clone(&has_ended);
        let thread = thread::Builder::new()
            .name("standin-reactor".to_owned())
            .spawn(move || {
                engine.run();
                // With everything in it: the descriptors are gone when the end is known.
                drop(engine);
                ended.update(|ended| *ended = true);
            })?;
        Ok(Lease {
            core,
            thread: Mutex::new(Some(thread)),
            has_ended,
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core<dyn Actor>> {
        &self.core
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.core.ask(Request::Stop);
        if self.core.is_current() {
            return;
        }
        let mut ended = self.has_ended.lock();
        while !*ended {
            // What the thread does by itself takes no time. A user's code may take any.
            let busy = self.core.busy();
            if let Some(busy) = busy.filter(|busy| busy.elapsed() >= PATIENCE) {
                tracing::warn!(%busy, "the reactor's thread is left behind");
                return;
            }
            ended = self.has_ended.wait(ended, Some(Instant::now() + PATIENCE));
        }
        drop(ended);
        if let Some(thread) = self.thread.lock().unpoisoned().take() {
            // Actors' panics end with their actors.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
