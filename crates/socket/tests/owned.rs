//! Connections in one hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use standin_socket::{Arrival, Arrivals, Client, Connection, End, OwnedConnection, Server, Tried};

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A server, its end, and the peer's.
fn pair() -> (Server, OwnedConnection, Connection) {
    let server = Server::builder().bind().expect("a free port");
    assert!(matches!(server.try_accept(), Ok(None)));
    let client = Client::builder().port(server.port()).build();
    let peer = client.connect(LIMIT).expect("the server listens");
    let owned = server.try_accept().expect("the server is open");
    let owned = owned.expect("somebody has connected");
    (server, owned, peer)
}

/// Tries until something comes; the peer has sent it already.
fn receive(owned: &mut OwnedConnection, room: usize) -> Vec<u8> {
    let mut bytes = vec![0; room];
    loop {
        match owned.try_receive(&mut bytes) {
            Tried::Done(count) => return bytes[..count].to_vec(),
            Tried::NotNow => std::thread::yield_now(),
            Tried::Ended(end) => unreachable!("{end}"),
        }
    }
}

#[test]
fn what_is_in_one_hand_shows_only_once_it_is_given_up() {
    let (server, mut owned, peer) = pair();
    let client = Client::builder().port(server.port()).build();
    let mut near = client.connect_owned(LIMIT).unwrap();
    let shared = server.accept(LIMIT).unwrap();

    assert!(client.connection().is_none());
    assert!(server.connection(0).is_none() && server.connection(1).is_some());
    assert!(server.connection_from(peer.local_address()).is_none());
    assert_eq!(server.latest().unwrap().index(), 1);
    assert_eq!(server.connections().len(), 1);
    assert_eq!((server.accepted(), server.active()), (2, 2));

    peer.send(b"hello", LIMIT).unwrap();
    assert_eq!(receive(&mut owned, 3), b"hel");
    owned.unread(b"HEL".to_vec());
    let far = owned.into_connection();
    assert_eq!(far.receive_exactly(5, LIMIT).unwrap(), b"HELlo");
    assert_eq!(server.connections().len(), 2);
    assert!(server.connection_from(peer.local_address()).is_some());

    assert!(matches!(near.try_send(b"x"), Tried::Done(1)));
    assert_eq!(shared.receive_exactly(1, LIMIT).unwrap(), b"x");
    drop(near);
    assert!(shared.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
}

#[test]
fn fewer_bytes_than_there_was_room_for_are_all_there_are() {
    let (_server, mut owned, peer) = pair();
    peer.send(b"abc", LIMIT).unwrap();
    assert_eq!(receive(&mut owned, 2), b"ab");
    owned.unread(b"ab".to_vec());
    // What was handed back and what the system has, at once.
    assert_eq!(receive(&mut owned, 10), b"abc");
    assert!(matches!(owned.try_receive(&mut [0; 4]), Tried::NotNow));
    assert!(matches!(owned.try_receive(&mut []), Tried::Done(0)));
}

#[test]
fn a_full_peer_takes_a_part_and_an_end_is_an_end() {
    let (_server, mut owned, peer) = pair();
    let much = vec![1; 64 << 20];
    let Tried::Done(sent) = owned.try_send(&much) else {
        panic!("an empty connection takes something");
    };
    assert!(sent < much.len());
    assert!(matches!(
        owned.try_send(&much),
        Tried::NotNow | Tried::Done(_)
    ));
    peer.reset().unwrap();
    while !matches!(owned.try_receive(&mut [0; 4]), Tried::Ended(End::Reset)) {
        std::thread::yield_now();
    }
    assert!(matches!(owned.try_send(b"x"), Tried::Ended(_)));
}

#[test]
fn a_waker_says_that_the_server_has_closed_it() {
    let (server, mut owned, _peer) = pair();
    let wakes = Arc::new(Wakes::default());
    owned.wake_when_closed(Waker::from(Arc::clone(&wakes)));
    assert_eq!(wakes.count(), 0);
    server.close_connection(0).unwrap();
    assert_eq!(wakes.count(), 1);
    assert!(matches!(
        owned.try_receive(&mut [0; 4]),
        Tried::Ended(End::Closed)
    ));
    assert!(matches!(owned.try_send(b"x"), Tried::Ended(End::Closed)));
    // Too late to wait for it.
    owned.wake_when_closed(Waker::from(Arc::clone(&wakes)));
    assert_eq!(wakes.count(), 2);
}

#[test]
fn a_waker_says_that_the_server_may_accept_again() {
    let server = Server::builder().bind().unwrap();
    let wakes = Arc::new(Wakes::default());
    let arrivals = server.arrivals();
    arrivals.wake_when_changed(Waker::from(Arc::clone(&wakes)));
    server.refuse().unwrap();
    let before = wakes.count();
    server.come_back().unwrap();
    assert!(wakes.count() > before);
    let before = wakes.count();
    server.close();
    assert!(wakes.count() > before);
    assert!(server.try_accept().is_err());
}

#[test]
fn a_dial_to_nobody_is_refused_without_waiting() {
    let nobody = test_port::TestPort::claim();
    let to = standin_socket::Address::resolve("127.0.0.1", nobody.number());
    let to = to.expect("an IP address needs no lookup").remove(0);
    let refused = Client::builder()
        .dial(&to, 0)
        .and_then(|mut dial| dial.try_finish());
    let error = refused.expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_dialed_connection_has_its_index_and_closes_when_it_is_dropped() {
    let server = Server::builder().bind().expect("a free port");
    let client = Client::builder().label("proxy");
    let mut dial = client.dial(server.local_address(), 7).expect("a socket");
    let near = server.accept(LIMIT).expect("somebody connects");
    let far = dial.try_finish().expect("the server listens");
    let far = far.expect("the server has accepted it");
    assert_eq!((far.index(), far.label()), (7, Some("proxy")));
    assert!(dial.try_finish().is_err(), "there was an outcome already");
    drop(far);
    assert_eq!(near.receive_to_end(LIMIT).expect("an end"), b"");
}

#[test]
fn others_have_a_turn_when_many_have_come() {
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let mut arrivals = server.arrivals();
    assert!(matches!(arrivals.take_next(), Arrival::Moved));
    let peers: Vec<_> = (0..100).map(|_| client.connect(LIMIT).unwrap()).collect();
    let mut accepted = Vec::new();
    let mut in_a_row = 0;
    while accepted.len() < peers.len() {
        match arrivals.take_next() {
            Arrival::Connection(connection) => {
                in_a_row += 1;
                accepted.push(connection);
            }
            Arrival::Enough => {
                assert!(in_a_row > 0);
                in_a_row = 0;
            }
            Arrival::Nobody => std::thread::yield_now(),
            other => panic!("{other:?}"),
        }
        assert!(in_a_row <= 64);
    }
    assert!(matches!(
        arrivals.take_next(),
        Arrival::Nobody | Arrival::Enough
    ));
}

#[test]
fn arrivals_follow_the_server_to_another_socket() {
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let mut poll = mio::Poll::new().unwrap();
    let mut arrivals = server.arrivals();
    let moved = |arrivals: &mut Arrivals, poll: &mio::Poll| {
        assert!(matches!(arrivals.take_next(), Arrival::Moved));
        let (token, interest) = (mio::Token(0), mio::Interest::READABLE);
        let registry = poll.registry();
        // The socket may be the same as before after all.
        registry
            .register(arrivals, token, interest)
            .or_else(|_| registry.reregister(arrivals, token, interest))
            .unwrap();
    };
    moved(&mut arrivals, &poll);
    assert!(matches!(arrivals.take_next(), Arrival::Nobody));
    server.refuse().unwrap();
    moved(&mut arrivals, &poll);
    assert!(matches!(arrivals.take_next(), Arrival::Nobody));
    server.come_back().unwrap();
    moved(&mut arrivals, &poll);
    let _peer = client.connect(LIMIT).unwrap();
    let mut events = mio::Events::with_capacity(8);
    poll.poll(&mut events, Some(LIMIT)).unwrap();
    assert!(matches!(arrivals.take_next(), Arrival::Connection(_)));
    server.close();
    moved(&mut arrivals, &poll);
    assert!(matches!(arrivals.take_next(), Arrival::Closed));
}

#[test]
fn an_end_that_this_side_makes_meanwhile_is_never_the_peers() {
    for round in 0..300 {
        let (server, mut owned, _peer) = pair();
        std::thread::scope(|scope| {
            scope.spawn(|| server.close_connection(0).unwrap());
            let end = loop {
                let tried = match round % 2 {
                    0 => owned.try_receive(&mut [0; 4]),
                    _ => owned.try_send(b"x"),
                };
                if let Tried::Ended(end) = tried {
                    break end;
                }
            };
            assert!(matches!(end, End::Closed), "{end}");
        });
    }
}
