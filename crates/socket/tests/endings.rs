//! How a connection ends: by closing, resetting or aborting it at any moment, from any thread, also
//! from code that a receive calls.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::{
    borrow::Cow,
    io::{ErrorKind, Read as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{LIMIT, SHORT, pair, plain_pair, promptly, uninterrupted, wait_until};
use standin_socket::{
    Client, ConnectError, Connection, ReceiveError, Server, StreamState,
    framing::{Found, FrameError, Framing},
};
use test_port::TestPort;

/// What a plain peer that reads to the end meets there.
fn last_word(mut plain: TcpStream) -> Option<ErrorKind> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match uninterrupted(|| plain.read(&mut buffer)) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => return Some(error.kind()),
        }
    }
}

#[test]
fn a_reset_is_one_for_the_peer_whatever_happens_here() {
    for round in 0..300_u64 {
        let (connection, plain, _server) = plain_pair();
        let reads_on = round % 3 != 0;
        thread::scope(|scope| {
            let sender = scope.spawn(|| while connection.send(&[0; 50_000], LIMIT).is_ok() {});
            let receiver =
                (round % 2 == 0).then(|| scope.spawn(|| connection.receive_some(1, None)));
            let late = plain.try_clone().unwrap();
            let peer = reads_on.then(|| scope.spawn(move || last_word(plain)));
            thread::sleep(Duration::from_micros(round * 17));
            promptly(|| connection.reset()).unwrap();
            promptly(|| sender.join()).unwrap();
            if let Some(receiver) = receiver {
                let error = receiver.join().unwrap().unwrap_err();
                assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
            }
            let met = match peer {
                Some(peer) => peer.join().unwrap(),
                None => last_word(late),
            };
            assert_eq!(met, Some(ErrorKind::ConnectionReset), "round {round}");
        });
        assert_eq!(connection.stream_state(), StreamState::Closed);
    }
}

#[test]
fn a_reset_from_a_matcher_while_another_thread_sends_reaches_the_peer() {
    for round in 0..30 {
        let (connection, mut plain, _server) = plain_pair();
        std::io::Write::write_all(&mut plain, b"x").unwrap();
        let sending = connection.clone();
        let sender = thread::spawn(move || sending.send(&vec![0; 50_000_000], LIMIT).is_err());
        thread::sleep(Duration::from_millis(round % 7));
        let error = promptly(|| {
            connection.receive_matching(
                |_| {
                    connection.reset().unwrap();
                    None
                },
                LIMIT,
            )
        })
        .unwrap_err();
        assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
        assert!(sender.join().unwrap());
        assert_eq!(last_word(plain), Some(ErrorKind::ConnectionReset));
    }
}

/// The descriptors of this process that are sockets to or from `port`.
#[cfg(target_os = "linux")]
fn descriptors_of(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let needle = format!(":{port:04X} ");
    let inodes: Vec<String> = table
        .lines()
        .filter(|line| {
            // The local address.
            line.split_whitespace()
                .nth(1)
                .is_some_and(|local| format!("{local} ").ends_with(&needle))
        })
        .filter_map(|line| line.split_whitespace().nth(9).map(str::to_owned))
        .collect();
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| {
            inodes
                .iter()
                .any(|inode| target.to_string_lossy() == format!("socket:[{inode}]"))
        })
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn the_descriptor_is_gone_when_closing_returns_even_from_a_matcher() {
    for with_sender in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::builder()
            .host("127.0.0.1")
            .port(listener.local_addr().unwrap().port())
            .build();
        let connection = client.connect(LIMIT).unwrap();
        let port = connection.local_address().port().unwrap();
        let (mut plain, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut plain, b"x").unwrap();
        // While others come and go, the system's list may leave one out.
        wait_until(|| descriptors_of(port) == 1);
        let sender = with_sender.then(|| {
            let sending = connection.clone();
            thread::spawn(move || sending.send(&vec![0; 50_000_000], LIMIT).is_err())
        });
        thread::sleep(SHORT);
        let error = connection
            .receive_matching(
                |_| {
                    connection.close();
                    assert_eq!(descriptors_of(port), 0);
                    None
                },
                LIMIT,
            )
            .unwrap_err();
        assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
        if let Some(sender) = sender {
            assert!(sender.join().unwrap());
        }
        assert_eq!(descriptors_of(port), 0);
    }
}

