//! Whatever replies say and a peer does: a conversation comes to the same however
//! its bytes are cut, never panics, and keeps no more than it should.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_reply::{
    Action, Answer, Conversation, Dialogue, Ledger, Otherwise, Replies, Then, When, anything, echo,
    equals, no_reply, pattern, predicate, prefix, reply, reply_bytes, reply_hex,
};
use standin_socket::End;
use standin_socket::framing::{Delimiter, Endian, FixedSize, LengthPrefix, Lines, Width};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    framing: Kind,
    greeting: Option<Reply<'a>>,
    rules: Vec<(Rule<'a>, Reply<'a>)>,
    otherwise: Option<Option<Reply<'a>>>,
    dialogue: Option<Vec<Step<'a>>>,
    connections: Option<(u8, u8)>,
    receive_limit: u16,
    /// Where the stream is cut: the sizes of its pieces, over and over.
    pieces: Vec<u8>,
    stream: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Lines,
    Delimiter(u8),
    Length,
    Fixed(u8),
}

#[derive(Arbitrary, Debug)]
struct Rule<'a> {
    test: Test<'a>,
    times: Option<(u8, u8)>,
    state: Option<Option<u8>>,
}

#[derive(Arbitrary, Debug)]
enum Test<'a> {
    Anything,
    Equals(&'a [u8]),
    Prefix(&'a [u8]),
    Pattern(&'a str),
    Longer(u8),
}

#[derive(Arbitrary, Debug)]
struct Reply<'a> {
    pieces: Vec<Piece<'a>>,
    then: u8,
    state: Option<Option<u8>>,
}

#[derive(Arbitrary, Debug)]
struct Piece<'a> {
    content: Content<'a>,
    framed: bool,
    delay: Option<u16>,
}

