//! Responders: on the connections of a server, or on one that a client has made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use miette::Diagnostic;
use standin_reactor::{Group, Reactor, Stuck};
use standin_socket::{OwnedConnection, Server};
use standin_sync::operation::{Thread, Wait, now};
use thiserror::Error;

use crate::desk::{Desk, NotHere, Over, Parked};
use crate::peer::{Common, Line, Listener, Peer};
use crate::{HandOverError, Held, Ledger, Script, Seen, Unexpected, Verdict, WaitError};

/// Answers peers by itself, following a [`Script`], until it is [stopped](Responder::stop) or
/// dropped.
///
/// All responders of the process share one thread, which exists only while there are responders.
///
/// ```
/// use std::time::Duration;
/// use standin_reply::{Replies, Responder, Seen, equals};
/// use standin_socket::framing::Lines;
/// use standin_socket::{Client, Server};
///
/// let limit = Duration::from_secs(10);
/// let replies = Replies::framed(Lines::new())
///     .greeting("ready\n")
///     .on(equals("PING").named("ping").times(1..), "PONG\n");
/// let server = Server::builder().bind()?;
/// let responder = Responder::serve(&server, replies.prepare(&[])?)?;
///
/// let peer = Client::builder().port(server.port()).build().connect(limit)?;
/// peer.expect(b"ready\n", limit)?;
/// peer.send(b"PING\n", limit)?;
/// peer.expect(b"PONG\n", limit)?;
///
/// responder.wait_until(Seen::rule("ping"), limit)?;
/// responder.verify(limit)?; // nothing unexpected, nothing missing
/// responder.stop(limit)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Responder {
    common: Arc<Common>,
    group: Arc<Group>,
    reactor: Reactor,
    /// How many connections it was given one by one.
    given: AtomicUsize,
}

/// The answering thread is not free in time.
#[derive(Clone, Error, Diagnostic)]
#[error("{stuck}")]
#[diagnostic(
    code(standin::reply::stuck),
    help("closures, predicates and framings run on the one thread that answers: none may block")
)]
pub struct StuckError {
    stuck: Stuck,
}

standin_error::reportable!(StuckError);

impl StuckError {
    /// Returns the user code that blocks the thread, and since when.
    pub fn busy(&self) -> Option<&standin_reactor::Busy> {
        self.stuck.busy()
    }
}

/// Why it could not be verified that everything has happened, or what has not.
#[derive(Clone, Error, Diagnostic)]
pub enum VerifyError {
    /// Something is missing, or was unexpected.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotAsDeclared(Verdict),
    /// The answering thread does not get to what has arrived.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stuck(StuckError),
}

standin_error::reportable!(VerifyError {
    NotAsDeclared,
    Stuck
});

impl Responder {
    /// Accepts all connections of a server, and answers on them. They are not among those that the
    /// server [shows](Server::connections), nor can anybody else accept them.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread or no descriptor left.
    pub fn serve(server: &Server, script: Script) -> io::Result<Responder> {
        let responder = Responder::new(script)?;
        let listener = Listener::new(server, Arc::clone(&responder.common));
        responder.group.spawn(listener);
        Ok(responder)
    }

    /// Answers on a connection, also one that a client has made: with a
    /// [greeting](crate::Replies::greeting) or a [dialogue](crate::Replies::dialogue), it speaks
    /// first. It is connection 0, also if the client has had others before.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread or no descriptor left.
    pub fn play(connection: OwnedConnection, script: Script) -> io::Result<Responder> {
        let responder = Responder::new(script)?;
        responder.talk(connection);
        Ok(responder)
    }

    /// Answers on one more connection. Those that are given to it in this way are numbered in
    /// their order, from 0. A responder that has stopped closes it.
    pub fn talk(&self, connection: OwnedConnection) {
        let index = self.given.fetch_add(1, Ordering::Relaxed);
        let peer = Peer::new(connection, index, Arc::clone(&self.common));
        self.group.spawn(peer);
    }

    /// Creates a responder without a connection: [`talk`](Responder::talk) adds connections.
    ///
    /// # Errors
    ///
    /// Returns an error if the system has no thread or no descriptor left.
    pub fn new(mut script: Script) -> io::Result<Responder> {
        let label = script.label.clone();
        let label = label.as_deref().unwrap_or("the replies");
        let reactor = Reactor::acquire()?;
        let group = reactor.group(label);
        let what = format!("an answer of {label}").into();
        let callback = script.on_unexpected.take();
        let common = Arc::new_cyclic(|common: &std::sync::Weak<Common>| {
            let common = common.clone();
            let script = script.on_unexpected(move |unexpected: &Unexpected| {
                if let Some(common) = common.upgrade() {
                    let unexpected = Box::new(unexpected.clone());
                    common.desk.is_over(Over::Unexpected(unexpected));
                }
                if let Some(callback) = &callback {
                    callback(unexpected);
                }
            });
            Common {
                ledger: Ledger::new(script),
                desk: Desk::new(),
                what,
            }
        });
        Ok(Responder {
            common,
            group: Arc::new(group),
            reactor,
            given: AtomicUsize::new(0),
        })
    }

    /// Returns the account of what has happened.
    pub fn ledger(&self) -> &Ledger {
        &self.common.ledger
    }

    /// Returns the user code that blocks the answering thread, and since when, of this responder or
    /// another.
    pub fn busy(&self) -> Option<standin_reactor::Busy> {
        self.group.busy()
    }

