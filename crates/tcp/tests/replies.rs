//! Servers and clients that answer by themselves, without an environment.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use standin_connection::Direction;
use standin_driver::{Driver, Lifecycle};
use standin_entity::Status;
use standin_reply::{
    Dialogue, Otherwise, Replies, Seen, Then, anything, echo, equals, hold, no_reply, pattern,
    prefix, reply, reply_file,
};
use standin_socket::framing::Lines;
use standin_tcp::{TcpClient, TcpError, TcpHeld, TcpServer};

/// Longer than anything here takes: reached only by a hang.
const LIMIT: Duration = Duration::from_secs(60);

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

fn started(replies: Replies) -> TcpServer {
    let server = TcpServer::builder("bank").host("127.0.0.1");
    let server = server.replies(replies).build().unwrap();
    server.start().unwrap();
    server
}

/// A program that knows nothing of all this.
struct Peer {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Peer {
    fn of(server: &TcpServer) -> Peer {
        let stream = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Peer { stream, lines }
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// What is left until the server closes its end.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        rest
    }
}

#[test]
fn a_conversation_may_go_to_another_thread() {
    fn check<T: Send + std::fmt::Debug>() {}
    check::<TcpHeld>();
}

#[test]
fn a_server_answers_each_of_its_connections() {
    let replies = lines()
        .greeting("220 {{ connection.index }}\n")
        .on(pattern("^HELO (?<who>.*)$"), "250 {{ who }}\n")
        .on("QUIT", reply("221 bye\n").then(Then::Close));
    let server = started(replies);
    let (mut first, mut second) = (Peer::of(&server), Peer::of(&server));
    assert_eq!(first.hear(), "220 0\n");
    assert_eq!(second.hear(), "220 1\n");
    second.say("HELO two\n");
    first.say("HELO one\n");
    assert_eq!(first.hear(), "250 one\n");
    assert_eq!(second.hear(), "250 two\n");
    first.say("QUIT\n");
    assert_eq!(first.rest(), "221 bye\n");
    server.wait_until(Seen::frames(3), LIMIT).unwrap();
    assert_eq!(server.ledger().unwrap().connections(), 2);
    server.stop().unwrap();
    assert_eq!(second.rest(), "");
    // The account stays.
    assert_eq!(server.ledger().unwrap().frames(), 3);
}

#[test]
fn a_stop_reports_what_is_unmet_and_what_was_unexpected() {
    let server = started(lines().on(equals("PING").times(2), "PONG\n"));
    let mut peer = Peer::of(&server);
    peer.say("PING\n");
    assert_eq!(peer.hear(), "PONG\n");
    peer.say("PUNG\n");
    let error = server
        .wait_until(Seen::everything(), LIMIT)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("unexpected frame \"PUNG\"") && error.contains("server \"bank\""),
        "{error}"
    );
    let error = format!("{:?}", server.stop().unwrap_err());
    assert!(
        error.contains("unexpected frame \"PUNG\"")
            && error.contains("must match exactly 2 times, and matched once"),
        "{error}"
    );
    assert_eq!(server.status(), Status::Stopped);
}

#[test]
fn what_has_arrived_before_a_stop_counts() {
    for _ in 0..20 {
        let server = started(lines().on(equals("DONE").times(1), no_reply()));
        let mut peer = Peer::of(&server);
        peer.say("DONE\n");
        drop(peer);
        server.stop().unwrap();
    }
}

#[test]
fn a_closure_keeps_a_state_for_each_connection() {
    let server = started(
        lines().with(|frame: &standin_reply::Frame<'_>, sum: &mut i64| {
            *sum += frame.text().parse::<i64>().ok()?;
            Some(reply(format!("{sum}\n")))
        }),
    );
    let (mut first, mut second) = (Peer::of(&server), Peer::of(&server));
    for (peer, number, sum) in [(&mut first, "1\n", "1\n"), (&mut second, "5\n", "5\n")] {
        peer.say(number);
        assert_eq!(peer.hear(), sum);
    }
    first.say("2\n");
    assert_eq!(first.hear(), "3\n");
    server.stop().unwrap();
}

#[test]
fn the_test_takes_a_conversation_over_and_hands_it_back() {
    let replies = lines()
        .on(pattern("^PAY (?<amount>.*)$"), hold("pay"))
        .on("PING", "PONG\n");
    let server = started(replies);
    let mut peer = Peer::of(&server);
    peer.say("PAY 42\nPING\n");
    let mut held = server.held("pay", LIMIT).unwrap();
    assert_eq!((held.index(), held.name()), (0, Some("pay")));
    assert_eq!(held.frame(), Some(&b"PAY 42"[..]));
    assert_eq!(held.capture("amount"), Some(&b"42"[..]));
    assert_eq!(
        held.peer_address().port(),
        Some(peer.stream.local_addr().unwrap().port())
    );
    held.send_text("which account?\n").unwrap();
    assert_eq!(peer.hear(), "which account?\n");
    // What had come with the frame is there, too.
    assert_eq!(held.receive_line_text().unwrap(), "PING");
    peer.say("7\n");
    held.expect_text("7\n").unwrap();
    held.send_frame("paid").unwrap();
    assert_eq!(peer.hear(), "paid\n");
    held.hand_back();
    peer.say("PING\n");
    assert_eq!(peer.hear(), "PONG\n");
    server.stop().unwrap();
}

