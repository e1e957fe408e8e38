//! Peers that answer by themselves, and real streams to them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not take for tests"
)]

mod held;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use standin_reply::{
    Dialogue, Frame, HandOverError, Replies, Responder, Seen, Then, VerifyError, WaitError,
    anything, echo, equals, no_reply, pattern, prefix, reply, reply_bytes,
};
use standin_socket::framing::{Endian, LengthPrefix, Lines, Width};
use standin_socket::{Client, Server};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Not long, for waits that are to fail.
const SHORT: Duration = Duration::from_millis(30);

/// A server that answers, and its port.
struct Answers {
    server: Server,
    responder: Responder,
}

impl Answers {
    #[track_caller]
    fn new(replies: Replies) -> Answers {
        let server = Server::builder().label("bank").bind().unwrap();
        let script = replies.prepare(&[]).unwrap().label("server \"bank\"");
        let responder = Responder::serve(&server, script).unwrap();
        Answers { server, responder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.server.port())).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    #[track_caller]
    fn verify(&self) {
        self.responder.verify(LIMIT).unwrap();
    }

    /// Waits until something is unexpected.
    #[track_caller]
    fn surprise(&self) -> String {
        match self.responder.wait_until(Seen::rule("never"), LIMIT) {
            Err(WaitError::Unexpected(unexpected)) => unexpected.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

/// With a rule that never matches, for waits that something else ends.
fn lines_and_never() -> Replies {
    lines().on(equals("this never comes").named("never"), no_reply())
}

#[track_caller]
fn expect(stream: &mut TcpStream, expected: impl AsRef<[u8]>) {
    let expected = expected.as_ref();
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(expected)
    );
}

#[track_caller]
fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn rules_answer_real_streams() {
    let answers = Answers::new(
        lines()
            .greeting("220 ready\r\n")
            .on(
                pattern(r"^BALANCE (?<account>\d+)$"),
                "{{ account }} 42.00\n",
            )
            .on(prefix("ECHO"), echo().framed())
            .on(equals("QUIT").times(2), reply("bye\n").then(Then::Close)),
    );
    let mut streams = [answers.connect(), answers.connect()];
    for stream in &mut streams {
        expect(stream, "220 ready\r\n");
        stream.write_all(b"BALANCE 7\r\nECHO").unwrap();
        expect(stream, "7 42.00\n");
        stream.write_all(b" a\nQUIT\n").unwrap();
        expect(stream, "ECHO a\nbye\n");
        expect_end(stream);
    }
    answers.verify();
    assert_eq!(answers.responder.ledger().connections(), 2);
    assert_eq!(answers.responder.ledger().frames(), 6);
    answers.responder.stop(LIMIT).unwrap();
}

#[test]
fn states_and_dialogues_are_followed_on_real_streams() {
    let answers = Answers::new(
        lines()
            .connection(
                0,
                Dialogue::new()
                    .expect(pattern("^HELO (?<who>.*)$"))
                    .repeat(2, Dialogue::new().expect("NEXT").send("{{ who }}\n"))
                    .branch([
                        (equals("STOP"), Dialogue::new().send("stopped\n").close()),
                        (prefix("GO"), Dialogue::new().send("{{ frame }}\n")),
                    ]),
            )
            .on("DATA", reply("go on\n").enter("data"))
            .on(equals(".").in_state("data"), reply("ok\n").leave_state())
            .on(anything().in_state("data"), no_reply())
            .on(equals("again").times(..=1), "first\n")
            .on(equals("again").times(1), "second\n"),
    );
    let mut stream = answers.connect();
    for line in ["HELO Ada\n", "NEXT\nNE", "XT\nGO on\n", "DATA\nDATA\n.\n"] {
        stream.write_all(line.as_bytes()).unwrap();
    }
    expect(&mut stream, "Ada\nAda\nGO on\ngo on\nok\n");
    let mut other = answers.connect();
    other.write_all(b"again\nagain\n").unwrap();
    expect(&mut other, "first\nsecond\n");
    answers.verify();
}

#[test]
fn endings_are_what_was_declared() {
    let answers = Answers::new(
        lines()
            .on("half", reply("half\n").then(Then::HalfClose))
            .on("after", "nowhere\n")
            .on("reset", no_reply().then(Then::Reset))
            .on("stop", no_reply().then(Then::StopReading)),
    );
    let mut stream = answers.connect();
    stream.write_all(b"half\n").unwrap();
    expect(&mut stream, "half\n");
    expect_end(&mut stream);
    stream.write_all(b"after\n").unwrap();
    answers
        .responder
        .wait_until(Seen::frames(2), LIMIT)
        .unwrap();
    drop(stream);

    let mut stream = answers.connect();
    stream.write_all(b"reset\n").unwrap();
    let error = stream.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let mut stream = answers.connect();
    stream.write_all(b"stop\nafter\n").unwrap();
    answers
        .responder
        .wait_until(Seen::frames(4), LIMIT)
        .unwrap();
    answers.responder.settle(LIMIT).unwrap();
    assert_eq!(answers.responder.ledger().frames(), 4);
    answers.responder.stop(LIMIT).unwrap();
    assert!(matches!(stream.read(&mut [0; 10]), Ok(0) | Err(_)));
}

#[test]
fn tls_that_nobody_can_start_is_unexpected() {
    let answers = Answers::new(lines_and_never().on("GO", reply("go\n").then(Then::StartTls)));
    let mut stream = answers.connect();
    stream.write_all(b"GO\nmore\n").unwrap();
    expect(&mut stream, "go\n");
    let surprise = answers.surprise();
    assert!(surprise.contains("TLS could not be started"), "{surprise}");
    expect_end(&mut stream);
}

#[test]
fn a_connection_that_this_side_closes_before_tls_begins_is_not_unexpected() {
    let closes = Arc::new(OnceLock::<Server>::new());
    let server = Arc::clone(&closes);
    let replies = lines().with(move |_: &Frame<'_>, (): &mut ()| {
        server.get().expect("it is set before").abort();
        Some(no_reply().then(Then::StartTls))
    });
    let answers = Answers::new(replies);
    closes.set(answers.server.clone()).unwrap();
    let mut stream = answers.connect();
    stream.write_all(b"GO\n").unwrap();
    let gone = stream.read(&mut [0; 1]);
    assert!(!matches!(gone, Ok(1..)), "{gone:?}");
    answers.verify();
}

#[test]
fn delays_keep_the_order_and_take_their_time() {
    let delay = Duration::from_millis(5);
    let answers = Answers::new(
        lines()
            .on(
                "slow",
                reply("1").after(delay).and(reply("2\n").after(delay)),
            )
            .on("quick", "3\n"),
    );
    let mut stream = answers.connect();
    let start = Instant::now();
    stream.write_all(b"slow\nquick\n").unwrap();
    expect(&mut stream, "12\n3\n");
    assert!(start.elapsed() >= delay * 2);
    answers.verify();
}

#[test]
fn closures_keep_states_of_connections() {
    let total = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&total);
    let answers = Answers::new(lines().with(move |frame: &Frame<'_>, sum: &mut u32| {
        let number: u32 = frame.text().parse().ok()?;
        *sum += number;
        *seen.lock().unwrap() += number;
        Some(reply(sum.to_string()).framed())
    }));
    let (mut one, mut two) = (answers.connect(), answers.connect());
    one.write_all(b"1\n2\n").unwrap();
    expect(&mut one, "1\n3\n");
    two.write_all(b"5\n").unwrap();
    expect(&mut two, "5\n");
    assert_eq!(*total.lock().unwrap(), 8);
    answers.verify();
}

