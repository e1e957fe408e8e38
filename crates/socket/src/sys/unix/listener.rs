//! The listening socket: accepting, and refusing for a while.

use std::{
    io,
    net::{Shutdown, TcpListener},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
};

use socket2::{SockRef, Socket};

use super::{
    source::{Polled, Source, next_id},
    stream::Stream,
    unix_address,
};
use crate::{address::Address, sys::Descriptor};

/// A listening socket, non-blocking.
#[derive(Debug)]
pub(crate) struct Listener {
    kind: ListenerKind,
    id: u64,
}

#[derive(Debug)]
enum ListenerKind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Another handle of the same listening socket.
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        self.fd().try_clone_to_owned()
    }

    /// Takes over a caller's listener.
    pub(crate) fn from_tcp(listener: TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        // Accepted sockets inherit it.
        SockRef::from(&listener).set_out_of_band_inline(true)?;
        Ok(Listener {
            kind: ListenerKind::Tcp(listener),
            id: next_id(),
        })
    }

    /// Takes over a socket that listens already.
    pub(crate) fn from_socket(socket: Socket, address: &Address) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let fd = OwnedFd::from(socket);
        let kind = match address {
            Address::Tcp(_) => ListenerKind::Tcp(TcpListener::from(fd)),
            Address::Unix(_) => ListenerKind::Unix(UnixListener::from(fd)),
        };
        Ok(Listener {
            kind,
            id: next_id(),
        })
    }

    /// Whether the socket keeps its address when it stops listening, and can start again.
    pub(crate) fn can_listen_again(&self) -> bool {
        cfg!(target_os = "linux") && matches!(self.kind, ListenerKind::Tcp(_))
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, Address)> {
        let (fd, is_tcp, peer) = match &self.kind {
            ListenerKind::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                (OwnedFd::from(stream), true, Address::from(peer))
            }
            ListenerKind::Unix(listener) => {
                let (stream, peer) = SockRef::from(listener).accept()?;
                (OwnedFd::from(stream), false, unix_address(&peer))
            }
        };
        let stream = Stream { fd, is_tcp };
        // Linux makes accepted sockets blocking, others make them what the listener is.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        stream.options().set_nonblocking(false)?;
        Ok((stream, peer))
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match &self.kind {
            ListenerKind::Tcp(listener) => listener.local_addr().map(Address::from),
            ListenerKind::Unix(listener) => SockRef::from(listener)
                .local_addr()
                .map(|address| unix_address(&address)),
        }
    }

    /// Another handle of the same listening socket.
    pub(crate) fn try_clone_tcp(&self) -> io::Result<TcpListener> {
        match &self.kind {
            ListenerKind::Tcp(listener) => listener.try_clone(),
            ListenerKind::Unix(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the server listens on a Unix socket",
            )),
        }
    }

    pub(crate) fn options(&self) -> SockRef<'_> {
        match &self.kind {
            ListenerKind::Tcp(listener) => SockRef::from(listener),
            ListenerKind::Unix(listener) => SockRef::from(listener),
        }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            fd: self.fd(),
            id: self.id,
        }
    }

    /// The socket in a poll of the caller.
    pub(crate) fn polled(&self) -> Polled {
        Polled(self.fd().as_raw_fd())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            ListenerKind::Tcp(listener) => listener.as_fd(),
            ListenerKind::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Makes a listening socket refuse connections and drop those that wait. Also every other handle of
/// the socket (a clone, a child process's) stops listening.
pub(crate) fn stop_listening(listener: &Listener) -> io::Result<()> {
    listener.options().shutdown(Shutdown::Both)
}

/// The same for a socket that will [`listen_again`]: nobody can take its port meanwhile.
pub(crate) fn pause_listening(listener: &Listener) -> io::Result<()> {
    stop_listening(listener)?;
    // Sockets that both say that they share an address may, as long as neither listens.
    listener.options().set_reuse_address(false)
}

/// Ends [`pause_listening`].
pub(crate) fn listen_again(listener: &Listener, backlog: i32) -> io::Result<()> {
    // Connections of before, which linger, share the address.
    listener.options().set_reuse_address(true)?;
    listener.options().listen(backlog)
}
