//! The state of a connection: the states of its two ends, their transitions as data, and the one
//! word that all threads share.
//!
//! The two directions are separate. A failed send changes the state of the connection, and its
//! error shows it; a receive nevertheless continues until the system has no more bytes, since bytes
//! that arrived before are still there.

use std::{io, num::NonZeroU32, sync::atomic::Ordering};

use crate::{error::StreamState, sync::AtomicU32};

macro_rules! states {
    (
        $(#[$outer:meta])*
        $name:ident {
            $( $(#[$inner:meta])* $state:ident => [$($next:ident),*], )+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $( $(#[$inner])* $state, )+
        }

        impl $name {
            /// Every state, the first one first. At most four, so that two bits hold one.
            const ALL: &'static [$name] = &[$( $name::$state ),+];

            /// The states that may follow this one.
            pub(crate) const fn next(self) -> &'static [$name] {
                match self { $( $name::$state => &[$( $name::$next ),*], )+ }
            }

            /// Returns `to` if the transition is allowed, and otherwise the present state: the
            /// first event counts.
            fn change(self, to: $name) -> $name {
                if self.next().contains(&to) { to } else { self }
            }

            fn from_bits(bits: u32) -> $name {
                Self::ALL[(bits & 0b11) as usize]
            }
        }
    };
}

states! {
    /// How this side has ended something that can be closed.
    LocalEnd {
        /// It is in use.
        Open => [Closed, Aborted],
        /// It was closed.
        Closed => [],
        /// It was aborted.
        Aborted => [],
    }
}

states! {
    /// The direction towards this side.
    Inbound {
        /// More may come.
        Open => [ShutDown, Ended, Failed],
        /// This side has shut it down. What the system has already can still be received.
        ShutDown => [Failed],
        /// The peer sends no more, and everything before was received.
        Ended => [],
        /// Everything that arrived before the connection failed was received.
        Failed => [],
    }
}

states! {
    /// The direction towards the peer.
    Outbound {
        /// More may be sent.
        Open => [ShutDown, Refused, Failed],
        /// This side has shut it down.
        ShutDown => [Failed],
        /// The peer takes no more.
        Refused => [Failed],
        /// The connection failed.
        Failed => [],
    }
}

/// An event on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// This side closes it.
    Close,
    /// This side aborts it.
    Abort,
    /// This side shuts down the direction towards it.
    ShutDownInbound,
    /// This side shuts down the direction towards the peer.
    ShutDownOutbound,
    /// A receive has read up to the end.
    EndReached,
    /// The system has reported to a send that nobody reads (`EPIPE`).
    Refused,
    /// The system has reported to a receive, for which nothing is left, that the connection failed.
    InboundFailed(Fault),
    /// The system has reported to a send that the connection failed.
    OutboundFailed(Fault),
}

/// The system's number of an error that ended a connection. The system reports it only once, to the
/// first caller; it is kept here for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(NonZeroU32);

impl Fault {
    /// The largest number that can be kept.
    const MAX: u32 = u32::MAX >> Stand::FAULT;

    /// `None` for an error that has no number.
    pub(crate) fn new(error: &io::Error) -> Option<Fault> {
        let number = u32::try_from(error.raw_os_error()?).ok()?;
        NonZeroU32::new(number)
            .filter(|_| number <= Self::MAX)
            .map(Fault)
    }

    /// The error again.
    pub(crate) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self.0.get() as i32)
    }

    /// Whether the peer, or its system, has reset the connection.
    pub(crate) fn is_reset(self) -> bool {
        self.error().kind() == io::ErrorKind::ConnectionReset
    }
}

/// The state of a connection at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) local: LocalEnd,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) fault: Option<Fault>,
}

impl Stand {
    /// A connection that was just made. Its word is zero.
    const NEW: Stand = Stand {
        local: LocalEnd::Open,
        inbound: Inbound::Open,
        outbound: Outbound::Open,
        fault: None,
    };

    /// Where in the word the parts are.
    const INBOUND: u32 = 2;
    const OUTBOUND: u32 = 4;
    const FAULT: u32 = 8;

