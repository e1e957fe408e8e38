//! Every interleaving of threads that start, stop, abort and wait for one
//! resource, within a bound on preemptions. Loom has no clock, so that a
//! wake-up that is missing shows as a deadlock.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p standin-entity --test loom`

#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use loom::thread;
use standin_entity::{
    Check, CheckInterval, Entity, Error, Resource, ResourceBuilder, Result, StartError, Status,
    Steps, WaitError,
};

/// A resource that counts its steps and knows whether it is up.
struct Peer {
    resource: Resource,
    broken: AtomicBool,
    ready: AtomicBool,
    up: AtomicBool,
    starting: AtomicUsize,
    post_start: AtomicUsize,
    stopping: AtomicUsize,
    post_stop: AtomicUsize,
    aborting: AtomicUsize,
    /// How many steps run now, `aborting` apart.
    running: AtomicUsize,
}

impl Peer {
    fn new(ready: bool, async_start: bool) -> Arc<Self> {
        let options = ResourceBuilder::new().name("peer").async_start(async_start);
        let entity = Entity::with_options("resource", "resource", options).unwrap();
        Arc::new(Self {
            resource: Resource::from_entity(entity),
            broken: AtomicBool::new(false),
            ready: AtomicBool::new(ready),
            up: AtomicBool::new(false),
            starting: AtomicUsize::new(0),
            post_start: AtomicUsize::new(0),
            stopping: AtomicUsize::new(0),
            post_stop: AtomicUsize::new(0),
            aborting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        })
    }

    fn start(&self) -> Result<(), StartError> {
        self.resource.start(self)
    }

    fn stop(&self) {
        self.resource.stop(self).unwrap();
    }

    fn wait(&self, status: Status) -> Result<(), WaitError> {
        self.resource.wait(self, status, None)
    }

    fn become_ready(&self) {
        self.ready.store(true, SeqCst);
        self.resource.notify();
    }

    /// One step, which no other step may overlap.
    fn alone(&self, count: &AtomicUsize) {
        assert_eq!(self.running.fetch_add(1, SeqCst), 0, "two steps at once");
        count.fetch_add(1, SeqCst);
        self.running.fetch_sub(1, SeqCst);
    }

    /// What has to hold when all threads are done.
    fn check(&self) {
        let status = self.resource.status();
        assert!(
            matches!(status, Status::None | Status::Started | Status::Stopped),
            "{status}"
        );
        assert_eq!(self.up.load(SeqCst), status == Status::Started, "{status}");
    }
}

impl Steps for Peer {
    // The real clock must have no say in a model.
    fn started_check_interval(&self) -> CheckInterval {
        CheckInterval::Fixed(Duration::from_secs(3600))
    }

    fn stopped_check_interval(&self) -> CheckInterval {
        CheckInterval::Fixed(Duration::from_secs(3600))
    }

    fn starting(&self) -> Result<()> {
        self.alone(&self.starting);
        self.up.store(true, SeqCst);
        if self.broken.load(SeqCst) {
            return Err(Error::msg("broken"));
        }
        Ok(())
    }

    fn started_check(&self) -> Result<Check> {
        Ok(self.ready.load(SeqCst).into())
    }

    fn post_start(&self) -> Result<()> {
        self.alone(&self.post_start);
        Ok(())
    }

    fn stopping(&self) -> Result<()> {
        self.alone(&self.stopping);
        self.up.store(false, SeqCst);
        Ok(())
    }

    fn post_stop(&self) -> Result<()> {
        self.alone(&self.post_stop);
        Ok(())
    }

    fn aborting(&self) -> Result<()> {
        self.aborting.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// Runs `model` in every interleaving, or in those with at most so many preemptions.
fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    builder.check(model);
}

fn spawn<T: 'static>(
    peer: &Arc<Peer>,
    work: impl FnOnce(&Peer) -> T + 'static,
) -> thread::JoinHandle<T> {
    let peer = Arc::clone(peer);
    thread::spawn(move || work(&peer))
}

#[test]
fn two_starts_start_once() {
    explore(None, || {
        let peer = Peer::new(true, false);
        let other = spawn(&peer, Peer::start);
        peer.start().unwrap();
        other.join().unwrap().unwrap();
        assert_eq!(
            (peer.starting.load(SeqCst), peer.post_start.load(SeqCst)),
            (1, 1)
        );
        peer.check();
    });
}

#[test]
fn two_starts_of_what_is_broken_both_fail_and_leave_nothing_up() {
    explore(None, || {
        let peer = Peer::new(true, false);
        peer.broken.store(true, SeqCst);
        let other = spawn(&peer, Peer::start);
        for result in [peer.start(), other.join().unwrap()] {
            assert!(matches!(result, Err(StartError::Step { .. })), "{result:?}");
        }
        assert_eq!(peer.starting.load(SeqCst), peer.stopping.load(SeqCst));
        assert_eq!(peer.resource.status(), Status::Stopped);
        peer.check();
    });
}

#[test]
fn two_stops_stop_once() {
    explore(None, || {
        let peer = Peer::new(true, false);
        peer.start().unwrap();
        let other = spawn(&peer, Peer::stop);
        peer.stop();
        other.join().unwrap();
        assert_eq!(
            (peer.stopping.load(SeqCst), peer.post_stop.load(SeqCst)),
            (1, 1)
        );
        assert_eq!(peer.resource.status(), Status::Stopped);
        peer.check();
    });
}

