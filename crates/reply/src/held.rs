//! A conversation in the hands of the test.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use miette::Diagnostic;
use standin_error::text::Span;
use standin_reactor::Group;
use standin_record::LastRecords;
use standin_socket::operation::{Place, Thread, Wait, now};
use standin_socket::{Address, Connection, ControlError, ReceiveError, SendError};
use thiserror::Error;

use crate::Unexpected;
use crate::desk::{NotHere, Over, Parked};
use crate::peer::{Common, Line, Peer};
use crate::verdict::{Beneath, Prefix};

/// A conversation that the test holds: it is not answered meanwhile.
///
/// It comes from [`Responder::held`](crate::Responder::held) or
/// [`Responder::take_over`](crate::Responder::take_over). The test looks around, receives and sends
/// as it likes, and then [hands it back](Held::hand_back), or [keeps](Held::take) the connection.
/// Dropping it hands it back. What is received here is neither counted nor answered by rules.
#[derive(Debug)]
pub struct Held {
    /// `None` once it was handed back or taken.
    line: Option<Box<Line>>,
    /// The same connection, for operations that wait.
    connection: Connection,
    index: usize,
    name: Option<Arc<str>>,
    common: Arc<Common>,
    group: Weak<Group>,
}

impl Held {
    pub(crate) fn new(parked: Parked<Box<Line>>, common: Arc<Common>, group: Weak<Group>) -> Held {
        let mut line = parked.connection;
        Held {
            connection: line.connection.handle(),
            line: Some(line),
            index: parked.index,
            name: parked.name,
            common,
            group,
        }
    }

    /// Returns the index of the connection, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the name under which it was held; `None` if the test has taken it over.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the address on the other side.
    pub fn peer_address(&self) -> &Address {
        self.connection.peer_address()
    }

    /// Returns the frame for which it is held; empty if it is held by a greeting, `None` if the
    /// test has taken it over in the middle of something else.
    pub fn frame(&self) -> Option<&[u8]> {
        self.line.as_ref()?.conversation.held_frame()
    }

    /// Returns the bytes that the group of that name matched in the held frame.
    pub fn capture(&self, name: &str) -> Option<&[u8]> {
        self.line.as_ref()?.conversation.held_capture(name)
    }

    /// Returns the state that the connection [is in](crate::Answer::enter), if any.
    pub fn state(&self) -> Option<&str> {
        self.line.as_ref()?.conversation.state()
    }

    /// Sends all of `bytes`, as they are, and returns how many they are; before them the unsent
    /// output from before the test took the conversation over.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot all be sent in time.
    #[track_caller]
    pub fn send(
        &mut self,
        bytes: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        let until = Until::new(timeout);
        self.send_rest(&until)?;
        self.connection.send(bytes.as_ref(), until.left())
    }

    /// Sends `payload` as one frame of the replies' framing, and returns the size of the frame; if
    /// the replies are raw, sends the bytes as they are.
    ///
    /// # Errors
    ///
    /// Returns an error if no frame can carry it, or it cannot be sent in time.
    #[track_caller]
    pub fn send_frame(
        &mut self,
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        now(self.send_frame_with(Thread, Place::caller(), payload, timeout))
    }

