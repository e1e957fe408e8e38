//! A connection between two ways to talk.

use std::{any::Any, fmt, io, sync::Arc, task::Waker, time::Duration};

use mio::{Registry, Token, event};
use standin_record::Event as Recorded;

use super::{
    Connection, End, Inner, OwnedConnection, Tried,
    core::closed,
    layer::{Layer, LayerIn, LayerOut},
    waiting::{Failed, Waiting, Waits},
};
use crate::{
    error::ControlError,
    state::Event,
    sys::{Blocking, Interest, Stream},
    time::Deadline,
    transform::{Received, Transform, TransformError},
    turn_lock::NotNow,
};

/// A connection between two protocols: only the holder of this receives or sends over it, and the
/// negotiation, such as the handshake of TLS, goes over the wire unchanged. Other receives and
/// sends wait meanwhile, as for a peer.
///
/// [`finish`](Upgrade::finish) gives the connection its [`Transform`], and lets the others
/// continue. Dropping it before closes the connection. It can be registered with a `mio::Poll`.
pub struct Upgrade {
    connection: Connection,
    /// What had been read before it was known to belong here.
    unread: Vec<u8>,
    /// Of the turn to receive, which nobody has meanwhile.
    waiting: Waiting,
    is_over: bool,
}

impl Connection {
    /// Begins to switch to another protocol on the same connection.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed, another thread is receiving or sending over
    /// it, or it already has a transform.
    pub fn upgrade(&self) -> Result<Upgrade, ControlError> {
        let inner = &*self.inner;
        let refused = |reason| ControlError::Upgrade {
            party: Box::new(inner.party()),
            reason,
        };
        if !inner.core.is_open() {
            return Err(ControlError::Closed {
                party: Box::new(inner.party()),
                action: "upgrade",
            });
        }
        let busy = || match self.is_being_upgraded() {
            true => refused("it is being upgraded"),
            false => refused("another thread receives or sends over it"),
        };
        let mut receiving = inner.core.receiving.try_enter().ok_or_else(busy)?;
        let sending = inner.core.sending.try_enter().ok_or_else(busy)?;
        if inner.core.layer.get().is_some() {
            return Err(refused("it has been upgraded already"));
        }
        let buffer = &mut receiving.value().buffer;
        if let Some(returned) = inner.core.returned.take() {
            buffer.put_back(returned);
        }
        let unread = buffer.take(usize::MAX);
        let waiting = std::mem::take(&mut receiving.value().waiting);
        receiving.hold();
        sending.hold();
        inner.owner.upgrade_begins();
        Ok(Upgrade {
            connection: self.clone(),
            unread,
            waiting,
            is_over: false,
        })
    }

    /// Returns whether an [upgrade](Connection::upgrade) is under way.
    pub fn is_being_upgraded(&self) -> bool {
        self.inner.owner.is_being_upgraded()
    }
}

impl OwnedConnection {
    /// Begins to switch to another protocol on the same connection: see [`Connection::upgrade`].
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is closed or has a transform already.
    pub fn upgrade(&mut self) -> Result<Upgrade, ControlError> {
        self.handle().upgrade()
    }
}

impl Upgrade {
    /// Returns the connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns whether the next receive finds bytes that were read from the wire before.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Receives the bytes that have arrived from the wire, without waiting.
    pub fn try_receive(&mut self, target: &mut [u8]) -> Tried {
        if self.has_unread() && !target.is_empty() {
            return self.take_unread(target);
        }
        let outcome = self.attempt(|stream| stream.receive(target, Blocking::Never));
        self.received(target, outcome)
    }

    /// Receives from the wire what has come; waits for it until the connection is closed or the
    /// time is up, which is [`Tried::NotNow`].
    pub fn receive(&mut self, target: &mut [u8], timeout: impl Into<Option<Duration>>) -> Tried {
        if self.has_unread() && !target.is_empty() {
            return self.take_unread(target);
        }
        let core = &self.connection.inner.core;
        // Not under the lock, which closing takes: that shuts the stream down, which ends the wait.
        let Some(stream) = core.hold_stream() else {
            return Tried::Ended(End::Closed);
        };
        // Nothing is there: what has come was received before.
        self.waiting.tried(false);
        let waits = Waits {
            stream: &stream,
            interest: Interest::Readable,
            waiting: &mut self.waiting,
            line: core.receiving.line(),
        };
        let mut deadline = Deadline::new(timeout.into());
        let receive = |stream: &Stream, blocking| stream.receive(target, blocking);
        let outcome = match waits.persist(&mut deadline, None, Blocking::UntilSome, receive) {
            Ok(count) => Ok(count),
            Err(Failed::NotNow(NotNow::TimedOut)) => return Tried::NotNow,
            Err(Failed::NotNow(NotNow::Closed)) => return Tried::Ended(End::Closed),
            Err(Failed::NotNow(NotNow::Io(error)) | Failed::Io(error)) => Err(error),
        };
        self.received(target, outcome)
    }

    fn take_unread(&mut self, target: &mut [u8]) -> Tried {
        let count = target.len().min(self.unread.len());
        target[..count].copy_from_slice(&self.unread[..count]);
        self.unread.drain(..count);
        Tried::Done(count)
    }

    /// What the system made of a receive.
    fn received(&self, target: &[u8], outcome: io::Result<usize>) -> Tried {
        if matches!(outcome, Ok(0)) && !target.is_empty() {
            return Tried::Ended(match self.inner().core.is_open() {
                true => End::PeerClosed,
                false => End::Closed,
            });
        }
        if let Ok(count) = outcome {
            let recording = &self.inner().recording;
            recording.on_wire(recording.begin(), false, &target[..count]);
        }
        self.tried(outcome)
    }