#[test]
fn a_conversation_that_is_taken_is_an_ordinary_connection() {
    let server = started(lines().on(anything(), echo()));
    let mut peer = Peer::of(&server);
    peer.say("half");
    let held = server.take_over(0, LIMIT).unwrap();
    let connection = held.take();
    assert_eq!(connection.receive_exactly_text(4).unwrap(), "half");
    assert_eq!(server.connection(0).unwrap().index(), 0);
    server.send_text("by hand\n").unwrap();
    assert_eq!(peer.hear(), "by hand\n");
    peer.say("line\n");
    assert_eq!(server.receive_line_text().unwrap(), "line");
    server.stop().unwrap();
}

#[test]
fn what_the_test_would_do_itself_is_an_error_that_says_what_to_do() {
    let server = started(lines().on(anything(), no_reply()));
    let peer = Peer::of(&server);
    server.wait_until(Seen::connections(1), LIMIT).unwrap();
    let errors = [
        server.accept_connection(LIMIT).map(drop).unwrap_err(),
        server.latest_connection().map(drop).unwrap_err(),
        server.connection(0).map(drop).unwrap_err(),
        server.send("x").map(drop).unwrap_err(),
        server.receive_line().map(drop).unwrap_err(),
        server.close_connection(0).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, TcpError::AnswersByItself { .. }), "{error}");
        assert!(format!("{error:?}").contains("`take_over`"), "{error:?}");
    }
    drop(peer);
    server.stop().unwrap();

    let server = TcpServer::builder("plain").build().unwrap();
    server.start().unwrap();
    let errors = [
        server.held("x", LIMIT).map(drop).unwrap_err(),
        server.take_over(0, LIMIT).map(drop).unwrap_err(),
        server.wait_until(Seen::frames(1), LIMIT).unwrap_err(),
        server.ledger().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, TcpError::NoReplies { .. }), "{error}");
    }
    server.stop().unwrap();

    let server = TcpServer::builder("later")
        .replies(lines())
        .build()
        .unwrap();
    let errors = [
        server.held("x", LIMIT).map(drop).unwrap_err(),
        server.ledger().map(drop).unwrap_err(),
        server.accept_connection(LIMIT).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, TcpError::NotRunning { .. }), "{error}");
    }
}

#[test]
fn waits_that_are_too_long_say_what_there_is_instead() {
    let server = started(lines().on("HOLD", hold("other")));
    let mut peer = Peer::of(&server);
    peer.say("HOLD\n");
    let _held = server.held("other", LIMIT).unwrap();
    let error = server.held("pay", Duration::from_millis(10)).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("nothing was held as \"pay\"") && text.contains("1 frame came"),
        "{text}"
    );
    let error = server.wait_until(Seen::frames(2), Duration::from_millis(10));
    assert!(error.unwrap_err().is_timeout());
}

#[test]
fn what_keeps_the_thread_is_named() {
    let (release, wait) = mpsc::channel::<()>();
    let (entered, is_in) = mpsc::channel();
    let mut wait = Some(wait);
    let server = started(
        lines().with(move |_: &standin_reply::Frame<'_>, _: &mut ()| {
            entered.send(()).unwrap();
            if let Some(wait) = wait.take() {
                // Until the test lets go of it.
                assert!(wait.recv().is_err());
            }
            Some(reply("late\n"))
        }),
    );
    let mut peer = Peer::of(&server);
    peer.say("x\n");
    is_in.recv_timeout(LIMIT).unwrap();
    let began = Instant::now();
    let error = server.wait_until(Seen::frames(2), Duration::from_millis(150));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("an answer of server \"bank\" has been running for"),
        "{error}"
    );
    // It explains to others why the server is silent.
    while began.elapsed() < Duration::from_millis(150) {
        std::thread::yield_now();
    }
    let trouble = server.trouble().unwrap();
    assert!(trouble.contains("does not come to answer"), "{trouble}");
    drop(release);
    assert_eq!(peer.hear(), "late\n");
    assert_eq!(server.trouble(), None);
    server.stop().unwrap();
}