    /// The state after `event`.
    pub(crate) fn after(mut self, event: Event) -> Stand {
        match event {
            Event::Close => self.local = self.local.change(LocalEnd::Closed),
            Event::Abort => self.local = self.local.change(LocalEnd::Aborted),
            // A close by this side would look like the peer's.
            _ if self.local != LocalEnd::Open => {}
            Event::ShutDownInbound => self.inbound = self.inbound.change(Inbound::ShutDown),
            Event::ShutDownOutbound => self.outbound = self.outbound.change(Outbound::ShutDown),
            // The system ends what it has reset in the same way as what the peer has ended.
            Event::EndReached if self.fault.is_some() => {
                self.inbound = self.inbound.change(Inbound::Failed);
            }
            Event::EndReached => self.inbound = self.inbound.change(Inbound::Ended),
            Event::Refused if self.fault.is_some() => {
                self.outbound = self.outbound.change(Outbound::Failed);
            }
            Event::Refused => self.outbound = self.outbound.change(Outbound::Refused),
            Event::InboundFailed(fault) => {
                self.inbound = self.inbound.change(Inbound::Failed);
                self.fault = self.fault.or(Some(fault));
            }
            Event::OutboundFailed(fault) => {
                self.outbound = self.outbound.change(Outbound::Failed);
                self.fault = self.fault.or(Some(fault));
            }
        }
        self
    }

    /// The whole connection, as far as known.
    pub(crate) fn overall(self) -> StreamState {
        match (self.failed_or_local(), self.inbound, self.outbound) {
            (Some(state), ..) => state,
            (None, Inbound::Open, outbound) => match outbound {
                Outbound::Open => StreamState::Open,
                outbound => outbound.state(),
            },
            (None, inbound, _) => inbound.state(),
        }
    }

    /// As a receive sees it.
    pub(crate) fn for_receive(self) -> StreamState {
        self.failed_or_local().unwrap_or(self.inbound.state())
    }

    /// As a send sees it.
    pub(crate) fn for_send(self) -> StreamState {
        self.failed_or_local().unwrap_or(self.outbound.state())
    }

    fn failed_or_local(self) -> Option<StreamState> {
        match (self.local, self.fault) {
            (LocalEnd::Closed, _) => Some(StreamState::Closed),
            (LocalEnd::Aborted, _) => Some(StreamState::Aborted),
            (LocalEnd::Open, Some(fault)) if fault.is_reset() => Some(StreamState::Reset),
            (LocalEnd::Open, Some(_)) => Some(StreamState::Failed),
            (LocalEnd::Open, None) => None,
        }
    }

    fn to_word(self) -> u32 {
        self.local as u32
            | (self.inbound as u32) << Self::INBOUND
            | (self.outbound as u32) << Self::OUTBOUND
            | self.fault.map_or(0, |fault| fault.0.get()) << Self::FAULT
    }

    fn from_word(word: u32) -> Stand {
        Stand {
            local: LocalEnd::from_bits(word),
            inbound: Inbound::from_bits(word >> Self::INBOUND),
            outbound: Outbound::from_bits(word >> Self::OUTBOUND),
            fault: NonZeroU32::new(word >> Self::FAULT).map(Fault),
        }
    }
}

/// How this side has ended a server, for all threads.
#[derive(Debug)]
pub(crate) struct SharedEnd(AtomicU32);

impl SharedEnd {
    pub(crate) fn new() -> SharedEnd {
        SharedEnd(AtomicU32::new(LocalEnd::Open as u32))
    }

    pub(crate) fn get(&self) -> LocalEnd {
        LocalEnd::from_bits(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.get() == LocalEnd::Open
    }

    /// Changes to `to` if the transition is allowed; returns whether it did.
    pub(crate) fn change(&self, to: LocalEnd) -> bool {
        let step = |bits| {
            let from = LocalEnd::from_bits(bits);
            from.next().contains(&to).then_some(to as u32)
        };
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step)
            .is_ok()
    }
}

