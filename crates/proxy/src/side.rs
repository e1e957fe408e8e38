//! One of the two connections between which bytes are passed on.

use std::cell::RefCell;
use std::io;

use standin_reactor::{Slot, SourceEvent, Turn};
use standin_socket::{OwnedConnection, Tried};

/// One of the two connections between which bytes are passed on.
pub(crate) struct Side {
    connection: OwnedConnection,
    slot: Slot,
    /// Whether there may be something to receive. Otherwise an event says when there is, and a try
    /// before would be for nothing.
    may_receive: bool,
    /// What is received may be less than there is, and no other event will say so.
    may_hide_more: bool,
    /// An event or a send has said that it is reset, or has failed otherwise.
    has_failed: bool,
}

/// How often what nobody looks at is received before the connection is closed anyway.
const DISCARDED: usize = 16;

/// A receive of this many bytes suggests that the sender continues: to try again costs less than to
/// wait for the event.
const MORE: usize = 16 << 10;

thread_local! {
    /// What all connections of the reactor's thread receive into, one after the other.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

impl Side {
    pub(crate) fn new(connection: OwnedConnection, slot: Slot) -> Side {
        Side {
            connection,
            slot,
            may_receive: true,
            may_hide_more: false,
            has_failed: false,
        }
    }

    /// Has its actor act when something becomes of the connection.
    pub(crate) fn register(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        turn.register_as(self.slot, &mut self.connection)?;
        self.connection.wake_when_closed(turn.waker());
        Ok(())
    }

    /// Something has become of a connection of its actor's.
    pub(crate) fn notice(&mut self, event: SourceEvent) {
        if event.slot == self.slot {
            self.may_receive |= event.may_receive;
            self.may_hide_more |= event.may_hide_more;
            self.has_failed |= event.has_failed;
        }
    }

    /// Whether there may be something to receive.
    pub(crate) fn may_receive(&self) -> bool {
        self.may_receive
    }

    /// Whether it was reset, or has failed otherwise, also while nothing is received.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Receives what has come, as many bytes as there is room for, and gives them to `take`.
    pub(crate) fn receive<R>(
        &mut self,
        room: usize,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Tried> {
        BUFFER.with_borrow_mut(|buffer| {
            let room = room.min(buffer.len());
            match self.connection.try_receive(&mut buffer[..room]) {
                Tried::Done(count) => {
                    self.may_receive = count == room || count >= MORE || self.may_hide_more;
                    Ok(take(&buffer[..count]))
                }
                other => {
                    self.may_receive = !matches!(other, Tried::NotNow);
                    Err(other)
                }
            }
        })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Tried {
        let tried = self.connection.try_send(bytes);
        if let Tried::Ended(_) = tried {
            // What its peer has sent before may still be there, and then says how it ended.
            self.has_failed = true;
            self.may_receive = true;
        }
        tried
    }

    /// Says to the peer that there is no more.
    pub(crate) fn end(&mut self) {
        if let Err(error) = self.connection.shutdown_write() {
            tracing::debug!(%error, "the receiver has gone before the end");
        }
    }

    pub(crate) fn reset(&mut self) {
        if let Err(error) = self.connection.handle().reset() {
            tracing::debug!(%error, "the peer has gone before the reset");
        }
    }

    /// Closes the connection. With something left to be received, the system would reset it, and
    /// the peer could lose what was sent last.
    pub(crate) fn close(&mut self) {
        for _ in 0..DISCARDED {
            match self.receive(usize::MAX, drop_bytes) {
                Ok(()) if self.may_receive => {}
                _ => break,
            }
        }
        self.connection.handle().close();
    }

    pub(crate) fn connection(&self) -> &OwnedConnection {
        &self.connection
    }

    /// Whether this side has not closed it, as a stop does.
    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}

fn drop_bytes(_: &[u8]) {}
