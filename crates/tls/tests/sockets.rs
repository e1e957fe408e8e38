//! TLS over sockets: everything that works on a plain connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod common;

use std::io;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{HOST, authority};
use standin_reactor::{Actor, Next, Reactor, Turn};
use standin_socket::{Client, Connection, ReceiveError, SendError, Server, framing};
use standin_tls::{
    Acceptor, Authority, ClientAuth, Connector, Defect, StartTls, StartTlsError, Tls,
    TlsAcceptError, TlsError, TlsInfo, TlsListener, Version, connect,
};

/// Longer than anything takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// A server with its listener, and what a client needs.
struct Bank {
    server: Server,
    listener: TlsListener,
    authority: Authority,
}

impl Bank {
    fn new(tls: Tls) -> Bank {
        let authority = authority();
        let server = Server::builder().label("bank").bind().unwrap();
        let acceptor = Acceptor::new(&tls, &[HOST], &authority, None).unwrap();
        let listener = TlsListener::new(&server, acceptor).unwrap();
        Bank {
            server,
            listener,
            authority,
        }
    }

    fn dial(&self) -> Connection {
        let client = Client::builder().port(self.server.port()).build();
        client.connect(LIMIT).unwrap()
    }

    fn connector(&self, tls: Tls) -> Connector {
        Connector::new(&tls, HOST, &["client.test"], &self.authority, None).unwrap()
    }

    fn connect(&self, tls: Tls) -> Result<Connection, StartTlsError> {
        let connection = self.dial();
        connect(&connection, &self.connector(tls)).map(|()| connection)
    }

    /// Both ends, from one thread.
    fn pair(&self) -> (Connection, Connection) {
        let near = self.connect(Tls::new()).unwrap();
        (near, self.listener.accept(LIMIT).unwrap())
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

#[test]
fn one_thread_has_both_ends_with_either_version() {
    for version in Version::ALL {
        let bank = Bank::new(Tls::new().versions([version]));
        let (near, far) = bank.pair();
        near.send(b"PING\r\n", LIMIT).unwrap();
        assert_eq!(far.receive_line(LIMIT).unwrap(), b"PING");
        far.send(b"PONG\r\nMORE\r\n", LIMIT).unwrap();
        assert_eq!(
            near.receive_until(b"\r\n".to_vec(), LIMIT).unwrap(),
            b"PONG\r\n"
        );
        near.expect(b"MORE\r\n", LIMIT).unwrap();
        let info = far.transform_details::<TlsInfo>().unwrap();
        assert_eq!(info.version, version);
        assert_eq!(info.server_name.as_deref(), Some(HOST));
    }
}

#[test]
fn frames_and_exact_receives_work_as_ever() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    let mut framing = framing::LengthPrefix::new(framing::Width::U16, framing::Endian::Big);
    near.send_frame(&mut framing, b"hello", LIMIT).unwrap();
    near.send(b"abcdef", LIMIT).unwrap();
    assert_eq!(far.receive_frame(&mut framing, LIMIT).unwrap(), b"hello");
    assert_eq!(far.receive_exactly(4, LIMIT).unwrap(), b"abcd");
    assert_eq!(far.peek(10, LIMIT).unwrap(), b"ef");
    assert_eq!(far.receive_some(10, LIMIT).unwrap(), b"ef");
    assert_eq!(far.receive_buffered().unwrap(), b"");
    far.send(b"x", LIMIT).unwrap();
    assert_eq!(
        near.receive_until_silence(Duration::from_millis(50), LIMIT)
            .unwrap(),
        b"x"
    );
}

#[test]
fn nothing_is_lost_by_a_receive_that_fails() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    near.send(b"abc", LIMIT).unwrap();
    let error = far
        .receive_exactly(5, Duration::from_millis(50))
        .unwrap_err();
    assert!(error.is_timeout() && error.received().len() == 3, "{error}");
    let error = far.receive_exactly(5, Duration::ZERO).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    near.send(b"de", LIMIT).unwrap();
    assert_eq!(far.receive_exactly(5, LIMIT).unwrap(), b"abcde");
}

#[test]
fn either_half_is_closed_on_its_own() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    near.send(b"question", LIMIT).unwrap();
    near.shutdown_write().unwrap();
    assert!(matches!(
        near.send(b"more", LIMIT),
        Err(SendError::ShutDown(_))
    ));
    assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"question");
    far.send(b"answer", LIMIT).unwrap();
    far.close();
    assert_eq!(near.receive_to_end(LIMIT).unwrap(), b"answer");
    assert!(matches!(
        near.receive_some(1, LIMIT),
        Err(ReceiveError::PeerClosed(_))
    ));
}

#[test]
fn a_connection_that_nobody_keeps_says_that_it_ends() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    far.send(b"bye", LIMIT).unwrap();
    drop(near);
    // A server's connection is kept by the server.
    assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"");
    far.close();
}

