//! A handshake over a connection: in the thread that calls, or by the reactor.

use std::io;
use std::time::{Duration, Instant};

use standin_reactor::{Actor, Next, Turn};
use standin_socket::{Connection, End, TransformError, Tried, Upgrade};

use crate::error::TlsError;
use crate::handshake::Handshake;
use crate::session::Session;

/// How much is read from the wire at once.
const WIRE: usize = 4 << 10;

/// The longest limit that makes a difference. A user may choose one that cannot be added.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How often one connection receives before others have a turn.
const RECEIVED_AT_ONCE: usize = 16;

/// Why both sides of a connection have not agreed.
#[derive(Clone, Debug)]
pub(crate) enum Failed {
    /// What one of them makes of the other.
    Tls(TlsError),
    /// This side has closed the connection meanwhile.
    Closed,
}

/// A handshake on its way over a connection.
struct Talk {
    upgrade: Upgrade,
    handshake: Handshake,
    output: Vec<u8>,
    sent: usize,
    until: Instant,
    /// When the next byte may be sent, if they are sent one by one.
    next_byte: Option<Instant>,
    /// Everything was read that had come: there is nothing before an event, or a wait, says so.
    is_drained: bool,
    /// There may be more behind a receive that does not fill its buffer.
    may_hide_more: bool,
    /// Why there will be no agreement, as soon as the peer knows it.
    error: Option<TlsError>,
}

/// What a handshake needs to continue.
enum Wants {
    ToReceive,
    ToSend,
    Time(Instant),
    /// Nothing: it has come to an end.
    End(Result<(), Failed>),
}

impl Talk {
    fn new(upgrade: Upgrade, handshake: Handshake, now: Instant) -> Talk {
        let limit = handshake.limit();
        Talk {
            upgrade,
            handshake,
            output: Vec::new(),
            sent: 0,
            until: now + limit.min(LONGEST),
            next_byte: None,
            // Nobody has answered yet.
            is_drained: true,
            may_hide_more: false,
            error: None,
        }
    }

    /// Does what can be done without waiting. `receives` says how often it may receive.
    fn go_on(&mut self, now: Instant, receives: &mut usize) -> Wants {
        loop {
            if let Some(wants) = self.send(now) {
                return wants;
            }
            if let Some(error) = self.error.take() {
                return Wants::End(Err(Failed::Tls(error)));
            }
            if self.handshake.is_cut() {
                return Wants::End(Err(Failed::Tls(self.handshake.was_cut())));
            }
            if self.handshake.is_done() {
                return Wants::End(Ok(()));
            }
            if now >= self.until {
                return Wants::End(Err(Failed::Tls(self.handshake.timed_out())));
            }
            if *receives == 0 || self.is_drained && !self.upgrade.has_unread() {
                return Wants::ToReceive;
            }
            *receives -= 1;
            if let Some(wants) = self.receive(|upgrade, wire| upgrade.try_receive(wire)) {
                return wants;
            }
        }
    }

    /// Receives once; `None` if something has come.
    fn receive(&mut self, by: impl FnOnce(&mut Upgrade, &mut [u8]) -> Tried) -> Option<Wants> {
        let has_unread = self.upgrade.has_unread();
        let mut wire = [0; WIRE];
        match by(&mut self.upgrade, &mut wire) {
            Tried::Done(count) => {
                self.is_drained = !has_unread && count < WIRE && !self.may_hide_more;
                let mut rest = &wire[..count];
                let outcome = self.handshake.read(&mut rest);
                self.upgrade.unread(rest);
                self.error = outcome.err();
                None
            }
            Tried::NotNow => {
                self.is_drained = true;
                Some(Wants::ToReceive)
            }
            Tried::Ended(End::Closed) => Some(Wants::End(Err(Failed::Closed))),
            Tried::Ended(end) => {
                let is_reset = matches!(end, End::Reset);
                let error = self.handshake.ended(is_reset);
                Some(Wants::End(Err(Failed::Tls(error))))
            }
        }
    }

    /// Sends what there is; `None` if nothing is left.
    fn send(&mut self, now: Instant) -> Option<Wants> {
        loop {
            if self.sent == self.output.len() {
                self.output = self.handshake.take_output();
                self.sent = 0;
            }
            let mut rest = &self.output[self.sent..];
            if rest.is_empty() {
                return None;
            }
            if now >= self.until {
                let error = self.error.take();
                let error = error.unwrap_or_else(|| self.handshake.timed_out());
                return Some(Wants::End(Err(Failed::Tls(error))));
            }
            if let Some(pause) = self.handshake.pause() {
                if let Some(next) = self.next_byte.filter(|next| now < *next) {
                    return Some(Wants::Time(next.min(self.until)));
                }
                rest = &rest[..1];
                self.next_byte = Some(now + pause);
            }
            match self.upgrade.try_send(rest) {
                Tried::Done(count) => self.sent += count,
                Tried::NotNow => return Some(Wants::ToSend),
                Tried::Ended(End::Closed) => return Some(Wants::End(Err(Failed::Closed))),
                Tried::Ended(_) => {
                    // What the peer has said before it went may say why.
                    self.output.clear();
                    self.sent = 0;
                    return None;
                }
            }
        }
    }