#[cfg(unix)]
#[test]
fn peers_at_a_unix_socket_are_answered() {
    let path = std::env::temp_dir().join(format!("standin-reply-{}.sock", std::process::id()));
    let host = format!("unix:{}", path.display());
    let server = Server::builder().host(&host).bind().unwrap();
    let replies = lines().on("PING", reply("PONG\n").then(Then::Close));
    let responder = Responder::serve(&server, replies.prepare(&[]).unwrap()).unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"PING\n").unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all, "PONG\n");
    responder.verify(LIMIT).unwrap();
    drop(responder);
    server.close();
}

#[test]
fn a_client_plays_its_part() {
    let server = Server::builder().bind().unwrap();
    let client = Client::builder().port(server.port()).build();
    let connection = client.connect_owned(LIMIT).unwrap();
    let replies = lines().dialogue(
        Dialogue::new()
            .send("HELLO\n")
            .expect(pattern("^WHO (?<n>.)$"))
            .send("ME {{ n }}\n")
            .close(),
    );
    let responder = Responder::play(connection, replies.prepare(&[]).unwrap()).unwrap();
    let peer = server.accept(LIMIT).unwrap();
    peer.expect(b"HELLO\n", LIMIT).unwrap();
    assert!(matches!(
        responder.verify(LIMIT),
        Err(VerifyError::NotAsDeclared(_))
    ));
    peer.send(b"WHO 1\n", LIMIT).unwrap();
    assert_eq!(peer.receive_to_end(LIMIT).unwrap(), b"ME 1\n");
    responder.wait_until(Seen::dialogue(0), LIMIT).unwrap();
    responder.verify(LIMIT).unwrap();
}

