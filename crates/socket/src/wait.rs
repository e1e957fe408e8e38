//! Waiting in the calling thread for what no blocking call of the system waits for: a peer, the
//! outcome of a connect, the end of a pause. Receives and sends wait elsewhere, in the very call
//! that receives or sends.
//!
//! Each thread that ever waits here has an event queue of its own (a `mio::Poll`) and a waker for
//! it. A wait goes:
//!
//! 1. The caller tries the non-blocking accept or asks how the connect goes; only when it is not
//!    over does it come here.
//! 2. The socket is registered with the thread's queue, edge-triggered. The registration of the
//!    last wait is kept: a conversation over one connection registers once.
//! 3. The thread publishes its waker with the turn lock it waits in, and looks once more whether
//!    the turn lock was closed.
//! 4. It polls. An event (of the socket, or of the waker) sends it back to step 1; stale events
//!    cost one more try.
//!
//! Only one registration is kept, so that traffic of sockets that the thread does not wait for
//! cannot wake it.

use std::{cell::RefCell, io, sync::Arc};

use mio::{Events, Poll, Token, Waker};
use standin_sync::long_wait;

use crate::{
    sys::{Interest, Registered, Source},
    time::Remaining,
};

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something happened; try again.
    Event,
    TimedOut,
}

/// A thread's means of waiting.
pub(crate) struct Waiter {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    registered: Option<Registered>,
}

thread_local! {
    static WAITER: RefCell<Option<Waiter>> = const { RefCell::new(None) };
}

/// Runs `f` with the calling thread's waiter, which is made on first use.
pub(crate) fn with_waiter<R>(f: impl FnOnce(&mut Waiter) -> R) -> io::Result<R> {
    let unavailable = || io::Error::other("this thread is ending, or waits already");
    WAITER
        .try_with(|cell| {
            let mut slot = cell.try_borrow_mut().map_err(|_| unavailable())?;
            let waiter = match &mut *slot {
                Some(waiter) => waiter,
                empty => empty.insert(Waiter::new()?),
            };
            Ok(f(waiter))
        })
        .unwrap_or_else(|_| Err(unavailable()))
}

impl Waiter {
    fn new() -> io::Result<Waiter> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Waiter {
            poll,
            events: Events::with_capacity(4),
            waker,
            registered: None,
        })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Waits for the socket (if there is one), the waker or the end of the time.
    pub(crate) fn wait(
        &mut self,
        socket: Option<(Source<'_>, Interest)>,
        left: Remaining,
    ) -> io::Result<Woken> {
        match socket {
            Some((source, interest)) => self.register(source, interest)?,
            // A registration that is kept must not end a pause early.
            None => self.forget(),
        }
        let left = left.as_timeout();
        let timeout = long_wait::at_once(left);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Ok(()) if self.events.is_empty() && left == Some(timeout) => Ok(Woken::TimedOut),
            Ok(()) if self.events.is_empty() => {
                // The caller looks at its deadline again and comes back.
                long_wait::goes_on();
                Ok(Woken::Event)
            }
            Ok(()) => Ok(Woken::Event),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Woken::Event),
            Err(error) => Err(error),
        }
    }

    fn register(&mut self, source: Source<'_>, interest: Interest) -> io::Result<()> {
        if self
            .registered
            .as_ref()
            .is_some_and(|registered| registered.is(&source, interest))
        {
            return Ok(());
        }
        self.forget();
        self.registered = Some(source.register(self.poll.registry(), SOCKET, interest)?);
        Ok(())
    }

    fn forget(&mut self) {
        if let Some(registered) = self.registered.take() {
            registered.deregister(self.poll.registry());
        }
    }
}
