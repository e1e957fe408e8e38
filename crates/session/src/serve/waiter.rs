//! [`Waiter`]: how the thread of a request waits until the request is cancelled.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use standin_sync::operation::{Attempt, Descriptor, Interest, Operation, Wait, Waits};

/// Longer than any test: the operation is tried once more then.
const LONGEST: Duration = Duration::from_secs(3600);

/// The waiter of one thread. It tries an operation, and waits for the socket and for its own
/// signal, which is set to cancel the request, or when the awaited object is closed or free.
pub(crate) struct Waiter {
    signal: Arc<Signal>,
    waker: Waker,
}

/// Ends the wait of a thread.
pub(crate) struct Signal {
    is_cancelled: AtomicBool,
    event: OwnedFd,
}

/// A socket's other handle, which is kept with the socket.
#[derive(Default)]
struct Handle(OnceLock<Descriptor>);

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        let signal = Arc::new(Signal {
            is_cancelled: AtomicBool::new(false),
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        Ok(Self {
            waker: Waker::from(Arc::clone(&signal)),
            signal,
        })
    }

    /// Returns what cancels the next requests of the thread.
    pub(crate) fn begin(&self) -> Arc<Signal> {
        self.signal.is_cancelled.store(false, Ordering::SeqCst);
        Arc::clone(&self.signal)
    }

    /// Returns the result of a future that uses this waiter; `None` if the request is cancelled
    /// before.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Runs an operation; `None` if the request is cancelled before it is done. Then it has taken
    /// nothing.
    fn finish<O: Operation>(&self, operation: &mut O) -> Option<O::Output> {
        while !self.signal.is_cancelled.load(Ordering::SeqCst) {
            let waits = match operation.attempt(&self.waker) {
                Attempt::Done(output) => return Some(output),
                Attempt::Waits(waits) => waits,
            };
            if let Err(error) = self.wait(operation, waits) {
                // That it was closed meanwhile says more than that there is no handle of it.
                return Some(match operation.attempt(&self.waker) {
                    Attempt::Done(output) => output,
                    Attempt::Waits(_) => operation.fail(error),
                });
            }
        }
        None
    }

    /// Waits until it is worth another try.
    fn wait<O: Operation>(&self, operation: &O, waits: Waits) -> io::Result<()> {
        let handle: Arc<Handle>;
        let mut sources = vec![PollFd::new(&self.signal.event, PollFlags::IN)];
        if let Some(readiness) = waits.readiness {
            handle = operation.kept().value();
            let flags = match readiness {
                Interest::Readable => PollFlags::IN,
                Interest::Writable => PollFlags::OUT,
            };
            sources.push(PollFd::new(handle.get(operation)?, flags));
        }
        let left = waits.until.map_or(LONGEST, |until| {
            until.saturating_duration_since(Instant::now())
        });
        let timeout = Timespec::try_from(left.min(LONGEST)).map_err(io::Error::other)?;
        match poll(&mut sources, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if !sources[0].revents().is_empty() {
            // Nobody else reads it; what is signalled from now on ends the next wait.
            rustix::io::read(&self.signal.event, &mut [0; 8])?;
        }
        Ok(())
    }
}

impl Wait for &Waiter {
    async fn run<O: Operation>(&self, mut operation: O) -> O::Output {
        match self.finish(&mut operation) {
            Some(output) => output,
            // The caller that polls this gives it up.
            None => std::future::pending().await,
        }
    }
}

impl Signal {
    /// Cancels the request of the thread.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.give();
    }

    fn give(&self) {
        // It is full only where the thread has more signals to see than it can count.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.give();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.give();
    }
}

impl Handle {
    fn get(&self, operation: &impl Operation) -> io::Result<&Descriptor> {
        match self.0.get() {
            Some(descriptor) => Ok(descriptor),
            None => {
                let descriptor = operation.descriptor()?;
                Ok(self.0.get_or_init(|| descriptor))
            }
        }
    }
}
