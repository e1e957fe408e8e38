//! The goals of receives, as values: the waiter, a thread or a task, checks one again each time
//! that more bytes may have arrived.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use standin_error::text::Count;
use standin_record::Place;

use super::{Inner, receive_stop::ReceiveStop, receiver::Receiver};
use crate::{
    error::Evidence,
    framing::{Delimiter, FrameError, Framing},
    recording::Recording,
    time::Deadline,
    turn_lock::NotNow,
};

impl Receiver<'_> {
    /// Takes what is wanted, unless the connection is closed.
    pub(super) fn bring<W: Wanted>(&mut self, wanted: &mut W) -> Result<W::Brings, ReceiveStop> {
        if self.is_open() {
            wanted.bring(self)
        } else {
            Err(NotNow::Closed.into())
        }
    }
}

/// The goal of a receive.
pub(super) trait Wanted {
    type Brings;

    /// Takes it, if it is complete or arrives within the time of `receiver`. Incomplete bytes stay
    /// with the connection.
    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Self::Brings, ReceiveStop>;

    /// What it is, in words, as the transcript of `recording` may show it.
    fn describe(&self, recording: &Recording) -> Cow<'static, str>;

    /// How many bytes were brought, for the log.
    fn size(&self, brought: &Self::Brings) -> usize;

    /// Takes the shortest way, if that leads to it.
    #[inline]
    fn at_once(&self, _: &Inner, _: &mut Deadline, _: Place) -> Option<Self::Brings> {
        None
    }

    /// When to ask again, even if nothing comes.
    fn due(&mut self) -> Option<Instant> {
        None
    }
}

pub(super) struct First(pub(super) usize);

impl Wanted for First {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.some(self.0)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        format!("up to {}", Count(self.0, "byte")).into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

pub(super) struct FirstInto<'t>(pub(super) &'t mut [u8]);

impl Wanted for FirstInto<'_> {
    type Brings = usize;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<usize, ReceiveStop> {
        receiver.some_into(self.0)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        format!("up to {}", Count(self.0.len(), "byte")).into()
    }

    fn size(&self, brought: &usize) -> usize {
        *brought
    }
}

pub(super) struct Exactly(pub(super) usize);

impl Wanted for Exactly {
    type Brings = Vec<u8>;

    #[inline]
    fn at_once(&self, inner: &Inner, deadline: &mut Deadline, place: Place) -> Option<Vec<u8>> {
        inner.receive_at_once(self.0, deadline, place)
    }

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.exactly(self.0)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        format!("exactly {}", Count(self.0, "byte")).into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

/// The payload of a frame.
pub(super) struct Frame<F> {
    framing: F,
    /// How many of the bytes that are there the framing has seen.
    seen: usize,
}

impl<F> Frame<F> {
    pub(super) fn of(framing: F) -> Frame<F> {
        Frame { framing, seen: 0 }
    }
}

impl<F: Framing> Wanted for Frame<F> {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.frame(&mut self.framing, &mut self.seen)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        self.framing.describe()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

/// Everything up to a delimiter, and the delimiter.
pub(super) struct Until(Result<Frame<Delimiter>, FrameError>);

impl Until {
    pub(super) fn of(delimiter: impl Into<Vec<u8>>) -> Until {
        Until(Delimiter::new(delimiter).map(|delimiter| Frame::of(delimiter.kept())))
    }
}

impl Wanted for Until {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        match &mut self.0 {
            Ok(frame) => frame.bring(receiver),
            Err(error) => Err(error.clone().into()),
        }
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        match &self.0 {
            Ok(frame) => frame.framing.describe(),
            Err(_) => "a delimiter".into(),
        }
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

pub(super) struct ToEnd;

impl Wanted for ToEnd {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.until_end()
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        "everything to the end of the stream".into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

pub(super) struct UntilSilence {
    silence: Duration,
    /// The silence so far.
    since: Option<Deadline>,
}

impl UntilSilence {
    pub(super) fn of(silence: Duration) -> UntilSilence {
        UntilSilence {
            silence,
            since: None,
        }
    }
}

impl Wanted for UntilSilence {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.until_silence(self.silence, &mut self.since)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        format!("everything until a silence of {:?}", self.silence).into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }

    fn due(&mut self) -> Option<Instant> {
        self.since.as_mut()?.end_of()
    }
}

/// What has come so far.
pub(super) struct Buffered;

impl Wanted for Buffered {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.buffered()
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        "what has arrived".into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

/// A look at what comes first.
pub(super) struct Peek(pub(super) usize);

impl Wanted for Peek {
    type Brings = Vec<u8>;

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<Vec<u8>, ReceiveStop> {
        receiver.peek(self.0)
    }

    fn describe(&self, _: &Recording) -> Cow<'static, str> {
        format!("a look at up to {}", Count(self.0, "byte")).into()
    }

    fn size(&self, brought: &Vec<u8>) -> usize {
        brought.len()
    }
}

/// These bytes, and nothing else.
pub(super) struct Expected<E>(pub(super) E);

impl<E: AsRef<[u8]>> Wanted for Expected<E> {
    type Brings = ();

    fn bring(&mut self, receiver: &mut Receiver<'_>) -> Result<(), ReceiveStop> {
        let expected = self.0.as_ref();
        receiver.expect(expected)?;
        receiver.met(|| Count(expected.len(), "byte").to_string());
        Ok(())
    }

    fn describe(&self, recording: &Recording) -> Cow<'static, str> {
        let shown = recording.as_shown(self.0.as_ref());
        format!("\"{}\"", Evidence::new(&shown).head().escape_ascii()).into()
    }

    fn size(&self, (): &()) -> usize {
        self.0.as_ref().len()
    }
}
