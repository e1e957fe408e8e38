//! Peers of plain sockets, with a proxy between them.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use standin_driver::Lifecycle;
use standin_proxy::{TcpProxy, TcpProxyBuilder};

/// Only there to end a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A target on plain sockets, and a proxy before it.
pub(crate) struct Between {
    pub(crate) target: TcpListener,
    pub(crate) proxy: TcpProxy,
}

/// A peer, and its end at the target.
pub(crate) struct Ends {
    pub(crate) near: TcpStream,
    pub(crate) far: TcpStream,
}

impl Between {
    pub(crate) fn new(options: impl FnOnce(TcpProxyBuilder) -> TcpProxyBuilder) -> Between {
        let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = target.local_addr().expect("it is bound").to_string();
        let builder = TcpProxy::builder("wan").host("127.0.0.1").to(to);
        let proxy = options(builder).build().expect("options that make sense");
        proxy.start().expect("it starts");
        Between { target, proxy }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let port = self.proxy.port().expect("it is started");
        let near = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
        limited(near)
    }

    pub(crate) fn accept(&self) -> TcpStream {
        limited(self.target.accept().expect("the proxy connects").0)
    }

    pub(crate) fn ends(&self) -> Ends {
        let near = self.connect();
        Ends {
            far: self.accept(),
            near,
        }
    }
}

fn limited(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(LIMIT)).expect("a time");
    stream.set_write_timeout(Some(LIMIT)).expect("a time");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

pub(crate) fn send(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the proxy takes it");
}

/// Sends until nothing was taken for a while, and says how many bytes were.
pub(crate) fn fill(mut stream: &TcpStream) -> usize {
    stream.set_nonblocking(true).expect("a TCP socket");
    let piece = vec![7; 1 << 20];
    let mut sent = 0;
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(300) {
        match stream.write(&piece) {
            Ok(count) => {
                sent += count;
                last = Instant::now();
                assert!(sent < 256 << 20, "everything is taken");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                std::thread::yield_now();
            }
        }
    }
    stream.set_nonblocking(false).expect("a TCP socket");
    sent
}

pub(crate) fn receive(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("so many bytes come");
    bytes
}

/// Everything up to the end, and how it ended: with an error if it was not in order.
pub(crate) fn receive_all(mut stream: &TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).err();
    (bytes, error.map(|error| error.kind()))
}

/// Looks without waiting.
pub(crate) fn nothing_is_there(mut stream: &TcpStream) {
    stream.set_nonblocking(true).expect("a TCP socket");
    let error = stream.read(&mut [0]).expect_err("nothing has come");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("a TCP socket");
}

pub(crate) fn end(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("it is connected");
}
