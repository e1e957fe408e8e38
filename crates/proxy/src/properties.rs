//! Properties of a direction for any chunking of its bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use standin_socket::framing::Lines;

use crate::passage::{Got, Passage};
use crate::queue::Act;
use crate::random::Random;
use crate::rule::Rule;
use crate::stream::{Note, Out, Stream};
use crate::{Fault, Link, NewFraming};

/// Passes bytes, in these pieces, to a receiver that takes that many at a time.
fn pass(faults: &[Fault], link: &Link, pieces: &[&[u8]], takes: usize) -> Got {
    let mut passage = Passage::new(Some(&NewFraming::new(Lines::new())), 7);
    passage.set_link(link.clone());
    for fault in faults {
        assert!(passage.inject(fault.clone()), "a fault that makes sense");
    }
    passage.receive(takes);
    for piece in pieces {
        passage.push(piece, takes);
        passage.receive(takes);
    }
    passage.end();
    passage.receive(takes);
    passage.into_got()
}

/// The same bytes in other pieces.
fn cut<'a>(bytes: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = at.iter().map(|at| at % (bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'b')], 0..80)
}

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        Just(Fault::reset()),
        Just(Fault::close()),
        Just(Fault::half_close()),
        Just(Fault::silence()),
        Just(Fault::corrupt()),
        Just(Fault::delay(Duration::from_millis(3))),
    ];
    let number = 0..12u64;
    (kind, 0..6, number, 0..4u64).prop_map(|(fault, place, number, offset)| match place {
        0 => fault,
        1 => fault.after_bytes(number),
        2 => fault.at_byte(number),
        3 => fault.after_frames(number),
        4 => fault.in_frame(number, offset),
        _ => fault.on_frame("^ab"),
    })
}

