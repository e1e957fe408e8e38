//! The actors: one accepts, others answer on a connection.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use standin_reactor::{Actor, Next, Turn};
use standin_socket::{Arrival, Arrivals, End, OwnedConnection, Server, Tried};

use crate::desk::{Desk, Parked};
use crate::unexpected::Surprise;
use crate::{Action, Conversation, Ledger, Unexpected};

/// The common state of the actors of one responder.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) ledger: Ledger,
    pub(crate) desk: Desk<Box<Line>>,
    /// What runs when a user's code does, for those who wait too long.
    pub(crate) what: Arc<str>,
}

/// A connection with its conversation, as it changes hands.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) connection: OwnedConnection,
    pub(crate) conversation: Conversation,
}

/// Accepts the connections.
pub(crate) struct Listener {
    arrivals: Arrivals,
    common: Arc<Common>,
    /// The system did not let it accept, which was said.
    has_failed: bool,
}

impl Listener {
    pub(crate) fn new(server: &Server, common: Arc<Common>) -> Listener {
        Listener {
            arrivals: server.arrivals(),
            common,
            has_failed: false,
        }
    }
}

impl Actor for Listener {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.arrivals.wake_when_changed(turn.waker());
        }
        turn.wake_at(None);
        loop {
            match self.arrivals.take_next() {
                Arrival::Moved => turn.register(&mut self.arrivals)?,
                Arrival::Connection(connection) => {
                    let index = connection.index();
                    turn.spawn(Peer::new(connection, index, Arc::clone(&self.common)));
                }
                Arrival::Nobody => return Ok(Next::Wait),
                Arrival::Enough => return Ok(Next::Again),
                Arrival::Failed { error, next_try } => {
                    if !std::mem::replace(&mut self.has_failed, true) {
                        let ledger = &self.common.ledger;
                        ledger.surprised(Unexpected {
                            who: ledger.who().cloned(),
                            connection: None,
                            ends: None,
                            surprise: Surprise::NotAccepted {
                                reason: standin_error::text::in_full(&error),
                            },
                            said: Default::default(),
                            records: None,
                        });
                    }
                    let again = turn.now() + next_try;
                    turn.wake_at(Some(again));
                    return Ok(Next::Wait);
                }
                Arrival::Closed => return Ok(Next::Done),
            }
        }
    }
}

/// Answers on one connection.
pub(crate) struct Peer {
    index: usize,
    /// `None` once it has changed hands or is over.
    line: Option<Box<Line>>,
    /// The connection is registered, and nobody upgrades it.
    has_turn: bool,
    is_on_desk: bool,
    common: Arc<Common>,
    is_timed: bool,
    /// What is received may be less than there is, and no other event will say so.
    may_hide_more: bool,
}

/// How often a connection receives before others have a turn.
const RECEIVED_AT_ONCE: usize = 16;