#[test]
fn an_end_without_a_word_is_an_error_for_a_client_only() {
    let bank = Bank::new(Tls::new().defect(Defect::NoCloseNotify));
    let (near, far) = bank.pair();
    far.send(b"cut", LIMIT).unwrap();
    far.close();
    assert_eq!(near.receive_exactly(3, LIMIT).unwrap(), b"cut");
    for _ in 0..2 {
        let error = near.receive_some(1, LIMIT).unwrap_err();
        assert!(matches!(error, ReceiveError::Transform { .. }), "{error}");
        assert!(cause(&error).contains("close_notify"), "{}", cause(&error));
    }

    let bank = Bank::new(Tls::new());
    let near = bank
        .connect(Tls::new().defect(Defect::NoCloseNotify))
        .unwrap();
    let far = bank.listener.accept(LIMIT).unwrap();
    near.close();
    assert!(matches!(
        far.receive_some(1, LIMIT),
        Err(ReceiveError::PeerClosed(_))
    ));
}

#[test]
fn two_threads_use_the_two_directions_at_once() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    let size = 3_000_000;
    let bytes: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
    thread::scope(|scope| {
        for end in [&near, &far] {
            scope.spawn(|| end.send(&bytes, LIMIT).unwrap());
            scope.spawn(|| assert!(end.receive_exactly(size, LIMIT).unwrap() == bytes));
        }
    });
}

#[test]
fn many_clients_shake_hands_at_once() {
    let bank = Bank::new(Tls::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let near = bank.connect(Tls::new()).unwrap();
                    near.send(b"x", LIMIT).unwrap();
                }
            });
        }
        for _ in 0..40 {
            let far = bank.listener.accept(LIMIT).unwrap();
            assert_eq!(far.receive_to_end(LIMIT).unwrap(), b"x");
        }
    });
    let error = bank.listener.accept(Duration::ZERO).unwrap_err();
    assert!(
        error.is_timeout() && error.to_string().contains("40 accepted so far"),
        "{error}"
    );
}

#[test]
fn a_handshake_that_fails_is_reported_by_both_sides() {
    let bank = Bank::new(Tls::new().defect(Defect::Expired));
    let error = bank.connect(Tls::new()).unwrap_err();
    assert!(
        cause(&error).contains("it has expired; it was valid until"),
        "{}",
        cause(&error)
    );
    let error = bank.listener.accept(LIMIT).unwrap_err();
    assert!(
        matches!(&error, TlsAcceptError::Handshake { .. }),
        "{error}"
    );
    let text = cause(&error);
    assert!(
        text.starts_with("server \"bank\": TLS with the client at "),
        "{text}"
    );
    assert!(
        text.contains("with alert certificate_expired (45) after it saw"),
        "{text}"
    );
    assert!(text.contains("\"bank.test\""), "{text}");
}

#[test]
fn a_peer_that_says_nothing_is_given_up_in_time() {
    let short = Duration::from_millis(100);
    let bank = Bank::new(Tls::new().handshake_limit(short));
    let silent = bank.dial();
    let error = bank.listener.accept(LIMIT).unwrap_err();
    assert!(
        cause(&error).contains("did not finish within 100ms"),
        "{}",
        cause(&error)
    );
    drop(silent);

    let silent = Server::builder().bind().unwrap();
    let client = Client::builder().port(silent.port()).build();
    let near = client.connect(LIMIT).unwrap();
    let begin = Instant::now();
    let error = connect(&near, &bank.connector(Tls::new().handshake_limit(short))).unwrap_err();
    assert!(
        cause(&error).contains("the server had sent 0 bytes"),
        "{}",
        cause(&error)
    );
    assert!(begin.elapsed() >= short);
    // A user of the connection gets the same error.
    let error = near.receive_some(1, LIMIT).unwrap_err();
    assert!(
        cause(&error).contains("did not finish within 100ms"),
        "{}",
        cause(&error)
    );
    let error = near.send(b"x", LIMIT).unwrap_err();
    assert!(
        cause(&error).contains("did not finish within 100ms"),
        "{}",
        cause(&error)
    );
}

#[test]
fn a_peer_that_only_sends_hears_why_it_was_refused() {
    // With TLS 1.3 a client is done before the server has seen its certificate.
    let bank = Bank::new(Tls::new().client_auth(ClientAuth::Required));
    let near = bank.connect(Tls::new().shows_certificate(false)).unwrap();
    let error = loop {
        if let Err(error) = near.send(&[7; 100_000], LIMIT) {
            break error;
        }
    };
    let alert = "with alert certificate_required (116)";
    assert!(cause(&error).contains(alert), "{error}");
    let again = near.send(b"x", LIMIT).unwrap_err();
    assert!(cause(&again).contains(alert), "{again}");
    let received = near.receive_some(1, LIMIT).unwrap_err();
    assert!(cause(&received).contains(alert), "{received}");
}