#[derive(Arbitrary, Debug)]
enum Content<'a> {
    Template(&'a str),
    Bytes(&'a [u8]),
    Hex(&'a str),
    Frame,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Expect(Test<'a>),
    Send(Reply<'a>),
    Repeat(u8, Vec<Step<'a>>),
    Branch(Vec<(Test<'a>, Vec<Step<'a>>)>),
}

fuzz_target!(|input: Input<'_>| {
    let replies = replies(&input);
    let Ok(script) = replies.prepare(&[]) else {
        return;
    };
    let script = script.receive_limit(usize::from(input.receive_limit));
    let whole = talk(&Ledger::new(script.clone()), std::iter::once(input.stream));
    let pieces = talk(&Ledger::new(script), cut(input.stream, &input.pieces));
    // One that goes on for very long was not seen to its end.
    if let (Some(whole), Some(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
    }
});

fn replies(input: &Input<'_>) -> Replies {
    let mut replies = match input.framing {
        Kind::Lines => Replies::framed(Lines::new()),
        Kind::Delimiter(byte) => match Delimiter::new([byte]) {
            Ok(framing) => Replies::framed(framing),
            Err(error) => panic!("{error}"),
        },
        Kind::Length => Replies::framed(LengthPrefix::new(Width::U8, Endian::Big).limit(100)),
        Kind::Fixed(size) => Replies::framed(FixedSize::new(usize::from(size))),
    };
    if let Some(greeting) = &input.greeting {
        replies = replies.greeting(answer(greeting));
    }
    for (rule, reply) in &input.rules {
        replies = replies.on(when(rule), answer(reply));
    }
    replies = match &input.otherwise {
        None => replies,
        Some(None) => replies.otherwise(Otherwise::Ignore),
        Some(Some(reply)) => replies.otherwise(answer(reply)),
    };
    if let Some(steps) = &input.dialogue {
        replies = replies.dialogue(dialogue(steps));
    }
    if let Some((least, most)) = input.connections {
        replies = replies.connections(usize::from(least)..=usize::from(most));
    }
    replies
}

fn when(rule: &Rule<'_>) -> When {
    let mut when = test(&rule.test);
    if let Some((least, most)) = rule.times {
        when = when.times(usize::from(least)..=usize::from(most));
    }
    match rule.state {
        None => when,
        Some(None) => when.in_any_state(),
        Some(Some(state)) => when.in_state(name(state)),
    }
}

fn test(test: &Test<'_>) -> When {
    match *test {
        Test::Anything => anything(),
        Test::Equals(bytes) => equals(bytes),
        Test::Prefix(bytes) => prefix(bytes),
        Test::Pattern(expression) => pattern(expression),
        Test::Longer(size) => predicate("is longer", move |frame| frame.len() > usize::from(size)),
    }
}

/// A few names, so that they meet.
fn name(number: u8) -> String {
    format!("state {}", number % 3)
}

fn answer(described: &Reply<'_>) -> Answer {
    let mut answer = no_reply();
    for piece in &described.pieces {
        let mut next = match piece.content {
            Content::Template(text) => reply(text),
            Content::Bytes(bytes) => reply_bytes(bytes),
            Content::Hex(digits) => reply_hex(digits),
            Content::Frame => echo(),
        };
        if piece.framed {
            next = next.framed();
        }
        if let Some(delay) = piece.delay {
            next = next.after(Duration::from_millis(delay.into()));
        }
        answer = answer.and(next);
    }
    answer = answer.then(match described.then % 8 {
        0 => Then::Close,
        1 => Then::HalfClose,
        2 => Then::Reset,
        3 => Then::StopReading,
        4 => Then::hold("it"),
        5 => Then::StartTls,
        _ => Then::Continue,
    });
    match described.state {
        None => answer,
        Some(None) => answer.leave_state(),
        Some(Some(state)) => answer.enter(name(state)),
    }
}

fn dialogue(steps: &[Step<'_>]) -> Dialogue {
    steps.iter().fold(Dialogue::new(), |all, step| match step {
        Step::Expect(expected) => all.expect(test(expected)),
        Step::Send(reply) => all.send(answer(reply)),
        Step::Repeat(times, steps) => all.repeat(usize::from(*times), dialogue(steps)),
        Step::Branch(arms) => {
            all.branch(arms.iter().map(|(arm, steps)| (test(arm), dialogue(steps))))
        }
    })
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

/// How often a conversation is asked what to do. One that repeats something for ages is left
/// before its end.
const ROUNDS: usize = 2000;

/// Holds a conversation in which the peer says `pieces`, and then no more.
fn talk<'a>(ledger: &Ledger, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Outcome> {
    let mut conversation = Conversation::new(ledger, 0);
    let mut pieces = pieces.fuse();
    let mut now = Instant::now();
    let mut sent = Vec::new();
    let mut rounds = 0..ROUNDS;
    let last = loop {
        rounds.next()?;
        let action = conversation.act(now);
        while !conversation.output().is_empty() {
            let output = conversation.output();
            sent.extend_from_slice(output);
            conversation.sent(output.len());
        }
        match action {
            Action::Receive => match pieces.next() {
                Some(piece) => conversation.receive(piece),
                None => conversation.end(&End::PeerClosed),
            },
            Action::Wait(until) => now = until,
            Action::Hold(_) | Action::StartTls => conversation.resume(),
            Action::Idle | Action::Close | Action::Reset => break action,
            _ => {}
        }
    };
    let unmet = ledger.unmet();
    Some(Outcome {
        sent,
        last,
        unexpected: ledger.unexpected().iter().map(kind).collect(),
        unmet: unmet.iter().map(ToString::to_string).collect(),
        frames: ledger.frames(),
    })
}

/// What was unexpected, but for the bytes that came after what is not a frame: how many there are
/// is the network's doing.
fn kind(unexpected: &standin_reply::Unexpected) -> String {
    let text = unexpected.to_string();
    match text.split_once("not a frame") {
        Some((before, _)) => before.to_owned(),
        None => text,
    }
}

fn cut<'a>(mut stream: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().copied().cycle();
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let size = usize::from(sizes.next().unwrap_or(1)).clamp(1, stream.len());
        let (piece, rest) = stream.split_at(size);
        stream = rest;
        Some(piece)
    })
}