#[test]
fn nobody_waits_for_a_matcher_that_does_not_return() {
    let endings: [fn(&Connection, &Server); 5] = [
        |far, _| far.close(),
        |far, _| far.abort(),
        |far, _| far.reset().unwrap(),
        |_, server| server.close(),
        |_, server| server.abort(),
    ];
    for end in endings {
        let (near, far, server) = pair();
        near.send(b"x", LIMIT).unwrap();
        let (entered, has_entered) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let matching_far = &far;
            let matching = scope.spawn(move || {
                matching_far.receive_matching(
                    |_| {
                        entered.send(()).unwrap();
                        may_leave.recv().unwrap();
                        None
                    },
                    LIMIT,
                )
            });
            has_entered.recv_timeout(LIMIT).unwrap();
            // Others wait for their turn no longer than they want to.
            assert!(far.receive_some(1, SHORT).unwrap_err().is_timeout());
            assert!(
                far.receive_some(1, Duration::ZERO)
                    .unwrap_err()
                    .is_timeout()
            );
            promptly(|| end(&far, &server));
            promptly(|| end_again(&far, &server));
            assert!(promptly(|| near.receive_some(1, LIMIT)).is_err());
            leave.send(()).unwrap();
            let error = matching.join().unwrap().unwrap_err();
            assert!(
                matches!(error, ReceiveError::Closed(_) | ReceiveError::Aborted(_)),
                "{error}"
            );
        });
    }
}

fn end_again(far: &Connection, server: &Server) {
    far.close();
    server.close();
}

#[test]
fn a_matcher_that_receives_on_the_same_connection_gets_an_error() {
    let (near, far, _server) = pair();
    near.send(b"abc", LIMIT).unwrap();
    let mut inner = None;
    let received = promptly(|| {
        far.receive_matching(
            |bytes| {
                inner = Some(far.receive_some(1, None).unwrap_err());
                far.send(b"answer", LIMIT).unwrap();
                far.unread(b"before".to_vec());
                Some(bytes.len())
            },
            LIMIT,
        )
    });
    assert_eq!(received.unwrap(), b"abc");
    let ReceiveError::Io { source, .. } = inner.unwrap() else {
        panic!("another error");
    };
    assert_eq!(source.kind(), ErrorKind::Deadlock);
    assert_eq!(near.receive_exactly(6, LIMIT).unwrap(), b"answer");
    assert_eq!(far.receive_exactly(6, LIMIT).unwrap(), b"before");
}

/// A framing that closes its connection whenever it is asked something.
struct Closing(Connection);

impl Framing for Closing {
    fn find(&mut self, _bytes: &[u8], _seen: usize) -> Result<Found, FrameError> {
        Ok(Found::Incomplete)
    }

    fn describe(&self) -> Cow<'static, str> {
        self.0.close();
        format!("a frame of {:?}", self.0).into()
    }
}

#[test]
fn a_framing_that_describes_itself_may_use_the_connection() {
    let (_near, far, _server) = pair();
    let error = promptly(|| far.receive_frame(&mut Closing(far.clone()), SHORT)).unwrap_err();
    assert!(
        matches!(error, ReceiveError::Closed(_) | ReceiveError::TimedOut(_)),
        "{error}"
    );
    assert!(!far.is_open());
}

#[test]
fn a_matcher_that_panics_while_its_connection_is_closed_leaves_nothing_behind() {
    let (near, far, server) = pair();
    near.send(b"x", LIMIT).unwrap();
    let panicking = far.clone();
    let panic = thread::spawn(move || {
        panicking.receive_matching(
            |_| {
                panicking.close();
                panic!("on purpose")
            },
            LIMIT,
        )
    });
    assert!(panic.join().is_err());
    assert!(matches!(
        far.receive_some(1, LIMIT),
        Err(ReceiveError::Closed(_))
    ));
    assert!(near.receive_some(1, LIMIT).unwrap_err().is_peer_closed());
    promptly(|| server.close());
}