    /// Sends to the wire what the system takes, without waiting.
    pub fn try_send(&mut self, bytes: &[u8]) -> Tried {
        let began = self.inner().recording.begin();
        let outcome = self.attempt(|stream| stream.send(bytes, Blocking::Never));
        if let Ok(count) = outcome {
            self.inner().recording.on_wire(began, true, &bytes[..count]);
        }
        self.tried(outcome)
    }

    fn attempt(&self, mut attempt: impl FnMut(&Stream) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match self.inner().core.with_stream(&mut attempt) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// What the system made of a try.
    fn tried(&self, outcome: io::Result<usize>) -> Tried {
        let error = match outcome {
            Ok(count) => return Tried::Done(count),
            Err(_) if !self.inner().core.is_open() => return Tried::Ended(End::Closed),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => Tried::NotNow,
            io::ErrorKind::BrokenPipe => Tried::Ended(End::PeerClosed),
            io::ErrorKind::ConnectionReset => Tried::Ended(End::Reset),
            _ => Tried::Ended(End::Failed(error)),
        }
    }

    /// Waits until the system may take something for the wire, the connection is closed, or the
    /// time is up. It may come back early.
    ///
    /// # Errors
    ///
    /// Returns an error if the system cannot wait.
    pub fn wait_to_send(&self, timeout: impl Into<Option<Duration>>) -> io::Result<()> {
        match self.inner().core.hold_stream() {
            Some(stream) => stream.poll(Interest::Writable, timeout.into()),
            None => Ok(()),
        }
    }

    /// Wakes `waker` once when the connection is closed or aborted from elsewhere: see
    /// [`OwnedConnection::wake_when_closed`].
    pub fn wake_when_closed(&mut self, waker: Waker) {
        self.inner().wake_when_closed(waker);
    }

    /// Puts bytes from the wire back in front of those that are received next, here or by the
    /// transform.
    pub fn unread(&mut self, wire: &[u8]) {
        self.unread.splice(..0, wire.iter().copied());
    }

    /// Gives the connection its transform. `note` is recorded, if the connection is.
    pub fn finish<T: Transform + 'static>(mut self, transform: T, note: impl FnOnce(&T) -> String) {
        let noted = || Recorded::Note(note(&transform));
        self.inner().recording.happened(noted, None);
        self.install(Box::new(transform));
    }

    /// Ends the attempt: later receives and sends return this error, which the
    /// [details](Connection::transform_details) of the connection are.
    pub fn fail(mut self, error: TransformError) {
        let noted = || Recorded::Note(error.to_string());
        self.inner().recording.happened(noted, None);
        self.install(Box::new(Disagreed(error)));
    }

    fn install(&mut self, transform: Box<dyn Transform>) {
        self.is_over = true;
        let (unread, waiting) = (
            std::mem::take(&mut self.unread),
            std::mem::take(&mut self.waiting),
        );
        let layer = Arc::new(Layer::new(transform));
        let inner = self.inner();
        // There is none yet: what begins an upgrade has looked, and nobody else does.
        let _ = inner.core.layer.set(Arc::clone(&layer));
        let outgoing = LayerOut::new(Arc::clone(&layer));
        inner
            .core
            .sending
            .end_hold(|turn| turn.layer = Some(Box::new(outgoing)));
        let incoming = LayerIn::new(layer, unread);
        inner
            .core
            .receiving
            .end_hold(|turn| (turn.layer, turn.waiting) = (Some(Box::new(incoming)), waiting));
        inner.owner.upgrade_ends();
    }

    fn inner(&self) -> &Inner {
        &self.connection.inner
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        if !self.is_over {
            let core = &self.connection.inner.core;
            core.sending.end_hold(|_| {});
            core.receiving.end_hold(|_| {});
            self.connection.inner.close(Event::Close, None);
            self.connection.inner.owner.upgrade_ends();
        }
    }
}

impl event::Source for Upgrade {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        let core = &self.inner().core;
        core.with_stream(|stream| stream.polled().register(registry, token, interests))
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        let core = &self.inner().core;
        core.with_stream(|stream| stream.polled().reregister(registry, token, interests))
    }

    /// Of a connection that was closed nothing is left to undo.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let core = &self.inner().core;
        match core.with_stream(|stream| stream.polled().deregister(registry)) {
            Err(error) if error.kind() == closed().kind() && !core.is_open() => Ok(()),
            outcome => outcome,
        }
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upgrade").field(&self.connection).finish()
    }
}

/// The transform of a connection on which both sides could not agree.
#[derive(Debug)]
struct Disagreed(TransformError);

impl Transform for Disagreed {
    fn read_wire(&mut self, _: &mut &[u8]) -> Result<(), TransformError> {
        Err(self.0.clone())
    }

    fn wire_ended(&mut self) -> Result<(), TransformError> {
        Err(self.0.clone())
    }

    fn receive(&mut self, _: &mut [u8]) -> Result<Received, TransformError> {
        Err(self.0.clone())
    }

    fn send(&mut self, _: &[u8]) -> Result<(), TransformError> {
        Err(self.0.clone())
    }

    fn close(&mut self) {}

    fn details(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(self.0.clone()))
    }

    fn wants_write(&self) -> bool {
        false
    }

    fn write_wire(&mut self, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}
