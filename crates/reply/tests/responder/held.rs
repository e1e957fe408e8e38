//! Conversations that are held, or taken over, by a test.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use standin_reply::{
    HandOverError, Replies, Seen, Then, anything, echo, hold, pattern, reply, reply_bytes,
};

use crate::{Answers, LIMIT, SHORT, expect, expect_end, lines};

#[test]
fn what_is_held_can_be_looked_at_and_handed_back() {
    let answers = Answers::new(
        lines()
            .on(
                pattern("^PAY (?<amount>.*)$"),
                reply("wait\n").then(Then::hold("pay")),
            )
            .on("PING", "PONG\n"),
    );
    let mut stream = answers.connect();
    stream.write_all(b"PING\nPAY 3\nmore\nPING\nhal").unwrap();
    expect(&mut stream, "PONG\nwait\n");
    let mut held = answers.responder.held("pay", LIMIT).unwrap();
    assert_eq!((held.index(), held.name()), (0, Some("pay")));
    assert_eq!(held.frame(), Some(&b"PAY 3"[..]));
    assert_eq!(held.capture("amount"), Some(&b"3"[..]));
    assert_eq!(held.capture("nothing"), None);
    assert_eq!(held.receive_frame(LIMIT).unwrap(), b"more");
    held.send("paid\n", LIMIT).unwrap();
    held.send_frame("and more", LIMIT).unwrap();
    expect(&mut stream, "paid\nand more\n");
    stream.write_all(b"f\nPING\n").unwrap();
    // Nobody answers meanwhile.
    answers.responder.settle(LIMIT).unwrap();
    assert_eq!(answers.responder.ledger().frames(), 2);
    held.hand_back();
    expect(&mut stream, "PONG\n");
    let surprise = answers.responder.held("pay", LIMIT).unwrap_err();
    assert!(surprise.to_string().contains("\"half\""), "{surprise}");
    expect(&mut stream, "PONG\n");
}

#[test]
fn what_is_held_is_the_longest_held_first_and_goes_back_when_dropped() {
    let answers = Answers::new(Replies::raw().on("hold", hold("it")).on(anything(), echo()));
    let mut streams = Vec::new();
    for index in 0..3 {
        let mut stream = answers.connect();
        stream.write_all(b"hold").unwrap();
        answers
            .responder
            .wait_until(Seen::frames(index + 1), LIMIT)
            .unwrap();
        streams.push(stream);
    }
    answers.responder.settle(LIMIT).unwrap();
    let first = answers.responder.held("it", LIMIT).unwrap();
    let second = answers.responder.held("it", LIMIT).unwrap();
    assert_eq!((first.index(), second.index()), (0, 1));
    drop((first, second));
    for stream in &mut streams[..2] {
        stream.write_all(b"again").unwrap();
        expect(stream, "again");
    }
    let error = answers.responder.held("other", SHORT).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("connection 2 is held as \"it\""), "{text}");
    assert!(matches!(error, HandOverError::TimedOut { .. }));
}

#[test]
fn what_is_taken_belongs_to_the_test() {
    let answers = Answers::new(lines().on("TAKE", hold("take")));
    let mut stream = answers.connect();
    stream.write_all(b"TAKE\nme\n").unwrap();
    let held = answers.responder.held("take", LIMIT).unwrap();
    assert!(answers.server.connections().is_empty());
    let connection = held.take();
    assert_eq!(answers.server.connections().len(), 1);
    answers.responder.stop(LIMIT).unwrap();
    assert_eq!(connection.receive_line(LIMIT).unwrap(), b"me");
    connection.send(b"mine\n", LIMIT).unwrap();
    expect(&mut stream, "mine\n");
}

#[test]
fn any_connection_can_be_taken_over_at_any_point() {
    let long = Duration::from_secs(3600);
    let answers = Answers::new(
        lines()
            .on("later", reply("never\n").after(long))
            .on("PING", "PONG\n"),
    );
    let mut stream = thread::scope(|scope| {
        // It has not come yet.
        let held = scope.spawn(|| answers.responder.take_over(0, LIMIT).unwrap());
        let mut stream = answers.connect();
        let mut held = held.join().unwrap();
        assert_eq!(held.frame(), None);
        stream.write_all(b"x").unwrap();
        held.expect("x", LIMIT).unwrap();
        held.hand_back();
        stream
    });
    stream.write_all(b"PING\nlater\nPING\n").unwrap();
    expect(&mut stream, "PONG\n");
    answers
        .responder
        .wait_until(Seen::frames(2), LIMIT)
        .unwrap();
    // In the middle of a delay.
    let mut held = answers.responder.take_over(0, LIMIT).unwrap();
    assert_eq!(held.receive_frame(LIMIT).unwrap(), b"PING");
    held.send("by hand\n", LIMIT).unwrap();
    expect(&mut stream, "by hand\n");
    let error = answers.responder.take_over(0, SHORT).unwrap_err();
    assert!(matches!(error, HandOverError::TimedOut { .. }));
    assert!(
        error.to_string().contains("the test has it already"),
        "{error}"
    );
    drop(held);
    // Several may want one: one after the other has it.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(answers.responder.take_over(0, LIMIT).unwrap()));
        }
    });
    answers.responder.stop(LIMIT).unwrap();
    let error = answers.responder.take_over(0, LIMIT).unwrap_err();
    assert!(matches!(error, HandOverError::Ended { .. }));
}

#[test]
fn what_was_not_sent_yet_goes_before_what_the_test_sends() {
    let size = 8 << 20;
    let answers = Answers::new(lines().on("flood", reply_bytes(vec![b'x'; size])));
    let mut stream = answers.connect();
    stream.write_all(b"flood\n").unwrap();
    answers
        .responder
        .wait_until(Seen::frames(1), LIMIT)
        .unwrap();
    let mut held = answers.responder.take_over(0, LIMIT).unwrap();
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    });
    held.send("last", LIMIT).unwrap();
    drop(held.take());
    answers.server.close_all();
    let all = reader.join().unwrap();
    assert_eq!(all.len(), size + 4);
    assert!(all.ends_with(b"xlast"));
}

#[test]
fn what_is_handed_back_after_the_stop_is_closed() {
    let answers = Answers::new(lines().on("HOLD", hold("it")));
    let (mut one, mut two) = (answers.connect(), answers.connect());
    one.write_all(b"HOLD\n").unwrap();
    let held = answers.responder.held("it", LIMIT).unwrap();
    two.write_all(b"HOLD\n").unwrap();
    answers
        .responder
        .wait_until(Seen::frames(2), LIMIT)
        .unwrap();
    answers.responder.stop(LIMIT).unwrap();
    expect_end(&mut two); // nobody has taken it
    held.hand_back();
    expect_end(&mut one);
}
