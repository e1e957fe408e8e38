//! What a poll waits for: a socket, and its registration.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
    sync::atomic::{AtomicU64, Ordering},
};

use mio::{Registry, Token, event, unix::SourceFd};

use crate::sys::Interest;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other socket of this process ever had: descriptors are reused, these are not.
pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Something to wait for.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) id: u64,
}

impl Source<'_> {
    pub(crate) fn register(
        self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<Registered> {
        let fd = self.fd.as_raw_fd();
        let wanted = match interest {
            Interest::Readable => mio::Interest::READABLE,
            Interest::Writable => mio::Interest::WRITABLE,
        };
        registry.register(&mut SourceFd(&fd), token, wanted)?;
        Ok(Registered {
            fd,
            id: self.id,
            interest,
        })
    }
}

/// A socket registered with another poll, for the duration of a call.
#[derive(Debug)]
pub(crate) struct Polled(pub(super) RawFd);

impl event::Source for Polled {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0).deregister(registry)
    }
}

/// A registration with a thread's poll.
#[derive(Debug)]
pub(crate) struct Registered {
    fd: RawFd,
    id: u64,
    interest: Interest,
}

impl Registered {
    pub(crate) fn is(&self, source: &Source<'_>, interest: Interest) -> bool {
        self.id == source.id && self.interest == interest
    }

    pub(crate) fn deregister(self, registry: &Registry) {
        // Fails when the socket was closed meanwhile, and then there is nothing to undo. Should its
        // number belong to another file already: that file is not registered here, as a poll has
        // one registration at a time.
        let _ = registry.deregister(&mut SourceFd(&self.fd));
    }
}