thread_local! {
    /// What all connections of the reactor's thread receive into, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

impl Peer {
    /// Who answers on a new connection, which is the one of that index.
    pub(crate) fn new(connection: OwnedConnection, index: usize, common: Arc<Common>) -> Peer {
        let (near, far) = (connection.local_address(), connection.peer_address());
        let ends = format!("{near} <-> {far}");
        let conversation = Conversation::new(&common.ledger, index).between(ends);
        let conversation = match connection.tape() {
            Some(tape) => conversation.recorded(Arc::clone(tape)),
            None => conversation,
        };
        let line = Box::new(Line {
            connection,
            conversation,
        });
        Peer::of(line, common)
    }

    /// Who continues with a conversation.
    pub(crate) fn of(line: Box<Line>, common: Arc<Common>) -> Peer {
        Peer {
            index: line.conversation.index(),
            line: Some(line),
            has_turn: false,
            is_on_desk: false,
            common,
            is_timed: false,
            may_hide_more: false,
        }
    }

    /// Puts the connection where the test finds it.
    fn park(&mut self, turn: &mut Turn<'_>, name: Option<Arc<str>>) -> io::Result<Next> {
        if let Some(mut line) = self.line.take() {
            if std::mem::take(&mut self.has_turn) {
                line.let_go(turn)?;
            }
            self.is_on_desk = true;
            let has_name = name.is_some();
            let parked = Parked {
                index: self.index,
                name,
                connection: line,
            };
            // Who had asked for it has given up: it continues as if nothing had happened.
            if let Err(line) = self.common.desk.park(parked)
                && !has_name
            {
                turn.spawn(Peer::of(line, Arc::clone(&self.common)));
            }
        }
        Ok(Next::Done)
    }
}

impl Actor for Peer {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        let Some(line) = &mut self.line else {
            return Ok(Next::Done);
        };
        if !self.has_turn {
            let waker = turn.waker();
            if turn.is_first() {
                self.common.desk.begins(self.index, waker.clone());
            }
            if !line.connection.wake_when_upgraded(&waker) {
                if !line.connection.is_open() {
                    // This side has closed it meanwhile.
                    return Ok(Next::Done);
                }
                turn.register(&mut line.connection)?;
                line.connection.wake_when_closed(waker);
                line.conversation.resume();
                self.has_turn = true;
            }
        }
        if std::mem::take(&mut self.is_timed) {
            turn.wake_at(None);
        }
        self.may_hide_more |= turn.event().is_some_and(|event| event.may_hide_more);
        if self.common.desk.wants(self.index) {
            return self.park(turn, None);
        }
        if !self.has_turn {
            return Ok(Next::Wait);
        }
        let calls_user = self.common.ledger.script().parts.calls_user;
        let mut may_have_more = true;
        let mut received = 0;
        loop {
            let now = turn.now();
            let action = if calls_user {
                let talk = || line.conversation.act(now);
                match turn.user_code(&self.common.what, talk) {
                    Ok(action) => action,
                    Err(panicked) => return Err(io::Error::other(panicked)),
                }
            } else {
                line.conversation.act(now)
            };
            if !line.send() {
                // This side has closed it.
                return Ok(Next::Done);
            }
            match action {
                Action::Receive if received == RECEIVED_AT_ONCE => return Ok(Next::Again),
                Action::Receive if !may_have_more => return Ok(Next::Wait),
                Action::Receive => {
                    received += 1;
                    match line.receive() {
                        Received::Full => {}
                        // The next bytes bring an event; an end or an urgent byte had its own.
                        Received::All => may_have_more = self.may_hide_more,
                        Received::Nothing => return Ok(Next::Wait),
                        Received::Closed => return Ok(Next::Done),
                    }
                }
                Action::Send if line.conversation.output().is_empty() => {}
                Action::Send => return Ok(Next::Wait),
                Action::Idle => {
                    // So that the peer notices it soon.
                    if let Err(error) = line.connection.stop_reading() {
                        tracing::debug!(%error, "the system goes on receiving for a while");
                    }
                    return Ok(Next::Wait);
                }
                Action::Wait(until) => {
                    self.is_timed = true;
                    turn.wake_at(Some(until));
                    return Ok(Next::Wait);
                }
                Action::Again => return Ok(Next::Again),
                Action::HalfClose => {
                    if let Err(error) = line.connection.shutdown_write() {
                        tracing::debug!(%error, "the peer has gone before the end of the stream");
                    }
                }
                Action::Hold(name) => return self.park(turn, Some(name)),
                Action::StartTls => {
                    line.let_go(turn)?;
                    self.has_turn = false;
                    if let Err(reason) = line.start_tls(&self.common.ledger)
                        && line.connection.is_open()
                    {
                        line.conversation.no_tls(reason);
                    }
                    return Ok(Next::Again);
                }
                Action::Close => {
                    line.discard();
                    return Ok(Next::Done);
                }
                Action::Reset => {
                    if let Some(line) = self.line.take()
                        && let Err(error) = line.connection.reset()
                    {
                        tracing::debug!(%error, "the peer has gone before the reset");
                    }
                    return Ok(Next::Done);
                }
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The connection may be back from the desk already, with another actor.
        if !self.is_on_desk {
            self.common.desk.ends(self.index);
        }
    }
}

/// What there was to receive.
enum Received {
    /// As much as there was room for.
    Full,
    /// All that had come.
    All,
    Nothing,
    /// This side has closed the connection.
    Closed,
}

impl Line {
    /// Sends what the system takes. Not so if this side has closed the connection.
    fn send(&mut self) -> bool {
        while !self.conversation.output().is_empty() {
            match self.connection.try_send(self.conversation.output()) {
                Tried::Done(0) | Tried::NotNow => break,
                Tried::Done(count) => self.conversation.sent(count),
                Tried::Ended(End::Closed) => return false,
                // A peer may take no more, which is not a failure by itself.
                Tried::Ended(_) => self.conversation.mute(),
            }
        }
        true
    }

    /// Leaves the connection to somebody else, who receives first what has come and is not a frame
    /// yet.
    fn let_go(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        turn.deregister(&mut self.connection)?;
        let rest = self.conversation.take_rest();
        self.connection.unread(rest);
        Ok(())
    }

    /// Begins TLS on a connection that this [lets go](Line::let_go).
    fn start_tls(&mut self, ledger: &Ledger) -> Result<(), String> {
        if self.connection.is_transformed() {
            return Err("the connection uses it already".to_owned());
        }
        match &ledger.script().start_tls {
            Some(begin) => begin(&self.connection.handle())
                .map_err(|error| standin_error::text::in_full(&*error)),
            None => Err("nobody has said how (`Script::start_tls`)".to_owned()),
        }
    }

    /// Takes what has come and is no longer needed. With that left, the system would reset the
    /// connection, and the peer could lose what was sent last.
    fn discard(&mut self) {
        BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..RECEIVED_AT_ONCE {
                match self.connection.try_receive(buffer) {
                    Tried::Done(count) if count == buffer.len() => {}
                    _ => break,
                }
            }
        });
    }

    fn receive(&mut self) -> Received {
        BUFFER.with_borrow_mut(|buffer| match self.connection.try_receive(buffer) {
            Tried::Done(count) => {
                self.conversation.receive(&buffer[..count]);
                // One that is transformed may have kept something, of which no event says.
                if count < buffer.len() && !self.connection.is_transformed() {
                    Received::All
                } else {
                    Received::Full
                }
            }
            Tried::NotNow => Received::Nothing,
            Tried::Ended(End::Closed) => Received::Closed,
            Tried::Ended(end) => {
                self.conversation.end(&end);
                Received::Full
            }
        })
    }
}
