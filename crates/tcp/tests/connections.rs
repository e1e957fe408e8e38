//! That a graph of drivers shows who is connected now, at every moment of a connection's life.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use standin_connection::{ConnectionGraph, Evidence};
use standin_driver::{Driver, Lifecycle};
use standin_tcp::{TcpClient, TcpConnection, TcpServer};
use test_port::TestPort;

const SOON: Duration = Duration::from_secs(60);

fn graph(drivers: &[&dyn Driver]) -> ConnectionGraph {
    let name = |driver: &dyn Driver| driver.base().name().to_owned();
    let mut graph = ConnectionGraph::new(drivers.iter().map(|driver| name(*driver)));
    for driver in drivers {
        for info in driver.connections() {
            graph.add(name(*driver), info);
        }
    }
    graph
}

#[track_caller]
fn check(server: &TcpServer, client: &TcpClient, connected: bool) {
    let graph = graph(&[server, client]);
    assert_eq!(
        graph.connected("client", "server").is_ok(),
        connected,
        "{graph}"
    );
    assert!(graph.strangers("server").is_empty(), "{graph}");
}

fn client_of(server: &TcpServer) -> TcpClient {
    let client = TcpClient::builder("client")
        .host("localhost")
        .port(server.port().unwrap());
    client.build().unwrap()
}

/// Both ends of an accepted connection.
fn pair() -> (TcpServer, TcpClient, TcpConnection) {
    pair_at(0)
}

fn pair_at(port: u16) -> (TcpServer, TcpClient, TcpConnection) {
    let server = TcpServer::builder("server").port(port).build().unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    let accepted = server.accept_connection(SOON).unwrap();
    (server, client, accepted)
}

#[test]
fn a_connection_counts_before_and_after_it_is_accepted() {
    let server = TcpServer::builder("server").build().unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    check(&server, &client, false);
    client.start().unwrap();
    let evidence = || graph(&[&server, &client]).edges()[0].evidence();
    assert_eq!(evidence(), Evidence::OneEnd);
    server.accept_connection(SOON).unwrap();
    assert_eq!(evidence(), Evidence::BothEnds);
}

#[test]
fn an_end_that_is_closed_is_not_connected_whoever_closed_it() {
    let (server, client, _) = pair();
    check(&server, &client, true);
    server.close_connection(0).unwrap();
    check(&server, &client, false);

    let (server, client, _) = pair();
    client.close();
    check(&server, &client, false);
    client.connect().unwrap();
    check(&server, &client, true);

    let (server, client, accepted) = pair();
    accepted.reset().unwrap();
    check(&server, &client, false);

    let (server, client, _) = pair();
    client.connection().unwrap().reset().unwrap();
    check(&server, &client, false);
}

#[test]
fn a_driver_that_is_stopped_is_not_connected() {
    let (server, client, _) = pair();
    client.stop().unwrap();
    check(&server, &client, false);
    client.start().unwrap();
    check(&server, &client, true);

    let port = TestPort::claim();
    let (server, client, _) = pair_at(port.number());
    server.stop().unwrap();
    check(&server, &client, false);
    // Another program at the port is not the server.
    let _other = TcpListener::bind(("127.0.0.1", server.port().unwrap())).unwrap();
    client.connect().unwrap();
    check(&server, &client, false);
}

#[test]
fn a_connection_that_is_half_closed_is_connected() {
    for server_first in [true, false] {
        let (server, client, accepted) = pair();
        let near = client.connection().unwrap();
        let (first, second) = if server_first {
            (&accepted, &near)
        } else {
            (&near, &accepted)
        };
        first.shutdown_write().unwrap();
        check(&server, &client, true);
        second.send(b"still here").unwrap();
        assert_eq!(first.receive_exactly(10).unwrap(), b"still here");
        // Looking for the end does not take it from the one who waits for it.
        assert!(second.receive_some(1).unwrap_err().is_peer_closed());
        check(&server, &client, true);
        second.shutdown_write().unwrap();
        check(&server, &client, false);
    }
}

#[test]
fn one_that_receives_no_more_is_still_connected() {
    let (server, client, accepted) = pair();
    accepted.shutdown_read().unwrap();
    check(&server, &client, true);
    accepted.send(b"on it goes").unwrap();
    assert_eq!(
        client
            .connection()
            .unwrap()
            .receive_exactly(10)
            .unwrap()
            .len(),
        10
    );
}

#[test]
fn unread_bytes_do_not_hide_that_the_peer_is_gone() {
    let (server, client, _) = pair();
    client.send(b"unread").unwrap();
    client.close();
    check(&server, &client, false);
    assert_eq!(server.receive_exactly(6).unwrap(), b"unread");
}

#[test]
fn somebody_else_at_the_server_is_a_stranger() {
    let (server, client, _) = pair();
    let other = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    server.accept_connection(SOON).unwrap();
    let graph = graph(&[&server, &client]);
    let strangers = graph.strangers("server");
    assert_eq!(strangers.len(), 1);
    assert_eq!(strangers[0].peer(), other.local_addr().unwrap());
    let connected = graph.connected("client", "server").unwrap();
    connected.and_nobody_else().unwrap_err();
}

#[test]
fn a_client_of_another_program_on_the_same_port_is_not_connected() {
    let claim = TestPort::claim();
    let port = claim.number();
    let server = TcpServer::builder("server").host("::1").port(port);
    let server = server.build().unwrap();
    if server.start().is_err() {
        return;
    }
    let _other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    let graph = graph(&[&server, &client]);
    let error = graph.connected("client", "server").unwrap_err().to_string();
    assert!(
        error.ends_with(&format!(
            "client is connected to 127.0.0.1:{port}, and server listens at [::1]:{port}"
        )),
        "{error}"
    );
}

#[test]
fn a_client_of_a_server_on_both_families_is_connected() {
    let server = TcpServer::builder("server").host("::").build().unwrap();
    if server.start().is_err() {
        return;
    }
    let client = client_of(&server);
    client.start().unwrap();
    check(&server, &client, true);
    server.accept_connection(SOON).unwrap();
    check(&server, &client, true);
}
