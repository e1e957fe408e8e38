//! What is not expected, and how that is reported.

use std::io;

use miette::Diagnostic;
use standin_socket::TransformError;
use thiserror::Error;

use super::*;

#[test]
fn what_nothing_matches_fails_unless_something_else_is_said() {
    let replies = lines().on("a", "A\n");
    let mut talk = Talk::new(&replies.clone().otherwise(Otherwise::Ignore));
    assert_eq!(talk.say("b\na\n"), "A\n");
    let mut talk = Talk::new(&replies.clone().otherwise(reply("no {{ frame }}\n")));
    assert_eq!(talk.say("b\na\n"), "no b\nA\n");
    let mut talk = Talk::new(&replies.clone().otherwise(Otherwise::Close));
    assert_eq!(talk.say("a\nb\na\n"), "A\n");
    assert_eq!(talk.action, Action::Close);
    assert_eq!(talk.surprises(), "");
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("b\na\n"), "A\n");
    assert_eq!(talk.ledger.unexpected_count(), 1);
    assert_eq!(talk.ledger.unexpected()[0].frame(), Some(&b"b"[..]));
}

#[test]
fn a_frame_in_other_letters_is_explained() {
    let replies = lines()
        .on(pattern("^(HELO|EHLO) (?<who>.*)$"), "hello {{ who }}\n")
        .on("QUIT", "bye\n")
        .on(prefix("Quick"), "slow\n");
    let mut talk = Talk::new(&replies);
    talk.say("ehlo x\nquit\nquickly\n");
    fails(
        &talk,
        expect![[r#"
        the replies, connection 0: unexpected frame "ehlo x"
          rule 1 (pattern `^(HELO|EHLO) (?<who>.*)$`): only the case of its letters differs (the closest)
          rule 2 (equals "QUIT"): begins differently
          rule 3 (prefix "Quick"): begins differently
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        the replies, connection 0: unexpected frame "quit"
          rule 1 (pattern `^(HELO|EHLO) (?<who>.*)$`): does not match
          rule 2 (equals "QUIT"): only the case of its letters differs (the closest)
          rule 3 (prefix "Quick"): begins differently
          the frame before was "ehlo x"; nothing was sent
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        the replies, connection 0: unexpected frame "quickly"
          rule 1 (pattern `^(HELO|EHLO) (?<who>.*)$`): does not match
          rule 2 (equals "QUIT"): begins differently
          rule 3 (prefix "Quick"): only the case of its letters differs (the closest)
          the frame before was "quit"; nothing was sent
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame"#]],
    );
}

#[test]
fn an_unexpected_frame_is_explained() {
    let replies = lines()
        .on(
            pattern(r"^BALANCE (?<account>\d+)$"),
            "{{ account }} 42.00\n",
        )
        .on(equals("QUIT").named("quit"), "bye\n")
        .on(prefix("PAY "), "paid\n")
        .on(equals("HELO").times(..=1), "250 hello\n")
        .on(predicate("is long", |frame| frame.len() > 80), no_reply())
        .on(equals("x").in_state("data"), no_reply())
        .on("DATA", reply("go on\n").enter("data"));
    let script = replies.prepare(&[]).unwrap().label("server \"bank\"");
    let mut talk = Talk::on(&Ledger::new(script), 0);
    talk.say(b"BALENCE 42\nHELO\nHELO\nPAY\nQUITE\nBALANCE x\nx\n\x00\xff\n");
    fails(
        &talk,
        expect![[r#"
        server "bank", connection 0: unexpected frame "BALENCE 42"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): at byte 3 is "ENCE 42" instead of "ANCE " (the closest)
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "HELO"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): begins differently
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): it may match at most once, and has (the closest)
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "HELO"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "PAY"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): begins differently
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): ends before " " (the closest)
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "HELO"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "QUITE"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): begins differently
          rule 2 ("quit", equals "QUIT"): there is more: "E" (the closest)
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "PAY"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "BALANCE x"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): does not match (the closest)
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "QUITE"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "x"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): begins differently
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "BALANCE x"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame
        server "bank", connection 0: unexpected frame "\0\xff"
          rule 1 (pattern `^BALANCE (?<account>\d+)$`): begins differently
          rule 2 ("quit", equals "QUIT"): begins differently
          rule 3 (prefix "PAY "): begins differently
          rule 4 (equals "HELO"): begins differently
          rule 5 (predicate "is long"): is not so
          rule 6 (equals "x" in state "data"): the connection is in no state
          rule 7 (equals "DATA"): begins differently
          the frame before was "x"; what was sent last is "250 hello\n"
          help: add a rule for it, or handle it with `otherwise`
          code: standin::reply::unexpected_frame"#]],
    );
}

