//! Who knows when a socket is ready: the event loop of a runtime, in which another handle of the
//! socket is registered for as long as the socket is open.

#[cfg(all(unix, feature = "smol"))]
mod smol;
#[cfg(all(unix, feature = "tokio"))]
mod tokio;

use std::{
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use standin_socket::operation::{Descriptor, Interest};
use standin_sync::Unpoisoned;

use crate::clock::Clock;

/// A socket in the event loops of the runtimes whose tasks wait for it: in one, nearly always.
#[derive(Default)]
pub(crate) struct Sources(Mutex<Vec<Arc<Registered>>>);

impl Sources {
    /// The socket in the event loop of the runtime that polls the present task, if it is in it.
    pub(crate) fn here(&self) -> Option<Arc<Registered>> {
        let all = self.0.lock().unpoisoned();
        all.iter().find(|source| source.is_here()).cloned()
    }

    /// Drops the registration with a runtime that has ended: another one may have its number now.
    pub(crate) fn forget(&self, gone: &Arc<Registered>) {
        let mut all = self.0.lock().unpoisoned();
        all.retain(|source| !Arc::ptr_eq(source, gone));
    }

    /// Registers the socket with that runtime, unless it is.
    pub(crate) fn register(
        &self,
        descriptor: impl FnOnce() -> io::Result<Descriptor>,
    ) -> io::Result<Arc<Registered>> {
        let mut all = self.0.lock().unpoisoned();
        if let Some(source) = all.iter().find(|source| source.is_here()) {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(Registered::new(descriptor)?);
        all.push(Arc::clone(&source));
        Ok(source)
    }
}

/// A socket in the event loop of a runtime.
pub(crate) struct Registered {
    source: Source,
    /// With the socket, so that its thread does not begin and end with each wait.
    clock: Arc<Clock>,
}

enum Source {
    #[cfg(all(unix, feature = "tokio"))]
    Tokio(self::tokio::Registered),
    #[cfg(all(unix, feature = "smol"))]
    Smol(self::smol::Registered),
    #[expect(dead_code, reason = "with no feature there is nothing else")]
    None(std::convert::Infallible),
}

impl Registered {
    /// Registers a socket with the runtime that polls the present task.
    fn new(descriptor: impl FnOnce() -> io::Result<Descriptor>) -> io::Result<Self> {
        let source = Source::new(descriptor)?;
        let clock = Clock::shared()?;
        Ok(Registered { source, clock })
    }

    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Whether the runtime is the one that polls the present task.
    fn is_here(&self) -> bool {
        match &self.source {
            #[cfg(all(unix, feature = "tokio"))]
            Source::Tokio(registered) => registered.is_here(),
            #[cfg(all(unix, feature = "smol"))]
            Source::Smol(_) => self::smol::is_meant(),
            Source::None(never) => match *never {},
        }
    }

    /// Tries until the try says that the socket was not ready, and the event loop says the same:
    /// the task is woken then when it is. A try that is over says [`Poll::Ready`].
    pub(crate) fn try_while_ready(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        attempt: &mut dyn FnMut(&Waker) -> Poll<()>,
    ) -> io::Result<()> {
        match &self.source {
            #[cfg(all(unix, feature = "tokio"))]
            Source::Tokio(registered) => registered.try_while_ready(interest, cx, attempt),
            #[cfg(all(unix, feature = "smol"))]
            Source::Smol(registered) => registered.try_while_ready(interest, cx, attempt),
            Source::None(never) => {
                let _ = (interest, cx, attempt);
                match *never {}
            }
        }
    }
}

impl Source {
    fn new(descriptor: impl FnOnce() -> io::Result<Descriptor>) -> io::Result<Source> {
        #[cfg(all(unix, feature = "tokio"))]
        if let Some(runtime) = self::tokio::current() {
            let registered = self::tokio::Registered::new(descriptor()?, runtime)?;
            return Ok(Source::Tokio(registered));
        }
        #[cfg(all(unix, feature = "smol"))]
        return self::smol::Registered::new(descriptor()?).map(Source::Smol);
        #[cfg(not(all(unix, feature = "smol")))]
        {
            let _ = descriptor;
            Err(io::Error::other(NO_RUNTIME))
        }
    }
}

/// What to do where nobody knows when a socket is ready.
#[cfg(not(all(unix, feature = "smol")))]
const NO_RUNTIME: &str = if cfg!(feature = "tokio") {
    "no tokio runtime runs this task: await it within `#[tokio::test]` or `Runtime::block_on`, turn \
     on the feature `smol` for another executor, or call the method without `_async`, for which the \
     thread waits"
} else {
    "no runtime is known: turn on the feature `tokio` or `smol` of standin, or call the method \
     without `_async`, for which the thread waits"
};