impl Inbound {
    fn state(self) -> StreamState {
        match self {
            Inbound::Open => StreamState::Open,
            Inbound::ShutDown => StreamState::ReceivingShutDown,
            Inbound::Ended => StreamState::PeerClosed,
            Inbound::Failed => StreamState::Failed,
        }
    }
}

impl Outbound {
    fn state(self) -> StreamState {
        match self {
            Outbound::Open => StreamState::Open,
            Outbound::ShutDown => StreamState::SendingShutDown,
            Outbound::Refused => StreamState::NotRead,
            Outbound::Failed => StreamState::Failed,
        }
    }
}

/// The state of a connection, for all threads.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

impl State {
    pub(crate) fn new() -> State {
        State(AtomicU32::new(Stand::NEW.to_word()))
    }

    pub(crate) fn get(&self) -> Stand {
        Stand::from_word(self.0.load(Ordering::SeqCst))
    }

    /// Whether nothing has happened yet, which costs less to ask than what has.
    #[inline]
    pub(crate) fn is_new(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Applies `event`; returns the states before and after it.
    pub(crate) fn apply(&self, event: Event) -> (Stand, Stand) {
        let mut word = self.0.load(Ordering::SeqCst);
        loop {
            let before = Stand::from_word(word);
            let after = before.after(event);
            match self
                .0
                .compare_exchange(word, after.to_word(), Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return (before, after),
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn every_event() -> Vec<Event> {
        let fault =
            |number| Fault::new(&io::Error::from_raw_os_error(number)).expect("it has a number");
        vec![
            Event::Close,
            Event::Abort,
            Event::ShutDownInbound,
            Event::ShutDownOutbound,
            Event::EndReached,
            Event::Refused,
            Event::InboundFailed(fault(104)),
            Event::OutboundFailed(fault(104)),
            Event::InboundFailed(fault(110)),
            Event::OutboundFailed(fault(110)),
        ]
    }

    /// Every way that events can go: each stand that can be reached, with the event that comes
    /// next.
    fn reachable() -> Vec<Stand> {
        let mut stands = vec![Stand::NEW];
        let mut at = 0;
        while at < stands.len() {
            for event in every_event() {
                let after = stands[at].after(event);
                if !stands.contains(&after) {
                    stands.push(after);
                }
            }
            at += 1;
        }
        stands
    }

    #[test]
    fn a_word_holds_every_stand() {
        assert_eq!(Stand::NEW.to_word(), 0);
        for stand in reachable() {
            assert_eq!(Stand::from_word(stand.to_word()), stand);
        }
    }

    #[test]
    fn nothing_that_has_ended_begins_again() {
        for before in reachable() {
            for event in every_event() {
                let after = before.after(event);
                assert!(
                    before.local == after.local || before.local.next().contains(&after.local),
                    "{before:?} {event:?}"
                );
                assert!(
                    before.inbound == after.inbound
                        || before.inbound.next().contains(&after.inbound),
                    "{before:?} {event:?}"
                );
                assert!(
                    before.outbound == after.outbound
                        || before.outbound.next().contains(&after.outbound),
                    "{before:?} {event:?}"
                );
                assert!(before.fault.is_none() || before.fault == after.fault);
                // The same event again changes nothing.
                assert_eq!(after.after(event), after, "{before:?} {event:?}");
            }
        }
    }

    #[test]
    fn what_a_send_finds_out_ends_no_receive() {
        for before in reachable() {
            for event in every_event() {
                let of_sends = matches!(
                    event,
                    Event::Refused | Event::OutboundFailed(_) | Event::ShutDownOutbound
                );
                if of_sends {
                    assert_eq!(before.after(event).inbound, before.inbound);
                }
            }
        }
    }

    #[test]
    fn an_end_after_a_fault_is_no_end_of_the_peers() {
        for stand in reachable() {
            if stand.fault.is_some() && stand.inbound == Inbound::Open {
                let after = stand.after(Event::EndReached);
                assert!(after.local != LocalEnd::Open || after.inbound == Inbound::Failed);
            }
        }
    }
}
