//! Two sides without a network.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use standin_tls::{Acceptor, Authority, Connector, Handshake, Session, Tls, TlsError};

pub(crate) const HOST: &str = "bank.test";

pub(crate) fn authority() -> Authority {
    Authority::new("test").unwrap()
}

/// Both sides with the same authority, and what becomes of them.
pub(crate) fn both(
    server: Tls,
    client: Tls,
) -> (Result<Session, TlsError>, Result<Session, TlsError>) {
    let authority = authority();
    let (acceptor, connector) = sides(&server, &client, &authority);
    meet(&acceptor, &connector)
}

pub(crate) fn sides(server: &Tls, client: &Tls, authority: &Authority) -> (Acceptor, Connector) {
    let acceptor = Acceptor::new(server, &[HOST, "127.0.0.1"], authority, None).unwrap();
    let client = Connector::new(client, HOST, &["client.test"], authority, None);
    (acceptor, client.unwrap())
}

pub(crate) fn meet(
    server: &Acceptor,
    client: &Connector,
) -> (Result<Session, TlsError>, Result<Session, TlsError>) {
    let (server, client) = (server.handshake().unwrap(), client.handshake().unwrap());
    talk(server, client)
}

/// One side at work.
struct Party {
    handshake: Handshake,
    /// What came after the handshake.
    rest: Vec<u8>,
    error: Option<TlsError>,
    is_closed: bool,
}

impl Party {
    fn new(handshake: Handshake) -> Party {
        Party {
            handshake,
            rest: Vec::new(),
            error: None,
            is_closed: false,
        }
    }

    /// Sends what there is to the other; says whether anything happened.
    fn send(&mut self, other: &mut Party) -> bool {
        let output = self.handshake.take_output();
        if output.is_empty() {
            return false;
        }
        if other.error.is_none() && !other.is_closed {
            let mut wire = &output[..];
            other.error = other.handshake.read(&mut wire).err();
            other.rest.extend_from_slice(wire);
        }
        if self.handshake.is_cut() && !self.is_closed {
            self.is_closed = true;
            self.error.get_or_insert(self.handshake.was_cut());
            if !other.handshake.is_done() {
                other.error.get_or_insert(other.handshake.ended(false));
            }
        }
        true
    }

    fn end(self) -> Result<Session, TlsError> {
        match self.error {
            Some(error) => Err(error),
            None if self.handshake.is_done() => {
                let mut session = self.handshake.into_session().unwrap();
                session.read_wire(&mut &self.rest[..]).map(|()| session)
            }
            None => Err(self.handshake.timed_out()),
        }
    }
}

/// Lets both talk until neither says anything more.
pub(crate) fn talk(
    server: Handshake,
    client: Handshake,
) -> (Result<Session, TlsError>, Result<Session, TlsError>) {
    let (mut server, mut client) = (Party::new(server), Party::new(client));
    while client.send(&mut server) | server.send(&mut client) {}
    (server.end(), client.end())
}

/// What one side says, as the wire has it.
pub(crate) fn said(session: &mut Session, bytes: &[u8]) -> Vec<u8> {
    session.write_plain(bytes);
    written(session)
}

/// What there is for the wire.
pub(crate) fn written(session: &mut Session) -> Vec<u8> {
    let mut wire = Vec::new();
    while session.wants_write() {
        session.write_wire(&mut wire).unwrap();
    }
    wire
}