#[test]
fn everybody_who_closes_returns_when_it_is_closed() {
    for _ in 0..50 {
        let (near, far, _server) = pair();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                assert!(near.receive_some(1, LIMIT).is_err());
            });
            scope.spawn(|| {
                start.wait();
                while near.send(&[0; 10_000], LIMIT).is_ok() {}
            });
            for end in [Connection::close, Connection::abort] {
                let (near, start) = (&near, &start);
                scope.spawn(move || {
                    start.wait();
                    end(near);
                    assert!(!near.is_connected());
                    assert!(!near.is_open());
                });
            }
        });
        while far.receive_some(100_000, LIMIT).is_ok() {}
    }
}

#[test]
fn looking_for_the_peer_sees_what_happened_and_changes_nothing() {
    let (near, far, _server) = pair();
    near.send(b"abc", LIMIT).unwrap();
    assert!(far.is_connected());
    near.shutdown_write().unwrap();
    assert!(far.is_connected(), "a peer that sends no more is there");
    assert_eq!(far.receive_exactly(3, LIMIT).unwrap(), b"abc");
    near.reset().unwrap();
    wait_until(|| !far.is_connected());
    // The reset is still reported to the operation that meets it.
    let error = far.send(b"x", LIMIT).unwrap_err();
    assert!(!error.is_timeout(), "{error}");
    let (near, far, _server) = common::unix_pair();
    assert!(near.is_connected());
    far.close();
    assert!(!near.is_connected() && !far.is_connected());
}

#[test]
fn of_threads_that_connect_at_once_the_last_one_wins_and_nobody_breaks_it() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    for _ in 0..100 {
        let start = Barrier::new(6);
        let made: Vec<Connection> = thread::scope(|scope| {
            let connecting: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        client.connect(LIMIT).unwrap()
                    })
                })
                .collect();
            connecting
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let current = client.connection().expect("the last one is open");
        let newest = made.iter().map(Connection::index).max().unwrap();
        assert_eq!(current.index(), newest);
        assert_eq!(made.iter().filter(|made| made.is_open()).count(), 1);
        while let Ok(far) = server.accept(Duration::ZERO) {
            if far.peer_address() == current.local_address() {
                far.send(b"x", LIMIT).unwrap();
            }
        }
        assert_eq!(current.receive_exactly(1, LIMIT).unwrap(), b"x");
        server.close_all();
    }
}

#[test]
fn a_client_connects_after_each_close_however_closes_and_connects_meet() {
    let port = TestPort::claim();
    let server = Server::builder()
        .host("127.0.0.1")
        .port(port.number())
        .bind()
        .unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| while server.accept(None).is_ok() {});
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    match client.connect(LIMIT) {
                        Ok(_) | Err(ConnectError::Closed(_)) => {}
                        Err(other) => assert!(done.load(Ordering::SeqCst), "{other}"),
                    }
                }
            });
        }
        for _ in 0..500 {
            client.close();
            thread::yield_now();
        }
        done.store(true, Ordering::SeqCst);
        server.close();
    });
    // Whatever happened, it is not broken.
    client.close();
    let _later = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    for _ in 0..5 {
        let connection = client.connect(LIMIT).unwrap();
        assert!(connection.is_open());
        client.close();
        assert!(client.connection().is_none());
    }
}

#[test]
fn a_client_that_was_closed_while_its_connect_waited_can_connect_at_once() {
    // A peer whose queue is full: connects neither succeed nor fail.
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let full = server.fill_queue().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    for _ in 0..5 {
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| client.connect(LIMIT)))
                .collect();
            // A close ends only the connects that have begun, which nobody can see.
            wait_until(|| {
                client.close();
                waiting.iter().all(|waiting| waiting.is_finished())
            });
            // This one begins after the close, which does not end it.
            let error = client.connect(SHORT).unwrap_err();
            assert!(error.is_timeout(), "{error}");
            for waiting in waiting {
                let error = waiting.join().unwrap().unwrap_err();
                assert!(matches!(error, ConnectError::Closed(_)), "{error}");
            }
        });
    }
    drop(full);
    assert!(client.connect(LIMIT).is_ok());
}

