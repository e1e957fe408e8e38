//! What is said, without a connection.

#[path = "../common/mod.rs"]
mod common;
mod unexpected;

use std::time::Duration;

use expect_test::{Expect, expect};
use standin_reply::{
    Action, Dialogue, Frame, Ledger, Otherwise, Replies, Seen, Then, anything, echo, equals, hold,
    no_reply, pattern, predicate, prefix, reply, reply_bytes, reply_file, reply_hex,
};
use standin_socket::End;
use standin_socket::framing::{Endian, FixedSize, FrameError, LengthPrefix, Lines, Width};
use standin_socket::framing::{Found, Framing};

use crate::common::Talk;

const TICK: Duration = Duration::from_millis(5);

fn lines() -> Replies {
    Replies::framed(Lines::new())
}

#[track_caller]
fn fails(talk: &Talk, expected: Expect) {
    let all = talk.ledger.unexpected();
    let all: Vec<_> = all.iter().map(|one| format!("{one:?}")).collect();
    expected.assert_eq(&all.join("\n"));
}

#[test]
fn each_condition_has_its_answer() {
    let mut talk = Talk::new(
        &lines()
            .greeting("hello {{ connection.index }}\n")
            .on("A", "equal\n")
            .on(prefix("B"), "prefix\n")
            .on(pattern(r"^C(?<number>\d+)$"), "number {{ number }}\n")
            .on(
                predicate("is long", |frame| frame.len() > 10),
                echo().framed(),
            )
            .on(anything(), reply_hex("6e 6f 0a")),
    );
    assert_eq!(talk.take(), "hello 0\n");
    assert_eq!(talk.say("A\nBA\r\nC12\n"), "equal\nprefix\nnumber 12\n");
    assert_eq!(talk.say("C1x\n"), "no\n");
    assert_eq!(talk.say("01234567890\n"), "01234567890\n");
    assert_eq!(talk.say("half"), "");
    assert_eq!(talk.say(" of\n"), "no\n");
    assert_eq!(talk.ledger.frames(), 6);
    assert_eq!(talk.surprises(), "");
    talk.ledger.verify().unwrap();
}

#[test]
fn answers_have_several_pieces_of_each_kind() {
    let file = std::env::temp_dir().join(format!("standin-reply-{}", std::process::id()));
    std::fs::write(&file, "{{ from a file }}").unwrap();
    let answer = reply("{{ frame }}-")
        .and(reply_bytes([0x41, 0x42]))
        .and(reply_file(&file))
        .and(echo())
        .then(Then::HalfClose);
    let mut talk = Talk::new(&lines().on(anything(), answer));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(talk.say("x\n"), "x-AB{{ from a file }}x");
    assert_eq!(talk.action, Action::HalfClose);
    // Further answers go nowhere, frames are seen anyway.
    talk.act();
    assert_eq!(talk.say("y\n"), "");
    assert_eq!(talk.ledger.frames(), 2);
    assert_eq!(talk.end(), "");
    assert_eq!(talk.action, Action::Close);
}

#[test]
fn pieces_are_framed_where_that_is_said() {
    let framing = LengthPrefix::new(Width::U16, Endian::Big);
    let replies = Replies::framed(framing).on(
        pattern("^(?<a>.)b$"),
        reply("{{ a }}").and("cd").framed().and("!"),
    );
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say(b"\x00\x02ab"), "\0\x01a\0\x02cd!");
}

#[test]
fn a_delay_keeps_the_order() {
    let slow = reply("1").and(reply("2").after(TICK)).after(TICK);
    let mut talk = Talk::new(&lines().on("slow", slow).on("quick", "3"));
    assert_eq!(talk.say("slow\nquick\n"), "");
    assert!(matches!(talk.action, Action::Wait(until) if until == talk.now + TICK));
    assert_eq!(talk.pass(TICK / 2), "");
    assert_eq!(talk.pass(TICK / 2), "1");
    assert_eq!(talk.say("quick\n"), "");
    assert_eq!(talk.pass(TICK), "233");
}