#[test]
fn a_closure_that_blocks_does_not_keep_the_driver_up() {
    let (release, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (entered, is_in) = mpsc::channel();
    let entered = std::sync::Mutex::new(entered);
    let replies = lines().with(move |_: &standin_reply::Frame<'_>, _: &mut ()| {
        entered.lock().unwrap().send(()).unwrap();
        assert!(wait.lock().unwrap().recv().is_err());
        None
    });
    let server = TcpServer::builder("bank")
        .replies(replies.otherwise(Otherwise::Ignore))
        .stop_limit(Duration::from_millis(100))
        .host("127.0.0.1")
        .build()
        .unwrap();
    server.start().unwrap();
    let mut peer = Peer::of(&server);
    peer.say("x\n");
    is_in.recv_timeout(LIMIT).unwrap();
    let error = format!("{:?}", server.stop().unwrap_err());
    assert!(error.contains("has been running for"), "{error}");
    assert_eq!(server.status(), Status::Stopped);
    drop(release);
    assert_eq!(peer.rest(), "");
}

#[test]
fn a_client_plays_its_part_by_itself() {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    server.start().unwrap();
    let part = Dialogue::new()
        .send("HELO me\n")
        .expect(pattern("^250 (?<name>.*)$"))
        .send("thanks, {{ name }}\n");
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .replies(lines().dialogue(part).on("PING", "PONG\n"))
        .build()
        .unwrap();
    client.start().unwrap();
    server.accept_connection(LIMIT).unwrap();
    assert_eq!(server.receive_line_text().unwrap(), "HELO me");
    server.send_text("250 server\n").unwrap();
    assert_eq!(server.receive_line_text().unwrap(), "thanks, server");
    client.wait_until(Seen::dialogue(0), LIMIT).unwrap();
    server.send_text("PING\n").unwrap();
    assert_eq!(server.receive_line_text().unwrap(), "PONG");
    assert_eq!(client.connections()[0].ends().len(), 1);
    assert_eq!(
        client.local_port(),
        server.latest_connection().unwrap().peer_address().port()
    );
    for error in [
        client.connect().map(drop).unwrap_err(),
        client.connection().map(drop).unwrap_err(),
        client.send("x").map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, TcpError::AnswersByItself { .. }), "{error}");
    }
    client.stop().unwrap();
    assert!(server.receive_line().unwrap_err().is_peer_closed());
}

#[test]
fn a_client_plays_when_the_test_says_so_and_again() {
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .build()
        .unwrap();
    server.start().unwrap();
    let client = TcpClient::builder("client")
        .host("127.0.0.1")
        .port(server.port().unwrap())
        .connect_at_start(false)
        .replies(lines().greeting("{{ connection.index }}\n").connections(2))
        .build()
        .unwrap();
    assert!(matches!(client.play(), Err(TcpError::NotRunning { .. })));
    client.start().unwrap();
    for index in 0..2 {
        client.play().unwrap();
        server.accept_connection(LIMIT).unwrap();
        assert_eq!(server.receive_line_text().unwrap(), index.to_string());
    }
    client.stop().unwrap();
    let plain = TcpClient::builder("plain").host("127.0.0.1").port(1);
    let plain = plain.connect_at_start(false).build().unwrap();
    plain.start().unwrap();
    assert!(matches!(plain.play(), Err(TcpError::NoReplies { .. })));
}

#[test]
fn its_connections_are_reported() {
    let server = started(lines().greeting("hi\n"));
    let (mut first, mut second) = (Peer::of(&server), Peer::of(&server));
    assert_eq!(
        (first.hear(), second.hear()),
        ("hi\n".to_owned(), "hi\n".to_owned())
    );
    let info = &server.connections()[0];
    assert_eq!(info.direction(), Direction::Listening);
    let mut peers: Vec<_> = info.ends().iter().map(|ends| ends.peer()).collect();
    peers.sort_unstable();
    let mut expected = [&first, &second].map(|peer| peer.stream.local_addr().unwrap());
    expected.sort_unstable();
    assert_eq!(peers, expected);
    server.stop().unwrap();
}

#[test]
fn it_refuses_goes_away_and_comes_back() {
    let server = started(lines().on("PING", "PONG\n"));
    let mut early = Peer::of(&server);
    early.say("PING\n");
    assert_eq!(early.hear(), "PONG\n");
    server.refuse().unwrap();
    let port = server.port().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    early.say("PING\n");
    assert_eq!(early.hear(), "PONG\n");
    server.come_back().unwrap();
    let mut late = Peer::of(&server);
    late.say("PING\n");
    assert_eq!(late.hear(), "PONG\n");
    server.go_away().unwrap();
    assert_eq!((early.rest(), late.rest()), (String::new(), String::new()));
    server.come_back().unwrap();
    let mut again = Peer::of(&server);
    again.say("PING\n");
    assert_eq!(again.hear(), "PONG\n");
    server.stop().unwrap();
}

