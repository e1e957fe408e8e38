//! What holds for all replies and all streams.

#![expect(clippy::panic, reason = "a helper of a test fails the test")]

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use standin_reply::{
    Action, Answer, Conversation, Dialogue, Ledger, Otherwise, Replies, Then, When, anything, echo,
    equals, no_reply, pattern, predicate, prefix, reply, reply_bytes, reply_hex,
};
use standin_socket::End;
use standin_socket::framing::{Delimiter, Endian, FixedSize, LengthPrefix, Lines, Width};

/// What a stream consists of, so that something matches now and then.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"a\n".to_vec()),
        2 => Just(b"bb\n".to_vec()),
        2 => Just(b"a1\r\n".to_vec()),
        1 => Just(b"\x00\x03abc".to_vec()),
        1 => vec(any::<u8>(), 0..12),
        1 => Just(vec![b'x'; 40]),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn framings() -> impl Strategy<Value = Replies> {
    prop_oneof![
        4 => Just(Replies::framed(Lines::new())),
        1 => Just(Replies::framed(Delimiter::new("\n").expect("not empty").kept())),
        1 => Just(Replies::framed(LengthPrefix::new(Width::U16, Endian::Big).limit(20))),
        1 => (1_usize..5).prop_map(|size| Replies::framed(FixedSize::new(size))),
    ]
}

fn condition() -> impl Strategy<Value = When> {
    prop_oneof![
        Just(equals("a")),
        Just(equals("bb")),
        Just(prefix("a")),
        Just(pattern(r"^(?<letter>[a-z])(?<digit>\d)?")),
        Just(predicate("is long", |frame| frame.len() > 3)),
        Just(anything()),
    ]
}

fn rule() -> impl Strategy<Value = When> {
    let state = prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2)];
    let times = prop_oneof![2 => Just(None), 1 => (0_usize..3).prop_map(Some)];
    (condition(), state, times).prop_map(|(when, state, times)| {
        let when = match state {
            0 => when,
            1 => when.in_state("data"),
            _ => when.in_any_state(),
        };
        match times {
            None => when,
            Some(times) => when.times(times..=times + 1),
        }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let piece = prop_oneof![
        Just(reply("A\n")),
        Just(reply("{{ frame }} on {{ connection.index }}\n")),
        Just(reply("{{ frame | upper }}\n")),
        Just(reply_bytes([0, 1, 2])),
        Just(reply_hex("0a ff")),
        Just(echo()),
        Just(echo().framed()),
        Just(no_reply()),
    ];
    let piece = (piece, proptest::option::of(0_u64..50)).prop_map(|(piece, delay)| match delay {
        None => piece,
        Some(delay) => piece.after(Duration::from_millis(delay)),
    });
    let then = prop_oneof![
        12 => Just(Then::Continue),
        1 => Just(Then::Close),
        1 => Just(Then::HalfClose),
        1 => Just(Then::Reset),
        1 => Just(Then::StopReading),
        1 => Just(Then::StartTls),
        1 => Just(Then::hold("it")),
    ];
    let state = prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(2)];
    (vec(piece, 1..4), then, state).prop_map(|(pieces, then, state)| {
        let answer = pieces.into_iter().fold(no_reply(), Answer::and).then(then);
        match state {
            0 => answer,
            1 => answer.enter("data"),
            _ => answer.leave_state(),
        }
    })
}

fn dialogue() -> impl Strategy<Value = Dialogue> {
    let step = prop_oneof![
        condition().prop_map(|when| Dialogue::new().expect(when)),
        answer().prop_map(|answer| Dialogue::new().send(answer)),
    ];
    let short = vec(step, 0..5).prop_map(|steps| {
        // Each of them is a dialogue of one step: once over is once.
        let all = steps.into_iter();
        all.fold(Dialogue::new(), |dialogue, step| dialogue.repeat(1, step))
    });
    short.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            (0_usize..4, inner.clone())
                .prop_map(|(times, body)| { Dialogue::new().expect("a").repeat(times, body) }),
            vec((condition(), inner), 0..3).prop_map(|arms| Dialogue::new().branch(arms)),
        ]
    })
}

fn replies() -> impl Strategy<Value = Replies> {
    let otherwise = prop_oneof![
        2 => Just(Otherwise::Fail),
        1 => Just(Otherwise::Ignore),
        1 => Just(Otherwise::Close),
        1 => answer().prop_map(Otherwise::Answer),
    ];
    let greeting = proptest::option::of(Just("hello {{ connection.index }}\n"));
    let dialogue = proptest::option::weighted(0.4, dialogue());
    let rules = vec((rule(), answer()), 0..5);
    (framings(), rules, otherwise, greeting, dialogue).prop_map(
        |(replies, rules, otherwise, greeting, dialogue)| {
            let add = |replies: Replies, (when, answer)| replies.on(when, answer);
            let replies = rules.into_iter().fold(replies, add).otherwise(otherwise);
            let replies = match greeting {
                None => replies,
                Some(greeting) => replies.greeting(greeting),
            };
            match dialogue {
                None => replies,
                Some(dialogue) => replies.dialogue(dialogue),
            }
        },
    )
}