fn link() -> impl Strategy<Value = Link> {
    prop_oneof![
        Just(Link::new()),
        Just(Link::new().latency(Duration::from_millis(2))),
        Just(Link::new().bandwidth(700)),
        Just(Link::new().slice(3, Duration::from_micros(200))),
        Just(Link::new().limit(20)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However the bytes come and however they are taken, the receiver gets the same.
    #[test]
    fn however_bytes_come_the_receiver_gets_the_same(
        bytes in text(),
        faults in proptest::collection::vec(fault(), 0..4),
        link in link(),
        at in proptest::collection::vec(any::<usize>(), 0..12),
        takes in 1..20usize,
    ) {
        let whole = pass(&faults, &link, &[&bytes], usize::MAX);
        let pieces = pass(&faults, &link, &cut(&bytes, &at), takes);
        prop_assert_eq!(whole, pieces);
    }

    /// Without a fault everything passes, on any link.
    #[test]
    fn without_a_fault_all_goes_through(
        bytes in text(),
        link in link(),
        at in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let got = pass(&[], &link, &cut(&bytes, &at), 5);
        let most = if link.limit.is_some() { 20 } else { usize::MAX };
        let through = &bytes[..bytes.len().min(most)];
        prop_assert_eq!(&got.bytes[..], through);
        prop_assert_eq!(got.acts, vec![(through.len(), Act::End)]);
    }

    /// A cut after a number of bytes lets exactly that many pass.
    #[test]
    fn a_cut_is_exact(
        bytes in text(),
        after in 0..100u64,
        at in proptest::collection::vec(any::<usize>(), 0..12),
        takes in 1..20usize,
    ) {
        let fault = Fault::reset().after_bytes(after);
        let got = pass(&[fault], &Link::new(), &cut(&bytes, &at), takes);
        let after = usize::try_from(after).expect("it is small");
        let exact = after.min(bytes.len());
        prop_assert_eq!(&got.bytes[..], &bytes[..exact]);
        let act = if after <= bytes.len() { Act::Reset } else { Act::End };
        prop_assert_eq!(got.acts, vec![(exact, act)]);
    }

    /// A frame that is left out is all that is missing.
    #[test]
    fn a_dropped_frame_is_all_that_is_missing(
        lines in proptest::collection::vec("[ab]{0,5}", 1..10),
        nth in 0..10usize,
        at in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let bytes: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let fault = Fault::drop_frame().at_frame(nth as u64);
        let got = pass(&[fault], &Link::new(), &cut(bytes.as_bytes(), &at), usize::MAX);
        let mut left = lines.clone();
        let is_there = nth < left.len();
        if is_there {
            left.remove(nth);
        }
        let left: String = left.iter().map(|line| format!("{line}\n")).collect();
        prop_assert_eq!(got.bytes, left.into_bytes());
        prop_assert_eq!(got.fired.len(), usize::from(is_there));
    }
}

#[test]
fn ten_thousand_cuts_are_exact() {
    let bytes: Vec<u8> = (0..100u8).cycle().take(10_000).collect();
    for after in 0..10_000u64 {
        let size = usize::try_from(after).expect("it is small");
        let fault = Fault::close().after_bytes(after);
        let pieces = cut(&bytes, &[size / 2, size + 17]);
        let got = pass(&[fault], &Link::new(), &pieces, 1 << 10);
        assert_eq!(got.bytes.len(), size);
        assert_eq!(got.acts, [(size, Act::Close)]);
    }
}

#[test]
fn of_two_cuts_at_one_place_the_first_happens() {
    let faults = [Fault::close().after_bytes(2), Fault::reset().after_bytes(2)];
    let got = pass(&faults, &Link::new(), &[b"abc"], usize::MAX);
    assert_eq!(got.acts, [(2, Act::Close)]);
    assert_eq!(got.fired, [("close up after 2 bytes".to_owned(), 2)]);
}

#[test]
fn what_matches_is_not_seen_before_the_fault() {
    let fault = Fault::reset().on_frame("^COMMIT");
    let got = pass(
        &[fault],
        &Link::new(),
        &[b"BEGIN\nCOM", b"MIT\nx\n"],
        usize::MAX,
    );
    assert_eq!(got.bytes, b"BEGIN\n");
    assert_eq!(got.acts, [(6, Act::Reset)]);
}

#[test]
fn a_byte_that_is_corrupt_has_all_its_bits_turned() {
    let fault = Fault::corrupt().at_byte(3);
    let got = pass(&[fault], &Link::new(), &[b"ab", b"cd", b"ef"], usize::MAX);
    assert_eq!(got.bytes, [b'a', b'b', b'c', !b'd', b'e', b'f']);
}

#[test]
fn a_delay_holds_what_follows_and_nothing_before() {
    let start = Instant::now();
    let time = Duration::from_millis(50);
    let fault = Fault::delay(time).at_frame(1);
    let mut stream = Stream::new(Random::new(7, 0, 1));
    stream.set_framing(Box::new(Lines::new()));
    let rule = Rule::new(fault).expect("a fault that makes sense");
    stream.arm(start, Arc::new(rule));
    stream.push(start, b"one\ntwo\n");
    assert_eq!(stream.next(start), Out::Send(b"one\n"));
    stream.sent(start, 4);
    assert_eq!(stream.next(start), Out::Wait(start + time));
    assert_eq!(stream.next(start + time), Out::Send(b"two\n"));
}

#[test]
fn what_is_not_in_frames_goes_through_and_is_noted() {
    struct Never;
    impl standin_socket::framing::Framing for Never {
        fn find(
            &mut self,
            _: &[u8],
            _: usize,
        ) -> Result<standin_socket::framing::Found, standin_socket::framing::FrameError> {
            Err(standin_socket::framing::FrameError::invalid("never"))
        }
    }
    let now = Instant::now();
    let mut stream = Stream::new(Random::new(7, 0, 1));
    stream.set_framing(Box::new(Never));
    stream.push(now, b"ab");
    assert_eq!(stream.next(now), Out::Send(b"ab"));
    stream.sent(now, 2);
    stream.push(now, b"cd");
    assert_eq!(stream.next(now), Out::Send(b"cd"));
    assert!(matches!(&stream.take_notes()[..], [Note::NotFrames(_)]));
}