    /// Gives the connection what it has come to.
    fn end(self, outcome: Result<(), Failed>) -> Result<Connection, Failed> {
        let connection = self.upgrade.connection().clone();
        match outcome {
            Ok(()) => match self.handshake.into_session() {
                Some(session) => {
                    self.upgrade.finish(session, Session::note);
                    Ok(connection)
                }
                // It has said that it is done.
                None => Err(Failed::Closed),
            },
            Err(Failed::Tls(mut error)) => {
                if let (TlsError::NotTls { received, .. }, Some(tape)) =
                    (&mut error, connection.tape())
                {
                    // Messages contain it.
                    *received = tape.redact().bytes(received).into_owned();
                }
                self.upgrade.fail(TransformError::new(error.clone()));
                Err(Failed::Tls(error))
            }
            Err(Failed::Closed) => Err(Failed::Closed),
        }
    }
}

/// Does the handshake in this thread.
pub(crate) fn shake(upgrade: Upgrade, handshake: Handshake) -> Result<Connection, Failed> {
    let mut talk = Talk::new(upgrade, handshake, Instant::now());
    loop {
        let now = Instant::now();
        let mut receives = RECEIVED_AT_ONCE;
        let left = |until: Instant| until.saturating_duration_since(now);
        let waited = match talk.go_on(now, &mut receives) {
            Wants::ToReceive if receives == 0 => Ok(()),
            Wants::ToReceive => {
                let left = left(talk.until);
                match talk.receive(|upgrade, wire| upgrade.receive(wire, left)) {
                    Some(Wants::End(outcome)) => return talk.end(outcome),
                    _ => Ok(()),
                }
            }
            Wants::ToSend => talk.upgrade.wait_to_send(left(talk.until)),
            Wants::Time(time) => {
                std::thread::sleep(left(time));
                Ok(())
            }
            Wants::End(outcome) => return talk.end(outcome),
        };
        if let Err(error) = waited {
            tracing::debug!(%error, "the system does not wait for the socket");
            std::thread::yield_now();
        }
    }
}

/// Does the handshake on the reactor, and hands the outcome to `done`, in any case.
pub(crate) struct Shake<F: FnOnce(Result<Connection, Failed>)> {
    talk: Option<Talk>,
    done: Option<F>,
}

impl<F: FnOnce(Result<Connection, Failed>) + Send> Shake<F> {
    pub(crate) fn new(upgrade: Upgrade, handshake: Handshake, done: F) -> Shake<F> {
        Shake {
            talk: Some(Talk::new(upgrade, handshake, Instant::now())),
            done: Some(done),
        }
    }
}

impl<F: FnOnce(Result<Connection, Failed>)> Shake<F> {
    fn end(&mut self, outcome: Result<(), Failed>) {
        if let (Some(talk), Some(done)) = (self.talk.take(), self.done.take()) {
            done(talk.end(outcome));
        }
    }
}

/// Who cannot go on, such as with a connection that was closed before its turn, says so, too:
/// somebody may wait for it.
impl<F: FnOnce(Result<Connection, Failed>)> Drop for Shake<F> {
    fn drop(&mut self) {
        self.end(Err(Failed::Closed));
    }
}

impl<F: FnOnce(Result<Connection, Failed>) + Send> Actor for Shake<F> {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        let Some(talk) = &mut self.talk else {
            return Ok(Next::Done);
        };
        if turn.is_first() {
            // There will be an event if something has come already.
            turn.register(&mut talk.upgrade)?;
            talk.upgrade.wake_when_closed(turn.waker());
        } else if turn.event().is_none_or(|event| event.may_receive) {
            talk.is_drained = false;
            talk.may_hide_more = turn.event().is_some_and(|event| event.may_hide_more);
        }
        let mut receives = RECEIVED_AT_ONCE;
        let now = turn.now();
        match talk.go_on(now, &mut receives) {
            Wants::ToReceive if receives == 0 => return Ok(Next::Again),
            Wants::ToReceive | Wants::ToSend => turn.wake_at(Some(talk.until)),
            Wants::Time(time) => turn.wake_at(Some(time)),
            Wants::End(outcome) => {
                turn.deregister(&mut talk.upgrade)?;
                self.end(outcome);
                return Ok(Next::Done);
            }
        }
        Ok(Next::Wait)
    }
}