#[test]
fn an_unexpected_frame_ends_waits_at_once() {
    let server = Server::builder().bind().unwrap();
    let (sender, told) = mpsc::channel();
    let script = lines_and_never().prepare(&[]).unwrap();
    let script = script.on_unexpected(move |unexpected| {
        sender.send(unexpected.to_string()).unwrap();
    });
    let responder = Responder::serve(&server, script).unwrap();
    thread::scope(|scope| {
        let waits = [
            scope.spawn(|| format!("{:?}", responder.wait_until(Seen::rule("never"), None))),
            scope.spawn(|| format!("{:?}", responder.held("never", None).map(drop))),
            scope.spawn(|| format!("{:?}", responder.take_over(7, None).map(drop))),
        ];
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.write_all(b"surprise\nanother\n").unwrap();
        let told = told.recv_timeout(LIMIT).unwrap();
        assert!(told.contains("unexpected frame \"surprise\""), "{told}");
        assert!(told.contains(&format!(":{} <-> ", server.port())), "{told}");
        for wait in waits {
            let text = wait.join().unwrap();
            assert!(text.contains("unexpected frame \"surprise\""), "{text}");
        }
    });
    responder.settle(LIMIT).unwrap();
    assert_eq!(responder.ledger().unexpected_count(), 2);
    assert!(told.try_recv().is_err()); // only the first is told
    let error = responder.verify(LIMIT).unwrap_err();
    assert!(error.to_string().contains("unexpected frame \"another\""));
}

#[test]
fn a_closure_that_panics_is_reported_and_others_go_on() {
    let answers = Answers::new(lines_and_never().with(|frame: &Frame<'_>, _: &mut ()| {
        assert!(frame.payload() != b"bad", "cannot bear it");
        Some(echo().framed())
    }));
    let (mut good, mut bad) = (answers.connect(), answers.connect());
    bad.write_all(b"bad\n").unwrap();
    let surprise = answers.surprise();
    assert!(surprise.contains("panicked: cannot bear it"), "{surprise}");
    expect_end(&mut bad);
    good.write_all(b"good\n").unwrap();
    expect(&mut good, "good\n");
}

#[test]
fn a_closure_that_blocks_is_named_and_waited_for_in_time_only() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let (enter, entered) = mpsc::channel();
    let answers = Answers::new(lines().with(move |_: &Frame<'_>, _: &mut ()| {
        enter.send(()).unwrap();
        blocked.lock().unwrap().recv().unwrap();
        Some(no_reply())
    }));
    let mut stream = answers.connect();
    stream.write_all(b"x\n").unwrap();
    entered.recv_timeout(LIMIT).unwrap();
    let errors = [
        answers
            .responder
            .wait_until(Seen::connections(9), SHORT)
            .unwrap_err()
            .to_string(),
        answers.responder.held("x", SHORT).unwrap_err().to_string(),
        answers
            .responder
            .take_over(0, SHORT)
            .unwrap_err()
            .to_string(),
        answers.responder.settle(SHORT).unwrap_err().to_string(),
        answers.responder.verify(SHORT).unwrap_err().to_string(),
        answers.responder.stop(SHORT).unwrap_err().to_string(),
    ];
    for error in errors {
        let expected = "an answer of server \"bank\" has been running for ";
        assert!(error.contains(expected), "{error}");
    }
    release.send(()).unwrap();
    answers.responder.stop(LIMIT).unwrap();
}

