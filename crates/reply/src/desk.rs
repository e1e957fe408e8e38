//! Where connections change hands: from the thread that answers to the test, and back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use standin_sync::Monitor;
use standin_sync::operation::Wait;

use crate::Unexpected;

/// Where connections change hands. Each is with its actor, on the desk, or with the test, never
/// with two of them.
#[derive(Debug)]
pub(crate) struct Desk<P> {
    inner: Monitor<Inner<P>>,
}

#[derive(Debug)]
struct Inner<P> {
    /// Whom to wake, of connections that are with their actors.
    actors: HashMap<usize, Waker>,
    /// How many want a connection, wherever it is in its conversation.
    wanted: HashMap<usize, usize>,
    on_desk: VecDeque<Parked<P>>,
    /// The first reason for the end of all waits.
    over: Option<Over>,
    /// Nobody answers any longer.
    has_ended: bool,
}

/// A connection on the desk.
#[derive(Debug)]
pub(crate) struct Parked<P> {
    pub(crate) index: usize,
    /// The name under which it is held; `None` if the test has asked for its index.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) connection: P,
}

/// Why all waits end.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    /// Something unexpected has happened.
    Unexpected(Box<Unexpected>),
    /// The test is over, for this reason.
    Aborted(Arc<str>),
    /// Nobody answers any longer.
    Ended,
}

/// Why a connection was not handed over.
#[derive(Debug)]
pub(crate) enum NotHere {
    Over(Over),
    /// The time was up; these are held under other names.
    TimedOut {
        held: Vec<(Arc<str>, usize)>,
        /// The connection that is meant, and whether it is with its actor.
        place: Option<(usize, bool)>,
    },
}

impl<P> Desk<P> {
    pub(crate) fn new() -> Self {
        Desk {
            inner: Monitor::new(Inner {
                actors: HashMap::new(),
                wanted: HashMap::new(),
                on_desk: VecDeque::new(),
                over: None,
                has_ended: false,
            }),
        }
    }

    /// A connection is with its actor from now on.
    pub(crate) fn begins(&self, index: usize, waker: Waker) {
        self.inner.update(|inner| inner.actors.insert(index, waker));
    }

    /// Its actor no longer has a connection.
    pub(crate) fn ends(&self, index: usize) {
        let waker = self.inner.update(|inner| inner.actors.remove(&index));
        // Not under the lock.
        drop(waker);
    }

    /// Whether its actor is to put a connection on the desk.
    pub(crate) fn wants(&self, index: usize) -> bool {
        self.inner.lock().wanted.contains_key(&index)
    }

    /// Its actor puts a connection on the desk. It has it back if nobody takes it there: the test
    /// that has asked for its index no longer wants it, or nobody answers any longer.
    pub(crate) fn park(&self, parked: Parked<P>) -> Result<(), P> {
        let (waker, outcome) = self.inner.update(|inner| {
            let is_wanted = inner.wanted.contains_key(&parked.index);
            if inner.has_ended || (parked.name.is_none() && !is_wanted) {
                return (None, Err(parked.connection));
            }
            let waker = inner.actors.remove(&parked.index);
            inner.on_desk.push_back(parked);
            (waker, Ok(()))
        });
        // Not under the lock.
        drop(waker);
        outcome
    }

    /// The test takes the connection that has been held under this name for the longest time.
    pub(crate) async fn take_held(
        &self,
        wait: impl Wait,
        name: &str,
        until: Option<Instant>,
    ) -> Result<Parked<P>, NotHere> {
        let is_meant = |parked: &Parked<P>| parked.name.as_deref() == Some(name);
        let taken = self.inner.when(until, |inner| inner.take_or_end(is_meant));
        match wait.run(taken).await {
            Some(outcome) => outcome,
            None => Err(self.inner.lock().timed_out(None)),
        }
    }

    /// The test takes a connection, wherever it is in its conversation. What was put on the desk
    /// for a caller that no longer wants it is given to `give_back`.
    pub(crate) async fn take_over(
        &self,
        wait: impl Wait,
        index: usize,
        until: Option<Instant>,
        give_back: impl Fn(P),
    ) -> Result<Parked<P>, NotHere> {
        let _wanted = Wanted::new(self, index, give_back);
        let is_meant = |parked: &Parked<P>| parked.index == index;
        let taken = self.inner.when(until, |inner| inner.take_or_end(is_meant));
        if let Some(outcome) = wait.run(taken).await {
            return outcome;
        }
        self.inner.update(|inner| {
            // It may have come at the last moment.
            inner.take_or_end(is_meant).unwrap_or_else(|| {
                let is_with_actor = inner.actors.contains_key(&index);
                Err(inner.timed_out(Some((index, is_with_actor))))
            })
        })
    }

