//! The names of testplan's drivers.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::{Duration, SystemTime};

use standin_driver::Lifecycle;
use standin_tcp::testplan::{ClientNames, DriverNames, ServerNames};
use standin_tcp::{TcpClient, TcpServer};

/// A server and a client that are connected.
fn pair() -> (TcpServer, TcpClient) {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let client = TcpClient::builder("client")
        .host("localhost")
        .port(server.port().unwrap());
    let client = client.build().unwrap();
    client.start().unwrap();
    server.accept_connection(Duration::from_secs(60)).unwrap();
    (server, client)
}

#[test]
fn a_server_receives_a_size_or_what_comes_first() {
    let (server, client) = pair();
    client.send([7; 1500]).unwrap();
    assert_eq!(server.receive(300).unwrap().len(), 300);
    assert!((1..=1024).contains(&server.receive(None).unwrap().len()));
    client.close();
    server.receive_to_end().unwrap();
    assert_eq!(server.receive(None).unwrap(), b"");
    assert_eq!(server.receive_text(None).unwrap(), "");
    assert!(server.receive(1).unwrap_err().is_peer_closed());
}

#[test]
fn a_client_receives_what_comes_first() {
    let (server, client) = pair();
    server.send_text("text").unwrap();
    assert_eq!(client.receive_text(1024).unwrap(), "text");
    server.send(b"bytes").unwrap();
    assert_eq!(client.receive(None).unwrap(), b"bytes");
    server.close_connection(0).unwrap();
    assert_eq!(client.receive(1024).unwrap(), b"");
    assert_eq!(client.receive_text(1024).unwrap(), "");
}

#[test]
fn a_client_says_when_it_sent() {
    let (server, client) = pair();
    let micros = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_secs_f64() * 1e6
    };
    let before = micros();
    let (began, sent) = client.send_tsp(b"abc").unwrap();
    assert_eq!(sent, 3);
    assert!(before <= began && began <= micros());
    assert_eq!(server.receive(3).unwrap(), b"abc");
    client.close();
    let error = client.send_tsp(b"x").unwrap_err();
    let error = error.to_string();
    let message = error.lines().next().unwrap();
    assert_eq!(message, "client \"client\" is not connected");
    assert!(error.contains("closed"), "how it ended is shown: {error}");
}

#[test]
fn hosts_and_ports_have_their_names_of_before() {
    let (server, client) = pair();
    assert_eq!(server.local_host(), server.host());
    assert_eq!(server.local_port(), server.port());
    assert_eq!(server.connection_identifier(), server.port());
    assert_eq!(client.host().as_deref(), Some("localhost"));
    assert_eq!(client.port(), client.local_port());
    assert_eq!(client.connection_identifier(), server.port());
    assert_eq!(server.get_connections()[0].ends().len(), 1);
    assert_eq!(client.get_connections()[0].ends().len(), 1);

    let before = client.port();
    client.reconnect().unwrap();
    assert_ne!(client.port(), before);
}

#[test]
fn a_client_that_is_not_connected_yet_has_an_identifier() {
    let client = TcpClient::builder("client").host("localhost").port(4711);
    let client = client.connect_at_start(false).build().unwrap();
    assert_eq!(client.connection_identifier(), None);
    client.start().unwrap();
    assert_eq!(client.connection_identifier(), Some(4711));
    assert_eq!(client.port(), None);
}
