//! A stop while another thread starts, and calls that would wait for each other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use standin_driver::{Driver, Lifecycle};
use standin_entity::{Error, StartError, Status};
use standin_environment::{Environment, EnvironmentError, Failure, NotStarted, RunningEnvironment};
use support::{Probe, Trace, within_time};

/// Whether the start failed because it was interrupted.
#[track_caller]
fn check_interrupted(result: &Result<(), EnvironmentError>) {
    let Err(EnvironmentError::Start(NotStarted { failures, .. })) = result else {
        panic!("{result:?}");
    };
    assert!(
        failures.iter().any(|failure| match failure {
            Failure::Start(error) => matches!(error, StartError::Stopped { .. }),
            Failure::Wait(error) => error.to_string().contains("stopped"),
            _ => false,
        }),
        "{failures:?}"
    );
}

#[track_caller]
fn check_down(drivers: &[Arc<dyn Driver>]) {
    for driver in drivers {
        let status = driver.status();
        assert!(
            matches!(status, Status::Stopped | Status::None),
            "{} is {status}",
            driver.name()
        );
    }
}

#[test]
fn a_stop_ends_a_start_that_waits_for_readiness() {
    for (concurrent, async_start) in [(false, false), (false, true), (true, false)] {
        within_time("a stop during a start", move || {
            let trace = Trace::default();
            let folder = tempfile::tempdir().unwrap();
            let mut env = Environment::builder("waits")
                .runpath(folder.path())
                .concurrent(concurrent)
                .build()
                .unwrap();
            for name in ["a", "b", "c"] {
                let probe = Probe::builder(name, &trace);
                let probe = if async_start {
                    probe.async_start(true)
                } else {
                    probe
                };
                env.add(probe.build().unwrap()).unwrap();
            }
            let env = env.start().unwrap();
            env.stop().unwrap();
            trace.take();
            trace.set_ready(false);
            thread::scope(|scope| {
                let start = scope.spawn(|| env.start());
                trace.wait_for("a started_check");
                env.stop().unwrap();
                check_interrupted(&start.join().unwrap());
            });
            check_down(&env.drivers());
            trace.set_ready(true);
            env.start().unwrap();
        });
    }
}

#[test]
fn dropping_the_guard_of_a_parent_ends_the_start_of_a_child() {
    within_time("a drop during the start of a child", || {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let parent = Environment::builder("parent").runpath(folder.path().join("parent"));
        let parent = parent.build().unwrap().start().unwrap();
        let mut child = Environment::builder("child")
            .runpath(folder.path().join("child"))
            .build()
            .unwrap();
        child.set_parent(&parent).unwrap();
        child
            .add(Probe::builder("a", &trace).build().unwrap())
            .unwrap();
        let drivers = child.drivers();
        trace.set_ready(false);
        let start = thread::spawn(move || child.start().map(drop));
        trace.wait_for("a started_check");
        drop(parent);
        check_down(&drivers);
        check_interrupted(&start.join().unwrap());
    });
}

