//! Which ends a graph joins, and what a test can say about it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test fail the test"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use miette::Diagnostic;
use standin_connection::{
    ConnectionGraph, ConnectionInfo, Direction, Ends, Evidence, OwnConnection, Protocol,
    VerifyError,
};

#[test]
fn types_can_be_shared_between_threads() {
    fn is_send_and_sync<T: Send + Sync + std::fmt::Debug + 'static>() {}
    is_send_and_sync::<ConnectionGraph>();
    is_send_and_sync::<ConnectionInfo>();
    is_send_and_sync::<OwnConnection>();
    is_send_and_sync::<VerifyError>();
}

#[test]
fn joins_ends_that_name_the_same_port() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.add("client", connecting(80, 5000));
    check(
        &graph,
        expect![[r#"
            client --> server   tcp://80   5000 -> 80
        "#]],
    );
    assert_eq!(graph.edges()[0].evidence(), Evidence::Name);
}

#[test]
fn joins_ends_that_tell_the_same_addresses_whatever_they_are_called() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    let server = ConnectionInfo::new(Protocol::Tcp, Direction::Listening).with_identifier("orders");
    graph.add("server", ends(server, "127.0.0.1:80", "127.0.0.1:5000"));
    graph.add(
        "client",
        ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.1:80"),
    );
    check(
        &graph,
        expect![[r#"
            client --> server   tcp://orders   5000 -> 80
        "#]],
    );
    assert_eq!(graph.edges()[0].evidence(), Evidence::BothEnds);
}

#[test]
fn tells_servers_on_one_port_of_two_hosts_apart_by_where_the_client_went() {
    let mut graph = ConnectionGraph::new(["client", "left", "right"]);
    graph.add("left", listening(80, "127.0.0.1"));
    graph.add("right", listening(80, "127.0.0.2"));
    graph.add(
        "client",
        ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.2:80"),
    );
    check(
        &graph,
        expect![[r#"
            client --> right   tcp://80   5000 -> 80
            left   is unconnected
        "#]],
    );
}

#[test]
fn tells_servers_on_one_port_apart_by_whom_they_accepted() {
    let mut graph = ConnectionGraph::new(["client", "left", "right"]);
    graph.add(
        "left",
        ends(listening(80, "h"), "127.0.0.1:80", "127.0.0.1:5001"),
    );
    graph.add(
        "right",
        ends(listening(80, "h"), "127.0.0.2:80", "127.0.0.1:5000"),
    );
    graph.add("client", connecting(80, 5000));
    check(
        &graph,
        expect![[r#"
            client --> right   tcp://80   5000 -> 80
            left   is unconnected
            left   accepted 127.0.0.1:5001 at 127.0.0.1:80, which belongs to no driver
        "#]],
    );
}

#[test]
fn joins_a_client_that_the_server_has_not_accepted_yet() {
    let mut graph = ConnectionGraph::new(["first", "second", "server"]);
    graph.add(
        "server",
        ends(listening(80, "localhost"), "127.0.0.1:80", "127.0.0.1:5000"),
    );
    for (name, port) in [("first", 5000), ("second", 5001)] {
        let local = format!("127.0.0.1:{port}");
        graph.add(name, ends(connecting(80, port), &local, "127.0.0.1:80"));
    }
    check(
        &graph,
        expect![[r#"
            first  --> server   tcp://80   5000 -> 80
            second --> server   tcp://80   5001 -> 80
        "#]],
    );
}

#[test]
fn joins_a_client_with_a_dual_stack_server() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    let server = listening(80, "::");
    graph.add(
        "server",
        ends(server, "[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:5000"),
    );
    graph.add(
        "client",
        ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.1:80"),
    );
    assert_eq!(graph.edges()[0].evidence(), Evidence::BothEnds);
    graph
        .connected("client", "server")
        .unwrap()
        .and_nobody_else()
        .unwrap();
}

#[test]
fn does_not_join_drivers_that_have_not_started() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", ConnectionInfo::new("tcp", Direction::Listening));
    graph.add("client", ConnectionInfo::new("tcp", Direction::Connecting));
    assert_eq!(graph.unconnected(), ["client", "server"]);
}

#[test]
fn does_not_join_protocols_that_share_a_port() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    let server = ConnectionInfo::new("udp", Direction::Listening).with_identifier(80);
    graph.add("server", server);
    graph.add("client", connecting(80, 5000));
    assert_eq!(graph.edges(), []);
}

#[test]
fn does_not_join_a_driver_with_itself() {
    let mut graph = ConnectionGraph::new(["server"]);
    graph.add(
        "server",
        ends(listening(80, "h"), "127.0.0.1:80", "127.0.0.1:5000"),
    );
    graph.add(
        "server",
        ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.1:80"),
    );
    assert_eq!(graph.unconnected(), ["server"]);
    assert_eq!(graph.strangers("server"), []); // it is nobody else
}

#[test]
fn lists_the_ports_of_several_connections_in_order() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    for port in [10_000, 5000, 5000, 6000] {
        graph.add("client", connecting(80, port));
    }
    check(
        &graph,
        expect![[r#"
            client --> server   tcp://80   5000,6000,10000 -> 80
        "#]],
    );
}

#[test]
fn does_not_join_an_end_that_was_closed() {
    let client = || ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.1:80");
    let server = || ends(bound("127.0.0.1:80"), "127.0.0.1:80", "127.0.0.1:5000");
    for (name, client, server) in [
        ("the client is closed", client().closed(), server()),
        ("the server is closed", client(), server().closed()),
        ("both are closed", client().closed(), server().closed()),
        // Neither by their names, when no addresses are known.
        (
            "known by name",
            connecting(80, 5000).closed(),
            listening(80, "h"),
        ),
        (
            "known by name",
            connecting(80, 5000),
            listening(80, "h").closed(),
        ),
    ] {
        let mut graph = ConnectionGraph::new(["client", "server"]);
        graph.add("client", client);
        graph.add("server", server);
        graph.not_connected("client", "server").expect(name);
    }
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("client", client().closed());
    graph.add("server", bound("127.0.0.1:80"));
    check_error(
        graph.connected("client", "server").unwrap_err(),
        expect![[r#"
            client is not connected to server: client has no connection now
            [standin::connection::not_connected]
            client reports tcp://80 (connecting from 127.0.0.1:5000, closed)
            server reports tcp://80 (listening at localhost:80, which is 127.0.0.1:80)
            the graph:
            client is unconnected
            server is unconnected
        "#]],
    );
}

#[test]
fn joins_a_half_closed_connection_that_both_ends_have() {
    let half = |local: &str, peer: &str| {
        Ends::new(local.parse().unwrap(), peer.parse().unwrap()).half_closed()
    };
    let client = connecting(80, 5000).with_connection(half("127.0.0.1:5000", "127.0.0.1:80"));
    let server = || bound("127.0.0.1:80");

    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("client", client.clone());
    graph.add("server", ends(server(), "127.0.0.1:80", "127.0.0.1:5000"));
    graph.connected("client", "server").unwrap();

    // The server has closed it.
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("client", client);
    graph.add("server", server());
    graph.not_connected("client", "server").unwrap();

    // The client has closed it, and nobody else is there.
    let mut graph = ConnectionGraph::new(["client", "server"]);
    let left = server().with_connection(half("127.0.0.1:80", "127.0.0.1:5000"));
    graph.add("server", left);
    assert_eq!(graph.strangers("server"), []);
}

#[test]
fn does_not_join_a_client_that_went_to_another_address() {
    for (went, listens, is_joined) in [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "[::1]:80", false),
        ("[::1]:80", "127.0.0.1:80", false),
        ("127.0.0.1:81", "127.0.0.1:80", false),
        ("127.0.0.1:80", "0.0.0.0:80", true),
        ("127.0.0.1:80", "[::]:80", true),
        ("[::1]:80", "[::]:80", true),
        ("[::1]:80", "0.0.0.0:80", false),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
        // Another machine's port of the same number.
        ("10.0.0.9:80", "0.0.0.0:80", false),
    ] {
        let mut graph = ConnectionGraph::new(["client", "server"]);
        let local = if went.starts_with("[::1]") {
            "[::1]:5000"
        } else {
            "127.0.0.1:5000"
        };
        graph.add("client", ends(connecting(80, 5000), local, went));
        graph.add("server", bound(listens));
        let connected = graph.connected("client", "server");
        assert_eq!(connected.is_ok(), is_joined, "{went} and {listens}");
    }
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add(
        "client",
        ends(connecting(80, 5000), "127.0.0.1:5000", "127.0.0.1:80"),
    );
    graph.add("server", bound("[::1]:80"));
    let error = graph.connected("client", "server").unwrap_err();
    assert_eq!(
        error.to_string(),
        "client is not connected to server: client is connected to 127.0.0.1:80, \
         and server listens at [::1]:80"
    );
}

#[test]
fn what_is_added_later_is_seen() {
    let mut graph = ConnectionGraph::new(["server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    assert!(graph.edges().is_empty());
    graph.add("client", connecting(80, 5000));
    graph.connected("client", "server").unwrap();
    graph.add_driver("other");
    assert_eq!(graph.unconnected(), ["other"]);
}

#[test]
fn a_question_about_each_of_many_drivers_takes_no_longer_than_they_are_many() {
    const MANY: u16 = 20_000;
    let mut graph = ConnectionGraph::default();
    let mut server = bound("127.0.0.1:80");
    let names: Vec<String> = (0..MANY).map(|n| format!("client {n}")).collect();
    for (name, port) in names.iter().zip(1000..) {
        let local = format!("127.0.0.1:{port}");
        graph.add_driver(name);
        graph.add(name, ends(connecting(80, port), &local, "127.0.0.1:80"));
        server = ends(server, "127.0.0.1:80", &local);
    }
    graph.add("server", server);
    let started = Instant::now();
    for name in &names {
        graph.connected(name, "server").unwrap();
    }
    let clients = names.iter().map(String::as_str);
    graph.connected_only(clients, "server").unwrap();
    assert_eq!(graph.groups().len(), 1);
    // One look at all of them for each would take an hour.
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn gives_the_same_answer_each_time_it_is_asked() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.add("client", connecting(80, 5000));
    assert_eq!(graph.edges(), graph.edges());
    assert_eq!(graph.edges().len(), 1);
}

#[test]
fn says_that_two_drivers_are_not_connected() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.add(
        "client",
        ends(connecting(81, 5000), "127.0.0.1:5000", "127.0.0.1:81"),
    );
    check_error(
        graph.connected("client", "server").unwrap_err(),
        expect![[r#"
            client is not connected to server
            [standin::connection::not_connected]
            client reports tcp://81 (connecting from 127.0.0.1:5000)
                127.0.0.1:5000 -> 127.0.0.1:81
            server reports tcp://80 (listening at 127.0.0.1:80)
            the graph:
            client is unconnected
            server is unconnected
        "#]],
    );
}

#[test]
fn says_that_a_connection_goes_the_other_way() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.add("client", connecting(80, 5000));
    check_error(
        graph.connected("server", "client").unwrap_err(),
        expect![[r#"
            server is not connected to client: the connection goes the other way, client connects to server
            [standin::connection::not_connected]
            server reports tcp://80 (listening at 127.0.0.1:80)
            client reports tcp://80 (connecting from 127.0.0.1:5000)
            the graph:
            client --> server   tcp://80   5000 -> 80
        "#]],
    );
}

#[test]
fn names_a_driver_that_is_not_there() {
    let graph = ConnectionGraph::new(["client", "server"]);
    check_error(
        graph.connected("client", "serve").unwrap_err(),
        expect![[r#"
            the connection graph has no driver "serve"
            [standin::connection::unknown_driver]
            did you mean "server"? the graph:
            client is unconnected
            server is unconnected
        "#]],
    );
}

#[test]
fn names_everybody_else_who_is_connected() {
    let mut graph = ConnectionGraph::new(["client", "other", "server"]);
    let server = listening(80, "127.0.0.1");
    let server = ends(server, "127.0.0.1:80", "127.0.0.1:5000");
    let server = ends(server, "127.0.0.1:80", "127.0.0.1:5001");
    let server = ends(server, "127.0.0.1:80", "10.0.0.9:5002");
    graph.add("server", server);
    graph.add("client", connecting(80, 5000));
    graph.add("other", connecting(80, 5001));
    let connected = graph.connected("client", "server").unwrap();
    assert_eq!(connected.edges()[0].start_labels(), ["5000"]);
    check_error(
        connected.and_nobody_else().unwrap_err(),
        expect![[r#"
            server has peers other than client: other, 10.0.0.9:5002
            [standin::connection::somebody_else]
            the graph:
            client --> server   tcp://80   5000 -> 80
            other  --> server   tcp://80   5001 -> 80
            server accepted 10.0.0.9:5002 at 127.0.0.1:80, which belongs to no driver
        "#]],
    );
}

#[test]
fn verifies_exactly_who_is_connected() {
    let mut graph = ConnectionGraph::new(["a", "b", "c", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.add("a", connecting(80, 5000));
    graph.add("b", connecting(80, 5001));
    graph.connected_only(["a", "b"], "server").unwrap();
    graph.connected_only([], "c").unwrap();
    graph.not_connected("c", "server").unwrap();
    check_error(
        graph.not_connected("a", "server").unwrap_err(),
        expect![[r#"
            a is connected to server, by tcp://80
            [standin::connection::connected]
            the graph:
            a --> server   tcp://80   5000 -> 80
            b --> server   tcp://80   5001 -> 80
            c is unconnected
        "#]],
    );
}

#[test]
#[should_panic(expected = "client is not connected to server: client reports no connections")]
fn an_assertion_panics_with_the_reason() {
    let mut graph = ConnectionGraph::new(["client", "server"]);
    graph.add("server", listening(80, "127.0.0.1"));
    graph.assert_connected("client", "server");
}

fn listening(port: u16, host: &str) -> ConnectionInfo {
    ConnectionInfo::tcp_listening(port, host)
}

fn bound(address: &str) -> ConnectionInfo {
    let address: SocketAddr = address.parse().unwrap();
    listening(address.port(), "localhost").with_bound(address)
}

fn connecting(target: u16, port: u16) -> ConnectionInfo {
    ConnectionInfo::tcp_connecting(target, "127.0.0.1", port)
}

fn ends(info: ConnectionInfo, local: &str, peer: &str) -> ConnectionInfo {
    info.with_ends(local.parse().unwrap(), peer.parse().unwrap())
}

#[track_caller]
fn check(graph: &ConnectionGraph, expected: Expect) {
    expected.assert_eq(&graph.to_string());
}

#[track_caller]
fn check_error(error: VerifyError, expected: Expect) {
    let Some((code, help)) = error.code().zip(error.help()) else {
        panic!("{error} has no code or no help");
    };
    expected.assert_eq(&format!("{error}\n[{code}]\n{help}"));
}
