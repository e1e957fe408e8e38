//! The socket of a client until it is connected.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use rustix::io::Errno;
use socket2::{SockAddr, SockRef, Socket};

use super::{
    socket_address,
    source::{Polled, Source, next_id},
    stream::Stream,
    stream_socket,
};
use crate::{
    address::Address,
    sys::{ConnectProgress, Descriptor},
};

/// A connect under way.
#[derive(Debug)]
pub(crate) struct Connecting {
    socket: Socket,
    peer: SockAddr,
    address: Address,
    id: u64,
}

impl Connecting {
    /// A socket that has not begun to connect: set its options and bind it first.
    pub(crate) fn new(address: &Address) -> io::Result<Connecting> {
        let peer = socket_address(address)?;
        Ok(Connecting {
            socket: stream_socket(peer.domain())?,
            peer,
            address: address.clone(),
            id: next_id(),
        })
    }

    pub(crate) fn bind(&self, local: SocketAddr) -> io::Result<()> {
        // Lets a client bind the local port of its last connection, which may linger in TIME_WAIT.
        // To connect from it to the same peer again, it has to wait until that is over.
        self.socket.set_reuse_address(true)?;
        self.socket.bind(&local.into())
    }

    pub(crate) fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    /// Begins to connect, or asks how it goes.
    pub(crate) fn progress(&self) -> io::Result<ConnectProgress> {
        loop {
            let Err(error) = self.socket.connect(&self.peer) else {
                return Ok(ConnectProgress::Connected);
            };
            // Connecting again is how a non-blocking socket is asked for the outcome of the first
            // time.
            return match Errno::from_io_error(&error) {
                Some(Errno::INTR) => continue,
                Some(Errno::ISCONN) => Ok(ConnectProgress::Connected),
                Some(Errno::INPROGRESS | Errno::ALREADY) => Ok(ConnectProgress::UnderWay),
                // A Unix socket whose queue is full: nothing is under way, and no event will
                // follow.
                Some(Errno::AGAIN) if self.peer.is_unix() => Ok(ConnectProgress::QueueFull),
                _ => Err(error),
            };
        }
    }

    /// Whether the peer, to which the socket has begun to connect, is on this machine: then the
    /// system connects it from the address that it connects to, or within the loopback network.
    pub(crate) fn stays_here(&self) -> bool {
        let Address::Tcp(to) = self.address else {
            return true;
        };
        let from = self
            .socket
            .local_addr()
            .ok()
            .and_then(|from| from.as_socket());
        to.ip().is_loopback()
            || to.ip().is_unspecified()
            || from.is_some_and(|from| from.ip() == to.ip())
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            fd: self.socket.as_fd(),
            id: self.id,
        }
    }

    /// The socket in a poll of the caller.
    pub(crate) fn polled(&self) -> Polled {
        Polled(self.socket.as_raw_fd())
    }

    /// Another handle of the same socket.
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        self.socket.as_fd().try_clone_to_owned()
    }

    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        rustix::io::ioctl_fionbio(&self.socket, false)?;
        Ok(Stream {
            fd: OwnedFd::from(self.socket),
            is_tcp: matches!(self.address, Address::Tcp(_)),
        })
    }
}
