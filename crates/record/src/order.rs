//! Assertions on a transcript: who sent what, and in which order.

use std::time::Duration;

use memchr::memmem;
use miette::Diagnostic;
use thiserror::Error;

use crate::event::{Event, Piece};
use crate::shown::{At, quoted};
use crate::transcript::{Conversation, Peers, Record, Transcript};

/// How many records an error shows.
const SHOWN: usize = 20;

/// Bytes that a driver has sent, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    driver: String,
    bytes: Vec<u8>,
    at: Duration,
}

/// A driver has not sent the bytes, as far as its records were kept.
#[derive(Clone, Error, Diagnostic)]
#[error("{driver:?} has not sent {}{}\n{transcript}", quoted(bytes, 60, true), gap(*is_part))]
#[diagnostic(
    code(standin::record::not_said),
    help(
        "bytes are compared as they were sent, also across pieces; wait for what is expected \
         before you take the transcript"
    )
)]
pub struct NotSaid {
    driver: String,
    bytes: Vec<u8>,
    /// Whether records of the driver were dropped.
    is_part: bool,
    transcript: String,
}

/// The events happened in the other order.
#[derive(Clone, Error, Diagnostic)]
#[error(
    "{:?} sent {} at {}, which is not before {:?} sent {} at {}",
    first.driver, quoted(&first.bytes, 60, true), At(first.at),
    then.driver, quoted(&then.bytes, 60, true), At(then.at)
)]
#[diagnostic(
    code(standin::record::not_in_order),
    help("`Transcript::text` shows the order")
)]
pub struct NotInOrder {
    first: Said,
    then: Said,
}

standin_error::reportable!(NotSaid, NotInOrder);

fn gap(is_part: bool) -> &'static str {
    if is_part {
        ", but not all of its bytes were kept"
    } else {
        ""
    }
}

impl Transcript {
    /// Returns the first time that a driver had sent `bytes`, in one piece or several of a
    /// connection. What a driver sent whose own end is not recorded, such as a program, is what
    /// others received of it.
    ///
    /// ```
    /// # use standin_record::{Event, Recorder, Tick};
    /// # use std::net::SocketAddr;
    /// # let recorder = Recorder::new("mail");
    /// # let local = SocketAddr::from(([127, 0, 0, 1], 25));
    /// # let peer = SocketAddr::from(([127, 0, 0, 1], 41234));
    /// # let tape = recorder.driver("server").connection(&Event::Accepted, local, peer, None);
    /// # recorder.name_address(peer, "client");
    /// # tape.sent(Tick::now(), b"220 ready\r\n", None);
    /// # tape.received(Tick::now(), b"QUIT\r\n", None);
    /// let transcript = recorder.transcript();
    /// let greeting = transcript.said("server", "220 ")?;
    /// greeting.before(&transcript.said("client", "QUIT")?)?;
    /// # Ok::<(), standin_error::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if that is not among what is known of the driver. It shows the last
    /// records of the driver.
    pub fn said(&self, driver: &str, bytes: impl AsRef<[u8]>) -> Result<Said, NotSaid> {
        let bytes = bytes.as_ref();
        let peers = Peers::of(self);
        let mut is_part = false;
        let mut first: Option<Duration> = None;
        for conversation in &self.conversations {
            let is_own = &*conversation.driver == driver;
            let is_of_peer =
                peers.name(conversation) == Some(driver) && peers.other_end(conversation).is_none();
            let stream = match (is_own, is_of_peer) {
                (true, _) => stream(conversation, |event| match event {
                    Event::Sent(piece) => Some(piece),
                    _ => None,
                }),
                (false, true) => stream(conversation, |event| match event {
                    Event::Received(piece) => Some(piece),
                    _ => None,
                }),
                (false, false) => continue,
            };
            let dropped = conversation.dropped;
            is_part |= stream.len() > 1
                || (if is_own {
                    dropped.sent
                } else {
                    dropped.received
                }) > 0;
            let found = stream.iter().filter_map(|run| run.find(bytes)).min();
            first = [first, found].into_iter().flatten().min();
        }
        match first {
            Some(at) => Ok(Said {
                driver: driver.to_owned(),
                bytes: bytes.to_vec(),
                at,
            }),
            None => Err(NotSaid {
                driver: driver.to_owned(),
                bytes: bytes.to_vec(),
                is_part,
                transcript: self.of(driver).text().last(SHOWN).to_string(),
            }),
        }
    }
}

impl Said {
    /// Returns when the last byte of it was sent, or received by another driver.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Checks that this was sent before `then`.
    ///
    /// # Errors
    ///
    /// Returns an error if it was not.
    pub fn before(&self, then: &Self) -> Result<(), NotInOrder> {
        if self.at < then.at {
            return Ok(());
        }
        Err(NotInOrder {
            first: self.clone(),
            then: then.clone(),
        })
    }
}

/// Bytes of one direction without a gap, and from where on they are of which time.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    pieces: Vec<(usize, Duration)>,
}

impl Run {
    /// When the last byte of the first occurrence of `wanted` was sent.
    fn find(&self, wanted: &[u8]) -> Option<Duration> {
        let start = memmem::find(&self.bytes, wanted)?;
        let last = (start + wanted.len()).saturating_sub(1);
        let after = self.pieces.partition_point(|(begin, _)| *begin <= last);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        Some(piece.1)
    }
}

fn stream(conversation: &Conversation, piece: impl Fn(&Event) -> Option<&Piece>) -> Vec<Run> {
    let mut runs = vec![Run::default()];
    for Record { at, event, .. } in &conversation.records {
        let (Some(piece), Some(run)) = (piece(event), runs.last_mut()) else {
            continue;
        };
        if !piece.kept.is_empty() {
            run.pieces.push((run.bytes.len(), *at));
            run.bytes.extend_from_slice(&piece.kept);
        }
        if !piece.is_whole() {
            runs.push(Run::default());
        }
    }
    runs
}
