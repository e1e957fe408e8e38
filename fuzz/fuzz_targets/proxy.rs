//! Whatever is on the way of a stream, and however that is changed: what arrives is the same
//! however its bytes are cut, and no more of it is missing than the faults say.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use standin_proxy::passage::{Got, Passage};
use standin_proxy::{Fault, FaultKind, Link, NewFraming};
use standin_socket::framing::{Endian, FixedSize, LengthPrefix, Lines, Width};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    framing: Kind,
    seed: u64,
    steps: Vec<Step<'a>>,
    /// Where what comes is cut, and how much the receiver takes at once: sizes, over and over.
    pieces: Vec<u8>,
    takes: u8,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    None,
    Lines,
    Length,
    Fixed(u8),
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Push(&'a [u8]),
    Link(LinkInput),
    Inject(FaultInput<'a>),
    WithdrawAll,
}

#[derive(Arbitrary, Debug)]
struct LinkInput {
    latency: Option<Duration>,
    jitter: Option<Duration>,
    bandwidth: Option<u64>,
    shared_bandwidth: Option<u64>,
    slice: Option<(u8, Duration)>,
    limit: Option<u8>,
}

#[derive(Arbitrary, Debug)]
struct FaultInput<'a> {
    kind: KindOfFault,
    place: Place<'a>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum KindOfFault {
    Reset,
    Close,
    HalfClose,
    Silence,
    Drop,
    Corrupt,
    Delay(Duration),
}

#[derive(Arbitrary, Debug)]
enum Place<'a> {
    None,
    AfterBytes(u64),
    AtByte(u64),
    AfterFrames(u64),
    InFrame(u64, u64),
    OnFrame(&'a str),
}

fuzz_target!(|input: Input<'_>| {
    let whole = pass(&input, &[], usize::MAX);
    let pieces = pass(&input, &input.pieces, usize::from(input.takes).max(1));
    assert_eq!(whole, pieces);
    let pushed: Vec<u8> = input.steps.iter().flat_map(pushed).copied().collect();
    let has = |may: fn(&Step<'_>) -> bool| input.steps.iter().any(may);
    let may_corrupt = has(|step| step.is_fault(FaultKind::Corrupt));
    let may_drop = has(|step| step.is_fault(FaultKind::Drop) || step.has_limit());
    let got = &whole.bytes;
    assert!(got.len() <= pushed.len());
    if !may_corrupt && !may_drop {
        assert!(pushed.starts_with(got), "{got:?}");
        if whole.fired.is_empty() {
            assert_eq!(*got, pushed);
        }
    }
    if !may_drop {
        let turned = pushed.iter().zip(got).filter(|(pushed, got)| pushed != got);
        let corrupt = whole
            .fired
            .iter()
            .filter(|(fault, _)| fault.starts_with("corrupt"));
        assert!(turned.count() <= corrupt.count(), "{got:?}");
    }
});

/// Passes everything that is pushed, in pieces of these sizes, or as it is.
fn pass(input: &Input<'_>, pieces: &[u8], takes: usize) -> Got {
    let framing = framing(&input.framing);
    let mut passage = Passage::new(framing.as_ref(), input.seed);
    for step in &input.steps {
        match step {
            Step::Push(bytes) => {
                let mut sizes = pieces.iter().cycle();
                let mut rest = *bytes;
                while !rest.is_empty() {
                    let size = sizes.next().map_or(usize::MAX, |size| usize::from(*size));
                    let (piece, after) = rest.split_at(size.clamp(1, rest.len()));
                    passage.push(piece, takes);
                    passage.receive(takes);
                    rest = after;
                }
            }
            Step::Link(described) => passage.set_link(link(described)),
            Step::Inject(described) => {
                passage.inject(fault(described));
                passage.receive(takes);
            }
            Step::WithdrawAll => passage.withdraw_all(),
        }
    }
    passage.end();
    passage.receive(takes);
    let got = passage.into_got();
    assert!(got.is_over(), "nothing says that there is no more");
    got
}

fn pushed<'a>(step: &Step<'a>) -> &'a [u8] {
    match step {
        Step::Push(bytes) => bytes,
        _ => &[],
    }
}

impl Step<'_> {
    fn is_fault(&self, kind: FaultKind) -> bool {
        matches!(self, Step::Inject(described) if fault(described).kind() == kind)
    }

    fn has_limit(&self) -> bool {
        matches!(self, Step::Link(described) if described.limit.is_some())
    }
}

fn framing(kind: &Kind) -> Option<NewFraming> {
    match kind {
        Kind::None => None,
        Kind::Lines => Some(NewFraming::new(Lines::new())),
        Kind::Length => Some(NewFraming::new(
            LengthPrefix::new(Width::U8, Endian::Big).limit(100),
        )),
        Kind::Fixed(size) => Some(NewFraming::new(FixedSize::new(usize::from(*size)))),
    }
}

fn link(described: &LinkInput) -> Link {
    let mut link = Link::new();
    if let Some(time) = described.latency {
        link = link.latency(time);
    }
    if let Some(time) = described.jitter {
        link = link.jitter(time);
    }
    if let Some(rate) = described.bandwidth {
        link = link.bandwidth(rate);
    }
    if let Some(rate) = described.shared_bandwidth {
        link = link.shared_bandwidth(rate);
    }
    if let Some((size, pause)) = described.slice {
        link = link.slice(usize::from(size), pause);
    }
    if let Some(count) = described.limit {
        link = link.limit(u64::from(count));
    }
    link
}

fn fault(described: &FaultInput<'_>) -> Fault {
    let fault = Fault::new(match described.kind {
        KindOfFault::Reset => FaultKind::Reset,
        KindOfFault::Close => FaultKind::Close,
        KindOfFault::HalfClose => FaultKind::HalfClose,
        KindOfFault::Silence => FaultKind::Silence,
        KindOfFault::Drop => FaultKind::Drop,
        KindOfFault::Corrupt => FaultKind::Corrupt,
        KindOfFault::Delay(time) => FaultKind::Delay(time),
    });
    match described.place {
        Place::None => fault,
        Place::AfterBytes(count) => fault.after_bytes(count),
        Place::AtByte(index) => fault.at_byte(index),
        Place::AfterFrames(count) => fault.after_frames(count),
        Place::InFrame(frame, bytes) => fault.in_frame(frame, bytes),
        Place::OnFrame(expression) => fault.on_frame(expression),
    }
}