    /// Ends all waits, for the first reason that is given. When nobody answers any longer, what is
    /// on the desk goes too.
    pub(crate) fn is_over(&self, over: Over) {
        let gone = self.inner.update(|inner| {
            inner.has_ended |= matches!(over, Over::Ended);
            inner.over.get_or_insert(over);
            inner.has_ended.then(|| {
                (
                    std::mem::take(&mut inner.on_desk),
                    std::mem::take(&mut inner.actors),
                )
            })
        });
        // Not under the lock: connections are closed by it.
        drop(gone);
    }
}

/// A connection that the test wants to take over, until it has it, gives up or is dropped.
struct Wanted<'d, P, F: Fn(P)> {
    desk: &'d Desk<P>,
    index: usize,
    give_back: F,
}

impl<'d, P, F: Fn(P)> Wanted<'d, P, F> {
    fn new(desk: &'d Desk<P>, index: usize, give_back: F) -> Self {
        let waker = desk.inner.update(|inner| {
            *inner.wanted.entry(index).or_default() += 1;
            inner.actors.get(&index).cloned()
        });
        let wanted = Wanted {
            desk,
            index,
            give_back,
        };
        // Not under the lock. An actor that begins later looks for itself.
        if let Some(waker) = waker {
            waker.wake();
        }
        wanted
    }
}

impl<P, F: Fn(P)> Drop for Wanted<'_, P, F> {
    fn drop(&mut self) {
        let left = (self.desk.inner).update(|inner| inner.no_longer_wants(self.index));
        // Not under the lock.
        if let Some(left) = left {
            (self.give_back)(left.connection);
        }
    }
}

impl<P> Inner<P> {
    /// Takes a connection that is meant, or says why there is nothing to wait for.
    fn take_or_end(
        &mut self,
        is_meant: impl Fn(&Parked<P>) -> bool,
    ) -> Option<Result<Parked<P>, NotHere>> {
        if let Some(parked) = self.take(is_meant) {
            return Some(Ok(parked));
        }
        let over = self.over.clone()?;
        Some(Err(NotHere::Over(over)))
    }

    /// One less wants this connection. Takes it from the desk if it lies there for nobody.
    fn no_longer_wants(&mut self, index: usize) -> Option<Parked<P>> {
        let count = self.wanted.get_mut(&index)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.wanted.remove(&index);
        self.take(|parked| parked.index == index && parked.name.is_none())
    }

    fn take(&mut self, is_meant: impl Fn(&Parked<P>) -> bool) -> Option<Parked<P>> {
        let at = self.on_desk.iter().position(is_meant)?;
        self.on_desk.remove(at)
    }

    fn timed_out(&self, place: Option<(usize, bool)>) -> NotHere {
        let held = self.on_desk.iter();
        NotHere::TimedOut {
            held: held
                .filter_map(|parked| Some((parked.name.clone()?, parked.index)))
                .collect(),
            place,
        }
    }
}

/// Every interleaving of a test that takes a connection, the actor that has it, and others.
#[cfg(all(test, loom))]
mod models {
    use std::future::{Future, poll_fn};
    use std::task::{Context, Poll, Wake};

    use loom::thread;
    use standin_sync::operation::{Attempt, Operation, Thread, now};

    use super::*;

    /// What reaches an actor from outside.
    #[derive(Default)]
    struct Mail {
        is_woken: bool,
        /// A connection that was handed back.
        back: Option<u32>,
        is_over: bool,
    }

