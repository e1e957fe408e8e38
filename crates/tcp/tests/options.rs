//! That the options of connections and their sockets do what they say.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use standin_config::{OptionValue, Value};
use standin_connection::ConnectionGraph;
use standin_driver::{Driver, Lifecycle};
use standin_tcp::{Encoding, TcpClient, TcpServer};

const SOON: Duration = Duration::from_secs(60);

fn client_of(server: &TcpServer) -> TcpClient {
    let client = TcpClient::builder("client")
        .host(server.host().unwrap())
        .port(server.port().unwrap());
    client.build().unwrap()
}

#[test]
fn a_driver_has_a_time_limit_and_an_encoding() {
    let server = TcpServer::builder("server")
        .io_timeout(Duration::from_millis(20))
        .encoding(Encoding::LATIN_1)
        .build()
        .unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    let accepted = server.accept_connection(SOON).unwrap();

    client.send([0xe9]).unwrap();
    assert_eq!(server.receive_exactly_text(1).unwrap(), "é");
    accepted.send_text("é").unwrap();
    assert_eq!(client.receive_exactly(1).unwrap(), [0xe9]);

    let began = Instant::now();
    assert!(server.receive_line().unwrap_err().is_timeout());
    assert!(accepted.receive_line().unwrap_err().is_timeout());
    assert!(began.elapsed() < SOON);
    // One call with another limit.
    client.send(b"late\n").unwrap();
    assert_eq!(accepted.with_timeout(SOON).receive_line().unwrap(), b"late");
}

#[test]
fn a_receive_has_a_limit() {
    let server = TcpServer::builder("server").receive_limit(4usize);
    let server = server.build().unwrap();
    server.start().unwrap();
    let client = client_of(&server);
    client.start().unwrap();
    server.accept_connection(SOON).unwrap();
    client.send(b"more than that\n").unwrap();
    let error = server.receive_line().unwrap_err();
    assert!(error.to_string().contains("4 bytes"), "{error}");
}

#[test]
fn sockets_have_the_options_of_their_drivers() {
    let server = TcpServer::builder("server")
        .nodelay(false)
        .keepalive(Duration::from_secs(60))
        .receive_buffer(10_000usize)
        .send_buffer(10_000usize)
        .backlog(3u32)
        .reuse_address(false)
        .build()
        .unwrap();
    server.start().unwrap();
    let listener = server.socket().unwrap().try_clone_listener().unwrap();
    let socket = socket2::SockRef::from(&listener);
    assert!(!socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert!(!socket.reuse_address().unwrap());
    // Linux doubles what it is asked for.
    assert!((10_000..=20_000).contains(&socket.recv_buffer_size().unwrap()));
    assert!((10_000..=20_000).contains(&socket.send_buffer_size().unwrap()));
}

#[test]
fn the_address_of_all_takes_ipv4_too_or_does_not() {
    for only_ipv6 in [false, true] {
        let server = TcpServer::builder("server").host("::").only_ipv6(only_ipv6);
        let server = server.build().unwrap();
        if let Err(error) = server.start() {
            eprintln!("skipped, this machine has no IPv6: {error}");
            return;
        }
        let by_ipv4 = TcpStream::connect(("127.0.0.1", server.port().unwrap()));
        assert_eq!(by_ipv4.is_err(), only_ipv6);
        // Containers often can listen, and have no address.
        if TcpListener::bind("[::1]:0").is_ok() {
            TcpStream::connect(("::1", server.port().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_unix_socket_is_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peer.sock");
    let server = TcpServer::builder("server").unix(&path).build().unwrap();
    server.start().unwrap();
    assert_eq!(server.host().unwrap(), format!("unix:{}", path.display()));
    assert_eq!(server.port(), Some(0));

    let client = client_of(&server);
    client.start().unwrap();
    let accepted = server.accept_connection(SOON).unwrap();
    client.send_text("hello\n").unwrap();
    assert_eq!(accepted.receive_line_text().unwrap(), "hello");
    assert_eq!((client.local_host(), client.local_port()), (None, None));

    let graph = || {
        let mut graph = ConnectionGraph::new(["client", "server"]);
        graph.extend(
            client
                .connections()
                .into_iter()
                .map(|info| ("client", info)),
        );
        graph.extend(
            server
                .connections()
                .into_iter()
                .map(|info| ("server", info)),
        );
        graph
    };
    graph().connected("client", "server").unwrap();
    client.close();
    assert!(graph().connected("client", "server").is_err());
    server.stop().unwrap();
    assert!(!path.exists());
}

#[test]
fn an_encoding_is_known_by_its_labels() {
    for label in ["utf-8", "Latin-1", "ascii", "utf-16", "shift_jis"] {
        let encoding = Encoding::from_value(&Value::from(label)).unwrap();
        assert_eq!(encoding, label.parse().unwrap());
        assert_eq!(
            Encoding::from_value(&encoding.to_value()).unwrap(),
            encoding
        );
    }
    let error = Encoding::from_value(&Value::from("klingon")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"klingon\" is not the label of an encoding, such as utf-8"
    );
}
