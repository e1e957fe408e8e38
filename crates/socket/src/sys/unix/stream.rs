//! The connected stream: receiving, sending, and what ends it.

use std::{
    io::{self, IoSlice},
    net::{Shutdown, TcpStream},
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::{
        RecvFlags, SendAncillaryBuffer, SendFlags,
        sockopt::{self, Timeout},
    },
};
use socket2::{SockAddr, SockRef};

use super::{source::Polled, unix_address};
use crate::{
    address::Address,
    sys::{Blocking, Descriptor, Ended, Interest},
};

/// Whether an error of a receive or send means that the connection is over, and not that this call
/// did not go well.
pub(crate) fn is_final(error: &io::Error) -> bool {
    !matches!(
        Errno::from_io_error(error),
        None | Some(
            Errno::AGAIN
                | Errno::INTR
                | Errno::NOMEM
                | Errno::NOBUFS
                | Errno::INVAL
                | Errno::FAULT
                | Errno::PERM
        )
    )
}

/// A connected stream.
///
/// It blocks: a thread that has to wait does so in the call that receives or sends, with the
/// socket's own timeout, which costs no more than a plain blocking socket. If the system ignores
/// that timeout, or another user of the same socket has made it non-blocking, the thread
/// [polls](Stream::poll) instead. Calls that must not wait pass a flag. Shutting the socket down
/// ends the wait.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) fd: OwnedFd,
    pub(super) is_tcp: bool,
}

impl Blocking {
    fn receive_flags(self) -> RecvFlags {
        match self {
            Blocking::Never => RecvFlags::DONTWAIT,
            Blocking::UntilSome => RecvFlags::empty(),
            Blocking::UntilAll => RecvFlags::WAITALL,
        }
    }

    fn send_flags(self) -> SendFlags {
        // A peer that is gone is an error and no signal. Apple's systems have an option of the
        // socket instead.
        #[cfg(not(target_vendor = "apple"))]
        let flags = SendFlags::NOSIGNAL;
        #[cfg(target_vendor = "apple")]
        let flags = SendFlags::empty();
        match self {
            Blocking::Never => flags | SendFlags::DONTWAIT,
            Blocking::UntilSome | Blocking::UntilAll => flags,
        }
    }
}

impl Stream {
    /// Another handle of the same stream.
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        self.fd.try_clone()
    }

    /// Takes over a caller's stream.
    pub(crate) fn from_tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nonblocking(false)?;
        let stream = Stream {
            fd: OwnedFd::from(stream),
            is_tcp: true,
        };
        stream.options().set_out_of_band_inline(true)?;
        Ok(stream)
    }

    #[inline]
    pub(crate) fn receive(&self, target: &mut [u8], blocking: Blocking) -> io::Result<usize> {
        let (_, count) = rustix::net::recv(&self.fd, target, blocking.receive_flags())?;
        Ok(count)
    }

    /// Receives into the spare room of `bytes`, of which there must be some.
    pub(crate) fn receive_spare(
        &self,
        bytes: &mut Vec<u8>,
        blocking: Blocking,
    ) -> io::Result<usize> {
        let (_, count) =
            rustix::net::recv(&self.fd, spare_capacity(bytes), blocking.receive_flags())?;
        Ok(count)
    }

    #[inline]
    pub(crate) fn send(&self, bytes: &[u8], blocking: Blocking) -> io::Result<usize> {
        Ok(rustix::net::send(&self.fd, bytes, blocking.send_flags())?)
    }

    /// Sends several pieces in order, without waiting.
    pub(crate) fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [piece] = pieces {
            return self.send(piece, Blocking::Never);
        }
        let flags = Blocking::Never.send_flags();
        let mut nothing = SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(&self.fd, pieces, &mut nothing, flags)?)
    }

    /// How long a receive waits; `None` is forever.
    pub(crate) fn set_receive_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(
            &self.fd,
            Timeout::Recv,
            timeout,
        )?)
    }

    /// How long a send waits; `None` is forever.
    pub(crate) fn set_send_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_timeout(
            &self.fd,
            Timeout::Send,
            timeout,
        )?)
    }

    /// Whether the system takes a timeout as the most that a whole call may take. For a send on a
    /// Unix socket it waits as long for each piece.
    pub(crate) fn keeps_timeout(&self, interest: Interest) -> bool {
        self.is_tcp || interest == Interest::Readable
    }

    /// Waits until the stream may be ready or the time has passed, `None` forever; or perhaps
    /// less.
    pub(crate) fn poll(&self, interest: Interest, timeout: Option<Duration>) -> io::Result<()> {
        let events = match interest {
            Interest::Readable => PollFlags::IN,
            Interest::Writable => PollFlags::OUT,
        };
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(&mut [PollFd::new(&self.fd, events)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How many bytes the system has for the next receive.
    pub(crate) fn unread(&self) -> usize {
        rustix::io::ioctl_fionread(&self.fd)
            .ok()
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(0)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.options().shutdown(how)
    }

    /// Resets the connection: the peer gets `ECONNRESET`, and waiting threads return. It must be
    /// closed afterwards.
    pub(crate) fn reset(&self, is_sending: bool) -> io::Result<()> {
        // To close without lingering at all is how a reset is asked for. But the system closes a
        // socket only when the last thread has come back from it, and shutting down what a thread
        // sends to, which makes it come back, has the peer see the end of the stream first. Linux
        // resets at once what is connected to no address.
        self.options().set_linger(Some(Duration::ZERO))?;
        #[cfg(target_os = "linux")]
        if rustix::net::connect_unspec(&self.fd).is_ok() {
            return Ok(());
        }
        // Of this the peer learns nothing.
        self.shutdown(Shutdown::Read)?;
        if is_sending {
            self.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        self.options()
            .local_addr()
            .map(|address| self.address(&address))
    }

    pub(crate) fn peer_address(&self) -> io::Result<Address> {
        self.options()
            .peer_addr()
            .map(|address| self.address(&address))
    }

    /// What of the connection has ended, without a word to anybody and without taking anything.
    pub(crate) fn ended(&self) -> io::Result<Ended> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let incoming = PollFlags::RDHUP;
        // Elsewhere the end is only seen behind the last byte.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let incoming = PollFlags::HUP;
        let mut polled = [PollFd::new(&self.fd, incoming)];
        rustix::event::poll(&mut polled, Some(&Timespec::default()))?;
        let found = polled[0].revents();
        Ok(if found.intersects(PollFlags::HUP | PollFlags::ERR) {
            Ended::Both
        } else if found.contains(incoming) {
            Ended::Incoming
        } else {
            Ended::Nothing
        })
    }

    /// The socket in a poll of the caller.
    pub(crate) fn polled(&self) -> Polled {
        Polled(self.fd.as_raw_fd())
    }

    /// For socket options.
    pub(crate) fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.fd)
    }

    fn address(&self, address: &SockAddr) -> Address {
        match address.as_socket() {
            Some(address) if self.is_tcp => Address::from(address),
            _ => unix_address(address),
        }
    }
}