#[test]
fn a_stop_ends_the_start_of_a_replacement_and_tries_no_other() {
    within_time("a stop during a replacement", || {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let mut env = Environment::builder("fails over")
            .runpath(folder.path())
            .build()
            .unwrap();
        let fail = Arc::new(Mutex::new(false));
        let fails = fail.clone();
        let hook = move |_: &dyn Driver| match *fails.lock().unwrap() {
            true => Err(Error::msg("it does not start")),
            false => Ok(()),
        };
        env.add(Probe::builder("a", &trace).pre_start(hook).build().unwrap())
            .unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        for name in ["b", "c"] {
            let (trace, made) = (trace.clone(), made.clone());
            let make = move || {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(Probe::builder(name, &trace).build()?)
            };
            env.register_failover("a", make).unwrap();
        }
        let env = env.start().unwrap();
        env.stop().unwrap();
        *fail.lock().unwrap() = true;
        trace.set_ready(false);
        thread::scope(|scope| {
            let start = scope.spawn(|| env.start());
            trace.wait_for("b started_check");
            env.stop().unwrap();
            assert!(start.join().unwrap().is_err());
        });
        assert_eq!(
            made.load(Ordering::SeqCst),
            2,
            "the second one is made, and not started"
        );
        assert!(!trace.take().contains(&"c starting".to_owned()));
    });
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_hook_and_names_it() {
    within_time("a stop during a hook that does not return", || {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let mut env = Environment::builder("stuck")
            .runpath(folder.path())
            .status_wait_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let (go, blocked) = channel::<()>();
        let blocked = Mutex::new(blocked);
        let hangs = move |_: &dyn Driver| {
            let _ = blocked.lock().unwrap().recv();
            Ok(())
        };
        env.add(Probe::builder("quick", &trace).build().unwrap())
            .unwrap();
        env.add(
            Probe::builder("slow", &trace)
                .pre_stop(hangs)
                .build()
                .unwrap(),
        )
        .unwrap();
        let env = env.start().unwrap();
        thread::scope(|scope| {
            let stop = scope.spawn(|| env.stop());
            while env.statuses()[1].1 != Status::Stopping {
                thread::yield_now();
            }
            let error = env.stop().unwrap_err();
            assert!(matches!(error, EnvironmentError::Busy { .. }));
            let shown = error.to_string();
            assert!(
                shown.contains("the pre_stop hook of driver \"slow\""),
                "{shown}"
            );
            // An abort does not wait for it, either.
            env.abort();
            drop(go);
            let _ = stop.join().unwrap();
        });
    });
}

#[test]
fn hooks_that_stop_each_others_environments_do_not_wait_for_each_other() {
    within_time("two environments that stop each other", || {
        let trace = Trace::default();
        let folder = tempfile::tempdir().unwrap();
        let guards: [Arc<Mutex<Option<Arc<RunningEnvironment>>>>; 2] = Default::default();
        let both_in = Arc::new(Barrier::new(2));
        let refused = Arc::new(AtomicUsize::new(0));
        for (own, other) in [(0, 1), (1, 0)] {
            let name = ["left", "right"][own];
            let path = folder.path().join(name);
            let mut env = Environment::builder(name).runpath(path).build().unwrap();
            let (other, both_in) = (guards[other].clone(), both_in.clone());
            let refused = refused.clone();
            let stops_the_other = move |_: &dyn Driver| {
                both_in.wait();
                let other = other.lock().unwrap().clone().unwrap();
                if let Err(EnvironmentError::CalledFromWithin { .. }) = other.stop() {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            };
            env.add(
                Probe::builder(name, &trace)
                    .pre_stop(stops_the_other)
                    .build()
                    .unwrap(),
            )
            .unwrap();
            *guards[own].lock().unwrap() = Some(Arc::new(env.start().unwrap()));
        }
        thread::scope(|scope| {
            for slot in &guards {
                let env = slot.lock().unwrap().clone().unwrap();
                scope.spawn(move || env.stop().unwrap());
            }
        });
        assert_eq!(refused.load(Ordering::SeqCst), 1, "one of them goes on");
        for slot in &guards {
            let guard = slot.lock().unwrap().take();
            drop(guard);
        }
    });
}

#[test]
fn a_hook_of_a_driver_that_is_started_by_hand_may_stop_the_environment() {
    for concurrent in [false, true] {
        within_time("a stop from a start by hand", move || {
            let trace = Trace::default();
            let folder = tempfile::tempdir().unwrap();
            let mut env = Environment::builder("by hand")
                .runpath(folder.path())
                .concurrent(concurrent)
                .build()
                .unwrap();
            let slot: Arc<Mutex<Option<Arc<RunningEnvironment>>>> = Arc::default();
            let own = slot.clone();
            let stops = move |_: &dyn Driver| {
                let env = own.lock().unwrap().clone().unwrap();
                Ok(env.stop()?)
            };
            for name in ["a", "b", "c", "d"] {
                env.add(Probe::builder(name, &trace).build().unwrap())
                    .unwrap();
            }
            let last = Probe::builder("last", &trace)
                .auto_start(false)
                .post_start(stops);
            let last = env.add(last.build().unwrap()).unwrap();
            let env = Arc::new(env.start().unwrap());
            *slot.lock().unwrap() = Some(env.clone());
            assert!(matches!(last.start(), Err(StartError::Stopped { .. })));
            check_down(&env.drivers());
            let own = slot.lock().unwrap().take();
            drop(own);
        });
    }
}

#[test]
fn what_belongs_to_a_stopped_environment_does_not_start() {
    let trace = Trace::default();
    let folder = tempfile::tempdir().unwrap();
    let parent = Environment::builder("parent").runpath(folder.path().join("parent"));
    let parent = parent.build().unwrap().start().unwrap();
    let child = || {
        let child = Environment::builder("child").runpath(folder.path().join("child"));
        let mut child = child.build().unwrap();
        child.set_parent(&parent).unwrap();
        child
            .add(Probe::builder("a", &trace).build().unwrap())
            .unwrap();
        child
    };
    let first = child().start().unwrap();
    parent.stop().unwrap();
    for error in [first.start().unwrap_err(), child().start().unwrap_err()] {
        assert_eq!(
            error.to_string(),
            "environment \"child\" belongs to \"parent\", which is stopped"
        );
    }
    parent.start().unwrap();
    first.start().unwrap();
}
