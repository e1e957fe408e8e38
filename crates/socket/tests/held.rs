//! Ports that are held for another program.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use common::LIMIT;
use socket2::{Domain, Socket, Type};
use standin_socket::{BindError, Client, HeldPort};
use test_port::TestPort;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn loopback() -> Vec<IpAddr> {
    let mut all = vec![V4];
    all.extend(TcpListener::bind((V6, 0)).is_ok().then_some(V6));
    all
}

#[test]
fn a_port_that_is_handed_over_is_nobody_elses_on_any_address() {
    let claimed = TestPort::claim();
    let number = claimed.number();
    let port = HeldPort::bind("http", "localhost", number).unwrap();
    assert_eq!(port.port(), number);
    let (listener, others) = port.hand_over();
    for ip in loopback() {
        let error = TcpListener::bind((ip, number)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{ip}");
    }
    let client = Client::builder().host("localhost").port(number).build();
    let near = client.connect(LIMIT).unwrap();
    // It blocks until a peer comes, as the program that inherits it expects.
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(near.local_address().socket_addr(), Some(peer));
    drop(others);
    for ip in loopback().into_iter().filter(|ip| *ip != V4) {
        TcpListener::bind((ip, number)).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_port_that_is_left_is_given_to_nobody_but_who_asks_for_it() {
    let port = HeldPort::bind("http", "localhost", 0).unwrap();
    let number = port.port();
    port.leave().unwrap();
    for ip in loopback() {
        let others: Vec<TcpListener> = (0..200)
            .map(|_| TcpListener::bind((ip, 0)).unwrap())
            .collect();
        for other in &others {
            assert_ne!(other.local_addr().unwrap().port(), number);
        }
        TcpListener::bind((ip, number)).unwrap();
        // It was left in TIME_WAIT: who does not reuse addresses is refused.
        let address = SocketAddr::new(ip, number);
        let plain = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        let error = plain.bind(&address.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{ip}");
    }
}

#[test]
fn a_port_that_is_taken_on_one_address_is_taken() {
    for ip in loopback() {
        let taken = TestPort::claim();
        let _stranger = TcpListener::bind((ip, taken.number())).unwrap();
        let error = HeldPort::bind("http", "localhost", taken.number()).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("\"http\""), "{error}");
    }
}

#[test]
fn a_listener_that_is_handed_over_has_the_options_of_any_other() {
    let (listener, _others) = HeldPort::bind("http", "127.0.0.1", 0).unwrap().hand_over();
    let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    assert!(!stream.nodelay().unwrap());
}
