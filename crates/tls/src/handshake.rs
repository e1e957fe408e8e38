//! [`Handshake`]: a connection until both sides have agreed, without a socket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::Connection;
use standin_error::text::{Count, Span};

use crate::alert::Alert;
use crate::defect::Defect;
use crate::error::{Side, TlsError, ending};
use crate::explain::Context;
use crate::hello::Offer;
use crate::session::{Session, drain};
use crate::verify::take_shown;

/// How much of what comes first is kept, to say what it was.
const FIRST: usize = 16 << 10;

/// A handshake: bytes from the wire go in, bytes for the wire come out. It uses no socket and no
/// clock.
///
/// 1. The result of [`take_output`](Handshake::take_output) is sent.
/// 2. If it [ends there](Handshake::is_cut) the connection is closed.
/// 3. If it [is done](Handshake::is_done) it [becomes a session](Handshake::into_session).
/// 4. Otherwise arriving bytes are [read](Handshake::read), and this repeats. An error is final;
///    the remaining output is sent anyway, as it contains the reason.
pub struct Handshake {
    engine: Engine,
    context: Arc<Context>,
    output: Vec<u8>,
    first: Vec<u8>,
    received: usize,
    is_cut: bool,
}

/// Who speaks.
enum Engine {
    Tls(Box<Connection>),
    /// A side that does not get to an end.
    Defective(Defect),
}

impl Handshake {
    pub(crate) fn new(tls: Connection, context: Arc<Context>) -> Handshake {
        let engine = match context.tls.defect {
            Some(defect @ (Defect::Plaintext | Defect::Silent | Defect::OldProtocol)) => {
                Engine::Defective(defect)
            }
            _ => Engine::Tls(Box::new(tls)),
        };
        let mut handshake = Handshake {
            engine,
            context,
            output: Vec::new(),
            first: Vec::new(),
            received: 0,
            is_cut: false,
        };
        if handshake.context.side == Side::Client {
            handshake.begin();
        }
        handshake
    }

