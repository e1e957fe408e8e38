//! However a stream is cut into pieces, it has the same frames; and what a
//! framing makes of a payload, it reads back.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_socket::framing::{
    Decoder, Delimiter, Endian, FixedSize, FrameError, Framing, LengthPrefix, Lines, Matching,
    Width,
};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: Kind,
    /// Where the stream is cut: the sizes of its pieces, over and over.
    pieces: Vec<u8>,
    payloads: Vec<&'a [u8]>,
    stream: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Delimiter {
        bytes: Vec<u8>,
        kept: bool,
    },
    Lines,
    Length {
        width: u8,
        little: bool,
        limit: u16,
        counts_itself: bool,
    },
    Fixed(u8),
    /// Ends with a byte below this one.
    Matching(u8),
}

fuzz_target!(|input: Input<'_>| match &input.kind {
    Kind::Delimiter { bytes, kept } => {
        let Ok(plain) = Delimiter::new(bytes.clone()) else {
            assert!(bytes.is_empty());
            return;
        };
        let framing = || {
            if *kept {
                plain.clone().kept()
            } else {
                plain.clone()
            }
        };
        check(&input, framing);
        round_trip(&input, framing);
    }
    Kind::Lines => {
        check(&input, Lines::new);
        round_trip(&input, Lines::new);
    }
    Kind::Length {
        width,
        little,
        limit,
        counts_itself,
    } => {
        let width = match width % 4 {
            0 => Width::U8,
            1 => Width::U16,
            2 => Width::U32,
            _ => Width::U64,
        };
        let endian = if *little { Endian::Little } else { Endian::Big };
        let plain = LengthPrefix::new(width, endian).limit(u64::from(*limit));
        let framing = || {
            if *counts_itself {
                plain.counts_itself()
            } else {
                plain
            }
        };
        check(&input, framing);
        round_trip(&input, framing);
    }
    Kind::Fixed(size) => {
        check(&input, || FixedSize::new(usize::from(*size)));
        round_trip(&input, || FixedSize::new(usize::from(*size)));
    }
    Kind::Matching(below) => check(&input, || {
        Matching::new(|bytes: &[u8]| bytes.iter().position(|b| b < below).map(|at| at + 1))
    }),
});

/// Whole or in pieces: the same frames, the same rest, the same error.
fn check<F: Framing>(input: &Input<'_>, framing: impl Fn() -> F) {
    let whole = frames(framing(), std::iter::once(input.stream));
    let pieces = frames(framing(), cut(input.stream, &input.pieces));
    assert_eq!(whole, pieces);
}

fn round_trip<F: Framing>(input: &Input<'_>, framing: impl Fn() -> F) {
    let mut encoder = framing();
    let mut sent = Vec::new();
    let mut stream = Vec::new();
    for payload in &input.payloads {
        if let Ok(frame) = encoder.encode(payload) {
            stream.extend(frame);
            sent.push(payload.to_vec());
        }
    }
    let (received, rest, error) = frames(framing(), cut(&stream, &input.pieces));
    assert_eq!((received, rest, error), (sent, Vec::new(), None));
}

type Outcome = (Vec<Vec<u8>>, Vec<u8>, Option<FrameError>);

fn frames<'a>(framing: impl Framing, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new(framing);
    let mut frames = Vec::new();
    let mut error = None;
    for piece in pieces {
        decoder.push(piece);
        // After an error the decoder stays where it is; more bytes change nothing.
        while error.is_none() {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(failed) => error = Some(failed),
            }
        }
    }
    (frames, decoder.rest().to_vec(), error)
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