#[test]
fn an_answer_that_waits_for_others_is_refused() {
    let (sender, waited) = mpsc::channel();
    let inside: Arc<Mutex<Option<Arc<Responder>>>> = Arc::default();
    let own = Arc::clone(&inside);
    let replies = lines().with(move |_: &Frame<'_>, _: &mut ()| {
        let responder = own.lock().unwrap().take().unwrap();
        let wait = responder.wait_until(Seen::frames(9), None);
        let held = responder.held("x", None).map(drop);
        let over = responder.take_over(0, None).map(drop);
        sender.send((wait, held, over)).unwrap();
        Some(no_reply())
    });
    let server = Server::builder().bind().unwrap();
    let responder = Responder::serve(&server, replies.prepare(&[]).unwrap()).unwrap();
    let responder = Arc::new(responder);
    *inside.lock().unwrap() = Some(Arc::clone(&responder));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"x\n").unwrap();
    let (wait, held, over) = waited.recv_timeout(LIMIT).unwrap();
    assert!(matches!(wait, Err(WaitError::InAnswer { .. })));
    assert!(matches!(held, Err(HandOverError::InAnswer { .. })));
    assert!(matches!(over, Err(HandOverError::InAnswer { .. })));
    responder.verify(LIMIT).unwrap();
}

#[test]
fn what_is_sent_last_arrives_also_if_more_was_said() {
    let large = "x".repeat(4 << 20);
    let answer = reply_bytes(&large).and("bye\n");
    let dialogue = Dialogue::new()
        .expect("QUIT")
        .hold("quit")
        .send(answer)
        .close();
    let answers = Answers::new(lines().dialogue(dialogue));
    let mut stream = answers.connect();
    stream.write_all(b"QUIT\n").unwrap();
    let held = answers.responder.held("quit", LIMIT).unwrap();
    // Nobody receives it. With that left, the system would reset the connection, and forget what
    // it has not sent yet.
    stream.write_all(b"more\n").unwrap();
    held.hand_back();
    let mut received = vec![0; large.len()];
    stream.read_exact(&mut received).unwrap();
    assert!(received == large.as_bytes());
    expect(&mut stream, "bye\n");
    expect_end(&mut stream);
    answers.verify();
}

#[test]
fn a_peer_that_never_reads_costs_bounded_memory() {
    let answers = Answers::new(Replies::raw().on(anything(), echo()));
    let stream = answers.connect();
    stream.set_nonblocking(true).unwrap();
    // Until nothing more is taken: the peer's system, this side's, and the conversation.
    let mut sent: usize = 0;
    let piece = vec![b'x'; 64 << 10];
    let mut full_since = None;
    loop {
        match (&stream).write(&piece) {
            Ok(count) => {
                sent += count;
                full_since = None;
                assert!(sent < 256 << 20, "it takes everything");
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                answers.responder.settle(LIMIT).unwrap();
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(200) {
                    break;
                }
                thread::yield_now();
            }
        }
    }
    // All of it comes back when it reads.
    stream.set_nonblocking(false).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    (&stream).read_to_end(&mut back).unwrap();
    assert_eq!(back.len(), sent);
    answers.verify();
}

#[test]
fn a_frame_that_never_ends_is_given_up() {
    let server = Server::builder().bind().unwrap();
    let script = lines_and_never()
        .prepare(&[])
        .unwrap()
        .receive_limit(1 << 20);
    let answers = Answers {
        responder: Responder::serve(&server, script).unwrap(),
        server,
    };
    let mut stream = answers.connect();
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while stream.write_all(&piece).is_ok() {
        sent += piece.len();
        assert!(sent < 256 << 20, "it takes everything");
    }
    let surprise = answers.surprise();
    assert!(surprise.contains("longer than 1048576 bytes"), "{surprise}");
}

#[test]
fn a_peer_that_vanishes_in_the_middle_is_reported() {
    let framing = LengthPrefix::new(Width::U32, Endian::Big);
    let replies =
        Replies::framed(framing).on(equals("this never comes").named("never"), no_reply());
    let answers = Answers::new(replies);
    let mut stream = answers.connect();
    stream.write_all(b"\0\0\0\x05abc").unwrap();
    drop(stream);
    let surprise = answers.surprise();
    assert!(surprise.contains("in the middle of a frame"), "{surprise}");

    let answers = Answers::new(lines_and_never().on("flood", reply("x".repeat(8 << 20))));
    let mut stream = answers.connect();
    stream.write_all(b"flood\nflood\n").unwrap();
    expect(&mut stream, "xxx");
    drop(stream); // with much unread: a reset
    let mut other = answers.connect();
    other.write_all(b"flood\n").unwrap();
    expect(&mut other, "xxx");
    drop(other);
    answers.verify(); // that a peer goes is not a failure by itself
}