    /// What a client says first.
    fn begin(&mut self) {
        match &mut self.engine {
            Engine::Tls(_) => self.collect(),
            Engine::Defective(Defect::Plaintext) => {
                self.output
                    .extend(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            }
            Engine::Defective(Defect::OldProtocol) => self.output.extend(old_hello(1, OLD_OFFER)),
            Engine::Defective(_) => {}
        }
    }

    /// Takes the bytes to send now; none if it is the peer's turn.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Returns the pause after each byte that is sent; `None` if everything is sent at once.
    pub fn pause(&self) -> Option<Duration> {
        let dribbles = self.context.tls.defect == Some(Defect::Dribble);
        dribbles.then_some(Duration::from_millis(20))
    }

    /// Returns whether the connection is to be closed as soon as the output is sent.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns whether both sides have agreed. What there is to send must still be sent.
    pub fn is_done(&self) -> bool {
        matches!(&self.engine, Engine::Tls(tls) if !tls.is_handshaking())
    }

    /// Returns how long it may take.
    pub fn limit(&self) -> Duration {
        self.context.tls.handshake_limit
    }

    /// Takes bytes from the wire, and leaves those after the handshake.
    ///
    /// # Errors
    ///
    /// Returns an error if there will be no agreement.
    pub fn read(&mut self, wire: &mut &[u8]) -> Result<(), TlsError> {
        self.received += wire.len();
        let room = FIRST.saturating_sub(self.first.len());
        self.first.extend(&wire[..wire.len().min(room)]);
        match &mut self.engine {
            Engine::Tls(_) => self.read_tls(wire),
            Engine::Defective(defect) => {
                let defect = *defect;
                *wire = &[];
                self.play(defect)
            }
        }
    }

    fn read_tls(&mut self, wire: &mut &[u8]) -> Result<(), TlsError> {
        while let Engine::Tls(tls) = &mut self.engine
            && tls.is_handshaking()
            && !wire.is_empty()
        {
            let taken = tls.read_tls(wire).unwrap_or(0);
            let outcome = tls.process_new_packets();
            self.collect();
            if let Err(error) = outcome {
                return Err(self.explain(error));
            }
            if taken == 0 {
                // Nothing comes after what ends a connection.
                *wire = &[];
            }
        }
        Ok(())
    }

    /// Moves what rustls has to send to the output; of one that ends in the middle, half of it.
    fn collect(&mut self) {
        let Engine::Tls(tls) = &mut self.engine else {
            return;
        };
        drain(tls, &mut self.output);
        let defect = Defect::CutInHandshake;
        if self.context.tls.defect == Some(defect) && !self.output.is_empty() {
            self.output.truncate(self.output.len() / 2);
            self.is_cut = true;
            self.engine = Engine::Defective(defect);
        }
    }

    /// What a side does that does not get to an end.
    fn play(&mut self, defect: Defect) -> Result<(), TlsError> {
        if let [21, _, _, _, 2, _level, code, ..] = self.first[..] {
            return Err(self.context.alert(Alert(code), true));
        }
        if self.context.side == Side::Client || self.is_cut {
            return Ok(());
        }
        match defect {
            Defect::Plaintext => {
                self.output.extend(
                    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
                self.is_cut = true;
            }
            Defect::OldProtocol if self.offer().is_some() => {
                self.output.extend(old_hello(2, OLD_CHOICE));
                self.output.extend(OLD_DONE);
                // What comes now is the answer to it.
                self.first.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn explain(&self, error: rustls::Error) -> TlsError {
        let shown = take_shown();
        match self.first.first() {
            // The kinds of records there are.
            Some(20..=24) | None => self
                .context
                .explain(error, true, shown, self.offer().as_ref()),
            Some(_) => TlsError::NotTls {
                peer: self.context.peer(),
                received: self.first.clone(),
            },
        }
    }

    /// Returns why there will be no agreement: the peer has closed or reset the connection.
    pub fn ended(&self, is_reset: bool) -> TlsError {
        let peer = self.context.peer();
        match self.hinders() {
            Some(defect) => TlsError::Defective {
                defect,
                peer,
                then: format!(
                    "{} the connection after sending {}",
                    ending(is_reset),
                    Count(self.received, "byte")
                ),
            },
            None => match self.first.first() {
                Some(20..=24) | None => TlsError::Ended {
                    peer,
                    is_reset,
                    received: self.received,
                    offer: self.offer().map(Box::new),
                },
                Some(_) => TlsError::NotTls {
                    peer,
                    received: self.first.clone(),
                },
            },
        }
    }

    /// Returns why there was no agreement: this side has closed the connection on purpose.
    pub fn was_cut(&self) -> TlsError {
        TlsError::Defective {
            defect: self.context.tls.defect.unwrap_or(Defect::CutInHandshake),
            peer: self.context.peer(),
            then: format!("had sent {}", Count(self.received, "byte")),
        }
    }

    /// Returns why there was no agreement: the time is up.
    pub fn timed_out(&self) -> TlsError {
        let peer = self.context.peer();
        match self.hinders() {
            Some(defect) => TlsError::Defective {
                defect,
                peer,
                then: format!(
                    "had waited for {}, and sent {}",
                    Span(self.limit()),
                    Count(self.received, "byte")
                ),
            },
            None => TlsError::TimedOut {
                peer,
                limit: self.limit(),
                received: self.received,
                offer: self.offer().map(Box::new),
            },
        }
    }

    /// What this side does on purpose so that there may be no agreement.
    fn hinders(&self) -> Option<Defect> {
        match &self.engine {
            Engine::Defective(defect) => Some(*defect),
            Engine::Tls(_) => self.context.tls.defect.filter(|d| *d == Defect::Dribble),
        }
    }

    /// Returns what a client has offered so far; `None` for a server.
    pub fn offer(&self) -> Option<Offer> {
        let is_server = self.context.side == Side::Server;
        is_server.then(|| Offer::of(&self.first)).flatten()
    }

    /// Returns the session for the rest of the connection; `None` if the sides have not agreed yet.
    pub fn into_session(self) -> Option<Session> {
        match self.engine {
            Engine::Tls(tls) if !tls.is_handshaking() => Some(Session::new(tls, self.context)),
            _ => None,
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("side", &self.context.side)
            .field("received", &self.received)
            .field("is_done", &self.is_done())
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

/// What a client of TLS 1.0 offers: no session, one cipher suite (RSA with AES-128 and SHA-1), no
/// compression.
const OLD_OFFER: &[u8] = &[0, 0, 2, 0, 0x2f, 1, 0];

/// What a server of that time chooses of it, and that it knows how to negotiate again (RFC 5746),
/// without which many clients would not come to look at the version.
const OLD_CHOICE: &[u8] = &[0, 0, 0x2f, 0, 0, 5, 0xff, 1, 0, 1, 0];

/// Its last word, without a certificate before it: a peer that does not mind the version has to
/// mind that, rather than wait.
const OLD_DONE: &[u8] = &[22, 3, 1, 0, 4, 14, 0, 0, 0];

/// The first message of a side that speaks TLS 1.0 and nothing later: of a client (1) or a server
/// (2).
fn old_hello(kind: u8, rest: &[u8]) -> Vec<u8> {
    let size = 2 + 32 + rest.len() as u8;
    // A record of version 3.1, in it a message, in it the version again and what should be random.
    let head = [22, 3, 1, 0, size + 4, kind, 0, 0, size, 3, 1];
    [&head, &[0x5a; 32][..], rest].concat()
}
