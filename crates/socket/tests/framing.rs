//! Every framing finds the same frames, whatever pieces the bytes come in.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::thread;

use common::{LIMIT, pair};
use proptest::{collection::vec, prelude::*};
use standin_socket::framing::{
    Decoder, Delimiter, Endian, FixedSize, FrameError, Framing, LengthPrefix, Lines, Matching,
    Width,
};

/// Feeds the bytes in pieces and collects the frames.
fn decode(framing: impl Framing, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut decoder = Decoder::new(framing);
    let mut frames = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        decoder.push(piece);
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
        rest = after;
    }
    assert_eq!(decoder.rest(), b"");
    Ok(frames)
}

/// Encodes the payloads one after another and checks that every way to cut them gives them back.
fn check(mut framing: impl Framing + Clone, payloads: &[Vec<u8>], cuts: &[usize]) {
    let bytes: Vec<u8> = payloads
        .iter()
        .flat_map(|payload| framing.encode(payload).unwrap())
        .collect();
    assert_eq!(decode(framing.clone(), &bytes, cuts).unwrap(), payloads);
    let single = vec![1; bytes.len()];
    assert_eq!(decode(framing, &bytes, &single).unwrap(), payloads);
}

fn without(bytes: &[u8], forbidden: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| !forbidden.contains(byte))
        .collect()
}

/// Whatever a framing makes a frame of, it gives back.
fn what_is_encoded_comes_back(mut framing: impl Framing + Clone, payload: &[u8]) {
    if let Ok(frame) = framing.encode(payload) {
        assert_eq!(decode(framing, &frame, &[1]).unwrap(), [payload]);
    }
}

proptest! {
    #[test]
    fn no_framing_takes_what_it_does_not_give_back(
        payload in "[ab\r\n$|]{0,12}",
        delimiter in "[ab\r\n$|]{1,3}",
        counts_itself in any::<bool>(),
    ) {
        let payload = payload.as_bytes();
        what_is_encoded_comes_back(Lines::new(), payload);
        let plain = Delimiter::new(delimiter.as_bytes()).unwrap();
        what_is_encoded_comes_back(plain.clone(), payload);
        what_is_encoded_comes_back(plain.kept(), payload);
        let length = LengthPrefix::new(Width::U8, Endian::Little).limit(8);
        what_is_encoded_comes_back(
            if counts_itself { length.counts_itself() } else { length },
            payload,
        );
        what_is_encoded_comes_back(FixedSize::new(5), payload);
    }

    #[test]
    fn delimiters(payloads in vec(vec(any::<u8>(), 0..40), 0..20), cuts in vec(0..30_usize, 0..40)) {
        // Parts of the delimiter stay in the payloads; only a whole one may not.
        let payloads: Vec<_> = payloads.iter().map(|payload| without(payload, b"$")).collect();
        check(Delimiter::new(b"ab$").unwrap(), &payloads, &cuts);
    }

    #[test]
    fn repetitive_delimiters(payloads in vec(vec(prop::sample::select(b"ab".to_vec()), 0..12), 0..20), cuts in vec(0..9_usize, 0..40)) {
        let mut framing = Delimiter::new(b"aab").unwrap();
        let payloads: Vec<_> = payloads.into_iter().filter(|payload| framing.encode(payload).is_ok()).collect();
        check(framing, &payloads, &cuts);
    }

    #[test]
    fn lines(payloads in vec(vec(any::<u8>(), 0..40), 0..20), cuts in vec(0..30_usize, 0..40)) {
        let payloads: Vec<_> = payloads.iter().map(|payload| without(payload, b"\r\n")).collect();
        check(Lines::new(), &payloads, &cuts);
        let windows: Vec<u8> = payloads.iter().flat_map(|line| [line, &b"\r\n"[..]].concat()).collect();
        prop_assert_eq!(decode(Lines::new(), &windows, &cuts).unwrap(), payloads);
    }

    #[test]
    fn length_prefixes(
        payloads in vec(vec(any::<u8>(), 0..200), 0..20),
        cuts in vec(0..90_usize, 0..40),
        width in prop::sample::select(vec![Width::U8, Width::U16, Width::U32, Width::U64]),
        endian in prop::sample::select(vec![Endian::Big, Endian::Little]),
        counts_itself: bool,
    ) {
        let framing = LengthPrefix::new(width, endian);
        check(if counts_itself { framing.counts_itself() } else { framing }, &payloads, &cuts);
    }

    #[test]
    fn fixed_sizes(payloads in vec(vec(any::<u8>(), 7), 0..20), cuts in vec(0..30_usize, 0..40)) {
        check(FixedSize::new(7), &payloads, &cuts);
    }

    #[test]
    fn matches(numbers in vec(0..100_000_u32, 0..20), cuts in vec(0..30_usize, 0..40)) {
        let frames: Vec<Vec<u8>> = numbers.iter().map(|number| format!("<{number}>").into_bytes()).collect();
        let end = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'>').map(|at| at + 1);
        prop_assert_eq!(decode(Matching::new(end), &frames.concat(), &cuts).unwrap(), frames);
    }

    /// Bytes that mean nothing are frames or errors, and never a panic.
    #[test]
    fn nonsense_is_no_panic(bytes in vec(any::<u8>(), 0..300)) {
        for endian in [Endian::Big, Endian::Little] {
            for width in [Width::U8, Width::U16, Width::U32, Width::U64] {
                let mut decoder = Decoder::new(LengthPrefix::new(width, endian).limit(u64::MAX).counts_itself());
                decoder.push(&bytes);
                while let Ok(Some(_)) = decoder.next() {}
            }
        }
    }

    /// The same over a real connection, where the pieces are the system's.
    #[test]
    fn frames_survive_a_connection(
        payloads in vec(vec(any::<u8>(), 0..5000), 1..8),
        cuts in vec(1..4000_usize, 1..20),
    ) {
        let (near, far, _server) = pair();
        let mut framing = LengthPrefix::new(Width::U16, Endian::Little);
        let lines: Vec<_> = payloads.iter().map(|payload| without(payload, b"\r\n")).collect();
        let mut bytes: Vec<u8> = Vec::new();
        for (payload, line) in payloads.iter().zip(&lines) {
            bytes.extend(framing.encode(payload).unwrap());
            bytes.extend(Lines::new().encode(line).unwrap());
        }
        let sender = thread::spawn(move || {
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                near.send(piece, LIMIT).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            near
        });
        // Two framings in turn: what one reads ahead, the other finds.
        for (payload, line) in payloads.iter().zip(&lines) {
            prop_assert_eq!(&far.receive_frame(&mut framing, LIMIT).unwrap(), payload);
            prop_assert_eq!(&far.receive_line(LIMIT).unwrap(), line);
        }
        sender.join().unwrap();
    }
}

