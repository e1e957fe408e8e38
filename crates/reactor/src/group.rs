//! Actors that belong together and end together.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_sync::Monitor;

use crate::actor::Actor;
use crate::core::{Busy, Done, Request};
use crate::engine::{FEW_ROUNDS, ROUNDS};
use crate::lease::{Lease, PATIENCE};
use crate::members::Members;

/// Actors that belong together, such as a server and its connections.
///
/// It keeps the reactor's thread. Dropping it ends its actors, and waits for that a moment only.
#[derive(Debug)]
pub struct Group {
    lease: Arc<Lease>,
    members: Arc<Members>,
}

/// The reactor's thread is not free in time.
#[derive(Clone, Debug)]
pub struct Stuck {
    group: Arc<str>,
    limit: Duration,
    busy: Option<Busy>,
}

impl Group {
    pub(crate) fn new(lease: Arc<Lease>, name: &str) -> Self {
        Group {
            lease,
            members: Arc::new(Members::new(name)),
        }
    }

    /// Returns the name that messages use.
    pub fn name(&self) -> &str {
        &self.members.name
    }

    /// Adds an actor. After [`end`](Group::end) it is dropped at once.
    pub fn spawn(&self, actor: impl Actor + 'static) {
        let members = Arc::clone(&self.members);
        let core = self.lease.core();
        core.ask(Request::Spawn(members, Box::new(actor)));
    }

    /// Returns how many actors there are.
    pub fn len(&self) -> usize {
        self.members.count()
    }

    /// Returns whether there are no actors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the code of a user's that the thread is running now, of this group or another.
    pub fn busy(&self) -> Option<Busy> {
        self.lease.core().busy()
    }

    /// Waits until the actors have processed everything that has arrived for them so far. Called by
    /// an actor it does nothing, as no actor can wait for others.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread is not free in time.
    pub fn settle(&self, limit: impl Into<Option<Duration>>) -> Result<(), Stuck> {
        self.settle_within(ROUNDS, limit.into())
    }

    /// Does the same, but does not wait for actors that find more and more to do, as in a flood:
    /// each of them has acted at least once on what has arrived, or has changed, before the call.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread is not free in time.
    pub fn keep_up(&self, limit: impl Into<Option<Duration>>) -> Result<(), Stuck> {
        self.settle_within(FEW_ROUNDS, limit.into())
    }

    fn settle_within(&self, most: u32, limit: Option<Duration>) -> Result<(), Stuck> {
        self.wait(|members, done| Request::Settle(members, most, done), limit)
    }

    /// Drops all actors, and waits for that. None acts afterwards. Called by an actor it does not
    /// wait: they are dropped when that actor's turn is over.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread is not free in time.
    pub fn end(&self, limit: impl Into<Option<Duration>>) -> Result<(), Stuck> {
        self.members.end();
        self.wait(Request::End, limit.into())
    }

    fn wait(
        &self,
        request: impl FnOnce(Arc<Members>, Done) -> Request<dyn Actor>,
        limit: Option<Duration>,
    ) -> Result<(), Stuck> {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let done: Done = Arc::new(Monitor::new(false));
        let core = self.lease.core();
        let is_asked = core.ask(request(Arc::clone(&self.members), Arc::clone(&done)));
        if !is_asked || core.is_current() {
            return Ok(());
        }
        let guard = done.wait_while(done.lock(), until, |is_done| !*is_done);
        if *guard {
            return Ok(());
        }
        Err(Stuck {
            group: Arc::clone(&self.members.name),
            limit: limit.unwrap_or_default(),
            busy: self.busy(),
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.members.have_ended() {
            return;
        }
        if let Err(stuck) = self.end(PATIENCE) {
            tracing::warn!(%stuck, "actors are left behind");
        }
    }
}

impl Stuck {
    /// Returns the code that keeps the thread, if it is a user's.
    pub fn busy(&self) -> Option<&Busy> {
        self.busy.as_ref()
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stuck { group, limit, busy } = self;
        write!(
            f,
            "what `{group}` does by itself did not end within {limit:?}"
        )?;
        match busy {
            Some(busy) => write!(f, ": {busy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Stuck {}
