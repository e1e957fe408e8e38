//! Sockets as Unix has them.

mod file;

use std::{
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mio::{Registry, Token, event, unix::SourceFd};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    net::{
        RecvFlags, SendAncillaryBuffer, SendFlags,
        sockopt::{self, Timeout},
    },
};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

pub(crate) use self::file::SocketFile;
use super::{Blocking, ConnectProgress, Descriptor, Ended, Interest};
use crate::{address::Address, options::BindOptions};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other socket of this process ever had: descriptors are reused, these are not.
fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Something to wait for.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    fd: BorrowedFd<'a>,
    id: u64,
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
pub(crate) struct Polled(RawFd);

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
    fd: OwnedFd,
    is_tcp: bool,
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

    /// The socket in a poll of somebody else's.
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

fn unix_address(address: &SockAddr) -> Address {
    let path = address.as_pathname().unwrap_or(Path::new(""));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_namespace() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = [b"\0", name].concat();
        return Address::Unix(std::ffi::OsStr::from_bytes(&name).into());
    }
    Address::unix(path)
}

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

    /// The socket in a poll of somebody else's.
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

    /// The socket in a poll of somebody else's.
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

fn socket_address(address: &Address) -> io::Result<SockAddr> {
    match address {
        Address::Tcp(address) => Ok(SockAddr::from(*address)),
        Address::Unix(path) => SockAddr::unix(path),
    }
}

/// A new stream socket, non-blocking and closed in child processes.
fn stream_socket(domain: Domain) -> io::Result<Socket> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return Socket::new(domain, Type::STREAM.nonblocking(), None);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Binds a socket that does not listen yet. With `reuse_address`, a port that was left in TIME_WAIT
/// can be bound at once, and the socket keeps its port when it stops listening.
pub(crate) fn bound(address: &Address, options: BindOptions) -> io::Result<Socket> {
    let wanted = socket_address(address)?;
    let socket = stream_socket(wanted.domain())?;
    let Address::Tcp(tcp) = address else {
        socket.bind(&wanted)?;
        return Ok(socket);
    };
    let prepare = |socket: &Socket| {
        if let (SocketAddr::V6(_), Some(only)) = (tcp, options.only_ipv6) {
            socket.set_only_v6(only)?;
        }
        socket.set_reuse_address(options.reuse_address)
    };
    prepare(&socket)?;
    socket.bind(&wanted)?;
    if !options.reuse_address || tcp.port() != 0 {
        return Ok(socket);
    }
    // The system gives back a port that it chose itself as soon as the socket stops listening; a
    // port that was asked for stays. So ask for the one that was chosen, while the first socket
    // still holds it.
    let chosen = socket.local_addr()?;
    let keeper = stream_socket(chosen.domain())?;
    prepare(&keeper)?;
    match keeper.bind(&chosen) {
        Ok(()) => Ok(keeper),
        Err(_) => Ok(socket),
    }
}

/// Keeps everybody else off an address, without listening on it: whoever connects there is refused.
#[derive(Debug)]
pub(crate) struct Reservation {
    socket: Socket,
    port: u16,
}

impl Reservation {
    /// Of a port that the system chooses if it is zero.
    pub(crate) fn of(address: SocketAddr) -> io::Result<Reservation> {
        let socket = stream_socket(Domain::for_address(address))?;
        // What an earlier owner left in TIME_WAIT does not count, as for a server.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        // Sockets that both say that they share an address may, as long as neither listens.
        socket.set_reuse_address(false)?;
        let port = match address.port() {
            0 => port_of(&socket)?,
            port => port,
        };
        Ok(Reservation { socket, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Listens on the address after all.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        // What the listener leaves in TIME_WAIT lets others reuse the address.
        self.socket.set_reuse_address(true)?;
        self.socket.listen(1)?;
        self.socket.set_nonblocking(false)?;
        Ok(self.socket.into())
    }
}

/// The port that a TCP socket is bound to; zero for others.
pub(crate) fn port_of(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    Ok(address.map_or(0, |address| address.port()))
}

/// Whether an address could not be bound because this machine does not have it, or not its family:
/// nobody's fault, and nobody is there either.
pub(crate) fn is_unavailable(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT)
    )
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
