//! Actors, and what they can do in a turn.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Instant;

use mio::event::Source;
use mio::{Registry, Token};

use crate::core::{Busy, Core, Key, Request};
use crate::members::Members;
use crate::sys::CHANGES;

/// A state machine on the reactor's thread.
///
/// It acts once when it is new, then each time that its socket may be ready, its timer has expired,
/// or it is [woken](Handle::wake). It may be woken without a reason, so it must retry what it waits
/// for. It shares its thread with all others: it must never wait itself.
pub trait Actor: Send {
    /// Does what can be done now.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot continue: it is dropped then, and the error goes to the log.
    /// Errors that anybody should see are the actor's own business.
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next>;
}

/// An actor's next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Waits for its socket, its time, or to be woken.
    Wait,
    /// Acts again, after everybody else has had a turn.
    Again,
    /// Is dropped.
    Done,
}

/// The sources of an actor. It may have events of two, such as the ends of two connections between
/// which it forwards bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The source that [`Turn::register`] registers.
    First,
    /// The other one.
    Second,
}

/// The readiness of an actor's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceEvent {
    /// Which source it is.
    pub slot: Slot,
    /// Whether there may be something to receive: bytes, an end, or a failure.
    pub may_receive: bool,
    /// Whether there may be more after a receive that does not fill its buffer, without another
    /// event: the peer has ended its direction or sent an urgent byte, or the connection has
    /// failed.
    pub may_hide_more: bool,
    /// Whether the connection has failed, for example by a reset. Bytes from before may still be
    /// unread.
    pub has_failed: bool,
}

/// The operations of an actor in its turn.
pub struct Turn<'a> {
    pub(crate) core: &'a Arc<Core<dyn Actor>>,
    pub(crate) registry: &'a Registry,
    pub(crate) members: &'a Arc<Members>,
    pub(crate) key: Key,
    pub(crate) is_first: bool,
    pub(crate) event: Option<SourceEvent>,
    pub(crate) now: Option<Instant>,
    pub(crate) wakes_at: Option<Instant>,
    pub(crate) spawned: &'a mut Vec<(Arc<Members>, Box<dyn Actor>)>,
}

impl Slot {
    /// What events of a source of the actor at `index` are known by.
    fn token(self, index: usize) -> Token {
        Token((index << 1) | usize::from(self == Slot::Second))
    }

    /// The place of the actor, and which of its sources it is.
    pub(crate) fn of(token: Token) -> (usize, Slot) {
        let slot = match token.0 & 1 {
            0 => Slot::First,
            _ => Slot::Second,
        };
        (token.0 >> 1, slot)
    }
}

impl Turn<'_> {
    /// Returns whether the actor acts for the first time.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Returns the event that caused the turn; `None` if it has another reason. Changes of a source
    /// since its last event are in the next one.
    pub fn event(&self) -> Option<SourceEvent> {
        self.event
    }

    /// Returns the time in this turn.
    pub fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// Sets the actor's timer, which causes a turn unless something wakes it earlier; `None` clears
    /// it. It has one timer, which is cleared when it expires.
    pub fn wake_at(&mut self, time: Option<Instant>) {
        self.wakes_at = time;
    }

    /// Wakes the actor when `source` may be ready, to read or to write. Events come when something
    /// has changed, so that the actor continues until nothing can be done. A source that is
    /// registered already is registered again, which brings an event if it is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses.
    pub fn register(&mut self, source: &mut impl Source) -> io::Result<()> {
        self.register_as(Slot::First, source)
    }

    /// [Registers](Turn::register) one of two sources, so that [events](Turn::event) show which of
    /// them they belong to.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses.
    pub fn register_as(&mut self, slot: Slot, source: &mut impl Source) -> io::Result<()> {
        let token = slot.token(self.key.index);
        match source.register(self.registry, token, CHANGES) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                source.reregister(self.registry, token, CHANGES)
            }
            outcome => outcome,
        }
    }

    /// Deregisters `source`, for another owner.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses.
    pub fn deregister(&mut self, source: &mut impl Source) -> io::Result<()> {
        source.deregister(self.registry)
    }

    /// Adds an actor to the same group. It acts soon, not now.
    pub fn spawn(&mut self, actor: impl Actor + 'static) {
        self.spawned
            .push((Arc::clone(self.members), Box::new(actor)));
    }

    /// Returns a handle that wakes this actor, from any thread.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core, self.key)
    }

    /// Returns the same, as the standard library has it.
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::new(self.handle()))
    }

    /// Runs user code: `what` describes it for threads that wait too long for this one.
    ///
    /// # Errors
    ///
    /// Returns an error if the code panics.
    pub fn user_code<R>(
        &mut self,
        what: &Arc<str>,
        code: impl FnOnce() -> R,
    ) -> Result<R, Panicked> {
        self.core.set_busy(Some(Busy {
            what: Arc::clone(what),
            since: Instant::now(),
        }));
        let outcome = catch_unwind(AssertUnwindSafe(code));
        self.core.set_busy(None);
        // It may have taken its time.
        self.now = None;
        outcome.map_err(|payload| Panicked::new(payload.as_ref()))
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("is_first", &self.is_first)
            .field("event", &self.event)
            .field("wakes_at", &self.wakes_at)
            .finish_non_exhaustive()
    }
}

/// Wakes an actor, from any thread. Of an actor that is gone it does nothing.
#[derive(Clone)]
pub struct Handle {
    /// The handle keeps nobody's thread.
    core: Weak<Core<dyn Actor>>,
    key: Key,
}

impl Handle {
    fn new(core: &Arc<Core<dyn Actor>>, key: Key) -> Self {
        Handle {
            core: Arc::downgrade(core),
            key,
        }
    }

    /// Makes the actor act soon.
    pub fn wake(&self) {
        if let Some(core) = self.core.upgrade() {
            core.ask(Request::Wake(self.key));
        }
    }
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        Handle::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Handle::wake(self);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("key", &self.key).finish()
    }
}

/// Code of a user's has panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl Panicked {
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Panicked {
            message: text.unwrap_or("no message").to_owned(),
        }
    }

    /// Returns what the panic said.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}