    /// Does the same as [`send_frame`](Held::send_frame), waiting with `wait`.
    #[doc(hidden)]
    pub async fn send_frame_with(
        &mut self,
        wait: impl Wait,
        place: Place,
        payload: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<usize, SendError> {
        let until = Until::new(timeout);
        self.send_rest_with(&wait, place, until.left()).await?;
        let operations = self.connection.operations(place);
        let framing = self.line.as_mut().map(|line| line.conversation.framing());
        match framing.flatten() {
            Some(framing) => {
                let frame = operations.send_frame(framing, payload.as_ref(), until.left());
                wait.run(frame).await
            }
            None => wait.run(operations.send(payload, until.left())).await,
        }
    }

    /// Receives one frame of the replies' framing, and returns its payload; if the replies are raw,
    /// the bytes that have arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none in time.
    #[track_caller]
    pub fn receive_frame(
        &mut self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        now(self.receive_frame_with(Thread, Place::caller(), timeout))
    }

    /// Does the same as [`receive_frame`](Held::receive_frame), waiting with `wait`.
    #[doc(hidden)]
    pub async fn receive_frame_with(
        &mut self,
        wait: impl Wait,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        let operations = self.connection.operations(place);
        let framing = self.line.as_mut().map(|line| line.conversation.framing());
        match framing.flatten() {
            Some(framing) => wait.run(operations.receive_frame(framing, timeout)).await,
            None => wait.run(operations.receive_some(RAW, timeout)).await,
        }
    }

    /// Receives exactly `size` bytes: see [`Connection::receive_exactly`].
    ///
    /// # Errors
    ///
    /// Returns an error if they do not come in time.
    #[track_caller]
    pub fn receive_exactly(
        &mut self,
        size: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.connection.receive_exactly(size, timeout)
    }

    /// Receives what comes first, at most `limit` bytes: see [`Connection::receive_some`].
    ///
    /// # Errors
    ///
    /// Returns an error if nothing comes in time.
    #[track_caller]
    pub fn receive_some(
        &mut self,
        limit: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.connection.receive_some(limit, timeout)
    }

    /// Receives everything until the peer closes its end: see [`Connection::receive_to_end`].
    ///
    /// # Errors
    ///
    /// Returns an error if it does not in time.
    #[track_caller]
    pub fn receive_to_end(
        &mut self,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<u8>, ReceiveError> {
        self.connection.receive_to_end(timeout)
    }

    /// Receives `expected`, and nothing else will do: see [`Connection::expect`].
    ///
    /// # Errors
    ///
    /// Returns an error that shows the difference if something else comes, or nothing in time.
    #[track_caller]
    pub fn expect(
        &mut self,
        expected: impl AsRef<[u8]>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), ReceiveError> {
        self.connection.expect(expected.as_ref(), timeout)
    }

    /// Ends the sending direction: see [`Connection::shutdown_write`].
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed here or the peer has reset it.
    #[track_caller]
    pub fn shutdown_write(&mut self) -> Result<(), ControlError> {
        self.connection.shutdown_write()
    }

    /// Sends what the conversation had still to send, with `wait` to wait for it. What is sent is
    /// noted at once, so that giving up sends nothing twice.
    #[doc(hidden)]
    pub async fn send_rest_with(
        &mut self,
        wait: &impl Wait,
        place: Place,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), SendError> {
        let until = Until::new(timeout);
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        while !line.conversation.output().is_empty() {
            let operations = self.connection.operations(place);
            let part = operations.send_part(line.conversation.output(), until.left());
            match wait.run(part).await {
                Ok(sent) => line.conversation.sent(sent),
                Err(error) => {
                    line.conversation.sent(error.failure().sent);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Hands the conversation back. It continues where it was, with the bytes that arrived
    /// meanwhile. A stopped responder closes it.
    pub fn hand_back(mut self) {
        self.give_back();
    }

    /// Keeps the connection, which becomes an ordinary one; the conversation ends. Its dialogue is
    /// judged by its progress so far. Unsent output from before the test took it over is dropped,
    /// unless something was [sent](Held::send) here.
    pub fn take(mut self) -> Connection {
        match self.line.take() {
            Some(line) => line.connection.into_connection(),
            None => self.connection.clone(),
        }
    }

    /// Returns the connection, for a layer above, which must not keep it longer than the test holds
    /// the conversation.
    #[doc(hidden)]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn give_back(&mut self) {
        if let (Some(mut line), Some(group)) = (self.line.take(), self.group.upgrade()) {
            line.conversation.resume();
            group.spawn(Peer::of(line, Arc::clone(&self.common)));
        }
    }

    /// Sends what the conversation had still to send.
    #[track_caller]
    fn send_rest(&mut self, until: &Until) -> Result<(), SendError> {
        now(self.send_rest_with(&Thread, Place::caller(), until.left()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// How much of what comes raw is received at once.
const RAW: usize = 64 << 10;

/// When several operations must be over, all together.
struct Until(Option<Instant>);

impl Until {
    fn new(timeout: impl Into<Option<Duration>>) -> Until {
        let timeout = timeout.into();
        Until(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    fn left(&self) -> Option<Duration> {
        let until = self.0?;
        Some(until.saturating_duration_since(Instant::now()))
    }
}

/// Why a test has not got a conversation into its hands.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum HandOverError {
    /// The time was up.
    #[error("{}{what} within {}; {so_far}{}", Prefix(who), Span(*limit), Beneath(records))]
    #[diagnostic(
        code(standin::reply::hand_over_timed_out),
        help("check that the peer gets that far, and when; or wait longer")
    )]
    TimedOut {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        what: String,
        /// What happened instead.
        so_far: String,
        /// How long the wait took.
        limit: Duration,
        /// The last records of all connections.
        records: Option<LastRecords>,
    },

    /// Something unexpected happened before.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unexpected(Box<Unexpected>),

    /// The test is over.
    #[error("{}{what}: {reason}", Prefix(who))]
    #[diagnostic(
        code(standin::reply::hand_over_aborted),
        help("fix what failed the test first")
    )]
    Aborted {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        what: String,
        /// Why the waits have ended.
        reason: Arc<str>,
    },

    /// The thread that answers would wait for itself.
    #[error("{}{what}: an answer waits for it", Prefix(who))]
    #[diagnostic(
        code(standin::reply::hand_over_in_answer),
        help("closures and callbacks run on the thread that answers: wait in the test")
    )]
    InAnswer {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        what: String,
    },

    /// The responder has stopped.
    #[error("{}{what}: answering has stopped", Prefix(who))]
    #[diagnostic(
        code(standin::reply::hand_over_ended),
        help("it was stopped before; connections change hands while peers are answered")
    )]
    Ended {
        /// Whose replies.
        who: Option<Arc<str>>,
        /// The awaited event.
        what: String,
    },
}

impl HandOverError {
    pub(crate) fn new(
        common: &Common,
        what: String,
        not_here: NotHere,
        limit: Option<Duration>,
        busy: Option<String>,
    ) -> HandOverError {
        let who = common.ledger.who().cloned();
        let (held, place) = match not_here {
            NotHere::Over(Over::Unexpected(unexpected)) => {
                return HandOverError::Unexpected(unexpected);
            }
            NotHere::Over(Over::Aborted(reason)) => {
                return HandOverError::Aborted { who, what, reason };
            }
            NotHere::Over(Over::Ended) => return HandOverError::Ended { who, what },
            NotHere::TimedOut { held, place } => (held, place),
        };
        let mut so_far = common.ledger.so_far();
        let place = place.and_then(|(index, is_with_actor)| {
            (index < common.ledger.connections()).then_some(is_with_actor)
        });
        for (name, index) in held {
            so_far.push_str(&format!("; connection {index} is held as \"{name}\""));
        }
        match (busy, place) {
            (Some(busy), _) => so_far.push_str(&format!("; {busy}")),
            (None, Some(true)) => so_far.push_str("; its turn did not come"),
            // Of one that has come.
            (None, Some(false)) => so_far.push_str("; it is over, or the test has it already"),
            (None, None) => {}
        }
        HandOverError::TimedOut {
            who,
            what,
            so_far,
            limit: limit.unwrap_or_default(),
            records: common.ledger.last_records(),
        }
    }

    fn parts(&self) -> Vec<&(dyn standin_error::Reportable + 'static)> {
        match self {
            HandOverError::Unexpected(unexpected) => vec![&**unexpected],
            _ => Vec::new(),
        }
    }
}

standin_error::reportable!(HandOverError, parts = HandOverError::parts);