#[test]
fn a_client_that_was_aborted_stays_so_and_makes_no_connection() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .build();
    let connection = client.connect(LIMIT).unwrap();
    let waiting = {
        let connection = connection.clone();
        thread::spawn(move || connection.receive_some(1, None).unwrap_err())
    };
    thread::sleep(SHORT);
    promptly(|| client.abort());
    assert!(matches!(waiting.join().unwrap(), ReceiveError::Aborted(_)));
    client.close();
    assert_eq!(connection.stream_state(), StreamState::Aborted);
    for _ in 0..3 {
        let error = client.connect(LIMIT).unwrap_err();
        assert!(matches!(error, ConnectError::Aborted(_)), "{error}");
    }
    server.accept(LIMIT).unwrap();
    assert!(
        server.accept(SHORT).is_err(),
        "a connection that nobody made"
    );
}

#[test]
fn a_client_comes_back_from_a_fixed_port() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let claim = TestPort::claim();
    let port = claim.number();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .interface("127.0.0.1", port)
        .build();
    for round in 0..2 {
        let near = client.connect(LIMIT).unwrap();
        assert_eq!(near.local_address().port(), Some(port));
        let far = server.accept(LIMIT).unwrap();
        near.send(b"hello", LIMIT).unwrap();
        near.close();
        assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"hello", "{round}");
        far.close();
    }
}

#[test]
fn a_second_connection_from_a_fixed_port_is_explained() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = |port| {
        Client::builder()
            .host("127.0.0.1")
            .port(server.port())
            .interface("127.0.0.1", port)
            .build()
    };
    let claim = TestPort::claim();
    let port = claim.number();
    let near = client(port).connect(LIMIT).unwrap();
    near.reset().unwrap();
    // A reset leaves nothing behind that would be in the way.
    let (first, second) = (client(port), client(port));
    let near = promptly(|| first.connect(LIMIT)).unwrap();
    let error = second.connect(SHORT).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("TIME_WAIT"), "{error}: {help}");
    let waiting = thread::spawn(move || second.connect(LIMIT));
    thread::sleep(SHORT);
    near.reset().unwrap();
    assert!(promptly(|| waiting.join().unwrap()).is_ok());
}

#[test]
fn an_interface_of_another_machine_is_refused_at_once() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .interface("203.0.113.1", 4711)
        .build();
    let error = promptly(|| client.connect(LIMIT)).unwrap_err();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
}

#[test]
fn a_client_that_retries_gets_through_to_a_server_that_comes_and_goes() {
    let server = Server::builder().host("127.0.0.1").bind().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let client = Client::builder()
        .host("127.0.0.1")
        .port(server.port())
        .retry_until_deadline(true)
        .build();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                server.refuse().unwrap();
                server.come_back().unwrap();
                // Long enough that it can be met, and often nobody comes meanwhile.
                let _ = server.accept(Duration::from_millis(1));
            }
        });
        for _ in 0..200 {
            if let Err(error) = client.connect(LIMIT) {
                done.store(true, Ordering::SeqCst);
                panic!("{error}");
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn everybody_who_closes_a_server_returns_when_it_is_closed() {
    let port = TestPort::claim();
    for _ in 0..50 {
        let server = Server::builder().host("127.0.0.1").port(port.number());
        let server = server.bind().unwrap();
        let client = Client::builder().host("127.0.0.1").port(port.number());
        let _near = client.build().connect(LIMIT).unwrap();
        let far = server.accept(LIMIT).unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for end in [Server::close, Server::abort] {
                let (far, server, start) = (&far, &server, &start);
                scope.spawn(move || {
                    start.wait();
                    end(server);
                    assert!(!far.is_connected());
                    assert_eq!(server.active(), 0);
                    assert!(TcpStream::connect(server.local_socket_addr().unwrap()).is_err());
                });
            }
        });
    }
}
