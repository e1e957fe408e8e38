//! Platforms without Unix's sockets: everything compiles, and binding and connecting answer "not
//! supported here".

use std::{
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use mio::{Registry, Token, event};
use socket2::{SockRef, Socket};

use super::{Blocking, ConnectProgress, Descriptor, Ended, Interest, unsupported};
use crate::{address::Address, options::BindOptions};

/// What does not exist here.
#[derive(Debug)]
enum Never {}

fn sockets<T>() -> io::Result<T> {
    Err(unsupported("a socket of standin"))
}

#[derive(Debug)]
pub(crate) struct Source<'a>(&'a Never);

impl Source<'_> {
    pub(crate) fn register(self, _: &Registry, _: Token, _: Interest) -> io::Result<Registered> {
        match *self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Polled(Never);

impl event::Source for Polled {
    fn register(&mut self, _: &Registry, _: Token, _: mio::Interest) -> io::Result<()> {
        match self.0 {}
    }

    fn reregister(&mut self, _: &Registry, _: Token, _: mio::Interest) -> io::Result<()> {
        match self.0 {}
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Registered(Never);

impl Registered {
    pub(crate) fn is(&self, _: &Source<'_>, _: Interest) -> bool {
        match self.0 {}
    }

    pub(crate) fn deregister(self, _: &Registry) {
        match self.0 {}
    }
}

pub(crate) fn is_final(_: &io::Error) -> bool {
    true
}

#[derive(Debug)]
pub(crate) struct Stream(Never);

impl Stream {
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        match self.0 {}
    }

    pub(crate) fn from_tcp(_: TcpStream) -> io::Result<Stream> {
        sockets()
    }

    pub(crate) fn receive(&self, _: &mut [u8], _: Blocking) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn receive_spare(&self, _: &mut Vec<u8>, _: Blocking) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn send(&self, _: &[u8], _: Blocking) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn send_pieces(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn set_receive_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn set_send_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn keeps_timeout(&self, _: Interest) -> bool {
        match self.0 {}
    }

    pub(crate) fn poll(&self, _: Interest, _: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn unread(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn reset(&self, _: bool) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self.0 {}
    }

    pub(crate) fn peer_address(&self) -> io::Result<Address> {
        match self.0 {}
    }

    pub(crate) fn ended(&self) -> io::Result<Ended> {
        match self.0 {}
    }

    pub(crate) fn polled(&self) -> Polled {
        match self.0 {}
    }

    pub(crate) fn options(&self) -> SockRef<'_> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Listener(Never);

impl Listener {
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        match self.0 {}
    }

    pub(crate) fn from_tcp(_: TcpListener) -> io::Result<Listener> {
        sockets()
    }

    pub(crate) fn from_socket(_: Socket, _: &Address) -> io::Result<Listener> {
        sockets()
    }

    pub(crate) fn can_listen_again(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, Address)> {
        match self.0 {}
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self.0 {}
    }

    pub(crate) fn try_clone_tcp(&self) -> io::Result<TcpListener> {
        match self.0 {}
    }

    pub(crate) fn polled(&self) -> Polled {
        match self.0 {}
    }

    pub(crate) fn options(&self) -> SockRef<'_> {
        match self.0 {}
    }

    pub(crate) fn source(&self) -> Source<'_> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Connecting(Never);

impl Connecting {
    pub(crate) fn descriptor(&self) -> io::Result<Descriptor> {
        match self.0 {}
    }

    pub(crate) fn new(_: &Address) -> io::Result<Connecting> {
        sockets()
    }

    pub(crate) fn bind(&self, _: SocketAddr) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn options(&self) -> SockRef<'_> {
        match self.0 {}
    }

    pub(crate) fn progress(&self) -> io::Result<ConnectProgress> {
        match self.0 {}
    }

    pub(crate) fn stays_here(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn source(&self) -> Source<'_> {
        match self.0 {}
    }

    pub(crate) fn polled(&self) -> Polled {
        match self.0 {}
    }

    pub(crate) fn into_stream(self) -> io::Result<Stream> {
        match self.0 {}
    }
}

pub(crate) fn bound(_: &Address, _: BindOptions) -> io::Result<Socket> {
    sockets()
}

#[derive(Debug)]
pub(crate) struct Reservation(Never);

impl Reservation {
    pub(crate) fn of(_: SocketAddr) -> io::Result<Reservation> {
        sockets()
    }

    pub(crate) fn port(&self) -> u16 {
        match self.0 {}
    }

    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        match self.0 {}
    }
}

pub(crate) fn port_of(_: &Socket) -> io::Result<u16> {
    sockets()
}

pub(crate) fn is_unavailable(_: &io::Error) -> bool {
    false
}

#[derive(Debug)]
pub(crate) struct SocketFile(Never);

impl SocketFile {
    pub(crate) fn at(_: &Path) -> Option<SocketFile> {
        None
    }

    pub(crate) fn remove(self) {
        match self.0 {}
    }
}

pub(crate) fn stop_listening(listener: &Listener) -> io::Result<()> {
    match listener.0 {}
}

pub(crate) fn pause_listening(listener: &Listener) -> io::Result<()> {
    match listener.0 {}
}

pub(crate) fn listen_again(listener: &Listener, _: i32) -> io::Result<()> {
    match listener.0 {}
}