#[test]
fn two_that_answer_each_other_for_ever_are_stopped() {
    let server = Server::builder().bind().unwrap();
    let replies = || Replies::raw().on(anything(), echo()).prepare(&[]).unwrap();
    let echoes = Responder::serve(&server, replies()).unwrap();
    let client = Client::builder().port(server.port()).build();
    let connection = client.connect_owned(LIMIT).unwrap();
    let script = Replies::raw().greeting("x").on(anything(), echo());
    let player = Responder::play(connection, script.prepare(&[]).unwrap()).unwrap();
    player.wait_until(Seen::frames(1000), LIMIT).unwrap();
    player.stop(LIMIT).unwrap();
    echoes.verify(LIMIT).unwrap();
    echoes.stop(LIMIT).unwrap();
}

#[test]
fn a_thousand_peers_are_answered_at_once() {
    let answers = Answers::new(
        lines()
            .greeting("{{ connection.index }}\n")
            .on(pattern("^(?<n>.*)$"), "{{ n }}!\n")
            .connections(1000),
    );
    let mut streams: Vec<_> = (0..1000).map(|_| answers.connect()).collect();
    for (index, stream) in streams.iter_mut().enumerate() {
        write!(stream, "peer {index}\nand ").unwrap();
    }
    for stream in &mut streams {
        stream.write_all(b"more\n").unwrap();
    }
    for (index, stream) in streams.iter_mut().enumerate() {
        expect(stream, format!("{index}\npeer {index}!\nand more!\n"));
        stream.shutdown(Shutdown::Write).unwrap();
        expect_end(stream);
    }
    answers.verify();
}

#[test]
fn a_server_that_closes_takes_its_conversations_along() {
    let answers = Answers::new(lines().dialogue(Dialogue::new().expect("a")));
    let mut stream = answers.connect();
    answers
        .responder
        .wait_until(Seen::connections(1), LIMIT)
        .unwrap();
    answers.server.close();
    expect_end(&mut stream);
    answers.responder.settle(LIMIT).unwrap();
    // What was not said is missing, and nothing was unexpected.
    assert_eq!(answers.responder.ledger().unexpected_count(), 0);
    assert_eq!(answers.responder.ledger().unmet().len(), 1);
}

#[test]
fn an_abort_ends_waits_with_its_reason() {
    let answers = Answers::new(lines_and_never());
    thread::scope(|scope| {
        let wait = scope.spawn(|| answers.responder.wait_until(Seen::rule("never"), None));
        let held = scope.spawn(|| answers.responder.held("never", None).map(drop));
        answers.responder.abort("the program has crashed");
        let wait = wait.join().unwrap().unwrap_err();
        assert!(matches!(wait, WaitError::Aborted { .. }));
        assert!(
            wait.to_string().ends_with(": the program has crashed"),
            "{wait}"
        );
        let held = held.join().unwrap().unwrap_err();
        assert!(
            held.to_string().ends_with(": the program has crashed"),
            "{held}"
        );
    });
}

#[test]
fn a_stop_does_not_replace_the_reason_for_which_waits_have_ended() {
    // A thread that was woken by the first may look only after the second.
    let answers = Answers::new(lines_and_never());
    answers.responder.abort("the program has crashed");
    answers.responder.stop(LIMIT).unwrap();
    let wait = answers.responder.wait_until(Seen::rule("never"), None);
    let held = answers.responder.held("never", None).map(drop);
    let taken = answers.responder.take_over(7, None).map(drop);
    for error in [
        wait.unwrap_err().to_string(),
        held.unwrap_err().to_string(),
        taken.unwrap_err().to_string(),
    ] {
        assert!(error.ends_with(": the program has crashed"), "{error}");
    }

    let answers = Answers::new(lines_and_never());
    answers.connect().write_all(b"surprise\n").unwrap();
    answers.surprise();
    answers.responder.stop(LIMIT).unwrap();
    let held = answers.responder.held("never", None).map(drop);
    assert!(
        matches!(held, Err(HandOverError::Unexpected(_))),
        "{held:?}"
    );
}
