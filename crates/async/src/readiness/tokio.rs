//! tokio's event loop.

use std::{
    io,
    task::{Context, Poll, Waker, ready},
};

use standin_socket::operation::{Descriptor, Interest};
use tokio::{
    io::unix::{AsyncFd, AsyncFdReadyGuard},
    runtime::{Handle, Id},
};

pub(super) struct Registered {
    descriptor: AsyncFd<Descriptor>,
    runtime: Id,
}

/// The runtime that polls the present task, if it is one of tokio's.
pub(super) fn current() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

impl Registered {
    #[allow(
        deprecated,
        reason = "what takes its place is unsafe for the sake of types whose descriptor may change; \
                  ours is the system's own and stays what it is"
    )]
    pub(super) fn new(descriptor: Descriptor, runtime: Id) -> io::Result<Registered> {
        Ok(Registered {
            descriptor: AsyncFd::try_new(descriptor)?,
            runtime,
        })
    }

    pub(super) fn is_here(&self) -> bool {
        current() == Some(self.runtime)
    }

    /// The loop remembers what was ready until it is told that it no longer is. It is asked
    /// before each try, so that it cannot take what came after the try for what was before.
    pub(super) fn try_while_ready(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        attempt: &mut dyn FnMut(&Waker) -> Poll<()>,
    ) -> io::Result<()> {
        let mut has_tried = false;
        loop {
            match self.poll(interest, cx) {
                Poll::Ready(guard) => {
                    let mut guard = guard?;
                    if attempt(cx.waker()).is_ready() {
                        return Ok(());
                    }
                    guard.clear_ready();
                }
                // What is there without the socket, and what its turn brings.
                Poll::Pending if !has_tried => {
                    let _ = attempt(cx.waker());
                    return Ok(());
                }
                Poll::Pending => return Ok(()),
            }
            has_tried = true;
        }
    }

    fn poll<'r>(
        &'r self,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'r, Descriptor>>> {
        let ready = match interest {
            Interest::Readable => self.descriptor.poll_read_ready(cx),
            Interest::Writable => self.descriptor.poll_write_ready(cx),
        };
        Poll::Ready(ready!(ready).map_err(|_| {
            io::Error::other(
                "the runtime is being shut down: nobody says any more when the socket is ready",
            )
        }))
    }
}
