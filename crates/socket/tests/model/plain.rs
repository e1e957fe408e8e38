//! The peer's end: a plain socket.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    time::Duration,
};

use standin_socket::Client;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Tcp,
    Unix,
}

/// The plain end.
pub(crate) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Plain {
    pub(crate) fn try_clone(&self) -> Plain {
        match self {
            Plain::Tcp(stream) => Plain::Tcp(stream.try_clone().unwrap()),
            Plain::Unix(stream) => Plain::Unix(stream.try_clone().unwrap()),
        }
    }

    pub(crate) fn shutdown(&self, half: Shutdown) -> io::Result<()> {
        match self {
            Plain::Tcp(stream) => stream.shutdown(half),
            Plain::Unix(stream) => stream.shutdown(half),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Plain::Tcp(stream) => stream.write(bytes),
            Plain::Unix(stream) => stream.write(bytes),
        }
    }

    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Plain::Tcp(stream) => stream.read(bytes),
            Plain::Unix(stream) => stream.read(bytes),
        }
    }

    /// Sends the last byte as urgent, where there is such a thing.
    pub(crate) fn write_urgently(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Plain::Tcp(stream) => socket2::SockRef::from(&*stream).send_out_of_band(bytes),
            Plain::Unix(stream) => stream.write(bytes),
        }
    }

    pub(crate) fn reset_when_dropped(&self) {
        if let Plain::Tcp(stream) = self {
            let socket = socket2::SockRef::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Where the peer listens.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// In a folder that goes with it.
    Unix {
        listener: UnixListener,
        _folder: tempfile::TempDir,
    },
}

impl Listener {
    pub(crate) fn new(kind: Kind) -> (Listener, Client) {
        match kind {
            Kind::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                let client = Client::builder().host("127.0.0.1").port(port).build();
                (Listener::Tcp(listener), client)
            }
            Kind::Unix => {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("peer");
                let listener = UnixListener::bind(&path).unwrap();
                (
                    Listener::Unix {
                        listener,
                        _folder: folder,
                    },
                    Client::builder().unix(path).build(),
                )
            }
        }
    }

    pub(crate) fn accept(&self) -> Plain {
        match self {
            Listener::Tcp(listener) => Plain::Tcp(listener.accept().unwrap().0),
            Listener::Unix { listener, .. } => Plain::Unix(listener.accept().unwrap().0),
        }
    }
}