#[test]
fn a_limit_that_no_clock_reaches_is_none() {
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
        let bank = Bank::new(Tls::new().handshake_limit(limit));
        bank.connect(Tls::new().handshake_limit(limit)).unwrap();
        bank.listener.accept(LIMIT).unwrap();
    }
}

#[test]
fn a_peer_that_speaks_something_else_is_reported() {
    let bank = Bank::new(Tls::new());
    let plain = bank.dial();
    plain.send(b"EHLO bank\r\n", LIMIT).unwrap();
    let error = bank.listener.accept(LIMIT).unwrap_err();
    assert!(
        cause(&error).contains("it sent \"EHLO bank\\r\\n\""),
        "{}",
        cause(&error)
    );
}

#[test]
fn both_ends_begin_tls_on_an_open_connection_in_either_order() {
    for (server_first, version) in [
        (true, Version::Tls12),
        (false, Version::Tls12),
        (true, Version::Tls13),
        (false, Version::Tls13),
    ] {
        let authority = authority();
        let server = Server::builder().bind().unwrap();
        let client = Client::builder().port(server.port()).build();
        let near = client.connect(LIMIT).unwrap();
        let far = server.accept(LIMIT).unwrap();
        near.send(b"STARTTLS\n", LIMIT).unwrap();
        far.receive_line(LIMIT).unwrap();
        far.send(b"220 go\n", LIMIT).unwrap();
        near.receive_line(LIMIT).unwrap();

        let acceptor = Acceptor::new(&Tls::new().versions([version]), &[HOST], &authority, None);
        let connector = Connector::new(&Tls::new(), HOST, &[], &authority, None).unwrap();
        let acceptor = acceptor.unwrap();
        let begun = if server_first {
            let far = StartTls::server(&far, &acceptor).unwrap();
            (far, StartTls::client(&near, &connector).unwrap())
        } else {
            let near = StartTls::client(&near, &connector).unwrap();
            (StartTls::server(&far, &acceptor).unwrap(), near)
        };
        // The first to speak is the one that waits, too.
        far.send(b"hello\n", LIMIT).unwrap();
        assert_eq!(near.receive_line(LIMIT).unwrap(), b"hello");
        near.send(b"bye\n", LIMIT).unwrap();
        assert_eq!(far.receive_line(LIMIT).unwrap(), b"bye");
        begun.0.wait(LIMIT).unwrap();
        begun.1.wait(LIMIT).unwrap();
        let error = StartTls::server(&far, &acceptor).unwrap_err();
        assert!(matches!(error, StartTlsError::Control(_)), "{error}");
    }
}