    struct Alarm(Arc<Monitor<Mail>>);

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.0.update(|mail| mail.is_woken = true);
        }
    }

    /// An actor that answers on connection 0 until it is over. Gives the connection, if it has it.
    fn answer(desk: &Desk<u32>, mail: &Arc<Monitor<Mail>>) -> Option<u32> {
        let mut connection = Some(7);
        let mut is_over = false;
        desk.begins(0, Waker::from(Arc::new(Alarm(Arc::clone(mail)))));
        loop {
            // As soon as it begins, and whenever it is woken.
            if desk.wants(0)
                && let Some(had) = connection.take()
            {
                let parked = Parked {
                    index: 0,
                    name: None,
                    connection: had,
                };
                connection = desk.park(parked).err();
            }
            if is_over {
                return connection;
            }
            let mut guard = mail.wait_while(mail.lock(), None, |mail| {
                !mail.is_woken && mail.back.is_none() && !mail.is_over
            });
            let back = guard.back.take();
            is_over = guard.is_over;
            guard.is_woken = false;
            drop(guard);
            if back.is_some() {
                assert!(connection.is_none(), "two have it");
                connection = back;
                desk.begins(0, Waker::from(Arc::new(Alarm(Arc::clone(mail)))));
            }
        }
    }

    /// A task that nobody wakes.
    struct Task;

    impl Wait for Task {
        async fn run<O: Operation>(&self, mut operation: O) -> O::Output {
            poll_fn(|cx| match operation.attempt(cx.waker()) {
                Attempt::Done(output) => Poll::Ready(output),
                Attempt::Waits(_) => Poll::Pending,
            })
            .await
        }
    }

    fn check(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    #[test]
    fn whoever_asks_has_it_and_hands_it_back() {
        check(|| {
            let desk = Arc::new(Desk::new());
            let mail = Arc::new(Monitor::new(Mail::default()));
            let actor = {
                let (desk, mail) = (Arc::clone(&desk), Arc::clone(&mail));
                thread::spawn(move || answer(&desk, &mail))
            };
            let take = |desk: &Desk<u32>, mail: &Monitor<Mail>| {
                let back = |connection| mail.update(|mail| mail.back = Some(connection));
                let parked = now(desk.take_over(Thread, 0, None, back)).unwrap();
                back(parked.connection);
            };
            let other = {
                let (desk, mail) = (Arc::clone(&desk), Arc::clone(&mail));
                thread::spawn(move || take(&desk, &mail))
            };
            take(&desk, &mail);
            other.join().unwrap();
            mail.update(|mail| mail.is_over = true);
            assert_eq!(actor.join().unwrap(), Some(7));
        });
    }

    #[test]
    fn who_gives_up_leaves_it_with_its_actor() {
        check(|| {
            let desk = Arc::new(Desk::new());
            let mail = Arc::new(Monitor::new(Mail::default()));
            let actor = {
                let (desk, mail) = (Arc::clone(&desk), Arc::clone(&mail));
                thread::spawn(move || answer(&desk, &mail))
            };
            let aborts = {
                let desk = Arc::clone(&desk);
                thread::spawn(move || desk.is_over(Over::Aborted("enough".into())))
            };
            let back = |connection| mail.update(|mail| mail.back = Some(connection));
            let taken = now(desk.take_over(Thread, 0, None, back)).ok();
            aborts.join().unwrap();
            mail.update(|mail| mail.is_over = true);
            let kept = actor.join().unwrap();
            let taken = taken.map(|parked| parked.connection);
            assert_eq!(taken.xor(kept), Some(7), "{taken:?} {kept:?}");
            assert!(desk.inner.lock().on_desk.is_empty());
        });
    }

    #[test]
    fn a_task_that_is_dropped_leaves_it_with_its_actor() {
        check(|| {
            let desk = Arc::new(Desk::new());
            let mail = Arc::new(Monitor::new(Mail::default()));
            let actor = {
                let (desk, mail) = (Arc::clone(&desk), Arc::clone(&mail));
                thread::spawn(move || answer(&desk, &mail))
            };
            let back = |connection| mail.update(|mail| mail.back = Some(connection));
            let mut taken = Box::pin(desk.take_over(Task, 0, None, back));
            let mut context = Context::from_waker(Waker::noop());
            let polled = match taken.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => Some(outcome.unwrap().connection),
                Poll::Pending => None,
            };
            drop(taken);
            mail.update(|mail| mail.is_over = true);
            let kept = actor.join().unwrap();
            assert_eq!(polled.xor(kept), Some(7), "{polled:?} {kept:?}");
            assert!(desk.inner.lock().on_desk.is_empty());
        });
    }

    #[test]
    fn what_is_parked_when_all_ends_is_given_back_or_gone() {
        check(|| {
            let desk = Arc::new(Desk::new());
            let parks = {
                let desk = Arc::clone(&desk);
                thread::spawn(move || {
                    let name = Some("pay".into());
                    let connection = Arc::new(7);
                    let index = 0;
                    desk.park(Parked {
                        index,
                        name,
                        connection,
                    })
                    .is_ok()
                })
            };
            let ends = {
                let desk = Arc::clone(&desk);
                thread::spawn(move || desk.is_over(Over::Ended))
            };
            let taken = now(desk.take_held(Thread, "pay", None)).is_ok();
            let is_parked = parks.join().unwrap();
            ends.join().unwrap();
            assert!(is_parked || !taken);
            assert!(desk.inner.lock().on_desk.is_empty());
        });
    }
}