#[test]
fn what_a_length_says_is_checked_before_it_is_waited_for() {
    let mut framing = LengthPrefix::new(Width::U32, Endian::Big).limit(10);
    assert_eq!(
        framing.find(&[0, 0, 0, 11], 0).unwrap_err(),
        FrameError::TooLong {
            size: 11,
            limit: 10
        }
    );
    let mut framing = framing.counts_itself();
    assert_eq!(
        framing.find(&[0, 0, 0, 3], 0).unwrap_err(),
        FrameError::TooShort { size: 3, least: 4 }
    );
    assert!(
        LengthPrefix::new(Width::U8, Endian::Big)
            .encode(&[0; 255])
            .is_ok()
    );
    assert!(
        LengthPrefix::new(Width::U8, Endian::Big)
            .encode(&[0; 256])
            .is_err()
    );
    assert!(
        LengthPrefix::new(Width::U8, Endian::Big)
            .counts_itself()
            .encode(&[0; 255])
            .is_err()
    );
}

#[test]
fn a_payload_that_would_be_read_as_two_frames_is_refused() {
    assert_eq!(
        Lines::new().encode(b"a\nb").unwrap_err(),
        FrameError::DelimiterInPayload { at: 1 }
    );
    assert_eq!(
        Delimiter::new(b"||").unwrap().encode(b"a|").unwrap_err(),
        FrameError::DelimiterInPayload { at: 1 }
    );
    assert_eq!(Delimiter::new(b"").unwrap_err(), FrameError::EmptyDelimiter);
}

#[test]
fn a_framing_that_goes_wrong_is_an_error() {
    for end in [0, 100] {
        let mut decoder = Decoder::new(Matching::new(move |_| Some(end)));
        decoder.push(b"abc");
        assert!(matches!(decoder.next(), Err(FrameError::Invalid(_))));
    }
}

#[test]
fn a_line_that_would_lose_its_last_byte_is_refused() {
    for payload in [&b"abc\r"[..], b"\r", b"a\r\r"] {
        let error = Lines::new().encode(payload).unwrap_err();
        assert_eq!(
            error,
            FrameError::DelimiterInPayload {
                at: payload.len() - 1
            }
        );
    }
    assert_eq!(Lines::new().encode(b"a\rb").unwrap(), b"a\rb\n");
}

#[test]
fn a_delimiter_that_is_kept_is_part_of_what_is_sent() {
    let mut kept = Delimiter::new(b"||").unwrap().kept();
    assert_eq!(kept.encode(b"ab||").unwrap(), b"ab||");
    assert!(kept.encode(b"ab").is_err());
    assert!(kept.encode(b"a||b||").is_err());
    assert!(kept.encode(b"ab|||").is_err());
}

/// How long it takes to push so many lines, one at a time, while many wait.
fn push_while_many_wait(lines: usize) -> std::time::Duration {
    let mut decoder = Decoder::new(Lines::new());
    decoder.push(&b"some line that waits\n".repeat(lines));
    let began = std::time::Instant::now();
    for _ in 0..lines {
        decoder.next().unwrap().unwrap();
        decoder.push(b"one more\n");
    }
    began.elapsed()
}

#[test]
fn a_decoder_with_many_frames_takes_time_in_proportion() {
    push_while_many_wait(1000);
    // 16 times as many; when each push moves all that waits, it is 256 times as long. Where the
    // machine has something else to do, any one of them may be.
    let is_in_proportion = |_| push_while_many_wait(160_000) < push_while_many_wait(10_000) * 100;
    assert!((0..10).any(is_in_proportion), "never in ten times");
}