#[test]
fn a_restart_begins_anew() {
    let server = started(lines().on(equals("PING").times(1), "PONG\n"));
    for _ in 0..3 {
        let mut peer = Peer::of(&server);
        peer.say("PING\n");
        assert_eq!(peer.hear(), "PONG\n");
        assert_eq!(server.ledger().unwrap().frames(), 1);
        server.restart().unwrap();
    }
    let error = format!("{:?}", server.stop().unwrap_err());
    assert!(error.contains("never did"), "{error}");
}

#[test]
fn an_abort_ends_every_wait() {
    let server = started(lines());
    let mut peer = Peer::of(&server);
    server.wait_until(Seen::connections(1), LIMIT).unwrap();
    std::thread::scope(|scope| {
        let held = scope.spawn(|| server.held("x", LIMIT));
        let seen = scope.spawn(|| server.wait_until(Seen::frames(1), LIMIT));
        server.abort().unwrap();
        assert!(!held.join().unwrap().unwrap_err().is_timeout());
        assert!(!seen.join().unwrap().unwrap_err().is_timeout());
    });
    assert_eq!(peer.rest(), "");
}

#[test]
fn replies_that_cannot_work_are_refused() {
    let build = |replies| {
        let server = TcpServer::builder("bank").replies(replies).build();
        server.map(drop).unwrap_err().to_string()
    };
    let error = build(lines().on(pattern("(a"), "{{ x }}\n"));
    assert!(
        error.contains("option \"replies\"") && error.contains("`(a` is not valid"),
        "{error}"
    );
    let error = build(lines().greeting("{{ prot }}"));
    assert!(error.contains("names `prot`"), "{error}");

    let server = TcpServer::builder("bank")
        .replies(lines().greeting(reply_file("/nowhere/greeting")))
        .build()
        .unwrap();
    let error = format!("{:?}", server.start().unwrap_err());
    assert!(error.contains("/nowhere/greeting"), "{error}");
}

#[test]
fn a_frame_over_the_limit_is_unexpected() {
    let server = TcpServer::builder("bank")
        .host("127.0.0.1")
        .receive_limit(8);
    let server = server
        .replies(lines().on(prefix(""), echo()))
        .build()
        .unwrap();
    server.start().unwrap();
    let mut peer = Peer::of(&server);
    peer.say("0123456789");
    assert_eq!(peer.rest(), "");
    assert_eq!(server.ledger().unwrap().unexpected_count(), 1);
    server.stop().unwrap_err();
}

#[test]
fn it_answers_on_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.sock");
    let server = TcpServer::builder("bank").unix(&path);
    let server = server
        .replies(lines().on("PING", "PONG\n"))
        .build()
        .unwrap();
    server.start().unwrap();
    let client = TcpClient::builder("client").unix(&path).build().unwrap();
    client.start().unwrap();
    client.send_text("PING\n").unwrap();
    assert_eq!(client.receive_line_text().unwrap(), "PONG");
    server.stop().unwrap();
}

#[test]
fn peers_wait_while_its_queue_is_full_and_are_answered_then() {
    let server = started(lines().greeting("hi\n"));
    let full = server.fill_queue().unwrap();
    let address = ([127, 0, 0, 1], server.port().unwrap()).into();
    let refused = TcpStream::connect_timeout(&address, Duration::from_millis(50));
    refused.map(drop).unwrap_err();
    drop(full);
    assert_eq!(Peer::of(&server).hear(), "hi\n");
    assert_eq!(server.ledger().unwrap().unexpected_count(), 0);
    server.stop().unwrap();
}

#[test]
fn one_that_may_not_come_is_unexpected() {
    let server = started(lines().greeting("hi\n").connections(..=1));
    let (mut first, mut second) = (Peer::of(&server), Peer::of(&server));
    let mut heard = [first.hear(), second.hear()];
    heard.sort();
    assert_eq!(heard, ["", "hi\n"]);
    let error = server.held("x", LIMIT).unwrap_err();
    assert!(!error.is_timeout(), "{error}");
    server.stop().unwrap_err();
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_its_feature_no_answer_starts_tls() {
    let replies = lines().on("STARTTLS", reply("go\n").then(Then::StartTls));
    let built = TcpServer::builder("mail").replies(replies).build();
    let error = format!("{:?}", built.unwrap_err());
    assert!(error.contains("option \"replies\""), "{error}");
    assert!(error.contains("enable the feature `tls`"), "{error}");

    // What a closure answers is known only then.
    let replies = lines()
        .with(|_: &standin_reply::Frame<'_>, (): &mut ()| Some(no_reply().then(Then::StartTls)));
    let server = started(replies);
    let mut peer = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    peer.write_all(b"STARTTLS\n").unwrap();
    let error = server.wait_until(Seen::frames(2), LIMIT).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("TLS could not be started"), "{error}");
    assert!(error.contains("enable the feature `tls`"), "{error}");
    server.abort().unwrap();
}