#[test]
fn a_rule_is_passed_over_when_it_has_matched_often_enough() {
    let replies = lines()
        .on(equals("a").times(..=2), "first\n")
        .on(equals("a").times(1).named("second"), "second\n")
        .on(equals("b").times(2..), "b\n");
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("a\na\na\na\n"), "first\nfirst\nsecond\n");
    assert_eq!(talk.ledger.matched("second"), Some(1));
    assert_eq!(talk.ledger.matched("first"), None);
    fails(
        &talk,
        expect![[r#"
            the replies, connection 0: unexpected frame "a"
              rule 1 (equals "a"): it may match at most 2 times, and has (the closest)
              rule 2 ("second", equals "a"): it may match exactly once, and has
              rule 3 (equals "b"): begins differently
              the frame before was "a"; what was sent last is "second\n"
              help: add a rule for it, or handle it with `otherwise`
              code: standin::reply::unexpected_frame"#]],
    );
    expect![[r#"rule 3 (equals "b") must match at least 2 times, and never did"#]]
        .assert_eq(&talk.unmet());
    assert_eq!(talk.say("b\nb\n"), "b\nb\n");
    assert_eq!(talk.unmet(), "");
}

#[test]
fn a_state_has_rules_of_its_own() {
    let mut talk = Talk::new(
        &lines()
            .on("DATA", reply("go on\n").enter("data"))
            .on("QUIT", reply("bye\n").then(Then::Close))
            .on(equals(".").in_state("data"), reply("ok\n").leave_state())
            .on(anything().in_state("data"), no_reply())
            .on(anything().in_any_state(), "what?\n"),
    );
    assert_eq!(talk.say(".\nDATA\n"), "what?\ngo on\n");
    assert_eq!(talk.conversation.state(), Some("data"));
    assert_eq!(talk.say("QUIT\nDATA\n.\n"), "ok\n");
    assert_eq!(talk.conversation.state(), None);
    assert_eq!(talk.say("QUIT\nDATA\n"), "bye\n");
    assert_eq!(talk.action, Action::Close);
}

#[test]
fn closures_have_a_state_for_each_connection_and_captures_for_all() {
    let mut total = 0;
    let replies = lines()
        .on("reset", "0\n")
        .with(move |frame: &Frame<'_>, own: &mut i32| {
            let number: i32 = frame.text().parse().ok()?;
            *own += number;
            total += number;
            Some(reply(format!("{own} {total} {{{{ no template }}}}")).framed())
        });
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    let mut one = Talk::on(&ledger, 0);
    let mut two = Talk::on(&ledger, 1);
    assert_eq!(one.say("1\n"), "1 1 {{ no template }}\n");
    assert_eq!(two.say("2\n"), "2 3 {{ no template }}\n");
    assert_eq!(one.say("3\nreset\n"), "4 6 {{ no template }}\n0\n");
    assert_eq!(one.say("x\n"), "");
    fails(
        &one,
        expect![[r#"
            the replies, connection 0: unexpected frame "x"
              rule 1 (equals "reset"): begins differently
              closure 1: does not answer it
              the frame before was "reset"; what was sent last is "0\n"
              help: add a rule for it, or handle it with `otherwise`
              code: standin::reply::unexpected_frame"#]],
    );
}

#[test]
fn a_dialogue_is_followed_step_by_step() {
    let replies = lines()
        .dialogue(
            Dialogue::new()
                .send("who?\n")
                .expect(pattern("^I am (?<who>.*)$"))
                .send("hello {{ who }}\n")
                .repeat(2, Dialogue::new().expect("PING").send("PONG {{ who }}\n"))
                .pause(TICK)
                .branch([
                    (equals("QUIT"), Dialogue::new().send("bye\n").close()),
                    (prefix("SAY "), Dialogue::new().send("{{ frame }}!\n")),
                ])
                .send("over\n"),
        )
        .on("PING", "rules\n");
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    let mut talk = Talk::on(&ledger, 0);
    assert_eq!(talk.take(), "who?\n");
    assert_eq!(talk.say("I am Ada\nPING\n"), "hello Ada\nPONG Ada\n");
    expect![[r#"the dialogue of connection 0 has stopped at step 4.1 (expect: equals "PING")"#]]
        .assert_eq(&talk.unmet());
    assert_eq!(talk.say("PING\nSAY x\n"), "PONG Ada\n");
    expect!["the dialogue of connection 0 has stopped at step 5 (pause)"].assert_eq(&talk.unmet());
    assert_eq!(talk.pass(TICK), "SAY x!\nover\n");
    assert_eq!(talk.unmet(), "");
    ledger.wait_until(Seen::dialogue(0), TICK).unwrap();
    assert_eq!(talk.say("PING\n"), "rules\n");

    let mut talk = Talk::on(&ledger, 1);
    talk.say("I am Bob\nPING\nPONG\nPING\n");
    talk.pass(TICK);
    talk.take();
    assert_eq!(talk.say("QUI\nQUIT\n"), "bye\n");
    assert_eq!(talk.action, Action::Close);
    assert_eq!(talk.unmet(), "");
    fails(
        &talk,
        expect![[r#"
            the replies, connection 1: unexpected frame "PONG" at step 4.1 (expect: equals "PING")
              equals "PING": at byte 1 is "ONG" instead of "ING"
              the frame before was "PING"; what was sent last is "PONG Bob\n"
              help: change what the dialogue expects, or handle it with `otherwise`
              code: standin::reply::unexpected_frame
            the replies, connection 1: unexpected frame "QUI" at step 6 (expect one of: equals "QUIT"; prefix "SAY ")
              equals "QUIT": ends before "T" (the closest)
              prefix "SAY ": begins differently
              the frame before was "PING"; what was sent last is "PONG Bob\n"
              help: change what the dialogue expects, or handle it with `otherwise`
              code: standin::reply::unexpected_frame"#]],
    );
}

#[test]
fn connections_have_dialogues_of_their_own_and_a_number() {
    let replies = lines()
        .dialogue(Dialogue::new().expect("any"))
        .connection(1, Dialogue::new().expect("second"))
        .connections(..=2);
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    let mut first = Talk::on(&ledger, 0);
    first.say("any\n");
    let second = Talk::on(&ledger, 1);
    expect![[r#"the dialogue of connection 1 has stopped at step 1 (expect: equals "second")"#]]
        .assert_eq(&second.unmet());
    let third = Talk::on(&ledger, 2);
    assert_eq!(third.action, Action::Close);
    expect![[r#"
        2 things did not happen as declared
          - the replies, connection 2: one connection too many: at most 2 are allowed
            help: `connections` sets the limit
            code: standin::reply::too_many_connections
          - the dialogue of connection 1 has stopped at step 1 (expect: equals "second")
            help: the peers had to do that before the end; wait for it with `wait_until` if they need time
            code: standin::reply::unmet
          code: standin::reply::not_as_declared"#]].assert_eq(&format!("{:?}", ledger.verify().unwrap_err()));

    let replies = lines().connection(1, Dialogue::new());
    let talk = Talk::new(&replies);
    expect!["at least 2 connections must come, and 1 came"].assert_eq(&talk.unmet());
    let talk = Talk::new(&replies.connections(..));
    assert_eq!(talk.unmet(), "");
}

#[test]
fn what_came_before_the_end_is_answered() {
    let mut talk = Talk::new(&lines().on("a", reply("b\n").after(TICK)));
    talk.conversation.receive(b"a\na\n");
    talk.end();
    assert_eq!(talk.pass(TICK) + &talk.pass(TICK), "b\nb\n");
    assert_eq!(talk.action, Action::Close);
    assert_eq!(talk.surprises(), "");
}

#[test]
fn holding_stops_everything_until_it_goes_on() {
    let replies = lines().on(prefix("PAY"), hold("pay")).on("a", "A\n");
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("a\nPAY 3\na\n"), "A\n");
    assert_eq!(talk.action, Action::Hold("pay".into()));
    assert_eq!(talk.say("a\n"), "");
    talk.conversation.resume();
    talk.act();
    assert_eq!(talk.take(), "A\nA\n");
    assert_eq!(talk.action, Action::Receive);
}

#[test]
fn what_comes_before_tls_has_begun_is_not_answered() {
    let replies = lines()
        .on("GO", reply("go\n").then(Then::StartTls))
        .on("a", "A\n");
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("a\nGO\na\n"), "A\ngo\n");
    assert_eq!(talk.action, Action::StartTls);
    assert_eq!(talk.pass(TICK), "");
    assert_eq!(talk.action, Action::StartTls);
    assert_eq!(talk.conversation.take_rest(), b"a\n");
    talk.conversation.resume();
    talk.act();
    assert_eq!(talk.take(), "");
    assert_eq!(talk.action, Action::Receive);
    assert_eq!(talk.say("a\n"), "A\n");

    // The step of a dialogue is done only then.
    let dialogue = Dialogue::new().expect("GO").start_tls();
    let mut talk = Talk::new(&lines().dialogue(dialogue));
    talk.say("GO\n");
    assert!(talk.unmet().contains("start TLS"), "{}", talk.unmet());
    talk.conversation.resume();
    assert_eq!(talk.unmet(), "");
}

#[test]
fn raw_bytes_are_answered_as_they_come() {
    let mut talk = Talk::new(&Replies::raw().on(anything(), echo()));
    assert_eq!(talk.say("ab") + &talk.say("c\n"), "abc\n");
    talk.end();
    assert_eq!(talk.action, Action::Close);
    let mut talk = Talk::new(&Replies::raw().on(anything(), no_reply().then(Then::StopReading)));
    assert_eq!(talk.say("ab"), "");
    assert_eq!(talk.action, Action::Idle);
    let mut talk = Talk::new(&Replies::raw().on("ab", reply("c").then(Then::Reset)));
    assert_eq!(talk.say("ab"), "c");
    assert_eq!(talk.action, Action::Reset);
}

#[test]
fn what_repeats_for_ever_gives_others_a_turn() {
    let ever = Dialogue::new().repeat(usize::MAX, Dialogue::new().send(no_reply()));
    let replies = lines().dialogue(ever);
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    let mut conversation = standin_reply::Conversation::new(&ledger, 0);
    let now = std::time::Instant::now();
    assert_eq!(conversation.act(now), Action::Again);
    let nothing = Dialogue::new().repeat(usize::MAX, Dialogue::new());
    let nothing = Dialogue::new().repeat(usize::MAX, nothing).send("done\n");
    assert_eq!(Talk::new(&lines().dialogue(nothing)).take(), "done\n");
    let flood = Dialogue::new().repeat(usize::MAX, Dialogue::new().send("x".repeat(100)));
    let ledger = Ledger::new(lines().dialogue(flood).prepare(&[]).unwrap());
    let mut conversation = standin_reply::Conversation::new(&ledger, 0);
    while conversation.act(now) == Action::Again {}
    assert_eq!(conversation.act(now), Action::Send);
}

#[test]
fn an_end_waits_until_what_was_answered_is_sent() {
    for closes in [false, true] {
        let talks = lines().on("A", "an answer\n");
        let talks = match closes {
            true => talks.on("Z", no_reply().then(Then::Close)),
            false => talks,
        };
        let ledger = Ledger::new(talks.prepare(&[]).unwrap());
        let mut conversation = standin_reply::Conversation::new(&ledger, 0);
        let now = std::time::Instant::now();
        conversation.receive(if closes { b"A\nZ\n" } else { b"A\n" });
        conversation.end(&End::PeerClosed);
        // The system takes it byte by byte.
        let mut answer = Vec::new();
        while conversation.act(now) != Action::Close {
            answer.push(conversation.output()[0]);
            conversation.sent(1);
        }
        assert_eq!(answer, b"an answer\n");
    }
}
