//! Several threads at one resource, and hooks that call back.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use standin_entity::{Error, Resource, StartError, Status, Steps, StopError, Timer, WaitError};

use crate::script::{LONG, Script, check_down_and_startable};

#[test]
fn many_starts_at_once_start_once() {
    let script = Script::new();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                script.start().unwrap();
                // A thread that returns finds it ready, hooks included.
                assert!(
                    script
                        .trace
                        .lock()
                        .unwrap()
                        .contains(&"hook post_start".to_owned())
                );
            });
        }
    });
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "starting")
            .count(),
        1
    );
}

#[test]
fn a_second_start_gets_the_failure_of_the_first() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let script = Script::new().on("starting", move |_| {
        if let Some(wait) = wait.lock().unwrap().take() {
            wait.recv_timeout(LONG).map_err(Error::other)?;
        }
        Err(Error::msg("port is taken"))
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| script.start());
        script.await_call("starting");
        let second = scope.spawn(|| script.start());
        go.send(()).unwrap();
        for error in [first, second].map(|thread| thread.join().unwrap().unwrap_err()) {
            let StartError::Step { cause, .. } = error else {
                unreachable!("{error}");
            };
            assert_eq!(cause.to_string(), "port is taken");
        }
    });
}

#[test]
fn notify_wakes_a_check() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.become_ready();
        start.join().unwrap().unwrap();
    });
}

#[test]
fn a_stop_ends_the_start_of_another_thread() {
    let script = Script::new().never_ready();
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("started_check");
        script.stop().unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Stopped { .. })
        ));
    });
    let trace = script.take_trace();
    assert_eq!(
        trace.iter().filter(|called| *called == "stopping").count(),
        1,
        "{trace:?}"
    );
    check_down_and_startable(&script);
}

#[test]
fn a_stop_that_does_not_wait_for_a_blocked_step_leaves_the_stop_to_it() {
    let (go, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new().on("starting", move |_| {
        blocked
            .lock()
            .unwrap()
            .recv_timeout(LONG)
            .map_err(Error::other)
    });
    let script = script.set("status_wait_timeout", "20ms");
    thread::scope(|scope| {
        let start = scope.spawn(|| script.start());
        script.await_call("starting");
        assert!(matches!(script.stop(), Err(StopError::Busy { .. })));
        assert_eq!(script.status(), Status::Stopping);
        go.send(()).unwrap();
        assert!(matches!(
            start.join().unwrap(),
            Err(StartError::Stopped { .. })
        ));
    });
    assert!(script.take_trace().contains(&"stopping".to_owned()));
    check_down_and_startable(&script);
}

#[test]
fn a_hook_may_stop_its_own_resource() {
    let script = Script::new().on("hook post_start", |script| Ok(script.stop()?));
    assert!(matches!(script.start(), Err(StartError::Stopped { .. })));
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "stopping")
            .count(),
        1
    );
    check_down_and_startable(&script);
}

#[test]
fn a_hook_may_start_what_is_starting() {
    let script = Script::new().on("hook pre_start", |script| Ok(script.start()?));
    script.start().unwrap();
    assert_eq!(
        script
            .take_trace()
            .iter()
            .filter(|called| *called == "starting")
            .count(),
        1
    );
}

#[test]
fn a_hook_that_waits_for_its_own_start_is_told_so() {
    let script = Script::new().on("hook pre_start", |script| {
        Ok(script.wait(Status::Started, LONG)?)
    });
    let shown = format!("{:?}", Error::from(script.start().unwrap_err()));
    assert!(shown.contains("does not become STARTED"), "{shown}");
}

#[test]
fn is_shared_by_threads() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    check::<Resource>();
    check::<StartError>();
    check::<StopError>();
    check::<WaitError>();
}

#[test]
fn whatever_many_threads_do_at_once_it_comes_down() {
    let script = Script::new();
    let up = AtomicU32::new(0);
    thread::scope(|scope| {
        for thread in 0..6u32 {
            let (script, up) = (&script, &up);
            scope.spawn(move || {
                // Another order of the same operations in each thread.
                let mut number = thread + 1;
                for _ in 0..200 {
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // The outcomes depend on the others; only a hang is wrong.
                    match (number >> 16) % 8 {
                        0..=2 => up.fetch_add(u32::from(script.start().is_ok()), SeqCst),
                        3 => u32::from(script.stop().is_ok()),
                        4 => u32::from(script.resource.restart(script).is_ok()),
                        5 => u32::from(script.resource.pause(script).is_ok()),
                        6 => u32::from(script.resource.resume(script).is_ok()),
                        _ => u32::from(
                            script
                                .wait(Status::Started, Duration::from_millis(1))
                                .is_ok(),
                        ),
                    };
                }
            });
        }
    });
    assert!(up.load(SeqCst) > 0);
    script.stop().unwrap();
    let trace = script.take_trace();
    let count = |step: &str| trace.iter().filter(|called| *called == step).count();
    // A start that is stopped before its first step has none.
    assert!(count("pre_start") <= script.resource.timers().count(Timer::LIFESPAN));
    assert!(count("starting") <= count("stopping"));
    assert_eq!(count("hook post_stop"), count("pre_stop"));
    check_down_and_startable(&script);
}

/// Of a resource that nobody here runs the steps of.
struct Elsewhere;

impl Steps for Elsewhere {}

#[test]
fn two_starts_that_wait_for_each_other_say_so() {
    let (first, second) = (Script::new(), Script::new());
    let both_start = Arc::new(Barrier::new(2));
    let await_start_of = |other: &Script| {
        let (both_start, other) = (both_start.clone(), other.resource.clone());
        move |_: &Script| {
            both_start.wait();
            Ok(other.wait(&Elsewhere, Status::Started, None)?)
        }
    };
    let (await_first, await_second) = (await_start_of(&first), await_start_of(&second));
    let first = first.on("starting", await_second);
    let second = second.on("starting", await_first);
    let shown = thread::scope(|scope| {
        let first = scope.spawn(|| first.start().unwrap_err());
        let second = second.start().unwrap_err();
        format!("{:?}\n{second:?}", first.join().unwrap())
    });
    let circle = "`starting` has not returned, and it waits for the one that asks";
    assert!(shown.contains(circle), "{shown}");
}
