//! What the tests of sockets share.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    time::{Duration, Instant},
};

use standin_socket::{Client, Connection, Server};

/// Longer than anything takes; a test that needs it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Long enough to see that nothing comes.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

/// Both ends of a connection: the client's, the server's, and the server.
pub(crate) fn pair() -> (Connection, Connection, Server) {
    let server = Server::builder()
        .label("server")
        .host("127.0.0.1")
        .bind()
        .unwrap();
    let client = Client::builder()
        .label("client")
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    (near, far, server)
}

/// A connection of ours and a plain socket at the other end of it.
pub(crate) fn plain_pair() -> (Connection, TcpStream, Server) {
    let server = Server::builder()
        .label("server")
        .host("127.0.0.1")
        .bind()
        .unwrap();
    let plain = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    plain.set_read_timeout(Some(LIMIT)).unwrap();
    let connection = server.accept(LIMIT).unwrap();
    (connection, plain, server)
}

/// What a call to a plain socket with a time limit leads to. The system interrupts one that
/// waits when the tests are suspended and go on.
pub(crate) fn uninterrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Runs `f`, and fails when it takes nearly as long as a hang would.
#[track_caller]
pub(crate) fn promptly<R>(f: impl FnOnce() -> R) -> R {
    let started = Instant::now();
    let result = f();
    assert!(
        started.elapsed() < LIMIT / 4,
        "it took {:?}",
        started.elapsed()
    );
    result
}

/// Waits for what other threads bring about.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT / 4, "it never happened");
        std::thread::yield_now();
    }
}

/// Both ends of a connection over a Unix socket: the client's, the server's, and the server.
pub(crate) fn unix_pair() -> (Connection, Connection, Server) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Server::builder()
        .label("server")
        .unix(&path)
        .bind()
        .unwrap();
    let near = Client::builder()
        .label("client")
        .unix(&path)
        .build()
        .connect(LIMIT)
        .unwrap();
    let far = server.accept(LIMIT).unwrap();
    (near, far, server)
}