    /// Waits until something has happened; at once if it has. With `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// Returns an error if the time limit passes, if something unexpected has happened or happens
    /// meanwhile, or if the responder has stopped.
    pub fn wait_until(
        &self,
        seen: Seen,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        now(self.wait_until_with(Thread, seen, timeout))
    }

    /// Does the same as [`wait_until`](Responder::wait_until), waiting with `wait`.
    #[doc(hidden)]
    pub async fn wait_until_with(
        &self,
        wait: impl Wait,
        seen: Seen,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<(), WaitError> {
        if self.reactor.is_current_thread() {
            let who = self.common.ledger.who().cloned();
            return Err(WaitError::InAnswer { who, seen });
        }
        let outcome = self
            .common
            .ledger
            .wait_until_with(wait, seen, timeout)
            .await;
        outcome.map_err(|error| error.with_note(self.busy_now()))
    }

    /// Returns the conversation that has been [held](crate::hold) under this name for the longest
    /// time, as soon as there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none in time, if something unexpected has happened or happens
    /// meanwhile, or if the responder has stopped.
    pub fn held(
        &self,
        name: impl AsRef<str>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Held, HandOverError> {
        now(self.held_with(Thread, name.as_ref(), timeout))
    }

    /// Does the same as [`held`](Responder::held), waiting with `wait`.
    #[doc(hidden)]
    pub async fn held_with(
        &self,
        wait: impl Wait,
        name: &str,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Held, HandOverError> {
        let timeout = timeout.into();
        let what = || format!("nothing was held as \"{name}\"");
        self.may_wait(what)?;
        let taken = self
            .common
            .desk
            .take_held(wait, name, deadline(timeout))
            .await;
        self.hand_over(timeout, taken, what)
    }

    /// Takes over the conversation of the connection with that index, counted from 0, at any point:
    /// between two frames, or in the middle of a delay. The test first receives the bytes that are
    /// not a whole frame yet. Waits for a connection that does not exist yet.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not exist in time, if something unexpected has happened or
    /// happens meanwhile, or if the responder has stopped.
    pub fn take_over(
        &self,
        connection: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Held, HandOverError> {
        now(self.take_over_with(Thread, connection, timeout))
    }

    /// Does the same as [`take_over`](Responder::take_over), waiting with `wait`.
    #[doc(hidden)]
    pub async fn take_over_with(
        &self,
        wait: impl Wait,
        connection: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Held, HandOverError> {
        let timeout = timeout.into();
        let what = || format!("connection {connection} could not be taken over");
        self.may_wait(what)?;
        let go_on = |line| self.group.spawn(Peer::of(line, Arc::clone(&self.common)));
        let taken = self
            .common
            .desk
            .take_over(wait, connection, deadline(timeout), go_on)
            .await;
        self.hand_over(timeout, taken, what)
    }

    /// Waits until everything that has arrived so far was processed. Delayed answers are not
    /// awaited.
    ///
    /// # Errors
    ///
    /// Returns an error that names the code that blocks the thread, if it is not free in time.
    pub fn settle(&self, limit: impl Into<Option<Duration>>) -> Result<(), StuckError> {
        self.group
            .settle(limit)
            .map_err(|stuck| StuckError { stuck })
    }

    /// Checks that everything required has happened, and nothing unexpected, once everything that
    /// has arrived so far was processed.
    ///
    /// # Errors
    ///
    /// Returns an error that lists what was unexpected and what is missing; or names the code that
    /// blocks the thread, if it is not free in time.
    pub fn verify(&self, limit: impl Into<Option<Duration>>) -> Result<(), VerifyError> {
        self.settle(limit).map_err(VerifyError::Stuck)?;
        let verdict = self.common.ledger.verify();
        verdict.map_err(VerifyError::NotAsDeclared)
    }

    /// Ends all waits of the test, for this reason.
    pub fn abort(&self, reason: impl Into<Arc<str>>) {
        let reason = reason.into();
        self.common.ledger.abort(Arc::clone(&reason));
        self.common.desk.is_over(Over::Aborted(reason));
    }

    /// Ends all conversations, with their connections, and all waits of the test. The server itself
    /// stays open.
    ///
    /// # Errors
    ///
    /// Returns an error that names the code that blocks the thread, if it is not free in time. The
    /// responder has stopped anyway.
    pub fn stop(&self, limit: impl Into<Option<Duration>>) -> Result<(), StuckError> {
        let outcome = self.group.end(limit);
        self.end();
        outcome.map_err(|stuck| StuckError { stuck })
    }

    fn end(&self) {
        self.common.ledger.end();
        self.common.desk.is_over(Over::Ended);
    }

    /// The thread that answers would wait for itself.
    fn may_wait(&self, what: impl FnOnce() -> String) -> Result<(), HandOverError> {
        if self.reactor.is_current_thread() {
            let who = self.common.ledger.who().cloned();
            let what = what();
            return Err(HandOverError::InAnswer { who, what });
        }
        Ok(())
    }

    fn hand_over(
        &self,
        timeout: Option<Duration>,
        taken: Result<Parked<Box<Line>>, NotHere>,
        what: impl FnOnce() -> String,
    ) -> Result<Held, HandOverError> {
        match taken {
            Ok(parked) => {
                let group = Arc::downgrade(&self.group);
                Ok(Held::new(parked, Arc::clone(&self.common), group))
            }
            Err(not_here) => {
                let busy = self.busy_now();
                let error = HandOverError::new(&self.common, what(), not_here, timeout, busy);
                Err(error)
            }
        }
    }

    fn busy_now(&self) -> Option<String> {
        self.busy().map(|busy| busy.to_string())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.end();
    }
}

fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
