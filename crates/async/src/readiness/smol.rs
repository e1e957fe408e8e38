//! The event loop of `async-io`, which smol uses and any executor can.

use std::{
    io,
    task::{Context, Poll, Waker},
};

use async_io::Async;
use standin_socket::operation::{Descriptor, Interest};

pub(super) struct Registered(Async<Descriptor>);

/// Whether the event loop of smol is the one to use: a task of tokio uses that of its runtime.
pub(super) fn is_meant() -> bool {
    #[cfg(feature = "tokio")]
    return super::tokio::current().is_none();
    #[cfg(not(feature = "tokio"))]
    return true;
}

impl Registered {
    pub(super) fn new(descriptor: Descriptor) -> io::Result<Registered> {
        // The socket itself stays blocking, as threads may wait for it, too.
        Async::new_nonblocking(descriptor).map(Registered)
    }

    /// The loop looks again for each wait, also at what came before it began.
    pub(super) fn try_while_ready(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        attempt: &mut dyn FnMut(&Waker) -> Poll<()>,
    ) -> io::Result<()> {
        while attempt(cx.waker()).is_pending() {
            let ready = match interest {
                Interest::Readable => self.0.poll_readable(cx),
                Interest::Writable => self.0.poll_writable(cx),
            };
            match ready {
                Poll::Ready(ready) => ready?,
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}
