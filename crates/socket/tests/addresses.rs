//! Names, addresses and socket files: what a server of a name binds, and that its clients reach it
//! and nobody else.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    collections::HashSet,
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
};

use common::{LIMIT, SHORT};
use miette::Diagnostic as _;
use standin_socket::{Address, BindError, Client, Server};
use test_port::TestPort;

const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

fn has_ipv6() -> bool {
    TcpListener::bind((V6, 0)).is_ok()
}

fn localhost(port: u16) -> Result<Server, BindError> {
    Server::builder().host("localhost").port(port).bind()
}

#[test]
fn a_name_whose_port_is_taken_cannot_be_bound() {
    let stranger = TcpListener::bind((V4, 0)).unwrap();
    let taken = stranger.local_addr().unwrap();
    let error = localhost(taken.port()).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert_eq!(error.attempts().len(), 1, "{error}");
    assert_eq!(error.attempts()[0].address, Address::from(taken));
    let help = |error: &BindError| error.help().unwrap().to_string();
    assert!(
        help(&error).contains("every address of the name"),
        "{error:?}"
    );

    let host = Server::builder().host("127.0.0.1").port(taken.port());
    let error = host.bind().unwrap_err();
    assert!(!help(&error).contains("name"), "{error:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _stranger = UnixListener::bind(&path).unwrap();
    let error = Server::builder().unix(&path).bind().unwrap_err();
    assert!(
        help(&error).contains("file") && !help(&error).contains("port"),
        "{error:?}"
    );
}

#[test]
fn a_name_whose_port_is_taken_on_another_of_its_addresses_cannot_be_bound() {
    if !has_ipv6() {
        return;
    }
    let port = TestPort::claim();
    let stranger = TcpListener::bind((V6, port.number())).unwrap();
    let taken = stranger.local_addr().unwrap();
    let error = localhost(taken.port()).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    // The address that was free is free again, and can be asked for.
    let server = Server::builder()
        .host("127.0.0.1")
        .port(taken.port())
        .bind()
        .unwrap();
    assert_eq!(server.local_address().ip(), Some(V4.into()));
}

#[test]
fn the_port_of_a_name_belongs_to_its_server_on_every_address() {
    if !has_ipv6() {
        return;
    }
    let claim = TestPort::claim();
    let port = claim.number();
    let server = localhost(port).unwrap();
    let taken = TcpListener::bind((V6, port)).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    // A client that tries that address first continues to the one that answers.
    let refused = TcpStream::connect((V6, port)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    server.refuse().unwrap();
    assert!(TcpListener::bind((V6, port)).is_err());
    let client = Client::builder().host("localhost").port(port).build();
    client.connect(LIMIT).unwrap_err();
    server.come_back().unwrap();
    client.connect(LIMIT).unwrap();

    server.close();
    TcpListener::bind((V6, port)).unwrap();
}

#[test]
fn a_chosen_port_is_free_on_every_address_of_the_name() {
    if !has_ipv6() {
        return;
    }
    // Strangers on as many ports as make it likely that one of them would be chosen for IPv4.
    let strangers: Vec<_> = (0..200)
        .map(|_| TcpListener::bind((V6, 0)).unwrap())
        .collect();
    let taken: HashSet<u16> = strangers
        .iter()
        .map(|stranger| stranger.local_addr().unwrap().port())
        .collect();
    let servers: Vec<_> = (0..200).map(|_| localhost(0).unwrap()).collect();
    for server in &servers {
        assert!(!taken.contains(&server.port()));
        let client = Client::builder().port(server.port()).build();
        let near = client.connect(LIMIT).unwrap();
        assert_eq!(near.peer_address(), server.local_address());
    }
}

#[test]
fn a_server_of_a_name_binds_the_port_that_its_predecessor_left() {
    let claim = TestPort::claim();
    let port = claim.number();
    let first = localhost(port).unwrap();
    let near = Client::builder().port(port).build().connect(LIMIT).unwrap();
    first.accept(LIMIT).unwrap();
    first.close();
    drop(near);
    assert_eq!(localhost(port).unwrap().port(), port);
}

#[test]
fn a_server_on_both_families_knows_ipv4_peers_by_their_ipv4_address() {
    let Ok(server) = Server::builder().host("::").bind() else {
        return;
    };
    for host in ["127.0.0.1", "localhost"] {
        let client = Client::builder().host(host).port(server.port()).build();
        let near = client.connect(LIMIT).unwrap();
        let far = server.accept(LIMIT).unwrap();
        assert_eq!(far.peer_address(), near.local_address());
        assert_eq!(far.local_address(), near.peer_address());
        let found = server.connection_from(near.local_address()).unwrap();
        assert_eq!(found.index(), far.index());
        assert!(!far.peer_address().to_string().contains("ffff"), "{far:?}");
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let plain: SocketAddr = "127.0.0.1:80".parse().unwrap();
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:80".parse().unwrap();
    assert_eq!(Address::from(mapped), Address::from(plain));
    // However it is made.
    assert_eq!(Address::Tcp(mapped), Address::from(plain));
    assert_eq!(Address::from(plain), Address::Tcp(mapped));
    assert!(Address::Tcp(mapped) >= Address::Tcp(plain));
    assert_eq!(
        HashSet::from([Address::Tcp(mapped), Address::Tcp(plain)]).len(),
        1
    );
    assert_eq!(Address::Tcp(mapped).ip(), Some(V4.into()));
    assert_ne!(Address::Tcp(mapped), Address::unix("127.0.0.1:80"));

    let server = Server::builder().host("::ffff:127.0.0.1").bind().unwrap();
    let client = Client::builder().host("127.0.0.1").port(server.port());
    client.build().connect(LIMIT).unwrap();
    server.accept(LIMIT).unwrap();
}

#[test]
fn connections_are_found_by_the_address_of_their_peer() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let at = |stream: &TcpStream| Address::from(stream.local_addr().unwrap());
    let peers: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(("127.0.0.1", server.port())).unwrap())
        .collect();
    assert!(server.connection_from(&at(&peers[0])).is_none());
    for _ in &peers {
        server.accept(LIMIT).unwrap();
    }
    for (index, peer) in peers.iter().enumerate() {
        let found = server.connection_from(&at(peer)).unwrap();
        assert_eq!(found.index(), index);
    }
    server.close_connection(1).unwrap();
    assert!(server.connection_from(&at(&peers[1])).is_none());
    assert!(server.connection_from(&at(&peers[2])).is_some());
    server.close();
    assert!(server.connection_from(&at(&peers[2])).is_none());
}

#[test]
fn the_latest_of_several_peers_without_a_name_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Server::builder().unix(&path).bind().unwrap();
    let _peers = [
        UnixStream::connect(&path).unwrap(),
        UnixStream::connect(&path).unwrap(),
    ];
    server.accept(LIMIT).unwrap();
    let second = server.accept(LIMIT).unwrap();
    let nameless = Address::unix("");
    assert_eq!(server.connection_from(&nameless).unwrap().index(), 1);
    second.close();
    assert_eq!(server.connection_from(&nameless).unwrap().index(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_with_an_abstract_name_comes_back_to_it() {
    let name = format!("\0standin-{}-comes-back", std::process::id());
    let server = Server::builder().unix(&name).bind().unwrap();
    assert_eq!(server.local_address(), &Address::unix(&name));
    assert_eq!(server.local_address().path(), None);
    assert_eq!(
        server.local_address().to_string(),
        format!("unix:@standin-{}-comes-back", std::process::id())
    );
    let client = Client::builder().unix(&name).build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    assert_eq!(near.peer_address(), far.local_address());

    server.refuse().unwrap();
    client.connect(SHORT).unwrap_err();
    server.come_back().unwrap();
    client.connect(LIMIT).unwrap();
    server.accept(LIMIT).unwrap();

    server.close();
    client.connect(SHORT).unwrap_err();
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_lets_the_system_choose_a_name_has_it() {
    let server = Server::builder().unix("").bind().unwrap();
    let address = server.local_address().clone();
    assert_ne!(address, Address::unix(""));
    server.refuse().unwrap();
    server.come_back().unwrap();
    let Address::Unix(name) = address else {
        unreachable!("it is a Unix socket");
    };
    Client::builder().unix(name).build().connect(LIMIT).unwrap();
    server.accept(LIMIT).unwrap();
}

#[test]
fn a_server_removes_its_own_socket_file_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = || Server::builder().unix(&path).bind().unwrap();

    let ours = server();
    ours.close();
    assert!(!path.exists());

    // Another program has put its own socket there.
    for end in [Server::close, Server::abort, |_: &Server| ()] {
        let ours = server();
        std::fs::remove_file(&path).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        end(&ours);
        drop(ours);
        UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    // Nor does one that comes back take it away.
    let ours = server();
    ours.refuse().unwrap();
    std::fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    ours.come_back().unwrap_err();
    UnixStream::connect(&path).unwrap();
    ours.close();
    UnixStream::connect(&path).unwrap();

    // Nor is a file that is not a socket.
    std::fs::remove_file(&path).unwrap();
    let ours = server();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "theirs").unwrap();
    ours.close();
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
}

#[test]
fn a_server_that_came_back_removes_the_file_that_it_made_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Server::builder().unix(&path).bind().unwrap();
    server.refuse().unwrap();
    server.come_back().unwrap();
    UnixStream::connect(&path).unwrap();
    server.close();
    assert!(!path.exists());
}
