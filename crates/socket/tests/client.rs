//! What a client does: connecting, once or until it works.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{thread, time::Duration};

use common::{LIMIT, SHORT, promptly, wait_until};
use standin_socket::{Client, ConnectError, Server};
use test_port::TestPort;

/// A port that nobody listens on, kept by a server that refuses.
fn refusing() -> Server {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    server.refuse().unwrap();
    server
}

#[test]
fn every_address_of_a_name_is_tried_and_listed() {
    let server = refusing();
    let error = Client::builder()
        .label("client")
        .port(server.port())
        .build()
        .connect(LIMIT)
        .unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("client \"client\": connection refused to localhost:"),
        "{text}"
    );
    assert!(
        text.contains(&format!("\n  127.0.0.1:{}: ", server.port())),
        "{text}"
    );
    assert_eq!(
        error.io_error().unwrap().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
}

#[test]
fn a_name_that_means_nothing_is_an_error_of_its_own() {
    let error = Client::builder()
        .host("no-such-host.invalid")
        .port(1)
        .build()
        .connect(LIMIT)
        .unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
    assert!(error.to_string().contains("\"no-such-host.invalid\""));
}

#[test]
fn a_peer_that_listens_later_is_waited_for() {
    let server = refusing();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .retry_until_deadline(true)
        .build();
    let waiting = thread::spawn(move || client.connect(LIMIT).unwrap().index());
    thread::sleep(SHORT);
    server.come_back().unwrap();
    assert_eq!(waiting.join().unwrap(), 0);
    assert_eq!(server.accept(LIMIT).unwrap().index(), 0);
}

#[test]
fn waiting_for_a_peer_ends_with_the_deadline() {
    let server = refusing();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .retry_until_deadline(true)
        .build();
    for timeout in [Duration::ZERO, SHORT] {
        let error = promptly(|| client.connect(timeout)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.attempts().len(), 1);
    }
}

#[test]
fn closing_ends_a_connect_and_the_client_may_connect_again() {
    let server = refusing();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .retry_until_deadline(true)
        .build();
    let waiting = client.clone();
    let waiting = thread::spawn(move || waiting.connect(None).unwrap_err());
    // A close ends only a connect that has begun, which nobody can see.
    wait_until(|| {
        client.close();
        waiting.is_finished()
    });
    assert!(matches!(waiting.join().unwrap(), ConnectError::Closed(_)));
    server.come_back().unwrap();
    assert!(client.connect(LIMIT).is_ok());
}

#[test]
fn an_aborted_client_stays_so() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let connection = client.connect(LIMIT).unwrap();
    client.abort();
    client.close();
    assert!(!connection.is_open());
    assert!(matches!(
        client.connect(LIMIT),
        Err(ConnectError::Aborted(_))
    ));
}

#[test]
fn connecting_again_closes_the_connection_before() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    assert!(client.connection().is_none());
    let first = client.connect(LIMIT).unwrap();
    let second = client.connect(LIMIT).unwrap();
    assert_eq!((first.index(), second.index()), (0, 1));
    assert!(!first.is_open());
    assert_eq!(client.connection().unwrap().index(), 1);
    assert!(
        server
            .accept(LIMIT)
            .unwrap()
            .receive_some(1, LIMIT)
            .unwrap_err()
            .is_peer_closed()
    );
    second.close();
    assert!(client.connection().is_none());
}

#[test]
fn an_interface_is_where_the_connection_comes_from() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let spare = TestPort::claim();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .interface("127.0.0.2", spare.number())
        .build();
    let connection = client.connect(LIMIT).unwrap();
    assert_eq!(
        connection.local_address().to_string(),
        format!("127.0.0.2:{}", spare.number())
    );
    assert_eq!(
        server.accept(LIMIT).unwrap().peer_address(),
        connection.local_address()
    );
}

#[test]
fn an_interface_elsewhere_is_an_error() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .interface("203.0.113.1", 0)
        .build();
    let error = client.connect(LIMIT).unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
    assert_eq!(
        error.io_error().unwrap().kind(),
        std::io::ErrorKind::AddrNotAvailable
    );
}

#[test]
fn a_client_never_connects_to_itself() {
    // The port is the client's own, chosen with the interface: TCP would join the socket to itself.
    let port = TestPort::claim();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(port.number())
        .interface("127.0.0.1", port.number())
        .build();
    let error = client.connect(LIMIT).unwrap_err();
    assert!(matches!(error, ConnectError::Refused(_)), "{error}");
}
