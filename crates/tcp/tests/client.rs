//! What a test sees of a `TcpClient`, with plain sockets as its peers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use standin_driver::{Driver, Lifecycle};
use standin_entity::{Error, Status};
use standin_tcp::{TcpClient, TcpClientBuilder, TcpError};
use test_port::TestPort;

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn connected() -> (TcpClient, TcpStream, TcpListener) {
    let (listener, port) = listener();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    client.start().unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    (client, peer, listener)
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<TcpClient>();
}

#[test]
fn connects_when_it_starts() {
    let (client, mut peer, listener) = connected();
    assert_eq!(client.server_host().as_deref(), Some("127.0.0.1"));
    assert_eq!(
        client.server_port(),
        Some(listener.local_addr().unwrap().port())
    );
    assert_eq!(client.local_port(), Some(peer.peer_addr().unwrap().port()));
    assert_eq!(client.local_host().as_deref(), Some("127.0.0.1"));
    assert_eq!(client.send(b"ab").unwrap(), 2);
    assert_eq!(client.send_text("é").unwrap(), 2);
    let mut heard = [0; 4];
    peer.read_exact(&mut heard).unwrap();
    assert_eq!(heard, [b'a', b'b', 0xc3, 0xa9]);
    peer.write_all(b"answer").unwrap();
    assert_eq!(client.receive_some(1024).unwrap(), b"answer");
    peer.write_all(b"text").unwrap();
    assert_eq!(client.receive_some_text(1024).unwrap(), "text");
}

#[test]
fn reconnects_from_another_port() {
    let (client, mut peer, listener) = connected();
    let before = client.local_port();
    client.connect().unwrap();
    assert_eq!(
        peer.read(&mut [0]).unwrap(),
        0,
        "the former connection has ended"
    );
    let (mut peer, address) = listener.accept().unwrap();
    assert_eq!(client.local_port(), Some(address.port()));
    assert_ne!(client.local_port(), before);
    client.send(b"x").unwrap();
    peer.read_exact(&mut [0]).unwrap();
}

#[test]
fn connects_later_when_told_to() {
    let (listener, port) = listener();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .connect_at_start(false)
        .build()
        .unwrap();
    client.start().unwrap();
    assert_eq!(client.server_port(), Some(port));
    assert_eq!(client.local_port(), None);
    for error in [
        client.send(b"x").unwrap_err(),
        client.receive_some(1).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "client \"client\" is not connected");
    }
    client.close();
    client.connect().unwrap();
    let _peer = listener.accept().unwrap();
    assert!(client.local_port().is_some());
    client.close();
    assert!(client.local_port().is_some(), "it is still known");
    assert!(matches!(
        client.send(b"x"),
        Err(TcpError::NotConnected { .. })
    ));
}

#[test]
fn sees_the_end_of_the_stream_again_and_again() {
    let (client, peer, _listener) = connected();
    drop(peer);
    assert!(client.receive_some(10).unwrap_err().is_peer_closed());
    assert!(client.receive_some_text(10).unwrap_err().is_peer_closed());
    assert!(client.receive_exactly(1).unwrap_err().is_peer_closed());
    assert_eq!(client.receive_to_end().unwrap(), b"");
}

#[test]
fn connects_from_an_interface() {
    let (listener, port) = listener();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .interface(("127.0.0.2", 0))
        .build()
        .unwrap();
    client.start().unwrap();
    assert_eq!(listener.accept().unwrap().1.ip().to_string(), "127.0.0.2");
    assert_eq!(client.local_host().as_deref(), Some("127.0.0.2"));
}

#[track_caller]
fn check_refused(client: TcpClientBuilder, expected: &[&str]) {
    // What a failed start leaves is evidence, which nobody here needs.
    let folder = tempfile::tempdir().unwrap();
    let client = client.runpath(folder.path().join("run")).build().unwrap();
    let error = client.start().unwrap_err();
    assert_eq!(
        client.status(),
        Status::Stopped,
        "a failed start is cleaned up"
    );
    let text = format!("{:?}", Error::from(error));
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

#[test]
fn tells_why_it_cannot_connect() {
    let nobody = TestPort::claim();
    let port = nobody.number();
    check_refused(
        TcpClient::builder("client").host("127.0.0.1").port(port),
        &[
            "client",
            &format!("127.0.0.1:{port}"),
            "refused",
            "help: ",
            "code: standin::",
        ],
    );
    check_refused(
        TcpClient::builder("client")
            .host("no-such-host.invalid")
            .port(1),
        &[
            "client",
            "no-such-host.invalid",
            "help: ",
            "code: standin::",
        ],
    );
    // A service that the system does not know is refused before anything starts.
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port("no-such-service");
    let error = client.build().unwrap_err().to_string();
    assert!(
        error.contains("no service is called \"no-such-service\""),
        "{error}"
    );
}

#[test]
fn can_be_started_again_after_a_failure() {
    let claim = TestPort::claim();
    let port = claim.number();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    client.start().unwrap_err();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    client.start().unwrap();
    listener.accept().unwrap();
}

#[test]
fn needs_a_host_and_a_port() {
    let error = TcpClient::builder("client").build().unwrap_err();
    let text = format!("{:?}", Error::from(error));
    assert!(text.contains("host") && text.contains("port"), "{text}");
}

#[test]
fn cannot_be_used_before_its_start_and_after_its_stop() {
    let (listener, port) = listener();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    let check = |reason: &str| {
        let errors = [
            client.connect().unwrap_err(),
            client.send(b"x").unwrap_err(),
            client.receive_some(1).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                error.to_string(),
                format!("driver \"client\" is not running: {reason}")
            );
        }
    };
    check("it was never started");
    client.start().unwrap();
    let mut peer = listener.accept().unwrap().0;
    client.stop().unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    check("it was stopped");
}

#[test]
fn tells_its_connection() {
    let (client, peer, listener) = connected();
    let info = &client.connections()[0];
    assert_eq!(
        info.connection_rep(),
        format!("tcp://{}", listener.local_addr().unwrap().port())
    );
    assert_eq!(info.port(), Some(peer.peer_addr().unwrap().port()));
    assert_eq!(info.ends().len(), 1);
}

#[test]
fn waits_for_a_server_that_is_late_when_told_to() {
    let port = TestPort::claim();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port.number())
        .retry_connect(true)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let start = scope.spawn(|| client.start());
        let listener = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
        listener.accept().unwrap();
        start.join().unwrap().unwrap();
    });
}

#[test]
fn waits_for_a_late_server_as_long_as_a_start_may_take() {
    let port = TestPort::claim();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(port.number())
        .retry_connect(true)
        .start_limit(Duration::from_millis(50))
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let begun = Instant::now();
    client.start().unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(60));
}