/// The account of the replies, unless they have mistakes, as some that come by chance do.
fn ledger(replies: &Replies, limit: usize) -> Option<Ledger> {
    let script = replies.prepare(&[]).ok()?;
    Some(Ledger::new(script.receive_limit(limit)))
}

/// What a conversation has come to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    sent: Vec<u8>,
    last: Action,
    unexpected: Vec<String>,
    unmet: Vec<String>,
    frames: usize,
}

/// Holds a conversation in which the peer says `pieces`, and then no more.
fn talk<'a>(ledger: &Ledger, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut conversation = Conversation::new(ledger, 0);
    let mut pieces = pieces.fuse();
    let mut now = Instant::now();
    let mut sent = Vec::new();
    let last = loop {
        let action = conversation.act(now);
        while !conversation.output().is_empty() {
            let count = conversation.output().len().div_ceil(2);
            sent.extend_from_slice(&conversation.output()[..count]);
            conversation.sent(count);
        }
        match action {
            Action::Receive => match pieces.next() {
                Some(piece) => conversation.receive(piece),
                None => conversation.end(&End::PeerClosed),
            },
            Action::Wait(until) => {
                assert!(until > now, "it waits for what has passed");
                now = until;
            }
            Action::Hold(_) | Action::StartTls => conversation.resume(),
            Action::Send | Action::Again | Action::HalfClose => {}
            Action::Idle | Action::Close | Action::Reset => break action,
            other => panic!("{other:?}"),
        }
    };
    Outcome {
        sent,
        last,
        unexpected: ledger.unexpected().iter().map(kind).collect(),
        unmet: ledger.unmet().iter().map(ToString::to_string).collect(),
        frames: ledger.frames(),
    }
}

/// What was unexpected, except for the bytes that came after what is not a frame: how many there
/// are is the network's doing.
fn kind(unexpected: &standin_reply::Unexpected) -> String {
    let text = unexpected.to_string();
    match text.split_once("not a frame") {
        Some((before, _)) => before.to_owned(),
        None => text,
    }
}

/// Cuts a stream into pieces of these sizes, over and over.
fn cut<'a>(stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    std::iter::from_fn(move || {
        let size = rest.len().min(*sizes.next()?);
        let (piece, left) = rest.split_at(size);
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut(
        replies in replies(),
        stream in stream(),
        sizes in vec(1_usize..9, 1..5),
        limit in prop_oneof![Just(1 << 20), 1_usize..30],
    ) {
        let Some(whole) = ledger(&replies, limit) else { return Ok(()) };
        let whole = talk(&whole, std::iter::once(&*stream));
        let pieces = ledger(&replies, limit).expect("as before");
        let pieces = talk(&pieces, cut(&stream, &sizes));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn a_peer_that_never_reads_is_sent_so_much_only(
        replies in replies(),
        stream in stream(),
        rounds in 1_usize..200,
    ) {
        let Some(ledger) = ledger(&replies, 1 << 20) else { return Ok(()) };
        let mut conversation = Conversation::new(&ledger, 0);
        let mut now = Instant::now();
        for _ in 0..rounds {
            match conversation.act(now) {
                Action::Receive => {
                    for _ in 0..100 {
                        conversation.receive(&stream);
                    }
                }
                Action::Wait(until) => now = until,
                Action::Hold(_) | Action::StartTls => conversation.resume(),
                Action::Again | Action::HalfClose => {}
                _ => break,
            }
        }
        let mut waiting = 0;
        while !conversation.output().is_empty() {
            waiting += conversation.output().len();
            conversation.sent(usize::MAX);
        }
        // An answer that is begun below the limit may go beyond it by a piece, and none here has
        // more than a frame and some words.
        prop_assert!(waiting <= Conversation::MOST_OUTPUT + 1200 * 100 * 3, "{}", waiting);
    }

    #[test]
    fn no_text_makes_a_check_panic(
        expression in any::<String>(),
        template in "[ -~]*(\\{\\{[ -~]*\\}\\})?[ -~]*",
        digits in "[0-9a-fg ]*",
    ) {
        let replies = Replies::framed(Lines::new())
            .on(pattern(&expression), reply(&template))
            .on(pattern(format!("^{expression}")), reply_hex(&digits))
            .dialogue(Dialogue::new().expect(pattern(&expression)).send(&*template));
        if let Err(error) = replies.check(&["context"]) {
            prop_assert!(!error.mistakes().is_empty());
            let report = format!("{error:?}");
            prop_assert!(report.contains("code: standin::reply::"));
        }
    }
}