#[test]
fn a_start_and_a_stop_agree_on_the_outcome() {
    explore(None, || {
        let peer = Peer::new(true, false);
        let other = spawn(&peer, Peer::stop);
        match peer.start() {
            Ok(()) | Err(StartError::Stopped { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        other.join().unwrap();
        peer.check();
    });
}

#[test]
fn a_stop_ends_a_start_that_is_never_ready() {
    explore(None, || {
        let peer = Peer::new(false, false);
        let other = spawn(&peer, Peer::start);
        // Before the start there is nothing to stop.
        while peer.resource.status() == Status::None {
            thread::yield_now();
        }
        peer.stop();
        assert!(matches!(
            other.join().unwrap(),
            Err(StartError::Stopped { .. })
        ));
        assert_eq!(peer.resource.status(), Status::Stopped);
        peer.check();
    });
}

#[test]
fn a_notification_is_never_missed() {
    explore(None, || {
        let peer = Peer::new(false, false);
        let other = spawn(&peer, Peer::become_ready);
        peer.start().unwrap();
        other.join().unwrap();
        peer.check();
    });
}

#[test]
fn an_abort_ends_a_start_that_is_never_ready() {
    explore(None, || {
        let peer = Peer::new(false, false);
        let other = spawn(&peer, Peer::start);
        peer.resource.abort(&*peer).unwrap();
        assert!(matches!(
            other.join().unwrap(),
            Err(StartError::Aborted { .. })
        ));
        assert_eq!(peer.aborting.load(SeqCst), 1);
        assert!(peer.resource.is_aborted());
        peer.check();
    });
}

#[test]
fn two_aborts_abort_once() {
    explore(None, || {
        let peer = Peer::new(true, false);
        let other = spawn(&peer, |peer| peer.resource.abort(peer).unwrap());
        peer.resource.abort(&*peer).unwrap();
        other.join().unwrap();
        assert_eq!(peer.aborting.load(SeqCst), 1);
    });
}

#[test]
fn of_two_waits_one_completes_an_asynchronous_start() {
    explore(Some(4), || {
        let peer = Peer::new(false, true);
        peer.start().unwrap();
        let waiter = spawn(&peer, |peer| peer.wait(Status::Started));
        let notifier = spawn(&peer, Peer::become_ready);
        peer.wait(Status::Started).unwrap();
        waiter.join().unwrap().unwrap();
        notifier.join().unwrap();
        assert_eq!(peer.post_start.load(SeqCst), 1);
        peer.check();
    });
}

#[test]
fn a_wait_that_gives_up_hands_over_to_another() {
    explore(Some(4), || {
        let peer = Peer::new(false, true);
        peer.start().unwrap();
        let waiter = spawn(&peer, |peer| peer.wait(Status::Started));
        let looker = spawn(&peer, |peer| {
            let look = peer.resource.wait(peer, Status::Started, Duration::ZERO);
            peer.become_ready();
            look
        });
        waiter.join().unwrap().unwrap();
        match looker.join().unwrap() {
            Ok(()) | Err(WaitError::Timeout { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert_eq!(peer.post_start.load(SeqCst), 1);
        peer.check();
    });
}

#[test]
fn a_stop_ends_a_wait_for_the_start() {
    explore(None, || {
        let peer = Peer::new(false, true);
        peer.start().unwrap();
        let waiter = spawn(&peer, |peer| peer.wait(Status::Started));
        peer.stop();
        assert!(waiter.join().unwrap().is_err());
        peer.wait(Status::Stopped).unwrap();
        assert_eq!(peer.post_stop.load(SeqCst), 1);
        peer.check();
    });
}

#[test]
fn a_wait_sees_the_stop_of_another_thread() {
    explore(None, || {
        let peer = Peer::new(true, false);
        peer.start().unwrap();
        let waiter = spawn(&peer, |peer| peer.wait(Status::Stopped));
        peer.stop();
        waiter.join().unwrap().unwrap();
        assert_eq!(peer.post_stop.load(SeqCst), 1);
        peer.check();
    });
}

#[test]
fn an_abort_ends_a_wait_for_what_nobody_does() {
    explore(None, || {
        let peer = Peer::new(true, false);
        peer.start().unwrap();
        let waiter = spawn(&peer, |peer| peer.wait(Status::Paused));
        peer.resource.abort(&*peer).unwrap();
        assert!(matches!(
            waiter.join().unwrap(),
            Err(WaitError::Aborted { .. })
        ));
    });
}

#[test]
fn start_stop_and_abort_of_three_threads_leave_nothing_up_by_accident() {
    explore(Some(4), || {
        let peer = Peer::new(true, false);
        let starter = spawn(&peer, |peer| peer.start().is_ok());
        let aborter = spawn(&peer, |peer| peer.resource.abort(peer).unwrap());
        peer.stop();
        starter.join().unwrap();
        aborter.join().unwrap();
        assert_eq!(peer.aborting.load(SeqCst), 1);
        peer.check();
        // Whatever happened, it can be stopped now, and then it is down.
        peer.stop();
        assert!(!peer.up.load(SeqCst));
    });
}

#[test]
fn a_pause_and_a_stop_agree_on_the_outcome() {
    explore(Some(4), || {
        let peer = Peer::new(true, false);
        peer.start().unwrap();
        let pauser = spawn(&peer, |peer| peer.resource.pause(peer).is_ok());
        peer.stop();
        pauser.join().unwrap();
        assert_eq!(peer.resource.status(), Status::Stopped);
        peer.check();
    });
}