#[test]
fn a_receive_waits_for_the_handshake_no_longer_than_its_own_limit() {
    let authority = authority();
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    let acceptor = Acceptor::new(&Tls::new(), &[HOST], &authority, None).unwrap();
    let begun = StartTls::server(&far, &acceptor).unwrap();
    let error = far.receive_some(1, Duration::from_millis(20)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(
        far.receive_some(1, Duration::ZERO)
            .unwrap_err()
            .is_timeout()
    );
    // Closing ends the handshake and every wait for it.
    thread::scope(|scope| {
        let waits = scope.spawn(|| far.receive_some(1, LIMIT).unwrap_err());
        far.close();
        let error = waits.join().unwrap();
        assert!(matches!(error, ReceiveError::Closed(_)), "{error}");
    });
    assert!(matches!(
        begun.wait(LIMIT),
        Err(StartTlsError::Closed { .. })
    ));
    drop(near);
}

/// Keeps the reactor's thread until the barrier lets it go.
struct Keeps(Arc<Barrier>);

impl Actor for Keeps {
    fn act(&mut self, _: &mut Turn<'_>) -> io::Result<Next> {
        self.0.wait();
        self.0.wait();
        Ok(Next::Done)
    }
}

#[test]
fn a_handshake_ends_if_its_connection_is_closed_before_its_turn() {
    let authority = authority();
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let _near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    let acceptor = Acceptor::new(&Tls::new(), &[HOST], &authority, None).unwrap();

    let group = Reactor::acquire().unwrap().group("test");
    let gate = Arc::new(Barrier::new(2));
    group.spawn(Keeps(Arc::clone(&gate)));
    gate.wait();
    let begun = StartTls::server(&far, &acceptor).unwrap();
    far.close();
    gate.wait();
    let error = begun.wait(LIMIT).unwrap_err();
    assert!(matches!(error, StartTlsError::Closed { .. }), "{error}");
    assert!(begun.is_over());
}

#[test]
fn a_handshake_goes_on_without_its_handle() {
    let authority = authority();
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    let acceptor = Acceptor::new(&Tls::new(), &[HOST], &authority, None).unwrap();
    drop(StartTls::server(&far, &acceptor).unwrap());
    let connector = Connector::new(&Tls::new(), HOST, &[], &authority, None).unwrap();
    connect(&near, &connector).unwrap();
    near.send(b"hello\n", LIMIT).unwrap();
    assert_eq!(far.receive_line(LIMIT).unwrap(), b"hello");
}

#[test]
fn what_came_before_its_time_is_part_of_the_handshake() {
    let authority = authority();
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let near = client.connect(LIMIT).unwrap();
    let far = server.accept(LIMIT).unwrap();
    // The client does not wait for an answer, and the server reads ahead.
    near.send(b"STARTTLS\n", LIMIT).unwrap();
    let connector = Connector::new(&Tls::new(), HOST, &[], &authority, None).unwrap();
    let _client = StartTls::client(&near, &connector).unwrap();
    far.peek(10, LIMIT).unwrap();
    assert_eq!(far.receive_line(LIMIT).unwrap(), b"STARTTLS");
    let acceptor = Acceptor::new(&Tls::new(), &[HOST], &authority, None).unwrap();
    StartTls::server(&far, &acceptor)
        .unwrap()
        .wait(LIMIT)
        .unwrap();
    near.send(b"in time", LIMIT).unwrap();
    far.expect(b"in time", LIMIT).unwrap();
}

#[test]
fn a_peer_that_does_not_read_makes_a_send_time_out_and_loses_nothing() {
    let bank = Bank::new(Tls::new());
    let (near, far) = bank.pair();
    let bytes = vec![7; 30_000_000];
    let error = near.send(&bytes, Duration::from_millis(100)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let sent = error.sent();
    assert!(sent > 0 && sent < bytes.len());
    thread::scope(|scope| {
        scope.spawn(|| {
            near.send(b"end", LIMIT).unwrap();
            near.shutdown_write().unwrap();
        });
        let received = far.receive_to_end(LIMIT).unwrap();
        assert_eq!(received.len(), sent + 3);
        assert!(received.ends_with(b"\x07end"));
    });
}

#[test]
fn a_wrong_bit_ends_the_connection_for_both() {
    let bank = Bank::new(Tls::new().defect(Defect::BadRecord));
    let (near, far) = bank.pair();
    far.send(b"spoiled", LIMIT).unwrap();
    let error = near.receive_some(1, LIMIT).unwrap_err();
    let ReceiveError::Transform { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        source.to_string().contains("cannot be decrypted"),
        "{source}"
    );
    let error = far.receive_some(1, LIMIT).unwrap_err();
    assert!(
        cause(&error).contains("alert bad_record_mac (20)"),
        "{}",
        cause(&error)
    );
    assert!(far.send(b"x", LIMIT).is_err());
}

#[test]
fn a_server_that_dribbles_is_served_by_the_patient() {
    let bank = Bank::new(Tls::new().defect(Defect::Dribble));
    // On a busy machine the first byte may come late.
    let received = [1, 4, 16].into_iter().find_map(|seconds| {
        let limit = Duration::from_secs(seconds);
        let error = bank.connect(Tls::new().handshake_limit(limit)).unwrap_err();
        let StartTlsError::Handshake { failed: source, .. } = &error else {
            panic!("{error}");
        };
        let TlsError::TimedOut { received, .. } = source else {
            panic!("{source}");
        };
        (*received > 0).then_some(*received)
    });
    assert!(received.is_some(), "nothing ever comes");
}

#[test]
fn a_server_that_closes_ends_the_wait_for_clients() {
    let bank = Bank::new(Tls::new());
    thread::scope(|scope| {
        let waits = scope.spawn(|| bank.listener.accept(LIMIT).unwrap_err());
        bank.server.close();
        let error = waits.join().unwrap();
        assert!(matches!(error, TlsAcceptError::Closed { .. }), "{error}");
    });
}

#[test]
fn a_client_that_goes_in_the_handshake_is_said_to_close_or_to_reset() {
    let bank = Bank::new(Tls::new());
    for resets in [false, true] {
        let client = bank.dial();
        // It looks like the beginning of a record.
        client.send(b"\x16\x03\x01", LIMIT).unwrap();
        match resets {
            true => client.reset().unwrap(),
            false => client.close(),
        }
        let error = bank.listener.accept(LIMIT).unwrap_err();
        let TlsAcceptError::Handshake { failed, .. } = &error else {
            panic!("{error}");
        };
        assert!(
            matches!(failed, TlsError::Ended { is_reset, .. } if *is_reset == resets),
            "{failed}"
        );
        let word = if resets { "reset" } else { "closed" };
        let says = format!("the client {word} the connection during the handshake");
        assert!(failed.to_string().contains(&says), "{failed}");
    }
}
