//! The recording of a connection, if any.

use std::{borrow::Cow, io, net::SocketAddr, path::Path, sync::Arc};

use standin_record::{By, DriverTape, Event, LastRecords, Place, Tape, Tick};

use crate::{
    address::Address,
    state::{Inbound, LocalEnd, Outbound, Stand},
    sys::Blocking,
};

/// The recording of a connection, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(Option<Arc<Tape>>);

impl Recording {
    /// Begins with how the connection was made.
    pub(crate) fn new(
        driver: Option<&DriverTape>,
        opening: &Event,
        [local, peer]: [&Address; 2],
        place: Option<Place>,
    ) -> Recording {
        Recording(driver.map(|driver| driver.connection(opening, end(local), end(peer), place)))
    }

    /// Whether anything is recorded.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tape(&self) -> Option<&Arc<Tape>> {
        self.0.as_ref()
    }

    /// The last records, for an error.
    pub(crate) fn last_records(&self) -> Option<LastRecords> {
        self.0.as_ref().map(Tape::last_records)
    }

    /// Bytes that were received last, as an error may show them.
    pub(crate) fn received_as_shown<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.0 {
            Some(tape) => tape.received_as_shown(bytes),
            None => Cow::Borrowed(bytes),
        }
    }

    /// Bytes that are not of the stream, as an error may show them.
    pub(crate) fn as_shown<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        match &self.0 {
            Some(tape) => tape.redact().bytes(bytes),
            None => Cow::Borrowed(bytes),
        }
    }

    /// Sends bytes by a system call, and records how many it has taken. If the call does not wait,
    /// the receiver of the bytes finds them recorded.
    #[inline]
    pub(crate) fn send(
        &self,
        bytes: &[u8],
        blocking: Blocking,
        place: Option<Place>,
        send: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        match &self.0 {
            None => send(),
            Some(tape) if blocking == Blocking::Never => tape.send(bytes, place, send),
            Some(tape) => {
                let began = Tick::now();
                let count = send()?;
                tape.sent(began, &bytes[..count], place);
                Ok(count)
            }
        }
    }

    /// The start of a send: before the system gets the bytes, so that no receive of them is
    /// recorded earlier.
    #[inline]
    pub(crate) fn begin(&self) -> Option<Tick> {
        self.0.as_ref().map(|_| Tick::now())
    }

    /// The system has taken bytes of a send that [began](Recording::begin) at `at`.
    #[inline]
    pub(crate) fn sent(&self, at: Option<Tick>, bytes: &[u8], place: Option<Place>) {
        if let (Some(tape), Some(at)) = (&self.0, at) {
            tape.sent(at, bytes, place);
        }
    }

    /// The system has just given bytes.
    #[inline]
    pub(crate) fn received(&self, bytes: &[u8], place: Option<Place>) {
        if let Some(tape) = &self.0 {
            tape.received(Tick::now(), bytes, place);
        }
    }

    /// Bytes that went over the wire in place of the recorded ones.
    #[inline]
    pub(crate) fn on_wire(&self, at: Option<Tick>, is_sent: bool, bytes: &[u8]) {
        if let (Some(tape), Some(at)) = (&self.0, at) {
            tape.on_wire(at, is_sent, bytes, None);
        }
    }

    /// Something else has happened, or happens now.
    #[inline]
    pub(crate) fn happened(&self, event: impl FnOnce() -> Event, place: Option<Place>) {
        if let Some(tape) = &self.0 {
            tape.record(&event(), place);
        }
    }

    /// Perhaps something has happened.
    pub(crate) fn happened_perhaps(
        &self,
        event: impl FnOnce() -> Option<Event>,
        place: Option<Place>,
    ) {
        if let Some(tape) = &self.0
            && let Some(event) = event()
        {
            tape.record(&event, place);
        }
    }

    /// Records how an operation changed the state of the stream.
    pub(crate) fn changed(&self, before: Stand, after: Stand, place: Option<Place>) {
        // A close is recorded before the peer can see it.
        if self.0.is_none() || before == after || after.local != LocalEnd::Open {
            return;
        }
        if let (None, Some(fault)) = (before.fault, after.fault) {
            let event = match fault.is_reset() {
                true => Event::Reset(By::Peer),
                false => Event::Note(format!("the connection failed: {}", fault.error())),
            };
            return self.happened(|| event, place);
        }
        if before.inbound != after.inbound {
            let event = match after.inbound {
                Inbound::Ended => Some(Event::HalfClosed(By::Peer)),
                Inbound::ShutDown => Some(Event::Note("no longer receives".to_owned())),
                Inbound::Open | Inbound::Failed => None,
            };
            if let Some(event) = event {
                self.happened(|| event, place);
            }
        }
        if before.outbound != after.outbound {
            let event = match after.outbound {
                Outbound::Refused => Some(Event::Closed(By::Peer)),
                Outbound::ShutDown => Some(Event::HalfClosed(By::Us)),
                Outbound::Open | Outbound::Failed => None,
            };
            if let Some(event) = event {
                self.happened(|| event, place);
            }
        }
    }
}

/// The last records of all connections of a server or client, for an error; `None` if there are
/// none.
pub(crate) fn last_records(driver: Option<&DriverTape>) -> Option<LastRecords> {
    let records = driver?.last_records();
    (!records.is_empty()).then_some(records)
}

/// One end, as it is recorded.
fn end(address: &Address) -> standin_record::Address {
    match address {
        Address::Unix(path) if path.as_os_str().is_empty() => standin_record::Address::Unnamed,
        Address::Unix(path) => Path::new(path).into(),
        tcp => tcp
            .socket_addr()
            .map_or(standin_record::Address::Unnamed, SocketAddr::into),
    }
}
