//! Sockets as Unix has them: their addresses, new ones, and ports that are kept free.

mod connecting;
mod file;
mod listener;
mod source;
mod stream;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
};

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

pub(crate) use self::{
    connecting::Connecting,
    file::SocketFile,
    listener::{Listener, listen_again, pause_listening, stop_listening},
    source::{Polled, Registered, Source},
    stream::{Stream, is_final},
};
use crate::{address::Address, options::BindOptions};

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

/// Keeps other programs off an address, without listening on it: every connect is refused.
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