#[test]
fn an_end_in_the_middle_is_unexpected() {
    let replies = lines().dialogue(Dialogue::new().expect("a").send("b\n").expect("c"));
    let mut talk = Talk::new(&replies);
    talk.say("a\nc");
    talk.end();
    assert_eq!(talk.action, Action::Close);
    fails(
        &talk,
        expect![[r#"
            the replies, connection 0: the peer closed the connection in the middle of a frame: "c"
              the frame before was "a"; what was sent last is "b\n"
              help: the peer was killed, or it uses another framing: lines end with a newline
              code: standin::reply::end_in_frame"#]],
    );
    assert_eq!(talk.unmet(), "");

    let mut talk = Talk::new(&replies);
    talk.say("a\n");
    talk.conversation.end(&End::Reset);
    talk.act();
    fails(
        &talk,
        expect![[r#"
            the replies, connection 0: the peer reset the connection in the middle of the dialogue, at step 3 (expect: equals "c")
              the frame before was "a"; what was sent last is "b\n"
              help: the peer sent less than was expected; `branch` allows several ways to go on
              code: standin::reply::end_in_dialogue"#]],
    );
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("a\nc\n"), "b\n");
    talk.end();
    assert_eq!(talk.surprises(), "");
}

/// What a handshake says of its failure.
#[derive(Debug, Error, Diagnostic)]
#[error("the peer does not trust the authority")]
#[diagnostic(help("hand it the file"))]
struct Untrusted;

#[test]
fn a_connection_that_fails_says_why_and_what_helps() {
    let after = |said, failure| {
        let mut talk = Talk::new(&lines().dialogue(Dialogue::new().expect("a").expect("b")));
        talk.say(said);
        talk.conversation.end(&End::Failed(failure));
        talk.act();
        talk
    };
    let untrusted = io::Error::other(TransformError::new(Untrusted));
    fails(
        &after("a\n", untrusted),
        expect![[r#"
            the replies, connection 0: the connection failed in the middle of the dialogue, at step 2 (expect: equals "b"): the peer does not trust the authority
              the frame before was "a"; nothing was sent
              help: hand it the file
              code: standin::reply::end_in_dialogue"#]],
    );
    fails(
        &after("a\nb", io::Error::other("it broke")),
        expect![[r#"
            the replies, connection 0: the connection failed in the middle of a frame: "b": it broke
              the frame before was "a"; nothing was sent
              help: the peer was killed, or it uses another framing: lines end with a newline
              code: standin::reply::end_in_frame"#]],
    );
}

#[test]
fn what_cannot_be_understood_closes_the_connection() {
    let framing = LengthPrefix::new(Width::U8, Endian::Big).limit(3);
    let mut talk = Talk::new(&Replies::framed(framing).on(anything(), "x"));
    assert_eq!(talk.say(b"\x01a\x04aaaa\x01a"), "x");
    assert_eq!(talk.action, Action::Close);
    fails(
        &talk,
        expect![[r#"
            the replies, connection 0: what arrived is not a frame: a frame of 4 bytes is over the limit of 3: "\u{4}aaaa\u{1}a"
              the frame before was "a"; what was sent last is "x"
              help: compare the framing with the peer's
              code: standin::reply::not_a_frame"#]],
    );

    let script = lines()
        .on(anything(), "x\n")
        .prepare(&[])
        .unwrap()
        .receive_limit(8);
    let mut talk = Talk::on(&Ledger::new(script), 0);
    assert_eq!(talk.say("1234567\n12345678\n1\n"), "x\n");
    assert_eq!(talk.action, Action::Close);
    fails(
        &talk,
        expect![[r#"
            the replies, connection 0: a frame is longer than 8 bytes; it begins "12345678\n"
              the frame before was "1234567"; what was sent last is "x\n"
              help: raise the receive limit if such frames are expected, or compare the framing with the peer's
              code: standin::reply::frame_too_long"#]],
    );
}

#[test]
fn code_that_panics_closes_its_connection_only() {
    #[derive(Clone)]
    struct Own;
    impl Framing for Own {
        fn find(&mut self, bytes: &[u8], _: usize) -> Result<Found, FrameError> {
            assert!(bytes[0] != b'!', "no such frame");
            Ok(Found::frame(0..1, 1))
        }
        fn encode(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
            panic!("cannot encode {}", payload.len())
        }
    }
    let replies = Replies::framed(Own)
        .on(
            predicate("is odd", |frame| frame[0] != b'p' || panic!("p came")),
            no_reply(),
        )
        .otherwise(Otherwise::Ignore);
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    for text in ["!", "p"] {
        let mut talk = Talk::on(&ledger, 0);
        talk.say(text);
        assert_eq!(talk.action, Action::Close);
    }
    let replies =
        Replies::framed(Own)
            .on("e", echo().framed())
            .with(|frame: &Frame<'_>, _: &mut ()| {
                assert!(frame.payload() != b"c", "c came");
                None
            });
    let mut talk = Talk::new(&replies);
    talk.say("ec");
    assert_eq!(talk.action, Action::Close);
    let mut all = ledger.unexpected();
    all.extend(talk.ledger.unexpected());
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    expect![[r#"
        the replies, connection 0: the framing panicked: no such frame
        the replies, connection 0: predicate "is odd" panicked: p came
        the replies, connection 0: the answer could not be sent: the framing panicked: cannot encode 1
          the frame was "e"; nothing was sent
        the replies, connection 0: closure 1 for the frame "c" panicked: c came
          the frame before was "e"; nothing was sent"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn an_answer_that_cannot_be_made_is_unexpected() {
    let replies = lines().on(
        pattern("^(?<a>.*)$"),
        reply("{{ a }}\n").framed().and("b\n"),
    );
    let mut talk = Talk::new(&replies);
    assert_eq!(talk.say("x\n"), "b\n");
    let replies = Replies::framed(FixedSize::new(1))
        .on("q", "{{ 1 / 0 }}")
        .on(anything(), "{{ frame | upper }}");
    let mut other = Talk::new(&replies);
    assert_eq!(other.say(b"q\xffa"), "A");
    let all = [talk.surprises(), other.surprises()];
    expect![[r#"
        the replies, connection 0: the answer could not be sent: the payload holds the delimiter at byte 1: "x\n"
          the frame was "x"; nothing was sent
        the replies, connection 0: the answer could not be sent: invalid operation: unable to calculate 1 / 0
          the frame was "q"; nothing was sent
        the replies, connection 0: the answer could not be sent: `frame` is not UTF-8 here, and can only be sent as it is: `{{ frame }}`
          the frame was "\xff"; nothing was sent"#]].assert_eq(&all.join("\n"));
}

#[test]
fn only_so_much_evidence_is_kept() {
    let mut talk = Talk::new(&lines().on("a", "b\n"));
    talk.say(format!("{}\n", "x".repeat(5000)).repeat(100));
    assert_eq!(talk.ledger.unexpected().len(), Ledger::MOST_UNEXPECTED);
    assert_eq!(talk.ledger.unexpected_count(), 100);
    assert_eq!(talk.ledger.unexpected()[0].frame().unwrap().len(), 512);
    let text = talk.ledger.verify().unwrap_err().to_string();
    assert!(
        text.starts_with("65 things did not happen as declared"),
        "{text}"
    );
    assert!(
        text.contains("something unexpected happened 36 more times"),
        "{text}"
    );
}

#[test]
fn many_dialogues_that_are_not_over_are_counted() {
    let replies = lines().dialogue(Dialogue::new().expect("a"));
    let ledger = Ledger::new(replies.prepare(&[]).unwrap());
    let mut talks: Vec<_> = (0..100).map(|index| Talk::on(&ledger, index)).collect();
    talks[7].say("a\n");
    let unmet = ledger.unmet();
    assert_eq!(unmet.len(), 65);
    assert_eq!(unmet[64].to_string(), "35 more dialogues are not over");
    ledger
        .wait_until(Seen::everything(), Duration::ZERO)
        .unwrap_err();
    for talk in &mut talks {
        talk.say("a\n");
    }
    assert_eq!(talks[3].unmet(), "");
    ledger
        .wait_until(Seen::dialogue(99), Duration::ZERO)
        .unwrap();
}
